//! The series known, and their most recent samples, in memory.
//!
//! Only the writer changes it, after a commit and before the answer; so a reader sees what was acknowledged, and
//! nothing that may still be rolled back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::batch::{Labels, MetricMetadata};

/// The most recent samples of one series: all there are at or after `floor_ms`, by time.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) floor_ms: i64,
    pub(super) samples: VecDeque<(i64, f64)>,
}

impl Head {
    /// Puts a sample in its place; what is there at that time already stays.
    fn insert(&mut self, t_ms: i64, value: f64) -> bool {
        if t_ms < self.floor_ms {
            return false;
        }
        if self.samples.back().is_none_or(|(last, _)| *last < t_ms) {
            self.samples.push_back((t_ms, value));
            return true;
        }
        let at = self.samples.partition_point(|(t, _)| *t < t_ms);
        if self.samples.get(at).is_some_and(|(t, _)| *t == t_ms) {
            return false;
        }
        self.samples.insert(at, (t_ms, value));
        true
    }

    /// Forgets samples before a time; they are still in the database.
    fn trim(&mut self, before_ms: i64) -> usize {
        let count = self.samples.partition_point(|(t, _)| *t < before_ms);
        if count > 0 {
            self.samples.drain(..count);
            self.floor_ms = self.floor_ms.max(before_ms);
        }
        count
    }

    fn between(&self, start_ms: i64, end_ms: i64) -> Vec<(i64, f64)> {
        let from = self.samples.partition_point(|(t, _)| *t < start_ms);
        let to = self.samples.partition_point(|(t, _)| *t <= end_ms).max(from);
        self.samples.range(from..to).copied().collect()
    }
}

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    /// The time of its newest sample; `None` when it has none.
    pub(super) last_ms: Option<i64>,
    /// `None` until the series is written to after the store was opened.
    pub(super) head: Option<Head>,
}

/// Where the samples of a series are to be read.
pub(super) enum Found {
    Here(Labels, Vec<(i64, f64)>),
    InDatabase(Labels, i64),
}

#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "looked up only, never iterated, so its order cannot matter")]
pub(super) struct Index {
    ids: std::collections::HashMap<Labels, i64>,
    by_name: BTreeMap<Box<str>, BTreeSet<i64>>,
    series: BTreeMap<i64, Series>,
    pub(super) metadata: BTreeMap<String, MetricMetadata>,
    samples: usize,
}

impl Index {
    pub(super) fn id(&self, labels: &Labels) -> Option<i64> {
        self.ids.get(labels).copied()
    }

    pub(super) fn get(&self, id: i64) -> Option<&Series> {
        self.series.get(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn samples_in_memory(&self) -> usize {
        self.samples
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.series.keys().copied().collect()
    }

    /// The metric names, with the number of series of each.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_name.iter().map(|(name, ids)| (&**name, ids.len()))
    }

    /// All series, or those of one metric name.
    pub(super) fn iter<'a>(&'a self, name: Option<&str>) -> Box<dyn Iterator<Item = (i64, &'a Series)> + 'a> {
        match name {
            None => Box::new(self.series.iter().map(|(id, series)| (*id, series))),
            Some(name) => match self.by_name.get(name) {
                None => Box::new(std::iter::empty()),
                Some(ids) => Box::new(ids.iter().filter_map(|id| Some((*id, self.series.get(id)?)))),
            },
        }
    }

    /// A series as the database has it. `head` is `None` for one whose samples are in the database only.
    pub(super) fn add(&mut self, id: i64, labels: Labels, last_ms: Option<i64>, head: Option<Head>) {
        self.ids.insert(labels.clone(), id);
        self.by_name.entry(labels.metric_name().into()).or_default().insert(id);
        self.samples += head.as_ref().map_or(0, |head| head.samples.len());
        self.series.insert(id, Series { labels, last_ms, head });
    }

    pub(super) fn remove(&mut self, id: i64) {
        let Some(series) = self.series.remove(&id) else { return };
        self.samples -= series.head.map_or(0, |head| head.samples.len());
        self.ids.remove(&series.labels);
        if let Some(ids) = self.by_name.get_mut(series.labels.metric_name()) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_name.remove(series.labels.metric_name());
            }
        }
    }

    /// Gives a series the samples that were read from the database for it.
    pub(super) fn set_head(&mut self, id: i64, head: Head) {
        if let Some(series) = self.series.get_mut(&id) {
            self.samples += head.samples.len();
            self.samples -= series.head.as_ref().map_or(0, |old| old.samples.len());
            series.head = Some(head);
        }
    }

    /// A committed sample.
    pub(super) fn insert(&mut self, id: i64, t_ms: i64, value: f64) {
        if let Some(series) = self.series.get_mut(&id) {
            series.last_ms = series.last_ms.max(Some(t_ms));
            if series.head.as_mut().is_some_and(|head| head.insert(t_ms, value)) {
                self.samples += 1;
            }
        }
    }

    /// Forgets the samples of one series before a time.
    pub(super) fn trim(&mut self, id: i64, before_ms: i64) {
        if let Some(head) = self.series.get_mut(&id).and_then(|series| series.head.as_mut()) {
            self.samples -= head.trim(before_ms);
        }
    }

    /// Forgets the samples of all series before a time.
    pub(super) fn trim_all(&mut self, before_ms: i64) {
        for series in self.series.values_mut() {
            if let Some(head) = series.head.as_mut() {
                self.samples -= head.trim(before_ms);
            }
        }
    }

    /// The samples of a series within the bounds, both included, or that they are only in the database.
    pub(super) fn find(&self, id: i64, series: &Series, start_ms: i64, end_ms: i64) -> Option<Found> {
        if series.last_ms? < start_ms {
            return None;
        }
        match &series.head {
            Some(head) if head.floor_ms <= start_ms => {
                let samples = head.between(start_ms, end_ms);
                (!samples.is_empty()).then(|| Found::Here(series.labels.clone(), samples))
            }
            _ => Some(Found::InDatabase(series.labels.clone(), id)),
        }
    }
}
