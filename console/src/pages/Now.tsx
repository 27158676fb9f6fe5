// Now: what is wrong, what runs, what changed, what nobody knows. The page for the wall and for three in the morning.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useList } from "../api/lists";
import { stepFor } from "../api/prometheus";
import * as ask from "../api/queries";
import type { Alarm, ChangeSummary, Host, IncidentSummary, Measure, RunSummary, Status, Triggers, WorkloadDetail, WorkloadStatus } from "../api/types";
import { actor, clock, count, exact, quantity, short, withoutLabels } from "../lib/format";
import { HOUR_S, spanOf, spanWord } from "../lib/range";
import { tone, urgency, word, worst } from "../lib/state";
import { parseTarget } from "../lib/target";
import { Badge, Button, Empty, Loaded, Panel, State, Time, Took, useNow, useTitle, Zone } from "../ui/basic";
import { ConnectionState } from "../shell/Connection";
import { FeedLine } from "../ui/events";
import { Sparkline } from "../ui/sparkline";

const route = getRouteApi("/");
const POINTS = 120;

/** The course of a measure over the last hour, or over less if it is younger. */
function useCourse(query: string, to: number): { points: [number, number][] | undefined; span: number } {
  const hour = useQuery(ask.recent(query, HOUR_S, POINTS));
  const whole = hour.data && (hour.data.series[0]?.points ?? []);
  const span = whole ? spanOf(whole, to, stepFor(HOUR_S, POINTS)) : HOUR_S;
  const short = useQuery({ ...ask.recent(query, span, POINTS), enabled: span !== HOUR_S });
  return { points: span === HOUR_S ? whole : short.data?.series[0]?.points, span };
}

function MeasureLine({ measure, workload, rank }: { measure: Measure; workload: string; rank: number }) {
  const now = useNow();
  const to = Math.floor(now / 1000);
  const { points, span } = useCourse(measure.measure, to);
  const look = tone(measure.state);
  return (
    <li className={`measure ${look}`}>
      <div className="measure-goal">
        <span className="faint num" aria-hidden="true">{rank}</span>
        <Link to="/metrics" search={{ q: [measure.measure], from: "now-1h", to: "now" }} title={`${measure.goal}\n${measure.measure}`}>{measure.goal}</Link>
      </div>
      <div className="measure-state"><State state={measure.state} /> {measure.since && <span className="faint since" title={`since ${exact(Date.parse(measure.since))}`}>for <Took from={measure.since} /></span>}</div>
      <div className="measure-value num" title={`target ${measure.target}`}>
        <strong>{measure.value === undefined ? "–" : quantity(measure.value)}</strong> <span className="muted">{measure.target}</span>
      </div>
      <Link to="/workloads/$name" params={{ name: workload }} search={{ tab: "priorities" }} className="measure-graph" tabIndex={-1} aria-label={`${measure.goal}, over time, ${spanWord(span)}`} title={`The last ${spanWord(span)}`}>
        {span !== HOUR_S && <span className="faint spark-span" aria-hidden="true">{spanWord(span)}</span>}
        {points ? <Sparkline points={points} from={to - span} to={to} target={parseTarget(measure.target)} label={`${measure.goal}, last ${spanWord(span)}`} tone={look === "bad" ? "bad" : look === "unknown" ? "unknown" : "accent"} /> : <div className="spark-space" />}
      </Link>
    </li>
  );
}

function Workload({ status, detail, hosts }: { status: WorkloadStatus; detail: WorkloadDetail | undefined; hosts: Host[] }) {
  const services = hosts.flatMap((host) => host.services).filter((service) => service.workload === status.workload);
  const troubled = services.filter((service) => service.state !== "ready").sort((a, b) => urgency(a.state) - urgency(b.state));
  return (
    <section className="panel now-workload" aria-label={detail?.title ?? status.workload}>
      <header>
        <h2 className="cut"><Link to="/workloads/$name" params={{ name: status.workload }}>{detail?.title ?? status.workload}</Link></h2>
        {worst(status.measures.map((measure) => measure.state)) && <State state={worst(status.measures.map((measure) => measure.state)) ?? "unknown"} />}
        <span className="grow" />
        <State state={status.services_ready === status.services_wanted ? "ready" : "unhealthy"} as={status.services_wanted === 0 ? "idle" : status.services_ready === status.services_wanted ? "good" : "bad"} text={status.services_wanted === 0 ? "no services" : `${status.services_ready} of ${status.services_wanted} services ready`} />
        <span className="muted now-revision">revision <Link to="/workloads/$name" params={{ name: status.workload }} search={{ tab: "history" }} className="mono">{short(status.revision)}</Link> <Time at={status.applied_at} /></span>
      </header>
      {troubled.length > 0 && (
        <div className="now-troubled">
          {troubled.slice(0, 8).map((service) => (
            <Link key={`${service.host}/${service.name}`} to="/workloads/$name" params={{ name: status.workload }} search={{ component: service.name }} className="row" title={service.reason}>
              <State state={service.state} text={`${service.name} is ${service.state}`} /> <span className="muted cut">on {service.host}{service.reason ? `: ${service.reason}` : ""}</span>
            </Link>
          ))}
          {troubled.length > 8 && <span className="muted">and {troubled.length - 8} more</span>}
        </div>
      )}
      {status.measures.length > 0 ? (
        <ul className="measures">{status.measures.map((measure, at) => <MeasureLine key={measure.goal} measure={measure} workload={status.workload} rank={at + 1} />)}</ul>
      ) : (
        <Empty title="It says nothing of what matters"><p>Declare <code>priorities</code> in its <code>mainstay.yaml</code>; they are shown here, measured.</p></Empty>
      )}
    </section>
  );
}

function Incidents({ incidents }: { incidents: IncidentSummary[] }) {
  return (
    <>
      {incidents.map((incident) => (
        <Link key={incident.id} to="/incidents/$id" params={{ id: incident.id }} className="now-incident">
          <State state="open" text="incident open" />
          <strong>{incident.title}</strong>
          <Badge>{incident.workload}</Badge>
          <span className="muted num">for <Took from={incident.opened_at} /></span>
          {incident.acknowledged ? <span className="muted num">{actor(incident.acknowledged.by)} has it in hand</span> : <State state="nobody" text="nobody has it in hand" />}
          {incident.waiting_for && incident.waiting_for.length > 0 && <span className="cut muted waits" title={incident.waiting_for.join("\n")}>{withoutLabels(incident.waiting_for.join(", "))}</span>}
        </Link>
      ))}
    </>
  );
}

function Under({ changes, runs }: { changes: ChangeSummary[]; runs: RunSummary[] }) {
  return (
    <Panel title="Under way" aside={<span className="muted">{changes.length + runs.length || ""}</span>}>
      {changes.length + runs.length === 0 && <div className="quiet-line">No change and no run is under way.</div>}
      <ul className="lines">
        {changes.map((change) => (
          <li key={change.id}>
            <State state={change.state} />
            <Link to="/workloads/$name" params={{ name: change.workload }} search={{ tab: "history", change: change.id }} className="cut">Change of {change.workload} to <span className="mono">{short(change.revision)}</span></Link>
            <span className="bar" title={`${change.done} of ${change.resources} resources`}><i style={{ width: `${change.resources === 0 ? 0 : (100 * change.done) / change.resources}%` }} /></span>
            <span className="muted num">wave {change.wave} of {change.waves}, <Took from={change.started_at} /></span>
          </li>
        ))}
        {runs.slice(0, 20).map((run) => (
          <li key={run.id}>
            <State state={run.status} />
            <Link to="/runs/$id" params={{ id: run.id }} className="cut">{run.procedure}</Link>
            {run.current_step && <span className="muted cut">at {run.current_step}</span>}
            <span className="grow" />
            <span className="muted num"><Took from={run.started_at} /></span>
          </li>
        ))}
        {runs.length > 20 && <li><Link to="/runs" search={{ show: "active" }} className="link">and {runs.length - 20} more</Link></li>}
      </ul>
    </Panel>
  );
}

interface Doubt { key: string; state: string; what: string; why?: string | undefined; to: string; since?: string | undefined }

/** What nobody knows, or what has been left lying. */
function doubts(status: Status, alarms: Alarm[], triggers: Triggers | undefined): Doubt[] {
  const found: Doubt[] = (status.degraded ?? []).map((reason) => ({ key: `degraded/${reason}`, state: "error", what: "A part of the server does not work", why: reason, to: "/journal" }));
  for (const host of status.hosts) {
    if (!host.connected) found.push({ key: `host/${host.id}`, state: "gone", what: `Host ${host.id} is gone`, why: "what runs there is not known", to: `/fleet?host=${encodeURIComponent(host.id)}`, since: host.last_seen });
  }
  for (const workload of status.workloads) {
    const to = `/workloads/${encodeURIComponent(workload.workload)}`;
    for (const measure of workload.measures) {
      if (tone(measure.state) === "unknown") found.push({ key: `measure/${workload.workload}/${measure.goal}`, state: measure.state, what: measure.goal, why: "its measure says nothing", to: `${to}?tab=priorities`, since: measure.since });
    }
    for (const reason of workload.unplaced ?? []) found.push({ key: `unplaced/${reason}`, state: "not placed", what: `A component of ${workload.workload} has no host`, why: reason, to });
    for (const reason of workload.drift ?? []) found.push({ key: `drift/${reason}`, state: "drift", what: `${workload.workload} has drifted`, why: reason, to });
  }
  for (const alarm of alarms) {
    if (tone(alarm.state) === "unknown") found.push({ key: `alarm/${alarm.workload}/${alarm.alarm}`, state: alarm.state, what: `Alarm ${alarm.alarm}`, why: alarm.error, to: `/alarms?alarm=${encodeURIComponent(`${alarm.workload}/${alarm.alarm}`)}`, since: alarm.since });
  }
  for (const trigger of triggers?.items ?? []) {
    if (trigger.dead > 0) found.push({ key: `dead/${trigger.workload}/${trigger.trigger}`, state: "given up", what: `${count(trigger.dead, "call")} of trigger ${trigger.trigger}`, why: trigger.last_result, to: "/triggers?show=dead" });
    if (trigger.state === "disabled") found.push({ key: `off/${trigger.workload}/${trigger.trigger}`, state: "disabled", what: `Trigger ${trigger.trigger}`, why: trigger.disabled?.reason, to: "/triggers", since: trigger.disabled?.at });
  }
  if (triggers && triggers.behind > 1000) found.push({ key: "behind", state: "behind", what: "Triggers are behind", why: `${count(triggers.behind, "event")} not matched yet`, to: "/triggers" });
  return found;
}

function Doubts({ found }: { found: Doubt[] }) {
  if (found.length === 0) return <Panel title="Unknown or left lying" bare><div className="quiet-line">Nothing: every measure, alarm and host says how it is.</div></Panel>;
  return (
    <Panel title="Unknown or left lying" aside={<span className="muted num">{found.length}</span>}>
      <ul className="lines">
        {found.slice(0, 30).map((doubt) => (
          <li key={doubt.key}>
            <State state={doubt.state} text={word(doubt.state)} />
            <Link to={doubt.to} className="cut">{doubt.what}</Link>
            {doubt.why && <span className="muted cut" title={doubt.why}>{doubt.why}</span>}
            <span className="grow" />
            {doubt.since && <span className="muted"><Time at={doubt.since} /></span>}
          </li>
        ))}
        {found.length > 30 && <li className="muted">and {found.length - 30} more</li>}
      </ul>
    </Panel>
  );
}

/** Kinds that are worth a line here; the journal has the rest. */
const TOLD = JSON.stringify({
  "detail-type": [
    { prefix: "alarm." }, { prefix: "incident." }, { prefix: "measure." }, { prefix: "host." }, "run.started", "run.finished", "run.waiting",
    "change.started", "change.held", "change.rolling_back", "change.finished", "revision.applied", "service.unhealthy", "service.failed", "service.restarting",
    "service.exited", "trigger.dead", "trigger.disabled", "trigger.enabled", "fault.injected", "server.started",
  ],
});

function LastHour() {
  const now = useNow();
  const asked = useQuery(ask.lately(TOLD));
  return (
    <Panel title="Last hour" aside={<Link to="/journal" className="link">Journal</Link>}>
      <Loaded of={asked} what="events">
        {(data) => {
          const all = data.items.filter((event) => Date.parse(event.time) > now - HOUR_S * 1000).slice(0, 60);
          if (all.length === 0) return <div className="quiet-line">Nothing worth a line happened in the last hour.</div>;
          return <ol className="feed">{all.map((event) => <FeedLine key={event.seq} event={event} />)}</ol>;
        }}
      </Loaded>
    </Panel>
  );
}

export function Now() {
  useTitle("Now");
  const { wall } = route.useSearch();
  const navigate = route.useNavigate();
  const status = useQuery(ask.status);
  const workloads = useQuery(ask.workloads);
  const { rows: open } = useList(ask.incidents({ status: "open" }));
  const { rows: runs } = useList(ask.runs({ active: true }));
  const { rows: alarms } = useList(ask.alarms());
  const triggers = useQuery(ask.triggers);
  const details = useMemo(() => new Map((workloads.data?.items ?? []).map((one) => [one.workload, one])), [workloads.data]);
  const firing = alarms.filter((one) => one.state === "firing" && one.silenced_by === undefined);
  return (
    <>
      <div className="page-head">
        <h1>Now</h1>
        {status.data && <Headline status={status.data} open={open.length} firing={firing.length} />}
        <span className="grow" />
        {wall && <WallClock />}
        <Button small look="quiet" onClick={() => void navigate({ search: wall ? {} : { wall: true } })}>{wall ? "Leave the wall screen" : "Wall screen"}</Button>
      </div>
      <Incidents incidents={open} />
      <Loaded of={status} what="the state of the workloads">
        {(data) => (
          <div className="now">
            <div className="stack">
              {data.workloads.map((one) => <Workload key={one.workload} status={one} detail={details.get(one.workload)} hosts={data.hosts} />)}
              {data.workloads.length === 0 && (
                <Panel title="Workloads"><Empty title="No workload has been applied yet"><p>Run <code>mainstay apply DIR</code> with a directory that holds a <code>mainstay.yaml</code>; <code>mainstay init DIR</code> begins one.</p></Empty></Panel>
              )}
              <Under changes={data.changes ?? []} runs={runs} />
              <Doubts found={doubts(data, alarms, triggers.data)} />
            </div>
            <div className="stack"><LastHour /></div>
          </div>
        )}
      </Loaded>
    </>
  );
}

/** A wall has neither navigation nor hover: what time it is, where, and whether what is shown is true. */
function WallClock() {
  const now = useNow();
  return <span className="row num wall-clock"><ConnectionState /><strong>{clock(now, now)}</strong><span className="muted"><Zone /></span></span>;
}

function Headline({ status, open, firing }: { status: Status; open: number; firing: number }) {
  const measures = status.workloads.flatMap((one) => one.measures);
  const off = measures.filter((one) => one.state === "off target").length;
  const unknown = measures.filter((one) => tone(one.state) === "unknown").length;
  if (open + off + firing > 0) {
    const bad = status.workloads.filter((one) => one.measures.some((measure) => measure.state === "off target"));
    const parts = [
      open > 0 && <Link key="open" to="/incidents" search={{ show: "open" }}>{count(open, "open incident")}</Link>,
      off > 0 && <Link key="off" {...(bad[0] && bad.length === 1 ? { to: "/workloads/$name", params: { name: bad[0].workload }, search: { tab: "priorities" } } : { to: "/workloads" })}>{count(off, "goal off target", "goals off target")}</Link>,
      firing > 0 && <Link key="firing" to="/alarms" search={{ state: "firing" }}>{count(firing, "alarm fires", "alarms fire")}</Link>,
    ].filter((part) => part !== false);
    return <State state="trouble" text={parts.flatMap((part, n) => (n > 0 ? [", ", part] : [part]))} />;
  }
  if (unknown > 0) return <State state="no data" text={`${count(unknown, "goal")} of ${measures.length} not known`} />;
  if (measures.length === 0) return null;
  return <State state="on target" text={measures.length === 1 ? "The goal is on target" : `All ${measures.length} goals are on target`} />;
}
