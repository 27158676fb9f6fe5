// The types of the wire, under the words that pages use. What they are is said by `wire.ts`, which is made from the API's
// document; those of the documentation of a workload are in `documentation.ts`.

import type { components } from "./wire";

type Schemas = components["schemas"];

export interface Page<T> { items: T[]; next?: string }
/** A failure; kinds that only the console knows (`unreachable`) are not the server's. */
export type Problem = Omit<Schemas["ErrorBody"], "kind" | "type"> & { kind: string; type?: string };

export type Me = Schemas["Me"];
export type Status = Schemas["Status"];
export type WorkloadStatus = Schemas["WorkloadStatus"];
export type Measure = Schemas["MeasureView"];
export type Host = Schemas["HostView"];
export type Service = Schemas["ServiceView"];
export type WorkloadDetail = Schemas["WorkloadDetail"];
export type ChangeSummary = Schemas["ChangeSummary"];
export type ChangeDetail = Schemas["ChangeDetail"];
export type PlanView = Schemas["PlanView"];
export type RevisionDetail = Schemas["RevisionDetail"];
export type NewRevision = Schemas["NewRevision"];
export type RunSummary = Schemas["RunSummary"];
export type RunDetail = Schemas["RunDetail"];
export type Step = Schemas["StepView"];
export type Wait = Schemas["WaitView"];
export type DecideRun = Schemas["DecideRun"];
export type Output = Schemas["OutputView"];
export type IncidentSummary = Schemas["IncidentSummary"];
export type IncidentDetail = Schemas["IncidentDetail"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type Alarm = Schemas["AlarmView"];
export type Silence = Schemas["SilenceView"];
export type Matcher = Schemas["LabelMatcher"];
export type Event = Schemas["EventView"];
export type Trigger = Schemas["TriggerView"];
export type Triggers = Schemas["Triggers"];
export type DeadLetter = Schemas["DeadLetter"];
