//! Generated documentation: from what a workload declares, and what happened to it, to pages, one Markdown document
//! and one stable JSON document. Pure: whoever asks fills in a [`Documentation`] and gets files back.

use std::collections::BTreeMap;

mod complete;
mod diagram;
mod get;
mod html;
#[cfg(test)]
mod links;
mod prose;
mod subject;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use complete::{accepted, complete, subjects};
pub use get::{GetError, get};
pub use html::escape;
pub use subject::{
    About, Alarm, AlarmRule, Change, Choice, Component, Documentation, Environment, FORMAT, History,
    Incident, LeadsTo, Note, NoteState, Parameter, Priority, Procedure, Recording, Run, Schedule, Service,
    Setting, Standard, Step, Target, Trigger, VERSION, Variant,
};
pub use words::length;

/// Every file of the documentation by its path: pages, `style.css`, `components.svg`, `docs.md` and `docs.json`. The
/// same documentation gives the same bytes.
pub fn site(documentation: &Documentation) -> BTreeMap<String, String> {
    let mut files = html::pages(documentation);
    files.insert("docs.json".to_owned(), json(documentation));
    files.insert("docs.md".to_owned(), text::document(documentation));
    let drawing = diagram::draw(documentation, diagram::Kind::File);
    if !drawing.is_empty() {
        files.insert("components.svg".to_owned(), drawing);
    }
    files
}

/// `docs.json`.
pub fn json(documentation: &Documentation) -> String {
    let mut text = serde_json::to_string_pretty(documentation).unwrap_or_default();
    text.push('\n');
    text
}

/// `docs.md`.
pub fn markdown(documentation: &Documentation) -> String {
    text::document(documentation)
}

/// The JSON Schema (2020-12) of `docs.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Documentation);
    schema.insert("title".to_owned(), "Documentation of a Mainstay workload, docs.json".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
