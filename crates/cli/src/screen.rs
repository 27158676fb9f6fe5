//! What goes to the terminal: data on stdout, everything else on stderr, colour only where it is wanted.

use std::io::{IsTerminal, Write as _};

use comfy_table::{Cell, Color, ContentArrangement, Table};
use serde::Serialize;

use crate::args::Output;
use crate::exit::{Exit, Failure};

/// How this call prints.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// For people or for scripts.
    pub output: Output,
    /// Colours for what goes to stdout.
    pub style: Style,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether there are colours.
    pub color: bool,
}

/// How good a state is, for its colour. The word always stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// On its way, or waiting.
    Busy,
    /// Needs someone.
    Bad,
    /// Not known.
    Unknown,
    /// Of less interest.
    Dim,
}

/// The tone of a state's word, whatever it is the state of.
pub fn tone(state: &str) -> Tone {
    match state {
        "applied" | "ready" | "on target" | "Success" | "resolved" | "inactive" | "connected" | "ok" => {
            Tone::Good
        }
        "rolled back" | "rollback failed" | "kept in part" | "failed" | "unhealthy" | "firing"
        | "off target" | "Failed" | "TimedOut" | "open" | "error" | "exited" | "OutcomeUnknown" | "lost"
        | "ERROR" | "FATAL" => Tone::Bad,
        "held" | "running" | "rolling back" | "started" | "starting" | "restarting" | "stopping"
        | "pending" | "InProgress" | "Waiting" | "Cancelling" | "WARN" | "waiting" => Tone::Busy,
        "unknown" | "no data" | "no_data" | "not evaluated" => Tone::Unknown,
        _ => Tone::Dim,
    }
}

impl Style {
    /// Text in a tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "1;31",
            Tone::Unknown => "35",
            Tone::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A state's word in its colour.
    pub fn state(self, word: &str) -> String {
        self.paint(tone(word), word)
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        if self.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A part of a table: plain text, or a state's word.
#[derive(Clone, Debug)]
pub enum Field {
    /// Text.
    Text(String),
    /// A state's word, coloured by [`tone`].
    State(String),
}

impl<T: Into<String>> From<T> for Field {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// A table with a heading for each column, two spaces between them, and nothing else drawn.
pub fn table(style: Style, heads: &[&str], rows: Vec<Vec<Field>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    // Terminals of programs (`script`, some CI) say that they have no width at all.
    if table.width().is_some_and(|width| width < 20) {
        table.set_width(120);
    }
    let head = |text: &&str| {
        let cell = Cell::new(*text);
        if style.color { cell.add_attribute(comfy_table::Attribute::Dim) } else { cell }
    };
    table.set_header(heads.iter().map(head));
    for row in rows {
        table.add_row(row.into_iter().map(|field| match field {
            Field::Text(text) => Cell::new(clean(&text)),
            Field::State(word) => {
                let cell = Cell::new(clean(&word));
                match tone(&word) {
                    _ if !style.color => cell,
                    Tone::Good => cell.fg(Color::Green),
                    Tone::Busy => cell.fg(Color::Yellow),
                    Tone::Bad => cell.fg(Color::Red),
                    Tone::Unknown => cell.fg(Color::Magenta),
                    Tone::Dim => cell,
                }
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Text from elsewhere on one line, without anything that a terminal would take for a command.
pub fn clean(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Text from elsewhere that may have several lines.
pub fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// At most so many characters, with a sign that there were more.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// One or several, with the number.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// Whether what is written there has colors: on a terminal, unless `NO_COLOR` says otherwise.
pub fn is_colored(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Screen {
    /// From the options and the surroundings.
    pub fn new(output: Output) -> Self {
        let color = output == Output::Human && is_colored(&std::io::stdout());
        Self { output, style: Style { color } }
    }

    /// Whether it prints for scripts.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Writes text to stdout as it is.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                // Whoever read has read enough (`mainstay events | head`).
                Failure::said(Exit::Ok)
            } else {
                Failure::local("The output cannot be written", &error)
            }
        })
    }

    /// Writes a value as JSON, pretty, or what `human` makes of it.
    pub fn show<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.is_json() { self.json(value) } else { self.print(&human(value)) }
    }

    /// Writes a value as JSON, pretty.
    pub fn json<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::local("The answer cannot be written as JSON", &error))?;
        self.print(&format!("{text}\n"))
    }

    /// Writes a value as one line of JSON, for streams.
    pub fn json_line<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::local("The answer cannot be written as JSON", &error))?;
        self.print(&format!("{text}\n"))
    }
}

/// Says something on stderr: progress, hints. That nobody reads it is no failure.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_plain_and_aligned() {
        let rows = vec![
            vec!["payments".into(), Field::State("ready".to_owned()), "12".into()],
            vec!["x".into(), Field::State("failed".to_owned()), "".into()],
        ];
        let heads = ["SERVICE", "STATE", "PID"];
        assert_eq!(
            table(Style::default(), &heads, rows.clone()),
            "SERVICE   STATE   PID\npayments  ready   12\nx         failed\n"
        );
        assert!(table(Style { color: true }, &heads, rows).contains("\u{1b}["));
    }

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{9b}d \n"), "a\u{fffd}[2Jb c\u{fffd}d");
        assert_eq!(clean_lines("a\n\x07b"), "a\n\u{fffd}b");
        assert_eq!((shorten("abcdef", 4), shorten("abc", 4)), ("abc…".to_owned(), "abc".to_owned()));
    }
}
