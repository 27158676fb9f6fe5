//! What the control plane performs itself: webhooks, and our own actions. Each is idempotent by its attempt, or says that
//! nobody knows where it cannot be.

mod alarm;
mod change;
mod webhook;

use std::sync::Arc;

use futures::future::BoxFuture;
use mainstay_model::{Actor, CommandId, EventDraft, EventId, HostId, Timestamp};
use mainstay_runbook::{
    EffectKind, HostResult, NotifyEffect, Outcome, QueryEffect, ResolveIncidentEffect, Targets,
};
use mainstay_store::{Journal, StoreError};
use serde_json::{Map, Value, json};

use super::performer::{Act, Order, Performer};
use crate::alarms::Evaluator;
use crate::apply::Applier;
use crate::catalogue::Catalogue;
use crate::clock::{Clock, until_if_ever};
use crate::hub::Hub;
use crate::query::Querier;
use crate::secrets::Secrets;
use crate::webhooks::Outbound;

/// The most samples of a query's answer that a step keeps.
const MAX_SAMPLES: usize = 1000;

/// The server as the engine's performer: the hub's hosts, and the server's own parts.
pub struct Control {
    /// The hosts.
    pub hub: Hub,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The workloads.
    pub catalogue: Arc<Catalogue>,
    /// PromQL.
    pub querier: Querier,
    /// The alarms.
    pub evaluator: Arc<Evaluator>,
    /// Makes changes.
    pub applier: Applier,
    /// Secrets of webhooks.
    pub secrets: Arc<Secrets>,
    /// Carries requests.
    pub outbound: Arc<dyn Outbound>,
}

impl Performer for Control {
    fn choose(&self, targets: &Targets) -> Result<Vec<HostId>, String> {
        self.hub.choose(targets)
    }

    fn control_host(&self) -> BoxFuture<'_, HostId> {
        Performer::control_host(&self.hub)
    }

    fn perform(&self, order: Order) -> BoxFuture<'_, HostResult> {
        self.hub.perform(order)
    }

    fn stop(&self, host: &HostId, id: &CommandId) {
        Performer::stop(&self.hub, host, id);
    }

    fn forget(&self, host: &HostId, id: &CommandId) {
        Performer::forget(&self.hub, host, id);
    }

    fn act(&self, act: Act) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match act.kind.clone() {
                EffectKind::Query(query) => self.until_deadline(&act, self.query(query)).await,
                EffectKind::WaitForAlarm(wait) => {
                    self.until_deadline(&act, alarm::wait(self, &act, &wait)).await
                }
                EffectKind::Notify(notify) => self.notify(&act, notify).await,
                EffectKind::ResolveIncident(resolve) => self.resolve(&act, resolve).await,
                EffectKind::ApplyRevision(apply) => change::apply(self, &act, &apply).await,
                EffectKind::Rollback(rollback) => change::rollback(self, &act, &rollback).await,
                EffectKind::Webhook(webhook) => webhook::send(self, &act, &webhook).await,
                other => Outcome::failed(format!("{} is performed on a host", other.action())),
            }
        })
    }
}

/// Outputs from pairs.
fn outputs<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is said of a journal that does not take or give.
fn refused(error: &StoreError) -> Outcome {
    Outcome::failed(format!("The journal cannot be used: {}", crate::views::chain(error)))
}

impl Control {
    /// The workload that is meant. A run acts on its own: who may run a procedure of one workload has no say on another.
    fn workload(act: &Act, named: Option<&str>) -> Result<String, Outcome> {
        match (&act.workload, named) {
            (Some(own), Some(other)) if own != other => Err(Outcome::failed(format!(
                "Workload {other} is not the run's own ({own}): a procedure changes no workload but its own"
            ))),
            (Some(own), _) => Ok(own.clone()),
            (None, Some(named)) => Ok(named.to_owned()),
            (None, None) => {
                Err(Outcome::failed("The run belongs to no workload: name one with `Workload`".to_owned()))
            }
        }
    }

    /// Something that does no harm: it may be dropped at any time, and begun anew.
    async fn until_deadline(&self, act: &Act, work: impl Future<Output = Outcome>) -> Outcome {
        tokio::select! {
            biased;
            () = act.stop.cancelled() => Outcome::Cancelled,
            outcome = work => outcome,
            () = self.deadline(act) => Outcome::TimedOut {
                message: self.late(act),
                outputs: Map::new(),
            },
        }
    }

    async fn deadline(&self, act: &Act) {
        until_if_ever(self.clock.as_ref(), act.deadline).await;
    }

    /// What was waited for in vain.
    fn late(&self, act: &Act) -> String {
        match &act.kind {
            EffectKind::WaitForAlarm(wait) => {
                let now = act.workload.as_deref().map(|workload| alarm::look(self, workload, &wait.alarm));
                let now = match now {
                    Some(Ok(now)) => format!(": it is {now}"),
                    _ => String::new(),
                };
                format!("The alarm {} did not become {} in time{now}", wait.alarm, wait.state.as_str())
            }
            other => format!("{} was not done in time", other.action()),
        }
    }

    async fn query(&self, query: QueryEffect) -> Outcome {
        let at = query.time.unwrap_or_else(|| self.clock.now());
        let querier = self.querier.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let expr = Querier::parse(&query.query)?;
            querier.samples(&expr, at)
        })
        .await;
        let instant = match answer {
            Ok(Ok(instant)) => instant,
            Ok(Err(error)) => return Outcome::failed(format!("The query has no answer: {error}")),
            Err(error) => return Outcome::failed(format!("The query broke off: {error}")),
        };
        if instant.samples.len() > MAX_SAMPLES {
            return Outcome::failed(format!(
                "The answer has {} samples, at most {MAX_SAMPLES} can be kept: aggregate them",
                instant.samples.len()
            ));
        }
        let number = |value: f64| match serde_json::Number::from_f64(value) {
            Some(number) if value.fract() == 0.0 && value.abs() < 9e15 => {
                // A count is a whole number, which Integer takes.
                #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
                let whole = value as i64;
                let _ = number;
                Value::from(whole)
            }
            Some(number) => Value::Number(number),
            None => Value::String(value.to_string()),
        };
        let result: Vec<Value> = instant
            .samples
            .iter()
            .map(|sample| json!({ "Labels": sample.labels, "Value": number(sample.value) }))
            .collect();
        let mut all = outputs([("Result", Value::Array(result))]);
        // One sample has one value; of none or several there is none.
        if let [only] = &instant.samples[..] {
            all.insert("Value".to_owned(), number(only.value));
        }
        Outcome::Succeeded { outputs: all }
    }

    /// An event of this attempt: appending it again is appending it once.
    fn draft(&self, act: &Act, kind: &str, subject: String, at: Timestamp, data: Value) -> EventDraft {
        let id = EventId::new(format!("{kind}:{}", act.attempt))
            .or_else(|_| EventId::new(act.attempt.as_str()))
            .expect("an attempt's id is an event's id");
        let draft = EventDraft::new(id, kind, at, Actor::Run(act.run.to_string()), data)
            .subject(subject)
            .cause(act.cause.clone());
        match &act.workload {
            Some(workload) => draft.workload(workload),
            None => draft,
        }
    }

    /// Says something to people: in the journal, where triggers and webhooks take it up.
    async fn notify(&self, act: &Act, notify: NotifyEffect) -> Outcome {
        let NotifyEffect { title, message, to } = notify;
        let title = title.unwrap_or_else(|| format!("Procedure {}", act.procedure));
        let data = json!({
            "title": title, "message": message, "to": to, "run": act.run, "procedure": act.procedure,
        });
        let subject = format!("run/{}", act.run);
        let draft = self.draft(act, "notification.requested", subject, self.clock.now(), data);
        match self.journal.append(vec![draft]).await {
            Ok(_) => Outcome::succeeded(),
            Err(error) => refused(&error),
        }
    }

    /// Ends the open incident of the run's workload. One that is over already stays so.
    async fn resolve(&self, act: &Act, resolve: ResolveIncidentEffect) -> Outcome {
        let found = match crate::incidents::get(self.journal.as_ref(), &resolve.incident) {
            Ok(Some(found)) => found.incident,
            Ok(None) => return Outcome::failed(format!("There is no incident {}", resolve.incident)),
            Err(error) => return refused(&error),
        };
        if act.workload.as_ref().is_some_and(|workload| *workload != found.workload) {
            return Outcome::failed(format!(
                "Incident {} is one of {}, and this run belongs to another workload",
                found.id, found.workload
            ));
        }
        let done = |waited: &[String]| Outcome::Succeeded {
            outputs: outputs([("Incident", found.id.to_string().into()), ("WaitedFor", json!(waited))]),
        };
        if found.resolved_at.is_some() {
            return done(&[]);
        }
        let goals = crate::incidents::goals(&self.catalogue, &found.workload);
        let waits = found.waiting_for(&goals);
        let by = Actor::Run(act.run.to_string());
        let draft = mainstay_respond::resolved_by(
            &found,
            &goals,
            by,
            resolve.message.as_deref(),
            act.cause.clone(),
            self.clock.now(),
        );
        match self.journal.append(vec![draft]).await {
            Ok(_) => done(&waits),
            Err(error) => refused(&error),
        }
    }
}
