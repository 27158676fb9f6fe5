//! The JSON of the HTTP API, version 1. Field names are snake_case, times RFC 3339 in UTC, durations milliseconds with
//! the unit in the name. Fields are only ever added; a reader ignores what it does not know.

mod change;
mod error;
mod event;
mod incident;
mod run;
mod status;
mod telemetry;
mod trigger;
mod workload;

pub use change::{
    ActionView, ChangeDetail, ChangeSummary, Decide, DecisionView, GitView, PlanView, RevisionDetail,
};
pub use error::{ErrorBody, ErrorKind};
pub use event::{EventView, NewEvent};
pub use incident::{AlarmView, IncidentDetail, IncidentSummary, TimelineEntry, TimesView};
pub use run::{
    AttemptView, CommandView, OutputView, ResumeRun, RunDetail, RunSummary, StartRun, StepView, WaitView,
};
pub use status::{HostView, MeasureView, ServiceView, Status, WorkloadStatus};
pub use telemetry::{LogView, SpanView, TraceView};
pub use trigger::{
    ChosenCalls, Count, DeadLetter, DisabledView, NewReplay, ReplayView, SwitchTrigger, TargetView,
    TriggerView, Triggers,
};
pub use workload::{
    Applied, ChangeView, DiagnosticView, Expect, FileBody, NewRevision, RelatedView, WorkloadDetail,
};

/// A page of a list, newest or lowest first as the endpoint says.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
