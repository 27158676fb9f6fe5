// Runs: every execution of a procedure, newest first; and what can be run.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { RunSummary } from "../api/types";
import { actor } from "../lib/format";
import { Button, Empty, Loaded, State, Time, Took, useTitle } from "../ui/basic";
import { Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Table, type Column } from "../ui/table";

const route = getRouteApi("/runs");

const COLUMNS: Column<RunSummary>[] = [
  { key: "status", head: "State", width: "104px", cell: (run) => <State state={run.status} /> },
  { key: "procedure", head: "Procedure", width: "minmax(0, 1.2fr)", cell: (run) => <Link to="/runs/$id" params={{ id: run.id }} tabIndex={-1} title={run.id}>{run.procedure}</Link> },
  { key: "at", head: "Step, or why", width: "minmax(0, 1.4fr)", wide: true, cell: (run) => <span className="muted" title={run.message}>{run.message ?? run.current_step ?? ""}</span> },
  { key: "by", head: "Started by", width: "minmax(0, 1fr)", wide: true, cell: (run) => <span className="muted" title={run.started_by}>{actor(run.started_by)}</span> },
  { key: "workload", head: "Workload", width: "minmax(0, .6fr)", wide: true, cell: (run) => run.workload ?? <span className="faint">none</span> },
  { key: "started", head: "Started", width: "82px", right: true, cell: (run) => <Time at={run.started_at} /> },
  { key: "took", head: "Took", width: "90px", right: true, wide: true, cell: (run) => <Took from={run.started_at} to={run.ended_at} /> },
];

/** A menu of everything that can be run. */
function StartMenu() {
  const navigate = useNavigate();
  const workloads = useQuery(ask.workloads);
  const refusal = useRefusal("run");
  const items = (workloads.data?.items ?? []).flatMap((workload) =>
    workload.procedures.map((name) => ({
      label: <span className="row"><span className="cut">{name}</span> <span className="faint">{workload.workload}</span></span>,
      onSelect: () => void navigate({ to: "/procedures/$workload/$name", params: { workload: workload.workload, name }, search: { start: true } }),
    })),
  );
  return <Menu label="Run a procedure" look="plain" why={refusal} button={() => <><Icon name="runs" /> Run …</>} items={items} note={items.length === 0 ? "No workload declares a procedure" : "The form follows"} />;
}

export function Runs() {
  useTitle("Runs");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = {
    ...(search.show === "active" ? { active: true } : {}),
    ...(search.show === "failed" ? { status: "Failed,TimedOut,Cancelled" } : {}),
    ...(search.procedure ? { procedure: search.procedure } : {}),
    ...(search.workload ? { workload: search.workload } : {}),
  };
  const { asked, rows, more } = useList(ask.runs(filter));
  const workloads = useQuery(ask.workloads);
  const procedures = useMemo(() => [...new Set((workloads.data?.items ?? []).flatMap((one) => one.procedures))].sort(), [workloads.data]);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  return (
    <>
      <div className="page-head"><h1>Runs</h1><span className="grow" /><StartMenu /></div>
      <div className="filters">
        <div className="segments" role="group" aria-label="Which runs">
          {([["All", undefined], ["Under way", "active"], ["Not good", "failed"]] as const).map(([name, show]) => <button key={name} type="button" aria-pressed={search.show === show} onClick={() => set({ show })}>{name}</button>)}
        </div>
        <select className="input" aria-label="Procedure" value={search.procedure ?? ""} onChange={(event) => set({ procedure: event.target.value || undefined })}>
          <option value="">Every procedure</option>
          {[...new Set([...procedures, ...(search.procedure ? [search.procedure] : [])])].map((name) => <option key={name}>{name}</option>)}
        </select>
        {(workloads.data?.items.length ?? 0) > 1 && (
          <select className="input" aria-label="Workload" value={search.workload ?? ""} onChange={(event) => set({ workload: event.target.value || undefined })}>
            <option value="">Every workload</option>
            {workloads.data?.items.map((one) => <option key={one.workload}>{one.workload}</option>)}
          </select>
        )}
        {Object.keys(search).length > 0 && <Button look="quiet" small onClick={() => void navigate({ search: {} })}>Clear</Button>}
      </div>
      <div className="panel">
        <Loaded of={asked} what="runs">
          {() => (
            <Table
              label="Runs" primary columns={COLUMNS} rows={rows} rowKey={(run) => run.id} {...(rows.length > 20 ? { height: "calc(100dvh - 190px)" } : {})}
              onOpen={(run) => void navigate({ to: "/runs/$id", params: { id: run.id }, search: {} })}
              onEnd={more}
              foot={<span>{rows.length.toLocaleString("en")} shown{asked.hasNextPage ? "; more as you go down" : ""}</span>}
              empty={
                Object.keys(search).length > 0
                  ? <Empty title="No run is like that"><p>Clear the filter to see all runs.</p></Empty>
                  : <Empty title="Nothing has been run yet"><p>A trigger runs a procedure when its event happens; <b>Run …</b> above does it by hand, and so does <code>mainstay run NAME</code>.</p></Empty>
              }
            />
          )}
        </Loaded>
      </div>
    </>
  );
}
