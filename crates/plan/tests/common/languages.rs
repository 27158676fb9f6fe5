//! Languages that accept everything: what files of them mean is no matter of a plan.

use mainstay_declare::{Checked, Languages, ProcedureFacts, RulesFacts, TriggerFacts};
use mainstay_model::Problem;
use serde_json::Value;

pub struct Anything;

impl Languages for Anything {
    fn document(&self, _: &Value) -> Checked<ProcedureFacts> {
        Checked::ok(ProcedureFacts::default())
    }
    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::ok(RulesFacts::default())
    }
    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::ok(TriggerFacts { name: None, targets: Vec::new() })
    }
    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}
