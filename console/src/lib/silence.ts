// Which alarms a silence is for, by the rules of the server: all conditions have to hold, a label that is not there is
// empty, and a regular expression has to fit the whole value.

import type { Alarm, Matcher } from "../api/types";

type About = Pick<Alarm, "alarm" | "workload" | "labels">;

/** The labels that conditions are held against. */
function labelsOf(alarm: About): Record<string, string> {
  return { ...alarm.labels, alertname: alarm.alarm, workload: alarm.workload };
}

/** The regular expression, or why it is none. The server's dialect knows a little more than that of browsers. */
function whole(value: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${value})$`, "u");
  } catch {
    return undefined;
  }
}

/** Nothing where it is not known here. */
export function isFor(matchers: Matcher[], workload: string | undefined, alarm: About): boolean | undefined {
  if (workload !== undefined && workload !== alarm.workload) return false;
  const labels = labelsOf(alarm);
  let known = true;
  for (const { name, value, is_regex, is_equal } of matchers) {
    const is = labels[name] ?? "";
    const pattern = is_regex ? whole(value) : undefined;
    if (is_regex && pattern === undefined) known = false;
    else if ((pattern ? pattern.test(is) : is === value) !== is_equal) return false;
  }
  return known ? true : undefined;
}

/** `alertname="Down"`, as Alertmanager writes it. */
export function matcherText({ name, value, is_regex, is_equal }: Matcher): string {
  return `${name}${is_equal ? (is_regex ? "=~" : "=") : is_regex ? "!~" : "!="}${JSON.stringify(value)}`;
}
