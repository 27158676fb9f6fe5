//! Splitting the text into tokens.
//!
//! What a character means depends on where it stands: inside braces every word is an identifier, inside
//! brackets a colon separates range and step. The lexer keeps that state, so the parser sees plain tokens.

use crate::ast::AggregateOp;
use crate::text;

/// The kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum T {
    Eof,
    Error,
    Ident,
    MetricIdent,
    Number,
    Duration,
    Str,
    LParen,
    RParen,
    LBrace,
    RBrace,
    LBracket,
    RBracket,
    Comma,
    Colon,
    Assign,
    EqEq,
    Ne,
    Re,
    Nre,
    Lt,
    Le,
    Gt,
    Ge,
    TrimUpper,
    TrimLower,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    At,
    And,
    Or,
    Unless,
    Atan2,
    Aggr(AggregateOp),
    Offset,
    Smoothed,
    Anchored,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// Keywords that are neither aggregations nor numbers.
pub(crate) const KEYWORDS: [(&str, T); 25] = [
    ("and", T::And),
    ("or", T::Or),
    ("unless", T::Unless),
    ("atan2", T::Atan2),
    ("offset", T::Offset),
    ("smoothed", T::Smoothed),
    ("anchored", T::Anchored),
    ("by", T::By),
    ("without", T::Without),
    ("on", T::On),
    ("ignoring", T::Ignoring),
    ("group_left", T::GroupLeft),
    ("group_right", T::GroupRight),
    ("fill", T::Fill),
    ("fill_left", T::FillLeft),
    ("fill_right", T::FillRight),
    ("bool", T::Bool),
    ("start", T::Start),
    ("end", T::End),
    ("step", T::Step),
    ("range", T::Range),
    ("max_of", T::MaxOf),
    ("min_of", T::MinOf),
    ("inf", T::Number),
    ("nan", T::Number),
];

/// One token: its kind, its bytes in the text, the number it stands for or the bytes of its string.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: T,
    pub start: usize,
    pub end: usize,
    pub number: f64,
    /// The unescaped bytes of a string, or the message of an error.
    pub bytes: Vec<u8>,
}

/// Splits the text; the last token is `Eof` or `Error`.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), parens: 0, brace: false, bracket: Bracket::No };
    while lexer.step() {}
    lexer.tokens
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    No,
    /// Open; whether a duration and a colon were seen.
    Open {
        duration: bool,
        colon: bool,
    },
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    parens: usize,
    brace: bool,
    bracket: Bracket,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: T, start: usize) -> bool {
        self.tokens.push(Token { kind, start, end: self.at, number: 0.0, bytes: Vec::new() });
        kind != T::Eof
    }

    fn single(&mut self, kind: T, length: usize) -> bool {
        let start = self.at;
        self.at += length;
        self.push(kind, start)
    }

    fn error(&mut self, start: usize, message: String) -> bool {
        let end = self.at.max(start + 1).min(self.text.len()).max(start);
        self.tokens.push(Token { kind: T::Error, start, end, number: 0.0, bytes: message.into_bytes() });
        false
    }

    /// Reads one token; answers whether there may be more.
    fn step(&mut self) -> bool {
        self.skip_space();
        if self.brace {
            return self.step_in_braces();
        }
        let start = self.at;
        let Some(c) = self.peek() else {
            let open_bracket = self.bracket != Bracket::No;
            return if open_bracket {
                self.error(start, "unexpected end of input in duration expression".into())
            } else if self.parens > 0 {
                self.error(start, "unclosed left parenthesis".into())
            } else {
                self.push(T::Eof, start)
            };
        };
        if let Bracket::Open { duration, colon } = self.bracket {
            return self.step_in_brackets(c, duration, colon);
        }
        match c {
            '{' => {
                self.brace = true;
                self.single(T::LBrace, 1)
            }
            '}' => self.error(start, format!("unexpected character: {}", char_quote(c))),
            '[' => {
                self.bracket = Bracket::Open { duration: false, colon: false };
                self.single(T::LBracket, 1)
            }
            ']' => self.error(start, "unexpected right bracket ']'".into()),
            '"' | '\'' | '`' => self.string(c),
            _ => self.common(c),
        }
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blank;
            if self.rest().starts_with('#') {
                let comment = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += comment;
            } else if blank == 0 {
                return;
            }
        }
    }

    /// Tokens that mean the same inside and outside brackets.
    fn common(&mut self, c: char) -> bool {
        let start = self.at;
        let second = self.rest().chars().nth(1);
        match (c, second) {
            (',', _) => self.single(T::Comma, 1),
            ('+', _) => self.single(T::Add, 1),
            ('-', _) => self.single(T::Sub, 1),
            ('*', _) => self.single(T::Mul, 1),
            ('/', _) => self.single(T::Div, 1),
            ('%', _) => self.single(T::Mod, 1),
            ('^', _) => self.single(T::Pow, 1),
            ('@', _) => self.single(T::At, 1),
            ('=', Some('=')) => self.single(T::EqEq, 2),
            ('=', Some('~')) => {
                self.at += 2;
                self.error(start, "unexpected character after '=': '~'".into())
            }
            ('=', _) => self.single(T::Assign, 1),
            ('!', Some('=')) => self.single(T::Ne, 2),
            ('!', other) => {
                let what = other.map_or_else(|| "end of input".to_owned(), char_quote);
                self.error(start, format!("unexpected character after '!': {what}"))
            }
            ('<', Some('=')) => self.single(T::Le, 2),
            ('<', Some('/')) => self.single(T::TrimUpper, 2),
            ('<', _) => self.single(T::Lt, 1),
            ('>', Some('=')) => self.single(T::Ge, 2),
            ('>', Some('/')) => self.single(T::TrimLower, 2),
            ('>', _) => self.single(T::Gt, 1),
            ('(', _) => {
                self.parens += 1;
                self.single(T::LParen, 1)
            }
            (')', _) if self.parens == 0 => self.error(start, "unexpected right parenthesis ')'".into()),
            (')', _) => {
                self.parens -= 1;
                self.single(T::RParen, 1)
            }
            ('0'..='9', _) | ('.', Some('0'..='9')) => self.number(),
            (c, _) if c.is_ascii_alphabetic() || c == '_' || c == ':' => self.word(),
            _ => self.error(start, format!("unexpected character: {}", char_quote(c))),
        }
    }

    fn step_in_brackets(&mut self, c: char, duration: bool, colon: bool) -> bool {
        let start = self.at;
        match c {
            ']' => {
                self.bracket = Bracket::No;
                self.single(T::RBracket, 1)
            }
            '[' => self.error(start, "unexpected left bracket '['".into()),
            ':' if colon => self.error(start, "unexpected repeated colon in duration expression".into()),
            ':' if !duration => {
                self.error(start, "unexpected colon before duration in duration expression".into())
            }
            ':' => {
                self.bracket = Bracket::Open { duration, colon: true };
                self.single(T::Colon, 1)
            }
            '+' | '-' | '*' | '/' | '%' | '^' | '(' | ')' | ',' => self.common(c),
            '0'..='9' | '.' => {
                self.bracket = Bracket::Open { duration: true, colon };
                self.number()
            }
            c if c.is_ascii_alphabetic() => {
                let length = self.rest().bytes().take_while(|b| is_word(*b)).count();
                let word = self.rest()[..length].to_ascii_lowercase();
                let kind = match word.as_str() {
                    "step" => T::Step,
                    "range" => T::Range,
                    "min_of" => T::MinOf,
                    "max_of" => T::MaxOf,
                    _ => {
                        let what = char_quote(c);
                        return self
                            .error(start, format!("unexpected character in duration expression: {what}"));
                    }
                };
                self.bracket = Bracket::Open { duration: true, colon };
                self.single(kind, length)
            }
            c => self.error(start, format!("unexpected character in duration expression: {}", char_quote(c))),
        }
    }

    fn step_in_braces(&mut self) -> bool {
        let start = self.at;
        let Some(c) = self.peek() else {
            return self.error(start, "unexpected end of input inside braces".into());
        };
        match (c, self.rest().chars().nth(1)) {
            ('}', _) => {
                self.brace = false;
                self.single(T::RBrace, 1)
            }
            ('{', _) => self.error(start, "unexpected left brace '{'".into()),
            (',', _) => self.single(T::Comma, 1),
            ('=', Some('~')) => self.single(T::Re, 2),
            ('=', Some('=')) => self.single(T::EqEq, 2),
            ('=', _) => self.single(T::Assign, 1),
            ('!', Some('~')) => self.single(T::Nre, 2),
            ('!', Some('=')) => self.single(T::Ne, 2),
            ('!', other) => {
                let what = other.map_or_else(|| "end of input".to_owned(), char_quote);
                self.error(start, format!("unexpected character after '!' inside braces: {what}"))
            }
            ('"' | '\'' | '`', _) => self.string(c),
            (c, _) if c.is_ascii_alphabetic() || c == '_' => {
                let length = self.rest().bytes().take_while(|b| is_word(*b)).count();
                self.single(T::Ident, length)
            }
            (c, _) => self.error(start, format!("unexpected character inside braces: {}", char_quote(c))),
        }
    }

    fn word(&mut self) -> bool {
        let start = self.at;
        let length = self.rest().bytes().take_while(|b| is_word(*b) || *b == b':').count();
        let word = self.rest()[..length].to_owned();
        self.at += length;
        if word.contains(':') {
            return self.push(T::MetricIdent, start);
        }
        let lower = word.to_ascii_lowercase();
        if let Some((_, op)) = AggregateOp::ALL.iter().find(|(name, _)| *name == lower) {
            return self.push(T::Aggr(*op), start);
        }
        let kind = KEYWORDS.iter().find(|(name, _)| *name == lower).map_or(T::Ident, |(_, kind)| *kind);
        let needs_paren = matches!(kind, T::Fill | T::FillLeft | T::FillRight);
        if needs_paren && !self.rest().trim_start().starts_with('(') {
            return self.push(T::Ident, start);
        }
        self.push(kind, start);
        if kind == T::Number
            && let Some(token) = self.tokens.last_mut()
        {
            token.number = if lower == "inf" { f64::INFINITY } else { f64::NAN };
        }
        true
    }

    fn number(&mut self) -> bool {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let hex = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        let mut end = start;
        while let Some(&b) = bytes.get(end) {
            let exponent_sign = !hex
                && (b == b'+' || b == b'-')
                && end > start
                && matches!(bytes[end - 1], b'e' | b'E')
                && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
                && bytes[start..end - 1].iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_'));
            if is_word(b) || b == b'.' || exponent_sign {
                end += 1;
            } else {
                break;
            }
        }
        let word = &self.text[start..end];
        let (kind, number) = match parse_number(word) {
            Some(number) => (T::Number, number),
            None => match text::parse_duration_ms(word) {
                #[allow(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
                Ok(ms) => (T::Duration, ms as f64 / 1000.0),
                Err(text::DurationError::Range) => {
                    self.at = end;
                    return self.error(start, "duration out of range".into());
                }
                Err(_) => {
                    let message = format!("bad number or duration syntax: {}", text::quote(word));
                    self.at = end;
                    return self.error(start, message);
                }
            },
        };
        self.at = end;
        self.push(kind, start);
        if let Some(token) = self.tokens.last_mut() {
            token.number = number;
        }
        true
    }

    fn string(&mut self, quote: char) -> bool {
        let start = self.at;
        match unquote(self.rest(), quote) {
            Ok((bytes, length)) => {
                self.at += length;
                self.push(T::Str, start);
                if let Some(token) = self.tokens.last_mut() {
                    token.bytes = bytes;
                }
                true
            }
            Err(message) => {
                self.at = self.text.len();
                self.error(start, message)
            }
        }
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn char_quote(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '\n' => "'\\n'".to_owned(),
        c => format!("'{c}'"),
    }
}

/// Reads a number in the syntaxes Prometheus accepts: Go integers with base prefix, then floats.
pub(crate) fn parse_number(word: &str) -> Option<f64> {
    if let Some(value) = parse_integer(word) {
        return Some(value);
    }
    match word.to_ascii_lowercase().as_str() {
        "inf" | "+inf" => return Some(f64::INFINITY),
        "-inf" => return Some(f64::NEG_INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let valid = word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if valid { word.parse().ok() } else { None }
}

/// A Go integer literal: `0x`, `0o`, `0b` or a leading `0` choose the base, `_` may separate digits.
#[allow(clippy::cast_precision_loss, reason = "as Prometheus converts integers to floats")]
fn parse_integer(word: &str) -> Option<f64> {
    let (sign, body) = match word.strip_prefix('-') {
        Some(body) => (-1.0, body),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    let lower = body.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    let prefixed = base != 10;
    let separators_ok =
        !digits.ends_with('_') && !digits.contains("__") && (prefixed || !digits.starts_with('_'));
    if digits.is_empty() || !separators_ok {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), base).ok().map(|n| sign * n as f64)
}

/// Reads a quoted string at the start of `text`; answers its bytes and how much of the text it took.
pub(crate) fn unquote(text: &str, quote: char) -> Result<(Vec<u8>, usize), String> {
    let mut out = Vec::new();
    let mut at = 1;
    if quote == '`' {
        let end = text[1..].find('`').ok_or_else(|| "unterminated raw string".to_owned())?;
        return Ok((text.as_bytes()[1..=end].to_vec(), end + 2));
    }
    loop {
        let Some(c) = text[at..].chars().next() else { return Err("unterminated quoted string".to_owned()) };
        at += c.len_utf8();
        match c {
            '\n' => return Err("unterminated quoted string".to_owned()),
            c if c == quote => return Ok((out, at)),
            '\\' => at += escape(&text[at..], quote, &mut out)?,
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Reads what follows a backslash; answers its length.
fn escape(text: &str, quote: char, out: &mut Vec<u8>) -> Result<usize, String> {
    let Some(c) = text.chars().next() else { return Err("escape sequence not terminated".to_owned()) };
    let simple = match c {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        '\'' if quote == '\'' => Some(b'\''),
        '"' if quote == '"' => Some(b'"'),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Ok(1);
    }
    let (skip, digits, base) = match c {
        '0'..='7' => (0, 3, 8),
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        c => return Err(format!("unknown escape sequence U+{:04X} '{c}'", c as u32)),
    };
    let body = text.get(skip..skip + digits).ok_or_else(|| "escape sequence not terminated".to_owned())?;
    if !body.bytes().all(|b| (b as char).is_digit(base)) {
        let bad = body.chars().find(|c| !c.is_digit(base)).unwrap_or(quote);
        return Err(format!("unknown escape sequence U+{:04X} '{bad}'", bad as u32));
    }
    let value = u32::from_str_radix(body, base).map_err(|_| "escape sequence not terminated".to_owned())?;
    let invalid = || "escape sequence is an invalid Unicode code point".to_owned();
    match c {
        'u' | 'U' => {
            let c = char::from_u32(value).ok_or_else(invalid)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => out.push(u8::try_from(value).map_err(|_| invalid())?),
    }
    Ok(skip + digits)
}
