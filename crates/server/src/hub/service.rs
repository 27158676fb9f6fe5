//! One link: from an agent's first message to its end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use mainstay_api::link::{
    self, FromAgent, FromServer, Link, PROTOCOL, command_state, finished, from_agent, from_server,
};
use mainstay_model::{Actor, CommandId, EventDraft, EventId, HostId, Tags, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::events;
use super::{CommandEnd, CommandResult, Hub, OUTPUT, Progress, SETTLE, Session};

/// How long an agent may take to say who it is.
const HELLO: Duration = Duration::from_secs(10);

/// How often an agent is pinged.
const PING: Duration = Duration::from_secs(5);

/// How long an agent may be silent before its link counts as lost.
const SILENCE: Duration = Duration::from_secs(15);

/// How many messages are taken together, so that their events share one write.
const TOGETHER: usize = 64;

/// Who a link is with.
pub(super) struct Peer {
    host: HostId,
    tags: Tags,
    session: String,
    version: String,
}

/// How a link ended.
enum Ended {
    /// The server ends, or another link took its place.
    ByUs,
    Lost(String),
}

#[tonic::async_trait]
impl Link for Hub {
    type ConnectStream = UnboundedReceiverStream<Result<FromServer, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut stream = request.into_inner();
        let first = tokio::time::timeout(HELLO, stream.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("the agent did not say who it is"))??;
        let Some(FromAgent { body: Some(from_agent::Body::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message must be Hello"));
        };
        let (peer, receiver, end) = self.welcome(hello)?;
        if let Err(error) = self.0.journal.append(vec![self.host_event("connected", &peer, None)]).await {
            self.unregister(&peer);
            return Err(Status::unavailable(format!("the journal takes nothing now: {error}")));
        }
        tracing::info!(host = %peer.host, "an agent is connected");
        let hub = self.clone();
        self.0.tasks.spawn(async move {
            let ended = hub.follow(&peer, stream, &end).await;
            let was_current = hub.unregister(&peer);
            if let (Ended::Lost(reason), true) = (ended, was_current) {
                tracing::warn!(host = %peer.host, reason, "an agent is lost");
                let lost = hub.host_event("lost", &peer, Some(reason));
                if let Err(error) = hub.0.journal.append(vec![lost]).await {
                    tracing::error!(%error, "that an agent is lost cannot be recorded");
                }
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(receiver)))
    }
}

type ServerMessages = mpsc::UnboundedReceiver<Result<FromServer, Status>>;

impl Hub {
    /// Checks who it is and makes the link the host's own.
    pub(super) fn welcome(
        &self,
        hello: link::Hello,
    ) -> Result<(Peer, ServerMessages, CancellationToken), Status> {
        if hello.protocol != PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "the agent speaks protocol {}, this server {PROTOCOL}: bring both to the same version",
                hello.protocol
            )));
        }
        let invalid = |error: mainstay_model::InvalidId| Status::invalid_argument(error.to_string());
        let host = HostId::new(hello.host).map_err(invalid)?;
        let session = EventId::new(hello.session).map_err(invalid)?.to_string();
        let now = self.0.clock.now();
        let (sender, receiver) = mpsc::unbounded_channel();
        let end = CancellationToken::new();
        let peer = Peer { host, tags: Tags(hello.tags), session, version: hello.version };
        self.change(&peer.host, |known| {
            if let Some(current) = &known.session {
                if known.agent_id != hello.agent_id {
                    return Err(Status::already_exists(format!(
                        "the host `{}` is connected already, by another agent (process {}): give this one another --host-id",
                        peer.host, known.agent_pid
                    )));
                }
                // The same agent over a new link: the old one is dead and does not know it yet.
                current.end.cancel();
            }
            let ready = Session { id: peer.session.clone(), sender, end: end.clone() };
            ready.send(from_server::Body::Welcome(link::Welcome { version: self.0.version.clone() }));
            if let Some(desired) = &known.desired {
                ready.send(from_server::Body::Desired(desired.clone()));
            }
            let forgotten = std::mem::take(&mut known.forgets);
            for id in &forgotten {
                ready.send(from_server::Body::Forget(link::Forget { id: id.to_string() }));
            }
            known.session = Some(ready);
            known.agent_id = hello.agent_id;
            known.agent_pid = hello.pid;
            known.version = peer.version.clone();
            if *known.tags != peer.tags {
                known.tags = Arc::new(peer.tags.clone());
            }
            known.last_seen = now;
            let kept = hello.kept_commands.into_iter().filter_map(|id| CommandId::new(id).ok());
            known.kept = kept.filter(|id| !forgotten.contains(id)).collect();
            let mut ids: Vec<CommandId> = known.commands.keys().chain(known.cancels.keys()).cloned().collect();
            ids.sort();
            ids.dedup();
            for id in ids {
                known.send_command(&id);
            }
            Ok(())
        })?;
        self.changed();
        Ok((peer, receiver, end))
    }

    /// Takes a link's place away. Says whether it still had it.
    pub(super) fn unregister(&self, peer: &Peer) -> bool {
        let was_current = self.change(&peer.host, |known| {
            let current = known.session.as_ref().is_some_and(|session| session.id == peer.session);
            if current {
                known.session = None;
            }
            current
        });
        self.changed();
        was_current
    }

    fn host_event(&self, what: &str, peer: &Peer, reason: Option<String>) -> EventDraft {
        let id = format!("host-{what}-{}", peer.session);
        // The session is an id and the word is short, but an id has a longest length.
        let id = EventId::new(id).unwrap_or_else(|_| self.fallback_id(peer, what));
        let mut data = json!({ "host": peer.host, "tags": peer.tags, "version": peer.version });
        if let Some(reason) = reason {
            data["reason"] = json!(reason);
        }
        let actor = Actor::System("hub".to_owned());
        let draft = EventDraft::new(id, format!("host.{what}"), self.0.clock.now(), actor, data);
        EventDraft { tags: peer.tags.clone(), ..draft.subject(format!("host/{}", peer.host)) }
    }

    fn fallback_id(&self, peer: &Peer, what: &str) -> EventId {
        let cut: String = peer.session.chars().take(64).collect();
        EventId::new(format!("host-{what}-{cut}")).unwrap_or_else(|_| {
            let at = self.0.clock.now().as_millis().max(0);
            EventId::new(format!("host-{what}-{at}")).expect("letters, digits and dashes are an id")
        })
    }

    async fn follow(&self, peer: &Peer, stream: Streaming<FromAgent>, end: &CancellationToken) -> Ended {
        let mut stream = std::pin::pin!(stream.ready_chunks(TOGETHER));
        let mut ping = tokio::time::interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut nonce = 0;
        loop {
            tokio::select! {
                () = end.cancelled() => return Ended::ByUs,
                messages = stream.next() => {
                    let Some(messages) = messages else { return Ended::Lost("it closed the connection".to_owned()) };
                    heard = Instant::now();
                    if let Err(ended) = self.take(peer, messages).await {
                        return ended;
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Ended::Lost(format!("it was silent for {} s", heard.elapsed().as_secs()));
                    }
                    nonce += 1;
                    self.send(peer, from_server::Body::Ping(link::Ping { nonce }));
                }
            }
        }
    }

    fn send(&self, peer: &Peer, body: from_server::Body) {
        self.with(&peer.host, |known| {
            if let Some(session) = known.session.as_ref().filter(|session| session.id == peer.session) {
                session.send(body);
            }
        });
    }

    async fn take(&self, peer: &Peer, messages: Vec<Result<FromAgent, Status>>) -> Result<(), Ended> {
        let now = self.0.clock.now();
        self.with(&peer.host, |known| known.last_seen = now);
        let mut happened = Vec::new();
        let mut broken = None;
        for message in messages {
            match message.map(|message| message.body) {
                Ok(Some(from_agent::Body::Happened(event))) => happened.push(event),
                Ok(Some(from_agent::Body::Report(report))) => self.report(&peer.host, report),
                Ok(Some(from_agent::Body::Output(output))) => self.output(&peer.host, output),
                Ok(Some(from_agent::Body::Command(state))) => self.command(&peer.host, state, now),
                // A pong says that it lives, which any message does. What is not known comes from a newer agent that
                // lets us ignore it.
                Ok(Some(from_agent::Body::Hello(_)) | None) => {}
                Ok(Some(from_agent::Body::Pong(pong))) => {
                    if pong.nonce >= SETTLE {
                        self.with(&peer.host, |known| known.answered = known.answered.max(pong.nonce));
                        self.changed();
                    }
                }
                Err(status) => {
                    broken = Some(status);
                    break;
                }
            }
        }
        if !happened.is_empty() {
            let (done, error) = events::append(&*self.0.journal, &peer.host, &peer.tags, happened).await;
            if !done.is_empty() {
                self.send(peer, from_server::Body::Ack(link::Ack { event_ids: done }));
            }
            if let Some(error) = error {
                tracing::error!(host = %peer.host, %error, "events of an agent cannot be recorded; it will say them again");
                return Err(Ended::Lost("its events could not be recorded".to_owned()));
            }
        }
        match broken {
            Some(status) => Err(Ended::Lost(format!("the connection broke: {}", status.message()))),
            None => Ok(()),
        }
    }

    pub(super) fn report(&self, host: &HostId, report: link::Report) {
        let is_news =
            |known: &mut super::Known| known.services != report.services || known.revision != report.revision;
        // An agent repeats itself; who keeps up with what changes need not look each time.
        if self.with(host, is_news) {
            self.change(host, |known| {
                known.services = report.services;
                known.revision = report.revision;
            });
        }
        self.changed();
    }

    fn output(&self, host: &HostId, output: link::Output) {
        let Ok(id) = CommandId::new(output.id) else { return };
        let short = |line: &String| {
            let shown = line.chars().filter(|c| !c.is_control() || *c == '\t');
            shown.take(OUTPUT.1).collect::<String>()
        };
        let lines: Vec<String> = output.lines.iter().rev().take(OUTPUT.0).rev().map(short).collect();
        self.with(host, |known| {
            if let Some(pending) = known.commands.get_mut(&id) {
                pending.lines = lines;
            }
        });
    }

    fn command(&self, host: &HostId, state: link::CommandState, now: Timestamp) {
        let Ok(id) = CommandId::new(state.id) else { return };
        let progress = match state.state {
            Some(command_state::State::Accepted(_)) => Progress::Accepted,
            Some(command_state::State::Running(_)) => Progress::Running,
            Some(command_state::State::Finished(finished)) => Progress::Finished(result(finished, now)),
            None => return,
        };
        self.with(host, |known| {
            // A cancellation that only wanted to know whether it had arrived is answered by any state. Another one is
            // said again after a reconnection until the command is over.
            let answered = known
                .cancels
                .get(&id)
                .is_some_and(|cancel| cancel.unless_arrived || matches!(progress, Progress::Finished(_)));
            if answered {
                known.cancels.remove(&id);
            }
            if let Some(pending) = known.commands.get(&id) {
                pending.progress.send_if_modified(|current| {
                    // What is over stays over.
                    let moves = !matches!(current, Progress::Finished(_)) && *current != progress;
                    if moves {
                        *current = progress;
                    }
                    moves
                });
            }
        });
    }
}

fn result(finished: link::Finished, now: Timestamp) -> CommandResult {
    let end = match finished.end {
        Some(finished::End::ExitCode(code)) => CommandEnd::Exited(code),
        Some(finished::End::Signal(signal)) => CommandEnd::Signaled(signal),
        Some(finished::End::TimedOutMs(ms)) => CommandEnd::TimedOut(Duration::from_millis(ms)),
        Some(finished::End::Cancelled(reason)) => CommandEnd::Cancelled(reason),
        Some(finished::End::NotStarted(reason)) => CommandEnd::NotStarted(reason),
        Some(finished::End::MemoryExceeded(reason)) => CommandEnd::MemoryExceeded(reason),
        Some(finished::End::NotDelivered(_)) => CommandEnd::NotDelivered,
        Some(finished::End::Unknown(reason)) => CommandEnd::Unknown(reason),
        None => CommandEnd::Unknown("its agent gave an end that this server does not understand".to_owned()),
    };
    let at = |ms: i64| if ms == 0 { now } else { Timestamp::from_millis(ms) };
    CommandResult {
        end,
        stdout: finished.stdout,
        stderr: finished.stderr,
        stdout_truncated: finished.stdout_truncated,
        stderr_truncated: finished.stderr_truncated,
        started: at(finished.started_ms),
        finished: at(finished.finished_ms),
    }
}
