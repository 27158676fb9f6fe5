// Thousands of hosts at a glance: one small square each, drawn on one canvas. What is not good has a mark as well as a
// colour; a click chooses a host. The table beside it says the same to who cannot see it.

import { useEffect, useRef } from "react";
import { tone, type Tone } from "../lib/state";
import { useDark } from "../shell/theme";

export function HostMap({ hosts, selected, onSelect, label }: { hosts: { host: string; state: string }[]; selected?: string | undefined; onSelect: (host: string) => void; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useDark();
  const place = useRef({ size: 14, across: 1 });
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const draw = (): void => {
      const width = element.parentElement?.clientWidth ?? 300;
      const size = hosts.length > 3000 ? 8 : hosts.length > 600 ? 11 : 16;
      const across = Math.max(1, Math.floor(width / size));
      place.current = { size, across };
      const height = Math.ceil(hosts.length / across) * size;
      const scale = devicePixelRatio;
      element.width = width * scale;
      element.height = height * scale;
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
      const context = element.getContext("2d");
      if (!context) return;
      context.scale(scale, scale);
      const style = getComputedStyle(element);
      const probe = document.createElement("span");
      element.after(probe);
      const color = (name: string): string => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
      };
      const colors = Object.fromEntries(["good", "bad", "warn", "active", "waiting", "idle", "unknown", "panel", "text"].map((name) => [name, color(name)]));
      probe.remove();
      context.font = `bold ${size - 4}px ${style.fontFamily}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      const marks: Partial<Record<Tone, string>> = { bad: "!", unknown: "?", warn: "▲", waiting: "=" };
      hosts.forEach(({ host, state }, n) => {
        const x = (n % across) * size;
        const y = Math.floor(n / across) * size;
        const look = tone(state);
        context.fillStyle = colors[look] ?? "gray";
        if (look === "idle" || look === "active" || look === "unknown") {
          context.strokeStyle = colors[look] ?? "gray";
          context.lineWidth = 1.5;
          context.strokeRect(x + 1.5, y + 1.5, size - 4, size - 4);
        } else context.fillRect(x + 1, y + 1, size - 2, size - 2);
        const mark = marks[look];
        if (mark && size >= 11) {
          context.fillStyle = (look === "unknown" ? colors["unknown"] : colors["panel"]) ?? "white";
          context.fillText(mark, x + size / 2, y + size / 2 + 0.5);
        }
        if (host === selected) {
          context.strokeStyle = colors["text"] ?? "black";
          context.lineWidth = 2;
          context.strokeRect(x, y, size - 1, size - 1);
        }
      });
    };
    draw();
    const sized = new ResizeObserver(draw);
    if (element.parentElement) sized.observe(element.parentElement);
    return () => sized.disconnect();
  }, [hosts, selected, dark]);
  return (
    <div className="hostmap">
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const { size, across } = place.current;
          const host = hosts[Math.floor((event.clientY - box.top) / size) * across + Math.floor((event.clientX - box.left) / size)];
          if (host) onSelect(host.host);
        }}
      />
    </div>
  );
}
