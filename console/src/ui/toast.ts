// Short words on what was done, as they are kept; `toasts.tsx` shows them.

import type { ReactNode } from "react";
import type { Tone } from "../lib/state";

export interface Toast { id: number; tone: Tone; text: ReactNode }

let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());

export function drop(id: number): void {
  toasts = toasts.filter((toast) => toast.id !== id);
  tell();
}

export function toast(tone: Tone, text: ReactNode): void {
  const id = next++;
  toasts = [...toasts.slice(-4), { id, tone, text }];
  tell();
  if (tone !== "bad") setTimeout(() => drop(id), 6000);
}

export const all = (): Toast[] => toasts;

export const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
