//! Any bytes as any file of a workload: an answer, no panic, and every place inside of its file.
//!
//! `cargo +nightly fuzz run check corpus ../tests/invalid ../tests/valid` in `crates/declare/fuzz`. The same without a
//! fuzzer is `DECLARE_FUZZ_SECONDS=600 cargo test -p mainstay-declare --test robust for_a_time`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_declare::{SourceFile, declare};

#[path = "../../tests/languages/mod.rs"]
mod languages;

const PATHS: [&str; 5] =
    ["mainstay.yaml", "runbooks/a.yaml", "runbooks/b.json", "alarms/a.yaml", "triggers/a.yaml"];

fuzz_target!(|bytes: &[u8]| {
    for path in PATHS {
        let file = SourceFile { path: path.to_owned(), bytes: bytes.to_vec() };
        let outcome = declare(&[file], &languages::Few);
        assert_eq!(outcome.declared.is_some(), !outcome.has_errors());
        for diagnostic in &outcome.diagnostics {
            let text = outcome.sources.get(&diagnostic.path).map_or("", String::as_str);
            assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        }
    }
});
