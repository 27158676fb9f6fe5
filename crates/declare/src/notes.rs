//! What people write about a workload: Markdown files of `docs/` whose front matter says what they are about.
//!
//! A folder `docs/` often holds other texts too, with front matter of other tools. So a file is one of ours only if
//! its front matter has `about`; then it is read strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::SourceFile;
use crate::diagnostic::Diagnostic;
use crate::read::{Content, File};
use crate::resolve_fill;
use crate::source::{MAX_DIRECTORY_BYTES, Source};
use crate::standards::split;

/// The folder.
const FOLDER: &str = "docs/";

/// The keys of the front matter.
const KEYS: [&str; 3] = ["about", "describes", "parts"];

/// The kinds of things a note may be about, beside the workload itself.
const KINDS: [&str; 4] = ["component", "alarm", "trigger", "procedure"];

/// A text of people about a part of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file it is in.
    pub path: String,
    /// What it is about: `workload`, `component/NAME`, `alarm/NAME`, `trigger/NAME` or `procedure/NAME`.
    pub about: String,
    /// The digest of what it describes, as it was when it was last accepted.
    pub describes: Option<String>,
    /// The digests of that thing's parts, so that one can tell which have changed.
    pub parts: BTreeMap<String, String>,
    /// The text, in Markdown.
    pub text: String,
}

/// Whether a file may be a note, by its path.
pub fn may_be(path: &str) -> bool {
    path.starts_with(FOLDER) && path.to_lowercase().ends_with(".md") && !path.contains("/.")
}

/// What came out of reading the notes.
#[derive(Default)]
pub(crate) struct Notes {
    pub notes: Vec<Note>,
    pub sources: BTreeMap<String, String>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads every note and holds it against what is declared.
///
/// `standards` are the values of the parameters of each standard that is used; its notes are read with them.
pub(crate) fn read(
    by_path: &BTreeMap<&str, &SourceFile>,
    files: &[File],
    standards: &BTreeMap<String, BTreeMap<String, String>>,
) -> Notes {
    let mut out = Notes::default();
    let known = Known::of(files);
    let mut total = 0;
    for file in by_path.values() {
        let standard = split(&file.path);
        if !may_be(standard.map_or(&file.path, |(_, path)| path)) {
            continue;
        }
        let values = match standard.map(|(name, _)| standards.get(name)) {
            Some(None) => continue,
            Some(values) => values,
            None => None,
        };
        // Only what begins as front matter can be one; anything else need not even be text.
        let bytes = file.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&file.bytes);
        if !bytes.starts_with(b"---\n") && !bytes.starts_with(b"---\r\n") {
            continue;
        }
        let (source, broken) = Source::read(file);
        let before = out.diagnostics.len();
        let front = Front::read(&source, &mut out.diagnostics);
        if front.is_none() && out.diagnostics.len() == before {
            continue;
        }
        total += source.text.len();
        if total > MAX_DIRECTORY_BYTES {
            let message = format!(
                "With this note there are more than {MAX_DIRECTORY_BYTES} bytes of notes; the rest is not read"
            );
            out.diagnostics.push(source.error("too-large", 0..0, message));
            break;
        }
        out.sources.insert(source.path.clone(), source.text.clone());
        if let Some(broken) = broken {
            out.diagnostics.push(broken);
            continue;
        }
        if let Some(mut note) = front.and_then(|front| front.note(&source, &known, &mut out.diagnostics)) {
            if let Some(values) = values {
                note.text = filled(&note.text, values);
                // It comes together with what it describes, which looks different in each workload.
                (note.describes, note.parts) = (None, BTreeMap::new());
            }
            out.notes.push(note);
        }
    }
    out
}

/// A text with the values of parameters in place of their names.
fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut from = 0;
    for found in resolve_fill::references(text, "standard") {
        let Some(value) = values.get(&text[found.name.clone()]).filter(|_| !found.escaped) else { continue };
        out.push_str(&text[from..found.whole.start]);
        out.push_str(value);
        from = found.whole.end;
    }
    out.push_str(&text[from..]);
    out
}

/// What there is to write about. A kind is absent while a file of it is too broken to tell.
struct Known<'a> {
    names: BTreeMap<&'static str, BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    fn of(files: &'a [File]) -> Self {
        let mut names: BTreeMap<&'static str, BTreeSet<&str>> =
            KINDS.into_iter().map(|kind| (kind, BTreeSet::new())).collect();
        let mut unclear = BTreeSet::new();
        for file in files {
            match &file.content {
                Content::Workload(_, Some(workload)) => {
                    add(&mut names, "component", workload.components.keys().map(String::as_str));
                }
                Content::Workload(_, None) => drop(unclear.insert("component")),
                Content::Procedure(_) => add(&mut names, "procedure", [file.name()]),
                Content::Trigger(read) => match &read.facts {
                    Some(facts) => {
                        let name = facts.name.as_ref().map_or(file.name(), |named| named.name.as_str());
                        add(&mut names, "trigger", [name]);
                    }
                    None => drop(unclear.insert("trigger")),
                },
                Content::Rules(documents) => {
                    for document in documents {
                        match &document.facts {
                            Some(facts) => {
                                add(
                                    &mut names,
                                    "alarm",
                                    facts.alerts.iter().map(|alert| alert.name.name.as_str()),
                                );
                            }
                            None => drop(unclear.insert("alarm")),
                        }
                    }
                }
                Content::Standard(_, Some(_)) | Content::Overridden => {}
                Content::Standard(_, None) | Content::Broken => unclear.extend(KINDS),
            }
        }
        names.retain(|kind, _| !unclear.contains(kind));
        Self { names }
    }
}

fn add<'a>(
    names: &mut BTreeMap<&'static str, BTreeSet<&'a str>>,
    kind: &str,
    found: impl IntoIterator<Item = &'a str>,
) {
    if let Some(names) = names.get_mut(kind) {
        names.extend(found);
    }
}

/// The front matter: keys and values with their places, and where the text begins.
struct Front {
    entries: Vec<(Range<usize>, Range<usize>)>,
    text: usize,
}

impl Front {
    /// The front matter, if it is one of ours.
    fn read(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let text = &source.text;
        let mut at = source.content_start() + text[source.content_start()..].find('\n')? + 1;
        let mut entries = Vec::new();
        let mut odd = Vec::new();
        let mut closed = None;
        while at < text.len() {
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
            let line = text[at..end].trim_end_matches('\r');
            if line.trim_end() == "---" {
                closed = Some((end + 1).min(text.len()));
                break;
            }
            match line.split_once(':') {
                _ if line.trim().is_empty() || line.starts_with('#') => {}
                Some((key, value)) if !line.starts_with([' ', '\t', '-']) => {
                    let start = at + key.len() + 1 + (value.len() - value.trim_start().len());
                    entries.push((at..at + key.trim_end().len(), start..start + value.trim().len()));
                }
                _ => odd.push(at..at + line.len()),
            }
            at = end + 1;
        }
        let key = |range: &Range<usize>| &text[range.clone()];
        if !entries.iter().any(|(range, _)| key(range) == "about") {
            // A slip in the one key that makes it ours must not make the note disappear.
            for (range, _) in &entries {
                let near = mainstay_model::problem::nearest(key(range), ["about"]).is_some();
                if near || matches!(key(range), "describes") {
                    let message = "This note does not say what it is about, so it is not shown";
                    diagnostics.push(
                        source
                            .warning("missing-key", range.clone(), message)
                            .help("write `about: component/NAME`, or `workload`, `alarm/NAME`, `trigger/NAME`, `procedure/NAME`"),
                    );
                    break;
                }
            }
            return None;
        }
        let Some(text) = closed else {
            let message = "The front matter of this note is never closed";
            diagnostics.push(source.error("syntax", 0..3, message).help("put a line `---` behind it"));
            return None;
        };
        for range in odd {
            let message = "In the front matter of a note, each line is a key, a colon and a text";
            diagnostics.push(source.error("syntax", range, message));
        }
        Some(Self { entries, text })
    }

    fn note(&self, source: &Source, known: &Known<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Note> {
        let mut values: BTreeMap<&str, (Range<usize>, &str)> = BTreeMap::new();
        let before = diagnostics.len();
        for (key_at, value_at) in &self.entries {
            let (key, value) = (&source.text[key_at.clone()], unquoted(&source.text[value_at.clone()]));
            if !KEYS.contains(&key) {
                let message = format!("The front matter of a note has no key `{key}`");
                let problem = source.error("unknown-key", key_at.clone(), message).nearest(key, KEYS);
                diagnostics.push(match problem.help {
                    Some(_) => problem,
                    None => problem.help(format!("its keys are `{}`", KEYS.join("`, `"))),
                });
            } else if values.insert(key, (value_at.clone(), value)).is_some() {
                let message = format!("The key `{key}` is there twice");
                diagnostics.push(source.error("duplicate-key", key_at.clone(), message));
            }
        }
        let (at, about) = values.get("about").cloned()?;
        if let Some(problem) = subject_problem(source, at, about, known) {
            diagnostics.push(problem);
        }
        let describes = values.get("describes").filter(|(_, text)| !text.is_empty());
        if let Some((at, text)) = describes
            && !is_hex(text, 16)
        {
            let message = "`describes` is the digest of what the note is about: 16 hex digits";
            diagnostics.push(
                source.error("bad-value", at.clone(), message).help("`mainstay docs accept FILE` writes it"),
            );
        }
        let mut parts = BTreeMap::new();
        if let Some((at, text)) = values.get("parts") {
            for word in text.split_whitespace() {
                match word.split_once('=').filter(|(name, digest)| !name.is_empty() && is_hex(digest, 8)) {
                    Some((name, digest)) => drop(parts.insert(name.to_owned(), digest.to_owned())),
                    None => {
                        let message = format!("`{word}` is not a part and its digest (`run=1a2b3c4d`)");
                        let help = "`mainstay docs accept FILE` writes them";
                        diagnostics.push(source.error("bad-value", at.clone(), message).help(help));
                    }
                }
            }
        }
        (diagnostics.len() == before).then(|| Note {
            path: source.path.clone(),
            about: about.to_owned(),
            describes: describes.map(|(_, text)| (*text).to_owned()),
            parts,
            text: source.text[self.text..].trim_matches('\n').to_owned(),
        })
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn unquoted(text: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

fn subject_problem(source: &Source, at: Range<usize>, about: &str, known: &Known<'_>) -> Option<Diagnostic> {
    const CODE: &str = "unknown-subject";
    if about == "workload" {
        return None;
    }
    let forms =
        "a note is about `workload`, `component/NAME`, `alarm/NAME`, `trigger/NAME` or `procedure/NAME`";
    let Some((kind, name)) = about.split_once('/') else {
        let message = format!("`{about}` is nothing that a note can be about");
        let all: Vec<String> = known
            .names
            .iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind}/{name}")))
            .collect();
        let same = all.iter().find(|full| full.split_once('/').is_some_and(|(_, name)| name == about));
        let problem = source.error(CODE, at, message);
        return Some(match same {
            Some(full) => problem.help(format!("did you mean `{full}`?")),
            None => problem.help(forms),
        });
    };
    if !KINDS.contains(&kind) {
        let message = format!("`{kind}` is no kind of thing that a note can be about");
        let problem = source.error(CODE, at.start..at.start + kind.len(), message).nearest(kind, KINDS);
        return Some(if problem.help.is_some() { problem } else { problem.help(forms) });
    }
    let names = known.names.get(kind)?;
    if names.contains(name) {
        return None;
    }
    let message = format!("There is no {kind} `{name}`, which this note is about");
    let problem = source.error(CODE, at, message).nearest(name, names.iter().copied());
    Some(match problem.help {
        Some(_) => problem,
        None if names.is_empty() => problem.help(format!("the workload declares no {kind}")),
        None => {
            let few: Vec<&str> = names.iter().copied().take(8).collect();
            problem.help(format!(
                "there are `{}`{}",
                few.join("`, `"),
                if names.len() > 8 { ", …" } else { "" }
            ))
        }
    })
}
