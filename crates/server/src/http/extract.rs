//! Bodies and queries of requests, whose faults are answered like every other: as problems that say what is wrong.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use mainstay_api::v1::ErrorKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bodies;
use super::error::Failure;
use crate::app::App;
use crate::once::Keyed;

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Failure::new(ErrorKind::Unsupported, "The body is not said to be JSON")
                .hint("send `Content-Type: application/json`"));
        }
        let taken = bodies::read(&parts, body).await?;
        let read = Json::<T>::from_bytes(&taken.bytes);
        read.map(|Json(body)| Self(body)).map_err(|rejection| Failure::bad_request(rejection.body_text()))
    }
}

/// The kind of a body, in lower case and without what is said beside it.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `application/json`, or something that is JSON besides (RFC 6839).
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers).unwrap_or_default();
    let below = media_type.strip_prefix("application/");
    below.is_some_and(|name| name == "json" || name.ends_with("+json"))
}

/// The query of a URL, or the form of a body in its place, as Prometheus takes both. What is in the form goes before.
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let asked = parts.uri.query().unwrap_or_default();
        let mut pairs: Vec<(String, String)> = Vec::new();
        let media_type = media_type(&parts.headers);
        if media_type.as_deref() == Some("application/x-www-form-urlencoded") {
            let taken = bodies::read(&parts, body).await?;
            pairs.extend(form_urlencoded::parse(&taken.bytes).into_owned());
        } else if media_type.is_some() {
            return Err(Failure::new(ErrorKind::Unsupported, "The body is not said to be a form")
                .hint("send `Content-Type: application/x-www-form-urlencoded`"));
        }
        let of_form: Vec<String> = pairs.iter().map(|(name, _)| name.clone()).collect();
        let of_url = form_urlencoded::parse(asked.as_bytes()).into_owned();
        pairs.extend(of_url.filter(|(name, _)| !of_form.contains(name)));
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let uri = axum::http::Uri::builder().path_and_query(format!("/?{text}")).build();
        let uri =
            uri.map_err(|_| Failure::new(ErrorKind::TooLarge, "The form is longer than is taken here"))?;
        match Query::<T>::try_from_uri(&uri) {
            Ok(Query(form)) => Ok(Self(form)),
            Err(rejection) => Err(Failure::bad_request(rejection.body_text())),
        }
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
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
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
pub struct Once {
    key: Option<String>,
    path: String,
}

impl Once {
    /// The body's token or the header's key, if there is one, with what is asked under it.
    pub fn keyed(self, app: &App, token: Option<&str>, body: &impl Serialize) -> Option<Keyed> {
        let key = token.map(str::to_owned).or(self.key)?;
        Some(Keyed::new(key, app.access.fingerprint(&self.path, body)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let path = parts.uri.path().to_owned();
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self { key: None, path }) };
        match value.to_str() {
            Ok(text) if (1..=200).contains(&text.len()) => Ok(Self { key: Some(text.to_owned()), path }),
            _ => Err(Failure::bad_request("`Idempotency-Key` is 1 to 200 visible characters")),
        }
    }
}
