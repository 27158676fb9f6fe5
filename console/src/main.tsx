import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, isUnreachable } from "./api/client";
import { touchedBy } from "./api/invalidate";
import { refresh } from "./api/lists";
import { live } from "./api/live";
import { session } from "./api/session";
import { draftsOf } from "./lib/drafts";
import type { Event } from "./api/types";
import { makeRouter } from "./router";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/shell.css";
import "./styles/pages.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What the stream tells makes queries old; what it does not tell is looked at again by its own interval.
      staleTime: 10_000,
      networkMode: "always",
      retry: (tries, error) => tries < 2 && (isUnreachable(error) || (error instanceof ApiError && error.problem.status === 503)),
      retryDelay: (tries) => 400 * 2 ** tries,
    },
    mutations: { networkMode: "always", retry: false },
  },
});

/** Storms of events make queries old only so often, and not again before what they made old has come: a query that is
    made old while it is read begins anew, and in a storm would never end. */
const EVERY_MS = 250;
const LISTS = new Set(["hosts", "runs", "incidents", "changes", "dead-letters"]);
let waiting: Event[] = [];
let isWaiting = false;
const renew = async (): Promise<void> => {
  const batch = waiting;
  waiting = [];
  const keys = touchedBy(batch);
  const ids = new Set(keys.flatMap(([, id]) => id ?? []));
  await Promise.all(keys.map((key) => (key.length === 1 && LISTS.has(key[0] ?? "") ? refresh(client, key, ids) : client.invalidateQueries({ queryKey: key }))));
  isWaiting = waiting.length > 0;
  if (isWaiting) setTimeout(() => void renew(), EVERY_MS);
};
live.read((events) => {
  waiting.push(...events);
  if (isWaiting) return;
  isWaiting = true;
  setTimeout(() => void renew(), EVERY_MS);
});
live.onReconnect(() => void client.invalidateQueries());
// What somebody else was shown is not theirs.
session.onChange(() => void client.resetQueries());
session.subscribe(() => session.user !== undefined && draftsOf(session.user));
session.start();
live.start();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={makeRouter(client)} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
