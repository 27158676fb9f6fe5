// Where lists and pages stood when they were left, for each step of the browser's history, so that Back and a reload show the
// same. Kept by the tab, and only the latest few.

import { keep, kept } from "./tab";

const KEY = "mainstay.places";
const MOST = 200;

/** Which positions are kept: the latest ones, each under its step and the name of what scrolls. */
export class Places {
  private kept: Map<string, number>;

  constructor(text: string | null = null) {
    let pairs: unknown;
    try {
      pairs = JSON.parse(text ?? "[]");
    } catch {
      pairs = [];
    }
    const isPair = (pair: unknown): pair is [string, number] => Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "number";
    this.kept = new Map(Array.isArray(pairs) ? pairs.filter(isPair) : []);
  }

  get(name: string): number | undefined {
    return this.kept.get(name);
  }

  /** The beginning needs no keeping. */
  set(name: string, at: number): void {
    this.kept.delete(name);
    if (at > 0) this.kept.set(name, at);
    while (this.kept.size > MOST) this.kept.delete(this.kept.keys().next().value ?? "");
  }

  toString(): string {
    return JSON.stringify([...this.kept]);
  }
}

/** The step of the history that is shown now; the router gives each a key. */
export const step = (): string => String((window.history.state as { __TSR_key?: string } | null)?.__TSR_key ?? "");

let opened: Places | undefined;
export function places(): Places {
  if (opened) return opened;
  const made = new Places(kept(KEY));
  window.addEventListener("pagehide", () => keep(KEY, made.toString()));
  return (opened = made);
}

/** Brings back where something stood, as soon as there is enough of it; whoever scrolls by hand meanwhile has their way. Answers with
    what gives it up. */
export function bringBack(at: number, watched: Element, look: () => number, scroll: (to: number) => void, onDone: () => void): () => void {
  const stop = (): void => {
    sized.disconnect();
    clearTimeout(timer);
    for (const kind of ["wheel", "pointerdown", "keydown", "touchstart"]) window.removeEventListener(kind, stop, true);
    onDone();
  };
  const step = (): void => {
    scroll(at);
    if (Math.abs(look() - at) <= 1) stop();
  };
  const sized = new ResizeObserver(step);
  const timer = setTimeout(stop, 10_000);
  for (const kind of ["wheel", "pointerdown", "keydown", "touchstart"]) window.addEventListener(kind, stop, { capture: true, passive: true });
  sized.observe(watched);
  step();
  return stop;
}
