//! Reading an expression from text.

mod check;
mod duration;
mod expr;
mod selector;

use std::ops::Range;

use crate::ast::{Expr, Span};
use crate::lexer::{self, T, Token};
use crate::text;

/// How deep brackets, calls and signs may nest in the text.
const MAX_NESTING: usize = 120;
/// How deep the tree may become; long chains of one operator make deep trees too.
const MAX_HEIGHT: usize = 250;
/// The longest text that is read.
const MAX_TEXT: usize = 1 << 20;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// What is wrong, in the words Prometheus uses where it has some.
    pub message: String,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// The line of the first of these bytes, from 1.
    pub line: u32,
    /// Its column, in bytes from 1.
    pub column: u32,
    /// What would be right, where that can be said.
    pub help: Option<String>,
}

/// Which optional parts of the language are read. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    /// Functions and aggregations that Prometheus calls experimental.
    pub experimental_functions: bool,
    /// Arithmetic in durations.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}

impl ParseOptions {
    /// What a Prometheus server without feature flags reads.
    #[must_use]
    pub fn prometheus_defaults() -> Self {
        Self {
            experimental_functions: false,
            duration_expressions: true,
            extended_range_selectors: false,
            fill_modifiers: false,
        }
    }
}

/// Reads an expression, with every part of the language enabled.
///
/// # Errors
/// All problems that were found; reading stops at the first one of syntax, types are all checked.
pub fn parse(text: &str) -> Result<Expr, Vec<ParseError>> {
    parse_with(text, &ParseOptions::default())
}

/// Reads an expression with the given parts of the language.
///
/// # Errors
/// As [`parse`]; parts that are not enabled are refused by name.
pub fn parse_with(text: &str, options: &ParseOptions) -> Result<Expr, Vec<ParseError>> {
    let mut parser = Parser::new(text, *options);
    if text.len() > MAX_TEXT {
        let span = parser.span(0, 0);
        parser.problem(span, format!("query is longer than {MAX_TEXT} bytes"));
        return Err(parser.errors);
    }
    if parser.peek() == T::Eof {
        let span = parser.span(0, text.len());
        parser.problem_with_help(
            span,
            "no expression found in input",
            "a metric name, a number or a function",
        );
        return Err(parser.errors);
    }
    let parsed = parser.whole();
    match parsed {
        Ok(expr) => {
            check::check(&expr, &mut parser);
            if parser.errors.is_empty() { Ok(expr) } else { Err(parser.errors) }
        }
        Err(Stop) => Err(parser.errors),
    }
}

/// Reads only a selector, such as `up{job="x"}`, as the `match[]` parameters of the HTTP API need it.
///
/// # Errors
/// As [`parse`], and when the text is another kind of expression.
pub fn parse_selector(text: &str) -> Result<crate::ast::VectorSelector, Vec<ParseError>> {
    match parse(text)? {
        Expr::Selector(selector) => Ok(selector),
        other => {
            let span = other.span();
            Err(vec![ParseError {
                message: "expected type instant vector selector".to_owned(),
                span: span.range(),
                line: span.line,
                column: span.column,
                help: Some("a metric name or label matchers in braces".to_owned()),
            }])
        }
    }
}

/// Reading stopped; the reason is among the parser's errors.
pub(crate) struct Stop;

pub(crate) type Parsed<T> = Result<T, Stop>;

pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    line_starts: Vec<usize>,
    options: ParseOptions,
    nesting: usize,
    /// The height of the tree that was read last.
    height: usize,
    errors: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: ParseOptions) -> Self {
        let tokens = if text.len() > MAX_TEXT { Vec::new() } else { lexer::lex(text) };
        let line_starts = [0]
            .into_iter()
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1))
            .collect();
        Self { text, tokens, at: 0, line_starts, options, nesting: 0, height: 0, errors: Vec::new() }
    }

    fn whole(&mut self) -> Parsed<Expr> {
        let expr = self.expression()?;
        if self.peek() == T::Eof {
            Ok(expr)
        } else {
            self.unexpected("", "an operator or the end of the query")
        }
    }

    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let line = self.line_starts.partition_point(|first| *first <= start).max(1);
        let column = start - self.line_starts[line - 1] + 1;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: small(start), end: small(end), line: small(line), column: small(column) }
    }

    fn token(&self) -> &Token {
        // The lexer always ends with `Eof` or `Error`, and `advance` never passes the last token.
        &self.tokens[self.at]
    }

    fn peek(&self) -> T {
        self.tokens.get(self.at).map_or(T::Eof, |token| token.kind)
    }

    fn peek_second(&self) -> T {
        self.tokens.get(self.at + 1).map_or(T::Eof, |token| token.kind)
    }

    fn token_span(&self) -> Span {
        let token = self.token();
        self.span(token.start, token.end)
    }

    fn token_text(&self) -> &'a str {
        let token = self.token();
        &self.text[token.start..token.end]
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn take(&mut self, kind: T) -> bool {
        let found = self.peek() == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Takes a token of the given kind or refuses the one that is there.
    fn expect(&mut self, kind: T, context: &str, expected: &str) -> Parsed<Span> {
        let span = self.token_span();
        if self.take(kind) { Ok(span) } else { self.unexpected(context, expected) }
    }

    /// Refuses the current token; an error of the lexer speaks for itself.
    fn unexpected<R>(&mut self, context: &str, expected: &str) -> Parsed<R> {
        let span = self.token_span();
        let token = self.token();
        if token.kind == T::Error {
            let message = String::from_utf8_lossy(&token.bytes).into_owned();
            self.problem(span, message);
            return Err(Stop);
        }
        let mut message = format!("unexpected {}", describe(token, self.text));
        if !context.is_empty() {
            message.push_str(&format!(" in {context}, expected {expected}"));
        }
        self.problem_with_help(span, message, &format!("expected {expected}"));
        Err(Stop)
    }

    pub(crate) fn problem(&mut self, span: Span, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    pub(crate) fn problem_with_help(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.push(span, message.into(), Some(help.to_owned()));
    }

    fn push(&mut self, span: Span, message: String, help: Option<String>) {
        let error = ParseError { message, span: span.range(), line: span.line, column: span.column, help };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Records a problem and stops reading.
    fn stop<R>(&mut self, span: Span, message: impl Into<String>) -> Parsed<R> {
        self.problem(span, message);
        Err(Stop)
    }

    /// Runs `read` one level deeper, refusing text that nests beyond reason.
    fn nested<R>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<R>) -> Parsed<R> {
        if self.nesting >= MAX_NESTING {
            let span = self.token_span();
            return self.stop(span, format!("expression nests deeper than {MAX_NESTING} levels"));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// Sets the height of the tree just built from the heights of its parts.
    fn grow(&mut self, below: usize, span: Span) -> Parsed<()> {
        self.height = below + 1;
        if self.height > MAX_HEIGHT {
            return self.stop(span, format!("expression is a tree of more than {MAX_HEIGHT} levels"));
        }
        Ok(())
    }
}

/// How a token is named in messages.
fn describe(token: &Token, text: &str) -> String {
    let word = &text[token.start..token.end];
    match token.kind {
        T::Eof => "end of input".to_owned(),
        T::Ident => format!("identifier {}", text::quote(word)),
        T::MetricIdent => format!("metric identifier {}", text::quote(word)),
        T::Number => format!("number {}", text::quote(word)),
        T::Duration => format!("duration {}", text::quote(word)),
        T::Str => format!("string {}", text::quote(word)),
        T::Aggr(op) => format!("<aggr:{}>", op.keyword()),
        T::Add
        | T::Sub
        | T::Mul
        | T::Div
        | T::Mod
        | T::Pow
        | T::Assign
        | T::EqEq
        | T::Ne
        | T::Re
        | T::Nre => {
            format!("<op:{word}>")
        }
        T::Lt | T::Le | T::Gt | T::Ge | T::TrimUpper | T::TrimLower | T::At => format!("<op:{word}>"),
        T::And | T::Or | T::Unless | T::Atan2 => format!("<op:{}>", word.to_ascii_lowercase()),
        T::LParen | T::RParen | T::LBrace | T::RBrace | T::LBracket | T::RBracket | T::Comma | T::Colon => {
            text::quote(word)
        }
        _ => format!("<{}>", word.to_ascii_lowercase()),
    }
}
