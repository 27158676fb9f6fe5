//! The alarm state machine, step by step.

use mainstay_detect::alarm::{Condition, Environment, Outcome};
use mainstay_detect::{
    GroupState, Labels, NoQueries, RuleEvaluation, RuleFile, RuleGroup, Sample, evaluate, evaluate_rule,
};
use mainstay_model::Timestamp;
use serde_json::json;

/// A group of one alerting rule, evaluated every so many seconds.
struct Bench {
    group: RuleGroup,
    state: GroupState,
}

fn group(rule: &serde_json::Value) -> RuleGroup {
    let file = json!({"groups": [{"name": "g", "rules": [rule]}]});
    RuleFile::parse(&file).expect("the rule is valid").groups.remove(0)
}

fn alert(extra: &serde_json::Value) -> serde_json::Value {
    let mut rule = json!({"alert": "Slow", "expr": "latency > 1"});
    for (key, value) in extra.as_object().expect("a mapping") {
        rule[key] = value.clone();
    }
    rule
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn answers(values: &[(&str, f64)]) -> Outcome {
    let samples =
        values.iter().map(|(host, value)| Sample::new([("__name__", "latency"), ("host", host)], *value));
    Outcome { result: Ok(samples.collect()), had_data: true }
}

fn no_data() -> Outcome {
    Outcome { result: Ok(Vec::new()), had_data: false }
}

fn at_secs(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

impl Bench {
    fn new(extra: &serde_json::Value) -> Self {
        Self { group: group(&alert(extra)), state: GroupState::default() }
    }

    fn step(&mut self, seconds: i64, outcome: &Outcome) -> RuleEvaluation {
        let environment = Environment {
            now: at_secs(seconds),
            external_labels: &Labels::new(),
            external_url: "https://mainstay.test",
            queries: &NoQueries,
        };
        evaluate_rule(&self.group, 0, &mut self.state, &environment, outcome)
    }

    /// The steps as `labels: from > to`, `*` for the alarm as a whole.
    fn steps(&mut self, seconds: i64, outcome: &Outcome) -> Vec<String> {
        let words = |step: &mainstay_detect::Transition| {
            let who = if step.whole { "*" } else { step.labels.get("host").map_or("?", String::as_str) };
            format!("{who}: {} > {}", step.from.as_str(), step.to.as_str())
        };
        self.step(seconds, outcome).transitions.iter().map(words).collect()
    }

    fn shown(&self) -> Condition {
        self.state.of(&self.group, 0).expect("it was evaluated").shown()
    }
}

#[test]
fn an_alarm_is_pending_then_fires_then_resolves() {
    let mut bench = Bench::new(&json!({"for": "10s", "labels": {"severity": "page"}}));
    assert_eq!(bench.steps(0, &answers(&[])), [""; 0]);
    assert_eq!(bench.shown(), Condition::Inactive);
    let first = bench.step(5, &answers(&[("a", 2.0)]));
    assert_eq!(first.transitions[0].to, Condition::Pending);
    assert_eq!(first.transitions[0].active_at, Some(at_secs(5)));
    let expected = labels(&[("alertname", "Slow"), ("host", "a"), ("severity", "page")]);
    assert_eq!(first.transitions[0].labels, expected);
    let series = |state: &str| {
        let mut alerts = expected.clone();
        alerts.extend(labels(&[("__name__", "ALERTS"), ("alertstate", state)]));
        let mut since = expected.clone();
        since.extend(labels(&[("__name__", "ALERTS_FOR_STATE")]));
        vec![Sample { labels: alerts, value: 1.0 }, Sample { labels: since, value: 5.0 }]
    };
    assert_eq!(first.series, series("pending"));
    assert_eq!(bench.steps(14, &answers(&[("a", 2.0)])), [""; 0]);
    let firing = bench.step(15, &answers(&[("a", 3.0)]));
    assert_eq!(firing.transitions[0].to, Condition::Firing);
    assert_eq!(firing.transitions[0].value, Some(3.0));
    assert_eq!(firing.series, series("firing"));
    assert_eq!(firing.stale, [series("pending")[0].labels.clone()]);
    assert_eq!(bench.shown(), Condition::Firing);
    let resolved = bench.step(20, &answers(&[]));
    assert_eq!(resolved.transitions[0].to, Condition::Resolved);
    assert_eq!(resolved.stale.len(), 2);
    assert!(resolved.series.is_empty());
    assert_eq!(bench.shown(), Condition::Inactive);
    // It is remembered for fifteen minutes.
    let remembered = |bench: &Bench| bench.state.of(&bench.group, 0).expect("evaluated").instances.len();
    bench.step(20 + 900, &answers(&[]));
    assert_eq!(remembered(&bench), 1);
    bench.step(20 + 901, &answers(&[]));
    assert_eq!(remembered(&bench), 0);
}

#[test]
fn missing_once_resets_pending_and_without_for_it_fires_at_once() {
    let mut bench = Bench::new(&json!({"for": "10s"}));
    assert_eq!(bench.steps(0, &answers(&[("a", 2.0)])), ["a: inactive > pending"]);
    assert_eq!(bench.steps(5, &answers(&[])), ["a: pending > inactive"]);
    assert_eq!(bench.steps(10, &answers(&[("a", 2.0)])), ["a: inactive > pending"]);
    assert_eq!(bench.steps(19, &answers(&[("a", 2.0)])), [""; 0]);
    assert_eq!(bench.steps(20, &answers(&[("a", 2.0)])), ["a: pending > firing"]);
    let mut bench = Bench::new(&json!({}));
    assert_eq!(
        bench.steps(0, &answers(&[("a", 2.0), ("b", 3.0)])),
        ["a: inactive > firing", "b: inactive > firing"]
    );
    assert_eq!(bench.steps(1, &answers(&[("b", 3.0)])), ["a: firing > resolved"]);
    assert_eq!(bench.steps(2, &answers(&[("a", 2.0), ("b", 3.0)])), ["a: resolved > firing"]);
}

#[test]
fn keep_firing_for_bridges_gaps() {
    let mut bench = Bench::new(&json!({"keep_firing_for": "10s"}));
    assert_eq!(bench.steps(0, &answers(&[("a", 2.0)])), ["a: inactive > firing"]);
    assert_eq!(bench.steps(5, &answers(&[])), [""; 0]);
    assert_eq!(bench.steps(14, &answers(&[])), [""; 0]);
    assert_eq!(bench.steps(14, &answers(&[("a", 2.0)])), [""; 0]);
    assert_eq!(bench.steps(16, &answers(&[])), [""; 0], "the gap counts anew");
    assert_eq!(bench.steps(26, &answers(&[])), ["a: firing > resolved"]);
}

#[test]
fn a_longer_for_takes_firing_back_to_pending() {
    let mut bench = Bench::new(&json!({}));
    bench.step(0, &answers(&[("a", 2.0)]));
    bench.group = group(&alert(&json!({"for": "1m"})));
    assert_eq!(bench.steps(10, &answers(&[("a", 2.0)])), ["a: firing > pending"]);
    assert_eq!(bench.steps(60, &answers(&[("a", 2.0)])), ["a: pending > firing"]);
}

#[test]
fn no_data_is_neither_firing_nor_fine() {
    let mut bench = Bench::new(&json!({}));
    assert_eq!(bench.steps(0, &no_data()), ["*: unknown > no_data"]);
    assert_eq!(bench.shown(), Condition::NoData);
    assert_eq!(bench.steps(1, &no_data()), [""; 0]);
    assert_eq!(bench.steps(2, &answers(&[])), ["*: no_data > inactive"]);
    assert_eq!(bench.steps(3, &answers(&[("a", 2.0)])), ["a: inactive > firing"]);
    assert_eq!(bench.steps(4, &no_data()), ["*: inactive > no_data", "a: firing > no_data"]);
    assert_eq!(bench.shown(), Condition::NoData);
    assert!(bench.step(5, &no_data()).series.is_empty(), "ALERTS ends, as in Prometheus");
    assert_eq!(bench.steps(6, &answers(&[])), ["*: no_data > inactive", "a: no_data > resolved"]);
    bench.step(7, &answers(&[("a", 2.0)]));
    bench.step(8, &no_data());
    assert_eq!(bench.steps(9, &answers(&[("a", 2.0)])), ["*: no_data > inactive", "a: no_data > firing"]);
    // `absent(x)` answers exactly when its selectors have no data, and then it holds.
    let absent = Outcome { had_data: false, ..answers(&[("a", 1.0)]) };
    assert_eq!(bench.steps(10, &absent), [""; 0]);
    assert_eq!(bench.shown(), Condition::Firing);
}

#[test]
fn an_error_leaves_instances_as_they_are() {
    let mut bench = Bench::new(&json!({}));
    bench.step(0, &answers(&[("a", 2.0)]));
    let failed = |why: &str| Outcome { result: Err(why.to_owned()), had_data: true };
    let out = bench.step(1, &failed("too many samples"));
    assert_eq!(out.error.as_deref(), Some("too many samples"));
    assert!(out.series.is_empty() && out.stale.is_empty());
    assert!(out.transitions[0].whole && out.transitions[0].to == Condition::Error);
    assert_eq!(bench.shown(), Condition::Error);
    assert_eq!(bench.steps(2, &failed("too many samples")), [""; 0], "told once");
    assert_eq!(bench.steps(3, &failed("timeout")), ["*: error > error"], "another reason is news");
    assert_eq!(bench.steps(4, &answers(&[("a", 2.0)])), ["*: error > inactive"]);
    assert_eq!(bench.shown(), Condition::Firing);
    let twice = bench.step(5, &answers(&[("a", 2.0), ("a", 3.0)]));
    assert_eq!(
        twice.error.as_deref(),
        Some("vector contains metrics with the same labelset after applying alert labels")
    );
}

#[test]
fn a_rule_over_its_limit_loses_its_instances() {
    let mut bench = Bench::new(&json!({"for": "10s"}));
    bench.group.limit = 1;
    bench.step(0, &answers(&[("a", 2.0)]));
    let over = bench.step(1, &answers(&[("a", 2.0), ("b", 2.0)]));
    assert_eq!(over.error.as_deref(), Some("exceeded limit of 1 with 2 alerts"));
    let told: Vec<_> = over.transitions.iter().map(|step| (step.whole, step.to)).collect();
    assert_eq!(told, [(false, Condition::Error), (true, Condition::Error)]);
    assert_eq!(bench.steps(2, &answers(&[("a", 2.0)])), ["*: error > inactive", "a: inactive > pending"]);
}

#[test]
fn labels_and_annotations_are_expanded() {
    let mut bench = Bench::new(&json!({
        "labels": {"severity": "{{ if gt $value 5.0 }}page{{ else }}ticket{{ end }}", "host": ""},
        "annotations": {"summary": "{{ $labels.host }} takes {{ $value | humanizeDuration }}", "bad": "{{ query \"x\" }}"},
    }));
    bench.group.labels = labels(&[("team", "storefront"), ("severity", "none")]);
    let out = bench.step(0, &answers(&[("a", 6.5)]));
    assert_eq!(
        out.transitions[0].labels,
        labels(&[("alertname", "Slow"), ("severity", "page"), ("team", "storefront")])
    );
    assert_eq!(out.transitions[0].annotations["summary"], "a takes 6.5s");
    assert!(
        out.transitions[0].annotations["bad"].starts_with("<error expanding template: error calling query:")
    );
}

#[test]
fn recording_rules_write_series_and_end_them() {
    let rule =
        json!({"record": "host:latency:max", "expr": "latency", "labels": {"kind": "max", "zone": ""}});
    let group = group(&rule);
    let mut state = GroupState::default();
    let mut run = |outcome: Outcome| {
        let environment = Environment {
            now: at_secs(1),
            external_labels: &Labels::new(),
            external_url: "",
            queries: &NoQueries,
        };
        evaluate(&group, &mut state, &environment, &[outcome])
    };
    let out = run(answers(&[("a", 1.0), ("b", 2.0)]));
    let a = labels(&[("__name__", "host:latency:max"), ("host", "a"), ("kind", "max")]);
    assert_eq!(out.series[0], Sample { labels: a.clone(), value: 1.0 });
    let out = run(answers(&[("b", 2.0)]));
    assert_eq!((out.series.len(), out.stale), (1, vec![a]));
    let failed = run(Outcome { result: Err("no".to_owned()), had_data: true });
    assert!(failed.series.is_empty() && failed.stale.is_empty());
}

#[test]
fn state_survives_being_written_down() {
    let mut bench = Bench::new(&json!({"for": "1m"}));
    bench.step(0, &answers(&[("a", f64::INFINITY), ("b", f64::NAN), ("c", 1.5)]));
    let text = serde_json::to_string(&bench.state).expect("state is JSON");
    let back: GroupState = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(serde_json::to_string(&back).expect("state is JSON"), text);
    bench.state = back;
    assert_eq!(
        bench.steps(60, &answers(&[("a", 2.0), ("c", 2.0)])),
        ["a: pending > firing", "b: pending > inactive", "c: pending > firing"]
    );
}

#[test]
fn time_without_evaluation_does_not_count_for_long() {
    // As Prometheus restores `for`: what was left to wait is waited, at least the grace period of ten minutes.
    for (hold, down, up, firing_at) in [
        ("30m", 60, 120, 30 * 60 + 60),
        ("30m", 25 * 60, 50 * 60, 60 * 60),
        ("30m", 60, 60 + 3601, 60 + 3601 + 30 * 60),
    ] {
        let mut bench = Bench::new(&json!({"for": hold}));
        bench.step(0, &answers(&[("a", 2.0)]));
        bench.step(down, &answers(&[("a", 2.0)]));
        bench.state.resume(&bench.group, at_secs(up));
        let mut now = up;
        while bench.steps(now, &answers(&[("a", 2.0)])).is_empty() {
            now += 1;
        }
        assert_eq!(now, firing_at, "{hold} {down} {up}");
    }
}

#[test]
fn rules_that_are_gone_end_their_series() {
    let mut bench = Bench::new(&json!({}));
    bench.step(0, &answers(&[("a", 2.0)]));
    let other = group(&json!({"alert": "Other", "expr": "up == 0"}));
    assert_eq!(bench.state.retain(&bench.group).len(), 0);
    assert_eq!(bench.state.retain(&other).len(), 2);
    assert!(bench.state.alarms.is_empty());
    assert_eq!(bench.group.interval, None);
}
