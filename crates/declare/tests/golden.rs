//! Folders of invalid samples, each with the text that people see, and of valid ones that must check clean.
//!
//! `UPDATE=1 cargo test -p mainstay-declare --test golden` writes the texts anew; read the difference before it is
//! committed. A sample is a folder of files beside `expected.txt`; `check/` in it holds files that are checked one by
//! one. Bytes that cannot stand in a text file are written by the test itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mainstay_declare::{CODES, Diagnostic, SourceFile, check_file, declare};
use mainstay_model::Severity;

#[path = "../../cli/src/diagnostics.rs"]
mod diagnostics;
mod languages;

use languages::Few;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn subfolders(of: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = std::fs::read_dir(of)
        .expect("a folder of samples")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    out.sort();
    out
}

fn files(root: &Path, at: &Path, out: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(at).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(root, &path, out);
        } else if path.file_name().is_some_and(|name| name != "expected.txt") {
            let relative = path.strip_prefix(root).expect("inside").to_string_lossy().replace('\\', "/");
            out.push(SourceFile { path: relative, bytes: std::fs::read(&path).expect("readable") });
        }
    }
}

/// Both ends of every span stand on characters of the file, and positions fit them.
fn check_places(diagnostics: &[Diagnostic], sources: &BTreeMap<String, String>) {
    for diagnostic in diagnostics {
        let text = sources.get(&diagnostic.path).map_or("", String::as_str);
        assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        assert!(diagnostic.start <= diagnostic.end, "{diagnostic:?}");
        assert!(!diagnostic.message.ends_with('.'), "{diagnostic:?}");
        for related in &diagnostic.related {
            let text = sources.get(&related.path).map_or("", String::as_str);
            assert!(text.get(related.span.clone()).is_some(), "{related:?}");
        }
    }
}

fn run(sample: &Path) -> (Vec<Diagnostic>, BTreeMap<String, String>) {
    let single = sample.join("check");
    let mut all = Vec::new();
    if single.is_dir() {
        files(&single, &single, &mut all);
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let mut diagnostics = Vec::new();
        let mut sources = BTreeMap::new();
        for file in &all {
            let outcome = check_file(file, None, &Few);
            let clean = outcome.diagnostics.iter().all(|d| d.severity == Severity::Warning);
            assert_eq!(outcome.content.is_some(), clean, "{}", file.path);
            diagnostics.extend(outcome.diagnostics);
            sources.extend(outcome.sources);
        }
        return (diagnostics, sources);
    }
    files(sample, sample, &mut all);
    let outcome = declare(&all, &Few);
    assert_eq!(outcome.declared.is_none(), outcome.has_errors(), "{}", sample.display());
    (outcome.diagnostics, outcome.sources)
}

#[test]
fn invalid_samples_are_answered_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let samples = subfolders(&folder("invalid"));
    assert!(samples.len() >= 60, "{} samples", samples.len());
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for sample in samples {
        let (diagnostics, sources) = run(&sample);
        check_places(&diagnostics, &sources);
        seen.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
        let text = diagnostics::render(&diagnostics, &sources, false);
        assert_eq!(diagnostics::to_json(&diagnostics).as_array().map(Vec::len), Some(diagnostics.len()));
        assert!(!text.is_empty(), "{} has no problem", sample.display());
        let expected_path = sample.join("expected.txt");
        if update {
            std::fs::write(&expected_path, &text).expect("writable");
        } else if std::fs::read_to_string(&expected_path).unwrap_or_default() != text {
            wrong.push(format!("=== {}\n{text}", sample.display()));
        }
    }
    assert!(wrong.is_empty(), "these samples are answered otherwise:\n{}", wrong.join("\n"));
    // What a text file cannot hold is covered by tests of its own.
    let elsewhere =
        ["control-character", "invalid-utf8", "too-large", "too-many-problems", "too-many-aliases"];
    let missing: Vec<_> = CODES
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !seen.contains(code) && !elsewhere.contains(code))
        .collect();
    assert!(missing.is_empty(), "no sample shows {missing:?}");
}

#[test]
fn valid_samples_are_declared() {
    for sample in subfolders(&folder("valid")) {
        let (diagnostics, sources) = run(&sample);
        assert!(diagnostics.is_empty(), "{}", diagnostics::render(&diagnostics, &sources, false));
    }
}

/// Every code that the sources of this crate use is explained, in order, and each explained one is used.
#[test]
fn codes_are_explained() {
    let codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert!(codes.is_sorted() && codes.windows(2).all(|pair| pair[0] != pair[1]));
    let mut text = String::new();
    let mut stack = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(at) = stack.pop() {
        for entry in std::fs::read_dir(at).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                // The texts about codes speak of them without raising them.
                if path.file_name().is_some_and(|name| name != "explain") {
                    stack.push(path);
                }
            } else if path.file_name().is_some_and(|name| name != "tests.rs" && name != "diagnostic.rs") {
                let source = std::fs::read_to_string(&path).expect("readable");
                text.push_str(source.split("#[cfg(test)]").next().unwrap_or_default());
            }
        }
    }
    let is_code = |word: &&str| {
        word.contains('-')
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !word.starts_with('-')
    };
    // Words in kebab case that are not codes.
    let words = [
        "on-failure",
        "component-definition",
        "system-security-plan",
        "standard-use",
        "standard-override",
        "tag-rule",
        "cost-center",
        "hmac-sha256-base64",
        "hmac-sha256-hex",
        "content-type",
        "webhook-signature",
        "x-hub-signature-256",
    ];
    let used: BTreeSet<&str> = text.split('"').filter(is_code).filter(|word| !words.contains(word)).collect();
    let explained: BTreeSet<&str> = codes.iter().copied().filter(|code| *code != "syntax").collect();
    assert_eq!(used, explained);
}
