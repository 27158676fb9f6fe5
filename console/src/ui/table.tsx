// A table that stays quick with 50,000 rows: only those that are seen are drawn. The keyboard moves in it (arrows, j and
// k, Home, End, Page Up and Down), and Enter opens a row.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useId, useMemo, useRef, useState, type ReactNode } from "react";
import { usePlace } from "./place";

export interface Column<T> {
  key: string;
  head: ReactNode;
  /** A track of a CSS grid: `120px`, `minmax(0, 1fr)`. */
  width: string;
  /** Its track where there is little room. */
  narrow?: string;
  cell: (row: T) => ReactNode;
  right?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
  /** What rows are sorted by, if the head is pressed. */
  by?: (row: T) => string | number;
}

/** Sorted as the address says: by a column's key, or the other way round with a minus. In the order they come without it. */
export function useSorted<T>(rows: T[], columns: Column<T>[], sort: string | undefined): T[] {
  return useMemo(() => {
    const by = columns.find((column) => column.key === sort?.replace(/^-/, ""))?.by;
    if (!by) return rows;
    const sign = sort?.startsWith("-") ? -1 : 1;
    const keyed = rows.map((row, at) => ({ row, at, key: by(row) }));
    keyed.sort((a, b) => sign * (typeof a.key === "number" && typeof b.key === "number" ? a.key - b.key : String(a.key).localeCompare(String(b.key), "en", { numeric: true })) || a.at - b.at);
    return keyed.map(({ row }) => row);
  }, [rows, columns, sort]);
}

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  onOpen?: ((row: T) => void) | undefined;
  /** The row that is open now. */
  current?: string | undefined;
  /** j and k work without the focus being in the table. */
  primary?: boolean;
  /** The most it is high; without it all rows are shown and the page scrolls. */
  height?: string;
  /** Near the end more are asked for. */
  onEnd?: (() => void) | undefined;
  empty?: ReactNode;
  rowHeight?: number;
  /** How high a row is where there is little room, if more than a line of it is shown there. */
  narrowHeight?: number;
  foot?: ReactNode;
  onMove?: ((row: T) => void) | undefined;
  /** How it is sorted now, and what is to happen when a head is pressed. */
  sort?: string | undefined;
  onSort?: ((sort: string | undefined) => void) | undefined;
}

/** Narrower than this, a table leaves out its wide columns. */
const NARROW_PX = 760;

/** How high the head is, as the styles say. */
const HEAD_PX = 30;

/** Whether keys go to something that is typed into. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("dialog, [role=menu]") !== null;
}

export function Table<T>({ label, columns, rows, rowKey, onOpen, current, primary, height, onEnd, empty, rowHeight: wideHeight = 32, narrowHeight, foot, onMove, sort, onSort }: TableProps<T>) {
  const id = useId();
  const scroll = useRef<HTMLDivElement>(null);
  const [narrow, setNarrow] = useState(() => window.innerWidth < NARROW_PX);
  const shown = narrow ? columns.filter((column) => !column.wide) : columns;
  const rowHeight = (narrow ? narrowHeight : undefined) ?? wideHeight;
  const [at, setAt] = useState(-1);
  useEffect(() => {
    const element = scroll.current;
    if (!element) return undefined;
    const sized = new ResizeObserver(([entry]) => setNarrow((entry?.contentRect.width ?? NARROW_PX) < NARROW_PX));
    sized.observe(element);
    return () => sized.disconnect();
  }, [rows.length === 0]);
  const template = shown.map((column) => (narrow ? column.narrow : undefined) ?? column.width).join(" ");
  const virtual = height !== undefined;
  const virtualizer = useVirtualizer({
    count: virtual ? rows.length : 0,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    // The head stands over the rows.
    scrollPaddingEnd: HEAD_PX,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);
  // After the virtualizer, which begins at the top.
  usePlace(label, scroll, virtual && rows.length > 0);
  const items = virtual ? virtualizer.getVirtualItems() : [];
  const lastSeen = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (virtual && rows.length > 0 && lastSeen >= rows.length - 30) onEnd?.();
  }, [virtual, lastSeen, rows.length, onEnd]);

  const go = useCallback(
    (to: number) => {
      const next = Math.max(0, Math.min(rows.length - 1, to));
      setAt(next);
      if (virtual) virtualizer.scrollToIndex(next);
      else document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
      const row = rows[next];
      if (row !== undefined) onMove?.(row);
    },
    [rows, virtual, virtualizer, id, onMove],
  );

  const onKey = useCallback(
    (key: string): boolean => {
      const page = Math.max(1, Math.floor((scroll.current?.clientHeight ?? 320) / rowHeight) - 1);
      // Nobody has moved yet: from the first row in sight.
      const from = at >= 0 || !virtual ? at : Math.ceil((scroll.current?.scrollTop ?? 0) / rowHeight) - 1;
      const to: Record<string, number> = { ArrowDown: from + 1, j: from + 1, ArrowUp: from - 1, k: from - 1, Home: 0, End: rows.length - 1, PageDown: from + page, PageUp: from - page };
      const where = to[key];
      if (where !== undefined) {
        if (rows.length > 0) go(where);
        return true;
      }
      const row = rows[at];
      if ((key === "Enter" || key === "o") && row !== undefined && onOpen) {
        onOpen(row);
        return true;
      }
      return false;
    },
    [at, go, onOpen, rowHeight, rows, virtual],
  );

  useEffect(() => {
    if (!primary) return undefined;
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      if (!["j", "k", "o", "Enter"].includes(event.key)) return;
      // Enter belongs to what has the focus.
      if (event.key === "Enter" && document.activeElement !== document.body && !scroll.current?.contains(document.activeElement)) return;
      if (onKey(event.key)) event.preventDefault();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [primary, onKey]);

  if (rows.length === 0 && empty) return <>{empty}</>;

  const drawRow = (index: number, top?: number) => {
    const row = rows[index];
    if (row === undefined) return null;
    const key = rowKey(row);
    return (
      <div
        key={key}
        id={`${id}-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={current === undefined ? index === at : key === current}
        className={`table-row ${onOpen ? "opens" : ""} ${key === current || (index === at && current === undefined) || index === at ? "current" : ""}`}
        style={{ gridTemplateColumns: template, height: rowHeight, ...(top === undefined ? {} : { transform: `translateY(${top}px)` }) }}
        onClick={(event) => {
          setAt(index);
          if ((event.target as HTMLElement).closest("a, button, input") === null && window.getSelection()?.toString() === "") onOpen?.(row);
        }}
      >
        {shown.map((column) => (
          <div key={column.key} role="gridcell" className={`table-cell ${column.right ? "right num" : ""}`}>
            {column.cell(row)}
          </div>
        ))}
      </div>
    );
  };

  return (
    <div className={`table ${narrow ? "narrow" : ""}`}>
      <div
        ref={scroll}
        className="table-scroll"
        role="grid"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-activedescendant={at >= 0 && at < rows.length ? `${id}-${at}` : undefined}
        tabIndex={0}
        style={virtual ? { height } : {}}
        onKeyDown={(event) => {
          if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
          if (onKey(event.key)) event.preventDefault();
        }}
      >
        <div role="rowgroup" className="table-top">
          <div role="row" aria-rowindex={1} className="table-head" style={{ gridTemplateColumns: template }}>
            {shown.map((column) => {
              const [up, down] = [sort === column.key, sort === `-${column.key}`];
              return (
                <div key={column.key} role="columnheader" aria-sort={up ? "ascending" : down ? "descending" : undefined} className={`cut ${column.right ? "right" : ""}`}>
                  {column.by && onSort ? <button type="button" className="cut" onClick={() => onSort(up ? `-${column.key}` : down ? undefined : column.key)}>{column.head}{up ? " ↑" : down ? " ↓" : ""}</button> : column.head}
                </div>
              );
            })}
          </div>
        </div>
        <div role="rowgroup" className={`table-body ${virtual ? "virtual" : ""}`} style={virtual ? { height: virtualizer.getTotalSize() } : {}}>
          {virtual ? items.map((item) => drawRow(item.index, item.start)) : rows.map((_, index) => drawRow(index))}
        </div>
      </div>
      {foot && <div className="table-foot">{foot}</div>}
    </div>
  );
}
