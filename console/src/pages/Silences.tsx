// Silences: making one from an alarm, those that hold or held, and ending one.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { newKey, post } from "../api/client";
import { useRefusal } from "../api/may";
import * as ask from "../api/queries";
import type { Alarm, Matcher, Silence } from "../api/types";
import { actor, count } from "../lib/format";
import { useDraft } from "../lib/drafts";
import { isFor, matcherText } from "../lib/silence";
import { useVerbs } from "../shell/verbs";
import { Button, Empty, Failure, Loaded, State, Time } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

const LENGTHS: [words: string, minutes: number][] = [["30 min", 30], ["1 h", 60], ["2 h", 120], ["4 h", 240], ["8 h", 480], ["1 d", 1440], ["3 d", 4320], ["7 d", 10_080], ["31 d", 44_640]];

interface Condition extends Matcher { on: boolean }

const OPERATORS: [operator: string, is_equal: boolean, is_regex: boolean][] = [["=", true, false], ["!=", false, false], ["=~", true, true], ["!~", false, true]];
const operatorOf = (one: Matcher): string => OPERATORS.find(([, equal, regex]) => equal === one.is_equal && regex === one.is_regex)?.[0] ?? "=";

/** A silence for the alarms that are like this one: which of its labels count is chosen. */
export function SilenceDialog({ alarm, all, onClose }: { alarm: Alarm; all: Alarm[]; onClose: () => void }) {
  const client = useQueryClient();
  const [conditions, setConditions] = useState<Condition[]>(() =>
    [["alertname", alarm.alarm] as const, ...Object.entries(alarm.labels)].map(([name, value]) => ({ name, value, is_equal: true, is_regex: false, on: true })),
  );
  const [minutes, setMinutes] = useState(120);
  const [reason, setReason] = useDraft(`silence/${alarm.workload}/${alarm.alarm}`);
  const [touched, setTouched] = useState(false);
  const [key] = useState(newKey);
  const matchers = conditions.filter((one) => one.on).map(({ on: _, ...matcher }) => matcher);
  const fitting = all.map((one) => isFor(matchers, alarm.workload, one));
  const others = fitting.filter((fits) => fits === true).length;
  const isVague = fitting.includes(undefined);
  const change = (at: number, to: Partial<Condition>): void => setConditions(conditions.map((one, n) => (n === at ? { ...one, ...to } : one)));
  const make = useMutation({
    mutationFn: () => post("/v1/silences", { body: { matchers, workload: alarm.workload, reason: reason.trim(), ends_at: new Date(Date.now() + minutes * 60_000).toISOString() }, key }),
    onSuccess: () => {
      setReason("");
      onClose();
      toast("good", `Silenced for ${LENGTHS.find(([, one]) => one === minutes)?.[0] ?? `${minutes} min`}`);
      void client.invalidateQueries({ queryKey: ["silences"] });
      void client.invalidateQueries({ queryKey: ["alarms"] });
    },
  });
  const wrong = matchers.length === 0 ? "Choose at least one condition." : reason.trim() === "" ? "Say why: the next person asks." : undefined;
  const submit = (): void => {
    setTouched(true);
    if (wrong === undefined && !make.isPending) make.mutate();
  };
  return (
    <Dialog title={`Silence ${alarm.alarm}`} onClose={onClose} onSubmit={submit} foot={<><Button onClick={() => { setReason(""); onClose(); }}>Cancel</Button><Button type="submit" look="primary" disabled={make.isPending}>{make.isPending ? "Silencing …" : "Silence"}</Button></>}>
      <p>It is still shown, but opens no incident and joins none until the silence ends. What triggers start for it runs all the same.</p>
      <div className="field">
        <label htmlFor="silence-why">Why <span className="muted">needed</span></label>
        <input id="silence-why" className="input" value={reason} aria-required="true" aria-invalid={touched && reason.trim() === ""} onChange={(event) => setReason(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="silence-long">For</label>
        <select id="silence-long" className="input" value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>{LENGTHS.map(([words, one]) => <option key={one} value={one}>{words}</option>)}</select>
      </div>
      <fieldset className="field conditions">
        <legend className="label">Alarms of {alarm.workload} with all of</legend>
        {conditions.map((one, at) => (
          <div className="condition" key={one.name}>
            <label className="check"><input type="checkbox" checked={one.on} onChange={(event) => change(at, { on: event.target.checked })} /> <code className="cut">{one.name}</code></label>
            <select className="input" aria-label={`How ${one.name} is compared`} value={operatorOf(one)} disabled={!one.on} onChange={(event) => { const [, is_equal = true, is_regex = false] = OPERATORS.find(([operator]) => operator === event.target.value) ?? []; change(at, { is_equal, is_regex }); }}>{OPERATORS.map(([operator]) => <option key={operator}>{operator}</option>)}</select>
            <input className="input mono" aria-label={`Value of ${one.name}`} value={one.value} disabled={!one.on} spellCheck={false} onChange={(event) => change(at, { value: event.target.value })} />
          </div>
        ))}
        <span className="help" role="status">{isVague ? "The server knows which alarms these are; the browser cannot say for this expression." : `${count(others, "alarm")} that ${others === 1 ? "is" : "are"} listed now ${others === 1 ? "is" : "are"} like that.`}</span>
      </fieldset>
      {touched && wrong && <span className="wrong" role="alert">{wrong}</span>}
      {make.isError && <Failure error={make.error} />}
    </Dialog>
  );
}

export function EndSilence({ silence, isNamed }: { silence: Silence; /** It is the silence of what is open, so the palette has it. */ isNamed?: boolean }) {
  const client = useQueryClient();
  const refusal = useRefusal("respond", silence.workload);
  const end = useMutation({
    mutationFn: () => post("/v1/silences/{id}/expire", { path: { id: silence.id } }),
    onSuccess: () => {
      toast("good", "The silence has ended");
      void client.invalidateQueries({ queryKey: ["silences"] });
      void client.invalidateQueries({ queryKey: ["alarms"] });
    },
    onError: (error) => toast("bad", error.message),
  });
  useVerbs([isNamed === true && silence.state !== "expired" && { name: "End the silence now", more: silence.reason, icon: "alarms", why: refusal, go: () => end.mutate() }]);
  if (silence.state === "expired") return null;
  return <Button small why={refusal} disabled={end.isPending} onClick={() => end.mutate()}>End<span className="wide-word">it now</span></Button>;
}

const COLUMNS: Column<Silence>[] = [
  { key: "state", head: "State", width: "100px", narrow: "66px", cell: (one) => <State state={one.state} as={one.state === "active" ? "waiting" : "idle"} text={one.state === "active" ? "holds" : one.state === "pending" ? "to come" : "over"} /> },
  { key: "for", head: "Alarms with", width: "minmax(0, 1.4fr)", cell: (one) => <><span className="mono" title={one.matchers.map(matcherText).join("\n")}>{one.matchers.map(matcherText).join(", ")}</span><span className="narrow-line muted">{one.reason}</span></> },
  { key: "why", head: "Why", width: "minmax(0, 1.2fr)", wide: true, cell: (one) => <span title={one.reason}>{one.reason}</span> },
  { key: "workload", head: "Workload", width: "minmax(0, .5fr)", wide: true, cell: (one) => one.workload ?? <span className="faint">every one</span> },
  { key: "by", head: "By", width: "minmax(0, .4fr)", wide: true, cell: (one) => <span className="muted">{actor(one.by)}</span> },
  { key: "ends", head: "Ends", width: "90px", narrow: "74px", right: true, cell: (one) => <Time at={one.ends_at} /> },
  { key: "end", head: <span className="hidden-visually">What can be done</span>, width: "96px", narrow: "58px", right: true, cell: (one) => <EndSilence silence={one} /> },
];

export function Silences() {
  const asked = useQuery(ask.silences(true));
  return (
    <div className="panel">
      <Loaded of={asked} what="silences">
        {({ items }) => (
          <Table label="Silences" primary columns={COLUMNS} rows={items} rowKey={(one) => one.id} rowHeight={36} narrowHeight={52} {...(items.length > 16 ? { height: "calc(100dvh - 190px)" } : {})}
            empty={<Empty title="Nothing is silenced"><p>Open an alarm and choose <b>Silence …</b>, or on a terminal <code>mainstay silences create alertname=NAME --for 2h --reason WHY</code>.</p></Empty>} />
        )}
      </Loaded>
    </div>
  );
}
