//! The graph of steps: every target exists, nothing goes in circles, and which step can come before which.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, nearest};
use serde_json::{Map, Value};

use crate::actions::facts;

/// What the reference check needs of the graph.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Step names in order; `None` where a step has none.
    pub(crate) names: Vec<Option<String>>,
    /// For each step, the steps that can come before it.
    pub(crate) before: Vec<BTreeSet<usize>>,
}

pub(crate) fn check(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Shape {
    let Some(list) = map.get("mainSteps").and_then(Value::as_array) else { return Shape::default() };
    let names: Vec<Option<String>> =
        list.iter().map(|step| step.get("name").and_then(Value::as_str).map(str::to_owned)).collect();
    let mut places = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(name) = name {
            places.entry(name.as_str()).or_insert(index);
        }
    }
    let edges: Vec<Vec<usize>> =
        list.iter().enumerate().map(|(index, step)| edges(index, list, step, &places, problems)).collect();
    if let Some(cycle) = cycle(&edges) {
        report(&cycle, &names, problems);
    }
    let reached = reached(&edges);
    for (index, name) in names.iter().enumerate() {
        if let (Some(name), false) = (name, reached.contains(&index)) {
            problems.push(
                Problem::warning(
                    "unreachable-step",
                    vec!["mainSteps".into(), index.into(), "name".into()],
                    format!("No step leads to `{name}`: it never runs"),
                )
                .label("never reached"),
            );
        }
    }
    let before = before(&edges);
    Shape { names, before }
}

fn edges(
    index: usize,
    list: &[Value],
    step: &Value,
    places: &BTreeMap<&str, usize>,
    problems: &mut Vec<Problem>,
) -> Vec<usize> {
    let base: Vec<Segment> = vec!["mainSteps".into(), index.into()];
    let mut edges = Vec::new();
    let mut jump = |path: &[Segment], name: &str, from: usize| match places.get(name) {
        Some(to) => edges.push(*to),
        None => {
            let mut full = base.clone();
            full.extend_from_slice(path);
            let problem = Problem::error("unknown-step", full, format!("There is no step `{name}`"))
                .within(from..from + name.len());
            problems.push(match nearest(name, places.keys().copied()) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem,
            });
        }
    };
    let text = |key: &str| step.get(key).and_then(Value::as_str);
    let is_end = match step.get("isEnd") {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let mut falls_through = !is_end;
    if let Some(name) = text("nextStep") {
        jump(&["nextStep".into()], name, 0);
        falls_through = false;
    }
    // An isEnd step stops on failure too, whatever onFailure says; its target is still checked for existence.
    let mut continues = false;
    match text("onFailure") {
        Some("Continue") => continues = !is_end,
        Some(other) => {
            if let Some(name) = other.strip_prefix("step:") {
                jump(&["onFailure".into()], name.trim(), other.len() - name.trim_start().len());
            }
        }
        None => {}
    }
    if let Some(name) = text("onCancel").and_then(|text| text.strip_prefix("step:")) {
        jump(&["onCancel".into()], name.trim(), 5);
    }
    if text("action") == Some("aws:branch")
        && let Some(inputs) = step.get("inputs")
    {
        let inside = |key: &str| vec![Segment::from("inputs"), key.into()];
        for (place, choice) in
            inputs.get("Choices").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            if let Some(name) = choice.get("NextStep").and_then(Value::as_str) {
                let mut path = inside("Choices");
                path.extend([place.into(), "NextStep".into()]);
                jump(&path, name, 0);
            }
        }
        if let Some(name) = inputs.get("Default").and_then(Value::as_str) {
            jump(&inside("Default"), name, 0);
            falls_through = false;
        }
    }
    if (falls_through || continues) && index + 1 < list.len() {
        edges.push(index + 1);
    }
    cancel_target(step, list, places, &base, problems);
    edges
}

/// Some actions cannot be the way out of a cancellation.
fn cancel_target(
    step: &Value,
    list: &[Value],
    places: &BTreeMap<&str, usize>,
    base: &[Segment],
    problems: &mut Vec<Problem>,
) {
    let Some(name) = step.get("onCancel").and_then(Value::as_str).and_then(|text| text.strip_prefix("step:"))
    else {
        return;
    };
    let target = places.get(name.trim()).and_then(|index| list.get(*index));
    if let Some(action) = target.and_then(|step| step.get("action")).and_then(Value::as_str)
        && facts(action).is_some_and(|facts| !facts.cancel_target)
    {
        let mut path = base.to_vec();
        path.push("onCancel".into());
        problems.push(Problem::error(
            "bad-value",
            path,
            format!("`onCancel` cannot lead to `{}`: it is {action}", name.trim()),
        ));
    }
}

/// One circle, as the steps on it in order, found without recursion so that no document is too deep.
fn cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    // 0: not seen, 1: on the way, 2: done.
    let mut state = vec![0_u8; edges.len()];
    for start in 0..edges.len() {
        if state[start] != 0 {
            continue;
        }
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        state[start] = 1;
        while let Some((at, next)) = way.last_mut() {
            let Some(&edge) = edges[*at].get(*next) else {
                state[*at] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            match state[edge] {
                0 => {
                    state[edge] = 1;
                    way.push((edge, 0));
                }
                1 => {
                    let from = way.iter().position(|(step, _)| *step == edge).unwrap_or(0);
                    return Some(way[from..].iter().map(|(step, _)| *step).collect());
                }
                _ => {}
            }
        }
    }
    None
}

fn report(cycle: &[usize], names: &[Option<String>], problems: &mut Vec<Problem>) {
    let name = |index: usize| names[index].clone().unwrap_or_else(|| format!("step {}", index + 1));
    let mut trace: Vec<String> = cycle.iter().map(|index| name(*index)).collect();
    trace.push(name(cycle[0]));
    let last = cycle[cycle.len() - 1];
    problems.push(
        Problem::error(
            "cycle",
            vec!["mainSteps".into(), last.into()],
            format!("The steps go in circles: {}", trace.join(" -> ")),
        )
        .help("Repeat steps with aws:loop, or try a step again with maxAttempts"),
    );
}

fn reached(edges: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![0];
    while let Some(index) = todo.pop() {
        if index < edges.len() && reached.insert(index) {
            todo.extend(edges[index].iter().copied());
        }
    }
    reached
}

fn before(edges: &[Vec<usize>]) -> Vec<BTreeSet<usize>> {
    let mut before = vec![BTreeSet::new(); edges.len()];
    for start in 0..edges.len() {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<usize> = edges[start].clone();
        while let Some(index) = todo.pop() {
            if seen.insert(index) {
                before[index].insert(start);
                todo.extend(edges[index].iter().copied());
            }
        }
    }
    before
}
