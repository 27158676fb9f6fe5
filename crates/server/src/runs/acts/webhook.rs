//! `aws:invokeWebhook`: one request to an integration of the workload. Its URL and headers may be secrets; no value of
//! one gets into an outcome, whatever the other side answers.

use futures::StreamExt as _;
use mainstay_api::web::{self, HeaderMap, HeaderName, HeaderValue, Method, Outgoing, Uri, WebError};
use mainstay_declare::workload::integrations::url_problem;
use mainstay_declare::{Integration, TextOrSecret};
use mainstay_runbook::{Outcome, WebhookEffect};
use serde_json::{Map, Value};

use super::{Control, outputs};
use crate::runs::Act;

/// How much of an answer is kept, in bytes.
const MAX_ANSWER_BYTES: usize = 24 * 1024;

/// The fewest characters of a secret that are looked for in an answer: shorter ones stand in it by chance.
const MIN_SECRET_CHARS: usize = 4;

struct Ready {
    outgoing: Outgoing,
    secrets: Vec<String>,
}

pub(super) async fn send(control: &Control, act: &Act, effect: &WebhookEffect) -> Outcome {
    let name = &effect.integration;
    let integration = act
        .workload
        .as_deref()
        .and_then(|workload| control.catalogue.get(workload))
        .and_then(|active| active.declared.workload.integrations.get(name).cloned());
    let Some(integration) = integration else {
        return Outcome::failed(format!("There is no integration {name}: the workload does not declare it"));
    };
    if act.maybe_begun && !integration.repeatable {
        return Outcome::Unknown {
            reason: format!(
                "the server ended while it sent to {name}, and nobody knows whether it arrived; `repeatable: true` of the \
                 integration says that sending again does no harm"
            ),
        };
    }
    if act.stop.is_cancelled() {
        return Outcome::Cancelled;
    }
    let ready = match prepare(control, act, &integration, effect) {
        Ok(ready) => ready,
        Err(message) => return Outcome::failed(message),
    };
    let secrets = ready.secrets.clone();
    let late = async {
        let limit = control.clock.now().plus(integration.timeout);
        let at = act.deadline.map_or(limit, |deadline| deadline.min(limit));
        control.clock.until(at).await;
    };
    let lost = |what: &str| {
        if integration.repeatable {
            Outcome::failed(format!("{name} {what}"))
        } else {
            Outcome::Unknown {
                reason: format!("{name} {what}, and nobody knows whether the request arrived"),
            }
        }
    };
    let outcome = tokio::select! {
        biased;
        answer = exchange(ready.outgoing) => match answer {
            Ok((status, body)) => judged(name, status, &body),
            Err(WebError::NotSent(words)) => Outcome::failed(format!("{name} was not reached: {words}")),
            Err(WebError::MaybeSent(words)) => lost(&format!("broke off ({words})")),
        },
        () = act.stop.cancelled() => lost("was being asked when the run was cancelled"),
        () = late => lost(&format!(
            "did not answer within {}",
            mainstay_model::format_duration(integration.timeout)
        )),
    };
    hidden(outcome, &secrets)
}

fn prepare(
    control: &Control,
    act: &Act,
    integration: &Integration,
    effect: &WebhookEffect,
) -> Result<Ready, String> {
    let mut secrets = Vec::new();
    let mut value = |text: &TextOrSecret, what: &str| match text {
        TextOrSecret::Text(text) => Ok(text.clone()),
        TextOrSecret::Secret(reference) => {
            let value = control
                .secrets
                .read(reference)
                .map_err(|reason| format!("The secret of {what} cannot be had: {reason}"))?;
            secrets.push(value.to_string());
            Ok::<String, String>(value.to_string())
        }
    };
    let url = value(&integration.url, "the URL")?;
    if let Some(problem) = url_problem(&url) {
        return Err(format!("The URL of {} is not one to send to: {problem}", effect.integration));
    }
    let url: Uri = url.parse().map_err(|_| format!("The URL of {} cannot be read", effect.integration))?;
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("mainstay"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, text) in &integration.headers {
        let text = value(text, &format!("the header {name}"))?;
        let unfit = || format!("The header {name} of {} cannot be sent", effect.integration);
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        let mut text = HeaderValue::from_str(&text).map_err(|_| unfit())?;
        text.set_sensitive(true);
        headers.insert(header, text);
    }
    let key = HeaderValue::from_str(act.attempt.as_str()).map_err(|_| "The attempt has no key".to_owned())?;
    headers.insert("idempotency-key", key);
    let body = effect.body.clone().or_else(|| integration.payload.clone()).unwrap_or_default();
    let outgoing = Outgoing { method: Method::POST, url, headers, body: body.into_bytes().into() };
    Ok(Ready { outgoing, secrets })
}

/// The answer: its status, and the beginning of its body.
async fn exchange(outgoing: Outgoing) -> Result<(u16, Vec<u8>), WebError> {
    let answer = web::send(outgoing).await?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    let mut chunks = web::chunks(answer);
    // A body that breaks off does not undo the answer.
    while let Some(Ok(chunk)) = chunks.next().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok((status, body))
}

fn judged(name: &str, status: u16, body: &[u8]) -> Outcome {
    let cut = body.len() > MAX_ANSWER_BYTES;
    let mut text = String::from_utf8_lossy(&body[..body.len().min(MAX_ANSWER_BYTES)]).into_owned();
    if cut {
        text.push_str(&format!("\n[cut after {MAX_ANSWER_BYTES} bytes]"));
    }
    let outputs: Map<String, Value> =
        outputs([("Response", text.into()), ("ResponseCode", u64::from(status).into())]);
    if (200..300).contains(&status) {
        Outcome::Succeeded { outputs }
    } else {
        Outcome::Failed { message: format!("{name} answered {status}"), outputs }
    }
}

/// The outcome with no secret in any of its texts.
fn hidden(mut outcome: Outcome, secrets: &[String]) -> Outcome {
    let hide = |text: &mut String| {
        for secret in secrets.iter().filter(|secret| secret.chars().count() >= MIN_SECRET_CHARS) {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "[secret]");
            }
        }
    };
    match &mut outcome {
        Outcome::Succeeded { outputs } => hide_in(outputs, &hide),
        Outcome::Failed { message, outputs } | Outcome::TimedOut { message, outputs } => {
            hide(message);
            hide_in(outputs, &hide);
        }
        Outcome::Unknown { reason } => hide(reason),
        Outcome::Cancelled => {}
    }
    outcome
}

fn hide_in(outputs: &mut Map<String, Value>, hide: &dyn Fn(&mut String)) {
    for value in outputs.values_mut() {
        if let Value::String(text) = value {
            hide(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_a_secret_does_not_give_it_away() {
        let secrets = ["hunter2-token".to_owned(), "x".to_owned()];
        let outcome = hidden(judged("chat", 401, b"bad token hunter2-token, x"), &secrets);
        let Outcome::Failed { message, outputs } = outcome else { unreachable!("401 is a failure") };
        assert_eq!(message, "chat answered 401");
        assert_eq!(outputs["Response"], "bad token [secret], x");
        let long = judged("chat", 200, &vec![b'a'; MAX_ANSWER_BYTES + 1]);
        let text = long.outputs().and_then(|outputs| outputs["Response"].as_str()).expect("a text");
        assert!(text.ends_with("[cut after 24576 bytes]"));
    }
}
