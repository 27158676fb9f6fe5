// What pages ask the server, each under the key that events make old (see `invalidate.ts`).

import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, path } from "./client";
import { range, stepFor } from "./prometheus";
import type {
  Alarm, ChangeDetail, ChangeSummary, DeadLetter, Documentation, Event, Host, IncidentDetail, IncidentSummary, Log,
  Page, RevisionDetail, RunDetail, RunSummary, Status, Triggers, WorkloadDetail,
} from "./types";

/** Values move between events; a visible page looks again this often. */
const LOOK_MS = 5_000;

export const status = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => api<Status>("/v1/status", { signal }),
  refetchInterval: LOOK_MS,
});

export const hosts = queryOptions({
  queryKey: ["status", "hosts"],
  queryFn: ({ signal }) => api<Page<Host>>("/v1/hosts", { signal }),
  refetchInterval: LOOK_MS,
});

export const workloads = queryOptions({
  queryKey: ["workloads"],
  queryFn: ({ signal }) => api<Page<WorkloadDetail>>("/v1/workloads", { signal }),
});

export const workload = (name: string) =>
  queryOptions({
    queryKey: ["workloads", name],
    queryFn: ({ signal }) => api<WorkloadDetail>(`/v1/workloads/${encodeURIComponent(name)}`, { signal }),
  });

export const docs = (name: string) =>
  queryOptions({
    queryKey: ["docs", name],
    queryFn: ({ signal }) => api<Documentation>(`/v1/workloads/${encodeURIComponent(name)}/docs.json`, { signal }),
    staleTime: 30_000,
  });

export interface RunFilter { status?: string; active?: boolean; procedure?: string; workload?: string; since?: string }

export const runs = (filter: RunFilter = {}) =>
  infiniteQueryOptions({
    queryKey: ["runs", filter],
    queryFn: ({ signal, pageParam }) =>
      api<Page<RunSummary>>(path("/v1/runs", { ...filter, after: pageParam, limit: 200 }), { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });

export const run = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }) => api<RunDetail>(path(`/v1/runs/${encodeURIComponent(id)}`, { record: true }), { signal }),
  });

export const incidents = infiniteQueryOptions({
  queryKey: ["incidents"],
  queryFn: ({ signal, pageParam }) =>
    api<Page<IncidentSummary>>(path("/v1/incidents", { after: pageParam, limit: 200 }), { signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next,
});

export const incident = (id: string) =>
  queryOptions({
    queryKey: ["incident", id],
    queryFn: ({ signal }) => api<IncidentDetail>(`/v1/incidents/${encodeURIComponent(id)}`, { signal }),
    refetchInterval: (query) => (query.state.data?.status === "open" ? LOOK_MS : false),
  });

export const alarms = queryOptions({
  queryKey: ["alarms"],
  queryFn: ({ signal }) => api<Page<Alarm>>("/v1/alarms", { signal }),
  refetchInterval: LOOK_MS,
});

export const changes = (workload?: string) =>
  infiniteQueryOptions({
    queryKey: ["changes", workload ?? ""],
    queryFn: ({ signal, pageParam }) =>
      api<Page<ChangeSummary>>(path("/v1/changes", { workload, after: pageParam, limit: 100 }), { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });

export const change = (id: string) =>
  queryOptions({
    queryKey: ["change", id],
    queryFn: ({ signal }) => api<ChangeDetail>(`/v1/changes/${encodeURIComponent(id)}`, { signal }),
  });

export const revision = (id: string) =>
  queryOptions({
    queryKey: ["revision", id],
    queryFn: ({ signal }) => api<RevisionDetail>(`/v1/revisions/${encodeURIComponent(id)}`, { signal }),
    staleTime: Infinity,
  });

export const triggers = queryOptions({
  queryKey: ["triggers"],
  queryFn: ({ signal }) => api<Triggers>("/v1/triggers", { signal }),
  refetchInterval: LOOK_MS * 2,
});

export const deadLetters = queryOptions({
  queryKey: ["dead-letters"],
  queryFn: ({ signal }) => api<Page<DeadLetter>>(path("/v1/dead-letters", { limit: 500 }), { signal }),
});

export interface EventFilter { match?: string; workload?: string }

/** Newest first; the next page is older. */
export const events = (filter: EventFilter) =>
  infiniteQueryOptions({
    queryKey: ["events", filter],
    queryFn: ({ signal, pageParam }) =>
      api<Page<Event>>(path("/v1/events", { ...filter, before: pageParam, limit: 500 }), { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    staleTime: Infinity,
  });

export interface LogFilter { service?: string; severity?: string; contains?: string; since?: string; until?: string; limit?: number }

export const logs = (filter: LogFilter) =>
  queryOptions({
    queryKey: ["logs", filter],
    queryFn: ({ signal }) => api<Page<Log>>(path("/v1/logs", { ...filter }), { signal }),
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
    refetchInterval: 10_000,
    staleTime: 5_000,
    placeholderData: keepPreviousData,
  });

export const span = (query: string, start: number, end: number, points = 240) =>
  queryOptions({
    queryKey: ["span", query, start, end, points],
    queryFn: ({ signal }) => range(query, start, end, stepFor(end - start, points), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

/** The newest events of a pattern: one page, read again when anything happens. */
export const lately = (match: string) =>
  infiniteQueryOptions({
    queryKey: ["lately", match],
    queryFn: ({ signal }) => api<Page<Event>>(path("/v1/events", { match, limit: 60 }), { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: () => undefined,
  });
