//! Children: runs that `aws:executeAutomation` starts.
//!
//! A child is a run of its own. Its id follows from the attempt that starts it, so starting it twice starts one; its
//! document is looked up when it starts, and it stays pinned to that. The loop around the machine starts it with
//! [`start`], tells the parent with [`crate::Input::Child`] what the child waits for, and settles the attempt with
//! [`outcome`] once the child is over. A stop of the attempt is a cancellation of the child.

use mainstay_model::{Actor, Problem, RunId, Segment, Timestamp};
use serde_json::{Map, Value};

use crate::effect::{AttemptId, ChildEffect, EffectKind, Outcome};
use crate::event::{Origin, Parent, RunEvent};
use crate::machine::Start;
use crate::parse::{flat_steps, texts_of};
use crate::reader::Reader;
use crate::reference::{Braced, Reference, scan};
use crate::run::{Run, RunStatus};

/// How many runs may stand above one another. Systems Manager names no limit; nobody follows what is deeper than this.
pub const MAX_DEPTH: usize = 8;

/// What Systems Manager calls the version that is wanted now.
const CURRENT: [&str; 3] = ["$DEFAULT", "$LATEST", ""];

/// The inputs that start one child for each of several targets.
const MANY: [&str; 6] =
    ["TargetParameterName", "Targets", "TargetMaps", "MaxConcurrency", "MaxErrors", "TargetLocations"];

/// The inputs of `aws:executeAutomation`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inputs {
    pub(crate) procedure: String,
    pub(crate) parameters: Map<String, Value>,
}

pub(crate) fn read(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Inputs> {
    for key in MANY.iter().chain(&["Tags"]).filter(|key| inputs.contains_key(**key)) {
        reader.not_built(reader.at(key), &format!("`{key}` of aws:executeAutomation is"));
    }
    if let Some(version) = reader.text(inputs, "DocumentVersion")
        && !CURRENT.contains(&version.as_str())
        && !reader.open(&Value::String(version))
    {
        let problem = Problem::error(
            "not-built",
            reader.at("DocumentVersion"),
            "Choosing a version of a procedure is not built yet",
        );
        reader.push(problem.help("Leave it out: the procedure of the applied revision is run"));
    }
    let parameters = match inputs.get("RuntimeParameters") {
        None | Some(Value::Null) => Some(Map::new()),
        Some(_) => reader.mapping(inputs, "RuntimeParameters").cloned(),
    };
    if let Some(parameters) = &parameters
        && parameters.len() > 200
    {
        reader.push(Problem::error(
            "bad-value",
            reader.at("RuntimeParameters"),
            format!("`RuntimeParameters` has at most 200 entries, found {}", parameters.len()),
        ));
    }
    if !inputs.contains_key("DocumentName") {
        reader.missing("DocumentName", "aws:executeAutomation");
        return None;
    }
    let written = reader.text(inputs, "DocumentName")?;
    let procedure = procedure_name(&written).to_owned();
    if procedure.is_empty() {
        reader.push(Problem::error(
            "bad-value",
            reader.at("DocumentName"),
            "`DocumentName` names no procedure",
        ));
        return None;
    }
    Some(Inputs { procedure, parameters: parameters? })
}

/// The procedure a `DocumentName` means: the name, or the last part of an ARN
/// (`arn:aws:ssm:eu-west-1:123456789012:document/restore`).
pub fn procedure_name(written: &str) -> &str {
    match written.strip_prefix("arn:").and_then(|_| written.rsplit_once('/')) {
        Some((_, name)) => name.split(':').next().unwrap_or(name),
        None => written,
    }
}

/// The id of the run that an attempt starts.
pub(crate) fn id(attempt: &AttemptId, procedure: &str) -> RunId {
    let hex = blake3::hash(attempt.as_str().as_bytes()).to_hex();
    let slug: String =
        procedure.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
    let slug = slug.trim_matches('-');
    RunId::new(if slug.is_empty() { hex[..24].to_owned() } else { format!("{slug}-{}", &hex[..16]) })
        .expect("letters, digits and dashes, starting with a letter or digit, make an id")
}

/// Why a run may not start this procedure, if it may not: it would stand above itself, or too deep.
pub(crate) fn refusal(run: &Run, procedure: &str) -> Option<String> {
    let chain = chain(run);
    if chain.iter().any(|above| above == procedure) {
        return Some(format!(
            "Procedure {procedure} would start itself: {} -> {procedure}",
            chain.join(" -> ")
        ));
    }
    (chain.len() >= MAX_DEPTH)
        .then(|| format!("Runs can stand {MAX_DEPTH} deep at most: {} -> {procedure}", chain.join(" -> ")))
}

/// The procedures from the first run of the family to this one.
fn chain(run: &Run) -> Vec<String> {
    let above = run.parent.iter().flat_map(|parent| parent.chain.iter().cloned());
    above.chain([run.procedure.clone()]).collect()
}

/// What the child of the attempt that is going on begins with, if that attempt starts one. The caller has looked up
/// the procedure and says the digest of its document.
pub fn start(parent: &Run, digest: String, at: Timestamp) -> Option<Start> {
    let open = parent.open_attempt()?;
    let Some(EffectKind::Child(child)) = &open.effect else { return None };
    Some(Start {
        run: child.run.clone(),
        procedure: child.procedure.clone(),
        workload: parent.workload.clone(),
        digest,
        parameters: child.parameters.clone(),
        at,
        by: Actor::Run(parent.id.to_string()),
        reason: Some(format!("step {} of run {}", open.step, parent.id)),
        cause: Some(match open.event {
            0 => parent.started_event(),
            number => RunEvent::id_of(&parent.id, number),
        }),
        host: None,
        origin: Origin {
            parent: Some(Parent {
                run: parent.id.clone(),
                step: open.step.clone(),
                attempt: open.attempt.clone(),
                chain: chain(parent),
            }),
            ..Origin::default()
        },
    })
}

/// What the parent's attempt comes to by a child that is over.
///
/// Outputs: `ExecutionId`, `Status`, `Output` (the values of the child's outputs, in the document's order, as one list
/// of texts), and each of the child's outputs by its own name (`{{ step.inner.Name }}`).
pub fn outcome(parent: &Run, child: &Run) -> Outcome {
    let mut outputs = Map::new();
    outputs.insert("ExecutionId".to_owned(), child.id.as_str().into());
    outputs.insert("Status".to_owned(), child.status.as_str().into());
    let values = child.output_names.iter().filter_map(|name| child.outputs.get(name));
    let texts = values.flat_map(|value| match value {
        Value::Array(list) => list.iter().map(text).collect(),
        other => vec![text(other)],
    });
    outputs.insert("Output".to_owned(), texts.collect());
    outputs.extend(child.outputs.clone());
    let stopping = parent.open_attempt().is_some_and(|open| open.stopping.is_some());
    let why = child.failure.as_deref().unwrap_or("it does not say why");
    let message = format!("Run {} of {} is {}: {why}", child.id, child.procedure, child.status.as_str());
    match child.status {
        RunStatus::Success => Outcome::Succeeded { outputs },
        RunStatus::Cancelled if stopping => Outcome::Cancelled,
        RunStatus::TimedOut => Outcome::TimedOut { message, outputs },
        _ => Outcome::Failed { message, outputs },
    }
}

fn text(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        other => Value::String(other.to_string()),
    }
}

/// What a child waits for, as its parent says it; nothing where it works.
pub fn waits(child: &Run) -> Option<String> {
    let words = child.waits_for()?;
    Some(format!("Run {} of {} waits: {words}", child.id, child.procedure))
}

/// A reference to an output of the other procedure by name (`{{ call.inner.Name }}`), or an entry of `outputs`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallOutput {
    /// The way to the inputs of the step that starts the other procedure.
    pub inputs: Vec<Segment>,
    /// The output's name there (`inner.Name`).
    pub output: String,
    /// The way to the text.
    pub path: Vec<Segment>,
    /// The bytes of the text.
    pub span: std::ops::Range<usize>,
}

/// What a document refers to of the outputs of the procedures it starts.
pub fn call_outputs(document: &Value) -> Vec<CallOutput> {
    let calls: Vec<(&str, Vec<Segment>)> = flat_steps(document)
        .into_iter()
        .filter(|(_, step)| step.get("action").and_then(Value::as_str) == Some("aws:executeAutomation"))
        .filter_map(|(mut path, step)| {
            path.push("inputs".into());
            Some((step.get("name")?.as_str()?, path))
        })
        .collect();
    let mut found = Vec::new();
    let mut note = |step: &str, output: &str, path: Vec<Segment>, span: std::ops::Range<usize>| {
        let call = calls.iter().find(|(name, _)| *name == step);
        if let Some((_, inputs)) = call.filter(|_| output.contains('.')) {
            found.push(CallOutput { inputs: inputs.clone(), output: output.to_owned(), path, span });
        }
    };
    for (path, text) in texts_of(document) {
        // Entries of the document's outputs may stand without braces.
        if matches!(path.as_slice(), [Segment::Key(key), Segment::Index(_)] if key == "outputs")
            && !text.contains("{{")
        {
            if let Some((step, output)) = crate::parse::output_name(text) {
                note(&step, &output, path, 0..text.len());
            }
            continue;
        }
        for braced in scan(text) {
            if let Braced::Reference(Reference::Output { step, output }) = &braced.braced {
                note(step, output, path.clone(), braced.span);
            }
        }
    }
    found
}

/// The effect of an attempt of a step.
pub(crate) fn effect(run: &Run, attempt: &AttemptId, inputs: Inputs) -> Result<ChildEffect, String> {
    match refusal(run, &inputs.procedure) {
        Some(reason) => Err(reason),
        None => Ok(ChildEffect {
            run: id(attempt, &inputs.procedure),
            procedure: inputs.procedure,
            parameters: inputs.parameters,
        }),
    }
}
