//! Standards: directories that several workloads share.
//!
//! A standard's files are handed in together with the workload's, below `standards/NAME/`, whatever directory or
//! repository they came from. So a revision holds them as data and can be brought back without either.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::SourceFile;
use crate::diagnostic::LineCol;
use crate::source::Source;
use crate::tree::{self, Node, NodeKind};
use crate::workload::fields::Reader;
use crate::workload::{StandardSource, StandardUse};

mod bind;
pub(crate) mod definition;
pub(crate) mod overrides;
pub(crate) mod policy;

pub(crate) use bind::{Bound, bind};
pub use definition::{Definition, Parameter};
pub use overrides::Overridden;

/// The folder below which the files of standards are handed in.
pub const FOLDER: &str = "standards";

/// The file in which a standard says what it is.
pub const STANDARD_FILE: &str = "standard.yaml";

/// A standard that a workload uses, with what it says and what it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// Its name in this workload.
    pub name: String,
    /// Where it is.
    pub source: StandardSource,
    /// What it says of itself.
    pub definition: Definition,
    /// The values of its parameters here, given or default.
    pub parameters: BTreeMap<String, Value>,
}

/// Where something is declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The standard whose file it is, by its name in the workload; `None` for the workload's own.
    pub standard: Option<String>,
    /// The file, in the directory of the workload or of the standard.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Origin {
    /// Of a line of a file that was handed in.
    pub fn new(path: &str, line: usize) -> Self {
        match split(path) {
            Some((name, file)) => Self { standard: Some(name.to_owned()), file: file.to_owned(), line },
            None => Self { standard: None, file: path.to_owned(), line },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.standard {
            write!(f, "standard {name}, ")?;
        }
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The standard's name and the path in it, of a file that was handed in for a standard.
pub fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('/')
}

/// A standard that has to be handed in, and where `mainstay.yaml` says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The standard.
    pub standard: StandardUse,
    /// The bytes of its name in `mainstay.yaml`.
    pub span: std::ops::Range<usize>,
    /// Where they begin.
    pub start: LineCol,
    /// Where they end.
    pub end: LineCol,
}

/// The standards that a `mainstay.yaml` asks for, as far as it can be read. What is wrong with it is said when the whole
/// is declared.
pub fn wanted(file: &SourceFile) -> Vec<Wanted> {
    let (source, broken) = Source::read(file);
    if broken.is_some() {
        return Vec::new();
    }
    let parsed = tree::parse(&source);
    let Some(root) = parsed.documents.first() else { return Vec::new() };
    let reader = Reader::new(&source);
    let uses = bind::uses(&reader, root);
    uses.into_iter()
        .map(|(standard, node)| {
            let span = source.clamp(name_of(node).focus.clone());
            let (start, end) = (source.line_col(span.start), source.line_col(span.end));
            Wanted { standard, span, start, end }
        })
        .collect()
}

/// The place that stands for an entry of `standards`: its name.
fn name_of(item: &Node) -> &Node {
    item.get("name").map_or(item, |entry| &entry.value)
}

/// The items of a list under a key.
fn items<'n>(root: &'n Node, key: &str) -> &'n [Node] {
    match root.get(key).map(|entry| &entry.value.kind) {
        Some(NodeKind::List(items)) => items,
        _ => &[],
    }
}

/// Every rule of a rule file: the entry with its name, under `alert` or `record`.
pub(crate) fn rules_of(root: &Node) -> impl Iterator<Item = (&Node, &tree::Entry)> {
    let root = root.get("spec").map_or(root, |entry| &entry.value);
    items(root, "groups").iter().flat_map(|group| items(group, "rules")).filter_map(|rule| {
        let named = rule.get("alert").or_else(|| rule.get("record"))?;
        Some((rule, named))
    })
}
