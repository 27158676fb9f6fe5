//! Answers that a client has already: each read is tagged by what it says, and one that says the same is answered in three
//! digits. It saves the way and the reading, not the work.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// The largest answer that is tagged.
const MAX_BYTES: u64 = 4 << 20;

/// Tags what is read, and answers 304 to who shows the same tag.
pub async fn conditional(request: Request, next: Next) -> Response {
    // The answer to HEAD has no body to tag any more.
    let reads = *request.method() == Method::GET;
    let shown = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let has_tag = response.headers().contains_key(header::ETAG);
    // Streams have no size; what has a tag knows better.
    let size = response.body().size_hint().exact();
    if !reads || has_tag || response.status() != StatusCode::OK || size.is_none_or(|size| size > MAX_BYTES) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let Ok(bytes) = axum::body::to_bytes(body, limit).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
        // Kept by who asked, and asked about each time.
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
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

    #[test]
    fn tags_are_compared_as_weak_ones() {
        let among = |shown: &'static str| is_among(&HeaderValue::from_static(shown), "\"a\"");
        assert!(among("\"a\"") && among("\"b\", W/\"a\"") && among("*"));
        assert!(!among("a") && !among("\"b\"") && !among(""));
    }
}
