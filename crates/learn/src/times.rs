//! How long the stages of an incident took, and which records say so.

use std::time::Duration;

use mainstay_model::{Event, Timestamp};

use crate::case::{Case, text};
use crate::sentence::sentence;

/// Something that happened, and the record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The journal's place of its record.
    pub event_seq: u64,
    /// What it was, as a sentence.
    pub what: String,
}

/// The stages of an incident. What is not known is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the disturbance began: the fault that was injected; lacking one, the first bad measure or pending alarm.
    pub began: Option<Moment>,
    /// When it was noticed: the first alarm of the incident fired.
    pub detected: Option<Moment>,
    /// When something was first done about it: the first run began.
    pub responded: Option<Moment>,
    /// When it was over; not known where somebody ended it while something still kept it open.
    pub recovered: Option<Moment>,
    /// From the beginning to being noticed.
    pub to_detect: Option<Duration>,
    /// From being noticed to the first thing done.
    pub to_respond: Option<Duration>,
    /// From the beginning to the end.
    pub to_recover: Option<Duration>,
}

fn moment(event: &Event) -> Moment {
    Moment { at: event.time, event_seq: event.seq, what: sentence(event) }
}

/// The alarm that fired first: the one that opened the incident.
fn detected<'a>(events: &'a [Event], case: &Case) -> Option<&'a Event> {
    let fired = || events.iter().filter(|event| event.kind == "alarm.firing" && case.holds(event));
    fired()
        .find(|event| case.cause.as_deref() == Some(event.id.as_str()))
        .or_else(|| fired().filter(|event| event.seq <= case.opened_seq).max_by_key(|event| event.seq))
}

/// When the disturbance began, as far as the journal tells.
pub(crate) fn began(events: &[Event], case: &Case) -> Option<Moment> {
    let fired = detected(events, case)?;
    // Times of different hosts may differ a little; what counts is what happened up to the alarm.
    let before = || events.iter().filter(|event| case.holds(event) && event.time <= fired.time);
    if let Some(fault) =
        before().filter(|event| event.kind == "fault.injected").max_by_key(|e| (e.time, e.seq))
    {
        return Some(moment(fault));
    }
    // The last time each measure left its target without coming back, and each alarm of the incident became pending.
    let mut bad: Vec<&Event> = Vec::new();
    for event in before() {
        let same = |other: &&Event, key: &str| text(&other.data, key) == text(&event.data, key);
        match event.kind.as_str() {
            "measure.on_target" => bad.retain(|e| !(e.kind == "measure.off_target" && same(e, "goal"))),
            "measure.off_target" if !bad.iter().any(|e| e.kind == event.kind && same(e, "goal")) => {
                bad.push(event);
            }
            "alarm.inactive" | "alarm.resolved" => {
                bad.retain(|e| {
                    !(e.kind == "alarm.pending"
                        && same(e, "alarm")
                        && e.data["labels"] == event.data["labels"])
                });
            }
            "alarm.pending" if case.alarms.contains(text(&event.data, "alarm")) => bad.push(event),
            _ => {}
        }
    }
    bad.into_iter().min_by_key(|event| (event.time, event.seq)).map(moment)
}

/// The stages of an incident.
pub fn times(case: &Case, events: &[Event]) -> Times {
    let began = began(events, case);
    let fired = detected(events, case);
    let acted = fired.and_then(|fired| {
        events
            .iter()
            .filter(|event| event.kind == "run.started" && case.holds(event) && event.time >= fired.time)
            .min_by_key(|event| (event.time, event.seq))
    });
    // Whoever ends an incident while something still speaks against it ends no more than the incident.
    let is_known = case.by_hand.as_ref().is_none_or(|(_, waited)| waited.is_empty());
    let over = events.iter().find(|event| is_known && Some(event.seq) == case.resolved_seq);
    let (detected, responded, recovered) = (fired.map(moment), acted.map(moment), over.map(moment));
    let between = |from: &Option<Moment>, to: &Option<Moment>| match (from, to) {
        (Some(from), Some(to)) => Some(to.at.since(from.at)),
        _ => None,
    };
    Times {
        to_detect: between(&began, &detected),
        to_respond: between(&detected, &responded),
        to_recover: between(&began, &recovered),
        began,
        detected,
        responded,
        recovered,
    }
}
