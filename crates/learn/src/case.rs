//! The incident as its events tell it, and which events belong to it.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay_model::{Event, IncidentId, Timestamp};
use serde_json::Value;

use crate::sentence::sentence;
use crate::times::began;

/// How long before its opening an incident's story begins.
const BEFORE: Duration = Duration::from_secs(10 * 60);

/// One incident, found in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its id.
    pub id: IncidentId,
    /// The workload.
    pub workload: String,
    /// What it is about.
    pub title: String,
    /// The event that opened it.
    pub opened_seq: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The event that resolved it.
    pub resolved_seq: Option<u64>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// Who ended it, where it did not end by itself: the actor, and what still kept it open then.
    pub by_hand: Option<(String, Vec<String>)>,
    /// The event that led to it: the alarm that fired first.
    pub cause: Option<String>,
    /// Its runs.
    pub runs: BTreeSet<String>,
    /// Its alarms, by name.
    pub alarms: BTreeSet<String>,
    /// Revisions of the hour before: place, time, id.
    pub changes: Vec<(u64, Timestamp, String)>,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Milliseconds since the disturbance began, as far as that is known, else since the incident was opened. Negative
    /// before it.
    pub offset_ms: i64,
    /// Who did it.
    pub actor: String,
    /// The type of the record.
    pub kind: String,
    /// What it is about (`run/0198…`, `alarm/CheckoutFailing`).
    pub subject: Option<String>,
    /// How what it is about ended, in the word of its kind, where the record tells an end.
    pub outcome: Option<String>,
    /// What happened, as a sentence.
    pub text: String,
    /// The journal's place of the record that proves it.
    pub event_seq: u64,
}

pub(crate) fn text<'a>(data: &'a Value, key: &str) -> &'a str {
    data.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Who ended an incident, and what still kept it open then; nothing where it ended by itself.
pub(crate) fn by_hand(data: &Value) -> Option<(String, Vec<String>)> {
    let by = data["resolved_by"].as_str()?.to_owned();
    let waited = data["waited_for"].as_array().into_iter().flatten();
    Some((by, waited.filter_map(|one| one.as_str().map(str::to_owned)).collect()))
}

impl Case {
    /// Finds an incident in the events that hold its story; nothing where its opening is not among them.
    pub fn find(events: &[Event], id: &IncidentId) -> Option<Self> {
        let mine = |event: &&Event| text(&event.data, "incident") == id.as_str();
        let opened = events.iter().filter(mine).find(|event| event.kind == "incident.opened")?;
        let resolved = events.iter().filter(mine).find(|event| event.kind == "incident.resolved");
        let mut case = Self {
            id: id.clone(),
            workload: opened.workload.clone().unwrap_or_default(),
            title: text(&opened.data, "title").to_owned(),
            opened_seq: opened.seq,
            opened_at: opened.time,
            resolved_seq: resolved.map(|event| event.seq),
            resolved_at: resolved.map(|event| event.time),
            by_hand: resolved.and_then(|event| by_hand(&event.data)),
            cause: opened.cause.as_ref().map(ToString::to_string),
            runs: BTreeSet::new(),
            alarms: BTreeSet::new(),
            changes: Vec::new(),
        };
        for event in events.iter().filter(mine) {
            let snapshot = &event.data["snapshot"];
            let keys = |key: &str| snapshot[key].as_object().into_iter().flat_map(|map| map.keys().cloned());
            case.runs.extend(keys("runs"));
            let alarms = snapshot["alarms"].as_object().into_iter().flatten();
            case.alarms.extend(alarms.map(|(_, alarm)| text(alarm, "alarm").to_owned()));
            case.alarms.extend(Some(text(&event.data, "alarm").to_owned()).filter(|name| !name.is_empty()));
            if event.kind == "incident.opened" {
                for change in snapshot["changes"].as_array().into_iter().flatten() {
                    let at = text(change, "at").parse().ok();
                    if let (Some(seq), Some(at)) = (change["seq"].as_u64(), at) {
                        case.changes.push((seq, at, text(change, "revision").to_owned()));
                    }
                }
            }
        }
        // While it is open, runs of the workload that began since have not been told by an incident's event yet.
        let since: Vec<String> = events
            .iter()
            .filter(|event| event.kind == "run.started" && event.seq > case.opened_seq && case.covers(event))
            .map(|event| text(&event.data, "run").to_owned())
            .collect();
        case.runs.extend(since);
        Some(case)
    }

    /// Whether the event falls into the incident's time and workload.
    fn covers(&self, event: &Event) -> bool {
        event.workload.as_deref() == Some(self.workload.as_str())
            && event.time >= self.opened_at.minus(BEFORE)
            && self.resolved_seq.is_none_or(|seq| event.seq <= seq)
    }

    /// Whether an event is part of the story.
    pub fn holds(&self, event: &Event) -> bool {
        let stage = event.kind.split('.').next().unwrap_or_default();
        match stage {
            _ if mainstay_model::event::is_bookkeeping(&event.kind) => false,
            "incident" => text(&event.data, "incident") == self.id.as_str(),
            // A run that began in the incident is told to its end.
            "run" => self.runs.contains(text(&event.data, "run")),
            // What happened to a host or to the server itself concerns every workload, once something is wrong.
            "host" | "server" if event.workload.is_none() => {
                event.time >= self.opened_at.minus(BEFORE)
                    && self.resolved_seq.is_none_or(|seq| event.seq <= seq)
            }
            _ => self.covers(event),
        }
    }
}

/// Whether an event says what another one of the same story says better.
fn is_noise(event: &Event) -> bool {
    match event.kind.as_str() {
        // The step's end tells it, except where that is not the whole truth.
        "run.attempt.settled" => {
            event.data["outcome"]["result"] == "succeeded" && event.data["decided"] != Value::Bool(true)
        }
        // A change's beginning and end tell it; of its steps those that did not go as planned.
        "change.wave.started" | "change.action.returned" | "revision.proposed" => true,
        "change.action.finished" => event.data["outcome"] == "applied",
        _ => false,
    }
}

/// How what an event is about ended: a run, a step, an attempt, a change or a step of one.
fn outcome(event: &Event) -> Option<String> {
    let data = &event.data;
    let word = match event.kind.as_str() {
        "run.finished" | "run.step.finished" => text(data, "status"),
        "run.attempt.settled" => text(&data["outcome"], "result"),
        "change.finished" => match text(data, "end") {
            "kept_part" => "kept in part",
            end => end,
        },
        "change.action.finished" => text(data, "outcome"),
        _ => "",
    };
    (!word.is_empty()).then(|| word.replace('_', " "))
}

/// What happened, in order: every event of the incident as a sentence.
pub fn timeline(events: &[Event], case: &Case) -> Vec<Entry> {
    let start = began(events, case).map_or(case.opened_at, |moment| moment.at);
    let mut entries: Vec<Entry> = events
        .iter()
        .filter(|event| case.holds(event) && !is_noise(event))
        .map(|event| Entry {
            at: event.time,
            offset_ms: event.time.as_millis().saturating_sub(start.as_millis()),
            actor: event.actor.to_string(),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            outcome: outcome(event),
            text: sentence(event),
            event_seq: event.seq,
        })
        .collect();
    // Hosts tell what happened later than it did; people read by the time of the happening.
    entries.sort_by_key(|entry| (entry.at, entry.event_seq));
    entries
}
