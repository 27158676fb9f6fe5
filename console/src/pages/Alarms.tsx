// Alarms: their states now, what each one is about, its course, and what happened to it.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { post } from "../api/client";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { Alarm } from "../api/types";
import { actor, quantity } from "../lib/format";
import { word } from "../lib/state";
import { useVerbs } from "../shell/verbs";
import { compared } from "../lib/target";
import { useBeside } from "../ui/beside";
import { Button, Empty, Loaded, Panel, State, Tags, Time, useTitle } from "../ui/basic";
import { Course } from "../ui/course";
import { ReasonDialog } from "../ui/dialog";
import { FeedLine } from "../ui/events";
import { Markdown } from "../ui/markdown";
import { useMoments } from "../ui/range";
import { SearchField } from "../ui/search";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";
import { EndSilence, SilenceDialog, Silences } from "./Silences";

const route = getRouteApi("/alarms");

const keyOf = (alarm: Alarm): string => `${alarm.workload}/${alarm.alarm}`;
const rowKey = (alarm: Alarm): string => `${keyOf(alarm)}${JSON.stringify(alarm.labels)}`;

const labelsOf = (alarm: Alarm): string => Object.entries(alarm.labels).map(([name, value]) => `${name}=${value}`).join(", ");

const COLUMNS: Column<Alarm>[] = [
  { key: "state", head: "State", width: "minmax(92px, 152px)", cell: (alarm) => <AlarmState alarm={alarm} /> },
  { key: "alarm", head: "Alarm", width: "minmax(118px, 1fr)", cell: (alarm) => <span title={alarm.alarm}>{alarm.alarm}</span> },
  { key: "summary", head: "About", width: "minmax(0, 1.4fr)", wide: true, cell: (alarm) => <span className="muted" title={alarm.error ?? alarm.annotations["description"]}>{alarm.error ?? alarm.annotations["summary"] ?? ""}</span> },
  { key: "labels", head: "Labels", width: "minmax(0, 1.2fr)", wide: true, cell: (alarm) => <Tags tags={alarm.labels} most={3} /> },
  { key: "value", head: "Value", width: "80px", right: true, wide: true, cell: (alarm) => (alarm.value === undefined ? "" : quantity(alarm.value)) },
  { key: "held", head: "In hand", width: "80px", wide: true, cell: (alarm) => alarm.acknowledged && <span title={alarm.acknowledged.message}>{actor(alarm.acknowledged.by)}</span> },
  { key: "workload", head: "Workload", width: "minmax(0, .5fr)", wide: true, cell: (alarm) => alarm.workload },
  { key: "since", head: "Since", width: "76px", right: true, cell: (alarm) => <Time at={alarm.since} none="not known" /> },
];

/** One that is silenced calls nobody: it is shown as what it is, but not as urgent. */
function AlarmState({ alarm }: { alarm: Alarm }) {
  return alarm.silenced_by === undefined ? <State state={alarm.state} /> : <State state="silenced" text={`${word(alarm.state)}, silenced`} />;
}

export function Alarms() {
  useTitle("Alarms");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { asked: whole, rows: all } = useList(ask.alarms());
  const filter = { ...(search.state ? { state: search.state } : {}), ...(search.q ? { contains: search.q } : {}) };
  const { asked, rows, more } = useList(ask.alarms(filter));
  const counts = useMemo(() => {
    const found = new Map<string, number>();
    for (const alarm of all) found.set(alarm.state, (found.get(alarm.state) ?? 0) + 1);
    return [...found];
  }, [all]);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const one = rows.find((alarm) => keyOf(alarm) === search.alarm);
  const beside = useBeside(search.alarm, (alarm, how) => void navigate({ search: (before) => ({ ...before, alarm }), ...how }));
  const isFiltered = search.state !== undefined || search.q !== undefined;
  return (
    <>
      <div className="page-head"><h1>Alarms</h1></div>
      <div className="filters">
        <div className="segments" role="group" aria-label="What is listed">
          <button type="button" aria-pressed={search.show === undefined} onClick={() => set({ show: undefined })}>Alarms</button>
          <button type="button" aria-pressed={search.show === "silences"} onClick={() => set({ show: "silences", alarm: undefined })}>Silences</button>
        </div>
        {search.show === undefined && <><div className="segments" role="group" aria-label="State">
          <button type="button" aria-pressed={search.state === undefined} onClick={() => set({ state: undefined })}>All {whole.hasNextPage ? "" : all.length}</button>
          {counts.map(([state, n]) => <button key={state} type="button" aria-pressed={search.state === state} onClick={() => set({ state })}>{word(state)} {whole.hasNextPage ? "" : n}</button>)}
        </div>
        <SearchField value={search.q} label="Search alarms" placeholder="Search names and labels" onChange={(q) => set({ q })} /></>}
        {isFiltered && <Button look="quiet" small onClick={() => set({ state: undefined, q: undefined })}>Clear</Button>}
      </div>
      {search.show === "silences" ? <Silences /> : <div className={search.alarm ? "split journal" : ""}>
        <div className="panel">
          <Loaded of={asked} what="alarms">
            {() => (
              <Table label="Alarms" primary columns={COLUMNS} rows={rows} rowKey={rowKey} onEnd={more} foot={asked.hasNextPage && <span>{rows.length.toLocaleString("en")} shown; more as you go down</span>} current={one ? rowKey(one) : undefined} {...(rows.length > 20 ? { height: "calc(100dvh - 190px)" } : {})} onOpen={(alarm) => beside.open(keyOf(alarm))}
                empty={all.length === 0 ? <Empty title="No workload has an alarm"><p>Put a Prometheus rule file into the folder <code>alarms</code> of a workload and apply it.</p></Empty> : <Empty title="No alarm is like that" />} />
            )}
          </Loaded>
        </div>
        {search.alarm && <OneAlarm id={search.alarm} onClose={beside.close} />}
      </div>}
    </>
  );
}

function OneAlarm({ id, onClose }: { id: string; onClose: () => void }) {
  const [workload = "", ...rest] = id.split("/");
  const name = rest.join("/");
  const { rows: near } = useList(ask.alarms({ workload, contains: name }));
  const alarms = near.filter((alarm) => alarm.alarm === name);
  const docs = useQuery(ask.docs(workload));
  const about = docs.data?.alarms[name];
  const history = useQuery(ask.lately(JSON.stringify({ "detail-type": [{ prefix: "alarm." }], detail: { alarm: [name] } })));
  const lines = history.data?.items.filter((event) => event.workload === undefined || event.workload === workload) ?? [];
  const summary = alarms.find((alarm) => alarm.annotations["summary"])?.annotations["summary"] ?? about?.summary;
  return (
    <div className="stack side-panel" data-beside>
      <Panel title={name} aside={<>{alarms[0] ? <AlarmState alarm={alarms[0]} /> : <State state="not evaluated" />}<Button look="quiet" small icon="close" label="Close" onClick={onClose} /></>}>
        <div className="body stack">
          {summary && <strong className="wrap">{summary}</strong>}
          {alarms.map((alarm) => <Instance key={rowKey(alarm)} alarm={alarm} />)}
          {alarms.filter((alarm) => alarm.error || alarm.annotations["description"] || Object.keys(alarm.labels).length > 0).map((alarm) => (
            <div key={rowKey(alarm)} className="stack said">
              {alarm.error && <div className="notice unknown"><span className="wrap">It cannot be evaluated: {alarm.error}</span></div>}
              {alarm.annotations["description"] && <p className="wrap">{alarm.annotations["description"]}</p>}
              {Object.keys(alarm.labels).length > 0 && <Tags tags={alarm.labels} />}
            </div>
          ))}
          {about && <div className="muted"><Markdown text={about.words} /></div>}
          {about?.rules.map((rule, n) => <RuleCourse key={n} expr={rule.expr} name={name} />)}
          <dl className="facts">
            {about && about.leads_to.length > 0 && <><dt>Leads to</dt><dd>{[...new Map(about.leads_to.map((one) => [one.procedure, one])).values()].map((one) => <span key={one.procedure}><Link to="/procedures/$workload/$name" params={{ workload, name: one.procedure }} className="link">{one.procedure}</Link> </span>)}</dd></>}
            {about?.rules.map((rule, n) => (
              <div className="contents" key={n}>
                <dt>Rule</dt><dd><code>{rule.expr}</code></dd>
                <dt>Must hold for</dt><dd>{rule.for}</dd>
                <dt>File</dt><dd className="mono">{rule.file}, group {rule.group}</dd>
              </div>
            ))}
            <dt>Workload</dt><dd><Link to="/workloads/$name" params={{ name: workload }} className="link">{workload}</Link></dd>
          </dl>
        </div>
      </Panel>
      <Panel title="What happened to it">
        <Loaded of={history} what="its history">
          {() => lines.length === 0 ? <Empty title="Nothing yet"><p>Its state has not changed since the journal began.</p></Empty> : (
            <ol className="feed">{lines.map((event) => <FeedLine key={event.seq} event={event} to={`/journal?seq=${event.seq}`} />)}</ol>
          )}
        </Loaded>
      </Panel>
    </div>
  );
}

/** What is done about one of its label sets. */
function Instance({ alarm }: { alarm: Alarm }) {
  const { rows: all } = useList(ask.alarms({ workload: alarm.workload }));
  const silences = useQuery(ask.silences(true));
  const refusal = useRefusal("respond", alarm.workload);
  const [isSilencing, setSilencing] = useState(false);
  const me = useQuery(ask.me());
  const navigate = useNavigate();
  const client = useQueryClient();
  const [isAcknowledging, setAcknowledging] = useState(false);
  const mayBeTaken = !["inactive", "not evaluated"].includes(alarm.state) && alarm.acknowledged?.by !== me.data?.actor;
  const acknowledge = async (message: string): Promise<void> => {
    const labels = ["firing", "pending"].includes(alarm.state) ? { labels: alarm.labels } : {};
    await post("/v1/alarms/{workload}/{alarm}/acknowledge", { path: { workload: alarm.workload, alarm: alarm.alarm }, body: { ...labels, ...(message === "" ? {} : { message }) } });
    toast("good", "You have the alarm in hand");
    void client.invalidateQueries({ queryKey: ["alarms"] });
  };
  const silence = silences.data?.items.find((one) => one.id === alarm.silenced_by);
  useVerbs([
    alarm.incident !== undefined && { name: `Open the incident of ${alarm.alarm}`, icon: "incidents", go: () => void navigate({ to: "/incidents/$id", params: { id: alarm.incident ?? "" } }) },
    mayBeTaken && { name: `${alarm.acknowledged ? "Take over" : "Acknowledge"} ${alarm.alarm}`, more: labelsOf(alarm), icon: "alarms", why: refusal, go: () => setAcknowledging(true) },
    alarm.silenced_by === undefined && { name: `Silence ${alarm.alarm}`, more: labelsOf(alarm), icon: "alarms", why: refusal, go: () => setSilencing(true) },
  ]);
  return (
    <>
      {alarm.silenced_by !== undefined && (
        <div className="notice waiting wrapping"><span className="wrap grow">Silenced{silence ? <> by {actor(silence.by)}, until <Time at={silence.ends_at} as="clock" /> (<Time at={silence.ends_at} />): {silence.reason}</> : "."}</span>{silence && <EndSilence silence={silence} isNamed />}</div>
      )}
      {alarm.acknowledged && <div className="notice calm"><span className="wrap"><strong>{actor(alarm.acknowledged.by)}</strong> has it in hand, since <Time at={alarm.acknowledged.at} />{alarm.acknowledged.message ? `: ${alarm.acknowledged.message}` : "."}</span></div>}
      <div className="row wrapping">
        {alarm.incident && <Link className="button" to="/incidents/$id" params={{ id: alarm.incident }}>Open its incident</Link>}
        {mayBeTaken && <Button look={alarm.acknowledged ? "plain" : "primary"} why={refusal} onClick={() => setAcknowledging(true)}>{alarm.acknowledged ? "Take over …" : "Acknowledge …"}</Button>}
        {alarm.silenced_by === undefined && <Button why={refusal} onClick={() => setSilencing(true)}>Silence …</Button>}
      </div>
      {isAcknowledging && <ReasonDialog title={`Acknowledge ${alarm.alarm}`} verb="Acknowledge" label="What you do about it" help="Others see that you have it in hand, until it clears. It changes nothing about the alarm." onClose={() => setAcknowledging(false)} act={acknowledge} />}
      {isSilencing && <SilenceDialog alarm={alarm} all={all} onClose={() => setSilencing(false)} />}
    </>
  );
}

function RuleCourse({ expr, name }: { expr: string; name: string }) {
  const { query, bound } = compared(expr);
  const { from, to } = useMoments({ from: "now-1h", to: "now" });
  return (
    <figure>
      <figcaption className="row"><span className="muted">last hour</span><span className="grow" /><Link to="/metrics" search={{ q: [query], from: "now-1h", to: "now" }} className="link">in Metrics</Link></figcaption>
      <Course name={name} query={query} target={bound} from={from} to={to} height={120} />
    </figure>
  );
}
