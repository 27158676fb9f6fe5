// The journal: everything that happened, searched and followed. Each event names the hash of the one before; what is
// loaded here is looked at for a break in that chain, and the page says how much of it that is.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { get } from "../api/client";
import { useList } from "../api/lists";
import { live } from "../api/live";
import * as ask from "../api/queries";
import type { Event } from "../api/types";
import { checkChain } from "../lib/chain";
import { eventLink, sentence } from "../lib/events";
import { actor, count } from "../lib/format";
import { useVerbs } from "../shell/verbs";
import { useBeside } from "../ui/beside";
import { Badge, Button, Empty, Failure, Json, Loaded, Panel, State, Time, useTitle } from "../ui/basic";
import { EventMark } from "../ui/events";
import { SearchField } from "../ui/search";
import { Table, type Column } from "../ui/table";

const route = getRouteApi("/journal");

const COLUMNS: Column<Event>[] = [
  { key: "seq", head: "Place", width: "64px", right: true, wide: true, cell: (event) => <span className="faint">{event.seq}</span> },
  { key: "time", head: "Time", width: "92px", narrow: "64px", cell: (event) => <Time at={event.time} as="clock" /> },
  { key: "type", head: "Kind", width: "minmax(176px, .6fr)", wide: true, cell: (event) => <span className="mono" title={event.type}>{event.type}</span> },
  { key: "text", head: "What happened", width: "minmax(0, 2fr)", cell: (event) => <span className="row" title={sentence(event)}><EventMark event={event} /><span className="cut lines-2">{sentence(event)}</span></span> },
  { key: "actor", head: "By", width: "minmax(0, .6fr)", wide: true, cell: (event) => <span className="muted" title={event.actor}>{actor(event.actor)}</span> },
  { key: "workload", head: "Workload", width: "minmax(0, .4fr)", wide: true, cell: (event) => <span className="muted">{event.workload}</span> },
];

const KINDS = ["alarm.*", "incident.*", "run.*", "change.*", "revision.*", "service.*", "measure.*", "host.*", "trigger.*"];

/** Events that came in since the page was read, through the stream. */
function useNewer(filter: ask.EventFilter, after: number | undefined, isFollowing: boolean): { newer: Event[]; more: number } {
  const [newer, setNewer] = useState<Event[]>([]);
  const [more, setMore] = useState(0);
  const key = JSON.stringify(filter);
  const place = useRef(after);
  useEffect(() => {
    place.current = after;
    setNewer([]);
    setMore(0);
  }, [key, after === undefined]);
  useEffect(() => {
    if (after === undefined) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isWanted = true;
    let isBusy = false;
    let isAgain = false;
    const read = async (): Promise<void> => {
      // What comes while it is read is read next.
      isAgain = isBusy;
      if (isBusy) return;
      isBusy = true;
      try {
        const page = await get("/v1/events", { query: { ...filter, after: place.current ?? after, limit: 1000 } });
        if (!isWanted) return;
        const last = Number(page.next ?? page.items.at(-1)?.seq ?? place.current);
        place.current = Math.max(last, place.current ?? 0);
        if (page.items.length > 0) setNewer((before) => [...page.items.reverse(), ...before].slice(0, 20_000));
        setMore(0);
        isAgain ||= page.items.length === 1000;
      } catch {
        // The strip above the page says that the line is cut; it is read again when it stands.
      } finally {
        isBusy = false;
        if (isAgain && isWanted) void read();
      }
    };
    const wait = (n: number): void => {
      if (!isFollowing) return setMore((before) => before + n);
      timer ??= setTimeout(() => {
        timer = undefined;
        void read();
      }, 300);
    };
    const stop = [live.read((events) => wait(events.length)), live.onReconnect(() => wait(0))];
    if (isFollowing) void read();
    return () => {
      isWanted = false;
      clearTimeout(timer);
      for (const one of stop) one();
    };
  }, [key, after, isFollowing]);
  return { newer, more };
}

export function Journal() {
  useTitle("Journal");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = { ...(search.match ? { match: search.match } : {}), ...(search.workload ? { workload: search.workload } : {}), ...(search.q ? { contains: search.q } : {}) };
  const { asked, rows: older, more: further } = useList(ask.events(filter));
  const status = useQuery(ask.status);
  const workloads = useQuery(ask.workloads);
  const isFollowing = search.still !== true;
  // What was read first stands for ever; newer events come on top of it.
  const head = asked.data ? (older[0]?.seq ?? 0) : undefined;
  const { newer, more } = useNewer(filter, head, isFollowing);
  const all = useMemo(() => {
    const places = new Set(older.map((event) => event.seq));
    return [...newer.filter((event) => !places.has(event.seq)), ...older];
  }, [newer, older]);
  const chain = useMemo(() => checkChain(all), [all]);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const isFiltered = Object.keys(filter).length > 0;
  const beside = useBeside(search.seq, (seq, how) => void navigate({ search: (before) => ({ ...before, seq }), ...how }));
  const follow = (): void => set({ still: isFollowing ? true : undefined });
  useVerbs([{ name: isFollowing ? "Stop following the journal" : "Follow the journal", icon: "journal", go: follow }]);
  return (
    <>
      <div className="page-head">
        <h1>Journal</h1>
        {status.data && <span className="muted num">{count(status.data.journal_seq, "event")}</span>}
        {!isFiltered && chain.links > 0 && (
          <span title="Each event names the hash of the one before it. Here it is seen that the links fit; the hashes themselves are proved on the stored bytes by `mainstay journal verify`.">
            {chain.broken === undefined ? <State state="linked" text={`links of the ${count(chain.links + 1, "event")} shown fit`} /> : <State state="broken" text={`the chain breaks at event ${chain.broken}`} />}
          </span>
        )}
        <span className="grow" />
        <Button small look="plain" className={isFollowing ? "pressed" : ""} aria-pressed={isFollowing} onClick={follow}>{isFollowing ? "Following" : more > 0 ? `Follow (${more} new)` : "Follow"}</Button>
      </div>
      <div className="filters">
        <SearchField value={search.q} label="Search the journal" placeholder="Search what happened, kinds, subjects, people and data" onChange={(q) => set({ q })} />
        <Match value={search.match} onChange={(match) => set({ match })} />
        {(workloads.data?.items.length ?? 0) > 1 && <select className="input" aria-label="Workload" value={search.workload ?? ""} onChange={(event) => set({ workload: event.target.value || undefined })}><option value="">Every workload</option>{workloads.data?.items.map((one) => <option key={one.workload}>{one.workload}</option>)}</select>}
        {isFiltered && <Button look="quiet" small onClick={() => set({ match: undefined, workload: undefined, q: undefined })}>Clear</Button>}
      </div>
      <div className={search.seq ? "split journal" : ""}>
        <div className="panel">
          <Loaded of={asked} what="the journal">
            {() => (
              <Table
                label="Events" primary columns={COLUMNS} rows={all} rowKey={(event) => String(event.seq)} height="calc(100dvh - 190px)" rowHeight={29} narrowHeight={44} current={search.seq}
                onOpen={(event) => beside.open(String(event.seq))}
                onEnd={further}
                foot={<span>{all.length.toLocaleString("en")} shown{asked.isFetchingNextPage ? "; reading older ones …" : asked.hasNextPage ? `; looked back to event ${asked.data?.pages.at(-1)?.next ?? ""}, further as you go down` : "; that is all"}</span>}
                empty={<Empty title={asked.hasNextPage ? "None of the newest events is like that" : "No event is like that"}><p>A kind may hold a star (<code>alarm.*</code>), or be an event pattern in JSON as EventBridge knows it. The search looks for its text in what happened, who did it, the kind, the subject and the data.</p>{asked.hasNextPage && <Button disabled={asked.isFetchingNextPage} onClick={further}>{asked.isFetchingNextPage ? "Searching …" : "Search older events"}</Button>}</Empty>}
              />
            )}
          </Loaded>
        </div>
        {search.seq && <OneEvent seq={Number(search.seq)} known={all.find((event) => String(event.seq) === search.seq)} onClose={beside.close} />}
      </div>
    </>
  );
}

function Match({ value, onChange }: { value: string | undefined; onChange: (match: string | undefined) => void }) {
  const [text, setText] = useState(value ?? "");
  useEffect(() => setText(value ?? ""), [value]);
  return (
    <form className="row" onSubmit={(event) => { event.preventDefault(); onChange(text.trim() || undefined); }}>
      <input className="input mono" list="kinds" placeholder="Kind or pattern" aria-label="Kind or event pattern" value={text} spellCheck={false} onChange={(event) => { setText(event.target.value); if (KINDS.includes(event.target.value) || event.target.value === "") onChange(event.target.value || undefined); }} />
      <datalist id="kinds">{KINDS.map((kind) => <option key={kind} value={kind} />)}</datalist>
    </form>
  );
}

function OneEvent({ seq, known, onClose }: { seq: number; known: Event | undefined; onClose: () => void }) {
  const asked = useQuery({ ...ask.event(seq), enabled: known === undefined && Number.isInteger(seq) });
  const event = known ?? asked.data?.items.find((one) => one.seq === seq);
  const to = event && eventLink(event);
  return (
    <Panel beside title={`Event ${seq}`} aside={<Button look="quiet" small icon="close" label="Close" onClick={onClose} />}>
      <div className="body stack">
        {asked.isError && <Failure error={asked.error} />}
        {!event && asked.isSuccess && <Empty title="There is no such event" />}
        {event && (
          <>
            <p className="row"><EventMark event={event} /><strong className="wrap">{sentence(event)}</strong></p>
            {to && <Link to={to} className="link">Open what it is about</Link>}
            <dl className="facts">
              <dt>Kind</dt><dd className="mono">{event.type}</dd>
              <dt>When</dt><dd><Time at={event.time} as="clock-ms" /> <span className="muted">(<Time at={event.time} />)</span></dd>
              {event.subject && <><dt>About</dt><dd>{event.subject}</dd></>}
              <dt>By</dt><dd>{event.actor}{event.privileged && <> <Badge title="Only few may do this">privileged</Badge></>}</dd>
              <dt>Source</dt><dd>{event.source}</dd>
              {event.workload && <><dt>Workload</dt><dd><Link to="/workloads/$name" params={{ name: event.workload }} className="link">{event.workload}</Link></dd></>}
              {event.cause && <><dt>Because of</dt><dd className="mono">{event.cause}</dd></>}
              <dt>Id</dt><dd className="mono">{event.id}</dd>
              <dt>Hash</dt><dd className="mono">{event.hash}</dd>
              <dt>Hash before</dt><dd className="mono">{event.prev_hash}</dd>
            </dl>
            <Json value={event.data} />
          </>
        )}
      </div>
    </Panel>
  );
}
