// Text that grows, such as output and logs.

import { useEffect, useState } from "react";
import { withoutEscapes } from "../lib/plain";

/** It stays at its end while it grows, unless somebody has gone up in it. */
export function Follow({ text, className = "" }: { text: string; className?: string }) {
  const [box, setBox] = useState<HTMLPreElement | null>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  useEffect(() => {
    if (box && isAtEnd) box.scrollTop = box.scrollHeight;
  }, [text, box, isAtEnd]);
  return <pre ref={setBox} className={`pre wrapping ${className}`} tabIndex={0} onScroll={(event) => setAtEnd(event.currentTarget.scrollHeight - event.currentTarget.scrollTop - event.currentTarget.clientHeight < 24)}>{withoutEscapes(text)}</pre>;
}
