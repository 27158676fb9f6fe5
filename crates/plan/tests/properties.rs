//! What holds for every workload: generated ones, on generated hosts, with hosts that fail, hang and go away.

mod common;
mod sim;

use std::fmt::Write as _;

use common::{hosts, lines, revision, version, workload};
use mainstay_declare::Declared;
use mainstay_plan::{Change, End, HostSeen, Input, Observed, Outcome, Plan, Progress, Verb, inverse, plan};
use proptest::prelude::*;
use sim::{Does, World, declared, observed, somebody};

/// What is drawn of a component: its roles, command, port, restart policy and the components of lower places that it
/// depends on.
type Drawn = (u8, u8, bool, u8, Vec<prop::sample::Index>);

fn drawn() -> impl Strategy<Value = Vec<Option<Drawn>>> {
    let one =
        (0..3_u8, 0..3_u8, any::<bool>(), 0..3_u8, prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    prop::collection::vec(prop::option::weighted(0.8, one), 1..7)
}

fn text(drawn: &[Option<Drawn>]) -> String {
    let mut out = String::new();
    let mut names: Vec<String> = Vec::new();
    for (at, one) in drawn.iter().enumerate() {
        let Some((role, run, port, restart, on)) = one else { continue };
        let name = format!("c{at}");
        let hosts = ["'*'", "role=app", "'role in (app,db)'"][usize::from(*role)];
        let restart = ["always", "on-failure", "never"][usize::from(*restart)];
        let port = if *port { format!(", port: {}", 8000 + at) } else { String::new() };
        let mut on: Vec<&str> =
            on.iter().filter(|_| !names.is_empty()).map(|index| index.get(&names).as_str()).collect();
        on.sort_unstable();
        on.dedup();
        let on = on.join(", ");
        writeln!(
            out,
            "  {name}: {{ hosts: {hosts}, service: {{ run: ./c{run}, restart: {restart}{port} }}, depends_on: [{on}] }}"
        )
        .expect("texts grow");
        names.push(name);
    }
    if names.is_empty() { "  none: {}\n".to_owned() } else { out }
}

fn workloads() -> impl Strategy<Value = Declared> {
    drawn().prop_map(|drawn| workload(&text(&drawn)))
}

fn some_hosts() -> impl Strategy<Value = Observed> {
    prop::collection::vec(0..3_usize, 1..5).prop_map(|roles| {
        let names: Vec<String> = (0..roles.len()).map(|at| format!("h{at}")).collect();
        let list: Vec<(&str, &str)> = names
            .iter()
            .zip(&roles)
            .map(|(name, role)| (name.as_str(), ["app", "db", "web"][*role]))
            .collect();
        hosts(&list)
    })
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        6 => Just(Does::Works),
        1 => Just(Does::Fails),
        1 => Just(Does::Hangs),
        1 => Just(Does::ComesBack),
        1 => Just(Does::StaysAway),
        1 => Just(Does::FailsLater),
    ]
}

fn planned(old: &Declared, new: &Declared, hosts: &Observed) -> Plan {
    let seen = observed(&declared(old, hosts), hosts);
    plan(version(new, "d2"), Some((&revision("r1"), version(old, "d1"))), &seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_lists_each_difference_once_and_dependencies_first(
        old in workloads(), new in workloads(), hosts in some_hosts()
    ) {
        let plan = planned(&old, &new, &hosts);
        let (before, after) = (declared(&old, &hosts), declared(&new, &hosts));
        let mut expected: Vec<String> = Vec::new();
        for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
            if before.get(key) != after.get(key) {
                expected.push(format!("{}/{}", key.0, key.1));
            }
        }
        expected.sort();
        let services: Vec<_> = plan.actions.iter().filter(|action| action.is_on_host()).collect();
        let mut found: Vec<String> = services.iter().map(|action| action.resource.address.clone()).collect();
        found.sort();
        prop_assert_eq!(found, expected);
        for (at, action) in services.iter().enumerate() {
            for earlier in &services[..at] {
                let depends = |declared: &Declared, one: &str, on: &str| {
                    declared.workload.components.get(one).is_some_and(|c| c.depends_on.iter().any(|x| x == on))
                };
                let (first, then) = (&earlier.resource.name, &action.resource.name);
                match (earlier.verb, action.verb) {
                    (Verb::Remove, Verb::Remove) => prop_assert!(!depends(&old, then, first), "{:?}", lines(&plan)),
                    (Verb::Remove, _) | (_, Verb::Remove) => {}
                    _ => prop_assert!(!depends(&new, first, then), "{:?}", lines(&plan)),
                }
            }
        }
        prop_assert_eq!(Plan::from_json(&plan.to_json()), Ok(plan));
    }

    #[test]
    fn applying_leads_to_the_next_declaration_and_the_inverse_back(
        old in workloads(), new in workloads(), hosts in some_hosts()
    ) {
        let (before, after) = (declared(&old, &hosts), declared(&new, &hosts));
        let mut world = World::new(planned(&old, &new, &hosts), false, Vec::new(), before.clone());
        world.run();
        prop_assert_eq!(world.change.end(), Some(End::Applied));
        prop_assert_eq!(&world.running, &after);
        world.assert_kills_change_nothing();

        let seen = observed(&after, &hosts);
        let two = revision("r2");
        let again = plan(version(&new, "d2"), Some((&two, version(&new, "d2"))), &seen);
        prop_assert!(again.is_empty() && again.drift.is_empty(), "{:?}", again);

        let back = inverse((&two, version(&new, "d2")), Some(version(&old, "d1")), &seen);
        let there = &world.change.plan;
        prop_assert_eq!(back.actions.len(), there.actions.len());
        for action in &back.actions {
            let undone = there.actions.iter().find(|one| {
                (one.resource.kind, &one.resource.address) == (action.resource.kind, &action.resource.address)
            });
            let undone = undone.expect("the inverse changes what the plan changes");
            prop_assert_eq!(action.verb, undone.verb.inverse());
            prop_assert_eq!((&action.before, &action.after), (&undone.after, &undone.before));
        }
        let mut world = World::new(back, false, Vec::new(), after);
        world.run();
        prop_assert_eq!(world.change.end(), Some(End::Applied));
        prop_assert_eq!(&world.running, &before);
    }

    #[test]
    fn whatever_hosts_do_a_change_ends_in_what_its_end_says(
        old in workloads(), new in workloads(), hosts in some_hosts(), keep in any::<bool>(),
        script in prop::collection::vec((does(), does()), 40), cancel in prop::option::of(0..20_usize),
    ) {
        let (before, after) = (declared(&old, &hosts), declared(&new, &hosts));
        let mut world = World::new(planned(&old, &new, &hosts), keep, Vec::new(), before.clone());
        for (action, (there, back)) in script.into_iter().enumerate() {
            world = world.script(action, false, there).script(action, true, back);
        }
        world.cancel_after(cancel);
        world.run();
        world.assert_kills_change_nothing();
        let end = world.change.end();
        prop_assert!(end.is_some(), "a change that waits for nobody ends");
        let outcomes: Vec<Outcome> =
            world.change.actions.iter().filter_map(|state| state.outcome().map(|(outcome, _)| outcome)).collect();
        prop_assert_eq!(outcomes.len(), world.change.actions.len(), "each action has an outcome");
        let begun = world.change.actions.iter().filter(|state| state.begun()).count();
        for action in &world.failed {
            let forward = &world.change.actions[*action].forward;
            let known = matches!(forward, Progress::Done { outcome: Outcome::Failed, .. });
            prop_assert!(known, "a host said that it failed, and it counts as {:?}", forward);
        }
        match end {
            Some(End::Applied) => {
                prop_assert!(world.failed.is_empty(), "what has failed is not applied");
                prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
                prop_assert_eq!(&world.running, &after);
            }
            Some(End::RolledBack) => prop_assert_eq!(&world.running, &before),
            Some(End::Cancelled) if !keep => prop_assert_eq!(&world.running, &before),
            Some(End::Failed) => {
                let bad = [Outcome::RollbackFailed, Outcome::Unknown];
                prop_assert!(!keep && outcomes.iter().any(|outcome| bad.contains(outcome)), "{:?}", outcomes);
            }
            Some(End::KeptPart | End::Cancelled) => prop_assert!(keep && begun > 0),
            other => prop_assert!(false, "{:?}", other),
        }
        // Whatever was away or silent: holding to what is wanted leads to a state that the end names.
        world.settle();
        match end {
            Some(End::Applied) => prop_assert_eq!(&world.running, &after),
            Some(End::KeptPart | End::Cancelled) if keep => {
                for (key, spec) in &world.running {
                    prop_assert!(before.get(key) == Some(spec) || after.get(key) == Some(spec));
                }
            }
            _ => prop_assert_eq!(&world.running, &before),
        }
    }

    #[test]
    fn a_plan_does_not_depend_on_the_order_of_files_or_hosts(drawn in drawn(), new in workloads(), hosts in some_hosts()) {
        let old = text(&drawn);
        let mut turned: Vec<&str> = old.lines().collect();
        turned.reverse();
        let turned = turned.join("\n") + "\n";
        let shuffled = Observed {
            hosts: hosts.hosts.iter().rev().map(|(host, seen): (_, &HostSeen)| (host.clone(), seen.clone())).collect(),
        };
        let one = planned(&workload(&old), &new, &hosts);
        let two = planned(&workload(&turned), &new, &shuffled);
        prop_assert_eq!(one.to_json(), two.to_json());
    }

    #[test]
    fn inputs_without_sense_change_nothing_and_never_panic(
        old in workloads(), new in workloads(), hosts in some_hosts(),
        inputs in prop::collection::vec((0..9_u8, 0..12_usize, 0..100_000_u32), 0..60),
    ) {
        let plan = planned(&old, &new, &hosts);
        let most = Some(mainstay_plan::Limit { most: 3, by: mainstay_plan::SetBy::default() });
        let limits = mainstay_plan::ChangeLimits { resources: most, ..Default::default() };
        let holds = mainstay_plan::holds(&plan, &limits);
        let mut world = World::new(plan, false, holds, declared(&old, &hosts));
        for (kind, action, later) in inputs {
            world.now = world.now.plus(std::time::Duration::from_millis(u64::from(later)));
            let report = |report| Input::Report { action, report };
            world.hear(match kind {
                0 => Input::Resume,
                1 | 2 => report(mainstay_plan::Report::Ready),
                3 => report(mainstay_plan::Report::Failed { reason: "x".to_owned() }),
                4 => report(mainstay_plan::Report::HostLost),
                5 => report(mainstay_plan::Report::HostBack),
                6 => Input::Approve { by: somebody(), message: None },
                7 => Input::Refuse { by: somebody(), message: None },
                _ => Input::Cancel { by: somebody(), message: None },
            });
        }
        world.assert_kills_change_nothing();
        let state: &Change = &world.change;
        if state.end().is_some() {
            prop_assert!(state.wave.is_none() && state.next_deadline().is_none());
        }
    }
}
