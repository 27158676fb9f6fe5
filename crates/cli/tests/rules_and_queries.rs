//! The real binary on tests of rules and on PromQL: what it prints, where, and its exit codes. No server is needed.

mod common;

use std::path::{Path, PathBuf};

use common::{folder, mainstay};
use serde_json::Value;

fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MAINSTAY_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"), PathBuf::from);
    let folder = root.join(name);
    if !folder.is_dir() {
        println!("skipped: no corpora ({name})");
        return None;
    }
    Some(folder)
}

const RULES: &str = "groups:\n  - name: shop\n    rules:\n      - alert: Failing\n        expr: ratio < 0.9\n        for: 2m\n        labels: { severity: page }\n";

const TESTS: &str = "\
rule_files: ['*.rules.yaml']
tests:
  - name: falls
    input_series: [{ series: 'ratio{job=\"a\"}', values: 1 0.5x9 }]
    alert_rule_test:
      - { eval_time: 2m, alertname: Failing }
      - eval_time: 3m
        alertname: Failing
        exp_alerts: [{ exp_labels: { severity: page, job: a } }]
  - name: unquoted numbers are texts
    input_series: [{ series: up, values: 0x10 }]
    promql_expr_test:
      - { expr: up, eval_time: 10m, exp_samples: [{ labels: up, value: 0 }] }
";

const WRONG: &str = "\
rule_files: [../alarms/a.rules.yaml, gone.yaml]
tests:
  - name: too early
    input_series: [{ series: 'ratio{job=\"a\"}', values: 0.5x9 }]
    alert_rule_test:
      - eval_time: 1m
        alertname: Failing
        exp_alerts: [{ exp_labels: { severity: page, job: a } }]
  - input_series: [{ series: up, values: 1 }]
    promql_expr_test:
      - { expr: 'up +', eval_time: 0s }
      - { expr: up, eval_time: 0s, exp_samples: [{ labels: up, value: 2 }] }
  - promql_expr_test: [{ expr: '1', eval_time: 0s, exp_samples: [{ value: 1 }] }]
";

#[test]
fn tests_stand_beside_rules_and_pass() {
    let folder = folder(&[("alarms/a.rules.yaml", RULES), ("alarms/a.test.yaml", TESTS)]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["test"]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (
            0,
            "ok    alarms/a.test.yaml: falls\n\
             ok    alarms/a.test.yaml: unquoted numbers are texts\n\
             2 passed, 0 failed in 1 file\n",
            ""
        )
    );
}

#[test]
fn a_failure_is_explained_and_hides_no_other() {
    let folder = folder(&[
        ("alarms/a.rules.yaml", RULES),
        ("more/a.test.yaml", "tests: 3\n"),
        ("more/b_test.yml", WRONG),
        ("more/c-test.yaml", "rule_files: [d.yaml]\ntests: [{}, {}]\n"),
        ("more/d.yaml", "groups: [{ name: g, rules: [{ record: x, expr: 'rate(' }] }]\n"),
    ]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["test", "more"]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    for part in [
        "FAIL  more/a.test.yaml: is not a test file\n",
        "FAIL  more/b_test.yml: too early\n      line 6: `Failing` at 1m: 1 instance is expected to fire, 0 do\n",
        "        - {alertname=\"Failing\", job=\"a\", severity=\"page\"}\n",
        "is pending, holding for 1m so far",
        "FAIL  more/b_test.yml: unnamed#1\n      line 11: ",
        "        - up 2\n        + up 1\n",
        "ok    more/b_test.yml: unnamed#2\n",
        "FAIL  more/c-test.yaml: what it tests has problems\n",
        "\n1 passed, 5 failed in 3 files\n",
    ] {
        assert!(stdout.contains(part), "{part:?} is missing in\n{stdout}");
    }
    assert!(stderr.contains("more/b_test.yml:1:38: There is no file `gone.yaml`"), "{stderr}");
    assert!(stderr.contains("which lies outside of more\n"), "{stderr}");
    let (code, stdout, _) = mainstay(folder.path(), &["test", "more", "-o", "json"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &value["passed"], &value["failed"]), (1, &1.into(), &5.into()));
    let failure = &value["files"][1]["tests"][1]["failures"][1];
    assert_eq!((&failure["expected"][0], &failure["got"][0]), (&"up 2".into(), &"up 1".into()));
    assert_eq!(failure["place"]["start"]["line"], 12);
}

#[test]
fn nothing_to_test_is_no_success() {
    let folder = folder(&[("alarms/a.yaml", RULES)]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["test"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("There are no tests in .") && stderr.contains("hint: "), "{stderr}");
    assert_eq!(mainstay(folder.path(), &["test", "absent"]).0, 5);
}

#[test]
fn tests_of_the_kubernetes_mixin_pass() {
    let Some(corpus) = corpus("mixin-kubernetes") else { return };
    let files = ["apiserver-availability-test", "apps_alerts-test", "kubelet-test", "resource_alerts-test"];
    let files: Vec<String> = files.iter().map(|name| format!("tests/{name}.yaml")).collect();
    let mut arguments = vec!["test"];
    arguments.extend(files.iter().map(String::as_str));
    let (code, stdout, stderr) = mainstay(&corpus, &arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.ends_with("\n13 passed, 0 failed in 4 files\n"), "{stdout}");
}

const SCRIPT: &str =
    "load 1m\n  x 1 2\n\neval instant at 1m x\n  x 3\n\nevil\n\neval instant at 1m x\n  x 2\n";

#[test]
fn scripts_are_run_to_their_end() {
    let folder = folder(&[("a.test", SCRIPT)]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["promql", "test", "absent.test", "a.test"]);
    assert_eq!((code, stderr.as_str()), (1, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("absent.test: The file absent.test cannot be read: "), "{stdout}");
    assert_eq!(
        lines[1..],
        [
            "a.test:4: x: {__name__=\"x\"}: is 2, expected 3",
            "a.test:7: invalid command \"evil\"",
            "1 passed, 3 failed"
        ]
    );
    let (_, stdout, _) = mainstay(folder.path(), &["promql", "test", "a.test", "-o", "json"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&value["passed"], &value["files"][0]["failures"][0]["line"]), (&1.into(), &4.into()));
    let Some(corpus) = corpus("promql-prometheus") else { return };
    let (code, stdout, _) = mainstay(&corpus, &["promql", "test", "testdata/operators.test"]);
    assert!(code == 0 && stdout.ends_with(" passed, 0 failed\n"), "{stdout}");
}

const PAGE: &str = "requests_total{job=\"shop\"} 100 1000000\nrequests_total{job=\"shop\"} 160 1060000\n";

#[test]
fn queries_run_on_files() {
    let folder =
        folder(&[("a.prom", PAGE), ("b.om", "# TYPE t gauge\nt{r=\"a\"} 20\nt{r=\"b\"} 21\n# EOF\n")]);
    let query = |arguments: &[&str]| {
        let mut all = vec!["promql", "query"];
        all.extend(arguments);
        mainstay(folder.path(), &all)
    };
    let (code, stdout, stderr) = query(&["-f", "a.prom", "rate(requests_total[5m])"]);
    assert_eq!((code, stdout.as_str()), (0, "VALUE  SERIES\n0.3    {job=\"shop\"}\n"), "{stderr}");
    assert!(stderr.starts_with("at 1970-01-01 00:17:40Z"), "{stderr}");
    let (_, stdout, _) =
        query(&["-f", "a.prom", "-f", "b.om", "--time", "1060", "-sum(t) - sum(requests_total)"]);
    assert_eq!(stdout, "VALUE  SERIES\n-201   {}\n");
    let (_, stdout, _) = query(&[
        "-f",
        "a.prom",
        "--start",
        "1000",
        "--end",
        "1970-01-01T00:17:40Z",
        "--step",
        "60s",
        "requests_total",
    ]);
    assert_eq!(
        stdout,
        "requests_total{job=\"shop\"}\n  1970-01-01 00:16:40Z  100\n  1970-01-01 00:17:40Z  160\n"
    );
    let (_, stdout, _) = query(&["-f", "b.om", "--time", "5", "t{r=\"a\"}", "-o", "json"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&value["resultType"], &value["result"][0]["value"][1]), (&"vector".into(), &"20".into()));
    let (_, stdout, _) = query(&["-f", "b.om", "absent"]);
    assert_eq!(stdout, "No series.\n");
    for (arguments, expected) in [
        (&["-f", "absent", "up"][..], 5),
        (&["-f", "a.prom", "--time", "noon", "up"], 2),
        (&["-f", "a.prom", "--start", "1", "up"], 2),
        (&["up"], 2),
        (&["-f", "a.prom", "up +"], 1),
        (&["-f", "a.prom", "--start", "0", "--end", "9", "--step", "0s", "up"], 1),
    ] {
        let (code, stdout, stderr) = query(arguments);
        assert_eq!((code, stdout.as_str()), (expected, ""), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
}

#[test]
fn expressions_are_formatted_explained_and_underlined() {
    let folder = folder(&[]);
    let promql = |verb: &str, text: &str| mainstay(folder.path(), &["promql", verb, text]);
    assert_eq!(promql("format", "-sum(rate(x[5m]))by(job)").1, "-sum by (job) (rate(x[5m]))\n");
    let (code, stdout, stderr) = promql("format", "sum(\n  rat(x[5m]))");
    assert_eq!((code, stdout.as_str()), (1, ""));
    for part in ["--> expression:2:3", "  rat(x[5m]))\n  |   ^^^", "unknown function"] {
        assert!(stderr.contains(part), "{part:?} is missing in\n{stderr}");
    }
    let (code, stdout, stderr) = promql("explain", "sum by (job) (rate(temperature[5m]))");
    assert_eq!((code, stderr.as_str()), (0, ""));
    for part in [
        "sum by (job)  (instant vector) the sum, one for each job\n└─ rate()",
        "\nReads\n  temperature\n",
        "warning[rate-of-gauge]",
    ] {
        assert!(stdout.contains(part), "{part:?} is missing in\n{stdout}");
    }
    let (_, stdout, _) = mainstay(folder.path(), &["promql", "explain", "up", "-o", "json"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&value["tree"]["type"], &value["hints"]), (&"vector".into(), &Value::Array(Vec::new())));
}
