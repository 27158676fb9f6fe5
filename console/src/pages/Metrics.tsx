// Metrics: several PromQL queries over one span of time, as a graph and as a table. All of it stands in the address.

import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { instant, range, seriesName, stepFor, type Series } from "../api/prometheus";
import { between, length, quantity } from "../lib/format";
import { isRelative, type Range } from "../lib/range";
import { useVerbs } from "../shell/verbs";
import { Button, Empty, Failure, Panel, State, useTitle } from "../ui/basic";
import { Chart, seriesColor } from "../ui/chart";
import { Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { RangeMenu, useMoments } from "../ui/range";
import { Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

const PromqlField = lazy(() => import("../ui/promql"));

/** The field for a query. Until the editor has come a plain one takes what is typed, and hands the focus over. */
function QueryField(props: { value: string; onChange: (text: string) => void; onRun: (text: string) => void; label: string }) {
  const focused = useRef(false);
  const plain = (
    <input
      className="input mono grow"
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
      onFocus={() => (focused.current = true)}
      onBlur={() => (focused.current = false)}
      onKeyDown={(event) => event.key === "Enter" && props.onRun(event.currentTarget.value)}
    />
  );
  return (
    <Suspense fallback={plain}>
      <PromqlField {...props} takesFocus={focused} />
    </Suspense>
  );
}
const route = getRouteApi("/metrics");

/** More lines than this nobody tells apart, and drawing them takes long. */
const MOST_LINES = 200;

interface Row { id: string; name: string; query: string; at: number; last: number; low: number; high: number; labels: Record<string, string>; color: string; hidden: boolean }

export function Metrics() {
  useTitle("Metrics");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queries = search.q ?? [];
  const span: Range = { from: search.from ?? "now-1h", to: search.to ?? "now" };
  const { from, to } = useMoments(span);
  const step = stepFor((to - from) / 1000);
  const asTable = search.as === "table";
  const set = (change: Partial<typeof search>, replace = false) => void navigate({ search: (before) => ({ ...before, ...change }), replace });
  const [drafts, setDrafts] = useState<string[]>(() => (queries.length > 0 ? queries : [""]));
  // Back and forward in the browser change what stands in the fields, too.
  const asked = JSON.stringify(queries);
  const written = useRef(asked);
  useEffect(() => {
    // Only when the address has changed: until it has, what was just run is not in it.
    if (asked === written.current) return;
    written.current = asked;
    setDrafts(queries.length > 0 ? queries : [""]);
  }, [asked]);
  const run = (all = drafts): void => {
    const q = all.map((text) => text.trim()).filter(Boolean);
    written.current = JSON.stringify(q);
    set({ q: q.length > 0 ? q : undefined, off: undefined });
  };
  const answers = useQueries({
    queries: queries.map((query) => ({
      queryKey: asTable ? ["instant", query, to] : ["range", query, from, to, step],
      queryFn: ({ signal }: { signal: AbortSignal }) => (asTable ? instant(query, to / 1000, signal) : range(query, Math.floor(from / 1000), Math.ceil(to / 1000), step, signal)),
      placeholderData: keepPreviousData,
      retry: false,
      staleTime: 60_000,
    })),
  });
  const off = useMemo(() => new Set(search.off ?? []), [search.off]);
  const signature = answers.map((answer) => answer.dataUpdatedAt).join();
  const { rows, series, total } = useMemo(() => {
    const lines: { query: string; one: Series }[] = answers.flatMap((answer, n) => (answer.data?.series ?? []).map((one) => ({ query: queries[n] ?? "", one })));
    const kept = lines.slice(0, asTable ? 50_000 : MOST_LINES);
    const made: Row[] = kept.map(({ query, one }, at) => {
      const values = one.points.map(([, value]) => value);
      const finite = values.filter((value) => Number.isFinite(value));
      const name = seriesName(one.labels, query);
      const id = queries.length > 1 ? `${queries.indexOf(query)}:${name}` : name;
      return { id, name, query, at, last: values.at(-1) ?? NaN, low: least(finite), high: most(finite), labels: one.labels, color: seriesColor(at), hidden: off.has(id) };
    });
    return { rows: made, series: kept.map(({ one }) => one), total: lines.length };
  }, [signature, asTable, off, search.q]);
  const hidden = useMemo(() => new Set(rows.filter((row) => row.hidden).map((row) => row.at)), [rows]);
  const names = useMemo(() => rows.map((row) => row.name), [rows]);
  const toggle = (row: Row): void => {
    const next = new Set(off);
    if (!next.delete(row.id)) next.add(row.id);
    set({ off: next.size > 0 ? [...next] : undefined }, true);
  };
  const only = (row: Row): void => {
    const others = rows.filter((one) => one.id !== row.id).map((one) => one.id);
    const isOnly = !row.hidden && others.every((id) => off.has(id));
    set({ off: isOnly ? undefined : others.slice(0, 200) }, true);
  };
  const isBusy = answers.some((answer) => answer.isFetching);
  const warnings = [...new Set(answers.flatMap((answer) => answer.data?.warnings ?? []))];
  const columns: Column<Row>[] = [
    ...(asTable ? [] : [{ key: "on", head: <span className="hidden-visually">Shown</span>, width: "40px", cell: (row: Row) => <label className="check legend" title="Show or hide"><input type="checkbox" checked={!row.hidden} onChange={() => toggle(row)} aria-label={`Show ${row.name}`} /><i style={{ background: row.color }} /></label> }]),
    { key: "name", head: "Series", width: "minmax(0, 1fr)", cell: (row) => (asTable ? <span className="mono" title={row.name}>{row.name}</span> : <button type="button" className="bare-button mono cut" title={`${row.name}\nonly this, or all`} onClick={() => only(row)}>{row.name}</button>) },
    ...(asTable ? [] : [
      { key: "low", head: "Least", width: "90px", right: true, wide: true, cell: (row: Row) => quantity(row.low) },
      { key: "high", head: "Most", width: "90px", right: true, wide: true, cell: (row: Row) => quantity(row.high) },
    ]),
    { key: "last", head: asTable ? "Value" : "Last", width: "100px", right: true, cell: (row) => <strong title={String(row.last)}>{quantity(row.last)}</strong> },
  ];
  const copy = (): void => {
    const url = new URL(window.location.href);
    url.searchParams.set("from", String(from));
    url.searchParams.set("to", String(to));
    navigator.clipboard.writeText(url.href).then(() => toast("good", "The link is in the clipboard"), () => toast("bad", "The browser does not allow it; copy the address"));
  };
  useVerbs([
    { name: "Copy a link to these metrics", more: "with its moments fixed", icon: "copy", go: copy },
    drafts.length < 20 && { name: "Another query", icon: "plus", go: () => setDrafts([...drafts, ""]) },
    { name: asTable ? "Metrics as a graph" : "Metrics as a table", icon: "metrics", go: () => set({ as: asTable ? undefined : "table" }) },
  ]);
  return (
    <>
      <div className="page-head">
        <h1>Metrics</h1>
        {isBusy && <State state="running" text="asking" />}
        <span className="grow" />
        <RangeMenu value={span} onChange={(next) => set(next ?? { from: undefined, to: undefined })} />
        <span className="segments" role="group" aria-label="How it is shown">
          <button type="button" aria-pressed={!asTable} onClick={() => set({ as: undefined })}>Graph</button>
          <button type="button" aria-pressed={asTable} onClick={() => set({ as: "table" })}>Table</button>
        </span>
        <Menu label="More" button={() => <Icon name="more" />} items={[{ label: "Copy a link to this, with its moments fixed", onSelect: copy }]} />
      </div>
      <div className="queries">
        {drafts.map((draft, n) => (
          <div className="query" key={n}>
            <span className="query-name mono" aria-hidden="true">{String.fromCharCode(65 + (n % 26))}</span>
            <QueryField label={`Query ${n + 1}`} value={draft} onChange={(text) => setDrafts((before) => before.map((one, at) => (at === n ? text : one)))} onRun={(text) => run(drafts.map((one, at) => (at === n ? text : one)))} />
            <Button look="quiet" icon="close" label={`Remove query ${n + 1}`} disabled={drafts.length === 1 && draft === ""} onClick={() => { const rest = drafts.length === 1 ? [""] : drafts.filter((_, at) => at !== n); setDrafts(rest); run(rest); }} />
          </div>
        ))}
        <div className="row">
          <Button look="primary" onClick={() => run()}>Run</Button>
          <Button look="quiet" icon="plus" disabled={drafts.length >= 20} onClick={() => setDrafts([...drafts, ""])}>Another query</Button>
          <span className="muted num">{isRelative(span) ? `the last ${length(to - from)}` : `${length(to - from)}: ${between(from, to)}`}, a point each {length(step * 1000)}</span>
        </div>
      </div>
      {answers.map((answer, n) => answer.isError && <Failure key={n} error={answer.error} title={`Query ${String.fromCharCode(65 + n)}`} />)}
      {warnings.map((warning) => <div key={warning} className="notice"><span className="wrap">{warning}</span></div>)}
      {queries.length === 0 ? (
        <div className="panel"><Empty title="Ask something"><p>Type a metric's name: what the server has is completed as you type. Enter runs it, Shift Enter begins a line.</p></Empty></div>
      ) : (
        <>
          {!asTable && answers.some((answer) => !answer.isError) && (
            <Panel title="Graph" aside={<span className="muted">drag to zoom{total > MOST_LINES ? `; the first ${MOST_LINES} of ${total} series` : ""}</span>}>
              <div className="body"><Chart series={series} names={names} from={from} to={to} step={step} height={320} label="Graph of the queries" hidden={hidden} onZoom={(a, b) => set({ from: String(a), to: String(b) })} /></div>
            </Panel>
          )}
          {answers.some((answer) => !answer.isError) && <div className="panel">
            <Table label="Series" primary columns={columns} rows={rows} rowKey={(row) => row.id} rowHeight={28} {...(rows.length > 14 ? { height: asTable ? "calc(100dvh - 330px)" : "360px" } : {})}
              empty={answers.some((answer) => answer.isPending) ? <div className="loading" role="status">Asking …</div> : <Empty title="Nothing in this span of time"><p>No series fits, or none had a sample then. A longer span may show when it last had one.</p></Empty>}
              foot={<span>{total.toLocaleString("en")} series{total > rows.length ? `; ${rows.length} shown` : ""}</span>} />
          </div>}
        </>
      )}
    </>
  );
}

const least = (values: number[]): number => values.reduce((a, b) => Math.min(a, b), values.length > 0 ? Infinity : NaN);
const most = (values: number[]): number => values.reduce((a, b) => Math.max(a, b), values.length > 0 ? -Infinity : NaN);
