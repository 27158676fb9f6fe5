// Who is signed in. Until the server has sign-in of persons, the secret of its data directory is asked for; it is kept
// for this tab only.

const KEY = "mainstay.token";

type Listener = () => void;

class Session {
  private token: string | undefined;
  private waiting: (() => void)[] = [];
  private listeners = new Set<Listener>();
  /** Whether a sign-in is being waited for. */
  isNeeded = false;

  constructor() {
    try {
      this.token = sessionStorage.getItem(KEY) ?? undefined;
    } catch {
      this.token = undefined;
    }
  }

  headers(_method: string): Record<string, string> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
  }

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private tell(): void {
    for (const listener of this.listeners) listener();
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

  /** Tries a token. What is wrong with it, or nothing. */
  async signIn(token: string): Promise<string | undefined> {
    let response: Response;
    try {
      response = await fetch("/v1/status", { headers: { authorization: `Bearer ${token}` } });
    } catch {
      return "The server does not answer";
    }
    if (!response.ok) return response.status === 401 ? "That is not the token of this server" : `The server answers ${response.status}`;
    this.token = token;
    try {
      sessionStorage.setItem(KEY, token);
    } catch {
      // Kept for this page only.
    }
    this.isNeeded = false;
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
    this.tell();
    return undefined;
  }
}

export const session = new Session();
