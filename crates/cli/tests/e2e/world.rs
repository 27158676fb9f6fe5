//! One machine of a test: a data directory, ports, a workload's directory, a server, an agent, and the journal's events
//! as they happen.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::Value;

use crate::processes::{PATIENCE, Process, Said, end_all_of, now, run};

/// The binary under test: the one that was just built, or the one that `MAINSTAY_E2E_BINARY` names, so that an installed
/// or released one can be held to the same.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("MAINSTAY_E2E_BINARY").filter(|path| !path.is_empty());
    named.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_mainstay")), PathBuf::from)
}

/// A port that nothing else takes: below those that the system hands out, and never the same twice in one process.
pub fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let candidate = 20_000 + (std::process::id() * 97 + step) % 10_000;
        let candidate = u16::try_from(candidate).expect("below 30000");
        if TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
            return candidate;
        }
    }
}

/// The mainstay command without what the surroundings of the test would say.
pub fn mainstay(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for name in [
        "MAINSTAY_DATA",
        "MAINSTAY_SERVER",
        "MAINSTAY_TOKEN",
        "MAINSTAY_AGENT_SOCKET",
        "RUST_LOG",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

/// A machine.
pub struct World {
    /// The server, while the test keeps one.
    pub server: Option<Process>,
    /// The agent, while the test keeps one.
    pub agent: Option<Process>,
    feed: Option<Process>,
    seen: Vec<Value>,
    /// Only events behind this place of the journal are waited for.
    pub mark: u64,
    pub http: u16,
    pub otlp: u16,
    binary: PathBuf,
    temp: tempfile::TempDir,
}

impl World {
    /// Nothing runs yet.
    pub fn new() -> Self {
        Self::of(&binary())
    }

    /// The same for another build of the binary.
    pub fn of(binary: &Path) -> Self {
        let temp = tempfile::Builder::new().prefix("mainstay-e2e-").tempdir().expect("a directory");
        std::fs::create_dir(temp.path().join("work")).expect("made");
        Self {
            server: None,
            agent: None,
            feed: None,
            seen: Vec::new(),
            mark: 0,
            http: port(),
            otlp: port(),
            binary: binary.to_owned(),
            temp,
        }
    }

    /// Server and agent run, and know each other.
    pub fn up() -> Self {
        let mut world = Self::new();
        world.start_server();
        world.start_agent();
        world.event("host.connected", |_| true);
        world
    }

    pub fn dir(&self) -> &Path {
        self.temp.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    pub fn work(&self) -> PathBuf {
        self.dir().join("work")
    }

    /// A command on this machine's data.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mainstay(&self.binary);
        command.args(arguments).arg("--data").arg(self.data()).current_dir(self.dir());
        command
    }

    #[track_caller]
    pub fn mainstay(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// The JSON answer of a verb that has to succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--output", "json"]);
        self.mainstay(&arguments).is(0, &[]).json()
    }

    pub fn server_command(&self) -> Command {
        let http = format!("127.0.0.1:{}", self.http);
        let otlp = format!("127.0.0.1:{}", self.otlp);
        self.command(&["server", "--http", &http, "--otlp-http", &otlp, "--otlp-grpc", "off"])
    }

    /// Starts the server and waits until it can be reached.
    #[track_caller]
    pub fn start_server(&mut self) {
        let mut server = Process::start("server", self.server_command());
        server.line("Mainstay listens on http://");
        self.server = Some(server);
    }

    pub fn start_agent(&mut self) {
        let endpoint = format!("http://127.0.0.1:{}", self.otlp);
        let arguments = ["agent", "--host-id", "here", "--tag", "role=app", "--otlp-endpoint", &endpoint]
            .map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.agent = Some(Process::start("agent", self.command(&arguments)));
    }

    /// Ends the server with a signal: its exit code, or the signal as a negative number.
    #[track_caller]
    pub fn end_server(&mut self, signal: Signal) -> i32 {
        self.server.take().expect("a server runs").end(signal)
    }

    #[track_caller]
    pub fn end_agent(&mut self, signal: Signal) -> i32 {
        self.agent.take().expect("an agent runs").end(signal)
    }

    /// Waits for an event of this kind behind the mark, also one that has been seen before.
    #[track_caller]
    pub fn event(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mark = self.mark;
        let fits = |event: &Value| {
            event["seq"].as_u64().is_some_and(|seq| seq > mark) && event["type"] == kind && wanted(event)
        };
        if let Some(event) = self.seen.iter().find(|event| fits(event)) {
            return event.clone();
        }
        let deadline = now() + PATIENCE;
        let follow = self.command(&["events", "--follow", "--after", "0", "--output", "json"]);
        let feed = self.feed.get_or_insert_with(|| Process::start("events", follow));
        while let Some(line) = feed.next_line(deadline.saturating_duration_since(now())) {
            // What is said of lost connections comes on stderr, and is no JSON.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            self.seen.push(event.clone());
            if fits(&event) {
                return event;
            }
        }
        panic!("the event {kind} never came");
    }

    /// Reads the whole journal, and answers with the events of a kind.
    #[track_caller]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let all = self.json(&["events", "--after", "0", "--match", kind]);
        all.as_array().expect("a list").clone()
    }

    /// From here on only what is new is waited for.
    #[track_caller]
    pub fn forget(&mut self) {
        self.mark = self.json(&["status"])["status"]["journal_seq"].as_u64().expect("a place");
    }

    /// Waits until a component's service is ready: its process.
    #[track_caller]
    pub fn ready(&mut self, component: &str) -> u32 {
        let event = self.event("service.ready", |event| event["data"]["component"] == component);
        pid(&event)
    }

    /// What the server says of a service.
    #[track_caller]
    pub fn service(&self, component: &str) -> Value {
        let services = self.json(&["services"]);
        let found = services.as_array().expect("a list").iter().find(|service| service["name"] == component);
        found.cloned().unwrap_or_else(|| panic!("no service {component} in {services}"))
    }

    /// Writes a file of the workload.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("in the workload")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Applies the workload's directory.
    #[track_caller]
    pub fn apply(&self) -> Value {
        self.json(&["apply", "work"])
    }

    /// A workload of one web service and a procedure of two steps. The first step notes that it runs, says so, and waits
    /// for the gate.
    pub fn write_tiny(&self) {
        self.write("mainstay.yaml", &tiny(port(), ""));
        self.write("runbooks/work.yaml", &self.procedure());
        for name in ["began", "gate"] {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, self.dir().join(name), mode).expect("a FIFO");
        }
    }

    /// Applies it, and waits for its service.
    #[track_caller]
    pub fn apply_tiny(&mut self) -> u32 {
        self.write_tiny();
        self.apply();
        self.ready("web")
    }

    fn procedure(&self) -> String {
        let dir = self.dir().display();
        let target = "Targets: [{ Key: \"tag:role\", Values: [app] }]";
        format!(
            "schemaVersion: \"0.3\"
description: Counts how often its steps run
mainSteps:
  - name: first
    action: aws:runCommand
    timeoutSeconds: 300
    inputs:
      DocumentName: AWS-RunShellScript
      {target}
      Parameters:
        commands:
          - echo first >> {dir}/counter
          - echo began > {dir}/began
          - cat {dir}/gate
  - name: second
    action: aws:runCommand
    timeoutSeconds: 300
    isEnd: true
    inputs:
      DocumentName: AWS-RunShellScript
      {target}
      Parameters:
        commands:
          - echo second >> {dir}/counter
"
        )
    }

    /// Starts the procedure: the run's id.
    #[track_caller]
    pub fn start_run(&self) -> String {
        let run = self.json(&["run", "work", "--detach"]);
        run["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the first step runs.
    #[track_caller]
    pub fn step_runs(&self) {
        let path = self.dir().join("began");
        let (sender, heard) = channel();
        std::thread::spawn(move || sender.send(std::fs::read_to_string(path)));
        let text = heard.recv_timeout(PATIENCE).expect("the step begins").expect("readable");
        assert_eq!(text, "began\n");
    }

    /// Lets the first step end. Waits until it has been let go.
    #[track_caller]
    pub fn open_gate(&self) {
        let path = self.dir().join("gate");
        let (sender, opened) = channel();
        std::thread::spawn(move || sender.send(std::fs::write(path, "go\n")));
        opened.recv_timeout(PATIENCE).expect("the step waits").expect("writable");
    }

    /// Waits for the end of a run and holds it to success, with each step run once.
    #[track_caller]
    pub fn ran_once(&mut self, run: &str) {
        let subject = format!("run/{run}");
        self.event("run.finished", |event| event["subject"] == subject);
        let run = self.json(&["runs", "show", run]);
        assert_eq!(run["status"], "Success", "{run:#}");
        let counted = std::fs::read_to_string(self.dir().join("counter")).expect("it ran");
        assert_eq!(counted, "first\nsecond\n");
    }

    /// Proves the journal, and that its tables are what its events say.
    #[track_caller]
    pub fn proves(&self) {
        self.mainstay(&["journal", "verify"]).is(0, &["The journal is whole"]);
        let rebuilt = self.json(&["journal", "rebuild", "--check"]);
        let tables = rebuilt["tables"].as_array().expect("tables");
        assert!(!tables.is_empty());
        for table in tables {
            assert_eq!(table["differing"].as_array().map(Vec::len), Some(0), "{rebuilt:#}");
        }
    }

    /// Waits until something holds that no event tells of. Each look asks the server something first, which takes its time.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = now() + PATIENCE;
        while !holds(self) {
            assert!(now() < deadline, "it never came to pass: {what}");
            self.mainstay(&["status"]);
        }
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("token")).expect("a token").trim().to_owned()
    }

    /// A request to the API with the token.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let authorization = format!("Authorization: Bearer {}", self.token());
        request(self.http, method, path, &[&authorization], body)
    }

    /// Writes an event from outside into the journal.
    #[track_caller]
    pub fn say(&self, id: &str, kind: &str, data: &Value) {
        let event = serde_json::json!({
            "specversion": "1.0", "id": id, "source": "e2e", "type": kind, "data": data,
        });
        let (status, body) = self.request("POST", "/v1/events", &event.to_string());
        assert_eq!(status, 201, "{body}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            let tail = self.seen.len().saturating_sub(40);
            for event in &self.seen[tail..] {
                eprintln!("{} {} {} {}", event["seq"], event["type"], event["subject"], event["data"]);
            }
        }
        let panicked = [&self.server, &self.agent, &self.feed]
            .iter()
            .any(|process| process.as_ref().is_some_and(|process| process.log().contains("panicked at")));
        self.feed = None;
        self.agent = None;
        self.server = None;
        end_all_of(self.temp.path());
        assert!(panicking || !panicked, "a process panicked");
    }
}

/// The process of an event.
#[track_caller]
pub fn pid(event: &Value) -> u32 {
    let pid = event["data"]["pid"].as_u64().unwrap_or_else(|| panic!("no process in {event}"));
    u32::try_from(pid).expect("a process id")
}

/// The declaration of a web service, with more components behind it.
pub fn tiny(port: u16, more: &str) -> String {
    format!(
        "workload: tiny
components:
  web:
    hosts: \"role=app\"
    service:
      run: python3 -m http.server ${{port}} --bind 127.0.0.1
      port: {port}
      health: {{ http: /, every: 200ms }}
{more}"
    )
}

/// A component that does nothing for a long time.
pub fn idle(name: &str, seconds: u32) -> String {
    format!("  {name}:\n    hosts: \"role=app\"\n    service: {{ run: sleep {seconds} }}\n")
}

/// One HTTP request over a connection of its own: status and body.
#[track_caller]
pub fn request(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let (head, body) = exchange(port, method, path, headers, body);
    (head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0), body)
}

/// The value of a header of an answer.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The same: head and body.
#[track_caller]
pub fn exchange(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let own_host = headers.iter().any(|header| header.starts_with("Host:"));
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !own_host {
        head.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
    }
    if !body.is_empty() {
        head.push_str("Content-Type: application/json\r\n");
    }
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}
