//! Running tests: the loop over instants.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Timestamp, format_duration};
use mainstay_promql::Expr;

use super::world::World;
use super::{AlarmCheck, Failure, MAX_EVALUATIONS, QueryCheck, Test, TestFile, TestOutcome, compare};
use crate::Labels;
use crate::alarm::{Condition, Environment, GroupState, Outcome, alarms, evaluate_rule};
use crate::read::at;
use crate::rules::{RuleFile, RuleGroup};

/// A test file with the rules it tests.
#[derive(Debug)]
pub struct Suite<'a> {
    file: &'a TestFile,
    groups: Vec<Group<'a>>,
}

/// A group with its expressions read.
#[derive(Debug)]
struct Group<'a> {
    rules: &'a RuleGroup,
    expressions: Vec<Result<Expr, String>>,
}

/// Where a run is: the series, and the state of each group.
struct Run<'a> {
    suite: &'a Suite<'a>,
    test: &'a Test,
    path: Vec<mainstay_model::Segment>,
    world: World<'a>,
    states: Vec<GroupState>,
    outcome: TestOutcome,
}

impl<'a> Suite<'a> {
    /// A test file and what its patterns of rule files name, each file once.
    pub fn new(file: &'a TestFile, rules: &'a [RuleFile]) -> Self {
        let read = |rules: &'a RuleGroup| Group {
            rules,
            expressions: rules
                .rules
                .iter()
                .map(|rule| {
                    mainstay_promql::parse(rule.expr()).map_err(|errors| {
                        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
                        texts.join("; ")
                    })
                })
                .collect(),
        };
        let mut groups: Vec<Group<'a>> = rules.iter().flat_map(|file| &file.groups).map(read).collect();
        let place = |name: &str| file.group_eval_order.iter().position(|listed| listed == name).unwrap_or(0);
        groups.sort_by_key(|group| place(&group.rules.name));
        Self { file, groups }
    }

    /// What is probably not meant: alarms and groups that no rule file has.
    pub fn warnings(&self) -> Vec<Problem> {
        let known = self.alarm_names();
        let mut out = Vec::new();
        for check in self.file.tests.iter().flat_map(|test| &test.alarms) {
            if !check.alarm.is_empty() && !known.contains(check.alarm.as_str()) {
                let message = format!("No rule file of this test has an alarm `{}`", check.alarm);
                let problem = Problem::warning("unknown-alarm", at(&check.path, "alertname"), message);
                out.push(match nearest(&check.alarm, known.iter().copied()) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem,
                });
            }
        }
        for (index, name) in self.file.group_eval_order.iter().enumerate() {
            if !self.groups.iter().any(|group| group.rules.name == *name) {
                let message = format!("No rule file of this test has a group `{name}`");
                let path = vec!["group_eval_order".into(), index.into()];
                out.push(Problem::warning("unknown-group", path, message));
            }
        }
        out
    }

    fn alarm_names(&self) -> BTreeSet<&str> {
        self.groups
            .iter()
            .flat_map(|group| alarms(group.rules))
            .map(|(_, rule)| rule.alert.as_str())
            .collect()
    }

    /// Runs one test of the file by its place; `None` if there is no such test.
    pub fn run(&self, index: usize) -> Option<TestOutcome> {
        let test = self.file.tests.get(index)?;
        let outcome = TestOutcome { name: test.name.clone(), checks: 0, failures: Vec::new() };
        if !test.flaws.is_empty() {
            let failures = test.flaws.iter().cloned().map(Failure::from).collect();
            return Some(TestOutcome { failures, ..outcome });
        }
        let step = i64::try_from(self.file.evaluation_interval.as_millis()).unwrap_or(i64::MAX);
        let mut run = Run {
            suite: self,
            test,
            path: vec!["tests".into(), index.into()],
            world: World::new(test, step),
            states: self.groups.iter().map(|_| GroupState::default()).collect(),
            outcome,
        };
        run.go();
        Some(run.outcome)
    }
}

impl Run<'_> {
    fn go(&mut self) {
        let step = self.suite.file.evaluation_interval;
        let test = self.test;
        let end = test.alarms.iter().map(|check| check.at).chain(test.queries.iter().map(|check| check.at));
        let end = end.max().unwrap_or_default();
        let evaluations = end.as_nanos() / step.as_nanos().max(1) + 1;
        if evaluations > u128::from(MAX_EVALUATIONS) {
            let message = format!(
                "This test takes {evaluations} evaluations, {MAX_EVALUATIONS} are the most that are made"
            );
            let problem = Problem::error("too-many-evaluations", self.path.clone(), message);
            self.fail(problem.help("raise `evaluation_interval`, or lower the `eval_time`s"));
            return;
        }
        let mut checks: Vec<&AlarmCheck> = test.alarms.iter().collect();
        checks.sort_by_key(|check| check.at);
        let mut checks = checks.into_iter().peekable();
        let mut after = Duration::ZERO;
        while after <= end {
            let now = test.start.plus(after);
            self.world.load_until(now);
            if !self.evaluate(now, after) {
                return;
            }
            while let Some(check) = checks.next_if(|check| check.at < after + step) {
                self.alarm(check, now);
            }
            after += step;
        }
        for check in &test.queries {
            self.query(check);
        }
    }

    fn fail(&mut self, failure: impl Into<Failure>) {
        self.outcome.failures.push(failure.into());
    }

    /// Evaluates all groups once. Says whether the test goes on.
    fn evaluate(&mut self, now: Timestamp, after: Duration) -> bool {
        let suite = self.suite;
        let mut goes_on = true;
        for (group, state) in suite.groups.iter().zip(&mut self.states) {
            let query_at = now.minus(group.rules.query_offset.unwrap_or_default());
            for (index, expr) in group.expressions.iter().enumerate() {
                let result =
                    expr.as_ref().map_err(Clone::clone).and_then(|expr| self.world.samples(expr, query_at));
                // Whether an alarm without instances lacks data is told apart for people only; no expectation of a
                // test depends on it, so the time to find out is saved.
                let outcome = Outcome { result, had_data: true };
                let environment = Environment {
                    now,
                    external_labels: &self.test.external_labels,
                    external_url: &self.test.external_url,
                    queries: &self.world,
                };
                let evaluated = evaluate_rule(group.rules, index, state, &environment, &outcome);
                let written = self.world.record(&evaluated.series, query_at);
                self.world.end(&evaluated.stale, query_at);
                if let Some(error) = evaluated.error.or(written.err()) {
                    let name = group.rules.rules.get(index).map_or("", crate::Rule::name);
                    let message = format!("The rule `{name}` fails at {}: {error}", format_duration(after));
                    let problem = Problem::error("rule-failed", self.path.clone(), message);
                    self.outcome.failures.push(problem.into());
                    goes_on = false;
                }
            }
        }
        goes_on
    }

    /// Compares the instances of an alarm that fire.
    fn alarm(&mut self, check: &AlarmCheck, now: Timestamp) {
        self.outcome.checks += 1;
        let mut firing: Vec<(Labels, Labels)> = Vec::new();
        let mut pending = Vec::new();
        for (group, state) in self.suite.groups.iter().zip(&self.states) {
            for (index, _) in alarms(group.rules).filter(|(_, rule)| rule.alert == check.alarm) {
                for instance in state.of(group.rules, index).into_iter().flat_map(|alarm| alarm.active()) {
                    match instance.condition {
                        Condition::Firing => {
                            firing.push((instance.labels.clone(), instance.annotations.clone()));
                        }
                        _ => pending.push((instance.labels.clone(), now.since(instance.active_at))),
                    }
                }
            }
        }
        firing.sort();
        if firing == check.expected {
            return;
        }
        let when = format_duration(check.at);
        let message = match (check.expected.len(), firing.len()) {
            (expected, fire) if expected == fire => {
                format!("`{}` at {when}: fires with other labels or annotations than expected", check.alarm)
            }
            (expected, fire) => {
                let does = if fire == 1 { "does" } else { "do" };
                format!("`{}` at {when}: {} expected to fire, {fire} {does}", check.alarm, counted(expected))
            }
        };
        let mut problem = Problem::error("alarm-differs", check.path.clone(), message);
        problem.help = self.why_not(check, &pending, firing.len(), now);
        self.fail(Failure {
            problem,
            expected: compare::alert_lines(&check.expected),
            got: compare::alert_lines(&firing),
        });
    }

    /// What may explain that fewer instances fire than expected.
    fn why_not(
        &self,
        check: &AlarmCheck,
        pending: &[(Labels, Duration)],
        firing: usize,
        now: Timestamp,
    ) -> Option<String> {
        if firing >= check.expected.len() {
            return None;
        }
        let names = self.suite.alarm_names();
        if !names.contains(check.alarm.as_str()) {
            return Some(match nearest(&check.alarm, names) {
                Some(near) => format!("no rule file has this alarm; did you mean `{near}`?"),
                None => "no rule file of this test has this alarm".to_owned(),
            });
        }
        if let Some((labels, since)) = pending.first() {
            let more = match pending.len() {
                1 => String::new(),
                number => format!(" and {} more", number - 1),
            };
            let held = format_duration(*since);
            return Some(format!(
                "{}{more} is pending, holding for {held} so far",
                compare::label_text(labels)
            ));
        }
        let without_data = self.suite.groups.iter().flat_map(|group| {
            let offset = group.rules.query_offset.unwrap_or_default();
            let matching = alarms(group.rules).filter(|(_, rule)| rule.alert == check.alarm);
            matching
                .filter_map(move |(index, _)| Some((group.expressions.get(index)?.as_ref().ok()?, offset)))
        });
        let mut rules = without_data.peekable();
        rules.peek()?;
        rules.all(|(expr, offset)| !self.world.selects_anything(expr, now.minus(offset))).then(|| {
            "there are no data: nothing that its expression selects is there at this time".to_owned()
        })
    }

    /// Compares the answer of a query.
    fn query(&mut self, check: &QueryCheck) {
        self.outcome.checks += 1;
        let (expr, expected) = match &check.parsed {
            Ok(parsed) => parsed,
            Err(problems) => {
                self.outcome.failures.extend(problems.iter().cloned().map(Failure::from));
                return;
            }
        };
        let when = format_duration(check.at);
        let got = match self.world.vector(expr, self.test.start.plus(check.at)) {
            Ok(vector) => compare::answered(vector),
            Err(error) => {
                let message = format!("`{}` at {when} fails: {error}", check.text);
                self.fail(Problem::error("query-failed", at(&check.path, "expr"), message));
                return;
            }
        };
        if compare::same(expected, &got, self.suite.file.fuzzy_compare) {
            return;
        }
        let message = format!("`{}` at {when} answers something else", check.text);
        let mut problem = Problem::error("answer-differs", check.path.clone(), message);
        let (expected_lines, got_lines) = (compare::expected_lines(expected), compare::got_lines(&got));
        if expected_lines == got_lines && compare::has_nan(expected, &got) {
            problem =
                problem.help("NaN equals nothing, not even itself; expect `x != bool x` to be 1 instead");
        }
        self.fail(Failure { problem, expected: expected_lines, got: got_lines });
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 instance is".to_owned() } else { format!("{number} instances are") }
}
