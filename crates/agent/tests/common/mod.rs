//! A host for tests: the example `host` as agent and shim, and a server that the test plays.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainstay_agent::control::{self, Reply, Request};
use mainstay_api::link::{
    self, FromAgent, FromServer, Link, LinkServer, command_state, from_agent, from_server,
};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::{UnboundedReceiverStream, UnixListenerStream};
use tonic::{Request as Grpc, Response, Status, Streaming};

/// Nothing here takes nearly so long; it only keeps a broken test from waiting for ever.
pub const PATIENCE: Duration = Duration::from_secs(30);

type Sender = mpsc::UnboundedSender<Result<FromServer, Status>>;

#[derive(Clone)]
struct Server {
    heard: mpsc::UnboundedSender<from_agent::Body>,
    sender: Arc<Mutex<Option<Sender>>>,
}

#[tonic::async_trait]
impl Link for Server {
    type ConnectStream = UnboundedReceiverStream<Result<FromServer, Status>>;

    #[expect(clippy::disallowed_methods, reason = "it ends with its link")]
    async fn connect(
        &self,
        request: Grpc<Streaming<FromAgent>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let welcome = from_server::Body::Welcome(link::Welcome { version: "test".to_owned() });
        let _ = sender.send(Ok(FromServer { body: Some(welcome) }));
        *self.sender.lock().expect("sound") = Some(sender);
        let mut stream = request.into_inner();
        let heard = self.heard.clone();
        tokio::task::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                if let Some(body) = message.body {
                    let _ = heard.send(body);
                }
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(receiver)))
    }
}

/// One host.
pub struct Host {
    pub dir: tempfile::TempDir,
    agent: Option<Child>,
    server: Server,
    heard: mpsc::UnboundedReceiver<from_agent::Body>,
    /// Everything heard, for the message of a test that fails.
    log: Vec<String>,
    pub polling: bool,
    _served: JoinSet<()>,
}

/// The program that plays agent, shim and service.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let program = test.ancestors().nth(2).expect("the target directory").join("examples/host");
    assert!(program.exists(), "{} is built by `cargo test -p mainstay-agent`", program.display());
    program
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits for something on disk or in the process table that nothing announces.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waits = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("it never came to pass: {what}"));
}

impl Host {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("server.sock")).expect("a socket");
        let (heard_sender, heard) = mpsc::unbounded_channel();
        let server = Server { heard: heard_sender, sender: Arc::default() };
        let mut served = JoinSet::new();
        let service = LinkServer::new(server.clone()).max_decoding_message_size(8 << 20);
        served.spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            let _ = server.serve_with_incoming(UnixListenerStream::new(listener)).await;
        });
        Self { dir, agent: None, server, heard, log: Vec::new(), polling: false, _served: served }
    }

    /// A host whose agent runs and is connected.
    pub async fn up() -> Self {
        let mut host = Self::new().await;
        host.start().await;
        host
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn agent_command(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("agent").arg(self.data()).arg(self.path("server.sock"));
        if self.polling {
            command.arg("poll");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).env("A_SECRET", "hush");
        command
    }

    /// Starts the agent and waits until it has said who it is.
    pub async fn start(&mut self) -> link::Hello {
        self.agent = Some(self.agent_command().spawn().expect("the agent starts"));
        self.hear(|body| match body {
            from_agent::Body::Hello(hello) => Some(hello.clone()),
            _ => None,
        })
        .await
    }

    pub fn signal(&self, signal: Signal) {
        let agent = self.agent.as_ref().expect("an agent runs");
        rustix::process::kill_process(Pid::from_child(agent), signal).expect("it lives");
    }

    /// Ends the agent and waits for its end.
    pub async fn end(&mut self, signal: Signal) -> std::process::ExitStatus {
        self.signal(signal);
        let mut agent = self.agent.take().expect("an agent runs");
        let ended = tokio::task::spawn_blocking(move || agent.wait());
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends").expect("no panic").expect("waited for")
    }

    pub fn tell(&self, body: from_server::Body) {
        let sender = self.server.sender.lock().expect("sound");
        sender.as_ref().expect("connected").send(Ok(FromServer { body: Some(body) })).expect("open");
    }

    /// Reads what the agent says until it is what is waited for.
    pub async fn hear<T>(&mut self, mut wanted: impl FnMut(&from_agent::Body) -> Option<T>) -> T {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let Ok(Some(body)) = tokio::time::timeout_at(until, self.heard.recv()).await else {
                panic!("it was never said; said was:\n{}", self.log.join("\n"));
            };
            self.log.push(format!("{body:?}").chars().take(600).collect());
            if let Some(found) = wanted(&body) {
                return found;
            }
        }
    }

    /// The next event of this kind about this component: its data, with its id as `event_id`.
    pub async fn event(&mut self, kind: &str, component: &str) -> Value {
        let subject = format!("component/{component}");
        self.hear(|body| match body {
            from_agent::Body::Happened(event) if event.kind == kind && event.subject == subject => {
                let mut data: Value = serde_json::from_str(&event.data_json).expect("JSON");
                data["event_id"] = event.id.clone().into();
                Some(data)
            }
            _ => None,
        })
        .await
    }

    /// The next end of this command.
    pub async fn finished(&mut self, id: &str) -> link::Finished {
        self.hear(|body| match body {
            from_agent::Body::Command(state) if state.id == id => match &state.state {
                Some(command_state::State::Finished(finished)) => Some(finished.clone()),
                _ => None,
            },
            _ => None,
        })
        .await
    }

    /// The next word that this command runs.
    pub async fn running(&mut self, id: &str) -> u32 {
        self.hear(|body| match body {
            from_agent::Body::Command(state) if state.id == id => match &state.state {
                Some(command_state::State::Running(running)) => Some(running.pid),
                _ => None,
            },
            _ => None,
        })
        .await
    }

    pub fn command(&self, id: &str, script: &str) -> link::Command {
        link::Command {
            id: id.to_owned(),
            interpreter: vec!["sh".to_owned()],
            script: script.as_bytes().to_vec(),
            env: [("T".to_owned(), self.dir.path().display().to_string())].into(),
            ..link::Command::default()
        }
    }

    pub fn run(&self, command: link::Command) {
        self.tell(from_server::Body::Command(command));
    }

    pub fn cancel(&self, id: &str, unless_arrived: bool) {
        let cancel = link::Cancel { id: id.to_owned(), reason: "enough".to_owned(), unless_arrived };
        self.tell(from_server::Body::Cancel(cancel));
    }

    pub fn desire(&self, revision: &str, services: Vec<link::Service>) {
        self.tell(from_server::Body::Desired(link::Desired { revision: revision.to_owned(), services }));
    }

    /// A service that the example plays.
    pub fn service(&self, component: &str, port: u16) -> link::Service {
        let check = Some(link::health::Check::Http("/health".to_owned()));
        link::Service {
            workload: "shop".to_owned(),
            component: component.to_owned(),
            run: format!("{} serve ${{port}}", program().display()),
            directory: self.dir.path().display().to_string(),
            port: port.into(),
            health: Some(link::Health {
                check,
                every_ms: 50,
                timeout_ms: 5000,
                unhealthy_after: 2,
                grace_ms: 60_000,
            }),
            ..link::Service::default()
        }
    }

    /// A service that is a line of shell, without health check.
    pub fn shell(&self, component: &str, script: &str) -> link::Service {
        link::Service {
            workload: "shop".to_owned(),
            component: component.to_owned(),
            run: format!("sh -c '{script}'"),
            directory: self.dir.path().display().to_string(),
            ..link::Service::default()
        }
    }

    /// Asks at the control socket, in a thread of its own.
    pub fn ask(&self, request: Request) -> tokio::task::JoinHandle<Result<Reply, control::ControlError>> {
        let socket = self.data().join("agent/control.sock");
        tokio::task::spawn_blocking(move || control::call(&socket, &request, PATIENCE))
    }

    pub fn lines(&self, name: &str) -> usize {
        std::fs::read_to_string(self.path(name)).map_or(0, |text| text.lines().count())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What the test started goes, also after a failure: the agent stops its services on SIGINT.
        if let Some(agent) = self.agent.take() {
            interrupt(agent);
        } else if self.data().join("agent").exists()
            && let Ok(agent) = self.agent_command().stderr(Stdio::null()).spawn()
        {
            interrupt(agent);
        }
    }
}

/// Interrupts an agent until it is gone. Where this test itself was started with the signal ignored, as shells start
/// what runs in the background, an agent that is just starting does not hear the first ones.
fn interrupt(mut agent: Child) {
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if !matches!(agent.try_wait(), Ok(None)) {
            return;
        }
        let _ = rustix::process::kill_process(Pid::from_child(&agent), Signal::INT);
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing announces that the signal is heard from now on"
        )]
        std::thread::sleep(PAUSE);
    }
    let _ = agent.kill().and_then(|()| agent.wait());
    assert!(std::thread::panicking(), "the agent does not end when it is interrupted");
    eprintln!("the agent did not end when it was interrupted, and was killed");
}

/// Makes a FIFO on which scripts of a test wait.
pub fn gate(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("a FIFO");
}

/// Lets whoever waits on the FIFO go on.
pub async fn open_gate(path: &Path) {
    let path = path.to_owned();
    // Opening waits for the reader.
    tokio::task::spawn_blocking(move || std::fs::write(path, "go\n"))
        .await
        .expect("no panic")
        .expect("written");
}
