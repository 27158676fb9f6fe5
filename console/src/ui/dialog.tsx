// Dialogs and menus. The browser's own `dialog` holds the focus, makes the page behind it inert and closes on Escape;
// nothing of ours does that better.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { useDraft } from "../lib/drafts";
import { Button, Failure } from "./basic";

interface DialogProps {
  title: ReactNode;
  onClose?: (() => void) | undefined;
  /** With a form, its button is Enter. */
  onSubmit?: (() => void) | undefined;
  foot?: ReactNode;
  wide?: boolean;
  /** Nothing of the page behind it is seen. */
  hides?: boolean;
  children: ReactNode;
}

export function Dialog({ title, onClose, onSubmit, foot, wide, hides, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) {
      dialog.showModal();
      // Not the button that closes it, which the browser would choose.
      const fields = "input, select, textarea";
      (dialog.querySelector<HTMLElement>("[data-first]") ?? dialog.querySelector<HTMLElement>(`.dialog-body :is(${fields})`))?.focus();
    }
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const inner = (
    <>
      <header>
        <h2 id={id}>{title}</h2>
        {onClose && <Button look="quiet" small icon="close" label="Close" onClick={onClose} />}
      </header>
      <div className="dialog-body">{children}</div>
      {foot && <footer>{foot}</footer>}
    </>
  );
  return (
    <dialog
      ref={ref}
      className={`dialog ${wide ? "wide" : ""} ${hides ? "hides" : ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onKeyDown={(event) => {
        // Without this, a second Escape closes it whatever `cancel` says.
        if (event.key === "Escape") {
          event.preventDefault();
          onClose?.();
        }
        event.stopPropagation();
      }}
    >
      {onSubmit ? (
        <form
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            onSubmit();
          }}
        >
          {inner}
        </form>
      ) : (
        <div className="dialog-inner">{inner}</div>
      )}
    </dialog>
  );
}

interface ReasonProps {
  title: ReactNode;
  /** What the button says. */
  verb: string;
  look?: "primary" | "danger";
  /** What the reason is called, what becomes of it, and whether there has to be one. */
  label?: string;
  help?: string;
  needed?: boolean;
  /** Room for more than a line. */
  long?: boolean;
  cancel?: string;
  onClose: () => void;
  act: (reason: string) => Promise<unknown>;
  children?: ReactNode;
}

/** Something that is done with a word on why. It stays open, and keeps what was typed, until it has been done. */
export function ReasonDialog({ title, verb, look = "primary", label = "Why", help = "It is part of the record.", needed, long, cancel = "Cancel", onClose, act, children }: ReasonProps) {
  const id = useId();
  // Escape may be pressed by mistake: what was typed is there when it is opened again. Cancel means it.
  const [reason, setReason] = useDraft(`reason/${useState(() => window.location.pathname)[0]}/${verb}`);
  const finish = (): void => {
    setReason("");
    onClose();
  };
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const isMissing = needed === true && reason.trim() === "";
  const submit = (): void => {
    if (isBusy || isMissing) return;
    setBusy(true);
    setFailure(undefined);
    act(reason.trim()).then(finish, (error: unknown) => {
      setFailure(error);
      setBusy(false);
    });
  };
  const field = { id, className: "input", value: reason, "aria-describedby": `${id}-help`, "aria-required": needed };
  return (
    <Dialog title={title} onClose={onClose} onSubmit={submit} foot={<><Button onClick={finish}>{cancel}</Button><Button type="submit" look={look} disabled={isMissing || isBusy}>{verb}{isBusy ? " …" : ""}</Button></>}>
      {children}
      <div className="field">
        <label htmlFor={id}>{label} {needed && <span className="muted">needed</span>}</label>
        {long ? <textarea {...field} rows={4} onChange={(event) => setReason(event.target.value)} onKeyDown={(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(); }} /> : <input {...field} onChange={(event) => setReason(event.target.value)} />}
        <span className="help" id={`${id}-help`}>{help}{long ? " Ctrl Enter sends it." : ""}</span>
      </div>
      {failure !== undefined && <Failure error={failure} />}
    </Dialog>
  );
}

export interface MenuItem { label: ReactNode; onSelect: () => void; checked?: boolean }

/** A button that opens a list of things to do. Arrows move, a letter finds, Escape closes. */
export function Menu({ button, label, items, note, why, look = "quiet" }: { look?: "quiet" | "plain";  button: (open: boolean) => ReactNode; label: string; items: MenuItem[]; note?: ReactNode; /** Why it may not be opened. */ why?: string | undefined }) {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLSpanElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    list.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    const away = (event: PointerEvent): void => {
      if (!anchor.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const close = (): void => {
    setOpen(false);
    anchor.current?.querySelector<HTMLElement>("button")?.focus();
  };
  const move = (event: React.KeyboardEvent): void => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all[(to + all.length) % all.length]?.focus();
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") return setOpen(false);
    else if (event.key.length === 1) all.find((item) => item.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    else return;
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span className="menu-anchor" ref={anchor}>
      <Button look={look} aria-haspopup="menu" aria-expanded={open} aria-label={label} title={label} why={why} onClick={() => setOpen(!open)}>
        {button(open)}
      </Button>
      {open && (
        <div className="menu" role="menu" aria-label={label} ref={list} onKeyDown={move}>
          {note && <div className="menu-note" role="presentation">{note}</div>}
          {items.map((item, at) => (
            <button
              key={at}
              type="button"
              role={item.checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={item.checked}
              tabIndex={-1}
              onClick={() => {
                close();
                item.onSelect();
              }}
            >
              {item.checked !== undefined && <span aria-hidden="true">{item.checked ? "•" : "\u2002"}</span>}
              {item.label}
            </button>
          ))}
        </div>
      )}
    </span>
  );
}
