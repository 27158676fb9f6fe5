//! The paths that patterns name, as a tree of the parts between the dots. A key with dots in it takes several steps, so
//! every spelling of a path leads to the same place.

use super::table::{Hashed, hash};

/// A place in the tree.
pub(super) type PathId = u32;

/// The place before any key.
pub(super) const ROOT: PathId = 0;

#[derive(Clone, Debug, Default)]
struct Place {
    parent: PathId,
    part: Box<[u8]>,
    /// How many places have this one as their parent.
    children: u32,
    /// A bit for each of their keys, which most other keys do not have. Keys that go leave theirs.
    filter: u64,
    /// How many steps of patterns look at the values here.
    uses: u32,
    /// The next place whose key and parent have the same hash.
    next: Option<PathId>,
}

#[derive(Clone, Debug)]
pub(super) struct Paths {
    places: Vec<Place>,
    free: Vec<PathId>,
    /// Places by the hash of parent and key.
    steps: Hashed<PathId>,
}

fn hash_of(parent: PathId, part: &[u8]) -> u64 {
    hash(u64::from(parent), part)
}

fn bit(part: &[u8]) -> u64 {
    let last = part.last().copied().unwrap_or(0);
    1 << ((part.len() * 7 + usize::from(last)) & 63)
}

impl Default for Paths {
    fn default() -> Self {
        Self { places: vec![Place::default()], free: Vec::new(), steps: Hashed::default() }
    }
}

impl Paths {
    /// One more use of a path.
    pub(super) fn add(&mut self, path: &str) -> PathId {
        let mut here = ROOT;
        for part in path.as_bytes().split(|byte| *byte == b'.') {
            here = match self.child(here, part) {
                Some(next) => next,
                None => self.grow(here, part),
            };
        }
        self.places[here as usize].uses += 1;
        here
    }

    fn grow(&mut self, parent: PathId, part: &[u8]) -> PathId {
        let place = Place { parent, part: part.into(), ..Place::default() };
        let id = match self.free.pop() {
            Some(id) => {
                self.places[id as usize] = place;
                id
            }
            None => {
                self.places.push(place);
                u32::try_from(self.places.len() - 1).expect("fewer paths than memory has room for")
            }
        };
        let place = &mut self.places[parent as usize];
        place.children += 1;
        place.filter |= bit(part);
        self.places[id as usize].next = self.steps.insert(hash_of(parent, part), id);
        id
    }

    fn child(&self, parent: PathId, part: &[u8]) -> Option<PathId> {
        if self.places[parent as usize].filter & bit(part) == 0 {
            return None;
        }
        let first = self.steps.get(&hash_of(parent, part)).copied();
        std::iter::successors(first, |id| self.places[*id as usize].next).find(|id| {
            let place = &self.places[*id as usize];
            place.parent == parent && *place.part == *part
        })
    }

    /// Takes a place out of the table.
    fn forget(&mut self, id: PathId) {
        let Place { parent, part, next, .. } = std::mem::take(&mut self.places[id as usize]);
        let above = &mut self.places[parent as usize];
        above.children -= 1;
        if above.children == 0 {
            above.filter = 0;
        }
        let hash = hash_of(parent, &part);
        match (self.steps.get_mut(&hash), next) {
            (Some(first), Some(next)) if *first == id => *first = next,
            (Some(first), None) if *first == id => {
                self.steps.remove(&hash);
            }
            (Some(first), _) => {
                let mut at = *first;
                while let Some(following) = self.places[at as usize].next {
                    if following == id {
                        self.places[at as usize].next = next;
                        break;
                    }
                    at = following;
                }
            }
            (None, _) => {}
        }
        self.free.push(id);
    }

    /// The place of a path, if a pattern looks there.
    pub(super) fn find(&self, path: &str) -> Option<PathId> {
        self.step(ROOT, path.as_bytes()).filter(|id| self.is_wanted(*id))
    }

    /// One use less of the path of this place; places that nobody needs go.
    pub(super) fn release(&mut self, mut id: PathId) {
        self.places[id as usize].uses -= 1;
        while id != ROOT && self.places[id as usize].uses == 0 && self.is_end(id) {
            let parent = self.places[id as usize].parent;
            self.forget(id);
            id = parent;
        }
    }

    /// The path of a place.
    pub(super) fn name(&self, id: PathId) -> Vec<u8> {
        let place = |id: PathId| Some(&self.places[id as usize]).filter(|_| id != ROOT);
        let mut parts: Vec<&[u8]> =
            std::iter::successors(place(id), |at| place(at.parent)).map(|at| &*at.part).collect();
        parts.reverse();
        parts.join(&b'.')
    }

    /// How many places there may be, which is more than the greatest id.
    pub(super) fn bound(&self) -> usize {
        self.places.len()
    }

    /// Whether the values at this place are looked at.
    pub(super) fn is_wanted(&self, id: PathId) -> bool {
        self.places[id as usize].uses > 0
    }

    /// Whether nothing below this place is looked at.
    pub(super) fn is_end(&self, id: PathId) -> bool {
        self.places[id as usize].children == 0
    }

    /// Where a key leads.
    pub(super) fn step(&self, from: PathId, key: &[u8]) -> Option<PathId> {
        if let Some(next) = self.child(from, key) {
            return Some(next);
        }
        if !key.contains(&b'.') {
            return None;
        }
        key.split(|byte| *byte == b'.').try_fold(from, |here, part| self.child(here, part))
    }
}
