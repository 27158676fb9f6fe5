//! What a search of the journal looks for in events as they are stored, before it reads them. Reading an event and making its
//! sentence costs a hundred times what looking through its bytes does, and of a hundred thousand events few are wanted.
//!
//! A sieve lets through all that is wanted, and little else: what it lets through is still to be looked at.

use std::collections::BTreeMap;

use memchr::memmem::{Finder, FinderRev};

/// What has to stand in the body of an event that is wanted.
#[derive(Default)]
pub struct Sieve {
    /// Texts, as they are.
    fragments: Vec<Finder<'static>>,
    text: Option<Text>,
}

/// A text that is looked for in any case of letters.
struct Text {
    /// In lower case.
    folded: String,
    /// The text within JSON.
    in_json: Finder<'static>,
    /// The text within a string of JSON, where it is written otherwise there.
    in_string: Option<Finder<'static>>,
    /// Its words and numbers: what is between characters that are neither letters nor digits.
    words: Vec<(String, Finder<'static>)>,
    /// Whether it may be part of a number that reads back as another one.
    is_numeric: bool,
    /// By the kinds that have come: for each word whether their sentences may have it without the event.
    added: BTreeMap<String, Vec<bool>>,
    kinds: FinderRev<'static>,
    /// The body that is looked through, in lower case.
    body: String,
}

fn finder(text: &str) -> Finder<'static> {
    Finder::new(text).into_owned()
}

/// A text as a string of JSON, without its closing quote.
fn opened(text: &str) -> String {
    let mut quoted = serde_json::to_string(text).expect("a text is JSON");
    quoted.pop();
    quoted
}

impl Sieve {
    /// Only events with this value of a field.
    pub fn field(&mut self, name: &str, value: &str) {
        self.fragments.push(finder(&format!("\"{name}\":{}\"", opened(value))));
    }

    /// Only events whose value of a field begins like this.
    pub fn begins(&mut self, name: &str, value: &str) {
        self.fragments.push(finder(&format!("\"{name}\":{}", opened(value))));
    }

    /// Only events in which this text is shown, in any case of letters.
    pub fn contains(&mut self, text: &str) {
        let folded = fold(text);
        // An event without data shows `null`, which is not stored.
        if !"null".contains(&folded) {
            self.text = Some(Text::new(folded));
        }
    }

    /// Whether an event that is stored like this may be wanted.
    pub fn lets_through(&mut self, body: &str) -> bool {
        self.fragments.iter().all(|fragment| fragment.find(body.as_bytes()).is_some())
            && self.text.as_mut().is_none_or(|text| text.may_be_in(body))
    }
}

/// In lower case, and without the difference that the end of a word makes: what is cut out of a text may end elsewhere.
fn fold(text: &str) -> String {
    let folded = text.to_lowercase();
    if folded.contains('ς') { folded.replace('ς', "σ") } else { folded }
}

/// The characters beyond ASCII of which one in lower case is, or begins, one of ASCII.
const TO_ASCII: [char; 2] = ['\u{130}', '\u{212a}'];

impl Text {
    fn new(folded: String) -> Self {
        let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let escaped = &opened(&folded)[1..];
        Self {
            in_json: finder(&folded),
            in_string: (escaped != folded).then(|| finder(escaped)),
            words: words.map(|word| (word.to_owned(), finder(word))).collect(),
            is_numeric: folded.bytes().any(|byte| byte.is_ascii_digit())
                || ["e-", "e+"].iter().any(|exponent| folded.contains(exponent)),
            added: BTreeMap::new(),
            kinds: FinderRev::new("\"type\":\"").into_owned(),
            body: String::new(),
            folded,
        }
    }

    fn may_be_in(&mut self, body: &str) -> bool {
        let Some(kind) = self.kind(body) else { return true };
        // What is shown of these is not all that is stored, and what it leaves out is missing in the middle.
        if kind.starts_with("access.") || !self.set_body(body) {
            return true;
        }
        let stored = self.body.as_bytes();
        let is_there = |finder: &Finder<'static>| finder.find(stored).is_some();
        if is_there(&self.in_json) || self.in_string.as_ref().is_some_and(is_there) {
            return true;
        }
        if self.is_numeric && has_long_number(body.as_bytes()) {
            return true;
        }
        // Only in its sentence.
        if !self.added.contains_key(kind) {
            let added = self.words.iter().map(|(word, _)| mainstay_learn::adds(kind, word));
            self.added.insert(kind.to_owned(), added.collect());
        }
        let added = self.added.get(kind).map_or(&[][..], Vec::as_slice);
        // A word that is all of the text was looked for already.
        let stands = |word: &str, finder| word != self.folded && is_there(finder);
        self.words.iter().zip(added).all(|((word, finder), is_added)| *is_added || stands(word, finder))
    }

    /// The kind of event, if it can be told from the body.
    fn kind<'a>(&self, body: &'a str) -> Option<&'a str> {
        // The last one: quotes within values are escaped, and behind the type there is only the workload.
        let rest = &body[self.kinds.rfind(body.as_bytes())? + self.kinds.needle().len()..];
        let kind = &rest[..memchr::memchr(b'"', rest.as_bytes())?];
        (!kind.contains('\\')).then_some(kind)
    }

    /// Folds a body as far as it matters. Not done where that cannot be told.
    fn set_body(&mut self, body: &str) -> bool {
        if !self.folded.is_ascii() {
            self.body = fold(body);
            return true;
        }
        if !body.is_ascii() && body.contains(TO_ASCII) {
            return false;
        }
        self.body.clear();
        self.body.push_str(body);
        self.body.make_ascii_lowercase();
        true
    }
}

/// Whether there is a number in JSON that may read back as another one than was written, in its last digit: one with an
/// exponent, or with more digits than any number of its kind keeps. What is shown is what was read back.
fn has_long_number(body: &[u8]) -> bool {
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    memchr::memchr2_iter(b'.', b'e', body).any(|at| {
        if !body[..at].last().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        let before = body[..at].iter().rev().take_while(|byte| is_of_number(byte)).count();
        let after = body[at..].iter().take_while(|byte| is_of_number(byte)).count();
        let (from, to) = (at - before, at + after);
        let stands_alone = matches!(body[..from].last(), Some(b':' | b'[' | b','))
            && matches!(body.get(to), Some(b',' | b']' | b'}'));
        let number = &body[from..to];
        let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
        stands_alone && (digits > 15 || number.contains(&b'e'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_characters_become_ascii_in_lower_case() {
        let becomes = |c: &char| !c.is_ascii() && c.to_lowercase().any(|lower| lower.is_ascii());
        assert_eq!((char::MIN..=char::MAX).filter(becomes).collect::<Vec<_>>(), TO_ASCII);
    }

    #[test]
    fn numbers_that_may_read_back_as_others_are_found() {
        for body in [r#"{"a":0.12345678901234567}"#, r#"{"a":[1,1e300]}"#, r#"{"a":-2.5e-7,"b":1}"#] {
            assert!(has_long_number(body.as_bytes()), "{body}");
        }
        for body in [
            r#"{"a":0.5,"b":12345678901234567890}"#,
            r#"{"id":"1e300","time":"2026-11-22T15:04:05.250Z"}"#,
            r#"{"type":"1.e"}"#,
        ] {
            assert!(!has_long_number(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn little_is_let_through_that_is_not_wanted() {
        let body = r#"{"actor":"system:hub","data":{"host":"h1","type":"alarm.firing"},"id":"e","source":"mainstay","subject":"host/h1","time":"2023-11-14T22:13:20.000Z","type":"host.connected","workload":"shop"}"#;
        let lets = |text: &str| {
            let mut sieve = Sieve::default();
            sieve.contains(text);
            sieve.lets_through(body)
        };
        for text in ["CONNECTED", "Host h1 connected", "host/h1", "\"host\":\"h", "system:hub", "nul"] {
            assert!(lets(text), "{text}");
        }
        for text in ["needle", "fires", "is cancelled", "h2", "Host h2 connected", "503", "größe"] {
            assert!(!lets(text), "{text}");
        }
        let field = |name: &str, value: &str, whole: bool| {
            let mut sieve = Sieve::default();
            if whole {
                sieve.field(name, value);
            } else {
                sieve.begins(name, value);
            }
            sieve.lets_through(body)
        };
        assert!(field("subject", "host/h1", true) && field("subject", "host/", false));
        assert!(!field("subject", "host/", true) && !field("type", "run.", false));
    }
}
