//! Selectors, label lists and the modifiers of selectors.

use super::{Parsed, Parser};
use crate::ast::{At, Expr, Extension, Span, VectorSelector};
use crate::labels::{MatchOp, Matcher, NAME};
use crate::lexer::T;
use crate::text;

/// Whether a token may be read as a metric name: every word but a few that could only be modifiers.
pub(super) fn may_name_a_metric(kind: T) -> bool {
    is_word(kind)
        && !matches!(kind, T::Bool | T::On | T::Ignoring | T::GroupLeft | T::GroupRight | T::Atan2)
        && !matches!(kind, T::Fill | T::FillLeft | T::FillRight)
}

/// Whether a token is a word of any kind, as label lists accept them.
fn is_word(kind: T) -> bool {
    matches!(
        kind,
        T::Ident
            | T::MetricIdent
            | T::Aggr(_)
            | T::And
            | T::Or
            | T::Unless
            | T::Atan2
            | T::Offset
            | T::Smoothed
            | T::Anchored
            | T::By
            | T::Without
            | T::On
            | T::Ignoring
            | T::GroupLeft
            | T::GroupRight
            | T::Fill
            | T::FillLeft
            | T::FillRight
            | T::Bool
            | T::Start
            | T::End
            | T::Step
            | T::Range
            | T::MaxOf
            | T::MinOf
    )
}

impl Parser<'_> {
    /// A selector; `name` is the word before the braces, already taken.
    pub(super) fn selector(&mut self, name: Option<(String, Span)>) -> Parsed<Expr> {
        let start = name.as_ref().map_or_else(|| self.token_span(), |(_, span)| *span);
        let mut end = start;
        let mut matchers = Vec::new();
        if self.peek() == T::LBrace {
            self.advance();
            end = self.matchers(&mut matchers)?;
        }
        let span = start.to(end);
        let mut selector =
            VectorSelector { name: String::new(), matchers, offset: None, at: None, extension: None, span };
        if let Some((name, _)) = name {
            let set_inside = selector.matchers.iter().find(|m| m.name == NAME);
            if let Some(other) = set_inside.filter(|m| m.op == MatchOp::Equal) {
                let message = format!(
                    "metric name must not be set twice: {} or {}",
                    text::quote(&name),
                    text::quote(&other.value)
                );
                self.problem(span, message);
            }
            selector.matchers.push(Matcher::equal(NAME, name.clone()));
            selector.name = name;
        }
        Ok(Expr::Selector(selector))
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<Span> {
        let mut name_given = false;
        loop {
            let span = self.token_span();
            match self.peek() {
                T::RBrace => {
                    self.advance();
                    return Ok(span);
                }
                T::Ident => {
                    let name = self.token_text().to_owned();
                    self.advance();
                    matchers.push(self.matcher(name, span)?);
                }
                T::Str => {
                    let name = String::from_utf8_lossy(&self.token().bytes).into_owned();
                    self.advance();
                    if matches!(self.peek(), T::Comma | T::RBrace) {
                        if name_given {
                            let known = matchers.iter().find(|m| m.name == NAME).map(|m| m.value.clone());
                            let message = format!(
                                "metric name must not be set twice: {} or {}",
                                text::quote(&known.unwrap_or_default()),
                                text::quote(&name)
                            );
                            self.problem(span, message);
                        }
                        name_given = true;
                        matchers.push(Matcher::equal(NAME, name));
                    } else {
                        matchers.push(self.matcher(name, span)?);
                    }
                }
                _ => return self.unexpected("label matching", "identifier or \"}\""),
            }
            match self.peek() {
                T::Comma => self.advance(),
                T::RBrace => {}
                _ => return self.unexpected("label matching", "\",\" or \"}\""),
            }
        }
    }

    fn matcher(&mut self, name: String, start: Span) -> Parsed<Matcher> {
        let op = match self.peek() {
            T::Assign => MatchOp::Equal,
            T::Ne => MatchOp::NotEqual,
            T::Re => MatchOp::Regex,
            T::Nre => MatchOp::NotRegex,
            _ => return self.unexpected("label matching", "label matching operator"),
        };
        self.advance();
        if self.peek() != T::Str {
            return self.unexpected("label matching", "string");
        }
        let span = start.to(self.token_span());
        let value = String::from_utf8_lossy(&self.token().bytes).into_owned();
        self.advance();
        match Matcher::new(name, op, value) {
            Ok(matcher) => Ok(matcher),
            Err(error) => self.stop(span, format!("error parsing regexp: {error}")),
        }
    }

    /// `(label, label)`, trailing comma allowed; answers the labels and where the list ends.
    pub(super) fn label_list(&mut self) -> Parsed<(Vec<String>, Span)> {
        self.expect(T::LParen, "grouping opts", "\"(\"")?;
        let mut labels = Vec::new();
        loop {
            let span = self.token_span();
            match self.peek() {
                T::RParen => {
                    self.advance();
                    return Ok((labels, span));
                }
                T::Str => {
                    match std::str::from_utf8(&self.token().bytes).map(str::to_owned) {
                        Ok(label) if !label.is_empty() => labels.push(label),
                        _ => {
                            let quoted = text::quote_bytes(&self.token().bytes);
                            return self.stop(span, format!("invalid label name for grouping: {quoted}"));
                        }
                    }
                    self.advance();
                }
                kind if is_word(kind) => {
                    labels.push(self.token_text().to_owned());
                    self.advance();
                }
                // `inf` and `nan` are words too where a label is meant.
                T::Number if self.token_text().bytes().all(|b| b.is_ascii_alphabetic()) => {
                    labels.push(self.token_text().to_owned());
                    self.advance();
                }
                _ => return self.unexpected("grouping opts", "label"),
            }
            match self.peek() {
                T::Comma => self.advance(),
                T::RParen => {}
                _ => return self.unexpected("grouping opts", "\",\" or \")\""),
            }
        }
    }

    pub(super) fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let keyword = self.token_span();
        self.advance();
        let offset = self.offset_duration()?;
        let end = offset.span();
        let (slot, span) = match &mut expr {
            Expr::Selector(selector) => (&mut selector.offset, &mut selector.span),
            Expr::Range(range) => (&mut range.selector.offset, &mut range.span),
            Expr::Subquery(subquery) => (&mut subquery.offset, &mut subquery.span),
            _ => {
                return self.stop(
                    expr.span().to(keyword),
                    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                );
            }
        };
        if slot.is_some() {
            return self.stop(keyword, "offset may not be set multiple times");
        }
        *span = span.to(end);
        *slot = Some(offset);
        Ok(expr)
    }

    pub(super) fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let keyword = self.token_span();
        self.advance();
        let (at, end) = match self.peek() {
            kind @ (T::Start | T::End) => {
                self.advance();
                self.expect(T::LParen, "@", "\"(\"")?;
                let end = self.expect(T::RParen, "@", "\")\"")?;
                (if kind == T::Start { At::Start } else { At::End }, end)
            }
            _ => {
                let end = self.token_span();
                let seconds = self.signed_number("@", "timestamp")?;
                let millis = (seconds * 1000.0).round();
                // The bounds of 64-bit milliseconds.
                if !millis.is_finite() || millis.abs() >= 9_223_372_036_854_775_807.0 {
                    let message = format!("timestamp out of bounds for @ modifier: {}", text::fixed(seconds));
                    return self.stop(keyword.to(end), message);
                }
                #[allow(clippy::cast_possible_truncation, reason = "the bounds were checked")]
                (At::Time(millis as i64), end)
            }
        };
        let (slot, span) = match &mut expr {
            Expr::Selector(selector) => (&mut selector.at, &mut selector.span),
            Expr::Range(range) => (&mut range.selector.at, &mut range.span),
            Expr::Subquery(subquery) => (&mut subquery.at, &mut subquery.span),
            _ => {
                return self.stop(
                    expr.span().to(keyword),
                    "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                );
            }
        };
        if slot.is_some() {
            return self.stop(keyword, "@ <timestamp> may not be set multiple times");
        }
        *span = span.to(end);
        *slot = Some(at);
        Ok(expr)
    }

    pub(super) fn extension(&mut self, mut expr: Expr, extension: Extension) -> Parsed<Expr> {
        let keyword = self.token_span();
        self.advance();
        let word = extension.keyword();
        if !self.options.extended_range_selectors {
            self.problem(keyword, format!("{word} modifier is experimental and not enabled"));
        }
        let (slot, span) = match &mut expr {
            Expr::Selector(selector) => (&mut selector.extension, &mut selector.span),
            Expr::Range(range) => (&mut range.selector.extension, &mut range.span),
            Expr::Subquery(subquery) => {
                let span = subquery.span.to(keyword);
                return self.stop(span, format!("{word} modifier is not supported for subqueries"));
            }
            _ => {
                let span = expr.span().to(keyword);
                return self.stop(span, format!("{word} modifier not implemented"));
            }
        };
        if slot.is_some_and(|known| known != extension) {
            return self.stop(keyword, "anchored and smoothed modifiers cannot be used together");
        }
        *span = span.to(keyword);
        *slot = Some(extension);
        Ok(expr)
    }
}
