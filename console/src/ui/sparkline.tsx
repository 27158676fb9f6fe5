// A small graph of one measure: its course, its target as a line, and gaps where nothing is known.

import { useId } from "react";
import { quantity } from "../lib/format";
import type { Target } from "../lib/target";

interface SparkProps { points: [number, number][]; from: number; to: number; target?: Target | undefined; height?: number; label: string; tone?: string }

const WIDTH = 240;

export function Sparkline({ points, from, to, target, height = 36, label, tone = "accent" }: SparkProps) {
  const clip = useId();
  const known = points.filter(([, value]) => Number.isFinite(value));
  if (known.length === 0) {
    return <div className="muted" style={{ height, display: "flex", alignItems: "center", fontSize: 12 }}>no data in this time</div>;
  }
  let low = Math.min(...known.map(([, value]) => value), target?.value ?? Infinity);
  let high = Math.max(...known.map(([, value]) => value), target?.value ?? -Infinity);
  if (low === high) {
    low -= Math.abs(low) * 0.1 || 1;
    high += Math.abs(high) * 0.1 || 1;
  }
  const room = (high - low) * 0.08;
  const x = (at: number): number => ((at - from) / Math.max(1, to - from)) * WIDTH;
  const y = (value: number): number => height - ((value - low + room) / (high - low + 2 * room)) * height;
  // A gap of more than two usual distances is a gap in what is known.
  const gaps = known.slice(1).map(([at], n) => at - (known[n]?.[0] ?? at)).sort((a, b) => a - b);
  const usual = gaps[Math.floor(gaps.length / 2)] ?? 0;
  let line = "";
  let before: number | undefined;
  const alone: [number, number][] = [];
  known.forEach(([at, value], n) => {
    const joins = before !== undefined && at - before <= usual * 2.5;
    line += `${joins ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    const after = known[n + 1]?.[0];
    if (!joins && (after === undefined || after - at > usual * 2.5)) alone.push([x(at), y(value)]);
    before = at;
  });
  const last = known.at(-1);
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${height}`} height={height} preserveAspectRatio="none" role="img" aria-label={`${label}: now ${quantity(last?.[1])}, between ${quantity(Math.min(...known.map((p) => p[1])))} and ${quantity(Math.max(...known.map((p) => p[1])))}`}>
      <clipPath id={clip}><rect width={WIDTH} height={height} /></clipPath>
      <g clipPath={`url(#${clip})`}>
        {target && <line x1="0" x2={WIDTH} y1={y(target.value)} y2={y(target.value)} stroke="var(--line-strong)" strokeDasharray="3 3" vectorEffect="non-scaling-stroke" />}
        <path d={line} fill="none" stroke={`var(--${tone})`} strokeWidth="1.5" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
        {alone.map(([cx, cy], n) => <circle key={n} cx={cx} cy={cy} r="1.2" fill={`var(--${tone})`} />)}
      </g>
    </svg>
  );
}
