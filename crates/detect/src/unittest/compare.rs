//! Comparing what there is with what is expected, and writing both down as lines.

use mainstay_promql::{SampleValue, VectorSample, api_number};

use super::ExpectedSample;
use super::histogram::notation;
use crate::Labels;

/// One sample of an answer as it is compared.
pub(super) struct Got {
    labels: mainstay_promql::Labels,
    value: f64,
    histogram: String,
}

/// An answer's samples in order of labels.
pub(super) fn answered(vector: Vec<VectorSample>) -> Vec<Got> {
    let mut got: Vec<Got> = vector
        .into_iter()
        .map(|sample| {
            let (value, histogram) = match &sample.sample.value {
                SampleValue::Float(value) => (*value, String::new()),
                SampleValue::Histogram(histogram) => (0.0, notation(histogram)),
            };
            Got { labels: sample.labels, value, histogram }
        })
        .collect();
    got.sort_by(|a, b| a.labels.cmp(&b.labels));
    got
}

/// Whether an answer is what was expected. Both are sorted by labels.
pub(super) fn same(expected: &[ExpectedSample], got: &[Got], fuzzy: bool) -> bool {
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(expected, got)| {
            expected.labels == got.labels
                && expected.histogram == got.histogram
                && same_number(expected.value, got.value, fuzzy)
        })
}

fn same_number(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (fuzzy && (a.next_down() == b || a.next_up() == b))
}

/// Whether anything in an answer, or anything expected of it, is not a number, which equals nothing.
pub(super) fn has_nan(expected: &[ExpectedSample], got: &[Got]) -> bool {
    expected.iter().any(|sample| sample.value.is_nan()) || got.iter().any(|sample| sample.value.is_nan())
}

fn sample_line(labels: &mainstay_promql::Labels, value: f64, histogram: &str) -> String {
    let value = if histogram.is_empty() { api_number(value) } else { histogram.to_owned() };
    format!("{} {value}", series(labels))
}

/// A series as people write it: `name{label="value"}`.
fn series(labels: &mainstay_promql::Labels) -> String {
    let name = labels.metric_name();
    if !mainstay_promql::is_legacy_metric_name(name) {
        return labels.to_string();
    }
    let rest = labels.retain(|label| label != mainstay_promql::NAME);
    if rest.is_empty() { name.to_owned() } else { format!("{name}{rest}") }
}

/// Expected samples as lines.
pub(super) fn expected_lines(samples: &[ExpectedSample]) -> Vec<String> {
    samples.iter().map(|sample| sample_line(&sample.labels, sample.value, &sample.histogram)).collect()
}

/// An answer's samples as lines.
pub(super) fn got_lines(samples: &[Got]) -> Vec<String> {
    samples.iter().map(|sample| sample_line(&sample.labels, sample.value, &sample.histogram)).collect()
}

/// Firing instances as lines: the labels, and under them the annotations.
pub(super) fn alert_lines(alerts: &[(Labels, Labels)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (labels, annotations) in alerts {
        lines.push(label_text(labels));
        lines.extend(annotations.iter().map(|(name, text)| format!("  {name}: {text:?}")));
    }
    lines
}

/// Labels as text, empty ones included, which an instance never has.
pub(super) fn label_text(labels: &Labels) -> String {
    let parts: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", parts.join(", "))
}
