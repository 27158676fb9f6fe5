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

    fn checked(files: &[(&str, &str)]) -> Vec<Diagnostic> {
        let files: Vec<mainstay_declare::SourceFile> = files
            .iter()
            .map(|(path, text)| mainstay_declare::SourceFile {
                path: (*path).to_owned(),
                bytes: text.as_bytes().to_vec(),
            })
            .collect();
        mainstay_declare::declare(&files, &mainstay_server::languages::Spoken).diagnostics
    }

    /// A place is a relative URI and, if it has a region, one whose lines and columns begin at 1 and do not run back.
    fn is_place(place: &Value) {
        let uri = place["artifactLocation"]["uri"].as_str().expect("a URI");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~%".contains(&byte);
        assert!(!uri.starts_with('/') && !uri.contains(':') && uri.bytes().all(plain), "{uri}");
        if let Some(region) = place.get("region") {
            let of = |key: &str| region[key].as_u64().unwrap_or_else(|| panic!("{key} in {region}"));
            let (start, end) = ((of("startLine"), of("startColumn")), (of("endLine"), of("endColumn")));
            assert!(start.0 >= 1 && start.1 >= 1 && start <= end, "{region}");
        }
    }

    /// What SARIF 2.1.0 asks for, field by field (its sections 3.13, 3.14, 3.18, 3.19, 3.27 and 3.30).
    #[test]
    fn the_log_has_the_shape_that_readers_expect() {
        let found = checked(&[
            (
                "mainstay.yaml",
                "workload: shop\ncomponents:\n  é: {}\n  web:\n    depends_on: [api, api]\n    service: { run: ./w, prot: 1 }\n",
            ),
            (
                "runbooks/a b.yaml",
                "schemaVersion: \"0.3\"\nmainSteps:\n  - { name: x, action: aws:nothing, inputs: {} }\n",
            ),
            ("alarms/a.yaml", "groups:\n  - name: g\n    rules:\n      - { alert: A, expr: 'rate(x' }\n"),
            (
                "triggers/t.yaml",
                "Name: t\nEventPattern: { source: [x] }\nTargets: [{ Id: a, Arn: procedure/none }]\n",
            ),
        ]);
        assert!(found.len() > 4, "{found:?}");
        let codes: BTreeSet<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
        let log = log(&found, Path::new("my shop"));
        assert_eq!(log["version"], "2.1.0");
        assert!(log["$schema"].as_str().is_some_and(|schema| schema.ends_with("sarif-2.1.0.json")));
        let runs = log["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 1);
        let run = &runs[0];
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "mainstay");
        let rules = driver["rules"].as_array().expect("rules");
        let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
        assert_eq!(ids, codes.into_iter().collect::<Vec<_>>(), "each rule once");
        for rule in rules {
            for key in ["shortDescription", "fullDescription", "help"] {
                assert!(
                    rule[key]["text"].as_str().is_some_and(|text| !text.trim().is_empty()),
                    "{key} in {rule}"
                );
            }
        }
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), found.len());
        for (result, diagnostic) in results.iter().zip(&found) {
            assert_eq!(result["ruleId"], diagnostic.code);
            let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
            assert_eq!(index.map(|index| ids[index]), Some(diagnostic.code));
            assert!(
                ["error", "warning", "note", "none"].contains(&result["level"].as_str().expect("a level"))
            );
            let text = result["message"]["text"].as_str().expect("a message");
            let help = diagnostic.help.as_deref().unwrap_or_default();
            assert!(
                text.starts_with(&diagnostic.message) && text.to_lowercase().ends_with(&help.to_lowercase()),
                "{text}"
            );
            let places = result["locations"].as_array().expect("locations");
            assert_eq!(places.len(), 1);
            is_place(&places[0]["physicalLocation"]);
            let related = result["relatedLocations"].as_array().expect("a list");
            assert_eq!(related.len(), diagnostic.related.len());
            for (id, place) in related.iter().enumerate() {
                assert_eq!(place["id"].as_u64(), u64::try_from(id).ok());
                assert!(place["message"]["text"].is_string());
                is_place(&place["physicalLocation"]);
            }
        }
        let text = log.to_string();
        assert!(text.contains("my%20shop/runbooks/a%20b.yaml"), "{text}");
    }

    /// Columns are counted in code points, as `columnKind` says, and the end is the place behind the last one.
    #[test]
    fn columns_are_code_points() {
        let found = checked(&[("mainstay.yaml", "workload: shop\ntitle: \"é😀\"\nowners: x\n")]);
        let log = log(&found, Path::new("."));
        let region = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(*region, json!({ "startLine": 3, "startColumn": 1, "endLine": 3, "endColumn": 7 }));
        let found = checked(&[("mainstay.yaml", "workload: shop\ntags: { é😀é: x, \"\": 1, owners: [] }\n")]);
        for (diagnostic, result) in found
            .iter()
            .zip(self::log(&found, Path::new("."))["runs"][0]["results"].as_array().expect("results"))
        {
            let region = &result["locations"][0]["physicalLocation"]["region"];
            let line = "tags: { é😀é: x, \"\": 1, owners: [] }";
            let before = &line[..diagnostic.span.start - "workload: shop\n".len()];
            assert_eq!(
                region["startColumn"].as_u64(),
                u64::try_from(before.chars().count() + 1).ok(),
                "{diagnostic:?}"
            );
        }
    }
}
