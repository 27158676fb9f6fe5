//! `standards` and `overrides` of `mainstay.yaml`, and `tag_policy` wherever it stands.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::changes::flag;
use super::environments::{self, Layers};
use super::fields::{Fields, Reader};
use crate::shape::standards::{APPLIES_TO, OVERRIDDEN, OVERRIDE, TAG_RULE, USE};
use crate::tree::{Node, NodeKind, Scalar, Typed};

/// More standards than these are a mistake, and each is read whole.
pub(crate) const MAX_STANDARDS: usize = 50;

/// The largest that a compiled pattern may be.
const MAX_PATTERN: usize = 1 << 20;

/// A shared directory that a workload uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardUse {
    /// What it is called here. Its files are handed in below `standards/NAME/`.
    pub name: String,
    /// Where it is.
    pub source: StandardSource,
    /// The values that are given to its parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// Where a standard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandardSource {
    /// In a directory.
    Path(String),
    /// In a commit of a git repository.
    Git {
        /// The repository.
        url: String,
        /// The full name of the commit.
        commit: String,
        /// The folder in the repository; its top if there is none.
        folder: Option<String>,
    },
}

impl std::fmt::Display for StandardSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Git { url, commit, folder } => {
                write!(f, "{url} at {}", commit.get(..12).unwrap_or(commit))?;
                folder.as_ref().map_or(Ok(()), |folder| write!(f, ", folder {folder}"))
            }
        }
    }
}

/// What of a standard a workload declares itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The standard, by its name in the workload.
    pub standard: String,
    /// `alarm`, `trigger` or `procedure`.
    pub kind: &'static str,
    /// The name of what is declared otherwise.
    pub name: String,
    /// Why.
    pub because: String,
}

/// What has to hold of one tag.
#[derive(Clone, Debug)]
pub struct TagRule {
    /// The tag's key.
    pub key: String,
    /// Whether there has to be one.
    pub required: bool,
    /// The values it may have; empty means any.
    pub values: Vec<String>,
    /// What all of its value has to fit.
    pub pattern: Option<Regex>,
    /// The environments in which it holds; empty means all.
    pub environments: Vec<String>,
    /// What has to have it: `components`, `environments`, `workload`, `alarms`.
    pub applies_to: Vec<&'static str>,
    /// What the tag is for.
    pub because: Option<String>,
    /// The bytes of its key in the file.
    pub(crate) span: Range<usize>,
}

impl PartialEq for TagRule {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |rule: &Self| rule.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        (&self.key, self.required, &self.values, pattern(self))
            == (&other.key, other.required, &other.values, pattern(other))
            && (&self.environments, &self.applies_to, &self.because)
                == (&other.environments, &other.applies_to, &other.because)
    }
}

impl TagRule {
    /// Whether it says anything of one of these things in an environment.
    pub fn is_about(&self, what: &str, environment: Option<&str>) -> bool {
        let there = |name| self.environments.iter().any(|known| known == name);
        self.applies_to.contains(&what) && (self.environments.is_empty() || environment.is_some_and(there))
    }

    /// Whether a value is one of those that are possible.
    pub fn allows(&self, value: &str) -> bool {
        (self.values.is_empty() || self.values.iter().any(|known| known == value))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
    }
}

/// Reads `standards`.
pub(crate) fn uses(reader: &Reader<'_>, layers: &Layers<'_>, node: &Node) -> Vec<StandardUse> {
    let mut out: Vec<StandardUse> = Vec::new();
    let mut seen: BTreeMap<String, Range<usize>> = BTreeMap::new();
    for (at, item) in reader.list(node).unwrap_or_default().iter().enumerate() {
        if at == MAX_STANDARDS {
            let message = format!("A workload has at most {MAX_STANDARDS} standards");
            reader.push(reader.error("bad-value", item.focus.clone(), message));
            break;
        }
        if let NodeKind::Scalar(Scalar { typed: Typed::Text, text, .. }) = &item.kind {
            let message = "Expected a mapping that says what the standard is called and where it is";
            let name = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let name = if super::fields::is_name(name) { name } else { "NAME" };
            let help = format!("write `{{ name: {name}, path: {text} }}`");
            reader.push(reader.error("wrong-type", item.focus.clone(), message).help(help));
            continue;
        }
        let Some(fields) = reader.fields(item, &USE) else { continue };
        let name = fields.required("name", "NAME").and_then(|node| {
            let text = reader.text(node)?;
            let name = reader.name(&text.text, text.span.clone(), "a standard")?;
            if let Some(first) = seen.get(&name) {
                let message = format!("There are two standards called `{name}`");
                let first = reader.source.place(first.clone(), "first here");
                reader.push(reader.error("duplicate-entry", text.span, message).related(first));
                return None;
            }
            seen.insert(name.clone(), text.span);
            Some(name)
        });
        let source = source(reader, &fields, item);
        let parameters = fields.get("parameters").map(|node| parameters(reader, layers, node));
        if let (Some(name), Some(source)) = (name, source) {
            out.push(StandardUse { name, source, parameters: parameters.unwrap_or_default() });
        }
    }
    out
}

fn parameters(reader: &Reader<'_>, layers: &Layers<'_>, node: &Node) -> BTreeMap<String, Value> {
    let filled = environments::of_workload(reader, layers, node);
    let mut out = BTreeMap::new();
    for entry in reader.entries(&filled).unwrap_or_default() {
        if reader.written(&entry.value).is_some() {
            out.insert(entry.key.to_string(), entry.value.to_value());
        }
    }
    out
}

fn source(reader: &Reader<'_>, fields: &Fields<'_, '_>, item: &Node) -> Option<StandardSource> {
    let text = |key| fields.get(key).map(|node| reader.text(node));
    let (path, git) = (text("path"), text("git"));
    let commit = fields.get("commit").map(|node| commit(reader, node));
    let folder = fields.get("folder").map(|node| reader.relative_path(node));
    let refuse = |message: &str, help: &str| {
        reader.push(reader.error("bad-value", item.focus.clone(), message).help(help));
        None
    };
    match (path, git) {
        (Some(_), Some(_)) => refuse(
            "A standard is in one place, and this one has a `path` and a `git`",
            "keep the one that is meant",
        ),
        (None, None) => {
            let message = "This does not say where the standard is";
            let help = "add `path: ../standards/web`, or `git: URL` and `commit: …`";
            reader.push(reader.error("missing-key", item.focus.clone(), message).help(help));
            None
        }
        (Some(path), None) => {
            if commit.is_some() || folder.is_some() {
                return refuse(
                    "`commit` and `folder` belong to `git`, and this standard is in a directory",
                    "remove them, or say `git: URL` instead of `path`",
                );
            }
            Some(StandardSource::Path(path?.text))
        }
        (None, Some(git)) => {
            let Some(commit) = commit else {
                // Who gives a branch instead has been told why that is not enough.
                if USE.not_built.iter().any(|(key, _)| item.get(key).is_some()) {
                    return None;
                }
                let message = "A standard from git needs the `commit` it is taken from";
                let help = "`git rev-parse HEAD` in a checkout of it says the current one";
                reader.push(reader.error("missing-key", item.focus.clone(), message).help(help));
                return None;
            };
            let (git, commit) = (git?, commit?);
            // What begins with a dash would be an option to git, and `ext::` a command to run.
            if git.text.starts_with('-') || git.text.contains("::") {
                let message = format!("`{}` is not the URL of a repository", git.text);
                let help = "use an `https://`, `ssh://` or `file://` URL, `user@host:path`, or a path";
                reader.push(reader.error("bad-value", git.span, message).help(help));
                return None;
            }
            let folder = match folder {
                Some(folder) => Some(folder?),
                None => None,
            };
            Some(StandardSource::Git { url: git.text, commit, folder })
        }
    }
}

fn commit(reader: &Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.written(node)?;
    if text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Some(text);
    }
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (message, help) = match (hex, text.len()) {
        (true, 40) => (format!("`{text}` is not the name of a commit"), "write it in lower case"),
        (true, 7..40) => (
            format!("`{text}` is a short name of a commit: another commit may have the same one day"),
            "write all 40 digits: `git rev-parse` says them",
        ),
        _ => (
            format!(
                "`{text}` is not the full name of a commit: branches and tags can be moved, and then nobody could say what a plan was made of"
            ),
            "write the 40 hexadecimal digits that `git rev-parse` says of it",
        ),
    };
    reader.push(reader.error("bad-value", node.focus.clone(), message).help(help));
    None
}

/// Reads `overrides`.
pub(super) fn overrides(reader: &Reader<'_>, node: &Node) -> Vec<Override> {
    let items = reader.list(node).unwrap_or_default();
    items.iter().filter_map(|item| override_of(reader, item)).collect()
}

/// Reads one of `overrides`.
pub(crate) fn override_of(reader: &Reader<'_>, item: &Node) -> Option<Override> {
    let fields = reader.fields(item, &OVERRIDE)?;
    let text =
        |key, example| fields.required(key, example).and_then(|node| reader.text(node)).map(|text| text.text);
    let words: Vec<(&str, &'static str)> = OVERRIDDEN.iter().map(|word| (*word, *word)).collect();
    let standard = text("standard", "NAME");
    let kind = fields.required("kind", "alarm").and_then(|node| reader.one_of(node, &words));
    let name = text("name", "NAME");
    let because = text("because", "why this workload does otherwise");
    Some(Override { standard: standard?, kind: kind?, name: name?, because: because? })
}

/// Reads `tag_policy`. `environments` are those that there are; none where that is not known.
pub(crate) fn tag_policy(reader: &Reader<'_>, node: &Node, environments: Option<&[&str]>) -> Vec<TagRule> {
    let items = reader.list(node).unwrap_or_default();
    items.iter().filter_map(|item| tag_rule(reader, item, environments)).collect()
}

fn tag_rule(reader: &Reader<'_>, item: &Node, known: Option<&[&str]>) -> Option<TagRule> {
    let fields = reader.fields(item, &TAG_RULE)?;
    let key = fields.required("key", "cost-center").and_then(|node| reader.text(node));
    let required = fields.get("required").map_or(Some(true), |node| flag(reader, node));
    let texts = |key| fields.get(key).map(|node| reader.texts(node)).unwrap_or_default();
    let values = texts("values");
    if let Some(node) = fields.get("values")
        && matches!(&node.kind, NodeKind::List(items) if items.is_empty())
    {
        let message = "With no value allowed, nothing could have this tag";
        reader.push(reader.error("bad-value", node.focus.clone(), message).help("remove `values`"));
    }
    let pattern = fields.get("pattern").map(|node| pattern(reader, node));
    let environments = texts("environments");
    for environment in &environments {
        let Some(known) = known.filter(|known| !known.contains(&environment.text.as_str())) else { continue };
        let message = format!("There is no environment `{}`", environment.text);
        let diagnostic = reader.error("unknown-environment", environment.span.clone(), message);
        reader.push(diagnostic.nearest(&environment.text, known.iter().copied()));
    }
    let applies_to = match fields.get("applies_to") {
        None => vec!["components"],
        Some(node) => reader
            .list(node)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| {
                let words: Vec<(&str, &'static str)> = APPLIES_TO.iter().map(|word| (*word, *word)).collect();
                reader.one_of(item, &words)
            })
            .collect(),
    };
    let key = key?;
    Some(TagRule {
        key: key.text,
        required: required?,
        values: values.into_iter().map(|text| text.text).collect(),
        pattern: match pattern {
            Some(pattern) => Some(pattern?),
            None => None,
        },
        environments: environments.into_iter().map(|text| text.text).collect(),
        applies_to,
        because: fields.text("because"),
        span: key.span,
    })
}

fn pattern(reader: &Reader<'_>, node: &Node) -> Option<Regex> {
    let text = reader.text(node)?;
    match RegexBuilder::new(&format!("^(?:{})$", text.text)).size_limit(MAX_PATTERN).build() {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let words = error.to_string();
            let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let message = format!("This is not a regular expression that can be used: {last}");
            reader.push(reader.error("bad-value", node.focus.clone(), message));
            None
        }
    }
}
