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
    assert_eq!((code, stderr.as_str()), (1, ""));
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
