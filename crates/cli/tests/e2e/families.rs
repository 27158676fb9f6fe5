//! Procedures that start others, stand in line, and are gone on with, by the real binary and across a killed server.

use rustix::process::Signal;

use crate::world::{World, port, tiny};

/// `work` becomes the child of `parent`, of which one run may go on at a time.
fn declare(world: &World) {
    world.write_tiny();
    world.write("mainstay.yaml", &tiny(port(), "procedures:\n  parent: { concurrency: 1 }\n"));
    let check = world.dir().join("allowed");
    world.write(
        "runbooks/parent.yaml",
        &format!(
            "schemaVersion: \"0.3\"
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: {{ DocumentName: work }}
  - name: check
    action: aws:executeScript
    inputs:
      Runtime: bash
      Script: |
        set -e
        test -e {}
        echo '{{{{ call.Status }}}}'
",
            check.display()
        ),
    );
}

#[test]
fn a_child_its_line_and_its_continuation_survive_a_killed_server() {
    let mut world = World::up();
    declare(&world);
    world.apply();
    world.ready("web");
    let start = |world: &World| -> String {
        let run = world.json(&["run", "parent", "--detach"]);
        run["id"].as_str().expect("an id").to_owned()
    };
    let first = start(&world);
    world.step_runs();
    let second = start(&world);
    let line = world.json(&["runs", "show", &second]);
    assert_eq!(line["status"], "Pending", "{line:#}");
    let words = line["message"].as_str().unwrap_or_default();
    assert!(
        words.starts_with("At most one run of parent may go on at once, and ") && words.contains(&first),
        "{words}"
    );
    world.end_server(Signal::KILL);
    world.start_server();
    // It stands in line still, and is taken out of it.
    world.mainstay(&["runs", "cancel", &second, "--reason", "not now"]).is(0, &["of parent is"]);
    let cancelled = format!("run/{second}");
    world.event("run.finished", |event| event["subject"] == cancelled);
    world.open_gate();
    let subject = format!("run/{first}");
    let ended = world.event("run.finished", |event| event["subject"] == subject);
    assert_eq!(ended["data"]["status"], "Failed", "{ended:#}");
    let run = world.json(&["runs", "show", &first]);
    let child = run["steps"][0]["child"].as_str().expect("a child").to_owned();
    assert_eq!(world.json(&["runs", "show", &child])["parent"], first.as_str());
    // What made it fail is put right, and it is gone on with: the child is not run again.
    std::fs::write(world.dir().join("allowed"), "").expect("written");
    world
        .mainstay(&["runs", "resume", &first, "--from", "chekc"])
        .is(4, &["no step `chekc`", "Did you mean `check`?"]);
    let on = world.json(&["runs", "resume", &first, "--from", "check", "--detach"]);
    let on = on["id"].as_str().expect("an id").to_owned();
    let subject = format!("run/{on}");
    world.event("run.finished", |event| event["subject"] == subject);
    let out = world.json(&["runs", "show", &on]);
    assert_eq!(out["status"], "Success", "{out:#}");
    assert_eq!(out["continues"], first.as_str());
    assert_eq!(out["outputs"], serde_json::json!({}));
    let counted = std::fs::read_to_string(world.dir().join("counter")).expect("it ran");
    assert_eq!(counted, "first\nsecond\n");
    world.proves();
}
