// One run: its document lights up as it goes; what each step got, said and left; where; and what a person can do about it.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { address, newKey, post } from "../api/client";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import { backoff, follow, type Message } from "../api/sse";
import type { DecideRun, Output, RunDetail, Step, Wait } from "../api/types";
import { actor, count } from "../lib/format";
import { graphOf, graphOfRun } from "../lib/graph";
import { hostLines, type HostLine } from "../lib/hosts";
import { visible, withoutEscapes } from "../lib/plain";
import { tone, urgency, word } from "../lib/state";
import { useVerbs } from "../shell/verbs";
import { Badge, Button, Empty, Failure, Json, Loaded, Loading, Panel, State, Tabs, Time, Took, useTitle } from "../ui/basic";
import { Dialog, ReasonDialog } from "../ui/dialog";
import { Follow } from "../ui/follow";
import { HostMap } from "../ui/hostmap";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

const Flow = lazy(() => import("../ui/flow"));
const route = getRouteApi("/runs/$id");

const onVisibility = (listener: () => void): (() => void) => {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
};

/** What running commands write, while the run goes on. */
function useOutput(id: string, isOver: boolean): Output[] {
  const [output, setOutput] = useState<Output[]>([]);
  // A browser allows few connections to one server: a tab that nobody looks at has none of its own.
  const isHidden = useSyncExternalStore(onVisibility, () => document.hidden);
  useEffect(() => {
    if (isOver || isHidden) return undefined;
    const abort = new AbortController();
    void (async () => {
      for (let tries = 0; !abort.signal.aborted; tries += 1) {
        // Each message is all of it that is kept.
        const heard = (messages: Message[]): void => {
          tries = 0;
          const last = messages.at(-1);
          if (last) setOutput(JSON.parse(visible(last.data)) as Output[]);
        };
        await follow(address("/v1/runs/{id}/output", { id }), abort.signal, heard).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, backoff(tries, Math.random())));
      }
    })();
    return () => abort.abort();
  }, [id, isOver, isHidden]);
  return output;
}

/** The step that is looked at first: the one that is at work, waits or failed. */
function chosenStep(run: RunDetail, wanted: string | undefined): Step | undefined {
  return run.steps.find((step) => step.name === wanted)
    ?? run.steps.find((step) => ["InProgress", "Waiting", "OutcomeUnknown"].includes(step.status))
    ?? run.steps.find((step) => tone(step.status) === "bad")
    ?? run.steps.find((step) => step.name === run.current_step)
    ?? run.steps[0];
}

export function Run() {
  const { id } = route.useParams();
  const asked = useQuery(ask.run(id));
  useTitle(asked.data ? `${asked.data.procedure}: ${word(asked.data.status)}` : "Run");
  return <Loaded of={asked} what="the run">{(run) => <Shown run={run} />}</Loaded>;
}

/** Of a run that is over, what was not begun will not be. */
function ended(run: RunDetail): RunDetail {
  if (!run.finished || run.steps.every((step) => step.status !== "Pending")) return run;
  return { ...run, steps: run.steps.map((step) => (step.status === "Pending" ? { ...step, status: NOT_REACHED } : step)) };
}
const NOT_REACHED = "not reached" as Step["status"];

function Shown({ run: asked }: { run: RunDetail }) {
  const run = useMemo(() => ended(asked), [asked]);
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const docs = useQuery({ ...ask.docs(run.workload ?? ""), enabled: run.workload !== undefined });
  const output = useOutput(run.id, run.finished);
  const document = docs.data?.procedures[run.procedure];
  // The document of today, where it still is what ran: every step that was reached is one of its steps.
  const isSame = document !== undefined && run.steps.every((step) => document.steps.some((one) => one.name === step.name));
  const graph = useMemo(() => (isSame && document ? graphOf(document, run.steps) : graphOfRun(run.steps)), [isSame, document, run.steps]);
  const step = chosenStep(run, search.step);
  const reached = run.steps.filter((one) => one.started_at !== undefined).length;
  const nodes = useMemo(() => graph.nodes.map((node) => ({ id: node.id, label: node.label, detail: node.detail, state: node.state, small: node.kind === "end" })), [graph]);
  const edges = useMemo(() => graph.edges.map((edge) => ({ id: edge.id, from: edge.from, to: edge.to, label: edge.label, dashed: edge.kind === "failure", strong: edge.taken === true })), [graph]);
  const choose = (name: string) => void navigate({ search: (before) => ({ ...before, step: name, host: undefined }), replace: true });
  return (
    <>
      <div className="page-head">
        <div className="crumbs"><Link to="/runs">Runs</Link><span>/</span><h1>{run.workload ? <Link to="/procedures/$workload/$name" params={{ workload: run.workload, name: run.procedure }}>{run.procedure}</Link> : run.procedure}</h1></div>
        <State state={run.status} />
        <span className="muted num"><Took from={run.started_at} to={run.ended_at} /></span>
        <span className="grow" />
        <Verbs run={run} />
      </div>
      <div className="row wrapping muted facts-line">
        <span>Started <Time at={run.started_at} as="clock" /> (<Time at={run.started_at} />) by {actor(run.started_by)}</span>
        <PartOf run={run.id} workload={run.workload} />
        {run.workload && <span>in <Link to="/workloads/$name" params={{ name: run.workload }} className="link">{run.workload}</Link></span>}
        {run.parent && <span>part of <Link to="/runs/$id" params={{ id: run.parent }} className="link">{run.parent}</Link></span>}
        {run.continues && <span>goes on with <Link to="/runs/$id" params={{ id: run.continues }} className="link">{run.continues}</Link></span>}
        <span>{reached} of {count(run.steps.length, "step")} reached</span>
        <span className="mono cut" title={`document ${run.digest}`}>{run.id}</span>
      </div>
      {run.waiting && <Waiting run={run} waiting={run.waiting} />}
      {run.message && !run.waiting && <div className={`notice ${tone(run.status) === "bad" ? "bad" : ""}`}><span className="wrap">{run.message}</span></div>}
      <div className="split run">
        <Panel title="Document" aside={!isSame && document ? <Badge title="The document has changed since; the steps are those that were reached">changed since</Badge> : undefined}>
          <Suspense fallback={<Loading what="the graph" />}>
            <Flow label={`Steps of the run of ${run.procedure}`} height="min(640px, 68vh)" nodes={nodes} edges={edges} selected={step?.name} onSelect={choose} />
          </Suspense>
        </Panel>
        <div className="stack">
          <Panel title="Steps" aside={<span className="muted num">{run.steps.length}</span>}>
            <Table label="Steps" primary columns={STEP_COLUMNS} rows={run.steps} rowKey={(one) => one.name} current={step?.name} onOpen={(one) => choose(one.name)} onMove={(one) => choose(one.name)} rowHeight={30} {...(run.steps.length > 12 ? { height: "360px" } : {})} />
          </Panel>
          {step && <StepPanel step={step} output={output} />}
          <Panel title="Parameters and outputs">
            <div className="body stack">
              <Values title="Parameters" values={run.parameters} />
              {run.variables && Object.keys(run.variables).length > 0 && <Values title="Variables" values={run.variables} />}
              <Values title="Outputs" values={run.outputs} none={run.finished ? "none" : "known at the end"} />
            </div>
          </Panel>
        </div>
      </div>
    </>
  );
}

/** The incident that it is part of, among the latest: from where one came, or wants to go on. */
function PartOf({ run, workload }: { run: string; workload: string | undefined }) {
  const { rows } = useList({ ...ask.incidents(), enabled: workload !== undefined });
  const incident = rows.find((one) => one.runs.includes(run));
  if (incident === undefined) return null;
  return <span>for incident <Link to="/incidents/$id" params={{ id: incident.id }} className="link">{incident.title}</Link> ({incident.status})</span>;
}

const STEP_COLUMNS: Column<Step>[] = [
  { key: "state", head: "State", width: "130px", cell: (step) => <State state={step.status} /> },
  { key: "name", head: "Step", width: "minmax(0, 1fr)", cell: (step) => <span title={step.name}>{step.parent && <span className="faint">{step.parent} / </span>}{step.name}{step.iteration ? <span className="faint"> #{step.iteration}</span> : null}</span> },
  { key: "action", head: "Action", width: "minmax(0, 1fr)", wide: true, cell: (step) => <span className="muted">{step.action}</span> },
  { key: "tries", head: "Tries", width: "44px", right: true, wide: true, cell: (step) => (step.attempts > 1 || step.earlier_attempts ? step.attempts + (step.earlier_attempts ?? 0) : "") },
  { key: "took", head: "Took", width: "80px", right: true, cell: (step) => (step.taken_from ? <span className="muted" title={`taken over from ${step.taken_from}`}>taken over</span> : <Took from={step.started_at} to={step.ended_at} />) },
];

function Values({ title, values, none = "none" }: { title: string; values: Record<string, unknown>; none?: string }) {
  const all = Object.entries(values);
  return (
    <div>
      <h3>{title}</h3>
      {all.length === 0 ? <span className="muted">{none}</span> : (
        <dl className="facts">{all.map(([key, value]) => <div className="contents" key={key}><dt className="cut" title={key}>{key}</dt><dd className="mono">{typeof value === "string" ? value : JSON.stringify(value)}</dd></div>)}</dl>
      )}
    </div>
  );
}

function StepPanel({ step, output }: { step: Step; output: Output[] }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tab = search.tab ?? "steps";
  const lines = useMemo(() => hostLines(step, output), [step, output]);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  return (
    <Panel title={step.name} aside={<><Badge>{step.action}</Badge><State state={step.status} /></>}>
      <Tabs label={`Step ${step.name}`} tabs={[["steps", "Output"], ["hosts", `Hosts ${lines.length || ""}`], ["record", "Attempts"]]} shown={tab} onShow={(key) => set({ tab: key === "steps" ? undefined : key })} />
      <div className="body stack" role="tabpanel" aria-label={tab}>
        {step.message && <div className={`notice ${tone(step.status) === "bad" ? "bad" : tone(step.status) === "unknown" ? "unknown" : ""}`}><span className="wrap">{step.message}</span></div>}
        {step.child && <p>It started <Link to="/runs/$id" params={{ id: step.child }} className="link">run {step.child}</Link>.</p>}
        {step.taken_from && <p className="muted">Taken over from <Link to="/runs/$id" params={{ id: step.taken_from }} className="link">{step.taken_from}</Link>; nothing of it was done in this run.</p>}
        {tab === "steps" && <OutputTab step={step} lines={lines} />}
        {tab === "hosts" && <HostsTab lines={lines} host={search.host} failedOnly={search.show === "failed"} onHost={(host) => set({ host })} onFailed={(on) => set({ show: on ? "failed" : undefined })} />}
        {tab === "record" && <Attempts step={step} />}
      </div>
    </Panel>
  );
}

function Said({ line }: { line: HostLine }) {
  const isRunning = tone(line.state) === "active";
  return (
    <div className="stack said">
      <div className="row"><State state={line.state} /><strong className="cut">{line.host}</strong>{line.code !== undefined && <span className="muted num">exit code {line.code}</span>}</div>
      {line.output !== "" && <Follow text={line.output} />}
      {line.errors !== "" && <><h3>Standard error</h3><Follow text={line.errors} /></>}
      {line.output === "" && line.errors === "" && <span className="muted">{isRunning ? "It has said nothing yet." : "It said nothing."}</span>}
    </div>
  );
}

function OutputTab({ step, lines }: { step: Step; lines: HostLine[] }) {
  const sorted = [...lines].sort((a, b) => urgency(a.state) - urgency(b.state) || a.host.localeCompare(b.host));
  const rest = Object.fromEntries(Object.entries(step.outputs).filter(([key]) => !["Hosts", "Outputs", "Output", "CommandId", "Status", "ResponseCode"].includes(key)));
  if (step.started_at === undefined) return <span className="muted">It was not reached{step.status === "Pending" ? " yet" : ""}.</span>;
  return (
    <>
      {sorted.slice(0, 5).map((line) => <Said key={line.host} line={line} />)}
      {sorted.length > 5 && <p className="muted">{sorted.length - 5} more under Hosts.</p>}
      {Object.keys(rest).length > 0 && <Values title="Left behind" values={rest} />}
      {sorted.length === 0 && Object.keys(rest).length === 0 && <span className="muted">{step.next ? <>It went on to {step.next}.</> : "Nothing was said."}</span>}
    </>
  );
}

const HOST_COLUMNS: Column<HostLine>[] = [
  { key: "state", head: "State", width: "120px", cell: (line) => <State state={line.state} /> },
  { key: "host", head: "Host", width: "minmax(0, 1fr)", cell: (line) => line.host },
  { key: "code", head: "Exit", width: "44px", right: true, cell: (line) => line.code ?? "" },
  { key: "said", head: "Last words", width: "minmax(0, 1.6fr)", wide: true, cell: (line) => <span className="mono muted">{withoutEscapes((line.errors || line.output).trimEnd().split("\n").at(-1) ?? "")}</span> },
];

function HostsTab({ lines, host, failedOnly, onHost, onFailed }: { lines: HostLine[]; host: string | undefined; failedOnly: boolean; onHost: (host: string) => void; onFailed: (on: boolean) => void }) {
  const sorted = useMemo(() => [...lines].sort((a, b) => urgency(a.state) - urgency(b.state) || a.host.localeCompare(b.host)), [lines]);
  const counts = useMemo(() => {
    const found = new Map<string, number>();
    for (const line of lines) found.set(line.state, (found.get(line.state) ?? 0) + 1);
    return [...found].sort((a, b) => urgency(a[0]) - urgency(b[0]));
  }, [lines]);
  const shown = failedOnly ? sorted.filter((line) => tone(line.state) !== "good") : sorted;
  const one = lines.find((line) => line.host === host);
  if (lines.length === 0) return <Empty title="No host took part in this step" />;
  return (
    <>
      <div className="row wrapping">{counts.map(([state, n]) => <State key={state} state={state} text={`${n.toLocaleString("en")} ${word(state)}`} />)}<span className="grow" /><label className="check"><input type="checkbox" checked={failedOnly} onChange={(event) => onFailed(event.target.checked)} /> Only what is not good</label></div>
      {lines.length > 1 && <HostMap hosts={sorted} selected={host} onSelect={onHost} label={`${count(lines.length, "host")}: ${counts.map(([state, n]) => `${n} ${word(state)}`).join(", ")}`} />}
      <Table label="Hosts" columns={HOST_COLUMNS} rows={shown} rowKey={(line) => line.host} current={host} onOpen={(line) => onHost(line.host)} rowHeight={28} {...(shown.length > 8 ? { height: "260px" } : {})} empty={<span className="muted">Every host is good.</span>} />
      {one && <Said line={one} />}
    </>
  );
}

function Attempts({ step }: { step: Step }) {
  if (!step.tries || step.tries.length === 0) return <span className="muted">{step.started_at ? "It needs no attempt: it is decided by the server." : "It was not tried."}</span>;
  return (
    <>
      {step.earlier_attempts ? <p className="muted">{count(step.earlier_attempts, "attempt")} in earlier iterations.</p> : null}
      {[...step.tries].reverse().map((one, at) => (
        <details key={one.id} open={at === 0}>
          <summary className="row wrapping"><State state={one.result ?? "InProgress"} /> <span>attempt {(step.tries?.length ?? 0) - at}</span> <span className="muted num"><Took from={one.started_at} to={one.ended_at} />, <Time at={one.started_at} as="clock" /></span>{one.decided_by && <Badge>decided by {one.decided_by}</Badge>}</summary>
          <div className="stack indented">
            {one.message && <div className="notice"><span className="wrap">{one.message}</span></div>}
            {one.hosts && one.hosts.length > 0 && <p className="muted wrap">on {one.hosts.slice(0, 20).join(", ")}{one.hosts.length > 20 ? ` and ${one.hosts.length - 20} more` : ""}</p>}
            {one.inputs !== undefined && <><h3>Inputs</h3><Json value={one.inputs} /></>}
            {one.outputs && Object.keys(one.outputs).length > 0 && <><h3>Outputs</h3><Json value={one.outputs} /></>}
            <p className="faint mono wrap">{one.id}</p>
          </div>
        </details>
      ))}
    </>
  );
}

/** What a run waits for a person to say. */
function Waiting({ run, waiting }: { run: RunDetail; waiting: Wait }) {
  const client = useQueryClient();
  const [failing, setFailing] = useState(false);
  const refusal = useRefusal("respond", run.workload);
  const decide = useMutation({
    mutationFn: (body: DecideRun) => post("/v1/runs/{id}/decide", { path: { id: run.id }, body }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["run", run.id] });
    },
  });
  const go = (decision: "succeeded" | "retry"): void => decide.mutate({ decision });
  useVerbs([
    waiting.pause && { name: `Go on after step ${waiting.step}`, icon: "runs", why: refusal, go: () => go("succeeded") },
    !waiting.pause && { name: `Step ${waiting.step} worked`, icon: "runs", why: refusal, go: () => go("succeeded") },
    !waiting.pause && { name: `Do step ${waiting.step} again`, icon: "again", why: refusal, go: () => go("retry") },
    { name: waiting.pause ? `Stop at step ${waiting.step}` : `Step ${waiting.step} failed`, icon: "stop", why: refusal, go: () => setFailing(true) },
  ]);
  return (
    <section className="notice waiting wrapping" aria-label="It waits for you">
      <State state="Waiting" text={waiting.pause ? "It waits for you to go on" : "Nobody knows how this ended"} />
      <span className="grow wrap">Step {waiting.step}: {waiting.reason}</span>
      {waiting.pause ? (
        <Button look="primary" why={refusal} disabled={decide.isPending} onClick={() => go("succeeded")}>Go on</Button>
      ) : (
        <>
          <Button why={refusal} disabled={decide.isPending} onClick={() => go("succeeded")}>It worked</Button>
          <Button why={refusal} disabled={decide.isPending} onClick={() => go("retry")}>Do it again</Button>
        </>
      )}
      <Button look="danger" why={refusal} disabled={decide.isPending} onClick={() => setFailing(true)}>{waiting.pause ? "Stop here …" : "It failed …"}</Button>
      {decide.isError && !failing && <Failure error={decide.error} />}
      {failing && (
        <ReasonDialog title={`Step ${waiting.step} failed`} verb="Say that it failed" look="danger" needed long help="It is part of the record; the run goes on as its document says for a failure." onClose={() => setFailing(false)} act={(message) => decide.mutateAsync({ decision: "failed", message })} />
      )}
    </section>
  );
}

function Verbs({ run }: { run: RunDetail }) {
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const refusal = useRefusal("run", run.workload);
  const [asking, setAsking] = useState<"cancel" | "resume">();
  const [chosen, setFrom] = useState<string>();
  const from = chosen ?? chosenStep(run, undefined)?.name ?? "";
  const [key] = useState(newKey);
  const cancel = async (reason: string): Promise<void> => {
    await post("/v1/runs/{id}/cancel", { path: { id: run.id }, body: reason === "" ? {} : { reason } });
    toast("warn", "The run is being cancelled");
    void client.invalidateQueries({ queryKey: ["run", run.id] });
  };
  const resume = useMutation({
    mutationFn: () => post("/v1/runs/{id}/resume", { path: { id: run.id }, body: { from }, key: `${key}${from}`.slice(0, 60) }),
    onSuccess: (started) => {
      setAsking(undefined);
      toast("active", "A new run goes on with this one");
      void navigate({ to: "/runs/$id", params: { id: started.id }, search: {} });
    },
  });
  const again = run.workload !== undefined && run.finished ? { to: "/procedures/$workload/$name" as const, params: { workload: run.workload, name: run.procedure }, search: { start: true as const, like: run.id } } : undefined;
  useVerbs([
    again && { name: "Run it again", more: "with the same values", icon: "runs", why: refusal, go: () => void navigate(again) },
    run.finished && run.steps.length > 0 && { name: "Resume the run", icon: "again", why: refusal, go: () => setAsking("resume") },
    !run.finished && { name: "Cancel the run", icon: "stop", why: refusal, go: () => setAsking("cancel") },
  ]);
  return (
    <>
      {again && <Button icon="runs" why={refusal} onClick={() => void navigate(again)}>Run again …</Button>}
      {run.finished && run.steps.length > 0 && <Button icon="again" why={refusal} onClick={() => setAsking("resume")}>Resume …</Button>}
      {!run.finished && <Button look="danger" icon="stop" why={refusal} onClick={() => setAsking("cancel")}>Cancel …</Button>}
      {asking === "cancel" && (
        <ReasonDialog title={`Cancel the run of ${run.procedure}`} verb="Cancel the run" look="danger" cancel="Let it go on" onClose={() => setAsking(undefined)} act={cancel}>
          <p>What is being performed is stopped; what was done stays done. The run stays cancelled.</p>
        </ReasonDialog>
      )}
      {asking === "resume" && (
        <Dialog title={`Go on with the run of ${run.procedure}`} onClose={() => setAsking(undefined)} onSubmit={() => resume.mutate()} foot={<><Button onClick={() => setAsking(undefined)}>Cancel</Button><Button type="submit" look="primary" disabled={resume.isPending}>Resume</Button></>}>
          <p>A new run takes over what the steps before left, and begins with the step you choose.</p>
          <div className="field"><label htmlFor="from">Begin with</label><select id="from" className="input" value={from} onChange={(event) => setFrom(event.target.value)}>{run.steps.map((step) => <option key={step.name} value={step.name}>{step.name} ({word(step.status)})</option>)}</select></div>
          {resume.isError && <Failure error={resume.error} />}
        </Dialog>
      )}
    </>
  );
}
