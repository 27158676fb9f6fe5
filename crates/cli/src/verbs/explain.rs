//! `mainstay explain`.

use std::fmt::Write as _;

use mainstay_declare::explain::{Example, Explanation};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, table};

/// The version of what `--output json` prints.
const VERSION: u32 = 1;

/// Explains one code, or lists them.
pub fn run(screen: Screen, code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        let all = mainstay_declare::explain::all();
        if screen.is_json() {
            let codes: Vec<Value> = all.iter().map(value).collect();
            return screen.json(&json!({ "version": VERSION, "codes": codes }));
        }
        let rows: Vec<Vec<Field>> =
            all.iter().map(|found| vec![found.code.into(), found.summary.into()]).collect();
        return screen.print(&table(screen.style, &["CODE", "MEANING"], rows));
    };
    let Some(found) = mainstay_declare::explain::explain(code) else {
        let all = mainstay_declare::explain::all();
        let near = mainstay_model::problem::nearest(code, all.iter().map(|found| found.code));
        let hint = near.map_or_else(
            || "`mainstay explain` lists those that are explained".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Failure::new(Exit::Usage, format!("Nothing is known of a code `{code}`")).hint(hint));
    };
    if screen.is_json() {
        return screen.json(&json!({ "version": VERSION, "codes": [value(&found)] }));
    }
    screen.print(&human(&found, screen.style))
}

fn value(found: &Explanation) -> Value {
    json!({
        "code": found.code,
        "summary": found.summary,
        "why": found.why,
        "wrong": example(&found.wrong),
        "right": example(&found.right),
    })
}

/// The files of an example, or words about them.
fn example(example: &Example) -> Value {
    let file = |(path, text): &(&str, &str)| json!({"path": path, "text": text});
    match example {
        Example::Directory(files) => json!({"files": files.iter().map(file).collect::<Vec<_>>()}),
        Example::File(path, text) => json!({"files": [file(&(*path, *text))]}),
        Example::Made(words, _) | Example::Words(words) => json!({"words": words}),
    }
}

fn human(found: &Explanation, style: Style) -> String {
    let mut out = format!("{}: {}\n\n", style.bold(found.code), found.summary);
    let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    for line in wrapped(found.why, width) {
        let _ = writeln!(out, "{line}");
    }
    // Files that the two examples share say nothing about the difference.
    let (wrong, right) = (shown(&found.wrong), shown(&found.right));
    let differs = |file: &&(String, String), others: &[(String, String)]| !others.contains(file);
    for (heading, files, others) in [("Wrong", &wrong, &right), ("Right", &right, &wrong)] {
        let _ = writeln!(out, "\n{}", style.bold(heading));
        let different: Vec<_> = files.iter().filter(|file| differs(file, others)).collect();
        let files = if different.is_empty() { files.iter().collect() } else { different };
        for (path, text) in files {
            if !path.is_empty() {
                let _ = writeln!(out, "  # {path}");
            }
            for line in text.lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    out
}

fn shown(example: &Example) -> Vec<(String, String)> {
    match example {
        Example::Directory(files) => {
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        }
        Example::File(path, text) => vec![((*path).to_owned(), (*text).to_owned())],
        Example::Made(words, _) | Example::Words(words) => vec![(String::new(), (*words).to_owned())],
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width.clamp(40, 100) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mainstay_declare::{Diagnostic, SourceFile, check_file, declare};
    use mainstay_server::languages::Spoken;

    use super::*;

    /// The diagnostics of an example, by the languages that this version really speaks.
    fn diagnostics(example: &Example) -> Option<Vec<Diagnostic>> {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        Some(match example {
            Example::Directory(files) => {
                declare(&files.iter().map(file).collect::<Vec<_>>(), &Spoken).diagnostics
            }
            Example::File(path, text) => check_file(&file(&(*path, *text)), None, &Spoken).diagnostics,
            Example::Made(_, make) => declare(&make(), &Spoken).diagnostics,
            Example::Words(_) => return None,
        })
    }

    fn words(diagnostics: &[Diagnostic]) -> String {
        diagnostics.iter().take(5).map(|d| format!("\n    {} {}: {}", d.code, d.path, d.message)).collect()
    }

    #[test]
    fn wrong_examples_give_their_code_and_right_ones_are_clean() {
        let mut only_words = Vec::new();
        let mut faults = Vec::new();
        for found in mainstay_declare::explain::all() {
            let (Some(wrong), Some(right)) = (diagnostics(&found.wrong), diagnostics(&found.right)) else {
                only_words.push(found.code);
                continue;
            };
            let codes: BTreeSet<&str> = wrong.iter().map(|diagnostic| diagnostic.code).collect();
            // A thousand problems are problems of some other code, too.
            let expected = if found.code == "too-many-problems" { 2 } else { 1 };
            if !codes.contains(found.code) || codes.len() != expected {
                faults.push(format!("{}: the wrong example gives {}", found.code, words(&wrong)));
            }
            if !right.is_empty() {
                faults.push(format!("{}: the right example gives {}", found.code, words(&right)));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        // These are about the file system, and have tests in `directory`.
        assert_eq!(only_words, ["link", "too-many-files", "unreadable-file", "unreadable-standard"]);
    }

    #[test]
    fn an_explanation_shows_what_differs() {
        let found = mainstay_declare::explain::explain("missing-parameter").expect("known");
        let text = human(&found, Style::default());
        assert!(text.starts_with("missing-parameter: "), "{text}");
        assert!(text.contains("# triggers/on-alarm.yaml") && !text.contains("# mainstay.yaml"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
