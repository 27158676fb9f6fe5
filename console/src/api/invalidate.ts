// Which queries an event makes old. Pure, so that it can be tested; `main.tsx` feeds it from the stream.

import type { Event } from "./types";

/** Keys of queries, as prefixes. */
export function touched(event: Event): (readonly string[])[] {
  const [family] = event.type.split(".");
  const data = typeof event.data === "object" && event.data !== null ? (event.data as Record<string, unknown>) : {};
  const named = (key: string): string => {
    const value = data[key];
    if (typeof value === "string") return value;
    return event.subject?.split("/").at(-1) ?? "";
  };
  switch (family) {
    case "run":
      return [["runs"], ["run", named("run")], ["incident"]];
    case "incident":
      return [["incidents"], ["incident", named("incident")], ["docs"]];
    case "silence":
      return [["silences"], ["alarms"]];
    case "access":
      return event.type.startsWith("access.session.") ? [] : [["me"]];
    case "alarm":
      return [["alarms"], ["incidents"], ["incident"]];
    case "measure":
      return [["status"], ["incidents"], ["incident"]];
    case "service":
      return [["status"], ["hosts"], ["host", named("host")], ["incidents"], ["incident"]];
    case "host":
      return [["status"], ["hosts"], ["host", named("host")], ["alarms"]];
    case "change":
    case "revision":
      return [["status"], ["changes"], ["change", named("change")], ["workloads"], ["docs"], ["alarms"], ["triggers"]];
    case "trigger":
      return [["triggers"], ["dead-letters"]];
    default:
      return [];
  }
}

/** Keys of a batch, each once, and none that another one begins. */
export function touchedBy(events: Event[]): (readonly string[])[] {
  const found = new Map<string, readonly string[]>(events.length > 0 ? [["lately", ["lately"]]] : []);
  for (const event of events) for (const key of touched(event)) found.set(key.join("\n"), key);
  const keys = [...found.values()];
  return keys.filter((key) => !keys.some((other) => other.length < key.length && other.every((part, at) => part === key[at])));
}
