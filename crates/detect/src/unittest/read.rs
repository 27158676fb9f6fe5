//! Reading test files. What is wrong with the form of a file refuses the file; what is wrong with an expression or a
//! series fails the test it is in, so that the others still run.

use std::time::Duration;

use mainstay_model::{Problem, Segment, Timestamp};
use mainstay_promql::Expr;
use mainstay_promql::testscript::{Item, parse_description};
use serde_json::{Map, Value};

use super::{AlarmCheck, ExpectedSample, Input, QueryCheck, Test, TestFile, histogram};
use crate::Labels;
use crate::read::{self, at, kind, list, mapping, unknown_keys};

const FILE_KEYS: &[&str] =
    &["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
const TEST_KEYS: &[&str] = &[
    "name",
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "start_timestamp",
];
const SERIES_KEYS: &[&str] = &["series", "values"];
const ALARM_KEYS: &[&str] = &["eval_time", "alertname", "exp_alerts"];
const ALERT_KEYS: &[&str] = &["exp_labels", "exp_annotations"];
const QUERY_KEYS: &[&str] = &["expr", "eval_time", "exp_samples"];
const SAMPLE_KEYS: &[&str] = &["labels", "value", "histogram"];

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

impl TestFile {
    /// Reads a test file. All problems of its form are reported.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { errors: Vec::new() };
        let file = reader.file(value);
        match file {
            Some(file) if reader.errors.is_empty() => Ok(file),
            _ => Err(reader.errors),
        }
    }
}

/// Places where a test file holds a text that was written like a number: `values: 0x10` is not sixteen but eleven
/// zeros, and `version: 1.10` is not `1.1`. Who knows how they are written can put the texts there before
/// [`TestFile::parse`].
pub fn texts_written_as_numbers(value: &Value) -> Vec<Vec<Segment>> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

/// Every number is meant as a text except where the format wants one. Instants are both, and read alike as either.
fn walk(value: &Value, path: &mut Vec<Segment>, found: &mut Vec<Vec<Segment>>) {
    match value {
        Value::Number(_) => {
            let is_key = |name: &str| path.last() == Some(&Segment::from(name));
            let is_label = path.iter().rev().nth(1).is_some_and(|parent| {
                ["exp_labels", "exp_annotations", "external_labels"]
                    .iter()
                    .any(|name| *parent == Segment::from(*name))
            });
            if is_label || !(is_key("value") || is_key("start_timestamp")) {
                found.push(path.clone());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.into());
                walk(item, path, found);
                path.pop();
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                path.push(key.as_str().into());
                walk(item, path, found);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

struct Reader {
    errors: Vec<Problem>,
}

impl Reader {
    fn file(&mut self, value: &Value) -> Option<TestFile> {
        let map = mapping(value, &[], "A test file", &mut self.errors)?;
        unknown_keys(map, &[], FILE_KEYS, "A test file", &mut self.errors);
        let rule_files = self.texts(map, "rule_files");
        let interval = self.duration(map, &[], "evaluation_interval");
        let evaluation_interval = interval.filter(|interval| !interval.is_zero()).unwrap_or(DEFAULT_INTERVAL);
        let group_eval_order = self.texts(map, "group_eval_order");
        for (index, name) in group_eval_order.iter().enumerate() {
            if group_eval_order[..index].contains(name) {
                let path = vec!["group_eval_order".into(), index.into()];
                let message = format!("The group `{name}` is repeated in the order of evaluation");
                self.errors.push(Problem::error("duplicate-entry", path, message));
            }
        }
        let fuzzy_compare = match map.get("fuzzy_compare") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(fuzzy)) => *fuzzy,
            Some(other) => {
                let message = format!("`fuzzy_compare` must be true or false, found {}", kind(other));
                self.errors.push(
                    Problem::error("wrong-type", vec!["fuzzy_compare".into()], message)
                        .label("expected a boolean"),
                );
                false
            }
        };
        let tests = self
            .items(map, &[], "tests")
            .into_iter()
            .enumerate()
            .filter_map(|(index, (value, path))| self.test(value, &path, index, evaluation_interval))
            .collect();
        Some(TestFile { rule_files, evaluation_interval, group_eval_order, fuzzy_compare, tests })
    }

    fn test(
        &mut self,
        value: &Value,
        path: &[Segment],
        index: usize,
        evaluation_interval: Duration,
    ) -> Option<Test> {
        let empty = Map::new();
        let map = if value.is_null() { &empty } else { mapping(value, path, "A test", &mut self.errors)? };
        unknown_keys(map, path, TEST_KEYS, "A test", &mut self.errors);
        let name = self.text(map, path, "name").filter(|name| !name.is_empty());
        let interval = self.duration(map, path, "interval").filter(|interval| !interval.is_zero());
        let mut flaws = Vec::new();
        let series = self
            .items(map, path, "input_series")
            .into_iter()
            .filter_map(|(value, path)| self.series(value, &path, &mut flaws))
            .collect();
        let alarms = self
            .items(map, path, "alert_rule_test")
            .into_iter()
            .filter_map(|(value, path)| self.alarm(value, &path, &mut flaws))
            .collect();
        let queries = self
            .items(map, path, "promql_expr_test")
            .into_iter()
            .filter_map(|(value, path)| self.query(value, &path))
            .collect();
        Some(Test {
            name: name.unwrap_or_else(|| format!("unnamed#{index}")),
            interval: interval.unwrap_or(evaluation_interval),
            start: self.start(map, path),
            external_labels: self.labels(map, path, "external_labels"),
            external_url: self.text(map, path, "external_url").unwrap_or_default(),
            series,
            alarms,
            queries,
            flaws,
        })
    }

    fn series(&mut self, value: &Value, path: &[Segment], flaws: &mut Vec<Problem>) -> Option<Input> {
        let map = mapping(value, path, "A series", &mut self.errors)?;
        unknown_keys(map, path, SERIES_KEYS, "A series", &mut self.errors);
        let series = self.text(map, path, "series").unwrap_or_default();
        let values = self.text(map, path, "values").unwrap_or_default();
        if series.trim().is_empty() {
            flaws.push(
                Problem::error("missing-key", path, "A series must say which one it is")
                    .help("add `series:` with a name and labels, such as `up{job=\"shop\"}`"),
            );
            return None;
        }
        let bad = |key: &str, what: &str, error: String| {
            Problem::error("bad-series", at(path, key), format!("{what}: {error}"))
        };
        let labels = match parse_description(series.trim()) {
            Ok(described) if described.items.is_empty() => described.labels,
            Ok(_) => {
                flaws.push(bad("series", "Not a series", "values follow the labels".to_owned()));
                return None;
            }
            Err(error) => {
                flaws.push(bad("series", "Not a series", error));
                return None;
            }
        };
        match parse_description(&format!("{{}} {values}")) {
            Ok(described) => Some(Input { labels, items: described.items }),
            Err(error) => {
                flaws.push(bad("values", "Not values of a series", error).help(
                    "values are numbers, `_` for none, `stale`, and sequences such as `0+10x5` or `1x3`",
                ));
                None
            }
        }
    }

    fn alarm(&mut self, value: &Value, path: &[Segment], flaws: &mut Vec<Problem>) -> Option<AlarmCheck> {
        let map = mapping(value, path, "An alarm's test", &mut self.errors)?;
        unknown_keys(map, path, ALARM_KEYS, "An alarm's test", &mut self.errors);
        let at_time = self.duration(map, path, "eval_time").unwrap_or_default();
        let alarm = self.text(map, path, "alertname").unwrap_or_default();
        if alarm.is_empty() {
            flaws.push(
                Problem::error("missing-key", path, "An alarm's test must have `alertname`")
                    .help("add `alertname:` with the name of an alerting rule"),
            );
        }
        let mut expected = Vec::new();
        for (value, path) in self.items(map, path, "exp_alerts") {
            let empty = Map::new();
            let map = match value {
                Value::Null => Some(&empty),
                value => mapping(value, &path, "An expected alert", &mut self.errors),
            };
            let Some(map) = map else { continue };
            unknown_keys(map, &path, ALERT_KEYS, "An expected alert", &mut self.errors);
            let mut labels = self.labels(map, &path, "exp_labels");
            // The name is added by the rule, so nobody writes it down.
            labels.insert("alertname".to_owned(), alarm.clone());
            expected.push((labels, self.labels(map, &path, "exp_annotations")));
        }
        expected.sort();
        Some(AlarmCheck { at: at_time, alarm, expected, path: path.to_vec() })
    }

    fn query(&mut self, value: &Value, path: &[Segment]) -> Option<QueryCheck> {
        let map = mapping(value, path, "A query's test", &mut self.errors)?;
        unknown_keys(map, path, QUERY_KEYS, "A query's test", &mut self.errors);
        let at_time = self.duration(map, path, "eval_time").unwrap_or_default();
        let text = self.text(map, path, "expr").unwrap_or_default();
        let mut flaws = Vec::new();
        let expr = match mainstay_promql::parse(&text) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                flaws.extend(errors.into_iter().map(|error| {
                    let mut problem =
                        Problem::error("bad-expression", at(path, "expr"), error.message).within(error.span);
                    problem.help = error.help;
                    problem
                }));
                None
            }
        };
        let mut samples = Vec::new();
        for (value, path) in self.items(map, path, "exp_samples") {
            samples.extend(self.sample(value, &path, &mut flaws));
        }
        samples.sort_by(|a, b| a.labels.cmp(&b.labels));
        let parsed: Result<(Expr, Vec<ExpectedSample>), Vec<Problem>> = match expr {
            Some(expr) if flaws.is_empty() => Ok((expr, samples)),
            _ => Err(flaws),
        };
        Some(QueryCheck { at: at_time, text, parsed, path: path.to_vec() })
    }

    fn sample(
        &mut self,
        value: &Value,
        path: &[Segment],
        flaws: &mut Vec<Problem>,
    ) -> Option<ExpectedSample> {
        let map = mapping(value, path, "An expected sample", &mut self.errors)?;
        unknown_keys(map, path, SAMPLE_KEYS, "An expected sample", &mut self.errors);
        let text = self.text(map, path, "labels").unwrap_or_default();
        let labels = match parse_description(text.trim()) {
            Ok(described) if described.items.is_empty() => described.labels,
            Ok(_) => {
                let message = "Not the labels of a sample: more follows the labels";
                flaws.push(Problem::error("bad-series", at(path, "labels"), message));
                return None;
            }
            Err(error) => {
                let message = format!("Not the labels of a sample: {error}");
                flaws.push(Problem::error("bad-series", at(path, "labels"), message));
                return None;
            }
        };
        let literal = self.text(map, path, "histogram").unwrap_or_default();
        let histogram = match literal.is_empty() {
            true => String::new(),
            false => match parse_description(&format!("{{}} {literal}")).map(|described| described.items) {
                Ok(items) => match items.as_slice() {
                    [Item::Histogram(histogram, _)] => histogram::notation(histogram),
                    _ => {
                        let message = "Not one histogram";
                        flaws.push(Problem::error("bad-series", at(path, "histogram"), message).help(
                            "a histogram is written like `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`",
                        ));
                        return None;
                    }
                },
                Err(error) => {
                    let message = format!("Not a histogram: {error}");
                    flaws.push(Problem::error("bad-series", at(path, "histogram"), message));
                    return None;
                }
            },
        };
        Some(ExpectedSample { labels, value: self.number(map, path, "value"), histogram })
    }

    /// A floating point number as YAML writes it.
    fn number(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> f64 {
        match map.get(key) {
            None | Some(Value::Null) => return 0.0,
            Some(Value::Number(number)) => {
                if let Some(number) = number.as_f64() {
                    return number;
                }
            }
            Some(Value::String(text)) => {
                let unsigned = text.trim_start_matches(['+', '-']);
                if unsigned.eq_ignore_ascii_case(".inf") {
                    return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
                }
                if text.eq_ignore_ascii_case(".nan") {
                    return f64::NAN;
                }
            }
            Some(_) => {}
        }
        let message = format!("`{key}` must be a number");
        self.errors.push(
            Problem::error("wrong-type", at(path, key), message)
                .label("expected a number")
                .help("infinity is written `.inf`, and not-a-number `.nan`"),
        );
        0.0
    }

    /// Seconds since the epoch or RFC 3339; the epoch by default.
    fn start(&mut self, map: &Map<String, Value>, path: &[Segment]) -> Timestamp {
        let epoch = Timestamp::from_millis(0);
        let text = match map.get("start_timestamp") {
            None | Some(Value::Null) => return epoch,
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => kind(other).to_owned(),
        };
        if let Ok(at) = text.parse::<Timestamp>() {
            return at;
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the value is finite, and out of range it saturates"
        )]
        match text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()) {
            Some(seconds) => Timestamp::from_millis((seconds * 1000.0).round() as i64),
            None => {
                let message = format!("`{text}` is not an instant");
                self.errors.push(
                    Problem::error("bad-time", at(path, "start_timestamp"), message)
                        .help("write seconds since the epoch or RFC 3339 such as `2026-11-22T15:04:05Z`"),
                );
                epoch
            }
        }
    }

    /// The elements of a list with their paths; none where there is no list.
    fn items<'v>(
        &mut self,
        map: &'v Map<String, Value>,
        path: &[Segment],
        key: &str,
    ) -> Vec<(&'v Value, Vec<Segment>)> {
        let path = at(path, key);
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else { return Vec::new() };
        let items = list(value, &path, &format!("`{key}`"), &mut self.errors);
        items.into_iter().flatten().enumerate().map(|(index, item)| (item, at(&path, index))).collect()
    }

    fn texts(&mut self, map: &Map<String, Value>, key: &str) -> Vec<String> {
        let mut out = Vec::new();
        for (value, path) in self.items(map, &[], key) {
            match value {
                Value::String(text) => out.push(text.clone()),
                Value::Number(number) => out.push(number.to_string()),
                other => {
                    let message = format!("An element of `{key}` must be a string, found {}", kind(other));
                    self.errors.push(Problem::error("wrong-type", path, message).label("expected a string"));
                }
            }
        }
        out
    }

    fn labels(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Labels {
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else { return Labels::new() };
        let path = at(path, key);
        let Some(entries) = mapping(value, &path, &format!("`{key}`"), &mut self.errors) else {
            return Labels::new();
        };
        let names: Vec<&String> = entries.keys().collect();
        names
            .into_iter()
            .map(|name| (name.clone(), self.text(entries, &path, name).unwrap_or_default()))
            .collect()
    }

    fn text(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Option<String> {
        read::scalar(map, path, key, &mut self.errors)
    }

    fn duration(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Option<Duration> {
        read::duration(map, path, key, &mut self.errors)
    }
}
