//! The checks that need a whole expression: types of operands and arguments, and what modifiers go together.

use super::Parser;
use crate::ast::{Binary, BinaryOp, Call, Cardinality, Expr, ValueType};
use crate::functions::Kind;
use crate::text;

/// Checks the expression and records every problem.
pub(super) fn check(expr: &Expr, p: &mut Parser<'_>) {
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Selector(selector) => check_matchers(selector, p),
        Expr::Range(range) => check_matchers(&range.selector, p),
        Expr::Paren(paren) => check(&paren.expr, p),
        Expr::Subquery(subquery) => {
            check(&subquery.expr, p);
            let found = subquery.expr.value_type();
            if found != ValueType::Vector {
                let message =
                    format!("subquery is only allowed on instant vector, got {} instead", found.api_name());
                p.problem(subquery.span, message);
            }
        }
        Expr::Unary(unary) => {
            check(&unary.expr, p);
            let found = unary.expr.value_type();
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                    text::quote(found.describe())
                );
                p.problem(unary.span, message);
            }
        }
        Expr::Aggregate(aggregate) => {
            check(&aggregate.expr, p);
            expect_type(&aggregate.expr, ValueType::Vector, "aggregation expression", p);
            if let Some(param) = &aggregate.param {
                check(param, p);
                let wanted = if aggregate.op == crate::ast::AggregateOp::CountValues {
                    ValueType::String
                } else {
                    ValueType::Scalar
                };
                expect_type(param, wanted, "aggregation parameter", p);
            }
        }
        Expr::Call(call) => check_call(call, p),
        Expr::Binary(binary) => check_binary(binary, p),
    }
}

fn expect_type(expr: &Expr, wanted: ValueType, context: &str, p: &mut Parser<'_>) {
    let found = expr.value_type();
    if found != wanted {
        let message = format!("expected type {} in {context}, got {}", wanted.describe(), found.describe());
        p.problem(expr.span(), message);
    }
}

fn check_matchers(selector: &crate::ast::VectorSelector, p: &mut Parser<'_>) {
    if selector.matchers.iter().all(|matcher| matcher.matches("")) {
        p.problem_with_help(
            selector.span,
            "vector selector must contain at least one non-empty matcher",
            "name a metric or add a matcher that does not accept the empty value",
        );
    }
}

fn check_call(call: &Call, p: &mut Parser<'_>) {
    let function = call.function;
    let (declared, given) = (function.args.len(), call.args.len());
    let name = text::quote(function.name);
    if function.variadic == 0 {
        if given != declared {
            let message = format!("expected {declared} argument(s) in call to {name}, got {given}");
            p.problem(call.span, message);
        }
    } else {
        let least = declared - 1;
        let most = usize::try_from(function.variadic).ok().map(|more| least + more);
        if given < least {
            let message = format!("expected at least {least} argument(s) in call to {name}, got {given}");
            p.problem(call.span, message);
        } else if let Some(most) = most.filter(|most| given > *most) {
            let message = format!("expected at most {most} argument(s) in call to {name}, got {given}");
            p.problem(call.span, message);
        }
    }
    let context = format!("call to function {name}");
    for (i, arg) in call.args.iter().enumerate() {
        let Some(wanted) = function.args.get(i).or(function.args.last()) else { break };
        if function.kind == Kind::Info && i == 1 {
            match arg {
                Expr::Selector(selector) if selector.name.is_empty() => {
                    if selector.offset.is_some() || selector.at.is_some() || selector.extension.is_some() {
                        p.problem(arg.span(), "expected label selectors only");
                    }
                }
                Expr::Selector(_) => {
                    p.problem(arg.span(), "expected label selectors only, got vector selector instead");
                }
                _ => p.problem(arg.span(), "expected label selectors only"),
            }
            continue;
        }
        check(arg, p);
        expect_type(arg, *wanted, &context, p);
    }
}

fn check_binary(binary: &Binary, p: &mut Parser<'_>) {
    check(&binary.lhs, p);
    check(&binary.rhs, p);
    let (op, span, matching) = (binary.op, binary.op_span, &binary.matching);
    let (left, right) = (binary.lhs.value_type(), binary.rhs.value_type());
    if binary.return_bool && !op.is_comparison() {
        p.problem(span, "bool modifier can only be used on comparison operators");
    }
    let both_scalar = left == ValueType::Scalar && right == ValueType::Scalar;
    if op.is_comparison() && !binary.return_bool && both_scalar {
        p.problem(span, "comparisons between scalars must use BOOL modifier");
    }
    if matching.on {
        for label in matching.labels.iter().filter(|label| matching.include.contains(label)) {
            let message =
                format!("label {} must not occur in ON and GROUP clause at once", text::quote(label));
            p.problem(span, message);
        }
    }
    for (operand, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let message = "binary expression must contain only scalar and instant vector types";
            p.problem(operand.span(), message);
        }
    }
    let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
    let both_vector = left == ValueType::Vector && right == ValueType::Vector;
    if !both_vector {
        if !matching.labels.is_empty() {
            p.problem(binary.span, "vector matching only allowed between instant vectors");
        }
        if filled {
            p.problem(binary.span, "filling in missing series only allowed between instant vectors");
        }
    } else if op.is_set() {
        if matches!(matching.cardinality, Cardinality::OneToMany | Cardinality::ManyToOne) {
            p.problem(binary.span, format!("no grouping allowed for {} operation", text::quote(op.symbol())));
        } else if matching.cardinality != Cardinality::ManyToMany {
            p.problem(binary.span, "set operations must always be many-to-many");
        }
        if filled {
            p.problem(binary.span, "filling in missing series not allowed for set operators");
        }
    }
    let scalar_operand = left == ValueType::Scalar || right == ValueType::Scalar;
    if scalar_operand && matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) {
        let message =
            format!("set operator {} not allowed in binary scalar expression", text::quote(op.symbol()));
        p.problem(binary.span, message);
    }
}
