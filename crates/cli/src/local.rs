//! A server and an agent on this machine, as children of this process: what `up` and `demo` share.
//!
//! The children are this very program. Each has a process group of its own, so that Ctrl-C reaches this process only
//! and it can end them in order; each ends by itself when this process is gone. What they log goes to files in the
//! data directory.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_model::Tags;
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::args::Listen;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::processes;
use crate::screen::say;

/// The pause before a child that ended is started again: the first, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A child that ends with an exit code this soon after its first start will not start at all.
const START: Duration = Duration::from_secs(5);

/// A child that lived so long is taken to work.
const SETTLED: Duration = Duration::from_secs(30);

/// How long the server may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// How long the agent may take to stop all services, each within its own deadline.
const STOP_AGENT: Duration = Duration::from_secs(120);

/// How long the server may take to stop.
const STOP_SERVER: Duration = Duration::from_secs(15);

/// A log file is renamed at this size; one older file is kept.
const MAX_LOG_BYTES: u64 = 8 << 20;

/// So many of a child's last lines are shown when it does not start.
const LAST_LINES: usize = 12;

/// How the two are started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Where the API listens; port 0 takes a free one.
    pub http: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: Listen,
    /// OTLP over gRPC.
    pub otlp_grpc: Listen,
    /// The tags of this host.
    pub tags: Tags,
    /// If this process is killed, the agent stops its services too, instead of leaving them to the next agent.
    pub services_end_with_us: bool,
}

/// What became of a child.
#[derive(Debug)]
enum Notice {
    /// It ended and is started again.
    Again(String),
    /// It does not start.
    Dead(Failure),
}

/// The two children.
#[derive(Debug)]
pub struct Local {
    client: Client,
    data: PathBuf,
    server: Keeper,
    agent: Keeper,
    notices: mpsc::Receiver<Notice>,
}

#[derive(Debug)]
struct Keeper {
    control: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
    pid: tokio::sync::watch::Receiver<Option<u32>>,
}

/// Which child.
#[derive(Clone, Debug)]
struct Piece {
    name: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    /// Wants to say where it listens before it counts as started.
    announces: bool,
}

/// What the server says of itself on its first line.
#[derive(Debug, serde::Deserialize)]
struct Announced {
    http: SocketAddr,
    otlp_http: Option<SocketAddr>,
}

impl Local {
    /// Starts both. Returns when the server is ready and the agent was started; the agent connects by itself.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let data = options.data.clone();
        let logs = data.join("log");
        make_private(&data)?;
        make_private(&logs)?;
        // Those of an earlier call that was killed are told by the kernel to end, and take a moment for it.
        let tell = || say("the server and the agent of before are still ending; waiting for them");
        if !processes::orphans_ended(&data, STOP_AGENT, tell).await {
            return Err(Failure::new(Exit::Local, "The server or the agent of before does not end")
                .hint(format!("see which with `pgrep -af {}`", data.display())));
        }
        let (notice, notices) = mpsc::channel(16);
        let us = std::process::id().to_string();
        let common = |verb: &str| {
            let data = data.display().to_string();
            [verb, "--data", &data, "--exit-with-parent", &us].map(str::to_owned).to_vec()
        };
        let mut arguments = common("server");
        for (option, value) in [
            ("--http", options.http.to_string()),
            ("--otlp-http", options.otlp_http.to_string()),
            ("--otlp-grpc", options.otlp_grpc.to_string()),
        ] {
            arguments.extend([option.to_owned(), value]);
        }
        let server = Piece { name: "server", arguments, log: logs.join("server.log"), announces: true };
        let (server, announced) = Keeper::start(server, notice.clone());
        let announced = match tokio::time::timeout(READY, announced).await {
            Ok(Ok(Ok(announced))) => announced,
            Ok(Ok(Err(failure))) => return Err(failure),
            Ok(Err(_)) => return Err(Failure::new(Exit::Local, "The server ended while it started")),
            Err(_) => {
                server.signal(Signal::KILL).await;
                let text = format!("The server was not ready after {} s", READY.as_secs());
                return Err(Failure::new(Exit::Local, text)
                    .hint(format!("see {}", logs.join("server.log").display())));
            }
        };
        let client = connect::local_client(&data)?;
        let mut arguments = common("agent");
        if options.services_end_with_us {
            arguments.push("--interrupt".to_owned());
        }
        for (key, value) in &options.tags.0 {
            arguments.extend(["--tag".to_owned(), format!("{key}={value}")]);
        }
        let socket = mainstay_server::config::agent_socket(&data);
        arguments.extend(["--server".to_owned(), format!("unix:{}", socket.display())]);
        if let Some(otlp) = announced.otlp_http {
            arguments.extend(["--otlp-endpoint".to_owned(), format!("http://{otlp}")]);
        }
        let agent = Piece { name: "agent", arguments, log: logs.join("agent.log"), announces: false };
        let (agent, _) = Keeper::start(agent, notice);
        Ok(Self { client, data, server, agent, notices })
    }

    /// The client of the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The ids of the two processes, as far as they run now.
    pub fn pids(&self) -> Vec<u32> {
        [&self.server, &self.agent].iter().filter_map(|keeper| *keeper.pid.borrow()).collect()
    }

    /// Watches both for ever and says when one had to be started again. Ends when one does not start.
    pub async fn watch(&mut self) -> Failure {
        loop {
            match self.notices.recv().await {
                Some(Notice::Again(text)) => say(&text),
                Some(Notice::Dead(failure)) => return failure,
                None => return Failure::new(Exit::Local, "The server and the agent have ended"),
            }
        }
    }

    /// Stops the services in the order of their dependencies, then the agent, then the server. While `hurry` is
    /// pending it waits; when it resolves, the agent is told to leave the services running.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut outcome = Ok(());
        self.agent.signal(Signal::INT).await;
        tokio::select! {
            ended = self.agent.ended(STOP_AGENT) => {
                if !ended {
                    self.agent.signal(Signal::TERM).await;
                    outcome = Err(left(&self.data, "services did not stop in time"));
                }
            }
            () = hurry => {
                self.agent.signal(Signal::TERM).await;
                outcome = Err(left(&self.data, "they were not waited for"));
            }
        }
        for keeper in [&mut self.agent, &mut self.server] {
            keeper.signal(Signal::TERM).await;
            if !keeper.ended(STOP_SERVER).await {
                keeper.signal(Signal::KILL).await;
                let _ = keeper.ended(STOP_SERVER).await;
            }
        }
        outcome
    }
}

fn left(data: &Path, why: &str) -> Failure {
    Failure::new(Exit::Interrupted, format!("Services may still run: {why}"))
        .hint(format!("`mainstay up --data {}` takes them up again; Ctrl-C then stops them", data.display()))
}

fn make_private(dir: &Path) -> Result<(), Failure> {
    let made = mainstay_server::files::make_private_folder(dir).map_err(|error| {
        Failure::local(format!("The directory {} cannot be made, or be made private", dir.display()), &error)
            .hint("choose another data directory with --data")
    });
    if made? {
        say(&format!("others could look into {}; it is its owner's alone now (mode 0700)", dir.display()));
    }
    Ok(())
}

impl Keeper {
    fn start(
        piece: Piece,
        notices: mpsc::Sender<Notice>,
    ) -> (Self, oneshot::Receiver<Result<Announced, Failure>>) {
        let (control, commands) = mpsc::channel(4);
        let (announce, announced) = oneshot::channel();
        let (pid_sender, pid) = tokio::sync::watch::channel(None);
        // On this thread, because the kernel tells children of the death of the thread that started them.
        #[expect(clippy::disallowed_methods, reason = "its handle is kept, and `ended` waits for it")]
        let task = tokio::task::spawn(keep(piece, commands, notices, announce, pid_sender));
        (Self { control, task, pid }, announced)
    }

    async fn signal(&self, signal: Signal) {
        // Nobody receives any more when the child has ended for good.
        let _ = self.control.send(signal).await;
    }

    /// Whether it ended within this time.
    async fn ended(&mut self, within: Duration) -> bool {
        self.task.is_finished() || tokio::time::timeout(within, &mut self.task).await.is_ok()
    }
}

/// Keeps a child running until the first signal for it.
async fn keep(
    mut piece: Piece,
    mut commands: mpsc::Receiver<Signal>,
    notices: mpsc::Sender<Notice>,
    announce: oneshot::Sender<Result<Announced, Failure>>,
    pid: tokio::sync::watch::Sender<Option<u32>>,
) {
    let mut announce = Some(announce);
    let mut pause = AGAIN.0;
    let mut first = true;
    loop {
        let began = Instant::now();
        let mut running = match Running::start(&piece) {
            Ok(running) => running,
            Err(failure) => return dead(failure, announce, &notices).await,
        };
        pid.send_replace(running.child.id());
        let (status, stopping) = running.run(&mut piece, &mut commands, &mut announce).await;
        let last = running.finish().await;
        pid.send_replace(None);
        if stopping {
            return;
        }
        let lived = began.elapsed();
        let will_not = status.as_ref().is_some_and(|status| status.code().is_some()) && lived < START;
        if first && (announce.is_some() && piece.announces || will_not) {
            return dead(not_started(&piece, status, &last), announce, &notices).await;
        }
        first = false;
        if lived > SETTLED {
            pause = AGAIN.0;
        }
        let how = status.map_or_else(|| "it cannot be told how".to_owned(), |status| status.to_string());
        let name = piece.name;
        let text = format!(
            "the {name} ended unexpectedly ({how}); starting it again in {:.1} s",
            pause.as_secs_f64()
        );
        // A reader that is gone is about to stop us.
        let _ = notices.try_send(Notice::Again(text));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = commands.recv() => return,
        }
        pause = (pause * 2).min(AGAIN.1);
    }
}

async fn dead(
    failure: Failure,
    announce: Option<oneshot::Sender<Result<Announced, Failure>>>,
    notices: &mpsc::Sender<Notice>,
) {
    match announce {
        Some(announce) if !announce.is_closed() => {
            let _ = announce.send(Err(failure));
        }
        _ => {
            let _ = notices.send(Notice::Dead(failure)).await;
        }
    }
}

/// Why a child did not start: in its own words if it said any.
fn not_started(piece: &Piece, status: Option<ExitStatus>, last: &[String]) -> Failure {
    let how = status.map(|status| format!(" ({status})")).unwrap_or_default();
    let mut failure = Failure::new(Exit::Local, format!("The {} does not start{how}", piece.name));
    let said = last.iter().position(|line| line.starts_with("error: ")).map(|at| &last[at..]);
    for line in said.unwrap_or(last) {
        match line.strip_prefix("hint: ") {
            Some(hint) => failure.hint = Some(hint.to_owned()),
            None => {
                let line =
                    line.strip_prefix("error: ").or_else(|| line.strip_prefix("caused by: ")).unwrap_or(line);
                failure.causes.push(line.to_owned());
            }
        }
    }
    if failure.hint.is_none() && failure.causes.is_empty() {
        failure.hint = Some(format!("its log is {}", piece.log.display()));
    }
    failure
}

/// A child and what reads from it.
struct Running {
    child: Child,
    pump: JoinSet<Vec<String>>,
    first_line: Option<oneshot::Receiver<String>>,
}

impl Running {
    fn start(piece: &Piece) -> Result<Self, Failure> {
        let binary = std::env::current_exe()
            .map_err(|error| Failure::local("The path of this program cannot be found", &error))?;
        let mut child = Command::new(binary)
            .args(&piece.arguments)
            // What is meant for this call is not meant for them.
            .env_remove("MAINSTAY_SERVER")
            .env_remove("MAINSTAY_TOKEN")
            .env_remove("MAINSTAY_DATA")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::local(format!("The {} cannot be started", piece.name), &error))?;
        let mut pump = JoinSet::new();
        let mut first_line = None;
        if let Some(stderr) = child.stderr.take() {
            pump.spawn(pour(stderr, piece.log.clone()));
        }
        if let Some(stdout) = child.stdout.take() {
            let (sender, receiver) = oneshot::channel();
            first_line = Some(receiver);
            pump.spawn(listen(stdout, sender));
        }
        Ok(Self { child, pump, first_line })
    }

    /// Until it has ended: how, and whether it was told to.
    async fn run(
        &mut self,
        piece: &mut Piece,
        commands: &mut mpsc::Receiver<Signal>,
        announce: &mut Option<oneshot::Sender<Result<Announced, Failure>>>,
    ) -> (Option<ExitStatus>, bool) {
        let mut stopping = false;
        let mut open = true;
        loop {
            let line = async {
                match &mut self.first_line {
                    Some(line) => line.await.ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = self.child.wait() => return (status.ok(), stopping),
                line = line => {
                    self.first_line = None;
                    if let Some(announced) = line.and_then(|line| serde_json::from_str::<Announced>(&line).ok()) {
                        piece.listen_at(announced.http);
                        if let Some(announce) = announce.take() {
                            let _ = announce.send(Ok(announced));
                        }
                    }
                }
                command = commands.recv(), if open => match command {
                    Some(signal) => {
                        stopping = true;
                        self.signal(signal);
                    }
                    None => {
                        open = false;
                        stopping = true;
                        self.signal(Signal::TERM);
                    }
                },
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // Not waited for yet, so the id is still the child's.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The last lines it logged, once everything it wrote has been read.
    async fn finish(mut self) -> Vec<String> {
        let mut last = Vec::new();
        // Something it started may hold its stderr open; that is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while let Some(ended) = self.pump.join_next().await {
                last.extend(ended.unwrap_or_default());
            }
        })
        .await;
        last
    }
}

impl Piece {
    /// From now on the same port, also if it was any at first: clients hold on to it.
    fn listen_at(&mut self, http: SocketAddr) {
        if let Some(at) = self.arguments.iter().position(|argument| argument == "--http")
            && let Some(value) = self.arguments.get_mut(at + 1)
        {
            *value = http.to_string();
        }
    }
}

async fn listen(stdout: impl AsyncRead + Unpin, first: oneshot::Sender<String>) -> Vec<String> {
    let mut lines = BufReader::new(stdout).lines();
    if let Ok(Some(line)) = lines.next_line().await {
        let _ = first.send(line);
    }
    while let Ok(Some(_)) = lines.next_line().await {}
    Vec::new()
}

/// Writes lines to a log file that does not grow without end, and keeps the last ones at hand.
async fn pour(from: impl AsyncRead + Unpin, path: PathBuf) -> Vec<String> {
    let mut log = Log::open(path);
    let mut last: VecDeque<String> = VecDeque::new();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.write(&line);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into()
}

struct Log {
    path: PathBuf,
    file: Option<std::fs::File>,
    size: u64,
}

impl Log {
    fn open(path: PathBuf) -> Self {
        let mut log = Self { path, file: None, size: 0 };
        log.reopen();
        log
    }

    fn reopen(&mut self) {
        use std::os::unix::fs::OpenOptionsExt as _;
        self.file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path).ok();
        self.size =
            self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
    }

    /// A log that cannot be written is lost: the child goes on.
    fn write(&mut self, line: &str) {
        use std::io::Write as _;
        if self.size > MAX_LOG_BYTES {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.reopen();
        }
        if let Some(file) = &mut self.file {
            self.size += line.len() as u64 + 1;
            let _ = writeln!(file, "{line}");
        }
    }
}
