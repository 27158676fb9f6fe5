//! Log records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord as Wire;

use super::{Converted, value};
use crate::batch::LogRecord;

/// The highest severity number, FATAL4.
const MAX_SEVERITY: i32 = 24;

pub(super) fn convert(request: ExportLogsServiceRequest, now_ms: i64) -> Converted {
    let mut converted = Converted::default();
    for resource_logs in request.resource_logs {
        let service = value::service(resource_logs.resource.as_ref());
        let resource =
            value::object(resource_logs.resource.as_ref().map_or(&[], |resource| &resource.attributes));
        for scope_logs in resource_logs.scope_logs {
            let scope = scope_logs.scope.map(|scope| scope.name).unwrap_or_default();
            for record in scope_logs.log_records {
                converted.items += 1;
                let Some(mut log) = convert_record(record, now_ms) else {
                    converted.refuse("log record with a time beyond the year 2262", 1);
                    continue;
                };
                log.service.clone_from(&service);
                log.scope.clone_from(&scope);
                log.resource = resource.clone();
                converted.batch.logs.push(log);
            }
        }
    }
    converted
}

fn convert_record(record: Wire, now_ms: i64) -> Option<LogRecord> {
    // The record's own time, else when it was seen, else now.
    let time_ns = match (record.time_unix_nano, record.observed_time_unix_nano) {
        (0, 0) => now_ms.saturating_mul(1_000_000),
        (0, observed) => i64::try_from(observed).ok()?,
        (time, _) => i64::try_from(time).ok()?,
    };
    let severity =
        if (0..=MAX_SEVERITY).contains(&record.severity_number) { record.severity_number } else { 0 };
    Some(LogRecord {
        time_ns,
        service: String::new(),
        severity: u8::try_from(severity).unwrap_or(0),
        severity_text: record.severity_text,
        body: value::to_text(record.body.as_ref()),
        // A broken identifier is no reason to lose the record.
        trace_id: value::identifier(&record.trace_id, 16).unwrap_or_default(),
        span_id: value::identifier(&record.span_id, 8).unwrap_or_default(),
        event_name: record.event_name,
        scope: String::new(),
        attributes: value::object(&record.attributes),
        resource: serde_json::Value::Null,
    })
}
