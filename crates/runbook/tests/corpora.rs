//! Every Automation document of the corpora is accepted, or refused for reasons that are counted here.

mod common;

use std::collections::BTreeMap;

use mainstay_model::Severity;
use mainstay_runbook::Document;
use serde_json::Value;

#[test]
fn every_automation_document_is_accepted_or_refused_for_a_reason() {
    let Some(root) = common::corpora() else { return };
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let (mut accepted, mut later, mut wrong) = (0, 0, 0);
    let verbose = std::env::var_os("VERBOSE").is_some();
    for folder in ["ssm-awsdocs", "ssm-awslabs", "ssm-asr", "ssm-digito", "ssm-agent"] {
        for path in common::files(&root.join(folder)) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let value = match path.extension().and_then(|ext| ext.to_str()) {
                Some("json") => serde_json::from_str(&text).map_err(|error| error.to_string()),
                Some("yaml" | "yml") => common::yaml(&text),
                _ => continue,
            };
            let Ok(value) = value else { continue };
            let version = value.get("schemaVersion");
            if !matches!(version, Some(Value::String(text)) if text == "0.3")
                && version.and_then(Value::as_f64) != Some(0.3)
            {
                continue;
            }
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            match Document::parse(&value) {
                Ok(document) => {
                    accepted += 1;
                    for warning in &document.warnings {
                        *tally.entry(format!("warning {}", warning.code)).or_default() += 1;
                        if verbose {
                            println!("W {name}: {} {warning}", warning.code);
                        }
                    }
                    if verbose {
                        println!("ok {name}");
                    }
                }
                Err(problems) => {
                    let errors: Vec<_> =
                        problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
                    assert!(!errors.is_empty(), "{name} is refused without an error");
                    if errors.iter().all(|problem| problem.code == "not-built") {
                        later += 1;
                    } else {
                        wrong += 1;
                    }
                    for problem in errors {
                        *tally.entry(problem.code.to_owned()).or_default() += 1;
                        if verbose {
                            println!("{} {name}: {problem} [{:?}]", problem.code, problem.help);
                        }
                    }
                }
            }
        }
    }
    println!("{accepted} accepted, {later} refused as not built, {wrong} refused as wrong: {tally:#?}");
    assert!(accepted + later + wrong > 200, "the corpora hold Automation documents");
}

#[test]
fn the_procedures_of_the_example_are_accepted_without_a_warning() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/runbooks");
    let files = common::files(&folder);
    assert!(!files.is_empty(), "the example has procedures");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        let problems = match Document::parse(&common::value(&text)) {
            Ok(document) => document.warnings,
            Err(problems) => problems,
        };
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    }
}
