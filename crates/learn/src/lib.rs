//! What an incident teaches: its timeline in sentences, how long its stages took, and a draft of its analysis.
//!
//! Everything is read from the journal's events and from nothing else, so that the same events give the same text, and
//! each statement names the record that proves it. What the journal does not say is called unknown, and what only
//! people can say is left to them as a question.

mod added;
mod case;
pub mod docs;
mod draft;
mod lessons;
mod markdown;
mod sentence;
#[cfg(test)]
mod tests;
mod times;

pub use added::adds;
pub use case::{Case, Entry, timeline};
pub use draft::{Context, draft};
pub use lessons::suggestions;
pub use sentence::{number, sentence};
pub use times::{Moment, Times, times};
