// Selectors of tags as the server knows them, for filtering what is already here; other words are parts of a name.

export function matches(text: string, name: string, tags: Record<string, string>): boolean {
  return split(text).every((part) => {
    const inside = /^(?:tag:)?([\w.\-/]+)\s+(not\s+)?in\s+\(([^)]*)\)$/.exec(part);
    if (inside) {
      const values = (inside[3] ?? "").split(",").map((value) => value.trim());
      const has = values.includes(tags[inside[1] ?? ""] ?? "\u0000");
      return inside[2] ? !has : has;
    }
    const equal = /^(?:tag:)?([\w.\-/]+)\s*(!=|==?)\s*(.*)$/.exec(part);
    if (equal) return (tags[equal[1] ?? ""] === (equal[3] ?? "").trim()) === (equal[2] !== "!=");
    return name.toLowerCase().includes(part.toLowerCase()) || Object.values(tags).some((value) => value.toLowerCase().includes(part.toLowerCase()));
  });
}

/** At commas outside of brackets. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const letter of text) {
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (letter === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else part += letter;
  }
  parts.push(part);
  return parts.map((one) => one.trim()).filter((one) => one !== "" && one !== "*");
}
