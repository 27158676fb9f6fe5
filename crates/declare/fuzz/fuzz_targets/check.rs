//! Any bytes as any file of a workload or of a standard: an answer, no panic, and every place inside of its file.
//!
//! `cargo +nightly fuzz run check corpus ../tests/invalid ../tests/valid` in `crates/declare/fuzz`. The same without a
//! fuzzer is `DECLARE_FUZZ_SECONDS=600 cargo test -p mainstay-declare --test robust for_a_time`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_declare::{SourceFile, declare};

#[path = "../../tests/languages/mod.rs"]
mod languages;

/// Each kind of file, alone and below a standard.
const PATHS: [&str; 9] = [
    "mainstay.yaml",
    "runbooks/a.yaml",
    "runbooks/b.json",
    "alarms/a.yaml",
    "triggers/a.yaml",
    "docs/a.md",
    "standards/base/standard.yaml",
    "standards/base/alarms/a.yaml",
    "standards/base/runbooks/a.yaml",
];

/// What stands beside a file of a standard, so that it is read.
const WORKLOAD: &str = "workload: shop\ncomponents: { checkout: {} }\nstandards:\n  - { name: base, path: ../base, \
    parameters: { slow: 2s, count: 3 } }\noverrides:\n  - { standard: base, kind: alarm, name: Down, because: ours }\n";
const STANDARD: &str = "standard: base\nversion: 1\nparameters:\n  slow: { type: duration, default: 1s }\n  count: { type: number }\n";

fn answer(files: &[(&str, &[u8])]) {
    let files: Vec<SourceFile> = files
        .iter()
        .map(|(path, bytes)| SourceFile { path: (*path).to_owned(), bytes: bytes.to_vec() })
        .collect();
    let outcome = declare(&files, &languages::Few);
    assert_eq!(outcome.declared.is_some(), !outcome.has_errors());
    for diagnostic in &outcome.diagnostics {
        let text = outcome.sources.get(&diagnostic.path).map_or("", String::as_str);
        assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    for path in PATHS {
        match path.strip_prefix("standards/base/") {
            None => answer(&[(path, bytes)]),
            Some("standard.yaml") => answer(&[("mainstay.yaml", WORKLOAD.as_bytes()), (path, bytes)]),
            Some(_) => answer(&[
                ("mainstay.yaml", WORKLOAD.as_bytes()),
                ("standards/base/standard.yaml", STANDARD.as_bytes()),
                (path, bytes),
            ]),
        }
    }
    // Two files that refer to each other, divided by a zero byte.
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let (first, second) = (&bytes[..at], &bytes[at + 1..]);
        answer(&[("mainstay.yaml", first), ("standards/base/standard.yaml", second)]);
        answer(&[("mainstay.yaml", first), ("triggers/a.yaml", second)]);
        answer(&[("mainstay.yaml", WORKLOAD.as_bytes()), ("alarms/a.yaml", first), ("docs/a.md", second)]);
    }
});
