//! What is PromQL but probably not what was meant.

use mainstay_promql::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, MatchOp, NAME, Span, VectorSelector,
};

/// One hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// What is odd: one sentence.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// The place.
    pub span: Span,
}

/// All hints on an expression, in the order of the text.
pub fn hints(expr: &Expr) -> Vec<Hint> {
    let mut out = Vec::new();
    look(expr, &mut out);
    for selector in expr.selectors() {
        plain_patterns(selector, &mut out);
    }
    out.sort_by_key(|hint| (hint.span.start, hint.span.end));
    out
}

fn look(expr: &Expr, out: &mut Vec<Hint>) {
    match expr {
        Expr::Call(call) => {
            counters_and_gauges(call, out);
            quantiles(call, out);
        }
        Expr::Aggregate(aggregate) => averaged_quantile(aggregate, out),
        Expr::Binary(binary) => {
            count_of_nothing(binary, out);
            never_match(binary, out);
        }
        _ => {}
    }
    expr.children().into_iter().for_each(|child| look(child, out));
}

/// By their names; recorded series have a colon, and then nothing is known.
fn is_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

fn counters_and_gauges(call: &Call, out: &mut Vec<Hint>) {
    let name = call.function.name;
    let Some(argument) =
        call.args.iter().find(|arg| matches!(arg.without_parens(), Expr::Range(_) | Expr::Subquery(_)))
    else {
        return;
    };
    let of_counters = matches!(name, "rate" | "irate" | "increase");
    let of_gauges = matches!(name, "delta" | "idelta" | "deriv" | "predict_linear");
    match argument.without_parens() {
        Expr::Range(range) => {
            let Some(metric) = range.selector.metric_name().filter(|metric| !metric.contains(':')) else {
                return;
            };
            if of_counters && !is_counter(metric) {
                out.push(Hint {
                    code: "rate-of-gauge",
                    message: format!(
                        "`{metric}` does not look like a counter, and `{name}` takes every fall for a reset"
                    ),
                    help: "counters end in `_total`; for a gauge use `delta`, `deriv` or `avg_over_time`"
                        .to_owned(),
                    span: call.span,
                });
            }
            if of_gauges && metric.ends_with("_total") {
                out.push(Hint {
                    code: "delta-of-counter",
                    message: format!(
                        "`{metric}` looks like a counter, and `{name}` does not even out its resets"
                    ),
                    help: "for a counter use `rate` or `increase`".to_owned(),
                    span: call.span,
                });
            }
        }
        Expr::Subquery(subquery) if of_counters => {
            if let Expr::Aggregate(aggregate) = subquery.expr.without_parens()
                && aggregate.op == AggregateOp::Sum
                && aggregate
                    .expr
                    .selectors()
                    .iter()
                    .any(|selector| selector.metric_name().is_some_and(is_counter))
            {
                out.push(Hint {
                    code: "rate-of-sum",
                    message: format!("The sum hides resets of single counters from `{name}`"),
                    help: format!("first `{name}`, then `sum`"),
                    span: call.span,
                });
            }
        }
        _ => {}
    }
}

fn quantiles(call: &Call, out: &mut Vec<Hint>) {
    if call.function.name != "histogram_quantile" {
        return;
    }
    let [level, buckets] = call.args.as_slice() else { return };
    if let Expr::Number(number) = level.without_parens()
        && !(0.0..=1.0).contains(&number.value)
    {
        out.push(Hint {
            code: "bad-quantile",
            message: "A quantile lies between 0 and 1".to_owned(),
            help: "the 99th percentile is 0.99".to_owned(),
            span: number.span,
        });
    }
    let of_buckets = |expr: &Expr| {
        expr.selectors().iter().any(|s| s.metric_name().is_some_and(|name| name.ends_with("_bucket")))
    };
    match buckets.without_parens() {
        Expr::Aggregate(aggregate) if of_buckets(&aggregate.expr) => {
            let names_le = aggregate.grouping.iter().any(|label| label == "le");
            if names_le == aggregate.without {
                out.push(Hint {
                    code: "lost-le",
                    message: "This aggregation drops the label `le`, so the buckets are lost".to_owned(),
                    help: if aggregate.without {
                        "take `le` out of `without`".to_owned()
                    } else {
                        "add `le` to `by`".to_owned()
                    },
                    span: aggregate.span,
                });
            }
        }
        Expr::Selector(selector) if of_buckets(buckets) => out.push(Hint {
            code: "quantile-of-all-time",
            message: "This is the quantile of all observations since the counters began".to_owned(),
            help: "for those of the last minutes take `rate(…[5m])` of the buckets".to_owned(),
            span: selector.span,
        }),
        _ => {}
    }
}

fn averaged_quantile(aggregate: &Aggregate, out: &mut Vec<Hint>) {
    let of_summary = |s: &VectorSelector| s.matchers.iter().any(|m| m.name == "quantile");
    let is_quantile = match aggregate.expr.without_parens() {
        Expr::Call(call) => call.function.name == "histogram_quantile",
        expr => expr.selectors().into_iter().any(of_summary),
    };
    if is_quantile && matches!(aggregate.op, AggregateOp::Avg | AggregateOp::Sum) {
        out.push(Hint {
            code: "averaged-quantile",
            message: format!("The {} of quantiles is not a quantile of anything", aggregate.op.keyword()),
            help: "aggregate the buckets by `le` first, and take the quantile last".to_owned(),
            span: aggregate.span,
        });
    }
}

/// Counting no series gives no series, not zero.
fn count_of_nothing(binary: &Binary, out: &mut Vec<Hint>) {
    let is_count = |expr: &Expr| {
        matches!(expr.without_parens(), Expr::Aggregate(a) if a.op == AggregateOp::Count)
            || matches!(expr.without_parens(), Expr::Call(c) if c.function.name == "count_over_time")
    };
    let number = |expr: &Expr| match expr.without_parens() {
        Expr::Number(number) => Some(number.value),
        _ => None,
    };
    let asks = match (binary.op, number(&binary.rhs)) {
        (BinaryOp::Equal | BinaryOp::LessEqual, Some(value)) => value == 0.0,
        (BinaryOp::Less, Some(value)) => value <= 1.0,
        _ => false,
    };
    if asks && is_count(&binary.lhs) {
        out.push(Hint {
            code: "count-of-nothing",
            message: "A count of nothing is nothing, not 0, so this never holds".to_owned(),
            help: "use `absent(…)`, or `… or vector(0)` around the count".to_owned(),
            span: binary.span,
        });
    }
}

/// Sides whose labels are known and differ.
fn never_match(binary: &Binary, out: &mut Vec<Hint>) {
    fn labels(expr: &Expr) -> Option<Vec<&str>> {
        let Expr::Aggregate(aggregate) = expr.without_parens() else { return None };
        let keeps = matches!(
            aggregate.op,
            AggregateOp::Topk
                | AggregateOp::Bottomk
                | AggregateOp::Limitk
                | AggregateOp::LimitRatio
                | AggregateOp::CountValues
        );
        if aggregate.without || keeps {
            return None;
        }
        let mut labels: Vec<&str> = aggregate.grouping.iter().map(String::as_str).collect();
        labels.sort_unstable();
        labels.dedup();
        Some(labels)
    }
    if binary.matching.explicit || binary.op == BinaryOp::Or {
        return;
    }
    let (Some(left), Some(right)) = (labels(&binary.lhs), labels(&binary.rhs)) else { return };
    if left != right {
        let shown = |labels: &[&str]| if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
        out.push(Hint {
            code: "never-match",
            message: format!(
                "The left side has other labels ({}) than the right side ({}), so no series match",
                shown(&left),
                shown(&right)
            ),
            help: "say which labels must be equal with `on (…)`, and with `group_left` which side has more series"
                .to_owned(),
            span: binary.op_span,
        });
    }
}

fn plain_patterns(selector: &VectorSelector, out: &mut Vec<Hint>) {
    for matcher in selector.matchers.iter().filter(|matcher| matcher.name != NAME) {
        let plain =
            !matcher.value.is_empty() && !matcher.value.contains(|c: char| r"\.+*?()[]{}^$|".contains(c));
        let instead = match matcher.op {
            MatchOp::Regex => "=",
            MatchOp::NotRegex => "!=",
            MatchOp::Equal | MatchOp::NotEqual => continue,
        };
        if plain {
            out.push(Hint {
                code: "plain-pattern",
                message: format!("`{matcher}` has no pattern in it"),
                help: format!("`{}{instead}\"{}\"` means the same", matcher.name, matcher.value),
                span: selector.span,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_given_where_they_are_due_and_nowhere_else() {
        for (text, codes) in [
            ("rate(temperature_celsius[5m])", &["rate-of-gauge"][..]),
            ("rate(requests_total[5m])", &[]),
            ("rate(job:requests:sum[5m])", &[]),
            ("rate({job=\"x\"}[5m])", &[]),
            ("deriv(requests_total[5m])", &["delta-of-counter"]),
            ("rate(sum(requests_total)[5m:])", &["rate-of-sum"]),
            ("histogram_quantile(99, sum by (job) (rate(x_bucket[5m])))", &["bad-quantile", "lost-le"]),
            ("histogram_quantile(0.9, sum by (job, le) (rate(x_bucket[5m])))", &[]),
            ("histogram_quantile(0.9, sum without (pod) (rate(x_bucket[5m])))", &[]),
            ("histogram_quantile(0.9, sum(rate(x[5m])))", &["rate-of-gauge"]),
            ("histogram_quantile(0.9, x_bucket)", &["quantile-of-all-time"]),
            ("avg(x_seconds{quantile=\"0.9\"})", &["averaged-quantile"]),
            ("count(up) == 0", &["count-of-nothing"]),
            ("count(up) > 0", &[]),
            ("sum by (a) (x) / sum by (b) (y)", &["never-match"]),
            ("sum by (a) (x) / on (a) sum by (a, b) (y)", &[]),
            ("sum by (a, b) (x) / sum by (b, a) (y)", &[]),
            ("up{job=~\"shop\", env=~\"a|b\"}", &["plain-pattern"]),
        ] {
            let expr = mainstay_promql::parse(text).expect("is PromQL");
            let found: Vec<&str> = hints(&expr).iter().map(|hint| hint.code).collect();
            assert_eq!(found, codes, "{text}");
        }
    }
}
