// The wire types that pages use.

export interface Page<T> { items: T[]; next?: string }

export interface Problem {
  type?: string;
  kind: string;
  title: string;
  status: number;
  causes?: string[];
  hint?: string;
  diagnostics?: Diagnostic[];
}

export interface Diagnostic {
  code: string; severity: string; message: string; path: string; line: number; column: number; label?: string; help?: string;
}

export interface Status {
  version: string; pid: number; started_at: string; journal_seq: number; journal_hash: string;
  workloads: WorkloadStatus[]; changes?: ChangeSummary[]; hosts: Host[]; degraded?: string[];
}

export interface WorkloadStatus {
  workload: string; revision: string; applied_at: string; services_ready: number; services_wanted: number;
  measures: Measure[]; unplaced?: string[]; drift?: string[];
}

export interface Measure { goal: string; measure: string; target: string; state: string; value?: number; since?: string }

export interface Host {
  id: string; tags: Record<string, string>; connected: boolean; last_seen: string; version: string; services: Service[];
}

export interface Service {
  name: string; workload: string; host: string; state: string; pid?: number; since?: string; restarts: number;
  reason?: string; log?: string;
}

export interface ChangeSummary {
  id: string; workload: string; base?: string; revision: string; restores?: string; state: string; finished: boolean;
  started_at: string; ended_at?: string; by: string; message?: string; git?: { commit: string; dirty: boolean };
  resources: number; done: number; waves: number; wave: number; reason?: string;
}

export interface ChangeDetail extends ChangeSummary {
  plan: unknown; actions: Action[]; holds?: string[]; keep: boolean;
  decision?: { decision: string; by: string; own: boolean; at: string; message?: string };
}

export interface Action { address: string; action: string; wave: number; outcome: string; reason?: string }

export interface RevisionDetail {
  workload: string; revision: string; parent?: string; current: boolean; digest: string; directory: string; at: string;
  by: string; message?: string; files: Record<string, string>;
}

export interface WorkloadDetail {
  workload: string; title: string; owner: string; revision: string; applied_at: string; applied_by: string;
  message?: string; components: string[]; procedures: string[]; triggers: string[]; alarms: string[];
}

export interface RunSummary {
  id: string; workload?: string; procedure: string; status: string; finished: boolean; started_at: string;
  ended_at?: string; current_step?: string; started_by: string; message?: string;
}

export interface RunDetail extends RunSummary {
  parameters: Record<string, unknown>; variables?: Record<string, unknown>; outputs: Record<string, unknown>;
  waiting?: { step: string; attempt: string; reason: string; pause: boolean };
  cause?: string; digest: string; steps: Step[]; parent?: string; continues?: string;
}

export interface Step {
  name: string; action: string; status: string; started_at?: string; ended_at?: string; attempts: number;
  tries?: Attempt[]; parent?: string; iteration?: number; earlier_attempts?: number; next?: string;
  outputs: Record<string, unknown>; message?: string; child?: string; taken_from?: string; commands?: Command[];
}

export interface Attempt {
  id: string; started_at: string; ended_at?: string; result?: string; message?: string; hosts?: string[];
  inputs?: unknown; outputs?: Record<string, unknown>; decided_by?: string;
}

export interface Command { id: string; host: string; result?: Record<string, unknown> }

export interface Output { step: string; host: string; lines: string[] }

export interface IncidentSummary {
  id: string; workload: string; title: string; status: string; opened_at: string; resolved_at?: string;
  alarms: Record<string, string>; runs: string[]; waiting_for?: string[];
}

export interface IncidentDetail extends IncidentSummary {
  times: { to_detect_ms?: number | null; to_respond_ms?: number | null; to_recover_ms?: number | null };
  timeline: TimelineEntry[]; draft?: string; draft_path?: string;
}

export interface TimelineEntry { at: string; offset_ms: number; actor: string; text: string; seq: number }

export interface Alarm {
  workload: string; alarm: string; state: string; labels: Record<string, string>; annotations: Record<string, string>;
  value?: number; since?: string; error?: string;
}

export interface Event {
  id: string; source: string; type: string; subject?: string; time: string; received?: string; actor: string;
  workload?: string; tags?: Record<string, string>; cause?: string; trace?: string; seq: number; prev_hash: string;
  hash: string; data: unknown; text?: string;
}

export interface Log {
  seq: number; time: string; service: string; severity: string; body: string; attributes: Record<string, unknown>;
  trace_id?: string; span_id?: string;
}

export interface Trigger {
  workload: string; trigger: string; description?: string; state: string;
  disabled?: { by: string; at: string; reason?: string };
  targets: { id: string; calls: string; retries: number; max_age_ms: number }[];
  pattern?: unknown; schedule?: string; next?: string; last_match?: string; last_match_seq?: number;
  last_result?: string; last_result_at?: string; lag_ms?: number; matched: number; throttled: number; skipped: number;
  replaced: number; delivered: number; failed: number; dead: number; queued?: number; under_way?: number;
  waiting?: number;
}

export interface Triggers { items: Trigger[]; behind: number }

export interface DeadLetter {
  id: string; workload: string; trigger: string; target: string; event_seq: number; since: string; at: string;
  attempts: number; reason?: string; code?: string; exhausted?: string; replay?: string;
}

/** `docs.json` of a workload, as far as pages use it. */
export interface Documentation {
  workload: { name: string; title: string; owner?: string; tags: Record<string, string> };
  priorities: { goal: string; measure: string; target: string; components: string[] }[];
  components: Record<string, ComponentDoc>;
  alarms: Record<string, AlarmDoc>;
  triggers: Record<string, { description?: string; enabled: boolean; words: string; schedule?: { expression: string; zone: string } }>;
  procedures: Record<string, ProcedureDoc>;
  recordings: Record<string, { file: string; expr: string }>;
  history?: {
    runs: { id: string; procedure: string; status: string; started_at: string; ended_at?: string; started_by: string }[];
  };
}

export interface ComponentDoc {
  description?: string; hosts: string; endpoint?: string; metrics?: string; depends_on: string[]; dependents: string[];
  priorities: string[]; service?: { run: string; port?: number; health?: string; restart: string; stop: string; memory_limit_bytes?: number };
}

export interface AlarmDoc {
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
