//! Steps in one list: those inside a loop follow it. Every check of steps goes over this list.

use mainstay_model::Problem;
use mainstay_model::problem::Segment;
use serde_json::{Map, Value};

use crate::branch;
use crate::document::{Loop, Over, ParameterType, describe};
use crate::inputs::{MAX_ITERATIONS, iterators};
use crate::reader::Reader;
use crate::reference::refers;

/// How deep loops may be nested. The reference names no limit; a hundred iterations of a hundred of a hundred is more
/// than a run can sensibly keep.
const MAX_DEPTH: usize = 3;

/// A step as it was written, and its place.
pub(crate) struct Flat<'a> {
    pub(crate) path: Vec<Segment>,
    pub(crate) step: &'a Value,
    /// The loop it stands in.
    pub(crate) parent: Option<usize>,
}

impl Flat<'_> {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.step.get(key).and_then(Value::as_str)
    }
}

/// The step after `index` in the same list.
pub(crate) fn next(flat: &[Flat<'_>], index: usize) -> Option<usize> {
    let parent = flat[index].parent;
    (index + 1..flat.len()).find(|later| flat[*later].parent == parent)
}

pub(crate) fn flatten<'a>(map: &'a Map<String, Value>, reader: &mut Reader<'_>) -> Vec<Flat<'a>> {
    let mut flat = Vec::new();
    if let Some(Value::Array(list)) = map.get("mainSteps") {
        list_of(list, &reader.at("mainSteps"), None, 0, &mut flat, reader);
    }
    flat
}

fn list_of<'a>(
    list: &'a [Value],
    path: &[Segment],
    parent: Option<usize>,
    depth: usize,
    flat: &mut Vec<Flat<'a>>,
    reader: &mut Reader<'_>,
) {
    for (index, step) in list.iter().enumerate() {
        let mut path = path.to_vec();
        path.push(index.into());
        let place = flat.len();
        flat.push(Flat { path: path.clone(), step, parent });
        if step.get("action").and_then(Value::as_str) != Some("aws:loop") {
            continue;
        }
        if let Some(Value::Array(inner)) = step.get("inputs").and_then(|inputs| inputs.get("Steps")) {
            path.extend([Segment::from("inputs"), "Steps".into()]);
            if depth + 1 > MAX_DEPTH {
                reader.push(Problem::error(
                    "too-deep",
                    path,
                    format!("Loops can be nested {MAX_DEPTH} deep at most"),
                ));
                continue;
            }
            list_of(inner, &path, Some(place), depth + 1, flat, reader);
        }
    }
}

/// The inputs of a loop, but for its steps.
pub(crate) fn read(given: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Loop> {
    let first = match given.get("Steps") {
        Some(Value::Array(list)) => list.first(),
        Some(other) => {
            reader.wrong(reader.at("Steps"), "Steps", "a list of steps", other);
            return None;
        }
        None => {
            reader.missing("Steps", "aws:loop");
            return None;
        }
    };
    let Some(first) = first else {
        reader.push(Problem::error("bad-value", reader.at("Steps"), "`Steps` has no step"));
        return None;
    };
    let max = reader.whole(given, "MaxIterations", 1, u64::from(MAX_ITERATIONS));
    let over = match (given.get("Iterators"), given.get("LoopCondition")) {
        (Some(_), Some(_)) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("LoopCondition"),
                    "`Iterators` and `LoopCondition` exclude each other",
                )
                .on_key(),
            );
            return None;
        }
        (None, None) => {
            reader.missing("Iterators` or `LoopCondition", "aws:loop");
            return None;
        }
        (Some(value), None) => each(given, value, reader)?,
        (None, Some(Value::Object(condition))) => {
            if given.contains_key("IteratorDataType") {
                reader.push(
                    Problem::error(
                        "bad-value",
                        reader.at("IteratorDataType"),
                        "`IteratorDataType` belongs to `Iterators`",
                    )
                    .on_key(),
                );
            }
            let path = reader.at("LoopCondition");
            Over::While(branch::condition(condition, &[], &path, reader.problems)?)
        }
        (None, Some(other)) => {
            reader.wrong(reader.at("LoopCondition"), "LoopCondition", "a condition", other);
            return None;
        }
    };
    Some(Loop {
        over,
        max_iterations: max.and_then(|max| u32::try_from(max).ok()),
        first: first.get("name").and_then(Value::as_str)?.to_owned(),
    })
}

fn each(given: &Map<String, Value>, value: &Value, reader: &mut Reader<'_>) -> Option<Over> {
    let kind = match reader.text(given, "IteratorDataType").as_deref() {
        None | Some("String") => ParameterType::String,
        Some("Boolean") => ParameterType::Boolean,
        Some("Integer") => ParameterType::Integer,
        Some("StringMap") => ParameterType::StringMap,
        Some(other) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("IteratorDataType"),
                    format!("`{other}` is not a type of a loop's elements"),
                )
                .help("Types are String, Integer, Boolean and StringMap"),
            );
            return None;
        }
    };
    match value {
        Value::Array(list) => {
            let before = reader.problems.len();
            for (index, item) in
                list.iter().enumerate().filter(|(_, item)| !item.as_str().is_some_and(refers))
            {
                if let Err(reason) = iterators(&Value::Array(vec![item.clone()]), &kind) {
                    let mut path = reader.at("Iterators");
                    path.push(index.into());
                    let problem = Problem::error("bad-value", path, reason);
                    reader.push(match &kind {
                        ParameterType::String if item.is_object() => {
                            problem.help("`IteratorDataType: StringMap` goes through mappings")
                        }
                        _ => problem,
                    });
                }
            }
            // One reference may stand for several elements.
            if list.iter().all(|item| !item.as_str().is_some_and(refers))
                && list.len() > MAX_ITERATIONS as usize
            {
                let message =
                    format!("A loop goes through at most {MAX_ITERATIONS} elements, found {}", list.len());
                reader.push(Problem::error("bad-value", reader.at("Iterators"), message));
            }
            if reader.problems.len() > before {
                return None;
            }
        }
        Value::String(text) if refers(text) => {}
        other => {
            reader.push(
                Problem::error(
                    "wrong-type",
                    reader.at("Iterators"),
                    format!("`Iterators` is a list or a reference to one, found {}", describe(other)),
                )
                .label("expected a list"),
            );
            return None;
        }
    }
    Some(Over::Each { iterators: value.clone(), kind })
}
