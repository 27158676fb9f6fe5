//! Rule files in wide use.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::{Data, Labels, Queries, Rule, RuleFile, Sample};
use mainstay_model::Timestamp;
use serde_json::Value;

mod common;

/// Reads all rule files of a folder and counts their rules.
fn load(corpus: &str, below: &str, endings: &[&str]) -> Option<(usize, usize)> {
    let folder = common::corpus(corpus)?.join(below);
    let (mut files, mut rules) = (0, 0);
    for path in common::files(&folder, endings) {
        let documents = common::yaml(&common::read(&path));
        for value in documents {
            let name = common::name(&path);
            if value.get("groups").is_none() && value["kind"] != "PrometheusRule" {
                println!("no rule file: {name}");
                continue;
            }
            let file = RuleFile::parse(&value).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
            let count: usize = file.groups.iter().map(|group| group.rules.len()).sum();
            files += 1;
            rules += count;
        }
    }
    println!("{corpus}: {rules} rules in {files} files");
    Some((files, rules))
}

#[test]
fn rule_files_in_wide_use_load() {
    for (corpus, below, endings, least) in [
        ("alerts-awesome", "", &[".yml", ".yaml"][..], (84, 700)),
        ("alerts-kube-prometheus", "manifests", &["Rule.yaml"], (8, 150)),
        ("mixin-kubernetes", "", &["_alerts.yaml", "_rules.yaml"], (2, 80)),
    ] {
        if let Some(found) = load(corpus, below, endings) {
            assert!(found.0 >= least.0 && found.1 >= least.1, "{corpus}: {found:?}");
        }
    }
}

/// Answers every query with one series.
struct One;

impl Queries for One {
    fn instant(&self, query: &str, _at: Timestamp) -> Result<Vec<Sample>, String> {
        mainstay_promql::parse(query).map_err(|errors| format!("{query}: {errors:?}"))?;
        Ok(vec![Sample::new([("__name__", "m"), ("instance", "web-1:9100")], 0.25)])
    }
}

/// Every label and annotation of theirs is a template that expands, also with labels that are missing.
#[test]
fn templates_in_wide_use_expand() {
    let (mut expanded, mut failed) = (0, Vec::new());
    for corpus in ["alerts-awesome", "alerts-kube-prometheus", "mixin-kubernetes"] {
        let Some(folder) = common::corpus(corpus) else { continue };
        for path in common::files(&folder, &[".yml", ".yaml"]) {
            let documents = common::yaml(&common::read(&path));
            let files = documents.iter().filter(|value| {
                value.get("groups").is_some_and(Value::is_array) || value["kind"] == "PrometheusRule"
            });
            for file in files.filter_map(|value| RuleFile::parse(value).ok()) {
                for rule in file.groups.iter().flat_map(|group| &group.rules) {
                    let Rule::Alerting(rule) = rule else { continue };
                    for (name, template) in rule.labels.iter().chain(&rule.annotations) {
                        let data = Data {
                            labels: &Labels::new(),
                            value: 0.25,
                            external_labels: &Labels::new(),
                            external_url: "http://localhost:7600",
                            now: Timestamp::from_millis(1_700_000_000_000),
                            queries: &One,
                        };
                        expanded += 1;
                        if let Err(error) = template.expand(&data) {
                            failed.push(format!("{}: {} {name}: {error}", common::name(&path), rule.alert));
                        }
                    }
                }
            }
        }
    }
    println!("{expanded} templates expand");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn bad_files_are_refused_for_their_reason() {
    let Some(folder) = common::corpus("promql-prometheus") else { return };
    let read = |path: &str| common::yaml(&common::read(&folder.join(path))).remove(0);
    let refused = |value: &Value| {
        let problems = RuleFile::parse(value).expect_err("a bad file");
        problems.iter().map(|problem| format!("{}: {problem}", problem.code)).collect::<Vec<_>>().join("\n")
    };
    let text = refused(&read("rules/fixtures/invalid_rules.yaml"));
    assert_eq!(
        text,
        "unknown-key: groups[0].rules[0].unexpected_field: A rule has no key `unexpected_field`"
    );
    let text = refused(&read("cmd/promtool/testdata/rules-bad.yml"));
    assert_eq!(text, "bad-template: groups[0].rules[0].annotations.summary: There is no variable `$label`");
    let text = refused(&read("cmd/promtool/testdata/rules_extrafields.yml"));
    assert!(text.contains("groups[0].namespace") && text.contains("groups[1].ownership"), "{text}");
    for (path, duplicates) in [
        ("cmd/promtool/testdata/rules_duplicates.yml", 1),
        ("cmd/promtool/testdata/prometheus-rules.lint.yml", 1),
        ("cmd/promtool/testdata/rules.yml", 0),
    ] {
        let file = RuleFile::parse(&read(path)).unwrap_or_else(|problems| panic!("{path}: {problems:?}"));
        let found = file.warnings.iter().filter(|warning| warning.code == "duplicate-rule").count();
        assert_eq!(found, duplicates, "{path}");
    }
}
