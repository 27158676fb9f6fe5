//! `google.rpc.Status`: what an OTLP error says, in the three encodings.

use axum::http::StatusCode;
use prost::Message;
use serde_json::json;

use crate::error::IngestError;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A refusal of a whole request.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) http: StatusCode,
    pub(super) code: tonic::Code,
    pub(super) message: String,
    /// When sending again makes sense.
    pub(super) retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(super) fn new(http: StatusCode, code: tonic::Code, message: impl Into<String>) -> Self {
        Self { http, code, message: message.into(), retry_after_ms: None }
    }

    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, tonic::Code::InvalidArgument, message)
    }

    pub(super) fn busy(message: impl Into<String>, retry_after_ms: u64) -> Self {
        let status = Self::new(StatusCode::TOO_MANY_REQUESTS, tonic::Code::ResourceExhausted, message);
        Self { retry_after_ms: Some(retry_after_ms), ..status }
    }

    /// The `Retry-After` header: whole seconds, at least one.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_ms.map(|ms| ms.div_ceil(1000).max(1))
    }

    fn status(&self) -> Status {
        let details = self.retry_after_ms.map(|ms| {
            let delay = Delay {
                seconds: i64::try_from(ms / 1000).unwrap_or(i64::MAX),
                nanos: (ms % 1000) as i32 * 1_000_000,
            };
            Any {
                type_url: RETRY_INFO.to_owned(),
                value: RetryInfo { retry_delay: Some(delay) }.encode_to_vec(),
            }
        });
        Status {
            code: self.code as i32,
            message: self.message.clone(),
            details: details.into_iter().collect(),
        }
    }

    pub(super) fn to_protobuf(&self) -> Vec<u8> {
        self.status().encode_to_vec()
    }

    pub(super) fn to_json(&self) -> String {
        let details: Vec<_> = self
            .retry_after_ms
            .map(|ms| json!({"@type": RETRY_INFO, "retryDelay": format!("{}.{:03}s", ms / 1000, ms % 1000)}))
            .into_iter()
            .collect();
        json!({"code": self.code as i32, "message": self.message, "details": details}).to_string()
    }

    pub(super) fn to_grpc(&self) -> tonic::Status {
        tonic::Status::with_details(self.code, self.message.clone(), self.to_protobuf().into())
    }
}

impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        let unavailable = |retry_after_ms| Self {
            http: StatusCode::SERVICE_UNAVAILABLE,
            code: tonic::Code::Unavailable,
            message: error.to_string(),
            retry_after_ms: Some(retry_after_ms),
        };
        match &error {
            IngestError::Overloaded { retry_after_ms } => Self::busy(error.to_string(), *retry_after_ms),
            IngestError::NoSpace { .. } => unavailable(30_000),
            IngestError::Database { .. } | IngestError::Closed => unavailable(5_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_says_when_to_come_back_in_every_encoding() {
        let refusal = Refusal::from(IngestError::Overloaded { retry_after_ms: 1500 });
        assert_eq!(refusal.retry_after_seconds(), Some(2));
        let status = Status::decode(refusal.to_protobuf().as_slice()).expect("decodes");
        assert_eq!(status.code, 8);
        let info = RetryInfo::decode(status.details[0].value.as_slice()).expect("decodes");
        assert_eq!(info.retry_delay, Some(Delay { seconds: 1, nanos: 500_000_000 }));
        assert!(refusal.to_json().contains(r#""retryDelay":"1.500s""#), "{}", refusal.to_json());
        assert_eq!(refusal.to_grpc().code(), tonic::Code::ResourceExhausted);
    }
}
