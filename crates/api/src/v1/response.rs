//! What people say of incidents, and which alarms they silence.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;

/// That somebody has an incident in hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// What they say with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// That somebody has an alarm in hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeAlarm {
    /// Which of its label sets: the one with exactly these labels; all of them if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// What they say with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Ends an incident that does not end by itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveIncident {
    /// Why it is over; part of the record.
    pub reason: String,
    /// Although an alarm of it still fires or is pending.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// Who ended an incident.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ResolvedView {
    /// Who: a person, or a run.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What still kept it open then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waited_for: Vec<String>,
}

/// Who has an incident or an alarm in hand.
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
    /// Whether it holds.
    #[schema(value_type = super::SilenceState)]
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
