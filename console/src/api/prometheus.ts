// Prometheus' own API: queries, and their answers in the shape that graphs want.

import { address, read } from "./client";

export interface Series { labels: Record<string, string>; points: [seconds: number, value: number][] }

type Sample = [number, string];
interface Histogram { count: string; sum: string }
interface Answer {
  status: string;
  data:
    | { resultType: "vector"; result: { metric: Record<string, string>; value?: Sample; histogram?: [number, Histogram] }[] }
    | { resultType: "matrix"; result: { metric: Record<string, string>; values?: Sample[] }[] }
    | { resultType: "scalar" | "string"; result: Sample };
  warnings?: string[];
  infos?: string[];
}

interface Result { series: Series[]; warnings: string[] }

/** `NaN`, `+Inf` and `-Inf` are written as words. */
export function number(text: string): number {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

export function shape(answer: Answer): Result {
  const { data } = answer;
  const warnings = [...(answer.warnings ?? []), ...(answer.infos ?? [])];
  switch (data.resultType) {
    case "vector":
      return {
        warnings,
        series: data.result.map(({ metric, value, histogram }) => ({
          labels: metric,
          points: value ? [[value[0], number(value[1])]] : histogram ? [[histogram[0], number(histogram[1].count)]] : [],
        })),
      };
    case "matrix":
      return {
        warnings,
        series: data.result.map(({ metric, values }) => ({
          labels: metric,
          points: (values ?? []).map(([at, value]) => [at, number(value)]),
        })),
      };
    default:
      return { warnings, series: [{ labels: {}, points: [[data.result[0], number(data.result[1])]] }] };
  }
}

export async function instant(query: string, time?: number, signal?: AbortSignal): Promise<Result> {
  return shape(await read<Answer>(address("/api/v1/query", {}, { query, time }), { signal }));
}

export async function range(query: string, start: number, end: number, step: number, signal?: AbortSignal): Promise<Result> {
  return shape(await read<Answer>(address("/api/v1/query_range", {}, { query, start, end, step }), { signal }));
}

/** A step that gives about so many points, in seconds: one of the steps people know. */
export function stepFor(seconds: number, points = 240): number {
  const wanted = seconds / points;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];
  return steps.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
}

/** How a series is named in a legend. */
export function seriesName(labels: Record<string, string>, query: string): string {
  const { __name__: name, ...rest } = labels;
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  if (pairs.length === 0) return name ?? query;
  return `${name ?? ""}{${pairs.join(", ")}}`;
}
