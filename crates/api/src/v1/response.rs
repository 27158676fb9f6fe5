//! What people say of incidents, and which alarms they silence.

use mainstay_model::Timestamp;

/// That somebody has an incident in hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// What they say with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Who has an incident in hand.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AcknowledgedView {
    /// Who.
    pub by: String,
    /// Since when.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// What they said with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An update on an incident.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    /// What there is to say; up to 10,000 bytes of Markdown.
    pub text: String,
    /// Makes the request safe to repeat: the same token writes one note only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// An update on an incident that was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NoteView {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub by: String,
    /// When.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// What it says, in Markdown.
    pub text: String,
    /// The journal event that it is.
    pub seq: u64,
}

/// A condition on a label of alarms, as Alertmanager has them. `alertname` is the alarm, `workload` its workload.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelMatcher {
    /// The label's name.
    pub name: String,
    /// Its value, or a pattern of the whole value.
    pub value: String,
    /// Whether the value is a regular expression.
    #[serde(default)]
    #[schema(required = true)]
    pub is_regex: bool,
    /// Whether it has to match; otherwise it must not.
    #[serde(default = "yes")]
    #[schema(required = true)]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Alarms to silence: they are shown as such, and neither open incidents nor join them. Procedures that triggers start for
/// them run all the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// The workload whose alarms they are; those of all if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Which of them: all conditions have to hold.
    pub matchers: Vec<LabelMatcher>,
    /// From when on; now if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub starts_at: Option<Timestamp>,
    /// Until when: 31 days at most.
    #[schema(value_type = super::Time)]
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Makes the request safe to repeat: the same token makes one silence only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SilenceView {
    /// Its id.
    pub id: String,
    /// The workload whose alarms they are; those of all if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Which of them.
    pub matchers: Vec<LabelMatcher>,
    /// `pending`, `active` or `expired`.
    pub state: String,
    /// From when on.
    #[schema(value_type = super::Time)]
    pub starts_at: Timestamp,
    /// Until when.
    #[schema(value_type = super::Time)]
    pub ends_at: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
}
