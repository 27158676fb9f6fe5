//! Series for the PromQL engine.

use std::sync::Arc;

use super::Telemetry;
use super::index::Found;
use crate::batch::Labels;
use crate::error::QueryError;
use mainstay_promql::{MatchOp, NAME, Samples as Columns, Selection, Series, SeriesData};

/// The labels of a series and some of its samples, by time (milliseconds since the epoch).
pub type SeriesSamples = (Labels, Vec<(i64, f64)>);

/// A handle that answers the PromQL engine. It sees everything that was acknowledged before each selection.
#[derive(Clone, Debug)]
pub struct Snapshot {
    telemetry: Arc<Telemetry>,
}

impl Telemetry {
    /// The handle for the PromQL engine.
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        Snapshot { telemetry: Arc::clone(self) }
    }
}

impl Snapshot {
    /// The samples of every series whose labels `keep` accepts, within the bounds (both included, milliseconds),
    /// staleness markers included. `name` narrows the search to one metric name.
    pub fn samples(
        &self,
        name: Option<&str>,
        keep: impl Fn(&Labels) -> bool,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let shared = &self.telemetry.shared;
        let found: Vec<Found> = {
            let index = shared.index();
            index
                .iter(name)
                .filter(|(_, series)| keep(&series.labels))
                .filter_map(|(id, series)| index.find(id, series, start_ms, end_ms))
                .collect()
        };
        if found.iter().all(|found| matches!(found, Found::Here(..))) {
            return found.into_iter().map(|found| resolve(found, |_| Ok(Vec::new()))).collect();
        }
        shared.read(|connection| {
            let read = |id| Ok(super::read::samples(connection, id, start_ms, end_ms)?);
            let mut all = Vec::with_capacity(found.len());
            for found in found {
                let (labels, samples) = resolve(found, read)?;
                if !samples.is_empty() {
                    all.push((labels, samples));
                }
            }
            Ok(all)
        })
    }
}

type Samples = Vec<(i64, f64)>;

fn resolve(
    found: Found,
    read: impl Fn(i64) -> Result<Samples, QueryError>,
) -> Result<SeriesSamples, QueryError> {
    match found {
        Found::Here(labels, samples) => Ok((labels, samples)),
        Found::InDatabase(labels, id) => Ok((labels, read(id)?)),
    }
}

impl Series for Snapshot {
    type Error = QueryError;

    fn select(&self, selection: &Selection<'_>) -> Result<Vec<SeriesData>, QueryError> {
        let name =
            selection.matchers.iter().find(|matcher| matcher.name == NAME && matcher.op == MatchOp::Equal);
        let name = name.map(|matcher| matcher.value.as_str());
        let keep = |labels: &Labels| selection.matches(labels);
        let mut found = self.samples(name, keep, selection.start_ms, selection.end_ms)?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let data = found.into_iter().map(|(labels, samples)| {
            let (times, values) = samples.into_iter().unzip();
            SeriesData { labels, samples: Columns::from_floats(times, values) }
        });
        Ok(data.collect())
    }
}
