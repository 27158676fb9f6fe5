//! Parameters: the values a run is given, checked against what the document declares.

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, RunId, Timestamp};
use serde_json::{Map, Number, Value};

use crate::document::{AllowedPattern, Document, Parameter, ParameterType, describe};
use crate::machine::global;
use crate::parse::names_in_default;
use crate::reference::{Reference, interpolate};

/// The values of all parameters: those given, typed and checked, and the defaults of the others. All problems are
/// reported, each located by the parameter's name. `run` is the run that they are for, where it is one of its own.
pub(crate) fn bind(
    document: &Document,
    given: Map<String, Value>,
    run: Option<&RunId>,
    at: Timestamp,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut bound = Map::new();
    for (name, value) in given {
        match document.parameters.get(&name) {
            Some(parameter) => {
                let value = from_wire(&parameter.kind, value);
                problems.extend(check(parameter, &value).map(|message| {
                    Problem::error(
                        "bad-parameter",
                        vec![name.as_str().into()],
                        format!("Parameter `{name}` {message}"),
                    )
                }));
                bound.insert(name, value);
            }
            None => {
                let problem = Problem::error(
                    "unknown-parameter",
                    vec![name.as_str().into()],
                    format!("The procedure has no parameter `{name}`"),
                )
                .on_key();
                problems.push(match nearest(&name, document.parameters.keys().map(String::as_str)) {
                    Some(near) => problem.help(format!("Did you mean `{near}`?")),
                    None if document.parameters.is_empty() => problem.help("It has no parameters"),
                    None => {
                        let names: Vec<&str> = document.parameters.keys().map(String::as_str).collect();
                        problem.help(format!("Its parameters are {}", names.join(", ")))
                    }
                });
            }
        }
    }
    for (name, parameter) in &document.parameters {
        if parameter.default.is_none() && !bound.contains_key(name) {
            problems.push(Problem::error(
                "missing-parameter",
                vec![name.as_str().into()],
                format!("Parameter `{name}` needs a value: it has no default"),
            ));
        }
    }
    problems.extend(defaults(document, &mut bound, run, at));
    if problems.is_empty() {
        problems.extend(role(document, &bound));
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

/// Fills in the defaults of parameters that were not given. One that is made of others comes after them; those that need
/// a parameter that is missing stay out.
fn defaults(
    document: &Document,
    bound: &mut Map<String, Value>,
    run: Option<&RunId>,
    at: Timestamp,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut open: Vec<(&String, &Parameter, &Value)> = document
        .parameters
        .iter()
        .filter(|(name, _)| !bound.contains_key(*name))
        .filter_map(|(name, parameter)| Some((name, parameter, parameter.default.as_ref()?)))
        .collect();
    loop {
        let is_known = |name: &String| bound.contains_key(name) || !document.parameters.contains_key(name);
        let (ready, later): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|(_, parameter, _)| names_in_default(parameter).all(|name| is_known(&name)));
        if ready.is_empty() {
            return problems;
        }
        open = later;
        for (name, parameter, default) in ready {
            let resolve = |reference: &Reference| match reference {
                Reference::Named { space, name } if space == "automation" && name == "EXECUTION_ID" => {
                    Ok(run.map(|run| run.as_str().into()))
                }
                Reference::Named { space, name } => Ok(global(space, name, at)),
                Reference::Parameter(name) => Ok(bound.get(name).cloned()),
                Reference::Output { .. } => Ok(None),
            };
            let value = interpolate(default, &resolve).unwrap_or_else(|_| default.clone());
            // A default as it is written was looked at when the document was read.
            if let Some(message) = (value != *default).then(|| check(parameter, &value)).flatten() {
                problems.push(Problem::error(
                    "bad-parameter",
                    vec![name.as_str().into()],
                    format!("Parameter `{name}`, whose default comes to {}, {message}", describe(&value)),
                ));
            }
            bound.insert(name.clone(), value);
        }
    }
}

/// What keeps these values from being those of a document's parameters: the parameter, and why, as the end of a sentence
/// that begins with its name. It is what a run would be refused for. Names that the document does not have are left out.
pub fn unfit(document: &Document, values: &Map<String, Value>) -> Vec<(String, String)> {
    let reason = |(name, value): (&String, &Value)| {
        let parameter = document.parameters.get(name)?;
        let reason = check(parameter, &from_wire(&parameter.kind, value.clone()))?;
        Some((name.clone(), reason))
    };
    values.iter().filter_map(reason).collect()
}

/// A document that asks for a role must not run with other rights than it means to.
fn role(document: &Document, bound: &Map<String, Value>) -> Option<Problem> {
    let wanted = document.assume_role.as_ref()?;
    let resolve = |reference: &Reference| match reference {
        Reference::Parameter(name) => Ok(bound.get(name).cloned()),
        _ => Ok(None),
    };
    match interpolate(&Value::String(wanted.clone()), &resolve) {
        Ok(Value::String(role)) if role.is_empty() => None,
        Ok(role) => Some(Problem::error(
            "not-built",
            vec!["assumeRole".into()],
            format!(
                "Running with an AWS role is not built yet, and the procedure asks for {}",
                describe(&role)
            ),
        )),
        Err(message) => Some(Problem::error("bad-parameter", vec!["assumeRole".into()], message)),
    }
}

/// The wire form of `StartAutomationExecution` is a list of texts, whatever the type. Where a list cannot be meant, its
/// only element is read as the type; everything else stays as it is, for [`check`] to judge.
fn from_wire(kind: &ParameterType, value: Value) -> Value {
    let Value::Array(list) = &value else { return value };
    match (kind, list.as_slice()) {
        (ParameterType::String | ParameterType::Aws(_), [only @ Value::String(_)]) => only.clone(),
        // What does not read as the type is judged, and shown, as the text it is.
        (ParameterType::Integer, [only @ Value::String(text)]) => {
            text.parse::<i64>().map_or(only.clone(), |number| Value::Number(Number::from(number)))
        }
        (ParameterType::Boolean, [only @ Value::String(text)]) => match text.as_str() {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => only.clone(),
        },
        (ParameterType::Integer | ParameterType::Boolean | ParameterType::StringMap, [only])
            if !only.is_string() =>
        {
            only.clone()
        }
        (ParameterType::StringMap, [Value::String(text)]) => match serde_json::from_str::<Value>(text) {
            Ok(map @ Value::Object(_)) => map,
            _ => Value::String(text.clone()),
        },
        (ParameterType::MapList, list) if !list.is_empty() && list.iter().all(Value::is_string) => {
            let maps: Option<Vec<Value>> = list
                .iter()
                .map(|text| serde_json::from_str(text.as_str()?).ok().filter(Value::is_object))
                .collect();
            maps.map_or(value, Value::Array)
        }
        _ => value,
    }
}

/// What is wrong with a value, as the end of a sentence that begins with the parameter's name.
pub(crate) fn check(parameter: &Parameter, value: &Value) -> Option<String> {
    let kind = &parameter.kind;
    if !kind.admits(value) {
        let why =
            no_json(kind, value).map(|error| format!(", which is no JSON: {error}")).unwrap_or_default();
        let found = match (kind, value) {
            (ParameterType::MapList, Value::Array(list)) => match list.as_slice() {
                [only @ Value::String(_)] => only,
                _ => value,
            },
            _ => value,
        };
        return Some(format!("is {}, found {}{why}", article(kind), describe(found)));
    }
    if !parameter.allowed_values.is_empty() {
        // `allowedValues` writes numbers and truth values as text as often as not.
        let allowed = |value: &Value| parameter.allowed_values.iter().any(|one| plain(one) == plain(value));
        let fits = allowed(value) || value.as_array().is_some_and(|list| list.iter().all(allowed));
        if !fits {
            let names: Vec<String> = parameter.allowed_values.iter().map(plain).collect();
            return Some(format!("is one of {}, found {}", names.join(", "), describe(value)));
        }
    }
    let each: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    if let Some(pattern) = &parameter.allowed_pattern
        && let Some(reason) = each.iter().find_map(|one| unlike(pattern, one))
    {
        return Some(reason);
    }
    for text in each.into_iter().filter_map(Value::as_str) {
        if let Some(reason) = aws_pattern(kind, text) {
            return Some(reason);
        }
        let length = text.chars().count() as u64;
        if value.is_string() {
            if let Some(least) = parameter.min_chars.filter(|least| length < *least) {
                return Some(format!("has at least {least} characters, found {length}"));
            }
            if let Some(most) = parameter.max_chars.filter(|most| length > *most) {
                return Some(format!("has at most {most} characters, found {length}"));
            }
        }
    }
    let count = match value {
        Value::Array(list) => list.len() as u64,
        Value::Object(map) => map.len() as u64,
        _ => return None,
    };
    if let Some(least) = parameter.min_items.filter(|least| count < *least) {
        return Some(format!("has at least {least} elements, found {count}"));
    }
    if let Some(most) = parameter.max_items.filter(|most| count > *most) {
        return Some(format!("has at most {most} elements, found {count}"));
    }
    None
}

/// Why a value does not match its pattern. Systems Manager gets values as texts: a number or truth value as it is written, a
/// mapping as JSON, with or without spaces.
fn unlike(pattern: &AllowedPattern, value: &Value) -> Option<String> {
    let texts = match value {
        Value::String(text) => vec![text.clone()],
        Value::Object(_) => vec![value.to_string(), spaced(value)],
        other => vec![other.to_string()],
    };
    let mut unlike = None;
    for text in texts {
        match pattern.matches(&text) {
            Ok(true) => return None,
            Ok(false) => {
                unlike.get_or_insert_with(|| {
                    format!("must match `{}`, found {}", pattern.as_str(), describe(value))
                });
            }
            Err(reason) => return Some(format!("must match `{}`, which {reason}", pattern.as_str())),
        }
    }
    unlike
}

/// JSON with a space after each comma and colon, as many tools write it.
fn spaced(value: &Value) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(spaced).collect())),
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), spaced(value));
            format!("{{{}}}", list(map.iter().map(entry).collect()))
        }
        other => other.to_string(),
    }
}

/// Why a text that is to be a mapping, and begins like one, cannot be read as one.
fn no_json(kind: &ParameterType, value: &Value) -> Option<serde_json::Error> {
    let text = match (kind, value) {
        (ParameterType::StringMap, Value::String(text)) => text,
        (ParameterType::MapList, Value::Array(list)) => list.iter().find_map(|one| match one {
            Value::String(text) if serde_json::from_str::<Value>(text).is_err() => Some(text),
            _ => None,
        })?,
        _ => return None,
    };
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Value>(text).err()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn article(kind: &ParameterType) -> String {
    match kind {
        ParameterType::Integer | ParameterType::Aws(_) => format!("an {}", kind.name()),
        _ => format!("a {}", kind.name()),
    }
}

/// The named AWS types whose form is documented. Others are plain text. An empty text stands for "none", as the
/// optional parameters of many documents do.
fn aws_pattern(kind: &ParameterType, text: &str) -> Option<String> {
    let (ParameterType::Aws(name) | ParameterType::AwsList(name)) = kind else { return None };
    let alnum = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = match name.as_str() {
        "AWS::EC2::Instance::Id" => text
            .strip_prefix("i-")
            .or_else(|| text.strip_prefix("mi-"))
            .is_some_and(|id| [8, 17].contains(&id.len()) && alnum(id)),
        "AWS::S3::Bucket::Name" => {
            let rest = text.get(1..).unwrap_or_default();
            text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && (3..=63).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        }
        "AWS::IAM::Role::Arn" => role_arn(text),
        _ => true,
    };
    (!fits && !text.is_empty()).then(|| format!("is an {name}, found {}", describe(&Value::from(text))))
}

fn role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let partition = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"];
    parts.next() == Some("arn")
        && parts.next().is_some_and(|part| partition.contains(&part))
        && parts.next() == Some("iam")
        && parts.next() == Some("")
        && parts
            .next()
            .is_some_and(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        && parts.next().is_some_and(|resource| resource.starts_with("role/"))
}
