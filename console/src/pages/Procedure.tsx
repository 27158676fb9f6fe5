// A procedure: its document as a graph, its steps in words, and a form made of its parameters.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useMemo, useState } from "react";
import { newKey, post } from "../api/client";
import type { ParameterDoc, ProcedureDoc } from "../api/documentation";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import { graphOf } from "../lib/graph";
import { actor } from "../lib/format";
import { check, initial, valueOf, type Draft } from "../lib/parameters";
import { step as historyStep } from "../lib/places";
import { useDraft } from "../lib/drafts";
import { Badge, Button, Empty, Failure, Json, Loaded, Loading, Panel, State, Time, Took, useTitle } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { Markdown } from "../ui/markdown";
import { toast } from "../ui/toast";

const Flow = lazy(() => import("../ui/flow"));
const route = getRouteApi("/procedures/$workload/$name");

function Field({ name, about, draft, set, wrong }: { name: string; about: ParameterDoc; draft: string; set: (text: string) => void; wrong: string | undefined }) {
  const id = `parameter-${name}`;
  const common = { id, className: "input", "aria-invalid": wrong !== undefined, "aria-describedby": `${id}-help`, "aria-required": about.required } as const;
  const isLong = /List|Map|\[\]/.test(about.type);
  return (
    <div className="field">
      <label htmlFor={id}>{name} {about.required ? <span className="muted">needed</span> : null} <span className="faint">{about.type}</span></label>
      {about.allowed_values.length > 0 ? (
        <select {...common} value={draft} onChange={(event) => set(event.target.value)}>
          {!about.allowed_values.map(String).includes(draft) && <option value={draft}>{draft === "" ? "choose …" : draft}</option>}
          {about.allowed_values.map((value) => <option key={String(value)}>{String(value)}</option>)}
        </select>
      ) : about.type === "Boolean" ? (
        <select {...common} value={draft} onChange={(event) => set(event.target.value)}>
          {draft === "" && <option value="">choose …</option>}
          <option>true</option><option>false</option>
        </select>
      ) : isLong ? (
        <textarea {...common} className="input mono" rows={3} spellCheck={false} value={draft} onChange={(event) => set(event.target.value)} />
      ) : (
        <input {...common} type={about.type === "Integer" ? "number" : "text"} spellCheck={false} value={draft} onChange={(event) => set(event.target.value)} />
      )}
      {wrong && <span className="wrong" role="alert">{wrong}</span>}
      <span className="help" id={`${id}-help`}>
        {about.description}{" "}
        {about.type === "StringList" && "One a line. "}
        {/Map/.test(about.type) && "As JSON. "}
        {about.allowed_pattern && <>Must match <code>{about.allowed_pattern}</code>. </>}
      </span>
    </div>
  );
}

interface StartProps { workload: string; name: string; about: ProcedureDoc; /** The run whose values it begins with. */ like: string | undefined; onClose: () => void }

function StartDialog(props: StartProps) {
  const { workload, name, like, onClose } = props;
  const earlier = useQuery({ ...ask.run(like ?? ""), enabled: like !== undefined });
  if (like === undefined) return <StartForm {...props} />;
  return (
    <>
      {earlier.data && <StartForm {...props} values={earlier.data.procedure === name && earlier.data.workload === workload ? earlier.data.parameters : {}} />}
      {!earlier.data && <Dialog title={`Run ${name}`} onClose={onClose}>{earlier.isError ? <Failure error={earlier.error} title="The run before cannot be read" /> : <Loading what="what the run before was given" />}</Dialog>}
    </>
  );
}

function StartForm({ workload, name, about, like, values, onClose }: StartProps & { values?: Record<string, unknown> }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  // What was typed is there after a reload, too, but not when the form is opened another time.
  const [kept, keep] = useDraft(`run/${workload}/${name}/${useState(historyStep)[0]}`);
  const begin = useMemo(() => initial(about.parameters, values), [about, values]);
  const draft: Draft = useMemo(() => ({ ...begin, ...(kept === "" ? {} : (JSON.parse(kept) as Draft)) }), [begin, kept]);
  const setDraft = (to: Draft): void => keep(JSON.stringify(to));
  const [touched, setTouched] = useState(false);
  // One form starts one run, however often it is sent.
  const [key, setKey] = useState(newKey);
  const problems = useMemo(() => check(about.parameters, draft), [about, draft]);
  const start = useMutation({
    mutationFn: () => post("/v1/runs", { body: { workload, procedure: name, parameters: valueOf(about.parameters, draft) }, key }),
    onSuccess: (run) => {
      keep("");
      toast("good", <>Run of {name} started</>);
      void client.invalidateQueries({ queryKey: ["runs"] });
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  });
  const submit = (): void => {
    setTouched(true);
    if (Object.keys(problems).length === 0 && !start.isPending) start.mutate();
  };
  return (
    <Dialog title={`Run ${name}`} onClose={onClose} onSubmit={submit} foot={<><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" disabled={start.isPending} icon="runs">{start.isPending ? "Starting …" : "Run"}</Button></>}>
      {about.description && <div className="muted"><Markdown text={about.description} /></div>}
      {like !== undefined && <p className="muted">With the values of <Link to="/runs/$id" params={{ id: like }} className="link">run {like}</Link>.</p>}
      {Object.entries(about.parameters).map(([parameter, one]) => (
        <Field key={parameter} name={parameter} about={one} draft={draft[parameter] ?? ""} wrong={touched ? problems[parameter] : undefined} set={(text) => { setDraft({ ...draft, [parameter]: text }); setKey(newKey()); }} />
      ))}
      {Object.keys(about.parameters).length === 0 && <p className="muted">It has no parameters.</p>}
      {start.isError && <Failure error={start.error} />}
    </Dialog>
  );
}

export function Procedure() {
  const { workload, name } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  useTitle(name);
  const docs = useQuery(ask.docs(workload));
  return (
    <Loaded of={docs} what="the procedure">
      {(data) => {
        const about = data.procedures[name];
        if (!about) return <Empty title={`${data.workload.title} has no procedure ${name}`}><p>Its procedures are: {Object.keys(data.procedures).map((one) => <Link key={one} to="/procedures/$workload/$name" params={{ workload, name: one }} className="link"> {one}</Link>)}</p></Empty>;
        return <About workload={workload} name={name} about={about} step={search.step} onStep={(step) => void navigate({ search: (before) => ({ ...before, step }), replace: true })} isStarting={search.start === true} like={search.like} setStarting={(on) => void navigate({ search: (before) => ({ ...before, start: on ? true : undefined, like: undefined }) })} />;
      }}
    </Loaded>
  );
}

function About({ workload, name, about, step, onStep, isStarting, like, setStarting }: { workload: string; name: string; about: ProcedureDoc; step: string | undefined; onStep: (step: string) => void; isStarting: boolean; like: string | undefined; setStarting: (on: boolean) => void }) {
  const { asked: runs, rows: all } = useList(ask.runs({ procedure: name, workload }, 50));
  const refusal = useRefusal("run", workload);
  const graph = useMemo(() => graphOf(about), [about]);
  const good = all.find((run) => run.status === "Success");
  const shown = about.steps.find((one) => one.name === step);
  return (
    <>
      <div className="page-head">
        <div className="crumbs"><Link to="/workloads/$name" params={{ name: workload }} search={{ tab: "procedures" }}>{workload}</Link><span>/</span><h1>{name}</h1></div>
        {good ? <State state="Success" text={<>worked <Time at={good.ended_at ?? good.started_at} /></>} /> : runs.data && <State state="never" text={all.length === 0 ? "never run" : "never worked, as far as is shown"} />}
        <span className="grow" />
        <Button look="primary" icon="runs" why={refusal} onClick={() => setStarting(true)}>Run …</Button>
      </div>
      {about.description && <div className="muted reading"><Markdown text={about.description} /></div>}
      <div className="split">
        <Panel title="Document" aside={<code className="muted cut">{about.file}</code>}>
          <Suspense fallback={<Loading what="the graph" />}>
            <Flow label={`Steps of ${name}`} height="min(660px, 72vh)" selected={step} onSelect={onStep} nodes={graph.nodes.map((node) => ({ id: node.id, label: node.label, detail: node.detail, small: node.kind === "end" }))} edges={graph.edges.map((edge) => ({ id: edge.id, from: edge.from, to: edge.to, label: edge.label, dashed: edge.kind === "failure" }))} />
          </Suspense>
        </Panel>
        <div className="stack">
          {shown && (
            <Panel title={shown.name} aside={<Badge>{shown.action}</Badge>}>
              <div className="body stack">
                <Markdown text={`${shown.description ?? ""}\n\n${shown.words}\n\n${shown.then}`} />
                <dl className="facts">
                  <dt>Tried</dt><dd>{shown.max_attempts === 1 ? "once" : `up to ${shown.max_attempts} times`}{shown.timeout ? `, each for ${shown.timeout} s at most` : ""}</dd>
                  <dt>If it fails</dt><dd>{shown.on_failure}</dd>
                </dl>
                <Json value={shown.inputs} />
              </div>
            </Panel>
          )}
          <Panel title="Started by">
            <div className="body stack">
              <dl className="facts">
                <dt>Triggers</dt><dd>{about.started_by.length === 0 ? <span className="muted">none: only people start it</span> : about.started_by.map((one) => <Link key={one} to="/triggers" search={{ trigger: `${workload}/${one}` }} className="link">{one} </Link>)}</dd>
                <dt>Alarms</dt><dd>{about.alarms.length === 0 ? <span className="muted">none leads to it</span> : about.alarms.map((one) => <Link key={one} to="/alarms" search={{ alarm: `${workload}/${one}` }} className="link">{one} </Link>)}</dd>
                <dt>Outputs</dt><dd>{about.outputs.length === 0 ? <span className="muted">none</span> : about.outputs.join(", ")}</dd>
              </dl>
            </div>
          </Panel>
          <Panel title="Runs" aside={<Link to="/runs" search={{ procedure: name, workload }} className="link">All</Link>}>
            {all.length === 0 ? <Empty title="It has not been run yet"><p>A procedure that nobody has tried is a guess. Run it while nothing is wrong.</p></Empty> : (
              <ul className="lines">{all.slice(0, 12).map((run) => <li key={run.id}><State state={run.status} /><Link to="/runs/$id" params={{ id: run.id }} className="cut">{actor(run.started_by)}</Link><span className="grow" /><span className="muted"><Took from={run.started_at} to={run.ended_at} />, <Time at={run.started_at} /></span></li>)}</ul>
            )}
          </Panel>
        </div>
      </div>
      {isStarting && refusal === undefined && <StartDialog workload={workload} name={name} about={about} like={like} onClose={() => setStarting(false)} />}
    </>
  );
}
