//! `info()`: adding the labels of info metrics to the series they describe.

use std::collections::BTreeMap;

use super::column::{Column, Grid, Hold};
use super::plan::{Node, NodeKind, Select};
use super::select::Newest;
use super::{Eval, EvalError, Sink};
use crate::ast::Span;
use crate::labels::{Labels, MatchOp, Matcher, NAME};

/// The labels by which an info series belongs to others.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// One info series: its labels and, per step, when its sample was taken.
struct InfoSeries {
    labels: Labels,
    taken: Vec<Option<i64>>,
    _hold: Hold,
}

/// What the second argument asks for.
struct Wanted {
    names: Vec<Matcher>,
    data: Vec<Matcher>,
}

impl Wanted {
    fn read(selector: Option<&Select>) -> Self {
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) = selector
            .map(|s| s.matchers.clone())
            .unwrap_or_default()
            .into_iter()
            .partition(|m| m.name == NAME);
        if names.is_empty() {
            names.push(Matcher::equal(NAME, "target_info"));
        } else if !names.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex)) {
            // The pattern is a literal of ours, so it compiles.
            names.extend(Matcher::new(NAME, MatchOp::Regex, ".+_info").ok());
        }
        Self { names, data }
    }

    fn is_info(&self, labels: &Labels) -> bool {
        self.names.iter().all(|m| m.matches_labels(labels))
    }

    fn takes(&self, label: &str) -> bool {
        label != NAME && (self.data.is_empty() || self.data.iter().any(|m| m.name == label))
    }
}

impl Eval<'_> {
    pub(super) fn info_function(
        &self,
        base: &Node,
        selector: Option<&Node>,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let selector = match selector.map(|node| &node.kind) {
            Some(NodeKind::Select(select)) => Some(&**select),
            None => None,
            Some(_) => return Err(EvalError::query("expected label selectors only", span)),
        };
        let wanted = Wanted::read(selector);
        let columns = self.collect(base, grid)?;
        let infos = self.info_series(&wanted, &columns, base, span, grid)?;
        let mut by_key: BTreeMap<(&str, &str), BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (at, info) in infos.iter().enumerate() {
            let names = by_key.entry(key(&info.labels)).or_default();
            names.entry(info.labels.metric_name()).or_default().push(at);
        }
        let required = wanted.data.iter().any(|m| !m.matches(""));
        let mut out: Vec<Column> = Vec::new();
        let mut index: BTreeMap<(Labels, bool), usize> = BTreeMap::new();
        for column in columns {
            let described = !wanted.is_info(&column.labels);
            let names = by_key.get(&key(&column.labels)).filter(|_| described);
            let mut targets: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
            for i in (0..grid.count).filter(|i| column.has(*i)) {
                self.worked(names.map_or(1, |names| names.values().map(Vec::len).sum()))?;
                let found = match names {
                    Some(names) => newest_of_each(names, &infos, i, span)?,
                    None => Vec::new(),
                };
                if found.is_empty() && described && required {
                    continue;
                }
                let target = match targets.get(&found) {
                    Some(target) => *target,
                    None => {
                        let labels = enriched(&column.labels, &found, &infos, &wanted, span)?;
                        let key = (labels.clone(), column.drop_name);
                        let target = match index.get(&key) {
                            Some(target) => *target,
                            None => {
                                let mut new = self.column(labels, grid)?;
                                new.drop_name = column.drop_name;
                                out.push(new);
                                index.insert(key, out.len() - 1);
                                out.len() - 1
                            }
                        };
                        targets.insert(found, target);
                        target
                    }
                };
                if out[target].has(i) {
                    return Err(EvalError::SameLabelset);
                }
                out[target].set(i, column.cell(i));
            }
        }
        out.into_iter().try_for_each(sink)
    }

    /// The info series that may describe any of the base series.
    fn info_series(
        &self,
        wanted: &Wanted,
        columns: &[Column],
        base: &Node,
        span: Span,
        grid: Grid,
    ) -> Result<Vec<InfoSeries>, EvalError> {
        let mut matchers = wanted.names.clone();
        matchers.extend(wanted.data.iter().cloned());
        let mut any = false;
        for name in IDENTIFYING {
            let mut values: Vec<&str> = columns
                .iter()
                .filter(|column| !wanted.is_info(&column.labels))
                .map(|column| column.labels.get(name))
                .filter(|value| !value.is_empty())
                .collect();
            values.sort_unstable();
            values.dedup();
            if values.is_empty() {
                continue;
            }
            any = true;
            matchers.push(Matcher::one_of(name, &values));
        }
        if !any {
            return Ok(Vec::new());
        }
        let (at_ms, offset_ms) = reference(base).unwrap_or((None, 0));
        let select = Select { matchers, name: None, offset_ms, at_ms, extension: None, stats: false, span };
        let mut infos = Vec::new();
        let mut bad = None;
        self.newest(&select, grid, &mut |data, walk| {
            let hold = self.budget.hold(grid.count)?;
            let mut taken = vec![None; grid.count];
            let times = data.samples.times();
            let mut any = false;
            walk(&mut |i, newest| match newest {
                Newest::Float(at, _) => {
                    taken[i] = Some(times[at]);
                    any = true;
                }
                Newest::Histogram(..) => bad = Some(data.labels.clone()),
            });
            if any {
                infos.push(InfoSeries { labels: data.labels.clone(), taken, _hold: hold });
            }
            Ok(())
        })?;
        match bad {
            Some(labels) => {
                let message = format!("this should be an info metric, with float samples: {labels}");
                Err(EvalError::query(message, span))
            }
            None => Ok(infos),
        }
    }
}

fn key(labels: &Labels) -> (&str, &str) {
    (labels.get(IDENTIFYING[0]), labels.get(IDENTIFYING[1]))
}

/// Of each info metric the series with the newest sample at a step.
fn newest_of_each(
    names: &BTreeMap<&str, Vec<usize>>,
    infos: &[InfoSeries],
    i: usize,
    span: Span,
) -> Result<Vec<usize>, EvalError> {
    let mut found = Vec::new();
    for candidates in names.values() {
        let mut best: Option<(i64, usize)> = None;
        for &at in candidates {
            let Some(taken) = infos[at].taken[i] else { continue };
            match best {
                Some((newest, known)) if newest == taken => {
                    let message = format!(
                        "found duplicate series for info metric: existing {} @ {newest}, new {} @ {taken}",
                        infos[known].labels, infos[at].labels
                    );
                    return Err(EvalError::query(message, span));
                }
                Some((newest, _)) if newest > taken => {}
                _ => best = Some((taken, at)),
            }
        }
        found.extend(best.map(|(_, at)| at));
    }
    Ok(found)
}

/// The labels of a base series with those of the info series that describe it.
fn enriched(
    base: &Labels,
    found: &[usize],
    infos: &[InfoSeries],
    wanted: &Wanted,
    span: Span,
) -> Result<Labels, EvalError> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for label in found.iter().flat_map(|at| infos[*at].labels.iter()) {
        if !wanted.takes(&label.name) {
            continue;
        }
        if added.get(&*label.name).is_some_and(|known| **known != *label.value) {
            return Err(EvalError::query(format!("conflicting label: {}", label.name), span));
        }
        if !base.has(&label.name) {
            added.insert(&label.name, &label.value);
        }
    }
    Ok(added.into_iter().fold(base.clone(), |labels, (name, value)| labels.with(name, value)))
}

/// The instant at which the first selector of a part reads, as its `@` and the sum of its offsets.
fn reference(node: &Node) -> Option<(Option<i64>, i64)> {
    match &node.kind {
        NodeKind::Select(select) | NodeKind::Range(select, _) => Some((select.at_ms, select.offset_ms)),
        NodeKind::Subquery(subquery) => {
            let (at_ms, offset_ms) = reference(&subquery.expr)?;
            if at_ms.is_some() {
                return Some((at_ms, offset_ms));
            }
            Some((subquery.at_ms, offset_ms.saturating_add(subquery.offset_ms)))
        }
        NodeKind::Call(_, args) => args.iter().find_map(reference),
        NodeKind::Aggregate(aggregate) => {
            aggregate.param.as_deref().and_then(reference).or_else(|| reference(&aggregate.expr))
        }
        NodeKind::Binary(binary) => reference(&binary.lhs).or_else(|| reference(&binary.rhs)),
        NodeKind::Negative(inner) | NodeKind::Plus(inner) | NodeKind::Invariant(inner) => reference(inner),
        NodeKind::Number(_) | NodeKind::String(_) => None,
    }
}
