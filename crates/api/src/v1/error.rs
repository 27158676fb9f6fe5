//! Errors on the wire, after RFC 9457 (`application/problem+json`).

use super::DiagnosticView;

/// What kind of failure it is; decides the HTTP status, and the exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request is not understood (400).
    BadRequest,
    /// No token, or one that is not known (401).
    Unauthenticated,
    /// Known, but not allowed (403).
    Forbidden,
    /// There is no such thing (404).
    NotFound,
    /// The path has no such method (405).
    WrongMethod,
    /// It is no longer what was seen (412).
    Changed,
    /// It clashes with the present state (409).
    Conflict,
    /// The content was understood and has problems (422); `diagnostics` lists them.
    Invalid,
    /// It is known what is asked for, and it is not built (501).
    NotBuilt,
    /// What was sent is too large (413).
    TooLarge,
    /// What was sent is in a form that is not known (415).
    Unsupported,
    /// What was to be sent did not come in time (408).
    TooSlow,
    /// Too much at once; try again later (429).
    Busy,
    /// The server cannot do it now, for example because the disk is full (503).
    Unavailable,
    /// A fault of ours (500).
    Internal,
}

impl ErrorKind {
    /// The HTTP status code.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::WrongMethod => 405,
            Self::Changed => 412,
            Self::Conflict => 409,
            Self::Invalid => 422,
            Self::NotBuilt => 501,
            Self::TooLarge => 413,
            Self::Unsupported => 415,
            Self::TooSlow => 408,
            Self::Busy => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// The kind, as a relative URI reference (`/problems/not-found`).
    #[serde(rename = "type")]
    pub kind_uri: String,
    /// The kind.
    pub kind: ErrorKind,
    /// One sentence that says what is wrong.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What lies behind it, outermost cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When to try again, in milliseconds from now, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Problems in files, for [`ErrorKind::Invalid`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticView>,
}

impl ErrorBody {
    /// A body with a kind and a sentence.
    pub fn new(kind: ErrorKind, title: impl Into<String>) -> Self {
        let slug =
            serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        Self {
            kind_uri: format!("/problems/{slug}"),
            kind,
            title: title.into(),
            status: kind.status(),
            causes: Vec::new(),
            hint: None,
            retry_after_ms: None,
            diagnostics: Vec::new(),
        }
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with the chain of an error's sources.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }
}
