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
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().expect("a value"));
    assert!(ask(world.http, &enter, &[]).0.starts_with("HTTP/1.1 401"), "a link works once");
    assert!(ask(world.http, "/v1/status", &[&cookie]).0.starts_with("HTTP/1.1 401"));
    let (head, page) = ask(world.http, "/docs/pair/", &[&cookie]);
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("team-pair"), "{head}\n{page}");
    assert!(
        header(&head, "content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );

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
