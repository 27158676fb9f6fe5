//! What can be typed. One place, so that the words stay those of the project's vocabulary.

mod access;
mod changes;
mod docs;
mod signals;
mod triggers;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use access::{Granted, Login, LoginLink, Silences, SilencesVerb, Tokens, TokensVerb, Users, UsersVerb};
pub use changes::{Apply, Approve, Carry, History, PlanVerb, Refuse, Rollback, Show};
pub use docs::{DocsBuild, DocsGet, DocsVerb};
pub use signals::{Logs, Metrics, Severity, Traces, TracesVerb};
pub use triggers::{Calls, One, Triggers, TriggersVerb};

/// Runs a workload well: declares it, puts it on hosts, watches it, responds, and writes down what was learned.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "`mainstay help exit-codes` lists what the exit codes mean.")]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The data directory of a server or agent on this machine [default: ./.mainstay]
    #[arg(long, global = true, env = "MAINSTAY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where the server is (http://127.0.0.1:7600); otherwise the one of the data directory
    ///
    /// The token is taken from MAINSTAY_TOKEN, from `mainstay login`, or for a server on this machine from the data
    /// directory.
    #[arg(long, global = true, env = "MAINSTAY_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// How data is printed
    #[arg(long, short = 'o', global = true, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    pub output: Output,
}

impl Global {
    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("./.mainstay"))
    }
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Human,
    /// The API's JSON, on stdout only
    Json,
    /// SARIF 2.1.0, for code hosts and editors; `check` only
    Sarif,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check a workload directory or a single file
    Check(Check),
    /// Write a workload that checks clean, to begin with
    Init(Init),
    /// Say what a problem's code means, with an example; lists all codes without one
    Explain {
        /// The code, as `mainstay check` shows it in brackets
        code: Option<String>,
    },
    /// Print the JSON Schema of a file of ours, for editors
    Schema {
        /// What it describes
        #[arg(value_enum, default_value_t = SchemaOf::Workload, value_name = "KIND")]
        of: SchemaOf,
    },
    /// Write documentation from what a workload declares, and keep what people write about it true
    #[command(subcommand)]
    Docs(DocsVerb),
    /// Start server and agent on this machine, and apply a workload
    Up(Up),
    /// Run the unit tests of alarms, recording rules and triggers
    Test(Test),
    /// Evaluate, test, format and explain PromQL on files, with no server
    #[command(subcommand)]
    Promql(PromqlVerb),
    /// Run the story of a fault on an example: noticed, healed, written down
    Demo(Demo),
    /// Run the server
    Server(Server),
    /// Run the agent of this host
    Agent(Agent),
    /// Supervise one process (used by the agent)
    #[command(hide = true)]
    Shim {
        /// The prepared directory.
        dir: PathBuf,
    },
    /// Does what a file says that the server wrote for a host. Started by the agent, not by people.
    #[command(hide = true)]
    Perform {
        /// The task.
        task: PathBuf,
    },
    /// Show what applying a directory would do, and where what runs differs from what is wanted
    Plan(PlanVerb),
    /// Make a directory's content the wanted state of its workload, wave by wave
    Apply(Apply),
    /// List what was changed, newest first
    History(History),
    /// Show a change with what became of each step, or a revision; with --resolved every value of a directory
    Show(Show),
    /// Show what differs between two revisions: in files, and for hosts and control plane
    Diff {
        /// The earlier revision, or the change that led to it
        #[arg(value_name = "REVISION")]
        old: String,
        /// The later one
        #[arg(value_name = "REVISION")]
        new: String,
    },
    /// Apply the files of an earlier revision as a new change
    Rollback(Rollback),
    /// Let a change begin that is held
    Approve(Approve),
    /// End a change that is held; stop one that is being carried out, and roll it back
    Refuse(Refuse),
    /// What is wrong, since when, and what is being done
    Status,
    /// List the services on all hosts
    Services,
    /// Act on a service of this host, by its agent
    #[command(subcommand)]
    Service(ServiceVerb),
    /// List the hosts
    Hosts,
    /// List or follow the journal's events
    Events(Events),
    /// Prove or rebuild the journal, with or without a running server
    #[command(subcommand)]
    Journal(JournalVerb),
    /// Evaluate PromQL
    Metrics(Metrics),
    /// Show logs
    Logs(Logs),
    /// List traces, or show one
    Traces(Traces),
    /// Start a procedure and wait for its end
    Run(Run),
    /// List, show or influence runs
    Runs(Runs),
    /// List or show incidents
    Incidents(Incidents),
    /// List the alarms, or show one with what it went through
    Alarms(Alarms),
    /// List, make or end silences of alarms
    Silences(Silences),
    /// List the procedures of the workloads
    Procedures,
    /// List or show triggers; see to the calls that were given up
    Triggers(Triggers),
    /// List, add or disable users, and say what they may
    Users(Users),
    /// List, make or take back tokens for programs
    Tokens(Tokens),
    /// Sign in at a server and keep a token of it
    Login(Login),
    /// Print a link that signs a browser in, once
    LoginLink(LoginLink),
    /// Print the version
    Version,
    /// Explain a verb, or the exit codes
    Help {
        /// A verb, or `exit-codes`
        topic: Vec<String>,
    },
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// The workload's directory, or one file of any known kind
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub path: PathBuf,
    /// Check again whenever a file changes, and print what that changed, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// `init`
#[derive(Debug, Args)]
pub struct Init {
    /// The directory to write to; it is made if it is not there
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// The workload's name; the directory's by default
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Copy this folder instead, with `{{ init.name }}` and the like replaced
    #[arg(long, value_name = "FOLDER")]
    pub template: Option<PathBuf>,
    /// The value of `{{ init.KEY }}` in a template; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

/// What `schema` describes. The other files of a workload are in formats that others publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// `mainstay.yaml`
    Workload,
    /// `standard.yaml`
    Standard,
}

/// `test`
#[derive(Debug, Args)]
pub struct Test {
    /// Directories, or files: in the format of `promtool test rules`, or tests of triggers
    ///
    /// In directories the files are taken whose names end in `.test.yaml`, `_test.yaml` or `-test.yaml` (or `.yml`).
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub paths: Vec<PathBuf>,
    /// Run them again whenever a file changes, and print what that changed, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// `promql …`
#[derive(Debug, Subcommand)]
pub enum PromqlVerb {
    /// Run test scripts as Prometheus has them
    Test {
        /// The scripts
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Evaluate an expression on files of samples, in the text format of Prometheus or in OpenMetrics
    Query(PromqlQuery),
    /// Print an expression in the usual form, long ones on several lines
    Format {
        /// The expression
        #[arg(value_name = "PROMQL", allow_hyphen_values = true)]
        expression: String,
    },
    /// Say what each part of an expression does, and what may not be meant
    Explain {
        /// The expression
        #[arg(value_name = "PROMQL", allow_hyphen_values = true)]
        expression: String,
    },
}

/// `promql query`
#[derive(Debug, Args)]
pub struct PromqlQuery {
    /// The expression
    #[arg(value_name = "PROMQL", allow_hyphen_values = true)]
    pub expression: String,
    /// A file of samples; may be repeated
    #[arg(long = "file", short = 'f', required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// When to evaluate, in RFC 3339 or seconds since the epoch; also the time of samples that have none [default: the
    /// newest sample, or now]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "step"], allow_hyphen_values = true)]
    pub time: Option<At>,
    /// Evaluate over a range from this time
    #[arg(long, value_name = "TIME", requires = "end", allow_hyphen_values = true)]
    pub start: Option<At>,
    /// Evaluate over a range until this time; also the time of samples that have none
    #[arg(long, value_name = "TIME", requires = "start", allow_hyphen_values = true)]
    pub end: Option<At>,
    /// The time between two points of a range
    #[arg(long, value_name = "DURATION", value_parser = mainstay_model::parse_duration, requires = "start")]
    pub step: Option<std::time::Duration>,
}

/// An instant: RFC 3339 or seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(pub mainstay_model::Timestamp);

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self(at));
        }
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => {
                Ok(Self(mainstay_model::Timestamp::from_millis((seconds * 1000.0).round() as i64)))
            }
            _ => Err("expected a time such as 2026-11-22T15:04:05Z, or seconds since the epoch".to_owned()),
        }
    }
}

/// `up`
#[derive(Debug, Args)]
pub struct Up {
    /// The workload to apply
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// A tag of this host; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// The port of the API on loopback; 0 takes a free one
    #[arg(long, default_value_t = 7600)]
    pub port: u16,
    /// Where OTLP over HTTP is taken in, or `off`
    #[arg(long, default_value = "127.0.0.1:4318", value_name = "ADDR|off")]
    pub otlp_http: Listen,
    /// Where OTLP over gRPC is taken in, or `off`
    #[arg(long, default_value = "127.0.0.1:4317", value_name = "ADDR|off")]
    pub otlp_grpc: Listen,
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave everything running at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// The example's directory; found beside the program or in the current directory
    #[arg(long, value_name = "DIR")]
    pub example: Option<PathBuf>,
}

/// `server`
#[derive(Debug, Args)]
pub struct Server {
    /// Where the API listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7600", value_name = "ADDR")]
    pub http: std::net::SocketAddr,
    /// Where OTLP over HTTP is taken in, or `off`
    #[arg(long, default_value = "127.0.0.1:4318", value_name = "ADDR|off")]
    pub otlp_http: Listen,
    /// Where OTLP over gRPC is taken in, or `off`
    #[arg(long, default_value = "127.0.0.1:4317", value_name = "ADDR|off")]
    pub otlp_grpc: Listen,
    /// Under which URL people reach it, where a proxy stands before it (https://ops.example.org)
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// How it logs.
    #[command(flatten)]
    pub log: Logging,
    /// What the process that started it wants.
    #[command(flatten)]
    pub parent: ParentArgs,
}

/// The URL that people reach a server under: a scheme, a host and perhaps a port.
fn public_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/')).filter(|host| !host.is_empty());
    match host {
        Some(host) if !host.contains(['/', '?', '#', '@', ' ']) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("expected https:// and a host, without a path".to_owned()),
    }
}

/// `agent`
#[derive(Debug, Args)]
pub struct Agent {
    /// The host's id; its host name by default
    #[arg(long, value_name = "ID")]
    pub host_id: Option<String>,
    /// A tag of this host; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// Where services send telemetry
    #[arg(long, default_value = "http://127.0.0.1:4318", value_name = "URL")]
    pub otlp_endpoint: String,
    /// How it logs.
    #[command(flatten)]
    pub log: Logging,
    /// What the process that started it wants.
    #[command(flatten)]
    pub parent: ParentArgs,
}

/// How a long-running process logs. Logs go to stderr.
#[derive(Debug, Args)]
pub struct Logging {
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Which log lines are written (`info`, `mainstay_agent=debug`)
    #[arg(long = "log", env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log_filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object for each line
    Json,
}

/// For `up` and `demo`, whose children must not outlive them.
#[derive(Debug, Args)]
pub struct ParentArgs {
    /// End when the process with this id, which must be the parent, does
    #[arg(long, hide = true, value_name = "PID")]
    pub exit_with_parent: Option<u32>,
    /// On the parent's death end as after Ctrl-C
    #[arg(long, hide = true, requires = "exit_with_parent")]
    pub interrupt: bool,
}

/// `service …`
#[derive(Debug, Subcommand)]
pub enum ServiceVerb {
    /// Restart it and wait until it is ready again
    Restart {
        /// The component's name
        name: String,
    },
    /// Stop it until it is started again
    Stop {
        /// The component's name
        name: String,
    },
    /// Start it and wait until it is ready
    Start {
        /// The component's name
        name: String,
    },
    /// Show the last lines it wrote to stdout and stderr
    Logs {
        /// The component's name
        name: String,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
    },
}

/// `events`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Events {
    /// What to do instead
    #[command(subcommand)]
    pub verb: Option<EventsVerb>,
    /// Go on with events as they happen
    #[arg(long, short)]
    pub follow: bool,
    /// Only events of this kind (`alarm.*`) or EventBridge pattern (`{"source":["demo"]}`)
    #[arg(long = "match", value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Only events of this workload
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Begin with so many of the newest events [default: 50; with --follow 10]
    #[arg(long, value_name = "N", conflicts_with = "after")]
    pub last: Option<usize>,
    /// Begin after the event at this place of the journal
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
}

/// `events …`
#[derive(Debug, Subcommand)]
pub enum EventsVerb {
    /// Say whether a pattern matches an event, and if not, which field keeps it from it; needs no server
    ///
    /// Exit code 0: it matches. 1: it does not. 2: the pattern or the event is refused.
    Test {
        /// An event pattern or a trigger, YAML or JSON
        #[arg(value_name = "PATTERN_FILE")]
        pattern: PathBuf,
        /// An event as triggers see it, JSON
        #[arg(value_name = "EVENT_FILE")]
        event: PathBuf,
    },
}

/// `alarms`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Alarms {
    /// Do something about one.
    #[command(subcommand)]
    pub verb: Option<AlarmsVerb>,
    /// Show this alarm: what it is in, and when it was pending, firing, without data or in error
    pub name: Option<String>,
    /// Only of this workload
    #[arg(long, value_name = "NAME", requires = "name")]
    pub workload: Option<String>,
    /// Show so many of its newest steps
    #[arg(long, value_name = "N", default_value_t = 50, requires = "name")]
    pub last: usize,
}

/// `alarms …`
#[derive(Debug, Subcommand)]
pub enum AlarmsVerb {
    /// Say that you have an alarm in hand, until it clears
    Ack {
        /// The alarm's name
        name: String,
        /// The alarm's workload, if several have one of that name
        #[arg(long, value_name = "NAME")]
        workload: Option<String>,
        /// Only of these labels; all of them have to be given (`zone=a`)
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// What you say with it
        #[arg(long, short = 'm', value_name = "TEXT")]
        message: Option<String>,
    },
}

/// `journal …`
#[derive(Debug, Subcommand)]
pub enum JournalVerb {
    /// Prove that no event was changed, lost or added
    Verify,
    /// Compute all tables from the events, and replace those that differ
    Rebuild {
        /// Only compare, which also works beside a running server
        #[arg(long)]
        check: bool,
    },
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// A procedure of the server by its name; or a document that is run on this host with no server: a path with a `/`,
    /// or one that ends in .yaml, .yml or .json, or `-` for standard input
    #[arg(value_name = "PROCEDURE|DOC", required_unless_present = "resume")]
    pub procedure: Option<String>,
    /// The workload whose procedure it is, if several have one of that name
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// A value for a parameter; JSON where the parameter is not a string; may be repeated
    #[arg(long = "param", short = 'p', value_name = "KEY=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
    /// Values for parameters from a file: one mapping, YAML or JSON; --param goes before it
    #[arg(long = "param-file", value_name = "FILE")]
    pub parameter_file: Option<PathBuf>,
    /// Continue a run of this host that was left or killed: the one there is, or that of this id, or whose id begins so
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", conflicts_with = "procedure")]
    pub resume: Option<String>,
    /// Keep the journal of a run with no server in this directory, which may be that of other runs [default: one for each
    /// run, below $XDG_STATE_HOME/mainstay/runs]
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// A tag of this host, for `Targets` of a run with no server; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// Wait for the end, which is the default
    #[arg(long, conflicts_with = "detach")]
    pub wait: bool,
    /// Return as soon as it is started
    #[arg(long)]
    pub detach: bool,
}

/// `runs`
#[derive(Debug, Args)]
pub struct Runs {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<RunsVerb>,
    /// Which ones, where they are listed.
    #[command(flatten)]
    pub list: RunsList,
    /// The runs of documents on this host, with no server
    #[arg(long, global = true)]
    pub local: bool,
    /// Those whose journal is in this directory
    #[arg(long, global = true, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}

/// Which runs `runs list` lists.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct RunsList {
    /// So many
    #[arg(long, short = 'n', default_value_t = 20)]
    pub lines: usize,
    /// Only in this state (`Failed`, `Waiting`, …); may be repeated
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<String>,
    /// Only those that are not over
    #[arg(long, conflicts_with = "status")]
    pub active: bool,
    /// Only of this procedure
    #[arg(long, value_name = "NAME")]
    pub procedure: Option<String>,
    /// Only of this workload
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Only those that started so long ago at most (`2h`, `7d`)
    #[arg(long, value_name = "DURATION", value_parser = mainstay_model::parse_duration)]
    pub since: Option<std::time::Duration>,
    /// Go on behind the run with this id, as the page before said
    #[arg(long, value_name = "RUN")]
    pub after: Option<String>,
}

impl Default for RunsList {
    fn default() -> Self {
        Self {
            lines: 20,
            status: Vec::new(),
            active: false,
            procedure: None,
            workload: None,
            since: None,
            after: None,
        }
    }
}

/// `runs …`
#[derive(Debug, Subcommand)]
pub enum RunsVerb {
    /// List runs, newest first
    List(RunsList),
    /// Show the whole record of a run: parameters, each step with its attempts, hosts, inputs, outputs and log
    Show {
        /// The run's id
        id: String,
    },
    /// Cancel a run: what runs is stopped, and nothing more is begun
    Cancel {
        /// The run's id
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Go on with a run that is over, from a chosen step, as a new run
    ///
    /// The new run has the same document and parameters, and takes over what the steps before that one left. Nothing of
    /// them is done again.
    Resume {
        /// The run's id
        id: String,
        /// The step to begin with
        #[arg(long, value_name = "STEP")]
        from: String,
        /// Return as soon as it is started
        #[arg(long)]
        detach: bool,
    },
    /// Say what came of a step whose outcome nobody can know
    Decide {
        /// The run's id
        id: String,
        /// What came of it
        #[arg(long = "as", value_enum)]
        decision: Decision,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// What a person says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// It was done
    Succeeded,
    /// It was not done, or failed
    Failed,
    /// It may be done again safely
    Retry,
}

/// `incidents`
#[derive(Debug, Args)]
pub struct Incidents {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<IncidentsVerb>,
}

/// `incidents …`
#[derive(Debug, Subcommand)]
pub enum IncidentsVerb {
    /// List incidents, newest first
    List {
        /// So many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
    },
    /// Show an incident with its timeline
    Show {
        /// The incident's id
        id: String,
    },
    /// Print the draft of its post-incident analysis as Markdown
    Draft {
        /// The incident's id
        id: String,
    },
    /// Say that you have an incident in hand
    Ack {
        /// The incident's id
        id: String,
        /// What you say with it
        #[arg(long, short = 'm', value_name = "TEXT")]
        message: Option<String>,
    },
    /// End an incident that does not end by itself
    Resolve {
        /// The incident's id
        id: String,
        /// Why it is over; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Although an alarm of it still fires or is pending
        #[arg(long)]
        force: bool,
    },
    /// Write an update on an incident
    Note {
        /// The incident's id
        id: String,
        /// What there is to say, in Markdown
        text: String,
    },
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<std::net::SocketAddr>);

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|address| Self(Some(address)))
            .map_err(|_| "expected an address and port such as 127.0.0.1:4318, or `off`".to_owned())
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("off"),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text)?;
    let plain = |word: &str| !word.is_empty() && !word.chars().any(char::is_control) && !word.contains('"');
    if plain(&key) && plain(&value) {
        Ok((key, value))
    } else {
        Err("expected KEY=VALUE, both without quotes and control characters, and not empty".to_owned())
    }
}
