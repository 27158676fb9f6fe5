//! An answer of the PromQL engine as the body of Prometheus' HTTP API, written straight from the answer.

use std::fmt::Write as _;

use mainstay_promql::{Answer, Labels, SampleValue, Value, api_number};

/// The body for an answer without native histograms; where there is one its place stays empty.
#[must_use]
pub fn body(answer: &Answer) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str(r#"{"status":"success","data":{"resultType":""#);
    out.push_str(match answer.value {
        Value::Scalar(..) => "scalar",
        Value::String(..) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    });
    out.push_str(r#"","result":"#);
    match &answer.value {
        Value::Scalar(t_ms, value) => point(&mut out, *t_ms, *value),
        Value::String(t_ms, text) => {
            out.push('[');
            seconds(&mut out, *t_ms);
            out.push(',');
            quoted(&mut out, text);
            out.push(']');
        }
        Value::Vector(vector) => list(&mut out, vector, |out, series| {
            metric(out, &series.labels);
            out.push_str(r#","value":"#);
            sample(out, series.sample.t_ms, &series.sample.value);
            out.push('}');
        }),
        Value::Matrix(matrix) => list(&mut out, matrix, |out, series| {
            metric(out, &series.labels);
            out.push_str(r#","values":"#);
            list(out, &series.samples, |out, one| sample(out, one.t_ms, &one.value));
            out.push('}');
        }),
    }
    out.push('}');
    for (name, notes) in [("warnings", &answer.warnings), ("infos", &answer.infos)] {
        if !notes.is_empty() {
            let _ = write!(out, r#","{name}":"#);
            list(&mut out, notes, |out, note| quoted(out, &note.to_string()));
        }
    }
    out.push('}');
    out
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

fn metric(out: &mut String, labels: &Labels) {
    out.push_str(r#"{"metric":{"#);
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quoted(out, &label.name);
        out.push(':');
        quoted(out, &label.value);
    }
    out.push('}');
}

fn sample(out: &mut String, t_ms: i64, value: &SampleValue) {
    if let SampleValue::Float(value) = value {
        point(out, t_ms, *value);
    }
}

fn point(out: &mut String, t_ms: i64, value: f64) {
    out.push('[');
    seconds(out, t_ms);
    out.push_str(",\"");
    float(out, value);
    out.push_str("\"]");
}

/// Seconds with as many decimals as the milliseconds need.
fn seconds(out: &mut String, t_ms: i64) {
    // Writing to a string cannot fail, here and below.
    let (whole, rest) = (t_ms.div_euclid(1000), t_ms.rem_euclid(1000));
    if rest == 0 {
        let _ = write!(out, "{whole}");
    } else {
        let decimals = format!("{rest:03}");
        let _ = write!(out, "{whole}.{}", decimals.trim_end_matches('0'));
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
fn float(out: &mut String, value: f64) {
    // Whole numbers are common and print faster as such.
    if value.abs() < 1e15 && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        let _ = write!(out, "{}", value as i64);
    } else if (1e-6..1e21).contains(&value.abs()) {
        let _ = write!(out, "{value}");
    } else {
        out.push_str(&api_number(value));
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
