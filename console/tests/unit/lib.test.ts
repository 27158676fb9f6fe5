import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { touched, touchedBy } from "../../src/api/invalidate";
import { backoff, SseParser } from "../../src/api/sse";
import { address } from "../../src/api/client";
import { renewed } from "../../src/api/lists";
import { number, seriesName, shape, stepFor } from "../../src/api/prometheus";
import type { ParameterDoc, StepDoc } from "../../src/api/documentation";
import type { Event, Step } from "../../src/api/types";
import { checkChain } from "../../src/lib/chain";
import { diffLines, hunks } from "../../src/lib/diff";
import { eventLink, eventTone, subjectLink } from "../../src/lib/events";
import { between, bytes, length, quantity, relative, zone } from "../../src/lib/format";
import { score } from "../../src/lib/fuzzy";
import { graphOf, ways } from "../../src/lib/graph";
import { hostLines } from "../../src/lib/hosts";
import { check, initial, valueOf } from "../../src/lib/parameters";
import { visible, withoutEscapes } from "../../src/lib/plain";
import { Places } from "../../src/lib/places";
import { HOUR_S, moved, resolve, spanOf } from "../../src/lib/range";
import { clean, flag, list, text, whole } from "../../src/lib/search";
import { isFor, matcherText } from "../../src/lib/silence";
import { hasLook, tone, worst } from "../../src/lib/state";
import { compared, parseTarget } from "../../src/lib/target";

const event = (type: string, data: unknown = {}, more: Partial<Event> = {}): Event => ({ specversion: "1.0", id: "e", source: "mainstay", type, time: "2026-11-25T00:00:00Z", actor: "system:test", seq: 1, prev_hash: "", hash: "", data, ...more });

describe("the stream", () => {
  test("an event in two pieces is one event", () => {
    const parser = new SseParser();
    expect(parser.push("id: 7\nda")).toEqual([]);
    expect(parser.push('ta: {"a":1}\n\n: kept alive\n\ndata: x\ndata: y\n\n')).toEqual([{ id: "7", data: '{"a":1}' }, { data: "x\ny" }]);
  });
  test("tries come further apart, and never at once for all", () => {
    expect(backoff(0, 0)).toBe(250);
    expect(backoff(0, 1)).toBe(500);
    expect(backoff(30, 1)).toBe(10_000);
    expect(backoff(3, 0.5)).toBeGreaterThan(backoff(2, 0.5));
  });
  test("an event makes what it is about old", () => {
    expect(touched(event("run.finished", { run: "r1" }))).toEqual([["runs"], ["run", "r1"], ["incident"]]);
    expect(touched(event("somebody.elses"))).toEqual([]);
    // A host's row is read again, not every page of 50,000.
    expect(touched(event("service.failed", { host: "web-1", service: "front" }))).toContainEqual(["host", "web-1"]);
    expect(touchedBy([event("run.started", { run: "a" }), event("run.finished", { run: "a" })])).toEqual([["lately"], ["runs"], ["run", "a"], ["incident"]]);
  });
});

describe("long lists", () => {
  const page = (ids: string, next?: string) => ({ items: [...ids].map((id) => ({ id })), ...(next === undefined ? {} : { next }) });
  const list = (...pages: ReturnType<typeof page>[]) => ({ pages, pageParams: [undefined, ...pages.slice(0, -1).map((one) => one.next)] });
  const ids = (of: ReturnType<typeof list>) => of.pages.map((one) => one.items.map((row) => row.id).join(""));
  test("what newer rows push off the first page stays", () => {
    const after = renewed(list(page("cba", "a"), page("zyx", "x"), page("w")), new Map([[0, page("edc", "c")]]));
    expect(ids(after)).toEqual(["edcba", "zyx", "w"]);
    expect(after.pages[0]?.next).toBe("a");
  });
  test("what is gone from the midst is gone, and a page that was touched is the new one", () => {
    expect(ids(renewed(list(page("dcba", "a"), page("zyx", "x"), page("w")), new Map([[0, page("edb", "b")], [1, page("zx", "x")]])))).toEqual(["edba", "zx", "w"]);
  });
  test("where nothing is known any more, the list begins anew", () => {
    expect(ids(renewed(list(page("cba", "a"), page("zyx")), new Map([[0, page("ihg", "g")]])))).toEqual(["ihg"]);
  });
});

test("addresses of calls hold what is hostile as it is", () => {
  expect(address("/v1/runs/{id}/output", { id: "../a?b" }, { record: true, since: "", active: false, q: "a b&c" })).toBe("/v1/runs/..%2Fa%3Fb/output?record=true&q=a+b%26c");
});

describe("numbers and times", () => {
  test("quantities have no made-up precision", () => {
    for (const [value, said] of [[0, "0"], [1, "1"], [0.9946, "0.9946"], [1234.56, "1234.6"], [12_345, "12.35 k"], [3.2e6, "3.2 M"], [-5e9, "-5 G"], [1e-7, "1.00e-7"], [Infinity, "∞"], [NaN, "NaN"]] as const) expect(quantity(value), String(value)).toBe(said);
  });
  test("lengths", () => {
    for (const [ms, said] of [[5, "5 ms"], [999.6, "1000 ms"], [2500, "2.5 s"], [59_600, "1 min"], [245_000, "4 min 5 s"], [11_520_000, "3 h 12 min"], [187_200_000, "2 d 4 h"]] as const) expect(length(ms), String(ms)).toBe(said);
  });
  test("ago and ahead", () => {
    expect(relative(0, 61_000)).toBe("1 min ago");
    expect(relative(7_200_000, 0)).toBe("in 2 h");
    expect(relative(1000, 1500)).toBe("now");
  });
  test("bytes", () => expect([bytes(512), bytes(268_435_456), bytes(1536)]).toEqual(["512 B", "256 MiB", "1.5 KiB"]));
  test("spans of time", () => {
    expect(resolve({ from: "now-1h", to: "now" }, 7_200_000)).toEqual({ from: 3_600_000, to: 7_200_000 });
    expect(resolve({ from: "nonsense", to: "now" }, 7_200_000)).toEqual({ from: 3_600_000, to: 7_200_000 });
    expect(resolve({ from: "1700000000000", to: "1700000100000" }, 0)).toEqual({ from: 1_700_000_000_000, to: 1_700_000_100_000 });
    // The wrong way round is no span.
    expect(resolve({ from: "now", to: "now-1h" }, 7_200_000)).toEqual({ from: 0, to: 3_600_000 });
  });
});

describe("small graphs", () => {
  const beganAt = (ago: number): [number, number][] => [[10_000 - ago, 1], [10_000, 1]];
  test("look back as far as there is something to see, in one of three spans", () => {
    expect([0, 80, 90, 91, 570, 571, 3600].map((ago) => spanOf(beganAt(ago), 10_000, 30))).toEqual([120, 120, 120, 600, 600, HOUR_S, HOUR_S]);
    expect(spanOf([], 10_000, 30)).toBe(HOUR_S);
  });
});

describe("states", () => {
  test("what is not known is unknown, not good", () => {
    expect(tone("no data")).toBe("unknown");
    expect(tone("a word of tomorrow")).toBe("unknown");
    expect(tone("OutcomeUnknown")).toBe("unknown");
  });
  test("a pending alarm warns, a pending step only waits its turn", () => {
    expect(tone("pending")).toBe("warn");
    expect(tone("Pending")).toBe("idle");
  });
  test("every word that the API has for a state has a look of its own", () => {
    const document = JSON.parse(readFileSync(join(import.meta.dirname, "../../../crates/api/openapi.json"), "utf8")) as { components: { schemas: Record<string, { enum?: string[] }> } };
    const states = ["AlarmState", "MeasureState", "ServiceStateWord", "RunStatusWord", "StepStatusWord", "AttemptResult", "ChangeState", "ActionOutcome", "IncidentStatus", "IncidentAlarmState", "TriggerState"];
    for (const name of states) {
      const words = document.components.schemas[name]?.enum ?? [];
      expect(words.length, name).toBeGreaterThan(1);
      expect(words.filter((word) => !hasLook(word)), name).toEqual([]);
    }
    expect(hasLook("toString")).toBe(false);
  });
  test("a line of a timeline looks as its event does, and leads to what it is about", () => {
    expect([{ type: "run.finished", outcome: "Success" }, { type: "run.finished", outcome: "Failed" }, { type: "change.finished", outcome: "rolled back" }, { type: "change.finished", data: { end: "kept_part" } }, { type: "run.attempt.settled", data: { outcome: { result: "unknown" } } }, { type: "somebody.elses" }].map(eventTone)).toEqual(["good", "bad", "warn", "warn", "unknown", "idle"]);
    expect(subjectLink("alarm/A b", "sh/op")).toBe("/alarms?alarm=sh%2Fop%2FA%20b");
    expect(subjectLink("run/../x", "shop")).toBe("/runs/..%2Fx");
    expect(subjectLink("somebody/else", "shop")).toBeUndefined();
  });
  test("the worst comes first", () => expect(worst(["ready", "no data", "off target"])).toBe("off target"));
});

describe("diff", () => {
  const apply = (before: string, after: string): string => diffLines(before, after).map((line) => ({ same: " ", added: "+", removed: "-" })[line.kind] + line.text).join("\n");
  test("lines that differ", () => {
    expect(apply("a\nb\nc\n", "a\nx\nc\nd\n")).toBe(" a\n-b\n+x\n c\n+d");
    expect(apply("", "a\n")).toBe("+a");
    expect(apply("a\n", "")).toBe("-a");
    expect(apply("same\n", "same\n")).toBe(" same");
  });
  test("both sides can be read back from it, whatever they are", () => {
    let seed = 7;
    const random = (n: number): number => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8) % n;
    for (let round = 0; round < 300; round += 1) {
      const make = (): string => Array.from({ length: random(14) }, () => "abcd"[random(4)]).join("\n") + "\n";
      const [before, after] = [make(), make()];
      const lines = diffLines(before, after);
      const side = (without: string): string => lines.filter((line) => line.kind !== without).map((line) => line.text).join("\n");
      expect(side("added")).toBe(before.trimEnd());
      expect(side("removed")).toBe(after.trimEnd());
    }
  });
  test("what is the same is left out but for a few lines", () => {
    const many = Array.from({ length: 40 }, (_, n) => `line ${n}`);
    const shown = hunks(diffLines(many.join("\n"), many.map((line, n) => (n === 20 ? "other" : line)).join("\n")), 2);
    expect(shown.map((line) => line.kind)).toEqual(["gap", "same", "same", "removed", "added", "same", "same", "gap"]);
  });
});

describe("addresses", () => {
  test("what is not understood is left out", () => {
    const raw = { a: "x", b: 7, c: "", d: "true", e: { f: 1 }, q: ["up", 3, ""] };
    expect(clean({ a: text(raw, "a"), b: text(raw, "b"), c: text(raw, "c"), d: flag(raw, "d"), e: text(raw, "e"), q: list(raw, "q") })).toEqual({ a: "x", b: "7", d: true, q: ["up", ""] });
    expect(whole({ n: "12.5" }, "n")).toBeUndefined();
  });
  test("an event leads to what it is about, and hostile names stay names", () => {
    expect(eventLink(event("run.started", { run: "../../x?y" }))).toBe("/runs/..%2F..%2Fx%3Fy");
    expect(eventLink(event("alarm.firing", { alarm: "A" }, { workload: "shop" }))).toBe("/alarms?alarm=shop%2FA");
    expect(eventLink(event("order.placed", { run: "r" }))).toBeUndefined();
  });
});

describe("PromQL answers", () => {
  test("every kind of result becomes series", () => {
    expect(shape({ status: "success", data: { resultType: "scalar", result: [1, "NaN"] } }).series).toEqual([{ labels: {}, points: [[1, NaN]] }]);
    expect(shape({ status: "success", data: { resultType: "matrix", result: [{ metric: { a: "b" }, values: [[1, "2"], [2, "+Inf"]] }] } }).series[0]?.points).toEqual([[1, 2], [2, Infinity]]);
    expect(number("-Inf")).toBe(-Infinity);
  });
  test("names and steps", () => {
    expect(seriesName({ __name__: "up", job: 'a"b' }, "q")).toBe('up{job="a\\"b"}');
    expect(seriesName({}, "sum(up)")).toBe("sum(up)");
    expect([stepFor(300), stepFor(3600), stepFor(86_400), stepFor(30 * 86_400)]).toEqual([2, 15, 600, 21_600]);
  });
  test("what a rule's graph draws", () => {
    expect(compared("rate(a[5m]) < 0.95")).toEqual({ query: "rate(a[5m])", bound: { operator: "<", value: 0.95 } });
    for (const whole of ["a > 1 and b < 2", "absent(up)", "sum(a > 3)"]) expect(compared(whole)).toEqual({ query: whole });
  });
  test("targets", () => expect([parseTarget(">= 0.995"), parseTarget("<= 5e1"), parseTarget("about 5")]).toEqual([{ operator: ">=", value: 0.995 }, { operator: "<=", value: 50 }, undefined]));
});

describe("procedures", () => {
  const step = (name: string, more: Partial<StepDoc> = {}): StepDoc => ({ name, action: "aws:sleep", inputs: {}, max_attempts: 1, on_failure: "abort", is_end: false, choices: [], words: "", then: "", ...more });
  const document = [
    step("look", { on_failure: "tell" }),
    step("decide", { choices: [{ when: "it is full", next: "mend" }, { when: "it is stuck", next: "mend" }, { next: "tell" }] }),
    step("mend", { next: "tell" }),
    step("tell", { is_end: true }),
  ];
  test("ways on are those of the document", () => {
    expect(document.map((_, at) => ways(document, at).map((way) => `${way.to} ${way.kind} ${way.label ?? ""}`.trim()))).toEqual([
      ["decide next", "tell failure fails"], ["mend choice it is full, or it is stuck", "tell choice otherwise"], ["tell next"], ["end of the run next"],
    ]);
  });
  test("the way a run went is told apart", () => {
    const ran: Step[] = [{ name: "look", action: "", status: "Success", attempts: 1, outputs: {}, next: "decide", started_at: "x", ended_at: "y" }, { name: "decide", action: "", status: "InProgress", attempts: 0, outputs: {} }];
    const graph = graphOf({ file: "", parameters: {}, steps: document, outputs: [], started_by: [], alarms: [], notes: [], digest: "" }, ran);
    expect(graph.edges.filter((edge) => edge.taken).map((edge) => edge.id)).toEqual(["look>decide>next"]);
    expect(graph.nodes.find((node) => node.id === "mend")?.state).toBeUndefined();
  });
  test("a form gives values of the right kind, and leaves defaults alone", () => {
    const about = (type: string, more: Partial<ParameterDoc> = {}): ParameterDoc => ({ type, required: false, allowed_values: [], ...more });
    const parameters = { Name: about("String", { required: true, allowed_pattern: "^[a-z]+$" }), Hosts: about("StringList", { default: ["a", "b"] }), Count: about("Integer"), Deep: about("StringMap"), Dry: about("Boolean") };
    const draft: Record<string, string> = { ...initial(parameters), Name: "x", Count: "12", Deep: '{"a":1}', Dry: "true" };
    expect(draft.Hosts).toBe("a\nb");
    expect(check(parameters, draft)).toEqual({});
    expect(valueOf(parameters, draft)).toEqual({ Name: "x", Count: 12, Deep: { a: 1 }, Dry: true });
    expect(Object.keys(check(parameters, { Name: "", Count: "1.5", Deep: "{" }))).toEqual(["Name", "Count", "Deep"]);
    expect(check(parameters, { Name: "Not" })["Name"]).toContain("does not match");
  });
  test("each host of a step has its line, also while it runs", () => {
    const base = { name: "s", action: "aws:runCommand", status: "Failed" as const, attempts: 1, started_at: "x", ended_at: "y" };
    const outputs = { Hosts: { a: { Status: "Success", ResponseCode: 0, StandardError: "" }, b: { Status: "Failed", ResponseCode: 3, StandardError: "no" } }, Outputs: { a: "fine" } };
    expect(hostLines({ ...base, outputs }, [])).toEqual([{ host: "a", state: "Success", code: 0, output: "fine", errors: "" }, { host: "b", state: "Failed", code: 3, output: "", errors: "no" }]);
    const { ended_at: _, ...running } = base;
    expect(hostLines({ ...running, outputs: {}, tries: [{ id: "t", started_at: "x", hosts: ["a", "b"] }] }, [{ step: "s", host: "b", lines: ["1", "2"] }])).toEqual([{ host: "a", state: "InProgress", output: "", errors: "" }, { host: "b", state: "InProgress", output: "1\n2", errors: "" }]);
  });
});

describe("finding", () => {
  test("letters in order match, beginnings of words count more", () => {
    expect(score("rc", "restore-checkout")).toBeGreaterThan(0);
    expect(score("checkout", "restore-checkout")).toBeGreaterThan(score("rch", "restore-checkout"));
    expect(score("zz", "restore-checkout")).toBe(0);
    expect(score("run restore", "Run restore-checkout")).toBeGreaterThan(0);
  });
  test("alarms that a silence is for, by the rules of the server", () => {
    const alarm = { alarm: "Down", workload: "shop", labels: { zone: "a" } };
    const one = (name: string, value: string, is_equal = true, is_regex = false) => ({ name, value, is_equal, is_regex });
    for (const [matchers, fits] of [
      [[one("alertname", "Down")], true], [[one("alertname", "Dow", true, true)], false], [[one("alertname", "Do.*", true, true), one("zone", "b", false)], true],
      [[one("zone", "a", false)], false], [[one("rack", "")], true], [[one("rack", ".+", true, true)], false], [[one("zone", "(?i)A", true, true)], undefined],
    ] as const) expect(isFor([...matchers], undefined, alarm), JSON.stringify(matchers)).toBe(fits);
    expect(isFor([one("alertname", "Down")], "other", alarm)).toBe(false);
    expect(matcherText(one("a", 'x"y', false, true))).toBe('a!~"x\\"y"');
  });
  test("a break in the chain is found, a gap is none", () => {
    const chain = [{ seq: 3, hash: "c", prev_hash: "b" }, { seq: 1, hash: "a", prev_hash: "" }, { seq: 2, hash: "b", prev_hash: "a" }, { seq: 9, hash: "z", prev_hash: "?" }];
    expect(checkChain(chain)).toEqual({ links: 2 });
    expect(checkChain([...chain, { seq: 4, hash: "d", prev_hash: "x" }])).toEqual({ links: 2, broken: 4 });
  });
});

describe("going on in time", () => {
  const now = 1_000_000_000_000;
  const span = (from: number, to: number) => ({ from: String(from), to: String(to) });
  test("closer and wider keep what ends now ending now", () => {
    expect(moved({ from: "now-1h", to: "now" }, "closer", now)).toEqual({ from: "now-30m", to: "now" });
    expect(moved({ from: "now-15m", to: "now" }, "closer", now)).toEqual({ from: "now-450s", to: "now" });
    expect(moved({ from: "now-12h", to: "now" }, "wider", now)).toEqual({ from: "now-1d", to: "now" });
  });
  test("a fixed span is halved around its middle, and ends now where it would reach what is to come", () => {
    expect(moved(span(now - 400_000, now - 200_000), "closer", now)).toEqual(span(now - 350_000, now - 250_000));
    expect(moved(span(now - 400_000, now - 200_000), "wider", now)).toEqual(span(now - 500_000, now - 100_000));
    expect(moved(span(now - 400_000, now), "wider", now)).toEqual({ from: "now-800s", to: "now" });
    expect(moved(span(now - 400_000, now - 100_000), "later", now)).toEqual({ from: "now-5m", to: "now" });
  });
  test("there is nothing later than now, nor without an end", () => {
    expect(moved({ from: "now-1h", to: "now" }, "later", now)).toBeUndefined();
    expect(moved({ from: "now-10s", to: "now" }, "closer", now)).toBeUndefined();
    expect(moved({ from: "now-300d", to: "now" }, "wider", now)).toBeUndefined();
  });
  test("a span says its zone, and its second day where that is another one", () => {
    const at = new Date(2026, 10, 25, 23, 59, 0).getTime();
    expect(between(at, at + 30_000)).toBe(`2026-11-25 23:59:00 to 23:59:30 ${zone(at)}`);
    expect(between(at, at + 120_000)).toBe(`2026-11-25 23:59:00 to 2026-11-26 00:01:00 ${zone(at)}`);
  });
});

describe("where lists stood", () => {
  test("is kept over a reload, the latest of it, and nothing that makes no sense", () => {
    const places = new Places();
    for (let n = 0; n < 300; n += 1) places.set(`s${n}/Runs`, n);
    places.set("s299/Runs", 0);
    const again = new Places(places.toString());
    expect([again.get("s10/Runs"), again.get("s298/Runs"), again.get("s299/Runs")]).toEqual([undefined, 298, undefined]);
    for (const text of ["", "{", "null", "[1]", '[["a","b"]]']) expect(new Places(text).get("a")).toBeUndefined();
  });
});

describe("text of others", () => {
  test("nothing in it turns other text round, and right to left stays so", () => {
    expect(visible("a\u202egnp.exe")).toBe("a[U+202E]gnp.exe");
    expect(JSON.parse(visible(JSON.stringify({ text: 'x\u2066"\\y\u2069' })))).toEqual({ text: 'x[U+2066]"\\y[U+2069]' });
    expect(visible("مرحبا שלום\u200f!")).toBe("مرحبا שלום\u200f!");
  });
  test("what is written for a terminal is read without its colours", () => {
    expect(withoutEscapes("\u001b[1;31mfailed\u001b[0m \u001b]8;;http://x\u0007link\u001b]8;;\u0007\u001b[2K [31m")).toBe("failed link [31m");
  });
});
