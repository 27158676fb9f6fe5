// What a word for a state means: how it looks, and how urgent it is. Unknown is a look of its own, never shown as good
// or as bad. A word that is not known here is unknown.

export type Tone = "good" | "bad" | "warn" | "active" | "waiting" | "idle" | "unknown";

const TONES: Record<string, Tone> = {
  // measures, alarms
  "on target": "good", "off target": "bad", inactive: "good", pending: "warn", firing: "bad", resolved: "good",
  "no data": "unknown", error: "unknown", "not evaluated": "unknown",
  // services, hosts
  ready: "good", starting: "active", unhealthy: "bad", restarting: "warn", stopped: "idle", failed: "bad",
  unknown: "unknown", connected: "good", gone: "bad",
  // runs, steps, attempts
  Pending: "idle", InProgress: "active", Waiting: "waiting", Success: "good", Failed: "bad", TimedOut: "bad",
  Cancelling: "warn", Cancelled: "idle", OutcomeUnknown: "unknown", succeeded: "good", "timed out": "bad",
  cancelled: "idle", "not reached": "idle",
  // incidents
  open: "bad", acknowledged: "warn",
  // changes and their steps
  held: "waiting", running: "active", "rolling back": "warn", applied: "good", "rolled back": "warn",
  "kept part": "warn", refused: "idle", started: "active", skipped: "idle",
  // triggers
  on: "good", off: "idle", disabled: "warn", silenced: "idle", delivered: "good",
};

const WORDS: Record<string, string> = {
  InProgress: "running", Success: "succeeded", Failed: "failed", TimedOut: "timed out", Cancelling: "cancelling",
  Cancelled: "cancelled", Waiting: "waiting", Pending: "not started", OutcomeUnknown: "outcome unknown",
};

export function tone(state: string): Tone {
  return TONES[state] ?? "unknown";
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
