//! Events come in from outside, in every form and with every fault.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::world::World;

/// Sends a request as it is: the status, the headers as text, the body as JSON.
pub fn ask(world: &World, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("sent");
    // A server that refuses early may close before it has read all.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

fn post(world: &World, form: &str, body: &Value) -> (u16, Value) {
    let token = format!("Bearer {}", world.token());
    let headers = [("authorization", token.as_str()), ("content-type", form)];
    let (status, _, body) = ask(world, "/v1/events", &headers, body.to_string().as_bytes());
    (status, body)
}

/// Headers, a body, the status that is answered, and a part of the answer.
type Case<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "ci", "type": "built", "data": {"n": 1}})
}

#[test]
fn events_come_in_in_every_form() {
    let mut world = World::new();
    world.start_server();
    let one = "application/cloudevents+json";
    let (status, first) = post(&world, one, &event("a"));
    assert_eq!((status, &first["data"]), (201, &json!({"n": 1})));
    assert!(first["received"].is_string());
    let (status, again) = post(&world, "application/json", &event("a"));
    assert_eq!((status, &again["seq"]), (201, &first["seq"]), "a repeat is answered with the first record");
    let batch = json!([event("b"), event("c"), event("b")]);
    let (status, told) = post(&world, "application/cloudevents-batch+json", &batch);
    assert_eq!((status, &told["events"][0]["seq"]), (201, &told["events"][2]["seq"]));

    let token = format!("Bearer {}", world.token());
    let binary = [
        ("authorization", token.as_str()),
        ("ce-specversion", "1.0"),
        ("ce-id", "d"),
        ("ce-source", "/ci"),
        ("ce-type", "built"),
        ("ce-subject", "Euro%20%E2%82%AC"),
        ("ce-partitionkey", "k"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    let (status, _, told) = ask(&world, "/v1/events", &binary, b"{\"n\": 4}");
    assert_eq!((status, &told["subject"], &told["data"]), (201, &json!("Euro €"), &json!({"n": 4})));
    assert_eq!(told["tags"], json!({"partitionkey": "k"}));
    let mut little = binary.to_vec();
    little.extend([("prefer", "return=minimal")]);
    assert_eq!(ask(&world, "/v1/events", &little, b"{\"n\": 4}").0, 204);

    let entries = json!({"Entries": [
        {"Source": "my.app", "DetailType": "Placed", "Detail": "{\"n\": 5}"},
        {"Source": "aws.s3", "DetailType": "Placed", "Detail": "{}"},
        {"Source": "my.app", "DetailType": "Placed", "Detail": "[]"},
    ]});
    let (status, told) = post(&world, "application/x-amz-json-1.1", &entries);
    assert_eq!((status, &told["FailedEntryCount"]), (200, &json!(2)));
    assert!(told["Entries"][0]["EventId"].is_string());
    assert_eq!(told["Entries"][1]["ErrorCode"], "NotAuthorizedForSourceException");
    assert_eq!(told["Entries"][2]["ErrorCode"], "MalformedDetail");
    let kinds: Vec<Value> = world.events("built").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(kinds, ["a", "b", "c", "d"]);
    assert_eq!(world.events("Placed").len(), 1);
}

#[test]
fn what_is_not_right_is_refused_with_its_place_and_nothing_is_taken() {
    let mut world = World::new();
    world.start_server();
    let before = world.json(&["status"])["status"]["journal_seq"].clone();
    let token = format!("Bearer {}", world.token());
    let form = "application/cloudevents+json";
    let send = |extra: &[(&str, &str)], body: &[u8]| {
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(extra);
        let (status, head, body) = ask(&world, "/v1/events", &headers, body);
        assert!(head.contains("application/problem+json"), "{head}");
        (status, body.to_string())
    };
    let bomb = {
        use std::process::{Command, Stdio};
        let mut child =
            Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::thread::spawn(move || {
            let zeros = vec![b' '; 1 << 20];
            (0..64).for_each(|_| stdin.write_all(&zeros).expect("taken"));
        });
        child.wait_with_output().expect("packed").stdout
    };
    let whole = event("x").to_string();
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let typed = [("content-type", form)];
    let packed = [("content-type", form), ("content-encoding", "gzip")];
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let bare: [(&str, &str); 0] = [];
    let csv = [("content-type", "text/csv")];
    let avro = [("content-type", "application/cloudevents+avro")];
    let latin = [("content-type", "application/json; charset=latin1")];
    let brotli = [("content-type", form), ("content-encoding", "br")];
    let cases: Vec<Case<'_>> = vec![
        (&bare, whole.clone().into_bytes(), 415, "Content-Type"),
        (&csv, b"a,b".to_vec(), 415, "text/csv"),
        (&avro, b"x".to_vec(), 415, "avro"),
        (&latin, b"{}".to_vec(), 415, "latin1"),
        (&brotli, b"x".to_vec(), 415, "encoding"),
        (&typed, b"{\"a\": \"\xff\"}".to_vec(), 400, "byte 7"),
        (&typed, b"{".to_vec(), 400, "EOF"),
        (&typed, whole.replace("\"n\":1", "\"n\":1,\"n\":2").into_bytes(), 400, "twice, at `data.n`"),
        (&typed, whole.replace("{\"n\":1}", &deep).into_bytes(), 400, "nested too deeply"),
        (&typed, whole.replace("\"built\"", "\"alarm.firing\"").into_bytes(), 400, "only Mainstay itself"),
        (&typed, whole.replace("\"ci\"", "\"mainstay\"").into_bytes(), 400, "`source`"),
        (
            &typed,
            whole.replace("\"id\":\"x\"", "\"actor\":\"person:me\",\"id\":\"x\"").into_bytes(),
            400,
            "`actor`",
        ),
        (
            &typed,
            whole.replace("{\"n\":1}", &format!("\"{}\"", "x".repeat(2 << 20))).into_bytes(),
            400,
            "1.0 MiB is the most",
        ),
        (&typed, vec![b' '; 17 << 20], 413, "larger than 16 MiB"),
        (&packed, bomb, 413, "larger than 16 MiB"),
        (&packed, b"not gzip".to_vec(), 400, "not gzip"),
        (&batch, format!("[{whole},{{}},7]").into_bytes(), 400, "`[1].specversion`"),
        (&batch, whole.clone().into_bytes(), 400, "A batch is a list"),
        (&typed, format!("[{whole}]").into_bytes(), 400, "is a batch"),
    ];
    for (headers, body, status, part) in cases {
        let (found, said) = send(headers, &body);
        assert_eq!(found, status, "{part}: {said}");
        assert!(said.contains(part), "{part}: {said}");
    }
    let (status, _, _) = ask(&world, "/v1/events", &[("content-type", form)], whole.as_bytes());
    assert_eq!(status, 401);
    assert_eq!(world.json(&["status"])["status"]["journal_seq"], before);
    // After all of it, one that is right is taken.
    assert_eq!(post(&world, form, &event("x")).0, 201);
}

/// The body of each form with `@` for the data, and what it answers for data that is good.
const FORMS: [(&str, &str); 4] = [
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","id":"h","source":"ci","type":"built","data":@}"#,
    ),
    (
        "application/cloudevents-batch+json",
        r#"[{"specversion":"1.0","id":"h","source":"ci","type":"built","data":@}]"#,
    ),
    ("binary", "@"),
    ("application/x-amz-json-1.1", r#"{"Entries":[{"Source":"my.app","DetailType":"built","Detail":"@"}]}"#),
];

#[test]
fn hostile_data_is_refused_in_every_form() {
    let mut world = World::new();
    world.start_server();
    let token = format!("Bearer {}", world.token());
    let sent = std::cell::Cell::new(0);
    let send = |form: &str, template: &str, data: &[u8]| {
        // Each is another event.
        sent.set(sent.get() + 1);
        let id = format!("h{}", sent.get());
        let template = template.replace(r#""id":"h""#, &format!(r#""id":"{id}""#));
        let mut headers = vec![("authorization", token.as_str())];
        if form == "binary" {
            headers.extend([
                ("ce-specversion", "1.0"),
                ("ce-id", &id),
                ("ce-source", "ci"),
                ("ce-type", "built"),
            ]);
            headers.push(("content-type", "application/json"));
        } else {
            headers.push(("content-type", form));
        }
        let (before, after) = template.split_once('@').expect("a place for the data");
        // The detail of an entry is a text.
        let data = if before.ends_with('"') {
            let escaped: Vec<u8> = data
                .iter()
                .flat_map(|byte| match byte {
                    b'"' | b'\\' => vec![b'\\', *byte],
                    other => vec![*other],
                })
                .collect();
            escaped
        } else {
            data.to_vec()
        };
        let body = [before.as_bytes(), &data, after.as_bytes()].concat();
        let (status, _, said) = ask(&world, "/v1/events", &headers, &body);
        (status, said)
    };
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)).into_bytes();
    let wide = || format!("{{\"a\":\"{}\"}}", "x".repeat(1_100_000)).into_bytes();
    let bad: [(&str, Vec<u8>); 9] = [
        ("nested", deep(101)),
        ("nested too deeply", deep(100_000)),
        ("twice", br#"{"a":{"b":1,"b":2}}"#.to_vec()),
        ("UTF-8", b"{\"a\":\"\xff\xfe\"}".to_vec()),
        ("out of range", br#"{"a":1e999}"#.to_vec()),
        ("out of range", br#"{"a":-1e999}"#.to_vec()),
        ("JSON", br#"{"a":NaN}"#.to_vec()),
        ("JSON", br#"{"a":"\ud800"}"#.to_vec()),
        ("1.0 MiB is the most", wide()),
    ];
    for (form, template) in FORMS {
        let before = world.json(&["status"])["status"]["journal_seq"].clone();
        for (part, data) in &bad {
            let (status, said) = send(form, template, data);
            let said = said.to_string();
            // An entry that is refused is told in its place; its neighbours are not concerned.
            let is_refused = status == 400 || (status == 200 && said.contains("\"FailedEntryCount\":1"));
            assert!(is_refused && said.contains(part), "{form}, {part}: {status} {said}");
        }
        assert_eq!(world.json(&["status"])["status"]["journal_seq"], before, "{form}");
        // What is only unusual is kept as it is.
        let odd =
            br#"{"n":[9007199254740993,1e-300,18446744073709551615],"":{"":null},"s":"\u0000\ud83d\ude00"}"#;
        for data in [&odd[..], &deep(99)] {
            let (status, said) = send(form, template, data);
            assert!(matches!(status, 200 | 201), "{form}: {status} {said}");
            assert!(!said.to_string().contains("ErrorCode"), "{form}: {said}");
        }
    }
    world.proves();
}

#[test]
fn when_there_is_no_room_the_sender_is_told_to_come_back() {
    let mut world = World::new();
    world.start_server();
    let head = |kib: usize| {
        format!(
            "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            world.token(),
            kib << 10,
        )
    };
    // Senders that announce much and do not send it have the room meanwhile: 64 MiB, with 4 KiB for each of them.
    let slow: Vec<TcpStream> = [16 << 10, 16 << 10, 16 << 10, (16 << 10) - 16]
        .into_iter()
        .map(|kib| {
            let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
            stream.write_all(head(kib).as_bytes()).expect("sent");
            // The server asks for the body when it has made room for it.
            let mut said = [0; 25];
            stream.read_exact(&mut said).expect("it answers");
            assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
            stream
        })
        .collect();
    let token = format!("Bearer {}", world.token());
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let mut number = 0;
    let mut until = |wanted: u16| {
        let deadline = crate::processes::now() + crate::processes::PATIENCE;
        loop {
            number += 1;
            let (status, head, said) =
                ask(&world, "/v1/events", &headers, event(&format!("e{number}")).to_string().as_bytes());
            if status == wanted {
                return (head, said);
            }
            assert!(matches!(status, 201 | 429) && crate::processes::now() < deadline, "{status}: {said}");
        }
    };
    let (head, said) = until(429);
    assert!(head.contains("\r\nretry-after: 1"), "{head}");
    assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("it was not taken")), "{said}");
    drop(slow);
    until(201);
    let taken = world.events("built").len();
    assert!(taken >= 1 && taken < number, "what was told to come back is not in the journal");
    world.proves();
}

#[test]
fn sources_are_known_by_their_secrets() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut world = World::new();
    let key = world.dir().join("key");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&key)
        .expect("made");
    file.write_all(b"s3cret\n").expect("written");
    world.start_server();
    let key = key.display();
    world.write(
        "mainstay.yaml",
        &format!(
            "workload: shop
sources:
  github: {{ kind: github, signature: {{ secret: \"file:{key}\" }} }}
  am: {{ kind: alertmanager, token: {{ secret: \"file:{key}\" }} }}
  bus: {{ kind: eventbridge, token: {{ secret: \"file:{key}\" }} }}
  gone: {{ kind: webhook, token: {{ secret: \"file:/nowhere/at/all\" }} }}
"
        ),
    );
    world.apply();
    let json_form = ("content-type", "application/json");
    let body = b"{\"action\": \"opened\"}";
    // HMAC-SHA256 of the body with the key `s3cret`.
    let signature = "sha256=83221919d9a12612e2c0709d863b6650eb3d86829a64d0557a73c9fcc925ad6e";
    let github = [
        json_form,
        ("x-github-event", "issues"),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", signature),
    ];
    let hook = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        ask(&world, &format!("/v1/hooks/shop/{path}"), headers, body)
    };
    assert_eq!(hook("github", &github, body).0, 201);
    let (status, _, said) = hook("github", &github, b"{\"action\": \"closed\"}");
    assert_eq!(status, 401, "{said}");
    assert!(!said.to_string().contains("s3cret"));
    assert_eq!(hook("github", &github[..3], body).0, 401);

    let bearer = ("authorization", "Bearer s3cret");
    let alert = json!({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "Down"},
        "startsAt": "2026-11-22T15:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f"}]});
    for _ in 0..2 {
        assert_eq!(hook("am", &[json_form, bearer], alert.to_string().as_bytes()).0, 201);
    }
    assert_eq!(hook("am", &[json_form, bearer], b"{\"version\": \"3\"}").0, 400);
    let entries = json!({"Entries": [{"Source": "my.app", "DetailType": "Placed", "Detail": "{}"}]});
    assert_eq!(hook("bus", &[json_form, bearer], entries.to_string().as_bytes()).0, 200);
    assert_eq!(hook("gone", &[json_form, bearer], b"{}").0, 503);
    assert_eq!(hook("other", &[json_form, bearer], b"{}").0, 404);

    let opened = world.events("github.*");
    assert_eq!((opened.len(), opened[0]["type"].as_str()), (1, Some("github.issues.opened")));
    assert_eq!(
        (opened[0]["workload"].as_str(), opened[0]["actor"].as_str()),
        (Some("shop"), Some("external:github"))
    );
    assert_eq!(world.events("alertmanager.firing").len(), 1, "it repeats what goes on");
    assert_eq!(world.events("Placed")[0]["workload"], "shop");
    world.proves();
}
