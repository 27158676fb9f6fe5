//! One file from bytes to what it declares, before anything is known of the other files.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::SourceFile;
use crate::diagnostic::Diagnostic;
use crate::kind::{self, Kind};
use crate::languages::{Checked, Languages, ProcedureFacts, RulesFacts, TriggerFacts};
use crate::source::Source;
use crate::standards::definition::{self, Definition};
use crate::tree::{self, Node};
use crate::workload::{self, Workload};

/// The most problems that are shown of one file. Who sees a thousand has another problem than the thousand and first.
pub(crate) const MAX_PROBLEMS: usize = 1000;

/// What Prometheus takes as a text however it is written: a label `version: 1.10` is not `1.1`.
pub(crate) const RULE_TEXTS: [&str; 6] = ["labels", "annotations", "alert", "record", "expr", "name"];

/// A value, its nodes, and what its language says of it.
pub(crate) struct Read<F> {
    pub node: Node,
    pub value: Value,
    pub facts: Option<F>,
}

/// What a file holds.
pub(crate) enum Content {
    Workload(Node, Option<Workload>),
    Procedure(Read<ProcedureFacts>),
    Rules(Vec<Read<RulesFacts>>),
    Trigger(Read<TriggerFacts>),
    Standard(Node, Option<Definition>),
    /// Too broken to tell.
    Broken,
    /// Of a standard, and left out for what the workload declares itself.
    Overridden,
}

/// One file, read.
pub(crate) struct File {
    pub source: Source,
    pub kind: Kind,
    pub content: Content,
    pub diagnostics: Vec<Diagnostic>,
}

/// Fewer bytes are read sooner than threads are started.
const WORTH_THREADS: usize = 64 << 10;

/// Decodes and reads files, several at once where there are many. The answers are in the order of the files and do not
/// depend on how many threads there are.
pub(crate) fn each(wanted: &[(&SourceFile, Kind)], languages: &dyn Languages) -> Vec<File> {
    let bytes: usize = wanted.iter().map(|(file, _)| file.bytes.len()).sum();
    let threads = match bytes {
        ..WORTH_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    each_on(threads, wanted, languages)
}

fn each_on(threads: usize, wanted: &[(&SourceFile, Kind)], languages: &dyn Languages) -> Vec<File> {
    let read = |(file, kind): &(&SourceFile, Kind)| File::of(file, *kind, languages);
    let next = AtomicUsize::new(0);
    // Files differ much in size, so each thread takes the next one when it is done with one.
    let work = || {
        let mut done = Vec::new();
        while let Some((place, wanted)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            wanted.get(place).map(|wanted| (place, wanted))
        } {
            done.push((place, read(wanted)));
        }
        done
    };
    let mut files = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(wanted.len())).map(|_| scope.spawn(work)).collect();
        let mut files = work();
        for other in others {
            files.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        files
    });
    files.sort_unstable_by_key(|(place, _)| *place);
    files.into_iter().map(|(_, file)| file).collect()
}

impl File {
    /// Decodes and reads a file.
    pub fn of(file: &SourceFile, kind: Kind, languages: &dyn Languages) -> Self {
        let (source, broken) = Source::read(file);
        match broken {
            Some(diagnostic) => Self::broken(source, kind, diagnostic),
            None => {
                let parsed = tree::parse(&source);
                Self::read(source, kind, parsed, languages)
            }
        }
    }

    /// A file of which nothing can be told, for a reason that has been said elsewhere.
    pub fn untold(file: &SourceFile, kind: Kind) -> Self {
        let (source, broken) = Source::read(file);
        Self { source, kind, content: Content::Broken, diagnostics: broken.into_iter().collect() }
    }

    /// A file that could not be decoded.
    pub fn broken(source: Source, kind: Kind, diagnostic: Diagnostic) -> Self {
        Self { source, kind, content: Content::Broken, diagnostics: vec![diagnostic] }
    }

    /// Reads the documents of a file.
    pub fn read(source: Source, kind: Kind, parsed: tree::Parsed, languages: &dyn Languages) -> Self {
        let tree::Parsed { documents, mut diagnostics } = parsed;
        let form = diagnostics.len();
        let content = if documents.is_empty() && !diagnostics.is_empty() {
            Content::Broken
        } else {
            content(&source, kind, documents, languages, &mut diagnostics)
        };
        let diagnostics = without_echoes(diagnostics, form);
        let mut file = Self { source, kind, content, diagnostics };
        file.limit();
        file
    }

    fn limit(&mut self) {
        if self.diagnostics.len() > MAX_PROBLEMS {
            self.diagnostics.truncate(MAX_PROBLEMS);
            let message = format!("This file has more than {MAX_PROBLEMS} problems; the rest is not shown");
            self.diagnostics.push(self.source.error("too-many-problems", 0..0, message));
        }
    }

    pub fn name(&self) -> &str {
        kind::stem(&self.source.path)
    }
}

/// Where the form of a value is wrong, what its meaning is said to be is an echo. The first `form` diagnostics are about
/// form.
fn without_echoes(mut diagnostics: Vec<Diagnostic>, form: usize) -> Vec<Diagnostic> {
    let rest = diagnostics.split_off(form);
    diagnostics.truncate(MAX_PROBLEMS + 1);
    let is_echo = |diagnostic: &Diagnostic| {
        let holds = |form: &Diagnostic| {
            diagnostic.span.start <= form.span.start && form.span.end <= diagnostic.span.end
        };
        diagnostics.iter().any(holds)
    };
    let rest: Vec<_> = rest.into_iter().filter(|diagnostic| !is_echo(diagnostic)).collect();
    diagnostics.extend(rest);
    diagnostics
}

fn content(
    source: &Source,
    kind: Kind,
    mut documents: Vec<Node>,
    languages: &dyn Languages,
    diagnostics: &mut Vec<Diagnostic>,
) -> Content {
    // `---` before the first and after the last document says nothing.
    if documents.len() > 1 {
        documents.retain(|node| !node.is_null());
    }
    if documents.iter().all(Node::is_null) {
        let message = format!("This file is empty: expected {}", kind.description());
        diagnostics.push(source.error("empty-file", 0..0, message));
        return Content::Broken;
    }
    if kind == Kind::Rules {
        let rules = documents.into_iter().map(|node| {
            let value = node.to_value_with_texts(&RULE_TEXTS);
            let checked = languages.rules(&value);
            finish(source, node, value, checked, diagnostics)
        });
        return Content::Rules(rules.collect());
    }
    if let Some(second) = documents.get(1) {
        let message = format!("This file holds several documents: expected one, {}", kind.description());
        diagnostics.push(
            source
                .error("several-documents", second.focus.clone(), message)
                .label("the second document starts here")
                .help("put each in a file of its own"),
        );
    }
    let node = documents.swap_remove(0);
    match kind {
        Kind::Workload => {
            let read = workload::read::read(source, &node, languages);
            diagnostics.extend(read.diagnostics);
            Content::Workload(node, read.workload)
        }
        Kind::Standard => {
            let read = definition::read(source, &node);
            diagnostics.extend(read.diagnostics);
            Content::Standard(node, read.definition)
        }
        Kind::Trigger => {
            let value = node.to_value();
            let checked = languages.trigger(&value);
            Content::Trigger(finish(source, node, value, checked, diagnostics))
        }
        _ => {
            let value = node.to_value();
            let checked = languages.document(&value);
            Content::Procedure(finish(source, node, value, checked, diagnostics))
        }
    }
}

fn finish<F>(
    source: &Source,
    node: Node,
    value: Value,
    checked: Checked<F>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Read<F> {
    let problems = checked.problems.into_iter().take(MAX_PROBLEMS + 1);
    diagnostics.extend(problems.map(|problem| node.diagnostic(problem, source)));
    Read { node, value, facts: checked.facts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anything::Any;

    #[test]
    fn the_order_of_files_does_not_depend_on_the_number_of_threads() {
        let files: Vec<SourceFile> = (0..100_usize)
            .map(|at| SourceFile {
                path: format!("runbooks/r{at:03}.yaml"),
                bytes: format!("at: {}\n{at}: [\n", "x".repeat(at * 37 % 101)).into_bytes(),
            })
            .collect();
        let wanted: Vec<(&SourceFile, Kind)> = files.iter().map(|file| (file, Kind::Procedure)).collect();
        let told = |threads| -> Vec<(String, Vec<Diagnostic>)> {
            let read = each_on(threads, &wanted, &Any);
            read.into_iter().map(|file| (file.source.path.clone(), file.diagnostics)).collect()
        };
        let one = told(1);
        assert!(one.iter().map(|(path, _)| path).is_sorted() && one.len() == 100);
        assert!(one.iter().all(|(_, problems)| !problems.is_empty()));
        for threads in [2, 7, 200] {
            assert_eq!(told(threads), one);
        }
    }
}
