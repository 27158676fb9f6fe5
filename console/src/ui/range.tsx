// The span of time that graphs show: chosen from a few, or fixed by a zoom.

import { useMemo } from "react";
import { isRelative, RANGES, resolve, type Range } from "../lib/range";
import { Button, NEVER, useNow } from "./basic";

export function RangeMenu({ value, onChange }: { value: Range; /** Nothing: the page's own span, up to now. */ onChange: (range?: Range) => void }) {
  const known = RANGES.find(([, from]) => from === value.from && value.to === "now");
  return (
    <>
      <span className="segments" role="group" aria-label="Span of time">
        {RANGES.map(([name, from]) => <button key={from} type="button" aria-pressed={known?.[1] === from} onClick={() => onChange({ from, to: "now" })}>{name}</button>)}
      </span>
      {!isRelative(value) && <Button small onClick={() => onChange()}>To now</Button>}
    </>
  );
}

/** The moments that are looked at: they move on each ten seconds while the end is now. */
export function useMoments(value: Range): { from: number; to: number } {
  const at = useNow(isRelative(value) ? 10_000 : NEVER);
  return useMemo(() => resolve(value, isRelative(value) ? at : Date.now()), [value.from, value.to, at]);
}
