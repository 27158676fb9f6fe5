//! Triggers: EventBridge rules, from an event pattern to procedures and what they are given.
//!
//! The keys are those of the service's `PutRule` and `PutTargets` in one file; a schedule may have those of EventBridge
//! Scheduler's zones, dates and time window beside its expression. What is not built is refused by name: other buses,
//! roles, and targets other than procedures. A target without input starts its procedure without parameters: a whole
//! event, which the service would send, is no set of parameters.

use std::collections::BTreeSet;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, Timestamp};
use serde_json::{Map, Value, json};

use crate::pattern::Pattern;
use crate::read::{at, kind, list, mapping, string, unknown_keys};
use crate::schedule::{self, Schedule};

mod jsonpath;
mod transform;

pub use jsonpath::JsonPath;
pub use transform::Transformer;

/// A trigger that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Its name: up to 64 letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is on (`State`).
    pub enabled: bool,
    /// The events it is for. A trigger has a pattern or a schedule, or both.
    pub pattern: Option<Pattern>,
    /// When it fires by the clock.
    pub schedule: Option<Schedule>,
    /// What it starts.
    pub targets: Vec<Target>,
}

/// A procedure that a trigger starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Unique in its trigger.
    pub id: String,
    /// The name of the procedure.
    pub procedure: String,
    /// Where its parameters come from.
    pub input: TargetInput,
}

/// Where the parameters of a target come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetInput {
    /// There are none.
    None,
    /// Always these (`Input`).
    Constant(Map<String, Value>),
    /// The mapping at this path of the event (`InputPath`).
    Path(JsonPath),
    /// Made of parts of the event (`InputTransformer`).
    Transformer(Transformer),
}

/// A procedure to start, with its parameters.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TargetCall {
    /// The target.
    pub target_id: String,
    /// The name of the procedure.
    pub procedure: String,
    /// Its parameters.
    pub parameters: Map<String, Value>,
    /// Variables of the transformer that the event has nothing for; they left no trace in the parameters.
    pub undefined: Vec<String>,
}

/// Why a target cannot be started for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// `InputPath` leads nowhere in this event.
    #[error("target `{target}`: the event has nothing at `{path}`")]
    NothingAtPath {
        /// The target's id.
        target: String,
        /// The path, as written.
        path: String,
    },
    /// The input is not a mapping of parameters.
    #[error("target `{target}`: the input is {found}, expected a mapping of parameters")]
    NotAMapping {
        /// The target's id.
        target: String,
        /// What it is (`a list`).
        found: String,
    },
}

const KEYS: &[&str] = &["Name", "Description", "State", "EventPattern", "Targets"];

/// Keys of the format that are known and not built, with what they are for.
const UNBUILT: &[(&str, &str)] = &[
    ("EventBusName", "event buses other than the journal"),
    ("RoleArn", "roles of triggers"),
    ("Tags", "tags of triggers"),
];

const TARGET_KEYS: &[&str] = &["Id", "Arn", "Input", "InputPath", "InputTransformer"];

const TARGET_UNBUILT: &[(&str, &str)] = &[
    ("RoleArn", "roles of targets"),
    ("RetryPolicy", "retry policies of targets"),
    ("DeadLetterConfig", "dead-letter queues"),
    ("KinesisParameters", "Kinesis targets"),
    ("RunCommandParameters", "Run Command targets"),
    ("EcsParameters", "ECS targets"),
    ("BatchParameters", "Batch targets"),
    ("SqsParameters", "SQS targets"),
    ("HttpParameters", "HTTP targets"),
    ("RedshiftDataParameters", "Redshift targets"),
    ("SageMakerPipelineParameters", "SageMaker targets"),
    ("AppSyncParameters", "AppSync targets"),
];

impl Trigger {
    /// Reads a trigger. `EventPattern` may be a mapping or JSON text. All problems are reported.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        match read(value, &mut problems) {
            Some(trigger) if problems.is_empty() => Ok(trigger),
            _ => Err(problems),
        }
    }

    /// Whether the trigger is on and its pattern matches the event.
    pub fn matches(&self, event: &Value) -> bool {
        self.enabled && self.pattern.as_ref().is_some_and(|pattern| pattern.matches(event))
    }

    /// The event that a firing of the schedule is, in the shape that the service gives it. Its id follows from the name
    /// and the scheduled time, so that one firing is one event however often it is looked at.
    pub fn scheduled_event(&self, scheduled: Timestamp) -> Value {
        json!({
            "version": "0",
            "id": format!("schedule:{}:{scheduled}", self.name),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": scheduled.to_string(),
            "region": "local",
            "resources": [rule_arn(&self.name)],
            "detail": {},
        })
    }

    /// What to start for an event that matched, in the order of targets. One target that cannot be started does not
    /// keep the others from it.
    pub fn calls(&self, event: &Value) -> Vec<Result<TargetCall, TriggerError>> {
        self.targets.iter().map(|target| target.call(&self.name, event)).collect()
    }

    /// What to start for an event that matched; fails when any target cannot be started.
    pub fn inputs(&self, event: &Value) -> Result<Vec<TargetCall>, TriggerError> {
        self.calls(event).into_iter().collect()
    }
}

/// The name of a trigger as the service would write it.
fn rule_arn(trigger: &str) -> String {
    format!("arn:aws:events:local:000000000000:rule/{trigger}")
}

/// Whether starting `trigger` would let it cause itself. `chain` names the triggers that led to the event, oldest
/// first. The answer is the circle, from the trigger back to itself.
pub fn circle(trigger: &str, chain: &[impl AsRef<str>]) -> Option<Vec<String>> {
    let start = chain.iter().rposition(|name| name.as_ref() == trigger)?;
    let names = chain[start..].iter().map(|name| name.as_ref().to_owned());
    Some(names.chain([trigger.to_owned()]).collect())
}

impl Target {
    fn call(&self, trigger: &str, event: &Value) -> Result<TargetCall, TriggerError> {
        let mut undefined = Vec::new();
        let value = match &self.input {
            TargetInput::None => Value::Object(Map::new()),
            TargetInput::Constant(parameters) => Value::Object(parameters.clone()),
            TargetInput::Path(path) => path.find(event).cloned().ok_or_else(|| {
                TriggerError::NothingAtPath { target: self.id.clone(), path: path.text().to_owned() }
            })?,
            TargetInput::Transformer(transformer) => transformer.apply(trigger, event, &mut undefined),
        };
        match value {
            Value::Object(parameters) => Ok(TargetCall {
                target_id: self.id.clone(),
                procedure: self.procedure.clone(),
                parameters,
                undefined,
            }),
            other => {
                Err(TriggerError::NotAMapping { target: self.id.clone(), found: kind(&other).to_owned() })
            }
        }
    }
}

fn refuse_unbuilt(
    map: &Map<String, Value>,
    path: &[Segment],
    unbuilt: &[(&str, &str)],
    problems: &mut Vec<Problem>,
) {
    for (key, what) in unbuilt {
        if map.contains_key(*key) {
            problems.push(
                Problem::error(
                    "not-built",
                    at(path, *key),
                    format!("`{key}` is not supported: {what} are not built yet"),
                )
                .on_key(),
            );
        }
    }
}

/// Unknown keys, with the nearest of all keys of the format; the unbuilt ones are refused by name.
fn keys(
    map: &Map<String, Value>,
    path: &[Segment],
    known: &[&str],
    unbuilt: &[(&str, &str)],
    what: &str,
    problems: &mut Vec<Problem>,
) {
    refuse_unbuilt(map, path, unbuilt, problems);
    let all: Vec<&str> = known.iter().copied().chain(unbuilt.iter().map(|(key, _)| *key)).collect();
    unknown_keys(map, path, &all, what, problems);
}

fn read(value: &Value, problems: &mut Vec<Problem>) -> Option<Trigger> {
    let map = mapping(value, &[], "A trigger", problems)?;
    let known: Vec<&str> = KEYS.iter().chain(schedule::KEYS).copied().collect();
    let unbuilt: Vec<(&str, &str)> = UNBUILT.iter().chain(schedule::UNBUILT).copied().collect();
    keys(map, &[], &known, &unbuilt, "A trigger", problems);
    let name = read_name(map, problems);
    let description = match map.get("Description") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let text = string(value, &["Description".into()], "`Description`", problems)?;
            if text.chars().count() > 512 {
                problems.push(Problem::error(
                    "bad-description",
                    ["Description".into()],
                    "`Description` may have 512 characters",
                ));
            }
            Some(text.to_owned())
        }
    };
    let enabled = read_state(map, problems);
    let pattern = read_pattern(map, problems);
    let schedule = schedule::read(map, problems);
    let targets = read_targets(map, problems);
    Some(Trigger { name: name?, description, enabled: enabled?, pattern, schedule, targets })
}

fn read_name(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<String> {
    let path = [Segment::from("Name")];
    let Some(value) = map.get("Name") else {
        problems.push(Problem::error("missing-key", [], "A trigger must have `Name`").help("add `Name:`"));
        return None;
    };
    let name = string(value, &path, "`Name`", problems)?;
    check_name(name, &path, "Name", problems)
}

fn check_name(name: &str, path: &[Segment], key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Some(name.to_owned());
    }
    problems.push(Problem::error(
        "bad-name",
        path,
        format!("`{key}` must be 1 to 64 letters, digits, `.`, `-` or `_`"),
    ));
    None
}

fn read_state(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<bool> {
    let path = [Segment::from("State")];
    let text = match map.get("State") {
        None | Some(Value::Null) => return Some(true),
        Some(value) => string(value, &path, "`State`", problems)?,
    };
    match text {
        "ENABLED" => return Some(true),
        "DISABLED" => return Some(false),
        "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" => problems.push(Problem::error(
            "not-built",
            path,
            "`ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is not supported: there are no CloudTrail events here",
        )),
        other => {
            let problem = Problem::error("bad-state", path, format!("`{other}` is not a state"));
            problems.push(match nearest(other, ["ENABLED", "DISABLED"]) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("states are ENABLED and DISABLED"),
            });
        }
    }
    None
}

fn read_pattern(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<Pattern> {
    let path = [Segment::from("EventPattern")];
    let Some(value) = map.get("EventPattern") else {
        if !map.contains_key("ScheduleExpression") {
            problems.push(
                Problem::error(
                    "missing-key",
                    [],
                    "A trigger must have `EventPattern` or `ScheduleExpression`",
                )
                .help("add `EventPattern:`, or `ScheduleExpression: rate(5 minutes)`"),
            );
        }
        return None;
    };
    let parsed = match value {
        // Problems inside of a text have no place in the file but the text.
        Value::String(text) => Pattern::parse_json(text).map_err(|found| {
            found
                .into_iter()
                .map(|mut problem| {
                    if !problem.path.is_empty() {
                        problem.message = problem.to_string();
                        problem.path.clear();
                    }
                    problem.spot = mainstay_model::Spot::Value;
                    problem
                })
                .collect()
        }),
        other => Pattern::parse(other),
    };
    match parsed {
        Ok(pattern) => Some(pattern),
        Err(found) => {
            problems.extend(found.into_iter().map(|problem: Problem| problem.under(&path)));
            None
        }
    }
}

fn read_targets(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Vec<Target> {
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
    keys(map, path, TARGET_KEYS, TARGET_UNBUILT, "A target", problems);
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
    let procedure =
        arn.and_then(|arn| match procedure(&arn) {
            Ok(name) => Some(name),
            Err((code, message)) => {
                problems.push(Problem::error(code, at(path, "Arn"), message).help(
                    "name a procedure: `NAME`, `procedure/NAME` or the ARN of an automation definition",
                ));
                None
            }
        });
    let input = read_input(map, path, problems);
    Some(Target { id: id?, procedure: procedure?, input: input? })
}

/// The procedure that an `Arn` names: `NAME`, `procedure/NAME`, or the ARN of a Systems Manager automation definition.
fn procedure(arn: &str) -> Result<String, (&'static str, String)> {
    let name = match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "ssm", _, _, definition, version @ ..]
            if definition.starts_with("automation-definition/") =>
        {
            if !matches!(version, [] | ["$DEFAULT" | "$LATEST"]) {
                return Err((
                    "not-built",
                    format!("`{arn}` names a version; versions of procedures are not built yet"),
                ));
            }
            &definition["automation-definition/".len()..]
        }
        ["arn", _, service, ..] => {
            return Err(("not-built", format!("Targets of the service `{service}` are not built yet")));
        }
        _ => arn.strip_prefix("procedure/").unwrap_or(arn),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        return Err(("bad-name", format!("`{arn}` does not name a procedure")));
    }
    Ok(name.to_owned())
}

fn read_input(
    map: &Map<String, Value>,
    path: &[Segment],
    problems: &mut Vec<Problem>,
) -> Option<TargetInput> {
    let present: Vec<&str> =
        ["Input", "InputPath", "InputTransformer"].into_iter().filter(|key| map.contains_key(*key)).collect();
    match present.as_slice() {
        [] => Some(TargetInput::None),
        ["Input"] => {
            let path = at(path, "Input");
            let text = string(&map["Input"], &path, "`Input`", problems)?;
            constant(text, &path, problems).map(TargetInput::Constant)
        }
        ["InputPath"] => {
            let path = at(path, "InputPath");
            let text = string(&map["InputPath"], &path, "`InputPath`", problems)?;
            jsonpath::read(text, &path, problems).map(TargetInput::Path)
        }
        ["InputTransformer"] => {
            transform::read(&map["InputTransformer"], &at(path, "InputTransformer"), problems)
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

fn constant(text: &str, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Map<String, Value>> {
    if text.len() > 8192 {
        problems.push(Problem::error("input-too-long", path, "`Input` may have 8192 bytes"));
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Some(map),
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
            problems.push(Problem::error("bad-json", path, format!("`Input` is not JSON: {error}")));
            None
        }
    }
}
