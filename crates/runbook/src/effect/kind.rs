//! The kinds of effects: what each performer is told.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_model::{HostId, RunId, Tags, Timestamp};
use serde_json::{Map, Value};

use crate::library::Library;

/// What an effect is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum EffectKind {
    /// `aws:executeScript`: run a script where the control plane is, and read its `Payload`.
    Script(ScriptEffect),
    /// `aws:runCommand`: run a Command document on hosts.
    Command(CommandEffect),
    /// `aws:runShellScript` and `aws:runPowerShellScript` of a Command document: run a script on the document's host.
    Shell(ShellEffect),
    /// Another plugin of a Command document, on the document's host.
    Plugin(PluginEffect),
    /// `aws:invokeWebhook`: send a request to a declared integration.
    Webhook(WebhookEffect),
    /// `mainstay:query`: ask the telemetry.
    Query(QueryEffect),
    /// `mainstay:waitForAlarm`: wait until an alarm is in a state.
    WaitForAlarm(WaitForAlarmEffect),
    /// `mainstay:notify`: say something to people.
    Notify(NotifyEffect),
    /// `mainstay:resolveIncident`: end an incident.
    ResolveIncident(ResolveIncidentEffect),
    /// `mainstay:applyRevision`: carry out a revision that was applied before.
    ApplyRevision(ApplyRevisionEffect),
    /// `mainstay:rollback`: go back to an earlier revision.
    Rollback(RollbackEffect),
    /// `aws:executeAutomation`: start another run and wait for its end. No host has part in it.
    Child(ChildEffect),
}

/// Another run to start.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ChildEffect {
    /// Its id, which follows from the attempt: starting it twice starts one.
    pub run: RunId,
    /// The procedure.
    pub procedure: String,
    /// The parameters it is given, as the step has them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

impl EffectKind {
    /// Whether the control plane itself performs it, and no host is chosen for it.
    pub fn is_of_control_plane(&self) -> bool {
        crate::actions::needs_server(self.action())
    }

    /// The action of documents that asks for it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Script(_) => "aws:executeScript",
            Self::Command(_) => "aws:runCommand",
            Self::Shell(ShellEffect { shell: Shell::Sh, .. }) => "aws:runShellScript",
            Self::Shell(ShellEffect { shell: Shell::PowerShell, .. }) => "aws:runPowerShellScript",
            Self::Plugin(effect) => effect.plugin.name(),
            Self::Webhook(_) => "aws:invokeWebhook",
            Self::Query(_) => "mainstay:query",
            Self::WaitForAlarm(_) => "mainstay:waitForAlarm",
            Self::Notify(_) => "mainstay:notify",
            Self::ResolveIncident(_) => "mainstay:resolveIncident",
            Self::ApplyRevision(_) => "mainstay:applyRevision",
            Self::Rollback(_) => "mainstay:rollback",
            Self::Child(_) => "aws:executeAutomation",
        }
    }
}

/// The shell that reads a script of a Command document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// `/bin/sh`, or what the script names in its first line.
    #[default]
    Sh,
    /// `pwsh`, where it is installed.
    PowerShell,
}

impl Shell {
    /// The program that reads a script's file, whose path comes as the last argument. A script that begins with `#!` is
    /// read by what it names there, with what follows as one argument, as systems do. PowerShell wants another name for a
    /// file of its own, so it is told to read the text.
    pub fn interpreter(self, script: &str) -> Vec<String> {
        match self {
            Self::Sh => {
                let first = script.lines().next().and_then(|line| line.strip_prefix("#!")).map(str::trim);
                match first.filter(|named| named.starts_with('/')) {
                    Some(named) => named.splitn(2, [' ', '\t']).map(|word| word.trim().to_owned()).collect(),
                    None => vec!["/bin/sh".to_owned()],
                }
            }
            Self::PowerShell => powershell(""),
        }
    }

    /// What its environment has beside the host's.
    pub fn environment(self) -> BTreeMap<String, String> {
        match self {
            Self::Sh => BTreeMap::new(),
            Self::PowerShell => [
                ("POWERSHELL_TELEMETRY_OPTOUT", "1"),
                ("POWERSHELL_UPDATECHECK", "Off"),
                ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"),
                ("DOTNET_NOLOGO", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        }
    }

    fn is_sh(&self) -> bool {
        *self == Self::Sh
    }
}

/// How PowerShell reads a script, after these words.
fn powershell(first: &str) -> Vec<String> {
    let read =
        format!(". {{ {first}& ([scriptblock]::Create([System.IO.File]::ReadAllText($args -join ' '))) }}");
    ["pwsh", "-NoProfile", "-NonInteractive", "-Command", &read].map(str::to_owned).to_vec()
}

/// What reads a script of `aws:executeScript` in PowerShell: there an error that is only written ends it, too.
pub fn strict_powershell() -> Vec<String> {
    powershell("$ErrorActionPreference = 'Stop'; ")
}

/// A shell script for one host.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ShellEffect {
    /// The host; where none is named, the control plane's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// What reads the script.
    #[serde(default, skip_serializing_if = "Shell::is_sh")]
    pub shell: Shell,
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
        lines(&self.commands)
    }
}

/// Lines as one script.
fn lines(commands: &[String]) -> String {
    let mut text = commands.join("\n");
    text.push('\n');
    text
}

/// A plugin of a Command document for one host, but for those that run a script.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PluginEffect {
    /// The host; where none is named, the control plane's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// What to do.
    pub plugin: Plugin,
    /// How long it may take on the host, in seconds.
    pub execution_timeout_s: u64,
    /// How long it may take to reach the host, in seconds.
    pub delivery_timeout_s: u64,
}

/// What a plugin does.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "plugin", rename_all = "snake_case")]
pub enum Plugin {
    /// `aws:runDocument`.
    RunDocument {
        /// Which document.
        document: Nested,
        /// The values of its parameters, as they are written.
        #[serde(default)]
        parameters: Map<String, Value>,
    },
    /// `aws:downloadContent`.
    Download {
        /// From where.
        source: Source,
        /// Where to; a directory (also one that is there already, or a path that ends with `/`) or a file. Relative to
        /// the directory of the command where it is not absolute.
        destination: Option<String>,
    },
    /// `aws:configurePackage`.
    Package {
        /// The package.
        name: String,
        /// Install or remove it.
        action: PackageAction,
        /// The version; the newest where none is named.
        version: Option<String>,
        /// Upgrade what is there instead of removing it first.
        in_place: bool,
    },
}

impl Plugin {
    /// Its name in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunDocument { .. } => "aws:runDocument",
            Self::Download { .. } => "aws:downloadContent",
            Self::Package { .. } => "aws:configurePackage",
        }
    }
}

/// A document that `aws:runDocument` runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nested {
    /// A file of the host.
    Path(String),
    /// A Command document of the workload.
    Name(String),
}

/// What `aws:configurePackage` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageAction {
    /// Install.
    Install,
    /// Uninstall.
    Uninstall,
}

/// A secret by reference: `file:/absolute/path` of the host that needs it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Secret {
    /// The reference, never the value.
    pub secret: String,
}

/// Where `aws:downloadContent` gets things from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// One file over HTTP.
    Http {
        /// Its URL.
        url: String,
        /// Whether it may come without encryption from elsewhere than the host itself.
        insecure: bool,
        /// User and password, for `authMethod: Basic`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        basic: Option<(String, Secret)>,
    },
    /// A repository, or a part of one, by the host's git.
    Git {
        /// What `git fetch` is given.
        repository: String,
        /// Which version.
        at: GitVersion,
        /// The file or folder of it that is wanted; all where none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// User and password (or token).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<(String, Secret)>,
        /// A key for SSH.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_key: Option<Secret>,
        /// Whether the SSH server's key is taken as it comes.
        #[serde(default)]
        any_host_key: bool,
    },
    /// A document of the workload.
    Document {
        /// Its name.
        name: String,
    },
}

/// A version of a git repository.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitVersion {
    /// The default branch.
    Head,
    /// A branch.
    Branch(String),
    /// A commit by its full hash.
    Commit(String),
}

/// What a host is told to do where that is more than to run one script: the host runs the document by itself.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HostTask {
    /// What to do.
    pub work: HostWork,
    /// The documents that it may need.
    #[serde(default)]
    pub library: Library,
}

/// What a host is told to do.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostWork {
    /// Run a Command document of the library.
    Document {
        /// Its name there.
        name: String,
        /// Its parameters.
        parameters: Map<String, Value>,
    },
    /// Do what a plugin does.
    Plugin(Plugin),
}

/// What a host says of one step of a document that it ran.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostStep {
    /// The step.
    pub name: String,
    /// Its plugin.
    pub action: String,
    /// How it ended, in the words of [`crate::StepStatus`].
    pub status: String,
    /// The exit code of its script, where it ran one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Why it did not succeed, or what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What stands before a host's report, which is the last line of its standard error. What scripts write comes before it.
pub const REPORT_MARK: &str = "\u{1e}mainstay-report ";

/// The most bytes of a report: what is kept of the end of an output always holds it.
pub const MAX_REPORT_BYTES: usize = 96 * 1024;

/// What a host says of a task, as JSON after [`REPORT_MARK`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostReport {
    /// How the whole ended, in the words of [`crate::RunStatus`].
    pub status: String,
    /// Its steps.
    pub steps: Vec<HostStep>,
}

/// The language of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// `python3.x`: the host's `python3`, whichever version the document names.
    Python,
    /// `bash`: ours; AWS has no such runtime.
    Bash,
    /// `PowerShell 7.x`: the host's `pwsh`, whichever version the document names.
    PowerShell,
}

/// A script to run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScriptEffect {
    /// The language.
    pub runtime: Runtime,
    /// The function to call with `(events, context)`; always set for Python, never for others. With an attachment it is
    /// `file.function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The text of the script, references replaced; empty where an attachment is the script.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// The attached file that is the script, or that the script brings with it. Its content is pinned with the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<String>,
    /// `InputPayload`: the `events` argument in Python, JSON on standard input and in `$InputPayload` in others.
    #[serde(default)]
    pub payload: Map<String, Value>,
}

/// A Command document for hosts.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CommandEffect {
    /// The Command document: `AWS-RunShellScript`, `AWS-RunPowerShellScript`, or one that is pinned with the run.
    pub document: String,
    /// The lines of the script, where the document is one of those two.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Where to run the script, if the document says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// The parameters of any other document, checked and with their defaults filled in.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// How long it may run on a host, in seconds.
    pub execution_timeout_s: u64,
    /// How long it may take to reach a host, in seconds.
    pub delivery_timeout_s: u64,
    /// Which hosts.
    pub targets: Targets,
}

impl CommandEffect {
    /// The script as one text, as the agent runs it.
    pub fn script(&self) -> String {
        lines(&self.commands)
    }
}

/// A request to an integration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WebhookEffect {
    /// The integration, which the workload declares with its URL and headers.
    pub integration: String,
    /// The body, in place of the integration's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A question to the telemetry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QueryEffect {
    /// PromQL.
    pub query: String,
    /// Of which moment; the moment it is asked where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// The states of an alarm that a procedure can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwaitedState {
    /// Nothing of it is pending or firing, and it has data.
    Inactive,
    /// It is firing, for at least one of its series.
    Firing,
}

impl AwaitedState {
    /// The word, as documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Firing => "firing",
        }
    }
}

/// Waiting for an alarm.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitForAlarmEffect {
    /// The alarm's name.
    pub alarm: String,
    /// The state that is waited for.
    pub state: AwaitedState,
}

/// A word to people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotifyEffect {
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is said.
    pub message: String,
    /// To whom, as the document has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// The end of an incident.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ResolveIncidentEffect {
    /// The incident's id.
    pub incident: String,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A revision to carry out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApplyRevisionEffect {
    /// The workload; the run's own where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The revision.
    pub revision: String,
}

/// A way back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RollbackEffect {
    /// The workload; the run's own where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The revision to go back to; the one before the current where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
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
