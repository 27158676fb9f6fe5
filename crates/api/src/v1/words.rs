//! The words that states and verdicts are told in. On the wire they are text, so that a reader gets by with a word that
//! is newer than itself; the API's document lists them. Tests of the server hold the
//! lists to the words that it says.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = [$($word:literal),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl $name {
            /// All of them.
            pub const ALL: &[&str] = &[$($word),+];
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+])).into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

words! {
    /// How an alarm stands, or one label set of it.
    AlarmState = ["inactive", "pending", "firing", "no data", "error", "not evaluated"];
    /// How an alarm of an incident stands.
    IncidentAlarmState = ["pending", "firing", "resolved", "inactive", "no data", "error"];
    /// Whether an incident goes on.
    IncidentStatus = ["open", "resolved"];
    /// How a priority's measure stands.
    MeasureState = ["on target", "off target", "no data", "error", "not evaluated"];
    /// How a service stands.
    ServiceStateWord = [
        "stopped", "waiting", "starting", "ready", "unhealthy", "stopping", "restarting", "failed", "ended", "unknown",
    ];
    /// How a run stands.
    RunStatusWord = [
        "Pending", "InProgress", "Waiting", "Cancelling", "Success", "TimedOut", "Cancelled", "Failed",
    ];
    /// How a step stands.
    StepStatusWord = [
        "Pending", "InProgress", "Waiting", "Cancelling", "Success", "Exited", "Skipped", "TimedOut", "Cancelled",
        "Failed", "OutcomeUnknown",
    ];
    /// What an attempt came to.
    AttemptResult = ["succeeded", "failed", "timed out", "cancelled", "unknown"];
    /// What a change is doing, or how it ended.
    ChangeState = [
        "held", "running", "rolling back", "applied", "rolled back", "kept in part", "failed", "refused", "cancelled",
    ];
    /// What is done to a resource.
    ChangeVerb = ["create", "update", "replace", "remove"];
    /// How a step of a change stands, or what became of it.
    ActionOutcome = [
        "pending", "started", "rolling back", "applied", "failed", "skipped", "rolled back", "rollback failed",
        "unknown",
    ];
    /// What was decided about a change that was held.
    DecisionWord = ["approved", "refused"];
    /// Whether a trigger works.
    TriggerState = ["on", "off", "disabled"];
    /// Whether a silence holds.
    SilenceState = ["pending", "active", "expired"];
    /// Whether a user may sign in.
    UserState = ["active", "disabled"];
    /// How a session began.
    SignInMethod = ["link", "password", "oidc"];
    /// How it is known who asks.
    KnownBy = ["machine", "session", "token"];
    /// A role that is granted.
    RoleWord = ["viewer", "responder", "operator", "approver", "admin"];
    /// What a role allows.
    PermissionWord = ["read", "respond", "run", "operate", "apply", "append", "approve", "administer"];
    /// How bad a problem in a file is.
    DiagnosticSeverity = ["error", "warning"];
    /// How severe a log record is; empty when it does not say.
    LogSeverity = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", ""];
    /// What a span is to the service it stands in.
    SpanKindWord = ["internal", "server", "client", "producer", "consumer", "unspecified"];
    /// How a span ended.
    SpanStatusWord = ["unset", "ok", "error"];
}
