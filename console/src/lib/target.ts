// A target such as `>= 0.995`: what a graph draws as its line.

export interface Target { operator: string; value: number }

export function parseTarget(text: string): Target | undefined {
  const match = /^\s*(>=|<=|>|<|==|!=)\s*([-+0-9.eE]+)\s*$/.exec(text);
  const value = Number(match?.[2]);
  return match?.[1] !== undefined && Number.isFinite(value) ? { operator: match[1], value } : undefined;
}
