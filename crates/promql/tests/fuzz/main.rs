//! Mutations of queries and scripts against the engine, on the compiler the product is built with.
//!
//! The targets in `fuzz/` are guided by coverage and need a nightly compiler; this test needs nothing and runs with the
//! others. `MAINSTAY_FUZZ_SECONDS` makes it run for longer, `MAINSTAY_FUZZ_SEED` from another place.

mod checks;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mutate::Mutator;

/// Inputs of each kind when no time is given.
const INPUTS: usize = 1_500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long to look for failures is asked in seconds of this machine"
)]
fn elapsed_since_start() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// Runs `check` on mutations of `seeds` until the budget is spent; a failure names the input and the seed.
fn run(seeds: Vec<String>, check: impl Fn(&str)) {
    let seed = number("MAINSTAY_FUZZ_SEED").unwrap_or(0x5eed);
    let budget = number("MAINSTAY_FUZZ_SECONDS").map(Duration::from_secs);
    let begin = elapsed_since_start();
    let mut mutator = Mutator::new(seed, seeds);
    let mut done = 0;
    loop {
        let over = match budget {
            Some(budget) => elapsed_since_start().saturating_sub(begin) > budget,
            None => done >= INPUTS,
        };
        if over {
            break;
        }
        let text = mutator.next(checks::MOST_BYTES);
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&text)));
        assert!(outcome.is_ok(), "input {done} of seed {seed:#x} fails: {text:?}");
        done += 1;
    }
    println!("{done} inputs");
}

#[test]
fn no_query_panics_or_runs_away() {
    let store = checks::store();
    run(mutate::queries(), |text| checks::query(&store, text));
}

#[test]
fn no_script_panics_or_runs_away() {
    run(mutate::scripts(), checks::script);
}

/// What earlier runs found, kept so that it stays fixed.
#[test]
fn what_was_found_stays_fixed() {
    let store = checks::store();
    for text in FOUND_QUERIES {
        checks::query(&store, text);
    }
    for text in FOUND_SCRIPTS {
        checks::script(text);
    }
}

const FOUND_QUERIES: &[&str] = &[
    // Labels that double, and scalars that nest over a long grid.
    r#"label_replace(label_replace(b, "a", "$1$1$1$1$1$1$1$1", "job", "(.*)"), "a", "$1$1", "a", "(.*)")"#,
    "sum_over_time(vector(1 + (time() + (time() + (time() + time()))))[40y:1s])",
];

const FOUND_SCRIPTS: &[&str] = &[
    "load 1m\n  m 1x18446744073709551615\n",
    "load 1m\n  m {{count:1}}x18446744073709551615\n",
    "load 1m\n  m {{count:1}}+{{count:1}}x18446744073709551615\n",
    "load 1m\n  m@st 1mx18446744073709551615\n  m 1\n",
];
