//! Texts with `*`, as event patterns match them.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

/// The most places of one pattern that a text may be in at once. EventBridge does not publish its bound; this one
/// refuses what it is known to refuse (`*:*:*:*:*:event-bus/*`) and accepts what it is known to accept.
const MAX_PLACES: usize = 9;

/// How many different sets of places are looked at before a pattern counts as too complex.
const MAX_SETS: usize = 20_000;

/// A wildcard pattern: parts between the stars, so one more part than there are stars.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wildcard {
    parts: Vec<String>,
}

/// Why a text is not a wildcard pattern.
#[derive(Debug, PartialEq)]
pub(crate) struct WildcardError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The bytes of the text it is about.
    pub(crate) span: Range<usize>,
}

impl Wildcard {
    /// Reads a pattern: `*` is any text, `\*` a star, `\\` a backslash.
    pub(crate) fn parse(text: &str) -> Result<Self, WildcardError> {
        let bad = |message: &str, span| {
            Err(WildcardError { code: "bad-wildcard", message: message.to_owned(), span })
        };
        let mut parts = vec![String::new()];
        let mut chars = text.char_indices().peekable();
        let mut after_star = false;
        while let Some((at, c)) = chars.next() {
            let literal = match c {
                '*' if after_star => return bad("Two `*` in a row mean the same as one", at - 1..at + 1),
                '*' => {
                    parts.push(String::new());
                    after_star = true;
                    continue;
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('*' | '\\'))) => escaped,
                    next => {
                        let end = next.map_or(text.len(), |(at, c)| at + c.len_utf8());
                        return bad("Only `*` and `\\` can follow a backslash here", at..end);
                    }
                },
                c => c,
            };
            after_star = false;
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        let wildcard = Self { parts };
        if wildcard.is_too_complex() {
            return Err(WildcardError {
                code: "wildcard-too-complex",
                message: "The wildcard is too complex".to_owned(),
                span: 0..text.len(),
            });
        }
        Ok(wildcard)
    }

    /// What stands before, between and after the stars.
    pub(crate) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            // Parts are whole characters, so bytes that are equal are the text that is meant.
            let Some(found) = memchr::memmem::find(text.as_bytes(), part.as_bytes()) else { return false };
            text = &text[found + part.len()..];
        }
        text.ends_with(last.as_str())
    }

    /// Whether some text is in too many places of the pattern at once: each star that was reached is a place, and each
    /// character matched since one.
    fn is_too_complex(&self) -> bool {
        // The pattern as a row of characters and stars; place `n` is before element `n`.
        let mut row: Vec<Option<char>> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                row.push(None);
            }
            row.extend(part.chars().map(Some));
        }
        // A star is a place of its own beside the place of the character that led to it, hence the flag.
        let enter = |set: &mut BTreeSet<(usize, bool)>, place: usize| {
            set.insert((place, false));
            if row.get(place) == Some(&None) {
                set.insert((place, true));
            }
        };
        let mut start = BTreeSet::new();
        enter(&mut start, 0);
        start.remove(&(0, false));
        let mut seen = BTreeSet::from([start.clone()]);
        let mut queue = VecDeque::from([start]);
        while let Some(set) = queue.pop_front() {
            // Only characters that some place waits for lead on; any other leads back to the stars alone.
            let waits =
                |(place, star): &(usize, bool)| row.get(place + usize::from(*star)).copied().flatten();
            let awaited: BTreeSet<char> = set.iter().filter_map(waits).collect();
            for c in awaited {
                let mut next = BTreeSet::new();
                for (place, star) in &set {
                    if *star {
                        next.insert((*place, true));
                    }
                    if waits(&(*place, *star)) == Some(c) {
                        enter(&mut next, place + usize::from(*star) + 1);
                    }
                }
                if next.len() > MAX_PLACES || seen.len() > MAX_SETS {
                    return true;
                }
                if seen.insert(next.clone()) {
                    queue.push_back(next);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Wildcard::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}")).matches(text)
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("*", "", true),
            ("*a", "aa", true),
            ("a*a", "a", false),
            ("*a*", "xay", true),
            ("a*bc*c", "abcc", true),
            ("a*bc*c", "abc", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\\\*", "a\\b", true),
            ("", "", true),
            ("", "x", false),
            ("é*ü", "éßü", true),
            ("/Users/*/dir/dir/dir/dir/dir/doc.txt", "/Users/x/dir/dir/dir/dir/dir/doc.txt", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_refused_is_pointed_at() {
        let refuse = |text: &str| Wildcard::parse(text).map_err(|error| (error.code, error.span));
        assert_eq!(refuse("a**b"), Err(("bad-wildcard", 1..3)));
        assert_eq!(refuse("a\\bc"), Err(("bad-wildcard", 1..3)));
        assert_eq!(refuse("a\\"), Err(("bad-wildcard", 1..2)));
        assert_eq!(refuse("*:*:*:*:*:event-bus/*"), Err(("wildcard-too-complex", 0..21)));
        assert_eq!(refuse("*aaaaaaaaaaaaaaaaaaaaaaaa"), Err(("wildcard-too-complex", 0..25)));
        for simple in ["arn:aws:*:*:*:role/*", "*/a/*/b/*", "*.png", "*a*b*c*"] {
            assert!(Wildcard::parse(simple).is_ok(), "{simple}");
        }
        let long: String = (0..4000).filter_map(|n| char::from_u32(0x4e00 + n)).collect();
        assert!(Wildcard::parse(&format!("*{long}*")).is_ok());
    }
}
