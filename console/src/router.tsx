// Every page, with what its address may say. Each is loaded when it is first opened.

import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Link } from "@tanstack/react-router";
import { clean, flag, list, oneOf, text } from "./lib/search";
import { Shell } from "./shell/Shell";
import { Empty, Failure, Loading } from "./ui/basic";

type Raw = Record<string, unknown>;

const root = createRootRouteWithContext<{ client: QueryClient }>()({ component: Shell, notFoundComponent: NoSuchPage });

function NoSuchPage() {
  return (
    <Empty title="There is no such page">
      <p>The address may be from a newer version. <Link to="/" className="link">Now</Link> says what is going on; Ctrl K goes anywhere.</p>
    </Empty>
  );
}

const page = (load: () => Promise<Record<string, unknown>>, name: string) => lazyRouteComponent(load as () => Promise<Record<string, React.ComponentType>>, name);

const nowRoute = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (raw: Raw) => clean({ wall: flag(raw, "wall") }),
  component: page(() => import("./pages/Now"), "Now"),
});

const runsRoute = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: (raw: Raw) =>
    clean({
      show: oneOf(raw, "show", ["active", "failed"] as const),
      procedure: text(raw, "procedure"),
      workload: text(raw, "workload"),
    }),
  component: page(() => import("./pages/Runs"), "Runs"),
});

const RUN_TABS = ["steps", "hosts", "record"] as const;
const runRoute = createRoute({
  getParentRoute: () => root,
  path: "/runs/$id",
  validateSearch: (raw: Raw) => clean({ step: text(raw, "step"), tab: oneOf(raw, "tab", RUN_TABS), host: text(raw, "host"), show: oneOf(raw, "show", ["failed"] as const) }),
  component: page(() => import("./pages/Run"), "Run"),
});

const procedureRoute = createRoute({
  getParentRoute: () => root,
  path: "/procedures/$workload/$name",
  validateSearch: (raw: Raw) => clean({ start: flag(raw, "start"), like: text(raw, "like"), step: text(raw, "step") }),
  component: page(() => import("./pages/Procedure"), "Procedure"),
});

const incidentsRoute = createRoute({
  getParentRoute: () => root,
  path: "/incidents",
  validateSearch: (raw: Raw) => clean({ show: oneOf(raw, "show", ["open", "resolved"] as const) }),
  component: page(() => import("./pages/Incidents"), "Incidents"),
});

const INCIDENT_TABS = ["timeline", "draft"] as const;
const incidentRoute = createRoute({
  getParentRoute: () => root,
  path: "/incidents/$id",
  validateSearch: (raw: Raw) => clean({ tab: oneOf(raw, "tab", INCIDENT_TABS), all: flag(raw, "all"), newest: flag(raw, "newest") }),
  component: page(() => import("./pages/Incident"), "Incident"),
});

const alarmsRoute = createRoute({
  getParentRoute: () => root,
  path: "/alarms",
  validateSearch: (raw: Raw) => clean({ state: text(raw, "state"), alarm: text(raw, "alarm"), q: text(raw, "q"), show: oneOf(raw, "show", ["silences"] as const) }),
  component: page(() => import("./pages/Alarms"), "Alarms"),
});

const metricsRoute = createRoute({
  getParentRoute: () => root,
  path: "/metrics",
  validateSearch: (raw: Raw) =>
    clean({ q: list(raw, "q"), from: text(raw, "from"), to: text(raw, "to"), as: oneOf(raw, "as", ["table"] as const), off: list(raw, "off", 200) }),
  component: page(() => import("./pages/Metrics"), "Metrics"),
});

const workloadsRoute = createRoute({
  getParentRoute: () => root,
  path: "/workloads",
  component: page(() => import("./pages/Workloads"), "Workloads"),
});

const WORKLOAD_TABS = ["overview", "priorities", "procedures", "history"] as const;
const workloadRoute = createRoute({
  getParentRoute: () => root,
  path: "/workloads/$name",
  validateSearch: (raw: Raw) =>
    clean({ tab: oneOf(raw, "tab", WORKLOAD_TABS), component: text(raw, "component"), revision: text(raw, "revision"), change: text(raw, "change"), from: text(raw, "from"), to: text(raw, "to") }),
  component: page(() => import("./pages/Workload"), "Workload"),
});

const fleetRoute = createRoute({
  getParentRoute: () => root,
  path: "/fleet",
  validateSearch: (raw: Raw) => clean({ q: text(raw, "q"), by: text(raw, "by"), host: text(raw, "host"), show: oneOf(raw, "show", ["services"] as const), sort: text(raw, "sort") }),
  component: page(() => import("./pages/Fleet"), "Fleet"),
});

const triggersRoute = createRoute({
  getParentRoute: () => root,
  path: "/triggers",
  validateSearch: (raw: Raw) => clean({ trigger: text(raw, "trigger"), show: oneOf(raw, "show", ["dead"] as const) }),
  component: page(() => import("./pages/Triggers"), "Triggers"),
});

const journalRoute = createRoute({
  getParentRoute: () => root,
  path: "/journal",
  validateSearch: (raw: Raw) => clean({ match: text(raw, "match"), workload: text(raw, "workload"), q: text(raw, "q"), seq: text(raw, "seq"), still: flag(raw, "still") }),
  component: page(() => import("./pages/Journal"), "Journal"),
});

const tree = root.addChildren([
  nowRoute, runsRoute, runRoute, procedureRoute, incidentsRoute, incidentRoute, alarmsRoute, metricsRoute,
  workloadsRoute, workloadRoute, fleetRoute, triggersRoute, journalRoute,
]);

/** Addresses are for people: `?q=up&q=down&from=now-1h`, nothing in quotes. Several values of a name are a list. */
function parseSearch(text: string): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = found[name];
    found[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return found;
}

function stringifySearch(search: Record<string, unknown>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null && one !== "") pairs.append(name, String(one));
  }
  const text = pairs.toString();
  return text === "" ? "" : `?${text}`;
}

export function makeRouter(client: QueryClient) {
  const router = createRouter({
    routeTree: tree,
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: "intent",
    // On a slow line the navigation is there before the page is.
    defaultPendingMs: 150,
    defaultPendingComponent: () => <Loading what="the page" />,
    defaultErrorComponent: ({ error, reset }) => <Failure error={error} title="This page failed" again={reset} />,
    scrollRestoration: false,
  });
  // The router would go to the top whenever anything in the address changes. Only another page begins there, and `usePagePlace`
  // sees to that.
  const commit = router.commitLocation;
  router.commitLocation = (next) => commit({ ...next, resetScroll: false });
  return router;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
