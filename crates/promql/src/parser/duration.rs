//! Durations in ranges, steps and offsets, which may be expressions.

use super::{Parsed, Parser};
use crate::ast::{DurationExpr, DurationOp, NumberLiteral, Span};
use crate::lexer::T;

/// The precedence of `^` among duration operators.
const POWER: u8 = 3;
/// The precedence of `*`, which a sign binds with.
const PRODUCT: u8 = 2;

fn duration_op(kind: T) -> Option<(DurationOp, u8)> {
    Some(match kind {
        T::Add => (DurationOp::Add, 1),
        T::Sub => (DurationOp::Sub, 1),
        T::Mul => (DurationOp::Mul, PRODUCT),
        T::Div => (DurationOp::Div, PRODUCT),
        T::Mod => (DurationOp::Mod, PRODUCT),
        T::Pow => (DurationOp::Pow, POWER),
        _ => return None,
    })
}

impl Parser<'_> {
    /// A duration expression inside brackets or parentheses.
    pub(super) fn duration_expression(&mut self, context: &str) -> Parsed<DurationExpr> {
        let before = self.height;
        let expr = self.nested(|p| p.duration_binary(1, context))?;
        self.height = before;
        if !self.options.duration_expressions && expr.literal_seconds().is_none() {
            self.problem(expr.span(), "experimental duration expression is not enabled");
        }
        Ok(expr)
    }

    fn duration_binary(&mut self, lowest: u8, context: &str) -> Parsed<DurationExpr> {
        let mut lhs = self.duration_signed(context)?;
        let mut height = self.height;
        while let Some((op, precedence)) = duration_op(self.peek()).filter(|(_, p)| *p >= lowest) {
            self.advance();
            let next = if op == DurationOp::Pow { precedence } else { precedence + 1 };
            let rhs = self.nested(|p| p.duration_binary(next, context))?;
            let span = lhs.span().to(rhs.span());
            if rhs.literal_seconds() == Some(0.0) {
                match op {
                    DurationOp::Div => return self.stop(rhs.span(), "division by zero"),
                    DurationOp::Mod => return self.stop(rhs.span(), "modulo by zero"),
                    _ => {}
                }
            }
            self.grow(height.max(self.height), span)?;
            height = self.height;
            lhs = DurationExpr::Binary(op, Box::new(lhs), Box::new(rhs), span);
        }
        self.height = height;
        Ok(lhs)
    }

    fn duration_signed(&mut self, context: &str) -> Parsed<DurationExpr> {
        let negative = match self.peek() {
            T::Add => false,
            T::Sub => true,
            _ => return self.duration_term(context),
        };
        let sign = self.token_span();
        self.advance();
        let operand = self.nested(|p| p.duration_binary(PRODUCT + 1, context))?;
        let span = sign.to(operand.span());
        if !negative {
            return Ok(operand);
        }
        self.grow(self.height, span)?;
        Ok(negate(operand, span))
    }

    fn duration_term(&mut self, context: &str) -> Parsed<DurationExpr> {
        self.height = 1;
        let span = self.token_span();
        match self.peek() {
            T::LParen => {
                self.advance();
                let inner = self.nested(|p| p.duration_binary(1, context))?;
                let end = self.expect(T::RParen, "", "\")\"")?;
                self.grow(self.height, span)?;
                Ok(DurationExpr::Paren(Box::new(inner), span.to(end)))
            }
            T::Step | T::Range => {
                let is_step = self.peek() == T::Step;
                self.advance();
                self.expect(T::LParen, "", "\"(\"")?;
                let span = span.to(self.expect(T::RParen, "", "\")\"")?);
                Ok(if is_step { DurationExpr::Step(span) } else { DurationExpr::Range(span) })
            }
            T::MinOf | T::MaxOf => {
                let is_min = self.peek() == T::MinOf;
                self.advance();
                self.expect(T::LParen, "", "\"(\"")?;
                let a = self.nested(|p| p.duration_binary(1, context))?;
                let height = self.height;
                self.expect(T::Comma, "", "\",\"")?;
                let b = self.nested(|p| p.duration_binary(1, context))?;
                let span = span.to(self.expect(T::RParen, "", "\")\"")?);
                self.grow(height.max(self.height), span)?;
                let (a, b) = (Box::new(a), Box::new(b));
                Ok(if is_min { DurationExpr::MinOf(a, b, span) } else { DurationExpr::MaxOf(a, b, span) })
            }
            T::Number | T::Duration => {
                let literal = self.duration_literal(span)?;
                Ok(DurationExpr::Literal(literal))
            }
            _ => self.unexpected(context, "number, duration, step(), or range()"),
        }
    }

    fn duration_literal(&mut self, span: Span) -> Parsed<NumberLiteral> {
        let duration = self.peek() == T::Duration;
        let value = self.token().number;
        // 64-bit nanoseconds are the limit.
        if !value.is_finite() || value.abs() * 1e9 >= 9_223_372_036_854_775_807.0 {
            return self.stop(span, "duration out of range");
        }
        self.advance();
        Ok(NumberLiteral { value, duration, span })
    }

    /// The operand of `offset`: one term with an optional sign, so that what follows is ordinary arithmetic.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        let before = self.height;
        let start = self.token_span();
        let negative = match self.peek() {
            T::Sub => Some(true),
            T::Add => Some(false),
            _ => None,
        };
        if negative.is_some() {
            self.advance();
        }
        let expected = "number, duration, step(), or range()";
        let kind = self.peek();
        let expr = match kind {
            T::Number | T::Duration | T::Step | T::Range | T::MinOf | T::MaxOf | T::LParen => {
                self.duration_term("offset")?
            }
            _ => return self.unexpected("offset", expected),
        };
        self.height = before;
        let expr = if negative == Some(true) {
            let span = start.to(expr.span());
            negate(expr, span)
        } else {
            expr
        };
        if !self.options.duration_expressions && expr.literal_seconds().is_none() {
            self.problem(expr.span(), "experimental duration expression is not enabled");
        }
        Ok(expr)
    }

    /// A literal range or step must be above zero; expressions are checked when they are evaluated.
    pub(super) fn check_positive(&mut self, duration: &DurationExpr) {
        if duration.literal_seconds().is_some_and(|seconds| seconds <= 0.0) {
            self.problem(duration.span(), "duration must be greater than 0");
        }
    }
}

fn negate(operand: DurationExpr, span: Span) -> DurationExpr {
    match operand {
        DurationExpr::Literal(literal) => {
            DurationExpr::Literal(NumberLiteral { value: -literal.value, span, ..literal })
        }
        operand => DurationExpr::Negative(Box::new(operand), span),
    }
}
