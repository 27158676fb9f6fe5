//! What cannot work is refused with what to do about it, and leaves what works alone.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use crate::processes::{PATIENCE, Process, Said, run};
use crate::world::{World, binary, mainstay, port, request};

fn server_on(world: &World, data: &Path, http: u16) -> Said {
    let mut command = mainstay(&binary());
    let http = format!("127.0.0.1:{http}");
    command.args(["server", "--otlp-http", "off", "--otlp-grpc", "off", "--http", &http, "--data"]).arg(data);
    command.current_dir(world.dir());
    run(command)
}

#[test]
fn a_second_server_or_agent_is_refused_and_the_first_lives_on() {
    let mut world = World::up();
    let first = world.server.as_ref().expect("it runs").pid;
    let data = world.data();
    let text = data.display().to_string();
    // On its data.
    server_on(&world, &data, port()).is(5, &[&format!("process {first}"), &text, "--data"]);
    // On its port.
    let other = world.dir().join("other");
    let http = format!("127.0.0.1:{}", world.http);
    server_on(&world, &other, world.http).is(5, &[&http, "`--http`", "another program"]);
    let mut command = world.command(&["server", "--http", "127.0.0.1:0", "--otlp-grpc", "off"]);
    command.args(["--otlp-http", &format!("127.0.0.1:{}", world.otlp)]);
    // The data directory comes first, so this is the same refusal as above.
    run(command).is(5, &[&format!("process {first}")]);
    let mut command = mainstay(&binary());
    let otlp = format!("127.0.0.1:{}", world.otlp);
    command.args(["server", "--http", "127.0.0.1:0", "--otlp-grpc", "off", "--otlp-http", &otlp, "--data"]);
    command.arg(&other);
    run(command).is(5, &[&otlp, "`--otlp-http`"]);
    // What did not start left nothing that looks like a server.
    assert!(!other.join("server.json").exists());

    let agent = world.agent.as_ref().expect("it runs").pid;
    world.mainstay(&["agent"]).is(5, &[&format!("process {agent}"), &text]);
    assert_eq!(world.json(&["status"])["status"]["pid"], first);
    assert_eq!(world.json(&["status"])["status"]["hosts"][0]["connected"], true);
    // Its address file is still the one by which it is found, also after it is gone for good.
    assert_eq!(world.end_server(Signal::TERM), 0);
    world.mainstay(&["status"]).is(3, &["No Mainstay server runs on"]);
    world.start_server();
}

#[test]
fn data_directories_that_cannot_be_used_are_refused() {
    let world = World::new();
    let file = world.dir().join("file");
    std::fs::write(&file, "text").expect("written");
    server_on(&world, &file, port()).is(5, &["cannot use the data directory", "file"]);
    server_on(&world, &file.join("below"), port()).is(5, &["cannot use the data directory", "below"]);
    let long = world.dir().join("x".repeat(120));
    server_on(&world, &long, port()).is(5, &["longer than the system allows", "--data"]);
    // Rights do not hold back root, so somebody else tries.
    let private = world.dir().join("private");
    std::fs::create_dir(&private).expect("made");
    std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o700)).expect("set");
    std::fs::set_permissions(world.dir(), std::fs::Permissions::from_mode(0o755)).expect("set");
    if !rustix::process::getuid().is_root() {
        println!("skipped: only root can try as somebody else");
        return;
    }
    // The build's folder may be one that only root can enter.
    let program = world.dir().join("mainstay");
    // Copied by a process of its own: a child that another test starts meanwhile would hold the file open for writing.
    let mut copy = std::process::Command::new("cp");
    copy.arg(binary()).arg(&program);
    run(copy).is(0, &[]);
    let mut command = mainstay(&program);
    command.args(["server", "--http", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off", "--data"]);
    command.arg(&private).current_dir("/").uid(65_534).gid(65_534);
    run(command).is(5, &["cannot use the data directory", "private"]);
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let mut world = World::up();
    world.end_agent(Signal::TERM);
    world.end_server(Signal::TERM);
    let journal = world.data().join("journal");
    for name in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = std::fs::remove_file(journal.join(name));
    }
    for garbage in ["this is not a journal\n".repeat(1000), "x".to_owned()] {
        std::fs::write(journal.join("journal.sqlite"), &garbage).expect("written");
        let said = run(world.server_command()).is(5, &["journal.sqlite", "--data"]);
        assert!(said.stderr.contains("not a Mainstay journal"), "{said}");
        world.mainstay(&["journal", "verify"]).is(5, &["not a Mainstay journal"]);
        world.mainstay(&["journal", "rebuild", "--check"]).is(5, &["not a Mainstay journal"]);
        let after = std::fs::read_to_string(journal.join("journal.sqlite")).expect("there");
        assert_eq!(after, garbage, "it was not touched");
    }
}

/// Where a text stands in the journal's file, in the page that holds the event.
fn place_of(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("it is stored as text")
}

/// Starts the server on a damaged journal: it either says what to do or works on what is whole, and never panics.
fn start_on_damage(world: &World) -> bool {
    let mut server = Process::start("server", world.server_command());
    let started = loop {
        match server.next_line(PATIENCE) {
            Some(line) if line.contains("Mainstay listens") => break true,
            Some(_) => {}
            None => break false,
        }
    };
    if started {
        // What is damaged is not handed out as if it were not there.
        let read = world.mainstay(&["events", "--after", "0"]);
        if read.code != Some(0) {
            let read = read.is(4, &["is damaged", "mainstay journal verify"]);
            assert_eq!(read.stdout, "");
        } else {
            assert_eq!(read.stdout.matches("order.placed").count(), 200, "{read}");
        }
        assert_eq!(server.end(Signal::TERM), 0);
    } else {
        assert_eq!(server.wait(), 5, "{}", server.log());
        assert!(server.log().contains("mainstay journal verify"), "{}", server.log());
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    started
}

#[test]
fn damage_is_found_and_said() {
    let mut world = World::up();
    for number in 0..200 {
        let text = format!("marker-{number}-{}", "x".repeat(800));
        world.say(&format!("e-{number}"), "order.placed", &json!({ "text": text }));
    }
    world.proves();
    world.end_agent(Signal::TERM);
    assert_eq!(world.end_server(Signal::TERM), 0);
    world.proves();
    let path = world.data().join("journal/journal.sqlite");
    let whole = std::fs::read(&path).expect("a journal");
    let at = place_of(&whole, "marker-100-");
    let page = at - at % 8192;
    let middle = page + 4096;
    for (what, at, bytes) in [
        ("a changed letter", at, b"M".to_vec()),
        ("a page overwritten in the middle", middle, vec![0xa5; 2048]),
        ("a page's head overwritten", page, vec![0xa5; 64]),
        ("a page of zeros", page, vec![0; 8192]),
        ("half a file", whole.len() / 2, Vec::new()),
    ] {
        let mut damaged = whole.clone();
        if bytes.is_empty() {
            damaged.truncate(at);
        } else {
            damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        std::fs::write(&path, &damaged).expect("damaged");
        let verified = world.mainstay(&["journal", "verify"]);
        assert!(matches!(verified.code, Some(1 | 5)), "{what}: {verified}");
        assert!(
            verified.stderr.contains("backup") && !verified.stderr.contains("panicked"),
            "{what}: {verified}"
        );
        let rebuilt = world.mainstay(&["journal", "rebuild", "--check"]);
        assert!(!rebuilt.stderr.contains("panicked"), "{what}: {rebuilt}");
        let started = start_on_damage(&world);
        println!("{what}: verify {:?}, rebuild {:?}, server starts: {started}", verified.code, rebuilt.code);
        for name in ["journal.sqlite-wal", "journal.sqlite-shm"] {
            let _ = std::fs::remove_file(world.data().join("journal").join(name));
        }
    }
    std::fs::write(&path, &whole).expect("restored");
    world.proves();
    world.start_server();
    assert_eq!(world.events("order.placed").len(), 200);
}

#[test]
fn only_who_has_the_token_and_calls_by_the_address_gets_in() {
    let world = World::up();
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&world.data()), 0o700);
    for name in ["token", "server.json", "agent.sock", "agent/control.sock"] {
        assert_eq!(mode(&world.data().join(name)), 0o600, "{name}");
    }
    let get = |path: &str, headers: &[&str]| request(world.http, "GET", path, headers, "");
    assert_eq!(get("/v1/health", &[]).0, 200);
    for path in ["/v1/status", "/v1/events", "/v1/runs", "/v1/logs", "/api/v1/query?query=up", "/v1/nowhere"]
    {
        let (status, body) = get(path, &[]);
        assert_eq!(status, 401, "{path}: {body}");
        assert!(body.contains("token"), "{body}");
        assert_eq!(get(path, &["Authorization: Bearer mst_wrong"]).0, 401, "{path}");
    }
    let good = format!("Authorization: Bearer {}", world.token());
    assert_eq!(get("/v1/status", &[&good]).0, 200);
    assert_eq!(get("/v1/nowhere", &[&good]).0, 404);
    let (status, body) = get("/v1/status", &[&good, "Host: evil.example"]);
    assert_eq!(status, 403, "{body}");
    assert_eq!(get("/v1/health", &["Host: evil.example:7600"]).0, 403);
    assert_eq!(get("/v1/status", &[&good, "Host: localhost"]).0, 200);
    for path in ["/v1/workloads", "/v1/runs", "/v1/events"] {
        assert_eq!(request(world.http, "POST", path, &[], "{}").0, 401, "{path}");
        let (status, body) = request(world.http, "POST", path, &[&good], "{ not json");
        assert!((400..500).contains(&status), "{path}: {status} {body}");
    }
    let mut command = world.command(&["status"]);
    command.env("MAINSTAY_TOKEN", "mst_wrong");
    run(command).is(4, &["token"]);
    // No secret is in what is logged.
    let log = world.server.as_ref().expect("it runs").log();
    assert!(!log.contains(&world.token()), "{log}");
}
