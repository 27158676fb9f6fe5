// Who is signed in: a session whose cookie no script sees. It may end while a page is open (its time is over, somebody
// signed out in another tab); what is asked then waits until somebody has signed in, here or in another tab.

import type { Me, Problem } from "./types";

type Listener = () => void;
type Told = "in" | "out";

/** What is wrong with a sign-in, in words. */
export type Refusal = Pick<Problem, "title" | "hint" | "retry_after_ms">;

class Session {
  /** The name of whoever is signed in, as far as it is known. */
  user: string | undefined;
  /** Whether a sign-in is being waited for; after a sign-out in another tab what was shown is hidden. */
  isNeeded = false;
  isHidden = false;
  private waiting: Listener[] = [];
  private listeners = new Set<Listener>();
  private changed = new Set<Listener>();
  private tabs: BroadcastChannel | undefined;

  /** Listens to the other tabs. */
  start(): void {
    this.tabs = new BroadcastChannel("mainstay.session");
    this.tabs.onmessage = (message: MessageEvent<Told>) => {
      if (message.data === "in" && this.isNeeded) void this.look();
      if (message.data === "out") this.end();
    };
    // A link may have been opened meanwhile where no tab of the console stood.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.isNeeded) void this.look();
    });
  }

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Told when somebody else is signed in than before: what is shown may not be theirs to see. */
  onChange(listener: Listener): () => void {
    this.changed.add(listener);
    return () => this.changed.delete(listener);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }

  private end(): void {
    this.isNeeded = true;
    this.isHidden = true;
    this.tell();
  }

  /** Waits until somebody has signed in. */
  needed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new DOMException("no longer wanted", "AbortError"));
      signal?.addEventListener("abort", stop, { once: true });
      this.waiting.push(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      if (!this.isNeeded) {
        this.isNeeded = true;
        this.tell();
      }
    });
  }

  /** That somebody is known to be signed in: what waited goes on, and the other tabs are told. */
  known(me: Me): void {
    const before = this.user;
    const wasNeeded = this.isNeeded;
    this.user = me.user;
    this.isNeeded = false;
    this.isHidden = false;
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
    if (before !== undefined && before !== me.user) for (const listener of this.changed) listener();
    if (before === undefined || wasNeeded) this.tabs?.postMessage("in" satisfies Told);
    this.tell();
  }

  /** Whether there is a session by now. */
  private async look(): Promise<void> {
    const response = await fetch("/v1/me", { cache: "no-store" }).catch(() => undefined);
    if (response?.ok) this.known((await response.json()) as Me);
  }

  /** Tries a name and a password. What is wrong, or nothing. */
  async signIn(user: string, password: string): Promise<Refusal | undefined> {
    let response: Response;
    try {
      response = await fetch("/v1/sign-in", {
        method: "POST",
        headers: { "content-type": "application/json", "x-mainstay-request": "console" },
        body: JSON.stringify({ user, password }),
      });
    } catch {
      return { title: "The server does not answer", hint: "it may be restarting; try again" };
    }
    const said = (await response.json().catch(() => ({ title: `The server answers ${response.status}` }))) as Me | Refusal;
    if (!response.ok) return said as Refusal;
    this.known(said as Me);
    return undefined;
  }

  /** Ends the session. Nothing of what was shown stays in any tab. */
  async signOut(): Promise<boolean> {
    const response = await fetch("/v1/sign-out", { method: "POST", headers: { "x-mainstay-request": "console" } }).catch(() => undefined);
    if (response === undefined || !(response.ok || response.status === 401)) return false;
    this.tabs?.postMessage("out" satisfies Told);
    window.location.assign("/");
    return true;
  }
}

export const session = new Session();
