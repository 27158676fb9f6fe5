//! What one value of a field is tested against.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::{Number, Value};

use super::fold;
use crate::network::Block;
use crate::number;
use crate::wildcard::Wildcard;

/// One entry of a leaf's list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// A string; with the address it spells, if it spells one.
    Text(String, Option<IpAddr>),
    Number(Number),
    /// `true`, `false` or `null`.
    Constant(Value),
    Like(Like),
    /// Present and nothing of this.
    NoneOf(Vec<Like>),
    NotNumbers(Vec<Number>),
    Numeric(Bounds),
    Cidr(Block),
    /// `exists`.
    Exists(bool),
}

/// A scalar of an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'e> {
    Text(&'e str),
    Number(&'e Number),
    Bool(bool),
    Null,
}

impl<'e> Scalar<'e> {
    /// Lists and objects are no scalars.
    pub(super) fn of(value: &'e Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(text),
            Value::Number(number) => Self::Number(number),
            Value::Bool(value) => Self::Bool(*value),
            Value::Null => Self::Null,
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    fn text(self) -> Option<&'e str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A test of strings; nothing else passes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Like {
    Equal(String),
    EqualFold(String),
    Prefix(String),
    PrefixFold(String),
    Suffix(String),
    SuffixFold(String),
    Wildcard(Wildcard),
}

/// A range of numbers; each bound with whether it is itself inside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: Option<(Number, bool)>,
    pub(super) high: Option<(Number, bool)>,
}

impl Like {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted,
            Self::EqualFold(wanted) => fold::equal(text, wanted),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::PrefixFold(prefix) => fold::starts_with(text, prefix),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::SuffixFold(suffix) => fold::ends_with(text, suffix),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

impl Bounds {
    fn contain(&self, number: &Number) -> bool {
        let inside = |bound: &Option<(Number, bool)>, beyond| {
            bound.as_ref().is_none_or(|(bound, closed)| match number::compare(number, bound) {
                Some(Ordering::Equal) => *closed,
                order => order == Some(beyond),
            })
        };
        inside(&self.low, Ordering::Greater) && inside(&self.high, Ordering::Less)
    }
}

impl Test {
    /// Whether a scalar that is there passes.
    pub(super) fn passes(&self, value: Scalar<'_>) -> bool {
        match self {
            Self::Text(text, address) => value.text().is_some_and(|found| {
                found == text || address.is_some_and(|address| found.parse() == Ok(address))
            }),
            Self::Number(wanted) => matches!(value, Scalar::Number(found) if number::equal(found, wanted)),
            Self::Constant(wanted) => match value {
                Scalar::Bool(found) => *wanted == Value::Bool(found),
                Scalar::Null => wanted.is_null(),
                Scalar::Text(_) | Scalar::Number(_) => false,
            },
            Self::Like(like) => value.text().is_some_and(|text| like.passes(text)),
            Self::NoneOf(likes) => {
                value.text().is_none_or(|text| !likes.iter().any(|like| like.passes(text)))
            }
            Self::NotNumbers(numbers) => match value {
                Scalar::Number(found) => !numbers.iter().any(|number| number::equal(found, number)),
                _ => true,
            },
            Self::Numeric(bounds) => matches!(value, Scalar::Number(found) if bounds.contain(found)),
            Self::Cidr(block) => value.text().is_some_and(|text| block.contains(text)),
            Self::Exists(wanted) => *wanted,
        }
    }
}
