//! Whoever reaches the server without being known to it: what they can hold, and what they can say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::processes::{PATIENCE, Process};
use crate::world::{World, exchange, header, request};

/// What is answered to a head without the body that it announces.
fn answer_to_head(world: &World, head: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer}"))
}

#[test]
fn who_is_not_known_is_answered_before_anything_large_is_read_of_them() {
    let mut world = World::new();
    world.start_server();
    let announced = |path: &str, more: &str, length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
        );
        answer_to_head(&world, &head)
    };
    let huge = 39 << 20;
    let answer = announced("/v1/sign-in", "", huge);
    assert!(status(&answer) == 413 && answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("16 KiB are the most"), "{answer}");
    for path in ["/v1/workloads", "/v1/plans", "/v1/runs", "/v1/users", "/v1/silences"] {
        assert_eq!(status(&announced(path, "", huge)), 401, "{path}");
    }
    // Who is known may send files of that size, and nothing else.
    let token = format!("Authorization: bearer {}\r\n", world.token());
    assert_eq!(status(&announced("/v1/users", &token, huge)), 413);
    assert_eq!(status(&announced("/v1/workloads", &token, 41 << 20)), 413);
    let text = "x".repeat(2 << 20);
    let files = json!({ "files": [{ "path": "notes.txt", "text": text }] });
    let (got, body) = world.request("POST", "/v1/plans", &files.to_string());
    assert!(![401, 408, 413].contains(&got), "{got} {body}");
}

#[test]
fn signals_that_come_through_a_proxy_need_a_token_that_may_append() {
    let mut world = World::new();
    world.start_server();
    let send = |headers: &[&str]| request(world.http, "POST", "/v1/logs", headers, "{}");
    assert_eq!(send(&[]).0, 200, "a program of this machine");
    assert_eq!(send(&["Host: localhost"]).0, 200);
    for foreign in
        ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy", "Host: 192.0.2.1:7600"]
    {
        let (got, body) = send(&[foreign]);
        assert!(got == 401 && body.contains("A token is needed"), "{foreign}: {got} {body}");
    }
    let token = format!("Authorization: Bearer {}", world.token());
    assert_eq!(send(&["X-Forwarded-For: 192.0.2.1", &token]).0, 200);
    assert_eq!(request(world.otlp, "POST", "/v1/logs", &[], "{}").0, 200, "the port of OTLP stays as it is");
}

#[test]
fn a_server_with_a_public_name_is_careful_under_it() {
    let mut world = World::new();
    let mut command = world.server_command();
    command.args(["--public-url", "https://ops.example.org"]);
    let mut server = Process::start("server", command);
    server.line("Mainstay listens on http://");
    world.server = Some(server);

    // Not every proxy says that it is one: nothing tells what it sends from what is of this machine.
    for host in ["Host: ops.example.org", "Host: 127.0.0.1"] {
        assert_eq!(request(world.http, "POST", "/v1/metrics", &[host], "{}").0, 401, "{host}");
    }
    assert_eq!(request(world.otlp, "POST", "/v1/metrics", &[], "{}").0, 200);

    for (host, is_ours) in [
        ("ops.example.org", true),
        ("OPS.example.org:443", true),
        ("ops.example.org:80", false),
        ("ops.example.org:8443", false),
        ("example.org:443", false),
    ] {
        let host = format!("Host: {host}");
        let (head, body) = exchange(world.http, "GET", "/v1/health", &[&host], "");
        assert_eq!(status(&head) == 200, is_ours, "{host}: {head} {body}");
    }
    let (head, _) = exchange(world.http, "GET", "/v1/health", &["Host: ops.example.org"], "");
    assert_eq!(header(&head, "strict-transport-security"), Some("max-age=31536000"), "{head}");

    let mut plain = World::new();
    plain.start_server();
    let (head, _) = exchange(plain.http, "GET", "/v1/health", &[], "");
    assert_eq!(header(&head, "strict-transport-security"), None, "{head}");
}

#[test]
fn what_is_meant_for_the_api_is_no_page_however_it_is_written() {
    let mut world = World::new();
    world.start_server();
    for path in ["/V1/me", "//v1/me", "/%76%31/me", "/API/v1/query", "/%2Fv1/me"] {
        let (head, body) = exchange(world.http, "GET", path, &[], "");
        assert!(status(&head) == 404 && head.contains("application/problem+json"), "{path}: {head} {body}");
    }
}

#[test]
fn prometheus_clients_may_ask_with_a_form() {
    let mut world = World::new();
    world.start_server();
    let token = format!("Authorization: bearer {}", world.token());
    let form = "Content-Type: application/x-www-form-urlencoded";
    let post = |path: &str, headers: &[&str], body: &str| -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\nContent-Length: {}\r\n\r\n{body}",
            headers.join("\r\n"),
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("answered");
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("answered");
        (status(&line), rest.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    };
    let value = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["data"]["result"].clone();
    let (got, body) = post("/api/v1/query", &[&token, form], "query=1%2B1&time=10");
    assert_eq!((got, value(&body)), (200, json!([10, "2"])), "{body}");
    // What the form does not say the URL may.
    let (got, body) =
        post("/api/v1/query_range?step=5&start=7", &[&token, form], "query=vector(3)&start=0&end=10");
    assert!(got == 200 && value(&body)[0]["values"].as_array().map(Vec::len) == Some(3), "{body}");
    let (got, body) = post("/api/v1/query", &[&token, form], "query=1%2B");
    assert!(got == 400 && body.contains("\"errorType\":\"bad_data\""), "{body}");
    assert_eq!(post("/api/v1/query", &[&token, "Content-Type: application/json"], "{}").0, 415);
    assert_eq!(post("/api/v1/query", &[&token, form], &format!("query={}", "1".repeat(70_000))).0, 413);
    assert_eq!(post("/api/v1/query", &[form], "query=1").0, 401);
}

#[test]
fn who_follows_from_a_place_that_is_not_there_is_told_so_and_begins_anew() {
    let mut world = World::new();
    world.start_server();
    let token = format!("Authorization: Bearer {}", world.token());
    let ask = |path: &str, id: &str| {
        let (status, body) = request(world.http, "GET", path, &[&token, id], "");
        (status, serde_json::from_str::<Value>(&body).expect("JSON"))
    };
    for garbage in ["x", "-1", "1.5"] {
        let (status, why) = ask("/v1/events/stream", &format!("Last-Event-ID: {garbage}"));
        assert!(status == 400 && why["title"].to_string().contains("Last-Event-ID"), "{garbage}: {why:#}");
    }
    for (path, id) in
        [("/v1/events/stream?after=999999", "Accept: */*"), ("/v1/events/stream", "Last-Event-ID: 999999")]
    {
        let (status, why) = ask(path, id);
        assert!(status == 409 && why["hint"].to_string().contains("`after="), "{status} {why:#}");
    }
    let arguments = ["events", "--follow", "--after", "999999", "--match", "built", "--output", "json"];
    let mut follow = Process::start("events", world.command(&arguments));
    follow.line("before place 999999");
    world.say("e1", "built", &json!({}));
    follow.line("\"built\"");
}

#[test]
fn a_data_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::new();
    std::fs::create_dir(world.data()).expect("made");
    std::fs::set_permissions(world.data(), std::fs::Permissions::from_mode(0o755)).expect("set");
    world.start_server();
    assert_eq!(world.request("POST", "/v1/logs", "{}").0, 200);
    let log = world.server.as_ref().map(Process::log).unwrap_or_default();
    assert!(log.contains("others could look into the data directory"), "{log}");
    let mut open = Vec::new();
    let mut folders = vec![world.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("an entry").path();
            let Ok(known) = std::fs::symlink_metadata(&path) else { continue };
            if known.is_dir() {
                folders.push(path.clone());
            }
            if known.permissions().mode() & 0o077 != 0 {
                open.push(format!("{} {:o}", path.display(), known.permissions().mode()));
            }
        }
    }
    let own = std::fs::metadata(world.data()).expect("there").permissions().mode() & 0o777;
    assert!(own == 0o700 && open.is_empty(), "{own:o} {open:?}");
}
