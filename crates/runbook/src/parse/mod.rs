//! Reading a document: every rule of the reference that can be checked before a run, all problems at once.

mod command;
mod compare;
mod graph;
mod loops;
mod parameter;
mod reference;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, Severity, nearest};
use serde_json::{Map, Value};

use crate::document::{Document, Language, Parameter, describe};
use crate::library::{AttachedFile, Library, Needs};
use crate::reader::{Reader, json_bytes};
use crate::reference::{Reference, whole};

/// The keys of a document.
const KEYS: [&str; 8] = [
    "schemaVersion",
    "description",
    "assumeRole",
    "parameters",
    "variables",
    "mainSteps",
    "outputs",
    "files",
];

/// The most bytes of a document's content that Systems Manager takes. Counted as JSON without spaces, so a document that
/// is told so is too large however it is written.
const MAX_CONTENT_BYTES: usize = 64 << 10;

/// The further keys of a change template.
const CHANGE_TEMPLATE_KEYS: [&str; 4] =
    ["templateInformation", "emergencyChange", "autoApprovable", "executableRunBooks"];

pub(crate) use command::PLATFORM;
pub(crate) use parameter::names_in_default;

pub(crate) fn document(value: &Value) -> Result<Document, Vec<Problem>> {
    let mut problems = Vec::new();
    let document = read(value, &mut problems);
    let bytes = json_bytes(value);
    if bytes > MAX_CONTENT_BYTES {
        problems.push(
            Problem::warning(
                "too-large",
                Vec::new(),
                format!("Systems Manager takes documents of at most {MAX_CONTENT_BYTES} bytes, this one has {bytes} or more"),
            )
            .help("It runs here; to be of use there too, put scripts into attached files"),
        );
    }
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    match document {
        Some(mut document) if !refused => {
            document.warnings = problems;
            Ok(document)
        }
        _ => Err(problems),
    }
}

fn read(value: &Value, problems: &mut Vec<Problem>) -> Option<Document> {
    let Value::Object(map) = value else {
        problems.push(
            Problem::error(
                "wrong-type",
                Vec::new(),
                format!("A document is a mapping, found {}", describe(value)),
            )
            .label("expected a mapping"),
        );
        return None;
    };
    let version = schema_version(map, problems)?;
    if let Version::Command(version) = version {
        return command::read(map, version, value, problems);
    }
    // A change template is told by its own keys. It has rules of its own, so nothing else is said of it.
    if let Some(key) = CHANGE_TEMPLATE_KEYS.iter().find(|key| map.contains_key(**key)) {
        problems.push(
            Problem::error("not-built", vec![(*key).into()], "Change templates are not built yet").on_key(),
        );
        return None;
    }
    let mut reader = Reader { path: Vec::new(), problems, draft: true };
    reader.unknown_keys(map, &KEYS, "an Automation document");
    let description = reader.text(map, "description");
    let parameters = parameter::read_all(map, &mut reader);
    parameter::check_defaults(&parameters, &mut reader);
    let variables = parameter::read_variables(map, &mut reader);
    let assume_role = assume_role(map, &parameters, &mut reader);
    let files = files(map, &mut reader);
    let flat = loops::flatten(map, &mut reader);
    let steps = step::read_all(map, &flat, &variables, &mut reader);
    let outputs = outputs(map, &mut reader);
    // References and the graph are checked on what was written, so that one bad step does not hide others.
    let shape = graph::check(&flat, reader.problems);
    reference::check(map, &flat, (&parameters, &variables), &shape, reader.problems);
    compare::check(&flat, (&parameters, &variables), reader.problems);
    let kept = |parameters: Parameters| {
        parameters.into_iter().filter_map(|(name, parameter)| Some((name, parameter?))).collect()
    };
    let needs = needs(&flat, map, problems);
    Some(Document {
        language: Language::Automation,
        description,
        assume_role,
        parameters: kept(parameters),
        variables: kept(variables),
        steps: steps?,
        outputs,
        files,
        needs,
        library: Library::default(),
        warnings: Vec::new(),
        source: value.clone(),
    })
}

/// Parameters by name; `None` for one whose definition is wrong, so that references to it are not reported as well.
pub(crate) type Parameters = BTreeMap<String, Option<Parameter>>;

enum Version {
    Automation,
    Command(command::Version),
}

fn schema_version(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<Version> {
    const HELP: &str =
        "Automation documents have `schemaVersion: \"0.3\"`, Command documents 2.2 (or 2.0, or 1.2)";
    let path: Vec<Segment> = vec!["schemaVersion".into()];
    let version = match map.get("schemaVersion") {
        Some(Value::String(text)) => text.clone(),
        // YAML reads an unquoted 0.3 as a number; it is meant as text. JSON writes 2.0 so, too.
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => {
            problems.push(
                Problem::error(
                    "wrong-type",
                    path,
                    format!("`schemaVersion` is a text, found {}", describe(other)),
                )
                .label("expected \"0.3\""),
            );
            return None;
        }
        None => {
            problems.push(
                Problem::error("missing-key", Vec::new(), "A document needs `schemaVersion`").help(HELP),
            );
            return None;
        }
    };
    match version.as_str() {
        "0.3" => return Some(Version::Automation),
        "1.2" => return Some(Version::Command(command::Version::V1_2)),
        "2.0" => return Some(Version::Command(command::Version::V2_0)),
        // Not in the reference, but agents take them, and packages for agents have them.
        "2.0.1" | "2.0.2" | "2.0.3" => {
            problems.push(
                Problem::warning("odd-version", path, format!("`{version}` is read as 2.0"))
                    .help("Command documents have 2.2, 2.0 or 1.2"),
            );
            return Some(Version::Command(command::Version::V2_0));
        }
        "2.2" => return Some(Version::Command(command::Version::V2_2)),
        // Documents that join hosts to a domain still have the version before 1.2, which is written the same.
        "1.0" if map.contains_key("runtimeConfig") => {
            return Some(Version::Command(command::Version::V1_2));
        }
        "1.0" => problems.push(Problem::error(
            "not-built",
            path,
            "Session documents (schemaVersion 1.0) are not built yet",
        )),
        _ => problems.push(
            Problem::error("bad-value", path, format!("`{version}` is not a schema version")).help(HELP),
        ),
    }
    None
}

fn assume_role(map: &Map<String, Value>, parameters: &Parameters, reader: &mut Reader<'_>) -> Option<String> {
    let role = reader.text(map, "assumeRole").filter(|role| !role.is_empty())?;
    let path = reader.at("assumeRole");
    match whole(&role) {
        // Whether it comes out empty is known when a run starts; an unknown parameter is reported with the references.
        Some(Reference::Parameter(name)) => {
            if let Some(Some(parameter)) = parameters.get(&name)
                && parameter.default.as_ref().is_none_or(|default| default != "")
            {
                reader.push(
                    Problem::warning(
                        "not-built",
                        path,
                        format!("Running with an AWS role is not built yet: a run starts only where `{name}` is empty"),
                    )
                    .help("Give the parameter `default: \"\"`"),
                );
            }
        }
        // Reported with the references.
        Some(Reference::Named { space, .. }) if space == "ssm" => {}
        _ => reader.not_built(path, "Running with an AWS role is"),
    }
    Some(role)
}

/// The attached files.
fn files(map: &Map<String, Value>, reader: &mut Reader<'_>) -> BTreeMap<String, AttachedFile> {
    let Some(files) = reader.structure(map, "files") else { return BTreeMap::new() };
    let mut within = reader.inside("files");
    let read = |(name, file): (&String, &Value)| {
        let attached = attached_file(name, file, &mut within.inside(name.as_str()))?;
        Some((name.clone(), attached))
    };
    files.iter().filter_map(read).collect()
}

fn attached_file(name: &str, file: &Value, reader: &mut Reader<'_>) -> Option<AttachedFile> {
    let Value::Object(file) = file else {
        reader.wrong(reader.path.clone(), name, "a mapping with `checksums`", file);
        return None;
    };
    reader.unknown_keys(file, &["checksums", "size"], "an attached file");
    let size = reader.whole(file, "size", 0, u64::MAX);
    if !file.contains_key("checksums") {
        reader.missing("checksums", "An attached file");
    }
    let checksums = reader.structure(file, "checksums")?;
    let mut reader = reader.inside("checksums");
    // Published documents write it in capitals, too.
    let Some(key) = checksums.keys().find(|key| key.eq_ignore_ascii_case("sha256")) else {
        reader.missing("sha256", "An attached file");
        return None;
    };
    let sha256 = reader.text(checksums, key)?.to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        reader.push(Problem::error("bad-value", reader.at(key), "A sha256 has 64 hex digits"));
        return None;
    }
    Some(AttachedFile { sha256, size })
}

/// What the steps need beside the document. Attached files have to be among its `files`.
fn needs(flat: &[loops::Flat<'_>], map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Needs {
    let mut needs = Needs::default();
    for item in flat {
        let (Some(action), Some(inputs)) =
            (item.text("action"), item.step.get("inputs").and_then(Value::as_object))
        else {
            continue;
        };
        let path: Vec<Segment> = item.path.iter().cloned().chain([Segment::from("inputs")]).collect();
        needs.note(action, inputs, &path);
    }
    let known: Vec<&str> = map
        .get("files")
        .and_then(Value::as_object)
        .map(|files| files.keys().map(String::as_str).collect())
        .unwrap_or_default();
    for file in needs.files.iter().filter(|file| !known.contains(&file.name.as_str())) {
        let message = format!("`{}` is not among the document's `files`", file.name);
        let problem = Problem::error("unknown-reference", file.path.clone(), message);
        problems.push(match nearest(&file.name, known.iter().copied()) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None => problem.help("`files` names each attached file with its sha256"),
        });
    }
    needs
}

/// The outputs of the document, written `step.Output` or `{{ step.Output }}`. Whether they exist is checked with the
/// references.
fn outputs(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let mut outputs = Vec::new();
    match map.get("outputs") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => {
            for (index, item) in list.iter().enumerate() {
                let path = vec!["outputs".into(), index.into()];
                match item.as_str().map(output_name) {
                    Some(Some(output)) => outputs.push(output),
                    Some(None) => reader.push(
                        Problem::error(
                            "bad-value",
                            path,
                            format!("`{}` does not name an output", item.as_str().unwrap_or_default()),
                        )
                        .label("expected `step.Output`"),
                    ),
                    None => reader.wrong(path, "outputs", "a list of texts such as `step.Output`", item),
                }
            }
        }
        Some(other) => {
            reader.wrong(reader.at("outputs"), "outputs", "a list of texts such as `step.Output`", other);
        }
    }
    outputs
}

/// The step and output an entry of `outputs` names.
pub(crate) fn output_name(text: &str) -> Option<(String, String)> {
    if let Some(Reference::Output { step, output }) = whole(text.trim()) {
        return Some((step, output));
    }
    let (step, output) = text.trim().split_once('.')?;
    let name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b == b'.')
    };
    (name(step) && name(output)).then(|| (step.to_owned(), output.to_owned()))
}

/// The steps of an Automation document, those inside loops too, each with the way to it.
pub(crate) fn flat_steps(document: &Value) -> Vec<(Vec<Segment>, &Value)> {
    let Value::Object(map) = document else { return Vec::new() };
    let mut problems = Vec::new();
    let mut reader = Reader { path: Vec::new(), problems: &mut problems, draft: true };
    loops::flatten(map, &mut reader).into_iter().map(|flat| (flat.path, flat.step)).collect()
}

/// The places of the steps that can come before the one at `index`.
pub(crate) fn flat_steps_before(document: &Value, index: usize) -> BTreeSet<usize> {
    let Value::Object(map) = document else { return BTreeSet::new() };
    let mut problems = Vec::new();
    let flat = {
        let mut reader = Reader { path: Vec::new(), problems: &mut problems, draft: true };
        loops::flatten(map, &mut reader)
    };
    graph::check(&flat, &mut problems).before.get(index).cloned().unwrap_or_default()
}

/// All texts of a value, each with the way to it.
pub(crate) fn texts_of(value: &Value) -> Vec<(Vec<Segment>, &str)> {
    let mut texts = Vec::new();
    let mut todo = vec![(Vec::new(), value)];
    while let Some((path, value)) = todo.pop() {
        let inside = |segment: Segment| {
            let mut path: Vec<Segment> = path.clone();
            path.push(segment);
            path
        };
        match value {
            Value::String(text) => texts.push((path, text.as_str())),
            Value::Array(list) => {
                todo.extend(list.iter().enumerate().rev().map(|(index, item)| (inside(index.into()), item)));
            }
            Value::Object(map) => {
                todo.extend(map.iter().rev().map(|(key, item)| (inside(key.as_str().into()), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    texts
}
