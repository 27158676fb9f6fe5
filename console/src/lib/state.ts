// What a word for a state means: how it looks, and how urgent it is. Unknown is a look of its own, never shown as good
// or as bad. A word that is not known here is unknown.

export type Tone = "good" | "bad" | "warn" | "active" | "waiting" | "idle" | "unknown";

const TONES: Record<string, Tone> = {
  // measures, alarms
  "on target": "good", "off target": "bad", inactive: "good", pending: "warn", firing: "bad", resolved: "good",
  "no data": "unknown", error: "unknown", "not evaluated": "unknown",
  // services, hosts
  ready: "good", waiting: "waiting", starting: "active", unhealthy: "bad", restarting: "warn", stopping: "active", stopped: "idle",
  ended: "idle", failed: "bad",
  unknown: "unknown", connected: "good", gone: "bad",
  // runs, steps, attempts
  Pending: "idle", InProgress: "active", Waiting: "waiting", Success: "good", Failed: "bad", TimedOut: "bad",
  Exited: "good", Skipped: "idle", Cancelling: "warn", Cancelled: "idle", OutcomeUnknown: "unknown", succeeded: "good", "timed out": "bad",
  cancelled: "idle", "not reached": "idle",
  // incidents
  open: "bad", acknowledged: "warn",
  // changes and their steps
  held: "waiting", running: "active", "rolling back": "warn", applied: "good", "rolled back": "warn",
  "kept in part": "warn", "rollback failed": "bad", refused: "idle", started: "active", skipped: "idle",
  // triggers
  on: "good", off: "idle", disabled: "warn", silenced: "idle", behind: "warn",
  // the line to the server, and what pages say of themselves
  live: "good", "catching up": "active", connecting: "active", cut: "bad", paused: "idle", "signed out": "waiting",
  "given up": "warn", drift: "warn", trouble: "bad", linked: "good", broken: "bad", nobody: "warn", never: "unknown",
};

const WORDS: Record<string, string> = {
  InProgress: "running", Success: "succeeded", Failed: "failed", TimedOut: "timed out", Cancelling: "cancelling",
  Cancelled: "cancelled", Exited: "exited", Skipped: "skipped", Waiting: "waiting", Pending: "not started", OutcomeUnknown: "outcome unknown",
};

/** Whether it is a word that has a look; the words of the API all have one. */
export const hasLook = (state: string): boolean => Object.hasOwn(TONES, state);

export function tone(state: string): Tone {
  return hasLook(state) ? (TONES[state] ?? "unknown") : "unknown";
}

export function word(state: string): string {
  return WORDS[state] ?? state;
}

const URGENCY: Record<Tone, number> = { bad: 0, unknown: 1, warn: 2, waiting: 3, active: 4, idle: 5, good: 6 };

/** For sorting: what needs a look comes first. */
export function urgency(state: string): number {
  return URGENCY[tone(state)];
}

export function worst(states: string[]): string | undefined {
  return [...states].sort((a, b) => urgency(a) - urgency(b))[0];
}
