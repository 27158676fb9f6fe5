//! PromQL as people like to read it: on one line while it fits, otherwise one part on each line, as Prometheus does.

use mainstay_promql::Expr;

/// What is longer is split.
const WIDTH: usize = 100;

/// The expression on as many lines as it takes.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write(expr, 0, &mut out);
    out
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

/// What stands around the parts of an expression is cut out of its text, so that there is one place that knows it.
fn write(expr: &Expr, level: usize, out: &mut String) {
    let text = expr.to_string();
    let whole = |out: &mut String| {
        out.push_str(&indent(level));
        out.push_str(&text);
    };
    if text.chars().count() <= WIDTH {
        return whole(out);
    }
    match expr {
        Expr::Number(_) | Expr::String(_) | Expr::Selector(_) | Expr::Range(_) => whole(out),
        Expr::Call(call) if call.args.is_empty() => whole(out),
        Expr::Call(call) => {
            let args: Vec<&Expr> = call.args.iter().collect();
            bracketed(call.function.name, &args, level, out);
        }
        Expr::Paren(paren) => bracketed("", &[&paren.expr], level, out),
        Expr::Aggregate(aggregate) => {
            let mut parts: Vec<&Expr> = aggregate.param.iter().map(|param| &**param).collect();
            parts.push(&aggregate.expr);
            let inner = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            match text.strip_suffix(&format!("({inner})")) {
                Some(head) => bracketed(head, &parts, level, out),
                None => whole(out),
            }
        }
        Expr::Binary(binary) => {
            let (left, right) = (binary.lhs.to_string(), binary.rhs.to_string());
            let operator = text.strip_prefix(&left).and_then(|rest| rest.strip_suffix(&right));
            let Some(operator) = operator else { return whole(out) };
            write(&binary.lhs, level + 1, out);
            out.push('\n');
            out.push_str(&indent(level));
            out.push_str(operator.trim());
            out.push('\n');
            write(&binary.rhs, level + 1, out);
        }
        Expr::Unary(unary) => {
            let mut inner = String::new();
            write(&unary.expr, level, &mut inner);
            out.push_str(&indent(level));
            out.push(if unary.negative { '-' } else { '+' });
            out.push_str(inner.trim_start());
        }
        Expr::Subquery(subquery) => {
            let inner = subquery.expr.to_string();
            match text.strip_prefix(&inner) {
                Some(tail) => {
                    write(&subquery.expr, level, out);
                    out.push_str(tail);
                }
                None => whole(out),
            }
        }
    }
}

/// `head(` and each part on a line of its own and `)`.
fn bracketed(head: &str, parts: &[&Expr], level: usize, out: &mut String) {
    out.push_str(&format!("{}{head}(\n", indent(level)));
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(",\n");
        }
        write(part, level + 1, out);
    }
    out.push_str(&format!("\n{})", indent(level)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_expressions_are_split_and_mean_the_same() {
        let text = "sum by (job, instance) (rate(requests_total{code=~\"5..\", job=\"shop\"}[5m])) / on (job) group_left (team) \
                    (sum by (job) (rate(requests_total{job=\"shop\"}[5m])) > 0 and -max_over_time((up{job=\"shop\"} == 1)[1h:5m] offset 1d))";
        let expr = mainstay_promql::parse(text).expect("is PromQL");
        let split = pretty(&expr);
        assert_eq!(
            split,
            "  sum by (job, instance) (rate(requests_total{code=~\"5..\",job=\"shop\"}[5m]))\n\
             / on (job) group_left (team)\n  (\n      sum by (job) (rate(requests_total{job=\"shop\"}[5m])) > 0\n    and\n      \
             -max_over_time((up{job=\"shop\"} == 1)[1h:5m] offset 1d)\n  )"
        );
        let again = mainstay_promql::parse(&split).expect("is PromQL still");
        assert_eq!(again.to_string(), expr.to_string());
        assert_eq!(pretty(&mainstay_promql::parse("up==1").expect("is PromQL")), "up == 1");
    }
}
