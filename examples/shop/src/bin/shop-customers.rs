//! People who browse and buy at a steady rate (port 8104).

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::program::main("customers", shop::customers::start)
}
