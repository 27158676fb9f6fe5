// Fleet: hosts, grouped by a tag, with what runs on them; or the services themselves.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { useList } from "../api/lists";
import * as ask from "../api/queries";
import type { Host, Service } from "../api/types";
import { count } from "../lib/format";
import { urgency, worst } from "../lib/state";
import { useBeside } from "../ui/beside";
import { Button, Empty, Loaded, Panel, State, Tags, Time, useTitle } from "../ui/basic";
import { HostMap } from "../ui/hostmap";
import { Near } from "../ui/near";
import { SearchField } from "../ui/search";
import { Table, useSorted, type Column } from "../ui/table";

const route = getRouteApi("/fleet");

/** A host is as well as its agent's line and the worst of its services. */
const stateOf = (host: Host): string => (host.connected ? (worst(host.services.map((service) => service.state).filter((state) => state !== "ready")) ?? "connected") : "gone");

const HOSTS: Column<Host>[] = [
  { key: "state", head: "State", width: "120px", narrow: "96px", by: (host) => urgency(stateOf(host)), cell: (host) => <State state={stateOf(host)} /> },
  { key: "host", head: "Host", width: "minmax(0, 1fr)", by: (host) => host.id, cell: (host) => <span title={host.id}>{host.id}</span> },
  { key: "tags", head: "Tags", width: "minmax(0, 1.8fr)", wide: true, cell: (host) => <Tags tags={host.tags} most={5} /> },
  { key: "services", head: "Services", width: "90px", narrow: "58px", right: true, by: (host) => host.services.length, cell: (host) => `${host.services.filter((service) => service.state === "ready").length} of ${host.services.length}` },
  { key: "version", head: "Agent", width: "80px", right: true, wide: true, by: (host) => host.version, cell: (host) => <span className="muted">{host.version}</span> },
  { key: "seen", head: "Heard of", width: "90px", narrow: "78px", right: true, by: (host) => -Date.parse(host.last_seen), cell: (host) => <Time at={host.last_seen} /> },
];

const SERVICES: Column<Service>[] = [
  { key: "state", head: "State", width: "120px", narrow: "92px", by: (service) => urgency(service.state), cell: (service) => <State state={service.state} /> },
  { key: "name", head: "Service", width: "minmax(0, 1fr)", by: (service) => service.name, cell: (service) => <Link to="/workloads/$name" params={{ name: service.workload }} search={{ component: service.name }} tabIndex={-1}>{service.name}</Link> },
  { key: "workload", head: "Workload", width: "minmax(0, .6fr)", wide: true, by: (service) => service.workload, cell: (service) => service.workload },
  { key: "host", head: "Host", width: "minmax(0, .8fr)", by: (service) => service.host, cell: (service) => service.host },
  { key: "why", head: "Why", width: "minmax(0, 1.2fr)", wide: true, cell: (service) => <span className="muted" title={service.reason}>{service.reason}</span> },
  { key: "restarts", head: "Restarts", width: "70px", right: true, wide: true, by: (service) => service.restarts, cell: (service) => service.restarts || "" },
  { key: "since", head: "Since", width: "90px", narrow: "80px", right: true, by: (service) => -Date.parse(service.since ?? ""), cell: (service) => <Time at={service.since} none="not known" /> },
];

/** So many groups are shown at once: a tag may have another value on each of fifty thousand hosts. */
const GROUPS = 40;

/** A selector of tags, or a part of a name. */
function picked(text: string | undefined): { selector?: string; contains?: string } {
  if (text === undefined) return {};
  return /[=!]|\bin\s*\(|^tag:/.test(text) ? { selector: text } : { contains: text };
}

export function Fleet() {
  useTitle("Fleet");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const status = useQuery(ask.status);
  const { asked, rows: all, more } = useList(ask.hosts(picked(search.q)));
  const chosen = useList({ ...ask.hosts({ selector: `host=${search.host ?? ""}` }), enabled: search.host !== undefined });
  // Only what is here as a whole can be sorted here; the server has those with trouble first.
  const isWhole = !asked.hasNextPage;
  const sort = isWhole ? search.sort : undefined;
  const onSort = isWhole ? (to: string | undefined) => set({ sort: to }) : undefined;
  const keys = useMemo(() => [...new Set(all.flatMap((host) => Object.keys(host.tags)))].sort(), [all]);
  const listed = useMemo(() => all.flatMap((host) => host.services).sort((a, b) => urgency(a.state) - urgency(b.state) || a.name.localeCompare(b.name)), [all]);
  const services = useSorted(listed, SERVICES, sort);
  const sorted = useSorted(all, HOSTS, sort);
  const groups = useMemo(() => {
    if (!search.by) return [["", sorted] as const];
    const found = new Map<string, Host[]>();
    for (const host of sorted) {
      const value = host.tags[search.by] ?? "";
      const group = found.get(value);
      if (group) group.push(host);
      else found.set(value, [host]);
    }
    return [...found].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  }, [sorted, search.by]);
  const [most, setMost] = useState(GROUPS);
  useEffect(() => setMost(GROUPS), [search.by]);
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const one = search.host === undefined ? undefined : (all.find((host) => host.id === search.host) ?? chosen.rows[0]);
  const beside = useBeside(search.host, (host, how) => void navigate({ search: (before) => ({ ...before, host }), ...how }));
  const [known, lost] = status.data ? [status.data.hosts_known, status.data.hosts_known - status.data.hosts_connected] : [undefined, 0];
  return (
    <>
      <div className="page-head"><h1>Fleet</h1>{known !== undefined && <span className="muted">{count(known, "host")}{isWhole && !search.q ? `, ${count(listed.length, "service")}` : ""}{isWhole ? "" : `; ${all.length.toLocaleString("en")} shown, those with trouble first`}</span>}{lost > 0 && <State state="gone" text={`${lost} gone`} />}</div>
      <div className="filters">
        <div className="segments" role="group" aria-label="What is listed">
          <button type="button" aria-pressed={search.show === undefined} onClick={() => set({ show: undefined, sort: undefined })}>Hosts</button>
          <button type="button" aria-pressed={search.show === "services"} onClick={() => set({ show: "services", sort: undefined })}>Services</button>
        </div>
        <SearchField value={search.q} label="Which hosts" placeholder="Name, or selector: role=app,environment in (local,prod)" onChange={(q) => set({ q })} />
        {search.show !== "services" && <select className="input" aria-label="Group by tag" value={search.by ?? ""} onChange={(event) => set({ by: event.target.value || undefined })}><option value="">Not grouped</option>{keys.map((key) => <option key={key} value={key}>by {key}</option>)}</select>}
        {(search.q !== undefined || search.by !== undefined || search.sort !== undefined) && <Button look="quiet" small onClick={() => set({ q: undefined, by: undefined, sort: undefined })}>Clear</Button>}
      </div>
      <Loaded of={asked} what="hosts">
        {() => all.length === 0 && !search.q ? <div className="panel"><Empty title="No host has connected yet"><p><code>mainstay up DIR</code> brings this machine's; <code>mainstay agent</code> joins one to a server.</p></Empty></div> : (
          <div className={one ? "split journal" : "stack"}>
            <div className="stack">
              {search.show === "services" ? (
                <div className="panel"><Table label="Services" primary columns={SERVICES} rows={services} sort={sort} onSort={onSort} onEnd={more} rowKey={(service) => `${service.host}/${service.workload}/${service.name}`} {...(services.length > 20 ? { height: "calc(100dvh - 190px)" } : {})} onOpen={(service) => beside.open(service.host)} foot={<span>{services.length.toLocaleString("en")} shown{isWhole ? "" : "; more as you go down"}</span>} empty={isWhole ? <Empty title="No service is like that" /> : <Empty title={`No service is on the ${all.length.toLocaleString("en")} hosts that were read`}><Button disabled={asked.isFetchingNextPage} onClick={more}>{asked.isFetchingNextPage ? "Reading more hosts …" : "Read more hosts"}</Button></Empty>} /></div>
              ) : groups.slice(0, most).map(([value, hosts], n) => (
                <Near key={value} height={heightOf(hosts.length)} isNear={n === 0}>
                <Group
                  title={search.by ? (value === "" ? `without ${search.by}` : `${search.by}=${value}`) : undefined} hosts={hosts} primary={n === 0} isOne={groups.length === 1} selected={search.host}
                  more={search.by === undefined && !isWhole} sort={sort} onSort={onSort} onEnd={search.by === undefined ? more : undefined} onSelect={beside.open}
                />
                </Near>
              ))}
              {search.by && search.show !== "services" && (groups.length > most || !isWhole) && (
                <div className="row wrapping">
                  {groups.length > most && <Button onClick={() => setMost(most + GROUPS)}>Show more of {count(groups.length, "group")}</Button>}
                  {!isWhole && <Button disabled={asked.isFetchingNextPage} onClick={more}>{asked.isFetchingNextPage ? "Reading more hosts …" : "Read more hosts"}</Button>}
                </div>
              )}
            </div>
            {one && <OneHost host={one} onTag={(selector) => set({ q: search.q?.includes("=") ? (search.q.split(",").includes(selector) ? search.q : `${search.q},${selector}`) : selector })} onClose={beside.close} />}
          </div>
        )}
      </Loaded>
    </>
  );
}

interface GroupProps {
  /** Which group; without it all hosts are here. */
  title: string | undefined;
  hosts: Host[];
  primary: boolean;
  /** There is no other group beside it. */
  isOne: boolean;
  selected: string | undefined;
  /** Whether more come as one goes down. */
  more: boolean;
  sort: string | undefined;
  onSort: ((sort: string | undefined) => void) | undefined;
  onEnd: (() => void) | undefined;
  onSelect: (host: string) => void;
}

/** About how high a group is: its head, its map, its table, and the foot of that. */
const heightOf = (hosts: number): number => 69 + (hosts > 24 ? 40 : 0) + (hosts > 20 ? 360 + 32 : hosts * 32);

/** Hosts at a glance where they are many, and as a table. */
function Group({ title, hosts, primary, isOne, selected, more, sort, onSort, onEnd, onSelect }: GroupProps) {
  const squares = useMemo(() => hosts.map((host) => ({ host: host.id, state: stateOf(host) })), [hosts]);
  const label = useMemo(() => `${count(hosts.length, "host")}, ${hosts.filter((host) => !host.connected).length.toLocaleString("en")} gone`, [hosts]);
  const hasMap = hosts.length > 24;
  const height = !isOne ? "360px" : hasMap ? "max(300px, calc(100dvh - 410px))" : "calc(100dvh - 260px)";
  return (
    <Panel title={title ?? "Hosts"} aside={<span className="muted num">{hosts.length.toLocaleString("en")}</span>}>
      {hasMap && <div className="body"><HostMap hosts={squares} selected={selected} onSelect={onSelect} label={label} /></div>}
      <Table
        label={title ? `Hosts with ${title}` : "Hosts"} primary={primary} columns={HOSTS} rows={hosts} sort={sort} onSort={onSort} onEnd={onEnd} rowKey={(host) => host.id} current={selected}
        {...(hosts.length > 20 ? { height } : {})} onOpen={(host) => onSelect(host.id)}
        foot={hosts.length > 20 && <span>{hosts.length.toLocaleString("en")} shown{more ? "; more as you go down" : ""}</span>}
        empty={<Empty title="No host is like that"><p>A selector names tags: <code>role=app</code>, <code>stage in (prod,test)</code>, with commas between them. Other words are parts of a name.</p></Empty>}
      />
    </Panel>
  );
}

function OneHost({ host, onTag, onClose }: { host: Host; onTag: (selector: string) => void; onClose: () => void }) {
  return (
    <Panel beside title={host.id} aside={<><State state={stateOf(host)} /><Button look="quiet" small icon="close" label="Close" onClick={onClose} /></>}>
      <div className="body stack">
        {!host.connected && <div className="notice unknown"><span>Its agent is not connected. What is said here was known <Time at={host.last_seen} />; its services may still run.</span></div>}
        <dl className="facts">
          <dt>Agent</dt><dd>{host.version}</dd>
          <dt>Heard of</dt><dd><Time at={host.last_seen} /></dd>
          <dt>Tags</dt><dd><Tags tags={host.tags} most={50} onPick={onTag} /></dd>
        </dl>
      </div>
      <ul className="lines">
        {host.services.map((service) => (
          <li key={`${service.workload}/${service.name}`}>
            <State state={service.state} />
            <Link to="/workloads/$name" params={{ name: service.workload }} search={{ component: service.name }} className="cut">{service.name}</Link>
            <span className="muted cut" title={service.reason}>{service.reason ?? service.workload}</span>
            <span className="grow" />
            {service.pid !== undefined && <span className="faint num">pid {service.pid}</span>}
            <span className="muted"><Time at={service.since} none="not known" /></span>
          </li>
        ))}
        {host.services.length === 0 && <li className="muted">No service is placed here.</li>}
      </ul>
    </Panel>
  );
}
