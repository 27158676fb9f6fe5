// Lists and pages stand where they stood when Back or a reload shows them again.

import { useRouterState } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useRef, type RefObject } from "react";
import { bringBack, places, step } from "../lib/places";

/** Keeps how far down in what scrolls by itself one is. */
export function usePlace(name: string, box: RefObject<HTMLElement | null>, isOn: boolean): void {
  const key = useRouterState({ select: (state) => state.location.state.__TSR_key });
  useLayoutEffect(() => {
    const element = box.current;
    const at = places().get(`${step()}/${name}`);
    const inner = element?.lastElementChild;
    if (!isOn || !element || !inner || at === undefined) return undefined;
    return bringBack(at, inner, () => element.scrollTop, (to) => (element.scrollTop = to), () => undefined);
  }, [isOn]);
  useEffect(() => {
    const element = box.current;
    if (!isOn || !element) return undefined;
    // The step as it was when it was scrolled: when what is shown goes away, another one is there already.
    const under = `${step()}/${name}`;
    if (element.scrollTop > 0) places().set(under, element.scrollTop);
    const keep = (): void => places().set(under, element.scrollTop);
    element.addEventListener("scroll", keep, { passive: true });
    return () => element.removeEventListener("scroll", keep);
  }, [isOn, name, key]);
}

/** Keeps how far down in the page one is; a page that is opened anew is shown from its beginning. */
export function usePagePlace(): void {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const key = useRouterState({ select: (state) => state.location.state.__TSR_key });
  // What is drawn by now; until then it is the page before that is scrolled.
  const drawn = useRouterState({ select: (state) => state.resolvedLocation?.state.__TSR_key });
  const isBusy = useRef(false);
  const last = useRef(path);
  useLayoutEffect(() => {
    if (last.current !== path && places().get(`${step()}/page`) === undefined) window.scrollTo(0, 0);
  }, [path]);
  useEffect(() => {
    const mine = step();
    const under = `${mine}/page`;
    const keep = (): void => {
      if (!isBusy.current && step() === mine) places().set(under, window.scrollY);
    };
    if (last.current === path && places().get(under) === undefined) keep();
    last.current = path;
    window.addEventListener("scroll", keep, { passive: true });
    return () => window.removeEventListener("scroll", keep);
  }, [key, path]);
  useEffect(() => {
    const at = places().get(`${step()}/page`);
    const main = document.querySelector("main");
    if (at === undefined || !main || Math.abs(window.scrollY - at) <= 1) return undefined;
    isBusy.current = true;
    return bringBack(at, main, () => window.scrollY, (to) => window.scrollTo(0, to), () => (isBusy.current = false));
  }, [drawn]);
}
