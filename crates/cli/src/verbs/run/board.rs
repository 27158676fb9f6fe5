//! What a terminal shows of a run while it goes on: a line for each step, what the running ones write, and what the run
//! waits for. A function of the run, of the output and of the time.

use mainstay_api::v1::{OutputView, RunDetail, StepView};
use mainstay_model::Timestamp;

use super::family::Children;
use crate::canvas::pick;
use crate::screen::{Style, Tone, clean, count, shorten};
use crate::time::length;

/// How many of the last lines of output are shown: of one host, and of several hosts each.
const TAIL: (usize, usize) = (6, 2);

/// Of how many hosts output is shown at the same time.
const MAX_HOSTS: usize = 4;

/// The widest that a step's name is shown.
const MAX_NAME: usize = 40;

/// The rows that everything but the steps may take.
const OTHER_ROWS: usize = 14;

/// What the lines are for.
#[derive(Clone, Copy)]
pub struct Frame {
    /// The time.
    pub now: Timestamp,
    /// Colours.
    pub style: Style,
    /// Columns and rows.
    pub size: (usize, usize),
    /// Whether the run goes on here, where it is drawn, and not on a server.
    pub here: bool,
}

/// A sign, and the words that always stand beside it.
fn words(status: &str) -> (&'static str, &str, Tone) {
    match status {
        "Success" => ("✓", "done", Tone::Good),
        "InProgress" => ("▸", "going", Tone::Busy),
        "Waiting" => ("‖", "waits", Tone::Busy),
        "Cancelling" => ("◂", "stopping", Tone::Busy),
        "Failed" => ("✗", "failed", Tone::Bad),
        "TimedOut" => ("✗", "timed out", Tone::Bad),
        "OutcomeUnknown" => ("?", "unknown", Tone::Unknown),
        "Cancelled" => ("-", "cancelled", Tone::Bad),
        "Skipped" => ("-", "skipped", Tone::Dim),
        "Exited" => ("-", "left", Tone::Dim),
        "Pending" => ("·", "", Tone::Dim),
        other => ("·", other, Tone::Dim),
    }
}

/// How much a step matters where there is no room for all: first what is wrong or goes on, then what comes next, then
/// what is done.
fn rank(step: &StepView) -> u8 {
    match step.status.as_str() {
        "Failed" | "TimedOut" | "OutcomeUnknown" | "Waiting" | "InProgress" | "Cancelling" => 0,
        "Pending" => 1,
        _ => 2,
    }
}

/// How deep a step stands in loops.
fn depth(step: &StepView, steps: &[StepView]) -> usize {
    let mut depth = 0;
    let mut parent = step.parent.as_deref();
    while let Some(name) = parent
        && depth < 8
    {
        depth += 1;
        parent = steps.iter().find(|step| step.name == name).and_then(|step| step.parent.as_deref());
    }
    depth
}

/// A step on its line: a run's own, or one of a child of it.
struct Line<'a> {
    step: &'a StepView,
    /// How deep it is indented.
    depth: usize,
    /// Whether it is a step of the run itself.
    own: bool,
}

/// The steps of a run, each with those of the run it started below it.
fn lay_out<'a>(run: &'a RunDetail, children: &'a Children, around: usize, lines: &mut Vec<Line<'a>>) {
    for step in &run.steps {
        let depth = around + depth(step, &run.steps);
        lines.push(Line { step, depth, own: around == 0 });
        // Children stand no deeper than the server lets them; the bound is for what is not so.
        if let Some(child) = step.child.as_ref().and_then(|id| children.get(id)).filter(|_| around < 16) {
            lay_out(child, children, depth + 1, lines);
        }
    }
}

/// The lines that show a run now.
pub fn draw(run: &RunDetail, children: &Children, outputs: &[OutputView], frame: Frame) -> Vec<String> {
    let Frame { now, style, size: (columns, rows), .. } = frame;
    let summary = &run.summary;
    let took = length(summary.ended_at.unwrap_or(now).since(summary.started_at));
    let over = run.steps.iter().filter(|step| step.ended_at.is_some()).count();
    let mut lines = vec![format!(
        "{} of {}: {}, {over} of {}, {took}",
        style.bold(&format!("run {}", clean(&summary.id))),
        clean(&summary.procedure),
        style.state(&summary.status),
        count(run.steps.len(), "step"),
    )];
    let mut all = Vec::new();
    lay_out(run, children, 0, &mut all);
    let ranks: Vec<u8> = all.iter().map(|line| rank(line.step)).collect();
    let shown = pick(&ranks, rows.saturating_sub(OTHER_ROWS).max(3));
    let name = |line: &Line<'_>| format!("{}{}", "  ".repeat(line.depth), clean(&line.step.name));
    let width = shown.iter().map(|place| name(&all[*place]).chars().count()).max().unwrap_or_default();
    for place in &shown {
        let line = &all[*place];
        lines.push(cut(&step_line(&name(line), width.min(MAX_NAME), line.step, frame), columns));
        // What commands write is told of the run itself only.
        let outputs = if line.own { outputs } else { &[] };
        let tails = tails(line.step, outputs, columns).into_iter();
        lines.extend(tails.map(|line| style.paint(Tone::Dim, &line)));
        lines.extend(why(line.step, columns));
    }
    if shown.len() < all.len() {
        let hidden = count(all.len() - shown.len(), "further step");
        lines.push(style.paint(Tone::Dim, &format!("  and {hidden}")));
    }
    lines.extend(foot(run, frame));
    lines
}

/// A line without colours that stick out of it: it is cut before it is painted, as far as it is plain.
fn cut(line: &str, columns: usize) -> String {
    // Painted lines carry sequences of their own length; the terminal cuts those.
    if line.contains('\x1b') { line.to_owned() } else { shorten(line, columns) }
}

fn step_line(name: &str, width: usize, step: &StepView, frame: Frame) -> String {
    let Frame { now, style, .. } = frame;
    let (sign, word, tone) = words(&step.status);
    let time = match (step.started_at, step.ended_at) {
        (Some(from), Some(to)) => length(to.since(from)),
        (Some(from), None) => length(now.since(from)),
        _ => String::new(),
    };
    let mut facts = Vec::new();
    if let Some(iteration) = step.outputs.get("CurrentIteration") {
        facts.push(format!("iteration {iteration}"));
    }
    if let Some(child) = &step.child {
        facts.push(format!("run {}", clean(child)));
    }
    if let Some(earlier) = &step.taken_from {
        facts.push(format!("taken from run {}", clean(earlier)));
    }
    if step.attempts > 1 {
        facts.push(format!("attempt {}", step.attempts));
    }
    let last = step.tries.last();
    match last.map(|attempt| attempt.hosts.as_slice()) {
        // Where there is one host there is nothing to tell apart.
        Some([_]) if frame.here => {}
        Some([host]) => facts.push(format!("on {}", clean(host))),
        Some(hosts) if !hosts.is_empty() => facts.push(format!("on {}", count(hosts.len(), "host"))),
        _ => {}
    }
    let action = step.action.strip_prefix("aws:").unwrap_or(&step.action);
    // Padded before it is painted, because colours have no width.
    let state = style.paint(tone, &format!("{sign} {word:<9}"));
    let text = format!(
        "  {state} {:<width$}  {time:>9}  {}  {}",
        shorten(name, MAX_NAME),
        style.paint(Tone::Dim, &format!("{:<14}", clean(action))),
        facts.join(", ")
    );
    text.trim_end().to_owned()
}

/// What the commands of a running step wrote last.
fn tails(step: &StepView, outputs: &[OutputView], columns: usize) -> Vec<String> {
    if step.ended_at.is_some() {
        return Vec::new();
    }
    let of: Vec<&OutputView> = outputs.iter().filter(|output| output.step == step.name).collect();
    let most = if of.len() == 1 { TAIL.0 } else { TAIL.1 };
    let mut lines = Vec::new();
    for output in of.iter().take(MAX_HOSTS) {
        let from = output.lines.len().saturating_sub(most);
        for line in &output.lines[from..] {
            let line = clean(line);
            let text = if of.len() == 1 { line } else { format!("{}: {line}", clean(&output.host)) };
            lines.push(shorten(&format!("      | {text}"), columns));
        }
    }
    if of.len() > MAX_HOSTS {
        lines.push(format!("      | and {}", count(of.len() - MAX_HOSTS, "further host")));
    }
    lines
}

/// Why a step did not succeed, below its line.
fn why(step: &StepView, columns: usize) -> Option<String> {
    let message = step.message.as_deref().filter(|_| rank(step) == 0 || step.status == "Cancelled")?;
    let line = message.lines().map(clean).find(|line| !line.trim().is_empty())?;
    Some(shorten(&format!("      {line}"), columns))
}

/// What stands below the steps: why it ended so, or what it waits for and what to type.
fn foot(run: &RunDetail, frame: Frame) -> Vec<String> {
    let Frame { style, size: (columns, _), here, .. } = frame;
    let id = clean(&run.summary.id);
    let mut lines = Vec::new();
    if let Some(wait) = run.waiting.as_ref().filter(|wait| !here || wait.pause) {
        // Here it is asked for in words of its own, but for a pause.
        lines.push(style.paint(Tone::Busy, &shorten(&format!("waits: {}", clean(&wait.reason)), columns)));
        if !here {
            let what = if wait.pause {
                format!(
                    "  `mainstay runs decide {id} --as succeeded` lets it go on; `mainstay runs cancel {id}` ends it"
                )
            } else {
                format!(
                    "  `mainstay runs decide {id} --as succeeded|failed|retry`, or `mainstay runs cancel {id}`"
                )
            };
            lines.push(what);
        }
    } else if let Some(message) = run.summary.message.as_deref().filter(|_| run.waiting.is_none()) {
        let tone = if run.summary.finished { Tone::Bad } else { Tone::Busy };
        lines.extend(wrap(&clean(message), columns).into_iter().map(|line| style.paint(tone, &line)));
    }
    lines
}

/// A text in lines of at most so many characters, broken between words where there are some; at most four lines.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    const MOST: usize = 4;
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && lines.len() < MOST {
        let end = rest.char_indices().nth(columns).map_or(rest.len(), |(at, _)| at);
        // The blank at which a line is broken may stand just behind it.
        let cut = if end < rest.len() { rest[..=end].rfind(' ').unwrap_or(end) } else { end };
        let (line, left) = rest.split_at(cut);
        rest = left.trim_start();
        let full = lines.len() + 1 == MOST && !rest.is_empty();
        lines.push(if full { shorten(&format!("{line} {rest}"), columns) } else { line.to_owned() });
    }
    lines
}

#[cfg(test)]
pub mod tests {
    use mainstay_api::v1::{AttemptView, RunSummary, WaitView};
    use serde_json::Map;

    use super::*;

    /// A step, from when to when in milliseconds.
    pub fn step(name: &str, action: &str, status: &str, from: Option<i64>, to: Option<i64>) -> StepView {
        StepView {
            name: name.to_owned(),
            action: action.to_owned(),
            status: status.to_owned(),
            started_at: from.map(Timestamp::from_millis),
            ended_at: to.map(Timestamp::from_millis),
            attempts: u32::from(from.is_some()),
            tries: Vec::new(),
            parent: None,
            iteration: None,
            earlier_attempts: 0,
            next: None,
            outputs: Map::new(),
            message: None,
            child: None,
            taken_from: None,
            commands: Vec::new(),
        }
    }

    /// A run of these steps: name, status, and from when to when in milliseconds.
    pub fn run(status: &str, steps: &[(&str, &str, Option<i64>, Option<i64>)]) -> RunDetail {
        let at = Timestamp::from_millis;
        RunDetail {
            summary: RunSummary {
                id: "r1".to_owned(),
                workload: None,
                procedure: "restore".to_owned(),
                status: status.to_owned(),
                finished: matches!(status, "Success" | "Failed" | "TimedOut" | "Cancelled"),
                started_at: at(0),
                ended_at: None,
                current_step: None,
                started_by: "alice".to_owned(),
                message: None,
            },
            parameters: Map::new(),
            variables: Map::new(),
            waiting: None,
            cause: None,
            digest: String::new(),
            outputs: Map::new(),
            parent: None,
            continues: None,
            steps: steps
                .iter()
                .map(|(name, status, from, to)| step(name, "aws:runShellScript", status, *from, *to))
                .collect(),
        }
    }

    fn drawn(run: &RunDetail, outputs: &[OutputView], here: bool) -> String {
        let frame =
            Frame { now: Timestamp::from_millis(2_500), style: Style::default(), size: (80, 30), here };
        draw(run, &Children::new(), outputs, frame).join("\n")
    }

    #[test]
    fn the_steps_of_a_child_stand_below_the_step_that_started_it() {
        let mut view =
            run("InProgress", &[("call", "InProgress", Some(0), None), ("after", "Pending", None, None)]);
        view.steps[0].child = Some("r2".to_owned());
        let mut child = run(
            "InProgress",
            &[("mend", "Success", Some(0), Some(900)), ("look", "InProgress", Some(900), None)],
        );
        child.summary.id = "r2".to_owned();
        child.steps[0].taken_from = Some("r0".to_owned());
        let frame = Frame {
            now: Timestamp::from_millis(2_500),
            style: Style::default(),
            size: (80, 30),
            here: false,
        };
        let text = draw(&view, &Children::from([("r2".to_owned(), child)]), &[], frame).join("\n");
        let names: Vec<String> = text.lines().skip(1).map(|line| line.chars().skip(14).collect()).collect();
        let begins = ["call ", "  mend ", "  look ", "after"];
        assert!(
            names.iter().zip(begins).all(|(line, name)| line.starts_with(name)) && names.len() == 4,
            "{text}"
        );
        assert!(
            text.contains("0 of 2 steps") && text.contains("run r2") && text.contains("taken from run r0"),
            "{text}"
        );
    }

    #[test]
    fn steps_have_their_state_their_time_and_what_they_write() {
        let mut view = run(
            "InProgress",
            &[
                ("inspect", "Success", Some(0), Some(1_200)),
                ("mend", "InProgress", Some(1_200), None),
                ("look", "Pending", None, None),
            ],
        );
        view.steps[1].attempts = 2;
        view.steps[1].tries = vec![AttemptView {
            id: "a".to_owned(),
            started_at: Timestamp::from_millis(1_200),
            ended_at: None,
            result: None,
            message: None,
            hosts: vec!["app-1".to_owned()],
            inputs: None,
            outputs: Map::new(),
            decided_by: None,
        }];
        let lines: Vec<String> = (1..=9).map(|number| format!("line {number}\x1b[2J")).collect();
        let output = OutputView { step: "mend".to_owned(), host: "app-1".to_owned(), lines };
        let text = drawn(&view, &[output], false);
        let wanted = [
            "run r1 of restore: InProgress, 1 of 3 steps, 2.5 s",
            "  ✓ done      inspect      1.2 s  runShellScript",
            "  ▸ going     mend         1.3 s  runShellScript  attempt 2, on app-1",
            "      | line 4\u{fffd}[2J",
        ];
        for line in wanted {
            assert!(text.lines().any(|have| have.trim_end() == line), "{line}\n{text}");
        }
        assert!(!text.contains("line 3"), "six lines at most: {text}");
        assert!(text.contains("  ·           look"), "{text}");
    }

    #[test]
    fn what_it_waits_for_is_said_with_the_command() {
        let mut view = run("Waiting", &[("mend", "OutcomeUnknown", Some(0), None)]);
        view.waiting = Some(WaitView {
            step: "mend".to_owned(),
            attempt: "a".to_owned(),
            reason: "Nobody knows whether step mend happened".to_owned(),
            pause: false,
        });
        let text = drawn(&view, &[], false);
        assert!(
            text.contains("waits: Nobody knows") && text.contains("`mainstay runs decide r1 --as"),
            "{text}"
        );
        assert!(!drawn(&view, &[], true).contains("decide"), "here it is asked for");
    }

    #[test]
    fn there_are_never_more_lines_than_rows() {
        let names: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
        let steps: Vec<(&str, &str, Option<i64>, Option<i64>)> = names
            .iter()
            .enumerate()
            .map(|(at, name)| match at {
                0..50 => (name.as_str(), "Success", Some(0), Some(1)),
                50 => (name.as_str(), "InProgress", Some(1), None),
                _ => (name.as_str(), "Pending", None, None),
            })
            .collect();
        let text = drawn(&run("InProgress", &steps), &[], false);
        assert!(text.lines().count() < 30 && text.contains("s50 ") && text.contains("s51"), "{text}");
        assert!(text.contains("  and 84 further steps"), "{text}");
    }

    #[test]
    fn long_reasons_are_broken_between_words() {
        assert_eq!(wrap("the disk is full", 8), ["the disk", "is full"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        let long = wrap(&"word ".repeat(50), 10);
        assert!(long.len() == 4 && long[3].ends_with('…'), "{long:?}");
    }

    #[test]
    fn steps_of_loops_are_indented() {
        let mut view =
            run("InProgress", &[("each", "InProgress", Some(0), None), ("one", "InProgress", Some(0), None)]);
        view.steps[1].parent = Some("each".to_owned());
        view.steps[0].outputs.insert("CurrentIteration".to_owned(), 3.into());
        let text = drawn(&view, &[], false);
        assert!(text.contains("going       one") && text.contains("iteration 3"), "{text}");
    }
}
