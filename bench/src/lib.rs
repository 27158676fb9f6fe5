//! Measurements of Mainstay beside a plain baseline, on the same machine in one run. The measurements are in `benches/`;
//! `cargo bench -p mainstay-bench --bench journal` runs one.

pub mod process;
