//! What a terminal shows of a change while it goes on: a line for each step, with its state and how long it takes.
//!
//! The board is a fold of the change's events, and what is drawn is a function of it and of the time; the canvas alone
//! writes.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use mainstay_plan::{ChangeEvent, Outcome, Plan};

use crate::canvas::pick;
use crate::screen::{Style, Tone, clean, count, shorten};
use crate::time::length;

/// The most steps that have a line; of the others it is told how many there are.
const MAX_LINES: usize = 20;

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Waiting,
    Going { since: Timestamp, back: bool },
    Lost { since: Timestamp, back: bool, reason: String },
    Done { outcome: Outcome, took: Option<std::time::Duration>, reason: Option<String> },
}

struct Step {
    wave: usize,
    address: String,
    verb: &'static str,
    at: At,
}

/// A change as far as its events tell.
pub struct Board {
    id: String,
    /// By their place in the plan.
    steps: BTreeMap<usize, Step>,
    /// Their places in the order of the waves.
    order: Vec<usize>,
    waves: usize,
    began: Option<Timestamp>,
    wave: usize,
    back: Option<String>,
}

impl Board {
    /// A change of which nothing has happened yet.
    pub fn new(id: &str, plan: &Plan) -> Self {
        let waves = (0..plan.waves.len()).flat_map(|wave| plan.in_wave(wave).map(move |one| (wave, one)));
        let mut steps = BTreeMap::new();
        let mut order = Vec::new();
        for (wave, (place, action)) in waves {
            order.push(place);
            let address = clean(&action.resource.address);
            steps.insert(place, Step { wave, address, verb: action.verb.word(), at: At::Waiting });
        }
        Self { id: id.to_owned(), steps, order, waves: plan.waves.len(), began: None, wave: 0, back: None }
    }

    /// Takes in what happened. What does not belong to the plan is left out.
    pub fn take(&mut self, event: ChangeEvent, time: Timestamp) {
        self.began.get_or_insert(time);
        match event {
            ChangeEvent::WaveStarted { wave, back, actions, .. } => {
                self.wave = wave;
                for place in actions {
                    self.put(place, |_| At::Going { since: time, back });
                }
            }
            ChangeEvent::ActionLost { action, reason } => self.put(action, |at| match at {
                At::Going { since, back } => At::Lost { since, back, reason },
                other => other,
            }),
            ChangeEvent::ActionReturned { action } => self.put(action, |at| match at {
                At::Lost { since, back, .. } => At::Going { since, back },
                other => other,
            }),
            ChangeEvent::ActionFinished { actions, outcome, reason } => {
                for place in actions {
                    let reason = reason.clone();
                    self.put(place, |at| {
                        let took = match at {
                            At::Going { since, .. } | At::Lost { since, .. } => Some(time.since(since)),
                            At::Waiting | At::Done { .. } => None,
                        };
                        At::Done { outcome, took, reason }
                    });
                }
            }
            ChangeEvent::RollingBack { reason } => self.back = Some(reason),
            // What has not begun by then never does.
            ChangeEvent::Finished { .. } => {
                for step in self.steps.values_mut().filter(|step| step.at == At::Waiting) {
                    step.at = At::Done { outcome: Outcome::Skipped, took: None, reason: None };
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, place: usize, next: impl FnOnce(At) -> At) {
        if let Some(step) = self.steps.get_mut(&place) {
            step.at = next(std::mem::replace(&mut step.at, At::Waiting));
        }
    }

    /// The lines that show it now.
    pub fn draw(&self, now: Timestamp, style: Style) -> Vec<String> {
        let done = self.steps.values().filter(|step| matches!(step.at, At::Done { .. })).count();
        let mut head = format!("change {}", self.id);
        if self.steps.values().any(|step| step.at != At::Waiting) {
            head.push_str(&format!(": wave {} of {}", self.wave + 1, self.waves));
        }
        head.push_str(&format!(", {done} of {}", count(self.steps.len(), "step")));
        if let Some(began) = self.began {
            head.push_str(&format!(", {}", length(now.since(began))));
        }
        let mut lines = vec![style.bold(&head)];
        if let Some(reason) = &self.back {
            lines.push(style.paint(Tone::Bad, &format!("rolled back: {}", shorten(&clean(reason), 160))));
        }
        let shown = self.shown();
        let width = shown.iter().map(|step| step.address.chars().count()).max().unwrap_or_default();
        lines.extend(shown.iter().map(|step| line(step, width, now, style)));
        if shown.len() < self.steps.len() {
            let mut rest: BTreeMap<&str, usize> = BTreeMap::new();
            for step in self.steps.values() {
                *rest.entry(words(&step.at).1).or_default() += 1;
            }
            for step in shown {
                rest.entry(words(&step.at).1).and_modify(|left| *left -= 1);
            }
            let rest: Vec<String> = rest
                .into_iter()
                .filter(|(_, left)| *left > 0)
                .map(|(word, left)| format!("{left} {word}"))
                .collect();
            lines.push(style.paint(Tone::Dim, &format!("  and {}", rest.join(", "))));
        }
        lines
    }

    /// All steps, or those that matter most where there are too many: first what is wrong, then what goes on, then
    /// what was done last and what comes next. They stand in the order of the waves.
    fn shown(&self) -> Vec<&Step> {
        let rank = |place: &usize| match self.steps.get(place).map(|step| &step.at) {
            Some(At::Lost { .. }) => 0,
            Some(At::Done { outcome, .. }) if !matches!(outcome, Outcome::Applied | Outcome::Skipped) => 0,
            Some(At::Going { .. }) => 1,
            Some(At::Waiting) => 2,
            _ => 3,
        };
        let ranks: Vec<u8> = self.order.iter().map(rank).collect();
        let picked = pick(&ranks, MAX_LINES).into_iter();
        picked.filter_map(|index| self.steps.get(self.order.get(index)?)).collect()
    }
}

/// A sign, the word that always stands beside it, and its tone.
fn words(at: &At) -> (&'static str, &'static str, Tone) {
    match at {
        At::Waiting => ("·", "waiting", Tone::Dim),
        At::Going { back: false, .. } => ("▸", "going", Tone::Busy),
        At::Going { back: true, .. } => ("◂", "going back", Tone::Busy),
        At::Lost { .. } => ("?", "unknown", Tone::Unknown),
        At::Done { outcome, .. } => match outcome {
            Outcome::Applied => ("✓", outcome.words(), Tone::Good),
            Outcome::Skipped => ("-", outcome.words(), Tone::Dim),
            Outcome::RolledBack => ("↺", outcome.words(), Tone::Bad),
            Outcome::Unknown => ("?", outcome.words(), Tone::Unknown),
            Outcome::Failed | Outcome::RollbackFailed => ("✗", outcome.words(), Tone::Bad),
        },
    }
}

fn line(step: &Step, width: usize, now: Timestamp, style: Style) -> String {
    let (sign, word, tone) = words(&step.at);
    let (time, reason) = match &step.at {
        At::Waiting => (None, None),
        At::Going { since, .. } => (Some(now.since(*since)), None),
        At::Lost { since, reason, .. } => (Some(now.since(*since)), Some(reason)),
        At::Done { took, reason, .. } => (*took, reason.as_ref()),
    };
    let time = time.map(length).unwrap_or_default();
    let reason = reason.map(|reason| shorten(&clean(reason), 100)).unwrap_or_default();
    // Padded before it is painted, because colours have no width.
    let state = style.paint(tone, &format!("{sign} {word:<15}"));
    let text = format!(
        "  {} {:<width$}  {:<7}  {state} {time:>8}  {reason}",
        step.wave + 1,
        step.address,
        step.verb
    );
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainstay_declare::{Declared, SourceFile, declare};
    use mainstay_model::{HostId, Tags};
    use mainstay_plan::{HostSeen, Observed, Version, plan};
    use mainstay_server::languages::Spoken;

    use super::*;

    fn declared(components: &str) -> Declared {
        let text = format!("workload: pair\ncomponents:\n{components}");
        let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
        let outcome = declare(&[file], &Spoken);
        outcome.declared.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics))
    }

    fn board(components: &str) -> Board {
        let declared = declared(components);
        let seen = HostSeen { tags: Tags::from_iter([("role", "app")]), ..HostSeen::default() };
        let observed = Observed { hosts: [(HostId::new("here").expect("an id"), seen)].into() };
        let version = Version { declared: &declared, directory: "/srv", digest: "d1" };
        Board::new("c1", &plan(version, None, &observed))
    }

    fn pair() -> Board {
        board(
            "  a: { hosts: role=app, service: { run: sleep 1 } }\n  b: { hosts: role=app, depends_on: [a], service: { run: sleep 1 } }\n",
        )
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// The places of the services among the steps of the board, in order.
    fn place(board: &Board, address: &str) -> usize {
        let found = board.steps.iter().find(|(_, step)| step.address == address);
        *found.unwrap_or_else(|| panic!("no {address}")).0
    }

    fn wave(wave: usize, back: bool, actions: &[usize]) -> ChangeEvent {
        ChangeEvent::WaveStarted { wave, back, actions: actions.to_vec(), deadline: at(60_000) }
    }

    fn finished(actions: &[usize], outcome: Outcome, reason: Option<&str>) -> ChangeEvent {
        ChangeEvent::ActionFinished { actions: actions.to_vec(), outcome, reason: reason.map(str::to_owned) }
    }

    fn drawn(board: &Board, ms: i64) -> String {
        board.draw(at(ms), Style::default()).join("\n")
    }

    #[test]
    fn each_step_has_its_state_and_its_time() {
        let mut board = pair();
        let (a, b) = (place(&board, "here/a"), place(&board, "here/b"));
        let (first, last) = (board.steps[&a].wave, board.steps[&b].wave);
        assert_eq!((first, last), (0, 1));
        let waves = board.waves;
        let line = |wave: usize, rest: &str| format!("  {} {rest}", wave + 1);
        assert!(
            drawn(&board, 0).contains(&line(first, "here/a         create   · waiting")),
            "{}",
            drawn(&board, 0)
        );

        board.take(wave(first, false, &[a]), at(0));
        let text = drawn(&board, 1_250);
        assert!(text.starts_with(&format!("change c1: wave {} of {waves}, 0 of ", first + 1)), "{text}");
        assert!(text.contains(&line(first, "here/a         create   ▸ going              1.2 s")), "{text}");
        assert!(text.contains(&line(last, "here/b         create   · waiting")), "{text}");

        board.take(
            ChangeEvent::ActionLost { action: a, reason: "the host is\x1b[2J away".to_owned() },
            at(1_500),
        );
        let text = drawn(&board, 2_000);
        assert!(text.contains("? unknown            2.0 s  the host is\u{fffd}[2J away"), "{text}");
        board.take(ChangeEvent::ActionReturned { action: a }, at(2_500));
        assert!(drawn(&board, 2_600).contains("▸ going              2.6 s"));
        board.take(finished(&[a], Outcome::Applied, None), at(3_000));
        // What is over no longer counts on.
        assert!(drawn(&board, 9_000).contains("here/a         create   ✓ applied            3.0 s"));
    }

    #[test]
    fn the_way_back_is_shown_with_its_reason() {
        let mut board = pair();
        let (a, b) = (place(&board, "here/a"), place(&board, "here/b"));
        let (first, last) = (board.steps[&a].wave, board.steps[&b].wave);
        board.take(wave(first, false, &[a]), at(0));
        board.take(finished(&[a], Outcome::Applied, None), at(100));
        board.take(wave(last, false, &[b]), at(100));
        board.take(finished(&[b], Outcome::Failed, Some("it ended with code 127")), at(600));
        assert!(drawn(&board, 700).contains("✗ failed             0.5 s  it ended with code 127"));
        board.take(ChangeEvent::RollingBack { reason: "here/b failed".to_owned() }, at(700));
        board.take(wave(first, true, &[a]), at(700));
        let text = drawn(&board, 900);
        assert!(text.contains("\nrolled back: here/b failed\n"), "{text}");
        assert!(text.contains("here/a         create   ◂ going back         0.2 s"), "{text}");
        board.take(finished(&[a], Outcome::RolledBack, None), at(1_000));
        assert!(drawn(&board, 5_000).contains("↺ rolled back        0.3 s"));
        let outcomes = [(Outcome::RolledBack, 2), (Outcome::Skipped, 1)].into();
        board.take(
            ChangeEvent::Finished { end: mainstay_plan::End::RolledBack, reason: None, outcomes },
            at(1_100),
        );
        assert!(
            drawn(&board, 5_000).contains("workload/pair  create   - skipped"),
            "{}",
            drawn(&board, 5_000)
        );
        // A stranger's step, or one of another version, is no reason to end.
        board.take(finished(&[999], Outcome::Applied, None), at(1_000));
    }

    #[test]
    fn of_many_steps_those_that_matter_are_shown() {
        let components: String = (0..60)
            .map(|at| format!("  c{at:02}: {{ hosts: role=app, service: {{ run: sleep 1 }} }}\n"))
            .collect();
        let mut board = board(&components);
        let places: Vec<usize> = (0..60).map(|at| place(&board, &format!("here/c{at:02}"))).collect();
        let of = board.steps[&places[0]].wave;
        board.take(wave(of, false, &places), at(0));
        board.take(finished(&places[..40], Outcome::Applied, None), at(100));
        board.take(finished(&places[50..51], Outcome::Failed, Some("no")), at(100));
        let text = drawn(&board, 200);
        assert_eq!(text.lines().count(), MAX_LINES + 2, "{text}");
        assert!(
            text.contains("here/c50") && text.contains("here/c41") && !text.contains("here/c00 "),
            "{text}"
        );
        assert!(text.contains("  and 4") && text.contains(" applied"), "{text}");
    }

    #[test]
    fn states_are_painted() {
        let painted = pair().draw(at(0), Style { color: true }).join("");
        assert!(painted.contains("\x1b[2m· waiting"), "{painted}");
        assert_eq!(length(Duration::from_millis(1_250)), "1.2 s");
    }
}
