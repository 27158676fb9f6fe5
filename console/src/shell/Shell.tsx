// What stands around every page: navigation, search, the line to the server, keys.

import { useQuery, useIsFetching } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useList } from "../api/lists";
import * as ask from "../api/queries";
import { Button, Kbd, Zone } from "../ui/basic";
import { Dialog, Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { usePagePlace } from "../ui/place";
import { isTyping } from "../ui/table";
import { Toasts } from "../ui/toasts";
import { Account } from "./Account";
import { ConnectionState, CutStrip, RestoredStrip } from "./Connection";
import { Palette } from "./Palette";
import { PLACES } from "./places";
import { SignIn } from "./SignIn";
import { setTheme, useTheme } from "./theme";

const KEYS: [keys: string[], what: string][] = [
  [["Ctrl", "K"], "Go to anything, or do something"],
  [["/"], "Search in this page"],
  [["j"], "Next row"], [["k"], "Row before"], [["Enter"], "Open the row"],
  [["["], "Fold the navigation away, or back"],
  [["Esc"], "Close what is open"], [["?"], "These keys"],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div className="keys">
        {PLACES.map((place) => <div key={place.to}><span><Kbd>g</Kbd> <Kbd>{place.key}</Kbd></span><span>{place.name}</span></div>)}
        {KEYS.map(([keys, what]) => <div key={what}><span>{keys.map((key, n) => <span key={key}>{n > 0 && " "}<Kbd>{key}</Kbd></span>)}</span><span>{what}</span></div>)}
      </div>
    </Dialog>
  );
}

function Nav({ onPick }: { onPick: () => void }) {
  const { rows: incidents } = useList(ask.incidents({ status: "open" }));
  const { rows: alarms } = useList(ask.alarms());
  const status = useQuery(ask.status);
  const open = incidents.length;
  const firing = alarms.filter((one) => one.state === "firing" && one.silenced_by === undefined).length;
  const lost = status.data ? status.data.hosts_known - status.data.hosts_connected : 0;
  const numbers: Record<string, [number, string]> = { "/incidents": [open, "open"], "/alarms": [firing, "firing"], "/fleet": [lost, "gone"] };
  return (
    <nav aria-label="Pages" className="nav-list">
      {PLACES.map((place) => {
        const [n, what] = numbers[place.to] ?? [0, ""];
        return (
          <Link key={place.to} to={place.to} className="nav-item" activeOptions={{ exact: place.to === "/", includeSearch: false }} activeProps={{ "aria-current": "page" }} title={`${place.name}: ${place.what} (g ${place.key})`} onClick={onPick}>
            <Icon name={place.icon} />
            <span className="nav-name">{place.name}</span>
            {n > 0 && <span className="nav-count" title={`${n} ${what}`}>{n}<span className="hidden-visually"> {what}</span></span>}
          </Link>
        );
      })}
    </nav>
  );
}

function ThemeMenu() {
  const theme = useTheme();
  const item = (to: "system" | "light" | "dark", label: string) => ({ label, checked: theme === to, onSelect: () => setTheme(to) });
  return <Menu label="Colours" button={() => <Icon name="theme" />} items={[item("system", "As the system"), item("light", "Light"), item("dark", "Dark")]} />;
}

export function Shell() {
  const navigate = useNavigate();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [folded, setFolded] = useState(false);
  const [opened, setOpened] = useState(false);
  const pending = useRef<number | undefined>(undefined);
  const wall = useRouterState({ select: (state) => state.location.pathname === "/" && String((state.location.search as { wall?: unknown }).wall) === "true" });
  const where = useRouterState({ select: (state) => state.location.pathname });
  const isLoading = useRouterState({ select: (state) => state.isLoading });
  const fetching = useIsFetching();
  const main = useRef<HTMLElement>(null);

  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (document.querySelector("dialog[open]") === null) setPalette(true);
        return;
      }
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      if (pending.current !== undefined) {
        window.clearTimeout(pending.current);
        pending.current = undefined;
        const place = PLACES.find((one) => one.key === event.key);
        if (place) {
          event.preventDefault();
          // Before lists take the letter as a move.
          event.stopImmediatePropagation();
          void navigate({ to: place.to });
        }
        return;
      }
      if (event.key === "g") pending.current = window.setTimeout(() => (pending.current = undefined), 1500);
      else if (event.key === "?") setHelp(true);
      else if (event.key === "[") setFolded((before) => !before);
      else if (event.key === "/") {
        const search = document.querySelector<HTMLElement>("[data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
        }
      } else return;
      if (event.key !== "/") event.preventDefault();
    };
    document.addEventListener("keydown", listen, true);
    return () => document.removeEventListener("keydown", listen, true);
  }, [navigate]);

  useEffect(() => {
    setOpened(false);
  }, [where]);
  usePagePlace();

  return (
    <div className={`shell ${folded ? "folded" : ""} ${wall ? "wall" : ""} ${opened ? "opened" : ""}`}>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the page</a>
      <aside className="side">
        <div className="brand">
          <Link to="/" className="brand-name"><img src="/icon.svg" width="20" height="20" alt="" /> <span className="nav-name">Mainstay</span></Link>
        </div>
        <button type="button" className="nav-search" onClick={() => setPalette(true)} {...(folded ? { "aria-label": "Go to …" } : {})}>
          <Icon name="search" /> <span className="nav-name">Go to …</span> <span className="nav-name nav-kbd" aria-hidden="true"><Kbd>Ctrl K</Kbd></span>
        </button>
        <Nav onPick={() => setOpened(false)} />
        <div className="side-foot">
          <div className="side-connection" data-testid="connection"><ConnectionState /></div>
          <div className="side-connection nav-name muted">Times in <Zone /></div>
          <Account />
          <div className="row">
            <ThemeMenu />
            <Button look="quiet" icon="help" label="Keys" onClick={() => setHelp(true)} />
          </div>
        </div>
      </aside>
      <div className="page-frame">
        <div className="top">
          <Button look="quiet" icon="menu" label="Pages" aria-expanded={opened} onClick={() => setOpened(!opened)} />
          <Link to="/" className="brand-name"><img src="/icon.svg" width="18" height="18" alt="" /> Mainstay</Link>
          <span className="grow" />
          <ConnectionState />
          <Button look="quiet" icon="search" label="Go to, or do" onClick={() => setPalette(true)} />
        </div>
        {opened && <div className="veil" onClick={() => setOpened(false)} />}
        <CutStrip />
        <RestoredStrip />
        <main id="main" ref={main} tabIndex={-1} aria-busy={isLoading || fetching > 0}>
          <Outlet />
        </main>
      </div>
      {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setHelp(true)} />}
      {help && <Help onClose={() => setHelp(false)} />}
      <SignIn />
      <Toasts />
    </div>
  );
}
