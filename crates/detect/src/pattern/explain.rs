//! What keeps a pattern from holding for an event, when it does not hold.
//!
//! Fields that look into one list of objects must hold in one element of it. Where no element has them all, the one
//! that comes nearest is chosen: the one where most of the fields hold, and of equals the one that has most of the
//! fields at all, and then the first. What is said of such fields is said of that element. An alternative of `$or` is
//! looked at together with the fields that stand beside it, so each has a nearest element of its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::near;
use super::solve::{self, Found, Link, Lists, may_be_absent};
use super::test::Scalar;
use super::{All, Leaf, Or, Pattern};

/// How many places are named where a field does hold.
const MOST_PLACES: usize = 3;

/// Why a pattern matched an event or did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Whether it matched.
    pub matched: bool,
    /// Of lists in which no element has all fields, the element that comes nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
    /// The fields that did not match; empty when it matched.
    pub misses: Vec<Miss>,
}

/// The element of a list that comes nearest to what a pattern asks of one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Element {
    /// Where it is: `detail.hops[1]`.
    pub place: String,
    /// How many elements the list has.
    pub elements: usize,
    /// How many fields of the pattern look into the list.
    pub fields: usize,
    /// How many of them match in this element.
    pub matching: usize,
}

/// One field that did not match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Miss {
    /// Its path, keys joined with `.`.
    pub path: String,
    /// Where it was looked for, when that is in chosen elements of lists: `detail.hops[1].from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The values it may have, as compact JSON.
    pub expected: String,
    /// What the event has there: the scalars at the path, or the objects when there are only objects.
    pub found: Vec<Value>,
    /// Why that does not match.
    pub reason: Reason,
    /// Where it does match, in elements that do not have the other fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<String>,
    /// What is nearly right: the same text in another case, a number that is a text, a field that is somewhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
    /// Of `$or`, what each alternative misses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The number of the alternative that comes nearest, from 1, when one comes nearer than all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<usize>,
}

/// One alternative of `$or` that does not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// Of lists in which no element has all fields, the element that comes nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
    /// The fields that do not match.
    pub misses: Vec<Miss>,
    /// How many of its own fields do.
    pub matching: usize,
}

/// Why a field did not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The event has no value there.
    Absent,
    /// The event has an object there; only scalars and lists of them are values.
    Object,
    /// The event has other values there.
    Differs,
    /// No alternative of `$or` holds.
    NoAlternative,
    /// The field matches by itself, but not in the same list element as the other fields.
    OtherElement,
}

impl Explanation {
    /// Of a pattern that matched there is nothing more to say.
    pub(super) fn matched() -> Self {
        Self { matched: true, elements: Vec::new(), misses: Vec::new() }
    }
}

/// What keeps the pattern from holding.
pub(super) fn explain(pattern: &Pattern, event: &Value) -> Explanation {
    let mut view = View { event, sights: BTreeMap::new(), lists: BTreeMap::new() };
    view.look(&pattern.root, &mut Lists::default());
    let mut report = view.report(&pattern.root, &[]);
    if report.misses.is_empty() {
        report = view.nearest_branch(&pattern.root);
    }
    Explanation { matched: false, elements: report.elements, misses: report.misses }
}

/// What an event has for one leaf.
struct Sight<'e> {
    /// The values, each with whether it passes.
    found: Vec<(Found<'e>, bool)>,
    objects: Vec<&'e Value>,
    /// It is to be absent, and it is.
    is_rightly_absent: bool,
}

/// The elements that are chosen, by list.
type Chosen = BTreeMap<usize, usize>;

fn is_within(chain: &[Link], chosen: &Chosen) -> bool {
    chain.iter().all(|(list, index)| chosen.get(list).is_none_or(|one| one == index))
}

impl Sight<'_> {
    fn holds(&self, chosen: &Chosen) -> bool {
        self.is_rightly_absent
            || self.found.iter().any(|(found, passes)| *passes && is_within(&found.chain, chosen))
    }

    fn chains(&self) -> impl Iterator<Item = &[Link]> {
        self.found.iter().map(|(found, _)| found.chain.as_slice())
    }

    fn looks_into(&self, list: usize) -> bool {
        self.chains().any(|chain| chain.iter().any(|link| link.0 == list))
    }
}

/// An event as a pattern looks at it.
struct View<'e> {
    event: &'e Value,
    /// By the number of the leaf.
    sights: BTreeMap<usize, Sight<'e>>,
    /// By the number of the list: how many bytes of a path lead to it, and how many elements it has.
    lists: BTreeMap<usize, (usize, usize)>,
}

/// What a choice of elements comes to at one element of a list.
#[derive(Default)]
struct AtElement {
    holding: BTreeSet<usize>,
    present: BTreeSet<usize>,
}

impl<'e> View<'e> {
    fn look(&mut self, all: &All, lists: &mut Lists) {
        for leaf in &all.leaves {
            let reached = solve::reached(leaf, self.event, lists);
            self.lists.extend(reached.lists);
            let passes = |value: &Value| {
                Scalar::of(value).is_some_and(|value| leaf.tests.iter().any(|test| test.passes(value)))
            };
            let is_rightly_absent = reached.scalars.is_empty() && may_be_absent(leaf);
            let found = reached.scalars.into_iter().map(|found| {
                let passes = passes(found.value);
                (found, passes)
            });
            let sight = Sight { found: found.collect(), objects: reached.objects, is_rightly_absent };
            self.sights.insert(leaf.number, sight);
        }
        for alternative in all.ors.iter().flat_map(|or| &or.alternatives) {
            self.look(alternative, lists);
        }
    }

    fn holds(&self, leaf: &Leaf, chosen: &Chosen) -> bool {
        self.sights.get(&leaf.number).is_some_and(|sight| sight.holds(chosen))
    }

    /// Chooses an element of each list that several of the leaves look into.
    fn choose(&self, leaves: &[&Leaf]) -> Chosen {
        let mut chosen = Chosen::new();
        let mut done = BTreeSet::new();
        while let Some(list) = self.next_list(leaves, &chosen, &done) {
            done.insert(list);
            let (mut by_element, mut anywhere) = (BTreeMap::<usize, AtElement>::new(), BTreeSet::new());
            for leaf in leaves {
                let Some(sight) = self.sights.get(&leaf.number) else { continue };
                for (found, passes) in &sight.found {
                    if !is_within(&found.chain, &chosen) {
                        continue;
                    }
                    match found.chain.iter().find(|link| link.0 == list) {
                        Some((_, index)) => {
                            let at = by_element.entry(*index).or_default();
                            at.present.insert(leaf.number);
                            if *passes {
                                at.holding.insert(leaf.number);
                            }
                        }
                        None if *passes => drop(anywhere.insert(leaf.number)),
                        None => {}
                    }
                }
            }
            let rank = |at: &AtElement| {
                // What holds outside of the list, under another spelling of its path, holds in every element.
                let more = at.holding.difference(&anywhere).count();
                (more, at.present.len())
            };
            let best = by_element.iter().max_by_key(|(index, at)| (rank(at), Reverse(**index)));
            if let Some((index, _)) = best {
                chosen.insert(list, *index);
            }
        }
        chosen
    }

    /// The next list in which several of the leaves have values.
    fn next_list(&self, leaves: &[&Leaf], chosen: &Chosen, done: &BTreeSet<usize>) -> Option<usize> {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for leaf in leaves {
            let Some(sight) = self.sights.get(&leaf.number) else { continue };
            let lists: BTreeSet<usize> = sight
                .chains()
                .filter(|chain| is_within(chain, chosen))
                .flat_map(|chain| chain.iter().map(|link| link.0))
                .filter(|list| !done.contains(list))
                .collect();
            for list in lists {
                *counts.entry(list).or_default() += 1;
            }
        }
        counts.into_iter().find(|(_, count)| *count > 1).map(|(list, _)| list)
    }

    /// What fails of these fields, looked at together with some that hold around them.
    fn report(&self, all: &All, around: &[&Leaf]) -> Alternative {
        let leaves: Vec<&Leaf> = around.iter().copied().chain(&all.leaves).collect();
        let chosen = self.choose(&leaves);
        let (holding, failing): (Vec<&Leaf>, Vec<&Leaf>) =
            leaves.iter().partition(|leaf| self.holds(leaf, &chosen));
        let mut misses: Vec<Miss> = failing.iter().map(|leaf| self.miss(leaf, &chosen)).collect();
        let elements = self.elements(&leaves, &failing, &chosen);
        misses.extend(all.ors.iter().filter_map(|or| self.alternatives(or, &holding)));
        let matching = all.leaves.iter().filter(|leaf| self.holds(leaf, &chosen)).count();
        Alternative { elements, misses, matching }
    }

    fn alternatives(&self, or: &Or, around: &[&Leaf]) -> Option<Miss> {
        let alternatives: Vec<Alternative> =
            or.alternatives.iter().map(|all| self.report(all, around)).collect();
        if alternatives.iter().any(|one| one.misses.is_empty()) {
            return None;
        }
        let rank = |one: &Alternative| (missing(&one.misses), Reverse(one.matching));
        let best = alternatives.iter().map(rank).min();
        let mut nearest = alternatives.iter().enumerate().filter(|(_, one)| Some(rank(one)) == best);
        let nearest = match (nearest.next(), nearest.next()) {
            (Some((index, _)), None) => Some(index + 1),
            _ => None,
        };
        Some(Miss {
            path: or.path.clone(),
            place: None,
            expected: format!("one of {} alternatives", alternatives.len()),
            found: Vec::new(),
            reason: Reason::NoAlternative,
            elsewhere: Vec::new(),
            near: None,
            alternatives,
            nearest,
        })
    }

    /// Where each alternative holds by itself, several `$or` cannot hold together: of all combinations, what the nearest
    /// one misses.
    fn nearest_branch(&self, root: &All) -> Alternative {
        let mut branches = Vec::new();
        branch(vec![root], Vec::new(), Vec::new(), &mut branches);
        let failing = |leaves: &[&Leaf]| {
            let chosen = self.choose(leaves);
            leaves.iter().filter(|leaf| !self.holds(leaf, &chosen)).count()
        };
        // A branch in which nothing fails here was given up by the search, see `MAX_DETOURS`.
        let nearest = branches.iter().min_by_key(|leaves| match failing(leaves) {
            0 => usize::MAX,
            failing => failing,
        });
        let leaves = nearest.map(Vec::as_slice).unwrap_or_default();
        let chosen = self.choose(leaves);
        let mut failing: Vec<&Leaf> =
            leaves.iter().copied().filter(|leaf| !self.holds(leaf, &chosen)).collect();
        if failing.is_empty() {
            failing = leaves.to_vec();
        }
        let misses = failing.iter().map(|leaf| self.miss(leaf, &chosen)).collect();
        Alternative { elements: self.elements(leaves, &failing, &chosen), misses, matching: 0 }
    }

    /// The chosen elements of the lists that the failing leaves look into.
    fn elements(&self, leaves: &[&Leaf], failing: &[&Leaf], chosen: &Chosen) -> Vec<Element> {
        let looks = |leaf: &Leaf, list| self.sights.get(&leaf.number).is_some_and(|s| s.looks_into(list));
        let mut out = Vec::new();
        // What must be absent is so in every element, which says nothing of one.
        let in_one = |list| failing.iter().any(|leaf| !may_be_absent(leaf) && looks(leaf, list));
        for (list, _) in chosen.iter().filter(|(list, _)| in_one(**list)) {
            let all: Vec<&&Leaf> = leaves.iter().filter(|leaf| looks(leaf, *list)).collect();
            let to_list = all.iter().find_map(|leaf| {
                let chains = self.sights.get(&leaf.number)?.chains();
                let chain = chains.filter(|chain| is_within(chain, chosen)).find_map(|chain| {
                    chain.iter().position(|link| link.0 == *list).map(|at| &chain[..=at])
                })?;
                Some(self.place(&leaf.path[..self.lists.get(list)?.0], chain))
            });
            out.extend(to_list.map(|place| Element {
                place,
                elements: self.lists.get(list).map_or(0, |list| list.1),
                fields: all.len(),
                matching: all.iter().filter(|leaf| self.holds(leaf, chosen)).count(),
            }));
        }
        out
    }

    /// A path with the numbers of elements in it.
    fn place(&self, path: &str, chain: &[Link]) -> String {
        let (mut out, mut from) = (String::new(), 0);
        for (list, index) in chain {
            let to = self.lists.get(list).map_or(from, |list| list.0).clamp(from, path.len());
            out.push_str(&path[from..to]);
            out.push_str(&format!("[{index}]"));
            from = to;
        }
        out.push_str(&path[from..]);
        out
    }

    /// Where a leaf was looked for in the chosen elements.
    fn place_of(&self, leaf: &Leaf, sight: &Sight<'_>, chosen: &Chosen) -> Option<String> {
        let within = sight.chains().find(|chain| is_within(chain, chosen));
        let chain = within.or_else(|| sight.chains().next())?;
        let mut links = Vec::new();
        for (list, index) in chain {
            let Some(one) = chosen.get(list) else { break };
            links.push((*list, *one));
            if one != index {
                break;
            }
        }
        (!links.is_empty()).then(|| self.place(&leaf.path, &links))
    }

    fn miss(&self, leaf: &Leaf, chosen: &Chosen) -> Miss {
        let mut out = Miss {
            path: leaf.path.clone(),
            place: None,
            expected: leaf.expected.clone(),
            found: Vec::new(),
            reason: Reason::Absent,
            elsewhere: Vec::new(),
            near: None,
            alternatives: Vec::new(),
            nearest: None,
        };
        let Some(sight) = self.sights.get(&leaf.number) else { return out };
        if sight.found.is_empty() {
            if !sight.objects.is_empty() {
                out.reason = Reason::Object;
                out.found = sight.objects.iter().map(|value| (*value).clone()).collect();
                out.near = near::of_values(leaf, &out.found);
            } else {
                out.near = near::of_place(leaf, self.event);
            }
            return out;
        }
        let value = |(found, _): &(Found<'_>, bool)| found.value.clone();
        // What must not be there must not be there in any element.
        if may_be_absent(leaf) {
            out.found = sight.found.iter().map(value).collect();
            out.reason = Reason::Differs;
            return out;
        }
        let is_here = |one: &&(Found<'_>, bool)| is_within(&one.0.chain, chosen);
        out.place = self.place_of(leaf, sight, chosen);
        out.found = sight.found.iter().filter(is_here).map(value).collect();
        let passing = sight.found.iter().filter(|one| one.1);
        out.elsewhere = passing.take(MOST_PLACES).map(|one| self.place(&leaf.path, &one.0.chain)).collect();
        if !out.elsewhere.is_empty() {
            out.reason = Reason::OtherElement;
        } else if !out.found.is_empty() {
            out.reason = Reason::Differs;
        }
        out.near = near::of_values(leaf, &out.found);
        out
    }
}

/// How many fields are missing at least.
fn missing(misses: &[Miss]) -> usize {
    misses
        .iter()
        .map(|miss| miss.alternatives.iter().map(|one| missing(&one.misses)).min().unwrap_or(1))
        .fold(0, usize::saturating_add)
}

/// The leaves of every combination of alternatives. There are at most [`super::MAX_COMBINATIONS`].
fn branch<'p>(
    mut todo: Vec<&'p All>,
    mut ors: Vec<&'p Or>,
    mut leaves: Vec<&'p Leaf>,
    out: &mut Vec<Vec<&'p Leaf>>,
) {
    while let Some(all) = todo.pop() {
        leaves.extend(&all.leaves);
        ors.extend(&all.ors);
    }
    match ors.pop() {
        None => out.push(leaves),
        Some(or) => {
            for all in &or.alternatives {
                branch(vec![all], ors.clone(), leaves.clone(), out);
            }
        }
    }
}
