//! The draft of a post-incident analysis.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{Event, Timestamp, duration_in_words};

use crate::case::{Case, Entry, text, timeline};
use crate::lessons::lessons;
use crate::markdown::{escape, seen, table};
use crate::sentence::{number, status};
use crate::times::{Moment, Times, times};

/// What a draft may say beside what the journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The workload's title.
    pub title: Option<String>,
    /// Who owns the workload.
    pub owner: Option<String>,
}

/// One run as the journal tells it.
pub(crate) struct RunStory<'a> {
    pub(crate) id: &'a str,
    pub(crate) started: &'a Event,
    pub(crate) finished: Option<&'a Event>,
    /// The steps that ended: when the first attempt began, if there was one, and the end.
    pub(crate) steps: Vec<(Option<Timestamp>, &'a Event)>,
}

pub(crate) fn runs<'a>(events: &'a [Event], case: &Case) -> Vec<RunStory<'a>> {
    let mut stories: Vec<RunStory<'a>> = Vec::new();
    let mut begun: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.starts_with("run.") && case.holds(event)) {
        let id = text(&event.data, "run");
        let step = text(&event.data, "step");
        match event.kind.as_str() {
            "run.started" => stories.push(RunStory { id, started: event, finished: None, steps: Vec::new() }),
            "run.attempt.started" => {
                begun.entry((id, step)).or_insert(event.time);
            }
            "run.step.finished" => {
                if let Some(story) = stories.iter_mut().find(|story| story.id == id) {
                    story.steps.push((begun.get(&(id, step)).copied(), event));
                }
            }
            "run.finished" => {
                if let Some(story) = stories.iter_mut().find(|story| story.id == id) {
                    story.finished = Some(event);
                }
            }
            _ => {}
        }
    }
    stories
}

/// A time while a measure was off its target.
pub(crate) struct OffTarget<'a> {
    pub(crate) goal: &'a str,
    pub(crate) off: &'a Event,
    pub(crate) back: Option<&'a Event>,
}

pub(crate) fn off_target<'a>(events: &'a [Event], case: &Case) -> Vec<OffTarget<'a>> {
    let mut found: Vec<OffTarget<'a>> = Vec::new();
    for event in events.iter().filter(|event| event.kind.starts_with("measure.") && case.holds(event)) {
        let goal = text(&event.data, "goal");
        let open = found.iter_mut().rev().find(|known| known.goal == goal && known.back.is_none());
        match (event.kind.as_str(), open) {
            ("measure.off_target", None) => found.push(OffTarget { goal, off: event, back: None }),
            ("measure.on_target", Some(open)) => open.back = Some(event),
            _ => {}
        }
    }
    found
}

fn clock(at: Timestamp) -> String {
    at.to_string()
}

/// Hours, minutes and seconds of the day, in UTC, where the date is known from above.
fn time_of_day(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(11..23).unwrap_or(&text).to_owned()
}

fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "+" };
    format!("{sign}{}", duration_in_words(Duration::from_millis(ms.unsigned_abs())))
}

/// The analysis as far as the journal can write it, in Markdown. The same events give the same text.
pub fn draft(case: &Case, events: &[Event], context: &Context) -> String {
    let times = times(case, events);
    let entries = timeline(events, case);
    let stories = runs(events, case);
    let mut out = String::new();
    let mut push = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    push(format!("# Post-incident analysis: {}\n", escape(&case.title)));
    push(
        "Draft, written from the journal. Each fact names its journal record. What only people can say is left to \
         them and marked **To answer**.\n"
            .to_owned(),
    );
    push(facts(case, context));
    push(format!("## Summary\n\n{}\n", summary(case, &times, &stories)));
    push(format!("## Impact\n\n{}", impact(events, case)));
    push(format!("## How long it took\n\n{}", stages(case, &times)));
    push(format!("## How it was noticed\n\n{}", noticed(events, case, &times)));
    push(format!("## What was done\n\n{}", done(&stories)));
    push(format!("## What changed before\n\n{}", changed(events, case)));
    push(format!("## Timeline\n\nTimes are UTC. The offset counts from {}.\n", from_where(&times)));
    push(story(&entries));
    push(format!("## Open questions\n\n{}", questions(&times, &stories)));
    push(format!("## Proposed lessons\n\n{}", lessons(events, case, &times, &stories)));
    let mut text = out.trim_end().to_owned();
    text.push('\n');
    text
}

fn facts(case: &Case, context: &Context) -> String {
    let workload = match &context.title {
        Some(title) => format!("{} ({})", escape(&case.workload), escape(title)),
        None => escape(&case.workload),
    };
    let mut rows =
        vec![vec!["Incident".to_owned(), escape(case.id.as_str())], vec!["Workload".to_owned(), workload]];
    if let Some(owner) = &context.owner {
        rows.push(vec!["Owner".to_owned(), escape(owner)]);
    }
    rows.push(vec!["Opened".to_owned(), format!("{} {}", clock(case.opened_at), seen(case.opened_seq))]);
    rows.push(vec![
        "Resolved".to_owned(),
        match (case.resolved_at, case.resolved_seq) {
            (Some(at), Some(seq)) => {
                let by = case.by_hand.as_ref();
                let by = by.map(|(by, _)| format!(" by {}", escape(by))).unwrap_or_default();
                format!("{}{by} {}", clock(at), seen(seq))
            }
            _ => "not yet".to_owned(),
        },
    ]);
    table(&["Fact", "Value"], &rows)
}

fn told(moment: &Moment) -> String {
    format!("{} {}", escape(&moment.what), seen(moment.event_seq))
}

fn summary(case: &Case, times: &Times, stories: &[RunStory<'_>]) -> String {
    let mut parts = Vec::new();
    match &times.began {
        Some(moment) => parts.push(format!("It began at {} UTC: {}.", time_of_day(moment.at), told(moment))),
        None => parts.push("When it began is unknown.".to_owned()),
    }
    if let Some(moment) = &times.detected {
        parts.push(format!("It was noticed at {} UTC: {}.", time_of_day(moment.at), told(moment)));
    }
    if stories.is_empty() {
        parts.push("No procedure ran.".to_owned());
    }
    for story in stories {
        let end = match story.finished {
            Some(event) => format!("{} {}", escape(&status(&event.data)), seen(event.seq)),
            None => "had not ended when this was written".to_owned(),
        };
        let name = escape(text(&story.started.data, "procedure"));
        parts.push(format!("Procedure {name} ran {} and {end}.", seen(story.started.seq)));
    }
    match (case.resolved_at, case.resolved_seq) {
        (Some(at), Some(seq)) if case.by_hand.is_some() => {
            parts.push(format!("Somebody ended it at {} UTC {}.", time_of_day(at), seen(seq)));
            let waited = case.by_hand.iter().flat_map(|(_, waited)| waited);
            let waited: Vec<String> = waited.map(|one| escape(one)).collect();
            if !waited.is_empty() {
                parts.push(format!("What still kept it open then: {}.", waited.join("; ")));
            }
        }
        (Some(at), Some(seq)) => parts.push(format!("It was over at {} UTC {}.", time_of_day(at), seen(seq))),
        _ => parts.push("It is not over.".to_owned()),
    }
    parts.join(" ")
}

fn impact(events: &[Event], case: &Case) -> String {
    let periods = off_target(events, case);
    let ask = "\n**To answer:** How many customers noticed, and what did it cost them?\n";
    if periods.is_empty() {
        return format!("No priority of the workload was seen off its target.\n{ask}");
    }
    let rows: Vec<Vec<String>> = periods
        .iter()
        .map(|period| {
            let data = &period.off.data;
            let back = match period.back {
                Some(event) => format!("{} {}", time_of_day(event.time), seen(event.seq)),
                None => "not seen".to_owned(),
            };
            let lasted = period.back.map(|event| duration_in_words(event.time.since(period.off.time)));
            vec![
                escape(period.goal),
                escape(text(data, "target")),
                data["value"].as_f64().map_or("unknown".to_owned(), number),
                format!("{} {}", time_of_day(period.off.time), seen(period.off.seq)),
                back,
                lasted.unwrap_or_else(|| "unknown".to_owned()),
            ]
        })
        .collect();
    let table =
        table(&["Priority", "Target", "Value when it left", "Off target at", "Back at", "Off for"], &rows);
    format!("{table}{ask}")
}

fn stages(case: &Case, times: &Times) -> String {
    let show = |length: Option<Duration>, from: &str, to: &str, missing: &str| {
        let value = length.map_or_else(|| format!("unknown: {missing}"), duration_in_words);
        vec![format!("From {from} to {to}"), value]
    };
    let missing = |pairs: &[(&Option<Moment>, &str)]| {
        let parts: Vec<&str> = pairs.iter().filter(|(m, _)| m.is_none()).map(|(_, text)| *text).collect();
        parts.join(", ")
    };
    let unrecovered = match case.resolved_at {
        Some(_) => "the incident was ended while something still kept it open",
        None => "the incident is not resolved",
    };
    let (began, detected) = ("the journal has no sign of the beginning", "no alarm of it is in the journal");
    let rows = [
        show(
            times.to_detect,
            "the beginning",
            "being noticed",
            &missing(&[(&times.began, began), (&times.detected, detected)]),
        ),
        show(
            times.to_respond,
            "being noticed",
            "the first thing done",
            &missing(&[(&times.detected, detected), (&times.responded, "no run began after the alarm")]),
        ),
        show(
            times.to_recover,
            "the beginning",
            "recovery",
            &missing(&[(&times.began, began), (&times.recovered, unrecovered)]),
        ),
    ];
    table(&["Stage", "Time"], &rows)
}

fn noticed(events: &[Event], case: &Case, times: &Times) -> String {
    let mut out = String::new();
    match &times.detected {
        Some(moment) => out.push_str(&format!("- First: {}\n", told(moment))),
        None => out.push_str("- Which alarm noticed it is unknown.\n"),
    }
    let first = times.detected.as_ref().map(|moment| moment.event_seq);
    let others = events.iter().filter(|event| event.kind == "incident.joined" && case.holds(event));
    for event in others.filter(|event| Some(event.seq) != first) {
        out.push_str(&format!("- Then: {} {}\n", escape(&crate::sentence(event)), seen(event.seq)));
    }
    out.push_str("\n**To answer:** Did anybody notice before the alarm, and how?\n");
    out
}

fn done(stories: &[RunStory<'_>]) -> String {
    let mut out = String::new();
    if stories.is_empty() {
        out.push_str("No procedure ran.\n\n");
    }
    for story in stories {
        let data = &story.started.data;
        let by = match text(data, "reason") {
            "" => escape(&story.started.actor.to_string()),
            reason => escape(reason),
        };
        let end = match story.finished {
            Some(event) => format!(
                "It {} after {} {}.",
                escape(&status(&event.data)),
                duration_in_words(event.time.since(story.started.time)),
                seen(event.seq)
            ),
            None => "It had not ended when this was written.".to_owned(),
        };
        out.push_str(&format!(
            "### {}\n\nRun {}, started by {by} at {} UTC {}. {end}\n\n",
            escape(text(data, "procedure")),
            escape(story.id),
            time_of_day(story.started.time),
            seen(story.started.seq)
        ));
        let rows: Vec<Vec<String>> = story
            .steps
            .iter()
            .map(|(begun, event)| {
                let took = begun.map(|begun| duration_in_words(event.time.since(begun)));
                let failure = text(&event.data, "failure");
                vec![
                    escape(text(&event.data, "step")),
                    escape(text(&event.data, "action")),
                    escape(&status(&event.data)),
                    took.unwrap_or_else(|| "at once".to_owned()),
                    event.data["attempts"].as_u64().map_or("unknown".to_owned(), |number| number.to_string()),
                    if failure.is_empty() { "-".to_owned() } else { escape(failure) },
                    event.seq.to_string(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            out.push_str(&table(
                &["Step", "Action", "How it ended", "Took", "Attempts", "Why", "Journal"],
                &rows,
            ));
            out.push('\n');
        }
    }
    out.push_str("**To answer:** What did people do that is not in the journal?\n");
    out
}

fn changed(events: &[Event], case: &Case) -> String {
    if case.changes.is_empty() {
        return "No revision of the workload was applied in the hour before.\n".to_owned();
    }
    let mut out = String::new();
    for (seq, at, revision) in &case.changes {
        let message = events.iter().find(|event| event.seq == *seq).map(|event| text(&event.data, "message"));
        let message = message.filter(|text| !text.is_empty()).map(|text| format!(": {}", escape(text)));
        out.push_str(&format!(
            "- Revision {} at {} {}{}\n",
            escape(revision),
            clock(*at),
            seen(*seq),
            message.unwrap_or_default()
        ));
    }
    out
}

fn from_where(times: &Times) -> &'static str {
    if times.began.is_some() { "the beginning" } else { "the opening of the incident" }
}

fn story(entries: &[Entry]) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                time_of_day(entry.at),
                offset(entry.offset_ms),
                escape(&entry.actor),
                escape(&entry.text),
                entry.event_seq.to_string(),
            ]
        })
        .collect();
    table(&["Time", "Offset", "Who", "What", "Journal"], &rows)
}

fn questions(times: &Times, stories: &[RunStory<'_>]) -> String {
    let mut asks = vec!["What was the cause, and what made it possible?"];
    if times.began.is_none() {
        asks.push("When did it begin, and what would have shown it?");
    }
    asks.push("What went well, and what only by luck?");
    if stories.iter().any(|story| story.finished.is_none_or(|event| text(&event.data, "status") != "Success"))
    {
        asks.push("What should the procedure that did not succeed have done?");
    }
    if stories.is_empty() {
        asks.push("Who brought it back, and how?");
    }
    asks.push("Where else could the same happen?");
    asks.iter().map(|ask| format!("- **To answer:** {ask}\n")).collect()
}
