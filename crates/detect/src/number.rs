//! Numbers: equality between JSON numbers, and floats in JSON documents.

use std::cmp::Ordering;

use serde_json::Number;

/// How two JSON numbers compare: by value, so that `300`, `300.0` and `3e2` are equal. Two integers compare exactly,
/// anything else as IEEE doubles. `None` cannot come up for numbers that were read from JSON.
pub(crate) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Whether two JSON numbers are the same value.
pub(crate) fn equal(a: &Number, b: &Number) -> bool {
    compare(a, b) == Some(Ordering::Equal)
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Floats in JSON: a number where JSON has one, else the text PromQL uses (`NaN`, `+Inf`, `-Inf`).
pub(crate) mod float_text {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if *value > 0.0 { "+Inf" } else { "-Inf" })
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(value),
            Either::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "+Inf" => Ok(f64::INFINITY),
                "-Inf" => Ok(f64::NEG_INFINITY),
                _ => Err(serde::de::Error::custom(format!(
                    "`{text}` is not a value: expected a number, `NaN`, `+Inf` or `-Inf`"
                ))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_and_integers_exactly() {
        let number = |text: &str| serde_json::from_str::<Number>(text).expect(text);
        for (a, b, expected) in [
            ("300", "300.0", true),
            ("300", "3e2", true),
            ("0", "-0.0", true),
            ("9007199254740993", "9007199254740992", false),
            ("18446744073709551615", "18446744073709551614", false),
            ("0.1", "0.10000000000000001", true),
            ("1", "2", false),
        ] {
            assert_eq!(equal(&number(a), &number(b)), expected, "{a} and {b}");
        }
    }
}
