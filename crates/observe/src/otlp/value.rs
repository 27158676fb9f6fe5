//! Attribute values as text and as JSON; identifiers as hex.

use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value};

/// A value as JSON. Bytes are base64; numbers JSON cannot write are text.
pub(super) fn to_json(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        // An index into a table of strings only exists in profiles, which are not taken.
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => Value::from(text.as_str()),
        Some(Any::BoolValue(flag)) => Value::from(*flag),
        Some(Any::IntValue(number)) => Value::from(*number),
        Some(Any::DoubleValue(number)) if number.is_finite() => Value::from(*number),
        Some(Any::DoubleValue(number)) => Value::from(number.to_string()),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|value| to_json(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => object(&list.values),
        Some(Any::BytesValue(bytes)) => Value::from(base64(bytes)),
    }
}

/// Attributes as a JSON object; of a repeated key the last value counts.
pub(super) fn object(attributes: &[KeyValue]) -> Value {
    attributes
        .iter()
        .map(|pair| (pair.key.clone(), to_json(pair.value.as_ref())))
        .collect::<Map<_, _>>()
        .into()
}

/// A value as text: text as it is, numbers and flags plainly, the rest as JSON.
pub(super) fn to_text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::DoubleValue(number)) => number.to_string(),
        Some(Any::BytesValue(bytes)) => base64(bytes),
        Some(_) => to_json(value).to_string(),
    }
}

/// The text of one attribute, empty when it is not there.
pub(super) fn attribute(attributes: &[KeyValue], key: &str) -> String {
    attributes
        .iter()
        .rfind(|pair| pair.key == key)
        .map(|pair| to_text(pair.value.as_ref()))
        .unwrap_or_default()
}

/// `service.name` of a resource, empty when it is not there.
pub(super) fn service(resource: Option<&Resource>) -> String {
    resource.map(|resource| attribute(&resource.attributes, "service.name")).unwrap_or_default()
}

/// Lower-case hex of an identifier of `length` bytes; `None` when it has another length or is all zero.
pub(super) fn identifier(bytes: &[u8], length: usize) -> Option<String> {
    if bytes.len() != length || bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(bytes.iter().fold(String::with_capacity(length * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn identifiers_have_their_length_and_are_not_zero() {
        assert_eq!(identifier(&[0xab; 8], 8).as_deref(), Some("abababababababab"));
        assert_eq!(identifier(&[0; 8], 8), None);
        assert_eq!(identifier(&[1; 7], 8), None);
    }

    #[test]
    fn values_become_text() {
        let any = |value| AnyValue { value: Some(value) };
        assert_eq!(to_text(Some(&any(Any::DoubleValue(1.0)))), "1");
        assert_eq!(to_text(Some(&any(Any::IntValue(-3)))), "-3");
        assert_eq!(to_text(Some(&any(Any::BoolValue(true)))), "true");
        assert_eq!(to_text(None), "");
        assert_eq!(to_json(Some(&any(Any::DoubleValue(f64::NAN)))), Value::from("NaN"));
    }
}
