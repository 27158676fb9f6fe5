//! What each code means, why it is refused, and one example that is wrong and one that is right.
//!
//! The examples are checked by tests: the wrong one gives exactly its code, the right one is clean. They are what
//! `mainstay explain` prints and what other tools show as a rule's help.

use crate::SourceFile;
use crate::diagnostic::CODES;

mod between;
mod form;
mod languages;
mod standards;
mod values;

/// What there is to say about one code.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// What it means, in one sentence without a full stop.
    pub summary: &'static str,
    /// Why it is a problem, and what to do.
    pub why: &'static str,
    /// What gives the code.
    pub wrong: Example,
    /// The same without the problem.
    pub right: Example,
}

/// A few files.
#[derive(Clone, Copy, Debug)]
pub enum Example {
    /// Files of a workload's directory, by path.
    Directory(&'static [(&'static str, &'static str)]),
    /// One file, checked by itself.
    File(&'static str, &'static str),
    /// Files that are better described than shown.
    Made(&'static str, fn() -> Vec<SourceFile>),
    /// What lies in the file system and not in a file's text.
    Words(&'static str),
}

/// The texts of this crate's own codes, without the summary, which [`CODES`] has.
pub(crate) struct Text {
    pub code: &'static str,
    pub why: &'static str,
    pub wrong: Example,
    pub right: Example,
}

fn own() -> impl Iterator<Item = &'static Text> {
    form::TEXTS.iter().chain(values::TEXTS).chain(between::TEXTS).chain(standards::TEXTS)
}

/// What there is to say about a code. `None` for a code that is not known.
pub fn explain(code: &str) -> Option<Explanation> {
    if let Some(found) = languages::TEXTS.iter().find(|text| text.code == code) {
        return Some(*found);
    }
    let (code, summary) = CODES.iter().find(|(known, _)| *known == code)?;
    let text = own().find(|text| text.code == *code)?;
    Some(Explanation { code, summary, why: text.why, wrong: text.wrong, right: text.right })
}

/// Every code there is something to say about, in alphabetical order: those of this crate, and those of the languages
/// and of who reads directories.
pub fn all() -> Vec<Explanation> {
    let mut out: Vec<_> = CODES.iter().filter_map(|(code, _)| explain(code)).collect();
    out.extend(languages::TEXTS);
    out.sort_by_key(|explanation| explanation.code);
    out
}

/// A workload with nothing in it.
const SHOP: (&str, &str) = ("mainstay.yaml", "workload: shop\n");

/// A procedure that takes a parameter.
const RESTORE: (&str, &str) = (
    "runbooks/restore.yaml",
    "schemaVersion: \"0.3\"
parameters:
  Reason: { type: String }
mainSteps:
  - name: settle
    action: aws:sleep
    inputs: { Duration: PT1S }
",
);

/// A procedure that takes none.
const SETTLE: (&str, &str) = (
    "runbooks/settle.yaml",
    "schemaVersion: \"0.3\"
mainSteps:
  - name: settle
    action: aws:sleep
    inputs: { Duration: PT1S }
",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_text_and_every_text_a_code() {
        for (code, _) in CODES {
            let texts = own().filter(|text| text.code == *code).count();
            assert_eq!(texts, 1, "`{code}` needs one text in `explain/`");
        }
        for text in own() {
            assert!(CODES.iter().any(|(code, _)| *code == text.code), "`{}` is no code", text.code);
        }
        let codes: Vec<&str> = all().iter().map(|explanation| explanation.code).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        assert!(all().iter().all(|explanation| explanation.why.ends_with('.')));
    }
}
