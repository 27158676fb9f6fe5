// The history of a workload: its changes, what each was, how two revisions differ, approvals, and the way back.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { post } from "../api/client";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { ChangeDetail, ChangeSummary, PlanView, RevisionDetail } from "../api/types";
import { diffLines, hunks } from "../lib/diff";
import { actor, count, short } from "../lib/format";
import { visible } from "../lib/plain";
import { readPlan } from "../lib/plan";
import { tone } from "../lib/state";
import { useVerbs } from "../shell/verbs";
import { Badge, Button, Empty, Failure, Loaded, Panel, State, Time, Took } from "../ui/basic";
import { Dialog, ReasonDialog } from "../ui/dialog";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

const route = getRouteApi("/workloads/$name");

const COLUMNS: Column<ChangeSummary>[] = [
  { key: "state", head: "State", width: "120px", cell: (one) => <State state={one.state} /> },
  { key: "message", head: "Change", width: "minmax(0, 1.6fr)", cell: (one) => <span title={one.reason}>{one.message ?? (one.restores ? `back to ${short(one.restores)}` : "no message")}</span> },
  { key: "revision", head: "Revision", width: "110px", wide: true, cell: (one) => <code>{short(one.revision)}</code> },
  { key: "by", head: "By", width: "minmax(0, .6fr)", wide: true, cell: (one) => <span className="muted">{actor(one.by)}</span> },
  { key: "size", head: "Resources", width: "84px", right: true, wide: true, cell: (one) => (one.finished ? one.resources : `${one.done} of ${one.resources}`) },
  { key: "took", head: "Took", width: "80px", right: true, wide: true, cell: (one) => <Took from={one.started_at} to={one.ended_at} /> },
  { key: "at", head: "When", width: "90px", right: true, cell: (one) => <Time at={one.started_at} /> },
];

export function History({ name, current }: { name: string; current: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { asked, rows, more } = useList(ask.changes(name));
  const chosen = search.change ?? (search.revision === undefined ? rows[0] : rows.find((one) => one.revision === search.revision))?.id;
  return (
    <div className="split journal">
      <Panel title="Changes" aside={<span className="muted num">{rows.length}</span>}>
        <Loaded of={asked} what="the history">
          {() => <Table label="Changes" primary columns={COLUMNS} rows={rows} rowKey={(one) => one.id} current={chosen} {...(rows.length > 16 ? { height: "calc(100dvh - 260px)" } : {})} onEnd={more} onOpen={(one) => void navigate({ search: (before) => ({ ...before, change: one.id }), replace: true })} empty={<Empty title="Nothing was changed yet" />} />}
        </Loaded>
      </Panel>
      {chosen && <Change id={chosen} current={current} />}
    </div>
  );
}

function Change({ id, current }: { id: string; current: string }) {
  const asked = useQuery(ask.change(id));
  return (
    <Panel title={<>Change <code>{short(id)}</code></>} aside={asked.data && <State state={asked.data.state} />}>
      <div className="body stack">
        <Loaded of={asked} what="the change">{(change) => <OneChange change={change} current={current} />}</Loaded>
      </div>
    </Panel>
  );
}

function OneChange({ change, current }: { change: ChangeDetail; current: string }) {
  const [isGoingBack, setGoingBack] = useState(false);
  const mayApply = useRefusal("apply", change.workload);
  const plan = readPlan(change.plan);
  const mayGoBack = change.finished && change.revision !== current && change.state === "applied";
  useVerbs([mayGoBack && { name: `Go back to revision ${short(change.revision)}`, more: change.message, icon: "again", why: mayApply, go: () => setGoingBack(true) }]);
  return (
    <>
      {change.message && <strong className="wrap">{change.message}</strong>}
      {change.reason && <div className={`notice ${tone(change.state) === "bad" ? "bad" : ""}`}><span className="wrap">{change.reason}</span></div>}
      <Decision change={change} />
      <dl className="facts">
        <dt>Revision</dt><dd><code>{short(change.revision)}</code>{change.base ? <> after <code>{short(change.base)}</code></> : " (the first)"}{change.revision === current && <> <Badge>wanted now</Badge></>}</dd>
        <dt>By</dt><dd>{actor(change.by)}, <Time at={change.started_at} /></dd>
        {change.git && <><dt>Commit</dt><dd className="mono">{short(change.git.commit)}{change.git.dirty ? " with changes that are not committed" : ""}</dd></>}
        {change.decision && <><dt>{change.decision.decision === "approved" ? "Approved" : "Refused"}</dt><dd>by {actor(change.decision.by)}, <Time at={change.decision.at} />{change.decision.message ? `: ${change.decision.message}` : ""}</dd></>}
        <dt>Size</dt><dd>{count(change.resources, "resource")} in {count(change.waves, "wave")}{plan && plan.irreversible > 0 ? `; ${plan.irreversible} cannot be undone` : ""}</dd>
      </dl>
      {mayGoBack && <div><Button icon="again" why={mayApply} onClick={() => setGoingBack(true)}>Go back to this revision …</Button></div>}
      <details>
        <summary>{count(change.actions.length, "step")}</summary>
        <ul className="lines steps">
          {change.actions.slice(0, 500).map((action, n) => <li key={n}><State state={action.outcome} /><span className="muted">{action.action}</span><span className="cut" title={action.address}>{action.address}</span><span className="grow" /><span className="faint">wave {action.wave}</span>{action.reason && <span className="muted cut" title={action.reason}>{action.reason}</span>}</li>)}
        </ul>
      </details>
      <Difference before={change.base} after={change.revision} />
      {isGoingBack && <GoBack to={change.revision} onClose={() => setGoingBack(false)} />}
    </>
  );
}

/** A change that waits for an approval, or goes on and can be stopped. */
function Decision({ change }: { change: ChangeDetail }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState<"approve" | "refuse">();
  const [own, setOwn] = useState(false);
  const mayApprove = useRefusal("approve", change.workload);
  const mayApply = useRefusal("apply", change.workload);
  const decide = (verb: "approve" | "refuse") => async (message: string): Promise<void> => {
    const about = { path: { id: change.id }, body: { ...(message === "" ? {} : { message }), ...(verb === "approve" && own ? { own } : {}) } };
    await (verb === "approve" ? post("/v1/changes/{id}/approve", about) : post("/v1/changes/{id}/refuse", about));
    void client.invalidateQueries({ queryKey: ["change", change.id] });
    void client.invalidateQueries({ queryKey: ["changes"] });
  };
  const isHeld = change.state === "held";
  useVerbs([
    isHeld && { name: "Approve the change", more: change.message, icon: "again", why: mayApprove, go: () => setAsking("approve") },
    !change.finished && { name: isHeld ? "Refuse the change" : "Stop the change and roll it back", more: change.message, icon: "stop", why: mayApply && mayApprove, go: () => setAsking("refuse") },
  ]);
  if (change.finished) return null;
  return (
    <>
      {isHeld && <div className="notice waiting wrapping"><div className="grow"><strong>It waits for an approval</strong>{(change.holds ?? []).map((reason) => <p key={reason} className="wrap">{reason}</p>)}</div></div>}
      <div className="row">
        {isHeld && <Button look="primary" why={mayApprove} onClick={() => setAsking("approve")}>Approve …</Button>}
        <Button look="danger" why={mayApply && mayApprove} onClick={() => setAsking("refuse")}>{isHeld ? "Refuse …" : "Stop and roll back …"}</Button>
      </div>
      {asking && (
        <ReasonDialog title={asking === "approve" ? "Approve the change" : isHeld ? "Refuse the change" : "Stop the change"} verb={asking === "approve" ? "Approve" : isHeld ? "Refuse" : "Stop it"} look={asking === "approve" ? "primary" : "danger"} long onClose={() => setAsking(undefined)} act={decide(asking)}>
          {asking === "approve" && <label className="check"><input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} /> I asked for this change myself, and approve it all the same</label>}
        </ReasonDialog>
      )}
    </>
  );
}

function Difference({ before, after }: { before: string | undefined; after: string }) {
  const a = useQuery({ ...ask.revision(before ?? ""), enabled: before !== undefined });
  const b = useQuery(ask.revision(after));
  const files = useMemo(() => {
    if (!b.data || (before !== undefined && !a.data)) return undefined;
    const old = a.data?.files ?? {};
    const names = [...new Set([...Object.keys(old), ...Object.keys(b.data.files)])].sort();
    return names.filter((name) => old[name] !== b.data.files[name]).map((name) => ({ name, was: old[name], is: b.data.files[name] }));
  }, [a.data, b.data, before]);
  if (a.isError) return <Failure error={a.error} />;
  if (b.isError) return <Failure error={b.error} />;
  if (!files) return <span className="muted">Reading both revisions …</span>;
  if (before === undefined) return <details><summary>{count(files.length, "file")}, all of them new</summary><ul className="indented mono">{files.map((file) => <li key={file.name}>{file.name}</li>)}</ul></details>;
  if (files.length === 0) return <span className="muted">No file differs.</span>;
  return (
    <div className="stack" aria-label="What differs">
      <h3>{count(files.length, "file differs", "files differ")}</h3>
      {files.map((file) => <FileDifference key={file.name} {...file} />)}
    </div>
  );
}

function FileDifference({ name, was, is }: { name: string; was: string | undefined; is: string | undefined }) {
  const lines = useMemo(() => hunks(diffLines(was ?? "", is ?? "")), [was, is]);
  const [added, removed] = [lines.filter((line) => line.kind === "added").length, lines.filter((line) => line.kind === "removed").length];
  return (
    <details open>
      <summary className="row"><code className="cut">{name}</code>{was === undefined && <Badge>new</Badge>}{is === undefined && <Badge>removed</Badge>}<span className="tone-good num">+{added}</span><span className="tone-bad num">−{removed}</span></summary>
      <div className="diff" tabIndex={0} role="region" aria-label={`What differs in ${name}`}>
        {lines.map((line, n) => line.kind === "gap" ? <div key={n} className="diff-gap">{count(line.lines, "line")} alike</div> : <div key={n} className={`diff-line ${line.kind}`}><span className="num faint">{line.before ?? ""}</span><span className="num faint">{line.after ?? ""}</span><span>{line.kind === "added" ? "+" : line.kind === "removed" ? "−" : " "}</span><code>{visible(line.text)}</code></div>)}
      </div>
    </details>
  );
}

/** The files of an earlier revision as a new change: planned first, carried out if what was planned still holds. */
function GoBack({ to, onClose }: { to: string; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const [message, setMessage] = useState(`Back to revision ${short(to)}`);
  const target = useQuery(ask.revision(to));
  const bodyOf = (revision: RevisionDetail) => ({ files: Object.entries(revision.files).map(([path, content]) => ({ path, content })), directory: revision.directory, restores: revision.revision });
  const planned = useQuery({
    queryKey: ["plan", to],
    queryFn: () => post("/v1/plans", { body: bodyOf(target.data as RevisionDetail) }),
    enabled: target.data !== undefined,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
  const apply = useMutation({
    mutationFn: ({ revision, view }: { revision: RevisionDetail; view: PlanView }) => post("/v1/workloads", { body: { ...bodyOf(revision), message, expect: { ...(view.base === undefined ? {} : { base: view.base }), digest: view.digest, plan: view.plan } } }),
    onSuccess: ({ change }) => {
      toast("active", change ? "The change is being carried out" : "Nothing had to change");
      onClose();
      void client.invalidateQueries();
      if (change) void navigate({ search: (before) => ({ ...before, tab: "history", change: change.id }), replace: true });
    },
  });
  const plan = planned.data && readPlan(planned.data.plan);
  return (
    <Dialog wide title={<>Go back to revision <code>{short(to)}</code></>} onClose={onClose} onSubmit={() => { if (target.data && planned.data) apply.mutate({ revision: target.data, view: planned.data }); }} foot={<><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" disabled={!planned.data?.changed || apply.isPending}>{apply.isPending ? "Applying …" : "Go back"}</Button></>}>
      <p>Its files become the wanted state again, as a new change. Programs and data that they name are as they are now.</p>
      {target.isError && <Failure error={target.error} />}
      {planned.isError && <Failure error={planned.error} />}
      {planned.isFetching && <span className="muted" role="status">Planning …</span>}
      {planned.data && !planned.data.changed && <div className="notice"><span>These files are the wanted ones already: nothing would change.</span></div>}
      {planned.data?.running && <div className="notice"><span>Change {planned.data.running} is being carried out; this one has to wait for its end.</span></div>}
      {(planned.data?.holds ?? []).map((reason) => <div key={reason} className="notice waiting"><span className="wrap">It will wait for an approval: {reason}</span></div>)}
      {(planned.data?.unplaced ?? []).map((reason) => <div key={reason} className="notice unknown"><span className="wrap">{reason}</span></div>)}
      {plan && planned.data?.changed && (
        <>
          <h3>{count(plan.actions.length, "resource")} would change{plan.interrupted > 0 ? `; ${plan.interrupted} interrupted for a moment` : ""}{plan.irreversible > 0 ? `; ${plan.irreversible} cannot be undone` : ""}</h3>
          <ul className="lines steps">{plan.actions.slice(0, 300).map((action) => <li key={action.address}><Badge>{action.verb}</Badge><span className="cut" title={action.address}>{action.address}</span><span className="muted cut" title={action.fields.join(", ")}>{action.fields.slice(0, 6).join(", ")}</span></li>)}</ul>
        </>
      )}
      <div className="field"><label htmlFor="why-back">Why</label><input id="why-back" className="input" value={message} onChange={(event) => setMessage(event.target.value)} /></div>
      {apply.isError && <Failure error={apply.error} />}
      <p className="muted">To see the files beside each other: <Link to="/workloads/$name" params={{ name: target.data?.workload ?? "" }} search={{ tab: "history" }} className="link">history</Link>.</p>
    </Dialog>
  );
}
