//! The targets of a trigger: what is called, with which input, and how often.

use std::collections::BTreeSet;

use mainstay_model::{Problem, Segment, header};
use serde_json::{Map, Value};

use super::jsonpath::{self, JsonPath};
use super::policy::{self, RetryPolicy};
use super::transform::{self, Transformer};
use super::{TriggerError, check_name, refused};
use crate::read::{at, json, kind, list, mapping, string, unknown_keys};

/// What a trigger calls for each event that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Unique in its trigger.
    pub id: String,
    /// What is called.
    pub to: Destination,
    /// Where its input comes from.
    pub input: TargetInput,
    /// How often it is tried again.
    pub retry: RetryPolicy,
    /// What is added to the request of a webhook.
    pub http: HttpParameters,
}

/// What a target calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// A procedure is started, by its name.
    Procedure(String),
    /// A webhook of the workload is called, by its name.
    Webhook(String),
}

impl Destination {
    /// The name, of whichever it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Procedure(name) | Self::Webhook(name) => name,
        }
    }

    /// The name of the procedure, if it is one.
    pub fn procedure(&self) -> Option<&str> {
        match self {
            Self::Procedure(name) => Some(name),
            Self::Webhook(_) => None,
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Procedure(name) => write!(f, "procedure/{name}"),
            Self::Webhook(name) => write!(f, "webhook/{name}"),
        }
    }
}

/// What a target adds to the request of its webhook (`HttpParameters`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpParameters {
    /// What the `*` of the URL's path stand for, in their order.
    pub path: Vec<Shown>,
    /// Headers, by their names in lower case.
    pub headers: Vec<(String, Shown)>,
    /// Parameters of the query.
    pub query: Vec<(String, Shown)>,
}

/// A text that is written out, or is in the event.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// This text.
    Text(String),
    /// What is at this path of the event: a text as it is, anything else as JSON.
    Path(JsonPath),
}

impl Shown {
    fn of(&self, event: &Value) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Path(path) => path.find(event).map(|value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            }),
        }
    }
}

/// Where the input of a target comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetInput {
    /// A procedure is given nothing, a webhook the whole event.
    None,
    /// Always this (`Input`): a mapping for a procedure, any JSON for a webhook.
    Constant(Value),
    /// What is at this path of the event (`InputPath`): a mapping for a procedure.
    Path(JsonPath),
    /// Made of parts of the event (`InputTransformer`).
    Transformer(Transformer),
}

/// What is called for one event, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetCall {
    /// The target.
    pub target_id: String,
    /// What is called.
    pub to: Destination,
    /// The parameters of the procedure, always a mapping; or the body of the request.
    pub input: Value,
    /// Variables of the transformer that the event has nothing for; they left no trace in the input.
    pub undefined: Vec<String>,
    /// Texts for the `*` in the path of the webhook's URL.
    pub path: Vec<String>,
    /// Headers of the request.
    pub headers: Vec<(String, String)>,
    /// Parameters of the request's query.
    pub query: Vec<(String, String)>,
}

impl TargetCall {
    /// The parameters of a procedure.
    pub fn parameters(&self) -> Map<String, Value> {
        self.input.as_object().cloned().unwrap_or_default()
    }
}

const KEYS: &[&str] =
    &["Id", "Arn", "Input", "InputPath", "InputTransformer", "RetryPolicy", "HttpParameters"];

impl Target {
    pub(super) fn call(&self, trigger: &str, event: &Value) -> Result<TargetCall, TriggerError> {
        let mut undefined = Vec::new();
        let is_procedure = matches!(self.to, Destination::Procedure(_));
        let input = match &self.input {
            TargetInput::None if is_procedure => Value::Object(Map::new()),
            TargetInput::None => event.clone(),
            TargetInput::Constant(value) => value.clone(),
            TargetInput::Path(path) => path.find(event).ok_or_else(|| TriggerError::NothingAtPath {
                target: self.id.clone(),
                path: path.text().to_owned(),
            })?,
            TargetInput::Transformer(transformer) => transformer.apply(trigger, event, &mut undefined),
        };
        if is_procedure && !input.is_object() {
            return Err(TriggerError::NotAMapping {
                target: self.id.clone(),
                found: kind(&input).to_owned(),
            });
        }
        let path = self.http.path.iter().map(|shown| self.text(shown, event, "a part of the path"));
        let pairs = |pairs: &[(String, Shown)]| {
            let text = |(name, shown): &(String, Shown)| Ok((name.clone(), self.text(shown, event, name)?));
            pairs.iter().map(text).collect::<Result<Vec<_>, TriggerError>>()
        };
        Ok(TargetCall {
            target_id: self.id.clone(),
            to: self.to.clone(),
            input,
            undefined,
            path: path.collect::<Result<_, _>>()?,
            headers: pairs(&self.http.headers)?,
            query: pairs(&self.http.query)?,
        })
    }

    fn text(&self, shown: &Shown, event: &Value, what: &str) -> Result<String, TriggerError> {
        let bad = |reason: String| TriggerError::BadHttp { target: self.id.clone(), reason };
        let text = shown.of(event).ok_or_else(|| bad(format!("the event has nothing for `{what}`")))?;
        if text.len() > 8192 || text.contains(char::is_control) {
            return Err(bad(format!("what the event has for `{what}` cannot stand in a request")));
        }
        Ok(text)
    }
}

/// `HttpParameters` of a target.
fn http(
    map: &Map<String, Value>,
    path: &[Segment],
    to: Option<&Destination>,
    problems: &mut Vec<Problem>,
) -> HttpParameters {
    let mut out = HttpParameters::default();
    let Some(value) = map.get("HttpParameters") else { return out };
    let path = at(path, "HttpParameters");
    if matches!(to, Some(Destination::Procedure(_))) {
        let problem = Problem::error("bad-value", &*path, "A procedure has no HTTP parameters").on_key();
        problems.push(problem.help("they are for targets such as `Arn: webhook/NAME`"));
        return out;
    }
    let Some(map) = mapping(value, &path, "`HttpParameters`", problems) else { return out };
    let known = ["PathParameterValues", "HeaderParameters", "QueryStringParameters"];
    unknown_keys(map, &path, &known, "`HttpParameters`", problems);
    if let Some(value) = map.get(known[0]) {
        let path = at(&path, known[0]);
        let items = list(value, &path, "`PathParameterValues`", problems);
        for (index, value) in items.into_iter().flatten().enumerate() {
            out.path.extend(shown(value, &at(&path, index), problems));
        }
    }
    let pairs = |key: &str, problems: &mut Vec<Problem>| {
        let path = at(&path, key);
        let map = map.get(key).and_then(|value| mapping(value, &path, &format!("`{key}`"), problems));
        let read = |(name, value): (&String, &Value)| {
            Some((name.clone(), shown(value, &at(&path, name.as_str()), problems)?))
        };
        map.into_iter().flatten().filter_map(read).collect::<Vec<_>>()
    };
    let headers = pairs(known[1], problems);
    out.query = pairs(known[2], problems);
    for (name, shown) in headers {
        let lower = name.to_ascii_lowercase();
        let path = at(&at(&path, known[1]), name.as_str());
        if !header::is_name(&name) {
            let message = format!("`{name}` is not the name of a header");
            problems.push(Problem::error("bad-value", path, message).on_key());
        } else if header::is_own(&lower) {
            let message = format!("The header `{name}` is set by Mainstay");
            problems.push(Problem::error("bad-value", path, message).on_key());
        } else {
            out.headers.push((lower, shown));
        }
    }
    out
}

/// A text, or a path to one when it begins with `$.`.
fn shown(value: &Value, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Shown> {
    let text = string(value, path, "This", problems)?;
    if text.starts_with("$.") {
        return jsonpath::read(text, path, problems).map(Shown::Path);
    }
    if text.len() > 512 || text.contains(char::is_control) {
        let message = "This may have 512 characters, and no control characters";
        problems.push(Problem::error("bad-value", path, message));
        return None;
    }
    Some(Shown::Text(text.to_owned()))
}

pub(super) fn read(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Vec<Target> {
    let path = [Segment::from("Targets")];
    let entries = match map.get("Targets") {
        Some(Value::Array(entries)) if entries.is_empty() => None,
        None | Some(Value::Null) => None,
        Some(value) => match list(value, &path, "`Targets`", problems) {
            Some(entries) => Some(entries),
            None => return Vec::new(),
        },
    };
    let Some(entries) = entries else {
        problems.push(
            Problem::error("missing-key", [], "A trigger must have `Targets`")
                .help("name a procedure, such as `Targets: [{Id: restore, Arn: procedure/restore}]`"),
        );
        return Vec::new();
    };
    let mut ids = BTreeSet::new();
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = at(&path, index);
        let Some(target) = read_target(entry, &path, problems) else { continue };
        if !ids.insert(target.id.clone()) {
            problems.push(Problem::error(
                "duplicate-target",
                at(&path, "Id"),
                format!("The target id `{}` is repeated", target.id),
            ));
        }
        out.push(target);
    }
    out
}

fn read_target(value: &Value, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Target> {
    let map = mapping(value, path, "A target", problems)?;
    refused::keys(map, path, KEYS, refused::TARGET, "A target", problems);
    let mut required = |key: &str, help: &str| {
        let Some(value) = map.get(key) else {
            problems
                .push(Problem::error("missing-key", path, format!("A target must have `{key}`")).help(help));
            return None;
        };
        string(value, &at(path, key), &format!("`{key}`"), problems).map(str::to_owned)
    };
    let id = required("Id", "add `Id:`");
    let arn = required("Arn", "add `Arn:` with the name of a procedure");
    let id = id.and_then(|id| check_name(&id, &at(path, "Id"), "Id", problems));
    let to = arn.and_then(|arn| match destination(&arn) {
        Ok(destination) => Some(destination),
        Err(Unusable { code, message, instead }) => {
            problems.push(Problem::error(code, at(path, "Arn"), message).help(instead));
            None
        }
    });
    let input = read_input(map, path, to.as_ref(), problems);
    let retry = policy::retry(map, path, problems);
    let http = http(map, path, to.as_ref(), problems);
    Some(Target { id: id?, to: to?, input: input?, retry, http })
}

/// Why an `Arn` names nothing that can be called here.
struct Unusable {
    code: &'static str,
    message: String,
    instead: &'static str,
}

/// What an `Arn` names: `NAME`, `procedure/NAME`, the ARN of a Systems Manager automation definition; `webhook/NAME`, or
/// the ARN of an API destination, which stands for the webhook of that name.
fn destination(arn: &str) -> Result<Destination, Unusable> {
    const NAMES: &str = "name a procedure (`procedure/NAME` or the ARN of an automation definition) or a webhook of the workload (`webhook/NAME`)";
    let parts: Vec<&str> = arn.split(':').collect();
    let (name, webhook) = match parts.as_slice() {
        ["arn", _, "ssm", _, _, definition, version @ ..]
            if definition.starts_with("automation-definition/") =>
        {
            if !matches!(version, [] | ["$DEFAULT" | "$LATEST"]) {
                let message = format!("`{arn}` names a version; versions of procedures are not built yet");
                return Err(Unusable { code: "not-built", message, instead: "leave the version out" });
            }
            (&definition["automation-definition/".len()..], false)
        }
        ["arn", _, "events", _, _, name] if name.starts_with("api-destination/") => {
            let name = &name["api-destination/".len()..];
            (name.split('/').next().unwrap_or(name), true)
        }
        ["arn", _, service, ..] => {
            let message = format!("Targets of the service `{service}` are not built yet");
            return Err(Unusable { code: "not-built", message, instead: refused::instead_of(service) });
        }
        _ => match arn.strip_prefix("webhook/") {
            Some(name) => (name, true),
            None => (arn.strip_prefix("procedure/").unwrap_or(arn), false),
        },
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        let what = if webhook { "webhook" } else { "procedure" };
        let message = format!("`{arn}` does not name a {what}");
        return Err(Unusable { code: "bad-name", message, instead: NAMES });
    }
    Ok(if webhook { Destination::Webhook(name.to_owned()) } else { Destination::Procedure(name.to_owned()) })
}

fn read_input(
    map: &Map<String, Value>,
    path: &[Segment],
    to: Option<&Destination>,
    problems: &mut Vec<Problem>,
) -> Option<TargetInput> {
    let present: Vec<&str> =
        ["Input", "InputPath", "InputTransformer"].into_iter().filter(|key| map.contains_key(*key)).collect();
    match present.as_slice() {
        [] => Some(TargetInput::None),
        ["Input"] => {
            let path = at(path, "Input");
            let text = string(&map["Input"], &path, "`Input`", problems)?;
            constant(text, &path, to, problems).map(TargetInput::Constant)
        }
        ["InputPath"] => {
            let path = at(path, "InputPath");
            let text = string(&map["InputPath"], &path, "`InputPath`", problems)?;
            jsonpath::read(text, &path, problems).map(TargetInput::Path)
        }
        ["InputTransformer"] => {
            let is_body = matches!(to, Some(Destination::Webhook(_)));
            transform::read(&map["InputTransformer"], &at(path, "InputTransformer"), is_body, problems)
                .map(TargetInput::Transformer)
        }
        [_, second, ..] => {
            problems.push(
                Problem::error(
                    "two-inputs",
                    at(path, *second),
                    "A target has at most one of `Input`, `InputPath` and `InputTransformer`",
                )
                .on_key(),
            );
            None
        }
        _ => None,
    }
}

fn constant(
    text: &str,
    path: &[Segment],
    to: Option<&Destination>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    if text.len() > 8192 {
        problems.push(Problem::error("input-too-long", path, "`Input` may have 8192 bytes"));
        return None;
    }
    match json(text) {
        Ok(value) if value.is_object() || matches!(to, Some(Destination::Webhook(_))) => Some(value),
        Ok(other) => {
            problems.push(
                Problem::error(
                    "wrong-type",
                    path,
                    format!("`Input` must be a JSON mapping, found {}", kind(&other)),
                )
                .help("write the parameters of the procedure, such as `{\"Name\": \"value\"}`"),
            );
            None
        }
        Err(error) => {
            let problem = Problem::error("bad-json", path, format!("`Input` is not JSON: {error}"));
            problems.push(problem.within(error.span));
            None
        }
    }
}
