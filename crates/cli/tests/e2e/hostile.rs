//! Whatever comes in by the paths for events, by whoever: it is taken, or refused with a 4xx that says why, and the
//! server goes on as if nothing had been.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mainstay_server::webhooks::standard_signature;
use serde_json::{Value, json};

use crate::intake::ask;
use crate::world::World;

const KEY: &str = "s3cret-of-the-test";

/// A server with a source of each kind.
fn up() -> World {
    let mut world = World::new();
    let key = world.dir().join("key");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&key).expect("made");
    file.write_all(format!("{KEY}\n").as_bytes()).expect("written");
    world.start_server();
    let token = format!("token: {{ secret: \"file:{}\" }}", key.display());
    let sources = [
        ("signed", format!("kind: webhook, signature: {{ secret: \"file:{}\" }}", key.display())),
        ("hook", format!("kind: webhook, {token}")),
        ("github", format!("kind: github, {token}")),
        ("am", format!("kind: alertmanager, {token}")),
        ("ce", format!("kind: cloudevents, {token}")),
        ("bus", format!("kind: eventbridge, {token}")),
    ];
    let lines: String = sources.iter().map(|(name, text)| format!("  {name}: {{ {text} }}\n")).collect();
    world.write("mainstay.yaml", &format!("workload: shop\nsources:\n{lines}"));
    world.apply();
    world
}

fn seq(world: &World) -> Value {
    world.json(&["status"])["status"]["journal_seq"].clone()
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The sources that read JSON bodies, with what they want in the headers, and a body with `@` for a value in it.
const READERS: [(&str, Headers<'static>, &str); 5] = [
    ("hook", &[("content-type", "application/json")], r#"{"data":@}"#),
    (
        "github",
        &[("content-type", "application/json"), ("x-github-event", "push"), ("x-github-delivery", "d")],
        r#"{"commits":@}"#,
    ),
    (
        "am",
        &[("content-type", "application/json")],
        r#"{"version":"4","alerts":[{"status":"firing","startsAt":"2026-11-22T15:00:00Z","labels":{"a":@}}]}"#,
    ),
    (
        "ce",
        &[("content-type", "application/cloudevents+json")],
        r#"{"specversion":"1.0","id":"h","source":"ci","type":"built","data":@}"#,
    ),
    (
        "bus",
        &[("content-type", "application/x-amz-json-1.1")],
        r#"{"Entries":[{"Source":"a","DetailType":"b","Detail":"{}","Resources":@}]}"#,
    ),
];

#[test]
fn bodies_that_are_not_right_are_refused_by_every_source() {
    let world = up();
    let bearer = ("authorization", &*format!("Bearer {KEY}"));
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    let bad: [(&str, Vec<u8>); 9] = [
        ("nested", deep(110)),
        ("nested too deeply", deep(200_000)),
        ("twice", br#"{"b":1,"b":2}"#.to_vec()),
        ("UTF-8", b"\"\xff\xfe\"".to_vec()),
        ("UTF-8", b"\"\xc3\"".to_vec()),
        ("out of range", b"1e999".to_vec()),
        ("JSON", b"NaN".to_vec()),
        ("JSON", br#""\ud800""#.to_vec()),
        ("JSON", b"[1,".to_vec()),
    ];
    let before = seq(&world);
    for (name, headers, template) in READERS {
        let (start, end) = template.split_once('@').expect("a place for the value");
        let path = format!("/v1/hooks/shop/{name}");
        let send = |extra: &[(&str, &str)], body: &[u8]| {
            let mut all = vec![bearer];
            all.extend(headers.iter().filter(|(name, _)| extra.iter().all(|(other, _)| other != name)));
            all.extend(extra);
            let (status, head, said) = ask(&world, &path, &all, body);
            (status, head, said.to_string())
        };
        for (part, value) in &bad {
            let body = [start.as_bytes(), value, end.as_bytes()].concat();
            let (status, head, said) = send(&[], &body);
            assert!(status == 400 && said.contains(part), "{name}, {part}: {status} {said}");
            assert!(head.contains("application/problem+json"), "{head}");
        }
        let whole = template.replace('@', "[]");
        for (extra, body, status, part) in [
            (&[("content-type", "text/csv")][..], whole.as_bytes(), 415, "text/csv"),
            (&[("content-type", "application/json; charset=utf-16")], whole.as_bytes(), 415, "utf-16"),
            (&[("content-encoding", "br")], whole.as_bytes(), 415, "encoding"),
            (&[("content-encoding", "gzip")], whole.as_bytes(), 400, "not gzip"),
            (&[], b"", 400, "EOF"),
            (&[], b"\"text", 400, "EOF"),
            (&[], b"{} {}", 400, "JSON"),
            (&[], &vec![b' '; 17 << 20], 413, "larger than 16 MiB"),
        ] {
            // What EventBridge itself sends says nothing more of its type, so that source does not ask.
            if name == "bus" && part == "text/csv" {
                continue;
            }
            let (found, _, said) = send(extra, body);
            assert!(found == status && said.contains(part), "{name}, {part}: {found} {said}");
        }
    }
    // What is too large for one event, in a body that is not.
    let large = format!("{{\"data\": \"{}\"}}", "x".repeat(1_100_000));
    let form = ("content-type", "application/json");
    let (status, _, said) = ask(&world, "/v1/hooks/shop/hook", &[bearer, form], large.as_bytes());
    assert!(status == 400 && said.to_string().contains("1.0 MiB is the most"), "{status} {said}");
    assert_eq!(seq(&world), before, "nothing of it was taken");
    let (status, _, _) = ask(&world, "/v1/hooks/shop/hook", &[bearer, form], b"{\"data\": 1}");
    assert_eq!(status, 201);
    world.proves();
}

#[test]
fn what_is_only_strange_is_taken_or_refused_and_never_a_fault_of_the_server() {
    let world = up();
    let bearer = ("authorization", &*format!("Bearer {KEY}"));
    let form = ("content-type", "application/json");
    let long = "x".repeat(5000);
    let alert = |more: Value| {
        let mut alert = json!({"status": "firing", "startsAt": "2026-11-22T15:00:00Z", "labels": {}});
        for (key, value) in more.as_object().expect("a mapping") {
            alert[key] = value.clone();
        }
        json!({"version": "4", "alerts": [alert]}).to_string()
    };
    let many = json!({"version": "4", "alerts": vec![json!({}); 10_001]}).to_string();
    let am: [(String, u16, &str); 12] = [
        (json!({"version": "4", "alerts": []}).to_string(), 201, ""),
        (alert(json!({"labels": {"alertname": long}})), 201, ""),
        (alert(json!({"labels": {"alertname": "a\u{0}\nb"}})), 201, ""),
        (alert(json!({"labels": [1, 2], "fingerprint": {"a": 1}})), 201, ""),
        (alert(json!({"startsAt": "9999-12-31T23:59:59Z"})), 201, ""),
        (alert(json!({"startsAt": "0001-01-01T00:00:00Z"})), 201, ""),
        (alert(json!({"startsAt": "99999-01-01T00:00:00Z"})), 400, "startsAt"),
        (alert(json!({"status": 7})), 400, "status"),
        (json!({"version": "4", "alerts": "all"}).to_string(), 400, "alerts"),
        (json!({"version": 4, "alerts": []}).to_string(), 400, "version"),
        ("[]".to_owned(), 400, "version"),
        (many, 400, "10000 are the most"),
    ];
    for (body, status, part) in &am {
        let (found, _, said) = ask(&world, "/v1/hooks/shop/am", &[bearer, form], body.as_bytes());
        let said = said.to_string();
        assert!(found == *status && said.contains(part), "{status} {part}: {found} {said}");
    }
    let push = ("x-github-event", "push");
    let github: [(Headers<'_>, &str, u16); 6] = [
        (&[push, ("x-github-delivery", "a/ b")], "[]", 201),
        (
            &[push, ("x-github-delivery", &long)],
            &format!("{{\"repository\": {{\"full_name\": \"{long}\"}}}}"),
            201,
        ),
        (&[push, ("x-github-delivery", "n")], "{\"action\": \"../../x\", \"repository\": 7}", 201),
        (&[push], "{}", 400),
        (&[("x-github-event", "../push"), ("x-github-delivery", "o")], "{}", 400),
        (&[("x-github-event", &long), ("x-github-delivery", "p")], "{}", 400),
    ];
    for (headers, body, status) in github {
        let all = [&[bearer, form], headers].concat();
        let (found, _, said) = ask(&world, "/v1/hooks/shop/github", &all, body.as_bytes());
        assert_eq!(found, status, "{headers:?} {body}: {said}");
    }
    // Headers of CloudEvents.
    let ce = [("ce-specversion", "1.0"), ("ce-id", "b"), ("ce-source", "ci"), ("ce-type", "built")];
    for (more, status, part) in [
        (("ce-subject", "%zz"), 400, "ce-subject"),
        (("ce-subject", "%ff"), 400, "ce-subject"),
        (("ce-id", "c"), 400, "twice"),
        (("ce-type", "run.finished"), 400, "twice"),
        (("ce-time", "yesterday"), 400, "time"),
        (("ce-traceparent", "00-x"), 400, "traceparent"),
        (("ce-actor", "person:operator"), 400, "actor"),
        (("ce-workload", "other"), 201, "shop"),
    ] {
        let (found, _, said) =
            ask(&world, "/v1/hooks/shop/ce", &[&[bearer, form, more], &ce[..]].concat(), b"{}");
        let said = said.to_string();
        assert!(found == status && said.contains(part), "{more:?}: {found} {said}");
    }
    // Paths and methods.
    for path in [
        "/v1/hooks/shop/none",
        "/v1/hooks/none/hook",
        "/v1/hooks/%00/%2e%2e",
        "/v1/hooks/shop/%ff",
        "/v1/hooks/shop",
    ] {
        let (found, _, said) = ask(&world, path, &[bearer, form], b"{}");
        assert!((400..500).contains(&found), "{path}: {found} {said}");
    }
    world.proves();
}

#[test]
fn a_delivery_is_known_by_its_signature_and_counts_once() {
    let world = up();
    // The server has just begun, so this is a time of now.
    let started = world.json(&["status"])["status"]["started_at"].as_str().map(str::to_owned);
    let started: mainstay_model::Timestamp = started.expect("a time").parse().expect("a time");
    let seconds = started.as_millis() / 1000;
    let body = b"{\"n\": 1}";
    let signed = |key: &str, id: &str, at: i64, body: &[u8]| {
        format!("v1,{}", BASE64.encode(standard_signature(key, id, at, body)))
    };
    let send = |id: Option<&str>, at: Option<&str>, signature: Option<&str>, body: &[u8]| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(id.map(|id| ("webhook-id", id)));
        headers.extend(at.map(|at| ("webhook-timestamp", at)));
        headers.extend(signature.map(|signature| ("webhook-signature", signature)));
        let (status, _, said) = ask(&world, "/v1/hooks/shop/signed", &headers, body);
        assert!(!said.to_string().contains(KEY), "{said}");
        (status, said.to_string())
    };
    let at = seconds.to_string();
    let good = signed(KEY, "m-1", seconds, body);
    assert_eq!(send(Some("m-1"), Some(&at), Some(&good), body).0, 201);
    // A replay of it is answered with what there is, and is no other event.
    assert_eq!(send(Some("m-1"), Some(&at), Some(&good), body).0, 201);
    assert_eq!(world.events("webhook.received").len(), 1);
    let before = seq(&world);
    let old = (seconds - 400).to_string();
    let ahead = (seconds + 4000).to_string();
    let two = format!("v1,AAAA {}", signed("other", "m-1", seconds, body));
    for (id, time, signature, sent, part) in [
        (Some("m-1"), Some(&*at), Some(&*good), &b"{\"n\": 2}"[..], "not that of this body"),
        (Some("m-2"), Some(&at), Some(&good), body, "not that of this body"),
        (Some("m-1"), Some(&old), Some(&good), body, "s old"),
        (Some("m-1"), Some(&old), Some(&*signed(KEY, "m-1", seconds - 400, body)), body, "s old"),
        (Some("m-1"), Some(&ahead), Some(&*signed(KEY, "m-1", seconds + 4000, body)), body, "s ahead"),
        (Some("m-1"), Some("soon"), Some(&good), body, "no number of seconds"),
        (Some("m-1"), Some("99999999999999999999"), Some(&good), body, "no number of seconds"),
        (Some("m-1"), Some("-9223372036854775808"), Some(&good), body, "s old"),
        (None, Some(&at), Some(&good), body, "webhook-id"),
        (Some("m-1"), None, Some(&good), body, "webhook-timestamp"),
        (Some("m-1"), Some(&at), None, body, "there is no `webhook-signature`"),
        (Some("m-1"), Some(&at), Some(""), body, "not that of this body"),
        (Some("m-1"), Some(&at), Some("v1,"), body, "not that of this body"),
        (Some("m-1"), Some(&at), Some("v2,AAAA"), body, "not that of this body"),
        (Some("m-1"), Some(&at), Some("v1,%%%%"), body, "not that of this body"),
        (Some("m-1"), Some(&at), Some(&two), body, "not that of this body"),
    ] {
        let (status, said) = send(id, time, signature, sent);
        assert!(status == 401 && said.contains(part), "{part}: {status} {said}");
    }
    // Who is known may still say what is not right.
    let broken = b"{\"n\": 1, \"n\": 2}";
    let (status, said) = send(Some("m-3"), Some(&at), Some(&signed(KEY, "m-3", seconds, broken)), broken);
    assert!(status == 400 && said.contains("twice"), "{status} {said}");
    assert_eq!(seq(&world), before);
    world.proves();
}

#[test]
fn requests_that_break_off_or_are_none_leave_the_server_as_it_is() {
    let world = up();
    let before = seq(&world);
    let line = "POST /v1/hooks/shop/hook HTTP/1.1\r\nhost: localhost\r\n";
    let known = format!("{line}authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
    let raw: Vec<(Vec<u8>, &[u16])> = vec![
        // Less than was announced, and nothing more.
        (format!("{known}content-length: 1000\r\n\r\n{{\"n\": 1").into_bytes(), &[400]),
        (format!("{known}content-length: 5\r\n\r\n{{\"n\": 1}}").into_bytes(), &[400]),
        (format!("{known}transfer-encoding: chunked\r\n\r\n8\r\n{{\"n\": 1}}").into_bytes(), &[400]),
        (format!("{known}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n").into_bytes(), &[400]),
        (format!("{known}content-length: -1\r\n\r\n{{}}").into_bytes(), &[400]),
        (format!("{known}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}").into_bytes(), &[400]),
        (format!("{known}content-length: 99999999999999999999\r\n\r\n{{}}").into_bytes(), &[400]),
        (format!("{known}content-length: 18446744073709551615\r\n\r\n{{}}").into_bytes(), &[400, 413, 431]),
        (format!("{known}x: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes(), &[400, 431]),
        (
            format!("{line}authorization: Bearer \u{e9}\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes(),
            &[400, 401],
        ),
        (
            [line.as_bytes(), b"authorization: Bearer \xff\r\ncontent-length: 2\r\n\r\n{}"].concat(),
            &[400, 401],
        ),
        (b"GET /v1/hooks/shop/hook HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), &[401, 404, 405]),
        (b"POST /v1/hooks/shop/hook HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        (vec![0; 100_000], &[400]),
        (b"POST".to_vec(), &[]),
    ];
    for (bytes, statuses) in raw {
        let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
        // It may have had enough before all of it was sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let text = String::from_utf8_lossy(&answer);
        // Who broke off may be answered, or not.
        let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        assert!(status.is_none_or(|status| statuses.contains(&status)), "{shown}: {text}");
    }
    let bearer = ("authorization", &*format!("Bearer {KEY}"));
    assert_eq!(seq(&world), before, "nothing of it was taken");
    let form = ("content-type", "application/json");
    assert_eq!(ask(&world, "/v1/hooks/shop/hook", &[bearer, form], b"{}").0, 201);
    world.proves();
}
