//! Diagnostics as SARIF 2.1.0, which code hosts and editors show beside the lines.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use mainstay_declare::explain::{Example, explain};
use mainstay_declare::{Diagnostic, LineCol};
use mainstay_model::Severity;
use serde_json::{Value, json};

/// One run of `mainstay check`. Paths of diagnostics are relative to `root`, which is as it was typed: code hosts
/// expect paths relative to where the command runs.
pub fn log(diagnostics: &[Diagnostic], root: &Path) -> Value {
    let codes: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &codes, root)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mainstay",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "invocations": [{ "executionSuccessful": true }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let Some(found) = explain(code) else {
        return json!({ "id": code });
    };
    let (wrong, right) = (words(&found.wrong), words(&found.right));
    json!({
        "id": code,
        "shortDescription": { "text": found.summary },
        "fullDescription": { "text": format!("{}. {}", found.summary, found.why) },
        "help": {
            "text": format!("{}\n\nWrong:\n{wrong}\nRight:\n{right}", found.why),
            "markdown": format!("{}\n\n**Wrong**\n```\n{wrong}```\n\n**Right**\n```\n{right}```\n", found.why),
        },
    })
}

fn words(example: &Example) -> String {
    match example {
        Example::Directory(files) => files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect(),
        Example::File(path, text) => format!("# {path}\n{text}"),
        Example::Made(words, _) | Example::Words(words) => format!("{words}\n"),
    }
}

fn result(diagnostic: &Diagnostic, codes: &[&str], root: &Path) -> Value {
    let mut text = format!("{}.", diagnostic.message);
    if let Some(help) = &diagnostic.help {
        let mut chars = help.chars();
        let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        text.push_str(&format!(" {first}{}", chars.as_str()));
    }
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .enumerate()
        .map(|(id, other)| {
            json!({
                "id": id,
                "message": { "text": other.message },
                "physicalLocation": place(root, &other.path, &other.span, other.start, other.end),
            })
        })
        .collect();
    json!({
        "ruleId": diagnostic.code,
        "ruleIndex": codes.iter().position(|code| *code == diagnostic.code),
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text },
        "locations": [{
            "physicalLocation":
                place(root, &diagnostic.path, &diagnostic.span, diagnostic.start, diagnostic.end),
        }],
        "relatedLocations": related,
    })
}

fn place(root: &Path, path: &str, span: &Range<usize>, start: LineCol, end: LineCol) -> Value {
    let artifact = json!({ "uri": uri(&root.join(path)) });
    if *span == (0..0) {
        // About the file as a whole.
        return json!({ "artifactLocation": artifact });
    }
    let region = json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    });
    json!({ "artifactLocation": artifact, "region": region })
}

/// A URI reference: relative paths stay relative.
fn uri(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let lead = if text.starts_with('/') { "file://" } else { "" };
    let mut out = lead.to_owned();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (root, path, expected) in [
            (".", "mainstay.yaml", "mainstay.yaml"),
            ("shop", "runbooks/a b.yaml", "shop/runbooks/a%20b.yaml"),
            ("/srv/é", "x#1.yaml", "file:///srv/%C3%A9/x%231.yaml"),
        ] {
            assert_eq!(uri(&Path::new(root).join(path)), expected);
        }
    }
}
