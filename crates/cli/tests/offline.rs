//! The real binary, where no server is needed: what it prints, where, and its exit codes.

mod common;

use std::process::Command;

use common::{folder, mainstay};
use serde_json::Value;

const GOOD: &str = "workload: x\nenvironments: { local: { hosts: \"*\" } }\ncomponents:\n  web:\n    hosts: \"role=app\"\n    service: { run: ./web, port: 9000 }\n";

#[test]
fn a_clean_directory_is_clean() {
    let folder = folder(&[("mainstay.yaml", GOOD)]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["check"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.starts_with(".: no problems in 1 file (1 component, "), "{stderr}");
    let (code, stdout, _) = mainstay(folder.path(), &["check", "--output", "json"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &value["clean"], &value["diagnostics"]), (0, &true.into(), &Value::Array(Vec::new())));
}

#[test]
fn problems_are_the_answer_and_all_of_them() {
    let folder = folder(&[
        ("mainstay.yaml", &GOOD.replace("port: 9000", "prot: 9000")),
        ("alarms/a.yaml", "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: rate(x\n"),
    ]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["check", "."]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("`mainstay explain "), "{stderr}");
    for part in ["--> mainstay.yaml:6:", "`port`", "--> alarms/a.yaml:5:", "problems in 2 files"] {
        assert!(stdout.contains(part), "{part} is missing in\n{stdout}");
    }
    let (code, stdout, _) = mainstay(folder.path(), &["check", "-o", "json", "alarms/a.yaml"]);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &value["clean"], &value["problems"]), (1, &false.into(), &1.into()));
    assert_eq!(value["diagnostics"][0]["place"]["path"], "alarms/a.yaml");
}

#[test]
fn a_directory_with_problems_starts_nothing() {
    let folder = folder(&[("shop/mainstay.yaml", "workload: 3\n")]);
    let (code, _, stderr) = mainstay(folder.path(), &["up", "shop", "--port", "0"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("has problems; nothing was changed"), "{stderr}");
    assert!(!folder.path().join(".mainstay").exists());
}

#[test]
fn what_is_not_understood_is_2() {
    let folder = folder(&[]);
    for arguments in [
        &["dance"][..],
        &[],
        &["check", "--no-such"],
        &["up", "--tag", "role"],
        &["server", "--http", "0.0.0.0:7600"],
        &["demo", "--output", "json"],
        &["help", "chekc"],
        &["metrics", "up", "--step", "5s"],
        &["metrics", "up", "--range", "5 minutes"],
        &["status", "--server", "https://127.0.0.1:1"],
        &["agent", "--server", "https://example.org"],
        &["runs", "decide", "r1", "--as", "maybe"],
    ] {
        let (code, stdout, stderr) = mainstay(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
    let (_, _, stderr) = mainstay(folder.path(), &["help", "chekc"]);
    assert_eq!(stderr, "error: There is no verb `chekc`\nhint: did you mean `check`?\n");
}

#[test]
fn no_server_is_3() {
    let folder = folder(&[]);
    for arguments in [
        &["status"][..],
        &["events"],
        &["run", "x"],
        &["status", "--server", "http://127.0.0.1:1"],
        &["service", "restart", "web"],
    ] {
        let (code, stdout, stderr) = mainstay(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("\nhint: "), "{stderr}");
    }
}

#[test]
fn what_cannot_be_read_is_5() {
    let folder = folder(&[
        ("notes/journal.sqlite", "not a journal"),
        ("data/journal/journal.sqlite", "not a journal"),
    ]);
    for arguments in [
        &["check", "absent"][..],
        &["journal", "verify"],
        &["journal", "verify", "--data", "data"],
        &["journal", "rebuild", "--check"],
        &["up", "absent"],
        &["demo", "--example", "absent"],
        &["demo", "--example", "absent", "--data", "notes"],
    ] {
        let (code, stdout, stderr) = mainstay(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (5, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[test]
fn help_tells_of_exit_codes_and_hides_what_is_not_for_people() {
    let folder = folder(&[]);
    let (code, stdout, _) = mainstay(folder.path(), &["help", "exit-codes"]);
    assert!(code == 0 && stdout.contains("130  interrupted"), "{stdout}");
    let (code, stdout, _) = mainstay(folder.path(), &["help"]);
    assert!(code == 0 && stdout.contains("incidents") && !stdout.contains("shim"), "{stdout}");
    let (code, stdout, _) = mainstay(folder.path(), &["help", "runs", "decide"]);
    assert!(code == 0 && stdout.contains("--as <"), "{stdout}");
    let (code, stdout, _) = mainstay(folder.path(), &["version", "-o", "json"]);
    assert!(code == 0 && serde_json::from_str::<Value>(&stdout).expect("JSON")["version"].is_string());
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let folder = folder(&[]);
    let binary = env!("CARGO_BIN_EXE_mainstay");
    let script = format!("set -o pipefail; '{binary}' help | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}");
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}

#[test]
fn tests_of_rules_are_checked_by_themselves() {
    let rules = "groups: [{ name: g, rules: [{ alert: A, expr: up == 0 }] }]\n";
    let tests =
        "rule_files: [a.yaml]\ntests:\n  - interval: 1m\n    input_series: [{ series: up, values: 1x3 }]\n";
    let folder = folder(&[("alarms/a.yaml", rules), ("alarms/a.test.yaml", tests)]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["check", "alarms/a.test.yaml"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("no problems in 1 test of rules"), "{stderr}");
    std::fs::write(folder.path().join("alarms/a.test.yaml"), tests.replace("interval", "intervall"))
        .expect("written");
    let (code, stdout, _) = mainstay(folder.path(), &["check", "alarms/a.test.yaml"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("intervall") && stdout.contains("alarms/a.test.yaml:3:"), "{stdout}");
}

#[test]
fn sarif_has_what_its_readers_need() {
    let folder =
        folder(&[("shop/mainstay.yaml", "workload: x\nownr: a\n"), ("shop/slos/a b.yaml", "a: 1\n")]);
    let (code, stdout, _) = mainstay(folder.path(), &["check", "shop", "--output", "sarif"]);
    let log: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, log["version"].as_str()), (1, Some("2.1.0")));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(run["tool"]["driver"]["name"], "mainstay");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(rules[index]["help"]["text"].as_str().is_some_and(|text| text.contains("Wrong:")));
        assert!(result["message"]["text"].is_string() && result["level"] == "error");
    }
    let region = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(region["artifactLocation"]["uri"], "shop/mainstay.yaml");
    assert_eq!((&region["region"]["startLine"], &region["region"]["endColumn"]), (&2.into(), &5.into()));
    let whole = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(
        (whole["artifactLocation"]["uri"].as_str(), whole.get("region")),
        (Some("shop/slos/a%20b.yaml"), None)
    );
    let (code, _, stderr) = mainstay(folder.path(), &["explain", "--output", "sarif"]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn watching_answers_each_change() {
    use std::io::{BufRead as _, BufReader};
    let folder = folder(&[("mainstay.yaml", GOOD)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .args(["check", "--watch", "--output", "json"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("goes on").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["problems"], 0);
    std::fs::write(folder.path().join("mainstay.yaml"), GOOD.replace("port", "prot")).expect("written");
    assert_eq!(next()["problems"], 1);
    // A folder that was not there when it began.
    std::fs::create_dir(folder.path().join("alarms")).expect("made");
    std::fs::write(folder.path().join("alarms/a.yaml"), "groups: 1\n").expect("written");
    assert_eq!(next()["problems"], 2);
    // As editors save: another file takes the name.
    std::fs::write(folder.path().join("new"), GOOD).expect("written");
    std::fs::rename(folder.path().join("new"), folder.path().join("mainstay.yaml")).expect("renamed");
    assert_eq!(next()["problems"], 1);
    std::fs::remove_file(folder.path().join("alarms/a.yaml")).expect("removed");
    assert_eq!(next()["clean"], true);
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn watching_runs_tests_again_and_prints_what_changed() {
    use std::io::{BufRead as _, BufReader};
    let trigger = |kind: &str| {
        format!("Name: tidy\nEventPattern: {{ detail-type: [{kind}] }}\nTargets: [{{ Id: t, Arn: tidy }}]\n")
    };
    let test = |name: &str, kind: &str| {
        format!("  - {{ name: {name}, event: {{ detail-type: {kind} }}, matches: [tidy] }}\n")
    };
    let head = "trigger_files: [../triggers/tidy.yaml]\ntests:\n";
    // The trigger lies outside of what is watched by its name.
    let folder = folder(&[
        ("triggers/tidy.yaml", &trigger("full")),
        ("tests/tidy.test.yaml", &(head.to_owned() + &test("one", "full") + &test("two", "empty"))),
    ]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .args(["test", "--watch", "tests"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut until = |last: &str| -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let line = lines.next().expect("goes on").expect("text");
            let is_last = line == last;
            said.push(line);
            if is_last {
                return said;
            }
        }
    };
    let first = until("1 passed, 1 failed in 1 file");
    assert!(first[0].starts_with("ok ") && first[1].starts_with("FAIL"), "{first:?}");
    // Only what is another thing than before.
    std::fs::write(folder.path().join("triggers/tidy.yaml"), trigger("full, empty")).expect("written");
    let second = until("2 passed, 0 failed in 1 file");
    assert_eq!(second.len(), 2, "{second:?}");
    assert!(second[0].starts_with("ok ") && second[0].ends_with(": two"), "{second:?}");
    let (path, only) = (folder.path().join("tests/tidy.test.yaml"), head.to_owned() + &test("two", "empty"));
    std::fs::write(&path, only).expect("written");
    let third = until("1 passed, 0 failed in 1 file");
    assert_eq!(third.len(), 2, "{third:?}");
    assert!(third[0].starts_with("gone  ") && third[0].ends_with(": one"), "{third:?}");
    std::fs::write(&path, "trigger_files: 1\n").expect("written");
    let broken = until("0 passed, 1 failed in 1 file");
    assert!(broken.iter().any(|line| line.contains("is not a test file")), "{broken:?}");
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn tests_of_triggers_say_what_differs_and_where() {
    let trigger = "Name: tidy\nEventPattern: { detail: { alarm: [Full], n: [{ numeric: ['>', 1] }] } }\n\
                   ScheduleExpression: cron(30 6 ? * MON-FRI *)\nScheduleExpressionTimezone: Europe/Berlin\n\
                   Targets: [{ Id: t, Arn: tidy, InputPath: $.detail }]\n";
    let tests = "trigger_files: ['*.yaml']\ntests:\n  \
                 - name: good\n    event_file: full.json\n    inputs: { tidy: { t: { alarm: Full, n: 2 } } }\n  \
                 - name: other\n    event: { detail: { alarm: Full, n: 1 } }\n    matches: [tidy]\n  \
                 - name: input\n    event_file: full.json\n    inputs:\n      tidy:\n        t: { alarm: Full, n: 3 }\n  \
                 - name: none\n    event: { detail: {} }\n    matches: [tydy]\n  \
                 - name: clock\n    schedule: tidy\n    from: 2027-03-26T00:00:00Z\n    to: 2027-03-30T00:00:00Z\n    \
                 fires: ['2027-03-26T05:30:00Z', '2027-03-29T05:30:00Z']\n";
    let folder = folder(&[
        ("triggers/tidy.yaml", trigger),
        ("triggers/tidy.test.yaml", tests),
        ("triggers/full.json", "{\"detail\": {\"alarm\": \"Full\", \"n\": 2}}"),
    ]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["test", "triggers"]);
    assert_eq!((code, stderr.as_str()), (1, ""), "{stdout}");
    for part in [
        "ok    triggers/tidy.test.yaml: good\n",
        "FAIL  triggers/tidy.test.yaml: other\n      line 8: The event matches other triggers than expected\n        \
         (- expected, + got)\n        - tidy\n        hint: `tidy` does not match; detail.n: expected \
         [{\"numeric\":[\">\",1]}], the event has 1\n",
        "      line 13: The target `t` of `tidy` is given something else\n        (- expected, + got)\n          {\n            \
         \"alarm\": \"Full\",\n        -   \"n\": 3\n        +   \"n\": 2\n          }\n",
        "There is no trigger `tydy` in the files that are tested\n        hint: did you mean `tidy`?",
        "        - 2027-03-29T07:30:00+02:00\n        + 2027-03-29T06:30:00+02:00\n",
        "1 passed, 4 failed in 1 file\n",
    ] {
        assert!(stdout.contains(part), "{part}\nis not in\n{stdout}");
    }
    let (code, stdout, _) = mainstay(folder.path(), &["test", "triggers", "--output", "json"]);
    let said: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (code, &said["failed"], &said["files"][0]["tests"][1]["failures"][0]["place"]["start"]["line"]),
        (1, &4.into(), &8.into())
    );
    let (code, _, stderr) = mainstay(folder.path(), &["check", "triggers/tidy.test.yaml"]);
    assert!(code == 0 && stderr.contains("no problems in 5 tests of triggers"), "{stderr}");
    // A file that is not right, an event that is not there, and a trigger with a problem.
    for (path, text, part) in [
        (
            "triggers/tidy.test.yaml",
            tests.replace("matches: [tidy]", "matchs: [tidy]"),
            "did you mean `matches`?",
        ),
        ("triggers/tidy.test.yaml", tests.replacen("full.json", "fall.json", 1), "fall.json cannot be read"),
        (
            "triggers/tidy.yaml",
            trigger.replace("FRI", "FRY"),
            "`FRY` is not a value of the field day-of-week",
        ),
    ] {
        let before = std::fs::read_to_string(folder.path().join(path)).expect("read");
        std::fs::write(folder.path().join(path), text).expect("written");
        let (code, stdout, _) = mainstay(folder.path(), &["test", "triggers"]);
        assert!(code == 1 && stdout.contains(part), "{part}\nis not in\n{stdout}");
        std::fs::write(folder.path().join(path), before).expect("written");
    }
}

#[test]
fn the_next_firings_of_a_schedule_are_shown() {
    let trigger = |schedule: &str| format!("Name: tidy\n{schedule}\nTargets: [{{ Id: t, Arn: tidy }}]\n");
    let folder = folder(&[
        (
            "a.yaml",
            &trigger("ScheduleExpression: cron(30 2 * * ? *)\nScheduleExpressionTimezone: Europe/Berlin"),
        ),
        ("b.yaml", &trigger("EventPattern: { a: [1] }")),
        ("c.yaml", &trigger("ScheduleExpression: cron(0 0 * * *)")),
        ("d.yaml", &trigger("ScheduleExpression: at(2020-01-01T00:00:00)")),
    ]);
    let next = |file: &str| {
        mainstay(folder.path(), &["triggers", "next", file, "-n", "2", "--from", "2027-03-27T12:00:00Z"])
    };
    let (code, stdout, _) = next("a.yaml");
    assert_eq!(code, 0);
    assert!(stdout.starts_with("2027-03-29T02:30:00+02:00  2027-03-29 00:30:00Z"), "{stdout}");
    assert_eq!(next("b.yaml").0, 1);
    let (code, _, stderr) = next("c.yaml");
    assert!(code == 2 && stderr.contains("`cron` has six fields, found 5"), "{stderr}");
    let (code, _, stderr) = next("d.yaml");
    assert!(code == 1 && stderr.contains("does not fire after"), "{stderr}");
}

#[test]
fn what_init_writes_checks_clean_and_its_tests_pass() {
    let folder = folder(&[]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["init", "shop"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("shop/mainstay.yaml\n"), "{stdout}");
    let (code, stdout, stderr) = mainstay(folder.path(), &["check", "shop"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let (code, stdout, stderr) = mainstay(folder.path(), &["test", "shop"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("3 passed, 0 failed in 2 files"), "{stdout}");
    let (code, stdout, stderr) = mainstay(folder.path(), &["init", "shop"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("so nothing was written"), "{stderr}");
}

/// A procedure with parameters of each kind, and what gives it right and wrong values.
const CHILD: &str = "schemaVersion: \"0.3\"
parameters:
  Count: { type: Integer }
  Dry: { type: Boolean, default: true }
  Hosts: { type: StringList, default: [], maxItems: 2 }
  Name: { type: String, default: web, allowedPattern: \"^[a-z]{1,8}$\" }
  Stage: { type: String, default: test, allowedValues: [test, production] }
  Labels: { type: StringMap, default: {} }
mainSteps: [{ name: s, action: \"aws:sleep\", inputs: { Duration: PT1S } }]
";
const CALLER: &str = "schemaVersion: \"0.3\"
parameters: { Given: { type: String, default: \"UPPER\" } }
mainSteps:
  - name: right
    action: aws:executeAutomation
    inputs:
      DocumentName: child
      RuntimeParameters:
        Count: [\"3\"]
        Dry: false
        Hosts: [a, \"{{ Given }}\", c]
        Name: \"{{ Given }}\"
        Stage: [production]
        Labels: { a: b }
  - name: wrong
    action: aws:executeAutomation
    inputs:
      DocumentName: child
      RuntimeParameters:
        Count: three
        Dry: perhaps
        Hosts: [a, b, c]
        Name: WEB
        Stage: prod
        Labels: [a]
  - name: missing
    action: aws:executeAutomation
    inputs: { DocumentName: child, RuntimeParameters: { Cuont: 3 } }
  - name: command
    action: aws:runCommand
    inputs:
      DocumentName: tidy
      Targets: [{ Key: \"tag:role\", Values: [app] }]
      Parameters: { Paths: /tmp, Age: [\"1\", \"2\"] }
";
const COMMAND: &str = "schemaVersion: \"2.2\"
parameters:
  Paths: { type: StringList }
  Age: { type: String, default: \"1\", allowedValues: [\"1\", \"7\"] }
mainSteps: [{ name: s, action: \"aws:runShellScript\", inputs: { runCommand: [\"true\"] } }]
";
const TRIGGER: &str = "Name: t
EventPattern: { source: [ci] }
Targets:
  - Id: \"1\"
    Arn: procedure/child
    Input: '{\"Count\": 1, \"Stage\": \"staging\"}'
";
#[test]
fn values_that_a_procedure_gives_another_are_held_to_what_that_one_takes() {
    let folder = folder(&[
        ("mainstay.yaml", GOOD),
        ("runbooks/child.yaml", CHILD),
        ("runbooks/caller.yaml", CALLER),
        ("runbooks/tidy.yaml", COMMAND),
        ("triggers/t.yaml", TRIGGER),
    ]);
    let (code, stdout, stderr) = mainstay(folder.path(), &["check", "--output", "json"]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    let mut found: Vec<String> = value["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let place = &one["place"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{}:{} {}", text(&place["path"]), place["start"]["line"], text(&one["message"]))
        })
        .collect();
    let expected = [
        "runbooks/caller.yaml:20 The parameter `Count` of `child` is an Integer, found the text \"three\"",
        "runbooks/caller.yaml:21 The parameter `Dry` of `child` is a Boolean, found the text \"perhaps\"",
        "runbooks/caller.yaml:22 The parameter `Hosts` of `child` has at most 2 elements, found 3",
        "runbooks/caller.yaml:23 The parameter `Name` of `child` must match `^[a-z]{1,8}$`, found the text \"WEB\"",
        "runbooks/caller.yaml:24 The parameter `Stage` of `child` is one of test, production, found the text \"prod\"",
        "runbooks/caller.yaml:25 The parameter `Labels` of `child` is a StringMap, found the text \"a\"",
        "runbooks/caller.yaml:28 The procedure `child` requires the parameter `Count`, which is not given",
        "runbooks/caller.yaml:28 The procedure `child` has no parameter `Cuont`",
        "runbooks/caller.yaml:34 The parameter `Age` of `tidy` is a String, found a list",
        "runbooks/caller.yaml:34 The parameter `Paths` of `tidy` is a StringList, found the text \"/tmp\"",
        "triggers/t.yaml:6 The parameter `Stage` of `child` is one of test, production, found the text \"staging\"",
    ];
    found.sort();
    let mut wanted: Vec<String> = expected.map(str::to_owned).to_vec();
    wanted.sort();
    assert_eq!(found, wanted, "{stdout}");
}
