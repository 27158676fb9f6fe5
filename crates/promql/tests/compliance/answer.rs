//! Answers of both engines in one shape, and what differs between two of them.

#![allow(clippy::panic, reason = "an answer that cannot be read ends the test or measurement")]
#![allow(dead_code, reason = "the benchmark uses a part of it")]

use std::collections::BTreeMap;

use mainstay_promql::{Answer, EvalError, SampleValue, Value};
use serde_json::Value as Json;

type Point = (i64, f64);

/// An answer without its order.
#[derive(Debug, Clone)]
pub enum Shape {
    Error(String),
    Scalar(Point),
    String(String),
    /// Series by labels; a vector has one point for each.
    Series(BTreeMap<String, Vec<Point>>),
}

/// How far apart the numbers of two answers are that have the same series and instants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distance {
    pub points: usize,
    /// Points that are not the same to the last bit (all NaN are the same).
    pub inexact: usize,
    /// The largest relative difference.
    pub most: f64,
}

impl Shape {
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    fn map_series(&self, change: impl Fn((&String, &Vec<Point>)) -> (String, Vec<Point>)) -> Self {
        match self {
            Self::Series(series) => Self::Series(series.iter().map(change).collect()),
            other => other.clone(),
        }
    }

    /// The answer with the metric names left out.
    pub fn without_names(&self) -> Self {
        self.map_series(|(labels, points)| {
            let kept = match labels.split_once("\"__name__\": ") {
                Some((before, after)) => {
                    format!("{before}{}", after.split_once(", ").map_or("}", |(_, rest)| rest))
                }
                None => labels.clone(),
            };
            (kept, points.clone())
        })
    }

    /// The answer with the points left out that are infinite or undefined.
    pub fn without_special(&self) -> Self {
        self.map_series(|(labels, points)| {
            (labels.clone(), points.iter().copied().filter(|(_, value)| value.is_finite()).collect())
        })
    }
}

impl Distance {
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.inexact += other.inexact;
        self.most = self.most.max(other.most);
    }
}

/// The answer of the engine under test.
pub fn ours(answer: Result<Answer, EvalError>) -> Shape {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Shape::Error(error.to_string()),
    };
    let number = |value: &SampleValue| match value {
        SampleValue::Float(value) => *value,
        SampleValue::Histogram(_) => panic!("there are no native histograms in this data"),
    };
    match answer.value {
        Value::Scalar(t_ms, value) => Shape::Scalar((t_ms, value)),
        Value::String(_, text) => Shape::String(text),
        Value::Vector(vector) => Shape::Series(
            vector
                .iter()
                .map(|s| {
                    (
                        key(s.labels.iter().map(|l| (&*l.name, &*l.value))),
                        vec![(s.sample.t_ms, number(&s.sample.value))],
                    )
                })
                .collect(),
        ),
        Value::Matrix(matrix) => Shape::Series(
            matrix
                .iter()
                .map(|s| {
                    let points =
                        s.samples.iter().map(|sample| (sample.t_ms, number(&sample.value))).collect();
                    (key(s.labels.iter().map(|l| (&*l.name, &*l.value))), points)
                })
                .collect(),
        ),
    }
}

/// The answer in a body of the HTTP API.
pub fn theirs(body: &[u8]) -> Shape {
    let json: Json = match serde_json::from_slice(body) {
        Ok(json) => json,
        Err(error) => panic!("not an API answer ({error}): {}", String::from_utf8_lossy(body)),
    };
    if json["status"] != "success" {
        return Shape::Error(json["error"].as_str().unwrap_or("no text").to_owned());
    }
    let result = &json["data"]["result"];
    match json["data"]["resultType"].as_str() {
        Some("scalar") => Shape::Scalar(point(result)),
        Some("string") => Shape::String(result[1].as_str().unwrap_or_default().to_owned()),
        Some("vector") => series(result, |item| vec![point(&item["value"])]),
        Some("matrix") => {
            series(result, |item| item["values"].as_array().into_iter().flatten().map(point).collect())
        }
        other => panic!("unknown result type {other:?}"),
    }
}

fn series(result: &Json, points: impl Fn(&Json) -> Vec<Point>) -> Shape {
    let items = result.as_array().into_iter().flatten();
    Shape::Series(
        items
            .map(|item| {
                let labels = item["metric"].as_object().into_iter().flatten();
                (
                    key(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))),
                    points(item),
                )
            })
            .collect(),
    )
}

/// Labels as one text, sorted by name.
fn key<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<&str, &str> = labels.collect();
    format!("{sorted:?}")
}

fn point(pair: &Json) -> Point {
    let t_ms = (pair[0].as_f64().unwrap_or(f64::NAN) * 1000.0).round() as i64;
    let value = match pair[1].as_str() {
        Some("+Inf") => f64::INFINITY,
        Some("-Inf") => f64::NEG_INFINITY,
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{text} is not a number")),
        None => panic!("a value must be a text"),
    };
    (t_ms, value)
}

/// The relative difference of two numbers; 0 when they are the same, infinite when one is special.
fn apart(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    if !a.is_finite() || !b.is_finite() {
        return f64::INFINITY;
    }
    (a - b).abs() / a.abs().max(b.abs())
}

/// Compares two answers; numbers count as equal up to a relative tolerance.
///
/// # Errors
/// The first thing that differs, in words.
pub fn compare(ours: &Shape, theirs: &Shape, tolerance: f64) -> Result<Distance, String> {
    let mut distance = Distance::default();
    let mut points = |ours: &[Point], theirs: &[Point], of: &str| {
        let (a, b): (Vec<i64>, Vec<i64>) =
            (ours.iter().map(|p| p.0).collect(), theirs.iter().map(|p| p.0).collect());
        if a != b {
            let extra = a.iter().find(|t| !b.contains(t)).map(|t| format!("at {t} only ours has a value"));
            let missing =
                b.iter().find(|t| !a.contains(t)).map(|t| format!("at {t} only theirs has a value"));
            return Err(format!("{of}: {}", extra.or(missing).unwrap_or_default()));
        }
        for ((t, a), (_, b)) in ours.iter().zip(theirs) {
            let by = apart(*a, *b);
            distance.points += 1;
            distance.inexact += usize::from(by > 0.0);
            distance.most = distance.most.max(by);
            if by > tolerance {
                return Err(format!("{of} at {t}: ours {a}, theirs {b}"));
            }
        }
        Ok(())
    };
    match (ours, theirs) {
        (Shape::Error(_), Shape::Error(_)) => {}
        (Shape::Error(error), _) => return Err(format!("only ours fails: {error}")),
        (_, Shape::Error(error)) => return Err(format!("only theirs fails: {error}")),
        (Shape::Scalar(a), Shape::Scalar(b)) => points(&[*a], &[*b], "scalar")?,
        (Shape::String(a), Shape::String(b)) if a == b => {}
        (Shape::Series(a), Shape::Series(b)) => {
            if let Some(only) = a.keys().find(|k| !b.contains_key(*k)) {
                return Err(format!("only ours has {only}"));
            }
            for (labels, theirs) in b {
                let Some(ours) = a.get(labels) else { return Err(format!("only theirs has {labels}")) };
                points(ours, theirs, labels)?;
            }
        }
        _ => return Err("the types differ".to_owned()),
    }
    Ok(distance)
}
