//! `mainstay run` and `mainstay runs`.

use std::fmt::Write as _;

use mainstay_api::client::Client;
use mainstay_api::v1::{EventView, RunDetail, RunSummary, StartRun, StepView};
use mainstay_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::args::{Decision, Run, RunsVerb};
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::screen::{Field, Screen, Style, clean, clean_lines, say, shorten, table};
use crate::sentence;
use crate::time::{age, clock, length, length_ms, now, stamp};

/// Starts a procedure, and waits for its end unless told otherwise.
pub async fn start(screen: Screen, client: &Client, run: &Run) -> Result<(), Failure> {
    let path = std::path::Path::new(&run.procedure);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if matches!(extension, "yaml" | "yml" | "json") && path.is_file() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        return Err(Failure::new(
            Exit::Refused,
            format!("`{}` is a file, and running a file without a server is not built yet", run.procedure),
        )
        .hint(format!("apply the workload that holds it and run it by its name: `mainstay run {name}`")));
    }
    let start = StartRun {
        workload: run.workload.clone(),
        procedure: run.procedure.clone(),
        parameters: parameters(&run.parameters)?,
        // A repeated request after a lost answer must not start a second run.
        client_token: Some(uuid::Uuid::now_v7().simple().to_string()),
    };
    let head = client.status().await?.journal_seq;
    let started = client.start_run(&start).await?;
    if run.detach {
        return screen.show(&started, |started| format!("{}\n", started.id));
    }
    say(&format!("run {} of {} started; Ctrl-C stops watching, not the run", started.id, started.procedure));
    tokio::select! {
        ended = follow(client, &started.id, head) => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::local("Ctrl-C cannot be waited for", &error))?;
            say(&format!("the run goes on: see `mainstay runs show {0}`, stop it with `mainstay runs cancel {0}`", started.id));
            return Err(Failure::said(Exit::Interrupted));
        }
    }
    let detail = client.run(&started.id).await?;
    screen.show(&detail, |detail| render(detail, now(), screen.style))?;
    if detail.summary.status == "Success" { Ok(()) } else { Err(Failure::said(Exit::No)) }
}

/// Says each step as it happens, until the run is over.
async fn follow(client: &Client, id: &str, after: u64) -> Result<(), Failure> {
    let pattern = json!({ "subject": [format!("run/{id}")] }).to_string();
    let mut feed = Feed::after(client.clone(), after).matching(Some(pattern));
    loop {
        let event = feed.next().await?;
        if let Some(line) = progress(&event) {
            say(&line);
        }
        match event.kind.as_str() {
            "run.finished" => return Ok(()),
            "run.waiting" => say(&format!(
                "  it waits for you: `mainstay runs decide {id} --as succeeded|failed|retry`, or `mainstay runs cancel {id}`"
            )),
            _ => {}
        }
    }
}

/// What a person who waits wants to see of a run.
fn progress(event: &EventView) -> Option<String> {
    let wanted =
        ["run.attempt.started", "run.step.finished", "run.waiting", "run.cancelling", "run.finished"];
    wanted.contains(&event.kind.as_str()).then(|| format!("  {}  {}", clock(event.time), sentence::of(event)))
}

/// `KEY=VALUE` pairs as a document's parameters: JSON where the value reads as JSON that is not a plain number or
/// word, else text. The document says which type it wants, and refuses others.
fn parameters(pairs: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    for (key, text) in pairs {
        let value = match text.as_bytes().first() {
            Some(b'[' | b'{' | b'"') => serde_json::from_str(text).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("The value of parameter `{key}` begins like JSON and is not"),
                )
                .because(&error)
                .hint("quote it as a JSON string to pass it as text")
            })?,
            _ => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(text.clone()),
            },
        };
        if map.insert(key.clone(), value).is_some() {
            return Err(Failure::new(Exit::Usage, format!("The parameter `{key}` is given twice")));
        }
    }
    Ok(map)
}

/// `mainstay runs …`
pub async fn run(screen: Screen, client: &Client, verb: Option<&RunsVerb>) -> Result<(), Failure> {
    match verb {
        None => list(screen, client, 20).await,
        Some(RunsVerb::List { lines }) => list(screen, client, *lines).await,
        Some(RunsVerb::Show { id }) => {
            screen.show(&client.run(id).await?, |detail| render(detail, now(), screen.style))
        }
        Some(RunsVerb::Cancel { id, reason }) => {
            let run = client.cancel_run(id, reason.as_deref()).await?;
            screen.show(&run, |run| format!("run {} of {} is {}\n", run.id, run.procedure, run.status))
        }
        Some(RunsVerb::Decide { id, decision, reason }) => {
            let decision = match (decision, reason) {
                (Decision::Succeeded, None) => json!({ "decision": "succeeded" }),
                (Decision::Retry, None) => json!({ "decision": "retry" }),
                (Decision::Failed, reason) => {
                    let message = reason.as_deref().unwrap_or("A person decided that it failed");
                    json!({ "decision": "failed", "message": message })
                }
                (_, Some(_)) => {
                    return Err(Failure::new(Exit::Usage, "A reason is recorded with `--as failed` only"));
                }
            };
            let run = client.decide_run(id, &decision).await?;
            screen.show(&run, |run| format!("run {} of {} is {}\n", run.id, run.procedure, run.status))
        }
    }
}

async fn list(screen: Screen, client: &Client, lines: usize) -> Result<(), Failure> {
    let page = client.runs(lines).await?;
    screen.show(&page, |page| render_list(&page.items, now(), screen.style))
}

fn render_list(runs: &[RunSummary], now: Timestamp, style: Style) -> String {
    if runs.is_empty() {
        return "No run yet. `mainstay procedures` lists what can be run.\n".to_owned();
    }
    let rows = runs.iter().map(|run| {
        let took = length(run.ended_at.unwrap_or(now).since(run.started_at));
        vec![
            run.id.clone().into(),
            run.procedure.clone().into(),
            Field::State(run.status.clone()),
            stamp(run.started_at).into(),
            took.into(),
            run.current_step.clone().unwrap_or_default().into(),
            run.started_by.clone().into(),
        ]
    });
    table(style, &["RUN", "PROCEDURE", "STATUS", "STARTED", "TOOK", "STEP", "BY"], rows.collect())
}

/// A run with its steps.
pub fn render(detail: &RunDetail, now: Timestamp, style: Style) -> String {
    let run = &detail.summary;
    let mut out = String::new();
    let _ = writeln!(out, "run {} of {}: {}", run.id, style.bold(&run.procedure), style.state(&run.status));
    let took = took(run.started_at, run.ended_at.unwrap_or(now));
    let (word, by) = (if run.finished { "took" } else { "for" }, clean(&run.started_by));
    let _ = writeln!(out, "started {} by {by}, {word} {took}", stamp(run.started_at));
    if let Some(message) = &run.message {
        let _ = writeln!(out, "{}", clean(message));
    }
    for (key, value) in &detail.parameters {
        let _ = writeln!(out, "parameter {key} = {}", shorten(&clean(&plain(value)), 120));
    }
    out.push('\n');
    let (reached, later): (Vec<_>, Vec<_>) = detail.steps.iter().partition(|step| step.started_at.is_some());
    for step in reached {
        render_step(&mut out, step, run.started_at, now, style);
    }
    if !later.is_empty() {
        let names: Vec<&str> = later.iter().map(|step| step.name.as_str()).collect();
        let words = if run.finished { "not reached" } else { "not reached yet" };
        let _ = writeln!(out, "{words}: {}", names.join(", "));
    }
    if !detail.outputs.is_empty() {
        out.push_str("outputs\n");
        for (key, value) in &detail.outputs {
            let _ = writeln!(out, "  {key} = {}", shorten(&clean(&plain(value)), 200));
        }
    }
    out
}

fn render_step(out: &mut String, step: &StepView, start: Timestamp, now: Timestamp, style: Style) {
    let offset = step.started_at.map(|at| length(at.since(start))).unwrap_or_default();
    let took = match (step.started_at, step.ended_at) {
        (Some(from), Some(to)) => format!(" in {}", took(from, to)),
        (from, None) => format!(" for {}", age(from, now)),
        _ => String::new(),
    };
    let attempts = if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
    let _ = writeln!(
        out,
        "+{offset:<9} {}  {} ({}){took}{attempts}",
        style.state(&step.status),
        style.bold(&step.name),
        step.action
    );
    for command in &step.commands {
        let _ = writeln!(out, "{:12}on {} (command {})", "", command.host, command.id);
    }
    let brief = sentence::outputs(&Value::Object(step.outputs.clone()));
    if !brief.is_empty() {
        let _ = writeln!(out, "{:12}{}", "", clean(&brief));
    }
    if let Some(message) = &step.message {
        for line in clean_lines(message).lines().take(8) {
            let _ = writeln!(out, "{:12}{line}", "");
        }
    }
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
    use super::*;

    fn step(name: &str, action: &str, status: &str, at: Option<(i64, i64)>) -> StepView {
        StepView {
            name: name.to_owned(),
            action: action.to_owned(),
            status: status.to_owned(),
            started_at: at.map(|(from, _)| Timestamp::from_millis(from)),
            ended_at: at.map(|(_, to)| Timestamp::from_millis(to)),
            attempts: u32::from(at.is_some()),
            outputs: Map::new(),
            message: None,
            child: None,
            taken_from: None,
            commands: Vec::new(),
        }
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
            render(&detail, Timestamp::from_millis(9000), Style::default()),
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

    #[test]
    fn parameters_are_text_unless_they_are_json() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let map = parameters(&[pair("a", "1"), pair("b", "[\"x\"]"), pair("c", "true"), pair("d", "a=b")])
            .expect("good");
        assert_eq!(Value::Object(map), json!({"a": "1", "b": ["x"], "c": true, "d": "a=b"}));
        assert_eq!(parameters(&[pair("a", "[1")]).expect_err("bad").exit, Exit::Usage);
        assert_eq!(parameters(&[pair("a", "1"), pair("a", "2")]).expect_err("twice").exit, Exit::Usage);
    }
}
