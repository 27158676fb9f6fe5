// What was typed and not sent yet, kept by the tab: a look at another page or a reload loses nothing.

import { useCallback, useSyncExternalStore } from "react";
import { keep, kept, keptKeys } from "./tab";

const PREFIX = "mainstay.draft.";
const listeners = new Set<() => void>();

function write(name: string, text: string): void {
  // Where there is no room it stays as long as the field does.
  if (!keep(PREFIX + name, text === "" ? null : text)) unkept.set(name, text);
  for (const listener of listeners) listener();
}

/** What the browser does not keep. */
const unkept = new Map<string, string>();

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The text of a field, under a name that says which field of what it is. */
export function useDraft(name: string): [text: string, set: (text: string) => void] {
  const text = useSyncExternalStore(subscribe, () => unkept.get(name) ?? kept(PREFIX + name) ?? "");
  const set = useCallback(
    (to: string) => {
      unkept.delete(name);
      write(name, to);
    },
    [name],
  );
  return [text, set];
}

const OWNER = "mainstay.drafts";

/** Says whose they are: nothing of one person is offered to another. */
export function draftsOf(user: string): void {
  const before = kept(OWNER);
  if (before === user) return;
  if (keep(OWNER, user) && before === null) return;
  for (const key of keptKeys()) if (key.startsWith(PREFIX)) keep(key, null);
  unkept.clear();
  for (const listener of listeners) listener();
}
