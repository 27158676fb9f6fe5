//! What steps become on hosts and in the server: scripts, Command documents, webhooks, and our own actions.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::alone::{TOOL, attaching, zip};
use crate::processes::{PATIENCE, Process};
use crate::world::{World, tiny};

const SECRET: &str = "hunter2-is-a-secret";

/// A world whose server and agent have a secret in their environment.
fn up() -> World {
    let mut world = World::new();
    let mut server = world.server_command();
    server.env("WORLD_SECRET", SECRET);
    let mut server = Process::start("server", server);
    server.line("Mainstay listens on http://");
    world.server = Some(server);
    let endpoint = format!("http://127.0.0.1:{}", world.otlp);
    let mut agent =
        world.command(&["agent", "--host-id", "here", "--tag", "role=app", "--otlp-endpoint", &endpoint]);
    agent.env("WORLD_SECRET", SECRET);
    world.agent = Some(Process::start("agent", agent));
    world.event("host.connected", |_| true);
    world
}

/// Runs a procedure and waits for its end.
#[track_caller]
fn finish(world: &mut World, name: &str) -> Value {
    let started = world.json(&["run", name, "--detach"]);
    let id = started["id"].as_str().expect("an id").to_owned();
    finished(world, &id)
}

#[track_caller]
fn finished(world: &mut World, id: &str) -> Value {
    let subject = format!("run/{id}");
    world.event("run.finished", |event| event["subject"] == subject);
    world.json(&["runs", "show", id])
}

#[track_caller]
fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    let steps = run["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name} in {run:#}"))
}

fn declare(world: &World, more: &str) {
    world.write("mainstay.yaml", &format!("workload: tiny\n{more}"));
}

#[test]
fn scripts_have_what_they_are_given_and_each_end_is_told() {
    let mut world = up();
    declare(&world, "");
    let tool = "import json, os\ndef main(events, context):\n    return {'got': events['n'], 'env': sorted(os.environ)}\n";
    world.write("runbooks/tool.py", tool);
    let sha = mainstay_runbook::library::sha256(tool.as_bytes());
    let script = |name: &str, runtime: &str, handler: &str, text: &str| {
        let handler = if handler.is_empty() { String::new() } else { format!("Handler: {handler}, ") };
        let text = serde_json::to_string(text).expect("a text");
        format!(
            "  - {{ name: {name}, action: \"aws:executeScript\", onFailure: Continue, timeoutSeconds: 30, inputs: {{ Runtime: {runtime}, {handler}Script: {text} }} }}\n"
        )
    };
    let quick = |text: String| text.replace("timeoutSeconds: 30", "timeoutSeconds: 2");
    let mut steps = String::from(
        "schemaVersion: \"0.3\"\nmainSteps:\n  - { name: attached, action: \"aws:executeScript\", onFailure: Continue, inputs: { Runtime: python3.11, Handler: tool.main, Attachment: tool.py, InputPayload: { n: [1, two] } } }\n",
    );
    steps.push_str(&script("environment", "bash", "", "env"));
    steps.push_str(&script("raises", "python3.11", "f", "def f(e, c):\n    raise ValueError('no pool')\n"));
    steps.push_str(&script("awaits", "python3.11", "f", "async def f(e, c):\n    return 1\n"));
    steps.push_str(&script("exits", "python3.11", "f", "import os\ndef f(e, c):\n    os._exit(0)\n"));
    steps.push_str(&script("large", "python3.11", "f", "def f(e, c):\n    return 'x' * 200000\n"));
    steps.push_str(&script("many", "python3.11", "f", "def f(e, c):\n    return list(range(101))\n"));
    steps.push_str(&script("endless", "bash", "", "yes | head -c 5000000"));
    steps.push_str(&script("binary", "bash", "", "printf '\\377\\376'"));
    steps.push_str(&script("signal", "bash", "", "kill -SEGV $$"));
    steps.push_str(&script("closed", "bash", "", "exec >&-; exit 0"));
    steps.push_str(&script(
        "hungry",
        "python3.11",
        "f",
        "def f(e, c):\n    return len(bytearray(700 * 1024 * 1024))\n",
    ));
    steps.push_str(&quick(script(
        "stubborn",
        "bash",
        "",
        "trap '' TERM; echo before >&2; while :; do sleep 1; done",
    )));
    steps.push_str(&quick(script(
        "forked",
        "bash",
        "",
        "setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & wait",
    )));
    steps.push_str(&script("windows", "PowerShell 7.4", "", "'x'"));
    steps.push_str(&format!("files: {{ tool.py: {{ checksums: {{ sha256: {sha} }} }} }}\n"));
    world.write("runbooks/scripts.yaml", &steps);
    world.apply();
    let run = finish(&mut world, "scripts");
    let attached = &step(&run, "attached")["outputs"]["Payload"];
    assert_eq!(attached["got"], json!([1, "two"]), "{run:#}");
    for name in ["attached", "environment"] {
        let said = step(&run, name)["outputs"]["Payload"].to_string();
        assert!(!said.contains("WORLD_SECRET") && !said.contains(SECRET), "{said}");
        assert!(said.contains("MAINSTAY_RUN"), "{said}");
    }
    for (name, status, words) in [
        ("raises", "Failed", "The script ended with code 1: ValueError: no pool"),
        ("awaits", "Failed", "The script ended with code 1: the handler `f` is async, and nothing awaits it"),
        ("exits", "Failed", "The script ended before its handler had returned anything"),
        ("large", "Failed", "The handler's result is larger than a payload may be: 102400 bytes"),
        ("many", "Failed", "The payload is a list of 101 elements, and at most 100 may be returned"),
        ("endless", "Failed", "What the script wrote to standard output, which is its payload, is larger"),
        ("binary", "Failed", "The script wrote bytes that are no UTF-8 text"),
        ("signal", "Failed", "The script was ended by signal 11"),
        (
            "hungry",
            "Failed",
            "The script was ended by signal 9: it took more memory than its limit of 536870912 bytes",
        ),
        ("stubborn", "TimedOut", "The script ran longer than 2s and was ended: before"),
        ("forked", "TimedOut", "The script ran longer than 2s and was ended"),
    ] {
        let step = step(&run, name);
        assert_eq!(step["status"], status, "{step:#}");
        let failure = step["message"].as_str().unwrap_or_default();
        assert!(failure.starts_with(words), "{name}: {failure}");
    }
    assert_eq!(step(&run, "closed")["status"], "Success");
    if std::process::Command::new("pwsh").arg("-Version").output().is_err() {
        let failure = step(&run, "windows")["message"].as_str().unwrap_or_default();
        assert!(
            failure.starts_with("The script could not be started: the command `pwsh` is not found"),
            "{failure}"
        );
    }
    // Another file under the same name is not the one that the document means.
    world.write("runbooks/tool.py", "def main(events, context):\n    return 2\n");
    world.mainstay(&["apply", "work"]).is(1, &["bad-attachment", "is not the one the document means"]);
    world.proves();
}

#[test]
fn an_archive_comes_with_its_revision() {
    let mut world = up();
    declare(&world, "");
    let path = world.work().join("runbooks/tool.zip");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let inner = "def twice(n):\n    return 2 * n\n";
    let sha = zip(&path, &[("tool.py", TOOL), ("inner.py", inner)]);
    world.write("runbooks/packed.yaml", &attaching("tool.zip", "tool.main", &sha));
    world.apply();
    // The revision holds it: what lies in the folder now is not asked.
    let revision = world.json(&["history"])["items"][0]["revision"].clone();
    std::fs::remove_file(&path).expect("there");
    let run = finish(&mut world, "packed");
    assert_eq!(step(&run, "packed")["outputs"]["Payload"]["n"], 40, "{run:#}");
    // It comes back with a rollback as it was, to the last byte.
    zip(&path, &[("tool.py", "def main(e, c):\n    return 'other'\n")]);
    let other = mainstay_runbook::library::sha256(&std::fs::read(&path).expect("made"));
    world.mainstay(&["apply", "work"]).is(1, &["bad-attachment", &other]);
    world.write("runbooks/packed.yaml", &attaching("tool.zip", "tool.main", &other));
    world.apply();
    assert_eq!(step(&finish(&mut world, "packed"), "packed")["outputs"]["Payload"], "other");
    world.mainstay(&["rollback", "--yes"]).is(0, &["is wanted now"]);
    assert_eq!(world.json(&["history"])["items"][0]["restores"], revision);
    assert_eq!(step(&finish(&mut world, "packed"), "packed")["outputs"]["Payload"]["n"], 40);
    world.proves();
}

#[test]
fn hosts_run_command_documents_of_the_workload() {
    let mut world = up();
    declare(&world, "");
    world.write(
        "runbooks/restart.yaml",
        "schemaVersion: \"2.2\"\nparameters: { Name: { type: String }, Code: { type: String, default: \"0\" } }\nmainSteps:\n  - { name: note, action: \"aws:runShellScript\", inputs: { runCommand: [\"echo {{ Name }}; exit {{ Code }}\"], onFailure: exit } }\n  - { name: after, action: \"aws:runShellScript\", inputs: { runCommand: [echo after] } }\n",
    );
    let call = |name: &str, parameters: &str| {
        format!(
            "  - {{ name: {name}, action: \"aws:runCommand\", onFailure: Continue, inputs: {{ DocumentName: restart, Targets: [{{ Key: \"tag:role\", Values: [app] }}], Parameters: {{ {parameters} }} }} }}\n"
        )
    };
    let steps = format!(
        "schemaVersion: \"0.3\"\nmainSteps:\n{}{}",
        call("good", "Name: web"),
        call("bad", "Name: web, Code: \"7\"")
    );
    world.write("runbooks/all.yaml", &steps);
    world.apply();
    let ran = finish(&mut world, "all");
    let good = step(&ran, "good");
    assert_eq!(
        (good["status"].as_str(), good["outputs"]["Output"].as_str()),
        (Some("Success"), Some("web\nafter\n")),
        "{good:#}"
    );
    assert!(good["outputs"].get("ResponseCode").is_none(), "of several steps no code is told: {good:#}");
    assert_eq!(good["outputs"]["Steps"]["here"][1]["name"], "after");
    let bad = step(&ran, "bad");
    assert_eq!(bad["message"], "here failed: step note ended with code 7");
    assert_eq!(bad["outputs"]["Steps"]["here"][1]["status"], "Pending");
    // The run stays with the document it began with, and the next one has the new one.
    world.write(
        "runbooks/all.yaml",
        &format!("schemaVersion: \"0.3\"\nmainSteps:\n{}", call("good", "Nam: web")),
    );
    world.mainstay(&["apply", "work"]).is(1, &["unknown-parameter", "`Nam`"]);
    world.proves();
}

/// A server of somebody else: what it was sent, and what it answers.
struct Other {
    port: u16,
    asked: Receiver<(String, TcpStream)>,
}

impl Other {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                    })
                    .unwrap_or(0);
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                head.push_str(&String::from_utf8_lossy(&body));
                if sender.send((head, stream)).is_err() {
                    return;
                }
            }
        });
        Self { port, asked }
    }

    #[track_caller]
    fn asked(&self) -> (String, TcpStream) {
        self.asked.recv_timeout(PATIENCE).expect("it is asked")
    }
}

fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).expect("answered");
}

fn key(head: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("idempotency-key:"));
    line.and_then(|line| line.split_once(':')).map(|(_, key)| key.trim().to_owned()).expect("a key")
}

/// Whether any file below a directory holds a text.
fn holds(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).expect("readable").flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holds(&path, text),
            Ok(kind) if kind.is_file() => std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes())),
            _ => false,
        }
    })
}

fn hooks(world: &World, other: &Other, more: &str) {
    let secret = world.dir().join("hook-token");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
    declare(
        world,
        &format!(
            "integrations:\n  chat:\n    url: http://127.0.0.1:{}/hook\n    headers: {{ X-Token: {{ secret: \"file:{}\" }} }}\n    payload: by default\n    timeout: 60s\n{more}",
            other.port,
            secret.display()
        ),
    );
    world.write(
        "runbooks/tell.yaml",
        "schemaVersion: \"0.3\"\nmainSteps:\n  - { name: first, action: \"aws:invokeWebhook\", onFailure: Continue, inputs: { IntegrationName: chat } }\n  - { name: second, action: \"aws:invokeWebhook\", inputs: { IntegrationName: chat, Body: '{\"text\": \"it is back\"}' } }\n",
    );
}

#[test]
fn webhooks_are_sent_once_and_keep_their_secrets() {
    let mut world = up();
    let other = Other::new();
    hooks(&world, &other, "");
    world.apply();
    let started = world.json(&["run", "tell", "--detach"]);
    let id = started["id"].as_str().expect("an id").to_owned();
    let (head, stream) = other.asked();
    assert!(head.starts_with("POST /hook HTTP/1.1") && head.ends_with("by default"), "{head}");
    assert!(head.to_ascii_lowercase().contains(&format!("x-token: {SECRET}")), "{head}");
    answer(stream, "403 Forbidden", &format!("{SECRET} is not welcome"));
    let (head, stream) = other.asked();
    assert!(head.ends_with("{\"text\": \"it is back\"}"), "{head}");
    assert_eq!(key(&head), format!("{id}.second.1"));
    answer(stream, "200 OK", "thanks");
    let run = finished(&mut world, &id);
    let first = step(&run, "first");
    assert_eq!(
        (first["status"].as_str(), first["message"].as_str()),
        (Some("Failed"), Some("chat answered 403"))
    );
    assert_eq!(first["outputs"], json!({"Response": "[secret] is not welcome", "ResponseCode": 403}));
    assert_eq!(step(&run, "second")["outputs"], json!({"Response": "thanks", "ResponseCode": 200}));
    world.proves();
    assert_eq!(world.end_server(Signal::TERM), 0);
    assert!(!holds(&world.data(), SECRET), "a secret got into the data directory");
}

#[test]
fn a_webhook_under_way_when_the_server_is_killed_is_unknown() {
    let mut world = up();
    let other = Other::new();
    hooks(&world, &other, "");
    world.apply();
    let started = world.json(&["run", "tell", "--detach"]);
    let id = started["id"].as_str().expect("an id").to_owned();
    let (_, held) = other.asked();
    world.end_server(Signal::KILL);
    drop(held);
    world.start_server();
    let subject = format!("run/{id}");
    let waiting = world.event("run.waiting", |event| event["subject"] == subject);
    assert!(
        waiting["data"]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("nobody knows whether it arrived")),
        "{waiting}"
    );
    assert_eq!(world.json(&["runs", "show", &id])["status"], "Waiting");
    assert!(other.asked.try_recv().is_err(), "it is not sent again by itself");
    world.mainstay(&["runs", "cancel", &id]).is(0, &[]);

    // Declared to do no harm, it is sent again under the same key.
    hooks(&world, &other, "    repeatable: true\n");
    world.apply();
    let started = world.json(&["run", "tell", "--detach"]);
    let id = started["id"].as_str().expect("an id").to_owned();
    let (first, held) = other.asked();
    world.end_server(Signal::KILL);
    drop(held);
    world.start_server();
    let (again, stream) = other.asked();
    assert_eq!(key(&first), key(&again));
    answer(stream, "200 OK", "");
    answer(other.asked().1, "204 No Content", "");
    assert_eq!(finished(&mut world, &id)["status"], "Success");
    world.proves();
}

#[test]
fn our_own_actions_ask_the_server() {
    let mut world = up();
    let port = crate::world::port();
    world.write("mainstay.yaml", &tiny(port, ""));
    world.write(
        "alarms/a.yaml",
        "groups:\n  - name: a\n    interval: 1s\n    rules:\n      - alert: Never\n        expr: vector(0) > 1\n      - alert: Always\n        expr: vector(1)\n",
    );
    world.write(
        "runbooks/own.yaml",
        "schemaVersion: \"0.3\"
mainSteps:
  - { name: ask, action: \"mainstay:query\", inputs: { Query: \"vector(40) + 2\" }, outputs: [{ Name: Number, Selector: $.Value, Type: Integer }] }
  - name: judge
    action: aws:branch
    inputs: { Choices: [{ Variable: \"{{ ask.Number }}\", NumericGreater: 41, NextStep: quiet }], Default: wrong }
  - { name: wrong, action: \"aws:executeScript\", isEnd: true, inputs: { Runtime: bash, Script: \"exit 1\" } }
  - { name: quiet, action: \"mainstay:waitForAlarm\", inputs: { Alarm: Never } }
  - { name: loud, action: \"mainstay:waitForAlarm\", inputs: { Alarm: Always, State: firing } }
  - { name: late, action: \"mainstay:waitForAlarm\", timeoutSeconds: 1, onFailure: Continue, inputs: { Alarm: Always } }
  - { name: nothing, action: \"mainstay:query\", onFailure: Continue, inputs: { Query: no_such_series } }
  - { name: use, action: \"aws:executeScript\", onFailure: Continue, inputs: { Runtime: bash, Script: \"echo {{ nothing.Value }}\" } }
  - { name: say, action: \"mainstay:notify\", inputs: { Title: Note, Message: It is done, To: [storefront] } }
",
    );
    world.apply();
    let run = finish(&mut world, "own");
    assert_eq!(run["status"], "Success", "{run:#}");
    assert_eq!(step(&run, "ask")["outputs"]["Number"], 42);
    assert_eq!(step(&run, "ask")["outputs"]["Result"], json!([{"Labels": {}, "Value": 42}]));
    assert_eq!(step(&run, "late")["status"], "TimedOut");
    assert_eq!(
        step(&run, "late")["message"],
        "The alarm Always did not become inactive in time: it is firing"
    );
    assert_eq!(step(&run, "nothing")["outputs"], json!({"Result": []}));
    assert!(
        step(&run, "use")["message"].as_str().is_some_and(|words| words.contains("left no output Value")),
        "{run:#}"
    );
    let said = world.event("notification.requested", |_| true);
    assert_eq!(
        (&said["data"]["message"], &said["data"]["to"]),
        (&json!("It is done"), &json!(["storefront"]))
    );

    let opened = world.event("incident.opened", |_| true);
    let incident = opened["data"]["incident"].as_str().expect("an id").to_owned();
    world.write(
        "runbooks/end.yaml",
        &format!("schemaVersion: \"0.3\"\nmainSteps:\n  - {{ name: end, action: \"mainstay:resolveIncident\", inputs: {{ Incident: {incident}, Message: known }} }}\n  - {{ name: again, action: \"mainstay:resolveIncident\", inputs: {{ Incident: {incident} }} }}\n  - {{ name: back, action: \"mainstay:rollback\", inputs: {{}} }}\n"),
    );
    let before = world.json(&["history"])["items"][0]["revision"].clone();
    world.apply();
    let ended = finish(&mut world, "end");
    assert_eq!(ended["status"], "Success", "{ended:#}");
    let waited = step(&ended, "end")["outputs"]["WaitedFor"].to_string();
    assert!(waited.contains("Always"), "it says what was not over: {waited}");
    let resolved = world.events("incident.resolved");
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0]["data"]["message"], "known");
    let history = world.json(&["history"]);
    assert_eq!(
        (&history["items"][0]["restores"], &history["items"][0]["state"]),
        (&before, &json!("applied")),
        "{history:#}"
    );
    world.proves();
}
