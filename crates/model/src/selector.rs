//! Selectors: which resources, by their tags. One language for automation, access, cost and views.
//!
//! ```text
//! selector    = "*" | requirement { "," requirement }          all must hold
//! requirement = [ "tag:" ] key ( "=" | "==" | "!=" ) value
//!             | [ "tag:" ] key [ "not" ] "in" "(" value { "," value } ")"
//!             | [ "!" ] [ "tag:" ] key                         the key exists, or does not
//! ```
//! `!=` and `not in` also hold where the key is absent, as in Kubernetes' label selectors.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::tags::Tags;

/// A parsed selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    Absent(String),
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// What was expected and found.
    pub message: String,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.span.start + 1)
    }
}

impl std::error::Error for SelectorError {}

impl Selector {
    /// The selector that matches every resource.
    pub fn any() -> Self {
        Self { requirements: Vec::new() }
    }

    /// Whether a resource with these tags is selected.
    pub fn matches(&self, tags: &Tags) -> bool {
        self.matches_by(|key| tags.get(key))
    }

    /// Whether a resource is selected whose tags are looked up like this.
    pub fn matches_by<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.holds(get, true)
    }

    /// Whether a resource is selected of whose tags only these are known: what it has beside them may be anything, so what a
    /// selector excludes (`env!=prod`, `!env`) is not excluded by a tag that is not known.
    pub fn matches_surely(&self, known: &Tags) -> bool {
        self.holds(|key| known.get(key), false)
    }

    /// Whether all requirements hold. A tag that is not found is not there only where all tags are known.
    fn holds<'a>(&self, get: impl Fn(&str) -> Option<&'a str>, are_all_known: bool) -> bool {
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => {
                get(key).map_or(are_all_known, |value| !values.contains(value))
            }
            Requirement::Exists(key) => get(key).is_some(),
            Requirement::Absent(key) => are_all_known && get(key).is_none(),
        })
    }

    /// The tags it asks for by one single value each (`role=app`), in its order: what a resource must at least carry to
    /// be selected, as far as the selector leaves no choice.
    pub fn single_values(&self) -> Vec<(&str, &str)> {
        self.requirements
            .iter()
            .filter_map(|requirement| match requirement {
                Requirement::In(key, values) if values.len() == 1 => {
                    values.first().map(|value| (key.as_str(), value.as_str()))
                }
                _ => None,
            })
            .collect()
    }
}

/// A key by which no resource can be selected by all of these, whatever its tags (`role=app` and `role=db`). `None`
/// where one may be.
pub fn contradiction<'a>(selectors: &[&'a Selector]) -> Option<&'a str> {
    let all: Vec<&'a Requirement> = selectors.iter().flat_map(|selector| &selector.requirements).collect();
    all.iter().map(|requirement| requirement.key()).find(|key| {
        let mut values: Option<BTreeSet<&str>> = None;
        let (mut exists, mut absent) = (false, false);
        for requirement in all.iter().filter(|requirement| requirement.key() == *key) {
            match requirement {
                Requirement::In(_, some) => {
                    let some: BTreeSet<&str> = some.iter().map(String::as_str).collect();
                    values = Some(match values {
                        Some(known) => known.intersection(&some).copied().collect(),
                        None => some,
                    });
                }
                Requirement::NotIn(..) => {}
                Requirement::Exists(_) => exists = true,
                Requirement::Absent(_) => absent = true,
            }
        }
        let refused = |value: &str| {
            let refuses = |requirement: &&&Requirement| match requirement {
                Requirement::NotIn(of, some) => of == key && some.contains(value),
                _ => false,
            };
            all.iter().any(|requirement| refuses(&requirement))
        };
        let none_left = values.as_ref().is_some_and(|values| values.iter().all(|value| refused(value)));
        none_left || absent && (exists || values.is_some())
    })
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Absent(key) => key,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '+')
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Eats `word` only where it stands alone.
    fn eat_keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        let alone = self.rest().strip_prefix(word).is_some_and(|tail| !tail.starts_with(is_word));
        if alone {
            self.at += word.len();
        }
        alone
    }

    fn fail<T>(&self, expected: &str) -> Result<T, SelectorError> {
        let found = match self.rest().chars().next() {
            Some(c) => format!("found `{c}`"),
            None => "the selector ends here".to_owned(),
        };
        let width = self.rest().chars().next().map_or(0, char::len_utf8);
        Err(SelectorError {
            message: format!("expected {expected}, {found}"),
            span: self.at..self.at + width,
        })
    }

    fn word(&mut self, what: &str) -> Result<String, SelectorError> {
        self.skip_space();
        if let Some(quoted) = self.rest().strip_prefix('"') {
            let Some(length) = quoted.find('"') else {
                return Err(SelectorError {
                    message: "this quote is never closed".to_owned(),
                    span: self.at..self.text.len(),
                });
            };
            self.at += length + 2;
            return Ok(quoted[..length].to_owned());
        }
        let length = self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return self.fail(what);
        }
        let word = self.rest()[..length].to_owned();
        self.at += length;
        Ok(word)
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        let word = self.word("a tag key")?;
        Ok(word.strip_prefix("tag:").map_or(word.clone(), str::to_owned))
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if !self.rest().trim_start().starts_with("!=") && self.eat("!") {
            return Ok(Requirement::Absent(self.key()?));
        }
        let key = self.key()?;
        if self.eat("!=") {
            return Ok(Requirement::NotIn(key, [self.word("a value")?].into()));
        }
        if self.eat("==") || self.eat("=") {
            return Ok(Requirement::In(key, [self.word("a value")?].into()));
        }
        let negated = self.eat_keyword("not");
        if self.eat_keyword("in") {
            if !self.eat("(") {
                return self.fail("`(`");
            }
            let mut values = BTreeSet::from([self.word("a value")?]);
            while self.eat(",") {
                values.insert(self.word("a value")?);
            }
            if !self.eat(")") {
                return self.fail("`,` or `)`");
            }
            return Ok(if negated { Requirement::NotIn(key, values) } else { Requirement::In(key, values) });
        }
        if negated { self.fail("`in` after `not`") } else { Ok(Requirement::Exists(key)) }
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, at: 0 };
        if text.trim() == "*" {
            return Ok(Self::any());
        }
        let mut requirements = Vec::new();
        loop {
            requirements.push(parser.requirement()?);
            if !parser.eat(",") {
                break;
            }
        }
        parser.skip_space();
        if !parser.rest().is_empty() {
            return parser.fail("`,` or the end");
        }
        Ok(Self { requirements })
    }
}

fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_word) { word.to_owned() } else { format!("\"{word}\"") }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requirements.is_empty() {
            return f.write_str("*");
        }
        let list = |values: &BTreeSet<String>| values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(",");
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match requirement {
                Requirement::In(key, values) if values.len() == 1 => {
                    write!(f, "{}={}", quoted(key), list(values))?;
                }
                Requirement::In(key, values) => write!(f, "{} in ({})", quoted(key), list(values))?,
                Requirement::NotIn(key, values) if values.len() == 1 => {
                    write!(f, "{}!={}", quoted(key), list(values))?;
                }
                Requirement::NotIn(key, values) => write!(f, "{} not in ({})", quoted(key), list(values))?,
                Requirement::Exists(key) => f.write_str(&quoted(key))?,
                Requirement::Absent(key) => write!(f, "!{}", quoted(key))?,
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, tags: &[(&str, &str)]) -> bool {
        let selector: Selector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error}"));
        let again: Selector =
            selector.to_string().parse().unwrap_or_else(|error| panic!("{selector}: {error}"));
        assert_eq!(selector, again, "written and read back");
        selector.matches(&tags.iter().copied().collect())
    }

    #[test]
    fn requirements_are_anded_and_values_ored() {
        let web = [("env", "prod"), ("role", "web")];
        assert!(selects("tag:env=prod,role in (web,api)", &web));
        assert!(selects("env = prod , role == web", &web));
        assert!(!selects("env=prod,role in (db)", &web));
        assert!(selects("role not in (db, cache)", &web));
        assert!(selects("role!=db", &web));
        assert!(selects("zone!=a", &web), "an absent key differs from every value");
        assert!(selects("env", &web) && !selects("!env", &web) && selects("!zone", &web));
        assert!(selects("*", &[]));
        assert!(selects("in in (in)", &[("in", "in")]));
        assert!(selects("owner=\"Team A, east\"", &[("owner", "Team A, east")]));
    }

    #[test]
    fn single_values_are_those_without_a_choice() {
        let selector: Selector =
            "tag:env=prod,role in (web,api),zone in (a),tier!=x,disk".parse().expect("a selector");
        assert_eq!(selector.single_values(), [("env", "prod"), ("zone", "a")]);
        assert!(Selector::any().single_values().is_empty());
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, message, span) in [
            ("", "expected a tag key, the selector ends here", 0..0),
            ("env=", "expected a value, the selector ends here", 4..4),
            ("env=prod;", "expected `,` or the end, found `;`", 8..9),
            ("role in web", "expected `(`, found `w`", 8..9),
            ("role in (web", "expected `,` or `)`, the selector ends here", 12..12),
            ("role not (web)", "expected `in` after `not`, found `(`", 9..10),
            ("a=\"x", "this quote is never closed", 2..4),
        ] {
            let error = text.parse::<Selector>().expect_err(text);
            assert_eq!((error.message.as_str(), error.span), (message, span), "{text}");
        }
    }

    #[test]
    fn selectors_that_exclude_each_other_are_told_by_a_key() {
        let key = |texts: &[&str]| {
            let selectors: Vec<Selector> =
                texts.iter().map(|text| text.parse().expect("a selector")).collect();
            let all: Vec<&Selector> = selectors.iter().collect();
            super::contradiction(&all).map(str::to_owned)
        };
        for texts in [
            &["role=app", "role=db"][..],
            &["role in (a,b)", "role in (b,c)", "role!=b"],
            &["x,role,!role"],
            &["role=app,!role"],
            &["x=1", "role not in (a,b)", "role in (a,b)"],
        ] {
            assert_eq!(key(texts).as_deref(), Some("role"), "{texts:?}");
        }
        for texts in [
            &["*"][..],
            &["role=app", "zone=b"],
            &["role in (a,b)", "role!=a"],
            &["!role", "role!=a"],
            &["role", "role=a"],
        ] {
            assert_eq!(key(texts), None, "{texts:?}");
        }
    }
}
