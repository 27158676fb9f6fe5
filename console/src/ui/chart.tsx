// A graph over time (uPlot): several series on one axis, a target, marks of events, a zoom by dragging. Charts with the
// same `group` share their cursor.

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Series } from "../api/prometheus";
import { clock, day, quantity, zone } from "../lib/format";
import type { Target } from "../lib/target";
import { useDark } from "../shell/theme";

export interface Mark { at: number; color: string; strong?: boolean }

interface ChartProps {
  series: Series[];
  /** Milliseconds. */
  from: number;
  to: number;
  step: number;
  height: number;
  label: string;
  names: string[];
  hidden?: Set<number>;
  target?: Target | undefined;
  marks?: Mark[];
  group?: string;
  onZoom?: (from: number, to: number) => void;
  colors?: string[];
}

const SERIES_COLORS = 8;
export const seriesColor = (at: number): string => `var(--series-${at % SERIES_COLORS})`;

function css(name: string, within: HTMLElement): string {
  const match = /^var\((--[\w-]+)\)$/.exec(name);
  if (!match?.[1]) return name;
  // A token is `light-dark(…)`; only a property of colour is computed to a colour.
  const probe = document.createElement("span");
  probe.style.color = name;
  within.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

/** All series on the instants that any of them has. */
function align(series: Series[], step: number): uPlot.AlignedData {
  const at = new Set<number>();
  for (const one of series) for (const [second] of one.points) at.add(second);
  const times = [...at].sort((a, b) => a - b);
  // Where nothing is known for longer than a step, an instant without values makes the gap seen.
  const all: number[] = [];
  times.forEach((time, n) => {
    const before = times[n - 1];
    if (before !== undefined && time - before > step * 1.5) all.push(before + step);
    all.push(time);
  });
  const place = new Map(all.map((time, n) => [time, n]));
  const columns = series.map((one) => {
    const column = new Array<number | null>(all.length).fill(null);
    for (const [second, value] of one.points) {
      const n = place.get(second);
      if (n !== undefined && Number.isFinite(value)) column[n] = value;
    }
    return column;
  });
  return [all, ...columns];
}

export function Chart({ series, from, to, step, height, label, names, hidden, target, marks, group, onZoom, colors }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const marked = useRef(marks);
  marked.current = marks;
  const dark = useDark();
  const shape = JSON.stringify([names, height, target, group, dark, colors, from > 0]);

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const color = (name: string): string => css(name, element);
    const muted = color("var(--muted)");
    const grid = color("var(--line)");
    const draw = (u: uPlot): void => {
      const { ctx } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      ctx.clip();
      if (target) {
        const y = u.valToPos(target.value, "y", true);
        ctx.strokeStyle = color("var(--warn)");
        ctx.setLineDash([5, 4]);
        ctx.lineWidth = 1;
        ctx.beginPath();
        ctx.moveTo(u.bbox.left, y);
        ctx.lineTo(u.bbox.left + u.bbox.width, y);
        ctx.stroke();
      }
      for (const mark of marked.current ?? []) {
        const x = u.valToPos(mark.at / 1000, "x", true);
        ctx.setLineDash(mark.strong ? [] : [2, 3]);
        ctx.lineWidth = mark.strong ? 2 : 1;
        ctx.strokeStyle = color(mark.color);
        ctx.beginPath();
        ctx.moveTo(x, u.bbox.top);
        ctx.lineTo(x, u.bbox.top + u.bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    };
    const options: uPlot.Options = {
      width: Math.max(120, element.clientWidth),
      height,
      padding: [8, 26, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        ...(group ? { sync: { key: group, setSeries: false } } : {}),
      },
      scales: { x: { time: true }, y: { range: (_u, low, high) => span(low, high, target) } },
      axes: [
        { stroke: muted, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, font: "11px system-ui, sans-serif", values: (_u, splits, _i, _s, every) => splits.map((second) => timeWord(second, every)), space: 70, size: 26 },
        { stroke: muted, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", values: (_u, splits) => splits.map((value) => quantity(value)), size: 62, space: 34 },
      ],
      series: [
        {},
        ...names.map((name, n) => ({ label: name, stroke: color(colors?.[n] ?? seriesColor(n)), width: 1.5, points: { show: false }, spanGaps: false })),
      ],
      hooks: {
        draw: [draw],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const a = u.posToVal(u.select.left, "x");
            const b = u.posToVal(u.select.left + u.select.width, "x");
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            zoom.current?.(Math.round(a * 1000), Math.round(b * 1000));
          },
        ],
        setCursor: [(u) => tip(u, element, names)],
      },
    };
    const made = new uPlot(options, [[]], element);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: Math.max(120, element.clientWidth), height }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    u.batch(() => {
      u.setData(align(series, step), false);
      u.setScale("x", { min: from / 1000, max: to / 1000 });
      names.forEach((_, n) => u.setSeries(n + 1, { show: !(hidden?.has(n) ?? false) }));
    });
  }, [series, from, to, step, hidden, shape]);

  useEffect(() => {
    plot.current?.redraw(false);
  }, [marks]);

  const known = series.flatMap((one) => one.points.at(-1)?.[1] ?? []);
  return <div ref={box} className="chart" role="img" aria-label={`${label}: ${series.length} series${known.length > 0 ? `, last ${known.slice(0, 4).map(quantity).join(", ")}` : ", no data"}`}><div className="chart-tip" hidden /></div>;
}

function span(low: number, high: number, target: Target | undefined): [number, number] {
  let a = Math.min(low, target?.value ?? low);
  let b = Math.max(high, target?.value ?? high);
  if (!Number.isFinite(a) || !Number.isFinite(b)) return [target ? Math.min(0, target.value) : 0, target ? Math.max(1, target.value) : 1];
  if (a === b) {
    a -= Math.abs(a) * 0.1 || 1;
    b += Math.abs(b) * 0.1 || 1;
  }
  const room = (b - a) * 0.06;
  return [a >= 0 && a - room < 0 ? -room : a - room, b + room];
}

const two = (n: number): string => String(n).padStart(2, "0");

function timeWord(second: number, every: number): string {
  const date = new Date(second * 1000);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (every >= 86_400) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  if (every < 60) return `${clock}:${two(date.getSeconds())}`;
  return date.getHours() === 0 && date.getMinutes() === 0 ? `${two(date.getMonth() + 1)}-${two(date.getDate())}` : clock;
}

/** The values at the cursor, written beside it. */
function tip(u: uPlot, element: HTMLElement, names: string[]): void {
  const box = element.querySelector<HTMLElement>(".chart-tip");
  if (!box) return;
  const { idx, left } = u.cursor;
  const at = idx === null || idx === undefined ? undefined : u.data[0][idx];
  if (at === undefined || idx === null || idx === undefined || left === undefined || left < 0) {
    box.hidden = true;
    return;
  }
  box.replaceChildren();
  const head = document.createElement("div");
  head.className = "muted num";
  head.textContent = `${day(at * 1000)} ${clock(at * 1000, at * 1000)} ${zone(at * 1000)}`;
  box.append(head);
  const rows = names.map((name, n) => ({ name, value: u.data[n + 1]?.[idx], shown: u.series[n + 1]?.show !== false, stroke: u.series[n + 1]?.stroke })).filter((row) => row.shown && row.value !== null && row.value !== undefined);
  rows.sort((a, b) => Number(b.value) - Number(a.value));
  for (const row of rows.slice(0, 10)) {
    const line = document.createElement("div");
    line.className = "chart-tip-row";
    const swatch = document.createElement("i");
    swatch.style.background = typeof row.stroke === "function" ? String((row.stroke as () => unknown)()) : String(row.stroke);
    const name = document.createElement("span");
    name.className = "cut";
    name.textContent = row.name;
    const value = document.createElement("b");
    value.className = "num";
    value.textContent = quantity(Number(row.value));
    line.append(swatch, name, value);
    box.append(line);
  }
  if (rows.length > 10) box.append(`and ${rows.length - 10} more`);
  box.hidden = rows.length === 0;
  const width = box.offsetWidth;
  const x = left + u.bbox.left / devicePixelRatio;
  box.style.left = `${x + 14 + width > element.clientWidth ? Math.max(0, x - 14 - width) : x + 14}px`;
  box.style.top = "8px";
}
