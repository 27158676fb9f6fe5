//! Bodies and queries of requests, whose faults are answered like every other: as problems that say what is wrong.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use mainstay_api::v1::ErrorKind;
use serde::de::DeserializeOwned;

use super::error::Failure;

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> Failure {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Failure::new(ErrorKind::Unsupported, "The body is not said to be JSON")
                .hint("send `Content-Type: application/json`")
        }
        _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(ErrorKind::TooLarge, "The body is larger than is taken here")
        }
        _ => Failure::bad_request(rejection.body_text()),
    }
}

/// The query of a URL.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Failure::bad_request(rejection.body_text())),
        }
    }
}

/// What the path says.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(said)) => Ok(Self(said)),
            Err(rejection) => Err(Failure::bad_request(rejection.body_text())),
        }
    }
}

/// A text in which `%` and two digits stand for what it cannot have: a part of a path, or a header's value. Nothing if
/// it is not whole.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [a, b, after @ ..]) => {
                let digits = [*a, *b];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// What makes a request safe to repeat, said in the header `Idempotency-Key`. The body's `client_token` says the same, and
/// goes before.
#[derive(Debug, Default)]
pub struct Once(pub Option<String>);

impl Once {
    /// The body's token, or the header's.
    pub fn or(self, body: Option<String>) -> Option<String> {
        body.or(self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(text) if (1..=200).contains(&text.len()) => Ok(Self(Some(text.to_owned()))),
            _ => Err(Failure::bad_request("`Idempotency-Key` is 1 to 200 visible characters")),
        }
    }
}
