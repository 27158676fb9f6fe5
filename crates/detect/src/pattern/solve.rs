//! Deciding whether a pattern holds for an event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::test::{Scalar, Test};
use super::{All, Leaf, Or, Pattern};

/// How often the same field may be looked for under another spelling of its path before the search gives up. Only
/// events that spell one path in several ways (`{"a.b": [..], "a": {"b": [..]}}`) come here at all.
pub(super) const MAX_DETOURS: usize = 10_000;

/// An element of a list on the way to a value: which list of the event, and which element of it.
pub(super) type Link = (usize, usize);

/// The lists of an event that were met, numbered in the order of meeting: an outer one before those in it.
#[derive(Default)]
pub(super) struct Lists(BTreeMap<usize, usize>);

impl Lists {
    fn number(&mut self, list: &Vec<Value>) -> usize {
        let next = self.0.len();
        *self.0.entry(std::ptr::from_ref(list).addr()).or_insert(next)
    }
}

/// A scalar at a path, and the elements it lies in.
pub(super) struct Found<'e> {
    pub(super) value: &'e Value,
    pub(super) chain: Vec<Link>,
}

/// What an event has at a path.
#[derive(Default)]
pub(super) struct Reached<'e> {
    pub(super) scalars: Vec<Found<'e>>,
    pub(super) objects: Vec<&'e Value>,
    /// The lists on the way: how many bytes of the path lead to each, and how many elements it has.
    pub(super) lists: BTreeMap<usize, (usize, usize)>,
}

/// Collects the values at `path`. `None` as the path is the place itself. Lists on the way are noted when the length of
/// the whole path is given.
fn reach<'e>(
    value: &'e Value,
    path: Option<&str>,
    chain: &mut Vec<Link>,
    lists: &mut Lists,
    out: &mut Reached<'e>,
    noted: Option<usize>,
) {
    match (value, path) {
        (Value::Array(elements), _) => {
            let list = lists.number(elements);
            if let Some(length) = noted {
                let before = length.saturating_sub(path.map_or(0, |path| path.len() + 1));
                out.lists.insert(list, (before, elements.len()));
            }
            for (index, element) in elements.iter().enumerate() {
                // Elements that are scalars belong to the list as a whole, so two lists of scalars are independent.
                if element.is_object() || element.is_array() {
                    chain.push((list, index));
                    reach(element, path, chain, lists, out, noted);
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
                    reach(inner, Some(&path[at + 1..]), chain, lists, out, noted);
                }
            }
            if let Some(inner) = map.get(path) {
                reach(inner, None, chain, lists, out, noted);
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
    /// It holds in the first elements, or where none of the second ones was chosen.
    OrOutside(Vec<Vec<Link>>, Vec<Vec<Link>>),
}

/// What an event has at the path of a leaf, and which lists are on the way.
pub(super) fn reached<'e>(leaf: &Leaf, event: &'e Value, lists: &mut Lists) -> Reached<'e> {
    let mut out = Reached::default();
    reach(event, Some(&leaf.path), &mut Vec::new(), lists, &mut out, Some(leaf.path.len()));
    out
}

fn demand(leaf: &Leaf, event: &Value, lists: &mut Lists) -> Demand {
    let mut reached = Reached::default();
    reach(event, Some(&leaf.path), &mut Vec::new(), lists, &mut reached, None);
    if reached.scalars.is_empty() {
        return if may_be_absent(leaf) { Demand::Always } else { Demand::Never };
    }
    let (mut chains, mut all) = (BTreeSet::new(), BTreeSet::new());
    let may_be_absent = may_be_absent(leaf);
    for found in reached.scalars {
        if may_be_absent {
            all.insert(found.chain.clone());
        }
        let passes = |value| leaf.tests.iter().any(|test| test.passes(value));
        if Scalar::of(found.value).is_some_and(passes) {
            if found.chain.is_empty() {
                return Demand::Always;
            }
            chains.insert(found.chain);
        }
    }
    let chains: Vec<_> = chains.into_iter().collect();
    // A value outside of lists is there whatever is chosen.
    if may_be_absent && !all.contains(&Vec::new()) {
        return Demand::OrOutside(chains, all.into_iter().collect());
    }
    if chains.is_empty() { Demand::Never } else { Demand::Within(chains) }
}

/// Whether the absence of the field is enough.
pub(super) fn may_be_absent(leaf: &Leaf) -> bool {
    leaf.tests.iter().any(|test| matches!(test, Test::Exists(false)))
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
        mut within: Vec<&'p Leaf>,
    ) -> bool {
        while let Some(all) = todo.pop() {
            for leaf in &all.leaves {
                let (event, lists) = (self.event, &mut self.lists);
                match self.demands.entry(leaf.number).or_insert_with(|| demand(leaf, event, lists)) {
                    Demand::Never => return false,
                    Demand::Always => {}
                    Demand::Within(_) | Demand::OrOutside(..) => within.push(leaf),
                }
            }
            ors.extend(&all.ors);
        }
        let Some(or) = ors.pop() else { return self.consistent(&within) };
        or.alternatives.iter().any(|all| self.any_branch(vec![all], ors.clone(), within.clone()))
    }

    fn consistent(&self, within: &[&Leaf]) -> bool {
        let asked = within
            .iter()
            .filter_map(|leaf| {
                let path = leaf.path.as_str();
                match self.demands.get(&leaf.number) {
                    Some(Demand::Within(chains)) => {
                        Some(Asked { path, within: choice(chains), outside: None })
                    }
                    Some(Demand::OrOutside(chains, all)) => {
                        Some(Asked { path, within: choice(chains), outside: Some(choice(all)) })
                    }
                    _ => None,
                }
            })
            .collect();
        all_hold(asked)
    }
}

/// What a field asks: a value in one of the first elements, or that none of the second ones was chosen for the fields
/// before it, in the order of their paths.
pub(super) struct Asked<'c, P> {
    pub(super) path: P,
    pub(super) within: Choice<'c>,
    pub(super) outside: Option<Choice<'c>>,
}

/// Whether one element can be chosen of each list so that every field has what it asks.
pub(super) fn all_hold<P: Ord>(mut asked: Vec<Asked<'_, P>>) -> bool {
    // The outermost lists on which the absence of a field may depend.
    let outermost = |one: &Asked<'_, P>| -> BTreeSet<usize> {
        let chains = one.within.iter().chain(one.outside.iter().flatten());
        chains.filter_map(|chain| chain.first()).map(|link| link.0).collect()
    };
    let mut lists = BTreeSet::new();
    let (mut alone, mut together): (Vec<_>, Vec<_>) = asked.drain(..).partition(|one| one.outside.is_none());
    lists.extend(together.iter().flat_map(outermost));
    while let Some(at) = alone.iter().position(|one| !outermost(one).is_disjoint(&lists)) {
        let one = alone.swap_remove(at);
        lists.extend(outermost(&one));
        together.push(one);
    }
    together.sort_by(|a, b| a.path.cmp(&b.path));
    let mut detours = MAX_DETOURS;
    in_order(&together, &mut Vec::new(), &mut detours)
        && consistent(alone.into_iter().map(|one| one.within).collect(), &mut detours)
}

/// Tries the choices of one field after the other.
fn in_order<'c, P>(asked: &[Asked<'c, P>], chosen: &mut Vec<Link>, detours: &mut usize) -> bool {
    let Some((one, rest)) = asked.split_first() else { return true };
    if *detours == 0 {
        return false;
    }
    *detours -= 1;
    for chain in &one.within {
        if agrees(chain, chosen) {
            let before = chosen.len();
            chosen.extend_from_slice(chain);
            if in_order(rest, chosen, detours) {
                return true;
            }
            chosen.truncate(before);
        }
    }
    let is_absent = |chains: &Choice<'c>| !chains.iter().any(|chain| agrees(chain, chosen));
    one.outside.as_ref().is_some_and(is_absent) && in_order(rest, chosen, detours)
}

fn choice(chains: &[Vec<Link>]) -> Choice<'_> {
    chains.iter().map(Vec::as_slice).collect()
}

/// Whether a value may lie in the chosen elements.
fn agrees(chain: &[Link], chosen: &[Link]) -> bool {
    chain.iter().all(|link| chosen.iter().all(|other| link.0 != other.0 || link.1 == other.1))
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
