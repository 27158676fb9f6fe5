//! Answers that a client has already: each read is tagged by what it says, and one that says the same is answered in three
//! digits. It saves the way and the reading, not the work.

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::ErrorKind;

use super::error::Failure;

/// The largest answer that is tagged.
const MAX_BYTES: u64 = 4 << 20;

/// The tag of what an answer says.
fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}

/// What a change expects to find: the header `If-Match`, with the `ETag` that reading it gave.
#[derive(Clone, Debug, Default)]
pub struct IfMatch(Option<HeaderValue>);

impl IfMatch {
    /// That what is there is what was seen.
    pub fn check(&self, now: &impl serde::Serialize) -> Result<(), Failure> {
        let Some(shown) = &self.0 else { return Ok(()) };
        let now = serde_json::to_vec(now)
            .map_err(|error| Failure::internal("What is there cannot be written as JSON", &error))?;
        if is_exactly(shown, &tag_of(&now)) {
            return Ok(());
        }
        Err(Failure::new(ErrorKind::Changed, "It is no longer what was seen")
            .hint("read it again, and decide anew"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self(parts.headers.get(header::IF_MATCH).cloned()))
    }
}

/// Whether a tag is among those that are shown (RFC 9110, 13.1.1: strong comparison).
fn is_exactly(shown: &HeaderValue, tag: &str) -> bool {
    let shown = shown.to_str().unwrap_or_default();
    shown.trim() == "*" || shown.split(',').any(|one| one.trim() == tag)
}

/// Tags what is read, and answers 304 to who shows the same tag.
pub async fn conditional(request: Request, next: Next) -> Response {
    // The answer to HEAD has no body to tag any more.
    let reads = *request.method() == Method::GET;
    let shown = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    // What has a tag knows better, and what sets a cookie is for this once.
    let is_apart =
        [header::ETAG, header::SET_COOKIE].iter().any(|name| response.headers().contains_key(name));
    // Streams have no size.
    let size = response.body().size_hint().exact();
    if !reads || is_apart || response.status() != StatusCode::OK || size.is_none_or(|size| size > MAX_BYTES) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let Ok(bytes) = axum::body::to_bytes(body, limit).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = tag_of(&bytes);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
        // Kept by who asked, and asked about each time; what says how it may be kept is kept so.
        let kept = HeaderValue::from_static("private, no-cache");
        parts.headers.entry(header::CACHE_CONTROL).or_insert(kept);
    }
    if shown.is_some_and(|shown| is_among(&shown, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether a tag is among those that are shown (RFC 9110, 13.1.2: weak comparison).
pub fn is_among(shown: &HeaderValue, tag: &str) -> bool {
    let shown = shown.to_str().unwrap_or_default();
    shown.trim() == "*" || shown.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_says_how_it_may_be_kept_keeps_it() {
        use axum::routing::get;
        use tower::ServiceExt as _;
        let routes = axum::Router::new()
            .route("/plain", get(async || "x"))
            .route("/secret", get(async || ([(header::CACHE_CONTROL, "no-store")], "x")))
            .route("/cookie", get(async || ([(header::SET_COOKIE, "a=b")], "x")))
            .layer(axum::middleware::from_fn(conditional));
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
            let response = routes.clone().oneshot(request).await.expect("answered");
            let text = |name: header::HeaderName| {
                response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
            };
            (text(header::CACHE_CONTROL), text(header::ETAG).is_some())
        };
        assert_eq!(ask("/plain").await, (Some("private, no-cache".to_owned()), true));
        assert_eq!(ask("/secret").await, (Some("no-store".to_owned()), true));
        assert_eq!(ask("/cookie").await, (None, false));
    }

    #[test]
    fn tags_are_compared_as_weak_ones() {
        let among = |shown: &'static str| is_among(&HeaderValue::from_static(shown), "\"a\"");
        assert!(among("\"a\"") && among("\"b\", W/\"a\"") && among("*"));
        assert!(!among("a") && !among("\"b\"") && !among(""));
    }

    #[test]
    fn what_is_changed_is_compared_to_the_letter() {
        let seen = serde_json::json!({ "a": 1 });
        let tag = tag_of(&serde_json::to_vec(&seen).expect("JSON"));
        let is = |shown: &str, now: &serde_json::Value| {
            IfMatch(Some(HeaderValue::from_str(shown).expect("a value")))
                .check(now)
                .map_err(|failure| failure.0.kind)
        };
        assert!(
            is(&tag, &seen).is_ok() && is("*", &seen).is_ok() && is(&format!("\"x\", {tag}"), &seen).is_ok()
        );
        assert_eq!(is(&tag, &serde_json::json!({ "a": 2 })), Err(ErrorKind::Changed));
        assert_eq!(is(&format!("W/{tag}"), &seen), Err(ErrorKind::Changed));
        assert!(IfMatch(None).check(&seen).is_ok());
    }
}
