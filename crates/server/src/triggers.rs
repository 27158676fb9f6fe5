//! Triggers: each event of the journal is matched against the triggers of its workload, and a match starts runs.
//!
//! Delivery is at least once and everything here is idempotent: ids follow from the trigger, the target and the event,
//! so an event that is handled twice, before and after a crash, starts one run.

use std::sync::Arc;

use mainstay_detect::{TargetCall, trigger::circle};
use mainstay_model::{Actor, Event, EventDraft, EventId, RunId};
use mainstay_runbook::{Origin, Start};
use mainstay_store::{Journal, StoreError, Subscription};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Active, Catalogue};
use crate::clock::Clock;
use crate::runs::{Engine, RunError, derived_run_id};

/// The name of the durable subscription.
const SUBSCRIPTION: &str = "triggers";

/// How far back a chain of causes is followed. A longer one is taken for a circle's work.
const MAX_CHAIN: usize = 64;

/// Matches events. One per server.
pub struct Dispatcher {
    journal: Arc<dyn Journal>,
    engine: Engine,
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
}

impl Dispatcher {
    /// A dispatcher; [`Dispatcher::run`] is its loop.
    pub fn new(
        journal: Arc<dyn Journal>,
        engine: Engine,
        clock: Arc<dyn Clock>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        Self { journal, engine, clock, catalogue }
    }

    /// Handles events until stopped.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut subscription = Subscription::open(self.journal.clone(), SUBSCRIPTION)?;
        loop {
            let events = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                events = subscription.next() => events?,
            };
            for event in &events {
                self.handle(event).await?;
            }
            if let Some(last) = events.last() {
                subscription.commit(last.seq).await?;
            }
        }
    }

    /// Handles one event: everything that follows from it is in the journal when this returns.
    pub async fn handle(&self, event: &Event) -> Result<(), StoreError> {
        let workloads = self.catalogue.now();
        let of_event =
            |active: &&Arc<Active>| event.workload.as_deref().is_none_or(|name| name == active.name());
        let mut seen: Option<Value> = None;
        for active in workloads.values().filter(of_event) {
            if active.patterns.is_empty() {
                continue;
            }
            let value = seen.get_or_insert_with(|| event.as_eventbridge());
            for name in active.patterns.matches(value) {
                if let Some(trigger) = active.triggers.get(name) {
                    self.fire(active, name, event, trigger.calls(value)).await?;
                }
            }
        }
        Ok(())
    }

    async fn fire(
        &self,
        active: &Active,
        trigger: &str,
        event: &Event,
        calls: Vec<Result<TargetCall, mainstay_detect::TriggerError>>,
    ) -> Result<(), StoreError> {
        if let Some(reason) = self.causes_itself(trigger, event)? {
            return self.failed(active, trigger, event, "", &reason).await;
        }
        let mut ready = Vec::new();
        for call in calls {
            match call {
                Ok(call) => {
                    let run = derived_run_id(trigger, &call.target_id, &event.id);
                    ready.push((run, call));
                }
                Err(error) => self.failed(active, trigger, event, "", &error.to_string()).await?,
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let matched = self.matched(active, trigger, event, &ready);
        let cause = matched.id.clone();
        self.journal.append(vec![matched]).await?;
        for (run, call) in ready {
            self.start(active, trigger, event, cause.clone(), run, call).await?;
        }
        Ok(())
    }

    async fn start(
        &self,
        active: &Active,
        trigger: &str,
        event: &Event,
        cause: EventId,
        run: RunId,
        call: TargetCall,
    ) -> Result<(), StoreError> {
        let Some(procedure) = active.procedures.get(&call.procedure) else {
            let reason = format!("there is no procedure `{}`", call.procedure);
            return self.failed(active, trigger, event, &call.target_id, &reason).await;
        };
        let start = Start {
            run,
            procedure: procedure.name.clone(),
            workload: Some(active.name().to_owned()),
            digest: procedure.digest.clone(),
            parameters: call.parameters,
            at: self.clock.now(),
            by: Actor::System("triggers".to_owned()),
            reason: Some(format!("trigger {trigger}")),
            cause: Some(cause),
            host: None,
            origin: Origin::default(),
        };
        match self.engine.start(&procedure.document, start, Vec::new()).await {
            Ok(_) => Ok(()),
            Err(RunError::Store(error)) => Err(error),
            Err(RunError::Refused(problems)) => {
                let reason = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                self.failed(active, trigger, event, &call.target_id, &reason).await
            }
            Err(error) => self.failed(active, trigger, event, &call.target_id, &error.to_string()).await,
        }
    }

    fn matched(
        &self,
        active: &Active,
        trigger: &str,
        event: &Event,
        ready: &[(RunId, TargetCall)],
    ) -> EventDraft {
        let runs: Vec<Value> = ready
            .iter()
            .map(|(run, call)| {
                json!({
                    "run": run,
                    "target": call.target_id,
                    "procedure": call.procedure,
                    "parameters": call.parameters,
                    "undefined": call.undefined,
                })
            })
            .collect();
        let data = json!({ "trigger": trigger, "event": event.id, "event_seq": event.seq, "runs": runs });
        self.draft("trigger.matched", active, trigger, event, "", data)
    }

    async fn failed(
        &self,
        active: &Active,
        trigger: &str,
        event: &Event,
        target: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let data = json!({ "trigger": trigger, "event": event.id, "event_seq": event.seq, "target": target, "reason": reason });
        let draft = self.draft("trigger.failed", active, trigger, event, target, data);
        self.journal.append(vec![draft]).await.map(drop)
    }

    fn draft(
        &self,
        kind: &str,
        active: &Active,
        trigger: &str,
        event: &Event,
        target: &str,
        data: Value,
    ) -> EventDraft {
        let identity =
            format!("{kind}\n{}\n{trigger}\n{target}\n{}\n{}", active.name(), event.source, event.id);
        let hex = blake3::hash(identity.as_bytes()).to_hex();
        let id = EventId::new(format!("trigger:{}", &hex[..24])).expect("hex digits are an id");
        EventDraft::new(id, kind, self.clock.now(), Actor::System("triggers".to_owned()), data)
            .subject(format!("trigger/{trigger}"))
            .workload(active.name())
            .cause(event.id.clone())
    }

    /// Whether the trigger stands among what led to the event. Then it would be causing itself, for ever.
    fn causes_itself(&self, trigger: &str, event: &Event) -> Result<Option<String>, StoreError> {
        let mut chain = Vec::new();
        let mut cause = event.cause.clone();
        for _ in 0..MAX_CHAIN {
            let Some(id) = cause else {
                chain.reverse();
                return Ok(circle(trigger, &chain)
                    .map(|circle| format!("it would cause itself: {}", circle.join(" → "))));
            };
            let Some(earlier) = self.journal.read_by_id(mainstay_model::event::SOURCE_SERVER, &id)? else {
                cause = None;
                continue;
            };
            if earlier.kind == "trigger.matched"
                && let Some(name) = earlier.data["trigger"].as_str()
            {
                chain.push(name.to_owned());
            }
            cause = earlier.cause.clone();
        }
        Ok(Some(format!("more than {MAX_CHAIN} events led to one another before it")))
    }
}
