//! The documentation of the example, as it is written: its links, its data, and its text as it was looked at.

use std::path::Path;

use mainstay_declare::{SourceFile, declare};
use mainstay_learn::docs;
use mainstay_server::documentation::documentation;
use mainstay_server::languages::Spoken;
use serde_json::Value;

#[path = "../../learn/src/docs/links.rs"]
mod links;

/// Reads the directory of a workload or of a standard.
fn read(root: &Path, prefix: &str, files: &mut Vec<SourceFile>) {
    for folder in ["", "alarms", "triggers", "runbooks", "playbooks", "docs"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries {
            let path = entry.expect("the example can be read").path();
            let wanted = path.extension().is_some_and(|extension| extension == "yaml" || extension == "md");
            if path.is_file() && wanted {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy();
                let path_in = format!("{prefix}{name}");
                files.push(SourceFile { path: path_in, bytes: std::fs::read(&path).expect("read") });
            }
        }
    }
}

fn shop() -> docs::Documentation {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files = Vec::new();
    read(&examples.join("shop"), "", &mut files);
    // The standard that it uses, where a revision has it.
    read(&examples.join("standards/web"), "standards/web/", &mut files);
    let outcome = declare(&files, &Spoken);
    assert!(outcome.declared.is_some(), "{:?}", outcome.diagnostics);
    documentation(&outcome.declared.expect("declared")).expect("documented")
}

#[test]
fn the_examples_markdown_is_as_it_was_looked_at() {
    let text = docs::markdown(&shop());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/shop.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).expect("written");
    }
    let golden =
        std::fs::read_to_string(path).expect("the golden file is there (make it with UPDATE_GOLDEN=1)");
    assert_eq!(text, golden, "look at the change, then write it anew with UPDATE_GOLDEN=1");
}

#[test]
fn what_leads_where_is_found_through_triggers_and_annotations() {
    let shop = shop();
    let alarm = &shop.alarms["CheckoutFailing"];
    let ways: Vec<(&str, Option<&str>, bool)> = alarm
        .leads_to
        .iter()
        .map(|way| (way.procedure.as_str(), way.trigger.as_deref(), way.always))
        .collect();
    assert_eq!(
        ways,
        [("restore-checkout", None, false), ("restore-checkout", Some("restore-checkout"), true)]
    );
    assert_eq!(shop.procedures["restore-checkout"].alarms, ["CheckoutFailing"]);
    assert_eq!(shop.components["payments"].notes[0].file, "docs/payments.md");
    assert_eq!(shop.components["checkout"].endpoint.as_deref(), Some("http://127.0.0.1:8102"));
}

#[test]
fn every_link_of_the_example_leads_somewhere() {
    let site = docs::site(&shop());
    for page in ["index.html", "alarms.html", "triggers.html", "docs.md", "components.svg"] {
        assert!(site.contains_key(page), "{page} is missing");
    }
    assert_eq!(links::broken(&site), [""; 0]);
    // People's own links lead to what they mean, on pages and in the text.
    let page = &site["components/payments.html"];
    assert!(
        page.contains("<a href=\"../procedures/restore-checkout.html\">pool of connections</a>"),
        "{page}"
    );
    assert!(site["docs.md"].contains("[pool of connections](#procedure-restore-checkout)"));
}

#[test]
fn the_examples_data_is_of_the_published_shape() {
    let schema: Value = serde_json::from_str(&docs::schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let data: Value = serde_json::from_str(&docs::json(&shop())).expect("JSON");
    let errors: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    for (path, expected) in [
        ("components.checkout.endpoint", "http://127.0.0.1:8102"),
        ("components.payments.dependents[0]", "checkout"),
        ("alarms.CheckoutFailing.leads_to[0].procedure", "restore-checkout"),
        ("procedures[\"restore-checkout\"].steps[0].name", "inspect"),
        ("priorities[0].target", ">= 0.995"),
        ("workload.owner", "team-storefront"),
    ] {
        assert_eq!(docs::get(&data, path).map(|found| found.as_str()), Ok(Some(expected)), "{path}");
    }
}
