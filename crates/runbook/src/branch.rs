//! Conditions of `aws:branch`: comparisons, joined by `And`, `Or` and `Not` to any depth.

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, nearest};
use serde_json::{Map, Number, Value};

use crate::document::{ParameterType, describe};
use crate::reference::refers;

/// One way on from a branch.
#[derive(Clone, Debug)]
pub struct Choice {
    /// When it is taken.
    pub condition: Condition,
    /// The step it leads to.
    pub next_step: String,
}

/// When something holds.
#[derive(Clone, Debug)]
pub enum Condition {
    /// All of these hold.
    And(Vec<Condition>),
    /// One of these holds.
    Or(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// A value stands in this relation to a constant.
    Compare {
        /// The value: a text with references.
        variable: Value,
        /// The relation.
        operator: Operator,
        /// What it is compared with: a constant, or a text with references.
        constant: Value,
    },
}

/// A relation between a value and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the documents and say it all")]
pub enum Operator {
    StringEquals,
    EqualsIgnoreCase,
    StartsWith,
    EndsWith,
    Contains,
    NumericEquals,
    NumericGreater,
    NumericLesser,
    NumericGreaterOrEquals,
    NumericLesserOrEquals,
    BooleanEquals,
}

use Operator::{
    BooleanEquals, Contains, EndsWith, EqualsIgnoreCase, NumericEquals, NumericGreater,
    NumericGreaterOrEquals, NumericLesser, NumericLesserOrEquals, StartsWith, StringEquals,
};

const OPERATORS: [(&str, Operator); 11] = [
    ("StringEquals", StringEquals),
    ("EqualsIgnoreCase", EqualsIgnoreCase),
    ("StartsWith", StartsWith),
    ("EndsWith", EndsWith),
    ("Contains", Contains),
    ("NumericEquals", NumericEquals),
    ("NumericGreater", NumericGreater),
    ("NumericLesser", NumericLesser),
    ("NumericGreaterOrEquals", NumericGreaterOrEquals),
    ("NumericLesserOrEquals", NumericLesserOrEquals),
    ("BooleanEquals", BooleanEquals),
];

/// Why a comparison could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub String);

impl Operator {
    /// The operator of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// What it compares, for messages.
    pub(crate) fn compares(self) -> &'static str {
        match self {
            BooleanEquals => "Booleans",
            StringEquals | EqualsIgnoreCase | StartsWith | EndsWith | Contains => "texts",
            _ => "numbers",
        }
    }

    /// Whether values of this type can be compared so.
    pub(crate) fn admits(self, kind: &ParameterType) -> bool {
        match self.compares() {
            "Booleans" => *kind == ParameterType::Boolean,
            "texts" => matches!(kind, ParameterType::String | ParameterType::Aws(_)),
            _ => *kind == ParameterType::Integer,
        }
    }

    /// The name as documents write it.
    pub fn name(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(name, _)| name)
    }

    /// Whether the relation holds. A value of another type is an error: neither true nor false would be right. Nothing
    /// (null) stands in no relation to anything.
    fn holds(self, value: &Value, constant: &Value) -> Result<bool, Mismatch> {
        if value.is_null() || constant.is_null() {
            return Ok(false);
        }
        let mismatch = |found: &Value| {
            Mismatch(format!("{} compares {}, found {}", self.name(), self.compares(), describe(found)))
        };
        match self {
            BooleanEquals => {
                let of = |value: &Value| value.as_bool().ok_or_else(|| mismatch(value));
                Ok(of(value)? == of(constant)?)
            }
            StringEquals | EqualsIgnoreCase | StartsWith | EndsWith | Contains => {
                let of = |value: &'_ Value| -> Result<String, Mismatch> {
                    value.as_str().map(str::to_owned).ok_or_else(|| mismatch(value))
                };
                let (value, constant) = (of(value)?, of(constant)?);
                Ok(match self {
                    EqualsIgnoreCase => value.to_lowercase() == constant.to_lowercase(),
                    StartsWith => value.starts_with(&constant),
                    EndsWith => value.ends_with(&constant),
                    Contains => value.contains(&constant),
                    _ => value == constant,
                })
            }
            _ => {
                let of = |value: &Value| -> Result<Number, Mismatch> {
                    value.as_number().cloned().ok_or_else(|| mismatch(value))
                };
                let order = compare(&of(value)?, &of(constant)?);
                Ok(match self {
                    NumericGreater => order == Some(std::cmp::Ordering::Greater),
                    NumericLesser => order == Some(std::cmp::Ordering::Less),
                    NumericGreaterOrEquals => order.is_some_and(std::cmp::Ordering::is_ge),
                    NumericLesserOrEquals => order.is_some_and(std::cmp::Ordering::is_le),
                    _ => order == Some(std::cmp::Ordering::Equal),
                })
            }
        }
    }

    fn admits_constant(self, constant: &Value) -> Result<(), &'static str> {
        match self {
            BooleanEquals if !constant.is_boolean() => Err("a Boolean"),
            StringEquals | EqualsIgnoreCase | StartsWith | EndsWith | Contains if !constant.is_string() => {
                Err("a text")
            }
            NumericEquals
            | NumericGreater
            | NumericLesser
            | NumericGreaterOrEquals
            | NumericLesserOrEquals
                if !constant.is_number() =>
            {
                Err("a number")
            }
            _ => Ok(()),
        }
    }
}

/// Whole numbers are compared as such, because a float cannot tell large ones apart.
pub(crate) fn compare(a: &Number, b: &Number) -> Option<std::cmp::Ordering> {
    let whole = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

impl Condition {
    /// Whether it holds. `resolve` gives the value of a variable.
    pub(crate) fn holds(
        &self,
        resolve: &dyn Fn(&Value) -> Result<Value, Mismatch>,
    ) -> Result<bool, Mismatch> {
        match self {
            Self::And(all) => {
                for condition in all {
                    if !condition.holds(resolve)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(any) => {
                for condition in any {
                    if condition.holds(resolve)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(condition) => Ok(!condition.holds(resolve)?),
            Self::Compare { variable, operator, constant } => {
                operator.holds(&resolve(variable)?, &resolve(constant)?)
            }
        }
    }
}

/// Reads the condition that stands in a mapping beside the keys in `beside`.
pub(crate) fn condition(
    map: &Map<String, Value>,
    beside: &[&str],
    path: &[Segment],
    problems: &mut Vec<Problem>,
) -> Option<Condition> {
    let at = |key: &str| -> Vec<Segment> {
        let mut path = path.to_vec();
        path.push(key.into());
        path
    };
    let keys: Vec<&String> = map.keys().filter(|key| !beside.contains(&key.as_str())).collect();
    if let Some(join) = keys.iter().find(|key| ["And", "Or", "Not"].contains(&key.as_str())) {
        for other in keys.iter().filter(|key| *key != join) {
            problems.push(
                Problem::error("bad-condition", at(other), format!("`{other}` cannot stand beside `{join}`"))
                    .on_key(),
            );
        }
        return joined(join, &map[join.as_str()], &at(join), problems);
    }
    let (mut operator, mut unknown) = (None, false);
    for key in &keys {
        if *key == "Variable" {
            continue;
        }
        match OPERATORS.iter().find(|(name, _)| name == key) {
            Some((_, found)) if operator.is_none() => operator = Some(*found),
            Some(_) => problems.push(
                Problem::error("bad-condition", at(key), "A comparison has exactly one operator").on_key(),
            ),
            None => {
                let names = OPERATORS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(["And", "Or", "Not", "Variable"])
                    .chain(beside.iter().copied());
                let mut problem = Problem::error(
                    "unknown-operator",
                    at(key),
                    format!("`{key}` is not an operator of aws:branch"),
                )
                .on_key();
                problem = match nearest(key, names) {
                    Some(near) => problem.help(format!("Did you mean `{near}`?")),
                    None => {
                        problem.help(format!("Operators are {}", OPERATORS.map(|(name, _)| name).join(", ")))
                    }
                };
                problems.push(problem);
                unknown = true;
            }
        }
    }
    if unknown {
        return None;
    }
    let Some(variable) = map.get("Variable") else {
        problems.push(Problem::error("missing-key", path.to_vec(), "A comparison needs a `Variable`"));
        return None;
    };
    let Some(operator) = operator else {
        problems.push(Problem::error("missing-key", path.to_vec(), "A comparison needs an operator"));
        return None;
    };
    let constant = &map[operator.name()];
    operands(variable, operator, constant, &at, problems);
    Some(Condition::Compare { variable: variable.clone(), operator, constant: constant.clone() })
}

/// What is wrong with the two sides of a comparison.
fn operands(
    variable: &Value,
    operator: Operator,
    constant: &Value,
    at: &dyn Fn(&str) -> Vec<Segment>,
    problems: &mut Vec<Problem>,
) {
    // The reference speaks of constants; documents in use compare with references too, so both are taken.
    if !constant.as_str().is_some_and(refers)
        && let Err(wanted) = operator.admits_constant(constant)
    {
        problems.push(
            Problem::error(
                "wrong-type",
                at(operator.name()),
                format!("`{}` compares with {wanted}, found {}", operator.name(), describe(constant)),
            )
            .label(format!("expected {wanted}")),
        );
    }
    if variable.as_str().is_some_and(|text| !refers(text)) && !constant.as_str().is_some_and(refers) {
        problems.push(
            Problem::warning(
                "bad-condition",
                at("Variable"),
                "`Variable` holds no reference, so the comparison always comes out the same",
            )
            .help("Refer to a parameter, `{{ Parameter }}`, or to an output, `{{ step.Output }}`"),
        );
    }
    if !variable.is_string() {
        problems.push(
            Problem::error(
                "wrong-type",
                at("Variable"),
                format!(
                    "`Variable` is a reference such as `{{{{ step.Output }}}}`, found {}",
                    describe(variable)
                ),
            )
            .label("expected a reference"),
        );
    }
}

fn joined(join: &str, value: &Value, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Condition> {
    if join == "Not" {
        return match value {
            Value::Object(map) => {
                condition(map, &[], path, problems).map(|inner| Condition::Not(Box::new(inner)))
            }
            other => {
                problems.push(
                    Problem::error(
                        "wrong-type",
                        path.to_vec(),
                        format!("`Not` holds one condition, found {}", describe(other)),
                    )
                    .label("expected a mapping"),
                );
                None
            }
        };
    }
    let Value::Array(list) = value else {
        problems.push(
            Problem::error(
                "wrong-type",
                path.to_vec(),
                format!("`{join}` holds a list of conditions, found {}", describe(value)),
            )
            .label("expected a list"),
        );
        return None;
    };
    if list.is_empty() {
        problems.push(Problem::error("bad-condition", path.to_vec(), format!("`{join}` holds no condition")));
        return None;
    }
    if list.len() == 1 {
        // The reference names no least number; the service asks for two when a document is created.
        problems.push(
            Problem::warning(
                "bad-condition",
                path.to_vec(),
                format!("`{join}` joins one condition only, which Systems Manager refuses; it changes nothing here"),
            )
            .help("Write the condition itself, or each one as an entry of the list"),
        );
    }
    let mut conditions = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let mut path = path.to_vec();
        path.push(index.into());
        match item {
            Value::Object(map) => conditions.extend(condition(map, &[], &path, problems)),
            other => problems.push(
                Problem::error(
                    "wrong-type",
                    path,
                    format!("A condition is a mapping, found {}", describe(other)),
                )
                .label("expected a mapping"),
            ),
        }
    }
    Some(if join == "And" { Condition::And(conditions) } else { Condition::Or(conditions) })
}
