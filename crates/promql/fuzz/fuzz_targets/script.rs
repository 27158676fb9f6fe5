//! Any text as a test script. `cargo +nightly fuzz run script -- -dict=promql.dict -max_len=4096 -timeout=20`
#![no_main]

#[path = "../../tests/fuzz/checks.rs"]
#[allow(dead_code)]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if text.len() <= checks::MOST_BYTES {
        checks::script(text);
    }
});
