// What stands open beside a list: an alarm, a host, an event. Opening it is a step of the browser's history, so Back closes it;
// looking at another one instead is none. Escape closes it, and where there is one column only it is brought into sight.

import { useRouter } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { isTyping } from "./table";

interface Step { replace: boolean; state: true | ((state: object) => object) }

const OPENED = "mainstayBeside";

/** `set` puts what is to be open into the address, as the step says. */
export function useBeside(current: string | undefined, set: (to: string | undefined, step: Step) => void): { open: (to: string) => void; close: () => void } {
  const router = useRouter();
  const open = (to: string): void => set(to, current === undefined ? { replace: false, state: (state) => ({ ...state, [OPENED]: true }) } : { replace: true, state: true });
  const close = (): void => {
    if (OPENED in router.state.location.state) router.history.back();
    else set(undefined, { replace: true, state: true });
  };
  const last = useRef(close);
  last.current = close;
  const isOpen = current !== undefined;
  useEffect(() => {
    if (!isOpen) return undefined;
    const listen = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented || isTyping(event) || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      last.current();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [isOpen]);
  useEffect(() => {
    if (current === undefined) return;
    const shown = document.querySelector("[data-beside]");
    const top = shown?.getBoundingClientRect().top ?? 0;
    if (top < 0 || top > window.innerHeight * 0.6) shown?.scrollIntoView({ block: "start" });
  }, [current]);
  return { open, close };
}
