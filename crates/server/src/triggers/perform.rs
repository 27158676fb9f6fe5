//! Making one call: a run is started, or a webhook is asked.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;

use mainstay_detect::delivery::{Attempt, Outcome};
use mainstay_detect::{Concurrency, Destination, TargetCall, Trigger};
use mainstay_model::{Actor, Event, EventDraft, EventId, RunId, Timestamp};
use mainstay_runbook::{Origin, Start};
use serde_json::json;

use super::Triggers;
use super::chain::call_id;
use super::known::Known;
use super::outbound::{Extra, Sent, is_presented_otherwise, outcome, presented};
use crate::catalogue::Active;
use crate::runs::{RunError, derived_run_id};

/// A call that was made.
pub(super) struct Made {
    /// The machine's handle.
    pub handle: u64,
    /// The call's id.
    pub id: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What is said of it beside the machine's record.
    pub said: Option<EventDraft>,
}

/// The id of the run that a target starts for an event.
pub(super) fn run_of(
    workload: &str,
    trigger: &str,
    target: &str,
    event: &Event,
    replay: Option<&str>,
) -> RunId {
    let mut target = target.to_owned();
    // Ids are unique in their source, and an event of no workload is for the triggers of all.
    if event.source != mainstay_model::event::SOURCE_SERVER {
        target = format!("{target}\n{}", event.source);
    }
    if event.workload.is_none() {
        target = format!("{target}\n{workload}");
    }
    if let Some(replay) = replay {
        target = format!("{target}\n{replay}");
    }
    derived_run_id(trigger, &target, &event.id)
}

/// What something is about that follows from an event.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub workload: &'a str,
    pub trigger: &'a str,
    /// Empty where it is about all targets.
    pub target: &'a str,
    pub event: &'a Event,
    pub replay: Option<&'a str>,
}

impl About<'_> {
    /// The id of what is said of it.
    pub fn id(&self, kind: &str) -> EventId {
        let Self { workload, trigger, target, event, replay } = self;
        let mut identity = format!("{kind}\n{workload}\n{trigger}\n{target}\n{}\n{}", event.source, event.id);
        if let Some(replay) = replay {
            identity.push('\n');
            identity.push_str(replay);
        }
        let hex = blake3::hash(identity.as_bytes()).to_hex();
        EventId::new(format!("trigger:{}", &hex[..24])).expect("hex digits are an id")
    }

    /// What is said of it.
    pub fn draft(&self, kind: &str, now: Timestamp, data: serde_json::Value) -> EventDraft {
        EventDraft::new(self.id(kind), kind, now, Actor::System("triggers".to_owned()), data)
            .subject(format!("trigger/{}", self.trigger))
            .workload(self.workload)
            .cause(self.event.id.clone())
    }

    /// That the trigger could not do what it is for.
    pub fn failed(&self, now: Timestamp, reason: &str) -> EventDraft {
        let Self { trigger, target, event, .. } = self;
        let data = json!({ "trigger": trigger, "event": event.id, "event_seq": event.seq, "target": target, "reason": reason });
        self.draft("trigger.failed", now, data)
    }
}

impl Triggers {
    /// Makes a call and says what came of it.
    pub(super) async fn make(self: Arc<Self>, attempt: Attempt, known: Known) -> Made {
        let (workload, trigger, target) =
            (&attempt.trigger.workload, &attempt.trigger.trigger, &*attempt.target);
        let replay = attempt.replay.as_deref();
        let event = &*known.event;
        let id = call_id(workload, trigger, target, event, replay);
        // What panics is a fault of ours, and no reason to forget the call.
        let tried = AssertUnwindSafe(self.try_call(&attempt, &known, &id)).catch_unwind().await;
        let (outcome, is_procedure) = tried.unwrap_or_else(|_| {
            let reason = "the server failed to make the call; its log says why".to_owned();
            (Outcome::Failed { code: "INTERNAL", reason, after: None }, false)
        });
        let said = match &outcome {
            Outcome::Refused { reason, .. } if is_procedure => {
                let about = About { workload, trigger, target, event, replay };
                Some(about.failed(self.clock.now(), reason))
            }
            _ => None,
        };
        Made { handle: attempt.handle, id: id.to_string(), outcome, said }
    }

    async fn try_call(&self, attempt: &Attempt, known: &Known, id: &EventId) -> (Outcome, bool) {
        let gone = |what: &str| Outcome::Refused {
            code: "NO_RESOURCE",
            reason: format!("{what} is no longer declared"),
        };
        let Some(active) = self.catalogue.get(&attempt.trigger.workload) else {
            return (gone("the workload"), false);
        };
        let Some(trigger) = active.triggers.get(&attempt.trigger.trigger) else {
            return (gone("the trigger"), false);
        };
        let event = &*known.event;
        let replay = attempt.replay.as_deref();
        if let Some(name) = trigger.sends_all(&attempt.target)
            && !is_presented_otherwise(trigger, event, replay)
        {
            let text =
                if known.text.is_empty() { event.eventbridge_json().into() } else { known.text.clone() };
            return (self.send(&active, trigger, attempt, id, name, &Extra::default(), text).await, false);
        }
        let call = match trigger.call(&attempt.target, &presented(trigger, event, replay)) {
            None => return (gone("the target"), false),
            Some(Ok(call)) => call,
            Some(Err(error)) => {
                let outcome = Outcome::Refused { code: "INVALID_INPUT", reason: error.to_string() };
                return (outcome, true);
            }
        };
        match call.to.clone() {
            Destination::Procedure(name) => {
                (self.start(&active, trigger, attempt, event, &name, &call).await, true)
            }
            Destination::Webhook(name) => {
                let body = Bytes::from(call.input.to_string());
                let extra = Extra { path: call.path, headers: call.headers, query: call.query };
                (self.send(&active, trigger, attempt, id, &name, &extra, body).await, false)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a request is made of, from two places")]
    async fn send(
        &self,
        active: &Active,
        trigger: &Trigger,
        attempt: &Attempt,
        id: &EventId,
        name: &str,
        extra: &Extra,
        body: Bytes,
    ) -> Outcome {
        let Some(webhook) = active.declared.workload.webhooks.get(name) else {
            return Outcome::Refused {
                code: "NO_RESOURCE",
                reason: "the webhook is no longer declared".to_owned(),
            };
        };
        let sent = Sent {
            id: id.as_str(),
            trigger: &trigger.name,
            attempt: attempt.number,
            extra,
            body,
            now: self.clock.now(),
        };
        match sent.request(webhook, &self.secrets) {
            Ok((request, secrets)) => outcome(self.outbound.post(request).await, webhook.timeout, &secrets),
            Err(outcome) => outcome,
        }
    }

    async fn start(
        &self,
        active: &Active,
        trigger: &Trigger,
        attempt: &Attempt,
        event: &Event,
        name: &str,
        call: &TargetCall,
    ) -> Outcome {
        let Some(procedure) = active.procedures.get(name) else {
            return Outcome::Refused {
                code: "NO_RESOURCE",
                reason: format!("there is no procedure `{name}`"),
            };
        };
        let replay = attempt.replay.as_deref();
        let workload = &attempt.trigger.workload;
        let about = About { workload, trigger: &trigger.name, target: "", event, replay };
        let start = Start {
            run: run_of(workload, &trigger.name, &attempt.target, event, replay),
            procedure: procedure.name.clone(),
            workload: Some(workload.clone()),
            digest: procedure.digest.clone(),
            parameters: call.parameters(),
            at: self.clock.now(),
            by: Actor::System("triggers".to_owned()),
            reason: Some(match replay {
                None => format!("trigger {}", trigger.name),
                Some(replay) => format!("trigger {}, replay {replay}", trigger.name),
            }),
            cause: Some(about.id("trigger.matched")),
            host: None,
            origin: Origin::default(),
        };
        let is_alone = trigger.handling.concurrency != Concurrency::Allow;
        match self.engine.start(&procedure.document, start, Vec::new()).await {
            Ok(run) if is_alone && !run.status.is_over() => Outcome::Started { run: run.id.to_string() },
            Ok(run) => Outcome::Delivered(format!("run {}", run.id)),
            Err(RunError::Refused(problems)) => Outcome::Refused {
                code: "INVALID_INPUT",
                reason: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            },
            Err(error) => {
                Outcome::Failed { code: "INTERNAL", reason: crate::views::chain(&error), after: None }
            }
        }
    }
}
