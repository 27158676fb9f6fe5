//! The loop that carries changes out. It takes no input: whatever happens only wakes it, and it looks at every change
//! that is open, so a restart and a change are one path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use mainstay_model::{Actor, EventDraft, HostId, Timestamp};
use mainstay_plan::{
    Change, ChangeEvent, End, Hold, Input, Phase, Plan, Progress, Report, Request, start, step,
};
use mainstay_store::{Journal, StoreError};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fold::{self, About, Record};
use super::observe::{Standing, standing};
use super::{Running, Side};
use crate::app::Health;
use crate::catalogue::{Active, Catalogue};
use crate::clock::{Clock, until_if_ever};
use crate::placement::{Fleet, desired, duties, tagged};
use crate::revisions;

/// A service without a health check counts as working when it has run for so long without ending.
const STEADY: Duration = Duration::from_secs(1);

/// Why a change cannot be taken further.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The journal.
    #[error("the journal refused a step of a change")]
    Store(#[from] StoreError),
    /// There is no such change.
    #[error("There is no change `{0}`")]
    NoSuch(String),
    /// It is not what is asked for.
    #[error("{0}")]
    Refused(String),
    /// Somebody else should approve it.
    #[error("Change {change} was asked for by {by}, who should not be the one to approve it")]
    Own {
        /// The change.
        change: String,
        /// Who asked for it, and now approves it.
        by: Actor,
    },
}

/// The turn of whoever begins or decides a change. Others wait until it is given back.
pub struct Turn(#[expect(dead_code, reason = "it is held, not looked at")] OwnedMutexGuard<()>);

/// Carries changes out. Whoever begins or decides one holds [`Changes::turn`].
pub struct Changes {
    journal: Arc<dyn Journal>,
    catalogue: Arc<Catalogue>,
    fleet: Arc<dyn Fleet>,
    clock: Arc<dyn Clock>,
    health: Health,
    /// Events of changes are numbered, and a workload has one change at a time.
    turn: Arc<Mutex<()>>,
    /// What was begun goes on when whoever asked for it no longer waits: a write and what follows from it are one.
    under_way: TaskTracker,
    wake: Notify,
    /// Since when a service without a health check has been seen running. Only a wait: it begins anew after a restart.
    steady: Lock<BTreeMap<(String, usize), Timestamp>>,
}

impl Changes {
    /// The changes of a journal. To be told to [`Changes::recover`] before services are placed.
    pub fn new(
        journal: Arc<dyn Journal>,
        catalogue: Arc<Catalogue>,
        fleet: Arc<dyn Fleet>,
        clock: Arc<dyn Clock>,
        health: Health,
    ) -> Arc<Self> {
        let (turn, under_way) = (Arc::default(), TaskTracker::new());
        let (wake, steady) = (Notify::new(), Lock::default());
        Arc::new(Self { journal, catalogue, fleet, clock, health, turn, under_way, wake, steady })
    }

    /// One at a time.
    pub async fn turn(&self) -> Turn {
        Turn(self.turn.clone().lock_owned().await)
    }

    /// Does something to its end under the turn, also when nobody waits for it any more: a client that hangs up takes
    /// the handler with it, between a write and what the write has to be followed by.
    async fn through<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl Future<Output = Result<T, ChangeError>> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let work = self.under_way.spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        match work.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(ChangeError::Refused(format!("The server is ending: {error}"))),
            },
        }
    }

    /// Puts every open change where the placement of services sees it.
    pub fn recover(&self) -> Result<(), StoreError> {
        for record in fold::open(self.journal.as_ref())? {
            self.place(&record)?;
        }
        Ok(())
    }

    /// Begins a change: its revision and its first events are one write. Whoever has the turn gives it away.
    pub async fn begin(
        self: &Arc<Self>,
        turn: Turn,
        about: About,
        active: Active,
        plan: Plan,
        request: Request,
        holds: Vec<Hold>,
    ) -> Result<Record, ChangeError> {
        let changes = self.clone();
        self.through(turn, async move { changes.begun(about, active, plan, request, holds).await }).await
    }

    async fn begun(
        &self,
        about: About,
        active: Active,
        plan: Plan,
        request: Request,
        holds: Vec<Hold>,
    ) -> Result<Record, ChangeError> {
        let now = self.clock.now();
        let (state, events) = start(Arc::new(plan), request, holds, now);
        let mut drafts = vec![active.revision.proposal(&active.summary())];
        drafts.extend(fold::beginning(&about, &events, now));
        // Where nothing on a host changes, the beginning is the end.
        let wanted = becomes_wanted(&state);
        if wanted {
            drafts.push(active.revision.draft_of(&active.summary(), &about.change));
        }
        self.journal.append(drafts).await?;
        if wanted {
            self.catalogue.put(active);
        } else {
            let (id, base) = (about.change.clone(), self.catalogue.get(&about.workload));
            let running = Running { id, base, next: Arc::new(active), wanted: state.wanted() };
            self.catalogue.carry(&about.workload, running);
        }
        self.wake.notify_one();
        self.find(&about.change)
    }

    /// Lets a change that is held begin. Who asked for it approves it only if they say that they know (`own`).
    pub async fn approve(
        self: &Arc<Self>,
        id: &str,
        by: Actor,
        message: Option<String>,
        own: bool,
    ) -> Result<Record, ChangeError> {
        let turn = self.turn().await;
        let record = self.find(id)?;
        let input = Input::Approve { by: by.clone(), message };
        if record.state.refuses(&input).is_none() && record.state.request.is_of(&by) && !own {
            return Err(ChangeError::Own { change: id.to_owned(), by });
        }
        self.decide(turn, record, input).await
    }

    /// Ends a change that is held, or stops one that is being carried out.
    pub async fn refuse(
        self: &Arc<Self>,
        id: &str,
        by: Actor,
        message: Option<String>,
    ) -> Result<Record, ChangeError> {
        let turn = self.turn().await;
        let record = self.find(id)?;
        let input = match record.state.phase {
            Phase::Held => Input::Refuse { by, message },
            _ => Input::Cancel { by, message },
        };
        self.decide(turn, record, input).await
    }

    fn find(&self, id: &str) -> Result<Record, ChangeError> {
        fold::change(self.journal.as_ref(), id)?.ok_or_else(|| ChangeError::NoSuch(id.to_owned()))
    }

    async fn decide(
        self: &Arc<Self>,
        turn: Turn,
        record: Record,
        input: Input,
    ) -> Result<Record, ChangeError> {
        if let Some(reason) = record.state.refuses(&input) {
            return Err(ChangeError::Refused(reason));
        }
        let changes = self.clone();
        self.through(turn, async move {
            let events = step(&record.state, &input, changes.clock.now());
            changes.append(&record, &events).await?;
            changes.wake.notify_one();
            changes.find(&record.about.change)
        })
        .await
    }

    /// Runs until stopped. Fails when the journal does; whoever keeps it starts it again.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), StoreError> {
        let mut hosts = self.fleet.changes();
        // Another workload's revision or change is told to the same hosts.
        let mut workloads = self.catalogue.watch();
        let mut running = self.catalogue.watch_running();
        loop {
            hosts.borrow_and_update();
            workloads.borrow_and_update();
            running.borrow_and_update();
            let next = {
                let _turn = self.turn().await;
                self.look().await?
            };
            let timer = until_if_ever(self.clock.as_ref(), next);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                () = timer => {}
                changed = hosts.changed() => if changed.is_err() { return Ok(()) },
                changed = workloads.changed() => if changed.is_err() { return Ok(()) },
                changed = running.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Takes every open change as far as it goes now. Answers with when to look again at the latest.
    async fn look(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        let mut open = BTreeSet::new();
        for record in fold::open(self.journal.as_ref())? {
            open.insert(record.about.change.clone());
            let at = self.advance(record).await?;
            next = next.into_iter().chain(at).min();
        }
        self.steady_locked().retain(|(change, _), _| open.contains(change));
        Ok(next)
    }

    async fn advance(&self, mut record: Record) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let now = self.clock.now();
            let (inputs, look_again) = self.hear(&record, now);
            let mut state = record.state.clone();
            let mut events = Vec::new();
            for input in &inputs {
                for event in step(&state, input, now) {
                    // The machine folds its own events, so they follow.
                    if state.take(&event).is_ok() {
                        events.push(event);
                    }
                }
            }
            if events.is_empty() {
                let deadline = record.state.next_deadline();
                return Ok(deadline.into_iter().chain(look_again).min());
            }
            self.append(&record, &events).await?;
            match fold::change(self.journal.as_ref(), &record.about.change)? {
                Some(next) if next.state.end().is_none() => record = next,
                _ => return Ok(None),
            }
        }
    }

    /// Makes events durable, and with the last of them the revision wanted if it now is. Then the placement sees it.
    async fn append(&self, record: &Record, events: &[ChangeEvent]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut drafts = record.drafts(events, now);
        let mut state = record.state.clone();
        for event in events {
            // What does not follow is refused by the fold as well.
            let _ = state.take(event);
        }
        let wanted = if becomes_wanted(&state) { self.wanted(record, now, &mut drafts)? } else { None };
        self.journal.append(drafts).await?;
        if let Some(active) = wanted {
            self.catalogue.put(active);
        }
        if state.end().is_some() {
            // After its revision, so that nobody sees the one before in between.
            self.catalogue.carried(&record.about.workload);
        } else {
            self.place(&Record { state, ..record.clone() })?;
        }
        Ok(())
    }

    /// The revision of a change as the wanted one, and its event beside the others.
    fn wanted(
        &self,
        record: &Record,
        now: Timestamp,
        drafts: &mut Vec<EventDraft>,
    ) -> Result<Option<Active>, StoreError> {
        let about = &record.about;
        let Some(mut revision) = revisions::revision(self.journal.as_ref(), about.revision.as_str())? else {
            // It was written in one batch with the change; without it there is nothing that could be wanted.
            tracing::error!(revision = %about.revision, "a change's revision is not in the journal");
            return Ok(None);
        };
        let request = &record.state.request;
        revision.applied_at = now;
        revision.applied_by = request.by.clone();
        revision.message.clone_from(&request.message);
        let active = match self.catalogue.running().get(&about.workload) {
            Some(running) => Ok(Active { revision: revision.clone(), ..Active::clone(&running.next) }),
            None => Active::load(&revision),
        };
        match active {
            Ok(active) => {
                drafts.push(revision.draft_of(&active.summary(), &about.change));
                Ok(Some(active))
            }
            Err(error) => {
                self.health.bad(&format!("workload {}", about.workload), error.to_string());
                Ok(None)
            }
        }
    }

    /// Puts an open change where the placement of services sees it.
    fn place(&self, record: &Record) -> Result<(), StoreError> {
        let about = &record.about;
        if record.state.end().is_some() {
            return Ok(());
        }
        let wanted: BTreeMap<(HostId, String), Side> = record.state.wanted();
        if let Some(known) = self.catalogue.running().get(&about.workload)
            && known.id == about.change
        {
            if known.wanted != wanted {
                self.catalogue.carry(&about.workload, Running { wanted, ..Running::clone(known) });
            }
            return Ok(());
        }
        let part = format!("change {}", about.change);
        let Some(revision) = revisions::revision(self.journal.as_ref(), about.revision.as_str())? else {
            self.health.bad(&part, format!("its revision {} is not in the journal", about.revision));
            return Ok(());
        };
        match Active::load(&revision) {
            Ok(next) => {
                let base = self.catalogue.get(&about.workload);
                let (id, next) = (about.change.clone(), Arc::new(next));
                self.catalogue.carry(&about.workload, Running { id, base, next, wanted });
            }
            // Services stay, or go back to, what the wanted revision says.
            Err(error) => self.health.bad(&part, error.to_string()),
        }
        Ok(())
    }

    /// What the hosts say of a change's actions now, and when it may be another thing without anybody saying so.
    fn hear(&self, record: &Record, now: Timestamp) -> (Vec<Input>, Option<Timestamp>) {
        let mut inputs = vec![Input::Resume];
        let mut again: Option<Timestamp> = None;
        let about = &record.about;
        let running = self.catalogue.running();
        if running.get(&about.workload).is_none_or(|change| change.id != about.change) {
            let by = Actor::System("changes".to_owned());
            let message = Some("its revision cannot be used by this version of the server".to_owned());
            inputs.push(Input::Cancel { by, message });
            return (inputs, None);
        }
        let workloads = self.catalogue.now();
        let hosts = self.fleet.hosts();
        let known = tagged(&hosts);
        let told = desired(&duties(&workloads, &running, &known), &workloads, &running, &known);
        for (place, state) in record.state.actions.iter().enumerate() {
            let Some(action) = record.state.plan.actions.get(place) else { continue };
            let Some(id) = &action.resource.host else { continue };
            let way = if record.state.is_going_back() { &state.back } else { &state.forward };
            if *way == Progress::Waiting {
                continue;
            }
            let host = hosts.iter().find(|host| host.id == *id);
            let component = &action.resource.name;
            let stands = match told.get(id) {
                Some(told) => standing(host, told, &about.workload, component),
                None => Standing::Away,
            };
            let lost = matches!(way, Progress::Lost { .. });
            let mut say = |report| inputs.push(Input::Report { action: place, report });
            if lost && stands != Standing::Away {
                say(Report::HostBack);
            }
            let key = (about.change.clone(), place);
            if !matches!(stands, Standing::Ready { checked: false }) {
                self.steady_locked().remove(&key);
            }
            match stands {
                Standing::Away => say(Report::HostLost),
                Standing::Pending => {}
                Standing::Failed(reason) => say(Report::Failed { reason }),
                Standing::Ready { checked: true } => say(Report::Ready),
                Standing::Ready { checked: false } => {
                    let since = *self.steady_locked().entry(key).or_insert(now);
                    if now >= since.plus(STEADY) {
                        say(Report::Ready);
                    } else {
                        again = again.into_iter().chain([since.plus(STEADY)]).min();
                    }
                }
            }
        }
        (inputs, again)
    }

    fn steady_locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, usize), Timestamp>> {
        // Each change of it is complete before anything can panic.
        self.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the revision of a change that has ended is the wanted one from then on.
fn becomes_wanted(state: &Change) -> bool {
    match state.end() {
        Some(End::Applied | End::KeptPart) => true,
        Some(End::Cancelled) => {
            state.request.keep && state.actions.iter().any(mainstay_plan::ActionState::begun)
        }
        _ => false,
    }
}
