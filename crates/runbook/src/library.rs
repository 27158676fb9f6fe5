//! What a document needs beside itself, and what it was given of it: other documents and attached files.
//!
//! Whoever starts a run hands both over with the document ([`crate::Document::with`]); they are kept in the run's first
//! event, so that the run stays with what it began with.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mainstay_model::{Segment, Timestamp};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::document::{Document, Language, Work};
use crate::effect::CommandEffect;
use crate::inputs::{self, MAX_EXECUTION_TIMEOUT_S};
use crate::parameters;
use crate::reference::{Reference, interpolate, refers};

/// The largest attached file, in bytes.
pub const MAX_ATTACHMENT_BYTES: usize = 256 * 1024;

/// How deep documents may run documents.
pub const MAX_NESTING: u32 = 3;

/// A file that a document says is attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedFile {
    /// SHA-256 of its bytes, 64 hex digits in lower case.
    pub sha256: String,
    /// Its size in bytes, where the document says it.
    pub size: Option<u64>,
}

/// Other documents and attached files, by name.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Library {
    /// Documents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Value>,
    /// Attached files: text, or base64 for those that are no text ([`is_text`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Library {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.files.is_empty()
    }
}

/// Whether an attached file of this name is kept as the text it is, and not as base64.
pub fn is_text(name: &str) -> bool {
    !name.ends_with(".zip")
}

/// The form in which an attached file is kept; `None` if it should be text and is not.
pub fn keep_file(name: &str, bytes: &[u8]) -> Option<String> {
    if is_text(name) {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    } else {
        Some(STANDARD.encode(bytes))
    }
}

/// The bytes of an attached file as it is kept; `None` if it is not kept in that form.
pub fn file_bytes(name: &str, kept: &str) -> Option<Vec<u8>> {
    if is_text(name) { Some(kept.as_bytes().to_vec()) } else { STANDARD.decode(kept).ok() }
}

/// Why an attached file is not the one that the document means; nothing where it is.
pub fn file_problem(name: &str, said: &AttachedFile, bytes: &[u8]) -> Option<String> {
    if bytes.len() > MAX_ATTACHMENT_BYTES {
        return Some(format!(
            "The attached file `{name}` has {} bytes, at most {MAX_ATTACHMENT_BYTES} are taken",
            bytes.len()
        ));
    }
    if let Some(size) = said.size
        && size != bytes.len() as u64
    {
        return Some(format!(
            "The attached file `{name}` has {} bytes, and the document says {size}",
            bytes.len()
        ));
    }
    let found = sha256(bytes);
    (found != said.sha256).then(|| {
        format!(
            "The attached file `{name}` is not the one the document means: its sha256 is {found}, and the document \
             says {}",
            said.sha256
        )
    })
}

/// SHA-256 in 64 hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name and where it stands in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name.
    pub name: String,
    /// The way to it from the document's root.
    pub path: Vec<Segment>,
}

/// Another document that a document runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub document: Place,
    /// What it has to be.
    pub language: Language,
    /// The parameters it is given, by name; `None` where they are not known before a run.
    pub parameters: Option<Vec<Place>>,
    /// The values of those that are written out: nothing in them waits for a run.
    pub values: Map<String, Value>,
}

/// What a document needs beside itself, as far as it names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Documents that it runs.
    pub calls: Vec<Call>,
    /// Documents that it reads, of either language.
    pub documents: Vec<Place>,
    /// Attached files.
    pub files: Vec<Place>,
    /// Integrations, for webhooks.
    pub integrations: Vec<Place>,
    /// Alarms that it waits for.
    pub alarms: Vec<Place>,
    /// PromQL queries that it asks.
    pub queries: Vec<Place>,
}

impl Needs {
    /// Notes what a step needs: `path` leads to its inputs.
    pub(crate) fn note(&mut self, action: &str, inputs: &Map<String, Value>, path: &[Segment]) {
        let at = |key: &str| -> Vec<Segment> { path.iter().cloned().chain([Segment::from(key)]).collect() };
        let place = |key: &str| -> Option<Place> {
            let name = inputs.get(key)?.as_str().filter(|text| !refers(text) && !text.is_empty())?;
            Some(Place { name: name.to_owned(), path: at(key) })
        };
        let call = |key: &str, language: Language, parameters: &str| -> Option<Call> {
            let document = place(key)?;
            let (parameters, values) = match given(inputs, parameters) {
                Some(given) => (Some(given.places(&at(parameters))), given.written_out()),
                None => (None, Map::new()),
            };
            Some(Call { document, language, parameters, values })
        };
        match action {
            "aws:runCommand" if inputs::named_document(inputs).is_some() => {
                self.calls.extend(call("DocumentName", Language::Command, "Parameters"));
            }
            "aws:runDocument"
                if inputs.get("documentType").and_then(Value::as_str) == Some("SSMDocument") =>
            {
                self.calls.extend(call("documentPath", Language::Command, "documentParameters"));
            }
            "aws:downloadContent"
                if inputs.get("sourceType").and_then(Value::as_str) == Some("SSMDocument") =>
            {
                let name = inputs.get("sourceInfo").and_then(|info| info.get("name")?.as_str());
                let mut path = at("sourceInfo");
                path.push("name".into());
                if let Some(name) = name.filter(|name| !refers(name)) {
                    self.documents.push(Place { name: name.to_owned(), path });
                }
            }
            "aws:executeAutomation" => {
                let call = call("DocumentName", Language::Automation, "RuntimeParameters").map(|mut call| {
                    call.document.name = crate::child::procedure_name(&call.document.name).to_owned();
                    call
                });
                self.calls.extend(call);
            }
            "aws:executeScript" => self.files.extend(place("Attachment")),
            "aws:invokeWebhook" => self.integrations.extend(place("IntegrationName")),
            "mainstay:waitForAlarm" => self.alarms.extend(place("Alarm")),
            "mainstay:query" => self.queries.extend(place("Query")),
            _ => {}
        }
    }
}

/// Parameters that are given.
struct Given {
    values: Map<String, Value>,
    /// A mapping that is written as JSON has no places inside.
    is_text: bool,
}

impl Given {
    fn places(&self, path: &[Segment]) -> Vec<Place> {
        let inside = |name: &str| if self.is_text { None } else { Some(Segment::from(name)) };
        let place = |name: &String| Place {
            name: name.clone(),
            path: path.iter().cloned().chain(inside(name)).collect(),
        };
        self.values.keys().map(place).collect()
    }

    fn written_out(self) -> Map<String, Value> {
        self.values.into_iter().filter(|(_, value)| !waits(value)).collect()
    }
}

/// Whether something in a value is only known in a run.
fn waits(value: &Value) -> bool {
    match value {
        Value::String(text) => refers(text),
        Value::Array(list) => list.iter().any(waits),
        Value::Object(map) => map.values().any(waits),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The parameters that are given, where they are known.
fn given(inputs: &Map<String, Value>, key: &str) -> Option<Given> {
    match inputs.get(key) {
        None => Some(Given { values: Map::new(), is_text: false }),
        Some(Value::Object(map)) => Some(Given { values: map.clone(), is_text: false }),
        Some(Value::String(text)) if !refers(text) => {
            Some(Given { values: serde_json::from_str(text).ok()?, is_text: true })
        }
        Some(_) => None,
    }
}

/// A command with the parameters of its document checked and filled in, and how long it may run. One that is a plain
/// script stays as it is.
pub(crate) fn bind(
    library: &Library,
    mut command: CommandEffect,
    at: Timestamp,
) -> Result<CommandEffect, String> {
    if [inputs::SHELL_DOCUMENT, inputs::POWERSHELL_DOCUMENT].contains(&command.document.as_str()) {
        return Ok(command);
    }
    let document = command_document(library, &command.document)?;
    let name = &command.document;
    command.parameters = parameters::bind(&document, command.parameters, None, at).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        format!("The Command document {name} does not take its parameters: {}", problems.join("; "))
    })?;
    command.execution_timeout_s = longest(&document, &command.parameters);
    Ok(command)
}

/// A Command document of a library, read.
pub fn command_document(library: &Library, name: &str) -> Result<Document, String> {
    let value = library
        .documents
        .get(name)
        .ok_or_else(|| format!("There is no Command document {name}: the run began without it"))?;
    let document = Document::parse(value).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        format!("The document {name} is refused: {first}")
    })?;
    if document.language != Language::Command {
        return Err(format!("{name} is an Automation document, and hosts run Command documents"));
    }
    Ok(document.with(library.clone()))
}

/// How long a Command document may take on a host, in seconds: as long as all of its steps may.
fn longest(document: &Document, values: &Map<String, Value>) -> u64 {
    let resolve = |reference: &Reference| {
        Ok(match reference {
            Reference::Parameter(name) => values.get(name).cloned(),
            _ => None,
        })
    };
    let step = |step: &crate::document::Step| match step.work {
        Work::Skip { .. } => 0,
        Work::RunScript(_) => {
            let written =
                step.inputs.get("timeoutSeconds").and_then(|value| interpolate(value, &resolve).ok());
            inputs::whole_seconds(written.as_ref()).unwrap_or(inputs::EXECUTION_TIMEOUT_S)
        }
        _ if step.action == "aws:runDocument" => MAX_EXECUTION_TIMEOUT_S,
        _ => inputs::EXECUTION_TIMEOUT_S,
    };
    document.steps.iter().map(step).sum::<u64>().clamp(1, MAX_EXECUTION_TIMEOUT_S)
}
