//! Charges cards, each order once (port 8103).

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::program::main("payments", shop::payments::start)
}
