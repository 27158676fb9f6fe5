// Incidents: what is disturbed, and what was.

import { getRouteApi, Link } from "@tanstack/react-router";
import { useList } from "../api/lists";
import * as ask from "../api/queries";
import type { IncidentSummary } from "../api/types";
import { actor } from "../lib/format";
import { Empty, Loaded, State, Time, Took, useTitle } from "../ui/basic";
import { Table, type Column } from "../ui/table";

const route = getRouteApi("/incidents");

const COLUMNS: Column<IncidentSummary>[] = [
  { key: "state", head: "State", width: "110px", narrow: "84px", cell: (one) => <State state={one.status} /> },
  { key: "title", head: "Incident", width: "minmax(0, 1.4fr)", cell: (one) => <Link to="/incidents/$id" params={{ id: one.id }} tabIndex={-1} title={one.id}>{one.title}</Link> },
  { key: "held", head: "In hand", width: "minmax(0, .5fr)", wide: true, cell: (one) => (one.acknowledged ? <span title={one.acknowledged.message}>{actor(one.acknowledged.by)}</span> : one.status === "open" ? <State state="nobody" text="nobody" /> : "") },
  { key: "waits", head: "Waits for", width: "minmax(0, 1fr)", wide: true, cell: (one) => <span className="muted" title={one.waiting_for?.join("\n")}>{one.waiting_for?.join(", ") ?? ""}</span> },
  { key: "alarms", head: "Alarms", width: "minmax(0, .8fr)", wide: true, cell: (one) => <span className="muted">{[...new Set(Object.keys(one.alarms).map((key) => key.split("{")[0]))].join(", ")}</span> },
  { key: "workload", head: "Workload", width: "minmax(0, .6fr)", wide: true, cell: (one) => one.workload },
  { key: "runs", head: "Runs", width: "50px", right: true, wide: true, cell: (one) => one.runs.length || "" },
  { key: "opened", head: "Opened", width: "90px", narrow: "80px", right: true, cell: (one) => <Time at={one.opened_at} /> },
  { key: "took", head: "Took", width: "90px", right: true, wide: true, cell: (one) => <Took from={one.opened_at} to={one.resolved_at} /> },
];

export function Incidents() {
  useTitle("Incidents");
  const { show } = route.useSearch();
  const navigate = route.useNavigate();
  const { asked, rows, more } = useList(ask.incidents(show ? { status: show } : {}));
  return (
    <>
      <div className="page-head"><h1>Incidents</h1></div>
      <div className="filters">
        <div className="segments" role="group" aria-label="Which incidents">
          {([["All", undefined], ["Open", "open"], ["Resolved", "resolved"]] as const).map(([name, value]) => <button key={name} type="button" aria-pressed={show === value} onClick={() => void navigate({ search: value ? { show: value } : {}, replace: true })}>{name}</button>)}
        </div>
      </div>
      <div className="panel">
        <Loaded of={asked} what="incidents">
          {() => (
            <Table
              label="Incidents" primary columns={COLUMNS} rows={rows} rowKey={(one) => one.id} {...(rows.length > 20 ? { height: "calc(100dvh - 190px)" } : {})}
              onOpen={(one) => void navigate({ to: "/incidents/$id", params: { id: one.id }, search: {} })}
              onEnd={more}
              foot={<span>{rows.length.toLocaleString("en")} shown{asked.hasNextPage ? "; more as you go down" : ""}</span>}
              empty={show === "open"
                ? <Empty title="No incident is open"><p>An alarm that fires opens one, or joins one that is open.</p></Empty>
                : <Empty title="There has been no incident"><p>An alarm that fires opens one. It is resolved when its alarms have cleared and the workload's measures are back on target.</p></Empty>}
            />
          )}
        </Loaded>
      </div>
    </>
  );
}
