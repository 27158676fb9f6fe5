//! Parameter definitions.

use std::collections::BTreeSet;
use std::ops::Range;

use mainstay_model::Problem;
use mainstay_model::problem::nearest;
use serde_json::{Map, Value};

use super::Parameters;
use crate::document::{AllowedPattern, Parameter, ParameterType, describe};
use crate::inputs::variable_problem;
use crate::parameters::check;
use crate::reader::{Reader, word_of_yaml_1_1};
use crate::reference::{Braced, Found, Reference, scan};

const KEYS: [&str; 11] = [
    "type",
    "description",
    "default",
    "allowedValues",
    "allowedPattern",
    "displayType",
    "minItems",
    "maxItems",
    "minChars",
    "maxChars",
    "interpolationType",
];

/// What a maintenance window fills in.
const WINDOW: [&str; 3] = ["TARGET_ID", "TARGET_TYPE", "RESOURCE_ID"];

const TYPES: [&str; 6] = ["String", "StringList", "Integer", "Boolean", "MapList", "StringMap"];

pub(crate) fn read_all(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Parameters {
    definitions(map, "parameters", reader)
}

/// The parameters that a default refers to, with their places in it.
fn referred(parameter: &Parameter) -> Vec<(String, Range<usize>)> {
    let text = parameter.default.as_ref().and_then(Value::as_str).unwrap_or_default();
    let named = |found: Found| match found.braced {
        Braced::Reference(Reference::Parameter(name)) => Some((name, found.span)),
        _ => None,
    };
    scan(text).into_iter().filter_map(named).collect()
}

/// The parameters that a default refers to.
pub(crate) fn names_in_default(parameter: &Parameter) -> impl Iterator<Item = String> {
    referred(parameter).into_iter().map(|(name, _)| name)
}

/// Defaults that are made of other parameters, as published runbooks name what they make after what they make it from:
/// each of these exists, and none comes back to where it began.
pub(crate) fn check_defaults(parameters: &Parameters, reader: &mut Reader<'_>) {
    let mut within = reader.inside("parameters");
    for (name, parameter) in parameters {
        let Some(parameter) = parameter else { continue };
        for (other, span) in referred(parameter) {
            // Said by itself already.
            if WINDOW.contains(&other.as_str()) {
                continue;
            }
            let path = within.inside(name.as_str()).at("default");
            let problem = if !parameters.contains_key(&other) {
                let problem =
                    Problem::error("unknown-reference", path, format!("There is no parameter `{other}`"));
                match nearest(&other, parameters.keys().map(String::as_str)) {
                    Some(near) => problem.help(format!("Did you mean `{near}`?")),
                    None => problem,
                }
            } else if comes_back(parameters, &other, name) {
                Problem::error("bad-reference", path, "A default cannot be made of itself").help(format!(
                    "`{name}` needs `{other}`, whose default needs `{name}`: write one of them out"
                ))
            } else {
                continue;
            };
            within.push(problem.within(span));
        }
    }
}

/// A Command document knows nothing of the run that sends it.
pub(crate) fn refuse_runs_in_defaults(parameters: &Parameters, reader: &mut Reader<'_>) {
    let mut within = reader.inside("parameters");
    for (name, parameter) in parameters {
        let text = parameter.as_ref().and_then(|parameter| parameter.default.as_ref()?.as_str());
        for found in scan(text.unwrap_or_default()) {
            if matches!(&found.braced, Braced::Reference(Reference::Named { space, .. }) if space == "automation")
            {
                let path = within.inside(name.as_str()).at("default");
                let message = "A default of a Command document cannot refer to a run";
                let problem = Problem::error("bad-reference", path, message)
                    .help("Give it among the `Parameters` of the aws:runCommand that names the document");
                within.push(problem.within(found.span));
            }
        }
    }
}

/// Whether the default of one parameter needs another, directly or through others.
fn comes_back(parameters: &Parameters, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = next.pop() {
        if name == to {
            return true;
        }
        if let Some(Some(parameter)) = parameters.get(&name)
            && seen.insert(name)
        {
            next.extend(names_in_default(parameter));
        }
    }
    false
}

/// Variables are defined as parameters are. What they begin with is their default; without one a step has to set them
/// before they are read.
pub(crate) fn read_variables(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Parameters {
    let variables = definitions(map, "variables", reader);
    for (name, variable) in &variables {
        let Some(variable) = variable else { continue };
        let mut within = reader.inside("variables");
        let mut within = within.inside(name.as_str());
        if let Some((_, span)) = referred(variable).into_iter().next() {
            let problem = Problem::error(
                "bad-reference",
                within.at("default"),
                "A variable's default cannot refer to parameters",
            )
            .help("Set it in a first step, with aws:updateVariable");
            within.push(problem.within(span));
        }
        if let Some(default) = &variable.default
            && default != ""
            && variable.kind.admits(default)
            && let Some(reason) = variable_problem(&variable.kind, default)
        {
            within.push(Problem::error(
                "bad-default",
                within.at("default"),
                format!("The default does not fit its variable: {reason}"),
            ));
        }
    }
    variables
}

fn definitions(map: &Map<String, Value>, key: &str, reader: &mut Reader<'_>) -> Parameters {
    let mut parameters = Parameters::new();
    let Some(definitions) = reader.structure(map, key) else { return parameters };
    let what = if key == "variables" { "variable" } else { "parameter" };
    let mut within = reader.inside(key);
    for (name, definition) in definitions {
        let mut within = within.inside(name.as_str());
        let more = if key == "variables" { &b"_-"[..] } else { &b""[..] };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b)) {
            within.push(
                Problem::error("bad-name", within.path.clone(), format!("`{name}` is not a {what}'s name"))
                    .on_key()
                    .label(if more.is_empty() {
                        "expected letters and digits"
                    } else {
                        "expected letters, digits, `_` and `-`"
                    }),
            );
        }
        let parameter = match definition {
            Value::Object(definition) => read(definition, &mut within),
            other => {
                within.wrong(within.path.clone(), name, "a mapping with `type`", other);
                None
            }
        };
        parameters.insert(name.clone(), parameter);
    }
    parameters
}

fn read(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Parameter> {
    reader.unknown_keys(map, &KEYS, "a parameter");
    let kind = kind(map, reader);
    let description = reader.text(map, "description");
    for (key, allowed) in
        [("displayType", &["textfield", "textarea"][..]), ("interpolationType", &["ENV_VAR"])]
    {
        if let Some(value) = reader.text(map, key)
            && !allowed.contains(&value.as_str())
        {
            reader.push(Problem::error(
                "bad-value",
                reader.at(key),
                format!("`{key}` is {}, found `{value}`", allowed.join(" or ")),
            ));
        }
    }
    let allowed_values = match map.get("allowedValues") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.clone(),
        Some(other) => {
            reader.wrong(reader.at("allowedValues"), "allowedValues", "a list", other);
            Vec::new()
        }
    };
    let allowed_pattern = reader.text(map, "allowedPattern").and_then(|text| pattern(&text, reader));
    let (min_items, max_items) = bounds(map, "minItems", "maxItems", reader);
    let (min_chars, max_chars) = bounds(map, "minChars", "maxChars", reader);
    let parameter = Parameter {
        kind: kind?,
        description,
        default: written_default(map, reader),
        allowed_values,
        allowed_pattern,
        min_items,
        max_items,
        min_chars,
        max_chars,
        env_var: map.get("interpolationType").is_some_and(|value| value == "ENV_VAR"),
    };
    default(&parameter, reader);
    Some(parameter)
}

/// The default as it is meant: whole numbers are also written as text.
fn written_default(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Value> {
    let default = map.get("default").filter(|value| !value.is_null())?;
    if map.get("type").is_some_and(|kind| kind == "Integer")
        && let Some(text) = default.as_str()
        && let Ok(number) = text.parse::<i64>()
    {
        reader.push(Problem::warning(
            "wrong-type",
            reader.at("default"),
            format!("The default of an Integer is written without quotes; it is read as the number {number}"),
        ));
        return Some(number.into());
    }
    Some(default.clone())
}

fn kind(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<ParameterType> {
    if !map.contains_key("type") {
        reader.missing("type", "A parameter");
        return None;
    }
    let name = reader.text(map, "type")?;
    let kind = ParameterType::parse(&name);
    if kind.is_none() {
        let problem =
            Problem::error("bad-value", reader.at("type"), format!("`{name}` is not a type of parameters"));
        reader.push(match nearest(&name, TYPES) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None => problem.help(format!("Types are {} and `AWS::...` names", TYPES.join(", "))),
        });
    }
    kind
}

fn bounds(
    map: &Map<String, Value>,
    least: &str,
    most: &str,
    reader: &mut Reader<'_>,
) -> (Option<u64>, Option<u64>) {
    let bounds = (reader.whole(map, least, 0, u64::MAX), reader.whole(map, most, 0, u64::MAX));
    if let (Some(low), Some(high)) = bounds
        && low > high
    {
        reader.push(Problem::error(
            "bad-value",
            reader.at(most),
            format!("`{most}` is {high}, less than `{least}`, which is {low}"),
        ));
    }
    bounds
}

fn pattern(text: &str, reader: &mut Reader<'_>) -> Option<AllowedPattern> {
    match AllowedPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let path = reader.at("allowedPattern");
            let message = format!("This is not a regular expression: {reason}");
            reader.push(Problem::error("bad-value", path, message));
            None
        }
    }
}

fn default(parameter: &Parameter, reader: &mut Reader<'_>) {
    let Some(default) = &parameter.default else { return };
    let path = reader.at("default");
    let mut later = false;
    if let Value::String(text) = default {
        for found in scan(text) {
            let path = path.clone();
            let problem = match &found.braced {
                Braced::Reference(Reference::Named { space, .. }) if space == "ssm" => Problem::error(
                    "not-built",
                    path,
                    "Defaults from the parameter store (`ssm:`) are not built yet",
                ),
                // Filled in when a run starts.
                Braced::Reference(Reference::Named { space, name })
                    if space == "global" || space == "automation" =>
                {
                    match super::reference::named(space, name) {
                        None => {
                            later = true;
                            continue;
                        }
                        Some(problem) => Problem { path, ..problem },
                    }
                }
                Braced::Reference(Reference::Parameter(name)) if WINDOW.contains(&name.as_str()) => {
                    Problem::error(
                        "not-built",
                        path,
                        format!("Maintenance windows (`{{{{ {name} }}}}`) are not built yet"),
                    )
                }
                // What other parameters there are is looked at when all are read.
                Braced::Reference(Reference::Parameter(_)) => {
                    later = true;
                    continue;
                }
                Braced::Reference(_) => {
                    Problem::error("bad-reference", path, "A default cannot refer to steps").help(
                        "Refer to them where the value is used; a default may hold other parameters, `global:DATE`, `global:DATE_TIME` and `automation:EXECUTION_ID`",
                    )
                }
                _ => continue,
            };
            reader.push(problem.within(found.span));
            return;
        }
    }
    // An empty text is how optional parameters say "none"; whether the pattern admits it is the run's affair only when
    // somebody gives it.
    if later || default == "" && parameter.kind.admits(default) {
        return;
    }
    if let Some(message) = check(parameter, default) {
        let problem = Problem::error(
            "bad-default",
            path,
            format!("The default does not fit its parameter, which {message}"),
        )
        .label(format!("found {}", describe(default)));
        let scalar = default.is_number() || default.is_boolean();
        let help = match &parameter.kind {
            ParameterType::String if scalar => Some("Put it in quotes to make it a text"),
            ParameterType::Boolean => word_of_yaml_1_1(default),
            ParameterType::StringList if default.is_string() => Some("A list of one is written `[…]` too"),
            _ => None,
        };
        reader.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}
