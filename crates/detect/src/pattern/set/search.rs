//! Goes through the automaton with the values of one event.

use super::super::solve::{Asked, Choice, MAX_DETOURS, all_hold, consistent};
use super::super::test::Test;
use super::nodes::{Branch, Children, Nodes};
use super::paths::{PathId, Paths};
use super::scratch::Scratch;

/// Stands for no demand.
const NONE: u32 = u32::MAX;

/// A node to visit, and what was demanded on the way to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    node: u32,
    demands: u32,
}

/// The values of which one must be chosen for one step, or none if it is for the absence of all; and the steps before.
#[derive(Clone, Copy, Debug)]
pub(super) struct DemandLink {
    before: u32,
    path: PathId,
    absent: bool,
    start: u32,
    end: u32,
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("fewer hits than memory has room for")
}

impl Nodes {
    /// Leaves the numbers of the patterns that match in `scratch.matched`, in no order, some more than once.
    pub(super) fn search(&self, paths: &Paths, scratch: &mut Scratch, event: &str) {
        scratch.matched.clear();
        scratch.visits.clear();
        scratch.demands.clear();
        scratch.chosen.clear();
        scratch.visits.push(Visit { node: 0, demands: NONE });
        while let Some(visit) = scratch.visits.pop() {
            let node = &self.all[visit.node as usize];
            if !node.ends.is_empty() && holds(paths, scratch, visit.demands) {
                scratch.matched.extend_from_slice(&node.ends);
            }
            for &(path, child) in &node.absent {
                if !scratch.has(path) {
                    scratch.visits.push(Visit { node: child, ..visit });
                } else if visit.demands != NONE && scratch.at(path).all(|at| !scratch.chain(at).is_empty()) {
                    // Steps on fields that may be absent come last, so the elements it depends on are all asked for.
                    let start = small(scratch.chosen.len());
                    let mut chosen = std::mem::take(&mut scratch.chosen);
                    chosen.extend(scratch.at(path));
                    scratch.chosen = chosen;
                    let end = small(scratch.chosen.len());
                    let link = DemandLink { before: visit.demands, path, absent: true, start, end };
                    scratch.visits.push(Visit { node: child, demands: small(scratch.demands.len()) });
                    scratch.demands.push(link);
                }
            }
            if node.branches.len() <= scratch.present.len() {
                for branch in &node.branches {
                    if scratch.has(branch.path) {
                        self.follow(scratch, event, branch, visit.demands);
                    }
                }
            } else {
                for at in 0..scratch.present.len() {
                    if let Ok(branch) = node.branch(scratch.present[at]) {
                        self.follow(scratch, event, &node.branches[branch], visit.demands);
                    }
                }
            }
        }
    }

    fn follow(&self, scratch: &mut Scratch, event: &str, branch: &Branch, demands: u32) {
        let mut hits = std::mem::take(&mut scratch.hits);
        hits.clear();
        match &branch.children {
            Children::Many(many) => {
                let index = &many.index;
                let mut room = std::mem::take(&mut scratch.folded);
                for value in scratch.at(branch.path) {
                    let scalar = scratch.scalar(event, value);
                    index.candidates(scalar, &mut room, &mut |(child, test)| {
                        if self.all[child as usize].tests[test as usize].passes(scalar) {
                            hits.push((child, value));
                        }
                    });
                }
                scratch.folded = room;
                for (child, test) in &index.rest {
                    let test = &self.all[*child as usize].tests[*test as usize];
                    try_all(scratch, event, branch, *child, std::slice::from_ref(test), &mut hits);
                }
            }
            Children::Few(children) => {
                for child in children {
                    let tests = &self.all[*child as usize].tests;
                    try_all(scratch, event, branch, *child, tests, &mut hits);
                }
            }
        }
        if let [(child, value)] = hits.as_slice()
            && scratch.chain(*value).is_empty()
        {
            scratch.visits.push(Visit { node: *child, demands });
        } else {
            hits.sort_unstable();
            hits.dedup();
            for group in hits.chunk_by(|a, b| a.0 == b.0) {
                let node = group[0].0;
                if group.iter().any(|(_, value)| scratch.chain(*value).is_empty()) {
                    scratch.visits.push(Visit { node, demands });
                    continue;
                }
                let start = small(scratch.chosen.len());
                scratch.chosen.extend(group.iter().map(|(_, value)| *value));
                let end = small(scratch.chosen.len());
                let link = DemandLink { before: demands, path: branch.path, absent: false, start, end };
                scratch.visits.push(Visit { node, demands: small(scratch.demands.len()) });
                scratch.demands.push(link);
            }
        }
        scratch.hits = hits;
    }
}

/// Tries all values of a path. A value that lies in no element of a list settles it: no other can make more of it.
fn try_all(
    scratch: &Scratch,
    event: &str,
    branch: &Branch,
    child: u32,
    tests: &[Test],
    hits: &mut Vec<(u32, u32)>,
) {
    for value in scratch.at(branch.path) {
        let scalar = scratch.scalar(event, value);
        if tests.iter().any(|test| test.passes(scalar)) {
            hits.push((child, value));
            if scratch.chain(value).is_empty() {
                return;
            }
        }
    }
}

/// Whether the values that were chosen from can lie in the same elements.
fn holds(paths: &Paths, scratch: &Scratch, demands: u32) -> bool {
    let link = |at: u32| scratch.demands.get(at as usize);
    // One demand alone can be met by any of its values.
    if link(demands).is_none_or(|first| link(first.before).is_none()) {
        return true;
    }
    let all = || std::iter::successors(link(demands), |demand| link(demand.before));
    let choice = |demand: &DemandLink| {
        let values = &scratch.chosen[demand.start as usize..demand.end as usize];
        let mut chains: Choice<'_> = values.iter().map(|value| scratch.chain(*value)).collect();
        chains.sort_unstable();
        chains.dedup();
        chains
    };
    if !all().any(|demand| demand.absent) {
        return consistent(all().map(choice).collect(), &mut MAX_DETOURS.clone());
    }
    let asked = all().map(|demand| {
        let (within, outside) = match choice(demand) {
            chains if demand.absent => (Vec::new(), Some(chains)),
            chains => (chains, None),
        };
        Asked { path: paths.name(demand.path), within, outside }
    });
    all_hold(asked.collect())
}
