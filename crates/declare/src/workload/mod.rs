//! The typed form of `mainstay.yaml`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mainstay_model::{Selector, Tags};
use serde_json::Value;

pub(crate) mod changes;
pub mod command;
mod edges;
pub(crate) mod environments;
pub(crate) mod fields;
mod placed;
pub(crate) mod procedures;
pub(crate) mod read;
mod references;
mod secrets;
pub(crate) mod standards;
pub mod webhooks;

pub use changes::{Approval, Changes};
pub use command::{Template, Variables};
pub use edges::{EventSource, Scheme, Signature, SourceKind};
pub use placed::OnHost;
pub use procedures::ProcedureLimits;
pub use secrets::{SecretRef, looks_secret};
pub use standards::{Override, StandardSource, StandardUse, TagRule};
pub use webhooks::{TextOrSecret, Webhook};

/// A workload as it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Its name: a DNS label, so that it fits in paths, host names and metric labels.
    pub name: String,
    /// Its name as people read it.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Tags that every resource of it carries.
    pub tags: Tags,
    /// What matters, first matters most.
    pub priorities: Vec<Priority>,
    /// The variables that `${var.NAME}` stands for, with the value they have where no environment gives another.
    pub variables: BTreeMap<String, Value>,
    /// Where it runs.
    pub environments: BTreeMap<String, Environment>,
    /// Its parts, by name, with the values they have where no environment gives others.
    pub components: BTreeMap<String, Component>,
    /// Where events come in, by name.
    pub sources: BTreeMap<String, EventSource>,
    /// Where triggers and procedures can send requests, by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// What holds for runs of its procedures, by the procedures' names.
    pub procedures: BTreeMap<String, ProcedureLimits>,
    /// Which changes wait for an approval by its own word; [`Declared::changes`](crate::Declared::changes) says what
    /// holds together with its standards.
    pub changes: Changes,
    /// The standards it uses.
    pub standards: Vec<StandardUse>,
    /// What of its standards it declares itself.
    pub overrides: Vec<Override>,
    /// Which tags there have to be, as it says itself.
    pub tag_policy: Vec<TagRule>,
}

/// One thing that matters, and how one sees that it is so.
#[derive(Clone, Debug, PartialEq)]
pub struct Priority {
    /// A sentence that people agree on.
    pub goal: String,
    /// The PromQL expression that measures it.
    pub measure: String,
    /// What the measure should be.
    pub target: Target,
    /// The components it depends on. Empty means the whole workload.
    pub components: Vec<String>,
}

/// A comparison with a number: `>= 0.995`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// How to compare.
    pub comparison: Comparison,
    /// With what.
    pub value: f64,
}

/// How a measure is compared with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `==`
    Equal,
}

impl Comparison {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Equal => "==",
        }
    }
}

impl Target {
    /// Whether this value is on target. NaN is not a value, so it is never on target; callers treat it as no data.
    pub fn is_met_by(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::AtLeast => value >= self.value,
            Comparison::Above => value > self.value,
            Comparison::AtMost => value <= self.value,
            Comparison::Below => value < self.value,
            Comparison::Equal => value == self.value,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.comparison.symbol(), self.value)
    }
}

/// A place where the workload runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// The hosts that belong to it.
    pub hosts: Selector,
    /// Tags that every resource in it carries, over the workload's.
    pub tags: Tags,
    /// The variables it gives another value.
    pub variables: BTreeMap<String, Value>,
    /// The components that differ here, whole, with this environment's values. [`Workload::component_in`] looks here
    /// first.
    pub components: BTreeMap<String, Component>,
}

/// A deployable or supervised part.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its name: a DNS label.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The hosts it runs on. Every host unless said otherwise; always said where there is a service.
    pub hosts: Selector,
    /// Tags of its own, over those of the environment and the workload.
    pub tags: Tags,
    /// The process to supervise, if it is one of ours.
    pub service: Option<Service>,
    /// Where its signals come from.
    pub telemetry: Telemetry,
    /// The components that must be up before it.
    pub depends_on: Vec<String>,
}

/// A process to keep running.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The command line.
    pub run: Template,
    /// The TCP port it listens on.
    pub port: Option<u16>,
    /// How to see that it works.
    pub health: Option<Health>,
    /// When to start it again.
    pub restart: Restart,
    /// What it may use.
    pub limits: Limits,
    /// Environment variables, on top of the agent's minimal set.
    pub env: BTreeMap<String, Template>,
    /// Environment variables whose values are secrets: where the agent finds each when it starts the service.
    pub secrets: BTreeMap<String, SecretRef>,
    /// The working directory, relative to the workload's directory, which is the default.
    pub directory: Option<String>,
    /// How to stop it.
    pub stop: Stop,
}

/// How to see that a service works.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What to try.
    pub check: HealthCheck,
    /// Time from one try to the next. Default 5 s.
    pub every: Duration,
    /// How long one try may take. Default 2 s, and never more than `every`.
    pub timeout: Duration,
    /// How many failed tries in a row make it unhealthy. Default 3.
    pub unhealthy_after: u32,
    /// How long after its start failed tries do not count. Default 30 s.
    pub grace: Duration,
}

/// What a health check tries.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthCheck {
    /// GET this path on the service's port on loopback; any 2xx or 3xx status is healthy.
    Http {
        /// The path, starting with `/`.
        path: String,
    },
    /// Connect to this port on loopback.
    Tcp {
        /// The port.
        port: u16,
    },
    /// Run this command; exit code 0 is healthy.
    Exec {
        /// The command line.
        command: Template,
    },
}

/// When a process that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Whatever its exit code.
    Always,
    /// When it failed: a non-zero exit code, a signal, or found unhealthy. The default.
    #[default]
    OnFailure,
    /// Not at all.
    Never,
}

impl Restart {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        }
    }
}

/// What a service may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Resident memory of the whole process group.
    pub memory_bytes: Option<u64>,
}

/// How to stop a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The signal to ask with.
    pub signal: StopSignal,
    /// How long to wait before SIGKILL. Default 10 s.
    pub deadline: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: StopSignal::Term, deadline: Duration::from_secs(10) }
    }
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM, the default.
    #[default]
    Term,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// SIGKILL
    Kill,
}

impl StopSignal {
    /// Every signal, with its name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("SIGTERM", Self::Term),
        ("SIGINT", Self::Int),
        ("SIGQUIT", Self::Quit),
        ("SIGHUP", Self::Hup),
        ("SIGUSR1", Self::Usr1),
        ("SIGUSR2", Self::Usr2),
        ("SIGKILL", Self::Kill),
    ];

    /// Its name with `SIG`.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, signal)| *signal == self).map_or("SIGTERM", |(name, _)| name)
    }
}

/// Where a component's signals come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// The path of its metrics in the Prometheus text format, on the service's port.
    pub scrape: Option<String>,
}
