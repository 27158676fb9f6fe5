//! What is remembered of one event while it is matched; the room is used again for the next.

use serde_json::{Number, Value};

use super::super::solve::Link;
use super::super::test::Scalar;
use super::paths::{PathId, Paths, ROOT};

/// Stands for no value.
const NONE: u32 = u32::MAX;

/// Room to match events in. One for each thread that matches; it may serve any number of sets.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(super) values: Vec<Found>,
    /// Texts that are not in the event as they are meant, because they were escaped.
    pub(super) texts: String,
    /// By place: the first value there.
    heads: Vec<u32>,
    /// The places that have values.
    pub(super) present: Vec<PathId>,
    /// By place: the last object that had a key leading there.
    seen: Vec<u32>,
    objects: u32,
    /// The elements that values lie in, one run of links for each chain.
    links: Vec<Link>,
    /// The elements of the place that the walk is at.
    here: Vec<Link>,
    /// Where `here` is written in `links`, once a value needed it.
    written: Option<(u32, u32)>,
    lists: usize,
    pub(super) visits: Vec<super::search::Visit>,
    pub(super) demands: Vec<super::search::DemandLink>,
    pub(super) hits: Vec<(u32, u32)>,
    pub(super) chosen: Vec<u32>,
    pub(super) matched: Vec<u32>,
    pub(super) folded: Vec<u8>,
}

/// A scalar of the event.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) what: What,
    /// The elements it lies in, as a range of the links.
    chain: (u32, u32),
    next: u32,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// These bytes of the event.
    Plain(u32, u32),
    /// These bytes of `texts`.
    Escaped(u32, u32),
    Number(Number),
    Bool(bool),
    Null,
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("events are smaller than 4 GiB")
}

impl Scratch {
    /// Room without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the event before.
    pub(super) fn begin(&mut self, places: usize) {
        for place in self.present.drain(..) {
            self.heads[place as usize] = NONE;
        }
        self.heads.resize(places.max(self.heads.len()), NONE);
        if self.seen.len() < places || self.objects > u32::MAX / 2 {
            self.seen.clear();
            self.seen.resize(places, 0);
            self.objects = 0;
        }
        self.values.clear();
        self.texts.clear();
        self.links.clear();
        self.here.clear();
        self.written = None;
        self.lists = 0;
    }

    /// A number for an object that the walk enters. Objects inside of it get greater ones.
    pub(super) fn object(&mut self) -> u32 {
        self.objects += 1;
        self.objects
    }

    /// Whether a key of this object may have led there before: the same key, or another spelling below it.
    pub(super) fn is_repeated(&mut self, object: u32, place: PathId) -> bool {
        std::mem::replace(&mut self.seen[place as usize], self.objects) >= object
    }

    /// A number for a list that the walk enters.
    pub(super) fn list(&mut self) -> usize {
        self.lists += 1;
        self.lists
    }

    pub(super) fn enter(&mut self, list: usize, index: usize) {
        self.here.push((list, index));
        self.written = None;
    }

    pub(super) fn leave(&mut self) {
        self.here.pop();
        self.written = None;
    }

    /// Notes a scalar at a place.
    pub(super) fn note(&mut self, place: PathId, what: What) {
        let chain = match self.written {
            _ if self.here.is_empty() => (0, 0),
            Some(chain) => chain,
            None => {
                let start = small(self.links.len());
                self.links.extend_from_slice(&self.here);
                *self.written.insert((start, small(self.links.len())))
            }
        };
        let head = &mut self.heads[place as usize];
        if *head == NONE {
            self.present.push(place);
        }
        let next = std::mem::replace(head, small(self.values.len()));
        self.values.push(Found { what, chain, next });
    }

    /// Keeps a text that the event does not have as such.
    pub(super) fn keep(&mut self, text: &str) -> What {
        let start = small(self.texts.len());
        self.texts.push_str(text);
        What::Escaped(start, small(self.texts.len()))
    }

    pub(super) fn has(&self, place: PathId) -> bool {
        self.heads[place as usize] != NONE
    }

    /// The numbers of the values at a place.
    pub(super) fn at(&self, place: PathId) -> impl Iterator<Item = u32> {
        let some = |value: u32| Some(value).filter(|value| *value != NONE);
        std::iter::successors(some(self.heads[place as usize]), move |value| {
            some(self.values[*value as usize].next)
        })
    }

    pub(super) fn scalar<'e>(&'e self, event: &'e str, value: u32) -> Scalar<'e> {
        match &self.values[value as usize].what {
            What::Plain(start, end) => Scalar::Text(&event[*start as usize..*end as usize]),
            What::Escaped(start, end) => Scalar::Text(&self.texts[*start as usize..*end as usize]),
            What::Number(number) => Scalar::Number(number),
            What::Bool(value) => Scalar::Bool(*value),
            What::Null => Scalar::Null,
        }
    }

    pub(super) fn chain(&self, value: u32) -> &[Link] {
        let (start, end) = self.values[value as usize].chain;
        &self.links[start as usize..end as usize]
    }

    /// Walks an event that was read into a value.
    pub(super) fn walk(&mut self, paths: &Paths, event: &Value) {
        self.value(paths, event, ROOT);
    }

    fn value(&mut self, paths: &Paths, value: &Value, place: PathId) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    if let Some(next) = paths.step(place, key.as_bytes()) {
                        self.value(paths, inner, next);
                    }
                }
            }
            Value::Array(elements) => {
                let list = self.list();
                for (index, element) in elements.iter().enumerate() {
                    // Scalars belong to the list as a whole, so that two lists of scalars are independent.
                    let nested = element.is_object() || element.is_array();
                    if nested {
                        self.enter(list, index);
                    }
                    self.value(paths, element, place);
                    if nested {
                        self.leave();
                    }
                }
            }
            scalar => {
                if paths.is_wanted(place) {
                    let what = match scalar {
                        Value::String(text) => self.keep(text),
                        Value::Number(number) => What::Number(number.clone()),
                        Value::Bool(value) => What::Bool(*value),
                        _ => What::Null,
                    };
                    self.note(place, what);
                }
            }
        }
    }
}
