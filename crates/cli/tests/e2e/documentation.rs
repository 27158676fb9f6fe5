//! The documentation of a running server, as scripts and browsers get it, and of files on loopback.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::processes::Process;
use crate::world::{World, exchange, header, idle, request};

#[path = "../../../learn/src/docs/links.rs"]
mod links;

const NOTE: &str = "---\nabout: component/a\n---\nIt is safe to restart; see [b](component/b).\n";

fn declared(seconds: u32) -> String {
    format!("workload: pair\nowner: team-pair\ncomponents:\n{}{}", idle("a", seconds), idle("b", 1000))
}

/// The head and the body of an answer.
#[track_caller]
fn ask(port: u16, path: &str, headers: &[&str]) -> (String, String) {
    exchange(port, "GET", path, headers, "")
}

#[test]
fn the_server_shows_the_documentation_of_what_is_wanted() {
    let mut world = World::up();
    world.write("mainstay.yaml", &declared(1000));
    world.write("docs/a.md", NOTE);
    world.mainstay(&["docs", "accept", "work/docs/a.md"]).is(0, &["accepted for component/a"]);
    let first = world.apply();
    world.ready("a");

    // Scripts show the token, and get data of the published shape, for the revision that is wanted.
    let path = "/v1/workloads/pair/docs.json";
    assert_eq!(request(world.http, "GET", path, &[], "").0, 401);
    assert_eq!(world.request("GET", "/v1/workloads/pear/docs.json", "").0, 404);
    let (status, body) = world.request("GET", path, "");
    assert_eq!(status, 200, "{body}");
    let data: Value = serde_json::from_str(&body).expect("JSON");
    let schema = world.mainstay(&["docs", "schema"]).is(0, &[]).json();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    assert_eq!(data["revision"]["revision"], first["revision"]);
    assert_eq!(data["history"]["changes"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["components"]["a"]["notes"][0]["state"], "current");
    let got = world.mainstay(&["docs", "get", "components.a.service.run", "--workload", "pair"]).is(0, &[]);
    assert_eq!(got.stdout, "sleep 1000\n");
    world.mainstay(&["docs", "get", "components.c", "--workload", "pair"]).is(1, &["`a`"]);

    // A browser gets in by a link that works once, to the pages and to nothing else.
    let said = world.mainstay(&["docs", "link"]).is(0, &["It works once"]);
    let base = format!("http://127.0.0.1:{}", world.http);
    let enter = said.stdout.trim().strip_prefix(&base).expect("a link to the server").to_owned();
    assert!(ask(world.http, "/docs/pair/", &[]).0.starts_with("HTTP/1.1 401"));
    let (head, _) = ask(world.http, &enter, &[]);
    assert_eq!(header(&head, "location"), Some("/docs/pair/"), "{head}");
    let cookie = header(&head, "set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/docs/pair/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = format!("Cookie: {}", cookie.split(';').next().expect("a value"));
    assert!(ask(world.http, &enter, &[]).0.starts_with("HTTP/1.1 401"), "a link works once");
    assert!(ask(world.http, "/v1/status", &[&cookie]).0.starts_with("HTTP/1.1 401"));
    let (head, page) = ask(world.http, "/docs/pair/", &[&cookie]);
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("team-pair"), "{head}\n{page}");
    assert!(
        header(&head, "content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert_eq!(header(&head, "cache-control"), Some("no-store"), "{head}");
    assert_eq!(header(&ask(world.http, "/docs/pair", &[]).0, "location"), Some("/docs/pair/"));

    // What `docs build` writes of the server's workload is what it shows, and every link leads somewhere.
    let built = world.json(&["docs", "build", "--workload", "pair", "--out", "site"]);
    let mut site: BTreeMap<String, String> = BTreeMap::new();
    for name in built["files"].as_array().expect("files").iter().filter_map(Value::as_str) {
        let (head, shown) = ask(world.http, &format!("/docs/pair/{name}"), &[&cookie]);
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        assert!(
            std::fs::read_to_string(world.dir().join("site").join(name)).is_ok(),
            "{name} is not written"
        );
        site.insert(name.to_owned(), shown);
    }
    assert!(site.contains_key("history.html") && site.contains_key("components/a.html"), "{:?}", site.keys());
    assert_eq!(links::broken(&site), [""; 0]);

    // A note is flagged as soon as another revision is wanted than the one it was written for.
    world.write("mainstay.yaml", &declared(2000));
    let second = world.apply();
    let data: Value = serde_json::from_str(&world.request("GET", path, "").1).expect("JSON");
    assert_eq!(data["revision"]["revision"], second["revision"]);
    let note = &data["components"]["a"]["notes"][0];
    assert_eq!((&note["state"], &note["changed"]), (&json!("earlier"), &json!(["service"])), "{note:#}");
    let (_, page) = ask(world.http, "/docs/pair/components/a.html", &[&cookie]);
    assert!(page.contains("Written for an earlier version."), "{page}");
    let (_, page) = ask(world.http, "/docs/pair/index.html", &[&cookie]);
    assert!(page.contains("Notes written for an earlier version:"), "{page}");
}

#[test]
fn a_link_opens_what_who_made_it_may_read_and_as_long_as_they_may() {
    let world = World::up();
    for name in ["east", "west"] {
        world.write("mainstay.yaml", &format!("workload: {name}\ncomponents:\n{}", idle("a", 1000)));
        world.apply();
    }
    let users = "/v1/users";
    let send = |method: &str, path: &str, body: &Value, headers: &[&str]| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        exchange(world.http, method, path, headers, &body)
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let machine = bearer(&world.token());
    let done = |(head, body): (String, String)| {
        assert!(head.starts_with("HTTP/1.1 2"), "{head}\n{body}");
        serde_json::from_str::<Value>(&body).unwrap_or_default()
    };
    let password = "a long enough one";
    let jo = json!({ "user": "jo", "password": password, "grants": [{ "role": "viewer", "on": "*" }] });
    let grant = done(send("POST", users, &jo, &[&machine]))["grants"][0]["id"].clone();
    let who = json!({ "user": "jo", "password": password });
    let (head, _) = send("POST", "/v1/sign-in", &who, &[]);
    let session = header(&head, "set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    let session = format!("Cookie: {session}");
    let own = "x-mainstay-request: test";
    // A token of hers that is for the east only.
    let new = json!({ "name": "ci", "grants": [{ "role": "viewer", "on": "workload=east" }] });
    let made = done(send("POST", "/v1/tokens", &new, &[&session, own]));
    let token = bearer(made["token"].as_str().expect("a secret"));
    let open = |workload: &str, shown: &[&str]| {
        let made = done(send("POST", &format!("/v1/workloads/{workload}/docs/link"), &Value::Null, shown));
        let (head, _) = ask(world.http, made["path"].as_str().expect("a path"), &[]);
        assert!(head.starts_with("HTTP/1.1 303"), "{head}");
        format!("Cookie: {}", header(&head, "set-cookie").expect("a cookie").split(';').next().expect("one"))
    };
    let reads = |workload: &str, cookie: &str| {
        ask(world.http, &format!("/docs/{workload}/"), &[cookie]).0.starts_with("HTTP/1.1 200")
    };
    assert!(send("POST", "/v1/workloads/west/docs/link", &Value::Null, &[&token]).0.contains("403"));
    let (by_token, by_session) = (open("east", &[&token]), open("west", &[&session, own]));
    let by_machine = open("east", &[&machine]);
    // One workload each, whoever has made it.
    assert!(reads("east", &by_token) && reads("west", &by_session) && reads("east", &by_machine));
    assert!(!reads("west", &by_token) && !reads("east", &by_session) && !reads("west", &by_machine));
    let (name, value) = by_token.split_once('=').expect("a pair");
    for forged in [format!("{name}={}", value.replace(".t", ".m")), name.replace("mainstay_docs_", "x=")] {
        assert!(!reads("east", &forged), "{forged}");
    }
    // It ends with the token, and with what may be read.
    done(send(
        "DELETE",
        &format!("/v1/tokens/{}", made["id"].as_str().expect("an id")),
        &Value::Null,
        &[&session, own],
    ));
    assert!(!reads("east", &by_token) && reads("west", &by_session));
    let waiting = done(send("POST", "/v1/workloads/west/docs/link", &Value::Null, &[&session, own]));
    let grant = format!("{users}/jo/grants/{}", grant.as_str().expect("an id"));
    done(send("DELETE", &grant, &Value::Null, &[&machine]));
    assert!(!reads("west", &by_session), "she may no longer read it");
    done(send("POST", &format!("{users}/jo/disable"), &json!({}), &[&machine]));
    let (head, _) = ask(world.http, waiting["path"].as_str().expect("a path"), &[]);
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    assert!(reads("east", &by_machine), "others read on");
}

#[test]
fn files_are_served_as_they_are() {
    let world = World::new();
    world.write("mainstay.yaml", &declared(1000));
    world.write("docs/a.md", NOTE);
    let mut serve = Process::start("docs", world.command(&["docs", "serve", "work", "--port", "0"]));
    let address = serve.line("http://127.0.0.1:");
    let port: u16 = address
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("no port in {address}"));
    let (head, page) = ask(port, "/components/a.html", &[]);
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("sleep 1000"), "{head}\n{page}");
    world.write("mainstay.yaml", &declared(2000));
    assert!(
        ask(port, "/components/a.html", &[]).1.contains("sleep 2000"),
        "pages are of the files as they are"
    );
    assert!(ask(port, "/../mainstay.yaml", &[]).0.starts_with("HTTP/1.1 404"));
    assert!(ask(port, "/components/none.html", &[]).0.starts_with("HTTP/1.1 404"));
    // A page of another site that has its name lead here.
    let (status, _) = request(port, "GET", "/", &["Host: evil.example"], "");
    assert_eq!(status, 403);
    // A mistake is told where it is looked at, and gone when it is gone.
    world.write("mainstay.yaml", "workload: 3\n");
    let (head, text) = ask(port, "/", &[]);
    assert!(head.starts_with("HTTP/1.1 500") && text.contains("mainstay.yaml:1:"), "{head}\n{text}");
    world.write("mainstay.yaml", &declared(1000));
    assert!(ask(port, "/", &[]).0.starts_with("HTTP/1.1 200"));
    assert_eq!(serve.end(rustix::process::Signal::INT), 0, "{}", serve.log());
}
