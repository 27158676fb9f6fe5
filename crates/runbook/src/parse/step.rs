//! Steps: the keys all of them have, and the inputs of their actions.

use mainstay_model::Problem;
use mainstay_model::problem::nearest;
use serde_json::{Map, Value};

use super::Parameters;
use super::command::no_performer;
use super::loops::{self, Flat};
use crate::actions::{ACTIONS, ActionFacts, facts};
use crate::branch::{self, Choice};
use crate::child;
use crate::document::{OnFailure, OutputDeclaration, ParameterType, Step, Timeout, Work, describe};
use crate::inputs;
use crate::path::Path;
use crate::reader::Reader;
use crate::reference::{Reference, whole};

const KEYS: [&str; 13] = [
    "name",
    "action",
    "description",
    "maxAttempts",
    "timeoutSeconds",
    "onFailure",
    "onCancel",
    "isCritical",
    "isEnd",
    "nextStep",
    "inputs",
    "outputs",
    "precondition",
];

/// The steps; `None` where one of them could not be made sense of.
pub(crate) fn read_all(
    map: &Map<String, Value>,
    flat: &[Flat<'_>],
    variables: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    match map.get("mainSteps") {
        None => {
            reader.missing("mainSteps", "A document");
            return None;
        }
        Some(Value::Array(list)) if list.is_empty() => {
            reader.push(Problem::error("bad-value", reader.at("mainSteps"), "`mainSteps` has no step"));
            return None;
        }
        Some(Value::Array(_)) => {}
        Some(other) => {
            reader.wrong(reader.at("mainSteps"), "mainSteps", "a list of steps", other);
            return None;
        }
    }
    let mut names: Vec<&str> = Vec::new();
    let mut steps = Vec::new();
    for item in flat {
        let mut within = Reader { path: item.path.clone(), problems: reader.problems, draft: true };
        let Value::Object(step) = item.step else {
            let list = if item.parent.is_none() { "mainSteps" } else { "Steps" };
            within.wrong(within.path.clone(), list, "a list of steps", item.step);
            steps.push(None);
            continue;
        };
        if let Some(name) = item.text("name") {
            if names.contains(&name) {
                within.push(Problem::error(
                    "duplicate-name",
                    within.at("name"),
                    format!("Another step is named `{name}` already"),
                ));
            }
            names.push(name);
        }
        let parent = item.parent.and_then(|parent| flat[parent].text("name")).map(str::to_owned);
        steps.push(read(step, parent, variables, &mut within));
    }
    steps.into_iter().collect()
}

fn read(
    map: &Map<String, Value>,
    parent: Option<String>,
    variables: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Step> {
    let named = map.get("action").and_then(Value::as_str).and_then(facts);
    // What belongs among the inputs and stands beside them is told where it belongs.
    let strays = |key: &&str| {
        !KEYS.contains(key)
            && named
                .is_some_and(|action| action.required.iter().chain(action.optional).any(|known| known == key))
    };
    let strays: Vec<&str> = map.keys().map(String::as_str).filter(strays).collect();
    for key in &strays {
        let problem =
            Problem::error("unknown-key", reader.at(key), format!("`{key}` is not a key of a step"));
        reader.push(problem.on_key().help(format!("Write `{key}` among the `inputs`")));
    }
    reader.unknown_keys(map, &[&KEYS[..], &strays[..]].concat(), "a step");
    if map.contains_key("precondition") {
        reader.push(
            Problem::error(
                "unknown-key",
                reader.at("precondition"),
                "Automation steps have no `precondition`",
            )
            .on_key()
            .help("Branch with aws:branch; `precondition` belongs to Command documents"),
        );
    }
    let name = name(map, reader);
    let action = action(map, reader);
    let description = reader.text(map, "description");
    let max_attempts = reader.whole(map, "maxAttempts", 1, u64::from(u32::MAX));
    let timeout = timeout(map, reader);
    let on_failure = on_failure(map, reader);
    let on_cancel = on_cancel(map, action, reader);
    let is_critical = reader.flag(map, "isCritical");
    let is_end = reader.flag(map, "isEnd").unwrap_or(false);
    let next_step = reader.text(map, "nextStep");
    if is_end && next_step.is_some() {
        reader.push(
            Problem::error(
                "unused-key",
                reader.at("nextStep"),
                "A step with `isEnd` has no `nextStep`: it would never be taken",
            )
            .on_key(),
        );
    }
    if let (true, Some(OnFailure::Step(_))) = (is_end, &on_failure) {
        let what = if parent.is_some() { "iteration" } else { "run" };
        reader.push(
            Problem::warning(
                "unused-key",
                reader.at("onFailure"),
                format!(
                    "`isEnd` ends the {what} here also when the step fails, so `onFailure` leads nowhere"
                ),
            )
            .on_key()
            .help("End the way that succeeds with a step of its own that has `isEnd`"),
        );
    }
    let given = inputs_of(map, action, reader);
    let outputs = outputs(map, action, reader);
    let work = given
        .as_ref()
        .and_then(|given| work(action?, given, variables, &mut reader.inside_if_there(map, "inputs")));
    let action = action?;
    if !action.built {
        reader.push(no_performer(action.name, reader.at("action")));
    }
    if action.name == "aws:loop" {
        for key in ["timeoutSeconds", "maxAttempts"].iter().filter(|key| map.contains_key(**key)) {
            reader.not_built(reader.at(key), &format!("`{key}` of aws:loop is"));
        }
    }
    Some(Step {
        name: name?,
        action: action.name.to_owned(),
        description,
        work: work?,
        max_attempts: max_attempts.and_then(|number| u32::try_from(number).ok()).unwrap_or(1),
        timeout,
        on_failure: on_failure?,
        on_cancel,
        is_critical,
        is_end,
        next_step,
        outputs,
        inputs: given?,
        parent,
        plugin: None,
    })
}

fn inputs_of(
    map: &Map<String, Value>,
    action: Option<&ActionFacts>,
    reader: &mut Reader<'_>,
) -> Option<Map<String, Value>> {
    match map.get("inputs") {
        None if action.is_none_or(|action| action.required.is_empty()) => Some(Map::new()),
        None => {
            reader.missing("inputs", "A step");
            None
        }
        Some(Value::Null) if action.is_some_and(|action| action.required.is_empty()) => Some(Map::new()),
        Some(_) => reader.structure(map, "inputs").cloned(),
    }
}

fn name(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<String> {
    if !map.contains_key("name") {
        reader.missing("name", "A step");
        return None;
    }
    let name = reader.text(map, "name")?;
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        reader.push(
            Problem::error("bad-name", reader.at("name"), format!("`{name}` is not a step's name"))
                .label("expected letters, digits and `_`"),
        );
    }
    good.then_some(name)
}

fn action(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<&'static ActionFacts> {
    if !map.contains_key("action") {
        reader.missing("action", "A step");
        return None;
    }
    let name = reader.text(map, "action")?;
    let action = facts(&name);
    if action.is_none() {
        let problem =
            Problem::error("unknown-action", reader.at("action"), format!("`{name}` is not an action"));
        reader.push(match nearest(&name, ACTIONS.iter().map(|action| action.name)) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None if name.starts_with("aws:run") => {
                problem.help("Plugins of Command documents run through `aws:runCommand`")
            }
            None => problem,
        });
    }
    action
}

fn timeout(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Timeout> {
    let text = map.get("timeoutSeconds")?.as_str().map(str::to_owned);
    match text.as_deref().and_then(whole) {
        Some(Reference::Parameter(name)) => Some(Timeout::Parameter(name)),
        Some(other) => {
            reader.push(Problem::error(
                "bad-reference",
                reader.at("timeoutSeconds"),
                format!("`timeoutSeconds` can refer to a parameter only, not to {other}"),
            ));
            None
        }
        None => reader.whole(map, "timeoutSeconds", 1, u64::from(u32::MAX)).map(Timeout::Seconds),
    }
}

fn on_failure(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<OnFailure> {
    if !map.contains_key("onFailure") {
        return Some(OnFailure::Abort);
    }
    let text = reader.text(map, "onFailure")?;
    match text.as_str() {
        "Abort" => Some(OnFailure::Abort),
        "Continue" => Some(OnFailure::Continue),
        _ => match text.strip_prefix("step:") {
            Some(name) => Some(OnFailure::Step(name.trim().to_owned())),
            None => {
                bad_jump(&text, "onFailure", &["Abort", "Continue"], reader);
                None
            }
        },
    }
}

fn on_cancel(
    map: &Map<String, Value>,
    action: Option<&ActionFacts>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let text = reader.text(map, "onCancel")?;
    if let Some(action) = action
        && ["aws:updateVariable", "aws:loop"].contains(&action.name)
    {
        reader.push(
            Problem::error(
                "bad-value",
                reader.at("onCancel"),
                format!("{} cannot have `onCancel`", action.name),
            )
            .on_key(),
        );
    }
    match text.strip_prefix("step:") {
        Some(name) => Some(name.trim().to_owned()),
        None if text == "Abort" => None,
        None => {
            bad_jump(&text, "onCancel", &["Abort"], reader);
            None
        }
    }
}

fn bad_jump(text: &str, key: &str, words: &[&str], reader: &mut Reader<'_>) {
    let problem = Problem::error(
        "bad-value",
        reader.at(key),
        format!("`{key}` is {} or `step:NAME`, found `{text}`", words.join(", ")),
    );
    let name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    reader.push(match nearest(text, words.iter().copied()) {
        Some(near) => problem.help(format!("Did you mean `{near}`?")),
        None if name => problem.help(format!("A step is named so: `step:{text}`")),
        None => problem,
    });
}

fn outputs(
    map: &Map<String, Value>,
    action: Option<&ActionFacts>,
    reader: &mut Reader<'_>,
) -> Vec<OutputDeclaration> {
    let list = match map.get("outputs") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            reader.wrong(reader.at("outputs"), "outputs", "a list of `Name` and `Selector`", other);
            return Vec::new();
        }
    };
    if let Some(action) = action
        && !action.declares
        && !list.is_empty()
    {
        reader.push(
            Problem::error(
                "bad-value",
                reader.at("outputs"),
                format!("{} takes no declared outputs", action.name),
            )
            .on_key(),
        );
    }
    let mut declarations: Vec<OutputDeclaration> = Vec::new();
    let mut within = reader.inside("outputs");
    for (index, item) in list.iter().enumerate() {
        let mut within = within.inside(index);
        let Value::Object(output) = item else {
            within.wrong(within.path.clone(), "outputs", "a list of `Name` and `Selector`", item);
            continue;
        };
        if let Some(declaration) = declaration(output, &mut within) {
            nowhere(action, &declaration, &mut within);
            if declarations.iter().any(|known| known.name == declaration.name) {
                within.push(Problem::error(
                    "duplicate-name",
                    within.at("Name"),
                    format!("The step declares the output `{}` already", declaration.name),
                ));
            }
            declarations.push(declaration);
        }
    }
    declarations
}

/// A selector that names no output of an action whose outputs are known finds nothing, ever.
fn nowhere(action: Option<&ActionFacts>, declaration: &OutputDeclaration, reader: &mut Reader<'_>) {
    let Some(action) = action else { return };
    // What other actions answer with is not known here: an API's answer, or the outputs of another procedure.
    if !["aws:executeScript", "aws:runCommand", "aws:invokeWebhook", "mainstay:query"].contains(&action.name)
    {
        return;
    }
    let Some(key) = declaration.selector.first_key() else { return };
    if key == "Log" || action.outputs.contains(&key) {
        return;
    }
    let message = format!("{} leaves nothing at `{}`", action.name, declaration.selector.as_str());
    let problem = Problem::warning("bad-selector", reader.at("Selector"), message);
    reader.push(match action.name {
        "aws:executeScript" => problem.help("What the script returns is below `$.Payload`"),
        _ => problem.help(format!("Below `$` there are {}", action.outputs.join(", "))),
    });
}

fn declaration(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<OutputDeclaration> {
    reader.unknown_keys(map, &["Name", "Selector", "Type"], "an output");
    for key in ["Name", "Selector"].iter().filter(|key| !map.contains_key(**key)) {
        reader.missing(key, "An output");
    }
    let kind = match reader.text(map, "Type") {
        None => None,
        Some(name) => match ParameterType::parse(&name) {
            Some(kind) if !matches!(kind, ParameterType::Aws(_) | ParameterType::AwsList(_)) => Some(kind),
            _ => {
                reader.push(
                    Problem::error(
                        "bad-value",
                        reader.at("Type"),
                        format!("`{name}` is not a type of outputs"),
                    )
                    .help("Types are String, StringList, Boolean, Integer, StringMap and MapList"),
                );
                None
            }
        },
    };
    let name = reader.text(map, "Name");
    let selector = reader.text(map, "Selector")?;
    match Path::parse(&selector) {
        Ok(selector) => Some(OutputDeclaration { name: name?, selector, kind }),
        Err(error) => {
            let code = if error.not_built { "not-built" } else { "bad-selector" };
            let at = error.at.min(selector.len());
            reader
                .push(Problem::error(code, reader.at("Selector"), error.message).within(at..selector.len()));
            None
        }
    }
}

fn work(
    action: &ActionFacts,
    given: &Map<String, Value>,
    variables: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Work> {
    if action.name == "aws:pause" {
        // It takes no inputs, and Systems Manager passes over those that are there.
        for key in given.keys() {
            let problem =
                Problem::warning("unused-key", reader.at(key), format!("aws:pause makes nothing of `{key}`"));
            reader.push(problem.on_key());
        }
    } else if !action.open {
        let known: Vec<&str> = action.required.iter().chain(action.optional).copied().collect();
        reader.unknown_keys(given, &known, &format!("the inputs of {}", action.name));
    }
    match action.name {
        "aws:runCommand" => {
            inputs::read_command(given, reader);
            Some(Work::RunCommand)
        }
        "aws:executeScript" => {
            inputs::read_script(given, reader);
            Some(Work::ExecuteScript)
        }
        "aws:executeAutomation" => {
            child::read(given, reader);
            Some(Work::ExecuteAutomation)
        }
        "aws:sleep" => {
            inputs::read_sleep(given, reader);
            Some(Work::Sleep)
        }
        "aws:branch" => branch(given, reader),
        "aws:loop" => loops::read(given, reader).map(Work::Loop),
        "aws:pause" => Some(Work::Pause),
        "aws:updateVariable" => update_variable(given, variables, reader),
        "aws:invokeWebhook" => control(action, given, reader),
        name if name.starts_with("mainstay:") => control(action, given, reader),
        _ => {
            for key in action.required.iter().filter(|key| !given.contains_key(**key)) {
                reader.missing(key, action.name);
            }
            inputs::read_unbuilt(action.name, given, reader);
            None
        }
    }
}

/// What the control plane performs itself.
fn control(action: &ActionFacts, given: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Work> {
    inputs::read_control(action.name, given, reader);
    Some(Work::Control)
}

fn update_variable(
    given: &Map<String, Value>,
    variables: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Work> {
    for key in ["Name", "Value"].iter().filter(|key| !given.contains_key(**key)) {
        reader.missing(key, "aws:updateVariable");
    }
    let written = reader.text(given, "Name")?;
    let Some(name) = written.strip_prefix("variable:") else {
        reader.push(
            Problem::error("bad-value", reader.at("Name"), format!("`{written}` does not name a variable"))
                .label("expected `variable:NAME`"),
        );
        return None;
    };
    let Some(variable) = variables.get(name) else {
        let problem =
            Problem::error("unknown-reference", reader.at("Name"), format!("There is no variable `{name}`"))
                .within(written.len() - name.len()..written.len());
        reader.push(match nearest(name, variables.keys().map(String::as_str)) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None => problem.help("Variables are declared under `variables`, beside `parameters`"),
        });
        return None;
    };
    let value = given.get("Value")?;
    if let Some(variable) = variable
        && !reader.open_within(value)
        && let Some(reason) = inputs::variable_problem(&variable.kind, value)
    {
        reader.push(Problem::error(
            "wrong-type",
            reader.at("Value"),
            format!("The value does not fit the variable `{name}`: {reason}"),
        ));
    }
    Some(Work::UpdateVariable { name: name.to_owned() })
}

fn branch(given: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Work> {
    let default = reader.text(given, "Default");
    let list = match given.get("Choices") {
        None => {
            reader.missing("Choices", "aws:branch");
            return None;
        }
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) => {
            reader.push(Problem::error("bad-value", reader.at("Choices"), "`Choices` has no choice"));
            return None;
        }
        Some(other) => {
            reader.wrong(reader.at("Choices"), "Choices", "a list of choices", other);
            return None;
        }
    };
    let mut choices = Vec::new();
    let mut within = reader.inside("Choices");
    for (index, item) in list.iter().enumerate() {
        let mut within = within.inside(index);
        let Value::Object(choice) = item else {
            within.push(
                Problem::error(
                    "wrong-type",
                    within.path.clone(),
                    format!("A choice is a mapping, found {}", describe(item)),
                )
                .label("expected a mapping"),
            );
            choices.push(None);
            continue;
        };
        if !choice.contains_key("NextStep") {
            within.missing("NextStep", "A choice");
        }
        let next_step = within.text(choice, "NextStep");
        let condition = branch::condition(choice, &["NextStep"], &within.path, within.problems);
        choices.push(match (condition, next_step) {
            (Some(condition), Some(next_step)) => Some(Choice { condition, next_step }),
            _ => None,
        });
    }
    Some(Work::Branch { choices: choices.into_iter().collect::<Option<Vec<_>>>()?, default })
}
