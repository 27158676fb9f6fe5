//! Calling webhooks. What is sent and what an answer means are decided here; [`Outbound`] only carries it.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mainstay_declare::Webhook;
use mainstay_detect::Trigger;
use mainstay_detect::delivery::Outcome;
use mainstay_model::{Event, Timestamp};
use serde_json::Value;

use crate::secrets::Secrets;

/// So much of an answer is read. A target that says more is cut short; what counts is its status.
const MAX_ANSWER: usize = 16 << 10;

/// So much of an answer stands in a reason.
const MAX_SAID: usize = 200;

/// A request to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where.
    pub url: String,
    /// Its headers, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// How long it may take.
    pub timeout: Duration,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What `Retry-After` says in seconds.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub said: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It took too long.
    Timeout,
    /// The target cannot be reached, or broke off.
    Broken(String),
    /// It cannot be asked at all.
    Impossible(String),
}

/// Carries requests.
pub trait Outbound: Send + Sync + 'static {
    /// Makes a request and waits for the answer, for as long as the request says.
    fn post(&self, request: Request) -> BoxFuture<'static, Result<Reply, NoReply>>;
}

/// Carries requests over the network. Connections are kept and used again; redirects are not followed, as a secret may
/// be in the request.
#[derive(Default)]
pub struct Network {
    plain: OnceLock<Client<HttpConnector, Full<Bytes>>>,
    /// Made when it is first needed: it reads the certificates that the system trusts.
    secure: OnceLock<Result<Secure, String>>,
}

type Secure = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// So long a connection is kept without a request.
const IDLE: Duration = Duration::from_secs(30);

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

impl Network {
    fn secure(&self) -> Result<&Secure, NoReply> {
        let made = self.secure.get_or_init(|| {
            let builder =
                hyper_rustls::HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
                    format!("the certificates that this system trusts cannot be read: {error}")
                })?;
            let https = builder.https_only().enable_http1().wrap_connector(connector());
            Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(https))
        });
        made.as_ref().map_err(|reason| NoReply::Impossible(reason.clone()))
    }
}

impl Outbound for Network {
    fn post(&self, request: Request) -> BoxFuture<'static, Result<Reply, NoReply>> {
        let timeout = request.timeout;
        let is_secure = request.url.starts_with("https:");
        let mut made = hyper::Request::post(&request.url);
        for (name, value) in &request.headers {
            made = made.header(name, value);
        }
        let made = match made.body(Full::new(request.body)) {
            Ok(made) => made,
            Err(error) => {
                return Box::pin(async move { Err(NoReply::Impossible(error.to_string())) });
            }
        };
        let asked = if is_secure {
            match self.secure() {
                Ok(client) => client.request(made),
                Err(error) => return Box::pin(async move { Err(error) }),
            }
        } else {
            let plain = self.plain.get_or_init(|| {
                Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector())
            });
            plain.request(made)
        };
        Box::pin(async move {
            match tokio::time::timeout(timeout, answer(asked)).await {
                Ok(answer) => answer,
                Err(_) => Err(NoReply::Timeout),
            }
        })
    }
}

async fn answer(asked: hyper_util::client::legacy::ResponseFuture) -> Result<Reply, NoReply> {
    let response = asked.await.map_err(|error| NoReply::Broken(crate::views::chain(&error)))?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(hyper::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    // A body that breaks off does not undo the answer.
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = if (200..300).contains(&status) { String::new() } else { clean(&body) };
    Ok(Reply { status, retry_after, said })
}

/// The beginning of an answer, in one line.
fn clean(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_SAID)]);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(MAX_SAID)
        .collect()
}

/// What a target adds to the requests of its webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Texts for the `*` in the path of the URL.
    pub path: Vec<String>,
    /// Headers, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
}

/// What is sent for a call.
pub struct Sent<'a> {
    /// The call's id.
    pub id: &'a str,
    /// The trigger's name.
    pub trigger: &'a str,
    /// Which try it is.
    pub attempt: u32,
    /// What the target adds to the request.
    pub extra: &'a Extra,
    /// The body.
    pub body: Bytes,
    /// Now.
    pub now: Timestamp,
}

impl Sent<'_> {
    /// The request that calls a webhook. A secret that cannot be read may be there at another try.
    pub fn request(&self, webhook: &Webhook, secrets: &Secrets) -> Result<Request, Outcome> {
        let unreadable = |reason| Outcome::Failed { code: "NO_PERMISSIONS", reason, after: None };
        let body = self.body.clone();
        let mut headers: Vec<(String, String)> = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), "Mainstay".to_owned()),
            ("idempotency-key".to_owned(), self.id.to_owned()),
            ("mainstay-trigger".to_owned(), self.trigger.to_owned()),
            ("mainstay-attempt".to_owned(), self.attempt.to_string()),
        ];
        let given = webhook.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        for (name, value) in given.chain(self.extra.headers.iter().cloned()) {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
        }
        if let Some(token) = &webhook.token {
            let token = secrets.read(token).map_err(unreadable)?;
            headers.retain(|(known, _)| known != "authorization");
            headers.push(("authorization".to_owned(), format!("Bearer {}", &*token)));
        }
        if let Some(secret) = &webhook.secret {
            let key = secrets.read(secret).map_err(unreadable)?;
            let seconds = self.now.as_millis() / 1000;
            let signature = BASE64.encode(standard_signature(&key, self.id, seconds, &body));
            headers.push(("webhook-id".to_owned(), self.id.to_owned()));
            headers.push(("webhook-timestamp".to_owned(), seconds.to_string()));
            headers.push(("webhook-signature".to_owned(), format!("v1,{signature}")));
        }
        let refused = |reason| Outcome::Refused { code: "INVALID_REQUEST", reason };
        Ok(Request { url: self.url(webhook).map_err(refused)?, headers, body, timeout: webhook.timeout })
    }

    fn url(&self, webhook: &Webhook) -> Result<String, String> {
        let (address, query) = match webhook.url.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (&*webhook.url, None),
        };
        let mut parts = address.split('*');
        let mut url = parts.next().unwrap_or_default().to_owned();
        let mut given = self.extra.path.iter();
        for part in parts {
            let Some(text) = given.next() else {
                return Err("its URL has more `*` than the target gives values for".to_owned());
            };
            url.push_str(&escape(text));
            url.push_str(part);
        }
        let mut separator = '?';
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
            separator = '&';
        }
        for (name, value) in &self.extra.query {
            url.push(separator);
            url.push_str(&format!("{}={}", escape(name), escape(value)));
            separator = '&';
        }
        Ok(url)
    }
}

/// A text as a part of a URL.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The key that a secret of Standard Webhooks stands for: Base64 behind `whsec_`, or the text itself.
pub fn standard_key(secret: &str) -> Vec<u8> {
    match secret.strip_prefix("whsec_").map(|encoded| BASE64.decode(encoded)) {
        Some(Ok(key)) => key,
        _ => secret.as_bytes().to_vec(),
    }
}

/// HMAC-SHA256 over id, time and body, as Standard Webhooks has it.
pub fn standard_signature(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &standard_key(secret));
    let mut context = ring::hmac::Context::with_key(&key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    context.sign().as_ref().to_vec()
}

/// What an answer means for the call. Which status is worth another try is the service's list, with 408 and 425 beside
/// it, which ask for one by what they mean.
pub fn outcome(answer: Result<Reply, NoReply>, timeout: Duration) -> Outcome {
    match answer {
        Ok(Reply { status, .. }) if (200..300).contains(&status) => Outcome::Delivered(status.to_string()),
        Ok(Reply { status, retry_after, said }) => {
            let said = if said.is_empty() { said } else { format!(": {said}") };
            let reason = format!("it answered {status}{said}");
            match status {
                429 => Outcome::Failed { code: "THROTTLING", reason, after: retry_after },
                401 | 407 | 408 | 409 | 425 | 500..=599 => {
                    Outcome::Failed { code: "TARGET_ERROR", reason, after: retry_after }
                }
                _ => Outcome::Refused { code: "TARGET_REFUSED", reason },
            }
        }
        Err(NoReply::Timeout) => Outcome::Failed {
            code: "TIMEOUT",
            reason: format!("it did not answer in {}", mainstay_model::format_duration(timeout)),
            after: None,
        },
        Err(NoReply::Broken(reason)) => Outcome::Failed { code: "CONNECTION_FAILURE", reason, after: None },
        Err(NoReply::Impossible(reason)) => Outcome::Refused { code: "INVALID_REQUEST", reason },
    }
}

/// The event as the targets of a trigger see it: a firing of its own schedule in the service's shape, and one that is
/// replayed with the name of the replay, as the service has it.
pub fn presented(trigger: &Trigger, event: &Event, replay: Option<&str>) -> Value {
    let mut value = if is_firing_of(trigger, event) {
        trigger.scheduled_event(event.time)
    } else {
        event.as_eventbridge()
    };
    if let Some(replay) = replay {
        value["replay-name"] = replay.into();
    }
    value
}

fn is_firing_of(trigger: &Trigger, event: &Event) -> bool {
    event.kind == "trigger.scheduled"
        && event.is_authentic()
        && event.data["trigger"] == trigger.name.as_str()
}

/// Whether [`presented`] is another thing than the event itself.
pub fn is_presented_otherwise(trigger: &Trigger, event: &Event, replay: Option<&str>) -> bool {
    replay.is_some() || is_firing_of(trigger, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification.
        let signature = standard_signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(BASE64.encode(signature), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_answer_is_told_by_its_status() {
        let of = |status| {
            let reply = Reply { status, retry_after: Some(Duration::from_secs(7)), said: "no".to_owned() };
            outcome(Ok(reply), Duration::from_secs(5))
        };
        assert_eq!(of(204), Outcome::Delivered("204".to_owned()));
        for status in [401, 408, 429, 500, 503] {
            assert!(matches!(of(status), Outcome::Failed { after: Some(_), .. }), "{status}");
        }
        for status in [301, 400, 404, 410, 422] {
            assert!(matches!(of(status), Outcome::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn what_is_filled_into_a_url_stays_in_its_place() {
        let webhook = Webhook {
            name: "x".to_owned(),
            url: "https://a.example/*/x?k=1".to_owned(),
            secret: None,
            token: None,
            headers: std::collections::BTreeMap::new(),
            timeout: Duration::from_secs(5),
            parallel: 1,
        };
        let mut extra = Extra {
            path: vec!["../?a/é".to_owned()],
            headers: Vec::new(),
            query: vec![("q".to_owned(), "a&b=c".to_owned())],
        };
        let sent = |extra: &Extra| {
            let now = Timestamp::from_millis(0);
            Sent { id: "i", trigger: "t", attempt: 1, extra, body: Bytes::new(), now }.url(&webhook)
        };
        assert_eq!(sent(&extra).as_deref(), Ok("https://a.example/..%2F%3Fa%2F%C3%A9/x?k=1&q=a%26b%3Dc"));
        extra.path.clear();
        assert!(sent(&extra).is_err());
    }
}
