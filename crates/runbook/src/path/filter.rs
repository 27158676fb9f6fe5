//! Filters of selectors: comparisons of what stands below an element (`@`) or the root (`$`) with constants and with each
//! other, joined by `&&`, `||` and `!`.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Parser, Part, PathError, select};

/// A condition on an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    /// There is something at this place.
    Exists(Side),
    Compare(Side, Relation, Side),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Side {
    Element(Vec<Part>),
    Root(Vec<Part>),
    Constant(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const RELATIONS: [(&str, Relation); 6] = [
    ("==", Relation::Equal),
    ("!=", Relation::Unequal),
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

impl Filter {
    /// Reads what stands after the `?`, with the brackets around it or without.
    pub(super) fn parse(parser: &mut Parser<'_>, depth: usize) -> Result<Self, PathError> {
        let mut any = vec![Self::all(parser, depth)?];
        parser.spaces();
        while parser.take("||") {
            any.push(Self::all(parser, depth)?);
            parser.spaces();
        }
        Ok(joined(any, Self::Or))
    }

    fn all(parser: &mut Parser<'_>, depth: usize) -> Result<Self, PathError> {
        let mut all = vec![Self::one(parser, depth)?];
        parser.spaces();
        while parser.take("&&") {
            all.push(Self::one(parser, depth)?);
            parser.spaces();
        }
        Ok(joined(all, Self::And))
    }

    fn one(parser: &mut Parser<'_>, depth: usize) -> Result<Self, PathError> {
        if depth > super::MAX_DEPTH {
            return Err(parser.error("Filters are nested too deep"));
        }
        parser.spaces();
        if parser.take("!") {
            return Ok(Self::Not(Box::new(Self::one(parser, depth + 1)?)));
        }
        if parser.take("(") {
            let inner = Self::parse(parser, depth + 1)?;
            parser.spaces();
            if !parser.take(")") {
                return Err(parser.error("Expected `)`"));
            }
            return Ok(inner);
        }
        let left = Side::parse(parser, depth)?;
        parser.spaces();
        let found = RELATIONS.iter().find(|(token, _)| parser.take(token));
        let Some((_, relation)) = found else {
            let rest = parser.rest();
            if rest.starts_with("=~") {
                return Err(parser.not_built("Patterns in filters are"));
            }
            if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(parser.not_built("Words such as `in` between two sides of a filter are"));
            }
            return match left {
                Side::Constant(_) => Err(parser.error("A constant by itself is no condition")),
                _ if rest.starts_with('=') => Err(parser.error("Equality is written `==`")),
                side => Ok(Self::Exists(side)),
            };
        };
        parser.spaces();
        Ok(Self::Compare(left, *relation, Side::parse(parser, depth)?))
    }

    /// Whether it holds of an element. Values of different types stand in no relation but `!=`.
    pub(super) fn holds(&self, element: &Value, root: &Value) -> bool {
        match self {
            Self::Or(any) => any.iter().any(|filter| filter.holds(element, root)),
            Self::And(all) => all.iter().all(|filter| filter.holds(element, root)),
            Self::Not(filter) => !filter.holds(element, root),
            Self::Exists(side) => side.value(element, root).is_some(),
            Self::Compare(left, relation, right) => {
                let (Some(left), Some(right)) = (left.value(element, root), right.value(element, root))
                else {
                    return false;
                };
                let order = order(left, right);
                match relation {
                    Relation::Equal => order == Some(Ordering::Equal) || left == right,
                    Relation::Unequal => order != Some(Ordering::Equal) && left != right,
                    Relation::Less => order == Some(Ordering::Less),
                    Relation::LessOrEqual => order.is_some_and(Ordering::is_le),
                    Relation::Greater => order == Some(Ordering::Greater),
                    Relation::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                }
            }
        }
    }
}

fn joined(mut filters: Vec<Filter>, join: impl Fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(one) if filters.is_empty() => one,
        last => join(filters.into_iter().chain(last).collect()),
    }
}

/// The order of two numbers or of two texts.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => crate::branch::compare(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

impl Side {
    fn parse(parser: &mut Parser<'_>, depth: usize) -> Result<Self, PathError> {
        if parser.take("@") {
            return parser.parts(true, depth).map(Self::Element);
        }
        if parser.take("$") {
            return parser.parts(true, depth).map(Self::Root);
        }
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if parser.take(word) {
                return Ok(Self::Constant(value));
            }
        }
        let unknown = |parser: &Parser<'_>| parser.error("Expected `@`, `$`, a text in quotes or a number");
        if let Some(quote) = parser.rest().chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let text = parser.quoted(quote).ok_or_else(|| parser.error("This quote is never closed"))?;
            return Ok(Self::Constant(text.into()));
        }
        let rest = parser.rest();
        let width = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let number: Value = serde_json::from_str(&rest[..width]).map_err(|_| unknown(parser))?;
        parser.at += width;
        Ok(Self::Constant(number))
    }

    fn value<'v>(&'v self, element: &'v Value, root: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Element(parts) => select(parts, element, root).first().copied(),
            Self::Root(parts) => select(parts, root, root).first().copied(),
            Self::Constant(value) => Some(value),
        }
    }
}
