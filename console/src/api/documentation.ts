// `docs.json` of a workload (`mainstay.documentation/v1`), as far as pages use it. The API's document says of it only that it
// is an object, because it is a format of its own.

export interface Documentation {
  workload: { name: string; title: string; owner?: string; tags: Record<string, string> };
  priorities: { goal: string; measure: string; target: string; components: string[] }[];
  components: Record<string, ComponentDoc>;
  alarms: Record<string, AlarmDoc>;
  triggers: Record<string, { description?: string; enabled: boolean; words: string; schedule?: { expression: string; zone: string } }>;
  procedures: Record<string, ProcedureDoc>;
  recordings: Record<string, { file: string; expr: string }>;
}

export interface ComponentDoc {
  description?: string; hosts: string; endpoint?: string; metrics?: string; depends_on: string[]; dependents: string[];
  priorities: string[]; service?: { run: string; port?: number; health?: string; restart: string; stop: string; memory_limit_bytes?: number };
}

interface AlarmDoc {
  summary?: string; words: string; runbook?: string;
  rules: { file: string; group: string; expr: string; for: string; keep_firing_for: string; labels: Record<string, string>; annotations: Record<string, string> }[];
  leads_to: { procedure: string; trigger?: string; always: boolean }[];
}

export interface ProcedureDoc {
  file: string; description?: string; parameters: Record<string, ParameterDoc>; steps: StepDoc[]; outputs: string[];
  started_by: string[]; alarms: string[]; digest: string;
}

export interface ParameterDoc {
  type: string; description?: string; required: boolean; default?: unknown; allowed_values: unknown[]; allowed_pattern?: string;
}

export interface StepDoc {
  name: string; action: string; description?: string; inputs: unknown; max_attempts: number; timeout?: string;
  on_failure: string; is_end: boolean; next?: string; choices: { when?: string; next: string }[]; words: string; then: string;
}
