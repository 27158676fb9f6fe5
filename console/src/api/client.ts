// Calls of the API. An answer that is no success becomes an `ApiError` with what the server says of it; a session that
// has ended waits for a sign-in in the dialog above the page and then goes on, so that nothing that was typed is lost.

import { session } from "./session";
import type { Problem } from "./types";

export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.title);
    this.name = "ApiError";
    this.problem = problem;
  }
}

/** Nobody answered: the server is down, or the way to it is cut. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ApiError && error.problem.kind === "unreachable";
}

export type Query = Record<string, string | number | boolean | undefined>;

export function path(base: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "" && value !== false) pairs.set(name, String(value));
  }
  const text = pairs.toString();
  return text === "" ? base : `${base}?${text}`;
}

export interface Ask { method?: string; body?: unknown; signal?: AbortSignal }

/** The raw answer, signed in. Throws only where nobody answers. */
export async function call(where: string, ask: Ask = {}): Promise<Response> {
  for (;;) {
    const headers = new Headers({ accept: "application/json", ...session.headers(ask.method ?? "GET") });
    if (ask.body !== undefined) headers.set("content-type", "application/json");
    const init: RequestInit = { method: ask.method ?? "GET", headers, cache: "no-store" };
    if (ask.body !== undefined) init.body = JSON.stringify(ask.body);
    if (ask.signal) init.signal = ask.signal;
    let response: Response;
    try {
      response = await fetch(where, init);
    } catch (error) {
      if (ask.signal?.aborted) throw error;
      throw new ApiError({
        kind: "unreachable",
        status: 0,
        title: "The server does not answer",
        causes: [error instanceof Error ? error.message : String(error)],
        hint: "it may be restarting; the page tries again by itself",
      });
    }
    // Nothing has been done by a call that was not let in, so it may be made again.
    if (response.status !== 401) return response;
    await session.needed(ask.signal);
  }
}

export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null) {
      if ("title" in body) return { ...(body as Problem), status: response.status };
      // As Prometheus words it.
      if ("error" in body) {
        const { error, errorType } = body as { error: string; errorType?: string };
        return { kind: errorType ?? "error", status: response.status, title: error };
      }
    }
  } catch {
    // Not JSON; said below.
  }
  return {
    kind: "unexpected",
    status: response.status,
    title: `The server answers ${response.status} ${response.statusText}`.trim(),
    causes: text === "" ? [] : [text.slice(0, 300)],
  };
}

export async function api<T>(where: string, ask: Ask = {}): Promise<T> {
  const response = await call(where, ask);
  if (!response.ok) throw new ApiError(await problemOf(response));
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export function post<T>(where: string, body: unknown = {}): Promise<T> {
  return api<T>(where, { method: "POST", body });
}

/** A token that makes a request safe to repeat. */
export function clientToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
