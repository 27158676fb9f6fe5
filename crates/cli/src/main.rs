//! The `mainstay` binary: what people type, what they see, and what scripts can rely on.
//!
//! Verbs are thin: they ask the server (or read files), and hand values to functions that only turn values into text.
//! Failures are classified in one place, [`exit`].

mod args;
mod exit;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Verb};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == "shim")
        && let (Some(dir), None) = (arguments.next(), arguments.next())
    {
        // One of these lives for each service: it takes no more memory than it must.
        return mainstay_agent::shim::main(std::path::Path::new(&dir));
    }
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", failure.render(color));
            failure.exit.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    match &cli.verb {
        Verb::Version => {
            println!("mainstay {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        _ => Err(Failure::new(Exit::Local, "This verb is not built yet")),
    }
}
