//! Series for the PromQL engine.

use std::ops::ControlFlow;
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
        self.read_found(found, start_ms, end_ms)
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
        let mut all = Vec::new();
        self.each(selection, &mut |series| {
            all.push(series);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    fn each(
        &self,
        selection: &Selection<'_>,
        visit: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let name =
            selection.matchers.iter().find(|matcher| matcher.name == NAME && matcher.op == MatchOp::Equal);
        let name = name.map(|matcher| matcher.value.as_str());
        let shared = &self.telemetry.shared;
        let mut wanted: Vec<(Labels, i64)> = shared
            .index()
            .iter(name)
            .filter(|(_, series)| series.last_ms.is_some_and(|last| last >= selection.start_ms))
            .filter(|(_, series)| selection.matches(&series.labels))
            .map(|(id, series)| (series.labels.clone(), id))
            .collect();
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            for (labels, samples) in self.some_of(&mut rest, selection)? {
                let (times, values) = samples.into_iter().unzip();
                let samples = Columns::from_floats(times, values);
                if visit(SeriesData { labels, samples }).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// How many samples of the memory, and how many series of the database, are taken in one go. What is taken in one go is
/// from one instant; most queries are answered so.
const SAMPLES_AT_ONCE: usize = 1 << 20;
const READ_AT_ONCE: usize = 256;

impl Snapshot {
    /// The samples of the first of the series, as many as are read in one go.
    fn some_of(
        &self,
        rest: &mut &[(Labels, i64)],
        selection: &Selection<'_>,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let (start, end) = (selection.start_ms, selection.end_ms);
        let shared = &self.telemetry.shared;
        let mut found = Vec::new();
        {
            let index = shared.index();
            let (mut samples, mut to_read) = (0, 0);
            while let Some(((_, id), after)) = rest.split_first()
                && samples < SAMPLES_AT_ONCE
                && to_read < READ_AT_ONCE
            {
                *rest = after;
                let Some(place) = index.get(*id).and_then(|series| index.find(*id, series, start, end))
                else {
                    continue;
                };
                match &place {
                    Found::Here(_, here) => samples += here.len(),
                    Found::InDatabase(..) => to_read += 1,
                }
                found.push(place);
            }
        }
        self.read_found(found, start, end)
    }

    fn read_found(
        &self,
        found: Vec<Found>,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        if found.iter().all(|found| matches!(found, Found::Here(..))) {
            return found.into_iter().map(|found| resolve(found, |_| Ok(Vec::new()))).collect();
        }
        self.telemetry.shared.read(|connection| {
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
