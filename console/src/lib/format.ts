// Numbers, times and lengths as people read them.

/** `1.2 k`, `0.9946`, `∞`; never a made-up precision. */
export function quantity(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const units: [number, string][] = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e4, " k"]];
  for (const [from, unit] of units) {
    if (size >= from) return `${trim((value / (from === 1e4 ? 1e3 : from)).toFixed(size / from >= 100 ? 0 : 2))}${unit}`;
  }
  if (size >= 100) return trim(value.toFixed(1));
  if (size >= 1) return trim(value.toFixed(3));
  if (size >= 1e-4) return trim(value.toPrecision(4));
  return value.toExponential(2);
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `350 ms`, `2.5 s`, `13 s`, `4 min 5 s`, `3 h 12 min`, `2 d 4 h`. */
export function length(ms: number): string {
  if (ms < 0) return `−${length(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${trim(s.toFixed(1))} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(s / 60);
  if (minutes < 24 * 60) return two(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(s / 3600);
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(a: number, unitA: string, b: number, unitB: string): string {
  return b === 0 ? `${a} ${unitA}` : `${a} ${unitA} ${b} ${unitB}`;
}

/** `now`, `12 s ago`, `3 min ago`, `in 2 h`. One unit, the largest. */
export function relative(at: number, now: number): string {
  const away = Math.abs(now - at);
  if (away < 1500) return "now";
  const s = away / 1000;
  const [n, unit]: [number, string] =
    s < 60 ? [s, "s"] : s < 3600 ? [s / 60, "min"] : s < 86_400 ? [s / 3600, "h"] : [s / 86_400, "d"];
  const text = `${Math.floor(n)} ${unit}`;
  return at <= now ? `${text} ago` : `in ${text}`;
}

const pad = (n: number, width = 2): string => String(n).padStart(width, "0");

/** `04:35:21` in the reader's zone; with the day where it is not today. */
export function clock(at: number, now: number, withMs = false): string {
  const date = new Date(at);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}${withMs ? `.${pad(date.getMilliseconds(), 3)}` : ""}`;
  return date.toDateString() === new Date(now).toDateString() ? time : `${day(at)} ${time}`;
}

/** `2026-11-25`. */
export function day(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** The reader's zone at a moment: `UTC`, `UTC−05:00`. */
export function zone(at: number): string {
  const offset = -new Date(at).getTimezoneOffset();
  return offset === 0 ? "UTC" : `UTC${offset > 0 ? "+" : "−"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
}

/** `2026-11-25 04:35:21 to 04:50:00 UTC`: a span of time, with its days where they are not the same. */
export function between(from: number, to: number): string {
  return `${day(from)} ${clock(from, from)} to ${clock(to, from)} ${zone(to)}`;
}

/** The exact instant, both here and in UTC. */
export function exact(at: number): string {
  const date = new Date(at);
  const here = `${day(at)} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)} ${zone(at)}`;
  return zone(at) === "UTC" ? here : `${here}\n${date.toISOString()}`;
}

/** `1 run`, `2 runs`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = n;
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${trim(value.toFixed(1))} ${units[unit]}`;
}

/** The short form of an id that people see beside others. */
export function short(id: string, length = 12): string {
  return id.length > length + 1 ? `${id.slice(0, length)}…` : id;
}

/** `alarm Down{alertname="Down",zone="a"} is firing` in short: without the label sets, which stand where there is room. */
export function withoutLabels(text: string): string {
  return text.replace(/\{[^{}]*\}/g, "");
}

/** Who did something: a person by their name, a part of Mainstay by its. */
export function actor(id: string): string {
  return id.replace(/^(person|system):/, "");
}
