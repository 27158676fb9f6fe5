//! The graph of steps: every target exists, nothing goes in circles, and which step can come before which.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, nearest};
use serde_json::Value;

use super::loops::{Flat, next};
use crate::actions::facts;
use crate::reference::refers;

/// What the reference check needs of the graph.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Step names in order; `None` where a step has none.
    pub(crate) names: Vec<Option<String>>,
    /// For each step, the steps that can come before it.
    pub(crate) before: Vec<BTreeSet<usize>>,
}

pub(crate) fn check(flat: &[Flat<'_>], problems: &mut Vec<Problem>) -> Shape {
    let names: Vec<Option<String>> = flat.iter().map(|item| item.text("name").map(str::to_owned)).collect();
    let mut places = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(name) = name {
            places.entry(name.as_str()).or_insert(index);
        }
    }
    let mut ways = Ways { flat, places, problems };
    let edges: Vec<Vec<usize>> = (0..flat.len()).map(|index| ways.of(index)).collect();
    if let Some(cycle) = cycle(&edges) {
        report(&cycle, flat, &names, problems);
    }
    let reached = reached(&edges);
    for (index, name) in names.iter().enumerate() {
        if let (Some(name), false) = (name, reached.contains(&index)) {
            let mut path = flat[index].path.clone();
            path.push("name".into());
            problems.push(
                Problem::warning(
                    "unreachable-step",
                    path,
                    format!("No step leads to `{name}`: it never runs"),
                )
                .label("never reached"),
            );
        }
    }
    let before = before(&edges);
    Shape { names, before }
}

struct Ways<'a> {
    flat: &'a [Flat<'a>],
    places: BTreeMap<&'a str, usize>,
    problems: &'a mut Vec<Problem>,
}

impl Ways<'_> {
    /// The steps that can follow a step. The way back to the start of a loop is left out: it is no circle.
    fn of(&mut self, index: usize) -> Vec<usize> {
        let flat = self.flat;
        let item = &flat[index];
        let mut edges = Vec::new();
        let mut falls_through = true;
        // Where a target does not exist, which is reported, what comes next is not blamed for being out of reach.
        if let Some(name) = item.text("nextStep") {
            let to = self.jump(index, &["nextStep".into()], name, 0);
            falls_through &= to.is_none();
            edges.extend(to);
        }
        // An isEnd step is one on failure too, whatever onFailure says; its target is still checked for existence.
        let mut continues = false;
        match item.text("onFailure") {
            // It goes where a success goes, so a Default of a branch does not count.
            Some("Continue") => continues = falls_through,
            Some(other) => {
                if let Some(name) = other.strip_prefix("step:") {
                    let from = other.len() - name.trim_start().len();
                    edges.extend(self.jump(index, &["onFailure".into()], name.trim(), from));
                }
            }
            None => {}
        }
        if let Some(text) = item.text("onCancel")
            && let Some(name) = text.strip_prefix("step:")
        {
            let from = text.len() - name.trim_start().len();
            edges.extend(self.jump(index, &["onCancel".into()], name.trim(), from));
        }
        if item.text("action") == Some("aws:branch")
            && let Some(inputs) = item.step.get("inputs")
        {
            let inside = |key: &str| vec![Segment::from("inputs"), key.into()];
            for (place, choice) in
                inputs.get("Choices").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                if let Some(name) = choice.get("NextStep").and_then(Value::as_str) {
                    let mut path = inside("Choices");
                    path.extend([place.into(), "NextStep".into()]);
                    edges.extend(self.jump(index, &path, name, 0));
                }
            }
            if let Some(name) = inputs.get("Default").and_then(Value::as_str) {
                let to = self.jump(index, &inside("Default"), name, 0);
                falls_through &= to.is_none();
                edges.extend(to);
            }
        }
        if item.text("action") == Some("aws:loop")
            && flat.get(index + 1).is_some_and(|first| first.parent == Some(index))
        {
            edges.push(index + 1);
        }
        if falls_through || continues {
            edges.extend(self.onwards(index));
        }
        self.cancel_target(index);
        edges
    }

    /// Where the end of a step leads: to the next in its list unless it is an end, or to where the loop around it goes on.
    fn onwards(&self, index: usize) -> Option<usize> {
        let mut at = index;
        loop {
            if !self.is_end(at)
                && let Some(next) = next(self.flat, at)
            {
                return Some(next);
            }
            at = self.flat[at].parent?;
            if let Some(name) = self.flat[at].text("nextStep") {
                return self.places.get(name).copied();
            }
        }
    }

    fn is_end(&self, index: usize) -> bool {
        match self.flat[index].step.get("isEnd") {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    fn jump(&mut self, index: usize, path: &[Segment], name: &str, from: usize) -> Option<usize> {
        let mut full = self.flat[index].path.clone();
        full.extend_from_slice(path);
        let Some(to) = self.places.get(name).copied() else {
            let problem = Problem::error("unknown-step", full, format!("There is no step `{name}`"))
                .within(from..from + name.len());
            self.problems.push(match nearest(name, self.places.keys().copied()) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None if refers(name) => {
                    problem.help("A step is named as it is, not by a reference: branch with aws:branch")
                }
                None => problem,
            });
            return None;
        };
        // Out of a loop is a way, into one is not: its iteration would have no beginning.
        let mut around = Some(index);
        while let Some(at) = around {
            if self.flat[at].parent == self.flat[to].parent {
                return Some(to);
            }
            around = self.flat[at].parent;
        }
        self.problems.push(
            Problem::error(
                "bad-jump",
                full,
                format!("`{name}` is inside a loop: no step outside can lead to it"),
            )
            .within(from..from + name.len())
            .help("Lead to the loop itself"),
        );
        None
    }

    /// Some actions cannot be the way out of a cancellation.
    fn cancel_target(&mut self, index: usize) {
        let Some(name) = self.flat[index].text("onCancel").and_then(|text| text.strip_prefix("step:")) else {
            return;
        };
        let target = self.places.get(name.trim()).map(|index| &self.flat[*index]);
        if let Some(action) = target.and_then(|item| item.text("action"))
            && facts(action).is_some_and(|facts| !facts.cancel_target)
        {
            let mut path = self.flat[index].path.clone();
            path.push("onCancel".into());
            self.problems.push(Problem::error(
                "bad-value",
                path,
                format!("`onCancel` cannot lead to `{}`: it is {action}", name.trim()),
            ));
        }
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

fn report(cycle: &[usize], flat: &[Flat<'_>], names: &[Option<String>], problems: &mut Vec<Problem>) {
    let name = |index: usize| names[index].clone().unwrap_or_else(|| format!("step {}", index + 1));
    let mut trace: Vec<String> = cycle.iter().map(|index| name(*index)).collect();
    trace.push(name(cycle[0]));
    let last = cycle[cycle.len() - 1];
    problems.push(
        Problem::error(
            "cycle",
            flat[last].path.clone(),
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
