//! Reading typed things out of mappings people wrote, noting every problem with its path.

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, nearest};
use serde_json::{Map, Value};

use crate::document::describe;
use crate::reference::{refers, whole};

/// Collects problems below one path.
pub(crate) struct Reader<'a> {
    pub(crate) path: Vec<Segment>,
    pub(crate) problems: &'a mut Vec<Problem>,
    /// Whether references still stand in the values, so that what they will become is not known yet.
    pub(crate) draft: bool,
}

impl Reader<'_> {
    pub(crate) fn at(&self, key: &str) -> Vec<Segment> {
        let mut path = self.path.clone();
        path.push(key.into());
        path
    }

    pub(crate) fn inside(&mut self, segment: impl Into<Segment>) -> Reader<'_> {
        let mut path = self.path.clone();
        path.push(segment.into());
        Reader { path, problems: self.problems, draft: self.draft }
    }

    /// Inside of a key that may be left out: what is missing there is missing here, where there is a place to show.
    pub(crate) fn inside_if_there(&mut self, map: &Map<String, Value>, key: &str) -> Reader<'_> {
        if map.contains_key(key) { self.inside(key) } else { self.inside_here() }
    }

    pub(crate) fn inside_here(&mut self) -> Reader<'_> {
        Reader { path: self.path.clone(), problems: self.problems, draft: self.draft }
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Whether the value is not known yet because a reference decides it.
    pub(crate) fn open(&self, value: &Value) -> bool {
        self.draft && value.as_str().is_some_and(refers)
    }

    /// The same of anything inside the value.
    pub(crate) fn open_within(&self, value: &Value) -> bool {
        match value {
            Value::Array(list) => list.iter().any(|item| self.open_within(item)),
            Value::Object(map) => map.values().any(|item| self.open_within(item)),
            other => self.open(other),
        }
    }

    /// Whether the value, type and all, is not known yet.
    fn open_type(&self, value: &Value) -> bool {
        self.draft && value.as_str().is_some_and(|text| whole(text).is_some())
    }

    pub(crate) fn wrong(&mut self, path: Vec<Segment>, name: &str, wanted: &str, found: &Value) {
        self.problems.push(
            Problem::error("wrong-type", path, format!("`{name}` is {wanted}, found {}", describe(found)))
                .label(format!("expected {wanted}")),
        );
    }

    pub(crate) fn missing(&mut self, key: &str, what: &str) {
        self.problems.push(Problem::error("missing-key", self.path.clone(), format!("{what} needs `{key}`")));
    }

    pub(crate) fn not_built(&mut self, path: Vec<Segment>, what: &str) {
        self.problems.push(Problem::error("not-built", path, format!("{what} not built yet")));
    }

    /// Reports the keys that are neither known nor in `extra`.
    pub(crate) fn unknown_keys(&mut self, map: &Map<String, Value>, known: &[&str], what: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let problem =
                Problem::error("unknown-key", self.at(key), format!("`{key}` is not a key of {what}"))
                    .on_key();
            self.problems.push(match nearest(key, known.iter().copied()) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem.help(format!("Known keys are {}", known.join(", "))),
            });
        }
    }

    /// A text. Whole references count as text in a draft. A description may be left empty.
    pub(crate) fn text(&mut self, map: &Map<String, Value>, key: &str) -> Option<String> {
        match map.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null if key == "description" => None,
            other => {
                self.wrong(self.at(key), key, "a text", other);
                None
            }
        }
    }

    /// A list of texts; one text stands for a list of one. A list within the list, as a reference leaves it, is
    /// spread out. `None` where the value is absent, wrong, or open.
    pub(crate) fn texts(&mut self, map: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
        let value = map.get(key)?;
        if self.open_type(value) {
            return None;
        }
        match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(list) => {
                let mut texts = Vec::new();
                let (mut open, mut wrong) = (false, false);
                for (index, item) in list.iter().enumerate() {
                    match item {
                        item if self.open_type(item) => open = true,
                        Value::String(text) => texts.push(text.clone()),
                        Value::Array(inner) if !self.draft && inner.iter().all(Value::is_string) => {
                            texts.extend(inner.iter().filter_map(|text| text.as_str().map(str::to_owned)));
                        }
                        other => {
                            let mut path = self.at(key);
                            path.push(index.into());
                            self.wrong(path, key, "a list of texts", other);
                            wrong = true;
                        }
                    }
                }
                (!open && !wrong).then_some(texts)
            }
            other => {
                self.wrong(self.at(key), key, "a list of texts", other);
                None
            }
        }
    }

    /// A whole number, also written as text.
    pub(crate) fn whole(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        let value = map.get(key)?;
        if self.open(value) {
            return None;
        }
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(number),
            None => {
                let wanted = if most == u64::MAX {
                    format!("a whole number of at least {least}")
                } else {
                    format!("a whole number from {least} to {most}")
                };
                self.wrong(self.at(key), key, &wanted, value);
                None
            }
        }
    }

    /// True or false, also written as text.
    pub(crate) fn flag(&mut self, map: &Map<String, Value>, key: &str) -> Option<bool> {
        match map.get(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            other => {
                self.wrong(self.at(key), key, "true or false", other);
                if let Some(help) = word_of_yaml_1_1(other) {
                    let told = self.problems.pop().map(|problem| problem.help(help));
                    self.problems.extend(told);
                }
                None
            }
        }
    }

    /// A mapping that belongs to the structure of the document, which no reference can stand for. What a document may
    /// leave out it may also leave empty.
    pub(crate) fn structure<'m>(
        &mut self,
        map: &'m Map<String, Value>,
        key: &str,
    ) -> Option<&'m Map<String, Value>> {
        match map.get(key)? {
            Value::Object(inner) => Some(inner),
            Value::Null if ["parameters", "variables", "files"].contains(&key) => None,
            other => {
                self.wrong(self.at(key), key, "a mapping", other);
                None
            }
        }
    }

    pub(crate) fn mapping<'m>(
        &mut self,
        map: &'m Map<String, Value>,
        key: &str,
    ) -> Option<&'m Map<String, Value>> {
        match map.get(key)? {
            Value::Object(inner) => Some(inner),
            value if self.open_type(value) => None,
            other => {
                self.wrong(self.at(key), key, "a mapping", other);
                None
            }
        }
    }
}

/// What to say of a word that YAML 1.1 read as a truth value, and YAML 1.2 reads as a text.
pub(crate) fn word_of_yaml_1_1(value: &Value) -> Option<&'static str> {
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => Some("In YAML 1.2 this is a text: write `true`"),
        "no" | "off" | "n" => Some("In YAML 1.2 this is a text: write `false`"),
        _ => None,
    }
}

/// How many bytes a value has as JSON without spaces. Nothing is kept: it is written to a counter.
pub(crate) fn json_bytes(value: &impl serde::Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}
