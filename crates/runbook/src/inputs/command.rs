//! The inputs of `aws:runCommand`.

use mainstay_model::Problem;
use serde_json::{Map, Value};

use super::targets::read_targets;
use super::{
    DELIVERY_TIMEOUT_S, EXECUTION_TIMEOUT_S, MAX_EXECUTION_TIMEOUT_S, POWERSHELL_DOCUMENT, SHELL_DOCUMENT,
    finally,
};
use crate::effect::CommandEffect;
use crate::reader::Reader;
use crate::reference::refers;

/// What a document of this name and its parameters ask for.
pub(crate) fn command(inputs: &Map<String, Value>) -> Result<CommandEffect, String> {
    finally(|reader| read_command(inputs, reader))
}

/// The name of the document of the workload that inputs of `aws:runCommand` mean, if they mean one.
pub(crate) fn named_document(inputs: &Map<String, Value>) -> Option<&str> {
    let name = inputs.get("DocumentName")?.as_str()?;
    is_own(name).then_some(name)
}

/// Whether a name is that of a document of the workload, and not one of AWS.
fn is_own(name: &str) -> bool {
    !name.starts_with("AWS") && !name.starts_with("arn:") && !refers(name)
}

/// Inputs of `SendCommand` that do nothing here yet.
const COMMAND_LATER: [&str; 7] = [
    "CloudWatchOutputConfig",
    "DocumentHash",
    "DocumentHashType",
    "NotificationConfig",
    "OutputS3BucketName",
    "OutputS3KeyPrefix",
    "ServiceRoleArn",
];

pub(crate) fn read_command(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<CommandEffect> {
    for key in COMMAND_LATER.iter().filter(|key| inputs.contains_key(**key)) {
        reader.not_built(reader.at(key), &format!("`{key}` of aws:runCommand is"));
    }
    // The defaults of SendCommand may be written out; anything else needs rate control.
    for (key, default) in [("MaxConcurrency", "50"), ("MaxErrors", "0")] {
        let written = match inputs.get(key) {
            None => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if written != default {
            reader.not_built(reader.at(key), &format!("`{key}` other than {default} is"));
        }
    }
    if let Some(version) = inputs.get("DocumentVersion").and_then(Value::as_str)
        && !["$DEFAULT", "$LATEST"].contains(&version)
    {
        reader.not_built(reader.at("DocumentVersion"), "Choosing a version of a Command document is");
    }
    reader.text(inputs, "Comment");
    let document = document_name(inputs, reader);
    let delivery = reader.whole(inputs, "TimeoutSeconds", 30, 2_592_000).unwrap_or(DELIVERY_TIMEOUT_S);
    let targets = read_targets(inputs, reader);
    let script = document.as_deref().filter(|name| [SHELL_DOCUMENT, POWERSHELL_DOCUMENT].contains(name));
    if let Some(name) = script
        && !inputs.contains_key("Parameters")
    {
        reader.missing("Parameters", &format!("aws:runCommand with {name}"));
    }
    let parameters = reader.mapping(inputs, "Parameters");
    let (commands, working_directory, execution_timeout_s) = match (script, parameters) {
        (Some(name), Some(parameters)) => read_shell(name, parameters, &mut reader.inside("Parameters")),
        (Some(_), None) => (None, None, EXECUTION_TIMEOUT_S),
        (None, _) => (Some(Vec::new()), None, EXECUTION_TIMEOUT_S),
    };
    let own = script.is_none();
    if own && inputs.contains_key("Parameters") && parameters.is_none() {
        return None;
    }
    Some(CommandEffect {
        document: document?,
        commands: commands?,
        working_directory,
        parameters: parameters.filter(|_| own).cloned().unwrap_or_default(),
        execution_timeout_s,
        delivery_timeout_s: delivery,
        targets: targets?,
    })
}

fn document_name(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<String> {
    if !inputs.contains_key("DocumentName") {
        reader.missing("DocumentName", "aws:runCommand");
        return None;
    }
    let name = reader.text(inputs, "DocumentName")?;
    if reader.open(&Value::String(name.clone())) {
        reader.not_built(reader.at("DocumentName"), "Choosing the Command document by a reference is");
        return None;
    }
    if ![SHELL_DOCUMENT, POWERSHELL_DOCUMENT].contains(&name.as_str()) && !is_own(&name) {
        let what = format!("Running the Command document `{name}` is");
        reader.problems.push(
            Problem::error("not-built", reader.at("DocumentName"), format!("{what} not built yet"))
                .help(format!(
                    "`{SHELL_DOCUMENT}`, `{POWERSHELL_DOCUMENT}` and Command documents of the workload are built"
                )),
        );
        return None;
    }
    Some(name)
}

fn read_shell(
    document: &str,
    parameters: &Map<String, Value>,
    reader: &mut Reader<'_>,
) -> (Option<Vec<String>>, Option<String>, u64) {
    reader.unknown_keys(
        parameters,
        &["commands", "workingDirectory", "executionTimeout"],
        &format!("the parameters of {document}"),
    );
    // Parameters of SendCommand are lists of texts; a list of one stands for the text in it.
    let mut single = |key: &str| -> Option<String> {
        let mut list = reader.texts(parameters, key)?;
        if list.len() > 1 {
            reader.problems.push(Problem::error(
                "wrong-type",
                reader.at(key),
                format!("`{key}` is one text, found a list of {}", list.len()),
            ));
        }
        list.pop()
    };
    let working_directory = single("workingDirectory").filter(|text| !text.is_empty());
    let timeout = match parameters.get("executionTimeout") {
        Some(Value::Number(_)) => reader.whole(parameters, "executionTimeout", 1, MAX_EXECUTION_TIMEOUT_S),
        Some(_) => match single("executionTimeout") {
            Some(text) => {
                let mut one = Map::new();
                one.insert("executionTimeout".to_owned(), text.into());
                reader.whole(&one, "executionTimeout", 1, MAX_EXECUTION_TIMEOUT_S)
            }
            None => None,
        },
        None => None,
    };
    if !parameters.contains_key("commands") {
        reader.missing("commands", document);
    }
    let commands = reader.texts(parameters, "commands");
    if commands.as_ref().is_some_and(Vec::is_empty) {
        reader.push(Problem::error("bad-value", reader.at("commands"), "`commands` holds no command"));
    }
    (commands, working_directory, timeout.unwrap_or(EXECUTION_TIMEOUT_S))
}
