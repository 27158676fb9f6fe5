//! In which order the services of a plan change.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_declare::{Component, Declared};

/// What comes before what, as levels: everything of a level depends on earlier levels only.
pub(crate) type Levels<'a> = BTreeMap<&'a str, usize>;

/// The levels of a declaration's components along `depends_on`, with more edges `(first, then)` that are kept to as far
/// as they lead to no circle. A circle of dependencies, which `declare` refuses, would share one level.
pub(crate) fn levels<'a>(declared: &'a Declared, more: &BTreeSet<(&'a str, &'a str)>) -> Levels<'a> {
    let components = &declared.workload.components;
    let edges = |all: &mut dyn Iterator<Item = &'a Component>| {
        let mut out: BTreeSet<(&str, &str)> = BTreeSet::new();
        for component in all {
            for on in component.depends_on.iter().filter(|on| components.contains_key(*on)) {
                out.insert((on.as_str(), component.name.as_str()));
            }
        }
        out
    };
    let plain = edges(&mut components.values());
    let environments = declared.workload.environments.values();
    let theirs = edges(&mut environments.flat_map(|environment| environment.components.values()));
    let firm: BTreeSet<(&str, &str)> = plain.union(&theirs).copied().collect();
    let names: Vec<&str> = components.keys().map(String::as_str).collect();
    let with: BTreeSet<(&str, &str)> = firm.union(more).copied().collect();
    // Environments may each have an order of their own that together are none.
    sorted(&names, &with)
        .or_else(|| sorted(&names, &firm))
        .or_else(|| sorted(&names, &plain))
        .unwrap_or_else(|| names.iter().map(|name| (*name, 0)).collect())
}

/// `None` where there is a circle.
fn sorted<'a>(names: &[&'a str], edges: &BTreeSet<(&'a str, &'a str)>) -> Option<Levels<'a>> {
    let mut waits_for: BTreeMap<&str, usize> = names.iter().map(|name| (*name, 0)).collect();
    let mut then: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    for (first, second) in edges {
        if let (true, Some(count)) = (names.binary_search(first).is_ok(), waits_for.get_mut(second)) {
            *count += 1;
            then.entry(first).or_default().push(second);
        }
    }
    let mut levels = Levels::new();
    let mut level: Vec<&str> = names.iter().copied().filter(|name| waits_for.get(name) == Some(&0)).collect();
    let mut depth = 0;
    while !level.is_empty() {
        let mut next = Vec::new();
        for name in level {
            levels.insert(name, depth);
            for second in then.get(name).into_iter().flatten() {
                if let Some(count) = waits_for.get_mut(second) {
                    *count -= 1;
                    if *count == 0 {
                        next.push(*second);
                    }
                }
            }
        }
        depth += 1;
        level = next;
    }
    (levels.len() == names.len()).then_some(levels)
}

/// Which batch the service that is replaced as `at`-th (from 0) belongs to, of a component that runs on `hosts` hosts:
/// first one alone, to see whether it works at all, then at most half of them at a time, so that the component is never
/// down on more.
pub(crate) fn batch(at: usize, hosts: usize) -> usize {
    if at == 0 { 0 } else { 1 + (at - 1) / (hosts / 2).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_first_and_then_at_most_half() {
        let sizes = |hosts: usize| {
            let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
            for at in 0..hosts {
                *sizes.entry(batch(at, hosts)).or_default() += 1;
            }
            sizes.into_values().collect::<Vec<_>>()
        };
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(2), [1, 1]);
        assert_eq!(sizes(3), [1, 1, 1]);
        assert_eq!(sizes(5), [1, 2, 2]);
        assert_eq!(sizes(10), [1, 5, 4]);
    }

    #[test]
    fn edges_order_and_circles_have_none() {
        let edges = BTreeSet::from([("a", "b"), ("b", "c"), ("a", "c")]);
        let found = sorted(&["a", "b", "c", "d"], &edges).expect("there is no circle");
        assert_eq!(found, BTreeMap::from([("a", 0), ("b", 1), ("c", 2), ("d", 0)]));
        assert_eq!(sorted(&["a", "b"], &BTreeSet::from([("a", "b"), ("b", "a")])), None);
    }
}
