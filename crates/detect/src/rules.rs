//! Prometheus rule files: groups of recording and alerting rules.
//!
//! Read from a JSON value, as plain rule files (`groups:`) or as a Kubernetes `PrometheusRule` manifest
//! (`spec.groups`). The checks are those of Prometheus' own loader. Names are checked as Prometheus 3 does, where any
//! UTF-8 is a name; a name outside the classic alphabet is a warning, for it is a slip more often than not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainstay_model::{Problem, Segment, parse_duration};
use serde_json::{Map, Value};

use crate::Labels;
use crate::expr;
use crate::read::{self, at, list, mapping, unknown_keys};
use crate::template::Template;

/// A rule file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleFile {
    /// Its groups, in file order; names are unique.
    pub groups: Vec<RuleGroup>,
    /// What is probably not meant but works.
    pub warnings: Vec<Problem>,
}

/// Rules that are evaluated one after another at the same instant.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleGroup {
    /// Unique in its file.
    pub name: String,
    /// How often it is evaluated; `None` takes the default of the server.
    pub interval: Option<Duration>,
    /// How far before the time of evaluation queries look and series are written; `None` takes the default.
    pub query_offset: Option<Duration>,
    /// The most results a rule may have; more is an error of that rule. 0 is no limit.
    pub limit: usize,
    /// Labels that each rule's own are laid over.
    pub labels: Labels,
    /// The rules, in order of evaluation.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Writes its result as a series.
    Recording(RecordingRule),
    /// Holds an alarm over its result.
    Alerting(AlertingRule),
}

/// A rule whose result becomes a series.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingRule {
    /// The metric name of what is written.
    pub record: String,
    /// PromQL.
    pub expr: String,
    /// Labels laid over those of the result; an empty value takes a label away.
    pub labels: Labels,
}

/// A rule whose result is a set of alarms.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertingRule {
    /// The alarm's name.
    pub alert: String,
    /// PromQL; every series it answers is an instance of the alarm.
    pub expr: String,
    /// How long it has to hold before it fires.
    pub hold: Duration,
    /// How long it keeps firing after it no longer holds.
    pub keep_firing_for: Duration,
    /// Labels laid over those of the result.
    pub labels: BTreeMap<String, Template>,
    /// What people are told.
    pub annotations: BTreeMap<String, Template>,
}

impl Rule {
    /// The alarm's or the series' name.
    pub fn name(&self) -> &str {
        match self {
            Self::Recording(rule) => &rule.record,
            Self::Alerting(rule) => &rule.alert,
        }
    }

    /// Its PromQL expression.
    pub fn expr(&self) -> &str {
        match self {
            Self::Recording(rule) => &rule.expr,
            Self::Alerting(rule) => &rule.expr,
        }
    }

    /// Its kind, name and labels.
    fn key(&self) -> String {
        let kind = if matches!(self, Self::Alerting(_)) { "alert" } else { "record" };
        let labels: Vec<String> =
            self.label_texts().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{kind}:{}{{{}}}", self.name(), labels.join(","))
    }

    /// Whether another rule is of the same kind, name and labels.
    fn is_named_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Alerting(a), Self::Alerting(b)) => a.alert == b.alert && a.labels == b.labels,
            (Self::Recording(a), Self::Recording(b)) => a.record == b.record && a.labels == b.labels,
            _ => false,
        }
    }

    /// Its labels as they are written, templates unexpanded.
    pub fn label_texts(&self) -> Labels {
        match self {
            Self::Recording(rule) => rule.labels.clone(),
            Self::Alerting(rule) => {
                rule.labels.iter().map(|(name, value)| (name.clone(), value.text().to_owned())).collect()
            }
        }
    }
}

impl RuleGroup {
    /// The names under which the state of the rules is kept while files change, in the order of the rules: kind, name and
    /// labels, and the number among equals.
    pub fn rule_keys(&self) -> Vec<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut keys = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let base = rule.key();
            let number = seen.entry(base.clone()).or_default();
            *number += 1;
            keys.push(numbered(base, *number));
        }
        keys
    }

    /// The name of one rule of [`RuleGroup::rule_keys`]; empty where there is no such rule.
    pub fn rule_key(&self, index: usize) -> String {
        let Some(rule) = self.rules.get(index) else { return String::new() };
        let before = self.rules[..index].iter().filter(|earlier| earlier.is_named_as(rule)).count();
        numbered(rule.key(), before + 1)
    }
}

fn numbered(key: String, number: usize) -> String {
    if number == 1 { key } else { format!("{key}#{number}") }
}

const FILE_KEYS: &[&str] = &["groups"];
const MANIFEST_KEYS: &[&str] = &["apiVersion", "kind", "metadata", "spec"];
const GROUP_KEYS: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE_KEYS: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

impl RuleFile {
    /// Reads a rule file. All problems are reported; an empty document is a file without groups.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::default();
        let groups = reader.file(value);
        if reader.errors.is_empty() {
            Ok(Self { groups, warnings: reader.warnings })
        } else {
            reader.errors.append(&mut reader.warnings);
            Err(reader.errors)
        }
    }
}

#[derive(Default)]
struct Reader {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader {
    fn file(&mut self, value: &Value) -> Vec<RuleGroup> {
        if value.is_null() {
            return Vec::new();
        }
        let Some(map) = mapping(value, &[], "A rule file", &mut self.errors) else { return Vec::new() };
        if map.get("kind").is_some_and(|kind| kind == "PrometheusRule") {
            unknown_keys(map, &[], MANIFEST_KEYS, "A PrometheusRule manifest", &mut self.errors);
            let path = [Segment::from("spec")];
            let Some(spec) = map.get("spec") else {
                self.errors.push(
                    Problem::error("missing-key", [], "A PrometheusRule manifest must have `spec`")
                        .help("add `spec: {groups: [...]}`"),
                );
                return Vec::new();
            };
            let Some(spec) = mapping(spec, &path, "`spec`", &mut self.errors) else { return Vec::new() };
            unknown_keys(spec, &path, FILE_KEYS, "`spec`", &mut self.errors);
            return self.groups(spec, &path);
        }
        unknown_keys(map, &[], FILE_KEYS, "A rule file", &mut self.errors);
        self.groups(map, &[])
    }

    fn groups(&mut self, map: &Map<String, Value>, path: &[Segment]) -> Vec<RuleGroup> {
        let path = at(path, "groups");
        let groups = match map.get("groups") {
            None | Some(Value::Null) => return Vec::new(),
            Some(value) => list(value, &path, "`groups`", &mut self.errors),
        };
        let mut names = BTreeSet::new();
        let mut out = Vec::new();
        for (index, value) in groups.into_iter().flatten().enumerate() {
            let path = at(&path, index);
            if let Some(group) = self.group(value, &path, &mut names) {
                out.push(group);
            }
        }
        out
    }

    fn group(&mut self, value: &Value, path: &[Segment], names: &mut BTreeSet<String>) -> Option<RuleGroup> {
        let map = mapping(value, path, "A group", &mut self.errors)?;
        unknown_keys(map, path, GROUP_KEYS, "A group", &mut self.errors);
        let name = self.scalar(map, path, "name").unwrap_or_default();
        if name.is_empty() {
            self.errors.push(match map.get("name") {
                None => Problem::error("missing-key", path, "A group must have a name").help("add `name:`"),
                Some(_) => Problem::error("bad-name", at(path, "name"), "A group's name must not be empty"),
            });
        } else if !names.insert(name.clone()) {
            self.errors.push(Problem::error(
                "duplicate-group",
                at(path, "name"),
                format!("The group name `{name}` is repeated in the same file"),
            ));
        }
        let labels = self.labels(map, path, "labels");
        let limit = match map.get("limit") {
            None | Some(Value::Null) => 0,
            Some(value) => match value.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
                Some(limit) => limit,
                None => {
                    self.errors.push(
                        Problem::error("wrong-type", at(path, "limit"), "`limit` must be a whole number")
                            .label("expected a whole number, 0 for no limit"),
                    );
                    0
                }
            },
        };
        let rules_path = at(path, "rules");
        let mut rules = Vec::new();
        if let Some(value) = map.get("rules").filter(|value| !value.is_null()) {
            let values = list(value, &rules_path, "`rules`", &mut self.errors);
            for (index, value) in values.into_iter().flatten().enumerate() {
                rules.extend(self.rule(value, &at(&rules_path, index)));
            }
        }
        let group = RuleGroup {
            name,
            interval: self.duration(map, path, "interval").filter(|interval| !interval.is_zero()),
            query_offset: self.duration(map, path, "query_offset"),
            limit,
            labels,
            rules,
        };
        self.duplicates(&group, &rules_path);
        Some(group)
    }

    /// Two rules of one name and labels write over each other's series, which is legal and seldom meant.
    fn duplicates(&mut self, group: &RuleGroup, path: &[Segment]) {
        for (index, key) in group.rule_keys().iter().enumerate() {
            if !key.ends_with('}') {
                self.warnings.push(Problem::warning(
                    "duplicate-rule",
                    at(path, index),
                    format!(
                        "The group `{}` already has a rule `{}` with these labels",
                        group.name,
                        group.rules[index].name()
                    ),
                ));
            }
        }
    }

    fn rule(&mut self, value: &Value, path: &[Segment]) -> Option<Rule> {
        let map = mapping(value, path, "A rule", &mut self.errors)?;
        unknown_keys(map, path, RULE_KEYS, "A rule", &mut self.errors);
        let record = self.scalar(map, path, "record").filter(|name| !name.is_empty());
        let alert = self.scalar(map, path, "alert").filter(|name| !name.is_empty());
        let expr = self.expr(map, path);
        match (record, alert) {
            (Some(_), Some(_)) => {
                self.errors.push(
                    Problem::error(
                        "record-and-alert",
                        at(path, "alert"),
                        "A rule has either `record` or `alert`, not both",
                    )
                    .on_key(),
                );
                None
            }
            (None, None) => {
                self.errors.push(
                    Problem::error("missing-key", path, "A rule must have `record` or `alert`")
                        .help("add `alert: NAME` or `record: NAME`"),
                );
                None
            }
            (Some(record), None) => self.recording(map, path, record, expr),
            (None, Some(alert)) => self.alerting(map, path, alert, expr),
        }
    }

    fn recording(
        &mut self,
        map: &Map<String, Value>,
        path: &[Segment],
        record: String,
        expr: Option<String>,
    ) -> Option<Rule> {
        for key in ["for", "keep_firing_for", "annotations"] {
            let empty = |value: &Value| {
                value.is_null() || value.as_object().is_some_and(Map::is_empty) || is_zero_duration(value)
            };
            if map.get(key).is_some_and(|value| !empty(value)) {
                self.errors.push(
                    Problem::error(
                        "alert-key-in-recording",
                        at(path, key),
                        format!("A recording rule has no `{key}`"),
                    )
                    .on_key()
                    .help("only rules with `alert` have it"),
                );
            }
        }
        if let Some(brace) = record.find(['{', '}']) {
            self.errors.push(
                Problem::error(
                    "bad-metric-name",
                    at(path, "record"),
                    format!("`{record}` is not a metric name"),
                )
                .within(brace..brace + 1)
                .help("labels go under `labels:`"),
            );
        } else if !is_classic(&record, true) {
            self.warnings.push(odd_name("bad-metric-name", at(path, "record"), &record, "metric"));
        }
        let labels = self.labels(map, path, "labels");
        Some(Rule::Recording(RecordingRule { record, expr: expr?, labels }))
    }

    fn alerting(
        &mut self,
        map: &Map<String, Value>,
        path: &[Segment],
        alert: String,
        expr: Option<String>,
    ) -> Option<Rule> {
        let hold = self.duration(map, path, "for").unwrap_or_default();
        let keep_firing_for = self.duration(map, path, "keep_firing_for").unwrap_or_default();
        let labels = self.templates(map, path, "labels");
        let annotations = self.templates(map, path, "annotations");
        Some(Rule::Alerting(AlertingRule { alert, expr: expr?, hold, keep_firing_for, labels, annotations }))
    }

    fn expr(&mut self, map: &Map<String, Value>, path: &[Segment]) -> Option<String> {
        if map.get("expr").is_none_or(Value::is_null) {
            self.errors.push(
                Problem::error("missing-key", path, "A rule must have `expr`")
                    .help("add `expr:` with a PromQL expression"),
            );
            return None;
        }
        let text = self.scalar(map, path, "expr")?;
        let found = expr::problems(&text);
        let valid = found.is_empty();
        for problem in found {
            let mut out =
                Problem::error("bad-expression", at(path, "expr"), problem.message).within(problem.span);
            out.help = problem.help;
            self.errors.push(out);
        }
        valid.then_some(text)
    }

    fn scalar(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Option<String> {
        read::scalar(map, path, key, &mut self.errors)
    }

    fn duration(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Option<Duration> {
        read::duration(map, path, key, &mut self.errors)
    }

    /// A mapping of names to texts, with the names checked.
    fn labels(&mut self, map: &Map<String, Value>, path: &[Segment], key: &str) -> Labels {
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else { return Labels::new() };
        let path = at(path, key);
        let Some(entries) = mapping(value, &path, &format!("`{key}`"), &mut self.errors) else {
            return Labels::new();
        };
        let mut out = Labels::new();
        for name in entries.keys() {
            if name.is_empty() || (name == "__name__" && key == "labels") {
                self.errors.push(
                    Problem::error(
                        "bad-label-name",
                        at(&path, name.as_str()),
                        format!("`{name}` cannot be used as a label name here"),
                    )
                    .on_key(),
                );
            } else if !is_classic(name, false) {
                self.warnings
                    .push(odd_name("bad-label-name", at(&path, name.as_str()), name, "label").on_key());
            }
            let text = self.scalar(entries, &path, name).unwrap_or_default();
            out.insert(name.clone(), text);
        }
        out
    }

    fn templates(
        &mut self,
        map: &Map<String, Value>,
        path: &[Segment],
        key: &str,
    ) -> BTreeMap<String, Template> {
        let mut out = BTreeMap::new();
        for (name, text) in self.labels(map, path, key) {
            match Template::parse(&text) {
                Ok(template) => {
                    out.insert(name, template);
                }
                Err(error) => {
                    let mut problem =
                        Problem::error("bad-template", at(&at(path, key), name.as_str()), error.message)
                            .within(error.span);
                    problem.help = error.help;
                    self.errors.push(problem);
                }
            }
        }
        out
    }
}

/// `0s` says nothing, so it may stand anywhere a duration may.
fn is_zero_duration(value: &Value) -> bool {
    value.as_str().is_some_and(|text| parse_duration(text) == Ok(Duration::ZERO)) || *value == 0
}

/// Whether a name needs no quotes in PromQL.
fn is_classic(name: &str, metric: bool) -> bool {
    let allowed = |c: char| c.is_ascii_alphabetic() || c == '_' || (metric && c == ':');
    name.starts_with(allowed) && name.chars().all(|c| allowed(c) || c.is_ascii_digit())
}

fn odd_name(code: &'static str, path: Vec<Segment>, name: &str, what: &str) -> Problem {
    Problem::warning(code, path, format!("The {what} name `{name}` must be quoted in every query"))
        .help("letters, digits and `_` need no quotes")
}
