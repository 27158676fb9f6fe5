//! Runs the scripts that Prometheus ships for its own engine and holds the number of failures per file to a
//! list that may only become shorter.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mainstay_promql::testscript;

/// How many evaluations of each file fail. A file that is not listed must pass as a whole.
const KNOWN_FAILURES: &[(&str, usize)] = &[];

fn corpora() -> PathBuf {
    std::env::var_os("MAINSTAY_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

#[test]
fn prometheus_testdata() {
    let folder = corpora().join("promql-prometheus/testdata");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no corpora");
        return;
    };
    let known: BTreeMap<&str, usize> = KNOWN_FAILURES.iter().copied().collect();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("folder lists").path()).collect();
    files.sort();
    let only = std::env::var("PROMQL_FILE").ok();
    let (mut passed, mut failed, mut worse) = (0, 0, Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "test")) {
        let name = file.file_name().expect("file has a name").to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.starts_with(only.as_str())) {
            continue;
        }
        let text = std::fs::read_to_string(file).expect("file reads");
        let report = testscript::run(&text);
        println!("{name:<28} {:>4} passed {:>4} failed", report.passed(), report.failed());
        for outcome in report.outcomes.iter() {
            if let Some(failure) = &outcome.failure {
                println!("    {name}:{}: {}\n        {failure}", outcome.line, outcome.expr);
            }
        }
        passed += report.passed();
        failed += report.failed();
        let allowed = known.get(name.as_str()).copied().unwrap_or(0);
        if report.failed() != allowed {
            worse.push(format!("{name}: {} failed, the list says {allowed}", report.failed()));
        }
    }
    println!("{passed} passed, {failed} failed");
    assert!(worse.is_empty() || only.is_some(), "{}", worse.join("\n"));
}
