// What was typed and not sent yet, kept by the tab: a look at another page or a reload loses nothing.

import { useCallback, useSyncExternalStore } from "react";

const PREFIX = "mainstay.draft.";
const listeners = new Set<() => void>();

function read(name: string): string {
  try {
    return window.sessionStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

function write(name: string, text: string): void {
  try {
    if (text === "") window.sessionStorage.removeItem(PREFIX + name);
    else window.sessionStorage.setItem(PREFIX + name, text);
  } catch {
    // There is no room: it stays as long as the field does.
    unkept.set(name, text);
  }
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
  const text = useSyncExternalStore(subscribe, () => unkept.get(name) ?? read(name));
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
  try {
    const before = window.sessionStorage.getItem(OWNER);
    if (before === user) return;
    window.sessionStorage.setItem(OWNER, user);
    if (before === null) return;
    for (const key of Object.keys(window.sessionStorage)) if (key.startsWith(PREFIX)) window.sessionStorage.removeItem(key);
  } catch {
    // The browser keeps nothing.
  }
  unkept.clear();
  for (const listener of listeners) listener();
}
