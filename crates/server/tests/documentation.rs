//! The documentation of the example, as it is written.

use std::path::Path;

use mainstay_declare::{SourceFile, declare};
use mainstay_learn::docs;
use mainstay_server::documentation::documentation;
use mainstay_server::languages::Spoken;

fn shop() -> docs::Documentation {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    let mut files = Vec::new();
    for folder in ["", "alarms", "triggers", "runbooks", "playbooks", "docs"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries {
            let path = entry.expect("the example can be read").path();
            let wanted = path.extension().is_some_and(|extension| extension == "yaml" || extension == "md");
            if path.is_file() && wanted {
                let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
                files.push(SourceFile { path: name, bytes: std::fs::read(&path).expect("read") });
            }
        }
    }
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
