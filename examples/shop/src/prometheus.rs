//! `GET /metrics`: the instruments of the OpenTelemetry SDK once more, as Prometheus text.
//!
//! A second exporter beside OTLP, so that each measurement is taken once and both ways show the same
//! names: dots become underscores, seconds get `_seconds`, counters get `_total`. The text is as old as
//! the last collection, one second at most.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

/// The last text. Clones share it: one is given to the SDK, the others read.
#[derive(Clone, Debug, Default)]
pub struct Exposition(Arc<Mutex<String>>);

impl Exposition {
    /// The metrics as of the last collection; empty before the first.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PushMetricExporter for Exposition {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let text = render(metrics);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// All metrics in Prometheus' text format 0.0.4, sorted by name and labels.
fn render(metrics: &ResourceMetrics) -> String {
    let mut families = BTreeMap::new();
    for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
        if let Some((name, text)) = family(metric) {
            families.insert(name, text);
        }
    }
    families.into_values().collect()
}

/// One metric with its `# HELP` and `# TYPE` lines, or none for a kind the shop does not use.
fn family(metric: &Metric) -> Option<(String, String)> {
    let (kind, mut samples, counter) = match metric.data() {
        AggregatedMetrics::F64(data) => samples(data)?,
        AggregatedMetrics::U64(data) => samples(data)?,
        AggregatedMetrics::I64(data) => samples(data)?,
    };
    samples.sort_by(|a, b| (&a.labels, a.order).cmp(&(&b.labels, b.order)));

    let mut name = metric.name().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    if metric.unit() == "s" && !name.ends_with("_seconds") {
        name.push_str("_seconds");
    }
    if counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    let mut text = format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.description());
    for sample in samples {
        let labels = sample.labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).chain(sample.le);
        let labels = labels.collect::<Vec<_>>().join(",");
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}{}{braces} {}", sample.suffix, sample.value);
    }
    Some((name, text))
}

/// One line of the text.
struct Sample {
    labels: Vec<(String, String)>,
    /// Keeps the lines of one histogram in their order.
    order: usize,
    suffix: &'static str,
    le: Option<String>,
    value: String,
}

/// The type's word, the lines, and whether it is a counter.
fn samples<T: Copy + Display>(data: &MetricData<T>) -> Option<(&'static str, Vec<Sample>, bool)> {
    let plain = |attributes: Vec<(String, String)>, value: T| Sample {
        labels: attributes,
        order: 0,
        suffix: "",
        le: None,
        value: value.to_string(),
    };
    match data {
        MetricData::Gauge(gauge) => {
            let lines = gauge.data_points().map(|point| plain(labels(point.attributes()), point.value()));
            Some(("gauge", lines.collect(), false))
        }
        MetricData::Sum(sum) => {
            let lines = sum.data_points().map(|point| plain(labels(point.attributes()), point.value()));
            let kind = if sum.is_monotonic() { "counter" } else { "gauge" };
            Some((kind, lines.collect(), sum.is_monotonic()))
        }
        MetricData::Histogram(histogram) => {
            let mut lines = Vec::new();
            for point in histogram.data_points() {
                let labels = labels(point.attributes());
                let mut push = |suffix, le: Option<String>, value: String| {
                    lines.push(Sample {
                        labels: labels.clone(),
                        order: lines.len(),
                        suffix,
                        le: le.map(|le| format!("le=\"{le}\"")),
                        value,
                    });
                };
                let mut below = 0;
                for (bound, count) in point.bounds().zip(point.bucket_counts()) {
                    below += count;
                    push("_bucket", Some(bound.to_string()), below.to_string());
                }
                push("_bucket", Some("+Inf".to_owned()), point.count().to_string());
                push("_sum", None, point.sum().to_string());
                push("_count", None, point.count().to_string());
            }
            Some(("histogram", lines, false))
        }
        MetricData::ExponentialHistogram(_) => None,
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<(String, String)> {
    let escaped = |value: String| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut labels: Vec<_> = attributes
        .map(|attribute| {
            let key = attribute.key.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            (key, escaped(attribute.value.to_string()))
        })
        .collect();
    labels.sort();
    labels
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

    use super::*;

    #[test]
    fn instruments_come_out_under_the_names_that_otlp_gives_them() {
        let exposition = Exposition::default();
        let reader = PeriodicReader::builder(exposition.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let meter = provider.meter("test");

        let orders = meter.u64_counter("shop.orders").with_description("Orders placed").build();
        orders.add(2, &[KeyValue::new("outcome", "paid")]);
        orders.add(0, &[KeyValue::new("outcome", "say \"no\"")]);
        let _depth = meter.u64_observable_gauge("queue.depth").with_callback(|o| o.observe(7, &[])).build();
        let durations = meter
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .with_boundaries(vec![0.005, 1.0])
            .build();
        for seconds in [0.001, 0.5, 3.0] {
            durations.record(seconds, &[KeyValue::new("http.route", "/")]);
        }

        provider.force_flush().expect("collected");
        assert_eq!(
            exposition.text(),
            r#"# HELP http_server_request_duration_seconds 
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_route="/",le="0.005"} 1
http_server_request_duration_seconds_bucket{http_route="/",le="1"} 2
http_server_request_duration_seconds_bucket{http_route="/",le="+Inf"} 3
http_server_request_duration_seconds_sum{http_route="/"} 3.501
http_server_request_duration_seconds_count{http_route="/"} 3
# HELP queue_depth 
# TYPE queue_depth gauge
queue_depth 7
# HELP shop_orders_total Orders placed
# TYPE shop_orders_total counter
shop_orders_total{outcome="paid"} 2
shop_orders_total{outcome="say \"no\""} 0
"#
            .replace("say \"no\"", "say \\\"no\\\"")
        );
    }
}
