//! OTLP requests for the tests.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, metric::Data, number_data_point, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    }
}

pub fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let attributes = vec![
        text("service.name", "checkout"),
        text("service.namespace", "shop"),
        text("service.instance.id", "web-1"),
        text("host.name", "web-1.example"),
    ];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

pub fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

pub fn point(t_ms: i64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: t_ms as u64 * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes: vec![text("http.method", "GET")],
        ..NumberDataPoint::default()
    }
}

pub fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

pub fn sum(points: Vec<NumberDataPoint>, temporality: AggregationTemporality) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality as i32, is_monotonic: true })
}

pub fn histogram(t_ms: i64, bounds: &[f64], counts: &[u64]) -> Data {
    Data::Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            time_unix_nano: t_ms as u64 * 1_000_000,
            count: counts.iter().sum(),
            sum: Some(12.5),
            explicit_bounds: bounds.to_vec(),
            bucket_counts: counts.to_vec(),
            ..HistogramDataPoint::default()
        }],
        aggregation_temporality: AggregationTemporality::Cumulative as i32,
    })
}

pub fn summary(t_ms: i64) -> Data {
    Data::Summary(Summary {
        data_points: vec![SummaryDataPoint {
            time_unix_nano: t_ms as u64 * 1_000_000,
            count: 4,
            sum: 8.0,
            quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 3.0 }],
            ..SummaryDataPoint::default()
        }],
    })
}

pub fn exponential(t_ms: i64) -> Data {
    let data_points = vec![
        ExponentialHistogramDataPoint {
            time_unix_nano: t_ms as u64 * 1_000_000,
            ..ExponentialHistogramDataPoint::default()
        };
        2
    ];
    Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 2 })
}
