//! Failures as answers: classified once, here, with what to do about them.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mainstay_api::v1::{ErrorBody, ErrorKind};
use mainstay_store::StoreError;

use crate::changes::ChangeError;
use crate::runs::RunError;
use crate::views;

/// A failure on its way to a client.
#[derive(Debug)]
pub struct Failure(pub Box<ErrorBody>);

impl Failure {
    /// A failure of a kind, in a sentence.
    pub fn new(kind: ErrorKind, title: impl Into<String>) -> Self {
        Self(Box::new(ErrorBody::new(kind, title)))
    }

    /// There is no such thing.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no {what} `{name}`"))
    }

    /// The request is not understood.
    pub fn bad_request(title: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, title)
    }

    /// What was sent is understood and not acceptable.
    pub fn invalid(title: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, title)
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same, with what lies behind it.
    #[must_use]
    pub fn because(mut self, error: impl std::fmt::Display) -> Self {
        self.0.causes.push(error.to_string());
        self
    }

    /// The same, which may be tried again after a while.
    #[must_use]
    pub fn again_after(mut self, wait: std::time::Duration) -> Self {
        self.0.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// A fault of ours, with the chain of causes.
    pub fn internal(title: &str, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %views::chain(error), "{title}");
        Self(Box::new(ErrorBody::new(ErrorKind::Internal, title).caused_by(error)))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable) {
            let seconds = self.0.retry_after_ms.map_or(1, |ms| ms.div_ceil(1000).max(1));
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer realm=\"mainstay\""),
            );
        }
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::NoSpace { .. } | StoreError::Closed | StoreError::Sqlite { .. } => {
                ErrorKind::Unavailable
            }
            StoreError::Refused { .. } | StoreError::BatchTooLarge { .. } => ErrorKind::BadRequest,
            StoreError::NoSuchRow { .. } => ErrorKind::BadRequest,
            _ => ErrorKind::Internal,
        };
        // What somebody sent is told to them, and is no reason to fill the log.
        if !matches!(kind, ErrorKind::BadRequest) {
            tracing::error!(error = %views::chain(&error), "the journal refused");
        }
        Self(Box::new(ErrorBody::new(kind, "The journal refused").caused_by(&error)))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(problems) => {
                let mut body = ErrorBody::new(ErrorKind::Invalid, "The run cannot start");
                body.causes = problems.iter().map(ToString::to_string).collect();
                body.hint = problems.iter().find_map(|problem| problem.help.clone());
                Self(Box::new(body))
            }
            RunError::NoSuchRun(id) => Self::not_found("run", id.as_str()),
            RunError::Over(id) => Self::new(ErrorKind::Conflict, format!("Run {id} is over")),
            RunError::Store(error) => error.into(),
            RunError::Unreadable { .. } => Self::internal("The run cannot be read", &error),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::NoSuch(id) => Self::not_found("change", &id),
            ChangeError::Refused(reason) => Self::new(ErrorKind::Conflict, reason),
            ChangeError::Own { ref change, .. } => {
                Self::new(ErrorKind::Forbidden, error.to_string()).hint(format!(
                    "`mainstay approve {change} --self` approves it all the same, and the record says so"
                ))
            }
        }
    }
}
