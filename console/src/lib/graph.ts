// A procedure's document as a graph: its steps, and the ways between them. Where a run is known, which way it went.

import type { ProcedureDoc, StepDoc } from "../api/documentation";
import type { Step } from "../api/types";

interface GraphNode { id: string; label: string; detail: string; state?: string; kind: "step" | "end" }
interface GraphEdge { id: string; from: string; to: string; label?: string; kind: "next" | "choice" | "failure"; taken?: boolean }
export interface Graph { nodes: GraphNode[]; edges: GraphEdge[] }

const END = "end of the run";

/** Ways on as the document says. What goes on to the next step in the file says nothing of it. */
export function ways(steps: StepDoc[], at: number): GraphEdge[] {
  const step = steps[at];
  if (!step) return [];
  const edges: GraphEdge[] = [];
  const add = (to: string, kind: GraphEdge["kind"], label?: string): void => {
    const same = edges.find((edge) => edge.to === to && edge.kind === kind);
    if (same) {
      if (label) same.label = same.label ? `${same.label}, or ${label}` : label;
      return;
    }
    edges.push({ id: `${step.name}>${to}>${kind}`, from: step.name, to, kind, ...(label ? { label } : {}) });
  };
  for (const choice of step.choices) add(choice.next, "choice", choice.when ?? "otherwise");
  if (step.next) add(step.next, "next");
  else if (step.is_end) add(END, "next");
  else if (step.choices.length === 0 || step.choices.every((choice) => choice.when !== undefined)) {
    const following = steps[at + 1]?.name;
    if (step.choices.length === 0) add(following ?? END, "next");
    else if (following) add(following, "choice", "otherwise");
  }
  if (step.on_failure !== "abort" && step.on_failure !== "continue") {
    const to = step.on_failure.replace(/^step:/, "");
    if (steps.some((one) => one.name === to)) add(to, "failure", "fails");
  }
  return edges;
}

export function graphOf(document: ProcedureDoc, ran?: Step[]): Graph {
  const known = new Map((ran ?? []).map((step) => [step.name, step]));
  const nodes: GraphNode[] = document.steps.map((step) => {
    const one = known.get(step.name);
    return { id: step.name, label: step.name, detail: step.action, kind: "step", ...(one ? { state: one.status } : {}) };
  });
  const edges = document.steps.flatMap((_, at) => ways(document.steps, at));
  if (edges.some((edge) => edge.to === END)) nodes.push({ id: END, label: "end", detail: "", kind: "end" });
  const exist = new Set(nodes.map((node) => node.id));
  const kept = edges.filter((edge) => exist.has(edge.to));
  if (ran) for (const edge of kept) edge.taken = known.get(edge.from)?.next === edge.to || (edge.to === END && known.get(edge.from)?.ended_at !== undefined && known.get(edge.from)?.next === undefined);
  return { nodes, edges: kept };
}

/** A run whose document is not there any more: its steps in the order they were reached. */
export function graphOfRun(ran: Step[]): Graph {
  const nodes: GraphNode[] = ran.map((step) => ({ id: step.name, label: step.name, detail: step.action, state: step.status, kind: "step" }));
  const exist = new Set(nodes.map((node) => node.id));
  const edges: GraphEdge[] = ran
    .filter((step) => step.next !== undefined && exist.has(step.next))
    .map((step) => ({ id: `${step.name}>${step.next}`, from: step.name, to: step.next ?? "", kind: "next", taken: true }));
  return { nodes, edges };
}
