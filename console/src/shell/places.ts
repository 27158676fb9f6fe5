// The pages that the navigation, the keys and the palette lead to.

import type { IconName } from "../ui/icons";

export interface Place { to: string; name: string; icon: IconName; key: string; what: string }

export const PLACES: Place[] = [
  { to: "/", name: "Now", icon: "now", key: "n", what: "what is wrong, running and stale" },
  { to: "/incidents", name: "Incidents", icon: "incidents", key: "i", what: "disturbances and their stories" },
  { to: "/alarms", name: "Alarms", icon: "alarms", key: "a", what: "states, history, rules" },
  { to: "/runs", name: "Runs", icon: "runs", key: "r", what: "procedures, running and past" },
  { to: "/workloads", name: "Workloads", icon: "workload", key: "w", what: "what is declared, and its health" },
  { to: "/metrics", name: "Metrics", icon: "metrics", key: "m", what: "PromQL, graphs and tables" },
  { to: "/fleet", name: "Fleet", icon: "fleet", key: "f", what: "hosts and services" },
  { to: "/triggers", name: "Triggers", icon: "triggers", key: "t", what: "what starts what by itself" },
  { to: "/journal", name: "Journal", icon: "journal", key: "j", what: "everything that happened" },
];
