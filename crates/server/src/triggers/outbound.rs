//! Calling webhooks for triggers: what is sent, and what an answer means. [`Outbound`](crate::webhooks::Outbound) only
//! carries it.

use std::time::Duration;

use bytes::Bytes;
use mainstay_declare::Webhook;
use mainstay_detect::Trigger;
use mainstay_detect::delivery::Outcome;
use mainstay_model::{Event, Timestamp};
use serde_json::Value;

use crate::secrets::Secrets;
use crate::webhooks::{Common, NoReply, Reply, Request, hide, set};

/// So much of an answer is read. A target that says more is cut short; what counts is its status.
const MAX_ANSWER: usize = 16 << 10;

/// So much of an answer stands in a reason.
const MAX_SAID: usize = 200;

/// The beginning of an answer, in one line.
fn clean(text: &str) -> String {
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
    /// The request that calls a webhook, and the secrets that are in it. A secret that cannot be read may be there at
    /// another try.
    pub fn request(
        &self,
        webhook: &Webhook,
        secrets: &Secrets,
    ) -> Result<(Request, Vec<std::sync::Arc<str>>), Outcome> {
        let unreadable = |reason| Outcome::Failed { code: "NO_PERMISSIONS", reason, after: None };
        let body = self.body.clone();
        let mut common = Common::of(webhook, secrets).map_err(unreadable)?;
        for (name, value) in [
            ("idempotency-key", self.id.to_owned()),
            ("mainstay-trigger", self.trigger.to_owned()),
            ("mainstay-attempt", self.attempt.to_string()),
        ] {
            set(&mut common.headers, name, value);
        }
        for (name, value) in &self.extra.headers {
            // What the webhook itself shows is not for targets to change.
            if name != "authorization" || webhook.token.is_none() {
                set(&mut common.headers, name, value.clone());
            }
        }
        common.sign(webhook, secrets, self.id, &body, self.now).map_err(unreadable)?;
        let refused = |reason| Outcome::Refused { code: "INVALID_REQUEST", reason };
        let request = Request {
            url: self.url(&common.url).map_err(refused)?,
            headers: common.headers,
            body,
            timeout: webhook.timeout,
            ca: webhook.ca.as_ref().map(std::path::PathBuf::from),
            keep: MAX_ANSWER,
            alone: false,
        };
        Ok((request, common.secrets))
    }

    fn url(&self, declared: &str) -> Result<String, String> {
        let (address, query) = match declared.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (declared, None),
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

/// What an answer means for the call. Which status is worth another try is the service's list, with 408 and 425 beside
/// it, which ask for one by what they mean.
pub fn outcome(
    answer: Result<Reply, NoReply>,
    timeout: Duration,
    secrets: &[std::sync::Arc<str>],
) -> Outcome {
    match answer {
        Ok(Reply { status, .. }) if (200..300).contains(&status) => Outcome::Delivered(status.to_string()),
        Ok(Reply { status, retry_after, body }) => {
            let mut said = String::from_utf8_lossy(&body).into_owned();
            hide(&mut said, secrets);
            let said = clean(&said);
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
        Err(NoReply::Unreached(reason) | NoReply::Broken(reason)) => {
            Outcome::Failed { code: "CONNECTION_FAILURE", reason, after: None }
        }
        // Certificates are renewed, and authorities added.
        Err(NoReply::Untrusted(reason)) => {
            Outcome::Failed { code: "CERTIFICATE_REFUSED", reason, after: None }
        }
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
    fn an_answer_is_told_by_its_status() {
        let of = |status| {
            let reply = Reply {
                status,
                retry_after: Some(Duration::from_secs(7)),
                body: Bytes::from_static(b"no,\n  hunter2-x is wrong"),
            };
            outcome(Ok(reply), Duration::from_secs(5), &["hunter2-x".into()])
        };
        assert_eq!(of(204), Outcome::Delivered("204".to_owned()));
        for status in [401, 408, 429, 500, 503] {
            assert!(matches!(of(status), Outcome::Failed { after: Some(_), .. }), "{status}");
        }
        for status in [301, 400, 404, 410, 422] {
            let Outcome::Refused { reason, .. } = of(status) else { panic!("{status}") };
            assert_eq!(reason, format!("it answered {status}: no, [secret] is wrong"));
        }
    }

    #[test]
    fn what_is_filled_into_a_url_stays_in_its_place() {
        let declared = "https://a.example/*/x?k=1";
        let mut extra = Extra {
            path: vec!["../?a/é".to_owned()],
            headers: Vec::new(),
            query: vec![("q".to_owned(), "a&b=c".to_owned())],
        };
        let sent = |extra: &Extra| {
            let now = Timestamp::from_millis(0);
            Sent { id: "i", trigger: "t", attempt: 1, extra, body: Bytes::new(), now }.url(declared)
        };
        assert_eq!(sent(&extra).as_deref(), Ok("https://a.example/..%2F%3Fa%2F%C3%A9/x?k=1&q=a%26b%3Dc"));
        extra.path.clear();
        assert!(sent(&extra).is_err());
    }
}
