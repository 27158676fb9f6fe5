//! The Go `text/template` subset that labels and annotations of alerting rules are written in.
//!
//! Everything that is not supported is refused by name when a template is read, so that expanding fails on data only.

use std::ops::Range;

use mainstay_model::Timestamp;

use crate::{Labels, Sample};

mod format;
mod functions;
mod lex;
mod parse;
mod run;

use parse::Node;

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// Why a template could not be expanded with these data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpandError(pub String);

/// Answers the `query` function of templates.
pub trait Queries {
    /// The result of an instant query. The error is what people are told.
    fn instant(&self, query: &str, at: Timestamp) -> Result<Vec<Sample>, String>;
}

/// Answers no query: `query` in a template is an error that says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQueries;

impl Queries for NoQueries {
    fn instant(&self, query: &str, _at: Timestamp) -> Result<Vec<Sample>, String> {
        Err(format!("no query can be answered here, so `{query}` has no result"))
    }
}

/// What a template is expanded with.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// `$labels`: the labels of the series, rule labels not yet applied.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: f64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
    /// `$externalURL`, without a slash at its end.
    pub external_url: &'a str,
    /// The time of the evaluation.
    pub now: Timestamp,
    /// Answers `query`.
    pub queries: &'a dyn Queries,
}

impl Template {
    /// Reads a template. Functions that are not supported are refused by name.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned(), nodes: parse::parse(text)? })
    }

    /// The template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it expands to the same text whatever the data.
    pub fn is_constant(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, Node::Text(_)))
    }

    /// The text for these data. Fails where a function refuses its arguments, a query fails, or the output would grow
    /// beyond 64 KiB.
    pub fn expand(&self, data: &Data<'_>) -> Result<String, ExpandError> {
        run::expand(&self.nodes, data)
    }
}
