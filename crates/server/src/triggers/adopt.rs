//! Which triggers an event is for: those that were declared when it came in. The order of the journal says so, and not the
//! moment at which this loop hears of a revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_detect::Destination;
use mainstay_detect::delivery::{Definition, Duty, TriggerId};
use mainstay_model::Event;
use mainstay_store::StoreError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Life, PATIENCE, Triggers};
use crate::catalogue::{Active, Workloads};
use crate::revisions;

impl Life {
    /// Takes over what is declared now, for the events from here on.
    pub(super) async fn adopt(&mut self, workloads: Workloads) -> Result<(), StoreError> {
        let is_same = workloads.len() == self.workloads.len()
            && workloads.values().zip(self.workloads.values()).all(|(new, old)| Arc::ptr_eq(new, old));
        if is_same {
            return Ok(());
        }
        // What came before was not for what is declared now, whatever happens to this life.
        self.flush().await?;
        self.commit(1).await?;
        self.workloads = workloads;
        self.define();
        self.plan_schedules().await
    }

    /// Routes a page of events, each for what was declared when it came in: a revision counts from the event on that
    /// says that it is applied, and not from when this loop hears of it.
    pub(super) async fn page(
        &mut self,
        page: Vec<Arc<Event>>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut rest = page;
        while let Some(at) = rest.iter().position(|event| self.is_new(event)) {
            let from_here = rest.split_off(at);
            if !rest.is_empty() {
                self.turn(rest).await?;
                self.flush().await?;
            }
            let declared = tokio::select! {
                declared = declared(self.parts.clone(), self.changing.clone(), from_here[0].clone()) => declared?,
                // What is left is routed by the next life.
                () = stop.cancelled() => return Ok(()),
            };
            if let Some(active) = declared {
                let mut workloads = BTreeMap::clone(&self.workloads);
                workloads.insert(active.name().to_owned(), active);
                self.adopt(Arc::new(workloads)).await?;
            }
            self.adopted = from_here[0].seq;
            rest = from_here;
        }
        self.turn(rest).await
    }

    /// Whether an event says that a revision is applied which events have not been matched against yet.
    fn is_new(&self, event: &Event) -> bool {
        event.kind == revisions::APPLIED && event.seq > self.adopted && event.is_authentic()
    }

    /// Takes what the triggers are now from what is declared and from what persons turned off.
    pub(super) fn define(&mut self) {
        let mut definitions = BTreeMap::new();
        for active in self.workloads.values() {
            for trigger in active.triggers.values() {
                let id = TriggerId { workload: active.name().to_owned(), trigger: trigger.name.clone() };
                let enabled = trigger.enabled && !self.off.contains_key(&id);
                let duties = trigger.targets.iter().map(|target| {
                    let mut duty = Duty {
                        retry: target.retry,
                        parallel: 64,
                        pool: None,
                        repeatable: target.to.procedure().is_some(),
                    };
                    if let Destination::Webhook(name) = &target.to {
                        let webhook = active.declared.workload.webhooks.get(name);
                        duty.parallel = webhook.map_or(1, |webhook| webhook.parallel as usize);
                        duty.pool = Some(format!("{}/{name}", active.name()).into());
                    }
                    (target.id.clone(), duty)
                });
                let targets = duties.collect();
                let handling = trigger.handling.clone();
                definitions.insert(Arc::new(id), Definition { enabled, handling, targets });
            }
        }
        self.machine.define(definitions);
    }
}

/// What an event says is declared from here on. It is put into the catalogue right after the event is durable; one
/// that never gets there is a fault of ours, and no reason to stop delivering.
async fn declared(
    parts: Arc<Triggers>,
    mut changing: watch::Receiver<Workloads>,
    event: Arc<Event>,
) -> Result<Option<Arc<Active>>, StoreError> {
    let (journal, clock) = (parts.journal.as_ref(), &parts.clock);
    let (Some(workload), Some(revision)) = (&event.workload, event.data["revision"].as_str()) else {
        return Ok(None);
    };
    let is_it = |active: &Arc<Active>| active.revision.revision.as_str() == revision;
    let in_time = clock.until(clock.now().plus(PATIENCE));
    tokio::pin!(in_time);
    loop {
        let there = changing.borrow_and_update().get(workload).cloned().filter(is_it);
        if there.is_some() {
            return Ok(there);
        }
        // Another one has taken its place already.
        let is_wanted =
            revisions::wanted(journal, workload)?.is_some_and(|wanted| wanted.as_str() == revision);
        if !is_wanted {
            break;
        }
        tokio::select! {
            changed = changing.changed() => if changed.is_err() { break },
            () = &mut in_time => {
                tracing::error!(workload, revision, "a revision is applied and not in the catalogue");
                break;
            }
        }
    }
    let Some(revision) = revisions::revision(journal, revision)? else { return Ok(None) };
    match Active::load(&revision) {
        Ok(active) => Ok(Some(Arc::new(active))),
        Err(error) => {
            tracing::error!(%error, "a revision is left out");
            Ok(None)
        }
    }
}
