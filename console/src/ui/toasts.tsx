// Short words on what was done. They are read aloud, and stay until they are closed where something went wrong.

import { useSyncExternalStore } from "react";
import { Button } from "./basic";
import { ToneIcon } from "./icons";
import { all, drop, subscribe } from "./toast";

export function Toasts() {
  const toasts = useSyncExternalStore(subscribe, all);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((one) => (
        <div className="toast" key={one.id}>
          <span className={`state ${one.tone}`}><ToneIcon tone={one.tone} /></span>
          <div className="grow">{one.text}</div>
          <Button look="quiet" small icon="close" label="Close this message" onClick={() => drop(one.id)} />
        </div>
      ))}
    </div>
  );
}
