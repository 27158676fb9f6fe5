// The span of time that graphs show: chosen from a few, or fixed by a zoom.

import { useMemo, useRef, useSyncExternalStore } from "react";
import { live } from "../api/live";
import { isRelative, moved, RANGES, resolve, type Range } from "../lib/range";
import { Button, NEVER, useNow } from "./basic";
import { Icon } from "./icons";

const MOVES = [["earlier", "Earlier"], ["later", "Later"], ["closer", "Closer: half of the time"], ["wider", "Wider: twice the time"]] as const;

/** Going on in time without dragging: with keys, with a finger. */
export function RangeMoves({ value, onChange }: { value: Range; onChange: (range: Range) => void }) {
  const now = useNow();
  return (
    <span className="segments" role="group" aria-label="Move in time">
      {MOVES.map(([how, label]) => {
        const to = moved(value, how, now);
        return <button key={how} type="button" aria-label={label} title={label} aria-disabled={to === undefined} onClick={() => to && onChange(to)}><Icon name={how} /></button>;
      })}
    </span>
  );
}

export function RangeMenu({ value, onChange }: { value: Range; /** Nothing: the page's own span, up to now. */ onChange: (range?: Range) => void }) {
  const known = RANGES.find(([, from]) => from === value.from && value.to === "now");
  return (
    <>
      <span className="segments" role="group" aria-label="Span of time">
        {RANGES.map(([name, from]) => <button key={from} type="button" aria-pressed={known?.[1] === from} onClick={() => onChange({ from, to: "now" })}>{name}</button>)}
      </span>
      <RangeMoves value={value} onChange={onChange} />
      {!isRelative(value) && <Button small onClick={() => onChange()}>To now</Button>}
    </>
  );
}

/** The time in steps, which stands still while the server cannot be reached: a graph of what was known then stays in sight. */
export function useReachedNow(every: number): number {
  const now = useNow(every);
  const isCut = useSyncExternalStore(live.subscribe, () => live.connection.phase === "cut");
  const reached = useRef(now);
  if (!isCut) reached.current = now;
  return reached.current;
}

/** The moments that are looked at: they move on each ten seconds while the end is now. */
export function useMoments(value: Range): { from: number; to: number } {
  const at = useReachedNow(isRelative(value) ? 10_000 : NEVER);
  return useMemo(() => resolve(value, isRelative(value) ? at : Date.now()), [value.from, value.to, at]);
}
