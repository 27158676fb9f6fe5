//! The tables of what people say: of incidents, and of alarms that they silence.

use mainstay_model::{Event, Timestamp};
use mainstay_store::{Fold, Rows};
use serde_json::Value;

/// Rows are [`SaidRow`] by the incident's id.
pub const SAID_TABLE: &str = "incidents_said";
/// Rows are [`SilenceRow`] by the silence's id.
pub const SILENCES_TABLE: &str = "silences";

/// The most notes that the table keeps of one incident; the journal has all.
pub const MAX_NOTES: usize = 500;

/// Who has an incident in hand.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// What they said with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An update.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// Its place in the journal.
    pub seq: u64,
}

/// What people said of an incident.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SaidRow {
    /// Who has it in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// The updates, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A condition of a silence on a label.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConditionRow {
    /// The label's name.
    pub name: String,
    /// Its value, or a pattern of the whole value.
    pub value: String,
    /// Whether the value is a pattern.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it has to match; otherwise it must not.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// A silence.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SilenceRow {
    /// Its id.
    pub silence: String,
    /// The workload whose alarms they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Which of them.
    pub matchers: Vec<ConditionRow>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
}

fn text(data: &Value, key: &str) -> Option<String> {
    data[key].as_str().map(str::to_owned)
}

/// Keeps [`SAID_TABLE`].
pub struct SaidFold;

impl Fold for SaidFold {
    fn table(&self) -> &'static str {
        SAID_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if !matches!(event.kind.as_str(), "incident.acknowledged" | "incident.noted") {
            return;
        }
        let Some(id) = event.data["incident"].as_str() else { return };
        let mut said = rows.read::<SaidRow>(id).unwrap_or_default();
        let by = event.actor.to_string();
        if event.kind == "incident.acknowledged" {
            said.acknowledged =
                Some(Acknowledged { by, at: event.time, message: text(&event.data, "message") });
        } else {
            if said.notes.len() >= MAX_NOTES {
                return;
            }
            let (Some(note), Some(text)) = (text(&event.data, "note"), text(&event.data, "text")) else {
                return;
            };
            said.notes.push(Note { id: note, by, at: event.time, text, seq: event.seq });
        }
        rows.write(id, &said);
    }
}

/// Keeps [`SILENCES_TABLE`].
pub struct SilencesFold;

impl Fold for SilencesFold {
    fn table(&self) -> &'static str {
        SILENCES_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(id) = event.data["silence"].as_str() else { return };
        match event.kind.as_str() {
            "silence.created" => {
                let mut data = event.data.clone();
                data["by"] = event.actor.to_string().into();
                if let Ok(row) = serde_json::from_value::<SilenceRow>(data) {
                    rows.write(id, &row);
                }
            }
            "silence.expired" => {
                let Some(mut row) = rows.read::<SilenceRow>(id) else { return };
                row.ends_at = row.ends_at.min(event.time);
                rows.write(id, &row);
            }
            _ => {}
        }
    }
}
