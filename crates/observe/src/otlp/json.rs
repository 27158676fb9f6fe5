//! OTLP/JSON: what the generated types do not accept by themselves is put right first.
//!
//! JSON senders leave fields out, write `null` for "not there" and add fields of later versions; all of that is
//! allowed and must not cost the request.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The fields of `AnyValue`, and of `KeyValue`, which stands in the same places.
const VALUE_FIELDS: [&str; 9] = [
    "stringValue",
    "boolValue",
    "intValue",
    "doubleValue",
    "arrayValue",
    "kvlistValue",
    "bytesValue",
    "key",
    "value",
];

/// Reads a request. The error says what is wrong in words for the sender.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // Nesting is bounded by serde_json (128 levels), so the walk below may recurse.
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    if !value.is_object() {
        return Err("not an OTLP request: expected a JSON object".to_owned());
    }
    normalise(&mut value);
    serde_json::from_value(value).map_err(|error| format!("not an OTLP request: {error}"))
}

fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), &mut *value) {
                    ("value" | "body", Value::Object(_)) => only_value_fields(value),
                    ("values", Value::Array(items)) => items.iter_mut().for_each(only_value_fields),
                    ("arrayValue" | "kvlistValue", Value::Object(list)) => {
                        list.entry("values").or_insert_with(|| Value::Array(Vec::new()));
                    }
                    _ => {}
                }
                normalise(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

/// The generated reader of `AnyValue` stumbles over fields it does not know.
fn only_value_fields(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|key, _| VALUE_FIELDS.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

    use super::*;

    #[test]
    fn unknown_fields_and_nulls_do_not_cost_the_request() {
        let text = r#"{"later":1,"resourceLogs":[{"resource":null,"scopeLogs":[{"logRecords":[
            {"body":{"arrayValue":{}},"new":{"a":[1]},"timeUnixNano":"1","attributes":[
                {"key":"a","value":{"stringValue":"x","later":{"b":2}},"later":true},
                {"key":"empty","value":{}}]}]}]}]}"#;
        let request: ExportLogsServiceRequest = decode(text.as_bytes()).expect("decodes");
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!((record.time_unix_nano, record.attributes.len()), (1, 2));
    }

    #[test]
    fn numbers_may_be_text_or_numbers() {
        let text = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"isMonotonic":true,
            "aggregationTemporality":2,"dataPoints":[{"asInt":"7","timeUnixNano":5},{"asDouble":1.5},{"asInt":7}]}}]}]}]}"#;
        let request: ExportMetricsServiceRequest = decode(text.as_bytes()).expect("decodes");
        assert!(request.resource_metrics[0].scope_metrics[0].metrics[0].data.is_some());
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for (text, expected) in
            [("", "not JSON"), ("[]", "expected a JSON object"), ("{\"resourceLogs\":1}", "not an")]
        {
            let error = decode::<ExportLogsServiceRequest>(text.as_bytes()).expect_err("refused");
            assert!(error.contains(expected), "{error}");
        }
        let deep = format!("{{\"resourceLogs\":{}", "[".repeat(100_000));
        assert!(decode::<ExportLogsServiceRequest>(deep.as_bytes()).is_err());
    }
}
