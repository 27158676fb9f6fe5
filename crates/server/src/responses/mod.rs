//! What people say of incidents and alarms: that they have one in hand, what there is to know, and which alarms are to be
//! left alone for a while.

mod alarms;
mod fold;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_api::v1::{
    AcknowledgedView, ErrorKind, LabelMatcher, NewNote, NewSilence, NoteView, ResolveIncident, SilenceView,
};
use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_promql::{MatchOp, Matcher};
use mainstay_respond::Status;
use mainstay_store::{Journal, RowQuery, StoreError, rows_from};
use serde_json::{Value, json};

pub use alarms::{
    ACKNOWLEDGED_TABLE, AcknowledgedFold, AcknowledgedRow, Acknowledgements, acknowledge_alarm,
};
use fold::ConditionRow;
pub use fold::{SAID_TABLE, SILENCES_TABLE, SaidFold, SaidRow, SilenceRow, SilencesFold};

use crate::app::App;
use crate::http::{Failure, append_one};
use crate::incidents::{self, IncidentRow};
use crate::once::{self, Keyed};

/// The longest note, in bytes.
const MAX_NOTE: usize = 10_000;
/// The longest reason or message, in bytes.
const MAX_REASON: usize = 1000;
/// The most conditions of a silence.
const MAX_MATCHERS: usize = 20;
/// The most silences that hold or are to hold.
const MAX_SILENCES: usize = 1000;
/// How long a silence holds at most.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// What people said of an incident.
pub fn said(journal: &dyn Journal, incident: &str) -> Result<SaidRow, StoreError> {
    let row = journal.row(SAID_TABLE, incident)?;
    Ok(row.and_then(|row| serde_json::from_value(row).ok()).unwrap_or_default())
}

impl SaidRow {
    /// Who has it in hand, for the wire.
    pub fn acknowledged(&self) -> Option<AcknowledgedView> {
        let known = self.acknowledged.as_ref()?;
        Some(AcknowledgedView { by: known.by.clone(), at: known.at, message: known.message.clone() })
    }

    /// The notes, for the wire.
    pub fn notes(&self) -> Vec<NoteView> {
        let view = |note: &fold::Note| NoteView {
            id: note.id.clone(),
            by: note.by.clone(),
            at: note.at,
            text: note.text.clone(),
            seq: note.seq,
        };
        self.notes.iter().map(view).collect()
    }
}

fn event_id(text: String) -> EventId {
    EventId::new(text).expect("a word and hex digits are an id")
}

fn check_text(what: &str, text: &str, most: usize) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::invalid(format!("{what} says nothing")));
    }
    if text.len() > most {
        return Err(Failure::invalid(format!("{what} has more than {most} bytes")));
    }
    Ok(())
}

/// One incident.
pub fn incident(app: &App, id: &str) -> Result<IncidentRow, Failure> {
    incidents::get(app.journal.as_ref(), id)?.ok_or_else(|| Failure::not_found("incident", id))
}

/// Says that somebody has an incident in hand. Saying it again changes nothing; another person takes it over.
pub async fn acknowledge(app: &App, id: &str, message: Option<String>, by: &Actor) -> Result<(), Failure> {
    if let Some(message) = &message {
        check_text("The message", message, MAX_REASON)?;
    }
    let row = incident(app, id)?;
    if row.incident.status == Status::Resolved {
        return Err(Failure::new(ErrorKind::Conflict, format!("Incident {id} is resolved")));
    }
    let known = said(app.journal.as_ref(), id)?.acknowledged;
    if message.is_none() && known.is_some_and(|known| known.by == by.to_string()) {
        return Ok(());
    }
    let event = event_id(format!("ack:{}", uuid::Uuid::now_v7().simple()));
    let data = json!({ "incident": id, "message": message });
    let draft = EventDraft::new(event, "incident.acknowledged", app.clock.now(), by.clone(), data);
    let draft = draft.subject(format!("incident/{id}")).workload(&row.incident.workload);
    app.journal.append(vec![draft]).await?;
    Ok(())
}

/// Ends an incident by somebody's word. While an alarm of it fires or is pending that has to be asked for; what else still
/// keeps it open is put on record. Whoever ended it may say so again.
pub async fn resolve(app: &App, id: &str, said: &ResolveIncident, by: &Actor) -> Result<(), Failure> {
    check_text("The reason", &said.reason, MAX_REASON)?;
    let row = incident(app, id)?;
    let over = || Failure::new(ErrorKind::Conflict, format!("Incident {id} is resolved"));
    if row.incident.status == Status::Resolved {
        let mine = row.incident.by_hand.is_some_and(|known| known.by == by.to_string());
        return if mine { Ok(()) } else { Err(over()) };
    }
    let wrong = row.incident.still_wrong();
    if !wrong.is_empty() && !said.force {
        let mut failure =
            Failure::new(ErrorKind::Conflict, format!("Incident {id} has alarms that still hold"));
        failure.0.causes = wrong;
        return Err(failure.hint(
            "acknowledge it or silence the alarm; or send `force` (`--force`) if it is over all the same",
        ));
    }
    let goals = incidents::goals(&app.catalogue, &row.incident.workload);
    let cause = row.incident.cause.clone();
    let now = app.clock.now();
    let draft =
        mainstay_respond::resolved_by(&row.incident, &goals, by.clone(), Some(&said.reason), cause, now);
    let event = append_one(app.journal.as_ref(), draft).await?;
    // It may have ended by itself meanwhile: the first word counts.
    if event.actor == *by { Ok(()) } else { Err(over()) }
}

/// Writes an update on an incident, open or over.
pub async fn note(
    app: &App,
    id: &str,
    new: NewNote,
    once: Option<Keyed>,
    by: &Actor,
) -> Result<NoteView, Failure> {
    check_text("The update", &new.text, MAX_NOTE)?;
    let row = incident(app, id)?;
    if said(app.journal.as_ref(), id)?.notes.len() >= fold::MAX_NOTES {
        let most = fold::MAX_NOTES;
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("Incident {id} has {most} updates, which is the most"),
        ));
    }
    let note = once::id("note", by, once.as_ref());
    let mut data = json!({ "incident": id, "note": note, "text": new.text });
    once::keep(once.as_ref(), &mut data);
    let event = event_id(format!("note:{note}"));
    let draft = EventDraft::new(event, "incident.noted", app.clock.now(), by.clone(), data);
    let draft = draft.subject(format!("incident/{id}")).workload(&row.incident.workload);
    let event = append_one(app.journal.as_ref(), draft).await?;
    if let Some(keyed) = &once {
        keyed.check_event(&event.data)?;
    }
    Ok(NoteView {
        id: note,
        by: event.actor.to_string(),
        at: event.time,
        text: event.data["text"].as_str().unwrap_or_default().to_owned(),
        seq: event.seq,
    })
}

/// A condition as it is kept.
fn condition(one: &LabelMatcher) -> ConditionRow {
    let LabelMatcher { name, value, is_regex, is_equal } = one.clone();
    ConditionRow { name, value, is_regex, is_equal }
}

/// A condition as the wire says it.
fn label_matcher(row: ConditionRow) -> LabelMatcher {
    let ConditionRow { name, value, is_regex, is_equal } = row;
    LabelMatcher { name, value, is_regex, is_equal }
}

fn matcher(one: &ConditionRow) -> Result<Matcher, Failure> {
    let op = match (one.is_regex, one.is_equal) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (true, false) => MatchOp::NotRegex,
    };
    Matcher::new(one.name.clone(), op, one.value.clone())
        .map_err(|reason| Failure::invalid(format!("`{}` is not a pattern", one.value)).because(reason))
}

/// The silences that hold at a time, ready to match alarms.
#[derive(Debug, Default)]
pub struct Silences(Vec<(SilenceRow, Vec<Matcher>)>);

impl Silences {
    /// Those that hold now.
    pub fn at(journal: &dyn Journal, now: Timestamp) -> Result<Self, StoreError> {
        let held = rows(journal)?.into_iter().filter(|row| row.starts_at <= now && now < row.ends_at);
        let ready = held.filter_map(|row| {
            let matchers =
                row.matchers.iter().map(matcher).collect::<Result<Vec<Matcher>, Failure>>().ok()?;
            Some((row, matchers))
        });
        Ok(Self(ready.collect()))
    }

    /// The silence that holds for an alarm, if one does.
    pub fn of(&self, workload: &str, alarm: &str, labels: &BTreeMap<String, String>) -> Option<&str> {
        let value = |name: &str| match name {
            "alertname" => alarm,
            _ => labels.get(name).map_or(if name == "workload" { workload } else { "" }, String::as_str),
        };
        let silences = |(row, matchers): &&(SilenceRow, Vec<Matcher>)| {
            row.workload.as_deref().is_none_or(|name| name == workload)
                && matchers.iter().all(|matcher| matcher.matches(value(&matcher.name)))
        };
        self.0.iter().find(silences).map(|(row, _)| row.silence.as_str())
    }
}

fn rows(journal: &dyn Journal) -> Result<Vec<SilenceRow>, StoreError> {
    // All of them: one that was made long ago may begin yet.
    let rows = rows_from(journal, SILENCES_TABLE, RowQuery::newest(MAX_SILENCES));
    let silence = |row: Result<_, StoreError>| {
        row.map(|(_, row)| serde_json::from_value::<SilenceRow>(row).ok()).transpose()
    };
    rows.filter_map(silence).collect()
}

/// When a silence begins or ends next.
pub fn next_turn(journal: &dyn Journal, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let times = rows(journal)?.into_iter().flat_map(|row| [row.starts_at, row.ends_at]);
    Ok(times.filter(|at| *at > now).min())
}

fn view(row: SilenceRow, now: Timestamp) -> SilenceView {
    let state = match () {
        () if now >= row.ends_at => "expired",
        () if now < row.starts_at => "pending",
        () => "active",
    };
    SilenceView {
        id: row.silence,
        workload: row.workload,
        matchers: row.matchers.into_iter().map(label_matcher).collect(),
        state: state.to_owned(),
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        by: row.by,
        reason: row.reason,
    }
}

/// The silences that are wanted, newest first, from behind one on.
pub fn silences(
    app: &App,
    wanted: impl Fn(&SilenceView) -> bool,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<SilenceView>, Failure> {
    let now = app.clock.now();
    let rows = rows_from(app.journal.as_ref(), SILENCES_TABLE, RowQuery::newest(limit).from(after));
    let found = rows.first(limit, |_, row| {
        let row = serde_json::from_value::<SilenceRow>(row).ok();
        Ok(row.map(|row| view(row, now)).filter(|view| wanted(view)))
    })?;
    Ok(found)
}

/// One silence.
pub fn silence(app: &App, id: &str) -> Result<SilenceView, Failure> {
    let row = app.journal.row(SILENCES_TABLE, id)?;
    let row = row.and_then(|row| serde_json::from_value::<SilenceRow>(row).ok());
    row.map(|row| view(row, app.clock.now())).ok_or_else(|| Failure::not_found("silence", id))
}

fn check_silence(new: &NewSilence, now: Timestamp) -> Result<Timestamp, Failure> {
    check_text("The reason", &new.reason, MAX_REASON)?;
    let starts_at = new.starts_at.unwrap_or(now);
    if new.ends_at <= starts_at || new.ends_at <= now {
        return Err(Failure::invalid("The silence would be over before it begins"));
    }
    if new.ends_at.since(starts_at) > LONGEST {
        return Err(Failure::invalid("A silence holds 31 days at most")
            .hint("what is never wanted is taken out of the rules"));
    }
    if new.matchers.is_empty() || new.matchers.len() > MAX_MATCHERS {
        return Err(Failure::invalid(format!("A silence has 1 to {MAX_MATCHERS} conditions")));
    }
    let is_bad =
        |one: &LabelMatcher| one.name.is_empty() || one.name.len() > 200 || one.value.len() > MAX_REASON;
    if new.matchers.iter().any(is_bad) {
        return Err(Failure::invalid("A condition has the name of a label, and a value of up to 1000 bytes"));
    }
    let ready =
        new.matchers.iter().map(|one| matcher(&condition(one))).collect::<Result<Vec<Matcher>, Failure>>()?;
    // As in Alertmanager: one that asks for nothing would silence everything.
    if ready.iter().all(|matcher| matcher.matches("")) {
        return Err(Failure::invalid("The conditions hold for every alarm")
            .hint("one of them has to ask for a value"));
    }
    Ok(starts_at)
}

/// Makes a silence.
pub async fn create(
    app: &App,
    new: NewSilence,
    once: Option<Keyed>,
    by: &Actor,
) -> Result<SilenceView, Failure> {
    let now = app.clock.now();
    let starts_at = check_silence(&new, now)?;
    if let Some(name) = &new.workload
        && app.catalogue.get(name).is_none()
    {
        return Err(Failure::not_found("workload", name));
    }
    let holds = |silence: &SilenceView| silence.state != "expired";
    if silences(app, holds, None, MAX_SILENCES)?.len() >= MAX_SILENCES {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("There are {MAX_SILENCES} silences, which is the most"),
        ));
    }
    let id = once::id("silence", by, once.as_ref());
    let mut data = json!({
        "silence": id, "workload": new.workload, "matchers": new.matchers, "starts_at": starts_at,
        "ends_at": new.ends_at, "reason": new.reason,
    });
    once::keep(once.as_ref(), &mut data);
    let event = append(app, "silence.created", &id, new.workload.as_deref(), data, by).await?;
    if let Some(keyed) = &once {
        keyed.check_event(&event.data)?;
    }
    silence(app, &id)
}

/// Ends a silence now. One that is over stays as it is.
pub async fn expire(app: &App, id: &str, by: &Actor) -> Result<SilenceView, Failure> {
    let known = silence(app, id)?;
    if known.state == "expired" {
        return Ok(known);
    }
    let data = json!({ "silence": id, "matchers": known.matchers });
    append(app, "silence.expired", id, known.workload.as_deref(), data, by).await?;
    silence(app, id)
}

async fn append(
    app: &App,
    kind: &str,
    id: &str,
    workload: Option<&str>,
    data: Value,
    by: &Actor,
) -> Result<Arc<Event>, Failure> {
    let event = event_id(format!("{kind}:{id}"));
    let mut draft =
        EventDraft::new(event, kind, app.clock.now(), by.clone(), data).subject(format!("silence/{id}"));
    draft.workload = workload.map(str::to_owned);
    append_one(app.journal.as_ref(), draft).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silences(matchers: &[(&str, &str, bool, bool)], workload: Option<&str>) -> Silences {
        let matchers: Vec<ConditionRow> = matchers
            .iter()
            .map(|(name, value, is_regex, is_equal)| ConditionRow {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
                is_regex: *is_regex,
                is_equal: *is_equal,
            })
            .collect();
        let ready = matchers.iter().map(|one| matcher(one).expect("a matcher")).collect();
        let at = Timestamp::from_millis;
        let row = SilenceRow {
            silence: "s".to_owned(),
            workload: workload.map(str::to_owned),
            matchers,
            starts_at: at(0),
            ends_at: at(10),
            by: "person:jo".to_owned(),
            reason: "test".to_owned(),
        };
        Silences(vec![(row, ready)])
    }

    #[test]
    fn an_alarm_is_silenced_when_all_conditions_hold() {
        let labels: BTreeMap<String, String> =
            [("job".to_owned(), "shop/payments".to_owned())].into_iter().collect();
        let of = |silences: Silences| silences.of("shop", "Slow", &labels).is_some();
        assert!(of(silences(&[("alertname", "Slow", false, true)], None)));
        assert!(!of(silences(&[("alertname", "Slo", false, true)], None)));
        assert!(of(silences(
            &[("alertname", "Sl.*", true, true), ("job", "shop/.+", true, true)],
            Some("shop")
        )));
        assert!(!of(silences(&[("alertname", "Slow", false, true)], Some("other"))));
        assert!(!of(silences(
            &[("alertname", "Slow", false, true), ("job", "shop/payments", false, false)],
            None
        )));
        assert!(of(silences(&[("workload", "shop", false, true)], None)));
        assert!(!of(silences(&[("zone", "a", false, true)], None)), "a label that is not there is empty");
    }
}
