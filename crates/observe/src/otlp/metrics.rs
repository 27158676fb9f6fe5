//! Metrics, as Prometheus would name and shape them: gauges and sums are one series, histograms become `_bucket`,
//! `_sum` and `_count`, summaries their quantiles; the resource becomes `job`, `instance` and `target_info`.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality as Temporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Summary,
    SummaryDataPoint, metric::Data, number_data_point::Value as Number,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::names::{self, Suffix};
use super::{Converted, value};
use crate::batch::{Labels, MetricKind, MetricMetadata, Point, STALE_NAN, Sample};

/// A series has at most so many labels and so many bytes of them; both far beyond any honest use.
const MAX_LABELS: usize = 256;
const MAX_LABEL_BYTES: usize = 64 << 10;

/// `target_info` is repeated this often between the first and the last point of a request, and not more often than
/// `MAX_TARGET_INFO` times.
const TARGET_INFO_STEP_MS: i64 = 150_000;
const MAX_TARGET_INFO: usize = 100;

/// The bit of a data point's flags that says "no value any more".
const NO_RECORDED_VALUE: u32 = 1;

type Pairs = BTreeMap<String, String>;

pub(super) fn convert(request: ExportMetricsServiceRequest, now_ms: i64) -> Converted {
    let mut converted = Converted::default();
    for resource_metrics in request.resource_metrics {
        let resource = resource_metrics.resource.unwrap_or_default();
        let mut conversion = Conversion {
            identity: identity(&resource),
            now_ms,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            converted: &mut converted,
        };
        for metric in resource_metrics.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            conversion.metric(metric);
        }
        conversion.target_info(&resource);
    }
    converted
}

/// `job` and `instance` of a resource.
fn identity(resource: &Resource) -> Pairs {
    let text = |key| value::attribute(&resource.attributes, key);
    let (namespace, name) = (text("service.namespace"), text("service.name"));
    let job = if namespace.is_empty() || name.is_empty() { name } else { format!("{namespace}/{name}") };
    let pairs = [("job", job), ("instance", text("service.instance.id"))];
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Attributes as labels. Keys that become the same name share it, their values joined by `;`.
fn attributes_to_labels(attributes: &[KeyValue]) -> Result<Pairs, &'static str> {
    if attributes.len() > MAX_LABELS {
        return Err("data point with more than 256 attributes");
    }
    let sorted: BTreeMap<&str, &KeyValue> = attributes.iter().map(|pair| (pair.key.as_str(), pair)).collect();
    let mut labels = Pairs::new();
    let mut bytes = 0;
    for (key, pair) in sorted {
        let (name, text) = (names::label(key), value::to_text(pair.value.as_ref()));
        bytes += name.len() + text.len();
        if bytes > MAX_LABEL_BYTES {
            return Err("data point with more than 64 KiB of attributes");
        }
        if name.is_empty() || name == "__name__" {
            continue;
        }
        labels
            .entry(name)
            .and_modify(|joined| {
                joined.push(';');
                joined.push_str(&text);
            })
            .or_insert(text);
    }
    Ok(labels)
}

/// How the values of a sum or histogram become samples.
#[derive(Clone, Copy)]
enum Flow {
    Cumulative,
    Delta,
}

impl Flow {
    fn of(temporality: i32) -> Option<Self> {
        match Temporality::try_from(temporality) {
            Ok(Temporality::Cumulative) => Some(Self::Cumulative),
            Ok(Temporality::Delta) => Some(Self::Delta),
            Ok(Temporality::Unspecified) | Err(_) => None,
        }
    }

    fn point(self, value: f64) -> Point {
        match self {
            Self::Cumulative => Point::Value(value),
            Self::Delta => Point::Add(value),
        }
    }
}

/// What the points of one metric have in common.
struct Family {
    name: String,
    flow: Flow,
}

/// One resource being converted.
struct Conversion<'a> {
    identity: Pairs,
    now_ms: i64,
    first_ms: i64,
    last_ms: i64,
    converted: &'a mut Converted,
}

impl Conversion<'_> {
    fn metric(&mut self, metric: Metric) {
        let Metric { name, description, unit, data, .. } = metric;
        let Some(data) = data else {
            // Neither a known kind nor points: nothing that could be lost, so only a warning by name.
            self.converted.items += 1;
            self.converted.refuse(format!("metric `{name}` without data of a known kind"), 1);
            return;
        };
        let (kind, suffix, points, temporality) = describe(&data);
        self.converted.items += points;
        let full_name = names::metric(&name, &unit, suffix);
        let refusal = match (&data, temporality.map(Flow::of)) {
            _ if full_name.is_empty() => Some("it has no usable name"),
            (Data::ExponentialHistogram(_), _) => Some("exponential histograms are not supported"),
            (_, Some(None)) => Some("it has no aggregation temporality"),
            _ => None,
        };
        if let Some(reason) = refusal {
            self.converted.refuse(format!("metric `{name}`: {reason}"), points);
            return;
        }
        let flow = temporality.and_then(Flow::of).unwrap_or(Flow::Cumulative);
        let family = Family { name: full_name, flow };
        self.converted.batch.metadata.push(MetricMetadata {
            name: family.name.clone(),
            kind,
            unit: names::unit(&unit),
            help: description,
        });
        let mut refused: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut keep = |result: Result<(), &'static str>| {
            if let Err(reason) = result {
                *refused.entry(reason).or_default() += 1;
            }
        };
        match data {
            Data::Gauge(gauge) => {
                gauge.data_points.iter().for_each(|point| keep(self.number(&family, point)));
            }
            Data::Sum(sum) => sum.data_points.iter().for_each(|point| keep(self.number(&family, point))),
            Data::Histogram(Histogram { data_points, .. }) => {
                data_points.iter().for_each(|point| keep(self.histogram(&family, point)));
            }
            Data::Summary(Summary { data_points }) => {
                data_points.iter().for_each(|point| keep(self.summary(&family, point)));
            }
            Data::ExponentialHistogram(_) => {}
        }
        for (reason, count) in refused {
            self.converted.refuse(format!("metric `{name}`: {reason}"), count);
        }
    }

    /// The time of a point, noted for `target_info`.
    fn time(&mut self, time_unix_nano: u64) -> i64 {
        let t_ms = match time_unix_nano / 1_000_000 {
            0 => self.now_ms,
            ms => i64::try_from(ms).unwrap_or(i64::MAX),
        };
        self.first_ms = self.first_ms.min(t_ms);
        self.last_ms = self.last_ms.max(t_ms);
        t_ms
    }

    fn labels(&self, attributes: &[KeyValue]) -> Result<Pairs, &'static str> {
        let mut labels = attributes_to_labels(attributes)?;
        labels.extend(self.identity.clone());
        Ok(labels)
    }

    fn push(&mut self, name: &str, labels: &Pairs, extra: Option<(&str, &str)>, t_ms: i64, point: Point) {
        let own = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = Labels::from_pairs(own.chain(extra).chain([("__name__", name)]));
        self.converted.batch.samples.push(Sample { labels, t_ms, point });
    }

    fn number(&mut self, family: &Family, point: &NumberDataPoint) -> Result<(), &'static str> {
        let labels = self.labels(&point.attributes)?;
        let value = match point.value {
            _ if point.flags & NO_RECORDED_VALUE != 0 => Point::Value(STALE_NAN),
            Some(Number::AsDouble(value)) => family.flow.point(value),
            Some(Number::AsInt(value)) => family.flow.point(value as f64),
            None => return Err("data point without a value"),
        };
        let t_ms = self.time(point.time_unix_nano);
        self.push(&family.name, &labels, None, t_ms, value);
        Ok(())
    }

    fn histogram(&mut self, family: &Family, point: &HistogramDataPoint) -> Result<(), &'static str> {
        let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
        if !(counts.is_empty() && bounds.is_empty()) && counts.len() != bounds.len() + 1 {
            return Err("histogram whose bucket counts do not fit its bounds");
        }
        if bounds.iter().any(|bound| bound.is_nan()) || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("histogram whose bounds do not rise");
        }
        let labels = self.labels(&point.attributes)?;
        let t_ms = self.time(point.time_unix_nano);
        let stale = point.flags & NO_RECORDED_VALUE != 0;
        let make = |value: f64| if stale { Point::Value(STALE_NAN) } else { family.flow.point(value) };
        let bucket = format!("{}_bucket", family.name);
        let mut cumulative: u64 = 0;
        for (bound, count) in bounds.iter().zip(counts) {
            cumulative = cumulative.saturating_add(*count);
            if *bound != f64::INFINITY {
                self.push(&bucket, &labels, Some(("le", &bound.to_string())), t_ms, make(cumulative as f64));
            }
        }
        self.push(&bucket, &labels, Some(("le", "+Inf")), t_ms, make(point.count as f64));
        if let Some(sum) = point.sum {
            self.push(&format!("{}_sum", family.name), &labels, None, t_ms, make(sum));
        }
        self.push(&format!("{}_count", family.name), &labels, None, t_ms, make(point.count as f64));
        Ok(())
    }

    fn summary(&mut self, family: &Family, point: &SummaryDataPoint) -> Result<(), &'static str> {
        let labels = self.labels(&point.attributes)?;
        let t_ms = self.time(point.time_unix_nano);
        let stale = point.flags & NO_RECORDED_VALUE != 0;
        let make = |value: f64| Point::Value(if stale { STALE_NAN } else { value });
        for quantile in &point.quantile_values {
            let extra = ("quantile", quantile.quantile.to_string());
            self.push(&family.name, &labels, Some((extra.0, &extra.1)), t_ms, make(quantile.value));
        }
        self.push(&format!("{}_sum", family.name), &labels, None, t_ms, make(point.sum));
        self.push(&format!("{}_count", family.name), &labels, None, t_ms, make(point.count as f64));
        Ok(())
    }

    /// The attributes of the resource as a series of their own, to join on.
    fn target_info(&mut self, resource: &Resource) {
        if self.last_ms == i64::MIN || self.identity.is_empty() {
            return;
        }
        let identifying = ["service.name", "service.namespace", "service.instance.id"];
        let others: Vec<KeyValue> = resource
            .attributes
            .iter()
            .filter(|pair| !identifying.contains(&pair.key.as_str()))
            .cloned()
            .collect();
        if others.is_empty() {
            return;
        }
        let labels = match self.labels(&others) {
            Ok(labels) => labels,
            Err(reason) => {
                self.converted.items += 1;
                self.converted.refuse(format!("target_info: {reason}"), 1);
                return;
            }
        };
        let steps = (self.last_ms.saturating_sub(self.first_ms) / TARGET_INFO_STEP_MS) as usize;
        let mut times: BTreeSet<i64> = BTreeSet::from([self.last_ms]);
        if steps <= MAX_TARGET_INFO {
            times.extend((0..=steps).map(|step| self.first_ms + step as i64 * TARGET_INFO_STEP_MS));
        }
        for t_ms in times {
            self.push("target_info", &labels, None, t_ms, Point::Value(1.0));
        }
        self.converted.batch.metadata.push(MetricMetadata {
            name: "target_info".to_owned(),
            kind: MetricKind::Info,
            unit: String::new(),
            help: "Target metadata".to_owned(),
        });
    }
}

/// Kind, suffix of the name, number of points, and the temporality of those kinds that have one.
fn describe(data: &Data) -> (MetricKind, Suffix, usize, Option<i32>) {
    match data {
        Data::Gauge(gauge) => (MetricKind::Gauge, Suffix::Ratio, gauge.data_points.len(), None),
        Data::Sum(sum) if sum.is_monotonic => {
            (MetricKind::Counter, Suffix::Total, sum.data_points.len(), Some(sum.aggregation_temporality))
        }
        // A sum that also falls is a gauge, but its unit of 1 counts things and is no ratio.
        Data::Sum(sum) => {
            (MetricKind::Gauge, Suffix::None, sum.data_points.len(), Some(sum.aggregation_temporality))
        }
        Data::Histogram(histogram) => {
            let temporality = Some(histogram.aggregation_temporality);
            (MetricKind::Histogram, Suffix::None, histogram.data_points.len(), temporality)
        }
        Data::ExponentialHistogram(histogram) => {
            (MetricKind::Histogram, Suffix::None, histogram.data_points.len(), None)
        }
        Data::Summary(summary) => (MetricKind::Summary, Suffix::None, summary.data_points.len(), None),
    }
}
