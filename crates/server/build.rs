//! Watches the built console, so that it is embedded anew when it was built anew, and nothing is done when it was not.

use std::fs;
use std::path::Path;

fn main() {
    // Cargo runs this in the package's own folder, in whichever checkout that is now.
    let console = Path::new("../../console");
    let built = console.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A folder that is not there cannot be watched without running this each time; an empty one can. Where it cannot be
    // made (sources that may not be written to) there is nothing to embed, and nothing to watch.
    if console.is_dir() && (built.is_dir() || fs::create_dir(&built).is_ok()) {
        println!("cargo::rerun-if-changed=../../console/dist");
    }
}
