//! Functions that change labels or sort by them.

use super::column::{Column, Grid, merge_same};
use super::plan::{Node, NodeKind};
use super::{Eval, EvalError, Sink};
use crate::ast::Span;
use crate::labels::{Labels, NAME};
use crate::text::quote;

/// The longest value a label can be given. Values that are built from themselves in nested calls grow without end.
const MAX_VALUE_BYTES: usize = 64 * 1024;

impl Eval<'_> {
    pub(super) fn label_replace(
        &self,
        vector: &Node,
        strings: &[Node],
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let [target, replacement, source, pattern] = strings else {
            return Err(EvalError::query("expected 5 arguments", span));
        };
        let (target, replacement) = (self.text_of(target)?, self.text_of(replacement)?);
        let (source, pattern) = (self.text_of(source)?, self.text_of(pattern)?);
        let regex = crate::labels::anchored(&pattern).map_err(|_| {
            EvalError::query(format!("invalid regular expression in label_replace(): {pattern}"), span)
        })?;
        if bad_label_name(&strings[0]) {
            let message = format!("invalid destination label name in label_replace(): {target}");
            return Err(EvalError::query(message, span));
        }
        self.relabel(vector, &target, grid, sink, &|labels| {
            let captures = regex.captures(labels.get(&source))?;
            let mut value = String::new();
            captures.expand(&replacement, &mut value);
            Some(value)
        })
    }

    /// Sets one label of each series, where there is a new value for it. A name that was to go and is set stays.
    fn relabel(
        &self,
        vector: &Node,
        target: &str,
        grid: Grid,
        sink: Sink<'_>,
        value: &dyn Fn(&Labels) -> Option<String>,
    ) -> Result<(), EvalError> {
        let mut columns = Vec::new();
        self.stream(vector, grid, &mut |mut column| {
            if let Some(value) = value(&column.labels) {
                self.worked(value.len())?;
                if value.len() > MAX_VALUE_BYTES {
                    let message = format!(
                        "the new value of label {} has {} bytes, {MAX_VALUE_BYTES} is the most",
                        quote(target),
                        value.len()
                    );
                    return Err(EvalError::query(message, vector.span));
                }
                column.labels = column.labels.with(target, &value);
                if target == NAME {
                    column.drop_name = false;
                }
            }
            columns.push(column);
            Ok(())
        })?;
        merge_same(columns)?.into_iter().try_for_each(sink)
    }

    pub(super) fn label_join(
        &self,
        vector: &Node,
        strings: &[Node],
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let [target, separator, sources @ ..] = strings else {
            return Err(EvalError::query("expected at least 3 arguments", span));
        };
        let (target, separator) = (self.text_of(target)?, self.text_of(separator)?);
        let sources = sources.iter().map(|node| self.text_of(node)).collect::<Result<Vec<_>, _>>()?;
        if let Some(bad) = sources.iter().find(|name| name.is_empty()) {
            return Err(EvalError::query(format!("invalid source label name in label_join(): {bad}"), span));
        }
        if bad_label_name(&strings[0]) {
            let message = format!("invalid destination label name in label_join(): {target}");
            return Err(EvalError::query(message, span));
        }
        self.relabel(vector, &target, grid, sink, &|labels| {
            let values: Vec<&str> = sources.iter().map(|name| labels.get(name)).collect();
            Some(values.join(&separator))
        })
    }

    pub(super) fn sort_by_label(
        &self,
        vector: &Node,
        labels: &[Node],
        descending: bool,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let labels = labels.iter().map(|node| self.text_of(node)).collect::<Result<Vec<_>, _>>()?;
        let mut columns = self.collect(vector, grid)?;
        if self.is_range_query() {
            self.warn_sort(span);
        } else {
            columns.sort_by(|a, b| {
                let order = compare_by_labels(a, b, &labels);
                if descending { order.reverse() } else { order }
            });
        }
        columns.into_iter().try_for_each(sink)
    }
}

/// Any UTF-8 text but the empty one names a label.
fn bad_label_name(node: &Node) -> bool {
    match &node.kind {
        NodeKind::String(bytes) => bytes.is_empty() || std::str::from_utf8(bytes).is_err(),
        _ => true,
    }
}

fn compare_by_labels(a: &Column, b: &Column, labels: &[String]) -> std::cmp::Ordering {
    labels
        .iter()
        .map(|label| natural_order(a.labels.get(label), b.labels.get(label)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.labels.cmp(&b.labels))
}

/// Compares texts so that runs of digits count as numbers.
fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(x), Some(y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
            let (left, right) = (&a[..digits(a)], &b[..digits(b)]);
            let plain = |s: &[u8]| s.iter().take_while(|c| **c == b'0').count();
            let (x, y) = (&left[plain(left)..], &right[plain(right)..]);
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[left.len()..], &b[right.len()..]);
        } else {
            if x != y {
                return x.cmp(y);
            }
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural_order;

    #[test]
    fn digits_count_as_numbers() {
        let mut list = ["10", "2", "a10", "a9", "1", "a", ""];
        list.sort_by(|a, b| natural_order(a, b));
        assert_eq!(list, ["", "1", "2", "10", "a", "a9", "a10"]);
    }
}
