//! Why a service could not start or do its work.

use std::path::PathBuf;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a service could not start, or stopped with an error.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// Another process already listens there.
    #[error("port {port} on 127.0.0.1 is in use; stop what listens there or choose another with --port")]
    PortInUse {
        /// The port that was asked for.
        port: u16,
    },
    /// The port could not be opened for another reason.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory given with `--data` cannot be made or used.
    #[error("cannot use the data directory {}; choose a writable one with --data", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused to open, read or write a ledger.
    #[error("the ledger {} cannot be used", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A blocking piece of work died before it gave an answer.
    #[error("work on the ledger was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
    /// The OpenTelemetry exporters could not be built from the environment.
    #[error("telemetry cannot be set up; look at the OTEL_ variables")]
    Telemetry(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The process could not set up its runtime or signals, or the listener broke.
    #[error("the service cannot run")]
    Run(#[source] std::io::Error),
}

/// A request that is not granted: the status, and for people the reason, as `{"error": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The reason, one sentence without a full stop.
    pub reason: String,
}

impl Refusal {
    /// A refusal with this status and reason.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.reason }))).into_response()
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

/// A ledger that cannot be used is the service's trouble, not the caller's.
impl From<ShopError> for Refusal {
    fn from(error: ShopError) -> Self {
        tracing::error!(error = chain(&error), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// An error with all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
