//! Small test files that each hold one rule of the format, with the verdict on each. Where promtool is installed, its
//! verdicts are asked for as well and must be the same.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use mainstay_detect::RuleFile;
use mainstay_detect::unittest::{Suite, TestFile};

mod common;

/// The rules that most cases use.
const RULES: &str = r#"
groups:
  - name: second
    rules:
      - record: doubled
        expr: tripled * 2
  - name: first
    rules:
      - record: tripled
        expr: x * 3
      - record: constant
        expr: 7
  - name: alarms
    rules:
      - alert: High
        expr: x > 5
        for: 2m
        keep_firing_for: 2m
        labels: { severity: page, empty: "" }
        annotations:
          summary: "{{ $labels.job }} is at {{ $value }} of {{ query `max(x)` | first | value }}"
          from: "{{ $externalLabels.site }} {{ $externalURL }}"
      - alert: Now
        expr: x == 9
"#;

struct Case {
    name: &'static str,
    rules: &'static str,
    tests: &'static str,
    passes: bool,
}

/// Cases on which older versions of promtool answer otherwise, and why.
const OLDER: &[(&str, &str)] = &[
    ("samples are as far apart as evaluations", "a test without `interval` had all samples at one instant"),
    ("queries of a group look back by its offset", "`query_offset` came with 2.53"),
];

const fn case(name: &'static str, passes: bool, tests: &'static str) -> Case {
    Case { name, rules: RULES, tests, passes }
}

const CASES: &[Case] = &[
    case("nothing", true, "tests: [{}]"),
    case(
        "an alarm fires at the instant its time is over",
        true,
        r#"
    input_series: [{series: 'x{job="a"}', values: 6x9}]
    alert_rule_test:
      - {eval_time: 1m59s, alertname: High}
      - eval_time: 2m
        alertname: High
        exp_alerts:
          - exp_labels: {severity: page, job: a}
            exp_annotations: {summary: a is at 6 of 6, from: " "}
"#,
    ),
    case(
        "external labels are for templates only",
        true,
        r#"
    external_labels: {site: here}
    external_url: http://example.org
    input_series: [{series: 'x{job="a"}', values: 6x9}]
    alert_rule_test:
      - eval_time: 3m
        alertname: High
        exp_alerts:
          - exp_labels: {severity: page, job: a}
            exp_annotations: {summary: a is at 6 of 6, from: here http://example.org}
"#,
    ),
    case(
        "other annotations differ",
        false,
        r#"
    input_series: [{series: 'x{job="a"}', values: 6x9}]
    alert_rule_test:
      - eval_time: 3m
        alertname: High
        exp_alerts: [{exp_labels: {severity: page, job: a}}]
"#,
    ),
    case(
        "an alarm keeps firing, and then no longer",
        true,
        r#"
    input_series: [{series: x, values: 6 6 6 0 0 0 0}]
    promql_expr_test:
      - {expr: 'count(ALERTS{alertstate="firing"})', eval_time: 4m, exp_samples: [{value: 1}]}
      - {expr: 'count(ALERTS{alertstate="firing"})', eval_time: 5m, exp_samples: []}
"#,
    ),
    case(
        "an alarm without a wait fires at once and resolves at once",
        true,
        r#"
    input_series: [{series: x, values: 9 0 9}]
    alert_rule_test:
      - {eval_time: 0s, alertname: Now, exp_alerts: [{}]}
      - {eval_time: 1m, alertname: Now, exp_alerts: []}
      - {eval_time: 2m, alertname: Now, exp_alerts: [{exp_labels: {}}]}
"#,
    ),
    case(
        "a label that is expected to be empty is not there",
        false,
        r#"
    input_series: [{series: x, values: 9}]
    alert_rule_test: [{eval_time: 0s, alertname: Now, exp_alerts: [{exp_labels: {job: ""}}]}]
"#,
    ),
    case(
        "more alerts than expected differ",
        false,
        r#"
    input_series: [{series: 'x{a="1"}', values: 9}, {series: 'x{a="2"}', values: 9}]
    alert_rule_test: [{eval_time: 0s, alertname: Now, exp_alerts: [{exp_labels: {a: 1}}]}]
"#,
    ),
    case(
        "alerts have no order",
        true,
        r#"
    input_series: [{series: 'x{a="1"}', values: 9}, {series: 'x{a="2"}', values: 9}]
    alert_rule_test: [{eval_time: 0s, alertname: Now, exp_alerts: [{exp_labels: {a: 2}}, {exp_labels: {a: 1}}]}]
"#,
    ),
    case(
        "the series of alarms follow their states",
        true,
        r#"
    input_series: [{series: 'x{job="a"}', values: 0 6x9}]
    promql_expr_test:
      - expr: ALERTS
        eval_time: 2m
        exp_samples: [{labels: 'ALERTS{alertname="High",alertstate="pending",job="a",severity="page"}', value: 1}]
      - expr: ALERTS
        eval_time: 3m
        exp_samples: [{labels: 'ALERTS{severity="page",job="a",alertstate="firing",alertname="High"}', value: 1}]
      - expr: ALERTS_FOR_STATE
        eval_time: 4m
        exp_samples: [{labels: 'ALERTS_FOR_STATE{alertname="High",job="a",severity="page"}', value: 60}]
"#,
    ),
    case(
        "groups see what earlier ones wrote",
        true,
        r#"
    input_series: [{series: x, values: 1 2}]
    promql_expr_test: [{expr: doubled, eval_time: 1m, exp_samples: [{labels: doubled, value: 12}]}]
group_eval_order: [first, second]
"#,
    ),
    case(
        "groups do not see what later ones write",
        true,
        r#"
    input_series: [{series: x, values: 1 2}]
    promql_expr_test: [{expr: doubled, eval_time: 1m, exp_samples: [{labels: doubled, value: 6}]}]
group_eval_order: [alarms, second, first]
"#,
    ),
    case("a group is ordered once", false, "tests: [{}]\ngroup_eval_order: [first, first]"),
    case(
        "a recorded number has no labels but its name",
        true,
        r#"
    promql_expr_test: [{expr: constant, eval_time: 0s, exp_samples: [{labels: constant, value: 7}]}]
"#,
    ),
    case(
        "a recorded series ends with what it is made of",
        true,
        r#"
    input_series: [{series: x, values: 1 stale}]
    promql_expr_test:
      - {expr: tripled, eval_time: 59s, exp_samples: [{labels: tripled, value: 3}]}
      - {expr: tripled, eval_time: 1m}
"#,
    ),
    case(
        "a rule must not record what the test loads",
        false,
        r#"
    input_series: [{series: x, values: 1x5}, {series: tripled, values: 4x5}]
    promql_expr_test: [{expr: tripled, eval_time: 1m, exp_samples: [{labels: tripled, value: 4}]}]
"#,
    ),
    case(
        "unless it is the same",
        true,
        r#"
    input_series: [{series: x, values: 1x5}, {series: tripled, values: 3x5}]
    promql_expr_test: [{expr: tripled, eval_time: 1m, exp_samples: [{labels: tripled, value: 3}]}]
"#,
    ),
    case(
        "samples after the last evaluation are not there",
        true,
        r#"
    interval: 30s
    input_series: [{series: x, values: 0 1 2 3 4}]
    promql_expr_test: [{expr: x, eval_time: 90s, exp_samples: [{labels: x, value: 2}]}]
"#,
    ),
    case(
        "rules see nothing of later samples",
        true,
        r#"
    input_series: [{series: x, values: 0 1 2 3 4}]
    promql_expr_test:
      - {expr: x offset -2m, eval_time: 1m, exp_samples: [{labels: x, value: 3}]}
      - {expr: tripled, eval_time: 3m, exp_samples: [{labels: tripled, value: 9}]}
"#,
    ),
    case(
        "the default step of subqueries is the evaluation interval",
        true,
        r#"
    interval: 3m
    input_series: [{series: x, values: 0x20}]
    promql_expr_test: [{expr: 'count_over_time(x[7m:])', eval_time: 15m, exp_samples: [{value: 3}]}]
evaluation_interval: 3m
"#,
    ),
    case(
        "samples are as far apart as evaluations",
        true,
        r#"
    input_series: [{series: x, values: 0+1x20}]
    promql_expr_test: [{expr: timestamp(x), eval_time: 10m, exp_samples: [{value: 540}]}]
evaluation_interval: 3m
"#,
    ),
    case(
        "a series that is loaded twice is the second",
        true,
        r#"
    input_series: [{series: x, values: 1 1}, {series: x, values: 2 2}]
    promql_expr_test: [{expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 2}]}]
"#,
    ),
    case(
        "repetitions need no quotes",
        true,
        r#"
    input_series: [{series: x, values: 0x10}]
    promql_expr_test: [{expr: x, eval_time: 10m, exp_samples: [{labels: x, value: 0}]}]
"#,
    ),
    case(
        "not-a-number equals nothing",
        false,
        r#"
    input_series: [{series: x, values: NaN}]
    promql_expr_test: [{expr: x, eval_time: 0s, exp_samples: [{labels: x, value: .nan}]}]
"#,
    ),
    case(
        "infinity equals itself",
        true,
        r#"
    input_series: [{series: x, values: Inf}]
    promql_expr_test: [{expr: x, eval_time: 0s, exp_samples: [{labels: x, value: .inf}]}]
"#,
    ),
    case(
        "values are compared exactly",
        false,
        r#"
    promql_expr_test: [{expr: 0.1 + 0.2, eval_time: 0s, exp_samples: [{value: 0.3}]}]
"#,
    ),
    case(
        "a number is not a text",
        false,
        r#"
    promql_expr_test: [{expr: '1', eval_time: 0s, exp_samples: [{value: one}]}]
"#,
    ),
    case(
        "labels are compared as a whole",
        false,
        r#"
    input_series: [{series: 'x{a="b"}', values: 1}]
    promql_expr_test: [{expr: x, eval_time: 0s, exp_samples: [{labels: x, value: 1}]}]
"#,
    ),
    case(
        "a range is no answer",
        false,
        r#"
    input_series: [{series: x, values: 1}]
    promql_expr_test: [{expr: 'x[5m]', eval_time: 0s}]
"#,
    ),
    case(
        "an expression that is none fails",
        false,
        r#"
    promql_expr_test: [{expr: 'x +', eval_time: 0s}]
"#,
    ),
    case(
        "a query that cannot be answered fails",
        false,
        r#"
    input_series: [{series: 'x{a="1"}', values: 1}, {series: 'x{a="2"}', values: 1}]
    promql_expr_test: [{expr: x + on() x, eval_time: 0s}]
"#,
    ),
    case(
        "an alarm's test names its alarm",
        false,
        r#"
    alert_rule_test: [{eval_time: 0s}]
"#,
    ),
    case(
        "an alarm that nobody has does not fire",
        true,
        r#"
    alert_rule_test: [{eval_time: 0s, alertname: Nobody}]
"#,
    ),
    case("unknown keys are refused", false, "tests: [{inputs: []}]"),
    case(
        "times have units",
        false,
        r#"
    promql_expr_test: [{expr: '1', eval_time: 5, exp_samples: [{value: 1}]}]
"#,
    ),
    case(
        "values are a sequence",
        false,
        r#"
    input_series: [{series: x, values: 1 two 3}]
"#,
    ),
    Case {
        name: "a rule over its limit fails",
        rules: "groups: [{name: g, limit: 1, rules: [{record: y, expr: x}]}]",
        tests: "\n    input_series: [{series: 'x{a=\"1\"}', values: 1}, {series: 'x{a=\"2\"}', values: 1}]\n",
        passes: false,
    },
    Case {
        name: "an alarm over its limit fails",
        rules: "groups: [{name: g, limit: 1, rules: [{alert: A, expr: x}]}]",
        tests: "\n    input_series: [{series: 'x{a=\"1\"}', values: 1}, {series: 'x{a=\"2\"}', values: 1}]\n",
        passes: false,
    },
    Case {
        name: "an alarm at its limit fires",
        rules: "groups: [{name: g, limit: 2, rules: [{alert: A, expr: x}]}]",
        tests: "\n    input_series: [{series: 'x{a=\"1\"}', values: 1}, {series: 'x{a=\"2\"}', values: 1}]\n    \
                alert_rule_test: [{eval_time: 0s, alertname: A, exp_alerts: [{exp_labels: {a: 1}}, \
                {exp_labels: {a: 2}}]}]\n",
        passes: true,
    },
    Case {
        // What rules read and write is of the instant before; how long an alarm holds is measured now.
        name: "queries of a group look back by its offset",
        rules: "groups: [{name: g, query_offset: 2m, rules: [{record: y, expr: x}, \
                {alert: A, expr: x >= 2, for: 1m, annotations: {summary: '{{ $value }}'}}]}]",
        tests: r#"
    input_series: [{series: x, values: 0 1 2 3 4 5 6}]
    alert_rule_test:
      - {eval_time: 4m, alertname: A, exp_alerts: []}
      - {eval_time: 5m, alertname: A, exp_alerts: [{exp_annotations: {summary: 3}}]}
    promql_expr_test:
      - {expr: y, eval_time: 5m, exp_samples: [{labels: y, value: 3}]}
      - {expr: timestamp(y), eval_time: 5m, exp_samples: [{value: 180}]}
      - {expr: y @ 120, eval_time: 5m, exp_samples: [{labels: y, value: 2}]}
      - {expr: 'timestamp(ALERTS{alertstate="firing"})', eval_time: 5m, exp_samples: [{labels: '{alertname="A",alertstate="firing"}', value: 180}]}
      - {expr: ALERTS_FOR_STATE, eval_time: 5m, exp_samples: [{labels: 'ALERTS_FOR_STATE{alertname="A"}', value: 240}]}
"#,
        passes: true,
    },
    Case {
        name: "alerts of the same labels fail",
        rules: "groups: [{name: g, rules: [{alert: A, expr: x, labels: {a: same}}]}]",
        tests: "\n    input_series: [{series: 'x{a=\"1\"}', values: 1}, {series: 'x{a=\"2\"}', values: 1}]\n",
        passes: false,
    },
    Case {
        name: "alarms of one name are looked at together",
        rules: "groups: [{name: g, rules: [{alert: A, expr: x, labels: {severity: one}}]}, \
                {name: h, rules: [{alert: A, expr: x, labels: {severity: two}}]}]",
        tests: "\n    input_series: [{series: x, values: 1}]\n    alert_rule_test:\n      - eval_time: 0s\n        \
                alertname: A\n        exp_alerts: [{exp_labels: {severity: two}}, {exp_labels: {severity: one}}]\n",
        passes: true,
    },
];

impl Case {
    /// The test file: a case that does not begin with a key is the content of its only test.
    fn file(&self) -> String {
        let tests = match self.tests.strip_prefix('\n') {
            Some(test) if test.contains("interval:") => format!("tests:\n  - name: only\n{test}"),
            Some(test) => format!("tests:\n  - name: only\n    interval: 1m\n{test}"),
            None => self.tests.to_owned(),
        };
        format!("rule_files: [rules.yml]\n{tests}")
    }

    fn verdict(&self) -> Result<(), String> {
        let text = |problems: Vec<mainstay_model::Problem>| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let file = TestFile::parse(&common::yaml(&self.file()).remove(0)).map_err(text)?;
        let rules = RuleFile::parse(&common::yaml(self.rules).remove(0)).map_err(text)?;
        let rules = [rules];
        let suite = Suite::new(&file, &rules);
        for outcome in (0..file.tests.len()).filter_map(|index| suite.run(index)) {
            if let Some(failure) = outcome.failures.first() {
                let diff: Vec<String> = failure.diff().iter().map(ToString::to_string).collect();
                return Err(format!("{}\n{}", failure.problem, diff.join("\n")));
            }
        }
        Ok(())
    }
}

#[test]
fn each_rule_of_the_format_holds() {
    for case in CASES {
        let verdict = case.verdict();
        assert_eq!(verdict.is_ok(), case.passes, "{}: {verdict:?}", case.name);
    }
}

#[test]
fn promtool_says_the_same() {
    let missing = Command::new("promtool")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err();
    if missing {
        println!("skipped: no promtool");
        return;
    }
    let folder: PathBuf = std::env::temp_dir().join(format!("mainstay-promtool-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let mut differing = Vec::new();
    for case in CASES {
        std::fs::write(folder.join("rules.yml"), case.rules).expect("written");
        std::fs::write(folder.join("case.yml"), case.file()).expect("written");
        let output = Command::new("promtool")
            .args(["test", "rules", "case.yml"])
            .current_dir(&folder)
            .output()
            .expect("promtool runs");
        if output.status.success() != case.passes {
            if let Some((name, reason)) = OLDER.iter().find(|(name, _)| *name == case.name) {
                println!("an older promtool differs: {name} ({reason})");
                continue;
            }
            differing.push(format!(
                "{}: {}{}",
                case.name,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    assert!(
        differing.is_empty(),
        "promtool differs on {} of {}:\n{}",
        differing.len(),
        CASES.len(),
        differing.join("\n")
    );
    println!("promtool was asked about {} cases", CASES.len());
}
