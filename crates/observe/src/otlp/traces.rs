//! Spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span as Wire, span::SpanKind as WireKind, status::StatusCode};
use serde_json::{Value, json};

use super::{Converted, value};
use crate::batch::{SpanKind, SpanRecord, SpanStatus};

pub(super) fn convert(request: ExportTraceServiceRequest, _now_ms: i64) -> Converted {
    let mut converted = Converted::default();
    for resource_spans in request.resource_spans {
        let service = value::service(resource_spans.resource.as_ref());
        let resource =
            value::object(resource_spans.resource.as_ref().map_or(&[], |resource| &resource.attributes));
        for scope_spans in resource_spans.scope_spans {
            let scope = scope_spans.scope.map(|scope| scope.name).unwrap_or_default();
            for span in scope_spans.spans {
                converted.items += 1;
                match convert_span(span) {
                    Ok(mut span) => {
                        span.service.clone_from(&service);
                        span.scope.clone_from(&scope);
                        span.resource = resource.clone();
                        converted.batch.spans.push(span);
                    }
                    Err(reason) => converted.refuse(reason, 1),
                }
            }
        }
    }
    converted
}

fn convert_span(span: Wire) -> Result<SpanRecord, &'static str> {
    let trace_id =
        value::identifier(&span.trace_id, 16).ok_or("span without a valid trace id (16 bytes, not zero)")?;
    let span_id =
        value::identifier(&span.span_id, 8).ok_or("span without a valid span id (8 bytes, not zero)")?;
    let time = |ns: u64| i64::try_from(ns).map_err(|_| "span with a time beyond the year 2262");
    let start_ns = time(span.start_time_unix_nano)?;
    let status = span.status.unwrap_or_default();
    Ok(SpanRecord {
        trace_id,
        span_id,
        parent_span_id: value::identifier(&span.parent_span_id, 8).unwrap_or_default(),
        service: String::new(),
        name: span.name,
        kind: match WireKind::try_from(span.kind) {
            Ok(WireKind::Internal) => SpanKind::Internal,
            Ok(WireKind::Server) => SpanKind::Server,
            Ok(WireKind::Client) => SpanKind::Client,
            Ok(WireKind::Producer) => SpanKind::Producer,
            Ok(WireKind::Consumer) => SpanKind::Consumer,
            Ok(WireKind::Unspecified) | Err(_) => SpanKind::Unspecified,
        },
        start_ns,
        // A clock that was set back while the span ran must not make a negative duration.
        end_ns: time(span.end_time_unix_nano)?.max(start_ns),
        status: match StatusCode::try_from(status.code) {
            Ok(StatusCode::Ok) => SpanStatus::Ok,
            Ok(StatusCode::Error) => SpanStatus::Error,
            Ok(StatusCode::Unset) | Err(_) => SpanStatus::Unset,
        },
        status_message: status.message,
        scope: String::new(),
        attributes: value::object(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| {
                json!({"time_ns": event.time_unix_nano, "name": event.name,
                       "attributes": value::object(&event.attributes)})
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| {
                json!({"trace_id": value::identifier(&link.trace_id, 16),
                       "span_id": value::identifier(&link.span_id, 8),
                       "attributes": value::object(&link.attributes)})
            })
            .collect(),
        resource: Value::Null,
    })
}
