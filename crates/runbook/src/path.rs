//! JSONPath for the selectors of step outputs: child, index, wildcard, deep scan, slices, several names or indexes at
//! once, and filters.
//!
//! A path that can select several values always gives a list. Functions (`length()`) and patterns (`=~`) are refused by
//! name.

mod filter;

use serde_json::Value;

use filter::Filter;

/// A parsed selector.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Key(String),
    Index(i64),
    All,
    Deep(Option<String>),
    /// The value itself and all below it.
    Every,
    /// From, to (not included) and step, as Python has them.
    Slice(Option<i64>, Option<i64>, i64),
    /// Keys and indexes, in the order in which they are asked for.
    Several(Vec<Part>),
    /// The elements of which this holds.
    Filter(Filter),
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What is wrong.
    pub message: String,
    /// Whether it is JSONPath all right, but of a kind that is not built.
    pub not_built: bool,
    /// The byte at which it goes wrong.
    pub at: usize,
}

/// A text that is read from its front.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

/// Filters within filters, and brackets within those; nobody writes more.
const MAX_DEPTH: usize = 16;

impl Path {
    /// Reads a selector. It starts with `$`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { text, at: 0 };
        if !parser.take("$") {
            return Err(parser.error("A selector starts with `$`"));
        }
        let parts = parser.parts(false, 0)?;
        if parser.at < text.len() {
            return Err(parser.error("Expected `.` or `[`"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// What the path selects, or nothing. A path that can select several values selects the list of them, be it empty.
    pub fn select(&self, root: &Value) -> Option<Value> {
        let found = select(&self.parts, root, root);
        if !self.parts.iter().all(Part::is_one) {
            return Some(Value::Array(found.into_iter().cloned().collect()));
        }
        found.first().map(|value| (*value).clone())
    }

    /// The first key it names below the root.
    pub fn first_key(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The selector as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Part {
    /// Whether it leads to one value at most.
    fn is_one(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Index(_))
    }
}

/// What the parts select, from `from` on. Filters may look at the root as well.
fn select<'v>(parts: &[Part], from: &'v Value, root: &'v Value) -> Vec<&'v Value> {
    let mut found = vec![from];
    for part in parts {
        let mut next = Vec::new();
        for value in found {
            step(part, value, root, &mut next);
        }
        found = next;
    }
    found
}

fn step<'v>(part: &Part, value: &'v Value, root: &'v Value, next: &mut Vec<&'v Value>) {
    match part {
        Part::Key(key) => next.extend(value.get(key)),
        Part::Index(index) => next.extend(element(value, *index)),
        Part::All => next.extend(children(value)),
        Part::Deep(key) => deep(value, key.as_deref(), next),
        Part::Every => {
            next.push(value);
            deep(value, None, next);
        }
        Part::Slice(from, to, by) => next.extend(slice(value, *from, *to, *by)),
        Part::Several(parts) => {
            for part in parts {
                step(part, value, root, next);
            }
        }
        Part::Filter(filter) => {
            // A filter on a mapping asks of the mapping itself, as the service's JSONPath does; on a list of its elements.
            let candidates = match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(_) => vec![value],
                _ => Vec::new(),
            };
            next.extend(candidates.into_iter().filter(|candidate| filter.holds(candidate, root)));
        }
    }
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, message: &str) -> PathError {
        PathError { message: message.to_owned(), not_built: false, at: self.at }
    }

    fn not_built(&self, what: &str) -> PathError {
        PathError { message: format!("{what} not built yet"), not_built: true, at: self.at }
    }

    /// The parts from here on. Inside of a filter a path ends where a comparison goes on.
    fn parts(&mut self, in_filter: bool, depth: usize) -> Result<Vec<Part>, PathError> {
        let mut parts = Vec::new();
        loop {
            let start = self.at;
            if self.take("..") {
                if self.take("*") {
                    parts.push(Part::Deep(None));
                } else if self.rest().starts_with('[') {
                    // `$..[0]` takes the element of every list there is.
                    parts.push(Part::Every);
                } else {
                    let name = self.word(in_filter);
                    if name.is_empty() {
                        self.at = start;
                        return Err(self.error("Expected a name after `..`"));
                    }
                    parts.push(Part::Deep(Some(name.to_owned())));
                }
            } else if self.take(".") {
                if self.take("*") {
                    parts.push(Part::All);
                } else if self.rest().starts_with(['\'', '"']) {
                    // `$.'a.b'` is in published documents, though not in the standard either.
                    parts.push(self.member(start)?);
                } else if !self.rest().starts_with('[') {
                    // `$.a.[0]` is common, though not in the standard.
                    let name = self.word(in_filter);
                    if name.is_empty() {
                        self.at = start;
                        return Err(self.error("Expected a name after `.`"));
                    }
                    if self.rest().starts_with('(') {
                        self.at = start;
                        return Err(self.not_built("Functions in selectors are"));
                    }
                    parts.push(Part::Key(name.to_owned()));
                }
            } else if self.rest().starts_with('[') {
                parts.push(self.bracket(depth)?);
            } else {
                return Ok(parts);
            }
        }
    }

    /// The name at the front. Names may hold what is common in AWS answers (`foo-bar`, `aws:tag`, `a/b`, `@x`).
    fn word(&mut self, in_filter: bool) -> &'t str {
        let rest = self.rest();
        let always = ['.', '[', ']', '*', '(', ')', '\'', '"', ' ', ',', '?'];
        let more = ['=', '!', '<', '>', '&', '|', '~'];
        let ends = |c: char| always.contains(&c) || in_filter && more.contains(&c);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn bracket(&mut self, depth: usize) -> Result<Part, PathError> {
        let start = self.at;
        self.at += 1;
        self.spaces();
        let part = if self.take("?") {
            if depth == MAX_DEPTH {
                return Err(self.error("Filters are nested too deep"));
            }
            Part::Filter(Filter::parse(self, depth + 1)?)
        } else {
            let mut parts = vec![self.member(start)?];
            self.spaces();
            while self.take(",") {
                self.spaces();
                parts.push(self.member(start)?);
                self.spaces();
            }
            match parts.pop() {
                Some(one) if parts.is_empty() => one,
                last => Part::Several(parts.into_iter().chain(last).collect()),
            }
        };
        self.spaces();
        if !self.take("]") {
            let closed = self.rest().contains(']');
            self.at = start;
            return Err(self.error(if closed {
                "Expected an index, a quoted name, a slice, a filter or `*` in the brackets"
            } else {
                "This bracket is never closed"
            }));
        }
        Ok(part)
    }

    /// What stands between brackets and commas.
    fn member(&mut self, start: usize) -> Result<Part, PathError> {
        if let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let Some(text) = self.quoted(quote) else {
                self.at = start;
                return Err(self.error("This quote is never closed"));
            };
            return Ok(Part::Key(text));
        }
        if self.take("*") {
            return Ok(Part::All);
        }
        let from = self.number();
        self.spaces();
        if !self.take(":") {
            return from.map(Part::Index).ok_or_else(|| {
                let closed = self.rest().contains(']');
                self.at = start;
                self.error(if closed {
                    "Expected an index, a quoted name, a slice, a filter or `*` in the brackets"
                } else {
                    "This bracket is never closed"
                })
            });
        }
        self.spaces();
        let to = self.number();
        self.spaces();
        let by = if self.take(":") {
            self.spaces();
            self.number().unwrap_or(1)
        } else {
            1
        };
        if by < 1 {
            self.at = start;
            return Err(self.error("A slice goes forward, by at least 1"));
        }
        Ok(Part::Slice(from, to, by))
    }

    /// A whole number, if there is one.
    fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let width = digits.bytes().take_while(u8::is_ascii_digit).count();
        let text = &rest[..rest.len() - digits.len() + width];
        let number = text.parse().ok()?;
        self.at += text.len();
        Some(number)
    }

    /// A text in quotes, in which a backslash keeps what follows from being special.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.push(chars.next()?.1),
                c if c == quote => {
                    self.at += at + c.len_utf8();
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }
}

fn element(value: &Value, index: i64) -> Option<&Value> {
    let list = value.as_array()?;
    let index = if index < 0 {
        list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    list.get(index)
}

/// The elements from `from` to `to`, both counted from the end where they are negative.
fn slice(value: &Value, from: Option<i64>, to: Option<i64>, by: i64) -> Vec<&Value> {
    let Some(list) = value.as_array() else { return Vec::new() };
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { at.saturating_add(length).max(0) } else { at.min(length) };
    let (from, to) = (from.map_or(0, place), to.map_or(length, place));
    let by = usize::try_from(by).unwrap_or(usize::MAX);
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    list.get(from..to).unwrap_or_default().iter().step_by(by).collect()
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn deep<'a>(value: &'a Value, key: Option<&str>, found: &mut Vec<&'a Value>) {
    match key {
        Some(key) => found.extend(value.get(key)),
        None => found.extend(children(value)),
    }
    for child in children(value) {
        deep(child, key, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn select(path: &str, root: &Value) -> Option<Value> {
        Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error:?}")).select(root)
    }

    #[test]
    fn definite_paths_keep_the_type_and_others_give_lists() {
        let root = json!({"Payload": {"a": [1, {"b": "x"}, {"b": "y"}], "c-d": true, "n": null}});
        assert_eq!(select("$", &root), Some(root.clone()));
        assert_eq!(select("$.Payload.a[0]", &root), Some(json!(1)));
        assert_eq!(select("$.Payload.a[-1].b", &root), Some(json!("y")));
        assert_eq!(select("$.Payload.a.[1].b", &root), Some(json!("x")));
        assert_eq!(select("$['Payload'][\"c-d\"]", &root), Some(json!(true)));
        assert_eq!(select("$.Payload.c-d", &root), Some(json!(true)));
        assert_eq!(select("$.Payload.'c-d'", &root), Some(json!(true)));
        assert_eq!(select("$.\"Payload\".'a'[1].'b'", &root), Some(json!("x")));
        assert_eq!(select("$.'step.Output'[0]", &json!({"step.Output": [5]})), Some(json!(5)));
        assert_eq!(select("$.Payload.n", &root), Some(json!(null)));
        assert_eq!(select("$.Payload.a[*].b", &root), Some(json!(["x", "y"])));
        assert_eq!(select("$..b", &root), Some(json!(["x", "y"])));
        assert_eq!(select("$..zzz", &root), Some(json!([])));
        assert_eq!(select("$.Payload.zzz", &root), None);
        assert_eq!(select("$.Payload.a[9]", &root), None);
        assert_eq!(select("$.Payload.a[-9]", &root), None);
    }

    #[test]
    fn slices_several_and_filters_give_lists() {
        let root = json!({"want": "up", "l": [
            {"k": "a", "v": 1, "t": ["x"], "s": {"n": "up"}}, {"k": "b", "v": 2.5, "s": {"n": "down"}},
            {"k": "it's", "v": "2", "b": true}, 7,
        ]});
        for (path, expected) in [
            ("$.l[:2].k", json!(["a", "b"])),
            ("$.l[-2:].k", json!(["it's"])),
            ("$.l[0:3:2].k", json!(["a", "it's"])),
            ("$.l[5:].k", json!([])),
            ("$.l[2,0].k", json!(["it's", "a"])),
            ("$.l[0]['k','v','z']", json!(["a", 1])),
            ("$.l[?(@.k=='a')].v", json!([1])),
            ("$.l[?(@.k == \"b\")].v", json!([2.5])),
            ("$.l[?(@.k=='it\\'s')].v", json!(["2"])),
            ("$.l[?(@.v >= 1 && @.v < 2.6)].k", json!(["a", "b"])),
            ("$.l[?(@.v > 2 || @.b)].k", json!(["b", "it's"])),
            ("$.l[?(!(@.t))].k", json!(["b", "it's"])),
            ("$.l[?(@.k != 'a')].k", json!(["b", "it's"])),
            ("$.l[?(@.s.n == $.want)].k", json!(["a"])),
            ("$.l[?(@['s']['n'] == 'down')].k", json!(["b"])),
            ("$.l[?(@.t[0] == 'x')].k", json!(["a"])),
            ("$.l[?(@.b == true)].k", json!(["it's"])),
            ("$.l[?(@.z == null)].k", json!([])),
            ("$.l[?@.v == 1].k", json!(["a"])),
            ("$.l[?(@ == 7)]", json!([7])),
            ("$.l[0].s[?(@.n == 'up')].n", json!(["up"])),
            ("$.l[?(@.t[?(@ == 'x')])].k", json!(["a"])),
            ("$..[?(@.n == 'up')].n", json!(["up"])),
            ("$..[0]", json!([root["l"][0].clone(), "x"])),
        ] {
            assert_eq!(select(path, &root), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused_at_its_place() {
        for (text, at, not_built) in [
            ("Payload", 0, false),
            ("", 0, false),
            ("$.", 1, false),
            ("$x", 1, false),
            ("$.a[", 3, false),
            ("$.a[x]", 3, false),
            ("$.a['x", 3, false),
            ("$..", 1, false),
            ("$.a[::0]", 3, false),
            ("$.a[1,]", 3, false),
            ("$.a[?(@.b==)]", 11, false),
            ("$.a[?(@.b=1)]", 9, false),
            ("$.a[?(@.b==1]", 12, false),
            ("$.a[?(1)]", 7, false),
            ("$.a[?(@.b =~ /x/)]", 10, true),
            ("$.a[?(@.b in ['x'])]", 10, true),
            ("$.a.length()", 3, true),
            ("$.a]", 3, false),
        ] {
            let error = Path::parse(text).expect_err(text);
            assert_eq!((error.at, error.not_built), (at, not_built), "{text}: {}", error.message);
        }
    }
}
