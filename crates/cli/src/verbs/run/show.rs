//! How a run is shown while it goes on: drawn on a terminal, as lines elsewhere, as JSON for scripts. The same for a run
//! of the server and one of this process.

use std::io::IsTerminal as _;

use mainstay_api::v1::{EventView, OutputView, RunDetail};
use serde_json::json;

use super::board::{self, Frame};
use super::family::Children;
use super::record;
use crate::canvas::{self, Canvas};
use crate::exit::Failure;
use crate::screen::{Screen, Style, say};
use crate::sentence;
use crate::time::{clock, now};

/// How often a run is drawn while nothing happens, so that its seconds go on.
pub const REDRAW: std::time::Duration = std::time::Duration::from_millis(150);

/// The events that whoever waits wants to see as lines.
const TOLD: [&str; 6] = [
    "run.attempt.started",
    "run.loop.iterating",
    "run.step.finished",
    "run.waiting",
    "run.cancelling",
    "run.finished",
];

enum How {
    Drawn { canvas: Canvas, style: Style, lines: Vec<String> },
    Lines,
    Json,
}

/// A run on its way to the person or the script.
pub struct Show {
    screen: Screen,
    here: bool,
    how: How,
}

impl Show {
    /// For this call. `here` says that the run goes on in this process.
    pub fn new(screen: Screen, here: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let how = if screen.is_json() {
            How::Json
        } else if dumb || !std::io::stderr().is_terminal() {
            How::Lines
        } else {
            let style = Style { color: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) };
            How::Drawn { canvas: Canvas::default(), style, lines: Vec::new() }
        };
        Self { screen, here, how }
    }

    /// Whether it is drawn.
    pub fn is_drawn(&self) -> bool {
        matches!(self.how, How::Drawn { .. })
    }

    /// An event of the run has happened.
    pub fn event(&self, event: &EventView) -> Result<(), Failure> {
        match self.how {
            How::Json => self.screen.json_line(event),
            How::Lines if TOLD.contains(&event.kind.as_str()) => {
                say(&format!("  {}  {}", clock(event.time), sentence::of(event)));
                Ok(())
            }
            How::Lines | How::Drawn { .. } => Ok(()),
        }
    }

    /// The run as it is now.
    pub fn draw(&mut self, run: &RunDetail, children: &Children, outputs: &[OutputView]) {
        if let How::Drawn { canvas, style, lines } = &mut self.how {
            let frame = Frame { now: now(), style: *style, size: canvas::size(), here: self.here };
            *lines = board::draw(run, children, outputs, frame);
            canvas.draw(lines);
        }
    }

    /// Something to be said beside it, on stderr.
    pub fn say(&mut self, text: &str) {
        match &mut self.how {
            How::Drawn { canvas, lines, .. } if !lines.is_empty() => canvas.say(text, lines),
            _ => say(text),
        }
    }

    /// From here on something else writes; a drawing that follows begins below it.
    pub fn leave(&mut self) {
        if let How::Drawn { canvas, lines, .. } = &mut self.how {
            canvas.leave();
            lines.clear();
        }
    }

    /// The run is over, or is left: its record is the answer.
    pub fn end(&mut self, run: &RunDetail, children: &Children) -> Result<(), Failure> {
        self.draw(run, children, &[]);
        match self.how {
            How::Json => self.screen.json_line(&json!({ "run": run })),
            // What stands on the same terminal already need not stand there twice.
            How::Drawn { .. } if std::io::stdout().is_terminal() => {
                self.screen.print(&record::outputs(run, self.screen.style))
            }
            How::Drawn { .. } | How::Lines => {
                self.screen.print(&record::render(run, children, now(), self.screen.style))
            }
        }
    }
}
