//! A procedure as it was read: an SSM Automation document, checked and typed.

use std::collections::BTreeMap;

use mainstay_model::Problem;
use regex::Regex;
use serde_json::{Map, Value};

use crate::branch::{Choice, Condition};
use crate::effect::Shell;
use crate::event::{Body, RunEvent};
use crate::library::{AttachedFile, Library, Needs};
use crate::path::Path;
use crate::precondition::Precondition;

/// An Automation document (schemaVersion 0.3) or a Command document (1.2, 2.0, 2.2) that passed every check.
#[derive(Clone, Debug)]
pub struct Document {
    /// Which of the two it is: what follows from a failed step differs.
    pub language: Language,
    /// What it is for, in Markdown.
    pub description: Option<String>,
    /// The role it asks for: empty, or a reference that must come out empty. AWS roles are not built yet.
    pub assume_role: Option<String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its variables: what [`Work::UpdateVariable`] sets. Their defaults are what they begin with.
    pub variables: BTreeMap<String, Parameter>,
    /// Its steps, in order; at least one. The steps inside a loop follow it, each with its [`Step::parent`].
    pub steps: Vec<Step>,
    /// Its outputs, as (step, output).
    pub outputs: Vec<(String, String)>,
    /// The files it says are attached to it, by name.
    pub files: BTreeMap<String, AttachedFile>,
    /// What it needs beside itself.
    pub needs: Needs,
    /// What it was given of that; empty as it is read.
    pub library: Library,
    /// What is odd about it but does not keep it from running.
    pub warnings: Vec<Problem>,
    /// The document as it was given.
    pub source: Value,
}

/// The two languages of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Schema version 0.3: steps with jumps, run by the control plane.
    Automation,
    /// Schema versions 1.2, 2.0 and 2.2: plugins in order, run on one host.
    Command,
}

/// A parameter's definition.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its type.
    pub kind: ParameterType,
    /// What it is for.
    pub description: Option<String>,
    /// Its value where none is given. Without a default a value must be given.
    pub default: Option<Value>,
    /// The only values it may have, if there are any.
    pub allowed_values: Vec<Value>,
    /// The pattern that all of its text must match.
    pub allowed_pattern: Option<AllowedPattern>,
    /// At least so many elements.
    pub min_items: Option<u64>,
    /// At most so many elements.
    pub max_items: Option<u64>,
    /// At least so many characters.
    pub min_chars: Option<u64>,
    /// At most so many characters.
    pub max_chars: Option<u64>,
    /// Whether scripts get it as the environment variable `SSM_name` instead of in their text (`interpolationType`).
    pub env_var: bool,
}

/// A pattern for the whole of a text, as Java's `matches` has it.
#[derive(Clone, Debug)]
pub struct AllowedPattern {
    text: String,
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    /// What takes time in proportion to the text.
    Plain(Regex),
    /// What needs to look around or back, with a limit on how often it may try again.
    Looking(fancy_regex::Regex),
}

/// How often a pattern with look-around may go back in one text. A pattern that needs more is made to take for ever.
const MOST_BACKTRACKS: usize = 100_000;

impl AllowedPattern {
    /// Compiles a pattern. The error says what is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let ascii = ascii_classes(text);
        // Compiled alone first, so that an error shows the pattern as it was written.
        let plain = Regex::new(&ascii).and_then(|_| Regex::new(&format!(r"\A(?:{ascii})\z")));
        let engine = match plain {
            Ok(regex) => Engine::Plain(regex),
            Err(error) => {
                let build = |text: &str| {
                    fancy_regex::RegexBuilder::new(text).backtrack_limit(MOST_BACKTRACKS).build()
                };
                match build(&ascii).and_then(|_| build(&format!(r"\A(?:{ascii})\z"))) {
                    Ok(regex) => Engine::Looking(regex),
                    Err(looking) => {
                        let reason = error.to_string();
                        let reason = reason.lines().last().unwrap_or_default();
                        // What the first engine says of a pattern that is for the second is not what is wrong with it.
                        return Err(if reason.contains("not supported") {
                            looking.to_string()
                        } else {
                            reason.trim_start_matches("error: ").to_owned()
                        });
                    }
                }
            }
        };
        Ok(Self { text: text.to_owned(), engine })
    }

    /// Whether all of the text matches; or that it takes too long to say.
    pub fn matches(&self, text: &str) -> Result<bool, String> {
        match &self.engine {
            Engine::Plain(regex) => Ok(regex.is_match(text)),
            Engine::Looking(regex) => {
                regex.is_match(text).map_err(|_| "takes too long on this value".to_owned())
            }
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Java's `\w`, `\d` and `\s` are ASCII; this engine's are all of Unicode, which is not what was meant and large.
fn ascii_classes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('s') => out.push_str(r"[ \t\n\x0B\f\r]"),
            Some('S') => out.push_str(r"[^ \t\n\x0B\f\r]"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The type of a parameter or of a step's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Text.
    String,
    /// A list of texts.
    StringList,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list of mappings.
    MapList,
    /// A mapping.
    StringMap,
    /// A named AWS type (`AWS::EC2::Instance::Id`): text.
    Aws(String),
    /// A list of a named AWS type (`List<AWS::EC2::Instance::Id>`): a list of texts.
    AwsList(String),
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique in the document.
    pub name: String,
    /// Its action (`aws:runCommand`).
    pub action: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it does.
    pub work: Work,
    /// How often it is tried, at least once.
    pub max_attempts: u32,
    /// How long one attempt may take, if the document says so.
    pub timeout: Option<Timeout>,
    /// Where a failure leads.
    pub on_failure: OnFailure,
    /// The step a cancellation leads to, if any.
    pub on_cancel: Option<String>,
    /// Whether its failure makes the run fail, where the document says so.
    pub is_critical: Option<bool>,
    /// Whether the run ends with it.
    pub is_end: bool,
    /// The step after it, if not the next in the list.
    pub next_step: Option<String>,
    /// The outputs it declares.
    pub outputs: Vec<OutputDeclaration>,
    /// Its inputs as written, references and all.
    pub inputs: Map<String, Value>,
    /// The loop it stands in.
    pub parent: Option<String>,
    /// The rules of Command documents, where it is a step of one.
    pub plugin: Option<PluginRules>,
}

/// What a Command document says of a step beside its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRules {
    /// When it runs at all.
    pub precondition: Option<Precondition>,
    /// What follows from its failure.
    pub on_failure: AfterFailure,
    /// Whether its success ends the document.
    pub exit_on_success: bool,
    /// Whether it runs whatever came before.
    pub finally: bool,
}

/// What follows from the failure of a Command document's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// The next step; the document fails at its end.
    GoOn,
    /// The end, but for a step that always runs.
    Exit,
    /// The same, and the step counts as a success.
    SuccessAndExit,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Work {
    /// `aws:runCommand`.
    RunCommand,
    /// `aws:executeScript`.
    ExecuteScript,
    /// `aws:executeAutomation`.
    ExecuteAutomation,
    /// `aws:sleep`.
    Sleep,
    /// `aws:branch`.
    Branch {
        /// Looked at in order; the first that holds is taken.
        choices: Vec<Choice>,
        /// Where to go when none holds.
        default: Option<String>,
    },
    /// `aws:loop`.
    Loop(Loop),
    /// `aws:pause`.
    Pause,
    /// `aws:updateVariable`.
    UpdateVariable {
        /// Which variable.
        name: String,
    },
    /// `aws:runShellScript` and `aws:runPowerShellScript`, of Command documents.
    RunScript(Shell),
    /// Another plugin of Command documents.
    Plugin,
    /// An action that the control plane performs itself: a webhook, or one of ours.
    Control,
    /// Nothing: a step of a Command document that does not run on the hosts there are.
    Skip {
        /// Why not.
        reason: String,
    },
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// What it repeats its steps for.
    pub over: Over,
    /// How often it repeats them at most.
    pub max_iterations: Option<u32>,
    /// The first of its steps.
    pub first: String,
}

/// What a loop repeats its steps for.
#[derive(Clone, Debug)]
pub enum Over {
    /// Each element of a list.
    Each {
        /// The list, or the reference that gives it.
        iterators: Value,
        /// What its elements are.
        kind: ParameterType,
    },
    /// As long as this holds after the steps.
    While(Condition),
}

/// How long an attempt may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// So many seconds.
    Seconds(u64),
    /// As many as this parameter says.
    Parameter(String),
}

/// Where a failure leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// To the end of the run.
    Abort,
    /// To the next step in the list.
    Continue,
    /// To this step.
    Step(String),
}

/// An output a step takes from what its action returned.
#[derive(Clone, Debug)]
pub struct OutputDeclaration {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub selector: Path,
    /// What it must be; anything where the document does not say.
    pub kind: Option<ParameterType>,
}

impl Document {
    /// Reads a document. All problems are reported, located by path; warnings alone do not refuse it and are kept in
    /// [`Document::warnings`].
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        crate::parse::document(value)
    }

    /// The document a run is pinned to, from the run's first event.
    pub fn pinned(started: &RunEvent) -> Option<Result<Self, Vec<Problem>>> {
        match &started.body {
            Body::Started { document, library, .. } => {
                Some(Self::parse(document).map(|document| document.with(library.clone())))
            }
            _ => None,
        }
    }

    /// The same, with what it needs beside itself. A run keeps both.
    #[must_use]
    pub fn with(mut self, library: Library) -> Self {
        self.library = library;
        self
    }

    /// A step and its place.
    pub fn step(&self, name: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.name == name)
    }
}

impl Step {
    /// Whether a failure of this step makes the run fail: as the document says, else unless it says to continue.
    pub fn is_critical(&self) -> bool {
        self.is_critical.unwrap_or(self.on_failure != OnFailure::Continue)
    }
}

impl ParameterType {
    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "StringList" => Self::StringList,
            "Integer" => Self::Integer,
            "Boolean" => Self::Boolean,
            "MapList" => Self::MapList,
            "StringMap" => Self::StringMap,
            _ => {
                let inner = name.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>'));
                match inner {
                    Some(inner) if inner.starts_with("AWS::") => Self::AwsList(inner.to_owned()),
                    None if name.starts_with("AWS::") => Self::Aws(name.to_owned()),
                    _ => return None,
                }
            }
        })
    }

    /// The name as documents write it.
    pub fn name(&self) -> String {
        match self {
            Self::String => "String".to_owned(),
            Self::StringList => "StringList".to_owned(),
            Self::Integer => "Integer".to_owned(),
            Self::Boolean => "Boolean".to_owned(),
            Self::MapList => "MapList".to_owned(),
            Self::StringMap => "StringMap".to_owned(),
            Self::Aws(name) => name.clone(),
            Self::AwsList(name) => format!("List<{name}>"),
        }
    }

    /// Whether a value is of this type. Nothing is converted: `"5"` is not an Integer.
    pub fn admits(&self, value: &Value) -> bool {
        match self {
            Self::String | Self::Aws(_) => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::StringMap => value.is_object(),
            Self::StringList | Self::AwsList(_) => {
                value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
            Self::MapList => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
        }
    }
}

/// What a value is, for messages: `a list`, `the text "x"`.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("the Boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => "a text".to_owned(),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}
