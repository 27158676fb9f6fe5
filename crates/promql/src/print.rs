//! Printing expressions back as PromQL, in the form Prometheus prints them.

use std::fmt::{self, Display, Formatter};

use crate::ast::{
    Aggregate, At, Binary, BinaryOp, Cardinality, DurationExpr, Expr, Matching, NumberLiteral, Subquery,
    VectorSelector,
};
use crate::labels::{MatchOp, NAME, is_legacy_label_name, is_legacy_metric_name};
use crate::text;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::String(literal) => f.write_str(&text::quote_bytes(&literal.value)),
            Self::Selector(selector) => {
                write_name_and_matchers(f, selector)?;
                write_modifiers(f, selector)
            }
            Self::Range(range) => {
                write_name_and_matchers(f, &range.selector)?;
                write!(f, "[{}]", range.range)?;
                write_modifiers(f, &range.selector)
            }
            Self::Subquery(subquery) => write_subquery(f, subquery),
            Self::Call(call) => {
                write!(f, "{}(", call.function.name)?;
                write_list(f, &call.args)?;
                f.write_str(")")
            }
            Self::Aggregate(aggregate) => write_aggregate(f, aggregate),
            Self::Binary(binary) => write_binary(f, binary),
            Self::Unary(unary) => write!(f, "{}{}", if unary.negative { "-" } else { "+" }, unary.expr),
            Self::Paren(paren) => write!(f, "({})", paren.expr),
        }
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_name_and_matchers(f, self)?;
        write_modifiers(f, self)
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duration {
            return f.write_str(&text::duration_ms(seconds_to_ms(self.value)));
        }
        f.write_str(&text::decimal(self.value))
    }
}

/// Seconds as whole milliseconds; values beyond the range saturate.
#[allow(clippy::cast_possible_truncation, reason = "saturation is what is wanted")]
pub(crate) fn seconds_to_ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::MinOf(a, b, _) => write!(f, "min_of({a}, {b})"),
            Self::MaxOf(a, b, _) => write!(f, "max_of({a}, {b})"),
            Self::Binary(op, a, b, _) => write!(f, "{a} {} {b}", op.symbol()),
            Self::Negative(a, _) => write!(f, "-{a}"),
            Self::Paren(a, _) => write!(f, "({a})"),
        }
    }
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn write_label_list(f: &mut Formatter<'_>, labels: &[String]) -> fmt::Result {
    f.write_str("(")?;
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        if is_legacy_label_name(label) {
            f.write_str(label)?;
        } else {
            f.write_str(&text::quote(label))?;
        }
    }
    f.write_str(")")
}

fn write_name_and_matchers(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    let plain_name = is_legacy_metric_name(&selector.name);
    let mut parts: Vec<String> = Vec::new();
    for matcher in &selector.matchers {
        let is_name = matcher.name == NAME && matcher.op == MatchOp::Equal && matcher.value == selector.name;
        if is_name && !selector.name.is_empty() {
            if !plain_name {
                parts.push(text::quote(&selector.name));
            }
            continue;
        }
        parts.push(matcher.to_string());
    }
    parts.sort();
    if plain_name {
        f.write_str(&selector.name)?;
    }
    if !parts.is_empty() || selector.name.is_empty() {
        write!(f, "{{{}}}", parts.join(","))?;
    }
    Ok(())
}

fn write_at(f: &mut Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
        Some(At::Time(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            let ms = ms.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)
        }
    }
}

fn write_offset(f: &mut Formatter<'_>, offset: Option<&DurationExpr>) -> fmt::Result {
    let Some(offset) = offset else { return Ok(()) };
    match offset.literal_seconds() {
        // A literal prints as a duration whichever way it was written.
        Some(seconds) if seconds * 1000.0 == (seconds * 1000.0).round() => {
            write!(f, " offset {}", text::duration_ms(seconds_to_ms(seconds)))
        }
        // Anything but a single term would be read as arithmetic on the selector's value.
        _ if matches!(offset, DurationExpr::Binary(..)) => write!(f, " offset ({offset})"),
        _ => write!(f, " offset {offset}"),
    }
}

fn write_modifiers(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    write_at(f, selector.at)?;
    if let Some(extension) = selector.extension {
        write!(f, " {}", extension.keyword())?;
    }
    write_offset(f, selector.offset.as_ref())
}

fn write_subquery(f: &mut Formatter<'_>, subquery: &Subquery) -> fmt::Result {
    write!(f, "{}[{}:", subquery.expr, subquery.range)?;
    if let Some(step) = &subquery.step {
        write!(f, "{step}")?;
    }
    f.write_str("]")?;
    write_at(f, subquery.at)?;
    write_offset(f, subquery.offset.as_ref())
}

fn write_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    f.write_str(aggregate.op.keyword())?;
    if aggregate.without {
        f.write_str(" without ")?;
        write_label_list(f, &aggregate.grouping)?;
        f.write_str(" ")?;
    } else if !aggregate.grouping.is_empty() {
        f.write_str(" by ")?;
        write_label_list(f, &aggregate.grouping)?;
        f.write_str(" ")?;
    }
    f.write_str("(")?;
    if let Some(param) = &aggregate.param {
        write!(f, "{param}, ")?;
    }
    write!(f, "{})", aggregate.expr)
}

fn write_binary(f: &mut Formatter<'_>, binary: &Binary) -> fmt::Result {
    match &binary.lhs {
        // A sign binds weaker than `^`: `+Inf ^ 2` would be read as `+(Inf ^ 2)`.
        Expr::Number(number) if binary.op == BinaryOp::Pow && number.value == f64::INFINITY => {
            f.write_str("Inf")?;
        }
        lhs => write!(f, "{lhs}")?,
    }
    write!(f, " {}", binary.op.symbol())?;
    if binary.return_bool {
        f.write_str(" bool")?;
    }
    write_matching(f, &binary.matching)?;
    write!(f, " {}", binary.rhs)
}

fn write_matching(f: &mut Formatter<'_>, matching: &Matching) -> fmt::Result {
    let grouped = matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany);
    if matching.explicit && (matching.on || !matching.labels.is_empty() || grouped) {
        f.write_str(if matching.on { " on " } else { " ignoring " })?;
        write_label_list(f, &matching.labels)?;
    }
    if grouped {
        let left = matching.cardinality == Cardinality::ManyToOne;
        f.write_str(if left { " group_left " } else { " group_right " })?;
        write_label_list(f, &matching.include)?;
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left == right || left.is_nan() && right.is_nan() => {
            write!(f, " fill ({})", text::decimal(left))
        }
        (left, right) => {
            if let Some(left) = left {
                write!(f, " fill_left ({})", text::decimal(left))?;
            }
            if let Some(right) = right {
                write!(f, " fill_right ({})", text::decimal(right))?;
            }
            Ok(())
        }
    }
}
