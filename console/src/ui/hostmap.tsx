// Thousands of hosts at a glance: one small square each, drawn on one canvas that is no larger than what is in sight of
// them. What is not good has a mark as well as a colour; a click chooses a host. The table beside it says the same to who
// cannot see it.

import { useEffect, useRef } from "react";
import { tone, type Tone } from "../lib/state";
import { useDark } from "../shell/theme";

interface Square { host: string; state: string }

const COLORS = ["good", "bad", "warn", "active", "waiting", "idle", "unknown", "panel", "text"];
const MARKS: Partial<Record<Tone, string>> = { bad: "!", unknown: "?", warn: "▲", waiting: "=" };

interface Look { colors: Record<string, string>; family: string }
/** To ask the styles makes the browser work out the whole page: once for dark and once for light is enough, however many maps there are. */
const looks = new Map<boolean, Look>();

/** What the colours are called in the styles, as they are now, and in what letters marks are written. */
function lookAt(element: HTMLElement, dark: boolean): Look {
  const known = looks.get(dark);
  if (known) return known;
  const probe = document.createElement("span");
  element.after(probe);
  const found = COLORS.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  const look = { colors: Object.fromEntries(found), family: getComputedStyle(element).fontFamily };
  looks.set(dark, look);
  return look;
}

function drawSquare(context: CanvasRenderingContext2D, colors: Record<string, string>, look: Tone, isSelected: boolean, x: number, y: number, size: number): void {
  context.fillStyle = colors[look] ?? "gray";
  if (look === "idle" || look === "active" || look === "unknown") {
    context.strokeStyle = colors[look] ?? "gray";
    context.lineWidth = 1.5;
    context.strokeRect(x + 1.5, y + 1.5, size - 4, size - 4);
  } else context.fillRect(x + 1, y + 1, size - 2, size - 2);
  const mark = MARKS[look];
  if (mark && size >= 11) {
    context.fillStyle = (look === "unknown" ? colors["unknown"] : colors["panel"]) ?? "white";
    context.fillText(mark, x + size / 2, y + size / 2 + 0.5);
  }
  if (isSelected) {
    context.strokeStyle = colors["text"] ?? "black";
    context.lineWidth = 2;
    context.strokeRect(x, y, size - 1, size - 1);
  }
}

export function HostMap({ hosts, selected, onSelect, label }: { hosts: Square[]; selected?: string | undefined; onSelect: (host: string) => void; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const all = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const place = useRef({ size: 16, across: 1 });
  const dark = useDark();
  useEffect(() => {
    const [outer, inner, element] = [box.current, all.current, canvas.current];
    if (!outer || !inner || !element) return undefined;
    const { colors, family } = lookAt(element, dark);
    const size = hosts.length > 3000 ? 8 : hosts.length > 600 ? 11 : 16;
    let frame = 0;
    const draw = (): void => {
      const width = outer.clientWidth;
      const across = Math.max(1, Math.floor(width / size));
      place.current = { size, across };
      inner.style.height = `${Math.ceil(hosts.length / across) * size}px`;
      const [height, top, scale] = [outer.clientHeight, outer.scrollTop, devicePixelRatio];
      element.width = width * scale;
      element.height = height * scale;
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
      const context = element.getContext("2d");
      if (!context) return;
      context.setTransform(scale, 0, 0, scale, 0, -top * scale);
      context.font = `bold ${size - 4}px ${family}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      const first = Math.floor(top / size) * across;
      hosts.slice(first, Math.ceil((top + height) / size) * across).forEach(({ host, state }, n) => {
        const at = first + n;
        drawSquare(context, colors, tone(state), host === selected, (at % across) * size, Math.floor(at / across) * size, size);
      });
    };
    draw();
    const soon = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(draw);
    };
    const sized = new ResizeObserver(soon);
    sized.observe(outer);
    outer.addEventListener("scroll", soon, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      sized.disconnect();
      outer.removeEventListener("scroll", soon);
    };
  }, [hosts, selected, dark]);
  return (
    <div className="hostmap" ref={box} tabIndex={0} role="group" aria-label={`Map of ${label}`}>
      <div ref={all}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={label}
          onClick={(event) => {
            const { size, across } = place.current;
            const { left, top } = event.currentTarget.getBoundingClientRect();
            const [x, y] = [event.clientX - left, event.clientY - top + (box.current?.scrollTop ?? 0)];
            const host = x < across * size ? hosts[Math.floor(y / size) * across + Math.floor(x / size)] : undefined;
            if (host) onSelect(host.host);
          }}
        />
      </div>
    </div>
  );
}
