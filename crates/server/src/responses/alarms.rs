//! Who has an alarm in hand, until it clears.

use std::collections::BTreeMap;

use mainstay_api::v1::{AcknowledgeAlarm, AcknowledgedView, AlarmView, ErrorKind};
use mainstay_model::{Actor, Event, EventDraft, Timestamp};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError};
use serde_json::json;

use super::{MAX_REASON, check_text, event_id};
use crate::alarms::{Shown, complete, of_workload, without_name};
use crate::app::App;
use crate::http::Failure;

/// Rows are [`AcknowledgedRow`] under the workload's name.
pub const ACKNOWLEDGED_TABLE: &str = "alarms_acknowledged";

/// An alarm that somebody has in hand.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AcknowledgedRow {
    /// Its name.
    pub alarm: String,
    /// Its labels, without `alertname`; none of an alarm as a whole.
    pub labels: BTreeMap<String, String>,
    /// Whether it is the alarm as a whole.
    pub whole: bool,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// What they said with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The row of an alarm with one label set, or as a whole.
fn row_id(workload: &str, alarm: &str, labels: &BTreeMap<String, String>, whole: bool) -> String {
    let none = BTreeMap::new();
    let labels = if whole { &none } else { labels };
    let hash = blake3::hash(format!("{alarm:?}{whole}{labels:?}").as_bytes()).to_hex();
    format!("{workload}/{}", &hash[..32])
}

/// Keeps [`ACKNOWLEDGED_TABLE`].
pub struct AcknowledgedFold;

impl Fold for AcknowledgedFold {
    fn table(&self) -> &'static str {
        ACKNOWLEDGED_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let (Some(what), Some(workload)) = (event.kind.strip_prefix("alarm."), event.workload.as_deref())
        else {
            return;
        };
        if !matches!(what, "acknowledged" | "resolved" | "inactive") {
            return;
        }
        let data = &event.data;
        let (Some(alarm), Ok(labels)) =
            (data["alarm"].as_str(), serde_json::from_value(data["labels"].clone()))
        else {
            return;
        };
        let labels = without_name(&labels);
        let whole = data["whole"].as_bool().unwrap_or_default();
        let id = row_id(workload, alarm, &labels, whole);
        if what != "acknowledged" {
            if rows.get_text(&id).is_some() {
                rows.remove(&id);
            }
            return;
        }
        let row = AcknowledgedRow {
            alarm: alarm.to_owned(),
            labels,
            whole,
            by: event.actor.to_string(),
            at: event.time,
            message: data["message"].as_str().map(str::to_owned),
        };
        rows.write(&id, &row);
    }
}

/// Who has which alarm of a workload in hand.
#[derive(Debug, Default)]
pub struct Acknowledgements(Vec<AcknowledgedRow>);

impl Acknowledgements {
    /// Those of a workload.
    pub fn of(journal: &dyn Journal, workload: &str) -> Result<Self, StoreError> {
        let rows = journal.rows(ACKNOWLEDGED_TABLE, &RowQuery::under(workload))?;
        Ok(Self(rows.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()).collect()))
    }

    /// Who has this one.
    pub fn of_alarm(
        &self,
        alarm: &str,
        labels: &BTreeMap<String, String>,
        whole: bool,
    ) -> Option<AcknowledgedView> {
        let is_it = |row: &&AcknowledgedRow| {
            row.alarm == alarm && row.whole == whole && (whole || row.labels == *labels)
        };
        let row = self.0.iter().find(is_it)?;
        Some(AcknowledgedView { by: row.by.clone(), at: row.at, message: row.message.clone() })
    }
}

/// Whether there is something to have in hand: the condition holds, or nobody knows.
fn is_trouble(shown: &Shown) -> bool {
    ["pending", "firing", "no data", "error"].contains(&shown.view.state.as_str())
}

/// Says that somebody has an alarm in hand. Saying it again changes nothing; another person takes it over.
pub async fn acknowledge_alarm(
    app: &App,
    workload: &str,
    alarm: &str,
    said: AcknowledgeAlarm,
    by: &Actor,
) -> Result<Vec<AlarmView>, Failure> {
    if let Some(message) = &said.message {
        check_text("The message", message, MAX_REASON)?;
    }
    let active = app.catalogue.get(workload).ok_or_else(|| Failure::not_found("workload", workload))?;
    let meant = |shown: &Shown| {
        shown.view.alarm == alarm && said.labels.as_ref().is_none_or(|labels| *labels == shown.view.labels)
    };
    let look = || -> Result<Vec<Shown>, Failure> {
        let mut all = of_workload(app, &active);
        all.retain(meant);
        complete(app, &mut all)?;
        Ok(all)
    };
    let found = look()?;
    if found.is_empty() {
        let title = match &said.labels {
            None => format!("There is no alarm `{alarm}` of {workload}"),
            Some(_) => format!("The alarm `{alarm}` of {workload} does not hold for these labels"),
        };
        return Err(Failure::new(ErrorKind::NotFound, title));
    }
    let trouble: Vec<&Shown> = found.iter().filter(|shown| is_trouble(shown)).collect();
    if trouble.is_empty() {
        let state = &found[0].view.state;
        return Err(Failure::new(ErrorKind::Conflict, format!("The alarm `{alarm}` is {state}"))
            .hint("what fires, is pending or is not known can be taken in hand"));
    }
    let mine = by.to_string();
    let is_new = |shown: &&&Shown| {
        said.message.is_some() || shown.view.acknowledged.as_ref().is_none_or(|known| known.by != mine)
    };
    let drafts: Vec<EventDraft> = trouble
        .iter()
        .filter(is_new)
        .map(|shown| {
            let data = json!({
                "alarm": alarm, "labels": shown.view.labels, "whole": shown.whole, "state": shown.view.state,
                "message": said.message,
            });
            let event = event_id(format!("ack:{}", uuid::Uuid::now_v7().simple()));
            EventDraft::new(event, "alarm.acknowledged", app.clock.now(), by.clone(), data)
                .subject(format!("alarm/{alarm}"))
                .workload(workload)
        })
        .collect();
    if !drafts.is_empty() {
        app.journal.append(drafts).await?;
    }
    let mut now = look()?;
    now.retain(is_trouble);
    Ok(now.into_iter().map(|shown| shown.view).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstay_model::EventId;
    use mainstay_store::MemoryJournal;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn an_alarm_is_in_hand_until_it_clears() {
        let journal = MemoryJournal::new(vec![Arc::new(AcknowledgedFold)]).expect("a journal");
        let zone = |zone: &str| BTreeMap::from([("zone".to_owned(), zone.to_owned())]);
        let tell = |number: u32, kind: &str, data: Value| {
            let id = EventId::new(format!("e{number}")).expect("an id");
            let by = Actor::Person("jo".to_owned());
            EventDraft::new(id, kind, Timestamp::from_millis(1), by, data).workload("shop")
        };
        let of = |zone: &str, whole: bool| {
            let mut labels = json!({ "zone": zone, "alertname": "Slow" });
            if whole {
                labels = json!({ "alertname": "Slow" });
            }
            json!({ "alarm": "Slow", "labels": labels, "whole": whole, "message": "on it" })
        };
        let known = || {
            let said = Acknowledgements::of(&journal, "shop").expect("read");
            let by = |labels, whole| said.of_alarm("Slow", &labels, whole).map(|one| one.by);
            (by(zone("a"), false), by(zone("b"), false), by(BTreeMap::new(), true))
        };
        let jo = || Some("person:jo".to_owned());
        for (number, zone) in [(1, "a"), (2, "b")] {
            journal.append(vec![tell(number, "alarm.acknowledged", of(zone, false))]).await.expect("told");
        }
        journal.append(vec![tell(3, "alarm.acknowledged", of("", true))]).await.expect("told");
        assert_eq!(known(), (jo(), jo(), jo()));
        // That it fires on, or that nothing is known for a while, changes nothing.
        journal.append(vec![tell(4, "alarm.firing", of("a", false))]).await.expect("told");
        journal.append(vec![tell(5, "alarm.no_data", of("a", false))]).await.expect("told");
        assert_eq!(known(), (jo(), jo(), jo()));
        journal.append(vec![tell(6, "alarm.resolved", of("a", false))]).await.expect("told");
        assert_eq!(known(), (None, jo(), jo()), "each label set by itself");
        journal.append(vec![tell(7, "alarm.inactive", of("", true))]).await.expect("told");
        assert_eq!(known(), (None, jo(), None));
    }
}
