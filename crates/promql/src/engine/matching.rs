//! Operators between two vectors: which series meet, and what comes of it.

use indexmap::IndexMap;

use super::binary::{Outcome, arithmetic, compare, signature};
use super::column::{Cell, Column, Grid, is_absent};
use super::plan::Binary;
use super::{Eval, EvalError};
use crate::ast::{Cardinality, Span};
use crate::labels::{Labels, is_metadata};

impl Eval<'_> {
    pub(super) fn vector_vector(
        &self,
        binary: &Binary,
        lhs: Vec<Column>,
        rhs: Vec<Column>,
        span: Span,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let matching = &binary.matching;
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        if !filled && (lhs.is_empty() || rhs.is_empty()) {
            return Ok(Vec::new());
        }
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        let sides = Sides { binary, many: &many, one: &one, grid, span };
        let groups = sides.one_side(filled)?;
        let signatures: Vec<Labels> = many.iter().map(|column| signature(matching, &column.labels)).collect();
        let mut counts: IndexMap<&Labels, usize> = IndexMap::new();
        for sig in &signatures {
            *counts.entry(sig).or_default() += 1;
        }
        let mut join =
            Join { eval: self, binary, span, swapped, grid, out: Vec::new(), index: IndexMap::new() };
        let mut taken: IndexMap<&Labels, Taken> = IndexMap::new();
        for (column, sig) in many.iter().zip(&signatures) {
            let partners = groups.get(sig).map_or(&[][..], Vec::as_slice);
            if let ([only], 1, false) = (partners, counts[sig], filled)
                && column.histograms.is_none()
                && one[*only].histograms.is_none()
                && join.floats(column, &one[*only])?
            {
                continue;
            }
            let taken = taken.entry(sig).or_default();
            for partner in partners {
                self.worked(grid.count)?;
                let partner = &one[*partner];
                join.pair(column, &partner.labels, taken, true, |i| partner.cell(i))?;
            }
            if let Some(fill) = matching.fill_right {
                self.worked(grid.count.saturating_mul(partners.len()))?;
                join.pair(column, sig, taken, false, |i| {
                    let met = partners.iter().any(|partner| one[*partner].has(i));
                    if met { Cell::None } else { Cell::Float(fill) }
                })?;
            }
        }
        if let Some(fill) = matching.fill_left {
            for column in &one {
                let sig = signature(matching, &column.labels);
                let matched = taken.get(&sig).map_or(&[][..], |taken| taken.matched.as_slice());
                join.fill_many(column, &sig, fill, matched)?;
            }
        }
        Ok(join.out.into_iter().filter(|column| !column.is_blank()).collect())
    }
}

/// The two sides of an operation.
struct Sides<'a> {
    binary: &'a Binary,
    many: &'a [Column],
    one: &'a [Column],
    grid: Grid,
    span: Span,
}

impl Sides<'_> {
    /// The series of the one side by signature; two of one signature at one step are an error.
    fn one_side(&self, filled: bool) -> Result<IndexMap<Labels, Vec<usize>>, EvalError> {
        let mut groups: IndexMap<Labels, Vec<usize>> = IndexMap::new();
        // Nothing is matched at a step at which the other side is empty.
        let mut met: Option<Vec<bool>> = None;
        // Which series has the element of a signature at each step, for signatures with several series.
        let mut holders: IndexMap<Labels, Vec<Option<usize>>> = IndexMap::new();
        for (at, column) in self.one.iter().enumerate() {
            let sig = signature(&self.binary.matching, &column.labels);
            let group = groups.entry(sig.clone()).or_default();
            group.push(at);
            let [first, _, ..] = group[..] else { continue };
            let holders = holders.entry(sig).or_insert_with(|| {
                (0..self.grid.count).map(|i| self.one[first].has(i).then_some(first)).collect()
            });
            for i in (0..self.grid.count).filter(|i| column.has(*i)) {
                if let Some(other) = holders[i]
                    && (filled || met.get_or_insert_with(|| self.met())[i])
                {
                    return Err(self.duplicate(&self.one[other].labels, &column.labels));
                }
                holders[i] = Some(at);
            }
        }
        Ok(groups)
    }

    /// At which steps the many side has any element.
    fn met(&self) -> Vec<bool> {
        let mut met = vec![false; self.grid.count];
        for column in self.many {
            met.iter_mut().enumerate().for_each(|(i, met)| *met |= column.has(i));
        }
        met
    }

    fn duplicate(&self, known: &Labels, new: &Labels) -> EvalError {
        let matching = &self.binary.matching;
        let group = signature(matching, new);
        let side = if matching.cardinality == Cardinality::OneToMany { "left" } else { "right" };
        let (a, b) = (known.to_string(), new.to_string());
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        let message = format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
        );
        EvalError::query(message, self.span)
    }
}

/// What has been matched in one signature.
#[derive(Default)]
struct Taken {
    /// Steps at which the one side's element was matched.
    matched: Vec<bool>,
    /// Per result series the steps at which there was a result, filtered out or not.
    results: IndexMap<Labels, Vec<bool>>,
}

/// Results as they are made.
struct Join<'a, 'e> {
    eval: &'a Eval<'e>,
    binary: &'a Binary,
    span: Span,
    swapped: bool,
    grid: Grid,
    out: Vec<Column>,
    index: IndexMap<(Labels, bool), usize>,
}

impl Join<'_, '_> {
    fn many_to_one(&self) -> bool {
        matches!(self.binary.matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany)
    }

    /// Two series of floats that meet no others, which is what nearly all do. Answers whether it was done.
    fn floats(&mut self, many: &Column, one: &Column) -> Result<bool, EvalError> {
        let op = self.binary.op;
        if !op.is_arithmetic() && !op.is_comparison() {
            return Ok(false);
        }
        let key = (self.result_labels(&many.labels, &one.labels), many.drop_name || self.binary.return_bool);
        if self.index.contains_key(&key) {
            return Ok(false);
        }
        let mut column = self.eval.column(key.0.clone(), self.grid)?;
        column.drop_name = key.1;
        for (i, (x, y)) in many.floats.iter().zip(&one.floats).enumerate() {
            if is_absent(*x) || is_absent(*y) {
                continue;
            }
            let (l, r) = if self.swapped { (*y, *x) } else { (*x, *y) };
            match arithmetic(op, l, r) {
                Some(value) => column.set_float(i, value),
                None if self.binary.return_bool => {
                    column.set_float(i, f64::from(u8::from(compare(op, l, r))));
                }
                // What a comparison keeps is the left operand's element.
                None if compare(op, l, r) => column.floats[i] = l,
                None => {}
            }
        }
        self.index.insert(key, self.out.len());
        self.out.push(column);
        Ok(true)
    }

    /// Combines a series of the many side with a partner at every step where both are.
    fn pair(
        &mut self,
        many: &Column,
        one_labels: &Labels,
        taken: &mut Taken,
        real: bool,
        partner: impl Fn(usize) -> Cell,
    ) -> Result<(), EvalError> {
        let count = self.grid.count;
        let labels = self.result_labels(&many.labels, one_labels);
        let drop_name = many.drop_name || self.binary.return_bool;
        let exclusive = if self.many_to_one() { labels.clone() } else { Labels::empty() };
        taken.matched.resize(count, false);
        let done = taken.results.entry(exclusive).or_insert_with(|| vec![false; count]);
        let mut target = None;
        for i in (0..count).filter(|i| many.has(*i)) {
            let one = partner(i);
            if matches!(one, Cell::None) {
                continue;
            }
            let outcome = self.combine(&many.cell(i), &one)?;
            if matches!(outcome, Outcome::Refused) {
                continue;
            }
            taken.matched[i] |= real;
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
        sig: &Labels,
        fill: f64,
        matched: &[bool],
    ) -> Result<(), EvalError> {
        let labels = self.result_labels(sig, &one.labels);
        let mut target = None;
        for i in (0..self.grid.count).filter(|i| one.has(*i)) {
            if matched.get(i).is_some_and(|matched| *matched) {
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
            None => *target.insert(self.result(labels, drop_name)?),
        };
        if self.out[at].has(i) {
            return Err(EvalError::SameLabelset);
        }
        self.out[at].set(i, cell);
        Ok(())
    }

    /// The result series of these labels.
    fn result(&mut self, labels: &Labels, drop_name: bool) -> Result<usize, EvalError> {
        let key = (labels.clone(), drop_name);
        if let Some(at) = self.index.get(&key) {
            return Ok(*at);
        }
        let mut column = self.eval.column(labels.clone(), self.grid)?;
        column.drop_name = drop_name;
        self.out.push(column);
        self.index.insert(key, self.out.len() - 1);
        Ok(self.out.len() - 1)
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        let delayed = self.eval.options.delayed_name_removal;
        let drops_name = self.binary.op.is_arithmetic() || (self.binary.return_bool && !delayed);
        let single = matching.cardinality == Cardinality::OneToOne;
        let listed = |name: &str| matching.labels.iter().any(|l| l == name);
        let labels =
            many.retain(|name| !(drops_name && is_metadata(name) || single && listed(name) != matching.on));
        matching.include.iter().fold(labels, |labels, name| labels.with(name, one.get(name)))
    }
}
