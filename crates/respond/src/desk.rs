//! What is known of one workload right now, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{Actor, Event, EventDraft, EventId, IncidentId, Timestamp};
use serde_json::{Value, json};

use crate::incident::{Alarm, Change, Incident, Measure, Run, Standing, State, Status};

/// How far back an incident's story begins before it opens.
const BEFORE: Duration = Duration::from_secs(10 * 60);

/// How far back changes are told.
const CHANGES_BEFORE: Duration = Duration::from_secs(60 * 60);

/// How much is kept of each kind of recent thing, so that a desk stays small whatever happens.
const KEPT: usize = 256;

/// An alarm that is not part of an incident yet, and the event that says it fires.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Firing {
    /// The event's id.
    pub event: EventId,
    /// When it fired.
    pub at: Timestamp,
}

/// What is known of one workload.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Desk {
    /// The workload; empty until its first event.
    pub workload: String,
    /// The time of the last event that was taken in.
    pub as_of: Timestamp,
    /// The incident that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Incident>,
    /// Alarms that are pending, firing or part of the open incident, by name and labels.
    pub alarms: BTreeMap<String, Alarm>,
    /// The firing events of alarms that no incident has taken up.
    pub unclaimed: BTreeMap<String, Firing>,
    /// Rules of which nothing is known (`no data`, `error`), by the alarm's name.
    pub blind: BTreeMap<String, State>,
    /// The workload's measures, by goal.
    pub measures: BTreeMap<String, Measure>,
    /// Runs that go on, and those of `ended`, by id.
    ///
    /// An event of a run looks at that run only. So whoever keeps desks may keep these apart from the rest, and lay the
    /// one run here that an event is about; [`Desk::with_runs`] lays all of them here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runs: BTreeMap<String, Run>,
    /// Runs that a trigger started and that ended lately, the first one first: the alarm that triggered one of them may
    /// still open an incident.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<(Timestamp, String)>,
    /// Which event triggered which run, until the run begins.
    pub triggered: BTreeMap<String, EventId>,
    /// Revisions of the last hour.
    pub changes: Vec<Change>,
    /// Journal places of what happened in the last ten minutes.
    pub recent: Vec<(u64, Timestamp)>,
}

fn text(data: &Value, key: &str) -> Option<String> {
    data.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn map(data: &Value, key: &str) -> BTreeMap<String, String> {
    let pairs = data.get(key).and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// FNV-1a: a short name for an incident that follows from the event that opened it.
fn short(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The id of the incident that this event opens.
fn incident_id(cause: &EventId) -> IncidentId {
    IncidentId::new(format!("inc-{:016x}", short(cause.as_str()))).expect("hex digits are an id")
}

fn event_id(incident: &IncidentId, what: &str) -> EventId {
    EventId::new(format!("{incident}.{what}")).expect("an incident id and a short word are an id")
}

impl Desk {
    /// Whether a desk of the event's workload has to take it in. Others change nothing but its time, and most events are
    /// such.
    pub fn concerns(event: &Event) -> bool {
        const STAGES: [&str; 8] =
            ["alarm", "fault", "incident", "measure", "revision", "run", "service", "trigger"];
        let stage = event.kind.split('.').next().unwrap_or_default();
        event.is_authentic()
            && STAGES.contains(&stage)
            && (stage != "trigger" || event.kind == "trigger.matched")
    }

    /// Takes in an event. Events of other workloads and of none change nothing; so does an event that is not
    /// understood.
    pub fn apply(&mut self, event: &Event) {
        let Some(workload) = event.workload.as_deref() else { return };
        if self.workload.is_empty() {
            workload.clone_into(&mut self.workload);
        }
        if self.workload != workload {
            return;
        }
        self.as_of = self.as_of.max(event.time);
        self.forget();
        let kind = event.kind.as_str();
        match kind.split_once('.').map_or(kind, |(stage, _)| stage) {
            "alarm" => self.alarm(event),
            "measure" => self.measure(event),
            "run" => self.run(event),
            "trigger" if kind == "trigger.matched" => self.trigger(event),
            "revision" if kind == "revision.applied" => self.changes.push(Change {
                seq: event.seq,
                at: event.time,
                revision: text(&event.data, "revision").unwrap_or_default(),
            }),
            "incident" => self.incident(event),
            _ => {}
        }
        if ["alarm", "fault", "measure", "revision", "service"].iter().any(|stage| kind.starts_with(stage)) {
            self.recent.push((event.seq, event.time));
        }
        self.refresh();
    }

    /// Drops what is too old to matter, so that a desk does not grow.
    fn forget(&mut self) {
        let (hour, ten) = (self.as_of.minus(CHANGES_BEFORE), self.as_of.minus(BEFORE));
        self.changes.retain(|change| change.at >= hour);
        self.recent.retain(|(_, at)| *at >= ten);
        if self.recent.len() >= KEPT {
            self.recent.drain(..KEPT / 2);
        }
        if self.changes.len() >= KEPT {
            self.changes.drain(..KEPT / 2);
        }
        let old = self.ended.iter().take_while(|(at, _)| *at < ten).count();
        for (_, id) in self.ended.drain(..old.max(self.ended.len().saturating_sub(KEPT))) {
            self.runs.remove(&id);
        }
        if self.triggered.len() >= KEPT {
            self.triggered.clear();
        }
    }

    fn alarm(&mut self, event: &Event) {
        let (Some(state), Some(name)) = (State::of_kind(&event.kind), text(&event.data, "alarm")) else {
            return;
        };
        let labels = map(&event.data, "labels");
        // What is said of a whole rule is not said of one of its label sets.
        if event.data.get("whole").and_then(Value::as_bool) == Some(true) {
            if matches!(state, State::NoData | State::Error) {
                self.blind.insert(name, state);
            } else {
                self.blind.remove(&name);
            }
            return;
        }
        let key = Alarm::key(&name, &labels);
        let before = self.alarms.get(&key);
        let pending_since = match (state, before) {
            (State::Pending, _) => Some(event.time),
            (_, Some(before)) => before.pending_since,
            (_, None) => None,
        };
        let in_incident = self.open.as_ref().is_some_and(|incident| incident.alarms.contains_key(&key));
        if state == State::Firing && !in_incident {
            self.unclaimed.insert(key.clone(), Firing { event: event.id.clone(), at: event.time });
        } else if state.is_clear() {
            self.unclaimed.remove(&key);
        }
        if state.is_clear() && !in_incident {
            self.alarms.remove(&key);
            return;
        }
        let alarm = Alarm {
            alarm: name,
            labels,
            annotations: map(&event.data, "annotations"),
            state,
            since: event.time,
            pending_since,
            value: event.data.get("value").and_then(Value::as_f64),
        };
        self.alarms.insert(key, alarm);
    }

    fn measure(&mut self, event: &Event) {
        let standing = match event.kind.as_str() {
            "measure.on_target" => Standing::OnTarget,
            "measure.off_target" => Standing::OffTarget,
            _ => Standing::Unknown,
        };
        let Some(goal) = text(&event.data, "goal") else { return };
        let measure = Measure {
            standing,
            value: event.data.get("value").and_then(Value::as_f64),
            target: text(&event.data, "target"),
            since: event.time,
        };
        self.measures.insert(goal, measure);
    }

    fn trigger(&mut self, event: &Event) {
        let Some(because_of) = text(&event.data, "event").and_then(|id| EventId::new(id).ok()) else {
            return;
        };
        for run in event.data.get("runs").and_then(Value::as_array).into_iter().flatten() {
            // Either the id alone or a mapping that holds it.
            if let Some(id) = run.as_str().or_else(|| run.get("run").and_then(Value::as_str)) {
                self.triggered.insert(id.to_owned(), because_of.clone());
            }
        }
    }

    fn run(&mut self, event: &Event) {
        let Some(id) = text(&event.data, "run") else { return };
        if event.kind == "run.started" {
            let run = Run {
                procedure: text(&event.data, "procedure").unwrap_or_default(),
                started_at: event.time,
                status: "InProgress".to_owned(),
                because_of: self.triggered.remove(&id),
                finished_at: None,
            };
            if let Some(incident) = &mut self.open {
                incident.runs.insert(id.clone(), run.clone());
            }
            self.runs.insert(id, run);
            return;
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        if !run.is_changed_by(&event.kind) {
            return;
        }
        match event.kind.as_str() {
            "run.waiting" => "Waiting".clone_into(&mut run.status),
            "run.cancelling" => "Cancelling".clone_into(&mut run.status),
            "run.finished" => {
                run.status = text(&event.data, "status").unwrap_or_else(|| "Unknown".to_owned());
                run.finished_at = Some(event.time);
            }
            _ => "InProgress".clone_into(&mut run.status),
        }
        let (run, over) = (run.clone(), event.kind == "run.finished");
        if over && run.because_of.is_some() {
            self.ended.push((event.time, id.clone()));
        } else if over {
            self.runs.remove(&id);
        }
        if let Some(known) = self.open.as_mut().and_then(|incident| incident.runs.get_mut(&id)) {
            *known = run;
        }
    }

    /// The desk with all its runs, where they are kept apart.
    #[must_use]
    pub fn with_runs(mut self, runs: BTreeMap<String, Run>) -> Self {
        self.runs = runs;
        self.refresh();
        self
    }

    fn incident(&mut self, event: &Event) {
        let Some(told) = Incident::told(event) else { return };
        match event.kind.as_str() {
            "incident.opened" if self.open.is_none() => {
                self.unclaimed.retain(|key, _| !told.alarms.contains_key(key));
                self.open = Some(told);
            }
            "incident.joined" => {
                if let Some(open) = self.open.as_mut().filter(|open| open.id == told.id) {
                    self.unclaimed.retain(|key, _| !told.alarms.contains_key(key));
                    open.alarms = told.alarms;
                }
            }
            "incident.resolved" if self.open.as_ref().is_some_and(|open| open.id == told.id) => {
                // Whoever ends it by hand knows nothing of an alarm that joined meanwhile: it is taken up anew.
                let alarms = self.open.take().map(|open| open.alarms).unwrap_or_default();
                for (key, alarm) in alarms {
                    if alarm.state == State::Firing && !told.alarms.contains_key(&key) {
                        self.unclaimed.insert(key, Firing { event: event.id.clone(), at: alarm.since });
                    }
                }
                self.alarms.retain(|_, alarm| !alarm.state.is_clear());
            }
            _ => {}
        }
    }

    /// Brings the open incident up to what is known of its alarms, measures and runs.
    fn refresh(&mut self) {
        let Some(incident) = &mut self.open else { return };
        for (key, alarm) in &mut incident.alarms {
            if let Some(now) = self.alarms.get(key) {
                alarm.clone_from(now);
            }
            // A rule that cannot be evaluated says nothing about its label sets, whatever they said before.
            if let Some(blind) = self.blind.get(&alarm.alarm) {
                alarm.state = *blind;
            }
        }
        incident.measures.clone_from(&self.measures);
        for (id, run) in &mut incident.runs {
            if let Some(now) = self.runs.get(id) {
                run.clone_from(now);
            }
        }
    }

    /// What follows from what is known: at most one event, to be journalled and taken in before asking again. `goals`
    /// are the workload's priorities, by which an incident is judged to be over.
    pub fn decide(&self, goals: &[String]) -> Option<EventDraft> {
        let Some(open) = &self.open else {
            // The first that fired opens; the others join.
            let (key, firing) = self.unclaimed.iter().min_by_key(|(key, firing)| (firing.at, *key))?;
            return self.opened(key, firing);
        };
        if let Some((key, firing)) = self.unclaimed.iter().min_by_key(|(key, firing)| (firing.at, *key)) {
            let mut next = open.clone();
            next.alarms.insert(key.clone(), self.alarms.get(key)?.clone());
            let id = event_id(&open.id, &format!("joined.{:016x}", short(firing.event.as_str())));
            let data = json!({ "alarm": next.alarms[key].alarm, "labels": next.alarms[key].labels });
            return Some(self.draft("incident.joined", id, &next, data, firing.event.clone()));
        }
        if !open.waiting_for(goals).is_empty() {
            return None;
        }
        let next = Incident { status: Status::Resolved, resolved_at: Some(self.as_of), ..open.clone() };
        let data = json!({
            "duration_ms": u64::try_from(self.as_of.since(open.opened_at).as_millis()).unwrap_or(u64::MAX),
            "measured": goals,
        });
        Some(self.draft("incident.resolved", event_id(&open.id, "resolved"), &next, data, open.cause.clone()))
    }

    fn opened(&self, key: &str, firing: &Firing) -> Option<EventDraft> {
        let alarm = self.alarms.get(key)?;
        let id = incident_id(&firing.event);
        let title = alarm.annotations.get("summary").filter(|text| !text.is_empty()).unwrap_or(&alarm.alarm);
        let mine = |run: &&Run| run.finished_at.is_none() || run.because_of.as_ref() == Some(&firing.event);
        let incident = Incident {
            id: id.clone(),
            workload: self.workload.clone(),
            title: title.clone(),
            status: Status::Open,
            opened_at: self.as_of,
            firing_since: firing.at,
            resolved_at: None,
            by_hand: None,
            cause: firing.event.clone(),
            from_seq: self.recent.first().map_or(1, |(seq, _)| *seq),
            alarms: [(key.to_owned(), alarm.clone())].into_iter().collect(),
            measures: self.measures.clone(),
            runs: self
                .runs
                .iter()
                .filter(|(_, run)| mine(run))
                .map(|(id, run)| (id.clone(), run.clone()))
                .collect(),
            changes: self.changes.clone(),
        };
        let data = json!({ "alarm": alarm.alarm, "labels": alarm.labels });
        let opened = event_id(&id, "opened");
        Some(self.draft("incident.opened", opened, &incident, data, firing.event.clone()))
    }

    fn draft(
        &self,
        kind: &str,
        id: EventId,
        incident: &Incident,
        mut data: Value,
        cause: EventId,
    ) -> EventDraft {
        data["incident"] = json!(incident.id);
        data["title"] = json!(incident.title);
        data["snapshot"] = json!(incident);
        EventDraft::new(id, kind, self.as_of, Actor::System("incidents".to_owned()), data)
            .subject(format!("incident/{}", incident.id))
            .workload(&self.workload)
            .cause(cause)
    }
}

/// The end of an open incident by somebody's word, whatever its alarms and measures say. It is the same event as the one
/// by which an incident ends by itself, so that of the two the first counts.
pub fn resolved_by(
    open: &Incident,
    goals: &[String],
    by: Actor,
    message: Option<&str>,
    cause: EventId,
    at: Timestamp,
) -> EventDraft {
    let next = Incident { status: Status::Resolved, resolved_at: Some(at), ..open.clone() };
    let data = json!({
        "duration_ms": u64::try_from(at.since(open.opened_at).as_millis()).unwrap_or(u64::MAX),
        "measured": goals,
        "resolved_by": by.to_string(),
        "message": message,
        "waited_for": open.waiting_for(goals),
        "incident": next.id,
        "title": next.title,
        "snapshot": next,
    });
    EventDraft::new(event_id(&open.id, "resolved"), "incident.resolved", at, by, data)
        .subject(format!("incident/{}", open.id))
        .workload(&open.workload)
        .cause(cause)
}
