//! `aws:invokeWebhook`: one request to an integration of the workload. Its URL and headers may be secrets; no value of
//! one gets into an outcome, whatever the other side answers.

use std::sync::Arc;

use mainstay_declare::Webhook;
use mainstay_runbook::{Outcome, WebhookEffect};
use serde_json::{Map, Value};

use super::{Control, outputs};
use crate::runs::Act;
use crate::webhooks::{Common, NoReply, Reply, Request, hide, set};

/// How much of an answer is kept, in bytes.
const MAX_ANSWER_BYTES: usize = 24 * 1024;

pub(super) async fn send(control: &Control, act: &Act, effect: &WebhookEffect) -> Outcome {
    let name = &effect.integration;
    let integration = act
        .workload
        .as_deref()
        .and_then(|workload| control.catalogue.get(workload))
        .and_then(|active| active.declared.workload.webhooks.get(name).cloned());
    let Some(integration) = integration else {
        return Outcome::failed(format!(
            "There is no integration {name}: `webhooks` of the workload has none"
        ));
    };
    if act.maybe_begun && !integration.repeatable {
        return Outcome::Unknown {
            reason: format!(
                "the server ended while it sent to {name}, and nobody knows whether it arrived; `repeatable: true` of the \
                 webhook says that sending again does no harm"
            ),
        };
    }
    if act.stop.is_cancelled() {
        return Outcome::Cancelled;
    }
    let (request, secrets) = match prepare(control, act, &integration, effect) {
        Ok(ready) => ready,
        Err(reason) => return Outcome::failed(format!("{name} cannot be asked: {reason}")),
    };
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
    let silent =
        || lost(&format!("did not answer within {}", mainstay_model::format_duration(integration.timeout)));
    let outcome = tokio::select! {
        biased;
        answer = control.outbound.post(request) => match answer {
            Ok(reply) => judged(name, &reply),
            Err(NoReply::Unreached(words) | NoReply::Untrusted(words)) => {
                Outcome::failed(format!("{name} was not reached: {words}"))
            }
            Err(NoReply::Impossible(words)) => Outcome::failed(format!("{name} cannot be asked: {words}")),
            Err(NoReply::Broken(words)) => lost(&format!("broke off ({words})")),
            Err(NoReply::Timeout) => silent(),
        },
        () = act.stop.cancelled() => lost("was being asked when the run was cancelled"),
        () = late => silent(),
    };
    hidden(outcome, &secrets)
}

fn prepare(
    control: &Control,
    act: &Act,
    webhook: &Webhook,
    effect: &WebhookEffect,
) -> Result<(Request, Vec<Arc<str>>), String> {
    let mut common = Common::of(webhook, &control.secrets)?;
    if common.url.split('?').next().is_some_and(|path| path.contains('*')) {
        return Err("its URL has a `*`, which only targets of triggers fill in".to_owned());
    }
    set(&mut common.headers, "idempotency-key", act.attempt.as_str().to_owned());
    let body = effect.body.clone().or_else(|| webhook.payload.clone()).unwrap_or_default().into_bytes();
    common.sign(webhook, &control.secrets, act.attempt.as_str(), &body, control.clock.now())?;
    let request = Request {
        url: common.url,
        headers: common.headers,
        body: body.into(),
        timeout: webhook.timeout,
        ca: webhook.ca.as_ref().map(std::path::PathBuf::from),
        keep: MAX_ANSWER_BYTES + 1,
        alone: true,
    };
    Ok((request, common.secrets))
}

fn judged(name: &str, reply: &Reply) -> Outcome {
    let (status, body) = (reply.status, &reply.body);
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
fn hidden(mut outcome: Outcome, secrets: &[Arc<str>]) -> Outcome {
    let hide = |text: &mut String| hide(text, secrets);
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
        let secrets = ["hunter2-token".into(), "x".into()];
        let reply = |status, body: &[u8]| {
            let reply = Reply { status, body: bytes::Bytes::copy_from_slice(body), ..Reply::default() };
            judged("chat", &reply)
        };
        let outcome = hidden(reply(401, b"bad token hunter2-token, x"), &secrets);
        let Outcome::Failed { message, outputs } = outcome else { unreachable!("401 is a failure") };
        assert_eq!(message, "chat answered 401");
        assert_eq!(outputs["Response"], "bad token [secret], x");
        let long = reply(200, &vec![b'a'; MAX_ANSWER_BYTES + 1]);
        let text = long.outputs().and_then(|outputs| outputs["Response"].as_str()).expect("a text");
        assert!(text.ends_with("[cut after 24576 bytes]"));
    }
}
