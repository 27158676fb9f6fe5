//! JSON (RFC 8259) into nodes. YAML 1.2 nearly contains JSON, but its parser's errors speak of YAML, and it knows
//! neither JSON's surrogate pairs nor that tabs are fine.

use std::collections::BTreeMap;

use super::{Entry, MAX_DEPTH, Node, NodeKind, Parsed, Style, Typed, scalar};
use crate::diagnostic::Diagnostic;
use crate::read::MAX_PROBLEMS;
use crate::source::Source;

/// Reads a file as JSON.
pub(super) fn parse(source: &Source) -> Parsed {
    let mut reader = Reader { source, at: source.content_start(), diagnostics: Vec::new() };
    reader.space();
    if reader.rest().is_empty() {
        return Parsed::default();
    }
    let document = reader.value(0).and_then(|node| {
        reader.space();
        if reader.rest().is_empty() { Ok(node) } else { Err(reader.expected("the end of the file")) }
    });
    match document {
        Ok(node) => Parsed { documents: vec![node], diagnostics: reader.diagnostics },
        Err(stop) => {
            reader.diagnostics.push(*stop);
            Parsed { documents: Vec::new(), diagnostics: reader.diagnostics }
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    at: usize,
    diagnostics: Vec<Diagnostic>,
}

type Stop = Box<Diagnostic>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.source.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.source.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn expected(&self, what: &str) -> Stop {
        let next = self.rest().chars().next();
        let found = match next {
            Some(c) => format!("found `{c}`"),
            None => "the file ends".to_owned(),
        };
        let span = self.at..self.at + next.map_or(0, char::len_utf8);
        let diagnostic = self.source.error("syntax", span, format!("Expected {what}, {found}"));
        Box::new(match next {
            Some('/' | '#') => diagnostic.help("JSON has no comments"),
            Some('\'') => diagnostic.help("JSON texts stand in double quotes"),
            _ => diagnostic,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        let start = self.at;
        let rest = self.rest();
        match rest.chars().next() {
            Some('{' | '[') if depth >= MAX_DEPTH => {
                let message = format!("Values are nested deeper than {MAX_DEPTH} levels here");
                Err(Box::new(self.source.error("too-deep", start..start + 1, message)))
            }
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => {
                let text = self.string()?;
                Ok(Node::scalar(text.into(), Typed::Text, Style::DoubleQuoted, start..self.at))
            }
            _ => {
                let length = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')))
                    .unwrap_or(rest.len());
                let word = &rest[..length];
                let typed = match word {
                    "null" => Typed::Null,
                    "true" => Typed::Bool(true),
                    "false" => Typed::Bool(false),
                    _ if is_number(word) => scalar::number(word),
                    _ if word.is_empty() => return Err(self.expected("a value")),
                    _ => {
                        let message = format!("`{word}` is not a JSON value");
                        let diagnostic = self.source.error("syntax", start..start + length, message);
                        return Err(Box::new(diagnostic.help("put it in double quotes if it is a text")));
                    }
                };
                self.at += length;
                Ok(Node::scalar(word.into(), typed, Style::Plain, start..self.at))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, Stop> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if !self.eat(']') {
            loop {
                self.space();
                items.push(self.value(depth + 1)?);
                self.space();
                if self.eat(']') {
                    break;
                }
                if !self.eat(',') {
                    return Err(self.expected("`,` or `]`"));
                }
            }
        }
        Ok(Node::container(NodeKind::List(items), start..self.at, self.source))
    }

    fn object(&mut self, depth: usize) -> Result<Node, Stop> {
        let start = self.at;
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut index = BTreeMap::new();
        self.space();
        if !self.eat('}') {
            loop {
                self.space();
                let key_start = self.at;
                if !self.rest().starts_with('"') {
                    return Err(self.expected("a key in double quotes"));
                }
                let key = self.string()?;
                let key_span = key_start..self.at;
                self.space();
                if !self.eat(':') {
                    return Err(self.expected("`:`"));
                }
                self.space();
                let value = self.value(depth + 1)?.named(&key_span, self.source);
                match index.get(&key) {
                    // The rest would not be shown.
                    Some(_) if self.diagnostics.len() > MAX_PROBLEMS => {}
                    Some(first) => self.diagnostics.push(
                        self.source
                            .error("duplicate-key", key_span, format!("The key `{key}` is here twice"))
                            .label("again here")
                            .related(self.source.place(std::ops::Range::clone(first), "first here")),
                    ),
                    None => {
                        index.insert(key.clone(), key_span.clone());
                        entries.push(Entry { key: key.into(), key_span, value });
                    }
                }
                self.space();
                if self.eat('}') {
                    break;
                }
                if !self.eat(',') {
                    return Err(self.expected("`,` or `}`"));
                }
            }
        }
        Ok(Node::container(NodeKind::Map(entries), start..self.at, self.source))
    }

    fn stop<T>(&self, span: std::ops::Range<usize>, message: &str) -> Result<T, Stop> {
        Err(Box::new(self.source.error("syntax", span, message)))
    }

    /// Reads a string; the opening quote is there.
    fn string(&mut self) -> Result<String, Stop> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return self.stop(start..start + 1, "This quote is never closed");
            };
            let at = self.at;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => out.push(self.escape(at)?),
                '\n' | '\r' => return self.stop(start..at, "This quote is not closed on its line"),
                c if c < ' ' => {
                    return self.stop(at..at + 1, "A tab inside a JSON text is written `\\t`");
                }
                c => out.push(c),
            }
        }
    }

    /// Reads what follows a backslash at `at`.
    fn escape(&mut self, at: usize) -> Result<char, Stop> {
        let c = self.rest().chars().next();
        self.at += c.map_or(0, char::len_utf8);
        Ok(match c {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.hex(at)?;
                let mut code = first;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second = self.hex(at)?;
                    if (0xdc00..0xe000).contains(&second) {
                        code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    }
                }
                match char::from_u32(code) {
                    Some(c) => c,
                    None => return self.stop(at..self.at, "This is half of a surrogate pair"),
                }
            }
            _ => return self.stop(at..self.at, "JSON has no such escape"),
        })
    }

    fn hex(&mut self, at: usize) -> Result<u32, Stop> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.stop(at..self.at, "Expected four hexadecimal digits after `\\u`"),
        }
    }
}

/// The numbers of JSON are fewer than those of YAML: no `+`, no leading zero, digits on both sides of the point.
fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let whole = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &unsigned[whole..];
    let fraction_is_one = match rest.strip_prefix('.') {
        Some(fraction) => fraction.starts_with(|c: char| c.is_ascii_digit()),
        None => true,
    };
    whole > 0
        && (whole == 1 || !unsigned.starts_with('0'))
        && fraction_is_one
        && !matches!(scalar::number(word), Typed::Text)
}
