//! What the machine asks for and what it is told: effects, timers, outcomes. All of it is data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mainstay_model::{CommandId, HostId, RunId, Tags, Timestamp};
use serde_json::{Map, Value};

/// The longest run id a machine accepts, in bytes, so that every id derived from it stays an id.
pub const MAX_RUN_ID_BYTES: usize = 64;

/// How much of a step's name goes into its attempts' ids, in bytes.
const MAX_STEP_IN_ID_BYTES: usize = 32;

/// One try of one step: `{run}.{step}.{n}`. It is the idempotency key of the effect: a performer that has already been
/// given this id answers with what it did then. Its text is also a valid [`CommandId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AttemptId(CommandId);

impl AttemptId {
    /// The id of try `number` (from 1, counted over the whole run) of the step at `index` in its document. A name that
    /// is too long for an id is cut and made unique by the step's index.
    pub(crate) fn of(run: &RunId, step: &str, index: usize, number: u32) -> Self {
        let text = if step.len() <= MAX_STEP_IN_ID_BYTES {
            format!("{run}.{step}.{number}")
        } else {
            let cut: String = step.chars().take(MAX_STEP_IN_ID_BYTES - 8).collect();
            format!("{run}.{cut}-{index}.{number}")
        };
        // Run ids are checked when a run starts and step names when its document is read, so this is an id; the
        // fall-back keeps an unforeseen name from stopping a run.
        let id = CommandId::new(text)
            .or_else(|_| CommandId::new(format!("{run}.{index}.{number}")))
            .expect("a run id of at most 64 bytes, a short name and two numbers make an id");
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as the command it is, for performers that run one command per attempt.
    pub fn as_command(&self) -> &CommandId {
        &self.0
    }

    /// The command this attempt sends to `host`. `position` is the host's place in the list of chosen hosts; it stands
    /// in for the name where that is too long for an id.
    pub fn command_on(&self, host: &HostId, position: usize) -> CommandId {
        CommandId::new(format!("{self}:{host}"))
            .or_else(|_| CommandId::new(format!("{self}:host-{position}")))
            .unwrap_or_else(|_| self.0.clone())
    }

    /// An attempt's id read back from text.
    pub fn parse(text: &str) -> Result<Self, mainstay_model::InvalidId> {
        CommandId::new(text).map(Self)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A timer of a run. The same timer may be set any number of times; only when it is due counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub(crate) String);

impl TimerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run waits for somebody else to do. Performing an action twice must be harmless: effects carry their
/// [`AttemptId`], timers their [`TimerId`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Perform this effect and answer with [`crate::Input::Settled`].
    Perform(Effect),
    /// Answer with [`crate::Input::TimerDue`] at that time or later.
    Wake {
        /// Which timer.
        timer: TimerId,
        /// When.
        at: Timestamp,
    },
    /// Stop the effect of this attempt and answer with [`crate::Input::Settled`]: what it came to, cancelled if it was
    /// stopped or never began, unknown if nobody can tell.
    Stop {
        /// Which attempt.
        attempt: AttemptId,
        /// The commands that were sent for it, if it got that far.
        dispatched: Option<Vec<Dispatch>>,
    },
}

/// One effect to perform.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The idempotency key.
    pub attempt: AttemptId,
    /// When the performer itself must end it and settle it as timed out.
    pub deadline: Option<Timestamp>,
    /// What to do.
    pub kind: EffectKind,
    /// For commands: the hosts chosen, once [`crate::Input::Dispatched`] was journalled. A performer that finds this
    /// set chooses no hosts again.
    pub dispatched: Option<Vec<Dispatch>>,
}

/// One command of an attempt, on one host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dispatch {
    /// The host.
    pub host: HostId,
    /// The command's id there.
    pub command: CommandId,
}

/// What an effect is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum EffectKind {
    /// `aws:executeScript`: run a script where the control plane is, and read its `Payload`.
    Script(ScriptEffect),
    /// `aws:runCommand`: run a shell script on hosts.
    Command(CommandEffect),
    /// `aws:runShellScript` of a Command document: run a shell script on the document's host.
    Shell(ShellEffect),
}

/// A shell script for one host.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ShellEffect {
    /// The host; where none is named, the control plane's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The lines of the script.
    pub commands: Vec<String>,
    /// Where to run it, if the document says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Environment of the script: the parameters that are not written into its text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How long the script may run, in seconds.
    pub execution_timeout_s: u64,
    /// How long it may take to reach the host, in seconds.
    pub delivery_timeout_s: u64,
}

impl ShellEffect {
    /// The script as one text.
    pub fn script(&self) -> String {
        let mut text = self.commands.join("\n");
        text.push('\n');
        text
    }
}

/// The language of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// `python3.x`: the host's `python3`, whichever version the document names.
    Python,
    /// `bash`: ours; AWS has no such runtime.
    Bash,
}

/// A script to run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScriptEffect {
    /// The language.
    pub runtime: Runtime,
    /// The function to call with `(events, context)`; always set for Python, never for bash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The text of the script, references replaced.
    pub script: String,
    /// `InputPayload`: the `events` argument in Python, JSON on standard input and in `$InputPayload` in bash.
    #[serde(default)]
    pub payload: Map<String, Value>,
}

/// A shell script for hosts: the Command document `AWS-RunShellScript`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CommandEffect {
    /// The Command document; `AWS-RunShellScript` today.
    pub document: String,
    /// The lines of the script.
    pub commands: Vec<String>,
    /// Where to run it, if the document says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// How long the script may run on a host, in seconds.
    pub execution_timeout_s: u64,
    /// How long it may take to reach a host, in seconds.
    pub delivery_timeout_s: u64,
    /// Which hosts.
    pub targets: Targets,
}

impl CommandEffect {
    /// The script as one text, as the agent runs it.
    pub fn script(&self) -> String {
        let mut text = self.commands.join("\n");
        text.push('\n');
        text
    }
}

/// Which hosts a command is for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// These hosts, all of which must be known.
    Hosts(Vec<HostId>),
    /// Every host for which all of these hold.
    Tags(Vec<TagFilter>),
}

/// One entry of `Targets`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagFilter {
    /// `tag:KEY`: the tag has one of these values.
    Tag {
        /// The tag's key.
        key: String,
        /// The values of which one must match.
        values: Vec<String>,
    },
    /// `tag-key`: the host has a tag with one of these keys.
    Key(Vec<String>),
    /// `InstanceIds`: the host is one of these.
    Host(Vec<HostId>),
}

impl Targets {
    /// Whether a host with these tags is meant.
    pub fn selects(&self, host: &HostId, tags: &Tags) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.contains(host),
            Self::Tags(filters) => filters.iter().all(|filter| match filter {
                TagFilter::Tag { key, values } => {
                    tags.get(key).is_some_and(|value| values.iter().any(|wanted| wanted == value))
                }
                TagFilter::Key(keys) => keys.iter().any(|key| tags.get(key).is_some()),
                TagFilter::Host(hosts) => hosts.contains(host),
            }),
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |hosts: &[HostId]| hosts.iter().map(HostId::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::Hosts(hosts) => write!(f, "hosts {}", list(hosts)),
            Self::Tags(filters) => {
                f.write_str("hosts with ")?;
                for (index, filter) in filters.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" and ")?;
                    }
                    match filter {
                        TagFilter::Tag { key, values } => write!(f, "tag {key}={}", values.join("|"))?,
                        TagFilter::Key(keys) => write!(f, "a tag {}", keys.join("|"))?,
                        TagFilter::Host(hosts) => write!(f, "id {}", list(hosts))?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded {
        /// The fixed outputs of its action (`Payload`; `Status`, `ResponseCode`, ...).
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It failed, and it is over.
    Failed {
        /// Why, in sentence case.
        message: String,
        /// What it left all the same.
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It ran into its deadline and was stopped.
    TimedOut {
        /// What exactly took too long.
        message: String,
        /// What it left all the same.
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It was stopped on request, or never began.
    Cancelled,
    /// Nobody can say whether it happened.
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl Outcome {
    /// Success without outputs.
    pub fn succeeded() -> Self {
        Self::Succeeded { outputs: Map::new() }
    }

    /// Failure without outputs.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), outputs: Map::new() }
    }

    /// The outputs, where there can be some.
    pub fn outputs(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Succeeded { outputs } | Self::Failed { outputs, .. } | Self::TimedOut { outputs, .. } => {
                Some(outputs)
            }
            Self::Cancelled | Self::Unknown { .. } => None,
        }
    }
}

/// What one command came to on one host, for [`aggregate`].
#[derive(Clone, Debug, PartialEq)]
pub struct HostResult {
    /// The host.
    pub host: HostId,
    /// How it ended there.
    pub ended: HostEnd,
    /// What it wrote to standard output, as far as it was kept.
    pub stdout: String,
    /// What it wrote to standard error, as far as it was kept.
    pub stderr: String,
}

/// How a command ended on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEnd {
    /// The script ended with this code.
    Exited(i32),
    /// The script was ended by this signal, not by us.
    Signalled(i32),
    /// The script could not be started.
    NotStarted(String),
    /// The script ran longer than it may.
    TimedOut,
    /// The host was not reached in time, and the command will not run there any more.
    NotDelivered,
    /// Stopped on request, or never began.
    Cancelled,
    /// Nobody can say.
    Unknown(String),
}

/// Characters of output that are kept per host, as `GetCommandInvocation` does.
pub const MAX_OUTPUT_CHARS: usize = 24_000;

/// Characters of output that are kept of all hosts together.
const MAX_ALL_OUTPUT_CHARS: usize = 240_000;

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}\n[cut after {limit} characters]", &text[..at]),
    }
}

fn describe(ended: &HostEnd) -> (&'static str, String) {
    match ended {
        HostEnd::Exited(0) => ("Success", "succeeded".to_owned()),
        HostEnd::Exited(code) => ("Failed", format!("ended with code {code}")),
        HostEnd::Signalled(signal) => ("Failed", format!("was ended by signal {signal}")),
        HostEnd::NotStarted(reason) => ("Failed", format!("could not be started: {reason}")),
        HostEnd::TimedOut => ("Execution Timed Out", "ran longer than it may".to_owned()),
        HostEnd::NotDelivered => ("Delivery Timed Out", "was not reached in time".to_owned()),
        HostEnd::Cancelled => ("Cancelled", "was stopped".to_owned()),
        HostEnd::Unknown(reason) => ("Unknown", format!("may or may not have run: {reason}")),
    }
}

/// The outcome of an `aws:runCommand` attempt from what became of it on each host.
///
/// Outputs: `CommandId`; `Status`; `ResponseCode` (the first code that is not 0, else 0; -1 where no script ended by
/// itself); `Output` where exactly one host ran it; and, ours, `Outputs` (host to output) and `Hosts` (host to status,
/// code and standard error). One host of which nobody knows makes the whole attempt unknown, because calling it failed
/// could run the script there a second time.
pub fn aggregate(attempt: &AttemptId, results: &[HostResult]) -> Outcome {
    let mut outputs = Map::new();
    outputs.insert("CommandId".to_owned(), attempt.as_str().into());
    let limit = MAX_OUTPUT_CHARS.min(MAX_ALL_OUTPUT_CHARS / results.len().max(1));
    let mut by_host: BTreeMap<&HostId, (Value, Value)> = BTreeMap::new();
    let mut bad = Vec::new();
    let mut response_code: Option<i32> = None;
    for result in results {
        let (status, words) = describe(&result.ended);
        let code = match result.ended {
            HostEnd::Exited(code) => code,
            _ => -1,
        };
        if response_code.is_none_or(|known| known == 0) {
            response_code = Some(code);
        }
        if result.ended != HostEnd::Exited(0) {
            bad.push(format!("{} {words}", result.host));
        }
        let detail = serde_json::json!({
            "Status": status, "ResponseCode": code, "StandardError": cut(&result.stderr, limit / 3),
        });
        by_host.insert(&result.host, (cut(&result.stdout, limit).into(), detail));
    }
    outputs.insert("ResponseCode".to_owned(), response_code.unwrap_or(-1).into());
    if let [only] = results {
        outputs.insert("Output".to_owned(), cut(&only.stdout, limit).into());
    }
    let pick = |details: bool| -> Map<String, Value> {
        by_host
            .iter()
            .map(|(host, (output, detail))| {
                (host.to_string(), if details { detail.clone() } else { output.clone() })
            })
            .collect()
    };
    outputs.insert("Outputs".to_owned(), pick(false).into());
    outputs.insert("Hosts".to_owned(), pick(true).into());
    finish(results, &bad, outputs)
}

fn finish(results: &[HostResult], bad: &[String], mut outputs: Map<String, Value>) -> Outcome {
    let any = |wanted: fn(&HostEnd) -> bool| results.iter().any(|result| wanted(&result.ended));
    let message = bad.join("; ");
    let mut status = |text: &str| {
        outputs.insert("Status".to_owned(), text.into());
    };
    if results.is_empty() {
        status("Failed");
        return Outcome::Failed { message: "No host was chosen".to_owned(), outputs };
    }
    if any(|ended| matches!(ended, HostEnd::Unknown(_))) {
        return Outcome::Unknown { reason: message };
    }
    if bad.is_empty() {
        status("Success");
        return Outcome::Succeeded { outputs };
    }
    let failed = any(|ended| match ended {
        HostEnd::Exited(code) => *code != 0,
        HostEnd::Signalled(_) | HostEnd::NotStarted(_) => true,
        _ => false,
    });
    if !failed && any(|ended| *ended == HostEnd::Cancelled) {
        return Outcome::Cancelled;
    }
    if !failed {
        status("TimedOut");
        return Outcome::TimedOut { message, outputs };
    }
    status("Failed");
    Outcome::Failed { message, outputs }
}

/// A `Payload` from what a bash script wrote to standard output: a JSON mapping or list, if all of it is one, else the
/// text without its last line break. A text that looks like a number stays a text: `1.10` is a version more often than
/// a number, and a script that means a number can say `{"n": 5}`.
pub fn payload_from_stdout(stdout: &str) -> Value {
    match serde_json::from_str(stdout.trim()) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(stdout.strip_suffix('\n').unwrap_or(stdout).to_owned()),
    }
}

/// Seconds as a duration, for deadlines.
pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
