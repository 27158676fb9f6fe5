//! Every operation of the API's document, asked by every role: let through or refused, as the table says. What is let
//! through may still fail for what was asked; that is not looked at here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::processes::PATIENCE;
use crate::world::{World, idle};

/// The rule in other words than the program's: which permissions each role has.
const ROLES: [(&str, &[&str]); 5] = [
    ("viewer", &["read"]),
    ("responder", &["read", "respond", "run"]),
    ("operator", &["read", "respond", "run", "operate", "apply", "append"]),
    ("approver", &["read", "approve"]),
    ("admin", &["read", "respond", "run", "operate", "apply", "append", "approve", "administer"]),
];

struct Operation {
    name: String,
    method: String,
    /// With its parameters filled in: the workload is there, everything else is not.
    path: String,
    takes_body: bool,
    /// Its body is not JSON but a form.
    takes_form: bool,
    needs: Needs,
    /// Whoever asks from this machine needs nothing of it.
    unless_from_here: bool,
}

enum Needs {
    Nothing,
    SignedIn,
    /// One of these, on everything or on some of it.
    Permission {
        any_of: Vec<String>,
        on_everything: bool,
    },
}

fn operations() -> Vec<Operation> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let document: Value = serde_json::from_str(&text).expect("it is JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        for (method, said) in item.as_object().expect("a path has methods") {
            let needs = match (&said["x-permission"], &said["security"]) {
                (Value::Object(permission), _) => Needs::Permission {
                    any_of: permission["permission"]
                        .as_str()
                        .expect("a word")
                        .split(" or ")
                        .map(str::to_owned)
                        .collect(),
                    on_everything: permission["on"] == "everything",
                },
                (_, Value::Array(ways)) if ways.is_empty() => Needs::Nothing,
                _ => Needs::SignedIn,
            };
            let is_docs = path.contains("/docs") || path.starts_with("/v1/workloads");
            let filled = path.split('/').map(|part| match part {
                "{name}" if is_docs => "shop",
                "{workload}" => "shop",
                part if part.starts_with('{') => "0198f2a0b3c47d6e8f90a1b2c3d4e5f6",
                part => part,
            });
            found.push(Operation {
                name: said["operationId"].as_str().expect("a name").to_owned(),
                method: method.to_ascii_uppercase(),
                path: filled.collect::<Vec<_>>().join("/"),
                takes_body: said["requestBody"].is_object(),
                takes_form: said["requestBody"]["content"]["application/x-www-form-urlencoded"].is_object(),
                unless_from_here: said["x-permission"]["unless"] == "from this machine",
                needs,
            });
        }
    }
    found
}

/// The status of an answer; streams are not waited for.
fn status(port: u16, operation: &Operation, token: Option<&str>) -> u16 {
    // What is open to this machine is asked as through a proxy.
    let behind = if operation.unless_from_here { "X-Forwarded-For: 192.0.2.1\r\n" } else { "" };
    status_from(port, operation, token, behind)
}

fn status_from(port: u16, operation: &Operation, token: Option<&str>, behind: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    // Bodies are empty, so that nothing is done that is let through.
    let body = if operation.takes_body && !operation.takes_form { "{}" } else { "" };
    let media_type =
        if operation.takes_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{} {} HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{behind}{token}\r\n{body}",
        operation.method,
        operation.path,
        body.len(),
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("answered");
    line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

/// A token of a user of this role, on what the selector picks.
fn token(world: &World, role: &str, on: &str, number: usize) -> String {
    let name = format!("{role}-{number}");
    let user =
        json!({ "user": name, "grants": [{ "role": role, "on": on }], "password": "a long enough one" });
    let (made, body) = world.request("POST", "/v1/users", &user.to_string());
    assert_eq!(made, 201, "{body}");
    let who = json!({ "user": name, "password": "a long enough one" });
    let (head, _) = crate::world::exchange(world.http, "POST", "/v1/sign-in", &[], &who.to_string());
    let cookie =
        crate::world::header(&head, "set-cookie").expect("a cookie").split(';').next().expect("a value");
    let cookie = format!("Cookie: {cookie}");
    let new = json!({ "name": "test", "grants": [{ "role": role, "on": "*" }] });
    let headers = [cookie.as_str(), "x-mainstay-request: test"];
    let (made, body) = crate::world::request(world.http, "POST", "/v1/tokens", &headers, &new.to_string());
    assert_eq!(made, 201, "{body}");
    let made: Value = serde_json::from_str(&body).expect("JSON");
    made["token"].as_str().expect("a secret").to_owned()
}

#[test]
fn every_operation_lets_through_whom_the_table_says_and_nobody_else() {
    let mut world = World::new();
    world.start_server();
    for name in ["shop", "other"] {
        let text = format!("workload: {name}\ntags: {{ site: {name} }}\ncomponents:\n{}", idle("a", 1000));
        world.write("mainstay.yaml", &text);
        world.apply();
    }
    let operations = operations();
    assert!(operations.len() > 60, "{}", operations.len());
    let mut wrong = Vec::new();
    let mut check = |operation: &Operation, who: &str, got: u16, allowed: bool, unknown: bool| {
        let right = match (unknown, allowed) {
            (true, _) => got == 401,
            (false, true) => !matches!(got, 401 | 403 | 405),
            (false, false) => got == 403,
        };
        if !right {
            wrong.push(format!(
                "{} {} ({}) by {who}: {got}",
                operation.method, operation.path, operation.name
            ));
        }
    };
    for operation in &operations {
        let got = status(world.http, operation, None);
        match operation.needs {
            // A code that is not known is refused in the same words.
            Needs::Nothing if operation.name == "enter" => check(operation, "nobody", got, false, true),
            Needs::Nothing => check(operation, "nobody", got, true, false),
            _ => check(operation, "nobody", got, false, true),
        }
        if operation.unless_from_here {
            check(
                operation,
                "a program of this machine",
                status_from(world.http, operation, None, ""),
                true,
                false,
            );
        }
        let got = status(world.http, operation, Some("mut_0000"));
        if !matches!(operation.needs, Needs::Nothing) {
            check(operation, "a wrong token", got, false, true);
        }
    }
    for (role, has) in ROLES {
        // On everything, on the workload that is asked about, and on another one.
        for (number, on) in ["*", "site=shop", "site=other"].into_iter().enumerate() {
            let token = token(&world, role, on, number);
            for operation in operations.iter().filter(|one| !matches!(one.needs, Needs::Nothing)) {
                let allowed = match &operation.needs {
                    Needs::Nothing | Needs::SignedIn => true,
                    Needs::Permission { any_of, on_everything } => {
                        let has_it = any_of.iter().any(|one| has.contains(&one.as_str()));
                        // What is not there is of nobody: whoever may somewhere is told so.
                        let is_about_shop = operation.path.contains("/shop");
                        has_it && (on == "*" || !on_everything && (on == "site=shop" || !is_about_shop))
                    }
                };
                let got = status(world.http, operation, Some(&token));
                check(operation, &format!("{role} on {on}"), got, allowed, false);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
