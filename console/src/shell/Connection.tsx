// How the line to the server stands, always in sight; and a strip across the page while it is cut.

import { useSyncExternalStore } from "react";
import { live } from "../api/live";
import { clock, count, length } from "../lib/format";
import { Button, State, useNow } from "../ui/basic";
import { useSignInNeeded } from "./SignIn";

const useConnection = () => useSyncExternalStore(live.subscribe, () => live.connection);

export function ConnectionState() {
  const { phase, behind, since } = useConnection();
  const isNeeded = useSignInNeeded();
  const now = useNow();
  if (isNeeded) return <State state="signed out" text="signed out" />;
  switch (phase) {
    case "live":
      return <State state="live" text="live" />;
    case "catching up":
      return <State state="catching up" text={behind ? `catching up, ${count(behind, "event")}` : "catching up"} />;
    case "cut":
      return <State state="cut" text={`cut since ${clock(since, now)}`} />;
    case "paused":
      return <State state="paused" text="paused" />;
    default:
      return <State state="connecting" text="connecting" />;
  }
}

export function CutStrip() {
  const { phase, since, retryAt } = useConnection();
  const isNeeded = useSignInNeeded();
  const now = useNow();
  // A restart takes less than this; nobody needs to be told.
  if (isNeeded || phase !== "cut" || now - since < 1000) return null;
  const wait = Math.max(0, (retryAt ?? now) - now);
  return (
    <div className="notice bad strip" role="status">
      <span className="grow">
        The server cannot be reached since {clock(since, now)}. What is shown is what was known then; what you typed stays.
        {wait > 500 ? ` Next try in ${length(Math.ceil(wait / 1000) * 1000)}.` : " Trying …"}
      </span>
      <Button small onClick={() => live.now()}>Try now</Button>
    </div>
  );
}

/** What was seen before is no longer in the journal: people have to know, because they may look for it. */
export function RestoredStrip() {
  const { restored } = useConnection();
  if (!restored) return null;
  return (
    <div className="notice warn strip" role="status">
      <span className="grow">
        The journal ends at place {restored.head}, before place {restored.seen} that this page had read: it was restored from an older
        copy, or is another one. What is shown was read anew.
      </span>
      <Button small onClick={() => live.restoredIsKnown()}>Understood</Button>
    </div>
  );
}
