// The stream of journal events: one for the whole page, resumed by the place of the last event. It says how it stands,
// and hands each batch of events to whoever listens.
//
// It is read with `fetch` and not with `EventSource`, because that does not tell an ended session from a cut line.

import { call } from "./client";
import type { Event } from "./types";

export type Phase = "connecting" | "catching up" | "live" | "paused" | "cut";

export interface Connection {
  phase: Phase;
  /** Since when it has been so, in milliseconds. */
  since: number;
  /** When it is tried again. */
  retryAt?: number;
  /** Events still to be read, while catching up. */
  behind?: number;
}

type Listener = () => void;
type Reader = (events: Event[]) => void;

/** Nothing for so long, though the server says something every 15 s: the line is cut. */
const SILENCE_MS = 40_000;
/** A hidden page lets go of its connection after this; browsers allow few to one server. */
const HIDDEN_MS = 60_000;

/** Takes apart server-sent events; what is not complete yet is kept for the next piece. */
export class SseParser {
  private rest = "";
  push(piece: string): { id?: string; data: string }[] {
    const blocks = (this.rest + piece).replace(/\r\n?/g, "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    const found: { id?: string; data: string }[] = [];
    for (const block of blocks) {
      let id: string | undefined;
      const data: string[] = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("id:")) id = line.slice(3).trim();
        else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      }
      if (data.length > 0) found.push(id === undefined ? { data: data.join("\n") } : { id, data: data.join("\n") });
    }
    return found;
  }
}

/** How long to wait before the next try, in milliseconds: longer each time, never the same for all. */
export function backoff(tries: number, random: number): number {
  return Math.min(10_000, 500 * 2 ** Math.min(tries, 10)) * (0.5 + random / 2);
}

class Live {
  connection: Connection = { phase: "connecting", since: Date.now() };
  lastSeq: number | undefined;
  private listeners = new Set<Listener>();
  private readers = new Set<Reader>();
  private reconnected = new Set<Listener>();
  private abort: AbortController | undefined;
  private wake: (() => void) | undefined;
  private started = false;

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  read(reader: Reader): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  /** Told when the stream stands again after it was cut: what no event tells has to be read again. */
  onReconnect(listener: Listener): () => void {
    this.reconnected.add(listener);
    return () => this.reconnected.delete(listener);
  }

  private set(phase: Phase, more: Partial<Connection> = {}): void {
    const since = phase === this.connection.phase ? this.connection.since : Date.now();
    this.connection = { phase, since, ...more };
    for (const listener of this.listeners) listener();
  }

  /** Tries again now. */
  now(): void {
    this.wake?.();
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    let hidden: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (document.hidden) {
        hidden = setTimeout(() => {
          this.set("paused");
          this.abort?.abort();
        }, HIDDEN_MS);
      } else {
        this.now();
      }
    });
    window.addEventListener("online", () => this.now());
    void this.run();
  }

  private async run(): Promise<never> {
    let tries = 0;
    let first = true;
    for (;;) {
      try {
        await this.once(!first, () => {
          tries = 0;
          first = false;
        });
      } catch {
        // Said by the phase.
      }
      const wait = backoff(tries, Math.random());
      tries += 1;
      if (this.connection.phase === "paused") {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.set("connecting");
      } else {
        this.set("cut", { retryAt: Date.now() + wait });
        await new Promise<void>((resolve) => {
          this.wake = resolve;
          setTimeout(resolve, wait);
        });
      }
      this.wake = undefined;
    }
  }

  private async once(again: boolean, opened: () => void): Promise<void> {
    this.abort = new AbortController();
    const { signal } = this.abort;
    const head = await call("/v1/status", { signal });
    if (!head.ok) throw new Error("no status");
    const seq = ((await head.json()) as { journal_seq: number }).journal_seq;
    // A server with another journal, or one that was restored: its places are not ours.
    if (this.lastSeq === undefined || this.lastSeq > seq) this.lastSeq = seq;
    const response = await call(`/v1/events/stream?after=${this.lastSeq}`, { signal });
    if (!response.ok || response.body === null) throw new Error("no stream");
    opened();
    const settle = (): void => {
      const behind = seq - (this.lastSeq ?? 0);
      if (behind > 0) this.set("catching up", { behind });
      else this.set("live");
    };
    settle();
    if (again) for (const listener of this.reconnected) listener();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const timer = setTimeout(() => this.abort?.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      const events: Event[] = [];
      for (const { id, data } of parser.push(value)) {
        events.push(JSON.parse(data) as Event);
        if (id !== undefined) this.lastSeq = Number(id);
      }
      if (events.length === 0) continue;
      for (const read of this.readers) read(events);
      if (this.connection.phase === "catching up") settle();
    }
  }
}

export const live = new Live();
