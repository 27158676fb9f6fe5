//! `mainstay demo`: a fault in the example, noticed, healed and written down, told from the journal's own events.

mod prepare;
mod story;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_api::v1::{IncidentDetail, NewEvent};
use serde_json::json;

use crate::args::{Demo, Global, Listen};
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::local::{Local, Options};
use crate::processes;
use crate::screen::{Screen, Tone, say, table};
use crate::time::{length, length_ms, now};
use crate::up::{Stop, connected, host_tags};
use crate::verbs::{apply, journal};
use prepare::Prepared;
use story::{Stage, Story};

/// How long everything may take, from the start of the server to the draft.
const DEADLINE: Duration = Duration::from_secs(75);

/// How long the agent may take to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// How long processes may take to be gone once they were stopped.
const GONE: Duration = Duration::from_secs(5);

/// The component that is broken.
const BROKEN: &str = "payments";

/// `mainstay demo`
pub async fn run(screen: Screen, global: &Global, demo: &Demo) -> Result<(), Failure> {
    let prepared = prepare::prepare(demo.example.as_deref(), global.data.as_deref(), BROKEN)?;
    let mut stop = Stop::listen()?;
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let options = Options {
        data: prepared.data.clone(),
        http: loopback(7600),
        otlp_http: Listen(Some(loopback(4318))),
        otlp_grpc: Listen(Some(loopback(4317))),
        tags: host_tags(mainstay_model::Tags::default(), prepared.checked.declared.as_ref(), &[]),
        services_end_with_us: true,
    };
    let began = now();
    let mut local = tokio::select! {
        started = Local::start(options) => started?,
        () = stop.wanted() => return Err(Failure::said(Exit::Interrupted)),
    };
    let client = local.client().clone();
    let mut story = Story::new(began, prepared.services.clone(), prepared.goals.clone(), BROKEN);
    let mut told = tokio::select! {
        told = tokio::time::timeout(DEADLINE, tell(screen, &client, &prepared, &mut story)) => match told {
            Ok(told) => told,
            Err(_) => Err(too_late(&story)),
        },
        failure = local.watch() => Err(failure),
        () = stop.wanted() => Err(Failure::said(Exit::Interrupted)),
    };
    if told.is_ok() {
        told = sum_up(screen, &client, &prepared, &story).await;
    }
    if demo.keep && told.as_ref().err().is_none_or(|failure| failure.exit != Exit::Interrupted) {
        if let Err(failure) = &told {
            say(failure.render(false).trim_end());
        }
        say(&format!(
            "everything goes on running: `mainstay status --data {}`; Ctrl-C ends it",
            prepared.data.display()
        ));
        tokio::select! {
            failure = local.watch() => told = told.and(Err(failure)),
            () = stop.wanted() => {}
        }
    }
    let cleared = clear(local, &client, &prepared.data, &mut stop).await;
    told.and(cleared)
}

fn too_late(story: &Story) -> Failure {
    let seconds = DEADLINE.as_secs();
    let failure = Failure::new(Exit::No, format!("The demo did not come to its end within {seconds} s"));
    let missing: Vec<String> = match story.reached(Stage::OffTarget) {
        None if !story.is_well() => story.not_well(),
        _ => story.missing().iter().map(|stage| stage.words().to_owned()).collect(),
    };
    Failure { causes: missing, ..failure }
        .hint("its data is kept; `log/` of the data directory has the logs of server and agent")
}

/// From the start to the draft.
async fn tell(
    screen: Screen,
    client: &Client,
    prepared: &Prepared,
    story: &mut Story,
) -> Result<(), Failure> {
    let heading = |text: &str| screen.print(&format!("\n{}\n", screen.style.bold(text)));
    heading("A web shop of four services starts, and customers buy")?;
    let mut feed = Feed::after(client.clone(), 0).quiet();
    connected(client, CONNECT).await?;
    let message = Some("mainstay demo".to_owned());
    let asked = apply::Asked { message, keep: true, ..apply::Asked::default() };
    let applied = apply::apply(client, &prepared.checked, &asked, screen).await?;
    if !applied.unplaced.is_empty() {
        let failure = Failure::new(Exit::No, "Not every component has a host");
        return Err(Failure { causes: applied.unplaced, ..failure });
    }
    while !story.is_well() {
        if let Some(line) = story.tell(&feed.next().await?) {
            screen.print(&format!("{line}\n"))?;
        }
    }
    heading("All is well. Now payments begins to leak its database connections; times are from here on")?;
    story.break_it(break_it(client, prepared.broken_port).await?);
    while !story.missing().is_empty() {
        if let Some(line) = story.tell(&feed.next().await?) {
            screen.print(&format!("{line}\n"))?;
        }
        if let Some(failed) = story.failed() {
            let hint = story.run().map(|run| format!("the run is {run}; the data directory is kept"));
            let failure = Failure::new(Exit::No, "The fault was not healed");
            return Err(Failure { causes: vec![failed.to_owned()], hint, ..failure });
        }
    }
    Ok(())
}

/// Writes down that something is broken on purpose, and breaks it. Answers with the time of it.
async fn break_it(client: &Client, port: u16) -> Result<mainstay_model::Timestamp, Failure> {
    let event = NewEvent {
        specversion: "1.0".to_owned(),
        id: uuid::Uuid::now_v7().simple().to_string(),
        source: "demo".to_owned(),
        kind: "fault.injected".to_owned(),
        subject: Some(format!("component/{BROKEN}")),
        time: None,
        workload: Some("shop".to_owned()),
        datacontenttype: None,
        data: json!({
            "fault": "leak",
            "description": "each charge forgets to give its database connection back",
        }),
    };
    let written = client.append_event(&event).await?;
    let fault = Client::new(format!("http://127.0.0.1:{port}"), None)?;
    fault.post::<serde_json::Value>("/faults/leak", &json!({})).await.map_err(|error| {
        Failure::new(Exit::No, format!("The fault could not be provoked in {BROKEN}")).because(&error)
    })?;
    Ok(written.time)
}

/// The times, the proof, and what is left to look at.
async fn sum_up(screen: Screen, client: &Client, prepared: &Prepared, story: &Story) -> Result<(), Failure> {
    let missing = || Failure::new(Exit::No, "The incident is not known");
    let id = story.incident().ok_or_else(missing)?;
    let detail = client.incident(id).await?;
    let data = prepared.data.display();
    let dir = mainstay_server::config::journal_dir(&prepared.data);
    let proved = tokio::task::spawn_blocking(move || journal::verify(&dir)).await;
    let proved = proved.map_err(|error| Failure::local("The journal could not be verified", &error))??;
    screen.print(&format!("\n{}\n", screen.style.paint(Tone::Good, "Healed, and written down")))?;
    screen.print(&times(screen, &detail))?;
    let since = |stage| story.reached(stage).map(length).unwrap_or_default();
    screen.print(&format!(
        "The run succeeded after {}, the alarm was quiet after {}, customers could pay as before after {}.\n\n",
        since(Stage::RunSucceeded),
        since(Stage::AlarmResolved),
        since(Stage::BackOnTarget),
    ))?;
    screen.print(&journal::render_verified(&proved))?;
    let Some(path) = &detail.draft_path else {
        return Err(Failure::new(Exit::No, "The draft was not written to a file"));
    };
    if !Path::new(path).is_file() {
        return Err(Failure::new(Exit::No, format!("The draft {path} is not there")));
    }
    screen.print(&format!(
        "\nLeft to look at:\n  {path}   the draft of the post-incident analysis\n  {data}   the journal, the telemetry and the logs\n\
         With `mainstay server --data {data}` running, in another terminal:\n  mainstay incidents show {id} --data {data}\n"
    ))?;
    if let Some(run) = story.run() {
        screen.print(&format!("  mainstay runs show {run} --data {data}\n"))?;
    }
    screen.print("\n")
}

fn times(screen: Screen, detail: &IncidentDetail) -> String {
    let row = |what: &str, ms: Option<u64>, from: &str| {
        let took = ms.map_or_else(|| "not known".to_owned(), length_ms);
        vec![format!("  {what}").into(), took.into(), from.into()]
    };
    let rows = vec![
        row("to detect", detail.times.to_detect_ms, "from the fault to the firing alarm"),
        row("to respond", detail.times.to_respond_ms, "from the firing alarm to the first action"),
        row("to recover", detail.times.to_recover_ms, "from the fault until all was well again"),
    ];
    table(screen.style, &["  TIME", "TOOK", ""], rows)
}

/// Stops everything and makes sure that nothing is left.
async fn clear(local: Local, client: &Client, data: &Path, stop: &mut Stop) -> Result<(), Failure> {
    let mut pids = local.pids();
    if let Ok(Ok(hosts)) = tokio::time::timeout(Duration::from_secs(2), client.hosts()).await {
        pids.extend(hosts.items.iter().flat_map(|host| &host.services).filter_map(|service| service.pid));
    }
    say("stopping the services, the agent and the server");
    local.stop(stop.wanted()).await?;
    let ours = || {
        let mut left = processes::on(data);
        left.extend(pids.iter().copied().filter(|pid| processes::is_alive(*pid)));
        left
    };
    let left = processes::gone(GONE, ours).await;
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(u32::to_string).collect();
        return Err(Failure::new(Exit::No, format!("Processes are left behind: {}", left.join(", "))));
    }
    say("no process is left behind");
    Ok(())
}
