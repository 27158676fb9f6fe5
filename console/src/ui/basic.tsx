// Small parts that every page uses.

import { useEffect, useId, useSyncExternalStore, type ButtonHTMLAttributes, type KeyboardEvent, type ReactNode } from "react";
import { ApiError, isUnreachable } from "../api/client";
import { clock, exact, length, relative, zone } from "../lib/format";
import { tone, word, type Tone } from "../lib/state";
import { Icon, ToneIcon, type IconName } from "./icons";
import { toast } from "./toast";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: "primary" | "danger" | "quiet" | "plain";
  small?: boolean;
  icon?: IconName;
  /** For a button that shows its icon alone. */
  label?: string;
  /** Why it may not be used. It can still be reached, and says so. */
  why?: string | undefined;
};

export function Button({ look = "plain", small, icon, label, why, className = "", children, ...rest }: ButtonProps) {
  const only = icon !== undefined && children === undefined;
  const id = useId();
  const refused = why === undefined ? {} : { "aria-disabled": true, "aria-describedby": id, onClick: () => toast("idle", why) };
  return (
    <button
      type="button"
      {...rest}
      {...refused}
      aria-label={label ?? rest["aria-label"]}
      title={why ?? rest.title ?? (only ? label : undefined)}
      className={`button ${look} ${small ? "small" : ""} ${only ? "icon" : ""} ${className}`}
    >
      {icon && <Icon name={icon} />}
      {children}
      {why !== undefined && <span hidden id={id}>{why}</span>}
    </button>
  );
}

/** A state: its shape, its word, and only then its colour. */
export function State({ state, text, as }: { state: string; text?: ReactNode; as?: Tone }) {
  const look = as ?? tone(state);
  return (
    <span className={`state ${look}`}>
      <ToneIcon tone={look} />
      <span className="state-word cut">{text ?? word(state)}</span>
    </span>
  );
}

export function Badge({ children, title }: { children: ReactNode; title?: string }) {
  return (
    <span className="badge" title={title}>
      <span>{children}</span>
    </span>
  );
}

export function Tags({ tags, most = 8, onPick }: { tags: Record<string, string>; most?: number; /** With the selector that picks what has the tag. */ onPick?: (selector: string) => void }) {
  const all = Object.entries(tags);
  return (
    <span className="tags">
      {all.slice(0, most).map(([key, value]) => {
        const text = <><span className="tag-key">{key}=</span>{value}</>;
        return onPick
          ? <button key={key} type="button" className="badge" title={`Only what has ${key}=${value}`} onClick={() => onPick(`${key}=${value}`)}><span>{text}</span></button>
          : <Badge key={key} title={`${key}=${value}`}>{text}</Badge>;
      })}
      {all.length > most && <Badge title={all.slice(most).map((pair) => pair.join("=")).join("\n")}>and {all.length - most} more</Badge>}
    </span>
  );
}

// One clock for all that shows how long ago something was.
const clockListeners = new Set<() => void>();
let now = Date.now();
setInterval(() => {
  if (document.hidden) return;
  now = Date.now();
  for (const listener of clockListeners) listener();
}, 1000);
const subscribeClock = (listener: () => void): (() => void) => {
  clockListeners.add(listener);
  return () => clockListeners.delete(listener);
};

/** The time, which moves each second, or in steps of so many milliseconds. */
export function useNow(every?: number): number {
  return useSyncExternalStore(subscribeClock, () => (every === undefined ? now : Math.floor(now / every) * every));
}

/** Steps of a time that is not looked at. */
export const NEVER = Number.MAX_SAFE_INTEGER;

/** How often a time that is so long ago has to be drawn anew: a page holds hundreds, and what is hours ago hardly moves. */
const stepOf = (away: number): number | undefined => (Math.abs(away) > 3_600_000 ? 60_000 : Math.abs(away) > 60_000 ? 5000 : undefined);

/** How long ago, and the exact instant on hover; or the time of day. */
export function Time({ at, as = "relative", none = "never" }: { at: string | number | undefined; as?: "relative" | "clock" | "clock-ms"; /** What it means that there is none. */ none?: string }) {
  const ms = at === undefined ? NaN : typeof at === "number" ? at : Date.parse(at);
  const current = useNow(as === "relative" ? stepOf(now - ms) : 60_000);
  if (at === undefined) return <span className="faint">{none}</span>;
  if (Number.isNaN(ms)) return <span>{String(at)}</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={exact(ms)} className="num">
      {as === "relative" ? relative(ms, Math.max(current, ms > current && ms - current < 2000 ? ms : current)) : clock(ms, current, as === "clock-ms")}
    </time>
  );
}

/** The zone that times are shown in. */
export function Zone() {
  const current = useNow(60_000);
  return <span className="num" title={Intl.DateTimeFormat().resolvedOptions().timeZone}>{zone(current)}</span>;
}

/** How long something took, or has been going on. */
export function Took({ from, to }: { from: string | undefined; to?: string | undefined }) {
  const current = useNow();
  if (from === undefined) return null;
  const ms = Math.max(0, (to === undefined ? current : Date.parse(to)) - Date.parse(from));
  // What goes on is counted in whole seconds.
  return <span className="num">{to !== undefined ? length(ms) : ms < 1000 ? "a moment" : length(Math.floor(ms / 1000) * 1000)}</span>;
}

export function Panel({ title, aside, children, bare, id, beside }: { title: ReactNode; aside?: ReactNode; children?: ReactNode; bare?: boolean; id?: string; /** It stands open beside a list. */ beside?: boolean }) {
  const own = useId();
  return (
    <section className={`panel ${bare ? "bare" : ""}`} aria-labelledby={id ?? own} {...(beside ? { "data-beside": true } : {})}>
      <header>
        <h2 id={id ?? own} className="cut">{title}</h2>
        <div className="grow" />
        {aside}
      </header>
      {children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h3>{title}</h3>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="loading" role="status">
      <span className="state active"><ToneIcon tone="active" /></span>
      Reading {what} …
    </div>
  );
}

/** What the server says of a failure: the sentence, what lies behind it, and what to do. */
export function Failure({ error, again, title }: { error: unknown; again?: (() => void) | undefined; title?: string }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  const causes = (problem?.causes ?? []).filter((cause) => cause !== problem?.title);
  return (
    <div className="problem" role="alert">
      <h3>
        <ToneIcon tone={isUnreachable(error) ? "unknown" : "bad"} />
        <span className="wrap">{title ? `${title}: ` : ""}{problem?.title ?? (error instanceof Error ? error.message : String(error))}</span>
      </h3>
      {causes.length > 0 && <ol>{causes.map((cause, at) => <li key={at}>{cause}</li>)}</ol>}
      {problem?.diagnostics && problem.diagnostics.length > 0 && (
        <ol>{problem.diagnostics.map((one, at) => <li key={at}><code>{one.path}:{one.line}:{one.column}</code> {one.message}{one.help ? ` (${one.help})` : ""}</li>)}</ol>
      )}
      {problem?.hint && <p className="hint">{problem.hint.charAt(0).toUpperCase() + problem.hint.slice(1)}</p>}
      {problem?.status === 404 && !problem.hint && <p className="hint">The address may be mistyped, or what it named is gone, or you may not see it. <kbd className="kbd">Ctrl K</kbd> finds what there is.</p>}
      {again && problem?.status !== 404 && <div><Button small icon="again" onClick={again}>Try again</Button></div>}
    </div>
  );
}

interface Asked<T> { data: T | undefined; error: unknown; isPending: boolean; isError: boolean; refetch: () => unknown }

/** What a query has, or its loading or failure. What was known stays when a later look fails. */
export function Loaded<T>({ of, what, children }: { of: Asked<T>; what: string; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) {
    return (
      <>
        {of.isError && !isUnreachable(of.error) && <Failure error={of.error} again={() => void of.refetch()} title="This could not be read again" />}
        {children(of.data)}
      </>
    );
  }
  if (of.isError) return <Failure error={of.error} again={() => void of.refetch()} />;
  return <Loading what={what} />;
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className="kbd">{children}</kbd>;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Mainstay`;
  }, [title]);
}

/** A value as JSON; texts of several lines that it holds, such as scripts, stand below it as they are. */
export function Json({ value }: { value: unknown }) {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  const long = isRecord ? Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1].trimEnd().includes("\n")) : [];
  const names = new Set(long.map(([name]) => name));
  const rest: unknown = isRecord && long.length > 0 ? Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name))) : value;
  const isEmpty = long.length > 0 && Object.keys(rest as object).length === 0;
  return (
    <>
      {!isEmpty && <pre className="pre wrapping" tabIndex={0}>{typeof rest === "string" ? rest : JSON.stringify(rest, null, 2)}</pre>}
      {long.map(([name, text]) => <div key={name} className="stack said"><span className="muted">{name}</span><pre className="pre wrapping" tabIndex={0}>{text}</pre></div>)}
    </>
  );
}

/** Tabs as the keyboard expects them: one stop of Tab, and arrows, Home and End from one to the other. */
export function Tabs<Key extends string>({ label, tabs, shown, onShow }: { label: string; tabs: readonly (readonly [Key, string])[]; shown: Key; onShow: (key: Key) => void }) {
  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex(([key]) => key === shown);
    const places: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    const place = places[event.key];
    const next = place === undefined ? undefined : tabs.at(place % tabs.length);
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onShow(next[0]);
    (event.currentTarget.children[tabs.indexOf(next)] as HTMLElement | undefined)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map(([key, name]) => (
        <button key={key} type="button" role="tab" aria-selected={shown === key} tabIndex={shown === key ? 0 : -1} onClick={() => onShow(key)}>{name}</button>
      ))}
    </div>
  );
}
