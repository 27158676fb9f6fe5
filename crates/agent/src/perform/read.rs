//! Documents that lie on this host, YAML or JSON.

use std::path::Path;

use mainstay_declare::{Checked, DocumentsOnly, FileContent, Kind, ProcedureFacts, SourceFile, check_file};
use mainstay_runbook::Document;

/// Reads a document, or says at which lines it is wrong.
pub(super) fn document(path: &Path, bytes: Vec<u8>) -> Result<Document, String> {
    let shown = path.display().to_string();
    let parse = DocumentsOnly(|value: &_| match Document::parse(value) {
        Ok(_) => Checked::ok(ProcedureFacts::default()),
        Err(problems) => Checked::failed(problems),
    });
    let outcome = check_file(&SourceFile { path: shown.clone(), bytes }, Some(Kind::Procedure), &parse);
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
