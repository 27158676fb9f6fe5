//! Answers of Prometheus' own HTTP API, as its clients expect them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PrometheusAnswer {
    /// Always `success`.
    pub status: String,
    /// The result with its type.
    pub data: QueryData,
    /// What may be wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is worth knowing about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub infos: Vec<String>,
}

/// A result. Times are Unix seconds, values are text: JSON has no infinities and no NaN.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum QueryData {
    /// One sample of each series.
    Vector(Vec<VectorSeries>),
    /// Samples over time.
    Matrix(Vec<MatrixSeries>),
    /// A number.
    Scalar((f64, String)),
    /// A text.
    String((f64, String)),
}

/// A series with one sample: a number, or a native histogram.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct VectorSeries {
    /// Its labels.
    pub metric: BTreeMap<String, String>,
    /// Its time and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<(f64, String)>,
    /// Its time and histogram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<(f64, Value)>,
}

/// A series over time: its numbers, and its native histograms.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MatrixSeries {
    /// Its labels.
    pub metric: BTreeMap<String, String>,
    /// Times and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(f64, String)>,
    /// Times and histograms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histograms: Vec<(f64, Value)>,
}

/// Names or values, sorted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PrometheusNames {
    /// Always `success`.
    pub status: String,
    /// The names.
    pub data: Vec<String>,
    /// What may be wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Series, sorted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PrometheusSeries {
    /// Always `success`.
    pub status: String,
    /// The labels of each.
    pub data: Vec<BTreeMap<String, String>>,
    /// What may be wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What metrics are.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PrometheusMetadata {
    /// Always `success`.
    pub status: String,
    /// By name; a list, because elsewhere sources may differ.
    pub data: BTreeMap<String, Vec<MetricMetadata>>,
}

/// What a metric is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MetricMetadata {
    /// `counter`, `gauge`, `histogram`, `summary`, `info` or `unknown`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means, or empty.
    pub help: String,
    /// Its unit, or empty.
    pub unit: String,
}

/// Why a query is refused, as Prometheus words it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusFailure {
    /// Always `error`.
    pub status: String,
    /// `bad_data`, `execution`, `timeout` or `internal`.
    pub error_type: String,
    /// Why.
    pub error: String,
}
