// The command palette: every page, workload, procedure, host, incident and verb, by a few letters; what can be done about what is
// open comes first.

import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useList } from "../api/lists";
import * as ask from "../api/queries";
import { session } from "../api/session";
import { score } from "../lib/fuzzy";
import { tone } from "../lib/state";
import { Icon, ToneIcon, type IconName } from "../ui/icons";
import { toast } from "../ui/toast";
import { PLACES } from "./places";
import { setTheme } from "./theme";
import { verbsHere } from "./verbs";

interface Entry { group: string; name: string; more?: string | undefined; icon?: IconName | undefined; state?: string; go: () => void }

/** The group of what can be done about what is open. */
const HERE = "Here";

const MOST = 60;

export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const workloads = useQuery(ask.workloads);
  const status = useQuery(ask.status);
  const { rows: incidents } = useList(ask.incidents());
  const { rows: runs } = useList(ask.runs({}, 100));
  const isPart = status.data !== undefined && status.data.hosts.length < status.data.hosts_known;
  const { rows: found } = useList({ ...ask.hosts({ contains: text.trim() }), enabled: isPart && text.trim().length > 1 });
  const hosts = useMemo(() => [...new Map([...found.slice(0, 20), ...(status.data?.hosts ?? [])].map((host) => [host.id, host])).values()], [found, status.data]);
  const [here] = useState(verbsHere);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element && !element.open) element.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  const entries = useMemo(() => {
    const to = (path: string) => (): void => void navigate({ to: path });
    const found: Entry[] = here.map((verb) => ({ group: HERE, name: verb.name, more: verb.why ?? verb.more, icon: verb.icon, go: verb.why === undefined ? verb.go : () => toast("idle", verb.why) }));
    found.push(...PLACES.map((place) => ({ group: "Pages", name: place.name, more: place.what, icon: place.icon, go: to(place.to) })));
    for (const workload of workloads.data?.items ?? []) {
      const base = `/workloads/${encodeURIComponent(workload.workload)}`;
      found.push({ group: "Workloads", name: workload.title, more: workload.workload, icon: "workload", go: to(base) });
      for (const tab of ["history", "procedures", "priorities"]) {
        found.push({ group: "Workloads", name: `${workload.title}: ${tab}`, more: workload.workload, icon: "workload", go: () => void navigate({ to: base, search: { tab } as never }) });
      }
      for (const procedure of workload.procedures) {
        const where = `/procedures/${encodeURIComponent(workload.workload)}/${encodeURIComponent(procedure)}`;
        found.push({ group: "Procedures", name: procedure, more: workload.workload, icon: "runs", go: to(where) });
        found.push({ group: "Verbs", name: `Run ${procedure}`, more: workload.workload, icon: "runs", go: () => void navigate({ to: where, search: { start: true } as never }) });
      }
      for (const alarm of workload.alarms) {
        found.push({ group: "Alarms", name: alarm, more: workload.workload, icon: "alarms", go: () => void navigate({ to: "/alarms", search: { alarm: `${workload.workload}/${alarm}` } as never }) });
      }
      for (const component of workload.components) {
        found.push({ group: "Components", name: component, more: workload.workload, icon: "workload", go: () => void navigate({ to: base, search: { component } as never }) });
      }
      found.push({ group: "Verbs", name: `Roll back ${workload.workload}`, more: "to an earlier revision", icon: "again", go: () => void navigate({ to: base, search: { tab: "history" } as never }) });
    }
    for (const host of hosts) {
      found.push({ group: "Hosts", name: host.id, state: host.connected ? "connected" : "gone", go: () => void navigate({ to: "/fleet", search: { host: host.id } as never }) });
    }
    for (const incident of incidents) {
      found.push({ group: "Incidents", name: incident.title, more: incident.id, state: incident.status, go: to(`/incidents/${encodeURIComponent(incident.id)}`) });
    }
    for (const run of runs.slice(0, 100)) {
      found.push({ group: "Runs", name: run.procedure, more: run.id, state: run.status, go: to(`/runs/${encodeURIComponent(run.id)}`) });
    }
    found.push(
      { group: "Verbs", name: "Colours: light", icon: "theme", go: () => setTheme("light") },
      { group: "Verbs", name: "Colours: dark", icon: "theme", go: () => setTheme("dark") },
      { group: "Verbs", name: "Colours: as the system", icon: "theme", go: () => setTheme("system") },
      { group: "Verbs", name: "Wall screen", more: "Now, without navigation", icon: "now", go: () => void navigate({ to: "/", search: { wall: true } as never }) },
      { group: "Verbs", name: "Keys", more: "every key of the console", icon: "help", go: onHelp },
      { group: "Verbs", name: "Silences", more: "that hold, and their ends", icon: "alarms", go: () => void navigate({ to: "/alarms", search: { show: "silences" } as never }) },
      { group: "Verbs", name: "Calls that were given up", more: "to be tried again or dropped", icon: "triggers", go: () => void navigate({ to: "/triggers", search: { show: "dead" } as never }) },
      { group: "Verbs", name: "Sign out", icon: "person", go: () => void session.signOut().then((done) => done || toast("bad", "The server does not answer; you are still signed in")) },
    );
    return found;
  }, [here, workloads.data, hosts, incidents, runs, navigate, onHelp]);
  const shown = useMemo(() => {
    const wanted = text.trim();
    if (wanted === "") return entries.filter((entry) => entry.group === HERE || entry.group === "Pages" || entry.group === "Workloads" || (entry.group === "Incidents" && entry.state === "open")).slice(0, MOST);
    return entries
      .map((entry) => ({ entry, points: Math.max(score(wanted, entry.name), score(wanted, `${entry.name} ${entry.more ?? ""}`) - 2, score(wanted, `${entry.group} ${entry.name}`) - 4) }))
      .filter(({ points }) => points > 0)
      // What can be done here is meant more often than what is called so elsewhere.
      .map(({ entry, points }) => ({ entry, points: entry.group === HERE ? points + 5 : points }))
      .sort((a, b) => b.points - a.points)
      .slice(0, MOST)
      .map(({ entry }) => entry);
  }, [entries, text]);
  const chosen = Math.min(at, shown.length - 1);
  const go = (entry: Entry | undefined): void => {
    if (!entry) return;
    // Closed first: until then nothing behind it can have the focus.
    flushSync(onClose);
    entry.go();
  };
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen, id]);
  let group = "";
  return (
    <dialog
      ref={dialog}
      className="dialog palette"
      aria-label="Go to, or do"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      onKeyDown={(event) => {
        event.stopPropagation();
        const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
        if (step !== undefined) {
          event.preventDefault();
          setAt(Math.max(0, Math.min(shown.length - 1, chosen + step)));
        } else if (event.key === "Enter") {
          event.preventDefault();
          go(shown[chosen]);
        } else if (event.key === "Escape" || (event.key === "k" && (event.ctrlKey || event.metaKey))) {
          event.preventDefault();
          onClose();
        }
      }}
    >
      <input
        className="palette-input"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={shown.length > 0 ? `${id}-${chosen}` : undefined}
        aria-label="Go to, or do"
        placeholder="Go to a page, workload, procedure, host, incident, or do …"
        autoFocus
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
      />
      <div className="palette-list" role="listbox" id={`${id}-list`} aria-label="Matches">
        {shown.map((entry, n) => {
          const head = text.trim() === "" && entry.group !== group ? entry.group : undefined;
          group = entry.group;
          return (
            <div key={n} role="presentation">
              {head && <div className="palette-group" role="presentation">{head}</div>}
              <div id={`${id}-${n}`} role="option" aria-selected={n === chosen} className="palette-item" onPointerMove={() => setAt(n)} onClick={() => go(entry)}>
                {entry.state ? <span className={`tone-${tone(entry.state)}`}><ToneIcon tone={tone(entry.state)} /></span> : entry.icon && <Icon name={entry.icon} />}
                <span className="cut">{entry.name}</span>
                {entry.more && <span className="cut muted">{entry.more}</span>}
                <span className="grow" />
                <span className="faint">{entry.group}</span>
              </div>
            </div>
          );
        })}
        {shown.length === 0 && <div className="empty">Nothing here is called so. Names of pages, workloads, procedures, components, alarms, hosts, incidents and runs are known.</div>}
      </div>
    </dialog>
  );
}
