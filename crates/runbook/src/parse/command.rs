//! Command documents: schema versions 1.2 (`runtimeConfig`), 2.0 and 2.2 (`mainSteps`).

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, Severity, nearest};
use serde_json::{Map, Value};

use super::{Parameters, parameter};
use crate::document::{AfterFailure, Document, Language, OnFailure, PluginRules, Step, Work};
use crate::effect::Shell;
use crate::inputs;
use crate::library::{Library, Needs};
use crate::plugins::{PLUGINS, Platform, PluginFacts, SHARED, facts};
use crate::precondition::Precondition;
use crate::reader::Reader;
use crate::reference::{Braced, Reference, refers, scan};

/// What hosts run: there are agents for Linux only.
pub(crate) const PLATFORM: Platform = Platform::Linux;

/// The versions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1_2,
    V2_0,
    V2_2,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V2_0 => "2.0",
            Self::V2_2 => "2.2",
        }
    }
}

const STEP_KEYS: [&str; 9] = [
    "name",
    "action",
    "description",
    "inputs",
    "precondition",
    "maxAttempts",
    "onFailure",
    "settings",
    "timeoutSeconds",
];

pub(crate) fn read(
    map: &Map<String, Value>,
    version: Version,
    source: &Value,
    problems: &mut Vec<Problem>,
) -> Option<Document> {
    let mut reader = Reader { path: Vec::new(), problems, draft: true };
    let (body, other) = if version == Version::V1_2 {
        ("runtimeConfig", "mainSteps")
    } else {
        ("mainSteps", "runtimeConfig")
    };
    // Messages of agents have both, and one of them is null.
    if map.get(other).is_some_and(|value| !value.is_null()) {
        reader.push(
            Problem::error(
                "unknown-key",
                vec![other.into()],
                format!(
                    "Command documents of schema version {} have `{body}`, not `{other}`",
                    version.name()
                ),
            )
            .on_key(),
        );
    }
    let known = ["$schema", "schemaVersion", "description", "parameters", body, other];
    reader.unknown_keys(map, &known, "a Command document");
    let description = reader.text(map, "description");
    let parameters = parameter::read_all(map, &mut reader);
    parameter::check_defaults(&parameters, &mut reader);
    parameter::refuse_runs_in_defaults(&parameters, &mut reader);
    if !map.contains_key(body) {
        if !map.contains_key(other) {
            reader.missing(body, "A Command document");
        }
        return None;
    }
    let steps = if version == Version::V1_2 {
        old_steps(map, &parameters, &mut reader)
    } else {
        new_steps(map, version, &parameters, &mut reader)
    };
    Some(Document {
        language: Language::Command,
        description,
        assume_role: None,
        parameters: parameters.into_iter().filter_map(|(name, parameter)| Some((name, parameter?))).collect(),
        variables: std::collections::BTreeMap::new(),
        steps: steps?,
        outputs: Vec::new(),
        files: std::collections::BTreeMap::new(),
        needs: needs(map),
        library: Library::default(),
        warnings: Vec::new(),
        source: source.clone(),
    })
}

/// What the steps need beside the document.
fn needs(map: &Map<String, Value>) -> Needs {
    let mut needs = Needs::default();
    for (index, step) in map.get("mainSteps").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let (Some(action), Some(inputs)) =
            (step.get("action").and_then(Value::as_str), step.get("inputs").and_then(Value::as_object))
        {
            let spelled = facts(action).map(|facts| Spelled::of(facts, inputs, Version::V2_2));
            let inputs = spelled.as_ref().map_or(inputs, |spelled| &spelled.inputs);
            needs.note(action, inputs, &["mainSteps".into(), index.into(), "inputs".into()]);
        }
    }
    needs
}

/// `runtimeConfig`: plugins by name, each with its properties, once or several times. The order of plugins says
/// nothing in version 1.2; here they go by their names.
fn old_steps(
    map: &Map<String, Value>,
    parameters: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    let config = reader.structure(map, "runtimeConfig")?;
    if config.is_empty() {
        reader.push(Problem::error("bad-value", reader.at("runtimeConfig"), "`runtimeConfig` has no plugin"));
        return None;
    }
    let mut steps = Vec::new();
    let mut within = reader.inside("runtimeConfig");
    for (name, settings) in config {
        let facts = plugin(name, Version::V1_2, None, &mut within);
        let mut within = within.inside(name.as_str());
        let Value::Object(settings) = settings else {
            within.wrong(within.path.clone(), name, "a mapping with `properties`", settings);
            steps.push(None);
            continue;
        };
        within.unknown_keys(settings, &["properties", "description", "settings"], "a plugin's configuration");
        let entries: Vec<(Option<usize>, &Value)> = match settings.get("properties") {
            None => {
                within.missing("properties", "A plugin's configuration");
                Vec::new()
            }
            // Its configuration is written as JSON in a text; it runs nowhere here.
            Some(Value::String(_)) if name == "aws:cloudWatch" => {
                steps.push(None);
                continue;
            }
            Some(Value::Array(list)) => {
                list.iter().enumerate().map(|(index, entry)| (Some(index), entry)).collect()
            }
            Some(one) => vec![(None, one)],
        };
        if entries.is_empty() {
            if settings.contains_key("properties") {
                within.push(Problem::error(
                    "bad-value",
                    within.at("properties"),
                    "`properties` holds nothing to do",
                ));
            }
            steps.push(None);
        }
        for (index, entry) in entries {
            let mut within = within.inside("properties");
            let mut within = match index {
                Some(index) => within.inside(index),
                None => within.inside_here(),
            };
            let Value::Object(inputs) = entry else {
                within.wrong(within.path.clone(), "properties", "a list of mappings", entry);
                steps.push(None);
                continue;
            };
            let label = inputs.get("id").and_then(Value::as_str).map_or_else(
                || format!("{}{}", name.trim_start_matches("aws:"), index.unwrap_or(0)),
                str::to_owned,
            );
            steps.push(facts.and_then(|facts| {
                let spelled = Spelled::of(facts, inputs, Version::V1_2);
                let before = within.problems.len();
                let (work, rules) = work(facts, &spelled.inputs, Version::V1_2, &mut within);
                references(&spelled.inputs, &within.path.clone(), parameters, within.problems);
                spelled.point_back(&within.path.clone(), &mut within.problems[before..]);
                Some(step(label, facts, None, work?, rules, spelled.inputs))
            }));
        }
    }
    steps.into_iter().collect()
}

fn new_steps(
    map: &Map<String, Value>,
    version: Version,
    parameters: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    let list = match map.get("mainSteps") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) => {
            reader.push(Problem::error("bad-value", reader.at("mainSteps"), "`mainSteps` has no step"));
            return None;
        }
        Some(other) => {
            reader.wrong(reader.at("mainSteps"), "mainSteps", "a list of steps", other);
            return None;
        }
        None => return None,
    };
    let mut names: Vec<&str> = Vec::new();
    let mut steps = Vec::new();
    let mut within = reader.inside("mainSteps");
    for (index, item) in list.iter().enumerate() {
        let mut within = within.inside(index);
        let Value::Object(step) = item else {
            within.wrong(within.path.clone(), "mainSteps", "a list of steps", item);
            steps.push(None);
            continue;
        };
        if let Some(name) = step.get("name").and_then(Value::as_str) {
            if names.contains(&name) {
                within.push(Problem::error(
                    "duplicate-name",
                    within.at("name"),
                    format!("Another step is named `{name}` already"),
                ));
            }
            names.push(name);
        }
        let read = new_step(step, version, parameters, &mut within);
        if read.as_ref().is_some_and(|step| step.plugin.as_ref().is_some_and(|rules| rules.finally))
            && index + 1 < list.len()
        {
            within.push(
                Problem::error(
                    "bad-value",
                    vec!["mainSteps".into(), index.into(), "inputs".into(), "finallyStep".into()],
                    "Only the last step can have `finallyStep`",
                )
                .on_key(),
            );
        }
        steps.push(read);
    }
    steps.into_iter().collect()
}

fn new_step(
    map: &Map<String, Value>,
    version: Version,
    parameters: &Parameters,
    reader: &mut Reader<'_>,
) -> Option<Step> {
    reader.unknown_keys(map, &STEP_KEYS, "a step of a Command document");
    wire_keys(map, reader);
    let name = match reader.text(map, "name") {
        Some(name) if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) => {
            reader.push(Problem::error(
                "bad-name",
                reader.at("name"),
                "A step's name has 1 to 128 characters",
            ));
            None
        }
        None if !map.contains_key("name") => {
            reader.missing("name", "A step");
            None
        }
        Some(name) => {
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                let message = format!("Systems Manager refuses the name `{name}`; it is taken here");
                let problem = Problem::warning("bad-name", reader.at("name"), message);
                reader.push(problem.label("expected letters, digits and `_`"));
            }
            Some(name)
        }
        None => None,
    };
    let description = reader.text(map, "description");
    let before = reader.problems.len();
    let precondition = precondition(map, version, reader);
    let sound = reader.problems.len() == before;
    if let Some(value) = map.get("precondition") {
        let mut path = reader.path.clone();
        path.push("precondition".into());
        references_in(value, &mut path, parameters, false, reader.problems);
    }
    if !map.contains_key("action") {
        reader.missing("action", "A step");
    }
    let given = reader.text(map, "action");
    // A step that cannot run here is skipped, whatever it would do; so it needs no performer.
    let never =
        sound && precondition.as_ref().and_then(|precondition| precondition.on(PLATFORM)) == Some(false);
    let facts = given.and_then(|name| plugin(&name, version, Some("action"), reader));
    let empty = Map::new();
    let inputs = match map.get("inputs") {
        None | Some(Value::Null) if facts.is_some_and(|facts| facts.required.is_empty()) => Some(&empty),
        None => {
            reader.missing("inputs", "A step");
            None
        }
        Some(_) => reader.structure(map, "inputs"),
    }?;
    let facts = facts?;
    let spelled = Spelled::of(facts, inputs, version);
    let (work, mut rules) = {
        let mut within = reader.inside_if_there(map, "inputs");
        let before = within.problems.len();
        let found = work(facts, &spelled.inputs, version, &mut within);
        references(&spelled.inputs, &within.path.clone(), parameters, within.problems);
        spelled.point_back(&within.path.clone(), &mut within.problems[before..]);
        if never {
            // What is not built is not missed where it would never be done.
            let kept: Vec<Problem> =
                within.problems.drain(before..).filter(|problem| problem.code != "not-built").collect();
            within.problems.extend(kept);
        }
        found
    };
    let work = if never {
        Some(Work::Skip { reason: format!("Its precondition is never true on {}", PLATFORM.as_str()) })
    } else {
        work
    };
    if !facts.built && !matches!(work, Some(Work::Skip { .. })) {
        reader.push(no_performer(facts.name, reader.at("action")));
    }
    if matches!(work, Some(Work::RunScript(Shell::PowerShell))) {
        let at = reader.at("action");
        reader.push(inputs::needs_pwsh(facts.name, at));
    }
    rules.precondition = precondition;
    Some(step(name?, facts, description, work?, rules, spelled.inputs))
}

/// The inputs of a plugin with the keys that it knows: agents read them in whatever case they are written.
struct Spelled {
    inputs: Map<String, Value>,
    /// Keys that were written in another case: as they are known, and as they were written.
    others: Vec<(String, String)>,
}

impl Spelled {
    fn of(facts: &PluginFacts, inputs: &Map<String, Value>, version: Version) -> Self {
        let known = known(facts, version);
        let mut spelled = Self { inputs: Map::new(), others: Vec::new() };
        for (key, value) in inputs {
            let meant = known.iter().find(|known| known.eq_ignore_ascii_case(key));
            match meant.filter(|meant| !inputs.contains_key(**meant)) {
                Some(meant) if !spelled.inputs.contains_key(*meant) => {
                    spelled.others.push(((*meant).to_owned(), key.clone()));
                    spelled.inputs.insert((*meant).to_owned(), value.clone());
                }
                _ => drop(spelled.inputs.insert(key.clone(), value.clone())),
            }
        }
        spelled
    }

    /// Lets problems point at the keys as they were written.
    fn point_back(&self, path: &[Segment], problems: &mut [Problem]) {
        for problem in problems.iter_mut().filter(|problem| problem.path.starts_with(path)) {
            let Some(Segment::Key(key)) = problem.path.get_mut(path.len()) else { continue };
            if let Some((_, written)) = self.others.iter().find(|(known, _)| known == key) {
                key.clone_from(written);
            }
        }
    }
}

/// The keys of a plugin's inputs.
fn known(facts: &PluginFacts, version: Version) -> Vec<&'static str> {
    let id = (version == Version::V1_2).then_some("id");
    facts.required.iter().chain(facts.optional).chain(&SHARED).copied().chain(id).collect()
}

pub(crate) fn no_performer(name: &str, path: Vec<Segment>) -> Problem {
    Problem::error("not-built", path, format!("{name} has no performer yet"))
}

/// Keys that the agent's own messages carry on every step, and that people write there by mistake. The agent does not
/// look at them, so they do nothing; that is said where they were meant to do something.
fn wire_keys(map: &Map<String, Value>, reader: &mut Reader<'_>) {
    for key in ["maxAttempts", "onFailure", "settings", "timeoutSeconds"] {
        let Some(value) = map.get(key) else { continue };
        if !(value.is_null() || *value == 0 || *value == "") {
            let problem = Problem::warning(
                "unused-key",
                reader.at(key),
                format!("`{key}` does nothing here: steps of Command documents do not look at it"),
            )
            .on_key();
            reader.push(match key {
                "onFailure" | "timeoutSeconds" => problem.help(format!("Write `{key}` among the `inputs`")),
                _ => problem,
            });
        }
    }
}

fn precondition(map: &Map<String, Value>, version: Version, reader: &mut Reader<'_>) -> Option<Precondition> {
    let found = reader.structure(map, "precondition")?;
    if version != Version::V2_2 {
        reader.push(
            Problem::error(
                "unknown-key",
                reader.at("precondition"),
                format!("Steps of schema version {} have no `precondition`", version.name()),
            )
            .on_key()
            .help("Preconditions came with schema version 2.2"),
        );
        return None;
    }
    Precondition::read(found, &mut reader.inside("precondition"))
}

fn step(
    name: String,
    facts: &PluginFacts,
    description: Option<String>,
    work: Work,
    rules: PluginRules,
    inputs: Map<String, Value>,
) -> Step {
    Step {
        name,
        action: facts.name.to_owned(),
        description,
        work,
        max_attempts: 1,
        timeout: None,
        // Not a rule of Command documents, but what comes of theirs: all steps are tried, and one failure is enough
        // for the whole.
        on_failure: OnFailure::Continue,
        on_cancel: None,
        is_critical: Some(true),
        is_end: false,
        next_step: None,
        outputs: Vec::new(),
        inputs,
        parent: None,
        plugin: Some(rules),
    }
}

fn plugin(
    name: &str,
    version: Version,
    key: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<&'static PluginFacts> {
    let path = match key {
        Some(key) => reader.at(key),
        None => reader.at(name),
    };
    let Some(found) = facts(name) else {
        let problem = Problem::error("unknown-action", path, format!("`{name}` is not a plugin"));
        let problem = if key.is_none() { problem.on_key() } else { problem };
        reader.push(match nearest(name, PLUGINS.iter().map(|plugin| plugin.name)) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None if crate::actions::facts(name).is_some() => {
                problem.help(format!("{name} is an action of Automation documents (schemaVersion 0.3)"))
            }
            None => problem,
        });
        return None;
    };
    let fits = if version == Version::V1_2 { found.old } else { found.new };
    if !fits {
        reader.push(Problem::error(
            "bad-value",
            path,
            format!("{name} does not belong to schema version {}", version.name()),
        ));
        return None;
    }
    // Version 2.2 skips what another platform is meant to do; before that it is an error.
    if version != Version::V2_2 && !found.platforms.contains(&PLATFORM) {
        reader.push(
            Problem::error(
                "wrong-platform",
                path,
                format!("{name} does not run on {}, as hosts here do", PLATFORM.as_str()),
            )
            .help("Schema version 2.2 skips such a step"),
        );
    } else if key.is_none() && !found.built {
        reader.push(no_performer(name, path).on_key());
    }
    Some(found)
}

/// What a step does and what follows from it; nothing to do where its inputs are wrong.
fn work(
    facts: &PluginFacts,
    inputs: &Map<String, Value>,
    version: Version,
    reader: &mut Reader<'_>,
) -> (Option<Work>, PluginRules) {
    let before = reader.problems.len();
    unknown_inputs(facts, inputs, &known(facts, version), reader);
    for key in facts.required.iter().filter(|key| !inputs.contains_key(**key)) {
        reader.missing(key, facts.name);
    }
    for (key, words) in facts.words {
        word(inputs, key, words, reader);
    }
    let on_failure = match word(inputs, "onFailure", &["exit", "successAndExit"], reader).as_deref() {
        Some("exit") => AfterFailure::Exit,
        Some("successAndExit") => AfterFailure::SuccessAndExit,
        _ => AfterFailure::GoOn,
    };
    let rules = PluginRules {
        precondition: None,
        on_failure,
        exit_on_success: word(inputs, "onSuccess", &["exit"], reader).is_some(),
        finally: reader.flag(inputs, "finallyStep").unwrap_or(false),
    };
    match facts.name {
        "aws:runShellScript" | "aws:runPowerShellScript" => {
            inputs::read_shell_script(inputs, reader);
        }
        "aws:psModule" => {
            reader.texts(inputs, "runCommand");
            reader.text(inputs, "workingDirectory");
            reader.whole(inputs, "timeoutSeconds", 1, inputs::MAX_EXECUTION_TIMEOUT_S);
            inputs::read_unbuilt(facts.name, inputs, reader);
        }
        name => {
            inputs::read_plugin(name, inputs, reader);
            inputs::read_unbuilt(name, inputs, reader);
        }
    }
    let fine = !reader.problems[before..].iter().any(|problem| problem.severity == Severity::Error);
    let work = if !facts.platforms.contains(&PLATFORM) {
        Some(Work::Skip { reason: format!("{} does not run on {}", facts.name, PLATFORM.as_str()) })
    } else {
        match facts.name {
            _ if !fine || !facts.built => None,
            "aws:runShellScript" => Some(Work::RunScript(Shell::Sh)),
            "aws:runPowerShellScript" => Some(Work::RunScript(Shell::PowerShell)),
            _ => Some(Work::Plugin),
        }
    };
    (work, rules)
}

/// Inputs that a plugin does not look at. Documents in use have them, so they are no error but where another input is
/// likely to be meant.
fn unknown_inputs(facts: &PluginFacts, inputs: &Map<String, Value>, known: &[&str], reader: &mut Reader<'_>) {
    for key in inputs.keys().filter(|key| !known.contains(&key.as_str())) {
        // What AWS-RunShellScript calls its parameter, and version 1.2 of some plugins their input.
        let near = match key.as_str() {
            "commands" if known.contains(&"runCommand") => Some("runCommand"),
            key => nearest(key, known.iter().copied()),
        };
        let problem = match near {
            Some(near) => Problem::error(
                "unknown-key",
                reader.at(key),
                format!("`{key}` is not a key of the inputs of {}", facts.name),
            )
            .help(format!("Did you mean `{near}`?")),
            None => Problem::warning(
                "unused-key",
                reader.at(key),
                format!("`{key}` does nothing here: {} does not look at it", facts.name),
            )
            .help(format!("Its inputs are {}", known.join(", "))),
        };
        reader.push(problem.on_key());
    }
}

/// A text that is one of a few words, or decided by a reference.
fn word(inputs: &Map<String, Value>, key: &str, words: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(inputs, key)?;
    if refers(&text) || words.contains(&text.as_str()) {
        return Some(text);
    }
    let all = match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    let problem = Problem::error("bad-value", reader.at(key), format!("`{key}` is {all}, found `{text}`"));
    reader.push(match nearest(&text, words.iter().copied()) {
        Some(near) => problem.help(format!("Did you mean `{near}`?")),
        None => problem,
    });
    None
}

/// References of a step's inputs: parameters only.
fn references(
    inputs: &Map<String, Value>,
    path: &[Segment],
    parameters: &Parameters,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in inputs {
        let mut path = path.to_vec();
        path.push(key.as_str().into());
        references_in(value, &mut path, parameters, key == "runCommand" || key == "commands", problems);
    }
}

fn references_in(
    value: &Value,
    path: &mut Vec<Segment>,
    parameters: &Parameters,
    script: bool,
    problems: &mut Vec<Problem>,
) {
    match value {
        Value::String(text) => {
            for found in scan(text) {
                let Braced::Reference(reference) = &found.braced else { continue };
                if let Some(problem) = reference_problem(reference, parameters, script) {
                    problems.push(Problem { path: path.clone(), ..problem }.within(found.span));
                }
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                path.push(index.into());
                references_in(item, path, parameters, script, problems);
                path.pop();
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                path.push(key.as_str().into());
                references_in(item, path, parameters, script, problems);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How a script writes double braces that are its own.
pub(super) const OWN_BRACES: &str = "Double braces around a name are a reference, in scripts too; braces of the script's own are kept apart, as in `{ {`";

fn reference_problem(reference: &Reference, parameters: &Parameters, script: bool) -> Option<Problem> {
    let unknown = |message: String| {
        if script {
            // It may be meant for the script's own language, as templates of other tools are.
            Problem::warning(
                "unknown-reference",
                Vec::new(),
                format!("{message}; in this script it stays as it is"),
            )
        } else {
            Problem::error("unknown-reference", Vec::new(), message)
        }
    };
    match reference {
        Reference::Parameter(name) if parameters.contains_key(name) => None,
        // Also in a script: Systems Manager takes any single name for a parameter.
        Reference::Parameter(name) => {
            let message = format!("There is no parameter `{name}`");
            let problem = Problem::error("unknown-reference", Vec::new(), message);
            Some(match nearest(name, parameters.keys().map(String::as_str)) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None if script => problem.help(OWN_BRACES),
                None => problem,
            })
        }
        Reference::Output { .. } => {
            Some(unknown("Steps of Command documents have no outputs to refer to".to_owned()))
        }
        Reference::Named { space, .. } if space == "ssm" || space == "ssm-secure" => Some(Problem::error(
            "not-built",
            Vec::new(),
            format!("References to the parameter store (`{space}:`) are not built yet"),
        )),
        Reference::Named { space, name } => {
            Some(unknown(format!("There is no `{space}:{name}` in Command documents")))
        }
    }
}
