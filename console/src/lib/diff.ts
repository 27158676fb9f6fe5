// What differs between two texts, line by line (Myers' algorithm on lines, after equal ends are set aside).

interface DiffLine { kind: "same" | "added" | "removed"; text: string; before?: number; after?: number }

/** Beyond this many differing lines a diff costs more than it tells; both sides are shown whole. */
const MAX_EDITS = 1500;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = split(before);
  const b = split(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const edits = shortest(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  const push = (kind: DiffLine["kind"]): void => {
    if (kind === "added") lines.push({ kind, text: b[j] ?? "", after: ++j });
    else if (kind === "removed") lines.push({ kind, text: a[i] ?? "", before: ++i });
    else lines.push({ kind, text: a[i] ?? "", before: ++i, after: ++j });
  };
  for (let n = 0; n < head; n += 1) push("same");
  for (const kind of edits) push(kind);
  for (let n = 0; n < tail; n += 1) push("same");
  return lines;
}

function split(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** What has to be done in turn to make one of the other. `trace` keeps how far each diagonal had come before each edit, which
    costs the square of the edits. */
function shortest(a: string[], b: string[]): DiffLine["kind"][] {
  const all: DiffLine["kind"][] = [...a.map(() => "removed" as const), ...b.map(() => "added" as const)];
  if (a.length === 0 || b.length === 0) return all;
  const max = Math.min(a.length + b.length, MAX_EDITS);
  const middle = max + 1;
  const trace: Int32Array[] = [];
  const furthest = new Int32Array(2 * middle + 1);
  for (let d = 0; d <= max; d += 1) {
    trace.push(furthest.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      let x = isDown(furthest, middle, k, d) ? (furthest[middle + k + 1] ?? 0) : (furthest[middle + k - 1] ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x += 1;
        y += 1;
      }
      furthest[middle + k] = x;
      if (x >= a.length && y >= b.length) return walk(trace, a, b, d);
    }
  }
  return all;
}

/** Whether a diagonal is reached by a line that was added, and not by one that was removed. */
function isDown(furthest: Int32Array, middle: number, k: number, d: number): boolean {
  return k === -d || (k !== d && (furthest[middle + k - 1] ?? 0) < (furthest[middle + k + 1] ?? 0));
}

function walk(trace: Int32Array[], a: string[], b: string[], last: number): DiffLine["kind"][] {
  const back: DiffLine["kind"][] = [];
  let [x, y] = [a.length, b.length];
  for (let d = last; d >= 0; d -= 1) {
    const furthest = trace[d] ?? new Int32Array(3);
    const middle = d + 1;
    const k = x - y;
    const down = isDown(furthest, middle, k, d);
    const px = furthest[middle + (down ? k + 1 : k - 1)] ?? 0;
    const py = px - (down ? k + 1 : k - 1);
    while (x > px && y > py && x > 0 && y > 0) {
      back.push("same");
      x -= 1;
      y -= 1;
    }
    if (d > 0) back.push(down ? "added" : "removed");
    [x, y] = [px, py];
  }
  return back.reverse();
}

/** The differing parts with a few lines around them; a gap is where lines were left out. */
export function hunks(lines: DiffLine[], around = 3): (DiffLine | { kind: "gap"; lines: number })[] {
  const keep = new Array<boolean>(lines.length).fill(false);
  lines.forEach((line, at) => {
    if (line.kind === "same") return;
    for (let n = Math.max(0, at - around); n <= Math.min(lines.length - 1, at + around); n += 1) keep[n] = true;
  });
  const shown: (DiffLine | { kind: "gap"; lines: number })[] = [];
  let left = 0;
  lines.forEach((line, at) => {
    if (keep[at]) {
      if (left > 0) shown.push({ kind: "gap", lines: left });
      left = 0;
      shown.push(line);
    } else left += 1;
  });
  if (left > 0) shown.push({ kind: "gap", lines: left });
  return shown;
}
