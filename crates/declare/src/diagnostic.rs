//! What is wrong, where exactly, and what to do about it.

use std::ops::Range;

use mainstay_model::Severity;

/// A position in a file as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCol {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable code in kebab case. Those of this crate are listed in [`CODES`]; the languages bring their own.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// A few words to stand under the underlined text.
    pub label: Option<String>,
    /// What to do about it, or what was probably meant.
    pub help: Option<String>,
    /// The file, relative to the directory, with `/`.
    pub path: String,
    /// The bytes it is about, in the text that [`crate::Outcome::sources`] holds for the path. Both ends lie on
    /// character boundaries. Empty where it is about the file as a whole.
    pub span: Range<usize>,
    /// Where the span starts.
    pub start: LineCol,
    /// Where the span ends: the position just after its last character.
    pub end: LineCol,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// Another place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What is there (`first declared here`).
    pub message: String,
    /// The file.
    pub path: String,
    /// The bytes, as in [`Diagnostic::span`].
    pub span: Range<usize>,
    /// Where the span starts.
    pub start: LineCol,
    /// Where the span ends.
    pub end: LineCol,
}

impl Diagnostic {
    /// The same, with words under the underlined text.
    #[must_use]
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same, with advice.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with "did you mean" where a name is near.
    #[must_use]
    pub(crate) fn nearest<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match mainstay_model::problem::nearest(word, candidates) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// The same, with another place.
    #[must_use]
    pub(crate) fn related(mut self, place: Related) -> Self {
        self.related.push(place);
        self
    }

    /// Whether it keeps the workload from being declared.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Brings problems into the order people read them, each once. An alias can lead to the same text from several places.
pub(crate) fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| {
        (&a.path, a.span.start, a.span.end, a.code, &a.message).cmp(&(
            &b.path,
            b.span.start,
            b.span.end,
            b.code,
            &b.message,
        ))
    });
    diagnostics.dedup();
    diagnostics
}

/// Every code of this crate with a line that explains it, in alphabetical order. Codes are never reused for another
/// meaning.
pub const CODES: &[(&str, &str)] = &[
    ("bad-alias", "A YAML alias stands inside the very value that it repeats"),
    ("bad-attachment", "A file attached to a procedure is missing, or not the one whose checksum is written"),
    ("bad-command", "A command line cannot be split into words, or has none"),
    ("bad-duration", "A text is not a duration such as `1h30m`, `5s` or `250ms`, or is out of range"),
    ("bad-key", "A mapping's key is not a plain text"),
    ("bad-merge", "The value of a YAML merge key `<<` is neither a mapping nor a list of mappings"),
    ("bad-name", "A name has characters or a length that paths, metric labels or ids cannot carry"),
    ("bad-path", "A path leaves the workload's directory or has the wrong form"),
    ("bad-port", "A port is not a whole number from 1 to 65535"),
    ("bad-secret", "A secret is not referred to by where it is found, as in `file:/etc/shop/db-password`"),
    ("bad-selector", "A text is not a selector such as `role=app,zone in (a,b)`"),
    ("bad-size", "A text is not a size such as `256MiB`"),
    ("bad-target", "A target is not a comparison with a number such as `>= 0.995`"),
    ("bad-value", "A value is not one of those that are possible here"),
    ("control-character", "A file holds a character that YAML and JSON do not allow"),
    ("dependency-cycle", "Components depend on each other in a circle, so none can be started first"),
    ("duplicate-alarm", "Two files declare an alarm of the same name"),
    ("duplicate-entry", "A list names the same thing twice"),
    ("duplicate-key", "A mapping has the same key twice"),
    ("duplicate-procedure", "Two files declare a procedure of the same name"),
    ("duplicate-trigger", "Two files declare a trigger of the same name"),
    ("empty-file", "A file that should declare something is empty"),
    ("invalid-utf8", "A file is not UTF-8 text"),
    ("literal-secret", "A value that looks like a secret is written in a file that many can read"),
    ("misplaced-variable", "A `${var.NAME}` stands where no variables are filled in"),
    ("missing-key", "A mapping lacks a key that it must have"),
    ("missing-parameter", "A parameter that a procedure or a standard requires is not given"),
    ("no-host", "A selector chooses no host, whatever tags hosts have"),
    ("no-standard", "A workload uses a standard whose files are not there"),
    ("no-workload-file", "A workload's directory has no `mainstay.yaml`"),
    ("not-built", "The file is right, but this version of Mainstay cannot do what it asks for"),
    ("old-key", "A key has another name now; the old one is still understood"),
    ("overrides-nothing", "An override is for something that only one of workload and standard has"),
    ("plain-http", "What is sent can be read and changed on its way"),
    ("procedure-cycle", "Procedures start each other in a circle, so that one would start itself"),
    ("several-documents", "A file holds several YAML documents where one is expected"),
    ("shared-port", "Two services would listen on the same port of the same host"),
    ("shell-syntax", "A command uses what only a shell understands, and commands are run without one"),
    ("syntax", "A file is not YAML or not JSON"),
    ("tag-policy", "Something lacks a tag that it has to have, or has another value than is possible"),
    ("too-deep", "Values are nested deeper than 64 levels"),
    ("too-large", "A file or a directory is larger than what is read"),
    ("too-many-aliases", "YAML aliases repeat more values than is reasonable"),
    ("too-many-problems", "A file has so many problems that the rest is not shown"),
    ("unknown-alarm", "A procedure waits for an alarm that no rule file declares"),
    ("unknown-component", "A component is named that the workload does not declare"),
    ("unknown-environment", "An environment is named that the workload does not have"),
    ("unknown-folder", "A folder of YAML files is none of those that a workload has"),
    ("unknown-integration", "A procedure sends to an integration that the workload does not declare"),
    ("unknown-key", "A mapping has a key that means nothing there"),
    ("unknown-kind", "A file is of no kind that is known"),
    ("unknown-output", "An output of a procedure is used that it does not have"),
    ("unknown-parameter", "A parameter is given that the procedure or the standard does not have"),
    ("unknown-procedure", "A procedure is named that the workload does not have"),
    ("unknown-recording", "A measure reads a recorded series that no rule file records"),
    ("unknown-standard", "A standard is named that the workload does not use"),
    ("unknown-subject", "A note is about something that the workload does not have"),
    ("unknown-variable", "A `${…}` names no variable or parameter, or one without a value"),
    ("unknown-webhook", "A trigger calls a webhook that the workload does not declare"),
    ("unsupported-format", "A folder holds files of a format that is not built yet"),
    ("unsupported-tag", "A YAML tag such as `!Ref` means nothing here"),
    ("unused-variable", "A variable or parameter is declared, or given a value, that nothing uses"),
    ("wrong-language", "A procedure is run in the way of the other kind of document"),
    ("wrong-type", "A value is of another type than is expected"),
];
