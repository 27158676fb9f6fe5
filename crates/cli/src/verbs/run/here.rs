//! A run in this process, with no server: the same machine, engine, hub, agent and journal, all of them here. The agent is
//! one for commands only, over a link inside the process; its shims outlive it, so a run that is left or killed is
//! continued where it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstay_agent::Embedded;
use mainstay_api::v1::{EventView, RunDetail, WaitView};
use mainstay_model::{Actor, HostId, RunId, Tags};
use mainstay_runbook::{AttemptId, Decision, Origin, Run, Start};
use mainstay_server::clock::{Clock as _, SystemClock};
use mainstay_server::hub::Hub;
use mainstay_server::runs::{self, Engine, RunError};
use mainstay_server::{hosts, views};
use mainstay_store::{Journal, Options, SqliteJournal, StoreError};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::document::{Folder, Read};
use super::family::{self, Children};
use super::places::{self, Places};
use super::show::{REDRAW, Show};
use super::{ask, notices};
use crate::exit::{Exit, Failure};

/// How long a journal whose holder has died is tried: what the holder was starting may have its lock for a moment.
const LOCKED: (Duration, u32) = (Duration::from_millis(20), 100);

/// How long the parts may take to begin, or to end.
const BEGIN: Duration = Duration::from_secs(10);
const END: Duration = Duration::from_secs(2);

/// What a person said of a run that is taken up.
#[derive(Debug)]
pub enum Word {
    /// Nothing: it goes on.
    GoOn,
    /// It is to be cancelled, for this reason.
    Cancel(String),
    /// What it waited for.
    Decide(Decision),
    /// It is over, and another run is to go on from this step of it.
    From(String),
}

/// How this host presents itself.
#[derive(Debug, Default)]
pub struct Host {
    /// Its tags; those it had last in the journal where none are given.
    pub tags: Option<Tags>,
}

/// What a run needs, open.
struct World {
    dir: PathBuf,
    journal: Arc<dyn Journal>,
    hub: Hub,
    engine: Engine,
    host: HostId,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// What a run was told already.
#[derive(Default)]
struct Told {
    /// The attempt that was decided about.
    decided: Option<String>,
    /// That it is to be cancelled.
    cancelled: bool,
}

/// How following a run ended.
enum Left {
    /// The run is over.
    Over,
    /// Whoever watches has had enough of it; it can be continued.
    Interrupted,
    /// It, or one that it started, waits for a person, and there is nobody to ask.
    Waiting(RunId, WaitView),
}

/// Starts a run of a document and follows it to its end.
pub async fn start(
    show: Show,
    places: &Places,
    read: Read,
    parameters: Map<String, Value>,
    host: Host,
    text: &str,
) -> Result<(), Failure> {
    let id = new_id(&read.name);
    let folder = Folder::of(text);
    let start = Start {
        run: id.clone(),
        procedure: read.name,
        workload: None,
        digest: read.digest,
        parameters,
        at: SystemClock.now(),
        by: person(),
        reason: Some(folder.reason(text)),
        cause: None,
        host: None,
        origin: Origin::default(),
    };
    // What is refused leaves no journal behind.
    mainstay_runbook::start(&read.document, start.clone()).map_err(|problems| refused(&problems))?;
    let world = World::open(&places.place(&id), host, folder).await?;
    let before = world.journal.head().seq;
    let started = world.engine.start(&Arc::new(read.document), start, Vec::new()).await;
    started.map_err(run_failure)?;
    follow(world, show, places, &id, before, Told::default()).await
}

/// Takes up a run that was left, tells it something, and follows it to its end.
pub async fn take_up(
    mut show: Show,
    places: &Places,
    dir: &Path,
    id: &RunId,
    word: Word,
    host: Host,
) -> Result<(), Failure> {
    let root = root(dir, id)?;
    let world = World::open(dir, host, Folder::said(root.reason.as_deref())).await?;
    let before = world.journal.head().seq;
    let run = find(&world, id)?;
    if let Word::From(step) = &word {
        let resumed = world.engine.resume(id, step, new_id(&run.procedure), person(), None).await;
        return match resumed {
            Ok(run) => follow(world, show, places, &run.id, before, Told::default()).await,
            Err(error) => {
                let failure = Failure { hint: None, ..run_failure(error) };
                Err(world.close(failure).await)
            }
        };
    }
    if run.status.is_over() {
        let failure = Failure::new(Exit::Refused, format!("Run {id} is over: {}", run.status.as_str()))
            .hint(format!("`mainstay runs show {id} --local{}` shows it", places.option()));
        return Err(world.close(failure).await);
    }
    if let Word::GoOn = &word {
        show.say(&format!("run {id} goes on where it was"));
    }
    let attempt = run.waiting().map(|(attempt, _)| attempt.clone());
    // What a word is about is settled before anyone is asked about it.
    let mut told = Told::default();
    match &word {
        Word::GoOn | Word::From(_) => {}
        Word::Cancel(_) => told.cancelled = true,
        Word::Decide(_) => told.decided = attempt.as_ref().map(ToString::to_string),
    }
    // One that another run started goes on with that one.
    for id in [&root.id, id] {
        world.engine.take_up(id).map_err(run_failure)?;
    }
    let taken = match (word, attempt) {
        (Word::GoOn | Word::From(_), _) => Ok(()),
        (Word::Cancel(reason), _) => world.engine.cancel(id, person(), reason),
        (Word::Decide(decision), Some(attempt)) => world.engine.decide(id, attempt, person(), decision),
        (Word::Decide(_), None) => {
            let failure = Failure::new(Exit::Refused, format!("Run {id} does not wait for a decision"))
                .hint(format!("continue it with `mainstay run --resume {id}{}`", places.option()));
            return Err(world.close(failure).await);
        }
    };
    taken.map_err(run_failure)?;
    follow(world, show, places, &root.id, before, told).await
}

impl World {
    async fn open(dir: &Path, host: Host, folder: Folder) -> Result<Self, Failure> {
        let binary = std::env::current_exe()
            .map_err(|error| Failure::local("The path of this program cannot be found", &error))?;
        let dir = std::path::absolute(dir)
            .map_err(|error| Failure::local(format!("{} is not a path", dir.display()), &error))?;
        make_private(&dir)?;
        let journal: Arc<dyn Journal> = Arc::new(open_journal(&dir).await?);
        let hub = Hub::new(journal.clone(), Arc::new(SystemClock), env!("CARGO_PKG_VERSION"));
        let unreadable = |error: StoreError| Failure::of(Exit::Local, &error);
        hosts::remember(journal.as_ref(), &hub).map_err(unreadable)?;
        let id = mainstay_agent::host_name();
        let tags = match host.tags {
            Some(tags) => tags,
            None => hub.host(&id).map(|known| known.tags).unwrap_or_default(),
        };
        let stop = CancellationToken::new();
        let (dial, serving) = hub.within(stop.clone());
        let embedded = Embedded { data: dir.clone(), host: id.clone(), tags, binary };
        let agent = mainstay_agent::embed(embedded, Arc::new(dial), stop.clone());
        let agent = agent.await.map_err(|error| Failure::of(Exit::Local, &error))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serving);
        tasks.spawn(agent);
        let engine = Engine::new(
            journal.clone(),
            Arc::new(hub.clone()),
            Arc::new(folder),
            Arc::new(SystemClock),
            stop.clone(),
        );
        let world = Self { dir, journal, hub, engine, host: id, stop, tasks };
        let connected = async {
            let mut changes = world.hub.changes();
            while !world.hub.host(&world.host).is_some_and(|host| host.connected) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(BEGIN, connected).await.is_err() {
            let failure = Failure::new(Exit::Local, "The part that runs commands did not begin");
            return Err(world.close(failure).await);
        }
        Ok(world)
    }

    /// Ends the parts; what runs on this host goes on. Hands back what is to be said.
    async fn close<T>(mut self, answer: T) -> T {
        self.stop.cancel();
        let ended = async {
            self.engine.stopped().await;
            while self.tasks.join_next().await.is_some() {}
        };
        // What does not end in time is dropped: nothing depends on it.
        let _ = tokio::time::timeout(END, ended).await;
        answer
    }
}

fn make_private(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Failure::local(format!("The directory {} cannot be made", dir.display()), &error)
            .hint("choose another one for the journal with --journal")
    })
}

async fn open_journal(dir: &Path) -> Result<SqliteJournal, Failure> {
    let mut tries = 0;
    loop {
        let options = Options { folds: mainstay_server::folds(), ..Options::default() };
        match SqliteJournal::open(dir.join("journal"), options) {
            Ok(journal) => return Ok(journal),
            Err(StoreError::Locked { pid, .. }) => {
                let alive = pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
                tries += 1;
                if alive || tries > LOCKED.1 {
                    let by = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                    return Err(Failure::new(
                        Exit::Refused,
                        format!("A run goes on in the journal {}: it is held by {by}", dir.display()),
                    )
                    .hint("wait for its end, answer or stop it there (Ctrl-C), or use another directory with --journal"));
                }
                tokio::time::sleep(LOCKED.0).await;
            }
            Err(error) => return Err(Failure::of(Exit::Local, &error)),
        }
    }
}

fn find(world: &World, id: &RunId) -> Result<Run, Failure> {
    runs::run(world.journal.as_ref(), id).map_err(|error| Failure::of(Exit::Local, &error))?.ok_or_else(
        || Failure::new(Exit::Refused, format!("There is no run {id} in {}", world.dir.display())),
    )
}

/// The run that started this one, or the one that started that, and so on: the one that somebody began.
fn root(dir: &Path, id: &RunId) -> Result<Run, Failure> {
    let journal = places::look(dir).map_err(|error| places::unreadable(dir, &error))?;
    let find = |id: &RunId| match runs::run(&journal, id) {
        Ok(Some(run)) => Ok(run),
        Ok(None) => Err(Failure::new(Exit::Refused, format!("There is no run {id} in {}", dir.display()))),
        Err(error) => Err(places::unreadable(dir, &error)),
    };
    let mut run = find(id)?;
    while let Some(parent) = &run.parent {
        run = find(&parent.run)?;
    }
    Ok(run)
}

/// What the run, or one that it started, waits for a person to say.
fn waiting(world: &World) -> Result<Option<(RunId, AttemptId, WaitView)>, Failure> {
    for id in world.engine.active() {
        let run = find(world, &id)?;
        let attempt = run.waiting().map(|(attempt, _)| attempt.clone());
        if let (Some(attempt), Some(wait)) = (attempt, views::run_detail(&run).waiting) {
            return Ok(Some((id, attempt, wait)));
        }
    }
    Ok(None)
}

/// Signals that mean to this process that it is to end, but for those that it was started to ignore, as by `nohup`.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let ignored = ignored();
        let of = |kind: SignalKind| {
            if ignored & 1 << (kind.as_raw_value() - 1) != 0 {
                return Ok(None);
            }
            signal(kind).map(Some).map_err(|error| Failure::local("Signals cannot be received", &error))
        };
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hangup: of(SignalKind::hangup())?,
        })
    }
}

/// The signals that this process ignores, one bit each; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// The next of a signal that is heard; never of one that is not.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The runs that its steps started.
fn children(world: &World, run: &RunDetail) -> Children {
    family::of(run, |id| Some(views::run_detail(&find(world, &RunId::new(id).ok()?).ok()?)))
}

/// Shows a run until it is over or left, and says which.
async fn follow(
    mut world: World,
    mut show: Show,
    places: &Places,
    id: &RunId,
    before: u64,
    told: Told,
) -> Result<(), Failure> {
    let watched = watch(&mut world, &mut show, id, before, told).await;
    let run = find(&world, id).map(|run| views::run_detail(&run));
    let children = run.as_ref().map(|run| children(&world, run)).unwrap_or_default();
    let again = format!("mainstay run --resume {id}{}", places.option());
    let left = match watched {
        Ok(left) => left,
        Err(failure) => {
            return Err(world.close(failure.hint(format!("`{again}` continues it"))).await);
        }
    };
    let run = run?;
    match &left {
        Left::Over => {
            // What the host keeps of a finished run is told to go; wait until it was told, and has heard so.
            let settled = async {
                for id in world.engine.active() {
                    world.engine.ended(&id).await;
                }
                world.hub.settled(&world.host).await;
            };
            let _ = tokio::time::timeout(END, settled).await;
            show.end(&run, &children)?;
        }
        Left::Interrupted => {
            show.leave();
            show.say(&format!("left as it is; what runs on this host goes on\n`{again}` continues it"));
        }
        Left::Waiting(of, wait) => {
            show.end(&run, &children)?;
            let words = if wait.pause { "succeeded" } else { "succeeded|failed|retry" };
            show.say(&format!(
                "the run waits for a person\n`mainstay runs decide {of} --as {words} --local{}` goes on with it",
                places.option()
            ));
        }
    }
    let exit = match left {
        Left::Over if run.summary.status == "Success" => None,
        Left::Over if run.summary.status == "Cancelled" => Some(Exit::Interrupted),
        Left::Over => Some(Exit::No),
        Left::Interrupted => Some(Exit::Interrupted),
        Left::Waiting(..) => Some(Exit::Waits),
    };
    world.close(exit.map_or(Ok(()), |exit| Err(Failure::said(exit)))).await
}

async fn watch(
    world: &mut World,
    show: &mut Show,
    id: &RunId,
    before: u64,
    mut told: Told,
) -> Result<Left, Failure> {
    let mut signals = Signals::new()?;
    let mut notices = notices::take();
    let mut head = world.journal.watch();
    let mut tick = tokio::time::interval(REDRAW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = before;
    loop {
        head.borrow_and_update();
        tell(world, show, id, &mut seen)?;
        let run = find(world, id)?;
        let detail = views::run_detail(&run);
        show.draw(&detail, &children(world, &detail), &runs::output(&world.hub, &run));
        if run.status.is_over() {
            return Ok(Left::Over);
        }
        let waits = waiting(world)?.filter(|(_, _, wait)| Some(&wait.attempt) != told.decided.as_ref());
        if let (Some((of, attempt, wait)), false) = (waits, told.cancelled) {
            if !ask::possible() || !show.is_drawn() {
                return Ok(Left::Waiting(of, wait));
            }
            show.leave();
            let answer = tokio::select! {
                answer = ask::ask(&wait) => answer?,
                () = next(&mut signals.interrupt) => ask::Answer::Leave,
                () = next(&mut signals.terminate) => ask::Answer::Leave,
                () = next(&mut signals.hangup) => ask::Answer::Leave,
                // A pause may run out of time while nobody answers.
                Ok(()) = head.changed() => continue,
            };
            told.decided = Some(wait.attempt.clone());
            let done = match answer {
                ask::Answer::Decide(decision) => world.engine.decide(&of, attempt, person(), decision),
                ask::Answer::Cancel => {
                    told.cancelled = true;
                    world.engine.cancel(id, person(), "Cancelled on the terminal".to_owned())
                }
                ask::Answer::Leave => return Ok(Left::Waiting(of, wait)),
            };
            done.map_err(run_failure)?;
        }
        let engine = world.engine.clone();
        tokio::select! {
            changed = head.changed() => if changed.is_err() {
                return Err(Failure::new(Exit::Local, "The journal has ended"));
            },
            _ = tick.tick(), if show.is_drawn() => {}
            Some(text) = notices.recv() => show.say(&text),
            () = next(&mut signals.interrupt) => {
                if told.cancelled {
                    return Ok(Left::Interrupted);
                }
                told.cancelled = true;
                match world.engine.cancel(id, person(), "Ctrl-C".to_owned()) {
                    Ok(()) | Err(RunError::Over(_)) => {}
                    Err(error) => return Err(run_failure(error)),
                }
                show.say("cancelling: the step that goes on is stopped, and what it names for that follows; Ctrl-C again leaves the run as it is");
            }
            () = next(&mut signals.terminate) => return Ok(Left::Interrupted),
            () = next(&mut signals.hangup) => return Ok(Left::Interrupted),
            broke = engine.ended(id) => {
                let run = find(world, id)?;
                if !run.status.is_over() {
                    let reason = broke.unwrap_or_else(|| "its task ended".to_owned());
                    return Err(Failure::new(Exit::Local, format!("Run {id} cannot go on: {reason}")));
                }
            }
        }
    }
}

/// Says what has happened to the run since the last time.
fn tell(world: &World, show: &Show, id: &RunId, seen: &mut u64) -> Result<(), Failure> {
    let subject = format!("run/{id}");
    loop {
        let events = world.journal.read(*seen, 500).map_err(|error| Failure::of(Exit::Local, &error))?;
        let Some(last) = events.last() else { return Ok(()) };
        *seen = last.seq;
        for event in events.iter().filter(|event| event.subject.as_deref() == Some(&subject)) {
            show.event(&EventView::from(event.as_ref()))?;
        }
    }
}

/// Who runs it: the user of this process.
fn person() -> Actor {
    let name =
        ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    Actor::Person(name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw())))
}

/// An id that says what runs and since when, and is typed by its beginning.
fn new_id(name: &str) -> RunId {
    let slug: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(32).collect();
    let slug = slug.trim_matches('-');
    let at = SystemClock.now().to_string();
    let digits: String = at.chars().take(19).filter(char::is_ascii_digit).collect();
    let random = uuid::Uuid::now_v7().simple().to_string();
    let (day, time) = digits.split_at(8.min(digits.len()));
    let slug = if slug.is_empty() { "run" } else { slug };
    RunId::new(format!("{slug}-{day}-{time}-{}", &random[28..]))
        .expect("letters, digits and dashes, beginning with a letter or digit, are an id")
}

/// Parameters that do not fit.
fn refused(problems: &[mainstay_model::Problem]) -> Failure {
    let mut failure = Failure::new(Exit::Usage, "The run cannot start");
    failure.causes = problems.iter().map(ToString::to_string).collect();
    failure.hint("give parameters with --param KEY=VALUE or --param-file FILE")
}

fn run_failure(error: RunError) -> Failure {
    match error {
        RunError::Refused(problems) => refused(&problems),
        RunError::Store(_) | RunError::Unreadable { .. } => Failure::of(Exit::Local, &error),
        RunError::NoSuchRun(_) | RunError::Over(_) => Failure::of(Exit::Refused, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_runs() {
        let id = new_id("restart app!").to_string();
        assert!(
            id.starts_with("restart-app-20") && id.len() == "restart-app-20261125-010203-abcd".len(),
            "{id}"
        );
        assert!(new_id("日本").to_string().starts_with("run-20"));
        assert!(new_id(&"x".repeat(200)).as_str().len() <= 64);
    }
}
