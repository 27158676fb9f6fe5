//! Scripts for the machine that carries a plan out.

mod common;
mod sim;

use common::{hosts, revision, version, workload};
use mainstay_plan::{
    Change, ChangeEvent, End, FoldError, Hold, Input, Outcome, Phase, Plan, Progress, Report, SeenState,
    Sighting, Wanted, plan,
};
use sim::{Does, World, declared, observed, somebody};

const OLD: &str = "  a: { hosts: '*', service: { run: ./a, health: { tcp: 1 } } }
  b: { hosts: '*', service: { run: ./b }, depends_on: [a] }
  x: { hosts: '*', service: { run: ./x } }
";
const NEW: &str = "  a: { hosts: '*', service: { run: ./a2, health: { tcp: 1 } } }
  b: { hosts: '*', service: { run: ./b2 }, depends_on: [a] }
  c: { hosts: '*', service: { run: ./c }, depends_on: [b] }
";

/// Waves: replace a; replace b; create c; remove x. On one host.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const X: usize = 3;

struct Case {
    before: sim::Running,
    after: sim::Running,
    plan: Plan,
}

fn case() -> Case {
    let (old, new) = (workload(OLD), workload(NEW));
    let one = hosts(&[("h", "x")]);
    let before = declared(&old, &one);
    let base = revision("r1");
    let plan = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &observed(&before, &one));
    let order: Vec<&str> = plan.actions.iter().map(|action| action.resource.name.as_str()).collect();
    assert_eq!(order, ["a", "b", "c", "x"]);
    Case { before, after: declared(&new, &one), plan }
}

fn world(case: &Case, keep: bool) -> World {
    World::new(case.plan.clone(), keep, Vec::new(), case.before.clone())
}

/// The events in short.
fn story(world: &World) -> Vec<String> {
    let tell = |event: &ChangeEvent| match event {
        ChangeEvent::WaveStarted { wave, back, actions, .. } => {
            format!("{} {wave} {actions:?}", if *back { "back" } else { "wave" })
        }
        ChangeEvent::ActionFinished { actions, outcome, .. } => format!("{actions:?} {}", outcome.words()),
        ChangeEvent::Finished { end, .. } => format!("end {}", end.words()),
        other => other.kind().trim_start_matches("change.").to_owned(),
    };
    world.events().map(tell).collect()
}

fn outcomes(world: &World) -> Vec<Option<Outcome>> {
    world.change.actions.iter().map(|state| state.outcome().map(|(outcome, _)| outcome)).collect()
}

#[test]
fn waves_go_one_after_the_other_to_the_next_declaration() {
    let case = case();
    let mut world = world(&case, false);
    assert_eq!(world.change.wanted_of(A), Some(Wanted::Next));
    assert_eq!(world.change.wanted_of(B), Some(Wanted::Current));
    assert_eq!(world.change.wanted_of(C), Some(Wanted::Absent));
    assert_eq!(world.change.wanted_of(X), Some(Wanted::Current));
    world.run();
    assert_eq!(
        story(&world),
        [
            "started",
            "wave 0 [0]",
            "[0] applied",
            "wave 1 [1]",
            "[1] applied",
            "wave 2 [2]",
            "[2] applied",
            "wave 3 [3]",
            "[3] applied",
            "end applied"
        ]
    );
    assert_eq!(world.running, case.after);
    assert_eq!(world.change.end(), Some(End::Applied));
    assert_eq!(world.change.wanted_of(X), Some(Wanted::Absent));
    world.assert_kills_change_nothing();
}

#[test]
fn the_first_failure_takes_everything_that_was_begun_back() {
    let case = case();
    let mut world = world(&case, false).script(C, false, Does::Fails);
    world.run();
    assert_eq!(
        story(&world),
        [
            "started",
            "wave 0 [0]",
            "[0] applied",
            "wave 1 [1]",
            "[1] applied",
            "wave 2 [2]",
            "[2] failed",
            "rolling_back",
            "back 2 [2]",
            "[2] rolled back",
            "back 1 [1]",
            "[1] rolled back",
            "back 0 [0]",
            "[0] rolled back",
            "end rolled back"
        ]
    );
    assert_eq!(world.running, case.before);
    assert_eq!(world.change.reason.as_deref(), Some("h/c failed: exit code 1"));
    let back = Some(Outcome::RolledBack);
    assert_eq!(outcomes(&world), [back, back, back, Some(Outcome::Skipped)]);
    world.assert_kills_change_nothing();
}

#[test]
fn with_keep_what_was_begun_stays_and_the_rest_is_skipped() {
    let case = case();
    let mut world = world(&case, true).script(B, false, Does::Hangs);
    world.run();
    assert_eq!(world.change.end(), Some(End::KeptPart));
    assert_eq!(world.change.reason.as_deref(), Some("h/b failed: it was not ready when its time was over"));
    let wanted: Vec<_> = (0..4).map(|action| world.change.wanted_of(action)).collect();
    let (next, current) = (Some(Wanted::Next), Some(Wanted::Current));
    assert_eq!(wanted, [next, next, Some(Wanted::Absent), current]);
    world.assert_kills_change_nothing();
}

#[test]
fn a_host_that_comes_back_in_time_is_no_failure_and_one_that_stays_away_is_unknown() {
    let case = case();
    let mut back_in_time = world(&case, false).script(A, false, Does::ComesBack);
    back_in_time.run();
    assert_eq!(back_in_time.change.end(), Some(End::Applied));
    back_in_time.assert_kills_change_nothing();

    let mut away = world(&case, false).script(B, false, Does::StaysAway).script(B, true, Does::StaysAway);
    away.run();
    assert_eq!(away.change.end(), Some(End::Failed), "nobody knows what the host runs");
    assert_eq!(outcomes(&away)[B], Some(Outcome::Unknown));
    assert_eq!(
        away.change.reason.as_deref(),
        Some("h/b is unknown: its host is away, and its time is over; not all of it could be rolled back")
    );
    assert_eq!(outcomes(&away)[A], Some(Outcome::RolledBack), "the others go back all the same");
    assert_eq!(away.change.wanted_of(B), Some(Wanted::Current), "so it is put right when it returns");
    away.assert_kills_change_nothing();
}

#[test]
fn what_was_ready_and_fails_while_the_change_goes_on_has_not_worked() {
    let case = case();
    let mut world = world(&case, false).script(A, false, Does::FailsLater);
    world.run();
    assert_eq!(world.change.end(), Some(End::RolledBack));
    assert_eq!(world.change.reason.as_deref(), Some("h/a failed: it was ready, and then it crashed"));
    assert_eq!(world.running, case.before);
    world.assert_kills_change_nothing();
}

#[test]
fn a_way_back_that_fails_does_not_stop_the_others() {
    let case = case();
    let mut world = world(&case, false).script(C, false, Does::Fails).script(B, true, Does::Fails);
    world.run();
    assert_eq!(world.change.end(), Some(End::Failed));
    let back = Some(Outcome::RolledBack);
    assert_eq!(outcomes(&world), [back, Some(Outcome::RollbackFailed), back, Some(Outcome::Skipped)]);
    world.assert_kills_change_nothing();
}

#[test]
fn what_did_not_work_before_need_not_work_after_it_went_back() {
    let mut case = case();
    if let Some(Sighting::Seen(seen)) = &mut case.plan.actions[A].was {
        seen.state = SeenState::Failed;
    }
    let mut world = world(&case, false).script(A, false, Does::Fails).script(A, true, Does::Fails);
    world.run();
    assert_eq!(world.change.end(), Some(End::RolledBack));
    let (outcome, why) = world.change.actions[A].outcome().expect("it is over");
    assert_eq!(outcome, Outcome::RolledBack);
    assert_eq!(why, Some("it did not work before the change either: exit code 1"));
}

#[test]
fn a_held_change_tells_no_host_anything_until_somebody_decides() {
    let case = case();
    let holds = vec![Hold::Resources { found: 4, allowed: 2, by: mainstay_plan::SetBy::default() }];
    let held = || World::new(case.plan.clone(), false, holds.clone(), case.before.clone());
    let approve = |by| Input::Approve { by, message: None };
    let refuse = || Input::Refuse { by: somebody(), message: Some("not on a Friday".to_owned()) };

    let mut world = held();
    world.run();
    assert_eq!(world.change.phase, Phase::Held);
    assert!((0..4).all(|action| world.change.actions[action].forward == Progress::Waiting));
    let ready = Input::Report { action: A, report: Report::Ready };
    assert_eq!(world.hear(ready), 0, "what was not begun cannot be ready");
    assert_eq!(world.hear(approve(somebody())), 2);
    let decision = world.change.decision.as_ref().expect("it was decided");
    assert!(decision.approved && decision.own, "one's own change is told apart");
    assert_eq!(
        world.change.refuses(&refuse()).as_deref(),
        Some("The change cannot be refused: that was decided already")
    );
    world.run();
    assert_eq!(world.change.end(), Some(End::Applied));
    world.assert_kills_change_nothing();

    let mut world = held();
    world.hear(refuse());
    assert_eq!(world.change.end(), Some(End::Refused));
    assert_eq!(world.change.reason.as_deref(), Some("person:maria refused it: not on a Friday"));
    assert_eq!(
        world.change.refuses(&approve(somebody())).as_deref(),
        Some("The change cannot be approved: it is over: refused")
    );
    world.assert_kills_change_nothing();
}

#[test]
fn cancelling_takes_back_what_was_begun_or_keeps_it() {
    let case = case();
    let cancel = || Input::Cancel { by: somebody(), message: None };
    for keep in [false, true] {
        let mut world = world(&case, keep).script(B, false, Does::Hangs);
        let ready = Input::Report { action: A, report: Report::Ready };
        world.hear(ready);
        world.hear(cancel());
        assert!(world.change.refuses(&cancel()).is_some(), "once is enough");
        world.run();
        assert_eq!(world.change.end(), Some(End::Cancelled));
        let stays = if keep { Wanted::Next } else { Wanted::Current };
        assert_eq!(world.change.wanted_of(A), Some(stays));
        world.assert_kills_change_nothing();
    }
}

#[test]
fn a_plan_without_actions_and_one_of_declarations_only_end_at_once() {
    let old = workload(OLD);
    let base = revision("r1");
    let one = hosts(&[("h", "x")]);
    let running = declared(&old, &one);
    let nothing = plan(version(&old, "d2"), Some((&base, version(&old, "d1"))), &one);
    let world = World::new(nothing, false, Vec::new(), running.clone());
    assert_eq!(story(&world), ["started", "end applied"]);

    let described = workload(&OLD.replace("  a: {", "  a: { description: New,"));
    let small = plan(version(&described, "d2"), Some((&base, version(&old, "d1"))), &one);
    let world = World::new(small, false, Vec::new(), running);
    assert_eq!(story(&world), ["started", "wave 0 [0]", "[0] applied", "end applied"]);
    world.assert_kills_change_nothing();
}

#[test]
fn events_that_do_not_follow_are_refused() {
    let case = case();
    let world = world(&case, false);
    let finished = |actions| ChangeEvent::ActionFinished { actions, outcome: Outcome::Applied, reason: None };
    let error = Change::fold(None, &finished(vec![0])).expect_err("nothing began");
    assert_eq!(
        error.to_string(),
        "`change.action.finished` cannot come here: a change begins with `change.started`, once"
    );
    let error = Change::fold(Some(world.change.clone()), &finished(vec![9])).expect_err("no such action");
    assert_eq!(error.to_string(), "`change.action.finished` names action 9, which the plan does not have");
    let first = world.events().next().expect("it began").clone();
    let error = Change::fold(Some(world.change.clone()), &first).expect_err("it began already");
    assert_eq!(error, FoldError::NotStarted { kind: "change.started" });
    let unknown = Input::Report { action: 99, report: Report::Ready };
    let mut world = world;
    assert_eq!(world.hear(unknown), 0, "a report on what is not in the plan changes nothing");
}
