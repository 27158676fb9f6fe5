// Triggers: what starts what by itself, how that goes, and the calls that were given up.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { post } from "../api/client";
import { useList } from "../api/lists";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { DeadLetter, Trigger } from "../api/types";
import { actor, count, length } from "../lib/format";
import { useVerbs } from "../shell/verbs";
import { useBeside } from "../ui/beside";
import { Badge, Button, Empty, Json, Loaded, Panel, State, Time, useTitle } from "../ui/basic";
import { ReasonDialog } from "../ui/dialog";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

const route = getRouteApi("/triggers");
const keyOf = (one: Trigger): string => `${one.workload}/${one.trigger}`;

const COLUMNS: Column<Trigger>[] = [
  { key: "state", head: "State", width: "100px", cell: (one) => (one.dead > 0 && one.state === "on" ? <State state="behind" text={`on, ${one.dead} given up`} /> : <State state={one.state} />) },
  { key: "trigger", head: "Trigger", width: "minmax(0, 1fr)", cell: (one) => <span title={one.description}>{one.trigger}</span> },
  { key: "calls", head: "Starts", width: "minmax(0, 1fr)", wide: true, cell: (one) => <span className="muted">{one.targets.map((target) => target.calls.replace(/^procedure\//, "")).join(", ")}</span> },
  { key: "when", head: "When", width: "minmax(0, 1fr)", wide: true, cell: (one) => (one.schedule ? <span className="mono muted" title={one.schedule}>{one.schedule}</span> : <span className="muted">an event matches</span>) },
  { key: "matched", head: "Matched", width: "70px", right: true, wide: true, cell: (one) => one.matched.toLocaleString("en") },
  { key: "delivered", head: "Delivered", width: "76px", right: true, wide: true, cell: (one) => one.delivered.toLocaleString("en") },
  { key: "waiting", head: "Waiting", width: "66px", right: true, wide: true, cell: (one) => ((one.queued ?? 0) + (one.waiting ?? 0) + (one.under_way ?? 0)) || "" },
  { key: "last", head: "Last match", width: "90px", right: true, cell: (one) => <Time at={one.last_match} /> },
];

const LETTERS: Column<DeadLetter>[] = [
  { key: "trigger", head: "Trigger", width: "minmax(0, 1fr)", cell: (one) => one.trigger },
  { key: "target", head: "Target", width: "minmax(0, .6fr)", wide: true, cell: (one) => <span className="muted">{one.target}</span> },
  { key: "why", head: "Why", width: "minmax(0, 1.6fr)", cell: (one) => <span title={one.reason}>{one.reason ?? one.exhausted}</span> },
  { key: "attempts", head: "Tries", width: "50px", right: true, wide: true, cell: (one) => one.attempts },
  { key: "event", head: "Event", width: "70px", right: true, cell: (one) => <Link to="/journal" search={{ seq: String(one.event_seq) }} className="link">{one.event_seq}</Link> },
  { key: "at", head: "Given up", width: "90px", right: true, cell: (one) => <Time at={one.at} /> },
];

export function Triggers() {
  useTitle("Triggers");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const asked = useQuery(ask.triggers);
  const { asked: letters, rows: dead, more } = useList(ask.deadLetters);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const one = asked.data?.items.find((trigger) => keyOf(trigger) === search.trigger);
  const beside = useBeside(search.show === undefined ? search.trigger : undefined, (trigger, how) => void navigate({ search: (before) => ({ ...before, trigger }), ...how }));
  return (
    <>
      <div className="page-head"><h1>Triggers</h1>{asked.data && asked.data.behind > 0 && <State state="behind" text={`${count(asked.data.behind, "event")} to match yet`} />}</div>
      <div className="filters">
        <div className="segments" role="group" aria-label="What is listed">
          <button type="button" aria-pressed={search.show === undefined} onClick={() => set({ show: undefined })}>Triggers</button>
          <button type="button" aria-pressed={search.show === "dead"} onClick={() => set({ show: "dead" })}>Given up {dead.length || ""}</button>
        </div>
      </div>
      <div className={one && search.show === undefined ? "split journal" : ""}>
        <div className="panel">
          {search.show === "dead" ? (
            <Loaded of={letters} what="calls that were given up">{() => <><Table label="Calls that were given up" primary columns={LETTERS} rows={dead} rowKey={(letter) => letter.id} onEnd={more} {...(dead.length > 20 ? { height: "calc(100dvh - 230px)" } : {})} empty={<Empty title="No call was given up"><p>A call that fails is tried again; when its tries or its time run out it is kept here.</p></Empty>} />{dead.length > 0 && <Letters n={dead.length} triggers={[...new Set(dead.map((letter) => letter.trigger))]} />}</>}</Loaded>
          ) : (
            <Loaded of={asked} what="triggers">{(data) => <Table label="Triggers" primary columns={COLUMNS} rows={data.items} rowKey={keyOf} current={one && keyOf(one)} {...(data.items.length > 20 ? { height: "calc(100dvh - 190px)" } : {})} onOpen={(trigger) => beside.open(keyOf(trigger))} empty={<Empty title="Nothing is started by itself"><p>An EventBridge rule in the folder <code>triggers</code> of a workload starts a procedure when an event matches, or by the clock.</p></Empty>} />}</Loaded>
          )}
        </div>
        {one && search.show === undefined && <OneTrigger trigger={one} onClose={beside.close} />}
      </div>
    </>
  );
}

function Letters({ n, triggers }: { n: number; triggers: string[] }) {
  const client = useQueryClient();
  const [chosen, setTrigger] = useState("");
  const trigger = triggers.includes(chosen) ? chosen : (triggers[0] ?? "");
  const [isDropping, setDropping] = useState(false);
  const refusal = useRefusal("operate");
  const done = (words: string): void => {
    toast("good", words);
    void client.invalidateQueries({ queryKey: ["dead-letters"] });
  };
  useVerbs([
    { name: `Try the calls of ${trigger} again`, icon: "again", why: refusal, go: () => redrive.mutate() },
    { name: `Drop the calls of ${trigger}`, icon: "stop", why: refusal, go: () => setDropping(true) },
  ]);
  const redrive = useMutation({
    mutationFn: () => post("/v1/dead-letters/redrive", { body: { trigger } }),
    onSuccess: (answer) => done(`${count(answer.count, "call is", "calls are")} tried again`),
    onError: (error) => toast("bad", error.message),
  });
  const drop = async (reason: string): Promise<void> => {
    const answer = await post("/v1/dead-letters/drop", { body: { trigger, ...(reason === "" ? {} : { reason }) } });
    done(`${count(answer.count, "call")} dropped`);
  };
  return (
    <div className="table-foot">
      <span>{count(n, "call")}</span><span className="grow" />
      <select className="input" aria-label="Of trigger" value={trigger} onChange={(event) => setTrigger(event.target.value)}>{triggers.map((name) => <option key={name}>{name}</option>)}</select>
      <Button small why={refusal} onClick={() => redrive.mutate()} disabled={redrive.isPending}>Try them again</Button>
      <Button small look="danger" why={refusal} onClick={() => setDropping(true)}>Drop …</Button>
      {isDropping && <ReasonDialog title={`Drop the calls of ${trigger}`} verb="Drop them" look="danger" onClose={() => setDropping(false)} act={drop}><p>They are not made any more. The journal keeps that they were.</p></ReasonDialog>}
    </div>
  );
}

function OneTrigger({ trigger, onClose }: { trigger: Trigger; onClose: () => void }) {
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const refusal = useRefusal("operate", trigger.workload);
  const isDisabled = trigger.state === "disabled";
  const turn = async (reason: string): Promise<void> => {
    const about = { path: { name: trigger.trigger }, body: { workload: trigger.workload, ...(reason === "" ? {} : { reason }) } };
    await (isDisabled ? post("/v1/triggers/{name}/enable", about) : post("/v1/triggers/{name}/disable", about));
    toast("good", `${trigger.trigger} is ${isDisabled ? "on again" : "disabled"}`);
    void client.invalidateQueries({ queryKey: ["triggers"] });
  };
  useVerbs([trigger.state !== "off" && { name: `${isDisabled ? "Turn on" : "Disable"} trigger ${trigger.trigger}`, icon: "triggers", why: refusal, go: () => setAsking(true) }]);
  return (
    <Panel beside title={trigger.trigger} aside={<Button look="quiet" small icon="close" label="Close" onClick={onClose} />}>
      <div className="body stack">
        {trigger.description && <p className="wrap">{trigger.description}</p>}
        {trigger.disabled && <div className="notice"><span className="wrap">Disabled by {actor(trigger.disabled.by)} <Time at={trigger.disabled.at} />{trigger.disabled.reason ? `: ${trigger.disabled.reason}` : ""}</span></div>}
        {trigger.state !== "off" && <div><Button look={isDisabled ? "primary" : "plain"} why={refusal} onClick={() => setAsking(true)}>{isDisabled ? "Turn on again …" : "Disable …"}</Button></div>}
        <dl className="facts">
          <dt>Workload</dt><dd><Link to="/workloads/$name" params={{ name: trigger.workload }} className="link">{trigger.workload}</Link></dd>
          <dt>Starts</dt><dd>{trigger.targets.map((target) => { const name = target.calls.replace(/^procedure\//, ""); return <div key={target.id}>{target.calls.startsWith("procedure/") ? <Link to="/procedures/$workload/$name" params={{ workload: trigger.workload, name }} className="link">{name}</Link> : target.calls} <span className="muted">{target.retries === 0 ? "tried once" : `if it fails, tried up to ${(target.retries + 1).toLocaleString("en")} times, for ${length(target.max_age_ms)} at most`}</span></div>; })}</dd>
          {trigger.schedule && <><dt>Schedule</dt><dd className="mono">{trigger.schedule}</dd></>}
          {trigger.next && <><dt>Next</dt><dd><Time at={trigger.next} /></dd></>}
          <dt>Last match</dt><dd><Time at={trigger.last_match} />{trigger.last_match_seq !== undefined && <> <Link to="/journal" search={{ seq: String(trigger.last_match_seq) }} className="link">event {trigger.last_match_seq}</Link></>}</dd>
          {trigger.last_result && <><dt>Last result</dt><dd>{trigger.last_result} <span className="muted"><Time at={trigger.last_result_at} />{trigger.lag_ms !== undefined ? `, after ${length(trigger.lag_ms)}` : ""}</span></dd></>}
          <dt>Events</dt><dd>{trigger.matched} matched, {trigger.throttled} throttled, {trigger.skipped} skipped, {trigger.replaced} replaced</dd>
          <dt>Calls</dt><dd>{trigger.delivered} delivered, {trigger.failed} tries failed, {trigger.dead} given up {trigger.queued === undefined && <Badge>how many wait is not known</Badge>}</dd>
        </dl>
        {trigger.pattern !== undefined && trigger.pattern !== null && <><h3>Pattern</h3><Json value={trigger.pattern} /></>}
      </div>
      {isAsking && (
        <ReasonDialog title={isDisabled ? `Turn ${trigger.trigger} on again` : `Disable ${trigger.trigger}`} verb={isDisabled ? "Turn on" : "Disable"} onClose={() => setAsking(false)} act={turn}>
          {!isDisabled && <p>Events that would have matched while it is disabled start nothing; a replay can make up for it.</p>}
        </ReasonDialog>
      )}
    </Panel>
  );
}
