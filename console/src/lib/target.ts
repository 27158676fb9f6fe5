// A target such as `>= 0.995`: what a graph draws as its line.

export interface Target { operator: string; value: number }

export function parseTarget(text: string): Target | undefined {
  const match = /^\s*(>=|<=|>|<|==|!=)\s*([-+0-9.eE]+)\s*$/.exec(text);
  const value = Number(match?.[2]);
  return match?.[1] !== undefined && Number.isFinite(value) ? { operator: match[1], value } : undefined;
}

/** What a rule's graph draws: for `a < 0.95` it is `a` with the bound 0.95, because the comparison itself hides what is not
    over it. What is no such comparison is drawn as it is. */
export function compared(expr: string): { query: string; bound?: Target | undefined } {
  const match = /^([\s\S]*?)\s*(<=|>=|==|!=|<|>)\s*(?:bool\s+)?([-+]?[0-9.eE+]+)\s*$/.exec(expr);
  const [, left = "", operator = "", number = ""] = match ?? [];
  const depth = [...left].reduce((depth, letter) => depth + (letter === "(" ? 1 : letter === ")" ? -1 : 0), 0);
  if (!match || depth !== 0 || /\b(and|or|unless)\b/.test(left)) return { query: expr };
  return { query: left, bound: parseTarget(`${operator} ${number}`) };
}
