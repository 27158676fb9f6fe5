// Short words on what was done. They are read aloud, and stay until they are closed where something went wrong.

import { useSyncExternalStore, type ReactNode } from "react";
import type { Tone } from "../lib/state";
import { Button } from "./basic";
import { ToneIcon } from "./icons";

interface Toast { id: number; tone: Tone; text: ReactNode }

let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());

function drop(id: number): void {
  toasts = toasts.filter((toast) => toast.id !== id);
  tell();
}

export function toast(tone: Tone, text: ReactNode): void {
  const id = next++;
  toasts = [...toasts.slice(-4), { id, tone, text }];
  tell();
  if (tone !== "bad") setTimeout(() => drop(id), 6000);
}

export function Toasts() {
  const all = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {all.map((one) => (
        <div className="toast" key={one.id}>
          <span className={`state ${one.tone}`}><ToneIcon tone={one.tone} /></span>
          <div className="grow">{one.text}</div>
          <Button look="quiet" small icon="close" label="Close this message" onClick={() => drop(one.id)} />
        </div>
      ))}
    </div>
  );
}
