//! Who feels a change of a component.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_declare::Declared;

use crate::value::{Affected, MAX_NAMED};

/// Who depends on whom, before and after: a change is felt by those who depended on what was, and by those who depend
/// on what will be.
pub(crate) struct Dependents<'a> {
    names: Vec<&'a str>,
    /// By place in `names`.
    of: Vec<Vec<usize>>,
    /// Goal and components, in rank order; no components is all of them.
    priorities: Vec<(&'a str, BTreeSet<usize>)>,
}

impl<'a> Dependents<'a> {
    pub(crate) fn new(versions: &[&'a Declared]) -> Self {
        let names: BTreeSet<&str> =
            versions.iter().flat_map(|one| one.workload.components.keys()).map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let place = |name: &str| names.binary_search(&name).ok();
        let mut edges = BTreeSet::new();
        let everywhere = versions.iter().flat_map(|one| {
            let environments = one.workload.environments.values();
            one.workload.components.values().chain(environments.flat_map(|one| one.components.values()))
        });
        for component in everywhere {
            for on in &component.depends_on {
                if let (Some(on), Some(dependent)) = (place(on), place(&component.name)) {
                    edges.insert((on, dependent));
                }
            }
        }
        let mut of = vec![Vec::new(); names.len()];
        for (on, dependent) in edges {
            of[on].push(dependent);
        }
        let mut priorities: Vec<(&str, BTreeSet<usize>)> = Vec::new();
        for priority in versions.iter().flat_map(|one| &one.workload.priorities) {
            let components: BTreeSet<usize> =
                priority.components.iter().filter_map(|name| place(name)).collect();
            match priorities.iter_mut().find(|(goal, _)| *goal == priority.goal) {
                // No component means all of them, whatever another version names.
                Some((_, known)) if known.is_empty() || components.is_empty() => known.clear(),
                Some((_, known)) => known.extend(components),
                None => priorities.push((&priority.goal, components)),
            }
        }
        Self { names, of, priorities }
    }

    /// Who feels a change of each of these components.
    pub(crate) fn of(&self, changed: &BTreeSet<&str>) -> BTreeMap<String, Affected> {
        let mut seen = vec![usize::MAX; self.names.len()];
        let mut out = BTreeMap::new();
        for (mark, name) in changed.iter().enumerate() {
            let Ok(from) = self.names.binary_search(name) else { continue };
            out.insert((*name).to_owned(), self.one(from, mark, &mut seen));
        }
        out
    }

    /// `seen` holds the marks of earlier walks, so that it need not be cleared for each.
    fn one(&self, from: usize, mark: usize, seen: &mut [usize]) -> Affected {
        let mut reached = Vec::new();
        let mut queue = vec![from];
        seen[from] = mark;
        while let Some(at) = queue.pop() {
            for dependent in &self.of[at] {
                if seen[*dependent] != mark {
                    seen[*dependent] = mark;
                    reached.push(*dependent);
                    queue.push(*dependent);
                }
            }
        }
        let name = |place: &usize| self.names.get(*place).map(|name| (*name).to_owned());
        let direct = &self.of[from];
        let mut further: Vec<usize> =
            reached.into_iter().filter(|place| direct.binary_search(place).is_err()).collect();
        further.sort_unstable();
        let priorities = self
            .priorities
            .iter()
            .filter(|(_, components)| components.is_empty() || components.iter().any(|c| seen[*c] == mark))
            .map(|(goal, _)| (*goal).to_owned())
            .collect();
        Affected {
            direct: direct.iter().filter(|place| **place != from).filter_map(name).collect(),
            further_count: further.len(),
            further: further.iter().take(MAX_NAMED).filter_map(name).collect(),
            priorities,
        }
    }
}
