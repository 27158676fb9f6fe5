//! Expressions: operators by precedence, calls, aggregations and what may follow a term.

use super::{Parsed, Parser, selector};
use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Extension, Matching, NumberLiteral,
    Paren, RangeSelector, Span, StringLiteral, Subquery, Unary,
};
use crate::functions;
use crate::lexer::T;
use crate::text;

/// The precedence of `^`, which is also what a sign's operand is read with: `-2^2` is `-(2^2)`.
const POWER: u8 = 6;

fn binary_op(kind: T) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        T::Or => (BinaryOp::Or, 1),
        T::And => (BinaryOp::And, 2),
        T::Unless => (BinaryOp::Unless, 2),
        T::EqEq => (BinaryOp::Equal, 3),
        T::Ne => (BinaryOp::NotEqual, 3),
        T::Le => (BinaryOp::LessEqual, 3),
        T::Lt => (BinaryOp::Less, 3),
        T::Ge => (BinaryOp::GreaterEqual, 3),
        T::Gt => (BinaryOp::Greater, 3),
        T::TrimUpper => (BinaryOp::TrimUpper, 3),
        T::TrimLower => (BinaryOp::TrimLower, 3),
        T::Add => (BinaryOp::Add, 4),
        T::Sub => (BinaryOp::Sub, 4),
        T::Mul => (BinaryOp::Mul, 5),
        T::Div => (BinaryOp::Div, 5),
        T::Mod => (BinaryOp::Mod, 5),
        T::Atan2 => (BinaryOp::Atan2, 5),
        T::Pow => (BinaryOp::Pow, POWER),
        _ => return None,
    })
}

impl Parser<'_> {
    /// One whole expression.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|p| p.binary(1))
    }

    fn binary(&mut self, lowest: u8) -> Parsed<Expr> {
        let mut lhs = self.signed()?;
        let mut height = self.height;
        while let Some((op, precedence)) = binary_op(self.peek()).filter(|(_, p)| *p >= lowest) {
            let op_span = self.token_span();
            self.advance();
            let (return_bool, matching) = self.binary_modifiers(op)?;
            let next = if op == BinaryOp::Pow { precedence } else { precedence + 1 };
            let rhs = self.nested(|p| p.binary(next))?;
            let span = lhs.span().to(rhs.span());
            self.grow(height.max(self.height), span)?;
            height = self.height;
            lhs = Expr::Binary(Box::new(Binary { op, lhs, rhs, return_bool, matching, span, op_span }));
        }
        self.height = height;
        Ok(lhs)
    }

    fn signed(&mut self) -> Parsed<Expr> {
        let negative = match self.peek() {
            T::Add => false,
            T::Sub => true,
            _ => return self.postfix(),
        };
        let sign = self.token_span();
        self.advance();
        let operand = self.nested(|p| p.binary(POWER))?;
        let span = sign.to(operand.span());
        if let Expr::Number(number) = operand {
            let value = if negative { -number.value } else { number.value };
            return Ok(Expr::Number(NumberLiteral { value, span, ..number }));
        }
        self.grow(self.height, span)?;
        Ok(Expr::Unary(Unary { negative, expr: Box::new(operand), span }))
    }

    /// A term with the ranges and modifiers that follow it.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.term()?;
        loop {
            expr = match self.peek() {
                T::LBracket => self.range(expr)?,
                T::Offset => self.offset(expr)?,
                T::At => self.at_modifier(expr)?,
                T::Anchored => self.extension(expr, Extension::Anchored)?,
                T::Smoothed => self.extension(expr, Extension::Smoothed)?,
                _ => return Ok(expr),
            };
        }
    }

    fn term(&mut self) -> Parsed<Expr> {
        self.height = 1;
        let kind = self.peek();
        let span = self.token_span();
        match kind {
            T::Number | T::Duration => {
                let value = self.token().number;
                self.advance();
                Ok(Expr::Number(NumberLiteral { value, duration: kind == T::Duration, span }))
            }
            T::Str => {
                let value = self.token().bytes.clone();
                self.advance();
                Ok(Expr::String(StringLiteral { value, span }))
            }
            T::LParen => {
                self.advance();
                let inner = self.expression()?;
                let end = self.expect(T::RParen, "", "\")\"")?;
                self.grow(self.height, span)?;
                Ok(Expr::Paren(Paren { expr: Box::new(inner), span: span.to(end) }))
            }
            T::LBrace => self.selector(None),
            T::Aggr(op) if matches!(self.peek_second(), T::LParen | T::By | T::Without) => self.aggregate(op),
            T::Ident | T::Start | T::End | T::Step | T::Range | T::MaxOf | T::MinOf
                if self.peek_second() == T::LParen =>
            {
                self.call()
            }
            kind if selector::may_name_a_metric(kind) => {
                let name = self.token_text().to_owned();
                self.advance();
                self.selector(Some((name, span)))
            }
            _ => self.unexpected("", "an expression"),
        }
    }

    fn call(&mut self) -> Parsed<Expr> {
        let name_span = self.token_span();
        let name = self.token_text();
        self.advance();
        let Some(function) = functions::find(name) else {
            let message = format!("unknown function with name {}", text::quote(name));
            match nearest_function(name) {
                Some(near) => self.problem_with_help(name_span, message, &format!("did you mean {near}?")),
                None => self.problem(name_span, message),
            }
            return Err(super::Stop);
        };
        if function.experimental && !self.options.experimental_functions {
            let message = format!(
                "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
            );
            self.problem(name_span, message);
        }
        let (args, end) = self.arguments()?;
        Ok(Expr::Call(Call { function, args, span: name_span.to(end) }))
    }

    /// `( expr, expr )`; the height is that of the node around the arguments.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, Span)> {
        self.expect(T::LParen, "", "\"(\"")?;
        let mut args = Vec::new();
        let mut height = 0;
        loop {
            let span = self.token_span();
            if self.peek() == T::RParen {
                if !args.is_empty() {
                    return self.stop(span, "trailing commas not allowed in function call args");
                }
                break;
            }
            args.push(self.expression()?);
            height = height.max(self.height);
            if !self.take(T::Comma) {
                break;
            }
        }
        let end = self.expect(T::RParen, "", "\",\" or \")\"")?;
        self.grow(height, end)?;
        Ok((args, end))
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let start = self.token_span();
        self.advance();
        if op.experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.keyword()
            );
            self.problem(start, message);
        }
        let mut grouping = self.grouping()?;
        let (mut args, mut end) = self.arguments()?;
        let height = self.height;
        if grouping.is_none() {
            grouping = self.grouping()?;
            if let Some((_, _, last)) = &grouping {
                end = *last;
            }
        }
        self.height = height;
        let span = start.to(end);
        let wanted = if op.takes_param() { 2 } else { 1 };
        let got = args.len();
        if got == 0 {
            return self.stop(span, "no arguments for aggregate expression provided");
        }
        let (Some(expr), true) = (args.pop(), got == wanted) else {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {got}"
            );
            return self.stop(span, message);
        };
        let (grouping, without, _) = grouping.unwrap_or_default();
        let param = args.pop().map(Box::new);
        Ok(Expr::Aggregate(Aggregate { op, expr: Box::new(expr), param, grouping, without, span }))
    }

    /// `by (labels)` or `without (labels)`, when there.
    fn grouping(&mut self) -> Parsed<Option<(Vec<String>, bool, Span)>> {
        let without = match self.peek() {
            T::By => false,
            T::Without => true,
            _ => return Ok(None),
        };
        self.advance();
        let (labels, end) = self.label_list()?;
        Ok(Some((labels, without, end)))
    }

    /// What may stand between a binary operator and its right operand.
    fn binary_modifiers(&mut self, op: BinaryOp) -> Parsed<(bool, Matching)> {
        let return_bool = self.take(T::Bool);
        let mut matching = Matching {
            cardinality: if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne },
            labels: Vec::new(),
            on: false,
            explicit: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        if matches!(self.peek(), T::On | T::Ignoring) {
            matching.on = self.peek() == T::On;
            matching.explicit = true;
            self.advance();
            matching.labels = self.label_list()?.0;
            let side = match self.peek() {
                T::GroupLeft => Some(Cardinality::ManyToOne),
                T::GroupRight => Some(Cardinality::OneToMany),
                _ => None,
            };
            if let Some(side) = side {
                matching.cardinality = side;
                self.advance();
                if self.peek() == T::LParen {
                    matching.include = self.label_list()?.0;
                }
            }
        }
        self.fills(&mut matching)?;
        Ok((return_bool, matching))
    }

    fn fills(&mut self, matching: &mut Matching) -> Parsed<()> {
        loop {
            let span = self.token_span();
            let kind = self.peek();
            let fresh = match kind {
                T::Fill => matching.fill_left.is_none() && matching.fill_right.is_none(),
                T::FillLeft => matching.fill_left.is_none(),
                T::FillRight => matching.fill_right.is_none(),
                _ => return Ok(()),
            };
            if !fresh {
                return self.unexpected("", "the right operand");
            }
            if !self.options.fill_modifiers {
                self.problem(span, "binop fill modifiers are experimental and not enabled");
            }
            self.advance();
            self.expect(T::LParen, "fill modifier", "\"(\"")?;
            let value = self.signed_number("fill modifier", "number")?;
            self.expect(T::RParen, "fill modifier", "\")\"")?;
            if kind != T::FillRight {
                matching.fill_left = Some(value);
            }
            if kind != T::FillLeft {
                matching.fill_right = Some(value);
            }
        }
    }

    /// A number with an optional sign.
    pub(super) fn signed_number(&mut self, context: &str, expected: &str) -> Parsed<f64> {
        let sign = match self.peek() {
            T::Sub => -1.0,
            _ => 1.0,
        };
        if matches!(self.peek(), T::Sub | T::Add) {
            self.advance();
        }
        if !matches!(self.peek(), T::Number | T::Duration) {
            return self.unexpected(context, expected);
        }
        let number = self.token().number;
        self.advance();
        Ok(sign * number)
    }

    /// `[range]` or `[range:step]` after an expression.
    fn range(&mut self, expr: Expr) -> Parsed<Expr> {
        let height = self.height;
        self.advance();
        let range = self.duration_expression("subquery or range")?;
        self.check_positive(&range);
        let here = self.token_span();
        if self.take(T::Colon) {
            let step = if self.peek() == T::RBracket {
                None
            } else {
                let step = self.duration_expression("subquery selector")?;
                self.check_positive(&step);
                Some(step)
            };
            let end = self.expect(T::RBracket, "subquery selector", "\"]\"")?;
            let span = expr.span().to(end);
            self.grow(height, span)?;
            return Ok(Expr::Subquery(Subquery {
                expr: Box::new(expr),
                range,
                step,
                offset: None,
                at: None,
                span,
            }));
        }
        if self.peek() != T::RBracket {
            return self.unexpected("subquery or range", "\":\" or \"]\"");
        }
        self.advance();
        let span = expr.span().to(here);
        self.height = height;
        let Expr::Selector(selector) = expr else {
            return self.stop(expr.span(), "ranges only allowed for vector selectors");
        };
        if selector.offset.is_some() {
            return self.stop(selector.span, "no offset modifiers allowed before range");
        }
        if selector.at.is_some() {
            return self.stop(selector.span, "no @ modifiers allowed before range");
        }
        Ok(Expr::Range(RangeSelector { selector, range, span }))
    }
}

/// The function whose name is nearest to a misspelt one.
fn nearest_function(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    if name.len() > 64 {
        return None;
    }
    functions::FUNCTIONS
        .iter()
        .map(|f| (distance(&name, f.name), f.name))
        .min()
        .filter(|(d, found)| *d <= 2.max(found.len() / 4))
        .map(|(_, found)| found)
}

/// How many single-byte edits turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
