//! What holds for runs of procedures: `procedures: { restart-payments: { concurrency: 1 } }`.

use std::collections::BTreeMap;

use super::fields::Reader;
use crate::shape;
use crate::tree::Node;

/// What holds for all runs of one procedure, whoever starts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcedureLimits {
    /// How many of them may go on at once; more stand in line. `None` is no limit.
    pub concurrency: Option<u32>,
}

/// Whether a file of this name can be a procedure.
pub(crate) fn is_procedure_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

/// Reads the value of `procedures`. Whether there are such procedures is known with the other files.
pub(crate) fn read(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, ProcedureLimits> {
    let mut limits = BTreeMap::new();
    for entry in reader.entries(node).unwrap_or_default() {
        if !is_procedure_name(&entry.key) {
            let message = format!("`{}` is not a name for a procedure", entry.key);
            let diagnostic = reader.error("bad-name", entry.key_span.clone(), message);
            reader
                .push(diagnostic.help("a procedure has the name of its file in `runbooks/` or `playbooks/`"));
        }
        let concurrency = reader
            .fields(&entry.value, &shape::PROCEDURE)
            .and_then(|fields| fields.required("concurrency", "1"))
            .and_then(|node| reader.count(node, 1..=1_000_000));
        limits.insert(entry.key.to_string(), ProcedureLimits { concurrency });
    }
    limits
}
