//! Binary operators.

use std::sync::Arc;

use indexmap::IndexMap;

use super::column::{Cell, Column, Grid, is_absent, merge_same};
use super::plan::{Binary, Node, NodeKind};
use super::{Eval, EvalError, Sink};
use crate::ast::{BinaryOp, Matching, Span, ValueType};
use crate::histogram::{Histogram, ResetHint};
use crate::labels::{Labels, NAME};

/// An operator on two numbers; comparisons answer 1 or 0.
pub(super) fn scalar_op(op: BinaryOp, l: f64, r: f64) -> f64 {
    arithmetic(op, l, r).unwrap_or_else(|| f64::from(u8::from(compare(op, l, r))))
}

pub(super) fn arithmetic(op: BinaryOp, l: f64, r: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => l + r,
        BinaryOp::Sub => l - r,
        BinaryOp::Mul => l * r,
        BinaryOp::Div => l / r,
        BinaryOp::Mod => l % r,
        BinaryOp::Pow => l.powf(r),
        BinaryOp::Atan2 => l.atan2(r),
        _ => return None,
    })
}

pub(super) fn compare(op: BinaryOp, l: f64, r: f64) -> bool {
    match op {
        BinaryOp::Equal => l == r,
        BinaryOp::NotEqual => l != r,
        BinaryOp::Less => l < r,
        BinaryOp::LessEqual => l <= r,
        BinaryOp::Greater => l > r,
        BinaryOp::GreaterEqual => l >= r,
        _ => false,
    }
}

/// What an operator makes of two elements: a value, a value that a comparison filters out, or nothing.
pub(super) enum Outcome {
    Value(Cell),
    Filtered,
    Refused,
}

fn histogram(h: Histogram) -> Outcome {
    Outcome::Value(Cell::Histogram(Arc::new(h)))
}

impl Eval<'_> {
    pub(super) fn binary(
        &self,
        binary: &Binary,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let scalar = |node: &Node| node.value_type == ValueType::Scalar;
        if scalar(&binary.lhs) {
            let left = self.scalar(&binary.lhs, grid)?;
            return self.vector_scalar(binary, &binary.rhs, &left, true, span, grid, sink);
        }
        if scalar(&binary.rhs) {
            let right = self.scalar(&binary.rhs, grid)?;
            return self.vector_scalar(binary, &binary.lhs, &right, false, span, grid, sink);
        }
        // Long chains of operators lean to the left; they are walked in a loop, to spare the stack.
        let mut chain = vec![(binary, span)];
        let mut first = &binary.lhs;
        while let NodeKind::Binary(inner) = &first.kind
            && !scalar(&inner.lhs)
            && !scalar(&inner.rhs)
        {
            chain.push((inner, first.span));
            first = &inner.lhs;
        }
        let mut columns = self.collect(first, grid)?;
        for (binary, span) in chain.into_iter().rev() {
            self.worked(columns.len().saturating_mul(grid.count))?;
            let rhs = self.collect(&binary.rhs, grid)?;
            columns = match binary.op {
                BinaryOp::And | BinaryOp::Unless => self.keep_by_presence(binary, columns, &rhs, grid),
                BinaryOp::Or => self.union(&binary.matching, columns, rhs, grid)?,
                _ => self.vector_vector(binary, columns, rhs, span, grid)?,
            };
        }
        columns.into_iter().try_for_each(sink)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one operation, used in one place")]
    fn vector_scalar(
        &self,
        binary: &Binary,
        vector: &Node,
        scalars: &[f64],
        scalar_left: bool,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let op = binary.op;
        let mut change = |column: &mut Column| {
            for (i, scalar) in scalars.iter().copied().enumerate() {
                let value = column.floats[i];
                if is_absent(value) {
                    if !column.has(i) {
                        continue;
                    }
                    let outcome =
                        self.elements(op, &column.cell(i), &Cell::Float(scalar), scalar_left, span)?;
                    self.store(column, i, outcome, binary.return_bool);
                    continue;
                }
                let (l, r) = if scalar_left { (scalar, value) } else { (value, scalar) };
                match arithmetic(op, l, r) {
                    Some(result) => column.set_float(i, result),
                    None if op.is_comparison() => {
                        let holds = compare(op, l, r);
                        if binary.return_bool {
                            column.set_float(i, f64::from(u8::from(holds)));
                        } else if !holds {
                            column.clear(i);
                        }
                    }
                    None => {
                        let outcome = self.elements(op, &Cell::Float(l), &Cell::Float(r), false, span)?;
                        self.store(column, i, outcome, false);
                    }
                }
            }
            Ok(())
        };
        if op.is_arithmetic() || binary.return_bool {
            return self.dropping_names(vector, grid, sink, &mut change);
        }
        self.stream(vector, grid, &mut |mut column| {
            change(&mut column)?;
            if column.is_blank() { Ok(()) } else { sink(column) }
        })
    }

    fn store(&self, column: &mut Column, i: usize, outcome: Outcome, return_bool: bool) {
        column.clear(i);
        match outcome {
            Outcome::Value(_) if return_bool => column.set_float(i, 1.0),
            Outcome::Filtered if return_bool => column.set_float(i, 0.0),
            Outcome::Value(cell) => column.set(i, cell),
            Outcome::Filtered | Outcome::Refused => {}
        }
    }

    /// An operator on two elements of which at least one may be a histogram. With `swapped` the first stands
    /// on the right; what a comparison keeps is the first in any case.
    pub(super) fn elements(
        &self,
        op: BinaryOp,
        first: &Cell,
        second: &Cell,
        swapped: bool,
        span: Span,
    ) -> Result<Outcome, EvalError> {
        let (l, r) = if swapped { (second, first) } else { (first, second) };
        match (l, r) {
            (Cell::Float(x), Cell::Float(y)) => match arithmetic(op, *x, *y) {
                Some(value) => Ok(Outcome::Value(Cell::Float(value))),
                None if op.is_comparison() && compare(op, *x, *y) => Ok(Outcome::Value(first.clone())),
                None if op.is_comparison() => Ok(Outcome::Filtered),
                None => {
                    self.incompatible(op, "float", "float", span);
                    Ok(Outcome::Refused)
                }
            },
            (Cell::Float(factor), Cell::Histogram(h)) if op == BinaryOp::Mul => {
                Ok(histogram(h.scaled(*factor).compacted()))
            }
            (Cell::Histogram(h), Cell::Float(value)) => match op {
                BinaryOp::Mul => Ok(histogram(h.scaled(*value).compacted())),
                BinaryOp::Div => Ok(histogram(h.divided(*value).compacted())),
                BinaryOp::TrimUpper => Ok(histogram(h.trimmed(*value, false))),
                BinaryOp::TrimLower => Ok(histogram(h.trimmed(*value, true))),
                _ => self.refuse(op, "histogram", "float", span),
            },
            (Cell::Float(_), Cell::Histogram(_)) => self.refuse(op, "float", "histogram", span),
            (Cell::Histogram(l), Cell::Histogram(r)) => match op {
                BinaryOp::Add | BinaryOp::Sub => Ok(self.add_histograms(op, l, r, span)),
                BinaryOp::Equal | BinaryOp::NotEqual if l.same_as(r) == (op == BinaryOp::Equal) => {
                    Ok(Outcome::Value(first.clone()))
                }
                BinaryOp::Equal | BinaryOp::NotEqual => Ok(Outcome::Filtered),
                _ => self.refuse(op, "histogram", "histogram", span),
            },
            (Cell::None, _) | (_, Cell::None) => Ok(Outcome::Refused),
        }
    }

    fn refuse(&self, op: BinaryOp, left: &str, right: &str, span: Span) -> Result<Outcome, EvalError> {
        self.incompatible(op, left, right, span);
        Ok(Outcome::Refused)
    }

    fn add_histograms(&self, op: BinaryOp, l: &Histogram, r: &Histogram, span: Span) -> Outcome {
        let mut result = l.clone();
        let (merge, what) =
            if op == BinaryOp::Add { (result.add(r), "addition") } else { (result.sub(r), "subtraction") };
        let Ok(merge) = merge else {
            let text = format!("incompatible bucket layout encountered for binary operator {}", op.symbol());
            self.warn(&text, span);
            return Outcome::Refused;
        };
        if merge.collision {
            self.warn(&format!("conflicting counter resets during histogram {what}"), span);
            return Outcome::Refused;
        }
        if merge.reconciled {
            self.info(&format!("mismatched custom buckets were reconciled during {what}"), span);
        }
        if op == BinaryOp::Sub {
            result.hint = ResetHint::Gauge;
        }
        histogram(result.compacted())
    }

    fn incompatible(&self, op: BinaryOp, left: &str, right: &str, span: Span) {
        let symbol = op.symbol();
        let text = format!(
            "incompatible sample types encountered for binary operator {}: {left} {symbol} {right}",
            crate::text::quote(symbol)
        );
        self.info(&text, span);
    }

    /// `and` and `unless`: which left elements have, or lack, a partner on the right.
    fn keep_by_presence(&self, binary: &Binary, lhs: Vec<Column>, rhs: &[Column], grid: Grid) -> Vec<Column> {
        let present = presence(&binary.matching, rhs, grid);
        let keep_present = binary.op == BinaryOp::And;
        let mut out = Vec::new();
        for mut column in lhs {
            let partners = present.get(&signature(&binary.matching, &column.labels));
            for i in 0..grid.count {
                if partners.is_some_and(|steps| steps[i]) != keep_present {
                    column.clear(i);
                }
            }
            if !column.is_blank() {
                out.push(column);
            }
        }
        out
    }

    /// `or`: all left elements, and the right ones without a partner on the left.
    fn union(
        &self,
        matching: &Matching,
        lhs: Vec<Column>,
        rhs: Vec<Column>,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let present = presence(matching, &lhs, grid);
        let mut out = lhs;
        for mut column in rhs {
            if let Some(steps) = present.get(&signature(matching, &column.labels)) {
                (0..grid.count).filter(|i| steps[*i]).for_each(|i| column.clear(i));
            }
            if !column.is_blank() {
                out.push(column);
            }
        }
        // Two series whose labels are equal but of which one still loses its name stay apart until the end.
        let (dropped, kept): (Vec<_>, Vec<_>) = out.into_iter().partition(|column| column.drop_name);
        let mut merged = merge_same(kept)?;
        merged.extend(merge_same(dropped)?);
        Ok(merged)
    }
}

/// The labels that say which series belong together.
pub(super) fn signature(matching: &Matching, labels: &Labels) -> Labels {
    if matching.on {
        labels.retain(|name| matching.labels.iter().any(|l| l == name))
    } else {
        labels.retain(|name| name != NAME && !matching.labels.iter().any(|l| l == name))
    }
}

fn presence(matching: &Matching, columns: &[Column], grid: Grid) -> IndexMap<Labels, Vec<bool>> {
    let mut present: IndexMap<Labels, Vec<bool>> = IndexMap::new();
    for column in columns {
        let steps =
            present.entry(signature(matching, &column.labels)).or_insert_with(|| vec![false; grid.count]);
        (0..grid.count).filter(|i| column.has(*i)).for_each(|i| steps[i] = true);
    }
    present
}
