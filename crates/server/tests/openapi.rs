//! The API's document is checked in, so that clients are generated from it; this holds it to the code. `cargo xtask
//! openapi` (or `UPDATE=1` with this test) writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json")
}

fn document() -> Value {
    serde_json::from_str(&mainstay_server::http::openapi()).expect("the document is JSON")
}

/// Every operation: path, method, and what is said of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("there are paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().expect("a path has methods");
            item.iter().map(move |(method, said)| (path.as_str(), method.as_str(), said))
        })
        .collect()
}

#[test]
fn the_checked_in_document_is_the_one_of_the_code() {
    let now = mainstay_server::http::openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file(), &now).expect("the document can be written");
        return;
    }
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(known == now, "crates/api/openapi.json is not what the code says: run `cargo xtask openapi`");
}

/// Every `$ref` in a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn whatever_is_referred_to_is_there_and_all_of_it_is_used() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().expect("there are schemas").keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(reference.as_str()), "nothing uses the schema {name}");
    }
}

#[test]
fn operations_have_names_that_read_well_as_functions() {
    let document = document();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, method, said) in operations(&document) {
        let name = said["operationId"].as_str().expect("an operation has a name");
        assert!(
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.chars().all(|letter| letter.is_ascii_alphanumeric()),
            "{name}"
        );
        assert_eq!(names.insert(name, path), None, "{name} is there twice");
        assert!(said["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        let answers = said["responses"].as_object().expect("there are answers");
        assert!(
            answers.keys().any(|status| status.starts_with(['2', '3'])),
            "{method} {path} never does well"
        );
    }
    assert!(names.len() > 40, "{} operations", names.len());
}

#[test]
fn fields_that_may_be_left_out_are_never_null() {
    fn walk(at: &str, schema: &Value) {
        if let Some(properties) = schema["properties"].as_object() {
            let empty = Vec::new();
            let required: Vec<&str> =
                schema["required"].as_array().unwrap_or(&empty).iter().filter_map(Value::as_str).collect();
            for (name, property) in properties {
                let may_be_null =
                    property["type"].as_array().is_some_and(|types| types.contains(&"null".into()))
                        || property["oneOf"]
                            .as_array()
                            .is_some_and(|of| of.iter().any(|one| one["type"] == "null"));
                assert!(!may_be_null || required.contains(&name.as_str()), "{at}.{name}");
            }
        }
        match schema {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(&format!("{at}/{key}"), value)),
            Value::Array(items) => items.iter().for_each(|value| walk(at, value)),
            _ => {}
        }
    }
    walk("", &document()["components"]["schemas"]);
}

/// Which roles have a permission, in the words of `docs/access.md`.
const ROLES: [(&str, &str); 5] = [
    ("viewer", "read"),
    ("responder", "read respond run"),
    ("operator", "read respond run operate apply append"),
    ("approver", "read approve"),
    ("admin", "read respond run operate apply append approve administer"),
];

/// The page that lists every operation with who may call it.
fn page() -> String {
    let mut page = String::from(
        "# Operations of the API\n\nWritten by `cargo xtask openapi` from the table that requests are allowed by. `on` is what a role has to be granted on;\n*each* is each of the things that are asked for or sent, *everything* is `*`. [access.md](access.md) says what roles are.\n\n| operation | | needs | on | viewer | responder | operator | approver | admin |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let document = document();
    for (path, method, said) in operations(&document) {
        let name = said["operationId"].as_str().unwrap_or_default();
        let call = format!("`{} {path}`", method.to_ascii_uppercase());
        let permission = &said["x-permission"];
        let (needs, on, marks) = match permission["permission"].as_str() {
            Some(needs) => {
                let has = |has: &str| needs.split(" or ").any(|one| has.split(' ').any(|word| word == one));
                let marks = ROLES.map(|(_, permissions)| if has(permissions) { "yes" } else { "" });
                let needs = match permission["unless"].as_str() {
                    Some(unless) => format!("{needs}, unless {unless}"),
                    None => needs.to_owned(),
                };
                (needs, permission["on"].as_str().unwrap_or_default().to_owned(), marks)
            }
            None if said["security"].as_array().is_some_and(Vec::is_empty) => {
                ("nothing".to_owned(), String::new(), ["yes"; 5])
            }
            None => ("to be signed in".to_owned(), String::new(), ["yes"; 5]),
        };
        page.push_str(&format!("| {name} | {call} | {needs} | {on} | {} |\n", marks.join(" | ")));
    }
    page
}

#[test]
fn the_checked_in_page_of_operations_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let now = page();
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, now).expect("the page can be written");
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(known == now, "docs/operations.md is not what the code says: run `cargo xtask openapi`");
}
