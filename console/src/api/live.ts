// The stream of journal events, resumed by the place of the last event. It says how it stands, and hands each batch of events to
// whoever listens.
//
// A browser allows few connections to one server, so the tabs of a browser share one stream: the tab that has the lock reads it
// and tells the others. It gives the lock up when it is closed, when it is hidden and another one is looked at, or when it is
// stuck; the next one goes on from the last event that it heard of, so none is lost.

import { visible } from "../lib/plain";
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
  /** The journal ended before what was seen of it, so it is followed from its end: at which place, and where it ended. */
  restored?: { seen: number; head: number };
}

type Listener = () => void;
type Reader = (events: Event[]) => void;

/** What tabs tell each other. */
type Told =
  | { kind: "looked at" }
  | { kind: "try now" }
  | { kind: "again" }
  | { kind: "restored is known" }
  | { kind: "state"; connection: Connection; seq: number | undefined }
  | { kind: "events"; events: Event[]; seq: number | undefined };

/** A hidden page lets go of its connection after this, if no other one wants it before. */
const HIDDEN_MS = 60_000;
/** The tab that reads says so this often, and is taken for stuck after that long without a word. */
const [BEAT_MS, STUCK_MS] = [15_000, 50_000];
const NAME = "mainstay.live";

class Live {
  connection: Connection = { phase: "connecting", since: Date.now() };
  lastSeq: number | undefined;
  private listeners = new Set<Listener>();
  private readers = new Set<Reader>();
  private reconnected = new Set<Listener>();
  private tabs: BroadcastChannel | undefined;
  private abort: AbortController | undefined;
  private wake: (() => void) | undefined;
  private started = false;
  /** Ends the reading of this tab, while it is the one that reads. */
  private reading: AbortController | undefined;
  /** Stands in line for the lock. */
  private waiting: AbortController | undefined;
  private heardAt = Date.now();
  private restored: Connection["restored"];

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

  private tell(told: Told): void {
    this.tabs?.postMessage(told);
  }

  private set(phase: Phase, more: Partial<Connection> = {}): void {
    const since = phase === this.connection.phase ? this.connection.since : Date.now();
    this.show({ phase, since, ...more, ...(this.restored && { restored: this.restored }) });
    if (this.reading) this.tell({ kind: "state", connection: this.connection, seq: this.lastSeq });
  }

  private show(connection: Connection): void {
    this.connection = connection;
    for (const listener of this.listeners) listener();
  }

  /** Somebody has read that the journal was restored. */
  restoredIsKnown(): void {
    this.forgetRestored();
    this.tell({ kind: "restored is known" });
  }

  private forgetRestored(): void {
    this.restored = undefined;
    const { restored: _, ...rest } = this.connection;
    this.show(rest);
  }

  /** Tries again now. */
  now(): void {
    if (this.reading) this.wake?.();
    else this.tell({ kind: "try now" });
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    this.tabs = new BroadcastChannel(NAME);
    this.tabs.onmessage = ({ data }: MessageEvent<Told>) => this.told(data);
    let hidden: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (!document.hidden) return this.looked();
      // Nobody else may want to read: a page that is looked at again soon has missed nothing.
      hidden = setTimeout(() => {
        if (!this.reading) return;
        this.set("paused");
        this.stop();
      }, HIDDEN_MS);
    });
    window.addEventListener("online", () => this.now());
    setInterval(() => this.beat(), BEAT_MS);
    this.looked();
  }

  /** This tab is looked at: it reads, or hears from the one that does. */
  private looked(): void {
    this.tell({ kind: "looked at" });
    if (this.reading) this.now();
    else if (!document.hidden) this.stand(false);
  }

  /** Stands in line for the reading. Where a browser has no locks (without TLS, on another machine), each tab reads by itself. */
  private stand(isStuck: boolean): void {
    if (!("locks" in navigator)) return void this.run();
    if (this.waiting && !isStuck) return;
    this.waiting?.abort();
    const waiting = new AbortController();
    this.waiting = waiting;
    const turn = (): Promise<void> | undefined => {
      if (this.waiting === waiting) this.waiting = undefined;
      return document.hidden ? undefined : this.run();
    };
    // A lock that was taken away ends the reading, too.
    const lost = (): void => {
      if (this.waiting === waiting) this.waiting = undefined;
      else if (!waiting.signal.aborted) this.stop();
    };
    navigator.locks.request(NAME, isStuck ? { steal: true } : { signal: waiting.signal }, turn).catch(lost);
  }

  private stop(): void {
    this.reading?.abort();
    this.abort?.abort();
    this.wake?.();
  }

  private beat(): void {
    if (this.reading) this.tell({ kind: "state", connection: this.connection, seq: this.lastSeq });
    else if (!document.hidden && Date.now() - this.heardAt > STUCK_MS) {
      this.heardAt = Date.now();
      this.stand(true);
    }
  }

  /** What the other tabs say. */
  private told(told: Told): void {
    if (told.kind === "restored is known") return this.forgetRestored();
    if (this.reading) {
      if (told.kind === "looked at" && document.hidden) this.stop();
      else if (told.kind === "looked at") this.beat();
      else if (told.kind === "try now") this.wake?.();
      return;
    }
    if (told.kind === "looked at" || told.kind === "try now") return;
    this.heardAt = Date.now();
    if (told.kind === "again") {
      for (const listener of this.reconnected) listener();
    } else if (told.kind === "events") {
      this.lastSeq = told.seq;
      for (const read of this.readers) read(told.events);
    } else {
      // Whoever slept has missed some.
      const hasMissed = this.lastSeq !== undefined && told.seq !== undefined && told.seq !== this.lastSeq;
      this.lastSeq = told.seq ?? this.lastSeq;
      this.restored = told.connection.restored;
      this.show(told.connection);
      if (hasMissed) for (const listener of this.reconnected) listener();
    }
  }

  /** Reads for all tabs, until it is stopped. */
  private async run(): Promise<void> {
    if (this.reading) return;
    const reading = new AbortController();
    this.reading = reading;
    if (this.connection.phase === "paused") this.set("connecting");
    let tries = 0;
    // Where another tab has read until a moment ago, its last event is ours.
    let again = this.lastSeq !== undefined && Date.now() - this.heardAt > 5000;
    while (!reading.signal.aborted) {
      try {
        await this.once(again, () => {
          tries = 0;
          again = true;
        });
      } catch {
        // Said by the phase.
      }
      if (reading.signal.aborted) break;
      const wait = backoff(tries, Math.random());
      tries += 1;
      this.set("cut", { retryAt: Date.now() + wait });
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, wait);
      });
      this.wake = undefined;
    }
    this.reading = undefined;
    this.heardAt = Date.now();
    if (!document.hidden) this.looked();
  }

  private async once(again: boolean, opened: () => void): Promise<void> {
    this.abort = new AbortController();
    const { signal } = this.abort;
    const { journal_seq: seq } = await get("/v1/status", { signal });
    // A server with another journal, or one that was restored: its places are not ours.
    if (this.lastSeq === undefined) this.lastSeq = seq;
    else if (this.lastSeq > seq) {
      this.restored = { seen: this.lastSeq, head: seq };
      this.lastSeq = seq;
      // What is shown is of the journal before.
      again = true;
    }
    const settle = (): void => {
      const behind = seq - (this.lastSeq ?? 0);
      if (behind > 0) this.set("catching up", { behind });
      else this.set("live");
    };
    const heard = (messages: Message[]): void => {
      const events = messages.map(({ data }) => JSON.parse(visible(data)) as Event);
      const id = messages.findLast((message) => message.id !== undefined)?.id;
      if (id !== undefined) this.lastSeq = Number(id);
      this.tell({ kind: "events", events, seq: this.lastSeq });
      for (const read of this.readers) read(events);
      if (this.connection.phase === "catching up") settle();
    };
    await follow(address("/v1/events/stream", {}, { after: this.lastSeq }), signal, heard, () => {
      opened();
      settle();
      if (!again) return;
      this.tell({ kind: "again" });
      for (const listener of this.reconnected) listener();
    });
  }
}

export const live = new Live();
