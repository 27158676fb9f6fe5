//! `mainstay help`.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::screen::Screen;

/// Explains a verb, or the exit codes.
pub fn run(screen: Screen, topic: &[String]) -> Result<(), Failure> {
    if topic == ["exit-codes"] {
        return screen.print(EXIT_CODES);
    }
    let mut root = Cli::command();
    root.build();
    let mut command = &mut root;
    for word in topic {
        let known: Vec<String> = command
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
            .map(|verb| verb.get_name().to_owned())
            .collect();
        command = match command.find_subcommand_mut(word) {
            Some(found) => found,
            None => {
                let near = mainstay_model::problem::nearest(word, known.iter().map(String::as_str));
                let hint = near.map_or_else(
                    || {
                        "`mainstay help` lists the verbs; `mainstay help exit-codes` the exit codes"
                            .to_owned()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(Failure::new(Exit::Usage, format!("There is no verb `{word}`")).hint(hint));
            }
        };
    }
    screen.print(&command.render_long_help().to_string())
}
