//! Takes an order, charges the card and confirms the order (port 8102).

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::program::main("checkout", shop::checkout::start)
}
