//! The automaton: a tree of steps. Each step asks for a value at a path, and patterns that begin with the same steps
//! share them; where a pattern is complete, a node has its number. A pattern adds at most as many nodes as the
//! combinations of its `$or` have fields, and each node is visited at most once for an event.

use super::super::test::{Like, Test};
use super::super::{All, Leaf, Pattern};
use super::index::Index;
use super::keys::signature;
use super::paths::{PathId, Paths};
use super::slots::{Entry, List};
use super::table::Hashed;

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
    pub(super) children: Children,
}

/// The nodes that the steps lead to.
#[derive(Clone, Debug)]
pub(super) enum Children {
    /// They are tried one by one.
    Few(Vec<u32>),
    Many(Box<Many>),
}

/// Nodes that are looked up: by their tests, to add and remove patterns, and by what passes their tests.
#[derive(Clone, Debug, Default)]
pub(super) struct Many {
    /// By the hash of their tests; the second number of an entry says nothing.
    written: Hashed<List>,
    pub(super) index: Index,
}

impl Branch {
    /// The node of a step. Steps with the same tests are one.
    fn child(&self, all: &[Node], tests: &[Test]) -> Option<u32> {
        let same = |child: &u32| *all[*child as usize].tests == *tests;
        match &self.children {
            Children::Few(children) => children.iter().copied().find(same),
            Children::Many(many) => {
                let list = many.written.get(&signature(tests))?;
                list.as_slice().iter().map(|entry| entry.0).find(same)
            }
        }
    }

    fn is_empty(&self) -> bool {
        match &self.children {
            Children::Few(children) => children.is_empty(),
            Children::Many(many) => many.written.is_empty(),
        }
    }
}

impl Many {
    fn add(&mut self, child: u32, tests: &[Test]) {
        let entry = (child, 0);
        self.written.entry(signature(tests)).and_modify(|list| list.push(entry)).or_insert(List::One(entry));
        entries(child, tests).for_each(|(test, entry)| self.index.add(test, entry));
    }

    fn remove(&mut self, child: u32, tests: &[Test]) {
        let hash = signature(tests);
        if self.written.get_mut(&hash).is_some_and(|list| list.take((child, 0))) {
            self.written.remove(&hash);
        }
        entries(child, tests).for_each(|(test, entry)| self.index.remove(test, entry));
    }
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
            let node = &self.all[from as usize];
            node.branches[node.branch(path).ok()?].child(&self.all, &leaf.tests)
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
        let node = &mut self.all[from as usize];
        if absent {
            node.absent.push((path, child));
        }
        let at = match node.branch(path) {
            Ok(at) => at,
            Err(at) => {
                node.branches.insert(at, Branch { path, children: Children::Few(Vec::new()) });
                at
            }
        };
        let few = match &mut node.branches[at].children {
            Children::Many(many) => {
                many.add(child, &leaf.tests);
                return child;
            }
            Children::Few(children) => {
                children.push(child);
                children.clone()
            }
        };
        if few.len() > FEW {
            let mut many = Box::<Many>::default();
            few.iter().for_each(|child| many.add(*child, &self.all[*child as usize].tests));
            self.all[from as usize].branches[at].children = Children::Many(many);
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
                    Some((path, branch.child(&self.all, &leaf.tests)?))
                });
                let (path, child) = step.expect("a pattern that was added has its steps");
                steps.push((here, path, child));
                here = child;
            }
            let ends = &mut self.all[here as usize].ends;
            if let Some(at) = ends.iter().position(|end| *end == number) {
                ends.swap_remove(at);
            }
            for (from, path, child) in steps.into_iter().rev() {
                let node = &self.all[child as usize];
                if !node.ends.is_empty() || !node.branches.is_empty() {
                    break;
                }
                self.cut(from, path, child);
                paths.release(path);
            }
        }
    }

    fn cut(&mut self, from: u32, path: PathId, child: u32) {
        let gone = std::mem::take(&mut self.all[child as usize]);
        self.free.push(child);
        let node = &mut self.all[from as usize];
        node.absent.retain(|step| *step != (path, child));
        let Ok(at) = node.branch(path) else { return };
        let branch = &mut node.branches[at];
        match &mut branch.children {
            Children::Few(children) => children.retain(|other| *other != child),
            Children::Many(many) => many.remove(child, &gone.tests),
        }
        if branch.is_empty() {
            node.branches.remove(at);
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
