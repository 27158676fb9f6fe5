//! Languages for tests of the crate's own file.

use serde_json::Value;

use crate::{Checked, Languages, ProcedureFacts, RulesFacts, TriggerFacts};

/// Takes everything: what is under test is the file of our own.
pub(crate) struct Any;

impl Languages for Any {
    fn document(&self, _: &Value) -> Checked<ProcedureFacts> {
        Checked::ok(ProcedureFacts::default())
    }
    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::ok(RulesFacts::default())
    }
    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::ok(TriggerFacts { name: None, targets: Vec::new() })
    }
    fn query(&self, _: &str) -> Vec<mainstay_model::Problem> {
        Vec::new()
    }
}
