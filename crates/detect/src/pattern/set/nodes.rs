//! The automaton: a tree of steps. Each step asks for a value at a path, and patterns that begin with the same steps
//! share them; where a pattern is complete, a node has its number. A pattern adds at most as many nodes as the
//! combinations of its `$or` have fields, and each node is visited at most once for an event.

use std::collections::BTreeMap;

use super::super::test::{Like, Test};
use super::super::{All, Leaf, Pattern};
use super::index::{Entry, Index};
use super::paths::{PathId, Paths};

/// Up to so many steps on one path are tried one by one.
const FEW: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// What led here.
    pub(super) tests: Box<[Test]>,
    /// Patterns that are complete here, once for each of their combinations.
    pub(super) ends: Vec<u32>,
    /// In the order of their paths.
    pub(super) branches: Vec<Branch>,
    /// Steps that are taken when there is no value.
    pub(super) absent: Vec<(PathId, u32)>,
}

/// The steps from one node on one path.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) path: PathId,
    /// By the list of values as it was written.
    pub(super) children: BTreeMap<Box<str>, u32>,
    pub(super) index: Option<Box<Index>>,
}

#[derive(Clone, Debug)]
pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    free: Vec<u32>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { all: vec![Node::default()], free: Vec::new() }
    }
}

/// Every combination of alternatives, each as the fields that must hold together, the most telling first.
fn combinations(pattern: &Pattern) -> Vec<Vec<&Leaf>> {
    let mut out = expand(&pattern.root);
    for fields in &mut out {
        fields.sort_by(|a, b| (rank(a), &a.path, &a.expected).cmp(&(rank(b), &b.path, &b.expected)));
        fields.dedup_by(|a, b| (&a.path, &a.expected) == (&b.path, &b.expected));
    }
    out
}

fn expand(all: &All) -> Vec<Vec<&Leaf>> {
    let mut out = vec![all.leaves.iter().collect::<Vec<_>>()];
    for or in &all.ors {
        let alternatives: Vec<Vec<&Leaf>> = or.alternatives.iter().flat_map(expand).collect();
        out = out
            .iter()
            .flat_map(|fields| alternatives.iter().map(|more| [fields.as_slice(), more].concat()))
            .collect();
    }
    out
}

/// How little a field tells: steps that few values pass come first, so that most of the tree is not entered.
fn rank(leaf: &Leaf) -> u8 {
    let rank = |test: &Test| match test {
        Test::Text(..) | Test::Number(_) | Test::Like(Like::Equal(_) | Like::EqualFold(_)) => 0,
        Test::Like(_) | Test::Cidr(_) => 1,
        Test::Numeric(_) | Test::Constant(_) => 2,
        Test::Exists(true) => 3,
        Test::NoneOf(_) | Test::NotNumbers(_) => 4,
        Test::Exists(false) => 5,
    };
    leaf.tests.iter().map(rank).max().unwrap_or(0)
}

fn entries(node: u32, tests: &[Test]) -> impl Iterator<Item = (&Test, Entry)> {
    (0..).zip(tests).map(move |(number, test)| (test, (node, number)))
}

impl Nodes {
    pub(super) fn add(&mut self, paths: &mut Paths, pattern: &Pattern, number: u32) {
        for fields in combinations(pattern) {
            let mut here = 0;
            for leaf in fields {
                here = self.grow(paths, here, leaf);
            }
            self.all[here as usize].ends.push(number);
        }
    }

    /// The node that a step leads to.
    fn grow(&mut self, paths: &mut Paths, from: u32, leaf: &Leaf) -> u32 {
        let known = paths.find(&leaf.path).and_then(|path| {
            let branch = self.all[from as usize].branch(path).ok()?;
            self.all[from as usize].branches[branch].children.get(leaf.expected.as_str()).copied()
        });
        if let Some(child) = known {
            return child;
        }
        let path = paths.add(&leaf.path);
        let node = Node { tests: leaf.tests.as_slice().into(), ..Node::default() };
        let child = match self.free.pop() {
            Some(free) => {
                self.all[free as usize] = node;
                free
            }
            None => {
                self.all.push(node);
                u32::try_from(self.all.len() - 1).expect("fewer nodes than memory has room for")
            }
        };
        let absent = leaf.tests.iter().any(|test| matches!(test, Test::Exists(false)));
        let mut index = None;
        let node = &mut self.all[from as usize];
        if absent {
            node.absent.push((path, child));
        }
        let at = match node.branch(path) {
            Ok(at) => at,
            Err(at) => {
                node.branches.insert(at, Branch { path, children: BTreeMap::new(), index: None });
                at
            }
        };
        let branch = &mut node.branches[at];
        branch.children.insert(leaf.expected.as_str().into(), child);
        if let Some(index) = &mut branch.index {
            entries(child, &leaf.tests).for_each(|(test, entry)| index.add(test, entry));
        } else if branch.children.len() > FEW {
            let children: Vec<u32> = branch.children.values().copied().collect();
            let mut made = Index::default();
            for child in children {
                let tests = &self.all[child as usize].tests;
                entries(child, tests).for_each(|(test, entry)| made.add(test, entry));
            }
            index = Some(Box::new(made));
        }
        if index.is_some() {
            self.all[from as usize].branches[at].index = index;
        }
        child
    }

    pub(super) fn remove(&mut self, paths: &mut Paths, pattern: &Pattern, number: u32) {
        for fields in combinations(pattern) {
            let mut steps = Vec::with_capacity(fields.len());
            let mut here = 0;
            for leaf in fields {
                let node = &self.all[here as usize];
                let step = paths.find(&leaf.path).and_then(|path| {
                    let branch = &node.branches[node.branch(path).ok()?];
                    Some((path, *branch.children.get(leaf.expected.as_str())?))
                });
                let (path, child) = step.expect("a pattern that was added has its steps");
                steps.push((here, path, child, &leaf.expected));
                here = child;
            }
            let ends = &mut self.all[here as usize].ends;
            if let Some(at) = ends.iter().position(|end| *end == number) {
                ends.swap_remove(at);
            }
            for (from, path, child, expected) in steps.into_iter().rev() {
                let node = &self.all[child as usize];
                if !node.ends.is_empty() || !node.branches.is_empty() {
                    break;
                }
                self.cut(from, path, child, expected);
                paths.release(path);
            }
        }
    }

    fn cut(&mut self, from: u32, path: PathId, child: u32, expected: &str) {
        let gone = std::mem::take(&mut self.all[child as usize]);
        self.free.push(child);
        let node = &mut self.all[from as usize];
        node.absent.retain(|step| *step != (path, child));
        let Ok(at) = node.branch(path) else { return };
        let branch = &mut node.branches[at];
        branch.children.remove(expected);
        if branch.children.is_empty() {
            node.branches.remove(at);
        } else if let Some(index) = &mut branch.index {
            entries(child, &gone.tests).for_each(|(test, entry)| index.remove(test, entry));
        }
    }

    /// How many nodes are in use, and how many paths at most; for tests that nothing is left behind.
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

impl Node {
    /// Where the branch of a path is, or would be.
    pub(super) fn branch(&self, path: PathId) -> Result<usize, usize> {
        self.branches.binary_search_by_key(&path, |branch| branch.path)
    }
}
