//! The JSON of the HTTP API, version 1. Field names are snake_case, times RFC 3339 in UTC, durations milliseconds with
//! the unit in the name. Fields are only ever added; a reader ignores what it does not know.

mod access;
mod change;
mod error;
mod event;
mod incident;
mod prometheus;
mod response;
mod run;
mod status;
mod telemetry;
mod trigger;
mod words;
mod workload;

pub use access::{
    AwaitedAccount, ChangePassword, GrantView, MadeToken, Me, NewGrant, NewToken, NewUser, ProviderView,
    Reason, SessionView, SignIn, SignInLink, SignInWays, TokenView, UserView,
};
pub use change::{
    ActionView, ChangeDetail, ChangeSummary, Decide, DecisionView, GitView, PlanView, RevisionDetail,
};
pub use error::{ErrorBody, ErrorKind};
pub use event::{Appended, AppendedMany, AppendedOne, EntriesAnswer, EntryAnswer, EventView, NewEvent};
pub use incident::{AlarmView, IncidentDetail, IncidentSummary, TimelineEntry, TimesView};
pub use prometheus::{
    MatrixSeries, MetricMetadata, PrometheusAnswer, PrometheusFailure, PrometheusMetadata, PrometheusNames,
    PrometheusSeries, QueryData, VectorSeries,
};
pub use response::{
    Acknowledge, AcknowledgeAlarm, AcknowledgedView, LabelMatcher, NewNote, NewSilence, NoteView,
    ResolveIncident, ResolvedView, SilenceView,
};
pub use run::{
    AttemptView, CancelRun, CommandView, DecideRun, OutputView, ResumeRun, RunDetail, RunSummary, StartRun,
    StepView, WaitView,
};
pub use status::{Alive, HostView, MeasureView, ServiceView, Status, WorkloadStatus};
pub use telemetry::{LogView, SpanView, TraceView};
pub use trigger::{
    ChosenCalls, Count, DeadLetter, DisabledView, NewReplay, ReplayView, SwitchTrigger, TargetView,
    TriggerView, Triggers,
};
pub use words::{
    ActionOutcome, AlarmState, AttemptResult, ChangeState, ChangeVerb, DecisionWord, DiagnosticSeverity,
    IncidentAlarmState, IncidentStatus, KnownBy, LogSeverity, MeasureState, PermissionWord, RoleWord,
    RunStatusWord, ServiceStateWord, SignInMethod, SilenceState, SpanKindWord, SpanStatusWord,
    StepStatusWord, TriggerState, UserState,
};
pub use workload::{
    Applied, ChangeView, DiagnosticView, DocsLink, Expect, FileBody, NewRevision, RelatedView, WorkloadDetail,
};

/// How a time looks in the API's document: `mainstay-model` knows nothing of documents.
pub struct Time;

impl utoipa::PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A time, RFC 3339 in UTC."))
            .examples(["2026-11-25T06:30:00.000Z"])
            .into()
    }
}

impl utoipa::ToSchema for Time {}

/// A page of a list, newest or lowest first as the endpoint says.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
