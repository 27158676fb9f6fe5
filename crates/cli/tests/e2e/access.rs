//! Signing in, and what people may: in a browser's place, by tokens, and by the command line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use serde_json::{Value, json};

use crate::processes::{Process, run_with};
use crate::world::{World, exchange, header, idle};

pub const PASSWORD: &str = "correct horse battery staple";

/// A client of the API that shows what a browser or a program would.
pub struct Visitor {
    port: u16,
    shown: Vec<String>,
}

impl Visitor {
    fn nobody(world: &World) -> Self {
        Self { port: world.http, shown: Vec::new() }
    }

    pub fn with_token(world: &World, token: &str) -> Self {
        Self { port: world.http, shown: vec![format!("Authorization: Bearer {token}")] }
    }

    /// In the session that an answer begins.
    fn in_session(world: &World, head: &str) -> Self {
        let cookie = header(head, "set-cookie").expect("a cookie").split(';').next().expect("a value");
        let own = "x-mainstay-request: console".to_owned();
        Self {
            port: world.http,
            shown: vec![format!("Cookie: {cookie}"), own, "Sec-Fetch-Site: same-origin".to_owned()],
        }
    }

    pub fn signed_in(world: &World, user: &str, password: &str) -> Self {
        let who = json!({ "user": user, "password": password });
        let (head, body) = Self::nobody(world).exchange("POST", "/v1/sign-in", &who);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
        Self::in_session(world, &head)
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> (String, String) {
        let shown: Vec<&str> = self.shown.iter().map(String::as_str).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        exchange(self.port, method, path, &shown, &body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (head, body) = self.exchange(method, path, body);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    #[track_caller]
    pub fn is(&self, wanted: u16, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, wanted, "{method} {path}: {answer:#}");
        answer
    }
}

pub fn add_user(world: &World, arguments: &[&str]) {
    let mut all = vec!["users", "add"];
    all.extend(arguments);
    run_with(world.command(&all), &format!("{PASSWORD}\n")).is(0, &[]);
}

fn server() -> World {
    let mut world = World::new();
    world.start_server();
    world
}

#[test]
fn a_link_signs_a_browser_in_once() {
    let world = server();
    let base = format!("http://127.0.0.1:{}", world.http);
    let link = world.json(&["login-link"])["url"].as_str().expect("a link").to_owned();
    let path = link.strip_prefix(&base).expect("a link to the server").to_owned();
    let nobody = Visitor::nobody(&world);
    nobody.is(401, "GET", "/v1/me", &Value::Null);
    // Looking at it without opening it leaves it as it is.
    assert!(nobody.exchange("HEAD", &path, &Value::Null).0.starts_with("HTTP/1.1 401"));
    let (head, _) = nobody.exchange("GET", &path, &Value::Null);
    assert!(head.starts_with("HTTP/1.1 303") && header(&head, "location") == Some("/"), "{head}");
    let cookie = header(&head, "set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let code = path.rsplit('/').next().expect("a code");
    assert!(!head.contains(code), "the code is gone from the address: {head}");
    assert!(nobody.exchange("GET", &path, &Value::Null).0.starts_with("HTTP/1.1 401"), "it works once");

    let me = Visitor::in_session(&world, &head);
    assert_eq!(me.is(200, "GET", "/v1/me", &Value::Null)["actor"], "person:operator");
    me.is(200, "GET", "/v1/status", &Value::Null);
    me.is(200, "GET", "/api/v1/query?query=1", &Value::Null);

    // What another site makes the browser send is refused, and so is what has no header of ours.
    let event = json!({ "specversion": "1.0", "id": "1", "source": "e2e", "type": "note" });
    let cookie = me.shown[0].clone();
    for forged in [
        vec![cookie.clone()],
        vec![cookie.clone(), "x-mainstay-request: 1".to_owned(), "Sec-Fetch-Site: cross-site".to_owned()],
        vec![cookie, "x-mainstay-request: 1".to_owned(), "Origin: http://evil.example".to_owned()],
    ] {
        Visitor { port: world.http, shown: forged }.is(403, "POST", "/v1/events", &event);
    }
    me.is(201, "POST", "/v1/events", &event);
    // What happens is followed with the cookie alone, until the session ends.
    let follow = || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
        stream.set_read_timeout(Some(crate::processes::PATIENCE)).expect("set");
        let head = format!(
            "GET /v1/events/stream?after=0 HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:{}\r\n{}\r\n\r\n",
            world.http, me.shown[0]
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    };
    let mut stream = BufReader::new(follow());
    let mut line = String::new();
    stream.read_line(&mut line).expect("answered");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while !line.contains("server.started") {
        line.clear();
        assert!(stream.read_line(&mut line).expect("an event") > 0, "it goes on");
    }
    me.is(204, "POST", "/v1/sign-out", &Value::Null);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it ends with the session");
    me.is(401, "GET", "/v1/me", &Value::Null);
    let mut line = String::new();
    BufReader::new(follow()).read_line(&mut line).expect("answered");
    assert!(line.starts_with("HTTP/1.1 401"), "{line}");
}

#[test]
fn a_link_is_opened_by_who_looks_at_it_and_ends_no_session_unasked() {
    let world = server();
    add_user(&world, &["jo", "--grant", "viewer"]);
    let jo = Visitor::signed_in(&world, "jo", PASSWORD);
    let link = || {
        let link = world.json(&["login-link"])["url"].as_str().expect("a link").to_owned();
        format!("/enter/{}", link.rsplit('/').next().expect("a code"))
    };
    let with =
        |shown: &[&str]| Visitor { port: world.http, shown: shown.iter().map(|&one| one.into()).collect() };
    let path = link();
    // What fetches it ahead, or as a part of a page, has not opened it.
    for unseen in
        ["Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "X-Moz: prefetch", "Sec-Fetch-Dest: image"]
    {
        let (head, page) = with(&[unseen]).exchange("GET", &path, &Value::Null);
        assert!(head.starts_with("HTTP/1.1 401") && page.contains("has not been opened"), "{unseen}: {head}");
        assert!(header(&head, "set-cookie").is_none(), "{unseen}: {head}");
    }
    // From another site it is asked for again, so that the browser shows what it has.
    let document = "Sec-Fetch-Dest: document";
    let (head, page) = with(&["Sec-Fetch-Site: cross-site", document]).exchange("GET", &path, &Value::Null);
    let again = format!("{path}?again=true");
    assert!(head.starts_with("HTTP/1.1 401") && page.contains(&format!("url={again}")), "{head}\n{page}");
    let cookie = jo.shown[0].as_str();
    let (head, page) =
        with(&[cookie, "Sec-Fetch-Site: same-origin", document]).exchange("GET", &again, &Value::Null);
    assert!(
        head.starts_with("HTTP/1.1 200") && page.contains("stay jo") && page.contains(&path),
        "{head}\n{page}"
    );
    assert!(header(&head, "set-cookie").is_none(), "{head}");
    jo.is(200, "GET", "/v1/me", &Value::Null);
    // Whoever says so, or has no session, gets in.
    let (head, _) =
        with(&[cookie, "Sec-Fetch-Site: same-origin", document]).exchange("GET", &path, &Value::Null);
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    jo.is(401, "GET", "/v1/me", &Value::Null);
    let (head, _) = with(&[document]).exchange("GET", &format!("{}?again=true", link()), &Value::Null);
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
}

#[test]
fn a_browser_has_one_session_and_links_from_elsewhere_lead_in() {
    let world = server();
    world.write("mainstay.yaml", &format!("workload: shop\ncomponents:\n{}", idle("a", 1000)));
    world.apply();
    add_user(&world, &["jo", "--grant", "operator@workload=shop", "--grant", "viewer"]);
    let first = Visitor::signed_in(&world, "jo", PASSWORD);
    // The same browser signs in again, as after a session that is over in the middle of a form.
    let who = json!({ "user": "jo", "password": PASSWORD });
    let (head, _) = first.exchange("POST", "/v1/sign-in", &who);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let jo = Visitor::in_session(&world, &head);
    first.is(401, "GET", "/v1/me", &Value::Null);
    assert_eq!(jo.is(200, "GET", "/v1/sessions", &Value::Null)["items"].as_array().map(Vec::len), Some(1));

    // What she may: to something, to everything, to this workload, and to another one.
    let me = jo.is(200, "GET", "/v1/me", &Value::Null);
    assert_eq!(me["everywhere"], json!(["read"]), "{me:#}");
    assert_eq!(me["permissions"], json!(["read", "respond", "run", "operate", "apply", "append"]));
    let of_shop = jo.is(200, "GET", "/v1/me?workload=shop", &Value::Null);
    assert_eq!(of_shop["permissions"], me["permissions"]);
    assert_eq!(jo.is(200, "GET", "/v1/me?workload=other", &Value::Null)["permissions"], json!(["read"]));

    // A link of another site shows no cookie. Pages of the console need none; those of the documentation ask again.
    let elsewhere = Visitor { port: world.http, shown: vec!["Sec-Fetch-Site: cross-site".to_owned()] };
    let (head, page) = elsewhere.exchange("GET", "/docs/shop/", &Value::Null);
    assert!(head.starts_with("HTTP/1.1 401") && page.contains("http-equiv=\"refresh\""), "{head}\n{page}");
    let (head, page) = Visitor::nobody(&world).exchange("GET", "/docs/shop/", &Value::Null);
    assert!(head.starts_with("HTTP/1.1 401") && !page.contains("refresh"), "{head}\n{page}");
    let (head, _) = jo.exchange("GET", "/docs/shop/", &Value::Null);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[test]
fn people_may_what_they_were_granted_and_nothing_else() {
    let mut world = server();
    for name in ["east", "west"] {
        let text = format!("workload: {name}\ntags: {{ site: {name} }}\ncomponents:\n{}", idle("a", 1000));
        world.write("mainstay.yaml", &text);
        world.apply();
    }
    add_user(&world, &["maria", "--grant", "viewer@site=east"]);
    let maria = Visitor::signed_in(&world, "maria", PASSWORD);
    let me = maria.is(200, "GET", "/v1/me", &Value::Null);
    assert_eq!((&me["permissions"], &me["has_password"]), (&json!(["read"]), &json!(true)));

    for (site, permissions) in [("east", json!(["read"])), ("west", json!([])), ("nowhere", json!([]))] {
        let there = maria.is(200, "GET", &format!("/v1/me?workload={site}"), &Value::Null);
        assert_eq!(there["permissions"], permissions, "{site}");
    }

    // She sees what is of the east.
    let names = |answer: &Value| -> Vec<String> {
        let items = answer["items"].as_array().expect("items");
        items.iter().filter_map(|item| item["workload"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(names(&maria.is(200, "GET", "/v1/workloads", &Value::Null)), ["east"]);
    assert_eq!(names(&maria.is(200, "GET", "/v1/changes", &Value::Null)), ["east"]);
    let seen = names(&maria.is(200, "GET", "/v1/events?limit=1000", &Value::Null));
    assert!(!seen.is_empty() && seen.iter().all(|name| name == "east"), "{seen:?}");
    maria.is(200, "GET", "/v1/workloads/east", &Value::Null);
    for hidden in
        ["/v1/workloads/west", "/v1/logs", "/api/v1/query?query=1", "/v1/users", "/v1/sessions?all=true"]
    {
        maria.is(403, "GET", hidden, &Value::Null);
    }

    // She applies nothing, and that she tried is on record.
    let files = |name: &str, site: &str| {
        let text = format!("workload: {name}\ntags: {{ site: {site} }}\ncomponents:\n{}", idle("a", 999));
        json!({ "files": [{ "path": "mainstay.yaml", "content": text }], "directory": "/tmp" })
    };
    maria.is(403, "POST", "/v1/workloads", &files("east", "east"));
    let refused = world.event("access.refused", |_| true);
    assert_eq!(
        (&refused["actor"], &refused["data"]["operation"]),
        (&json!("person:maria"), &json!("applyWorkload"))
    );
    world
        .mainstay(&["users", "grant", "maria", "operator", "--on", "site=east"])
        .is(0, &["operator@site=east"]);
    // Not by other tags, and not by taking a workload of others.
    maria.is(403, "POST", "/v1/workloads", &files("east", "west"));
    maria.is(403, "POST", "/v1/workloads", &files("west", "east"));
    let applied = maria.is(200, "POST", "/v1/workloads", &files("east", "east"));
    assert_eq!(applied["change"]["by"], "person:maria", "{applied:#}");
    let started = world.event("change.started", |event| event["actor"] == "person:maria");
    assert_eq!(started["privileged"], true, "{started:#}");

    // A token has no more than its user, and not what it was not made for.
    let token = maria.is(
        201,
        "POST",
        "/v1/tokens",
        &json!({ "name": "ci", "grants": [{ "role": "viewer", "on": "*" }], "lasts_ms": 60_000 }),
    );
    let secret = token["token"].as_str().expect("a secret").to_owned();
    let ci = Visitor::with_token(&world, &secret);
    assert_eq!(names(&ci.is(200, "GET", "/v1/workloads", &Value::Null)), ["east"]);
    ci.is(403, "POST", "/v1/workloads", &files("east", "east"));
    ci.is(403, "POST", "/v1/tokens", &json!({ "name": "more", "grants": [{ "role": "viewer", "on": "*" }] }));

    // All of it survives a restart, and ends when she is disabled.
    world.end_server(rustix::process::Signal::TERM);
    world.start_server();
    let maria = Visitor { port: world.http, shown: maria.shown };
    let ci = Visitor::with_token(&world, &secret);
    maria.is(200, "GET", "/v1/me", &Value::Null);
    ci.is(200, "GET", "/v1/me", &Value::Null);
    world.mainstay(&["users", "disable", "maria", "--reason", "left"]).is(0, &["disabled"]);
    maria.is(401, "GET", "/v1/me", &Value::Null);
    ci.is(401, "GET", "/v1/me", &Value::Null);
    let who = json!({ "user": "maria", "password": PASSWORD });
    Visitor::nobody(&world).is(401, "POST", "/v1/sign-in", &who);
    world.proves();
}

#[test]
fn a_narrow_token_sees_and_takes_back_itself_only() {
    let world = server();
    add_user(&world, &["ann", "--grant", "admin"]);
    let ann = Visitor::signed_in(&world, "ann", PASSWORD);
    let make = |name: &str, role: &str, on: &str| {
        let new = json!({ "name": name, "grants": [{ "role": role, "on": on }] });
        let made = ann.is(201, "POST", "/v1/tokens", &new);
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        (text("id"), Visitor::with_token(&world, &text("token")))
    };
    let (wide_id, wide) = make("wide", "admin", "*");
    let ids = |visitor: &Visitor, path: &str| -> Vec<String> {
        let page = visitor.is(200, "GET", path, &Value::Null);
        let items = page["items"].as_array().expect("items").iter();
        items.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    };
    let session = ids(&ann, "/v1/sessions").remove(0);
    for (role, on) in [("admin", "env=staging"), ("viewer", "*")] {
        let (own, narrow) = make("narrow", role, on);
        assert_eq!(ids(&narrow, "/v1/tokens"), [own.as_str()]);
        assert!(ids(&narrow, "/v1/sessions").is_empty());
        for (method, path) in [
            ("GET", format!("/v1/tokens/{wide_id}")),
            ("DELETE", format!("/v1/tokens/{wide_id}")),
            ("DELETE", format!("/v1/sessions/{session}")),
        ] {
            narrow.is(404, method, &path, &Value::Null);
        }
        // A link makes a session, and a session makes wider tokens.
        narrow.is(403, "POST", "/v1/sign-in/link", &json!({ "user": "ann" }));
        narrow.is(200, "GET", &format!("/v1/tokens/{own}"), &Value::Null);
        narrow.is(204, "DELETE", &format!("/v1/tokens/{own}"), &Value::Null);
        narrow.is(401, "GET", "/v1/me", &Value::Null);
    }
    // One that may see to users is not bound so.
    assert_eq!(ids(&wide, "/v1/sessions"), [session.as_str()]);
    wide.is(204, "DELETE", &format!("/v1/sessions/{session}"), &Value::Null);
    ann.is(401, "GET", "/v1/me", &Value::Null);
}

#[test]
fn over_tls_cookies_are_of_this_host_only() {
    let mut world = World::new();
    let mut command = world.server_command();
    command.args(["--public-url", "https://ops.example.org"]);
    let mut server = Process::start("server", command);
    server.line("Mainstay listens on http://");
    world.server = Some(server);
    add_user(&world, &["jo", "--grant", "viewer"]);
    let who = json!({ "user": "jo", "password": PASSWORD });
    let (head, _) = Visitor::nobody(&world).exchange("POST", "/v1/sign-in", &who);
    let cookie = header(&head, "set-cookie").expect("a cookie").to_owned();
    let name = format!("__Host-mainstay_session_{}", world.http);
    for part in [&format!("{name}="), "Secure", "HttpOnly", "SameSite=Strict", "Path=/;"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let value = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair").1.to_owned();
    let show = |cookies: String| Visitor { port: world.http, shown: vec![format!("Cookie: {cookies}")] };
    show(format!("{name}={value}")).is(200, "GET", "/v1/me", &Value::Null);
    // What another site of the domain can set is not looked at, and hides nothing.
    let bare = name.trim_start_matches("__Host-");
    for other in [bare.to_owned(), format!("{name}x"), "mainstay_session".to_owned()] {
        show(format!("{other}={value}")).is(401, "GET", "/v1/me", &Value::Null);
    }
    let many = format!("{name}=0123; ").repeat(50);
    show(format!("{many}{name}={value}")).is(200, "GET", "/v1/me", &Value::Null);

    // Behind the proxy an address is what it says last, and not what it was told before, in whatever lines.
    let wrong = json!({ "user": "jo", "password": "not the right one" });
    let through = |told: &str, proxy: &str, body: &Value| {
        let shown = [told, proxy].map(|one| format!("X-Forwarded-For: {one}")).to_vec();
        Visitor { port: world.http, shown }.ask("POST", "/v1/sign-in", body).0
    };
    for number in 0..10 {
        assert_eq!(through(&format!("198.51.100.{number}"), "2001:db8::7", &wrong), 401);
    }
    assert_eq!(through("198.51.100.99", "2001:db8::ffff", &who), 429, "the same network");
    assert_eq!(through("2001:db8::7", "203.0.113.9", &who), 200, "somebody else gets in");
    let refused = world.event("access.refused", |event| event["data"]["user"] == "jo");
    assert_eq!(refused["data"]["address"], "2001:db8::7");
}

#[test]
fn who_signs_in_at_a_provider_is_a_user_that_was_meant_for_it() {
    let mut world = World::new();
    std::fs::create_dir_all(world.data()).expect("made");
    let issuer = "http://127.0.0.1:9";
    let config = json!({ "oidc": [{ "name": "company", "issuer": issuer, "client_id": "mainstay" }] });
    std::fs::write(world.data().join("sign-in.json"), config.to_string()).expect("written");
    world.start_server();
    let no_such = world.mainstay(&["users", "add", "ci", "--provider", "compny", "--grant", "admin"]);
    no_such.is(4, &["no provider `compny`", "there is `company`"]);
    let ci = world.json(&["users", "add", "ci", "--provider", "company", "--grant", "admin"]);
    assert_eq!((&ci["signs_in_with"], &ci["has_password"]), (&json!(issuer), &json!(false)));
    world.mainstay(&["users"]).is(0, &["provider"]);
    let both = json!({ "user": "al", "password": PASSWORD, "provider": "company" });
    assert_eq!(world.request("POST", "/v1/users", &both.to_string()).0, 422);
    // Said of somebody who is there, and taken back.
    world.mainstay(&["users", "add", "jo", "--no-password", "--grant", "viewer"]).is(0, &["link"]);
    assert_eq!(world.json(&["users", "provider", "jo", "company"])["signs_in_with"], issuer);
    assert!(world.json(&["users", "provider", "jo"])["signs_in_with"].is_null());
    world.event("access.user.awaited", |event| {
        event["data"]["user"] == "jo" && event["data"]["issuer"].is_null()
    });
    let ci = world.json(&["login-link", "--user", "ci"])["url"].as_str().expect("a link").to_owned();
    let path = format!("/enter/{}", ci.rsplit('/').next().expect("a code"));
    let (head, _) = Visitor::nobody(&world).exchange("GET", &path, &Value::Null);
    let ci = Visitor::in_session(&world, &head);
    assert_eq!(ci.is(200, "GET", "/v1/me", &Value::Null)["signs_in_with"], issuer);
    let why = ci.is(403, "POST", "/v1/me/password", &json!({ "new": PASSWORD }));
    assert!(why["title"].as_str().is_some_and(|title| title.contains("account elsewhere")), "{why:#}");
    // Who administers users gives one; then it is the password that lets them in.
    let set = |arguments: &[&str]| {
        let mut all = vec!["users", "password", "ci"];
        all.extend(arguments);
        run_with(world.command(&all), &format!("{PASSWORD}\n"))
    };
    set(&[]).is(0, &["their sessions have ended"]);
    let ci = Visitor::signed_in(&world, "ci", PASSWORD);
    let new = json!({ "name": "x", "grants": [{ "role": "viewer", "on": "*" }] });
    let token = ci.is(201, "POST", "/v1/tokens", &new)["token"].as_str().expect("a secret").to_owned();
    set(&[]).is(0, &[]);
    Visitor::with_token(&world, &token).is(200, "GET", "/v1/me", &Value::Null);
    set(&["--revoke-tokens"]).is(0, &["sessions and tokens"]);
    Visitor::with_token(&world, &token).is(401, "GET", "/v1/me", &Value::Null);
}

#[test]
fn secrets_of_people_are_told_once_and_kept_nowhere() {
    let mut world = server();
    add_user(&world, &["jo", "--grant", "viewer"]);
    let jo = Visitor::signed_in(&world, "jo", PASSWORD);
    let cookie = jo.shown[0].split('=').nth(1).expect("a value").to_owned();
    let new = json!({ "name": "ci", "grants": [{ "role": "viewer", "on": "*" }] });
    let token = jo.is(201, "POST", "/v1/tokens", &new)["token"].as_str().expect("a secret").to_owned();
    let link = world.json(&["login-link"])["url"].as_str().expect("a link").to_owned();
    let code = link.rsplit('/').next().expect("a code").to_owned();

    let events = world.request("GET", "/v1/events?limit=1000", "").1;
    for word in ["$argon2", "\"hash\":\"$", PASSWORD, &cookie, &token, &code] {
        assert!(!events.contains(word), "an event tells {word}");
    }
    let set = world.events("access.password.set");
    assert_eq!(
        (set.len(), &set[0]["data"], &set[0]["privileged"]),
        (1, &json!({ "user": "jo" }), &json!(true))
    );
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
    let mut files = vec![world.data()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path).expect("readable").map(|entry| entry.expect("an entry").path()),
            );
        } else if let Ok(bytes) = std::fs::read(&path) {
            for secret in [PASSWORD, &cookie, &token, &code] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} has {secret}", path.display());
            }
        }
    }
}

#[test]
fn passwords_cannot_be_guessed_at_leisure() {
    let mut world = server();
    add_user(&world, &["jo", "--grant", "viewer"]);
    let nobody = Visitor::nobody(&world);
    let wrong = |user: &str| json!({ "user": user, "password": "not the right one" });
    let first = nobody.is(401, "POST", "/v1/sign-in", &wrong("jo"));
    let other = nobody.is(401, "POST", "/v1/sign-in", &wrong("no-such-user"));
    assert_eq!(first, other, "it is not told which names there are");
    for _ in 0..9 {
        nobody.is(401, "POST", "/v1/sign-in", &wrong("jo"));
    }
    let (head, body) = nobody.exchange("POST", "/v1/sign-in", &wrong("jo"));
    assert!(head.starts_with("HTTP/1.1 429"), "{head}\n{body}");
    let wait: u64 = header(&head, "retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    nobody.is(429, "POST", "/v1/sign-in", &json!({ "user": "jo", "password": PASSWORD }));
    let refused = world.event("access.refused", |event| event["data"]["user"] == "jo");
    assert_eq!(refused["data"]["address"], "127.0.0.1");
    assert!(!refused.to_string().contains("not the right one"));
}

#[test]
fn the_command_line_keeps_a_token_of_its_own() {
    let world = server();
    add_user(&world, &["jo", "--grant", "responder"]);
    let url = format!("http://127.0.0.1:{}", world.http);
    let home = world.dir().join("home");
    let elsewhere = |arguments: &[&str]| {
        let mut command = crate::world::mainstay(&crate::world::binary());
        command.args(arguments).current_dir(world.dir()).env("XDG_CONFIG_HOME", &home);
        command
    };
    run_with(elsewhere(&["login", &url, "--user", "jo"]), "wrong password\n").is(4, &["is wrong"]);
    run_with(elsewhere(&["login", &url, "--user", "jo"]), &format!("{PASSWORD}\n")).is(0, &["jo at"]);
    let path = home.join("mainstay/tokens.json");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    run_with(elsewhere(&["--server", &url, "status"]), "").is(0, &[]);
    run_with(elsewhere(&["--server", &url, "users"]), "").is(4, &["You may not see to users"]);
    let tokens = world.json(&["tokens", "list", "--all"]);
    let id = tokens["items"][0]["id"].as_str().expect("a token").to_owned();
    world.mainstay(&["tokens", "revoke", &id]).is(0, &["holds no more"]);
    run_with(elsewhere(&["--server", &url, "status"]), "").is(4, &["holds no longer"]);
    run_with(elsewhere(&["login", "http://192.0.2.1:7600", "--user", "jo"]), "x\n").is(2, &["without TLS"]);
}

#[test]
fn lists_are_filtered_and_what_is_known_is_not_sent_again() {
    let mut world = server();
    let tagged = format!("workload: shop\ntags: {{ team: pay }}\ncomponents:\n{}", idle("a", 1000));
    world.write("mainstay.yaml", &tagged);
    world.apply();
    for (id, text) in [("1", "Needle in the hay"), ("2", "hay")] {
        world.say(id, "note.written", &json!({ "text": text }));
    }
    let ids = |query: &str| -> Vec<String> {
        let (status, body) = world.request("GET", &format!("/v1/events?{query}"), "");
        assert_eq!(status, 200, "{query}: {body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        let items = page["items"].as_array().expect("items");
        items.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids("contains=needle"), ["1"]);
    assert_eq!(ids("source=e2e&after=0"), ["1", "2"]);
    assert_eq!(ids("source=e2e&until=2000-01-01T00:00:00Z"), [""; 0]);
    assert!(ids("subject=change/&limit=1000").len() > 1, "all below a subject");
    assert_eq!(ids("actor=person:nobody"), [""; 0]);
    for (path, status) in [
        ("/v1/incidents?status=open", 200),
        ("/v1/incidents?status=half", 400),
        ("/v1/alarms?state=firing,pending&workload=shop", 200),
        ("/v1/hosts?selector=role%3Dapp", 200),
        ("/v1/hosts?selector=%3D", 400),
        ("/v1/hosts?selctor=a", 400),
    ] {
        assert_eq!(world.request("GET", path, "").0, status, "{path}");
    }

    // Whatever belongs to a workload is picked by the workload's tags.
    let length = |path: &str| {
        let (status, body) = world.request("GET", path, "");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        (status, page["items"].as_array().map_or(0, Vec::len))
    };
    for list in ["changes", "runs", "incidents", "triggers", "dead-letters", "silences"] {
        assert_eq!(length(&format!("/v1/{list}?selector=team%3Dother")), (200, 0), "{list}");
        assert_eq!(length(&format!("/v1/{list}?selector=%3D")).0, 400, "{list}");
    }
    world.json(&[
        "silences",
        "create",
        "alertname=A",
        "--workload",
        "shop",
        "--for",
        "1h",
        "--reason",
        "works",
    ]);
    for list in ["changes", "silences"] {
        assert_eq!(length(&format!("/v1/{list}?selector=team%3Dpay%2Cworkload%3Dshop")), (200, 1), "{list}");
        assert_eq!(length(&format!("/v1/{list}?selector=team%21%3Dpay")), (200, 0), "{list}");
    }

    let authorization = format!("Authorization: Bearer {}", world.token());
    let port = world.http;
    let get = |more: &str| exchange(port, "GET", "/v1/workloads", &[&authorization, more], "");
    let (head, first) = get("Accept: */*");
    let tag = header(&head, "etag").expect("a tag").to_owned();
    let (head, body) = get(&format!("If-None-Match: {tag}"));
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{head}\n{body}");
    world.write("mainstay.yaml", &format!("workload: shop\ncomponents:\n{}", idle("b", 1000)));
    world.apply();
    world.event("revision.applied", |event| event["data"]["parent"].is_string());
    let (head, body) = get(&format!("If-None-Match: {tag}"));
    assert!(head.starts_with("HTTP/1.1 200") && body != first, "{head}");
    assert!(exchange(world.http, "PUT", "/v1/workloads", &[&authorization], "").0.contains("405"));
}

#[test]
fn what_is_changed_is_what_was_seen_and_what_is_sent_twice_is_done_once() {
    let world = server();
    let authorization = format!("Authorization: Bearer {}", world.token());
    let ask = |method: &str, path: &str, more: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (head, answer) = exchange(world.http, method, path, &[&authorization, more], &body);
        let status: u16 = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let tag = header(&head, "etag").unwrap_or_default().to_owned();
        (status, tag, serde_json::from_str::<Value>(&answer).unwrap_or_default())
    };
    let once = "Idempotency-Key: first";
    // A user is added once, with all of it.
    let jo = json!({ "user": "jo", "password": PASSWORD, "grants": [{ "role": "viewer", "on": "*" }] });
    let (status, _, first) = ask("POST", "/v1/users", once, &jo);
    assert_eq!((status, first["grants"].as_array().map(Vec::len)), (201, Some(1)), "{first:#}");
    let (status, _, again) = ask("POST", "/v1/users", once, &jo);
    assert_eq!((status, &again), (201, &first));
    assert_eq!(ask("POST", "/v1/users", "Idempotency-Key: second", &jo).0, 409, "there is one already");
    let other_password = json!({ "user": "jo", "password": "another long one", "grants": jo["grants"] });
    for other in [json!({ "user": "al" }), json!({ "user": "jo" }), other_password] {
        let (status, _, why) = ask("POST", "/v1/users", once, &other);
        assert_eq!(
            (status, &why["title"]),
            (422, &json!("This key was used for another request")),
            "{other}"
        );
    }
    assert_eq!(world.events("access.user.added").len(), 1);

    // A token is made once, and told again to who shows the key; not to others.
    let new = json!({ "name": "ci", "grants": [{ "role": "viewer", "on": "*" }] });
    let (status, _, made) = ask("POST", "/v1/tokens", once, &new);
    assert_eq!(status, 201);
    let (status, _, again) = ask("POST", "/v1/tokens", once, &new);
    assert_eq!((status, &again), (201, &made));
    let wider = json!({ "name": "ci", "grants": [{ "role": "admin", "on": "*" }] });
    let (status, _, why) = ask("POST", "/v1/tokens", once, &wider);
    assert!(status == 422 && why["token"].is_null(), "{why:#}");
    let (status, _, link) = ask("POST", "/v1/sign-in/link", once, &json!({ "user": "jo" }));
    assert_eq!(status, 200, "the key is each operation's own: {link:#}");
    assert_eq!(ask("POST", "/v1/sign-in/link", once, &json!({})).0, 422);
    let jo = Visitor::signed_in(&world, "jo", PASSWORD);
    let headers = [jo.shown[0].as_str(), jo.shown[1].as_str(), once];
    let (_, hers) = exchange(world.http, "POST", "/v1/tokens", &headers, &new.to_string());
    let hers: Value = serde_json::from_str(&hers).expect("JSON");
    assert!(hers["token"].is_string() && hers["token"] != made["token"], "{hers:#}");
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    jo.is(404, "GET", &path, &Value::Null);

    // What was seen is what is changed.
    let (_, seen, user) = ask("GET", "/v1/users/jo", "Accept: */*", &Value::Null);
    let grants = "/v1/users/jo/grants";
    let operator = json!({ "role": "operator", "on": "*" });
    assert_eq!(ask("POST", grants, &format!("If-Match: {seen}"), &operator).0, 200);
    let (status, _, why) =
        ask("POST", grants, &format!("If-Match: {seen}"), &json!({ "role": "admin", "on": "*" }));
    assert_eq!((status, &why["kind"]), (412, &json!("changed")), "{why:#}");
    let grant = format!("{grants}/{}", user["grants"][0]["id"].as_str().expect("an id"));
    let disable = "/v1/users/jo/disable";
    assert_eq!(ask("DELETE", &grant, &format!("If-Match: {seen}"), &Value::Null).0, 412);
    assert_eq!(ask("POST", disable, &format!("If-Match: {seen}"), &json!({})).0, 412);
    let (_, seen, user) = ask("GET", "/v1/users/jo", "Accept: */*", &Value::Null);
    assert_eq!((&user["state"], user["grants"].as_array().map(Vec::len)), (&json!("active"), Some(2)));
    assert_eq!(ask("DELETE", &grant, &format!("If-Match: \"other\", {seen}"), &Value::Null).0, 200);

    let (_, seen, _) = ask("GET", &path, "Accept: */*", &Value::Null);
    assert_eq!(ask("DELETE", &path, "If-Match: \"other\"", &Value::Null).0, 412);
    assert_eq!(ask("DELETE", &path, &format!("If-Match: {seen}"), &Value::Null).0, 204);
    assert_eq!(ask("GET", &path, "Accept: */*", &Value::Null).0, 404);
    let (status, _, why) = ask("POST", "/v1/tokens", once, &new);
    assert_eq!(status, 409, "what was taken back is not made anew: {why:#}");

    let ends_at = "2999-01-01T00:00:00Z";
    let silence = json!({ "matchers": [{ "name": "a", "value": "b" }], "starts_at": "2998-12-31T00:00:00Z", "ends_at": ends_at, "reason": "x" });
    let (status, _, made) = ask("POST", "/v1/silences", once, &silence);
    assert_eq!(status, 201, "{made:#}");
    let path = format!("/v1/silences/{}", made["id"].as_str().expect("an id"));
    let (_, seen, read) = ask("GET", &path, "Accept: */*", &Value::Null);
    assert_eq!(read, made);
    let expire = format!("{path}/expire");
    assert_eq!(ask("POST", &expire, "If-Match: \"other\"", &Value::Null).0, 412);
    assert_eq!(ask("POST", &expire, &format!("If-Match: {seen}"), &Value::Null).0, 200);
    assert_eq!(ask("POST", &expire, &format!("If-Match: {seen}"), &Value::Null).0, 412, "it is over now");
}

#[test]
fn every_list_has_pages_and_filters() {
    let world = server();
    for name in ["shop", "stall", "yard"] {
        let text = format!(
            "workload: {name}\nowner: team-{name}\ntags: {{ site: {name} }}\ncomponents:\n{}",
            idle("a", 1000)
        );
        world.write("mainstay.yaml", &text);
        world.apply();
    }
    for user in ["al", "jo", "max", "maria"] {
        add_user(&world, &[user, "--title", &format!("The {user}"), "--grant", "viewer"]);
    }
    world.mainstay(&["users", "disable", "max"]).is(0, &[]);
    for name in ["one", "two", "three"] {
        world.mainstay(&["tokens", "create", name, "--grant", "viewer@*"]).is(0, &[]);
        world.json(&["silences", "create", &format!("alertname={name}"), "--for", "1h", "--reason", "x"]);
    }
    for user in ["al", "jo", "jo"] {
        Visitor::signed_in(&world, user, PASSWORD);
    }
    let get = |path: &str| -> Value {
        let (status, body) = world.request("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    };
    let names = |page: &Value, key: &str| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|item| item[key].as_str().expect("a name").to_owned()).collect()
    };
    // Page by page one gets what one gets at once.
    for (path, key) in [
        ("/v1/workloads", "workload"),
        ("/v1/users", "user"),
        ("/v1/tokens", "name"),
        ("/v1/sessions?all=true", "id"),
        ("/v1/silences", "id"),
    ] {
        let all = names(&get(path), key);
        assert!(all.len() >= 3, "{path}: {all:?}");
        let sign = if path.contains('?') { '&' } else { '?' };
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&format!("{path}{sign}limit=1{cursor}"));
            assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{path}");
            paged.extend(names(&page, key));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, all, "{path}");
    }
    for (path, key, wanted) in [
        ("/v1/workloads?selector=site%20in%20(shop,yard)", "workload", vec!["shop", "yard"]),
        ("/v1/workloads?contains=TEAM-ST", "workload", vec!["stall"]),
        ("/v1/users?state=disabled", "user", vec!["max"]),
        ("/v1/users?contains=MA&state=active", "user", vec!["maria"]),
        ("/v1/sessions?user=jo", "user", vec!["jo", "jo"]),
        ("/v1/tokens?user=jo", "name", vec![]),
        ("/v1/silences?state=expired", "id", vec![]),
        ("/v1/hosts?connected=true&sort=trouble", "id", vec![]),
        ("/v1/alarms?sort=state&selector=severity%3Dpage", "alarm", vec![]),
        ("/v1/triggers?state=on&contains=x", "trigger", vec![]),
    ] {
        assert_eq!(names(&get(path), key), wanted, "{path}");
    }
    for path in [
        "/v1/users?state=gone",
        "/v1/alarms?state=loud",
        "/v1/hosts?sort=size",
        "/v1/workloads?selector=%3D",
        "/v1/triggers?state=x",
    ] {
        assert_eq!(world.request("GET", path, "").0, 400, "{path}");
    }
    let al = Visitor::signed_in(&world, "al", PASSWORD);
    al.is(403, "GET", "/v1/sessions?user=jo", &Value::Null);
    al.is(200, "GET", "/v1/sessions?user=al", &Value::Null);
}
