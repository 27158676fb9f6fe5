//! Explanations as text.

use std::fmt;

use serde_json::Value;

use super::{Alternative, Element, Explanation, Miss, Reason};

/// How many values of an event are written out for one field.
const MOST_VALUES: usize = 8;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.matched {
            return f.write_str("matches");
        }
        f.write_str("does not match")?;
        write_all(f, &self.elements, &self.misses, 1)
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, elements: &[Element], misses: &[Miss], depth: usize) -> fmt::Result {
    for element in elements {
        let Element { place, elements, fields, matching } = element;
        write!(f, "\n{:1$}", "", depth * 2)?;
        if *elements == 1 {
            write!(f, "{place}, the only element: {matching} of {fields} fields match")?;
        } else {
            write!(f, "{place} is the nearest of {elements} elements: {matching} of {fields} fields match")?;
        }
    }
    misses.iter().try_for_each(|miss| miss.write(f, depth))
}

/// Values as JSON, the first ones of many.
fn values(found: &[Value]) -> String {
    let shown: Vec<String> = found.iter().take(MOST_VALUES).map(Value::to_string).collect();
    match found.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Miss {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "\n{:1$}", "", depth * 2)?;
        let (expected, found) = (&self.expected, values(&self.found));
        let place = self.place.as_ref().unwrap_or(&self.path);
        match self.reason {
            Reason::Absent if self.place.is_some() => {
                write!(f, "{place}: expected {expected}, that element has no such field")?;
            }
            Reason::Absent => write!(f, "{place}: expected {expected}, the event has no such field")?,
            Reason::Object => write!(f, "{place}: expected {expected}, the event has an object there")?,
            Reason::Differs => write!(f, "{place}: expected {expected}, the event has {found}")?,
            Reason::OtherElement => {
                write!(f, "{place}: expected {expected}, ")?;
                match self.found.as_slice() {
                    [] => f.write_str("that element has no such field")?,
                    _ => write!(f, "the event has {found}")?,
                }
                write!(f, "; it matches at {}", self.elsewhere.join(", "))?;
            }
            Reason::NoAlternative => {
                write!(f, "{place}: none of the alternatives holds")?;
                for (index, one) in self.alternatives.iter().enumerate() {
                    self.alternative(f, index + 1, one, depth + 1)?;
                }
            }
        }
        match &self.near {
            Some(near) => write!(f, " ({near})"),
            None => Ok(()),
        }
    }

    fn alternative(
        &self,
        f: &mut fmt::Formatter<'_>,
        number: usize,
        one: &Alternative,
        depth: usize,
    ) -> fmt::Result {
        let nearest = if self.nearest == Some(number) { ", the nearest" } else { "" };
        write!(f, "\n{:1$}alternative {number}{nearest}:", "", depth * 2)?;
        write_all(f, &one.elements, &one.misses, depth + 1)
    }
}
