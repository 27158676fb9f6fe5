//! `mainstay up`: server and agent on this machine, and a workload on them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_api::v1::EventView;
use mainstay_declare::Declared;
use mainstay_model::Tags;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Global, Up};
use crate::directory::{self, Checked};
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::local::{Local, Options};
use crate::screen::{Screen, count, say};
use crate::sentence;
use crate::time::clock;
use crate::verbs::{access, apply};

/// How long the local agent may take to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// How often it is looked whether everything is ready.
const LOOK: Duration = Duration::from_millis(500);

/// Ctrl-C and SIGTERM.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From here on they no longer end the process by themselves.
    pub fn listen() -> Result<Self, Failure> {
        let cannot = |error| Failure::local("Signals cannot be received", &error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
        })
    }

    /// The next of them.
    pub async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// `mainstay up`
pub async fn run(screen: Screen, global: &Global, up: &Up) -> Result<(), Failure> {
    // Before anything is started, so that a directory with problems changes nothing.
    let checked = up.dir.as_deref().map(directory::check).transpose()?;
    if let Some(checked) = &checked {
        apply::must_be_clean(checked)?;
    }
    let declared = checked.as_ref().and_then(|checked| checked.declared.as_ref());
    let data = absolute(global.data())?;
    let tags = host_tags(known_tags(&data)?, declared, &up.tags);
    let mut stop = Stop::listen()?;
    let options = Options {
        data: data.clone(),
        http: SocketAddr::from((Ipv4Addr::LOCALHOST, up.port)),
        otlp_http: up.otlp_http,
        otlp_grpc: up.otlp_grpc,
        tags: tags.clone(),
        services_end_with_us: false,
    };
    let mut local = tokio::select! {
        started = Local::start(options) => started?,
        () = stop.wanted() => return Err(Failure::said(Exit::Interrupted)),
    };
    keep_tags(&data, &tags)?;
    let data = global.data().display();
    say(&format!("Mainstay listens on {}; its data is in {data}", local.client().base()));
    say(&format!("This host plays {} (change with --tag)", tags.to_string().replace(',', ", ")));
    let option = format!("--data {data}");
    let mut ended = tokio::select! {
        lived = live(screen, &mut local, checked.as_ref(), &option) => lived,
        () = stop.wanted() => Ok(()),
    };
    say("stopping the services, then the agent and the server (Ctrl-C again leaves the services running)");
    if let Err(failure) = local.stop(stop.wanted()).await {
        ended = ended.and(Err(failure));
    } else {
        say("stopped");
    }
    ended
}

/// Until something fails; it does not end by itself.
async fn live(
    screen: Screen,
    local: &mut Local,
    checked: Option<&Checked>,
    data: &str,
) -> Result<(), Failure> {
    let client = local.client().clone();
    let story = async {
        connected(&client, CONNECT).await?;
        let head = client.status().await?.journal_seq;
        if let Some(checked) = checked {
            let asked = first_or_next(&client, checked).await?;
            let applied = apply::apply(&client, checked, &asked, screen).await?;
            say(apply::render(&applied, crate::screen::Style::default()).trim_end());
        }
        say(&format!("Look with `mainstay status {data}`; Ctrl-C stops everything"));
        say(&access::invitation(&client, &format!("`mainstay login-link {data}`")).await?);
        let mut feed = Feed::after(client.clone(), head);
        let mut waiting = true;
        loop {
            tokio::select! {
                event = feed.next() => {
                    let event = event?;
                    if is_told(&event) {
                        say(&format!("{}  {}", clock(event.time), sentence::of(&event)));
                    }
                }
                () = tokio::time::sleep(LOOK), if waiting => {
                    let Ok(status) = client.status().await else { continue };
                    let wanted: usize = status.workloads.iter().map(|workload| workload.services_wanted).sum();
                    let ready: usize = status.workloads.iter().map(|workload| workload.services_ready).sum();
                    if wanted > 0 && ready == wanted {
                        say(&format!("all ready: {}", count(wanted, "service")));
                        waiting = false;
                    }
                }
            }
        }
    };
    tokio::select! {
        ended = story => ended,
        failure = local.watch() => Err(failure),
    }
}

/// The first time a workload comes up, what started stays when something fails: people want to look at it. A change of
/// one that is there already is rolled back like any other.
async fn first_or_next(client: &Client, checked: &Checked) -> Result<apply::Asked, Failure> {
    let name = checked.declared.as_ref().map(|declared| declared.workload.name.as_str());
    let known = client.workloads().await?.items;
    let keep = !known.iter().any(|workload| Some(workload.workload.as_str()) == name);
    let git = crate::git::commit_of(&checked.root).await;
    Ok(apply::Asked { message: Some("mainstay up".to_owned()), git, keep, ..apply::Asked::default() })
}

/// What someone who leaves `up` running wants to see.
fn is_told(event: &EventView) -> bool {
    match event.kind.split('.').next().unwrap_or_default() {
        "change" => !matches!(event.kind.as_str(), "change.started" | "change.action.finished"),
        "service" | "host" | "alarm" | "incident" | "trigger" | "measure" => {
            !matches!(
                event.kind.as_str(),
                "alarm.inactive" | "alarm.no_data" | "measure.no_data" | "trigger.armed" | "trigger.disarmed"
            ) && !mainstay_model::event::is_bookkeeping(&event.kind)
        }
        "run" => matches!(
            event.kind.as_str(),
            "run.started" | "run.waiting" | "run.finished" | "run.step.finished"
        ),
        "fault" => true,
        _ => false,
    }
}

/// Waits until an agent is connected.
pub async fn connected(client: &mainstay_api::client::Client, within: Duration) -> Result<(), Failure> {
    let waiting = async {
        loop {
            if client.hosts().await.is_ok_and(|hosts| hosts.items.iter().any(|host| host.connected)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(within, waiting).await.map_err(|_| {
        Failure::new(Exit::Local, format!("The agent did not connect within {} s", within.as_secs()))
            .hint("its log is in `log/agent.log` of the data directory")
    })
}

/// A path that stays right in another directory.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::local(format!("{} is not a path", path.display()), &error))
}

/// Where the tags of this host are kept, so that its services stay where they are when it comes up again without the
/// workload's directory, or with another one.
fn tags_file(data: &Path) -> PathBuf {
    data.join("host-tags.json")
}

fn known_tags(data: &Path) -> Result<Tags, Failure> {
    let path = tags_file(data);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            Failure::local(format!("{} cannot be understood", path.display()), &error)
                .hint("remove it; tags can be given with --tag")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Tags::default()),
        Err(error) => Err(Failure::local(format!("{} cannot be read", path.display()), &error)),
    }
}

fn keep_tags(data: &Path, tags: &Tags) -> Result<(), Failure> {
    let path = tags_file(data);
    let beside = path.with_extension("new");
    let bytes = serde_json::to_vec(tags).unwrap_or_default();
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(|error| Failure::local(format!("{} cannot be written", path.display()), &error))
}

/// The tags of this host. From weak to strong: those it had before; what the components ask of their hosts by a single
/// value, as long as they agree; those given. And `environment=local`, if nobody says otherwise. So one machine plays
/// the host of a workload that is made for one kind of host.
pub fn host_tags(known: Tags, declared: Option<&Declared>, given: &[(String, String)]) -> Tags {
    let mut asked: std::collections::BTreeMap<String, Option<String>> = std::collections::BTreeMap::new();
    for component in declared.iter().flat_map(|declared| declared.workload.components.values()) {
        for (key, value) in component.hosts.single_values() {
            asked
                .entry(key.to_owned())
                .and_modify(|known| {
                    if known.as_deref() != Some(value) {
                        *known = None;
                    }
                })
                .or_insert_with(|| Some(value.to_owned()));
        }
    }
    let mut tags = known.0;
    tags.extend(asked.into_iter().filter_map(|(key, value)| Some((key, value?))));
    tags.entry("environment".to_owned()).or_insert_with(|| "local".to_owned());
    tags.extend(given.iter().cloned());
    Tags(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_plays_what_its_components_agree_on() {
        let text = "workload: x\nenvironments: { local: { hosts: \"*\" } }\ncomponents:\n".to_owned()
            + &["role=app,zone=a", "role=app,zone=b", "tier in (x,y)"]
                .iter()
                .enumerate()
                .map(|(at, hosts)| {
                    format!(
                        "  c{at}:\n    hosts: \"{hosts}\"\n    service: {{ run: ./x, port: {} }}\n",
                        9000 + at
                    )
                })
                .collect::<String>();
        let file =
            mainstay_declare::SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
        let outcome = mainstay_declare::declare(&[file], &mainstay_server::languages::Spoken);
        assert_eq!(outcome.diagnostics, [], "{:?}", outcome.diagnostics);
        let tags =
            host_tags(Tags::default(), outcome.declared.as_ref(), &[("zone".to_owned(), "c".to_owned())]);
        assert_eq!(tags.to_string(), "environment=local,role=app,zone=c");
        assert_eq!(host_tags(Tags::default(), None, &[]).to_string(), "environment=local");
        assert_eq!(
            host_tags(tags, None, &[]).to_string(),
            "environment=local,role=app,zone=c",
            "known before"
        );
    }
}
