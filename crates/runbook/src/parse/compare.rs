//! Comparisons of values whose type is known: one that can never be made is told before a run fails of it.

use mainstay_model::Problem;
use mainstay_model::problem::Segment;
use serde_json::{Map, Value};

use super::Parameters;
use super::loops::Flat;
use crate::branch::Operator;
use crate::document::ParameterType;
use crate::reference::{Reference, whole};

pub(crate) fn check(
    flat: &[Flat<'_>],
    (parameters, variables): (&Parameters, &Parameters),
    problems: &mut Vec<Problem>,
) {
    let mut todo: Vec<(Vec<Segment>, &Map<String, Value>)> = Vec::new();
    for item in flat {
        let inside = |keys: &[Segment]| item.path.iter().chain(keys).cloned().collect::<Vec<_>>();
        let Some(inputs) = item.step.get("inputs") else { continue };
        let choices = inputs.get("Choices").and_then(Value::as_array).into_iter().flatten();
        for (index, choice) in choices.enumerate() {
            let path = inside(&["inputs".into(), "Choices".into(), index.into()]);
            todo.extend(choice.as_object().map(|choice| (path, choice)));
        }
        let again = inputs.get("LoopCondition").and_then(Value::as_object);
        todo.extend(again.map(|again| (inside(&["inputs".into(), "LoopCondition".into()]), again)));
    }
    let mut at = 0;
    while let Some((path, condition)) = todo.get(at).cloned() {
        at += 1;
        let inside = |keys: &[Segment]| path.iter().chain(keys).cloned().collect::<Vec<_>>();
        for join in ["And", "Or"] {
            let list = condition.get(join).and_then(Value::as_array).into_iter().flatten();
            for (index, item) in list.enumerate() {
                todo.extend(item.as_object().map(|item| (inside(&[join.into(), index.into()]), item)));
            }
        }
        if let Some(inner) = condition.get("Not").and_then(Value::as_object) {
            todo.push((inside(&["Not".into()]), inner));
        }
        let Some(operator) = condition.keys().find_map(|key| Operator::named(key)) else { continue };
        for key in ["Variable", operator.name()] {
            let Some(text) = condition.get(key).and_then(Value::as_str) else { continue };
            let Some(reference) = whole(text) else { continue };
            if let Some(kind) = type_of(&reference, flat, parameters, variables)
                && !operator.admits(&kind)
            {
                problems.push(mismatch(operator, &reference, &kind, inside(&[key.into()])));
            }
        }
    }
}

fn mismatch(operator: Operator, reference: &Reference, kind: &ParameterType, path: Vec<Segment>) -> Problem {
    let problem = Problem::error(
        "wrong-type",
        path,
        format!(
            "`{}` compares {}, and {reference} is of type {}",
            operator.name(),
            operator.compares(),
            kind.name()
        ),
    );
    match kind {
        ParameterType::String | ParameterType::Aws(_) => problem.help("Texts are compared with StringEquals"),
        ParameterType::Integer => {
            problem.help("Numbers are compared with NumericEquals, NumericGreater and so on")
        }
        ParameterType::Boolean => problem.help("Booleans are compared with BooleanEquals"),
        _ => problem.help(
            "Lists and mappings are not compared: make one value of them, as an output with its `Selector`",
        ),
    }
}

/// The type of what a reference stands for, where the document says it.
fn type_of(
    reference: &Reference,
    flat: &[Flat<'_>],
    parameters: &Parameters,
    variables: &Parameters,
) -> Option<ParameterType> {
    let declared = |from: &Parameters, name: &str| Some(from.get(name)?.as_ref()?.kind.clone());
    match reference {
        Reference::Parameter(name) => declared(parameters, name),
        Reference::Named { space, name } if space == "variable" => declared(variables, name),
        Reference::Named { .. } => None,
        Reference::Output { step, output } => {
            let step = flat.iter().find(|item| item.text("name") == Some(step))?;
            let outputs = step.step.get("outputs").and_then(Value::as_array)?;
            let named =
                outputs.iter().find(|declared| declared.get("Name").is_some_and(|name| name == output))?;
            ParameterType::parse(named.get("Type")?.as_str()?)
        }
    }
}
