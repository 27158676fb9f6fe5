//! The agent's end of the link: dials, says who it is, and dials again for as long as the agent lives. It holds nothing:
//! what must not be lost is in the outbox, the ledger and the supervisor.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use mainstay_api::link::{self, FromAgent, LinkClient, from_agent, from_server};
use tokio::io::DuplexStream;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::supervisor::Input;

/// The pause before the first new attempt, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How long the server may take to answer the first message.
const WELCOME: Duration = Duration::from_secs(10);

/// How long the server may be silent; it pings every five seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// How many events are sent at a time.
const EVENTS: usize = 100;

/// The largest message: a command with its script and input.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Makes a connection to a server that is in this process.
pub type Within = Arc<dyn Fn() -> DuplexStream + Send + Sync>;

/// The way to the server.
#[derive(Clone)]
pub enum Way {
    /// It listens on a Unix socket.
    Socket(PathBuf),
    /// It is in this process.
    Within(Within),
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Within(_) => f.write_str("this process"),
        }
    }
}

impl Way {
    async fn dial(&self) -> Result<Channel, Lost> {
        // The address is only a name here: the connector knows the way.
        let endpoint = Endpoint::from_static("http://mainstay.server");
        let way = self.clone();
        let dialed = match way {
            Self::Socket(path) => {
                let connector = tower::service_fn(move |_| {
                    let path = path.clone();
                    async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
                });
                endpoint.connect_with_connector(connector).await
            }
            Self::Within(dial) => {
                let connector = tower::service_fn(move |_| {
                    let stream = dial();
                    async move { Ok::<_, std::io::Error>(TokioIo::new(stream)) }
                });
                endpoint.connect_with_connector(connector).await
            }
        };
        dialed.map_err(Lost::Dial)
    }
}

/// What the connection joins.
pub struct Connection {
    /// Where the server is.
    pub way: Way,
    /// Who this agent is; `session` and `kept_commands` are filled in for each connection.
    pub hello: link::Hello,
    /// The supervisor's inputs.
    pub inputs: mpsc::Sender<Input>,
    /// The supervisor's reports.
    pub report: watch::Receiver<link::Report>,
    /// The commands.
    pub ledger: Ledger,
    /// The events.
    pub outbox: Arc<Outbox>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("it cannot be reached")]
    Dial(#[source] tonic::transport::Error),
    #[error("it refused: {0}")]
    Refused(String),
    #[error("it closed the connection")]
    Closed,
    #[error("it was silent for too long")]
    Silent,
}

impl Connection {
    /// Keeps a connection for ever.
    pub async fn run(mut self) {
        let mut pause = AGAIN.0;
        let mut said = String::new();
        loop {
            let mut welcomed = false;
            let lost = match self.once(&mut welcomed).await {
                Err(lost) => lost,
                Ok(never) => match never {},
            };
            if welcomed {
                pause = AGAIN.0;
                said.clear();
            }
            let reason = lost.to_string();
            if reason == said {
                tracing::debug!(%reason, "the server is away");
            } else {
                tracing::warn!(%reason, way = %self.way, "the server is away; the agent goes on by itself");
                said = reason;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }

    async fn once(&mut self, welcomed: &mut bool) -> Result<std::convert::Infallible, Lost> {
        let channel = self.way.dial().await?;
        let mut client = LinkClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let (sender, receiver) = mpsc::channel(64);
        let (updates, mut updated) = mpsc::unbounded_channel();
        let hello = link::Hello {
            session: uuid::Uuid::now_v7().to_string(),
            kept_commands: self.ledger.kept(),
            ..self.hello.clone()
        };
        send(&sender, from_agent::Body::Hello(hello)).await?;
        let refused = |status: tonic::Status| Lost::Refused(status.message().to_owned());
        let connect = tokio::time::timeout(WELCOME, client.connect(ReceiverStream::new(receiver)));
        let mut stream = connect.await.map_err(|_| Lost::Silent)?.map_err(refused)?.into_inner();
        self.ledger.connected(updates);
        let mut events = self.outbox.watch();
        events.mark_changed();
        self.report.mark_changed();
        let mut sent = 0;
        loop {
            tokio::select! {
                // What happened goes before the report that shows it, and what is known before more is taken.
                biased;
                Ok(()) = events.changed() => {
                    loop {
                        let next = self.outbox.after(sent, EVENTS);
                        let Some((last, _)) = next.last() else { break };
                        sent = *last;
                        for (_, event) in next {
                            send(&sender, from_agent::Body::Happened(event)).await?;
                        }
                    }
                }
                Ok(()) = self.report.changed() => {
                    let report = self.report.borrow_and_update().clone();
                    send(&sender, from_agent::Body::Report(report)).await?;
                }
                Some(update) = updated.recv() => send(&sender, update).await?,
                message = tokio::time::timeout(SILENCE, stream.message()) => {
                    let message = message.map_err(|_| Lost::Silent)?.map_err(refused)?.ok_or(Lost::Closed)?;
                    *welcomed = true;
                    self.receive(message, &sender).await?;
                }
            }
        }
    }

    async fn receive(&self, message: link::FromServer, sender: &mpsc::Sender<FromAgent>) -> Result<(), Lost> {
        match message.body {
            Some(from_server::Body::Desired(desired)) => {
                let _ = self.inputs.send(Input::Desired(desired)).await;
            }
            Some(from_server::Body::Command(command)) => {
                send(sender, from_agent::Body::Command(self.ledger.receive(command))).await?;
            }
            Some(from_server::Body::Cancel(cancel)) => {
                let state = self.ledger.cancel(&cancel);
                send(sender, from_agent::Body::Command(state)).await?;
            }
            Some(from_server::Body::Forget(forget)) => {
                if let Err(error) = self.ledger.forget(&forget.id) {
                    tracing::warn!(command = forget.id, %error, "a result cannot be forgotten yet");
                }
            }
            Some(from_server::Body::Ack(ack)) => self.outbox.acknowledged(&ack.event_ids),
            Some(from_server::Body::Ping(ping)) => {
                send(sender, from_agent::Body::Pong(link::Pong { nonce: ping.nonce })).await?;
            }
            Some(from_server::Body::Welcome(welcome)) => {
                tracing::info!(server = welcome.version, "connected");
            }
            // A newer server says something that an agent of this version may ignore.
            None => {}
        }
        Ok(())
    }
}

async fn send(sender: &mpsc::Sender<FromAgent>, body: from_agent::Body) -> Result<(), Lost> {
    sender.send(FromAgent { body: Some(body) }).await.map_err(|_| Lost::Closed)
}
