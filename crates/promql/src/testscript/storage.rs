//! The store behind a script. It gives histograms back the way a Prometheus server does: what a literal says
//! about resets is lost, and what the layout of its chunks says takes its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::description::Item;
use super::script::Load;
use crate::histogram::{CUSTOM_SCHEMA, Histogram, ResetHint};
use crate::labels::{Labels, NAME};
use crate::series::MemorySeries;
use crate::value::{Sample, SampleValue, is_stale};

#[derive(Debug, Clone)]
struct Loaded {
    value: SampleValue,
    start_ms: i64,
}

/// What a script has loaded so far.
#[derive(Debug, Default)]
pub(super) struct Storage {
    series: BTreeMap<Labels, BTreeMap<i64, Loaded>>,
}

impl Storage {
    pub(super) fn clear(&mut self) {
        self.series.clear();
    }

    pub(super) fn load(&mut self, load: &Load) -> Result<(), String> {
        let mut classic = Vec::new();
        for (description, offsets) in &load.series {
            let target = self.series.entry(description.labels.clone()).or_default();
            let mut t = 0i64;
            for (i, item) in description.items.iter().enumerate() {
                let start_ms = offsets.get(i).copied().flatten().map_or(0, |offset| t.saturating_add(offset));
                let value = match item {
                    Item::Omitted => None,
                    Item::Float(value) => Some(SampleValue::Float(*value)),
                    Item::Histogram(histogram, _) => {
                        validate(histogram)?;
                        Some(SampleValue::Histogram(Arc::clone(histogram)))
                    }
                };
                if let Some(value) = value {
                    target.insert(t, Loaded { value, start_ms });
                }
                t = t.checked_add(load.step_ms).ok_or("sample time is out of range")?;
            }
            if load.with_custom {
                classic.push(description.labels.clone());
            }
        }
        self.add_custom(&classic)
    }

    /// Adds a custom-bucket histogram for every classic one among the loaded series.
    fn add_custom(&mut self, loaded: &[Labels]) -> Result<(), String> {
        let mut families: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
        for labels in loaded {
            let name = labels.metric_name();
            let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
                match crate::lexer::parse_number(labels.get("le")).filter(|le| !le.is_nan()) {
                    Some(le) if labels.has("le") => (base, Part::Bucket(le)),
                    _ => continue,
                }
            } else if let Some(base) = name.strip_suffix("_count") {
                (base, Part::Count)
            } else if let Some(base) = name.strip_suffix("_sum") {
                (base, Part::Sum)
            } else {
                continue;
            };
            let family = families.entry(labels.with("le", "").with(NAME, base)).or_default();
            for (t, sample) in self.series.get(labels).into_iter().flatten() {
                if let SampleValue::Float(value) = sample.value {
                    family.entry(*t).or_default().set(part, value);
                }
            }
        }
        for (labels, samples) in families {
            for (t, classic) in samples {
                let value = SampleValue::Histogram(Arc::new(classic.into_custom()?));
                self.series.entry(labels.clone()).or_default().insert(t, Loaded { value, start_ms: 0 });
            }
        }
        Ok(())
    }

    /// The series as a query sees them.
    pub(super) fn view(&self) -> MemorySeries {
        let mut view = MemorySeries::new();
        for (labels, samples) in &self.series {
            let mut chunk: Option<Histogram> = None;
            for (t, sample) in samples {
                let value = match &sample.value {
                    SampleValue::Float(value) => {
                        chunk = None;
                        SampleValue::Float(*value)
                    }
                    SampleValue::Histogram(histogram) => {
                        let hint = chunk_hint(chunk.as_ref(), histogram);
                        chunk = Some(Histogram::clone(histogram));
                        SampleValue::Histogram(Arc::new(Histogram { hint, ..Histogram::clone(histogram) }))
                    }
                };
                view.push_started(labels, Sample { t_ms: *t, value }, sample.start_ms);
            }
        }
        view
    }
}

/// What a histogram says about resets when it is read back from the chunk it was put into.
fn chunk_hint(previous: Option<&Histogram>, new: &Histogram) -> ResetHint {
    if new.hint == ResetHint::Gauge {
        return ResetHint::Gauge;
    }
    let Some(previous) = previous.filter(|previous| previous.hint != ResetHint::Gauge) else {
        return ResetHint::Unknown;
    };
    if is_stale(new.sum) {
        return ResetHint::NotReset;
    }
    let plain = Histogram { hint: ResetHint::Unknown, ..new.clone() };
    let cut = new.hint == ResetHint::Reset
        || is_stale(previous.sum)
        || new.schema != previous.schema
        || new.zero_threshold != previous.zero_threshold
        || new.custom_values != previous.custom_values
        || new.zero_count < previous.zero_count
        || plain.is_reset_after(previous);
    if cut { ResetHint::Unknown } else { ResetHint::NotReset }
}

fn validate(h: &Histogram) -> Result<(), String> {
    if is_stale(h.sum) {
        return Ok(());
    }
    if h.zero_count < 0.0
        || h.count < 0.0
        || h.positive.iter().chain(&h.negative).any(|(_, count)| *count < 0.0)
    {
        return Err("a histogram has a bucket with a negative count".to_owned());
    }
    if h.is_custom() && h.positive.iter().any(|(index, _)| *index < 0) {
        return Err("a custom bucket has a negative index".to_owned());
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The parts of a classic histogram at one instant.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl Classic {
    fn set(&mut self, part: Part, value: f64) {
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
            Part::Bucket(le) => {
                if let Err(at) = self.buckets.binary_search_by(|(known, _)| known.total_cmp(&le)) {
                    self.buckets.insert(at, (le, value));
                }
            }
        }
    }

    fn into_custom(mut self) -> Result<Histogram, String> {
        let highest = self.buckets.last().map_or(0.0, |(_, count)| *count);
        let count = self.count.unwrap_or(highest);
        if self.buckets.last().is_none_or(|(le, _)| *le != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if self.buckets.last().is_some_and(|(_, top)| *top != count && !(top.is_nan() && count.is_nan())) {
            return Err("the count of a classic histogram differs from its +Inf bucket".to_owned());
        }
        let mut histogram = Histogram { schema: CUSTOM_SCHEMA, count, sum: self.sum, ..Histogram::default() };
        let mut before = 0.0;
        for (i, (le, cumulative)) in self.buckets.iter().enumerate() {
            if *cumulative < before {
                return Err("the buckets of a classic histogram are not cumulative".to_owned());
            }
            let index = i32::try_from(i).map_err(|_| "too many buckets".to_owned())?;
            histogram.positive.push((index, cumulative - before));
            before = *cumulative;
            if *le != f64::INFINITY {
                histogram.custom_values.push(*le);
            }
        }
        histogram.compact();
        Ok(histogram)
    }
}
