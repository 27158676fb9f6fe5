//! Any text as a query over a small store. `cargo +nightly fuzz run query -- -dict=promql.dict -max_len=4096 -timeout=20`
#![no_main]

#[path = "../../tests/fuzz/checks.rs"]
mod checks;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mainstay_promql::MemorySeries;

static STORE: LazyLock<MemorySeries> = LazyLock::new(checks::store);

fuzz_target!(|text: &str| {
    if text.len() <= checks::MOST_BYTES {
        checks::query(&STORE, text);
    }
});
