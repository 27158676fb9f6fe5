//! The `mainstay` binary: what people type, what they see, and what scripts can rely on.
//!
//! Verbs are thin: they ask the server (or read files), and hand values to functions that only turn values into text.
//! Failures are classified in one place, [`exit`].

mod args;
mod canvas;
mod connect;
mod demo;
mod diagnostics;
mod directory;
mod exit;
mod feed;
mod git;
mod local;
mod ports;
mod processes;
mod screen;
mod sentence;
mod time;
mod unified;
mod up;
mod verbs;
mod watching;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Output, Verb};
use exit::{Exit, Failure};
use screen::Screen;

/// In a server nearly everything is freed by another thread than the one that made it, which costs the C library's
/// allocator a third of the processor's time under load (`cargo bench -p mainstay-bench --bench events`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let verb = arguments.next().unwrap_or_default();
    if let (Some(path), None) = (arguments.next(), arguments.next())
        && path != "--help"
    {
        let path = std::path::Path::new(&path);
        // One of these lives for each service: it takes no more memory than it must.
        if verb == "shim" {
            return mainstay_agent::shim::main(path);
        }
        if verb == "perform" {
            return mainstay_agent::perform::main(path);
        }
    }
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let text = failure.render(std::io::stderr().is_terminal() && !no_color);
            if !text.is_empty() {
                screen::say(text.trim_end());
            }
            failure.exit.into()
        }
    }
}

/// Verbs that print no data.
fn prints_nothing(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Up(_)
            | Verb::Demo(_)
            | Verb::Server(_)
            | Verb::Agent(_)
            | Verb::Shim { .. }
            | Verb::Perform { .. }
            | Verb::Help { .. }
    )
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    let global = &cli.global;
    if global.output == Output::Json && prints_nothing(&cli.verb) {
        return Err(Failure::new(Exit::Usage, "This verb prints no data, so it has no `--output json`"));
    }
    if global.output == Output::Sarif && !matches!(cli.verb, Verb::Check(_)) {
        return Err(Failure::new(Exit::Usage, "Only `mainstay check` has `--output sarif`"));
    }
    let screen = Screen::new(global.output);
    match &cli.verb {
        Verb::Version => {
            let version = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
            screen.show(&version, |_| format!("mainstay {}\n", env!("CARGO_PKG_VERSION")))
        }
        Verb::Help { topic } => verbs::help::run(screen, topic),
        Verb::Docs(verb) => verbs::docs::run(screen, global, verb),
        Verb::Check(check) => verbs::check::run(screen, check),
        Verb::Init(init) => verbs::init::run(screen, init),
        Verb::Explain { code } => verbs::explain::run(screen, code.as_deref()),
        Verb::Show(show) if show.resolved => {
            let dir = std::path::Path::new(show.what.as_deref().unwrap_or("."));
            verbs::resolved::run(screen, dir, show.environment.as_deref())
        }
        Verb::Schema { of } => verbs::schema::run(screen, *of),
        Verb::Test(test) => verbs::test::run(screen, test),
        Verb::Promql(verb) => verbs::promql::run(screen, verb),
        Verb::Events(args::Events { verb: Some(args::EventsVerb::Test { pattern, event }), .. }) => {
            verbs::events::pattern::run(screen, pattern, event)
        }
        Verb::Triggers(args::Triggers { verb: Some(args::TriggersVerb::Next { file, from, lines }) }) => {
            verbs::triggers::next::run(screen, file, from.unwrap_or_else(time::now), *lines)
        }
        Verb::Server(server) => verbs::serve::server(global.data(), server),
        Verb::Agent(agent) => verbs::serve::agent(global.data(), global.server.as_deref(), agent),
        Verb::Run(run) if verbs::run::is_here(run) => verbs::run::here(screen, run),
        Verb::Runs(runs) if runs.local || runs.journal.is_some() => verbs::runs::here(screen, runs),
        Verb::Shim { dir } => Err(Failure::new(
            Exit::Usage,
            format!("`mainstay shim {}` takes one directory only", dir.display()),
        )),
        Verb::Perform { task } => Err(Failure::new(
            Exit::Usage,
            format!("`mainstay perform {}` takes one file only", task.display()),
        )),
        Verb::Service(verb) => verbs::service::run(screen, global, verb),
        Verb::Journal(verb) => verbs::journal::run(screen, global.data(), verb),
        // One thread, the main one: children learn of the death of the thread that started them.
        verb => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::local("The process cannot start", &error))?
            .block_on(talk(screen, cli, verb)),
    }
}

/// Verbs that need a server, or start one.
async fn talk(screen: Screen, cli: &Cli, verb: &Verb) -> Result<(), Failure> {
    let global = &cli.global;
    match verb {
        Verb::Up(up) => return up::run(screen, global, up).await,
        Verb::Demo(demo) => return demo::run(screen, global, demo).await,
        Verb::Run(run) => verbs::run::must_be_named(run)?,
        Verb::Login(login) => return verbs::access::login(screen, login).await,
        _ => {}
    }
    let client = connect::client(global).map_err(|failure| match verb {
        Verb::Run(run) => verbs::run::perhaps_a_file(failure, run),
        Verb::Runs(_) => verbs::runs::perhaps_here(failure),
        _ => failure,
    })?;
    match verb {
        Verb::Plan(plan) => verbs::plan::run(screen, &client, &plan.dir, plan.out.as_deref()).await,
        Verb::Apply(apply) => {
            verbs::apply::run(screen, &client, &apply.path, apply.message.clone(), &apply.carry).await
        }
        Verb::History(history) => {
            verbs::history::history(screen, &client, history.workload.as_deref(), history.lines).await
        }
        Verb::Show(show) => {
            verbs::history::show(screen, &client, show.what.as_deref().unwrap_or_default()).await
        }
        Verb::Diff { old, new } => verbs::history::diff(screen, &client, old, new).await,
        Verb::Rollback(back) => {
            let (to, workload) = (back.to.as_deref(), back.workload.as_deref());
            verbs::history::rollback(screen, &client, to, workload, back.message.clone(), &back.carry).await
        }
        Verb::Approve(approve) => {
            let args::Approve { id, message, own, no_wait } = approve;
            verbs::history::approve(screen, &client, id, message.clone(), *own, *no_wait).await
        }
        Verb::Refuse(refuse) => {
            verbs::history::refuse(screen, &client, &refuse.id, refuse.message.clone()).await
        }
        Verb::Status => verbs::status::status(screen, &client).await,
        Verb::Services => verbs::status::services(screen, &client).await,
        Verb::Hosts => verbs::status::hosts(screen, &client).await,
        Verb::Alarms(alarms) => verbs::alarms::run(screen, &client, alarms).await,
        Verb::Events(events) => verbs::events::run(screen, &client, events).await,
        Verb::Metrics(metrics) => verbs::signals::metrics(screen, &client, metrics).await,
        Verb::Logs(logs) => verbs::signals::logs(screen, &client, logs).await,
        Verb::Traces(traces) => verbs::signals::traces(screen, &client, traces).await,
        Verb::Run(run) => verbs::run::named(screen, &client, run).await,
        Verb::Runs(runs) => verbs::runs::run(screen, &client, runs).await,
        Verb::Incidents(incidents) => verbs::incidents::run(screen, &client, incidents.verb.as_ref()).await,
        Verb::Silences(silences) => verbs::silences::run(screen, &client, silences.verb.as_ref()).await,
        Verb::Procedures => verbs::apply::procedures(screen, &client).await,
        Verb::Triggers(triggers) => verbs::triggers::run(screen, &client, triggers.verb.as_ref()).await,
        Verb::Users(users) => verbs::access::users(screen, &client, users.verb.as_ref()).await,
        Verb::Tokens(tokens) => verbs::access::tokens(screen, &client, tokens.verb.as_ref()).await,
        Verb::LoginLink(link) => verbs::access::login_link(screen, &client, link).await,
        Verb::Check(_)
        | Verb::Docs(_)
        | Verb::Init(_)
        | Verb::Explain { .. }
        | Verb::Schema { .. }
        | Verb::Test(_)
        | Verb::Promql(_)
        | Verb::Up(_)
        | Verb::Demo(_)
        | Verb::Server(_)
        | Verb::Agent(_)
        | Verb::Shim { .. }
        | Verb::Perform { .. }
        | Verb::Service(_)
        | Verb::Journal(_)
        | Verb::Login(_)
        | Verb::Version
        | Verb::Help { .. } => Err(Failure::new(Exit::Usage, "This verb does not talk to a server")),
    }
}
