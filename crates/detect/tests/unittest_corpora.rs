//! Unit tests of rules in wide use, and Prometheus' own.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use std::path::Path;

use mainstay_detect::RuleFile;
use mainstay_detect::unittest::{Suite, TestFile, TestOutcome};

mod common;

/// Runs a test file whose patterns are plain names. Rule files that are not there are left out, as promtool does.
fn run(path: &Path) -> Result<Vec<TestOutcome>, String> {
    let problems = |problems: Vec<mainstay_model::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let file = TestFile::parse(&common::yaml(&common::read(path)).remove(0)).map_err(problems)?;
    let folder = path.parent().expect("a file is in a folder");
    let mut rules = Vec::new();
    for name in &file.rule_files {
        let rule_file = folder.join(name);
        if rule_file.is_file() {
            let value = common::yaml(&common::read(&rule_file)).remove(0);
            rules.push(RuleFile::parse(&value).map_err(problems)?);
        }
    }
    let suite = Suite::new(&file, &rules);
    // Unoptimised, the larger files take their time; two halves take half of it.
    let half = |from: usize| -> Vec<(usize, TestOutcome)> {
        let indexes = (from..file.tests.len()).step_by(2);
        indexes.map(|index| (index, suite.run(index).expect("it is a test of the file"))).collect()
    };
    let mut outcomes = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut outcomes = half(0);
        outcomes.extend(other.join().expect("no test panics"));
        outcomes
    });
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// The first line of each failure of each test; a test that passed has none.
fn failures(outcomes: &[TestOutcome]) -> Vec<Vec<String>> {
    outcomes
        .iter()
        .map(|outcome| outcome.failures.iter().map(|failure| failure.problem.to_string()).collect())
        .collect()
}

#[test]
fn good_tests_pass() {
    let Some(folder) = common::corpus("promql-prometheus") else { return };
    let (mut files, mut tests, mut checks) = (0, 0, 0);
    for name in
        ["unittest", "long-period", "no-test-group-interval", "negative-offset-test", "at-modifier-test"]
    {
        let path = folder.join(format!("cmd/promtool/testdata/{name}.yml"));
        let outcomes = run(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for outcome in &outcomes {
            assert!(outcome.passed(), "{name}: {}: {:#?}", outcome.name, outcome.failures);
            checks += outcome.checks;
        }
        files += 1;
        tests += outcomes.len();
    }
    println!("promtool: {checks} expectations of {tests} tests in {files} files hold");
    assert_eq!((files, tests, checks), (5, 9, 32));
}

#[test]
fn bad_tests_fail_for_their_reason() {
    let Some(folder) = common::corpus("promql-prometheus") else { return };
    let read = |name: &str| run(&folder.join("cmd/promtool/testdata").join(name));
    let shown = |name: &str| failures(&read(name).unwrap_or_else(|error| panic!("{name}: {error}")));
    assert_eq!(
        shown("bad-input-series.yml"),
        [["tests[0].input_series[0].series: Not a series: expected , or } in labels before \"\""]]
    );
    assert_eq!(
        shown("bad-rules-error-test.yml"),
        [[
            "tests[0]: The rule `joined` fails at 0s: found duplicate series for the match group {a=\"1\"} on the \
             right hand-side of the operation: [{__name__=\"join_2\", a=\"1\", b=\"3\"}, {__name__=\"join_2\", \
             a=\"1\", b=\"4\"}];many-to-many matching not allowed: matching labels must be unique on one side"
        ]]
    );
    assert_eq!(
        shown("failing.yml"),
        [
            vec![
                "tests[0].alert_rule_test[0]: `Test` at 0s: 1 instance is expected to fire, 0 do",
                "tests[0].promql_expr_test[0]: `test` at 0s answers something else",
            ],
            vec![
                "tests[1].alert_rule_test[0]: `InstanceDown` at 5m: 0 instances are expected to fire, 1 does",
                "tests[1].alert_rule_test[1]: `AlwaysFiring` at 5m: 0 instances are expected to fire, 1 does",
            ],
        ]
    );
    let wrong = "answers something else";
    for (name, counts) in [("rules_run.yml", [0, 1]), ("rules_run_fuzzy.yml", [0, 2])] {
        let found = shown(name);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), counts, "{name}: {found:?}");
        assert!(found.concat().iter().all(|failure| failure.ends_with(wrong)), "{found:?}");
    }
    assert_eq!(shown("rules_run_no_fuzzy.yml").concat().len(), 2);
    let refused = read("rules_run_extrafields.yml").expect_err("its rule file has unknown keys");
    assert!(refused.contains("groups[0].namespace"), "{refused}");
}

#[test]
fn the_kubernetes_mixin_passes_its_tests() {
    let Some(folder) = common::corpus("mixin-kubernetes") else { return };
    let (mut files, mut tests, mut checks) = (0, 0, 0);
    for path in common::files(&folder.join("tests"), &[".yaml"]) {
        let outcomes = run(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for outcome in &outcomes {
            assert!(outcome.passed(), "{}: {}: {:#?}", path.display(), outcome.name, outcome.failures);
            checks += outcome.checks;
        }
        files += 1;
        tests += outcomes.len();
    }
    println!("mixin-kubernetes: {checks} expectations of {tests} tests in {files} files hold");
    assert!(files >= 5 && tests >= 40 && checks >= 100, "{files} files, {tests} tests, {checks} checks");
}
