// A field whose text is asked of the server, once the typing rests.

import { useEffect, useRef, useState } from "react";

const REST_MS = 300;

export function SearchField({ value, label, placeholder = label, onChange }: { value: string | undefined; label: string; placeholder?: string; onChange: (text: string | undefined) => void }) {
  const [text, setText] = useState(value ?? "");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setText(value ?? ""), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (typed: string): void => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(typed.trim() || undefined), REST_MS);
  };
  return <input className="input grow" data-search type="search" placeholder={placeholder} aria-label={label} value={text} spellCheck={false} onChange={(event) => type(event.target.value)} />;
}
