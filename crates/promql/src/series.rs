//! Where samples come from: the trait a store implements, and a store in memory for tests and tools.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::labels::{Labels, MatchOp, Matcher, NAME};
use crate::value::{Sample, Samples};

/// What the engine asks a store for.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Conditions that every series must satisfy; a label that a series lacks has the empty value.
    pub matchers: &'a [Matcher],
    /// The first instant that is needed, in milliseconds.
    pub start_ms: i64,
    /// The last instant that is needed, included.
    pub end_ms: i64,
    /// What the samples are for. A store may use it, and may as well ignore it.
    pub hints: Hints<'a>,
}

impl Selection<'_> {
    /// Whether a series satisfies all matchers.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches_labels(labels))
    }
}

/// What selected samples are for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The distance of the query's steps in milliseconds, 0 for an instant query.
    pub step_ms: i64,
    /// The length of the window in milliseconds, 0 for an instant selector.
    pub range_ms: i64,
    /// The function that the samples go to, or the empty string.
    pub function: &'a str,
}

/// One selected series.
#[derive(Debug, Clone)]
pub struct SeriesData {
    /// Its labels, the name included.
    pub labels: Labels,
    /// Its samples; a store may hand out more than was asked for.
    pub samples: Samples,
}

/// A store of series.
pub trait Series {
    /// Why a selection failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The series that satisfy the selection, each labelset once, sorted by labels, with their samples in
    /// the selection's span. Markers that end a series ([`crate::stale_marker`]) are among the samples.
    ///
    /// # Errors
    /// Whatever keeps the store from answering; the query then fails with it as its source.
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<SeriesData>, Self::Error>;

    /// The same series in the same order, handed over one after the other until there are no more or `visit` breaks.
    ///
    /// This is what the engine calls, and it keeps no series longer than it works on it. What this trait provides selects
    /// them all first, which is right where samples are shared and not copied. A store that reads samples from elsewhere
    /// should read them here a few series at a time: then a query over more samples than memory holds can be answered.
    /// `visit` may ask the store for other series, so no lock should be held while it runs.
    ///
    /// # Errors
    /// As [`Series::select`].
    fn each(
        &self,
        selection: &Selection<'_>,
        visit: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<(), Self::Error> {
        let _ = self.select(selection)?.into_iter().try_for_each(visit);
        Ok(())
    }
}

impl<S: Series + ?Sized> Series for &S {
    type Error = S::Error;

    fn select(&self, selection: &Selection<'_>) -> Result<Vec<SeriesData>, Self::Error> {
        (**self).select(selection)
    }

    fn each(
        &self,
        selection: &Selection<'_>,
        visit: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<(), Self::Error> {
        (**self).each(selection, visit)
    }
}

impl<S: Series + ?Sized> Series for Arc<S> {
    type Error = S::Error;

    fn select(&self, selection: &Selection<'_>) -> Result<Vec<SeriesData>, Self::Error> {
        (**self).select(selection)
    }

    fn each(
        &self,
        selection: &Selection<'_>,
        visit: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<(), Self::Error> {
        (**self).each(selection, visit)
    }
}

/// Series kept in memory.
#[derive(Debug, Clone, Default)]
pub struct MemorySeries {
    /// By metric name, so that selecting by name does not look at everything.
    by_name: BTreeMap<Arc<str>, BTreeMap<Labels, Samples>>,
}

impl MemorySeries {
    /// A store without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample; one at the same instant is replaced.
    pub fn push(&mut self, labels: &Labels, sample: Sample) {
        self.push_started(labels, sample, 0);
    }

    /// Adds a sample of a counter that began at `start_ms`.
    pub fn push_started(&mut self, labels: &Labels, sample: Sample, start_ms: i64) {
        self.samples_mut(labels).push(sample, start_ms);
    }

    /// Adds all samples of a series at once, replacing what there was.
    pub fn insert(&mut self, labels: &Labels, samples: Samples) {
        *self.samples_mut(labels) = samples;
    }

    fn samples_mut(&mut self, labels: &Labels) -> &mut Samples {
        let name: Arc<str> = Arc::from(labels.metric_name());
        self.by_name.entry(name).or_default().entry(labels.clone()).or_default()
    }

    /// Every series with its samples.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &Samples)> {
        self.by_name.values().flatten()
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.values().map(BTreeMap::len).sum()
    }

    /// Whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Series for MemorySeries {
    type Error = Infallible;

    fn select(&self, selection: &Selection<'_>) -> Result<Vec<SeriesData>, Infallible> {
        let name = selection.matchers.iter().find(|m| m.name == NAME && m.op == MatchOp::Equal);
        let candidates: Vec<&BTreeMap<Labels, Samples>> = match name {
            Some(matcher) => self.by_name.get(matcher.value.as_str()).into_iter().collect(),
            None => self.by_name.values().collect(),
        };
        let mut found: Vec<SeriesData> = candidates
            .into_iter()
            .flatten()
            .filter(|(labels, _)| selection.matches(labels))
            .map(|(labels, samples)| SeriesData {
                labels: labels.clone(),
                samples: samples.slice(selection.start_ms, selection.end_ms),
            })
            .filter(|series| !series.samples.is_empty())
            .collect();
        if name.is_none() {
            found.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        Ok(found)
    }
}
