//! Cutting templates into text and tokens.

use std::ops::Range;

use super::TemplateError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word: keyword, function, `true`.
    Word(String),
    /// `$name`.
    Variable(String),
    /// `.`, or `.name`; joined to what is before when there was no space.
    Field {
        name: String,
        joined: bool,
    },
    Text(String),
    Number(String),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
}

pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

pub(super) fn error<T>(message: impl Into<String>, span: Range<usize>) -> Result<T, TemplateError> {
    Err(TemplateError { message: message.into(), span, help: None })
}

/// Text and the insides of `{{ }}`, in turn.
pub(super) enum Part {
    Text(String),
    Action(Vec<Lexeme>, Range<usize>),
}

/// Finds the actions, applies `{{-` and `-}}`, drops comments.
pub(super) fn split(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut at = 0;
    let mut trim = false;
    loop {
        let found = text[at..].find("{{").map(|offset| at + offset);
        let mut literal = &text[at..found.unwrap_or(text.len())];
        if trim {
            literal = literal.trim_start();
        }
        let Some(open) = found else {
            parts.push(Part::Text(literal.to_owned()));
            return Ok(parts);
        };
        let mut inner = open + 2;
        let dash = text[inner..].strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_whitespace));
        if dash {
            literal = literal.trim_end();
            inner += 1;
        }
        parts.push(Part::Text(literal.to_owned()));
        let (lexemes, end, trims) = if text[inner..].trim_start().starts_with("/*") {
            let (end, trims) = comment(text, open, inner)?;
            (None, end, trims)
        } else {
            let (lexemes, end, trims) = lex(text, open, inner)?;
            (Some(lexemes), end, trims)
        };
        if let Some(lexemes) = lexemes {
            parts.push(Part::Action(lexemes, open..end));
        }
        trim = trims;
        at = end;
    }
}

/// The end of a comment, and whether it trims what follows.
fn comment(text: &str, open: usize, inner: usize) -> Result<(usize, bool), TemplateError> {
    let Some(close) = text[inner..].find("*/").map(|offset| inner + offset + 2) else {
        return error("This comment is never closed", open..text.len());
    };
    let rest = &text[close..];
    if rest.starts_with("}}") {
        return Ok((close + 2, false));
    }
    let spaced = rest.trim_start();
    if spaced.len() < rest.len() && spaced.starts_with("-}}") {
        return Ok((text.len() - spaced.len() + 3, true));
    }
    error("A comment ends right before `}}`", open..close)
}

/// The tokens up to `}}`, the place after it, and whether it trims what follows.
fn lex(text: &str, open: usize, inner: usize) -> Result<(Vec<Lexeme>, usize, bool), TemplateError> {
    let mut out: Vec<Lexeme> = Vec::new();
    let mut at = inner;
    loop {
        let rest = &text[at..];
        let spaced = rest.trim_start();
        let gap = spaced.len() < rest.len();
        at = text.len() - spaced.len();
        if spaced.starts_with("}}") {
            return Ok((out, at + 2, false));
        }
        if gap && spaced.starts_with("-}}") {
            return Ok((out, at + 3, true));
        }
        if spaced.is_empty() {
            return error("This `{{` is never closed", open..text.len());
        }
        let (token, length) = token(spaced, !gap && at > inner, at)?;
        out.push(Lexeme { token, span: at..at + length });
        at += length;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// One token at the start of `rest`, with its length; `joined` when no space is before it.
fn token(rest: &str, joined: bool, at: usize) -> Result<(Token, usize), TemplateError> {
    let c = rest.chars().next().unwrap_or(' ');
    let symbol = match c {
        '|' => Some((Token::Pipe, 1)),
        '(' => Some((Token::Open, 1)),
        ')' => Some((Token::Close, 1)),
        ',' => Some((Token::Comma, 1)),
        '=' => Some((Token::Assign, 1)),
        ':' if rest.starts_with(":=") => Some((Token::Declare, 2)),
        _ => None,
    };
    if let Some(found) = symbol {
        return Ok(found);
    }
    match c {
        '"' => quoted(rest, at),
        '`' => match rest[1..].find('`') {
            Some(end) => Ok((Token::Text(rest[1..=end].to_owned()), end + 2)),
            None => error("This text is never closed", at..at + rest.len()),
        },
        '$' => {
            let length = word_length(&rest[1..]);
            Ok((Token::Variable(rest[1..=length].to_owned()), length + 1))
        }
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let length = word_length(&rest[1..]);
            Ok((Token::Field { name: rest[1..=length].to_owned(), joined }, length + 1))
        }
        '+' | '-' | '.' | '0'..='9' => {
            let mut length = 1;
            let bytes = rest.as_bytes();
            while let Some(&byte) = bytes.get(length) {
                let sign = matches!(byte, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
                if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || sign {
                    length += 1;
                } else {
                    break;
                }
            }
            Ok((Token::Number(rest[..length].to_owned()), length))
        }
        '\'' => error("Characters in `'` are not supported", at..at + 1),
        c if is_word(c) => {
            let length = word_length(rest);
            Ok((Token::Word(rest[..length].to_owned()), length))
        }
        c => error(format!("`{c}` cannot stand in an action"), at..at + c.len_utf8()),
    }
}

/// A text in double quotes, with its escapes.
fn quoted(rest: &str, at: usize) -> Result<(Token, usize), TemplateError> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(out), offset + 1)),
            '\n' => break,
            '\\' => {
                let escape = chars.next().map(|(_, c)| c);
                let digits = match escape {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                let simple = match escape {
                    Some('n') => Some('\n'),
                    Some('t') => Some('\t'),
                    Some('r') => Some('\r'),
                    Some(c @ ('"' | '\\')) => Some(c),
                    _ if digits > 0 => {
                        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)
                    }
                    _ => None,
                };
                match simple {
                    Some(c) => out.push(c),
                    None => return error("This escape is not supported", at + offset..at + offset + 1),
                }
            }
            c => out.push(c),
        }
    }
    error("This text is never closed", at..at + rest.lines().next().map_or(1, str::len).max(1))
}
