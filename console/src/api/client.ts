// Calls of the API, as `wire.ts` says which there are. An answer that is no success becomes an `ApiError` with what the
// server says of it; a session that has ended waits for a sign-in in the dialog above the page and then goes on, so that
// nothing that was typed is lost.

import { visible } from "../lib/plain";
import { session } from "./session";
import type { Problem } from "./types";
import type { paths } from "./wire";

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

type Verb = "get" | "post" | "delete";
type Having<V extends Verb> = { [P in keyof paths]: paths[P] extends Record<V, unknown> ? P : never }[keyof paths];
type Operation<P extends keyof paths, V extends Verb> = paths[P] extends Record<V, infer O> ? O : never;
type Part<O, N extends "path" | "query"> = O extends { parameters: { [K in N]: infer Q } } ? Q : never;
type Optional<O> = O extends { parameters: { query?: infer Q } } ? Q : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : never;
type Said<R> = R extends { content: { "application/json": infer A } } ? A : never;
type Answer<O> = O extends { responses: infer R } ? (R extends { 200: infer A } ? Said<A> : R extends { 201: infer A } ? Said<A> : undefined) : never;

/** What a call takes: the parts of its path, its query, its body. */
type Ask<O> = { signal?: AbortSignal; /** Makes it safe to send again. */ key?: string }
  & ([Part<O, "path">] extends [never] ? { path?: undefined } : { path: Part<O, "path"> })
  & ([Optional<O>] extends [never] ? { query?: undefined } : { query?: Optional<O> })
  & ([Body<O>] extends [never] ? { body?: undefined } : { body: Body<O> });
type Given<O> = Record<never, never> extends Ask<O> ? [ask?: Ask<O>] : [ask: Ask<O>];

type Values = Record<string, string | number | boolean | undefined>;

/** The address of a call, with the parts of its path and its query filled in. */
export function address(template: string, parts: Values = {}, query: Values = {}): string {
  const where = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts[name] ?? "")));
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "" && value !== false) pairs.set(name, String(value));
  }
  const text = pairs.toString();
  return text === "" ? where : `${where}?${text}`;
}

export interface Raw { method?: string; body?: unknown; signal?: AbortSignal | undefined; key?: string | undefined }

/** The raw answer, signed in. Throws only where nobody answers, or somebody else signs in meanwhile. */
export async function call(where: string, ask: Raw = {}): Promise<Response> {
  const method = ask.method ?? "GET";
  for (;;) {
    const headers = new Headers({ accept: "application/json" });
    // What only a page of this server can send: the session's cookie alone changes nothing.
    if (method !== "GET") headers.set("x-mainstay-request", "console");
    if (ask.key !== undefined) headers.set("idempotency-key", ask.key);
    if (ask.body !== undefined) headers.set("content-type", "application/json");
    const init: RequestInit = { method, headers, cache: "no-store", credentials: "same-origin" };
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
    if (response.status !== 401) return response;
    // Nothing has been done by a call that was not let in, so it may be made again: by the same person.
    const before = session.user;
    await session.needed(ask.signal);
    if (method !== "GET" && before !== undefined && session.user !== before) {
      throw new ApiError({
        kind: "forbidden",
        status: 403,
        title: `It was not sent: ${before} asked for it, and now ${session.user ?? "somebody else"} is signed in`,
        hint: "send it again if you mean it",
      });
    }
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

/** The answer of a call whose shape the document of the API does not say: Prometheus' own, and generated documentation. */
export async function read<T>(where: string, ask: Raw = {}): Promise<T> {
  const response = await call(where, ask);
  if (!response.ok) throw new ApiError(await problemOf(response));
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  // Files of a revision and plans are sent back as they are.
  const isKept = (ask.method ?? "GET") !== "GET" || where.startsWith("/v1/revisions/");
  return JSON.parse(isKept ? text : visible(text)) as T;
}

interface Loose { path?: unknown; query?: unknown; body?: unknown; signal?: AbortSignal; key?: string }

function send<T>(method: string, template: string, ask: Loose = {}): Promise<T> {
  const body = ask.body ?? (method === "POST" ? {} : undefined);
  return read<T>(address(template, ask.path as Values, ask.query as Values), { method, body, signal: ask.signal, key: ask.key });
}

export const get = <P extends Having<"get">>(where: P, ...[ask]: Given<Operation<P, "get">>): Promise<Answer<Operation<P, "get">>> => send("GET", where, ask as Loose);
export const post = <P extends Having<"post">>(where: P, ...[ask]: Given<Operation<P, "post">>): Promise<Answer<Operation<P, "post">>> => send("POST", where, ask as Loose);
export const remove = <P extends Having<"delete">>(where: P, ...[ask]: Given<Operation<P, "delete">>): Promise<Answer<Operation<P, "delete">>> => send("DELETE", where, ask as Loose);

/** A key that makes a request safe to repeat. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
