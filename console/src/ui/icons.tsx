// Drawings of 14 units: one for each tone, so that a state is told by its shape as well as by its word.

import type { Tone } from "../lib/state";

const SHAPES: Record<Tone, React.ReactNode> = {
  good: <><circle cx="7" cy="7" r="6" fill="currentColor" /><path d="M4.2 7.2l2 2 3.6-4.2" fill="none" stroke="var(--panel)" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" /></>,
  bad: <><path d="M4.5 1h5L13 4.5v5L9.5 13h-5L1 9.5v-5z" fill="currentColor" /><path d="M7 3.8v3.6M7 9.9v.2" stroke="var(--panel)" strokeWidth="1.7" strokeLinecap="round" /></>,
  warn: <><path d="M7 1.2l6 11H1z" fill="currentColor" stroke="currentColor" strokeLinejoin="round" /><path d="M7 5.2v3M7 10.2v.1" stroke="var(--panel)" strokeWidth="1.5" strokeLinecap="round" /></>,
  active: <g className="spin"><circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" strokeOpacity=".3" strokeWidth="2" /><path d="M7 2a5 5 0 0 1 5 5" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" /></g>,
  waiting: <><circle cx="7" cy="7" r="6" fill="none" stroke="currentColor" strokeWidth="1.6" /><path d="M5.4 4.8v4.4M8.6 4.8v4.4" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" /></>,
  idle: <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" strokeWidth="1.6" />,
  unknown: <><circle cx="7" cy="7" r="6" fill="none" stroke="currentColor" strokeWidth="1.4" strokeDasharray="2.2 1.9" /><path d="M5.3 5.6a1.7 1.7 0 1 1 2.4 1.6c-.5.2-.7.5-.7 1M7 10v.1" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" /></>,
};

export function ToneIcon({ tone }: { tone: Tone }) {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

const PATHS = {
  now: "M2 8h2.5l1.5-4 3 8 1.5-4H14",
  workload: "M2 3h5v4H2zM9 9h5v4H9zM4.5 7v4H9",
  runs: "M4 2.5v11l9-5.5z",
  incidents: "M8 1.8l6.5 11.7h-13zM8 6.5v3M8 11.6v.1",
  metrics: "M2 13.5V2.5M2 13.5h12M4.5 10.5l3-4 2.5 2 3.5-5",
  alarms: "M8 2a4 4 0 0 0-4 4c0 4-1.5 5-1.5 5h11S12 10 12 6a4 4 0 0 0-4-4zM6.8 13.5a1.4 1.4 0 0 0 2.4 0",
  fleet: "M2 2.5h12v4.5H2zM2 9h12v4.5H2zM4.5 4.8v.1M4.5 11.2v.1",
  journal: "M3.5 1.8h9v12.4h-9zM6 5h4M6 8h4M6 11h2.5",
  triggers: "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z",
  earlier: "M10.500 3L5.500 8l5 5",
  later: "M5.500 3l5 5-5 5",
  closer: "M8 3v10M3 8h10",
  wider: "M3 8h10",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3L14 14",
  theme: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  help: "M6 6a2 2 0 1 1 2.8 1.8c-.6.3-.8.6-.8 1.4M8 11.7v.1",
  close: "M4 4l8 8M12 4l-8 8",
  more: "M3.5 8v.1M8 8v.1M12.5 8v.1",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  external: "M9.5 2.5h4v4M13.5 2.5L7.5 8.5M11.5 9v4.5h-9v-9H7",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5L7.500 13a2.800 2.800 0 0 1-4-4L5 7.500",
  plus: "M8 3v10M3 8h10",
  stop: "M4 4h8v8H4z",
  person: "M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4zM2.800 13.500c.5-2.600 2.500-4 5.200-4s4.700 1.400 5.200 4",
  again: "M13 8a5 5 0 1 1-1.6-3.700M13 2v3h-3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
