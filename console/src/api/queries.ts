// What pages ask the server, each under the key that events make old (see `invalidate.ts`).

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import { listOptions } from "./lists";
import { range, stepFor } from "./prometheus";
import { session } from "./session";

/** Values move between events; a visible page looks again this often. */
const LOOK_MS = 5_000;

/** Who is signed in, and what they may do: to a workload, or to anything at all. */
export const me = (workload?: string) =>
  queryOptions({
    queryKey: ["me", workload ?? ""],
    queryFn: async ({ signal }) => {
      const one = await get("/v1/me", { query: { workload }, signal });
      session.known(one);
      return one;
    },
    staleTime: 60_000,
  });

export const signInWays = queryOptions({
  queryKey: ["sign-in"],
  queryFn: ({ signal }) => get("/v1/sign-in", { signal }),
  staleTime: Infinity,
});

export const status = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => get("/v1/status", { signal }),
  refetchInterval: LOOK_MS,
});

interface HostFilter { selector?: string; contains?: string; workload?: string }

/** Those with trouble first. */
export const hosts = (filter: HostFilter = {}) =>
  listOptions(["hosts", filter], (cursor, signal) => get("/v1/hosts", { query: { ...filter, sort: "trouble", cursor }, signal }), LOOK_MS);

export const workloads = queryOptions({
  queryKey: ["workloads"],
  queryFn: ({ signal }) => get("/v1/workloads", { signal }),
});

export const workload = (name: string) =>
  queryOptions({
    queryKey: ["workloads", name],
    queryFn: ({ signal }) => get("/v1/workloads/{name}", { path: { name }, signal }),
  });

export const docs = (name: string) =>
  queryOptions({
    queryKey: ["docs", name],
    queryFn: ({ signal }) => get("/v1/workloads/{name}/docs.json", { path: { name }, signal }),
    staleTime: 30_000,
  });

interface RunFilter { status?: string; active?: boolean; procedure?: string; workload?: string; since?: string }

export const runs = (filter: RunFilter = {}, limit = 200) =>
  listOptions(["runs", filter, limit], (cursor, signal) => get("/v1/runs", { query: { ...filter, cursor, limit }, signal }));

export const run = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }) => get("/v1/runs/{id}", { path: { id }, query: { record: true }, signal }),
  });

/** Without the attempts: for a link that names its state. */
export const runInBrief = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "brief"],
    queryFn: ({ signal }) => get("/v1/runs/{id}", { path: { id }, signal }),
  });

export const incidents = (filter: { status?: "open" | "resolved" } = {}) =>
  listOptions(["incidents", filter], (cursor, signal) => get("/v1/incidents", { query: { ...filter, cursor, limit: 200 }, signal }));

export const incident = (id: string) =>
  queryOptions({
    queryKey: ["incident", id],
    queryFn: ({ signal }) => get("/v1/incidents/{id}", { path: { id }, signal }),
    refetchInterval: (query) => (query.state.data?.status === "open" ? LOOK_MS : false),
  });

interface AlarmFilter { state?: string; workload?: string; contains?: string }

/** Those that fire first, then those of which nothing is known. */
export const alarms = (filter: AlarmFilter = {}) =>
  listOptions(["alarms", filter], (cursor, signal) => get("/v1/alarms", { query: { ...filter, sort: "state", cursor }, signal }), LOOK_MS);

export const silences = (all: boolean) =>
  queryOptions({
    queryKey: ["silences", all],
    queryFn: ({ signal }) => get("/v1/silences", { query: { all }, signal }),
  });

export const changes = (workload?: string) =>
  listOptions(["changes", workload ?? ""], (cursor, signal) => get("/v1/changes", { query: { workload, cursor, limit: 100 }, signal }));

export const change = (id: string) =>
  queryOptions({
    queryKey: ["change", id],
    queryFn: ({ signal }) => get("/v1/changes/{id}", { path: { id }, signal }),
  });

export const revision = (id: string) =>
  queryOptions({
    queryKey: ["revision", id],
    queryFn: ({ signal }) => get("/v1/revisions/{id}", { path: { id }, signal }),
    staleTime: Infinity,
  });

export const triggers = queryOptions({
  queryKey: ["triggers"],
  queryFn: ({ signal }) => get("/v1/triggers", { signal }),
  refetchInterval: LOOK_MS * 2,
});

export const deadLetters = listOptions(["dead-letters"], (cursor, signal) => get("/v1/dead-letters", { query: { cursor, limit: 200 }, signal }));

export interface EventFilter { match?: string; workload?: string; contains?: string }

/** Newest first; the next page is older. */
export const events = (filter: EventFilter) => ({
  ...listOptions(["events", filter], (cursor, signal) => get("/v1/events", { query: { ...filter, before: cursor === undefined ? undefined : Number(cursor), limit: 500 }, signal })),
  staleTime: Infinity,
});

export const event = (seq: number) =>
  queryOptions({
    queryKey: ["event", seq],
    queryFn: ({ signal }) => get("/v1/events", { query: { after: Math.max(0, seq - 1), limit: 1 }, signal }),
    staleTime: Infinity,
  });

/** The newest events of a pattern: one page, read again when anything happens. */
export const lately = (match: string) =>
  queryOptions({
    queryKey: ["lately", match],
    queryFn: ({ signal }) => get("/v1/events", { query: { match, limit: 60 }, signal }),
  });

/** The last few events of a pattern before a place in the journal; they stay what they are. */
export const before = (match: string, seq: number, workload: string, limit = 6) =>
  queryOptions({
    queryKey: ["before", match, seq, workload, limit],
    queryFn: ({ signal }) => get("/v1/events", { query: { match, workload, before: seq, limit }, signal }),
    staleTime: Infinity,
  });

interface LogFilter { service?: string; severity?: string; contains?: string; limit?: number }

export const logs = (filter: LogFilter) =>
  queryOptions({
    queryKey: ["logs", filter],
    queryFn: ({ signal }) => get("/v1/logs", { query: filter, signal }),
    placeholderData: keepPreviousData,
  });

/** The last so many seconds of an expression, for a small graph; looked at again as time goes on. */
export const recent = (query: string, seconds = 3600, points = 120) =>
  queryOptions({
    queryKey: ["recent", query, seconds, points],
    queryFn: ({ signal }) => {
      const end = Math.floor(Date.now() / 1000);
      return range(query, end - seconds, end, stepFor(seconds, points), signal);
    },
    // A short one moves visibly from second to second.
    refetchInterval: Math.min(10_000, (seconds / points) * 3_000),
    staleTime: 1_000,
    placeholderData: keepPreviousData,
  });

export const span = (query: string, start: number, end: number, points = 240) =>
  queryOptions({
    queryKey: ["span", query, start, end, points],
    queryFn: ({ signal }) => range(query, start, end, stepFor(end - start, points), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
