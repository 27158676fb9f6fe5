//! The paths that patterns name, as a tree of the parts between the dots. A key with dots in it takes several steps, so
//! every spelling of a path leads to the same place.

use super::table::Table;

/// A place in the tree.
pub(super) type PathId = u32;

/// The place before any key.
pub(super) const ROOT: PathId = 0;

#[derive(Clone, Debug, Default)]
struct Place {
    children: Table<Box<[u8]>, PathId>,
    parent: PathId,
    part: Box<[u8]>,
    /// How many steps of patterns look at the values here.
    uses: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Paths {
    places: Vec<Place>,
    free: Vec<PathId>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { places: vec![Place::default()], free: Vec::new() }
    }
}

impl Paths {
    /// One more use of a path.
    pub(super) fn add(&mut self, path: &str) -> PathId {
        let mut here = ROOT;
        for part in path.as_bytes().split(|byte| *byte == b'.') {
            here = match self.places[here as usize].children.get(part) {
                Some(next) => *next,
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
        self.places[parent as usize].children.insert(part.into(), id);
        id
    }

    /// The place of a path, if a pattern looks there.
    pub(super) fn find(&self, path: &str) -> Option<PathId> {
        self.step(ROOT, path.as_bytes()).filter(|id| self.is_wanted(*id))
    }

    /// One use less of the path of this place; places that nobody needs go.
    pub(super) fn release(&mut self, mut id: PathId) {
        self.places[id as usize].uses -= 1;
        while id != ROOT && self.places[id as usize].uses == 0 && self.is_end(id) {
            let place = std::mem::take(&mut self.places[id as usize]);
            self.places[place.parent as usize].children.remove(&place.part);
            self.free.push(id);
            id = place.parent;
        }
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
        self.places[id as usize].children.is_empty()
    }

    /// Where a key leads.
    pub(super) fn step(&self, from: PathId, key: &[u8]) -> Option<PathId> {
        if let Some(next) = self.places[from as usize].children.get(key) {
            return Some(*next);
        }
        if !key.contains(&b'.') {
            return None;
        }
        key.split(|byte| *byte == b'.')
            .try_fold(from, |here, part| self.places[here as usize].children.get(part).copied())
    }
}
