//! Label sets and the matchers that select them.

use std::fmt;
use std::sync::Arc;

use crate::text;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";
/// The label that holds a metric's type, where a store records it.
pub const TYPE: &str = "__type__";
/// The label that holds a metric's unit, where a store records it.
pub const UNIT: &str = "__unit__";

/// One label: a name and a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The name; not empty.
    pub name: Arc<str>,
    /// The value; not empty (a label with an empty value is a label that is absent).
    pub value: Arc<str>,
}

/// A set of labels, sorted by name, each name once. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from(Vec::new()))
    }
}

impl Labels {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds a set from pairs in any order. Empty values are left out; of a repeated name the last pair wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut list: Vec<Label> = Vec::new();
        for (name, value) in pairs {
            let label = Label { name: Arc::from(name.as_ref()), value: Arc::from(value.as_ref()) };
            match list.binary_search_by(|known| known.name.cmp(&label.name)) {
                Ok(at) => list[at] = label,
                Err(at) => list.insert(at, label),
            }
        }
        list.retain(|label| !label.value.is_empty());
        Self(list.into())
    }

    /// The value of a label, or the empty string when the label is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.find(name).map_or("", |label| &label.value)
    }

    fn find(&self, name: &str) -> Option<&Label> {
        // Label sets are short; a scan beats a binary search on them.
        self.0.iter().find(|label| &*label.name == name)
    }

    /// Whether the set has a label of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The metric name, or the empty string.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(NAME)
    }

    /// The labels in name order.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set with only those labels for which `keep` answers true. Shares the list when nothing goes.
    #[must_use]
    pub fn retain(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|label| keep(&label.name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    /// The set without the labels that describe the metric itself: name, type and unit.
    #[must_use]
    pub fn without_metadata(&self) -> Self {
        self.retain(|name| !is_metadata(name))
    }

    /// The set with one label set, or removed when the value is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self.retain(|known| known != name);
        }
        let mut list: Vec<Label> = self.0.to_vec();
        match list.binary_search_by(|known| (*known.name).cmp(name)) {
            Ok(at) => list[at].value = Arc::from(value),
            Err(at) => list.insert(at, Label { name: Arc::from(name), value: Arc::from(value) }),
        }
        Self(list.into())
    }

    /// A 64-bit hash that is stable across processes and equal to the one Prometheus computes.
    ///
    /// `limit_ratio` chooses series by it, so that several queries and several servers choose the same ones.
    #[must_use]
    pub fn stable_hash(&self) -> u64 {
        let mut bytes = Vec::with_capacity(128);
        for label in self.iter() {
            for part in [&label.name, &label.value] {
                push_size(&mut bytes, part.len());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        crate::xxhash::xxhash64(&bytes)
    }
}

/// Whether a label describes the metric (name, type, unit) rather than what was measured.
pub(crate) fn is_metadata(name: &str) -> bool {
    name == NAME || name == TYPE || name == UNIT
}

fn push_size(bytes: &mut Vec<u8>, size: usize) {
    match u8::try_from(size) {
        Ok(small) if small < 255 => bytes.push(small),
        _ => bytes.extend_from_slice(&[
            255,
            (size & 0xff) as u8,
            ((size >> 8) & 0xff) as u8,
            ((size >> 16) & 0xff) as u8,
        ]),
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs)
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut list: Vec<Label> = labels.into_iter().filter(|label| !label.value.is_empty()).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list.dedup_by(|later, kept| later.name == kept.name);
        Self(list.into())
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Label;
    type IntoIter = std::slice::Iter<'a, Label>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Labels {
    /// Prints `{a="1", b="2"}`, the name included as `__name__`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, label) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(&label.name) {
                f.write_str(&label.name)?;
            } else {
                f.write_str(&text::quote(&label.name))?;
            }
            write!(f, "={}", text::quote(&label.value))?;
        }
        f.write_str("}")
    }
}

/// Whether a name can be written without quotes as a label name.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a name can be written without quotes as a metric name.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator's text.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on a label; a missing label has the empty value.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How the value is compared.
    pub op: MatchOp,
    /// The value or the pattern, as written.
    pub value: String,
    pattern: Option<Pattern>,
}

/// A compiled pattern; alternations of plain words are kept as a list, which is what most patterns are.
#[derive(Debug, Clone)]
enum Pattern {
    /// Sorted.
    Words(Vec<String>),
    Anything,
    AnythingNotEmpty,
    Regex(regex::Regex),
}

impl Matcher {
    /// Builds a matcher; patterns match the whole value and their dot matches newlines.
    ///
    /// # Errors
    /// The text of the pattern's error when the pattern does not compile.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, String> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::compile(&value)?),
        };
        Ok(Self { name: name.into(), op, value, pattern })
    }

    /// A matcher for equality, which cannot fail to build.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// A matcher for any of some values, however many.
    pub(crate) fn one_of(name: impl Into<String>, values: &[&str]) -> Self {
        let value = values.iter().map(|value| regex::escape(value)).collect::<Vec<_>>().join("|");
        let pattern = Some(Pattern::words(values.iter().copied()));
        Self { name: name.into(), op: MatchOp::Regex, value, pattern }
    }

    /// Whether a label value satisfies the matcher.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => self.value == value,
            (MatchOp::NotEqual, _) => self.value != value,
            (MatchOp::Regex, Some(pattern)) => pattern.matches(value),
            (MatchOp::NotRegex, Some(pattern)) => !pattern.matches(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }

    /// Whether a label set satisfies the matcher.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name))
    }
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        match text {
            ".*" => return Ok(Self::Anything),
            ".+" => return Ok(Self::AnythingNotEmpty),
            _ => {}
        }
        let plain = |word: &str| word.bytes().all(|b| !br"\.+*?()[]{}^$|".contains(&b));
        if text.split('|').all(plain) {
            return Ok(Self::words(text.split('|')));
        }
        anchored(text).map(Self::Regex)
    }

    fn words<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        Self::Words(words)
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.binary_search_by(|word| word.as_str().cmp(value)).is_ok(),
            Self::Anything => true,
            Self::AnythingNotEmpty => !value.is_empty(),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// A pattern that matches whole texts and whose dot matches newlines.
///
/// Only the form in which it is used is compiled. The pattern by itself is read before, which is cheap: one such as
/// `a)|(b` would close the group that goes around it. What is wrong is told of the pattern as it was written.
pub(crate) fn anchored(text: &str) -> Result<regex::Regex, String> {
    regex_syntax::ast::parse::Parser::new().parse(text).map_err(|error| error.to_string())?;
    regex::Regex::new(&format!("^(?s:{text})$"))
        .map_err(|error| regex::Regex::new(text).err().unwrap_or(error).to_string())
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            f.write_str(&text::quote(&self.name))?;
        }
        write!(f, "{}{}", self.op.symbol(), text::quote(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_and_drop_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(labels.with("a", "").to_string(), r#"{b="3"}"#);
        assert_eq!(labels.with("aa", "x").to_string(), r#"{a="1", aa="x", b="3"}"#);
        assert!(Labels::empty() < labels);
    }

    #[test]
    fn patterns_match_whole_values() {
        let matcher = |op, value: &str| Matcher::new("l", op, value).expect("compiles");
        assert!(matcher(MatchOp::Regex, "a|b").matches("b"));
        assert!(!matcher(MatchOp::Regex, "a|b").matches("ab"));
        assert!(matcher(MatchOp::Regex, "a.c").matches("a\nc"));
        assert!(matcher(MatchOp::NotRegex, ".+").matches(""));
        assert!(matcher(MatchOp::Regex, "(?i:AB).*").matches("abc"));
        for wrong in ["(", "a)|(b", r"\p{Nothing}", "a{2,1}"] {
            let error = Matcher::new("l", MatchOp::Regex, wrong).expect_err(wrong);
            assert!(error.contains(wrong) && !error.contains("(?s"), "{error}");
        }
    }
}
