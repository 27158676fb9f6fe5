//! Text forms that answers must share with Prometheus byte for byte: numbers, quoted strings, durations.
//!
//! Prometheus prints through Go's `strconv` and `fmt`. The functions here reproduce the few verbs that can be
//! seen in label values, annotations and printed queries.

/// Milliseconds in the units of the duration syntax, largest first.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// The largest duration in milliseconds that still fits 64-bit nanoseconds, which is the limit Prometheus has.
pub(crate) const MAX_DURATION_MS: i64 = i64::MAX / 1_000_000;

/// A value as `%g` prints it: the shortest digits, an exponent below 1e-4 and from 1e6 on (`1e+06`).
#[must_use]
pub fn general(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    with_exponent(digits, exponent)
}

/// A value as `%.{precision}g` prints it.
#[must_use]
pub fn general_precision(value: f64, precision: usize) -> String {
    if let Some(word) = special(value) {
        return word.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if exponent < -4 || exponent >= i32::try_from(precision).unwrap_or(i32::MAX) {
        return with_exponent(digits, exponent);
    }
    let decimals = usize::try_from(i32::try_from(precision).unwrap_or(0) - 1 - exponent).unwrap_or(0);
    let plain = format!("{value:.decimals$}");
    if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').to_owned() } else { plain }
}

/// A value in shortest decimal digits, never with an exponent (`strconv` format `f`, precision -1).
#[must_use]
pub fn decimal(value: f64) -> String {
    special(value).map_or_else(|| format!("{value}"), str::to_owned)
}

/// A value as the HTTP API writes it: decimal, with an exponent below 1e-6 and from 1e21 on.
#[must_use]
pub fn api_number(value: f64) -> String {
    if special(value).is_some() || value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return decimal(value);
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    with_exponent(digits, exponent.parse().unwrap_or(0))
}

/// A value as OpenMetrics writes `le` and `quantile` labels: as `%g`, with `.0` when nothing marks it a float.
#[must_use]
pub fn open_metrics_float(value: f64) -> String {
    let text = general(value);
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}

/// A value with six decimals, as `%f` prints it.
#[must_use]
pub fn fixed(value: f64) -> String {
    special(value).map_or_else(|| format!("{value:.6}"), str::to_owned)
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A string quoted as Go's `%q` does.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out.push('"');
    out
}

/// Bytes quoted as Go's `%q` does; bytes that are not UTF-8 print as `\xNN`.
#[must_use]
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if c.is_control() || c == '\u{feff}' => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push(c),
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty.
    #[error("empty duration string")]
    Empty,
    /// The text is not made of descending `<number><unit>` parts.
    #[error("not a valid duration string: {0}")]
    Syntax(String),
    /// The duration does not fit 64-bit nanoseconds.
    #[error("duration out of range")]
    Range,
}

/// Reads a duration such as `1h30m` or `0`; the result is in milliseconds.
///
/// # Errors
/// Units must descend and appear once each; a bare number other than `0` is refused.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(0);
    }
    let syntax = || DurationError::Syntax(quote(text));
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(syntax());
        }
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let position = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(syntax)?;
        if position < next_unit {
            return Err(syntax());
        }
        next_unit = position + 1;
        let number: i64 = number.parse().map_err(|_| DurationError::Range)?;
        let part = number.checked_mul(UNITS[position].1).ok_or(DurationError::Range)?;
        total = total.checked_add(part).filter(|sum| *sum <= MAX_DURATION_MS).ok_or(DurationError::Range)?;
        rest = tail;
    }
    Ok(total)
}

/// Prints a duration the way Prometheus does: years and weeks only when they divide what is left exactly.
#[must_use]
pub fn duration_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    let mut rest = ms.unsigned_abs();
    if ms < 0 {
        out.push('-');
    }
    for (name, size) in UNITS {
        let size = size.unsigned_abs();
        let exact_only = matches!(name, "y" | "w");
        if exact_only && !rest.is_multiple_of(size) {
            continue;
        }
        if rest >= size {
            out.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_go_prints_them() {
        for (value, text) in [
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "+Inf"),
            (-0.5, "-0.5"),
            (1e21, "1e+21"),
        ] {
            assert_eq!(general(value), text);
        }
        assert_eq!(general_precision(0.123_456, 2), "0.12");
        assert_eq!(general_precision(1234.0, 2), "1.2e+03");
        assert_eq!(decimal(1e21), "1000000000000000000000");
        assert_eq!(api_number(1e-7), "1e-07");
        assert_eq!(api_number(1e21), "1e+21");
        assert_eq!(open_metrics_float(1.0), "1.0");
    }

    #[test]
    fn durations_round_trip() {
        for (text, ms) in [("1h30m", 5_400_000), ("8d", 691_200_000), ("1d12h", 129_600_000), ("5ms", 5)] {
            assert_eq!(parse_duration_ms(text), Ok(ms));
            assert_eq!(duration_ms(ms), text);
        }
        assert_eq!(parse_duration_ms(""), Err(DurationError::Empty));
        assert!(parse_duration_ms("1m1h").is_err());
        assert!(parse_duration_ms("5").is_err());
        assert_eq!(parse_duration_ms("400y"), Err(DurationError::Range));
    }

    #[test]
    fn quoting_escapes_what_go_escapes() {
        assert_eq!(quote("a\"b\n"), "\"a\\\"b\\n\"");
        assert_eq!(quote_bytes(b"a\xc5z"), "\"a\\xc5z\"");
    }
}
