//! Measurements of Mainstay beside a plain baseline, on the same machine in one run. The measurements are in `benches/`;
//! `cargo bench -p mainstay-bench --bench journal` runs one.

pub mod process;

/// The allocator of the binary, so that what is measured is what is used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::str::FromStr;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The setting in the environment variable of this name, or this one if it is not set. One that cannot be read is an
/// error, so that nothing is measured with settings that nobody asked for.
pub fn variable<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    otherwise: T,
) -> Result<T, Failure> {
    Ok(match std::env::var(name) {
        Ok(text) => text.parse()?,
        Err(_) => otherwise,
    })
}

/// The value in the middle, the upper one of two; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
