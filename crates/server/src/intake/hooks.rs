//! What the sources of a workload send to their own paths: who they are is checked, and what they say becomes events.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mainstay_declare::{EventSource, Scheme, Signature, SourceKind};
use mainstay_model::{Actor, EventDraft, EventId, Timestamp};
use serde_json::{Map, Value, json};

use super::events::Fault;
use crate::secrets::Secrets;
use crate::webhooks::standard_signature;

/// How old a signature with a time may be, and how far ahead: the tolerance of Standard Webhooks.
const TOLERANCE_S: i64 = 300;

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not known to come from the source.
    Unknown(String),
    /// The server cannot check it now.
    Unchecked(String),
    /// What it says is not right.
    Faulty(Vec<Fault>),
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    blake3::hash(a) == blake3::hash(b)
}

/// Checks that a request is from a source: by its token, its signature, or both where it has both.
pub fn check(
    source: &EventSource,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), Refusal> {
    if let Some(token) = &source.token {
        let known = secrets.read(token).map_err(Refusal::Unchecked)?;
        let shown = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        match shown {
            Some(shown) if is_same(shown.trim().as_bytes(), known.as_bytes()) => {}
            Some(_) => return Err(Refusal::Unknown("the token is not the one of this source".to_owned())),
            None => return Err(Refusal::Unknown("this source shows a token, and there is none".to_owned())),
        }
    }
    if let Some(signature) = &source.signature {
        let key = secrets.read(&signature.secret).map_err(Refusal::Unchecked)?;
        signed(signature, headers, body, &key, now)?;
    }
    Ok(())
}

fn signed(
    signature: &Signature,
    headers: &HeaderMap,
    body: &[u8],
    key: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let unknown = |reason: String| Err(Refusal::Unknown(reason));
    let Some(shown) = header(headers, &signature.header) else {
        return unknown(format!("this source signs what it sends, and there is no `{}`", signature.header));
    };
    let shown = shown.trim();
    let is_good = match signature.scheme {
        Scheme::Standard => {
            let (Some(id), Some(seconds)) =
                (header(headers, "webhook-id"), header(headers, "webhook-timestamp"))
            else {
                return unknown("a signed webhook has `webhook-id` and `webhook-timestamp`".to_owned());
            };
            let Ok(seconds) = seconds.trim().parse::<i64>() else {
                return unknown("`webhook-timestamp` is no number of seconds".to_owned());
            };
            let apart = (now.as_millis() / 1000).saturating_sub(seconds);
            if apart.saturating_abs() > TOLERANCE_S {
                let words = if apart > 0 { "old" } else { "ahead" };
                return unknown(format!(
                    "its signature is {} s {words}; {TOLERANCE_S} s is the most: compare the clocks",
                    apart.saturating_abs()
                ));
            }
            let wanted = standard_signature(key, id, seconds, body);
            // Several may be there while a key is being changed.
            shown
                .split(' ')
                .filter_map(|one| one.strip_prefix("v1,"))
                .any(|one| is_signature(one, &wanted, true))
        }
        Scheme::Hex | Scheme::Base64 => {
            let Some(encoded) = shown.strip_prefix(signature.prefix.as_str()) else {
                return unknown(format!("`{}` does not begin with `{}`", signature.header, signature.prefix));
            };
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
            let wanted = ring::hmac::sign(&key, body);
            is_signature(encoded, wanted.as_ref(), signature.scheme == Scheme::Base64)
        }
    };
    if is_good { Ok(()) } else { unknown("the signature is not that of this body and key".to_owned()) }
}

fn is_signature(encoded: &str, wanted: &[u8], base64: bool) -> bool {
    let bytes = if base64 {
        BASE64.decode(encoded).ok()
    } else {
        let digits: Option<Vec<u8>> =
            encoded.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        digits
            .filter(|digits| digits.len() % 2 == 0)
            .map(|digits| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
    };
    bytes.is_some_and(|bytes| is_same(&bytes, wanted))
}

/// A draft from a source. Ids of different workloads' sources of one name cannot be mistaken for one another.
fn draft(
    workload: &str,
    source: &EventSource,
    id: &str,
    kind: String,
    now: Timestamp,
    data: Value,
) -> EventDraft {
    let whole = format!("{workload}:{id}");
    let id = EventId::new(whole.clone()).unwrap_or_else(|_| {
        let hex = blake3::hash(whole.as_bytes()).to_hex();
        EventId::new(format!("id:{}", &hex[..32])).expect("hex digits are an id")
    });
    let mut draft = EventDraft::new(id, kind, now, Actor::External(source.name.clone()), data);
    draft.source.clone_from(&source.name);
    draft.received = Some(now);
    draft.workload = Some(workload.to_owned());
    draft
}

/// What a request of a source says: a draft for each thing that happened.
pub fn drafts(
    workload: &str,
    source: &EventSource,
    headers: &HeaderMap,
    body: &Value,
    now: Timestamp,
) -> Result<Vec<EventDraft>, Refusal> {
    match source.kind {
        SourceKind::Alertmanager => alertmanager(workload, source, body, now),
        SourceKind::GitHub => github(workload, source, headers, body, now).map(|one| vec![one]),
        SourceKind::Webhook => Ok(vec![webhook(workload, source, headers, body, now)]),
        // These come in as everywhere, and belong to the workload.
        SourceKind::CloudEvents | SourceKind::EventBridge => Ok(Vec::new()),
    }
}

fn faulty<T>(at: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Faulty(vec![Fault::new(at, message)]))
}

/// Alertmanager repeats what goes on: an alert is one event when it begins, and one when it ends.
fn alertmanager(
    workload: &str,
    source: &EventSource,
    body: &Value,
    now: Timestamp,
) -> Result<Vec<EventDraft>, Refusal> {
    match body["version"].as_str() {
        Some("4") => {}
        Some(other) => {
            return faulty("version", format!("version `{other}` of the webhook is not known, 4 is"));
        }
        None => return faulty("version", "it is missing: this is no webhook of Alertmanager"),
    }
    let Some(alerts) = body["alerts"].as_array() else {
        return faulty("alerts", "a list is missing");
    };
    if alerts.len() > super::MAX_EVENTS {
        let message =
            format!("there are {} alerts, {} are the most at once", alerts.len(), super::MAX_EVENTS);
        return faulty("alerts", message);
    }
    let shared = ["groupKey", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "externalURL"];
    let mut drafts = Vec::new();
    let mut faults = Vec::new();
    for (index, alert) in alerts.iter().enumerate() {
        let at = |name: &str| format!("alerts[{index}].{name}");
        let Some(map) = alert.as_object() else {
            faults.push(Fault::new(format!("alerts[{index}]"), "an alert is an object"));
            continue;
        };
        let status = match map.get("status").and_then(Value::as_str) {
            Some(status @ ("firing" | "resolved")) => status,
            _ => {
                faults.push(Fault::new(at("status"), "expected `firing` or `resolved`"));
                continue;
            }
        };
        let began = map.get("startsAt").and_then(Value::as_str).unwrap_or_default();
        let ended = map.get("endsAt").and_then(Value::as_str).unwrap_or_default();
        let (when, name) = if status == "firing" { (began, "startsAt") } else { (ended, "endsAt") };
        let Ok(when) = when.parse::<Timestamp>() else {
            faults.push(Fault::new(at(name), "it is not a time as in RFC 3339"));
            continue;
        };
        let labels = map.get("labels").cloned().unwrap_or_default();
        let fingerprint = match map.get("fingerprint").and_then(Value::as_str) {
            Some(fingerprint) => fingerprint.to_owned(),
            None => blake3::hash(labels.to_string().as_bytes()).to_hex()[..16].to_owned(),
        };
        let ended = if status == "resolved" { ended } else { "" };
        let hex = blake3::hash(format!("{fingerprint}\n{began}\n{status}\n{ended}").as_bytes()).to_hex();
        let mut data: Map<String, Value> = map.clone();
        data.insert(
            "group".to_owned(),
            shared.iter().map(|key| ((*key).to_owned(), body[*key].clone())).collect(),
        );
        let kind = format!("alertmanager.{status}");
        let mut one = draft(workload, source, &hex[..32], kind, now, Value::Object(data));
        one.time = when;
        one.subject = named(&labels["alertname"]).map(|name| format!("alert/{name}"));
        drafts.push(one);
    }
    if faults.is_empty() { Ok(drafts) } else { Err(Refusal::Faulty(faults)) }
}

/// A name that can be a part of a subject; it stays in the data whatever it is.
fn named(value: &Value) -> Option<&str> {
    value.as_str().filter(|name| name.len() <= 512 && !name.contains(char::is_control))
}

fn github(
    workload: &str,
    source: &EventSource,
    headers: &HeaderMap,
    body: &Value,
    now: Timestamp,
) -> Result<EventDraft, Refusal> {
    let is_word = |word: &str| {
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let Some(event) = header(headers, "x-github-event").filter(|event| is_word(event)) else {
        return faulty("X-GitHub-Event", "the header is missing: this is no webhook of GitHub");
    };
    let Some(delivery) = header(headers, "x-github-delivery").filter(|id| !id.is_empty()) else {
        return faulty("X-GitHub-Delivery", "the header is missing: this is no webhook of GitHub");
    };
    let kind = match body["action"].as_str().filter(|action| is_word(action)) {
        Some(action) => format!("github.{event}.{action}"),
        None => format!("github.{event}"),
    };
    let mut one = draft(workload, source, delivery, kind, now, body.clone());
    one.subject = named(&body["repository"]["full_name"]).map(str::to_owned);
    Ok(one)
}

fn webhook(
    workload: &str,
    source: &EventSource,
    headers: &HeaderMap,
    body: &Value,
    now: Timestamp,
) -> EventDraft {
    let name = source.id_header.as_deref().unwrap_or("webhook-id");
    let given = header(headers, name).map(str::trim).filter(|id| !id.is_empty() && id.len() <= 1024);
    // Without an id a repeat cannot be told from another one of the same words.
    let id = given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    let kind = source.event_type.clone().unwrap_or_else(|| "webhook.received".to_owned());
    let data = if body.is_object() { body.clone() } else { json!({ "body": body }) };
    draft(workload, source, &id, kind, now, data)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstay_declare::SecretRef;

    use super::*;
    use crate::clock::SystemClock;

    fn source(kind: SourceKind, signature: Option<(Scheme, &str, &str)>) -> (EventSource, tempfile::TempDir) {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .expect("made");
        file.write_all(b"It's a Secret to Everybody\n").expect("written");
        let secret = SecretRef::File(path.display().to_string());
        let signature = signature.map(|(scheme, header, prefix)| Signature {
            secret: secret.clone(),
            scheme,
            header: header.to_owned(),
            prefix: prefix.to_owned(),
        });
        let token = signature.is_none().then_some(secret);
        let source = EventSource {
            name: "outside".to_owned(),
            kind,
            token,
            signature,
            event_type: None,
            id_header: None,
        };
        (source, folder)
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name: axum::http::HeaderName = name.parse().expect("a name");
                (name, value.parse().expect("a value"))
            })
            .collect()
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_359_845_000)
    }

    #[test]
    fn a_signature_is_that_of_the_body_and_the_key() {
        let secrets = Secrets::new(Arc::new(SystemClock));
        let (source, _folder) =
            source(SourceKind::GitHub, Some((Scheme::Hex, "x-hub-signature-256", "sha256=")));
        // The example of GitHub's documentation.
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let asked = |signature: &str, body: &[u8]| {
            check(&source, &headers(&[("x-hub-signature-256", signature)]), body, &secrets, now())
        };
        assert_eq!(asked(good, b"Hello, World!"), Ok(()));
        for (signature, body) in [
            (good, &b"Hello, World?"[..]),
            ("sha256=00", b"Hello, World!"),
            ("sha256=", b"Hello, World!"),
            ("sha256=zz", b"Hello, World!"),
            (&good[7..], b"Hello, World!"),
        ] {
            assert!(matches!(asked(signature, body), Err(Refusal::Unknown(_))), "{signature}");
        }
        assert!(check(&source, &HeaderMap::new(), b"Hello, World!", &secrets, now()).is_err());
    }

    #[test]
    fn a_standard_webhook_is_signed_with_its_id_and_time() {
        let secrets = Secrets::new(Arc::new(SystemClock));
        let (source, _folder) =
            source(SourceKind::Webhook, Some((Scheme::Standard, "webhook-signature", "")));
        let seconds = now().as_millis() / 1000;
        let asked = |id: &str, at: i64, sign_at: i64| {
            let key = "It's a Secret to Everybody";
            let signature = BASE64.encode(standard_signature(key, "msg-1", sign_at, b"{}"));
            let signature = format!("v1,AAAA v1,{signature}");
            let sent = headers(&[
                ("webhook-id", id),
                ("webhook-timestamp", &at.to_string()),
                ("webhook-signature", &signature),
            ]);
            check(&source, &sent, b"{}", &secrets, now())
        };
        assert_eq!(asked("msg-1", seconds - 299, seconds - 299), Ok(()));
        assert!(asked("msg-2", seconds, seconds).is_err(), "another id");
        assert!(asked("msg-1", seconds, seconds - 1).is_err(), "another time");
        let Err(Refusal::Unknown(said)) = asked("msg-1", seconds - 400, seconds - 400) else {
            panic!("too old");
        };
        assert!(said.contains("400 s old"), "{said}");
        assert!(asked("msg-1", i64::MIN, i64::MIN).is_err());
    }

    #[test]
    fn a_token_is_shown_as_a_bearer() {
        let secrets = Secrets::new(Arc::new(SystemClock));
        let (source, _folder) = source(SourceKind::Webhook, None);
        let asked =
            |value: &str| check(&source, &headers(&[("authorization", value)]), b"", &secrets, now()).is_ok();
        assert!(asked("Bearer It's a Secret to Everybody"));
        assert!(!asked("Bearer It's a Secret to Everybod") && !asked("Bearer ") && !asked("Basic eDp5"));
        let gone = EventSource { token: Some(SecretRef::File("/nowhere/at/all".to_owned())), ..source };
        let refused = check(&gone, &headers(&[("authorization", "Bearer x")]), b"", &secrets, now());
        assert!(matches!(refused, Err(Refusal::Unchecked(_))));
    }

    #[test]
    fn an_alert_is_one_event_when_it_begins_and_one_when_it_ends() {
        let (source, _folder) = source(SourceKind::Alertmanager, None);
        let alert = |status: &str, ended: &str| {
            json!({"status": status, "labels": {"alertname": "Down", "host": "a"}, "annotations": {},
                "startsAt": "2026-11-22T15:00:00Z", "endsAt": ended, "fingerprint": "f1", "generatorURL": "http://p/"})
        };
        let body = |alerts: Value| {
            json!({"version": "4", "groupKey": "{}:{}", "status": "firing",
            "receiver": "mainstay", "groupLabels": {"alertname": "Down"}, "commonLabels": {},
            "commonAnnotations": {}, "externalURL": "http://am/", "alerts": alerts})
        };
        let read = |body: &Value| drafts("shop", &source, &HeaderMap::new(), body, now());
        let firing = body(json!([alert("firing", "0001-01-01T00:00:00Z")]));
        let one = read(&firing).expect("taken").remove(0);
        assert_eq!((one.kind.as_str(), one.subject.as_deref()), ("alertmanager.firing", Some("alert/Down")));
        assert_eq!(one.time.to_string(), "2026-11-22T15:00:00.000Z");
        assert_eq!(one.data["group"]["receiver"], "mainstay");
        assert_eq!(read(&firing).expect("taken").remove(0).id, one.id, "it repeats what goes on");
        let ended = body(json!([alert("resolved", "2026-11-22T15:03:00Z")]));
        let over = read(&ended).expect("taken").remove(0);
        assert_eq!(
            (over.kind.as_str(), over.time.to_string().as_str()),
            ("alertmanager.resolved", "2026-11-22T15:03:00.000Z")
        );
        assert_ne!(over.id, one.id);
        let Err(Refusal::Faulty(faults)) =
            read(&body(json!([alert("asleep", ""), 7, alert("resolved", "now")])))
        else {
            panic!("refused");
        };
        let places: Vec<&str> = faults.iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(places, ["alerts[0].status", "alerts[1]", "alerts[2].endsAt"]);
        assert!(read(&json!({"alerts": []})).is_err() && read(&json!({"version": "3"})).is_err());
    }

    #[test]
    fn github_and_others_are_known_by_their_headers() {
        let (github, _folder) = source(SourceKind::GitHub, None);
        let body = json!({"action": "opened", "repository": {"full_name": "octo/shop"}});
        let sent =
            headers(&[("x-github-event", "pull_request"), ("x-github-delivery", "72d3162e-cc78-11e3")]);
        let one = drafts("shop", &github, &sent, &body, now()).expect("taken").remove(0);
        assert_eq!(
            (one.kind.as_str(), one.id.as_str(), one.subject.as_deref()),
            ("github.pull_request.opened", "shop:72d3162e-cc78-11e3", Some("octo/shop"))
        );
        assert!(drafts("shop", &github, &HeaderMap::new(), &body, now()).is_err());
        let (other, _folder) = source(SourceKind::Webhook, None);
        let sent = headers(&[("webhook-id", "m 1")]);
        let one = drafts("shop", &other, &sent, &json!([1]), now()).expect("taken").remove(0);
        assert_eq!((one.kind.as_str(), &one.data), ("webhook.received", &json!({"body": [1]})));
        assert_eq!(drafts("shop", &other, &sent, &json!([2]), now()).expect("taken").remove(0).id, one.id);
        assert_ne!(drafts("other", &other, &sent, &json!([1]), now()).expect("taken").remove(0).id, one.id);
    }
}
