//! The run engine: a thin loop around `mainstay-runbook`'s machine.
//!
//! Each active run has one task. It journals what the machine decided and then performs what the run has outstanding;
//! it decides nothing itself. After a crash the same task starts from the journal, so restart and happy path are one
//! path: an attempt that was journalled and not settled is performed again under the same id, and whoever performs it
//! answers with what became of it the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mainstay_model::{Actor, EventDraft, EventId, RunId};
use mainstay_runbook::{
    AttemptId, Decision, Document, Library, Run, RunEvent, RunStatus, Start, child, resume,
};
use mainstay_store::{Journal, StoreError};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::children::Seen;
use super::drive::Drive;
use super::lines::{Key, Lines};
use super::performer::Performer;
use super::procedures::Procedures;
use crate::clock::Clock;

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
pub(super) enum Word {
    Cancel {
        by: Actor,
        reason: String,
    },
    Decide {
        attempt: AttemptId,
        by: Actor,
        decision: Decision,
    },
    /// Not a person's: it is the run's turn.
    Release,
}

/// What the engine keeps of a run that is active.
pub(super) struct Handle {
    words: mpsc::UnboundedSender<Word>,
    pub(super) seen: watch::Receiver<Seen>,
}

/// The engine. Cloning it is cheap and gives the same one.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) performer: Arc<dyn Performer>,
    pub(super) procedures: Arc<dyn Procedures>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) active: Mutex<BTreeMap<RunId, Handle>>,
    /// Who goes on and who stands in line, by procedure.
    pub(super) lines: Lines,
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
        procedures: Arc<dyn Procedures>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Self {
        let inner = Inner {
            journal,
            performer,
            procedures,
            clock,
            active: Mutex::new(BTreeMap::new()),
            lines: Lines::default(),
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
            self.inner.drive(run, None);
            taken += 1;
        }
        self.reconsider()?;
        Ok(taken)
    }

    /// Looks again at who stands in line: the limits may have changed.
    pub fn reconsider(&self) -> Result<(), RunError> {
        self.inner.let_all_go()
    }

    /// Takes up one run. One that is over, or active already, is left as it is.
    pub fn take_up(&self, id: &RunId) -> Result<Run, RunError> {
        let run = super::fold::run(self.inner.journal.as_ref(), id)?
            .ok_or_else(|| RunError::NoSuchRun(id.clone()))?;
        self.inner.drive(run.clone(), None);
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
        self.inner.start(document, start, extra).await
    }

    /// Goes on with a run that is over, from a step, as the new run `run`. Asking for the same id again changes nothing.
    pub async fn resume(
        &self,
        earlier: &RunId,
        from: &str,
        run: RunId,
        by: Actor,
        asked: Option<String>,
    ) -> Result<Run, RunError> {
        let earlier = super::fold::run(self.inner.journal.as_ref(), earlier)?
            .ok_or_else(|| RunError::NoSuchRun(earlier.clone()))?;
        let document = self.inner.pinned(&earlier)?;
        let mut start = resume::start(&document, &earlier, from, run, by, self.inner.clock.now())
            .map_err(RunError::Refused)?;
        start.origin.asked = asked;
        self.inner.start(&document, start, Vec::new()).await
    }

    /// Asks for a run to be cancelled. It goes through its cancellation in its own time.
    pub fn cancel(&self, id: &RunId, by: Actor, reason: String) -> Result<(), RunError> {
        self.inner.tell(id, Word::Cancel { by, reason })
    }

    /// Says what came of an attempt of which nobody knew.
    pub fn decide(
        &self,
        id: &RunId,
        attempt: AttemptId,
        by: Actor,
        decision: Decision,
    ) -> Result<(), RunError> {
        self.inner.tell(id, Word::Decide { attempt, by, decision })
    }

    /// Resolves when every task has ended, which they do once the stop token is cancelled.
    pub async fn stopped(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Resolves when a run's task has ended: because the run is over, because the engine was stopped, or because the run
    /// cannot go on, and then the answer says why.
    pub async fn ended(&self, id: &RunId) -> Option<String> {
        let mut seen = {
            let active = self.inner.active.lock().unwrap_or_else(PoisonError::into_inner);
            active.get(id)?.seen.clone()
        };
        while seen.changed().await.is_ok() {}
        let last = seen.borrow();
        last.waits.clone().filter(|_| !last.over)
    }

    /// The runs that are active.
    pub fn active(&self) -> BTreeSet<RunId> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Inner {
    /// See [`Engine::start`].
    pub(super) async fn start(
        self: &Arc<Self>,
        document: &Arc<Document>,
        mut start: Start,
        extra: Vec<EventDraft>,
    ) -> Result<Run, RunError> {
        let id = start.run.clone();
        if let Some(run) = super::fold::run(self.journal.as_ref(), &id)? {
            // The batch that began it also held `extra`, so nothing is missing.
            self.drive(run.clone(), None);
            return Ok(run);
        }
        // Held until the run is in the journal, so that those who stand in line stand there in the journal's order.
        let place = self.place(&mut start).await?;
        let now = start.at;
        let step = mainstay_runbook::start(document, start).map_err(RunError::Refused)?;
        let step = super::drive::with_hosts(self, document, step, now);
        let mut drafts = extra;
        let first = drafts.len() + 1;
        drafts.extend(step.events.iter().map(RunEvent::draft));
        let decided = drafts[first..].to_vec();
        let written = self.journal.append(drafts).await?;
        let ours = written[first..].iter().map(|event| &event.draft).eq(&decided);
        let run = if ours { None } else { super::fold::run(self.journal.as_ref(), &id)? };
        // Where somebody else began it at the same time, what is in the journal holds, and is taken up.
        let (run, document) = match run {
            Some(run) => (run, None),
            None => (step.run, Some(document.clone())),
        };
        self.join(&run);
        drop(place);
        self.drive(run.clone(), document);
        if run.status == RunStatus::Pending {
            // The run it stands behind may have ended since.
            self.let_go(&Key::of(&run))?;
        }
        Ok(run)
    }

    pub(super) fn tell(&self, id: &RunId, word: Word) -> Result<(), RunError> {
        let Some(run) = super::fold::run(self.journal.as_ref(), id)? else {
            return Err(RunError::NoSuchRun(id.clone()));
        };
        if run.status.is_over() {
            return Err(RunError::Over(id.clone()));
        }
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        match active.get(id) {
            Some(handle) if handle.words.send(word).is_ok() => Ok(()),
            _ => Err(RunError::Over(id.clone())),
        }
    }

    /// Gives a run its task. `document` is the one it is pinned to, where that is at hand.
    pub(super) fn drive(self: &Arc<Self>, run: Run, document: Option<Arc<Document>>) {
        if run.status.is_over() {
            return;
        }
        let (words, heard) = mpsc::unbounded_channel();
        let (show, seen) = watch::channel(Seen { over: false, waits: child::waits(&run) });
        {
            let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            if active.contains_key(&run.id) {
                return;
            }
            active.insert(run.id.clone(), Handle { words, seen });
        }
        let inner = self.clone();
        self.tasks.spawn(async move {
            let (id, key) = (run.id.clone(), Key::of(&run));
            let procedure = run.procedure.clone();
            let stop = inner.stop.clone();
            let drive = Drive::new(inner.clone(), heard, show.clone());
            if inner.may_go(&run) {
                // Its turn came before it had a task that could hear so.
                let _ = inner.tell(&id, Word::Release);
            }
            let ended = tokio::select! {
                () = stop.cancelled() => None,
                ended = drive.follow(run, document) => Some(ended),
            };
            match ended {
                None => {}
                Some(Ok(())) => {
                    show.send_replace(Seen { over: true, waits: None });
                    inner.leave(&key, &id);
                }
                Some(Err(error)) => {
                    tracing::error!(run = %id, %error, "a run cannot go on");
                    let error = crate::views::chain(&error);
                    let waits = format!("Run {id} of {procedure} cannot go on: {error}");
                    show.send_replace(Seen { over: false, waits: Some(waits) });
                }
            }
            inner.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }

    /// The document a run is pinned to, from its first event.
    pub(super) fn pinned(&self, run: &Run) -> Result<Arc<Document>, RunError> {
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
