//! The edge to the languages people write in: procedures, alarms, triggers and queries.
//!
//! This crate knows where text stands in files and how files refer to each other; what a language means is known by
//! the crates that run it. They see plain JSON values, answer with problems located by path, and state the few facts
//! that other files may refer to.

use std::collections::BTreeMap;

use mainstay_model::{Problem, Segment, Spot};
use serde_json::{Map, Value};

/// What a language found in one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<T> {
    /// What other files may refer to. `None` when the value is too broken to say; then nothing that refers to it is
    /// called wrong for it.
    pub facts: Option<T>,
    /// Everything that is wrong with the value, located by path from its root.
    pub problems: Vec<Problem>,
}

impl<T> Checked<T> {
    /// Nothing wrong, and these facts.
    pub fn ok(facts: T) -> Self {
        Self { facts: Some(facts), problems: Vec::new() }
    }

    /// Too broken to state facts.
    pub fn failed(problems: Vec<Problem>) -> Self {
        Self { facts: None, problems }
    }
}

/// A name and the place in its value where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, without what may stand around it (`restore` of `procedure/restore`).
    pub name: String,
    /// The way from the root of the value to the text.
    pub path: Vec<Segment>,
    /// Which part of the text it is.
    pub spot: Spot,
}

impl Named {
    /// A name that is the whole value at `path`.
    pub fn new(name: impl Into<String>, path: impl Into<Vec<Segment>>) -> Self {
        Self { name: name.into(), path: path.into(), spot: Spot::Value }
    }

    /// The same, where the name is the key at the path (`Spot::Key`) or a part of its text (`Spot::Within`).
    #[must_use]
    pub fn at(mut self, spot: Spot) -> Self {
        self.spot = spot;
        self
    }
}

/// What others may know of a procedure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcedureFacts {
    /// What it is for, as its author wrote it.
    pub description: Option<String>,
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, ParameterFacts>,
    /// Its steps in the order they are written.
    pub steps: Vec<StepFacts>,
    /// The names of its outputs (`step.Output`).
    pub outputs: Vec<String>,
    /// Whether it is a Command document, which hosts run, and not an Automation document.
    pub is_command: bool,
    /// The procedures it runs, as far as it names them.
    pub calls: Vec<CallFacts>,
    /// The procedures it reads without running them.
    pub documents: Vec<Named>,
    /// The files attached to it, by the names it gives them. They lie beside it.
    pub files: Vec<Named>,
    /// The alarms it waits for.
    pub alarms: Vec<Named>,
    /// The integrations it sends to.
    pub integrations: Vec<Named>,
}

/// A procedure that another one runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// Which.
    pub procedure: Named,
    /// Whether it has to be a Command document.
    pub is_command: bool,
    /// The names of the parameters it is given, or `None` where they are only known in a run.
    pub parameters: Option<Vec<Named>>,
    /// The values of those of them that are written out.
    pub values: Map<String, Value>,
    /// The outputs of it that are used by their own names, as `{{ step.inner.Output }}` uses `inner.Output`.
    pub outputs: Vec<Named>,
}

/// One parameter of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFacts {
    /// Its type as written (`String`, `StringList`, ...).
    pub kind: String,
    /// Whether a caller must give it: it has no default.
    pub required: bool,
}

/// One step of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFacts {
    /// Its name.
    pub name: String,
    /// Its action (`aws:runCommand`).
    pub action: String,
}

/// What others may know of a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesFacts {
    /// The alarms it declares. Several alerting rules may share a name within one file (Prometheus allows it, and it is
    /// the usual way to write severities); the name is then listed once per rule.
    pub alerts: Vec<AlertFacts>,
    /// The names of the series it records.
    pub records: Vec<String>,
}

/// One alarm of a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFacts {
    /// Its name.
    pub name: Named,
    /// The procedure its annotations lead to: the value of `runbook`, or of `runbook_url` where that is not a URL.
    /// A value that holds a template (`{{`) is left out, as it is not known before the alarm fires.
    pub runbook: Option<Named>,
    /// The same of its annotation `playbook`: how to find out what is behind it.
    pub playbook: Option<Named>,
}

/// What others may know of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerFacts {
    /// Its name, where it states one; otherwise the file's name counts.
    pub name: Option<Named>,
    /// What it starts.
    pub targets: Vec<TargetFacts>,
}

/// One target of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// What it calls, by its name.
    pub to: Named,
    /// Whether that is a webhook of the workload, and no procedure.
    pub is_webhook: bool,
    /// The names of the parameters it gives, or `None` where they are only known from the event.
    pub parameters: Option<Vec<Named>>,
    /// The values of those of them that are written out.
    pub values: Map<String, Value>,
}

/// The languages. Each call is pure: the same value gives the same answer, on whichever thread it is asked.
pub trait Languages: Sync {
    /// Reads an SSM document.
    fn document(&self, value: &Value) -> Checked<ProcedureFacts>;

    /// Looks at a file that the document `value` says is attached to it under `name`, and gives the text in which it is
    /// kept, which reads the same when it is handed in again; or says why it is not the file that is meant.
    fn attachment(&self, value: &Value, name: &str, bytes: &[u8]) -> Result<String, String> {
        let _ = value;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("The attached file `{name}` is not UTF-8 text"))
    }

    /// What keeps these values from being those of the parameters of the document `value`: each parameter that is given
    /// what it does not take, and why, as the end of a sentence that begins with its name.
    fn unfit(&self, value: &Value, values: &Map<String, Value>) -> Vec<(String, String)> {
        let _ = (value, values);
        Vec::new()
    }

    /// Reads a Prometheus rule file.
    fn rules(&self, value: &Value) -> Checked<RulesFacts>;

    /// Reads an EventBridge rule.
    fn trigger(&self, value: &Value) -> Checked<TriggerFacts>;

    /// Reads a PromQL expression. Problems have an empty path and lie `Spot::Within` the text (or are about all of it).
    fn query(&self, promql: &str) -> Vec<Problem>;
}

/// The languages of somebody who reads single documents and nothing else, with a function that reads one.
pub struct DocumentsOnly<F>(pub F);

impl<F: Fn(&Value) -> Checked<ProcedureFacts> + Sync> Languages for DocumentsOnly<F> {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        (self.0)(value)
    }

    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::failed(Vec::new())
    }

    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::failed(Vec::new())
    }

    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}
