//! A run's record as text.

use std::fmt::Write as _;

use mainstay_api::v1::{AttemptView, RunDetail, StepView};
use mainstay_model::Timestamp;
use serde_json::{Map, Value};

use super::family::Children;
use crate::screen::{Style, clean, clean_lines, shorten};
use crate::sentence;
use crate::time::{age, length, length_ms, stamp};

/// How many of the last lines of a log are shown of an attempt.
const LOG_LINES: usize = 12;

/// The longest value that is shown, in characters.
const MAX_VALUE: usize = 200;

/// A run with its steps, and below these the steps of the runs they started.
pub fn render(detail: &RunDetail, children: &Children, now: Timestamp, style: Style) -> String {
    let run = &detail.summary;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "run {} of {}: {}",
        run.id,
        style.bold(&clean(&run.procedure)),
        style.state(&run.status)
    );
    let took = took(run.started_at, run.ended_at.unwrap_or(now));
    let (word, by) = (if run.finished { "took" } else { "for" }, clean(&run.started_by));
    let _ = writeln!(out, "started {} by {by}, {word} {took}", stamp(run.started_at));
    if let Some(cause) = &detail.cause {
        let _ = writeln!(out, "led to by event {}", clean(cause));
    }
    if let Some(parent) = &detail.parent {
        let _ = writeln!(out, "started by a step of run {}", clean(parent));
    }
    if let Some(earlier) = &detail.continues {
        let _ = writeln!(out, "goes on with run {}", clean(earlier));
    }
    if let Some(message) = &run.message {
        let _ = writeln!(out, "{}", clean(message));
    }
    if let Some(wait) = &detail.waiting {
        let id = clean(&run.id);
        let words = if wait.pause {
            format!("it goes on after `mainstay runs decide {id} --as succeeded`")
        } else {
            format!("say what came of it: `mainstay runs decide {id} --as succeeded|failed|retry`")
        };
        let _ = writeln!(out, "{words}; `mainstay runs cancel {id}` ends it");
    }
    for (word, values) in [("parameter", &detail.parameters), ("variable", &detail.variables)] {
        for (key, value) in values {
            let _ = writeln!(out, "{word} {} = {}", clean(key), shorten(&clean(&plain(value)), 120));
        }
    }
    out.push('\n');
    render_steps(&mut out, detail, children, 0, now, style);
    out.push_str(&outputs(detail, style));
    out
}

fn render_steps(
    out: &mut String,
    detail: &RunDetail,
    children: &Children,
    depth: usize,
    now: Timestamp,
    style: Style,
) {
    let run = &detail.summary;
    let reached = |step: &&StepView| step.started_at.is_some() || step.taken_from.is_some();
    let (reached, later): (Vec<_>, Vec<_>) = detail.steps.iter().partition(reached);
    for step in reached {
        render_step(out, step, run.started_at, now, style);
        // Children stand no deeper than the server lets them; the bound is for what is not so.
        if let Some(child) = step.child.as_ref().and_then(|id| children.get(id)).filter(|_| depth < 16) {
            let mut below = String::new();
            render_steps(&mut below, child, children, depth + 1, now, style);
            for line in below.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    if !later.is_empty() {
        let names: Vec<String> = later.iter().map(|step| clean(&step.name)).collect();
        let words = if run.finished { "not reached" } else { "not reached yet" };
        let _ = writeln!(out, "{words}: {}", names.join(", "));
    }
}

/// The run's own outputs; nothing where there are none.
pub fn outputs(detail: &RunDetail, style: Style) -> String {
    if detail.outputs.is_empty() {
        return String::new();
    }
    let mut out = format!("{}\n", style.bold("outputs"));
    for (key, value) in &detail.outputs {
        let _ = writeln!(out, "  {} = {}", clean(key), shorten(&clean(&plain(value)), MAX_VALUE));
    }
    out
}

fn render_step(out: &mut String, step: &StepView, start: Timestamp, now: Timestamp, style: Style) {
    let offset = step.started_at.map(|at| length(at.since(start))).unwrap_or_default();
    let took = match (step.started_at, step.ended_at) {
        (Some(from), Some(to)) => format!(" in {}", took(from, to)),
        (Some(from), None) => format!(" for {}", age(Some(from), now)),
        (None, _) => String::new(),
    };
    let attempts = if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
    let iteration = step.iteration.map(|number| format!(", iteration {number}")).unwrap_or_default();
    let child = step.child.as_ref().map(|id| format!(", run {}", clean(id))).unwrap_or_default();
    let taken =
        step.taken_from.as_ref().map(|id| format!(", taken from run {}", clean(id))).unwrap_or_default();
    let _ = writeln!(
        out,
        "+{offset:<9} {}  {} ({}){took}{attempts}{iteration}{child}{taken}",
        style.state(&step.status),
        style.bold(&clean(&step.name)),
        clean(&step.action)
    );
    for command in &step.commands {
        let _ = writeln!(out, "{:12}on {} (command {})", "", clean(&command.host), clean(&command.id));
    }
    // Without the whole record there is no more to say of an attempt than of its step.
    let whole = step.tries.iter().any(|attempt| attempt.inputs.is_some());
    if whole {
        for (index, attempt) in step.tries.iter().enumerate() {
            render_attempt(out, index + 1, attempt, step.tries.len() > 1, now, style);
        }
    } else {
        let brief = sentence::outputs(&Value::Object(step.outputs.clone()));
        if !brief.is_empty() {
            let _ = writeln!(out, "{:12}{}", "", clean(&brief));
        }
    }
    if let Some(message) = &step.message {
        for line in clean_lines(message).lines().take(8) {
            let _ = writeln!(out, "{:12}{line}", "");
        }
    }
}

/// What one attempt was to do, and what it left.
fn render_attempt(
    out: &mut String,
    number: usize,
    attempt: &AttemptView,
    several: bool,
    now: Timestamp,
    style: Style,
) {
    let margin = if several { 14 } else { 12 };
    if several {
        let took = took(attempt.started_at, attempt.ended_at.unwrap_or(now));
        let result = attempt.result.as_deref().unwrap_or("going");
        let _ = writeln!(out, "{:12}attempt {number}: {} in {took}", "", style.state(result));
        if let Some(message) = &attempt.message {
            let _ = writeln!(out, "{:margin$}{}", "", shorten(&clean(message), MAX_VALUE));
        }
    }
    if let Some(by) = &attempt.decided_by {
        let _ = writeln!(out, "{:margin$}decided by {}", "", clean(by));
    }
    for (key, value) in flat(attempt.inputs.as_ref()) {
        render_value(out, margin, "in ", key, value);
    }
    for (key, value) in &attempt.outputs {
        render_value(out, margin, "out", key, value);
    }
}

/// A value on its line, or below it where it has several.
fn render_value(out: &mut String, margin: usize, word: &str, key: &str, value: &Value) {
    let lines: Vec<&str> = match value {
        Value::String(text) => text.lines().collect(),
        // The lines of a script.
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect()
        }
        _ => Vec::new(),
    };
    let short = plain(value);
    if lines.len() <= 1 && short.chars().count() <= MAX_VALUE {
        let _ = writeln!(out, "{:margin$}{word} {} = {}", "", clean(key), clean(&short));
        return;
    }
    let (lines, text) = if lines.is_empty() { (vec![short.as_str()], true) } else { (lines, false) };
    let from = if text { 0 } else { lines.len().saturating_sub(LOG_LINES) };
    let of =
        if from > 0 { format!(" (the last {LOG_LINES} of {} lines)", lines.len()) } else { String::new() };
    let _ = writeln!(out, "{:margin$}{word} {}{of}", "", clean(key));
    for line in &lines[from..] {
        let _ = writeln!(out, "{:margin$}  | {}", "", shorten(&clean(line), MAX_VALUE));
    }
}

/// What an effect says beside its kind, which follows from the action.
fn flat(inputs: Option<&Value>) -> Vec<(&str, &Value)> {
    let Some(Value::Object(inputs)) = inputs else { return Vec::new() };
    let nothing = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    let told = inputs.iter().filter(|(key, value)| *key != "effect" && !nothing(value));
    told.map(|(key, value)| (key.as_str(), value)).collect()
}

/// From one instant to another.
fn took(from: Timestamp, to: Timestamp) -> String {
    length_ms(u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use mainstay_api::v1::RunSummary;

    use super::*;

    fn step(name: &str, action: &str, status: &str, at: Option<(i64, i64)>) -> StepView {
        let (from, to) = at.unzip();
        crate::verbs::run::board::tests::step(name, action, status, from, to)
    }

    #[test]
    fn where_a_run_comes_from_and_what_it_started_is_said() {
        use crate::verbs::run::board::tests::run;

        let mut detail =
            run("Success", &[("old", "Success", None, None), ("call", "Success", Some(0), Some(2000))]);
        detail.parent = Some("r-above".to_owned());
        detail.continues = Some("r-before".to_owned());
        detail.steps[0].taken_from = Some("r-before".to_owned());
        detail.steps[1].child = Some("r2".to_owned());
        let child =
            run("Success", &[("mend", "Success", Some(500), Some(900)), ("never", "Pending", None, None)]);
        let children = Children::from([("r2".to_owned(), child)]);
        let text = render(&detail, &children, Timestamp::from_millis(9000), Style::default());
        let steps: Vec<&str> = text.lines().skip_while(|line| !line.starts_with('+')).collect();
        assert_eq!(
            steps,
            [
                "+          Success  old (aws:runShellScript), taken from run r-before",
                "+0.0 s     Success  call (aws:runShellScript) in 2.0 s, run r2",
                "    +0.5 s     Success  mend (aws:runShellScript) in 400 ms",
                "    not reached: never",
            ]
        );
        assert!(text.contains("started by a step of run r-above\ngoes on with run r-before\n"), "{text}");
    }

    #[test]
    fn a_run_shows_its_steps_in_order() {
        let mut judge = step("judge", "aws:executeScript", "Failed", Some((1200, 2500)));
        judge.message = Some("exit code 1\nno pool".to_owned());
        judge.outputs.insert("Findings".to_owned(), "8 of 8".into());
        let detail = RunDetail {
            summary: RunSummary {
                id: "r1".to_owned(),
                workload: Some("shop".to_owned()),
                procedure: "restore".to_owned(),
                status: "Failed".to_owned(),
                finished: true,
                started_at: Timestamp::from_millis(0),
                ended_at: Some(Timestamp::from_millis(3000)),
                current_step: Some("judge".to_owned()),
                started_by: "trigger t".to_owned(),
                message: Some("step judge failed".to_owned()),
            },
            parameters: Map::from_iter([("Alarm".to_owned(), "A".into())]),
            variables: Map::new(),
            waiting: None,
            cause: None,
            digest: String::new(),
            outputs: Map::new(),
            parent: None,
            continues: None,
            steps: vec![
                step("inspect", "aws:runCommand", "Success", Some((0, 1200))),
                judge,
                step("restart", "aws:runCommand", "Pending", None),
            ],
        };
        assert_eq!(
            render(&detail, &Children::new(), Timestamp::from_millis(9000), Style::default()),
            "run r1 of restore: Failed\n\
             started 1970-01-01 00:00:00Z by trigger t, took 3.0 s\n\
             step judge failed\n\
             parameter Alarm = A\n\
             \n\
             +0.0 s     Success  inspect (aws:runCommand) in 1.2 s\n\
             +1.2 s     Failed  judge (aws:executeScript) in 1.3 s\n\
             \x20           Findings: 8 of 8\n\
             \x20           exit code 1\n\
             \x20           no pool\n\
             not reached: restart\n"
        );
    }
}
