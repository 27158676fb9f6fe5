//! What documentation is written of, and the shape of `docs.json`.
//!
//! Whoever knows the workload fills in what is declared and, where a server is asked, what happened; the fields marked
//! *written by [`complete`](super::complete)* are left empty and filled there. The shape is versioned by
//! [`VERSION`]: fields may be added within a version, and never change their meaning or disappear.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `format` says in every `docs.json`.
pub const FORMAT: &str = "mainstay-docs";

/// The version of the shape.
pub const VERSION: u32 = 1;

/// The documentation of one workload, as data: the content of `docs.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Documentation {
    /// Always `mainstay-docs`.
    pub format: String,
    /// The version of this shape. Fields may be added within a version; none changes its meaning or disappears.
    pub version: u32,
    /// The workload itself.
    pub workload: About,
    /// The applied revision this was written of; absent when it was written from files alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Change>,
    /// What matters, the first matters most.
    pub priorities: Vec<Priority>,
    /// Where it runs, by name.
    pub environments: BTreeMap<String, Environment>,
    /// Its components, by name.
    pub components: BTreeMap<String, Component>,
    /// Its alarms, by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// The series its rules record, by name.
    pub recordings: BTreeMap<String, Recording>,
    /// Its triggers, by name.
    pub triggers: BTreeMap<String, Trigger>,
    /// Its procedures, by name.
    pub procedures: BTreeMap<String, Procedure>,
    /// The standards it uses, by name; what is declared in files below `standards/NAME/` comes from them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standards: BTreeMap<String, Standard>,
    /// What happened; absent when it was written from files alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// A directory that several workloads share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Standard {
    /// Where it is: a path relative to the workload's directory, or a git repository with its commit.
    pub source: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values of its parameters here.
    pub parameters: BTreeMap<String, String>,
    /// What of it the workload declares itself (`alarm/Down`), and why.
    pub overridden: BTreeMap<String, String>,
}

/// The workload itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its name as people read it; the name where none is declared.
    pub title: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The digest of what is declared, as annotations cite it; written by `complete`.
    pub digest: String,
    /// What people wrote about it; written by `complete`.
    pub notes: Vec<Note>,
}

/// One thing that matters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Priority {
    /// What matters, in a sentence.
    pub goal: String,
    /// The PromQL expression that measures it.
    pub measure: String,
    /// What the measure should be (`>= 0.995`).
    pub target: String,
    /// The components it depends on; empty means all of them.
    pub components: Vec<String>,
}

/// A place where the workload runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The selector of its hosts.
    pub hosts: String,
}

/// A part of the workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The selector of the hosts it runs on; empty means every host.
    pub hosts: String,
    /// Where it answers, as seen from its own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where its metrics are read, as seen from its own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// The components that must be up before it.
    pub depends_on: Vec<String>,
    /// The components that depend on it directly; written by `complete`.
    pub dependents: Vec<String>,
    /// The goals that need it; written by `complete`.
    pub priorities: Vec<String>,
    /// The process that is kept running, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The environment variables it is given, by name.
    pub configuration: BTreeMap<String, Setting>,
    /// What it is in the environments that give it other values, by environment.
    pub environments: BTreeMap<String, Variant>,
    /// The digest of what is declared, as annotations cite it; written by `complete`.
    pub digest: String,
    /// What people wrote about it; written by `complete`.
    pub notes: Vec<Note>,
}

/// A component in one environment, with every value it has there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variant {
    /// Where it answers, as seen from its own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where its metrics are read, as seen from its own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// The process that is kept running, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The environment variables it is given, by name.
    pub configuration: BTreeMap<String, Setting>,
}

impl Variant {
    /// What differs from the component elsewhere: names and values as people read them.
    pub(super) fn differences(&self, elsewhere: &Component) -> Vec<(String, String)> {
        let rows = |endpoint: &Option<String>,
                    metrics: &Option<String>,
                    service: &Option<Service>,
                    configuration: &BTreeMap<String, Setting>| {
            let mut rows: BTreeMap<String, String> = BTreeMap::new();
            let mut row = |name: &str, value: Option<String>| {
                rows.extend(value.map(|value| (name.to_owned(), value)));
            };
            row("Endpoint", endpoint.clone());
            row("Metrics", metrics.clone());
            if let Some(service) = service {
                row("Command", Some(service.run.clone()));
                row("Working directory", service.directory.clone());
                row("Health", service.health.clone());
                row("Restart", Some(service.restart.clone()));
                row("Stop", Some(service.stop.clone()));
                row("Memory limit", service.memory_limit_bytes.map(|bytes| format!("{bytes} bytes")));
            }
            for (name, setting) in configuration {
                let value = match (&setting.secret, &setting.value) {
                    (Some(secret), _) => format!("secret {secret}"),
                    (None, Some(value)) => value.clone(),
                    (None, None) => "not shown".to_owned(),
                };
                row(name, Some(value));
            }
            rows
        };
        let there = rows(&self.endpoint, &self.metrics, &self.service, &self.configuration);
        let here =
            rows(&elsewhere.endpoint, &elsewhere.metrics, &elsewhere.service, &elsewhere.configuration);
        let gone = here
            .keys()
            .filter(|name| !there.contains_key(*name))
            .map(|name| (name.clone(), "none".to_owned()));
        let gone: Vec<_> = gone.collect();
        there.into_iter().filter(|(name, value)| here.get(name) != Some(value)).chain(gone).collect()
    }
}

/// A process that is kept running.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// The command line as declared.
    pub run: String,
    /// The working directory, relative to the workload's, if not that itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The TCP port it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How it is seen to work, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// When it is started again: `always`, `on-failure` or `never`.
    pub restart: String,
    /// How it is stopped, in words.
    pub stop: String,
    /// The most resident memory of its process group, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
}

/// One value a component is configured with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The value; absent where it must not be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the secret lies, if it is a reference to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An alarm: every rule of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// What it is about, from its annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Its rules; several are levels of one alarm.
    pub rules: Vec<AlarmRule>,
    /// The procedures it leads to.
    pub leads_to: Vec<LeadsTo>,
    /// A runbook elsewhere: a web address or a file of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// What it does, in words; written by `complete`.
    pub words: String,
    /// The digest of what is declared, as annotations cite it; written by `complete`.
    pub digest: String,
    /// What people wrote about it; written by `complete`.
    pub notes: Vec<Note>,
}

/// One rule of an alarm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmRule {
    /// The file it is in.
    pub file: String,
    /// Its group.
    pub group: String,
    /// The PromQL expression.
    pub expr: String,
    /// How long it has to hold before the alarm fires (`2s`).
    pub r#for: String,
    /// How long the alarm keeps firing after it no longer holds (`0s`).
    pub keep_firing_for: String,
    /// Its labels as written.
    pub labels: BTreeMap<String, String>,
    /// Its annotations as written.
    pub annotations: BTreeMap<String, String>,
}

/// The way from an alarm to a procedure.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LeadsTo {
    /// The procedure.
    pub procedure: String,
    /// The trigger that starts it; absent where only an annotation names the procedure and a person starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Whether the trigger starts it each time. It does not where the pattern asks for what only the event knows.
    pub always: bool,
}

/// A series that a rule records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recording {
    /// The file of its rule.
    pub file: String,
    /// The PromQL expression.
    pub expr: String,
}

/// A trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    /// The file it is in.
    pub file: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is on.
    pub enabled: bool,
    /// The event pattern as written; `null` where there is none.
    pub pattern: Value,
    /// When it fires by the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What it starts.
    pub starts: Vec<Target>,
    /// The webhooks it sends events to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends_to: Vec<String>,
    /// What it does, in words; written by `complete`.
    pub words: String,
    /// The digest of what is declared, as annotations cite it; written by `complete`.
    pub digest: String,
    /// What people wrote about it; written by `complete`.
    pub notes: Vec<Note>,
}

/// When a trigger fires by the clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// The expression as written, such as `cron(0 9 * * ? *)`.
    pub expression: String,
    /// The time zone that it is in.
    pub zone: String,
}

/// A procedure that a trigger starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The procedure.
    pub procedure: String,
    /// The parameters it is given, by name; a value that is only known from the event is absent.
    pub parameters: BTreeMap<String, Option<Value>>,
}

/// A procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Procedure {
    /// The file it is in.
    pub file: String,
    /// What it is for, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its steps, in the order they are written.
    pub steps: Vec<Step>,
    /// Its outputs (`judge.Findings`).
    pub outputs: Vec<String>,
    /// The triggers that start it; written by `complete`.
    pub started_by: Vec<String>,
    /// The alarms that lead to it; written by `complete`.
    pub alarms: Vec<String>,
    /// The digest of what is declared, as annotations cite it; written by `complete`.
    pub digest: String,
    /// What people wrote about it; written by `complete`.
    pub notes: Vec<Note>,
}

/// A parameter of a procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parameter {
    /// Its type as written.
    pub r#type: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a caller must give it.
    pub required: bool,
    /// Its value where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values it may have, if there are any.
    pub allowed_values: Vec<Value>,
    /// The pattern its text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
}

/// A step of a procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its action (`aws:runCommand`).
    pub action: String,
    /// What it is for, as its author says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its inputs as written.
    pub inputs: Value,
    /// How often it is tried.
    pub max_attempts: u32,
    /// How long one try may take, as written: seconds or a parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Where a failure leads: `abort`, `continue` or the name of a step.
    pub on_failure: String,
    /// Whether the run ends with it.
    pub is_end: bool,
    /// The step after it, if the document names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The ways on from a branch, with the condition of each in words.
    pub choices: Vec<Choice>,
    /// What it does, in words; written by `complete`.
    pub words: String,
    /// What follows it, in words; written by `complete`.
    pub then: String,
}

/// One way on from a branch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// When it is taken, in words; absent for what is taken when nothing else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The step it leads to.
    pub next: String,
}

/// What happened to the workload, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Revisions that were applied.
    pub changes: Vec<Change>,
    /// Runs of its procedures.
    pub runs: Vec<Run>,
    /// Its incidents.
    pub incidents: Vec<Incident>,
}

/// A revision that was applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The revision.
    pub revision: String,
    /// When, RFC 3339 in UTC.
    pub applied_at: String,
    /// Who did it.
    pub applied_by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A run of a procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The procedure.
    pub procedure: String,
    /// How it stands or ended.
    pub status: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Who or what started it.
    pub started_by: String,
}

/// A disturbance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// What it was about.
    pub title: String,
    /// `open` or `resolved`.
    pub status: String,
    /// When it was opened, RFC 3339 in UTC.
    pub opened_at: String,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// Its alarms.
    pub alarms: Vec<String>,
    /// What the journal suggests to learn from it, each in a sentence. People decide what is learned.
    pub lessons: Vec<String>,
}

/// What people wrote about a part of the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// The file.
    pub file: String,
    /// What it is about (`component/checkout`).
    pub about: String,
    /// The text, in Markdown.
    pub text: String,
    /// Whether it fits what is declared now; written by `complete`.
    pub state: NoteState,
    /// Which parts have changed since it was accepted, as far as that is known; written by `complete`.
    pub changed: Vec<String>,
    /// The digest it was accepted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub describes: Option<String>,
    /// The digests of the parts it was accepted for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, String>,
}

/// Whether an annotation fits what it describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoteState {
    /// It was accepted for what is declared now.
    Current,
    /// What it describes has changed since it was accepted.
    Earlier,
    /// Nobody has accepted it yet, so whether it fits is unknown.
    #[default]
    Unknown,
}
