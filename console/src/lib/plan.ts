// A plan in its own format (`mainstay.plan/v1`), as far as pages show it.

interface PlanAction { verb: string; address: string; fields: string[]; reversal: string }
interface Plan { actions: PlanAction[]; interrupted: number; irreversible: number }

type Raw = Record<string, unknown>;
const isRecord = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === "string" ? value : isRecord(value) ? (Object.keys(value)[0] ?? "") : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Nothing where it is not a plan that is known here. */
export function readPlan(value: unknown): Plan | undefined {
  if (!isRecord(value) || value["format"] !== "mainstay.plan/v1" || !Array.isArray(value["actions"])) return undefined;
  const size = isRecord(value["size"]) ? value["size"] : {};
  const actions = value["actions"].filter(isRecord).map((action) => ({
    verb: text(action["verb"]),
    address: isRecord(action["resource"]) ? text(action["resource"]["address"]) : "",
    fields: Array.isArray(action["fields"]) ? action["fields"].filter(isRecord).map((field) => text(field["path"])) : [],
    reversal: text(action["reversal"]),
  }));
  return { actions, interrupted: number(size["interrupted"]), irreversible: number(size["irreversible"]) };
}
