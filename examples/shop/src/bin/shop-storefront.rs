//! The shop's front: shows the catalogue and takes orders (port 8101).

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::program::main("storefront", shop::storefront::start)
}
