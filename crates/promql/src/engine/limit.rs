//! `limitk` and `limit_ratio`: some of the series of each group, the same ones whoever asks.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::aggregate::{bounds, group_labels};
use super::column::{Grid, Hold};
use super::plan::Aggregate;
use super::{Eval, EvalError, Sink};
use crate::labels::Labels;
use crate::text::general;

impl Eval<'_> {
    /// The first series of each group, in the order in which they come.
    pub(super) fn limitk(&self, aggregate: &Aggregate, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let Some(limits) = self.whole_param(self.param(aggregate)?, grid)? else { return Ok(()) };
        let mut taken: BTreeMap<Labels, (Vec<usize>, Hold)> = BTreeMap::new();
        self.stream(&aggregate.expr, grid, &mut |mut column| {
            let labels = group_labels(aggregate, &column.labels);
            let (taken, _) = match taken.entry(labels) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert((vec![0; grid.count], self.budget.hold(grid.count)?)),
            };
            for i in 0..grid.count {
                if column.has(i) {
                    if taken[i] < limits[i] {
                        taken[i] += 1;
                    } else {
                        column.clear(i);
                    }
                }
            }
            if column.is_blank() { Ok(()) } else { sink(column) }
        })
    }

    /// A share of the series, chosen by the hash of their labels: a ratio and its complement split them.
    #[allow(clippy::cast_precision_loss, reason = "the hash is only compared as a share of its range")]
    pub(super) fn limit_ratio(
        &self,
        aggregate: &Aggregate,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let param = self.param(aggregate)?;
        let mut ratios = self.scalar(param, grid)?;
        if ratios.iter().any(|r| r.is_nan()) {
            return Err(EvalError::query("Ratio value is NaN", param.span));
        }
        if ratios.iter().all(|r| *r == 0.0) {
            return Ok(());
        }
        let (least, most) = bounds(&ratios);
        for worst in [most, least] {
            let capped = worst.clamp(-1.0, 1.0);
            if capped != worst {
                let text = format!(
                    "ratio value should be between -1 and 1, got {}, capping to {}",
                    general(worst),
                    general(capped)
                );
                self.warn(&text, param.span);
            }
        }
        ratios.iter_mut().for_each(|ratio| *ratio = ratio.clamp(-1.0, 1.0));
        self.stream(&aggregate.expr, grid, &mut |mut column| {
            let position = column.labels.stable_hash() as f64 / u64::MAX as f64;
            for (i, ratio) in ratios.iter().enumerate() {
                let keep = if *ratio >= 0.0 { position < *ratio } else { position >= 1.0 + *ratio };
                if !keep {
                    column.clear(i);
                }
            }
            if column.is_blank() { Ok(()) } else { sink(column) }
        })
    }
}
