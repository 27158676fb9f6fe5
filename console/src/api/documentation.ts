// `docs.json` of a workload (`mainstay-docs`), as the API's document describes it, under the words that pages use.

import type { components } from "./wire";

type Schemas = components["schemas"];

export type Documentation = Schemas["Documentation"];
export type ComponentDoc = Schemas["DocumentationComponent"];
export type ProcedureDoc = Schemas["DocumentationProcedure"];
export type ParameterDoc = Schemas["DocumentationParameter"];
export type StepDoc = Schemas["DocumentationStep"];
