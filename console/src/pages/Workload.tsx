// One workload: its topology with health on it, its priorities over time, its procedures with their freshness, and its
// history.

import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { post } from "../api/client";
import * as ask from "../api/queries";
import { useList } from "../api/lists";
import type { ComponentDoc, Documentation, ProcedureDoc } from "../api/documentation";
import type { Host, Measure, RunSummary, Service, WorkloadDetail } from "../api/types";
import { actor, bytes, clock, quantity, short } from "../lib/format";
import { urgency, word, worst } from "../lib/state";
import { parseTarget } from "../lib/target";
import { useVerbs } from "../shell/verbs";
import { useBeside } from "../ui/beside";
import { Badge, Button, Empty, Loaded, Loading, Panel, State, Tags, Time, Took, useTitle, Zone } from "../ui/basic";
import { Follow } from "../ui/follow";
import { Course } from "../ui/course";
import { Icon } from "../ui/icons";
import { Markdown } from "../ui/markdown";
import { RangeMenu, useMoments } from "../ui/range";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";
import { History } from "./History";

const Flow = lazy(() => import("../ui/flow"));
const route = getRouteApi("/workloads/$name");

export function Workload() {
  const { name } = route.useParams();
  const search = route.useSearch();
  const asked = useQuery(ask.workload(name));
  const docs = useQuery(ask.docs(name));
  const status = useQuery(ask.status);
  useTitle(asked.data?.title ?? name);
  const tab = search.tab ?? "overview";
  return (
    <Loaded of={asked} what="the workload">
      {(about) => {
        const now = status.data?.workloads.find((one) => one.workload === name);
        return (
          <>
            <div className="page-head">
              <div className="crumbs"><Link to="/workloads">Workloads</Link><span>/</span><h1>{about.title}</h1></div>
              {now && now.measures.length > 0 && <State state={worst(now.measures.map((one) => one.state)) ?? "unknown"} />}
              {now && <span className="muted">{now.services_ready} of {now.services_wanted} services ready</span>}
              <span className="grow" />
              <DocsLink name={name} />
            </div>
            <div className="row wrapping muted facts-line">
              {about.owner && <span>owned by {about.owner}</span>}
              <span>revision <Link to="/workloads/$name" params={{ name }} search={{ tab: "history" }} className="mono link">{short(about.revision)}</Link> applied <Time at={about.applied_at} /> by {actor(about.applied_by)}{about.message ? `: ${about.message}` : ""}</span>
              {docs.data && <Tags tags={docs.data.workload.tags} />}
            </div>
            {(now?.unplaced ?? []).map((reason) => <div key={reason} className="notice unknown"><span className="wrap">No host: {reason}</span></div>)}
            {(now?.drift ?? []).map((reason) => <div key={reason} className="notice"><span className="wrap">Drift: {reason}</span></div>)}
            <nav className="tabs" aria-label={`Parts of ${about.title}`}>
              {([["overview", "Overview"], ["priorities", "Priorities"], ["procedures", `Procedures ${about.procedures.length || ""}`], ["history", "History"]] as const).map(([key, label]) => (
                <Link key={key} to="/workloads/$name" params={{ name }} search={{ tab: key === "overview" ? undefined : key }} activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }} className={tab === key ? "chosen" : ""} activeProps={{}}>{label}</Link>
              ))}
            </nav>
            {tab === "overview" && <Loaded of={docs} what="what is declared">{(data) => <Overview name={name} docs={data} measures={now?.measures ?? []} about={about} />}</Loaded>}
            {tab === "priorities" && <Loaded of={docs} what="what is declared">{(data) => <Priorities docs={data} measures={now?.measures ?? []} />}</Loaded>}
            {tab === "procedures" && <Loaded of={docs} what="what is declared">{(data) => <Procedures name={name} docs={data} />}</Loaded>}
            {tab === "history" && <History name={name} current={about.revision} />}
          </>
        );
      }}
    </Loaded>
  );
}

/** The generated documentation opens by a link that works once. */
function DocsLink({ name }: { name: string }) {
  const link = useMutation({
    mutationFn: () => post("/v1/workloads/{name}/docs/link", { path: { name } }),
    onSuccess: ({ path }) => void window.open(new URL(path, window.location.href).href, "_blank", "noopener"),
    onError: (error) => toast("bad", error.message),
  });
  useVerbs([{ name: "Documentation of the workload", more: "in another tab", icon: "external", go: () => link.mutate() }]);
  return <Button icon="external" disabled={link.isPending} onClick={() => link.mutate()}>Documentation</Button>;
}

function servicesOf(hosts: Host[], workload: string): Map<string, Service[]> {
  const found = new Map<string, Service[]>();
  for (const service of hosts.flatMap((host) => host.services)) {
    if (service.workload !== workload) continue;
    const own = found.get(service.name);
    if (own) own.push(service);
    else found.set(service.name, [service]);
  }
  return found;
}

function Overview({ name, docs, measures, about }: { name: string; docs: Documentation; measures: Measure[]; about: WorkloadDetail }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { rows: own } = useList(ask.alarms({ workload: name }));
  const { asked: fleet, rows: hosts, more } = useList(ask.hosts({ workload: name }));
  const services = useMemo(() => servicesOf(hosts, name), [hosts, name]);
  const nodes = useMemo(
    () =>
      Object.entries(docs.components).map(([id, component]) => {
        const own = services.get(id) ?? [];
        const ready = own.filter((one) => one.state === "ready").length;
        const state = component.service ? (worst(own.map((one) => one.state)) ?? "unknown") : undefined;
        return { id, label: id, state, detail: component.service ? (own.length === 0 ? "on no host" : own.length === 1 ? `${word(state ?? "unknown")} on ${own[0]?.host}` : `${ready} of ${own.length} ready`) : "not a service" };
      }),
    [docs, services],
  );
  const edges = useMemo(() => Object.entries(docs.components).flatMap(([id, component]) => component.depends_on.filter((to) => docs.components[to]).map((to) => ({ id: `${id}>${to}`, from: id, to }))), [docs]);
  const chosen = search.component ? docs.components[search.component] : undefined;
  // On a phone a row of boxes is too small to be read.
  const isNarrow = window.innerWidth < 720;
  const beside = useBeside(search.component, (component, how) => void navigate({ search: (before) => ({ ...before, component }), ...how }));
  return (
    <div className="split overview">
      <div className="stack">
        <Panel title="Components" aside={<span className="muted">what each needs is {isNarrow ? "below it" : "to its right"}</span>}>
          {nodes.length === 0 ? <Empty title="It declares no components" /> : (
            <Suspense fallback={<Loading what="the topology" />}>
              <Flow label={`Components of ${about.title}`} direction={isNarrow ? "DOWN" : "RIGHT"} height={isNarrow ? Math.min(480, 90 + nodes.length * 80) : nodes.length > 12 ? "min(620px, 70vh)" : nodes.length > 5 ? 300 : 200} nodes={nodes} edges={edges} selected={search.component} onSelect={(id) => (id === search.component ? beside.close() : beside.open(id))} />
            </Suspense>
          )}
        </Panel>
        <Panel title="Services" aside={fleet.hasNextPage && <Button small onClick={more}>Of {hosts.length.toLocaleString("en")} hosts; of more …</Button>}>
          <Table label="Services" primary columns={SERVICES} rows={[...services.values()].flat().sort((a, b) => urgency(a.state) - urgency(b.state) || a.name.localeCompare(b.name))} rowKey={(one) => `${one.host}/${one.name}`} current={undefined} {...([...services.values()].flat().length > 14 ? { height: "420px" } : {})} onOpen={(one) => beside.open(one.name)} empty={<Empty title="No service runs"><p>Nothing is placed on a host that is connected.</p></Empty>} />
        </Panel>
      </div>
      <div className="stack">
        {search.component && (chosen ? <Component name={search.component} workload={name} about={chosen} services={services.get(search.component) ?? []} onClose={beside.close} /> : <Panel title={search.component}><Empty title="There is no such component" /></Panel>)}
        <Panel title="Priorities" aside={<Link to="/workloads/$name" params={{ name }} search={{ tab: "priorities" }} className="link">over time</Link>}>
          <ul className="lines">
            {measures.map((measure, n) => <li key={measure.goal}><span className="faint num">{n + 1}</span><span className="cut" title={measure.goal}>{measure.goal}</span><span className="grow" /><span className="num">{measure.value === undefined ? "–" : quantity(measure.value)} <span className="muted">{measure.target}</span></span><State state={measure.state} /></li>)}
            {measures.length === 0 && <li className="muted">None is declared.</li>}
          </ul>
        </Panel>
        <Panel title="Alarms" aside={<Link to="/alarms" className="link">all</Link>}>
          <ul className="lines">
            {own.map((alarm, n) => <li key={n}><State state={alarm.state} /><Link to="/alarms" search={{ alarm: `${name}/${alarm.alarm}` }} className="cut">{alarm.alarm}</Link><span className="muted cut">{alarm.annotations["summary"] ?? docs.alarms[alarm.alarm]?.summary?.replace(/\{\{[^}]*\}\}/g, "…")}</span></li>)}
            {own.length === 0 && <li className="muted">None is declared.</li>}
          </ul>
        </Panel>
        <Panel title="Triggers" aside={<Link to="/triggers" className="link">all</Link>}>
          <ul className="lines">
            {Object.entries(docs.triggers).map(([id, trigger]) => <li key={id}><Link to="/triggers" search={{ trigger: `${name}/${id}` }} className="cut">{id}</Link><span className="muted cut" title={trigger.words}>{trigger.description ?? trigger.words.replaceAll("`", "")}</span></li>)}
            {Object.keys(docs.triggers).length === 0 && <li className="muted">Nothing is started by itself.</li>}
          </ul>
        </Panel>
      </div>
    </div>
  );
}

const SERVICES: Column<Service>[] = [
  { key: "state", head: "State", width: "120px", narrow: "92px", cell: (one) => <State state={one.state} /> },
  { key: "name", head: "Service", width: "minmax(80px, 1fr)", cell: (one) => one.name },
  { key: "host", head: "Host", width: "minmax(0, .7fr)", cell: (one) => <Link to="/fleet" search={{ host: one.host }} tabIndex={-1}>{one.host}</Link> },
  { key: "why", head: "Why", width: "minmax(0, 1fr)", wide: true, cell: (one) => <span className="muted" title={one.reason}>{one.reason}</span> },
  { key: "restarts", head: "Restarts", width: "64px", right: true, wide: true, cell: (one) => one.restarts || "" },
  { key: "since", head: "Since", width: "90px", narrow: "80px", right: true, cell: (one) => <Time at={one.since} none="not known" /> },
];

function Component({ name, workload, about, services, onClose }: { name: string; workload: string; about: ComponentDoc; services: Service[]; onClose: () => void }) {
  const logs = useQuery({ ...ask.logs({ service: name, limit: 30 }), refetchInterval: 5000 });
  const others = (names: string[], none: string) => names.length === 0 ? <span className="muted">{none}</span> : names.map((one) => <span key={one}><Link to="/workloads/$name" params={{ name: workload }} search={{ component: one }} className="link">{one}</Link> </span>);
  return (
    <Panel beside title={name} aside={<Button look="quiet" small icon="close" label="Close" onClick={onClose} />}>
      <div className="body stack">
        {about.description && <p className="wrap">{about.description}</p>}
        {services.map((one) => <div key={one.host} className="row wrapping"><State state={one.state} text={`${word(one.state)} on ${one.host}`} />{one.reason && <span className="muted wrap">{one.reason}</span>}</div>)}
        <dl className="facts">
          <dt>Needs</dt><dd>{others(about.depends_on, "nothing")}</dd>
          <dt>Needed by</dt><dd>{others(about.dependents, "nothing")}</dd>
          <dt>Matters for</dt><dd>{about.priorities.length === 0 ? <span className="muted">no priority names it</span> : about.priorities.join("; ")}</dd>
          <dt>Hosts</dt><dd><code>{about.hosts || "*"}</code></dd>
          {about.service && <><dt>Runs</dt><dd className="mono">{about.service.run}</dd></>}
          {about.endpoint && <><dt>Answers at</dt><dd className="mono">{about.endpoint}</dd></>}
          {about.service?.health && <><dt>Healthy if</dt><dd><Markdown text={about.service.health} /></dd></>}
          {about.service && <><dt>Restarted</dt><dd>{about.service.restart}</dd><dt>Stopped by</dt><dd>{about.service.stop}</dd></>}
          {about.service?.memory_limit_bytes !== undefined && <><dt>Memory</dt><dd>at most {bytes(about.service.memory_limit_bytes)}</dd></>}
        </dl>
        <div>
          <h3>Logs <span className="muted">the last {logs.data?.items.length ?? 0} lines, the newest below; times in <Zone /></span></h3>
          {logs.data && logs.data.items.length > 0 ? <Follow className="logs" text={logs.data.items.map((line) => `${clock(Date.parse(line.time), Date.now(), true)} ${line.severity.padEnd(5)} ${line.body}`).join("\n")} /> : <span className="muted">{logs.isPending ? "Reading …" : "It has sent none over OTLP."}</span>}
        </div>
      </div>
    </Panel>
  );
}

function Priorities({ docs, measures }: { docs: Documentation; measures: Measure[] }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const span = { from: search.from ?? "now-1h", to: search.to ?? "now" };
  const { from, to } = useMoments(span);
  if (docs.priorities.length === 0) return <div className="panel"><Empty title="It says nothing of what matters"><p>Declare <code>priorities</code> in its <code>mainstay.yaml</code>: a goal, a measure in PromQL, and a target.</p></Empty></div>;
  return (
    <>
      <div className="filters"><RangeMenu value={span} onChange={(next) => void navigate({ search: (before) => ({ ...before, ...(next ?? { from: undefined, to: undefined }) }), replace: true })} /></div>
      {docs.priorities.map((priority, n) => {
        const now = measures.find((one) => one.goal === priority.goal);
        return (
          <Panel key={priority.goal} title={<>{n + 1}. {priority.goal}</>} aside={<><span className="num">{now?.value === undefined ? "–" : quantity(now.value)} <span className="muted">target {priority.target}</span></span>{now && <State state={now.state} />}<Link to="/metrics" search={{ q: [priority.measure], from: span.from, to: span.to }} aria-label={`${priority.goal} in Metrics`} className="link"><Icon name="external" /></Link></>}>
            <div className="body stack">
              <Course name={priority.goal} query={priority.measure} target={parseTarget(priority.target)} from={from} to={to} height={150} group="priorities" onZoom={(a, b) => void navigate({ search: (before) => ({ ...before, from: String(a), to: String(b) }), replace: true })} />
              <span className="muted">Measured by <code className="wrap">{priority.measure}</code>{docs.recordings[priority.measure] ? <> = <code className="wrap">{docs.recordings[priority.measure]?.expr}</code></> : null}{priority.components.length > 0 && <>; needs {priority.components.join(", ")}</>}</span>
            </div>
          </Panel>
        );
      })}
    </>
  );
}

interface Fresh { name: string; good: RunSummary | undefined; last: RunSummary | undefined; procedure: ProcedureDoc }

const firstLine = (words: string | undefined): string => words?.split("\n")[0]?.replaceAll(/[*`]/g, "") ?? "";

const FRESH: Column<Fresh>[] = [
  { key: "fresh", head: "Last good", width: "140px", cell: ({ good, last }) => (good ? <State state="Success" text={<Time at={good.ended_at ?? good.started_at} />} /> : <State state="never" text={last ? "not lately" : "never run"} />) },
  { key: "name", head: "Procedure", width: "minmax(0, 1fr)", cell: (one) => one.name },
  { key: "what", head: "What it does", width: "minmax(0, 1.6fr)", wide: true, cell: ({ procedure }) => <span className="muted" title={procedure.description}>{firstLine(procedure.description)}</span> },
  { key: "by", head: "Started by", width: "minmax(0, .8fr)", wide: true, cell: ({ procedure }) => (procedure.started_by.length > 0 ? procedure.started_by.join(", ") : <span className="faint">people</span>) },
  { key: "last", head: "Last run", width: "150px", cell: ({ last }) => last && <Link to="/runs/$id" params={{ id: last.id }} tabIndex={-1}><State state={last.status} /></Link> },
  { key: "took", head: "Took", width: "70px", right: true, wide: true, cell: ({ last }) => last && <Took from={last.started_at} to={last.ended_at} /> },
  { key: "steps", head: "Steps", width: "50px", right: true, wide: true, cell: ({ procedure }) => procedure.steps.length },
];

function Procedures({ name, docs }: { name: string; docs: Documentation }) {
  const navigate = route.useNavigate();
  const { asked, rows: runs } = useList(ask.runs({ workload: name }));
  const rows = useMemo(
    () =>
      Object.entries(docs.procedures).map(([id, procedure]): Fresh => {
        const own = runs.filter((run) => run.procedure === id);
        return { name: id, good: own.find((run) => run.status === "Success"), last: own[0], procedure };
      }),
    [docs, runs],
  );
  return (
    <Panel title="Procedures" aside={asked.hasNextPage && <Badge title="How fresh they are is told from these">last {runs.length} runs</Badge>}>
      <Table label="Procedures" primary columns={FRESH} rows={rows} rowKey={(one) => one.name} {...(rows.length > 20 ? { height: "calc(100dvh - 260px)" } : {})} onOpen={(one) => void navigate({ to: "/procedures/$workload/$name", params: { workload: name, name: one.name }, search: {} })} empty={<Empty title="It declares no procedures"><p>Systems Manager documents in the folder <code>runbooks</code> become procedures.</p></Empty>} />
    </Panel>
  );
}
