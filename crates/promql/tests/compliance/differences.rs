//! Where Debian's Prometheus 2.42 answers otherwise than Prometheus 3, whose semantics the engine has. Each difference has
//! a reason, and a way to ask so that it vanishes: whatever then still differs is a mistake.

use crate::corpus::Query;

/// How an answer that differs is checked.
pub enum Check {
    /// A server that looks back one millisecond less, asked with ranges that are one millisecond shorter, answers as we
    /// do. Extrapolation depends on the length of the range, so its answers may be that much apart.
    ShorterWindows,
    /// The server answers as we do when asked with this text instead.
    AskThem(fn(&str) -> String),
    /// We answer as the server when asked with this text instead.
    AskUs(fn(&str) -> String),
    /// The server refuses with this text, and we answer.
    OnlyTheyFail(&'static str),
    /// The answers are equal when metric names are left out of theirs.
    WithoutNames,
    /// The answers are equal when infinite and undefined numbers are left out of both.
    WithoutSpecial,
    /// The answers have the same series and instants, and the numbers are at most this far apart, relatively.
    Within(f64),
}

/// A difference between the versions.
pub struct Difference {
    pub name: &'static str,
    pub reason: &'static str,
    /// Whether the query may show it.
    pub concerns: fn(&Query) -> bool,
    pub check: Check,
}

fn extrapolates(text: &str) -> bool {
    ["rate(", "increase(", "delta("].iter().any(|function| text.contains(function))
        && !text.contains("irate(")
        && !text.contains("idelta(")
}

/// How far answers may be apart after a range was shortened by a millisecond.
pub fn shortened_tolerance(text: &str) -> f64 {
    if extrapolates(text) { 2e-3 } else { super::TOLERANCE }
}

/// Makes every range in the text one millisecond shorter; the steps of subqueries stay.
pub fn shorten(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, inside) = rest.split_at(at + 1);
        let end = inside.find([':', ']']).unwrap_or(0);
        out.push_str(before);
        let seconds = match inside[..end].split_at_checked(end.saturating_sub(1)) {
            Some((digits, unit)) => {
                let each = match unit {
                    "s" => 1,
                    "m" => 60,
                    "h" => 3600,
                    other => panic!("the queries have no ranges in {other:?}"),
                };
                digits.parse::<u64>().expect("a range is a whole number with a unit") * each
            }
            None => panic!("{text} has an empty range"),
        };
        out.push_str(&format!("{}ms", seconds * 1000 - 1));
        rest = &inside[end..];
    }
    out.push_str(rest);
    out
}

fn dot_all(text: &str) -> String {
    text.replace("~\"", "~\"(?s)").replace("\"(caf)", "\"(?s)(caf)")
}

fn renamed(text: &str) -> String {
    text.replace("holt_winters", "double_exponential_smoothing")
}

/// All of them. The first that concerns a query and whose check holds explains it.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "open windows",
        reason: "Prometheus 3 leaves the sample at the left edge of a range, a subquery or the lookback out",
        concerns: |_| true,
        check: Check::ShorterWindows,
    },
    Difference {
        name: "UTF-8 label names",
        reason: "Prometheus 3 takes any UTF-8 text as the name of a label",
        concerns: |query| query.text.contains("\"~invalid\""),
        check: Check::OnlyTheyFail("invalid destination label name"),
    },
    Difference {
        name: "dot matches newline",
        reason: "in Prometheus 3 the dot of a regular expression matches a newline, too",
        concerns: |query| query.text.contains("demo_is_holiday"),
        check: Check::AskThem(dot_all),
    },
    Difference {
        name: "holt_winters renamed",
        reason: "Prometheus 3 calls it double_exponential_smoothing",
        concerns: |query| query.text.contains("holt_winters"),
        check: Check::AskUs(renamed),
    },
    Difference {
        name: "atan2 drops the name",
        reason: "Prometheus 2 forgot that atan2 is arithmetic and left the metric's name",
        concerns: |query| query.text.contains("atan2"),
        check: Check::WithoutNames,
    },
    Difference {
        name: "sums that overflow",
        reason: "the compensated sum of Prometheus 2 made NaN of an infinite term",
        concerns: |query| query.text.starts_with("std") && query.text.contains("_over_time(demo_odd_values"),
        check: Check::WithoutSpecial,
    },
    Difference {
        name: "extrapolation to zero",
        reason: "Prometheus 3 bounds a counter's extrapolation by its zero only after the limit of half an interval",
        concerns: |query| extrapolates(&query.text) && query.text.contains("demo_items_shipped_total"),
        check: Check::Within(0.02),
    },
    Difference {
        name: "logarithm of subnormal numbers",
        reason: "Go's assembler for amd64 takes the exponent's bits of 1e-310 as they are; -713.8 is right",
        concerns: |query| query.text == "ln(demo_odd_values)" || query.text == "log10(demo_odd_values)",
        check: Check::Within(0.01),
    },
];

/// Mistakes of ours that are known. May only become shorter.
pub const KNOWN_MISTAKES: &[(&str, &str)] = &[];
