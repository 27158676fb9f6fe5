//! Binary operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::column::{Cell, Column, Grid, is_absent, merge_same};
use super::plan::{Binary, Node};
use super::{Eval, EvalError, Sink};
use crate::ast::{BinaryOp, Cardinality, Matching, Span, ValueType};
use crate::histogram::{Histogram, ResetHint};
use crate::labels::{Labels, NAME, is_metadata};

/// An operator on two numbers; comparisons answer 1 or 0.
pub(super) fn scalar_op(op: BinaryOp, l: f64, r: f64) -> f64 {
    arithmetic(op, l, r).unwrap_or_else(|| f64::from(u8::from(compare(op, l, r))))
}

fn arithmetic(op: BinaryOp, l: f64, r: f64) -> Option<f64> {
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

fn compare(op: BinaryOp, l: f64, r: f64) -> bool {
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
enum Outcome {
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
        let lhs = self.collect(&binary.lhs, grid)?;
        let rhs = self.collect(&binary.rhs, grid)?;
        let columns = match binary.op {
            BinaryOp::And | BinaryOp::Unless => self.keep_by_presence(binary, lhs, &rhs, grid),
            BinaryOp::Or => self.union(&binary.matching, lhs, rhs, grid)?,
            _ => self.vector_vector(binary, lhs, rhs, span, grid)?,
        };
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
            for i in 0..grid.count {
                if !column.has(i) {
                    continue;
                }
                let value = column.floats[i];
                if is_absent(value) {
                    let outcome =
                        self.elements(op, &column.cell(i), &Cell::Float(scalars[i]), scalar_left, span)?;
                    self.store(column, i, outcome, binary.return_bool);
                    continue;
                }
                let (l, r) = if scalar_left { (scalars[i], value) } else { (value, scalars[i]) };
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
    fn elements(
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

    fn vector_vector(
        &self,
        binary: &Binary,
        lhs: Vec<Column>,
        rhs: Vec<Column>,
        span: Span,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let matching = &binary.matching;
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        let active = active_steps(&lhs, &rhs, filled, grid);
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        let one_groups = self.one_side(binary, &one, &active, grid, span)?;
        let mut joined =
            Joined { eval: self, binary, span, swapped, grid, out: Vec::new(), index: BTreeMap::new() };
        let mut taken: BTreeMap<Labels, Taken> = BTreeMap::new();
        for column in &many {
            let sig = signature(matching, &column.labels);
            let partners = one_groups.get(&sig);
            let taken = taken.entry(sig).or_insert_with(|| Taken::new(grid));
            for partner in partners.into_iter().flatten() {
                joined.join(column, Partner::Column(&one[*partner]), taken, &active)?;
            }
            if let Some(fill) = matching.fill_right {
                joined.join(
                    column,
                    Partner::Missing(fill, partners.map(|p| (p.as_slice(), one.as_slice()))),
                    taken,
                    &active,
                )?;
            }
        }
        if let Some(fill) = matching.fill_left {
            for (at, column) in one.iter().enumerate() {
                let sig = signature(matching, &column.labels);
                debug_assert!(one_groups.get(&sig).is_some_and(|group| group.contains(&at)));
                let taken = taken.entry(sig).or_insert_with(|| Taken::new(grid));
                joined.fill_many(column, fill, taken, &active)?;
            }
        }
        Ok(joined.out.into_iter().filter(|column| !column.is_blank()).collect())
    }

    /// The series of the one side by signature; two of one signature at one step are an error.
    fn one_side(
        &self,
        binary: &Binary,
        one: &[Column],
        active: &[bool],
        grid: Grid,
        span: Span,
    ) -> Result<BTreeMap<Labels, Vec<usize>>, EvalError> {
        let mut groups: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
        for (at, column) in one.iter().enumerate() {
            let group = groups.entry(signature(&binary.matching, &column.labels)).or_default();
            for other in group.iter() {
                if (0..grid.count).any(|i| active[i] && column.has(i) && one[*other].has(i)) {
                    return Err(duplicate(binary, &one[*other].labels, &column.labels, span));
                }
            }
            group.push(at);
        }
        Ok(groups)
    }
}

/// Steps at which matching happens at all: neither side is empty, or something is filled in.
fn active_steps(lhs: &[Column], rhs: &[Column], filled: bool, grid: Grid) -> Vec<bool> {
    let any = |columns: &[Column], i: usize| columns.iter().any(|column| column.has(i));
    (0..grid.count).map(|i| filled || (any(lhs, i) && any(rhs, i))).collect()
}

fn duplicate(binary: &Binary, known: &Labels, new: &Labels, span: Span) -> EvalError {
    let matching = &binary.matching;
    let group = matching_labels(matching, new);
    let side = if matching.cardinality == Cardinality::OneToMany { "left" } else { "right" };
    let (a, b) = (known.to_string(), new.to_string());
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let message = format!(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
    );
    EvalError::query(message, span)
}

/// The labels that say which series belong together.
fn signature(matching: &Matching, labels: &Labels) -> Labels {
    if matching.on {
        labels.retain(|name| matching.labels.iter().any(|l| l == name))
    } else {
        labels.retain(|name| name != NAME && !matching.labels.iter().any(|l| l == name))
    }
}

/// The matching labels as they are shown in errors and given to filled-in series.
fn matching_labels(matching: &Matching, labels: &Labels) -> Labels {
    signature(matching, labels)
}

fn presence(matching: &Matching, columns: &[Column], grid: Grid) -> BTreeMap<Labels, Vec<bool>> {
    let mut present: BTreeMap<Labels, Vec<bool>> = BTreeMap::new();
    for column in columns {
        let steps =
            present.entry(signature(matching, &column.labels)).or_insert_with(|| vec![false; grid.count]);
        (0..grid.count).filter(|i| column.has(*i)).for_each(|i| steps[i] = true);
    }
    present
}

/// What has been matched in one signature: per step, and per result series and step.
struct Taken {
    /// The one side's element was matched.
    matched: Vec<bool>,
    /// Steps at which a result of these labels was made, filtered or not.
    results: BTreeMap<Labels, Vec<bool>>,
}

impl Taken {
    fn new(grid: Grid) -> Self {
        Self { matched: vec![false; grid.count], results: BTreeMap::new() }
    }
}

/// What a series of the many side is matched with.
enum Partner<'a> {
    Column(&'a Column),
    /// A fill value, at steps where none of these columns has an element.
    Missing(f64, Option<(&'a [usize], &'a [Column])>),
}

struct Joined<'a, 'e> {
    eval: &'a Eval<'e>,
    binary: &'a Binary,
    span: Span,
    swapped: bool,
    grid: Grid,
    out: Vec<Column>,
    index: BTreeMap<(Labels, bool), usize>,
}

impl Joined<'_, '_> {
    fn many_to_one(&self) -> bool {
        matches!(self.binary.matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany)
    }

    /// Combines a series of the many side with its partner at every step where both are.
    fn join(
        &mut self,
        many: &Column,
        partner: Partner<'_>,
        taken: &mut Taken,
        active: &[bool],
    ) -> Result<(), EvalError> {
        let matching = &self.binary.matching;
        let empty = Labels::empty();
        let one_labels = match &partner {
            Partner::Column(column) => column.labels.clone(),
            Partner::Missing(..) => matching_labels(matching, &many.labels),
        };
        let labels = self.result_labels(&many.labels, &one_labels);
        let drop_name = many.drop_name || self.binary.return_bool;
        let exclusive = if self.many_to_one() { labels.clone() } else { empty };
        let mut target = None;
        for i in 0..self.grid.count {
            if !active[i] || !many.has(i) {
                continue;
            }
            let partner_cell = match &partner {
                Partner::Column(column) => column.cell(i),
                Partner::Missing(_, Some((group, one))) if group.iter().any(|at| one[*at].has(i)) => {
                    Cell::None
                }
                Partner::Missing(fill, _) => Cell::Float(*fill),
            };
            if matches!(partner_cell, Cell::None) {
                continue;
            }
            let outcome = self.combine(&many.cell(i), &partner_cell)?;
            if matches!(outcome, Outcome::Refused) {
                continue;
            }
            if matches!(partner, Partner::Column(_)) {
                taken.matched[i] = true;
            }
            let count = self.grid.count;
            let done = taken.results.entry(exclusive.clone()).or_insert_with(|| vec![false; count]);
            if std::mem::replace(&mut done[i], true) {
                let message = if self.many_to_one() {
                    "multiple matches for labels: grouping labels must ensure unique matches"
                } else {
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                };
                return Err(EvalError::query(message, self.span));
            }
            self.put(&mut target, &labels, drop_name, i, outcome)?;
        }
        Ok(())
    }

    /// Combines a series of the one side that found no partner with the value to fill in.
    fn fill_many(
        &mut self,
        one: &Column,
        fill: f64,
        taken: &mut Taken,
        active: &[bool],
    ) -> Result<(), EvalError> {
        let many_labels = matching_labels(&self.binary.matching, &one.labels);
        let labels = self.result_labels(&many_labels, &one.labels);
        let mut target = None;
        for i in 0..self.grid.count {
            if !active[i] || taken.matched[i] || !one.has(i) {
                continue;
            }
            let outcome = self.combine(&Cell::Float(fill), &one.cell(i))?;
            if !matches!(outcome, Outcome::Refused) {
                self.put(&mut target, &labels, self.binary.return_bool, i, outcome)?;
            }
        }
        Ok(())
    }

    fn combine(&self, many: &Cell, one: &Cell) -> Result<Outcome, EvalError> {
        let (l, r) = if self.swapped { (one, many) } else { (many, one) };
        self.eval.elements(self.binary.op, l, r, false, self.span)
    }

    fn put(
        &mut self,
        target: &mut Option<usize>,
        labels: &Labels,
        drop_name: bool,
        i: usize,
        outcome: Outcome,
    ) -> Result<(), EvalError> {
        let cell = match outcome {
            Outcome::Value(_) if self.binary.return_bool => Cell::Float(1.0),
            Outcome::Filtered if self.binary.return_bool => Cell::Float(0.0),
            Outcome::Value(cell) => cell,
            Outcome::Filtered | Outcome::Refused => return Ok(()),
        };
        let at = match *target {
            Some(at) => at,
            None => {
                let key = (labels.clone(), drop_name);
                let at = match self.index.get(&key) {
                    Some(at) => *at,
                    None => {
                        let mut column = self.eval.column(labels.clone(), self.grid)?;
                        column.drop_name = drop_name;
                        self.out.push(column);
                        self.index.insert(key, self.out.len() - 1);
                        self.out.len() - 1
                    }
                };
                *target = Some(at);
                at
            }
        };
        if self.out[at].has(i) {
            return Err(EvalError::SameLabelset);
        }
        self.out[at].set(i, cell);
        Ok(())
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        let delayed = self.eval.options.delayed_name_removal;
        let drops_name = self.binary.op.is_arithmetic() || (self.binary.return_bool && !delayed);
        let mut labels = if drops_name { many.retain(|name| !is_metadata(name)) } else { many.clone() };
        if matching.cardinality == Cardinality::OneToOne {
            let listed = |name: &str| matching.labels.iter().any(|l| l == name);
            labels = labels.retain(|name| listed(name) == matching.on);
        }
        for name in &matching.include {
            labels = labels.with(name, one.get(name));
        }
        labels
    }
}
