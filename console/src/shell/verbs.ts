// What can be done about what is open. A page names its verbs where it draws their buttons, and the palette offers them first,
// so that whatever has a button is reached by a few letters, too.

import { useEffect, useId } from "react";
import type { IconName } from "../ui/icons";

export interface Verb {
  name: string;
  /** What it is about, where the name does not say it. */
  more?: string | undefined;
  icon?: IconName;
  /** Why it may not be used. It is offered all the same, and says so. */
  why?: string | undefined;
  go: () => void;
}

const named = new Map<string, Verb[]>();

/** Names verbs for as long as this part of a page is shown. What is false is left out. */
export function useVerbs(verbs: (Verb | false | undefined)[]): void {
  const id = useId();
  useEffect(() => {
    named.set(id, verbs.filter((verb) => verb !== false && verb !== undefined));
  });
  useEffect(() => () => void named.delete(id), [id]);
}

/** The verbs of what is open now; of the same name only the first. */
export function verbsHere(): Verb[] {
  const found = new Map<string, Verb>();
  for (const verb of [...named.values()].flat()) if (!found.has(verb.name)) found.set(verb.name, verb);
  return [...found.values()];
}
