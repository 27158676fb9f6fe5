//! Triggers: EventBridge rules, from an event pattern to procedures and what they are given.
//!
//! The keys are those of the service's `PutRule` and `PutTargets` in one file; a schedule may have those of EventBridge
//! Scheduler's zones, dates and time window beside its expression. What is not built is refused by name: other buses,
//! roles, and targets other than procedures and webhooks. A procedure without input starts without parameters: a whole
//! event, which the service would send, is no set of parameters. A webhook without input is sent the whole event.

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, Severity, Timestamp};
use serde_json::{Map, Value, json};

use crate::pattern::Pattern;
use crate::read::{mapping, string};
use crate::schedule::{self, Schedule};

mod jsonpath;
mod policy;
mod refused;
mod target;
mod transform;

pub use jsonpath::JsonPath;
pub use policy::{Concurrency, Handling, Missed, RetryPolicy, Throttle};
pub use target::{Destination, HttpParameters, Shown, Target, TargetCall, TargetInput};
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
    /// How its matches are handled: throttled, one at a time, and the like (`Mainstay`).
    pub handling: Handling,
    /// What it starts.
    pub targets: Vec<Target>,
    /// What works and is probably not as meant.
    pub warnings: Vec<Problem>,
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
    /// A part of the request that is taken from the event cannot stand there.
    #[error("target `{target}`: {reason}")]
    BadHttp {
        /// The target's id.
        target: String,
        /// What is wrong.
        reason: String,
    },
}

const KEYS: &[&str] = &["Name", "Description", "State", "EventPattern", "Targets", "Mainstay"];

impl Trigger {
    /// Reads a trigger. `EventPattern` may be a mapping or JSON text. All problems are reported.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let trigger = read(value, &mut problems);
        let is_good = problems.iter().all(|problem| problem.severity == Severity::Warning);
        match trigger {
            Some(trigger) if is_good => Ok(Self { warnings: problems, ..trigger }),
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

    /// What one target calls for an event; `None` if there is no such target.
    pub fn call(&self, target: &str, event: &Value) -> Option<Result<TargetCall, TriggerError>> {
        let target = self.targets.iter().find(|known| known.id == target)?;
        Some(target.call(&self.name, event))
    }

    /// The webhook of a target that is sent the whole event, with nothing else in the request that comes from it.
    pub fn sends_all(&self, target: &str) -> Option<&str> {
        let target = self.targets.iter().find(|known| known.id == target)?;
        match &target.to {
            Destination::Webhook(name)
                if target.input == TargetInput::None && target.http == HttpParameters::default() =>
            {
                Some(name)
            }
            _ => None,
        }
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

fn read(value: &Value, problems: &mut Vec<Problem>) -> Option<Trigger> {
    let map = mapping(value, &[], "A trigger", problems)?;
    let known: Vec<&str> = KEYS.iter().chain(schedule::KEYS).copied().collect();
    refused::keys(map, &[], &known, refused::RULE, "A trigger", problems);
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
    let handling = policy::handling(map, problems);
    let targets = target::read(map, problems);
    let warnings = Vec::new();
    Some(Trigger {
        name: name?,
        description,
        enabled: enabled?,
        pattern,
        schedule,
        handling,
        targets,
        warnings,
    })
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
        // Problems inside of what a text says have no place in the file but the text.
        Value::String(text) => Pattern::parse_told(text).map_err(|found| {
            found
                .into_iter()
                .map(|mut problem| {
                    if !problem.path.is_empty() {
                        problem.message = problem.to_string();
                        problem.path.clear();
                        problem.spot = mainstay_model::Spot::Value;
                    }
                    problem
                })
                .collect()
        }),
        other => Pattern::parse(other).map(|pattern| (pattern, None)),
    };
    match parsed {
        Ok((pattern, told)) => {
            problems.extend(told.map(|problem| problem.under(&path)));
            Some(pattern)
        }
        Err(found) => {
            problems.extend(found.into_iter().map(|problem: Problem| problem.under(&path)));
            None
        }
    }
}
