// The course of one expression over a span of time, or why there is none.

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { seriesName, stepFor } from "../api/prometheus";
import * as ask from "../api/queries";
import type { Target } from "../lib/target";
import { State } from "./basic";
import { Chart, type Mark } from "./chart";

interface Props {
  /** What it is called; a series with labels is called by those. */
  name: string;
  query: string;
  from: number;
  to: number;
  target?: Target | undefined;
  height?: number;
  marks?: Mark[];
  /** Graphs of a group share their cursor. */
  group?: string;
  onZoom?: (from: number, to: number) => void;
}

/** More lines than this nobody tells apart. */
const MOST = 20;

export function Course({ name, query, from, to, target, height = 110, marks, group, onZoom }: Props) {
  const asked = useQuery(ask.span(query, Math.floor(from / 1000), Math.ceil(to / 1000)));
  const series = useMemo(() => asked.data?.series.slice(0, MOST) ?? [], [asked.data]);
  const names = useMemo(() => (series.length === 1 ? [name] : series.map(({ labels: { __name__, ...labels } }) => seriesName(labels, name))), [series, name]);
  if (asked.isError && !asked.data) return <State state="error" text={asked.error.message} />;
  if (asked.data && series.length === 0) return <State state="no data" text="no data in this time" />;
  return <Chart series={series} names={names} from={from} to={to} step={stepFor((to - from) / 1000)} height={height} label={name} target={target} {...(marks ? { marks } : {})} {...(group ? { group } : {})} {...(onZoom ? { onZoom } : {})} />;
}
