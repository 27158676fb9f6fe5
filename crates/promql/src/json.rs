//! Answers as Prometheus' HTTP API writes them: its shapes, and its numbers and instants digit for digit.
//!
//! Written straight into the body: an answer of a million samples is not built as a tree first.

use std::fmt::Write as _;

use crate::histogram::Histogram;
use crate::labels::Labels;
use crate::text::api_number;
use crate::value::{Annotation, Answer, Sample, SampleValue, Value};

/// The whole body of a successful query: `{"status":"success","data":{...}}` with warnings and infos where there are any.
///
/// ```
/// use mainstay_promql::{Engine, MemorySeries, json, parse};
///
/// let expr = parse("vector(1.5)").expect("is PromQL");
/// let answer = Engine::default().instant(&MemorySeries::new(), &expr, 60_250).expect("evaluates");
/// let mut body = String::new();
/// json::write_answer(&mut body, &answer);
/// assert_eq!(
///     body,
///     r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[60.250,"1.5"]}]}}"#
/// );
/// ```
pub fn write_answer(out: &mut String, answer: &Answer) {
    out.push_str(r#"{"status":"success","data":"#);
    write_value(out, &answer.value);
    for (name, notes) in [(r#","warnings":"#, &answer.warnings), (r#","infos":"#, &answer.infos)] {
        if !notes.is_empty() {
            out.push_str(name);
            write_annotations(out, notes);
        }
    }
    out.push('}');
}

/// A value with its type: `{"resultType":"vector","result":[...]}`.
pub fn write_value(out: &mut String, value: &Value) {
    out.push_str(r#"{"resultType":""#);
    out.push_str(match value {
        Value::Scalar(..) => "scalar",
        Value::String(..) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    });
    out.push_str(r#"","result":"#);
    match value {
        Value::Scalar(t_ms, value) => point(out, *t_ms, *value),
        Value::String(t_ms, text) => {
            out.push('[');
            seconds(out, *t_ms);
            out.push(',');
            write_text(out, text);
            out.push(']');
        }
        Value::Vector(vector) => list(out, vector, |out, series| {
            out.push_str(r#"{"metric":"#);
            write_labels(out, &series.labels);
            out.push_str(match series.sample.value {
                SampleValue::Float(_) => r#","value":"#,
                SampleValue::Histogram(_) => r#","histogram":"#,
            });
            sample(out, &series.sample);
            out.push('}');
        }),
        Value::Matrix(matrix) => list(out, matrix, |out, series| {
            out.push_str(r#"{"metric":"#);
            write_labels(out, &series.labels);
            // Floats and histograms stand apart, each in the order of time.
            samples(out, r#","values":"#, &series.samples, |value| matches!(value, SampleValue::Float(_)));
            samples(out, r#","histograms":"#, &series.samples, |value| {
                matches!(value, SampleValue::Histogram(_))
            });
            out.push('}');
        }),
    }
    out.push('}');
}

/// Labels as an object of names and values.
pub fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, &label.name);
        out.push(':');
        write_text(out, &label.value);
    }
    out.push('}');
}

/// Annotations as an array of their texts.
pub fn write_annotations(out: &mut String, notes: &[Annotation]) {
    list(out, notes, |out, note| write_text(out, &note.to_string()));
}

/// A text in quotes.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Nearly all text needs no escape and goes over in one piece.
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Writing to a string cannot fail, here and below.
            control => drop(write!(out, "\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn list<T>(out: &mut String, items: &[T], mut one: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(']');
}

/// The samples of one kind under their key; no key when there are none.
fn samples(out: &mut String, key: &str, all: &[Sample], wanted: impl Fn(&SampleValue) -> bool) {
    let mut before = key;
    for one in all.iter().filter(|one| wanted(&one.value)) {
        out.push_str(before);
        if before == key {
            out.push('[');
        }
        before = ",";
        sample(out, one);
    }
    if before == "," {
        out.push(']');
    }
}

fn sample(out: &mut String, sample: &Sample) {
    match &sample.value {
        SampleValue::Float(value) => point(out, sample.t_ms, *value),
        SampleValue::Histogram(histogram) => {
            out.push('[');
            seconds(out, sample.t_ms);
            out.push(',');
            write_histogram(out, histogram);
            out.push(']');
        }
    }
}

/// A native histogram: count, sum, and its buckets that are not empty, each with a number for which ends belong to it
/// (0 the upper, 1 the lower, 2 none, 3 both).
pub fn write_histogram(out: &mut String, histogram: &Histogram) {
    out.push_str(r#"{"count":""#);
    number(out, histogram.count);
    out.push_str(r#"","sum":""#);
    number(out, histogram.sum);
    out.push('"');
    let buckets: Vec<_> = histogram.buckets().into_iter().filter(|bucket| bucket.count != 0.0).collect();
    if !buckets.is_empty() {
        out.push_str(r#","buckets":"#);
        list(out, &buckets, |out, bucket| {
            let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
                (false, true) => '0',
                (true, false) => '1',
                (false, false) => '2',
                (true, true) => '3',
            };
            out.push('[');
            out.push(rule);
            for value in [bucket.lower, bucket.upper, bucket.count] {
                out.push_str(",\"");
                number(out, value);
                out.push('"');
            }
            out.push(']');
        });
    }
    out.push('}');
}

fn point(out: &mut String, t_ms: i64, value: f64) {
    out.push('[');
    seconds(out, t_ms);
    out.push_str(",\"");
    number(out, value);
    out.push_str("\"]");
}

/// Seconds, with three decimals when the milliseconds need them.
fn seconds(out: &mut String, t_ms: i64) {
    if t_ms < 0 {
        out.push('-');
    }
    let (whole, rest) = (t_ms.unsigned_abs() / 1000, t_ms.unsigned_abs() % 1000);
    let _ = if rest == 0 { write!(out, "{whole}") } else { write!(out, "{whole}.{rest:03}") };
}

fn number(out: &mut String, value: f64) {
    let size = value.abs();
    // Whole numbers are common and print faster as such.
    if size < 1e15 && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        #[allow(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
        let whole = value as i64;
        let _ = write!(out, "{whole}");
    } else if (1e-6..1e21).contains(&size) {
        let _ = write!(out, "{value}");
    } else {
        out.push_str(&api_number(value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::histogram::CUSTOM_SCHEMA;
    use crate::value::MatrixSeries;

    fn value(value: &Value) -> String {
        let mut out = String::new();
        write_value(&mut out, value);
        out
    }

    /// Taken from the answers of a Prometheus server.
    #[test]
    fn numbers_and_instants_are_those_of_prometheus() {
        for (t_ms, number, expected) in [
            (1_500, 1e-7, r#"[1.500,"1e-07"]"#),
            (1_050, 1.5e-10, r#"[1.050,"1.5e-10"]"#),
            (-1_500, 1e21, r#"[-1.500,"1e+21"]"#),
            (1_000, -0.0, r#"[1,"-0"]"#),
            (1, 123_456_789_012_345_678.0, r#"[0.001,"123456789012345680"]"#),
            (5_000, f64::INFINITY, r#"[5,"+Inf"]"#),
            (1_000, f64::NAN, r#"[1,"NaN"]"#),
            (1_000, 1.5e22, r#"[1,"1.5e+22"]"#),
            (1_000, 1.7e-300, r#"[1,"1.7e-300"]"#),
            (0, -12.25, r#"[0,"-12.25"]"#),
        ] {
            let mut out = String::new();
            point(&mut out, t_ms, number);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        seconds(&mut out, i64::MIN);
        assert_eq!(out, "-9223372036854775.808");
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        write_text(&mut out, "a\"b\\c\n\r\t\u{1}é\u{7f}");
        assert_eq!(out, r#""a\"b\\c\n\r\t\u0001é"#.to_owned() + "\u{7f}\"");
    }

    #[test]
    fn floats_and_histograms_of_a_series_stand_apart() {
        let histogram = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            sum: 1e-7,
            custom_values: vec![0.5],
            positive: vec![(0, 1.0), (1, 2.0)],
            ..Histogram::default()
        };
        let histogram = SampleValue::Histogram(Arc::new(histogram));
        let empty = SampleValue::Histogram(Arc::default());
        let samples = vec![
            Sample { t_ms: 0, value: histogram },
            Sample::float(1_000, 2.5),
            Sample { t_ms: 2_000, value: empty },
            Sample::float(3_000, 3.0),
        ];
        let matrix = Value::Matrix(vec![MatrixSeries { labels: Labels::from_pairs([("a", "b")]), samples }]);
        assert_eq!(
            value(&matrix),
            concat!(
                r#"{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"2.5"],[3,"3"]],"#,
                r#""histograms":[[0,{"count":"3","sum":"1e-07","buckets":[[3,"-Inf","0.5","1"],[0,"0.5","+Inf","2"]]}],"#,
                r#"[2,{"count":"0","sum":"0"}]]}]}"#
            )
        );
        assert_eq!(value(&Value::Matrix(Vec::new())), r#"{"resultType":"matrix","result":[]}"#);
        assert_eq!(
            value(&Value::String(1, "x".to_owned())),
            r#"{"resultType":"string","result":[0.001,"x"]}"#
        );
    }
}
