//! `mainstay schema`.

use crate::args::SchemaOf;
use crate::exit::Failure;
use crate::screen::Screen;

/// Prints a JSON Schema. It is JSON with `--output json` and without.
pub fn run(screen: Screen, of: SchemaOf) -> Result<(), Failure> {
    screen.json(&match of {
        SchemaOf::Workload => mainstay_declare::schema::workload(),
        SchemaOf::Standard => mainstay_declare::schema::standard(),
    })
}
