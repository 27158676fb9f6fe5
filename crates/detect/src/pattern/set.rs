//! Many patterns as one automaton: the cost of an event hardly grows with how many there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Pattern;
use nodes::Nodes;
use paths::Paths;

mod index;
mod json;
mod keys;
mod nodes;
mod paths;
mod scratch;
mod search;
mod slots;
mod table;

pub use json::{EventError, MAX_EVENT_BYTES, MAX_EVENT_DEPTH};
pub use scratch::Scratch;

/// Patterns that are matched together, each under an id. Adding one or taking one away touches its own steps only.
#[derive(Clone, Debug)]
pub struct PatternSet<T: Ord> {
    patterns: BTreeMap<Arc<T>, (Pattern, u32)>,
    /// By number.
    ids: Vec<Option<Arc<T>>>,
    free: Vec<u32>,
    paths: Paths,
    nodes: Nodes,
}

impl<T: Ord> Default for PatternSet<T> {
    fn default() -> Self {
        Self {
            patterns: BTreeMap::new(),
            ids: Vec::new(),
            free: Vec::new(),
            paths: Paths::default(),
            nodes: Nodes::default(),
        }
    }
}

impl<T: Ord> PatternSet<T> {
    /// A set without patterns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern; the one that had this id before is replaced and answered.
    pub fn add(&mut self, id: T, pattern: Pattern) -> Option<Pattern> {
        let before = self.remove(&id);
        let id = Arc::new(id);
        let number = self.free.pop().unwrap_or_else(|| {
            self.ids.push(None);
            u32::try_from(self.ids.len() - 1).expect("fewer patterns than memory has room for")
        });
        self.nodes.add(&mut self.paths, &pattern, number);
        self.ids[number as usize] = Some(id.clone());
        self.patterns.insert(id, (pattern, number));
        before
    }

    /// Takes a pattern away and answers it.
    pub fn remove(&mut self, id: &T) -> Option<Pattern> {
        let (pattern, number) = self.patterns.remove(id)?;
        self.nodes.remove(&mut self.paths, &pattern, number);
        self.ids[number as usize] = None;
        self.free.push(number);
        Some(pattern)
    }

    /// The pattern of an id.
    pub fn get(&self, id: &T) -> Option<&Pattern> {
        self.patterns.get(id).map(|(pattern, _)| pattern)
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// How many nodes the automaton has. It grows and shrinks with the patterns.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The ids of the patterns that match, in their order. An event that is not an object matches nothing.
    pub fn matches(&self, event: &Value) -> Vec<&T> {
        if !event.is_object() {
            return Vec::new();
        }
        let mut scratch = Scratch::new();
        scratch.begin(self.paths.bound());
        scratch.walk(&self.paths, event);
        self.search(&mut scratch, "")
    }

    /// The ids of the patterns that match the text of an event, in their order. All of the text is checked to be JSON
    /// and read once. Of a key that is there twice the last counts. A number beyond the range of doubles, or an escape
    /// that stands for no character, is only seen where a pattern looks.
    pub fn matches_json(&self, event: &[u8], scratch: &mut Scratch) -> Result<Vec<&T>, EventError> {
        let text = scratch.read(&self.paths, event)?;
        if !text.trim_start().starts_with('{') {
            return Ok(Vec::new());
        }
        Ok(self.search(scratch, text))
    }

    fn search(&self, scratch: &mut Scratch, text: &str) -> Vec<&T> {
        self.nodes.search(&self.paths, scratch, text);
        let mut found: Vec<&T> =
            scratch.matched.iter().filter_map(|number| self.ids[*number as usize].as_deref()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
