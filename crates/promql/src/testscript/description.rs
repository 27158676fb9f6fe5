//! Series descriptions: a labelset and a sequence of values in a compact notation.

use std::sync::Arc;

use crate::histogram::{CUSTOM_SCHEMA, Histogram, ResetHint};
use crate::labels::{Labels, NAME};
use crate::lexer::unquote;
use crate::text;

/// One value of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// No sample.
    Omitted,
    /// A number; the marker that ends a series is one too.
    Float(f64),
    /// A histogram, and whether its literal said something about resets.
    Histogram(Arc<Histogram>, bool),
}

/// A labelset and its values.
#[derive(Debug, Clone)]
pub struct Description {
    /// The series.
    pub labels: Labels,
    /// Its values, one per step.
    pub items: Vec<Item>,
}

/// A sequence is spelt out up to this many values.
const MAX_ITEMS: usize = 1_000_000;
/// Histograms that differ each take room of their own.
const MAX_HISTOGRAMS: usize = 50_000;

/// Reads a line such as `metric{a="b"} 1+2x3 _ stale {{count:1 sum:2}}`.
///
/// # Errors
/// What is wrong with the line.
pub fn parse_description(line: &str) -> Result<Description, String> {
    let mut cursor = Cursor { text: line, at: 0 };
    let labels = cursor.labels()?;
    cursor.space();
    let items = cursor.items()?;
    Ok(Description { labels, items })
}

/// Reads only the labelset at the start of a line; answers what follows it.
pub(super) fn parse_labels(line: &str) -> Result<(Labels, &str), String> {
    let mut cursor = Cursor { text: line, at: 0 };
    let labels = cursor.labels()?;
    Ok((labels, &line[cursor.at..]))
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn while_matches(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| keep(*b)).count();
        self.at += length;
        &rest[..length]
    }

    fn quoted(&mut self) -> Result<Option<String>, String> {
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            return Ok(None);
        };
        let (bytes, length) = unquote(self.rest(), quote)?;
        self.at += length;
        String::from_utf8(bytes).map(Some).map_err(|_| "text is not UTF-8".to_owned())
    }

    fn labels(&mut self) -> Result<Labels, String> {
        let name = self.while_matches(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        let mut pairs: Vec<(String, String)> = Vec::new();
        if !name.is_empty() {
            pairs.push((NAME.to_owned(), name.to_owned()));
        }
        let before = self.at;
        self.space();
        if !self.take("{") || self.rest().starts_with('{') {
            self.at = before;
            return Ok(Labels::from_pairs(pairs));
        }
        loop {
            self.space();
            if self.take("}") {
                return Ok(Labels::from_pairs(pairs));
            }
            let (name, was_quoted) = match self.quoted()? {
                Some(name) => (name, true),
                None => (self.while_matches(|b| b.is_ascii_alphanumeric() || b == b'_').to_owned(), false),
            };
            self.space();
            if self.take("=") {
                self.space();
                let value = self.quoted()?.ok_or_else(|| format!("label {name} needs a quoted value"))?;
                pairs.push((name, value));
            } else if was_quoted {
                pairs.push((NAME.to_owned(), name));
            } else {
                return Err(format!("unexpected text in labels: {}", text::quote(self.rest())));
            }
            self.space();
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(format!("expected , or }} in labels before {}", text::quote(self.rest())));
            }
        }
    }

    fn items(&mut self) -> Result<Vec<Item>, String> {
        let mut items = Vec::new();
        loop {
            self.space();
            if self.rest().is_empty() {
                return Ok(items);
            }
            if self.rest().starts_with("{{") {
                self.histograms(&mut items)?;
            } else if self.take("_") {
                let times = if self.take("x") { self.count()? } else { 1 };
                repeat(&mut items, times, |_| Item::Omitted)?;
            } else {
                self.numbers(&mut items)?;
            }
            if !self.rest().is_empty() && !self.rest().starts_with(char::is_whitespace) {
                return Err(format!("unexpected text in series values: {}", text::quote(self.rest())));
            }
        }
    }

    fn count(&mut self) -> Result<usize, String> {
        let digits = self.while_matches(|b| b.is_ascii_digit());
        // The first value comes before its repetitions, so the largest number has no room for it.
        digits
            .parse()
            .ok()
            .filter(|count| *count < usize::MAX)
            .ok_or_else(|| format!("invalid repetition in series values: {}", text::quote(digits)))
    }

    fn numbers(&mut self, items: &mut Vec<Item>) -> Result<(), String> {
        if self.take("stale") {
            items.push(Item::Float(crate::value::stale_marker()));
            return Ok(());
        }
        let first = self.number()?;
        let step = match self.rest().as_bytes().first() {
            Some(b'+') => {
                self.at += 1;
                Some(self.number()?)
            }
            Some(b'-') => {
                self.at += 1;
                Some(-self.number()?)
            }
            _ => None,
        };
        if !self.take("x") {
            return match step {
                None => {
                    items.push(Item::Float(first));
                    Ok(())
                }
                Some(_) => Err("a step in series values needs a repetition".to_owned()),
            };
        }
        let times = self.count()?;
        let mut value = first;
        repeat(items, times + 1, |i| {
            if i > 0 {
                value += step.unwrap_or(0.0);
            }
            Item::Float(value)
        })
    }

    /// A number: decimal, `Inf`, `NaN` or a duration, which counts in seconds.
    fn number(&mut self) -> Result<f64, String> {
        let start = self.at;
        let sign = if self.take("-") {
            -1.0
        } else {
            self.take("+");
            1.0
        };
        if self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            let word = self.while_matches(|b| b.is_ascii_alphanumeric()).to_ascii_lowercase();
            return match word.as_str() {
                "inf" => Ok(sign * f64::INFINITY),
                "nan" => Ok(f64::NAN),
                _ => Err(format!("unexpected word in series values: {}", text::quote(&word))),
            };
        }
        let begin = self.at;
        let bytes = self.text.as_bytes();
        while let Some(b) = bytes.get(self.at) {
            let signed_exponent = matches!(b, b'+' | b'-')
                && self.at > begin
                && matches!(bytes[self.at - 1], b'e' | b'E')
                && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit);
            if *b != b'x' && b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_') || signed_exponent {
                self.at += 1;
            } else {
                break;
            }
        }
        let word = &self.text[begin..self.at];
        let value = match crate::lexer::parse_number(word) {
            Some(value) => value,
            #[allow(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
            None => text::parse_duration_ms(word)
                .map(|ms| ms as f64 / 1000.0)
                .map_err(|_| format!("bad number in series values: {}", text::quote(&self.text[start..])))?,
        };
        Ok(sign * value)
    }

    fn histograms(&mut self, items: &mut Vec<Item>) -> Result<(), String> {
        let (first, mut explicit) = self.histogram()?;
        let mut step = None;
        let subtract = self.rest().starts_with('-');
        if self.take("+") || self.take("-") {
            let (histogram, set) = self.histogram()?;
            explicit = set;
            step = Some(histogram);
        }
        if !self.take("x") {
            items.push(Item::Histogram(Arc::new(first), explicit));
            return match step {
                None => Ok(()),
                Some(_) => Err("a step in series values needs a repetition".to_owned()),
            };
        }
        let times = self.count()?;
        let Some(step) = step else {
            let shared = Arc::new(first);
            return repeat(items, times + 1, |_| Item::Histogram(Arc::clone(&shared), explicit));
        };
        if first.schema > step.schema {
            return Err(format!(
                "error combining histograms: cannot merge from schema {} to {}",
                first.schema, step.schema
            ));
        }
        if times > MAX_HISTOGRAMS {
            return Err(format!("a sequence has more than {MAX_HISTOGRAMS} different histograms"));
        }
        let mut value = first;
        for i in 0..=times {
            if i > 0 {
                let combined = if subtract { value.sub(&step) } else { value.add(&step) };
                combined.map_err(|_| "error combining histograms: incompatible schemas".to_owned())?;
                value.compact();
            }
            repeat(items, 1, |_| Item::Histogram(Arc::new(value.clone()), explicit))?;
        }
        Ok(())
    }

    /// A literal such as `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`.
    fn histogram(&mut self) -> Result<(Histogram, bool), String> {
        if !self.take("{{") {
            return Err("expected a histogram".to_owned());
        }
        let length = self.rest().find("}}").ok_or_else(|| "histogram is not closed by }}".to_owned())?;
        let body = &self.rest()[..length];
        self.at += length + 2;
        let mut h = Histogram::default();
        let (mut offset, mut n_offset) = (0, 0);
        let (mut buckets, mut n_buckets): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut seen: Vec<&str> = Vec::new();
        let mut inner = Cursor { text: body, at: 0 };
        loop {
            inner.space();
            if inner.rest().is_empty() {
                break;
            }
            let key = inner.while_matches(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !inner.take(":") {
                return Err(format!("bad histogram descriptor found: {}", text::quote(inner.rest())));
            }
            if seen.contains(&key) {
                return Err(format!("duplicate key {} in histogram", text::quote(key)));
            }
            seen.push(key);
            match key {
                "schema" => h.schema = inner.integer()?,
                "sum" => h.sum = inner.number()?,
                "count" => h.count = inner.number()?,
                "z_bucket" => h.zero_count = inner.number()?,
                "z_bucket_w" => h.zero_threshold = inner.number()?,
                "custom_values" => h.custom_values = inner.list()?,
                "buckets" => buckets = inner.list()?,
                "offset" => offset = inner.integer()?,
                "n_buckets" => n_buckets = inner.list()?,
                "n_offset" => n_offset = inner.integer()?,
                "counter_reset_hint" => h.hint = inner.hint()?,
                _ => return Err(format!("bad histogram descriptor found: {}", text::quote(key))),
            }
        }
        if h.schema == CUSTOM_SCHEMA && !n_buckets.is_empty() {
            return Err("a histogram with custom buckets has no negative ones".to_owned());
        }
        h.positive = indexed(offset, buckets)?;
        h.negative = indexed(n_offset, n_buckets)?;
        Ok((h, seen.contains(&"counter_reset_hint")))
    }

    fn integer(&mut self) -> Result<i32, String> {
        let word = self.while_matches(|b| b.is_ascii_digit() || b == b'-' || b == b'+');
        word.parse().map_err(|_| format!("bad integer in histogram: {}", text::quote(word)))
    }

    fn list(&mut self) -> Result<Vec<f64>, String> {
        if !self.take("[") {
            return Err("expected a list in brackets in histogram".to_owned());
        }
        let mut values = Vec::new();
        loop {
            self.space();
            if self.take("]") {
                return Ok(values);
            }
            values.push(self.number()?);
        }
    }

    fn hint(&mut self) -> Result<ResetHint, String> {
        match self.while_matches(|b| b.is_ascii_alphabetic() || b == b'_') {
            "unknown" => Ok(ResetHint::Unknown),
            "reset" => Ok(ResetHint::Reset),
            "not_reset" => Ok(ResetHint::NotReset),
            "gauge" => Ok(ResetHint::Gauge),
            other => Err(format!("unknown counter reset hint {}", text::quote(other))),
        }
    }
}

fn indexed(offset: i32, counts: Vec<f64>) -> Result<Vec<(i32, f64)>, String> {
    counts
        .into_iter()
        .enumerate()
        .map(|(i, count)| {
            let index = i32::try_from(i).ok().and_then(|i| offset.checked_add(i));
            index.map(|index| (index, count)).ok_or_else(|| "bucket offset is out of range".to_owned())
        })
        .collect()
}

fn repeat(items: &mut Vec<Item>, times: usize, mut make: impl FnMut(usize) -> Item) -> Result<(), String> {
    if times > MAX_ITEMS.saturating_sub(items.len()) {
        return Err(format!("a sequence has more than {MAX_ITEMS} values"));
    }
    items.extend((0..times).map(&mut make));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(line: &str) -> Vec<Option<f64>> {
        let description = parse_description(line).expect("parses");
        description
            .items
            .into_iter()
            .map(|item| match item {
                Item::Float(value) => Some(value),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn sequences_are_spelt_out() {
        assert_eq!(floats("m 1 2x2 1+2x2 5-1x1 _ _x2 -3e+2 +Inf").len(), 14);
        assert_eq!(floats("m 0+10x2 5"), [Some(0.0), Some(10.0), Some(20.0), Some(5.0)]);
        assert_eq!(floats("{a=\"b\"} -1-1x1"), [Some(-1.0), Some(-2.0)]);
        assert!(parse_description("m 1+2").is_err());
        assert!(parse_description("m 1x99999999999").is_err());
    }

    #[test]
    fn histograms_are_read() {
        let description =
            parse_description("m {{schema:1 sum:-0.3 count:3.1 buckets:[5 10 7] n_buckets:[4]}}x1");
        let description = description.expect("parses");
        let [Item::Histogram(h, false), Item::Histogram(..)] = &description.items[..] else { panic!("two") };
        assert_eq!(h.positive, [(0, 5.0), (1, 10.0), (2, 7.0)]);
        assert_eq!(
            parse_description("m {{sum:1 sum:2}}").expect_err("twice"),
            "duplicate key \"sum\" in histogram"
        );
    }
}
