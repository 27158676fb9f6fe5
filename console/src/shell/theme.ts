// Light or dark: as the system says, or as was chosen here.

import { useSyncExternalStore } from "react";

type Theme = "system" | "light" | "dark";
const KEY = "mainstay.theme";
const listeners = new Set<() => void>();

export function theme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function setTheme(to: Theme): void {
  if (to === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = to;
  try {
    if (to === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, to);
  } catch {
    // Kept for this page only.
  }
  for (const listener of listeners) listener();
}

const media = window.matchMedia("(prefers-color-scheme: dark)");
const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  media.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    media.removeEventListener("change", listener);
  };
};

export const useTheme = (): Theme => useSyncExternalStore(subscribe, theme);

/** Whether dark colours are shown now: what draws on a canvas has to know. */
export function useDark(): boolean {
  return useSyncExternalStore(subscribe, () => {
    const chosen = theme();
    return chosen === "dark" || (chosen === "system" && media.matches);
  });
}
