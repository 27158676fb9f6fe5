// The form of a procedure: texts that are typed, what is wrong with them, and the values they become.

import type { ParameterDoc } from "../api/documentation";

export type Draft = Record<string, string>;
type Parameters = Record<string, ParameterDoc>;

function written(value: unknown, type: string): string {
  if (value === undefined || value === null) return "";
  if (type === "StringList" && Array.isArray(value)) return value.map(String).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}

/** What the form begins with: the defaults, or the values that an earlier run was given. */
export function initial(parameters: Parameters, values: Record<string, unknown> = {}): Draft {
  return Object.fromEntries(Object.entries(parameters).map(([name, about]) => [name, written(values[name] ?? about.default, about.type)]));
}

function isJson(type: string): boolean {
  return /Map/.test(type);
}

/** What is wrong with each; nothing is missing where all is well. The server has the last word. */
export function check(parameters: Parameters, draft: Draft): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const [name, about] of Object.entries(parameters)) {
    const text = draft[name] ?? "";
    if (text.trim() === "") {
      if (about.required) wrong[name] = "It is needed";
      continue;
    }
    if (about.type === "Integer" && !/^[-+]?\d+$/.test(text.trim())) wrong[name] = "A whole number is needed";
    if (isJson(about.type)) {
      try {
        JSON.parse(text);
      } catch (error) {
        wrong[name] = `It is not JSON: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    if (about.allowed_pattern && about.type === "String") {
      try {
        if (!new RegExp(about.allowed_pattern, "u").test(text)) wrong[name] = `It does not match ${about.allowed_pattern}`;
      } catch {
        // A pattern in a dialect that browsers do not know is left to the server.
      }
    }
  }
  return wrong;
}

/** The values; what is empty and not needed is left to the document's default. */
export function valueOf(parameters: Parameters, draft: Draft): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, about] of Object.entries(parameters)) {
    const text = draft[name] ?? "";
    if (text.trim() === "" || text === written(about.default, about.type)) continue;
    if (about.type === "Integer") values[name] = Number(text);
    else if (about.type === "Boolean") values[name] = text === "true";
    else if (about.type === "StringList") values[name] = text.split("\n").map((line) => line.trim()).filter(Boolean);
    else if (isJson(about.type)) values[name] = JSON.parse(text);
    else values[name] = text;
  }
  return values;
}
