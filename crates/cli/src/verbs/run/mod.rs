//! `mainstay run`: a procedure of the server by its name, or a document on this host with no server.

mod ask;
mod board;
mod document;
pub mod family;
mod here;
mod notices;
mod parameters;
pub mod places;
pub mod record;
mod show;

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use mainstay_api::client::Client;
use mainstay_api::v1::{OutputView, RunSummary, StartRun};
use mainstay_model::Tags;
use serde_json::json;

use crate::args::Run;
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::screen::{Screen, say};
use family::Children;
pub use here::Word;
use places::{Kept, Places};
use show::{REDRAW, Show};

/// Whether the call means this host and no server.
pub fn is_here(run: &Run) -> bool {
    run.resume.is_some() || run.procedure.as_deref().is_some_and(document::is_file)
}

/// Runs a document with no server, or continues such a run.
pub fn here(screen: Screen, run: &Run) -> Result<(), Failure> {
    if let Some(option) = run.of_server() {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{option}` is for procedures of a server; this run has none"),
        ));
    }
    let places = Places::of(run.journal.as_deref())?;
    let host = here::Host { tags: (!run.tags.is_empty()).then(|| Tags(run.tags.iter().cloned().collect())) };
    let show = Show::new(screen, true);
    let Some(text) = run.procedure.as_deref() else {
        let id = run.resume.as_deref().unwrap_or_default();
        if !run.parameters.is_empty() || run.parameter_file.is_some() {
            return Err(Failure::new(
                Exit::Usage,
                "A run that is continued keeps the parameters it began with",
            ));
        }
        let Kept { dir, run } = if id.is_empty() { places.left()? } else { places.find(id)? };
        return block_on(continue_run(show, places, dir, run, Word::GoOn, host));
    };
    let read = document::read(text)?;
    let mut values = parameters::given(&run.parameters, run.parameter_file.as_deref())?;
    if text != "-" {
        parameters::ask(&read.document, &mut values)?;
    }
    block_on(here::start(show, &places, read, values, host, text))
}

/// Takes up a run of this host and tells it something.
pub fn tell(screen: Screen, places: Places, id: &str, word: Word) -> Result<(), Failure> {
    let Kept { dir, run } = places.find(id)?;
    block_on(continue_run(Show::new(screen, true), places, dir, run, word, here::Host::default()))
}

async fn continue_run(
    show: Show,
    places: Places,
    dir: std::path::PathBuf,
    run: mainstay_runbook::Run,
    word: Word,
    host: here::Host,
) -> Result<(), Failure> {
    here::take_up(show, &places, &dir, &run.id, word, host).await
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("The process cannot start", &error))?;
    let answer = runtime.block_on(work);
    // A question on the terminal that nobody answers any more is not waited for.
    runtime.shutdown_background();
    answer
}

/// Refuses what a procedure of the server does not have.
pub fn must_be_named(run: &Run) -> Result<(), Failure> {
    let name = run.procedure.as_deref().unwrap_or_default();
    match run.of_here() {
        Some(option) => Err(Failure::new(
            Exit::Usage,
            format!(
                "`{option}` is for documents that are run on this host with no server, and `{name}` is a name"
            ),
        )
        .hint(format!("name a file: `mainstay run ./{name}.yaml`"))),
        None => Ok(()),
    }
}

/// Starts a procedure of the server, and waits for its end unless told otherwise.
pub async fn named(screen: Screen, client: &Client, run: &Run) -> Result<(), Failure> {
    let name = run.procedure.as_deref().unwrap_or_default();
    let start = StartRun {
        workload: run.workload.clone(),
        procedure: name.to_owned(),
        parameters: parameters::given(&run.parameters, run.parameter_file.as_deref())?,
        // A repeated request after a lost answer must not start a second run.
        client_token: Some(uuid::Uuid::now_v7().simple().to_string()),
    };
    let head = client.status().await?.journal_seq;
    let started = client.start_run(&start).await?;
    see(screen, client, started, head, run.detach).await
}

/// Shows a run that was just started to its end, unless it is left alone. `head` is where the journal stood before.
pub async fn see(
    screen: Screen,
    client: &Client,
    started: RunSummary,
    head: u64,
    detach: bool,
) -> Result<(), Failure> {
    if detach {
        return screen.show(&started, |started| format!("{}\n", started.id));
    }
    let id = started.id;
    let mut show = Show::new(screen, false);
    if !show.is_drawn() {
        say(&format!("run {id} of {} started; Ctrl-C stops watching, not the run", started.procedure));
    }
    tokio::select! {
        ended = follow(client, &mut show, &id, head) => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::local("Ctrl-C cannot be waited for", &error))?;
            show.leave();
            say(&format!("the run goes on: see `mainstay runs show {id}`, stop it with `mainstay runs cancel {id}`"));
            return Err(Failure::said(Exit::Interrupted));
        }
    }
    let detail = client.run(&id).await?;
    let children = family::of_server(client, &detail, false).await;
    show.end(&detail, &children)?;
    if detail.summary.status == "Success" { Ok(()) } else { Err(Failure::said(Exit::No)) }
}

/// How often the children of a run are looked at while they go on.
const CHILDREN_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

type Outputs = Pin<Box<dyn Stream<Item = Vec<OutputView>> + Send>>;

/// What the run's commands write, as far as the server can be heard: it is shown and not missed.
async fn outputs(client: &Client, id: &str) -> Outputs {
    match client.follow_output(id).await {
        Ok(stream) => Box::pin(stream.filter_map(|said| async { said.ok() })),
        Err(_) => Box::pin(futures::stream::pending()),
    }
}

/// Shows each step as it happens, until the run is over.
async fn follow(client: &Client, show: &mut Show, id: &str, after: u64) -> Result<(), Failure> {
    let pattern = json!({ "subject": [format!("run/{id}")] }).to_string();
    let mut feed = Feed::after(client.clone(), after).matching(Some(pattern));
    if show.is_drawn() {
        feed = feed.quiet();
    }
    let mut detail = client.run(id).await?;
    let mut children = Children::new();
    let mut looked = tokio::time::Instant::now();
    let mut written = Vec::new();
    let mut stream =
        if show.is_drawn() { outputs(client, id).await } else { Box::pin(futures::stream::pending()) };
    let mut tick = tokio::time::interval(REDRAW);
    loop {
        tokio::select! {
            event = feed.next() => {
                let event = event?;
                show.event(&event)?;
                match event.kind.as_str() {
                    "run.finished" => return Ok(()),
                    "run.waiting" if !show.is_drawn() => show.say(&format!(
                        "  it waits for you: `mainstay runs decide {id} --as succeeded|failed|retry`, or `mainstay runs cancel {id}`"
                    )),
                    _ => {}
                }
                if show.is_drawn() {
                    detail = client.run(id).await?;
                }
            }
            said = stream.next() => match said {
                Some(said) => written = said,
                // The connection broke, or the run is over: what comes next is seen by the events.
                None => stream = Box::pin(futures::stream::pending()),
            },
            _ = tick.tick(), if show.is_drawn() => {}
        }
        // What happens to a child is no event of this run.
        let is_time = show.is_drawn() && looked.elapsed() >= CHILDREN_EVERY;
        if is_time && family::may_change(&detail, &children) {
            children = family::of_server(client, &detail, false).await;
            looked = tokio::time::Instant::now();
        }
        show.draw(&detail, &children, &written);
        if feed.is_broken() {
            show.say("the connection to the server broke; trying again");
        }
    }
}

impl Run {
    /// The first option given that only a procedure of the server has.
    fn of_server(&self) -> Option<&'static str> {
        [(self.workload.is_some(), "--workload"), (self.detach, "--detach")]
            .into_iter()
            .find_map(|(given, option)| given.then_some(option))
    }

    /// The first option given that only a document on this host has.
    fn of_here(&self) -> Option<&'static str> {
        [(self.journal.is_some(), "--journal"), (!self.tags.is_empty(), "--tag")]
            .into_iter()
            .find_map(|(given, option)| given.then_some(option))
    }
}

/// The failure where a name was given and no server answers: perhaps a file was meant.
pub fn perhaps_a_file(failure: Failure, run: &Run) -> Failure {
    let Some(name) = run.procedure.as_deref() else { return failure };
    let near = ["yaml", "yml", "json"]
        .iter()
        .flat_map(|extension| {
            ["", "runbooks/", "playbooks/"].map(|folder| format!("{folder}{name}.{extension}"))
        })
        .find(|path| std::path::Path::new(path).is_file());
    match near {
        Some(path) if failure.exit == Exit::Unreachable => {
            failure.hint(format!("to run the file on this host with no server: `mainstay run ./{path}`"))
        }
        _ => failure,
    }
}
