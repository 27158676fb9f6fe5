//! What `mainstay-learn` writes documentation of: filled here, from what is declared and from the journal, in the one
//! place that the command line uses without a server as well.

mod declared;
mod history;

use mainstay_declare::Declared;
use mainstay_learn::docs::{Documentation, Note, complete};

pub use history::{change, history};

/// A procedure, trigger or rule file that checked clean when it was declared and cannot be read now: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("{file} checked clean and cannot be documented: {reason}")]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// The first problem.
    pub reason: String,
}

/// The documentation of what files declare, with what people wrote about it. Nothing of what runs is in it.
pub fn documentation(declared: &Declared) -> Result<Documentation, Unreadable> {
    let subject = declared::subject(declared)?;
    let notes = declared
        .notes
        .iter()
        .map(|note| Note {
            file: note.path.clone(),
            about: note.about.clone(),
            text: note.text.clone(),
            describes: note.describes.clone(),
            parts: note.parts.clone(),
            ..Note::default()
        })
        .collect();
    Ok(complete(subject, notes))
}
