//! Alarms and incidents on the wire.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;

/// One alarm with one set of labels.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AlarmView {
    /// The workload whose rule it is.
    pub workload: String,
    /// The rule's name.
    pub alarm: String,
    /// How it stands. That there are no data, that it cannot be evaluated and that it was not yet are states of their own.
    #[schema(value_type = super::AlarmState)]
    pub state: String,
    /// Its labels, without `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, filled in.
    pub annotations: BTreeMap<String, String>,
    /// The value at the last evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub since: Option<Timestamp>,
    /// Why its evaluation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The silence that holds for it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced_by: Option<String>,
    /// The open incident that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Who has it in hand, until it clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<super::AcknowledgedView>,
}

/// One line of the list of incidents.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct IncidentSummary {
    /// Its id.
    pub id: String,
    /// The workload.
    pub workload: String,
    /// What it is about.
    pub title: String,
    /// Whether it goes on.
    #[schema(value_type = super::IncidentStatus)]
    pub status: String,
    /// When it was opened.
    #[schema(value_type = super::Time)]
    pub opened_at: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub resolved_at: Option<Timestamp>,
    /// Who ended it, where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<super::ResolvedView>,
    /// Its alarms with their states.
    #[schema(value_type = BTreeMap<String, super::IncidentAlarmState>)]
    pub alarms: BTreeMap<String, String>,
    /// The runs that belong to it.
    pub runs: Vec<String>,
    /// Who has it in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<super::AcknowledgedView>,
    /// What still keeps it open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// An incident with its story.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct IncidentDetail {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: IncidentSummary,
    /// How long things took.
    pub times: TimesView,
    /// What happened, in order.
    pub timeline: Vec<TimelineEntry>,
    /// Updates that people wrote, in order.
    #[serde(default)]
    #[schema(required = true)]
    pub notes: Vec<super::NoteView>,
    /// The post-incident analysis draft, as Markdown, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// The file the draft was written to, on the server's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_path: Option<String>,
}

/// How long an incident's stages took; absent means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TimesView {
    /// From the start of the disturbance to the first firing alarm, in milliseconds.
    #[schema(required = true)]
    pub to_detect_ms: Option<u64>,
    /// From the firing alarm to the first action, in milliseconds.
    #[schema(required = true)]
    pub to_respond_ms: Option<u64>,
    /// From the start of the disturbance to recovery, in milliseconds.
    #[schema(required = true)]
    pub to_recover_ms: Option<u64>,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TimelineEntry {
    /// When.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// Milliseconds since the incident's start; negative before it.
    pub offset_ms: i64,
    /// Who did it.
    pub actor: String,
    /// The type of the journal's event (`alarm.firing`).
    #[serde(default, rename = "type")]
    #[schema(required = true)]
    pub kind: String,
    /// What it is about, as events have it: `run/ID`, `alarm/NAME`, `change/ID`, `incident/ID`, `host/ID`, `trigger/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How what it is about ended, in the word of its kind (`Failed` of a run, `rolled back` of a change), where the event
    /// tells an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What happened, as a sentence.
    pub text: String,
    /// The journal event that proves it.
    pub seq: u64,
}
