// The stream of journal events: one for the whole page, resumed by the place of the last event. It says how it stands,
// and hands each batch of events to whoever listens.

import { address, get } from "./client";
import { backoff, follow, type Message } from "./sse";
import type { Event } from "./types";

type Phase = "connecting" | "catching up" | "live" | "paused" | "cut";

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

/** A hidden page lets go of its connection after this; browsers allow few to one server. */
const HIDDEN_MS = 60_000;

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
    const { journal_seq: seq } = await get("/v1/status", { signal });
    // A server with another journal, or one that was restored: its places are not ours.
    if (this.lastSeq === undefined || this.lastSeq > seq) this.lastSeq = seq;
    const settle = (): void => {
      const behind = seq - (this.lastSeq ?? 0);
      if (behind > 0) this.set("catching up", { behind });
      else this.set("live");
    };
    const heard = (messages: Message[]): void => {
      const events = messages.map(({ data }) => JSON.parse(data) as Event);
      const id = messages.findLast((message) => message.id !== undefined)?.id;
      if (id !== undefined) this.lastSeq = Number(id);
      for (const read of this.readers) read(events);
      if (this.connection.phase === "catching up") settle();
    };
    await follow(address("/v1/events/stream", {}, { after: this.lastSeq }), signal, heard, () => {
      opened();
      settle();
      if (again) for (const listener of this.reconnected) listener();
    });
  }
}

export const live = new Live();
