// Events as people read them.

import type { Event } from "../api/types";
import type { Tone } from "./state";

/** What happened, as a sentence of the server; or its kind and subject. */
export function sentence(event: Event): string {
  if (event.text) return event.text;
  return event.subject ? `${event.type} about ${event.subject}` : event.type;
}

/** How an event looks. Kinds that are not known are neither good nor bad. */
export function eventTone(event: { type: string; data?: unknown }): Tone {
  const data = (typeof event.data === "object" && event.data !== null ? event.data : {}) as Record<string, unknown>;
  switch (event.type) {
    case "alarm.firing": case "incident.opened": case "measure.off_target": case "service.failed":
    case "service.unhealthy": case "host.lost": case "trigger.dead": case "trigger.failed":
      return "bad";
    case "alarm.resolved": case "alarm.inactive": case "incident.resolved": case "measure.on_target": case "service.ready":
    case "host.connected": case "revision.applied":
      return "good";
    case "alarm.no_data": case "alarm.error": case "measure.no_data": case "measure.error": case "change.action.lost":
      return "unknown";
    case "alarm.pending": case "service.restarting": case "change.rolling_back": case "trigger.missed": case "service.exited":
      return "warn";
    case "run.waiting": case "change.held":
      return "waiting";
    case "run.finished": {
      const status = data["status"];
      return status === "Success" ? "good" : status === "Cancelled" ? "idle" : "bad";
    }
    case "change.finished":
      return data["outcome"] === "applied" || data["state"] === "applied" ? "good" : data["outcome"] === undefined && data["state"] === undefined ? "idle" : "warn";
    case "run.started": case "change.started": case "service.starting":
      return "active";
    default:
      return "idle";
  }
}

/** A timeline tells in sentences only; what they say is how they look. */
export function sentenceTone(text: string): Tone {
  if (/ fires\b| off target| failed| unhealthy| is lost| gave up|Incident .* opened|could not/i.test(text)) return "bad";
  if (/ no data| cannot be (measured|evaluated)| unknown\b/i.test(text)) return "unknown";
  if (/ is pending|restarting|rolled back| exited| ended with/i.test(text)) return "warn";
  if (/ waits? /i.test(text)) return "waiting";
  if (/ began| is starting| starts | started/i.test(text)) return "active";
  if (/ is ready| on target| resolved| applied| succeeded| inactive again| is over/i.test(text)) return "good";
  return "idle";
}

/** Where an event leads to. */
export function eventLink(event: Event): string | undefined {
  const data = (typeof event.data === "object" && event.data !== null ? event.data : {}) as Record<string, unknown>;
  const [family] = event.type.split(".");
  const id = (key: string): string | undefined => {
    const value = data[key];
    return typeof value === "string" && value !== "" ? encodeURIComponent(value) : undefined;
  };
  if (family === "run" && id("run")) return `/runs/${id("run")}`;
  if (family === "incident" && id("incident")) return `/incidents/${id("incident")}`;
  if (family === "alarm" && event.workload && id("alarm")) return `/alarms?alarm=${encodeURIComponent(event.workload)}%2F${id("alarm")}`;
  if ((family === "change" || family === "revision" || family === "measure" || family === "service") && event.workload) {
    const more = family === "change" && id("change") ? `?tab=history&change=${id("change")}` : family === "service" && id("service") ? `?component=${id("service")}` : family === "revision" ? "?tab=history" : "";
    return `/workloads/${encodeURIComponent(event.workload)}${more}`;
  }
  if (family === "host" && id("host")) return `/fleet?host=${id("host")}`;
  return undefined;
}
