//! Deciding whether a pattern holds for an event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::near;
use super::test::{Scalar, Test};
use super::{All, Leaf, Miss, Or, Pattern, Reason};

/// How often the same field may be looked for under another spelling of its path before the search gives up. Only
/// events that spell one path in several ways (`{"a.b": [..], "a": {"b": [..]}}`) come here at all.
pub(super) const MAX_DETOURS: usize = 10_000;

/// An element of a list on the way to a value: which list of the event, and which element of it.
pub(super) type Link = (usize, usize);

/// The lists of an event that were met, numbered in the order of meeting.
#[derive(Default)]
struct Lists(BTreeMap<usize, usize>);

impl Lists {
    fn number(&mut self, list: &Vec<Value>) -> usize {
        let next = self.0.len();
        *self.0.entry(std::ptr::from_ref(list).addr()).or_insert(next)
    }
}

/// A scalar at a path, and the elements it lies in.
struct Found<'e> {
    value: &'e Value,
    chain: Vec<Link>,
}

/// What an event has at a path.
#[derive(Default)]
struct Reached<'e> {
    scalars: Vec<Found<'e>>,
    objects: Vec<&'e Value>,
}

/// Collects the values at `path`. `None` as the path is the place itself.
fn reach<'e>(
    value: &'e Value,
    path: Option<&str>,
    chain: &mut Vec<Link>,
    lists: &mut Lists,
    out: &mut Reached<'e>,
) {
    match (value, path) {
        (Value::Array(elements), _) => {
            let list = lists.number(elements);
            for (index, element) in elements.iter().enumerate() {
                // Elements that are scalars belong to the list as a whole, so two lists of scalars are independent.
                if element.is_object() || element.is_array() {
                    chain.push((list, index));
                    reach(element, path, chain, lists, out);
                    chain.pop();
                } else if path.is_none() {
                    out.scalars.push(Found { value: element, chain: chain.clone() });
                }
            }
        }
        (Value::Object(_), None) => out.objects.push(value),
        (Value::Object(map), Some(path)) => {
            for (at, _) in path.match_indices('.') {
                if let Some(inner) = map.get(&path[..at]) {
                    reach(inner, Some(&path[at + 1..]), chain, lists, out);
                }
            }
            if let Some(inner) = map.get(path) {
                reach(inner, None, chain, lists, out);
            }
        }
        (scalar, None) => out.scalars.push(Found { value: scalar, chain: chain.clone() }),
        (_, Some(_)) => {}
    }
}

/// What a leaf asks of the choice of list elements.
enum Demand {
    /// It cannot hold.
    Never,
    /// It holds whichever elements are chosen.
    Always,
    /// It holds in these elements.
    Within(Vec<Vec<Link>>),
}

fn reached<'e>(leaf: &Leaf, event: &'e Value, lists: &mut Lists) -> Reached<'e> {
    let mut out = Reached::default();
    reach(event, Some(&leaf.path), &mut Vec::new(), lists, &mut out);
    out
}

fn demand(leaf: &Leaf, event: &Value, lists: &mut Lists) -> Demand {
    let reached = reached(leaf, event, lists);
    if reached.scalars.is_empty() {
        let absent = leaf.tests.iter().any(|test| matches!(test, Test::Exists(false)));
        return if absent { Demand::Always } else { Demand::Never };
    }
    let mut chains = BTreeSet::new();
    for found in reached.scalars {
        let passes = |value| leaf.tests.iter().any(|test| test.passes(value));
        if Scalar::of(found.value).is_some_and(passes) {
            if found.chain.is_empty() {
                return Demand::Always;
            }
            chains.insert(found.chain);
        }
    }
    if chains.is_empty() { Demand::Never } else { Demand::Within(chains.into_iter().collect()) }
}

/// Whether the pattern holds.
pub(super) fn holds(pattern: &Pattern, event: &Value) -> bool {
    let mut solver = Solver { event, lists: Lists::default(), demands: BTreeMap::new() };
    solver.any_branch(vec![&pattern.root], Vec::new(), Vec::with_capacity(pattern.leaves))
}

struct Solver<'e> {
    event: &'e Value,
    lists: Lists,
    /// By the number of the leaf.
    demands: BTreeMap<usize, Demand>,
}

impl Solver<'_> {
    /// Goes through the combinations of alternatives until one holds.
    fn any_branch<'p>(
        &mut self,
        mut todo: Vec<&'p All>,
        mut ors: Vec<&'p Or>,
        mut within: Vec<usize>,
    ) -> bool {
        while let Some(all) = todo.pop() {
            for leaf in &all.leaves {
                let (event, lists) = (self.event, &mut self.lists);
                match self.demands.entry(leaf.number).or_insert_with(|| demand(leaf, event, lists)) {
                    Demand::Never => return false,
                    Demand::Always => {}
                    Demand::Within(_) => within.push(leaf.number),
                }
            }
            ors.extend(&all.ors);
        }
        let Some(or) = ors.pop() else { return self.consistent(&within) };
        or.alternatives.iter().any(|all| self.any_branch(vec![all], ors.clone(), within.clone()))
    }

    fn consistent(&self, within: &[usize]) -> bool {
        let demands = within
            .iter()
            .filter_map(|number| match self.demands.get(number) {
                Some(Demand::Within(chains)) => Some(chains.iter().map(Vec::as_slice).collect()),
                _ => None,
            })
            .collect();
        consistent(demands, &mut MAX_DETOURS.clone())
    }
}

/// A choice between chains of elements; an empty chain is no demand.
pub(super) type Choice<'c> = Vec<&'c [Link]>;

/// Whether one element can be chosen of each list so that every demand holds in the chosen elements.
pub(super) fn consistent(mut demands: Vec<Choice<'_>>, detours: &mut usize) -> bool {
    demands.retain(|chains| !chains.iter().any(|chain| chain.is_empty()));
    if demands.iter().any(Vec::is_empty) {
        return false;
    }
    if demands.len() < 2 {
        return true;
    }
    components(demands).into_iter().all(|component| component_consistent(&component, detours))
}

/// Splits demands that share no outermost list: they can be met independently, because a list lies inside of one
/// outermost list only.
fn components(demands: Vec<Choice<'_>>) -> Vec<Vec<Choice<'_>>> {
    let mut out: Vec<(BTreeSet<usize>, Vec<Choice<'_>>)> = Vec::new();
    for demand in demands {
        let mut lists: BTreeSet<usize> =
            demand.iter().filter_map(|chain| chain.first()).map(|link| link.0).collect();
        let mut members = vec![demand];
        let mut rest = Vec::new();
        for (other_lists, mut other_members) in out {
            if lists.is_disjoint(&other_lists) {
                rest.push((other_lists, other_members));
            } else {
                lists.extend(other_lists);
                members.append(&mut other_members);
            }
        }
        rest.push((lists, members));
        out = rest;
    }
    out.into_iter().map(|(_, members)| members).collect()
}

fn component_consistent(demands: &[Choice<'_>], detours: &mut usize) -> bool {
    if demands.len() < 2 {
        return true;
    }
    // Per demand: what remains of its chains once their outermost element is chosen.
    let grouped: Vec<BTreeMap<Link, Choice<'_>>> = demands
        .iter()
        .map(|chains| {
            let mut groups: BTreeMap<Link, Choice<'_>> = BTreeMap::new();
            for chain in chains {
                if let Some((first, rest)) = chain.split_first() {
                    groups.entry(*first).or_default().push(rest);
                }
            }
            groups
        })
        .collect();
    grouped[0].keys().any(|&(list, index)| {
        let mut next = Vec::with_capacity(demands.len());
        for (number, groups) in grouped.iter().enumerate() {
            let mut chains = groups.get(&(list, index)).cloned().unwrap_or_default();
            // The first demand takes this element; the others may also be met outside of this list, under another
            // spelling of their path.
            if number > 0 {
                let outside =
                    demands[number].iter().filter(|chain| chain.first().is_none_or(|link| link.0 != list));
                let before = chains.len();
                if groups.keys().next().is_some_and(|link| link.0 != list)
                    || groups.keys().next_back().is_some_and(|link| link.0 != list)
                {
                    chains.extend(outside);
                }
                if chains.len() > before {
                    if *detours == 0 {
                        return false;
                    }
                    *detours -= 1;
                }
            }
            next.push(chains);
        }
        consistent(next, detours)
    })
}

/// What keeps the pattern from holding, when it does not hold.
pub(super) fn misses(pattern: &Pattern, event: &Value) -> Vec<Miss> {
    let mut lists = Lists::default();
    let out = misses_of(&pattern.root, event, &mut lists);
    if !out.is_empty() {
        return out;
    }
    // Every field holds by itself, so it is the choice of list elements that fails.
    let mut out = Vec::new();
    other_elements(&pattern.root, event, &mut lists, &mut out);
    out
}

fn misses_of(all: &All, event: &Value, lists: &mut Lists) -> Vec<Miss> {
    let mut out = Vec::new();
    for leaf in &all.leaves {
        if !matches!(demand(leaf, event, lists), Demand::Never) {
            continue;
        }
        let reached = reached(leaf, event, lists);
        let (found, reason): (Vec<Value>, _) = if !reached.scalars.is_empty() {
            (reached.scalars.iter().map(|found| found.value.clone()).collect(), Reason::Differs)
        } else if !reached.objects.is_empty() {
            (reached.objects.into_iter().cloned().collect(), Reason::Object)
        } else {
            (Vec::new(), Reason::Absent)
        };
        let near = match reason {
            Reason::Absent => near::of_place(leaf, event),
            _ => near::of_values(leaf, &found),
        };
        out.push(Miss { near, ..miss(leaf, found, reason) });
    }
    for or in &all.ors {
        let alternatives: Vec<Vec<Miss>> =
            or.alternatives.iter().map(|all| misses_of(all, event, lists)).collect();
        if alternatives.iter().all(|misses| !misses.is_empty()) {
            out.push(Miss {
                path: or.path.clone(),
                expected: format!("one of {} alternatives", alternatives.len()),
                found: Vec::new(),
                reason: Reason::NoAlternative,
                near: None,
                alternatives,
            });
        }
    }
    out
}

fn other_elements(all: &All, event: &Value, lists: &mut Lists, out: &mut Vec<Miss>) {
    for leaf in &all.leaves {
        if matches!(demand(leaf, event, lists), Demand::Within(_)) {
            let found = reached(leaf, event, lists).scalars.iter().map(|found| found.value.clone()).collect();
            out.push(miss(leaf, found, Reason::OtherElement));
        }
    }
    for alternative in all.ors.iter().flat_map(|or| &or.alternatives) {
        other_elements(alternative, event, lists, out);
    }
}

fn miss(leaf: &Leaf, found: Vec<Value>, reason: Reason) -> Miss {
    let (path, expected) = (leaf.path.clone(), leaf.expected.clone());
    Miss { path, expected, found, reason, near: None, alternatives: Vec::new() }
}
