//! What an incident suggests, found by rules over its events. Proposals only: people decide what is learned.

use std::time::Duration;

use mainstay_model::{Actor, Event, duration_in_words};

use crate::case::{Case, text};
use crate::draft::{RunStory, off_target, runs};
use crate::markdown::{escape, seen};
use crate::times::{Times, times};

/// A detection slower than this is worth a thought.
const SLOW_DETECTION: Duration = Duration::from_secs(60);

/// What an incident suggests, each in a sentence of Markdown. Empty if the journal suggests nothing.
pub fn suggestions(case: &Case, events: &[Event]) -> Vec<String> {
    found(events, case, &times(case, events), &runs(events, case))
}

fn found(events: &[Event], case: &Case, times: &Times, stories: &[RunStory<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    noticing(events, case, times, &mut found);
    answering(stories, &mut found);
    for (seq, _, revision) in &case.changes {
        found.push(format!(
            "Revision {} was applied in the hour before {}: find out whether it had a part in this.",
            escape(revision),
            seen(*seq)
        ));
    }
    if let Some(fault) = events.iter().find(|event| event.kind == "fault.injected" && case.holds(event)) {
        found.push(format!(
            "The fault was provoked on purpose {}: compare what happened with what was expected.",
            seen(fault.seq)
        ));
    }
    found
}

pub(crate) fn lessons(events: &[Event], case: &Case, times: &Times, stories: &[RunStory<'_>]) -> String {
    let mut found = found(events, case, times, stories);
    if found.is_empty() {
        found.push("The journal suggests none.".to_owned());
    }
    found.iter().map(|lesson| format!("- {lesson}\n")).collect()
}

fn noticing(events: &[Event], case: &Case, times: &Times, found: &mut Vec<String>) {
    if times.began.is_none() {
        found.push(
            "Nothing in the journal shows the beginning: an alarm with a `for` time or a measured priority would."
                .to_owned(),
        );
    }
    if let Some(detected) = &times.detected {
        let earlier = off_target(events, case).into_iter().find(|period| period.off.time < detected.at);
        if let Some(period) = earlier {
            found.push(format!(
                "No alarm was earlier than the customers: \"{}\" was off target {} before the alarm fired {}.",
                escape(period.goal),
                duration_in_words(detected.at.since(period.off.time)),
                seen(period.off.seq)
            ));
        }
    }
    if let Some(took) = times.to_detect.filter(|took| *took > SLOW_DETECTION) {
        found.push(format!(
            "It took {} to notice: look for a sign that is there earlier.",
            duration_in_words(took)
        ));
    }
}

fn answering(stories: &[RunStory<'_>], found: &mut Vec<String>) {
    if stories.is_empty() {
        found.push("Nothing answered by itself: a procedure with a trigger on this alarm would.".to_owned());
    }
    for story in stories {
        let name = escape(text(&story.started.data, "procedure"));
        if matches!(story.started.actor, Actor::Person(_)) {
            found.push(format!(
                "{name} was started by hand {}: a trigger would start it with the alarm.",
                seen(story.started.seq)
            ));
        }
        for (_, event) in &story.steps {
            let step = escape(text(&event.data, "step"));
            match text(&event.data, "status") {
                "Success" => {}
                "OutcomeUnknown" => found.push(format!(
                    "Nobody knew whether step {step} of {name} happened {}: make it safe to repeat.",
                    seen(event.seq)
                )),
                _ => found.push(format!(
                    "Step {step} of {name} did not succeed {}: find out why and rehearse it.",
                    seen(event.seq)
                )),
            }
            if let Some(attempts) = event.data["attempts"].as_u64().filter(|attempts| *attempts > 1) {
                found.push(format!("Step {step} of {name} needed {attempts} attempts {}.", seen(event.seq)));
            }
        }
        let longest = story
            .steps
            .iter()
            .filter_map(|(begun, event)| Some((event.time.since((*begun)?), event)))
            .max_by_key(|(took, event)| (*took, std::cmp::Reverse(event.seq)));
        if let (Some((took, event)), Some(finished)) = (longest, story.finished) {
            let whole = finished.time.since(story.started.time);
            if story.steps.len() > 1 && took * 2 > whole {
                found.push(format!(
                    "Step {} took {} of the {} that {name} took {}: recovery can be no faster than it.",
                    escape(text(&event.data, "step")),
                    duration_in_words(took),
                    duration_in_words(whole),
                    seen(event.seq)
                ));
            }
        }
    }
}
