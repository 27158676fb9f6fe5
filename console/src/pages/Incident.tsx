// One incident: its signals and everything that happened on one axis of time, and the draft of its analysis.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { newKey, post } from "../api/client";
import type { Documentation } from "../api/documentation";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { IncidentDetail, TimelineEntry } from "../api/types";
import { useDraft } from "../lib/drafts";
import { eventLink, eventTone, sentence, subjectLink } from "../lib/events";
import { actor, exact, length, withoutLabels } from "../lib/format";
import { compared, parseTarget, type Target } from "../lib/target";
import { useVerbs } from "../shell/verbs";
import { Badge, Button, Empty, Failure, Loaded, NEVER, Panel, State, Tabs, Time, Took, useTitle, Zone } from "../ui/basic";
import type { Mark } from "../ui/chart";
import { Course } from "../ui/course";
import { Menu, ReasonDialog } from "../ui/dialog";
import { EventMark } from "../ui/events";
import { Icon } from "../ui/icons";
import { Markdown } from "../ui/markdown";
import { useReachedNow } from "../ui/range";
import { toast } from "../ui/toast";

const route = getRouteApi("/incidents/$id");

export function Incident() {
  const { id } = route.useParams();
  const asked = useQuery(ask.incident(id));
  useTitle(asked.data?.title ?? "Incident");
  return <Loaded of={asked} what="the incident">{(incident) => <Shown incident={incident} />}</Loaded>;
}

function Shown({ incident }: { incident: IncidentDetail }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const docs = useQuery(ask.docs(incident.workload));
  const tab = search.tab ?? "timeline";
  const isOpen = incident.status === "open";
  const show = (to: "draft" | undefined): void => void navigate({ search: (before) => ({ ...before, tab: to }), replace: true });
  useVerbs([tab === "draft" ? { name: "What happened", icon: "incidents", go: () => show(undefined) } : { name: "Analysis draft", icon: "incidents", go: () => show("draft") }]);
  return (
    <>
      <div className="page-head">
        <div className="crumbs"><Link to="/incidents">Incidents</Link><span>/</span><h1>{incident.title}</h1></div>
        <State state={incident.status} />
        <span className="muted num">{isOpen ? "for " : "took "}<Took from={incident.opened_at} to={incident.resolved_at} /></span>
        <span className="grow" />
        <Verbs incident={incident} docs={docs.data} />
      </div>
      <div className="row wrapping muted facts-line">
        <span>Opened <Time at={incident.opened_at} as="clock" /> <Zone /> (<Time at={incident.opened_at} />)</span>
        {incident.resolved_at && <span>resolved <Time at={incident.resolved_at} as="clock" /> (<Time at={incident.resolved_at} />){incident.resolved_by && <> by {actor(incident.resolved_by.by)}</>}</span>}
        <span>in <Link to="/workloads/$name" params={{ name: incident.workload }} className="link">{incident.workload}</Link></span>
        <span className="mono">{incident.id}</span>
      </div>
      <Held incident={incident} />
      {incident.resolved_by && <div className="notice"><span className="wrap">It did not end by itself: {actor(incident.resolved_by.by)} ended it{incident.resolved_by.reason ? `: ${incident.resolved_by.reason}` : "."}{(incident.resolved_by.waited_for ?? []).length > 0 && <span className="muted"> What still kept it open: {withoutLabels(incident.resolved_by.waited_for?.join("; ") ?? "")}</span>}</span></div>}
      {isOpen && incident.waiting_for && incident.waiting_for.length > 0 && <div className="notice bad"><span className="wrap" title={incident.waiting_for.join("\n")}>It stays open because: {withoutLabels(incident.waiting_for.join("; "))}</span></div>}
      <Times incident={incident} />
      <Tabs label="Parts of the incident" tabs={[["timeline", "What happened"], ["draft", "Analysis draft"]]} shown={tab} onShow={(key) => show(key === "draft" ? key : undefined)} />
      {tab === "draft" ? <Draft incident={incident} /> : <Story incident={incident} docs={docs.data} />}
    </>
  );
}

function Times({ incident }: { incident: IncidentDetail }) {
  const { to_detect_ms: detect, to_respond_ms: respond, to_recover_ms: recover } = incident.times;
  const one = (name: string, ms: number | null | undefined, what: string) => (
    <div className="figure" title={what}>
      <span className="muted">{name}</span>
      {ms === undefined || ms === null ? <State state="unknown" text={incident.status === "open" ? "not yet" : "not known"} /> : <strong className="num">{length(ms)}</strong>}
    </div>
  );
  return (
    <div className="figures">
      {one("To detect", detect, "From the start of the disturbance to the first alarm that fires")}
      {one("To respond", respond, "From the alarm to the first action")}
      {one("To recover", recover, "From the start of the disturbance until the measures were back on target")}
      <div className="figure"><span className="muted">Alarms</span><span className="row wrapping">{Object.entries(incident.alarms).map(([key, state]) => { const [name = key] = key.split("{"); return <Link key={key} to="/alarms" search={{ alarm: `${incident.workload}/${name}` }} title={key}><State state={state} text={`${name} ${state}`} /></Link>; })}</span></div>
      <div className="figure"><span className="muted">Runs</span><span className="row wrapping">{incident.runs.length === 0 ? <span className="muted">none yet</span> : incident.runs.map((id) => <RunLink key={id} id={id} />)}</span></div>
    </div>
  );
}

function RunLink({ id }: { id: string }) {
  const run = useQuery(ask.runInBrief(id));
  return <Link to="/runs/$id" params={{ id }} title={id}>{run.data ? <State state={run.data.status} text={run.data.procedure} /> : <span className="mono">{id}</span>}</Link>;
}

/** Who has it in hand: the first thing that the next person asks. */
function Held({ incident }: { incident: IncidentDetail }) {
  const { acknowledged: held } = incident;
  if (!held) return incident.status === "open" ? <div className="notice waiting"><span>Nobody has it in hand yet.</span></div> : null;
  return <div className="notice calm"><span className="wrap"><strong>{actor(held.by)}</strong> {incident.status === "open" ? "has" : "had"} it in hand, since <Time at={held.at} />{held.message ? `: ${held.message}` : "."}</span></div>;
}

function Verbs({ incident, docs }: { incident: IncidentDetail; docs: Documentation | undefined }) {
  const client = useQueryClient();
  const me = useQuery(ask.me());
  const refusal = useRefusal("respond", incident.workload);
  const [isAcknowledging, setAcknowledging] = useState(false);
  const [isResolving, setResolving] = useState(false);
  const [isForced, setForced] = useState(false);
  const { acknowledged: held, status } = incident;
  const isMine = held !== undefined && held.by === me.data?.actor;
  const acknowledge = async (message: string): Promise<void> => {
    await post("/v1/incidents/{id}/acknowledge", { path: { id: incident.id }, body: message === "" ? {} : { message } });
    toast("good", "You have the incident in hand");
    void client.invalidateQueries({ queryKey: ["incident", incident.id] });
  };
  const still = Object.entries(incident.alarms).filter(([, state]) => state === "firing" || state === "pending").map(([key, state]) => `${key} (${state})`);
  const resolve = async (reason: string): Promise<void> => {
    await post("/v1/incidents/{id}/resolve", { path: { id: incident.id }, body: { reason, ...(isForced ? { force: true } : {}) } });
    toast("good", "The incident is resolved");
    void client.invalidateQueries({ queryKey: ["incident", incident.id] });
    void client.invalidateQueries({ queryKey: ["incidents"] });
  };
  useVerbs([
    status === "open" && !isMine && { name: held ? "Take the incident over" : "Acknowledge the incident", icon: "incidents", why: refusal, go: () => setAcknowledging(true) },
    status === "open" && { name: "Resolve the incident", icon: "incidents", why: refusal, go: () => setResolving(true) },
  ]);
  return (
    <>
      {status === "open" && !isMine && <Button look={held ? "plain" : "primary"} why={refusal} onClick={() => setAcknowledging(true)}>{held ? "Take over …" : "Acknowledge …"}</Button>}
      <RunMenu incident={incident} docs={docs} />
      {status === "open" && <Button why={refusal} onClick={() => setResolving(true)}>Resolve …</Button>}
      {isResolving && (
        <ReasonDialog title="Resolve the incident by hand" verb="Resolve" needed label="Why it is over" help="It is part of the record, the timeline and the draft." onClose={() => setResolving(false)} act={resolve}>
          <p>It ends by itself when nothing keeps it open. {incident.waiting_for && incident.waiting_for.length > 0 ? <>What still keeps it open: {withoutLabels(incident.waiting_for.join("; "))}.</> : null} Ended by hand, nobody can say later when it recovered.</p>
          {still.length > 0 && <label className="check"><input type="checkbox" checked={isForced} onChange={(event) => setForced(event.target.checked)} /> <span className="wrap">Although there still is: {still.join(", ")}</span></label>}
        </ReasonDialog>
      )}
      {isAcknowledging && (
        <ReasonDialog title={held ? `Take the incident over from ${actor(held.by)}` : "Acknowledge the incident"} verb={held ? "Take over" : "Acknowledge"} label="What you do about it" help="Others see that you have it in hand. It is part of the timeline." onClose={() => setAcknowledging(false)} act={acknowledge} />
      )}
    </>
  );
}

/** What people write while it goes on, and after. */
function Updates({ incident }: { incident: IncidentDetail }) {
  const client = useQueryClient();
  const refusal = useRefusal("respond", incident.workload);
  const [text, setText] = useDraft(`update/${incident.id}`);
  const field = useRef<HTMLTextAreaElement>(null);
  useVerbs([{ name: "Write an update", icon: "incidents", why: refusal, go: () => field.current?.focus() }]);
  // One text is written once, however often it is sent.
  const [key, setKey] = useState(newKey);
  const write = useMutation({
    mutationFn: () => post("/v1/incidents/{id}/notes", { path: { id: incident.id }, body: { text: text.trim() }, key }),
    onSuccess: () => {
      setText("");
      setKey(newKey());
      void client.invalidateQueries({ queryKey: ["incident", incident.id] });
    },
  });
  const send = (): void => {
    if (text.trim() !== "" && !write.isPending && refusal === undefined) write.mutate();
  };
  return (
    <Panel title="Updates" aside={<span className="muted num">{incident.notes.length || ""}</span>}>
      <form className="body stack said" onSubmit={(event) => { event.preventDefault(); send(); }}>
        <textarea
          ref={field} className="input short" rows={1} aria-label="An update" placeholder={refusal ?? "What you see, try, or have told whom. Ctrl Enter sends it."} disabled={refusal !== undefined} value={text}
          onChange={(event) => { setText(event.target.value); setKey(newKey()); }}
          onKeyDown={(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(); }}
        />
        {write.isError && <Failure error={write.error} />}
        {(text.trim() !== "" || refusal !== undefined) && <div><Button type="submit" small look="primary" why={refusal} disabled={write.isPending}>{write.isPending ? "Writing …" : "Write the update"}</Button></div>}
      </form>
      <ul className="lines notes">{[...incident.notes].reverse().map((note) => <li key={note.id}><span className="wrap grow note-text">{note.text}</span><span className="muted">{actor(note.by)}, <Time at={note.at} /></span></li>)}</ul>
    </Panel>
  );
}

/** Runs what the workload has for its alarms first, then everything else. */
function RunMenu({ incident, docs }: { incident: IncidentDetail; docs: Documentation | undefined }) {
  const navigate = useNavigate();
  const refusal = useRefusal("run", incident.workload);
  const names = useMemo(() => {
    if (!docs) return [];
    const alarms = new Set(Object.keys(incident.alarms).map((key) => key.split("{")[0]));
    const fitting = new Set(Object.entries(docs.alarms).filter(([name]) => alarms.has(name)).flatMap(([, alarm]) => alarm.leads_to.map((one) => one.procedure)));
    return Object.keys(docs.procedures).sort((a, b) => Number(fitting.has(b)) - Number(fitting.has(a)) || a.localeCompare(b)).map((name) => ({ name, fits: fitting.has(name) }));
  }, [docs, incident.alarms]);
  const open = (name: string): void => void navigate({ to: "/procedures/$workload/$name", params: { workload: incident.workload, name }, search: { start: true } });
  useVerbs(names.filter(({ fits }) => fits).map(({ name }) => ({ name: `Run ${name}`, more: "for this alarm", icon: "runs", why: refusal, go: () => open(name) })));
  if (names.length === 0) return null;
  return <Menu label="Run a procedure" look="plain" why={refusal} button={() => <><Icon name="runs" /> Run a procedure …</>} items={names.map(({ name, fits }) => ({ label: <span className="row"><span className="cut">{name}</span>{fits && <span className="faint">for this alarm</span>}</span>, onSelect: () => open(name) }))} />;
}

/** From a little before the trouble to a little after its end, or now. In steps of five seconds, so that it does not
    ask anew each second. */
function useSpan(incident: IncidentDetail): { from: number; to: number; trouble: number; end: number } {
  const now = useReachedNow(incident.resolved_at ? NEVER : 5000);
  const trouble = incident.timeline.find((entry) => entry.offset_ms >= 0)?.at ?? incident.opened_at;
  const start = Math.min(Date.parse(trouble), Date.parse(incident.opened_at));
  const end = incident.resolved_at ? Date.parse(incident.resolved_at) : now + 5000;
  const room = Math.max(20_000, (end - start) * 0.25);
  return { from: Math.floor((start - room) / 1000) * 1000, to: Math.ceil((incident.resolved_at ? end + room : end) / 1000) * 1000, trouble: start, end };
}

function Story({ incident, docs }: { incident: IncidentDetail; docs: Documentation | undefined }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { from, to, trouble } = useSpan(incident);
  const [over, setOver] = useState<number>();
  const before = incident.timeline.filter((entry) => Date.parse(entry.at) < from).length;
  const entries = search.all ? incident.timeline : incident.timeline.filter((entry) => Date.parse(entry.at) >= from);
  const marks = useMemo(
    () => [
      { at: trouble, color: "var(--bad)" },
      ...(incident.resolved_at ? [{ at: Date.parse(incident.resolved_at), color: "var(--good)" }] : []),
      ...(over === undefined ? [] : [{ at: over, color: "var(--text)", strong: true }]),
    ],
    [trouble, incident.resolved_at, over],
  );
  const priorities = docs?.priorities ?? [];
  const rules = Object.entries(docs?.alarms ?? {}).filter(([name]) => Object.keys(incident.alarms).some((key) => key.split("{")[0] === name));
  return (
    <div className="split story">
      <div className="stack">
      <Updates incident={incident} />
      <Before incident={incident} />
      <Panel title="Timeline" aside={<><Button small look="quiet" className={search.newest ? "pressed" : ""} aria-pressed={search.newest === true} onClick={() => void navigate({ search: (was) => ({ ...was, newest: search.newest ? undefined : true }), replace: true })}>Newest first</Button>{before > 0 && <Button small look="quiet" onClick={() => void navigate({ search: (was) => ({ ...was, all: search.all ? undefined : true }), replace: true })}>{search.all ? "Only the disturbance" : `${before} before it`}</Button>}</>}>
        <div className="body">
          {entries.length === 0 ? <Empty title="Nothing has been written down yet" /> : <ol className="timeline">{(search.newest ? [...entries].reverse() : entries).map((entry) => <Line key={entry.seq} entry={entry} workload={incident.workload} onOver={setOver} />)}</ol>}
        </div>
      </Panel>
      </div>
      <div className="stack signals">
        <Panel title="Signals" aside={<span className="muted num"><Time at={from} as="clock" /> to <Time at={to} as="clock" /> <Zone /></span>}>
          <div className="body stack">
            <Strip entries={entries} from={from} to={to} onOver={setOver} over={over} />
            {priorities.map((one) => <Signal key={one.goal} name={one.goal} query={one.measure} target={parseTarget(one.target)} note={one.target} from={from} to={to} marks={marks} />)}
            {rules.flatMap(([name, alarm]) => alarm.rules.map((rule, n) => { const { query, bound } = compared(rule.expr); return <Signal key={`${name}/${n}`} name={`Alarm ${name}`} query={query} target={bound} note={rule.expr} from={from} to={to} marks={marks} />; }))}
            {priorities.length + rules.length === 0 && <span className="muted">The workload declares no priorities to measure.</span>}
          </div>
        </Panel>
      </div>
    </div>
  );
}

/** Kinds of events that may be why something is disturbed: what people and procedures changed. */
const CHANGES = JSON.stringify({
  $or: [
    { "detail-type": ["revision.applied", "trigger.disabled", "trigger.enabled", "silence.created", "run.started", "fault.injected", "host.lost"] },
    { "detail-type": ["change.finished"], detail: { end: [{ "anything-but": "applied" }] } },
  ],
});

/** What changed before it began: the first question after who has it in hand. */
function Before({ incident }: { incident: IncidentDetail }) {
  const start = incident.timeline.find((entry) => entry.offset_ms >= 0);
  const asked = useQuery({ ...ask.before(CHANGES, start?.seq ?? 0, incident.workload), enabled: start !== undefined });
  if (start === undefined) return null;
  return (
    <Panel title="What changed before" aside={<Link to="/journal" search={{ match: CHANGES, workload: incident.workload }} className="link">all such events</Link>}>
      <Loaded of={asked} what="what changed">
        {({ items }) => items.length === 0 ? <div className="quiet-line">Nothing: no revision, run, silence or trigger of {incident.workload} was changed since the journal began.</div> : (
          <ol className="feed before">
            {items.map((event) => {
              const to = eventLink(event);
              return <li key={event.seq}><span className="at muted num" title={exact(Date.parse(event.time))}>{length(Date.parse(start.at) - Date.parse(event.time))} before</span><EventMark event={event} /><span className="wrap">{to ? <Link to={to}>{sentence(event)}</Link> : sentence(event)} <span className="faint">{actor(event.actor)}</span></span></li>;
            })}
          </ol>
        )}
      </Loaded>
    </Panel>
  );
}

function Signal({ name, query, target, note, from, to, marks }: { name: string; query: string; target?: Target | undefined; note: string; from: number; to: number; marks: Mark[] }) {
  return (
    <figure>
      <figcaption className="row"><strong className="cut">{name}</strong><span className="muted cut mono" title={`${note}\n${query}`}>{note}</span><span className="grow" /><Link to="/metrics" search={{ q: [query], from: String(from), to: String(to) }} className="link" aria-label={`${name} in Metrics`}><Icon name="external" /></Link></figcaption>
      <Course name={name} query={query} target={target} from={from} to={to} marks={marks} group="incident" />
    </figure>
  );
}

/** The happenings as dots on the axis that the graphs have. */
function Strip({ entries, from, to, over, onOver }: { entries: TimelineEntry[]; from: number; to: number; over: number | undefined; onOver: (at: number | undefined) => void }) {
  return (
    <div className="strip-axis" aria-hidden="true">
      {entries.map((entry) => {
        const at = Date.parse(entry.at);
        if (at < from || at > to) return null;
        return <span key={entry.seq} className={`strip-dot tone-${eventTone(entry)} ${over === at ? "over" : ""}`} style={{ left: `${(100 * (at - from)) / (to - from)}%` }} title={entry.text} onPointerEnter={() => onOver(at)} onPointerLeave={() => onOver(undefined)} />;
      })}
    </div>
  );
}

function Line({ entry, workload, onOver }: { entry: TimelineEntry; workload: string; onOver: (at: number | undefined) => void }) {
  const at = Date.parse(entry.at);
  const to = entry.subject?.startsWith("incident/") ? undefined : subjectLink(entry.subject, workload);
  return (
    <li onPointerEnter={() => onOver(at)} onPointerLeave={() => onOver(undefined)}>
      <span className="at"><Time at={entry.at} as="clock" /></span>
      <span className="at offset num"><span title="Since the incident's start">{entry.offset_ms === 0 ? "start" : `${entry.offset_ms < 0 ? "−" : "+"}${length(Math.abs(entry.offset_ms))}`}</span></span>
      <span className="dot"><EventMark event={entry} /></span>
      <span className="wrap">{to ? <Link to={to}>{entry.text}</Link> : entry.text} <Link to="/journal" search={{ seq: String(entry.seq) }} className="who" title={`by ${entry.actor}; event ${entry.seq} of the journal`}>{entry.actor.startsWith("run:") ? "run" : actor(entry.actor)}</Link></span>
    </li>
  );
}

function Draft({ incident }: { incident: IncidentDetail }) {
  const copy = useMutation({
    mutationFn: (text: string) => navigator.clipboard.writeText(text),
    onSuccess: () => toast("good", "The draft is in the clipboard"),
    onError: () => toast("bad", "The browser does not allow it; mark the text and copy it"),
  });
  if (incident.draft === undefined) return <Empty title="There is no draft yet"><p>It is written from the journal when the incident is resolved.</p></Empty>;
  const draft = incident.draft;
  return (
    <Panel title="Draft of the analysis" aside={<>{incident.draft_path && <Badge title="on the server's machine">{incident.draft_path}</Badge>}<Button small icon="copy" onClick={() => copy.mutate(draft)}>Copy</Button></>}>
      <div className="body reading"><Markdown text={draft} /></div>
    </Panel>
  );
}
