//! What an unquoted word of YAML is: the core schema of YAML 1.2. `yes`, `on` and `0777` are text and numbers there, and
//! not booleans and octals as in YAML 1.1.

use serde_json::Number;

/// What a scalar is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf`, `.nan` and numbers too large to hold: numbers that JSON cannot write.
    NotFinite,
    Text,
}

/// Types a plain scalar.
pub(crate) fn plain(text: &str) -> Typed {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
        "true" | "True" | "TRUE" => Typed::Bool(true),
        "false" | "False" | "FALSE" => Typed::Bool(false),
        _ => number(text),
    }
}

/// Types a text as a number, or leaves it a text.
pub(crate) fn number(text: &str) -> Typed {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return match u64::from_str_radix(digits, radix) {
                Ok(value) if !digits.starts_with('+') => Typed::Number(value.into()),
                _ => Typed::Text,
            };
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Typed::NotFinite;
    }
    if !is_decimal(unsigned) {
        return Typed::Text;
    }
    if let Ok(value) = text.parse::<u64>() {
        return Typed::Number(value.into());
    }
    if let Ok(value) = text.parse::<i64>() {
        return Typed::Number(value.into());
    }
    match text.parse::<f64>().ok().map(Number::from_f64) {
        Some(Some(value)) => Typed::Number(value),
        Some(None) => Typed::NotFinite,
        None => Typed::Text,
    }
}

/// `[0-9]+ ( . [0-9]* )? | . [0-9]+`, with an exponent or without.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_one = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_is_one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for text in ["", "~", "null"] {
            assert_eq!(plain(text), Typed::Null, "{text}");
        }
        assert_eq!(plain("True"), Typed::Bool(true));
        for (text, json) in [
            ("0.3", "0.3"),
            ("12", "12"),
            ("-12", "-12"),
            ("+12", "12"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert!(matches!(plain(text), Typed::Number(number) if number.to_string() == json), "{text}");
        }
        for text in [".inf", "-.INF", ".nan", "1e999"] {
            assert_eq!(plain(text), Typed::NotFinite, "{text}");
        }
        for text in
            ["yes", "on", "inf", "nan", "1_000", "0x", "0x+1", ".", "-", "1e", "08:30", "1.2.3", "e5", "0b1"]
        {
            assert_eq!(plain(text), Typed::Text, "{text}");
        }
    }
}
