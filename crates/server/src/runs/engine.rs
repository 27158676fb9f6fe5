//! The run engine: a thin loop around `mainstay-runbook`'s machine.
//!
//! Each active run has one task. It journals what the machine decided and then performs what the run has outstanding;
//! it decides nothing itself. After a crash the same task starts from the journal, so restart and happy path are one
//! path: an attempt that was journalled and not settled is performed again under the same id, and whoever performs it
//! answers with what became of it the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use mainstay_model::{Actor, EventDraft, EventId, HostId, RunId};
use mainstay_runbook::{
    Action, AttemptId, Decision, Dispatch, Document, Effect, EffectKind, HostResult, Input, Library, Outcome,
    Run, RunEvent, Start,
};
use mainstay_store::{Journal, StoreError};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::orders::{self, Where};
use super::performer::{Act, Order, Performer};
use crate::clock::Clock;

/// How long to wait before writing to a journal again that refused, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(10);

/// Why a run cannot be started or told something.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The document or the parameters are not right.
    #[error("the run cannot start")]
    Refused(Vec<mainstay_model::Problem>),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The run is over.
    #[error("run {0} is over")]
    Over(RunId),
    /// The journal did not take it.
    #[error("the journal did not take it")]
    Store(#[from] StoreError),
    /// A run in the journal cannot be read.
    #[error("run {run} cannot be continued: {reason}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
}

/// What a person tells a run.
#[derive(Debug)]
enum Word {
    Cancel { by: Actor, reason: String },
    Decide { attempt: AttemptId, by: Actor, decision: Decision },
}

/// The engine. Cloning it is cheap and gives the same one.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Arc<dyn Journal>,
    performer: Arc<dyn Performer>,
    clock: Arc<dyn Clock>,
    active: Mutex<BTreeMap<RunId, mpsc::UnboundedSender<Word>>>,
    /// The documents of active runs, by digest, so that a thousand runs of one procedure hold it once.
    documents: Mutex<BTreeMap<String, Weak<Document>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Engine {
    /// An engine; it does nothing until it is told to [`Engine::recover`] or [`Engine::start`].
    pub fn new(
        journal: Arc<dyn Journal>,
        performer: Arc<dyn Performer>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Self {
        let inner = Inner {
            journal,
            performer,
            clock,
            active: Mutex::new(BTreeMap::new()),
            documents: Mutex::new(BTreeMap::new()),
            tasks: TaskTracker::new(),
            stop,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes up every run that the journal says is not over. Answers with how many.
    pub fn recover(&self) -> Result<usize, RunError> {
        let mut taken = 0;
        for run in super::fold::unfinished(self.inner.journal.as_ref())? {
            self.drive(run, None);
            taken += 1;
        }
        Ok(taken)
    }

    /// Takes up one run. One that is over, or active already, is left as it is.
    pub fn take_up(&self, id: &RunId) -> Result<Run, RunError> {
        let run = super::fold::run(self.inner.journal.as_ref(), id)?
            .ok_or_else(|| RunError::NoSuchRun(id.clone()))?;
        self.drive(run.clone(), None);
        Ok(run)
    }

    /// Starts a run. `extra` is journalled in the same batch, before the run's own events. Starting the same id again
    /// changes nothing.
    pub async fn start(
        &self,
        document: &Arc<Document>,
        start: Start,
        extra: Vec<EventDraft>,
    ) -> Result<Run, RunError> {
        let id = start.run.clone();
        if let Some(run) = super::fold::run(self.inner.journal.as_ref(), &id)? {
            // The batch that began it also held `extra`, so nothing is missing.
            self.drive(run.clone(), None);
            return Ok(run);
        }
        let step = mainstay_runbook::start(document, start).map_err(RunError::Refused)?;
        let drafts = extra.into_iter().chain(step.events.iter().map(RunEvent::draft)).collect();
        self.inner.journal.append(drafts).await?;
        self.drive(step.run.clone(), Some(document.clone()));
        Ok(step.run)
    }

    /// Asks for a run to be cancelled. It goes through its cancellation in its own time.
    pub fn cancel(&self, id: &RunId, by: Actor, reason: String) -> Result<(), RunError> {
        self.tell(id, Word::Cancel { by, reason })
    }

    /// Says what came of an attempt of which nobody knew.
    pub fn decide(
        &self,
        id: &RunId,
        attempt: AttemptId,
        by: Actor,
        decision: Decision,
    ) -> Result<(), RunError> {
        self.tell(id, Word::Decide { attempt, by, decision })
    }

    fn tell(&self, id: &RunId, word: Word) -> Result<(), RunError> {
        let Some(run) = super::fold::run(self.inner.journal.as_ref(), id)? else {
            return Err(RunError::NoSuchRun(id.clone()));
        };
        if run.status.is_over() {
            return Err(RunError::Over(id.clone()));
        }
        let active = self.inner.active.lock().unwrap_or_else(PoisonError::into_inner);
        match active.get(id) {
            Some(words) if words.send(word).is_ok() => Ok(()),
            _ => Err(RunError::Over(id.clone())),
        }
    }

    /// Resolves when every task has ended, which they do once the stop token is cancelled.
    pub async fn stopped(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Resolves when no run is active.
    pub fn active(&self) -> BTreeSet<RunId> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Gives a run its task. `document` is the one it is pinned to, where that is at hand.
    fn drive(&self, run: Run, document: Option<Arc<Document>>) {
        if run.status.is_over() {
            return;
        }
        let (words, heard) = mpsc::unbounded_channel();
        {
            let mut active = self.inner.active.lock().unwrap_or_else(PoisonError::into_inner);
            if active.contains_key(&run.id) {
                return;
            }
            active.insert(run.id.clone(), words);
        }
        let inner = self.inner.clone();
        self.inner.tasks.spawn(async move {
            let id = run.id.clone();
            let stop = inner.stop.clone();
            let drive = Drive {
                inner: inner.clone(),
                heard,
                in_flight: FuturesUnordered::new(),
                begun: BTreeSet::new(),
                chosen_here: BTreeSet::new(),
                taken_up: None,
                stops: BTreeMap::new(),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                ended = drive.follow(run, document) => if let Err(error) = ended {
                    tracing::error!(run = %id, %error, "a run cannot go on");
                },
            }
            inner.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }
}

/// Whether trying again cannot help: the fault lies in what is written, or the journal is gone.
fn hopeless(error: &StoreError) -> bool {
    !matches!(error, StoreError::NoSpace { .. } | StoreError::Sqlite { .. })
}

impl Inner {
    /// The document a run is pinned to, from its first event.
    fn pinned(&self, run: &Run) -> Result<Arc<Document>, RunError> {
        let known = |documents: &BTreeMap<String, Weak<Document>>| documents.get(&run.digest)?.upgrade();
        if let Some(document) = known(&self.documents.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(document);
        }
        let document = Arc::new(pinned(self.journal.as_ref(), run)?);
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|_, document| document.strong_count() > 0);
        documents.insert(run.digest.clone(), Arc::downgrade(&document));
        Ok(document)
    }
}

/// The document a run is pinned to, from its first event.
fn pinned(journal: &dyn Journal, run: &Run) -> Result<Document, RunError> {
    let unreadable = |reason: String| RunError::Unreadable { run: run.id.clone(), reason };
    let started = journal
        .read_by_id(mainstay_model::event::SOURCE_SERVER, &run.started_event())?
        .ok_or_else(|| unreadable("its first event is missing".to_owned()))?;
    let value = started.data.get("document").cloned().unwrap_or(Value::Null);
    let library = started.data.get("library").cloned().unwrap_or_default();
    let library: Library = match library {
        Value::Null => Library::default(),
        library => serde_json::from_value(library).map_err(|error| {
            unreadable(format!("what it was given beside its document cannot be read: {error}"))
        })?,
    };
    Document::parse(&value).map(|document| document.with(library)).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        unreadable(format!("this version of Mainstay does not take its document any more: {first}"))
    })
}

/// Which thing is being waited for. The dispatched half of an attempt is another thing than the choosing half.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    Choose(AttemptId),
    Commands(AttemptId),
    Act(AttemptId),
    Timer(String),
    Stop(AttemptId),
}

/// What came of it: an input for the machine, or nothing to say.
type Heard = (Wait, Option<Input>);

struct Drive {
    inner: Arc<Inner>,
    heard: mpsc::UnboundedReceiver<Word>,
    in_flight: FuturesUnordered<BoxFuture<'static, Heard>>,
    begun: BTreeSet<Wait>,
    /// Attempts whose hosts were chosen in this life of the server: nobody else can have sent them.
    chosen_here: BTreeSet<AttemptId>,
    /// The attempt that was open when this server took the run up: an earlier one may have begun it.
    taken_up: Option<AttemptId>,
    /// Stops what the control plane does itself.
    stops: BTreeMap<AttemptId, CancellationToken>,
}

impl Drive {
    async fn follow(mut self, run: Run, document: Option<Arc<Document>>) -> Result<(), RunError> {
        let is_taken_up = document.is_none();
        let document = match document {
            Some(document) => document,
            None => self.inner.pinned(&run)?,
        };
        // A run that was just started is given with its document; its first attempt is in the journal and not begun.
        self.taken_up = run.open_attempt().filter(|_| is_taken_up).map(|open| open.attempt.clone());
        let mut run = self.advance(&document, run, Input::Resume).await?;
        while !run.status.is_over() {
            for action in run.outstanding() {
                self.begin(&document, &run, action);
            }
            let input = tokio::select! {
                Some((wait, input)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.begun.remove(&wait);
                    input
                }
                word = self.heard.recv() => match word {
                    Some(Word::Cancel { by, reason }) => Some(Input::Cancel { by, reason }),
                    Some(Word::Decide { attempt, by, decision }) => Some(Input::Decide { attempt, by, decision }),
                    None => return Ok(()),
                },
            };
            if let Some(input) = input {
                run = self.advance(&document, run, input).await?;
            }
        }
        self.forget(&run);
        Ok(())
    }

    /// Hands the machine an input and makes what it decided durable before anything follows from it.
    async fn advance(&mut self, document: &Document, run: Run, input: Input) -> Result<Run, RunError> {
        let step = mainstay_runbook::step(document, &run, input, self.inner.clock.now());
        if step.events.is_empty() {
            return Ok(step.run);
        }
        let drafts: Vec<EventDraft> = step.events.iter().map(RunEvent::draft).collect();
        let mut pause = RETRY_FIRST;
        loop {
            match self.inner.journal.append(drafts.clone()).await {
                Ok(_) => {
                    self.forget_earlier(&run, &step.run);
                    return Ok(step.run);
                }
                Err(error) if hopeless(&error) => return Err(error.into()),
                Err(error) => {
                    tracing::error!(run = %run.id, %error, "the journal refused a run's step; trying again");
                    self.inner.clock.until(self.inner.clock.now().plus(pause)).await;
                    pause = (pause * 2).min(RETRY_MOST);
                }
            }
        }
    }

    fn begin(&mut self, document: &Document, run: &Run, action: Action) {
        match action {
            Action::Wake { timer, at } => {
                let wait = Wait::Timer(timer.to_string());
                if self.begun.insert(wait.clone()) {
                    let until = self.inner.clock.until(at);
                    self.in_flight.push(Box::pin(async move {
                        until.await;
                        (wait, Some(Input::TimerDue { timer }))
                    }));
                }
            }
            Action::Perform(effect) if effect.kind.is_of_control_plane() => self.act(run, effect),
            Action::Perform(effect) => match effect.dispatched.clone() {
                None => self.choose(effect),
                Some(commands) => self.perform(document, run, effect, commands),
            },
            Action::Stop { attempt, dispatched } => {
                let kind = run.open_attempt().and_then(|open| open.effect.clone());
                if let Some(kind) = kind.filter(EffectKind::is_of_control_plane) {
                    // What it comes to is what it says, also where this is the first that this server hears of it.
                    let stop = self.stops.entry(attempt.clone()).or_default();
                    stop.cancel();
                    return self.act(run, Effect { attempt, deadline: None, kind, dispatched: None });
                }
                let wait = Wait::Stop(attempt.clone());
                if !self.begun.insert(wait.clone()) {
                    return;
                }
                match dispatched {
                    // Its commands' ends are being waited for, or will be: they settle the attempt.
                    Some(commands) => {
                        for command in &commands {
                            self.inner.performer.stop(&command.host, &command.command);
                        }
                        if let Some(effect) = run.open_attempt().and_then(|open| open.effect.clone()) {
                            let effect = Effect {
                                attempt,
                                deadline: None,
                                kind: effect,
                                dispatched: Some(commands.clone()),
                            };
                            self.perform(document, run, effect, commands);
                        }
                    }
                    None => self.in_flight.push(Box::pin(async move {
                        (wait, Some(Input::Settled { attempt, outcome: Outcome::Cancelled }))
                    })),
                }
            }
        }
    }

    /// Chooses the hosts of an attempt. They are journalled before anything is sent.
    fn choose(&mut self, effect: Effect) {
        let wait = Wait::Choose(effect.attempt.clone());
        if !self.begun.insert(wait.clone()) {
            return;
        }
        self.chosen_here.insert(effect.attempt.clone());
        let inner = self.inner.clone();
        self.in_flight.push(Box::pin(async move {
            let attempt = effect.attempt;
            let hosts = match orders::place(&effect.kind) {
                Where::Control => Ok(vec![inner.performer.control_host().await]),
                Where::Hosts(targets) => inner.performer.choose(&targets),
                Where::Itself => Err(format!("{} is performed by no host", effect.kind.action())),
            };
            let input = match hosts {
                Ok(hosts) => {
                    let dispatch = |(position, host): (usize, HostId)| Dispatch {
                        command: attempt.command_on(&host, position),
                        host,
                    };
                    let commands = hosts.into_iter().enumerate().map(dispatch).collect();
                    Input::Dispatched { attempt, commands }
                }
                Err(reason) => Input::Settled { attempt, outcome: Outcome::failed(reason) },
            };
            (wait, Some(input))
        }));
    }

    /// Has the commands of an attempt performed and settles it when all have ended.
    fn perform(&mut self, document: &Document, run: &Run, effect: Effect, commands: Vec<Dispatch>) {
        let wait = Wait::Commands(effect.attempt.clone());
        if !self.begun.insert(wait.clone()) {
            return;
        }
        let maybe_sent = !self.chosen_here.contains(&effect.attempt);
        let orders: Result<Vec<Order>, String> = commands
            .into_iter()
            .map(|command| {
                orders::order(run, document, &effect, command).map(|order| Order { maybe_sent, ..order })
            })
            .collect();
        let inner = self.inner.clone();
        self.in_flight.push(Box::pin(async move {
            let outcome = match orders {
                Ok(orders) => {
                    let ends = orders.into_iter().map(|order| inner.performer.perform(order));
                    let results: Vec<HostResult> = futures::future::join_all(ends).await;
                    orders::outcome(&effect, &results)
                }
                // It cannot have been sent by an earlier server either.
                Err(reason) => Outcome::failed(reason),
            };
            (wait, Some(Input::Settled { attempt: effect.attempt, outcome }))
        }));
    }

    /// Has the control plane do itself what no host does.
    fn act(&mut self, run: &Run, effect: Effect) {
        let wait = Wait::Act(effect.attempt.clone());
        if !self.begun.insert(wait.clone()) {
            return;
        }
        let (inner, attempt) = (self.inner.clone(), effect.attempt);
        let act = Act {
            attempt: attempt.clone(),
            run: run.id.clone(),
            procedure: run.procedure.clone(),
            workload: run.workload.clone(),
            cause: run.started_event(),
            kind: effect.kind,
            deadline: effect.deadline,
            maybe_begun: self.taken_up.as_ref() == Some(&attempt),
            stop: self.stops.entry(attempt.clone()).or_default().clone(),
        };
        self.in_flight.push(Box::pin(async move {
            let outcome = inner.performer.act(act).await;
            (wait, Some(Input::Settled { attempt, outcome }))
        }));
    }

    /// A loop that begins its next iteration drops what the steps of the last one sent; all of it is settled and in
    /// the journal, so the hosts may drop it too.
    fn forget_earlier(&self, before: &Run, after: &Run) {
        for (old, new) in before.steps.iter().zip(&after.steps) {
            if new.earlier_attempts > old.earlier_attempts {
                for command in old.attempts.iter().flat_map(|attempt| &attempt.commands) {
                    self.inner.performer.forget(&command.host, &command.command);
                }
            }
        }
    }

    /// Tells the hosts that the results of a finished run are in the journal.
    fn forget(&self, run: &Run) {
        for record in run.steps.iter().flat_map(|step| &step.attempts) {
            for command in &record.commands {
                self.inner.performer.forget(&command.host, &command.command);
            }
        }
    }
}

/// A run id that is the same each time the same event starts the same target, so that handling an event twice starts
/// one run.
pub fn derived_run_id(trigger: &str, target: &str, event: &EventId) -> RunId {
    let digest = blake3::hash(format!("{trigger}\n{target}\n{event}").as_bytes());
    let hex = digest.to_hex();
    let slug: String = trigger.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
    let slug = slug.trim_start_matches('-');
    RunId::new(if slug.is_empty() { hex[..16].to_owned() } else { format!("{slug}-{}", &hex[..12]) })
        .expect("letters, digits and dashes, starting with a letter or digit, make an id")
}
