//! Any bytes as a document: an answer and no panic, every problem at a place that is there, and a document that is
//! accepted runs to its end or waits for something.
//!
//! `cargo +nightly fuzz run document corpus SEEDS` in `crates/runbook/fuzz`, where `SEEDS` is a folder of documents as JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_model::problem::Spot;
use mainstay_model::{HostId, Segment, Severity};
use mainstay_runbook::testing::{Disturbance, begin, drive, fold};
use mainstay_runbook::{Document, Outcome, RunEvent, child, resume};
use serde_json::{Map, Value, json};

/// A run of more events is cut off; a hundred times a hundred iterations are many.
const MOST_EVENTS: usize = 8_000;

fn refused(document: &Value, problems: &[mainstay_model::Problem]) {
    assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "refused for nothing");
    for problem in problems {
        let mut at = document;
        for segment in &problem.path {
            let inside = match segment {
                Segment::Key(key) => at.get(key),
                Segment::Index(index) => at.get(index),
            };
            at = inside.unwrap_or_else(|| panic!("{} leads nowhere", problem.path_text()));
        }
        if let Spot::Within(range) = &problem.spot {
            assert!(at.as_str().is_some_and(|text| text.get(range.clone()).is_some()), "{problem:?}");
        }
    }
}

fn performed(document: &Document) {
    let hosts = [HostId::new("app-1").expect("an id")];
    let payload = json!({ "a": [1, "x", { "b": true }], "n": 5 });
    let mut good = |_: &mainstay_runbook::Effect| {
        Some(Outcome::Succeeded { outputs: Map::from_iter([("Payload".to_owned(), payload.clone())]) })
    };
    let start = begin("r", Map::new());
    if mainstay_runbook::start(document, start.clone()).is_err() {
        return;
    }
    let driven = drive(document, start, &hosts, &mut good, &Disturbance::default());
    if driven.written < MOST_EVENTS {
        assert!(driven.run.status.is_over() || driven.run.waits_for().is_some(), "{:?}", driven.run);
    }
    assert_eq!(fold(&driven.events), Some(driven.run.clone()));
    for event in &driven.events {
        assert_eq!(RunEvent::read(&event.draft()).as_ref(), Ok(event));
    }
    if driven.run.status.is_over() {
        for step in &document.steps {
            let _ = resume::continued(document, &driven.run, &step.name);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return };
    let _ = child::call_outputs(&document);
    match Document::parse(&document) {
        Err(problems) => refused(&document, &problems),
        Ok(document) => performed(&document),
    }
});
