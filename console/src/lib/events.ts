// Events as people read them.

import type { Event } from "../api/types";
import { tone, type Tone } from "./state";

/** What happened, as a sentence of the server; or its kind and subject. */
export function sentence(event: Event): string {
  if (event.text) return event.text;
  return event.subject ? `${event.type} about ${event.subject}` : event.type;
}

type Data = Record<string, unknown>;
const record = (value: unknown): Data => (typeof value === "object" && value !== null ? (value as Data) : {});

/** The word of how what it is about ended: lines of a timeline have it, events hold it in their data. */
function outcome({ type, data, outcome }: { type: string; data?: unknown; outcome?: string }): string {
  if (outcome !== undefined) return outcome;
  const held = record(data);
  const word = { "run.finished": held["status"], "run.step.finished": held["status"], "run.attempt.settled": record(held["outcome"])["result"], "change.finished": held["end"], "change.action.finished": held["outcome"] }[type];
  return typeof word === "string" ? word.replace("kept_part", "kept in part").replaceAll("_", " ") : "";
}

/** How an event looks. Kinds that are not known are neither good nor bad. */
export function eventTone(event: { type: string; data?: unknown; outcome?: string }): Tone {
  switch (event.type) {
    case "alarm.firing": case "incident.opened": case "measure.off_target": case "service.failed":
    case "service.unhealthy": case "host.lost": case "trigger.dead": case "trigger.failed": case "fault.injected":
      return "bad";
    case "alarm.resolved": case "alarm.inactive": case "incident.resolved": case "measure.on_target": case "service.ready":
    case "host.connected": case "revision.applied":
      return "good";
    case "alarm.no_data": case "alarm.error": case "measure.no_data": case "measure.error": case "change.action.lost":
      return "unknown";
    case "alarm.pending": case "service.restarting": case "change.rolling_back": case "trigger.missed": case "service.exited":
    case "run.cancelling":
      return "warn";
    case "run.waiting": case "change.held":
      return "waiting";
    case "run.finished": case "run.step.finished": case "run.attempt.settled": case "change.finished": case "change.action.finished":
      return tone(outcome(event));
    case "run.started": case "change.started": case "service.starting":
      return "active";
    default:
      return "idle";
  }
}

/** Where what an event is about is shown: `run/ID`, `alarm/NAME`, `change/ID`, `incident/ID`, `host/ID`, `trigger/NAME`. */
export function subjectLink(subject: string | undefined, workload: string): string | undefined {
  const [kind, ...rest] = subject?.split("/") ?? [];
  const name = encodeURIComponent(rest.join("/"));
  const of = encodeURIComponent(workload);
  if (name === "") return undefined;
  switch (kind) {
    case "run":
      return `/runs/${name}`;
    case "incident":
      return `/incidents/${name}`;
    case "alarm":
      return `/alarms?alarm=${of}%2F${name}`;
    case "trigger":
      return `/triggers?trigger=${of}%2F${name}`;
    case "change":
      return `/workloads/${of}?tab=history&change=${name}`;
    case "host":
      return `/fleet?host=${name}`;
    default:
      return undefined;
  }
}

/** Where an event leads to. */
export function eventLink(event: Event): string | undefined {
  const data = record(event.data);
  const [family] = event.type.split(".");
  const id = (key: string): string | undefined => {
    const value = data[key];
    return typeof value === "string" && value !== "" ? encodeURIComponent(value) : undefined;
  };
  if (family === "run" && id("run")) return `/runs/${id("run")}`;
  if (family === "incident" && id("incident")) return `/incidents/${id("incident")}`;
  if (family === "alarm" && event.workload && id("alarm")) return `/alarms?alarm=${encodeURIComponent(event.workload)}%2F${id("alarm")}`;
  if ((family === "change" || family === "revision" || family === "measure" || family === "service") && event.workload) {
    const more = family === "change" && id("change") ? `?tab=history&change=${id("change")}` : family === "service" && id("service") ? `?component=${id("service")}` : family === "revision" ? `?tab=history${id("revision") ? `&revision=${id("revision")}` : ""}` : "";
    return `/workloads/${encodeURIComponent(event.workload)}${more}`;
  }
  if (family === "host" && id("host")) return `/fleet?host=${id("host")}`;
  return undefined;
}
