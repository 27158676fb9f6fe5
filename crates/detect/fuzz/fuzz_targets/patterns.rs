//! Any bytes as patterns, one on each line, and as an event, the last line.
//! `cargo +nightly fuzz run patterns -- -max_len=4096 -timeout=20`
#![no_main]

#[path = "../../tests/fuzz/checks.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| checks::lines(bytes));
