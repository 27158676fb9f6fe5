// A span of time as an address holds it: `now-1h` and `now`, or milliseconds since 1970.

export interface Range { from: string; to: string }

export const RANGES: [words: string, from: string][] = [
  ["5 min", "now-5m"], ["15 min", "now-15m"], ["1 h", "now-1h"], ["3 h", "now-3h"], ["12 h", "now-12h"], ["1 d", "now-1d"], ["7 d", "now-7d"], ["30 d", "now-30d"],
];

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 };

/** Milliseconds, or nothing where it is not understood. */
function instantOf(text: string, now: number): number | undefined {
  if (text === "now") return now;
  const match = /^now-(\d{1,6})([smhd])$/.exec(text);
  if (match) return now - Number(match[1]) * (UNITS[match[2] ?? "s"] ?? 0);
  if (/^\d{9,14}$/.test(text)) return Number(text);
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Milliseconds from and to; the last hour where the address says nothing that makes sense. */
export function resolve(range: Range, now: number): { from: number; to: number } {
  const to = instantOf(range.to, now) ?? now;
  const from = instantOf(range.from, now) ?? to - 3600e3;
  return from < to ? { from, to } : { from: to - 3600e3, to };
}

export const isRelative = (range: Range): boolean => range.to === "now";

export const HOUR_S = 3600;

// What a small graph looks back over, the shortest first: of a workload that runs for a minute an hour would show a dot.
const SPANS: [seconds: number, word: string][] = [[120, "2 min"], [600, "10 min"], [HOUR_S, "hour"]];

/** The shortest span that shows all of a course that was asked for over an hour, in `step` seconds. */
export function spanOf(points: [number, number][], to: number, step: number): number {
  const [first] = points[0] ?? [];
  // It may have begun a step before its first point.
  return SPANS.find(([span]) => first !== undefined && to - first + step <= span)?.[0] ?? HOUR_S;
}

export function spanWord(span: number): string {
  return SPANS.find(([seconds]) => seconds === span)?.[1] ?? `${span} s`;
}

/** No span is shorter than this, nor longer than that. */
const [LEAST_MS, MOST_MS] = [10e3, 400 * 86_400e3];

/** A span beside this one, or around it, or within it; nothing where there is none. What ends now keeps ending now. */
export function moved(range: Range, how: "earlier" | "later" | "closer" | "wider", now: number): Range | undefined {
  const { from, to } = resolve(range, now);
  const length = to - from;
  const fixed = (a: number, b: number): Range => ({ from: String(Math.round(a)), to: String(Math.round(b)) });
  if (how === "earlier") return fixed(from - length / 2, to - length / 2);
  // What is still to come has no data; and who goes back to now means now.
  if (how === "later") return isRelative(range) ? undefined : to + length * 0.55 >= now ? { from: ago(length), to: "now" } : fixed(from + length / 2, to + length / 2);
  const wanted = Math.round((how === "closer" ? length / 2 : length * 2) / 1000) * 1000;
  if (wanted < LEAST_MS || wanted > MOST_MS) return undefined;
  if (isRelative(range)) return { from: ago(wanted), to: "now" };
  const middle = (from + to) / 2;
  return middle + wanted / 2 >= now ? { from: ago(wanted), to: "now" } : fixed(middle - wanted / 2, middle + wanted / 2);
}

/** `now-90s`: in the largest unit that says it without a rest. */
function ago(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [unit, size] = ([["d", 86_400], ["h", 3600], ["m", 60]] as const).find(([, one]) => seconds % one === 0) ?? ["s", 1];
  return `now-${seconds / size}${unit}`;
}
