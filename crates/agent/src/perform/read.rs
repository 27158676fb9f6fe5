//! Documents that lie on this host, YAML or JSON.

use std::path::Path;

use mainstay_declare::{
    Checked, FileContent, Kind, Languages, ProcedureFacts, RulesFacts, SourceFile, TriggerFacts, check_file,
};
use mainstay_model::Problem;
use mainstay_runbook::Document;
use serde_json::Value;

/// Procedures only: nothing else is read here.
struct Procedures;

impl Languages for Procedures {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        match Document::parse(value) {
            Ok(_) => Checked::ok(ProcedureFacts::default()),
            Err(problems) => Checked::failed(problems),
        }
    }

    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::failed(Vec::new())
    }

    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::failed(Vec::new())
    }

    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}

/// Reads a document, or says at which lines it is wrong.
pub(super) fn document(path: &Path, bytes: Vec<u8>) -> Result<Document, String> {
    let shown = path.display().to_string();
    let outcome = check_file(&SourceFile { path: shown.clone(), bytes }, Some(Kind::Procedure), &Procedures);
    let errors: Vec<String> = outcome
        .diagnostics
        .iter()
        .filter(|problem| problem.is_error())
        .take(5)
        .map(|problem| format!("line {}: {}", problem.start.line, problem.message))
        .collect();
    match outcome.content {
        Some(FileContent::Procedure(procedure)) if errors.is_empty() => {
            Document::parse(&procedure.value).map_err(|_| format!("The document `{shown}` is refused"))
        }
        _ if errors.is_empty() => Err(format!("`{shown}` is no Command document")),
        _ => Err(format!("The document `{shown}` is refused: {}", errors.join("; "))),
    }
}
