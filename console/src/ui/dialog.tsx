// Dialogs and menus. The browser's own `dialog` holds the focus, makes the page behind it inert and closes on Escape;
// nothing of ours does that better.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { Button } from "./basic";

interface DialogProps {
  title: ReactNode;
  onClose?: (() => void) | undefined;
  /** With a form, its button is Enter. */
  onSubmit?: (() => void) | undefined;
  foot?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}

export function Dialog({ title, onClose, onSubmit, foot, wide, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
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
      className={`dialog ${wide ? "wide" : ""}`}
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

export interface MenuItem { label: ReactNode; onSelect: () => void; checked?: boolean; disabled?: boolean }

/** A button that opens a list of things to do. Arrows move, a letter finds, Escape closes. */
export function Menu({ button, label, items, note }: { button: (open: boolean) => ReactNode; label: string; items: MenuItem[]; note?: ReactNode }) {
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
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? [])];
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
      <button type="button" className="button quiet" aria-haspopup="menu" aria-expanded={open} aria-label={label} title={label} onClick={() => setOpen(!open)}>
        {button(open)}
      </button>
      {open && (
        <div className="menu" role="menu" aria-label={label} ref={list} onKeyDown={move}>
          {note && <div className="menu-note" role="presentation">{note}</div>}
          {items.map((item, at) => (
            <button
              key={at}
              type="button"
              role={item.checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={item.checked}
              disabled={item.disabled}
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
