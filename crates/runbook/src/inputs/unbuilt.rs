//! The inputs of the actions and plugins that nothing performs yet: their types, allowed words and limits, so that a
//! document that is wrong is told so whether or not it could run.

use mainstay_model::Problem;
use mainstay_model::problem::nearest;
use serde_json::{Map, Value};

use crate::path::Path;
use crate::reader::Reader;

/// What an input has to be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A text of at most so many characters.
    Short(usize),
    /// A list of texts, from so many to so many; one text stands for a list of one.
    Texts(usize, usize),
    /// A list of mappings, at most so many, each with these keys.
    Maps(usize, &'static [&'static str]),
    /// A list of anything.
    List,
    /// A list of texts, numbers and truth values, at least one.
    Scalars,
    Map,
    Flag,
    Whole(u64, u64),
    Words(&'static [&'static str]),
    /// JSONPath.
    Selector,
}

use Kind::{Flag, List, Maps, Scalars, Selector, Short, Text, Texts, Whole, Words};

const MOST: usize = usize::MAX;

const PAIR: &[&str] = &["Key", "Value"];

/// The same of plugins.
const PLUGIN_KINDS: &[(&str, &[(&str, Kind)])] = &[
    (
        "aws:softwareInventory",
        &[
            ("applications", Text),
            ("awsComponents", Text),
            ("networkConfig", Text),
            ("windowsUpdates", Text),
            ("instanceDetailedInformation", Text),
            ("services", Text),
            ("windowsRoles", Text),
            ("customInventory", Text),
        ],
    ),
    ("aws:refreshAssociation", &[("associationIds", Texts(0, MOST))]),
    (
        "aws:updateSsmAgent",
        &[
            ("agentName", Words(&["amazon-ssm-agent"])),
            ("allowDowngrade", Flag),
            ("source", Text),
            ("targetVersion", Text),
        ],
    ),
    (
        "aws:updateAgent",
        &[
            ("agentName", Words(&["Ec2Config"])),
            ("allowDowngrade", Flag),
            ("source", Text),
            ("targetVersion", Text),
        ],
    ),
    ("aws:applications", &[("source", Text), ("parameters", Text), ("sourceHash", Text)]),
    ("aws:psModule", &[("source", Text), ("sourceHash", Text)]),
    (
        "aws:domainJoin",
        &[
            ("directoryId", Text),
            ("directoryName", Text),
            ("dnsIpAddresses", Texts(0, MOST)),
            ("directoryOU", Text),
        ],
    ),
    (
        "aws:runDockerAction",
        &[
            ("action", Text),
            ("container", Text),
            ("image", Text),
            ("cmd", Text),
            ("memory", Text),
            ("cpuShares", Text),
            ("volume", Texts(0, MOST)),
            ("env", Text),
            ("user", Text),
            ("publish", Text),
        ],
    ),
];

const KINDS: &[(&str, &[(&str, Kind)])] = &[
    (
        "aws:approve",
        &[
            ("Approvers", Texts(1, 10)),
            ("NotificationArn", Text),
            ("Message", Short(4096)),
            ("MinRequiredApprovals", Whole(1, 10)),
        ],
    ),
    ("aws:assertAwsResourceProperty", PROPERTY),
    ("aws:waitForAwsResourceProperty", PROPERTY),
    (
        "aws:changeInstanceState",
        &[
            ("InstanceIds", Texts(1, MOST)),
            ("DesiredState", Words(&["running", "stopped", "terminated"])),
            ("CheckStateOnly", Flag),
            ("Force", Flag),
            ("AdditionalInfo", Text),
            ("FailOnUnexpectedStopped", Flag),
        ],
    ),
    (
        "aws:copyImage",
        &[
            ("SourceRegion", Text),
            ("SourceImageId", Text),
            ("ImageName", Text),
            ("ImageDescription", Text),
            ("Encrypted", Flag),
            ("KmsKeyId", Text),
            ("ClientToken", Text),
        ],
    ),
    (
        "aws:createImage",
        &[
            ("InstanceId", Text),
            ("ImageName", Text),
            ("ImageDescription", Text),
            ("NoReboot", Flag),
            ("BlockDeviceMappings", List),
        ],
    ),
    (
        "aws:createStack",
        &[
            ("StackName", Text),
            ("TemplateBody", Text),
            ("TemplateURL", Text),
            ("Parameters", Maps(MOST, &["ParameterKey"])),
            ("Capabilities", Texts(0, MOST)),
            ("Tags", Maps(10, PAIR)),
            ("RoleARN", Text),
            ("OnFailure", Words(&["DO_NOTHING", "ROLLBACK", "DELETE"])),
            ("DisableRollback", Flag),
            ("NotificationARNs", Texts(0, MOST)),
            ("ResourceTypes", Texts(0, MOST)),
            ("StackPolicyBody", Text),
            ("StackPolicyURL", Text),
            ("TimeoutInMinutes", Whole(1, u64::MAX)),
            ("ClientRequestToken", Text),
        ],
    ),
    (
        "aws:createTags",
        &[
            ("ResourceIds", Texts(1, MOST)),
            ("Tags", Maps(MOST, PAIR)),
            ("ResourceType", Words(&["EC2", "ManagedInstance", "MaintenanceWindow", "Parameter"])),
        ],
    ),
    ("aws:deleteImage", &[("ImageId", Text)]),
    (
        "aws:deleteStack",
        &[
            ("StackName", Text),
            ("RoleARN", Text),
            ("RetainResources", Texts(0, MOST)),
            ("ClientRequestToken", Text),
        ],
    ),
    ("aws:executeAwsApi", &[("Service", Text), ("Api", Text)]),
    ("aws:executeStateMachine", &[("stateMachineArn", Text), ("name", Text), ("input", Text)]),
    (
        "aws:invokeLambdaFunction",
        &[
            ("FunctionName", Text),
            ("Qualifier", Text),
            ("InvocationType", Words(&["RequestResponse", "Event", "DryRun"])),
            ("LogType", Words(&["None", "Tail"])),
            ("ClientContext", Text),
            ("InputPayload", Kind::Map),
            ("Payload", Text),
        ],
    ),
    (
        "aws:runInstances",
        &[
            ("ImageId", Text),
            ("InstanceType", Text),
            ("MinInstanceCount", Whole(1, u64::MAX)),
            ("MaxInstanceCount", Whole(1, u64::MAX)),
        ],
    ),
];

const PROPERTY: &[(&str, Kind)] =
    &[("Service", Text), ("Api", Text), ("PropertySelector", Selector), ("DesiredValues", Scalars)];

/// Checks the inputs of an action or plugin that nothing performs yet.
pub(crate) fn read_unbuilt(action: &str, inputs: &Map<String, Value>, reader: &mut Reader<'_>) {
    let mut known = KINDS.iter().chain(PLUGIN_KINDS);
    let kinds = known.find(|(name, _)| *name == action).map_or(&[][..], |(_, kinds)| *kinds);
    for (key, kind) in kinds {
        if let Some(value) = inputs.get(*key) {
            check(key, *kind, value, inputs, reader);
        }
    }
    together(action, inputs, reader);
}

fn check(key: &str, kind: Kind, value: &Value, inputs: &Map<String, Value>, reader: &mut Reader<'_>) {
    if reader.open(value) {
        return;
    }
    match (kind, value) {
        (Text, Value::String(_)) | (List, Value::Array(_)) => {}
        (Text | Short(_), _) if !value.is_string() => reader.wrong(reader.at(key), key, "a text", value),
        (Short(most), Value::String(text)) => {
            let length = text.chars().count();
            if length > most {
                let message = format!("`{key}` has at most {most} characters, found {length}");
                reader.push(Problem::error("bad-value", reader.at(key), message));
            }
        }
        (Texts(least, most), _) => {
            if let Some(texts) = reader.texts(inputs, key) {
                bounds(key, texts.len(), least, most, reader);
            }
        }
        (Maps(most, needed), Value::Array(list)) => {
            maps(key, list, needed, reader);
            bounds(key, list.len(), 0, most, reader);
        }
        (Maps(..), _) => reader.wrong(reader.at(key), key, "a list of mappings", value),
        (Scalars, Value::Array(list)) => {
            for (index, item) in list.iter().enumerate() {
                if item.is_array() || item.is_object() || item.is_null() {
                    let mut path = reader.at(key);
                    path.push(index.into());
                    reader.wrong(path, key, "a list of texts, numbers and Booleans", item);
                }
            }
            bounds(key, list.len(), 1, MOST, reader);
        }
        (Scalars, _) => reader.wrong(reader.at(key), key, "a list", value),
        (List, _) => reader.wrong(reader.at(key), key, "a list", value),
        (Kind::Map, _) => drop(reader.mapping(inputs, key)),
        (Flag, _) => drop(reader.flag(inputs, key)),
        (Whole(least, most), _) => drop(reader.whole(inputs, key, least, most)),
        (Words(words), Value::String(text)) if !words.contains(&text.as_str()) => {
            let all = words.join(", ");
            let problem = Problem::error(
                "bad-value",
                reader.at(key),
                format!("`{key}` is one of {all}, found `{text}`"),
            );
            reader.push(match nearest(text, words.iter().copied()) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem,
            });
        }
        (Words(_), Value::String(_)) => {}
        (Words(_), _) => reader.wrong(reader.at(key), key, "a text", value),
        (Selector, Value::String(text)) => {
            if let Err(error) = Path::parse(text)
                && !error.not_built
            {
                let at = error.at.min(text.len());
                let problem = Problem::error("bad-selector", reader.at(key), error.message);
                reader.push(problem.within(at..text.len()));
            }
        }
        (Selector | Text | Short(_), _) => reader.wrong(reader.at(key), key, "a text", value),
    }
}

/// A list of mappings that each have these keys.
fn maps(key: &str, list: &[Value], needed: &[&str], reader: &mut Reader<'_>) {
    for (index, item) in list.iter().enumerate() {
        let mut path = reader.at(key);
        path.push(index.into());
        match item {
            Value::Object(map) => {
                let mut within = Reader { path, problems: reader.problems, draft: reader.draft };
                for missing in needed.iter().filter(|needed| !map.contains_key(**needed)) {
                    within.missing(missing, &format!("An entry of `{key}`"));
                }
            }
            item if reader.open(item) => {}
            other => reader.wrong(path, key, "a list of mappings", other),
        }
    }
}

fn bounds(key: &str, found: usize, least: usize, most: usize, reader: &mut Reader<'_>) {
    if found < least {
        let message = format!("`{key}` has at least {least} entries, found {found}");
        reader.push(Problem::error("bad-value", reader.at(key), message));
    }
    if found > most {
        let message = format!("`{key}` has at most {most} entries, found {found}");
        reader.push(Problem::error("bad-value", reader.at(key), message));
    }
}

/// What holds between inputs.
fn together(action: &str, inputs: &Map<String, Value>, reader: &mut Reader<'_>) {
    let has = |key: &str| inputs.contains_key(key);
    let exclude = |reader: &mut Reader<'_>, one: &str, other: &str| {
        if has(one) && has(other) {
            let message = format!("`{one}` and `{other}` exclude each other");
            reader.push(Problem::error("bad-value", reader.at(other), message).on_key());
        }
    };
    match action {
        "aws:createStack" => {
            exclude(reader, "TemplateBody", "TemplateURL");
            exclude(reader, "OnFailure", "DisableRollback");
            exclude(reader, "StackPolicyBody", "StackPolicyURL");
            if !has("TemplateBody") && !has("TemplateURL") {
                reader.missing("TemplateBody` or `TemplateURL", action);
            }
        }
        "aws:approve" => {
            let approvers = inputs.get("Approvers").and_then(Value::as_array);
            let needed = inputs.get("MinRequiredApprovals").and_then(Value::as_u64);
            // A reference among the approvers may stand for several.
            let known = approvers.filter(|list| !list.iter().any(|one| reader.open(one)));
            if let (Some(known), Some(needed)) = (known, needed)
                && needed > known.len() as u64
            {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("MinRequiredApprovals"),
                    format!("{needed} approvals cannot come from {} approvers", known.len()),
                ));
            }
            if let Some(arn) = inputs.get("NotificationArn").and_then(Value::as_str)
                && !reader.open(&Value::from(arn))
                && !arn.is_empty()
                && !arn.rsplit(':').next().is_some_and(|topic| topic.starts_with("Automation"))
            {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("NotificationArn"),
                    "The name of the topic has to begin with `Automation`",
                ));
            }
        }
        "aws:createTags" => {
            let several =
                inputs.get("ResourceIds").and_then(Value::as_array).is_some_and(|ids| ids.len() > 1);
            let other = inputs.get("ResourceType").and_then(Value::as_str).filter(|kind| *kind != "EC2");
            if let (true, Some(kind)) = (several, other)
                && !reader.open(&Value::from(kind))
            {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("ResourceIds"),
                    format!("Only one {kind} can be tagged at once"),
                ));
            }
        }
        _ => {}
    }
}
