//! The one place where PromQL expressions of rules are read.

use std::ops::Range;

/// What is wrong with an expression.
pub(crate) struct ExprProblem {
    pub(crate) message: String,
    /// The bytes of the expression it is about.
    pub(crate) span: Range<usize>,
    pub(crate) help: Option<String>,
}

/// All problems of an expression; none means that it can be evaluated.
pub(crate) fn problems(text: &str) -> Vec<ExprProblem> {
    if text.trim().is_empty() {
        return vec![ExprProblem {
            message: "The expression is empty".to_owned(),
            span: 0..text.len(),
            help: Some("write a PromQL expression, such as `up == 0`".to_owned()),
        }];
    }
    Vec::new()
}
