// `src/api/wire.ts` is what the API's document says, in TypeScript: the calls with what they take and answer, and every type
// on the wire. It is checked in; this test holds it to the document, and `npm run wire` writes it anew.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import openapiTS, { astToString, type OpenAPI3 } from "openapi-typescript";
import { expect, test } from "vitest";

const consoleRoot = join(import.meta.dirname, "../..");
const file = join(consoleRoot, "src/api/wire.ts");

const HEAD = `// Made from crates/api/openapi.json by \`npm run wire\`; not edited by hand.
`;

interface Document { paths: Record<string, Record<string, Operation>>; components: Record<string, unknown> }
interface Operation { [key: string]: unknown; responses: Record<string, unknown>; parameters?: { description?: string }[] }

/** Without what is the same for every call (refusals are `ErrorBody`), and without what is not for the console. */
function forConsole(document: Document): OpenAPI3 {
  delete document.components.responses;
  for (const [path, methods] of Object.entries(document.paths)) {
    if (!path.startsWith("/v1/")) {
      delete document.paths[path];
      continue;
    }
    for (const operation of Object.values(methods)) {
      for (const said of ["description", "operationId", "tags", "security"]) delete operation[said];
      for (const parameter of operation.parameters ?? []) delete parameter.description;
      for (const status of Object.keys(operation.responses)) if (!status.startsWith("2")) delete operation.responses[status];
    }
  }
  return document as unknown as OpenAPI3;
}

async function made(): Promise<string> {
  const document = JSON.parse(readFileSync(join(consoleRoot, "../crates/api/openapi.json"), "utf8")) as Document;
  const text = astToString(await openapiTS(forConsole(document)));
  // What is not there is not named.
  const absent = /^\s+(get|put|post|delete|options|head|patch|trace|query|header|path|cookie|requestBody)\?: never;\n/gm;
  const headers = /^\s+headers: \{\n\s+\[name: string\]: unknown;\n\s+\};\n/gm;
  const said = /^\s+\/\*\* @description (As asked|A page of the list)\. \*\/\n/gm;
  const empty = /^\s+parameters: \{\n\s+\};\n/gm;
  const rest = /^(export type (webhooks|\$defs|operations)|    (responses|parameters|requestBodies|headers|pathItems): never).*\n/gm;
  return HEAD + [absent, headers, said, empty, rest].reduce((before, what) => before.replace(what, ""), text);
}

test("the types of the wire are those of the API's document", async () => {
  const now = await made();
  if (process.env.UPDATE) writeFileSync(file, now);
  expect(readFileSync(file, "utf8") === now, "src/api/wire.ts is not what the document says: run `npm run wire`").toBe(true);
});
