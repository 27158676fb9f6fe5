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
