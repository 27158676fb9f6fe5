// What a step did where: from the facts of its attempts, one line for each host.

import type { Output, Step } from "../api/types";

export interface HostLine { host: string; state: string; code?: number; output: string; errors: string }

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

const text = (value: unknown): string => (typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value));

export function hostLines(step: Step, live: Output[]): HostLine[] {
  const last = step.tries?.at(-1);
  const outputs = Object.keys(step.outputs).length > 0 ? step.outputs : (last?.outputs ?? {});
  const said = record(outputs["Outputs"]);
  const facts = record(outputs["Hosts"]);
  const lines = new Map<string, HostLine>();
  const running = step.ended_at === undefined && step.started_at !== undefined;
  for (const host of last?.hosts ?? []) lines.set(host, { host, state: running ? "InProgress" : "unknown", output: "", errors: "" });
  for (const command of step.commands ?? []) {
    const result = text(command.result?.["result"]);
    lines.set(command.host, { host: command.host, state: result === "" ? (running ? "InProgress" : "unknown") : result, output: "", errors: "" });
  }
  for (const [host, value] of Object.entries(facts)) {
    const fact = record(value);
    const before = lines.get(host);
    const code = fact["ResponseCode"];
    lines.set(host, {
      host, state: text(fact["Status"]) || before?.state || "unknown", output: text(said[host]), errors: text(fact["StandardError"]),
      ...(typeof code === "number" ? { code } : {}),
    });
  }
  for (const one of live) {
    if (one.step !== step.name) continue;
    const before = lines.get(one.host) ?? { host: one.host, state: "InProgress", output: "", errors: "" };
    if (before.output === "") lines.set(one.host, { ...before, output: one.lines.join("\n") });
  }
  return [...lines.values()];
}
