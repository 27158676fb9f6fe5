//! The one place where PromQL expressions of rules are read.

use std::ops::Range;

use mainstay_promql::ValueType;

/// What is wrong with an expression.
pub(crate) struct ExprProblem {
    pub(crate) message: String,
    /// The bytes of the expression it is about.
    pub(crate) span: Range<usize>,
    pub(crate) help: Option<String>,
}

/// All problems of an expression; none means that it can be evaluated as a rule.
pub(crate) fn problems(text: &str) -> Vec<ExprProblem> {
    if text.trim().is_empty() {
        return vec![ExprProblem {
            message: "The expression is empty".to_owned(),
            span: 0..text.len(),
            help: Some("write a PromQL expression, such as `up == 0`".to_owned()),
        }];
    }
    match mainstay_promql::parse(text) {
        Ok(expr) => match expr.value_type() {
            ValueType::Scalar | ValueType::Vector => Vec::new(),
            // Prometheus loads such a rule and then fails it at every evaluation.
            other => vec![ExprProblem {
                message: format!("A rule must give a vector or a scalar, this gives a {}", other.describe()),
                span: 0..text.len(),
                help: None,
            }],
        },
        Err(errors) => errors
            .into_iter()
            .map(|error| ExprProblem { message: error.message, span: error.span, help: error.help })
            .collect(),
    }
}
