//! The task of one run: it hands the machine what it hears, journals what the machine decides, and has done what is
//! outstanding then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use mainstay_model::{EventDraft, HostId, Timestamp};
use mainstay_runbook::{
    Action, AttemptId, Body, Dispatch, Document, Effect, EffectKind, HostResult, Input, Outcome, Run,
    RunEvent, Transition, child,
};
use mainstay_store::StoreError;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::children::{Seen, StoppingParent};
use super::engine::{Inner, RunError, Word};
use super::orders::{self, Where};
use super::performer::{Act, Order};

/// How long to wait before writing to a journal again that refused, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(10);

/// Whether trying again cannot help: the fault lies in what is written, or the journal is gone.
fn hopeless(error: &StoreError) -> bool {
    !matches!(error, StoreError::NoSpace { .. } | StoreError::Sqlite { .. })
}

/// Which thing is being waited for. The dispatched half of an attempt is another thing than the choosing half.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    Choose(AttemptId),
    Commands(AttemptId),
    Child(AttemptId),
    Act(AttemptId),
    Timer(String),
    Stop(AttemptId),
}

/// What came of it.
pub(super) enum News {
    /// Something to tell the machine.
    Input(Input),
    /// A child is over. What that means depends on where the parent stands when it hears it.
    ChildOver(AttemptId, Box<Run>),
    /// Nothing to say.
    Nothing,
}

pub(super) struct Drive {
    inner: Arc<Inner>,
    heard: mpsc::UnboundedReceiver<Word>,
    /// Where the run's parent, if it has one, sees how it stands.
    seen: watch::Sender<Seen>,
    in_flight: FuturesUnordered<BoxFuture<'static, (Wait, News)>>,
    begun: BTreeSet<Wait>,
    /// Attempts whose hosts were chosen in this life of the server: nobody else can have sent them.
    chosen_here: BTreeSet<AttemptId>,
    /// The attempt that was open when this server took the run up: an earlier one may have begun it.
    taken_up: Option<AttemptId>,
    /// Stops what the control plane does itself.
    stops: BTreeMap<AttemptId, CancellationToken>,
}

/// The commands of an attempt on the hosts that were chosen for it.
fn dispatched(attempt: AttemptId, hosts: Vec<HostId>) -> Input {
    let dispatch =
        |(position, host): (usize, HostId)| Dispatch { command: attempt.command_on(&host, position), host };
    let commands = hosts.into_iter().enumerate().map(dispatch).collect();
    Input::Dispatched { attempt, commands }
}

/// Names the hosts of an attempt that has just begun, where that needs no waiting. Its beginning and its hosts are then
/// journalled together, still before anything is sent: one write, and so one sync to disk, less for each step.
pub(super) fn with_hosts(inner: &Inner, document: &Document, step: Transition, now: Timestamp) -> Transition {
    let chosen = || {
        let open = step.run.open_attempt()?;
        if open.dispatched.is_some() || open.stopping.is_some() {
            return None;
        }
        let hosts = match orders::place(open.effect.as_ref()?) {
            Where::Control => vec![inner.performer.control_host().now_or_never()?],
            // What cannot be chosen is said when it is tried again: the end of an attempt is another write than its
            // beginning.
            Where::Hosts(targets) => {
                inner.performer.choose(&targets).ok().filter(|hosts| !hosts.is_empty())?
            }
            Where::Itself | Where::Run => return None,
        };
        Some(dispatched(open.attempt.clone(), hosts))
    };
    let Some(input) = chosen() else { return step };
    let Transition { run, mut events } = step;
    let next = mainstay_runbook::take(document, run, input, now);
    events.extend(next.events);
    Transition { run: next.run, events }
}

impl Drive {
    pub(super) fn new(
        inner: Arc<Inner>,
        heard: mpsc::UnboundedReceiver<Word>,
        seen: watch::Sender<Seen>,
    ) -> Self {
        Self {
            inner,
            heard,
            seen,
            in_flight: FuturesUnordered::new(),
            begun: BTreeSet::new(),
            chosen_here: BTreeSet::new(),
            taken_up: None,
            stops: BTreeMap::new(),
        }
    }

    pub(super) async fn follow(mut self, run: Run, document: Option<Arc<Document>>) -> Result<(), RunError> {
        let is_taken_up = document.is_none();
        let document = match document {
            Some(document) => document,
            None => self.inner.pinned(&run)?,
        };
        // A run that was just started is given with its document; its first attempt is in the journal and not begun.
        let open = run.open_attempt().map(|open| open.attempt.clone());
        if is_taken_up {
            self.taken_up = open;
        } else {
            self.chosen_here.extend(open);
        }
        let mut run = self.advance(&document, run, Input::Resume).await?;
        while !run.status.is_over() {
            self.seen.send_replace(Seen { over: false, waits: child::waits(&run) });
            for action in run.outstanding() {
                self.begin(&document, &run, action);
            }
            let input = tokio::select! {
                Some((wait, news)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.begun.remove(&wait);
                    match news {
                        News::Input(input) => Some(input),
                        News::ChildOver(attempt, child) => {
                            let outcome = child::outcome(&run, &child);
                            Some(Input::Settled { attempt, outcome })
                        }
                        News::Nothing => None,
                    }
                }
                word = self.heard.recv() => match word {
                    Some(Word::Cancel { by, reason }) => Some(Input::Cancel { by, reason }),
                    Some(Word::Decide { attempt, by, decision }) => Some(Input::Decide { attempt, by, decision }),
                    Some(Word::Release) => Some(Input::Release),
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
        let now = self.inner.clock.now();
        // What a loop's iterations sent is in the records of its steps until the next one begins.
        let before = (!run.loops.is_empty()).then(|| run.clone());
        let mut step = mainstay_runbook::take(document, run, input, now);
        if step.events.is_empty() {
            return Ok(step.run);
        }
        let open = step.run.open_attempt().map(|open| Wait::Choose(open.attempt.clone()));
        if open.is_some_and(|choosing| !self.begun.contains(&choosing)) {
            step = with_hosts(&self.inner, document, step, now);
        }
        for event in &step.events {
            if let Body::AttemptDispatched { attempt, .. } = &event.body {
                self.chosen_here.insert(attempt.clone());
            }
        }
        let run = &step.run.id;
        let drafts: Vec<EventDraft> = step.events.iter().map(RunEvent::draft).collect();
        let mut pause = RETRY_FIRST;
        loop {
            match self.inner.journal.append(drafts.clone()).await {
                Ok(_) => {
                    if let Some(before) = before {
                        self.forget_earlier(&before, &step.run);
                    }
                    return Ok(step.run);
                }
                Err(error) if hopeless(&error) => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%run, %error, "the journal refused a run's step; trying again");
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
                        (wait, News::Input(Input::TimerDue { timer }))
                    }));
                }
            }
            Action::Perform(effect) => match (orders::place(&effect.kind), effect.dispatched.clone()) {
                (Where::Run, _) => self.child(run, effect.attempt, true),
                (Where::Itself, _) => self.act(run, effect),
                (place, None) => self.choose(effect, place),
                (_, Some(commands)) => self.perform(document, run, effect, commands),
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
                if let Some(child) = run.open_child() {
                    let stop = self.inner.clone().stop_child(StoppingParent::of(run), child.run.clone());
                    // It is told once; its end is what is waited for, by whoever follows it.
                    self.in_flight.push(Box::pin(async move {
                        stop.await;
                        std::future::pending().await
                    }));
                    return self.child(run, attempt, false);
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
                        (wait, News::Input(Input::Settled { attempt, outcome: Outcome::Cancelled }))
                    })),
                }
            }
        }
    }

    /// Starts the run that an attempt wants, unless it is being stopped, and follows it.
    fn child(&mut self, run: &Run, attempt: AttemptId, may_start: bool) {
        let wait = Wait::Child(attempt.clone());
        if self.begun.insert(wait.clone()) {
            let news = self.inner.clone().follow_child(run.clone(), attempt, may_start);
            self.in_flight.push(Box::pin(async move { (wait, news.await) }));
        }
    }

    /// Chooses the hosts of an attempt. They are journalled before anything is sent.
    fn choose(&mut self, effect: Effect, place: Where) {
        let wait = Wait::Choose(effect.attempt.clone());
        if !self.begun.insert(wait.clone()) {
            return;
        }
        let inner = self.inner.clone();
        self.in_flight.push(Box::pin(async move {
            let attempt = effect.attempt;
            let hosts = match place {
                Where::Control => Ok(vec![inner.performer.control_host().await]),
                Where::Hosts(targets) => inner.performer.choose(&targets),
                Where::Itself | Where::Run => {
                    Err(format!("{} is performed by no host", effect.kind.action()))
                }
            };
            let input = match hosts {
                Ok(hosts) => dispatched(attempt, hosts),
                Err(reason) => Input::Settled { attempt, outcome: Outcome::failed(reason) },
            };
            (wait, News::Input(input))
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
            (wait, News::Input(Input::Settled { attempt: effect.attempt, outcome }))
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
            (wait, News::Input(Input::Settled { attempt, outcome }))
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
