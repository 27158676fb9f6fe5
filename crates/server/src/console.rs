//! The web console: files of `console/dist`, which `cargo xtask console` builds. A release build holds them; a debug build
//! reads them from where they lie. A server that was built without them works, and says how to add the console.
//!
//! Every file is stored compressed, under its name with `.gz`. What is asked for and is no file is a page: the console
//! draws it from the address.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;

use crate::http::{is_among, percent_decoded};

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Files;

/// The console loads what this server has, and nothing else: no script and no style within a page, nothing from elsewhere,
/// no frame around it.
const POLICY: &str = "default-src 'self'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// What belongs to the API, whether or not there is such an operation: an error there is JSON and no page.
const NOT_OURS: [&str; 5] = ["v1", "api", "docs", "enter", "opentelemetry"];

/// What was meant for the API, however it is written: an error there is no page either.
const MEANT: [&str; 2] = ["v1", "api"];

/// Whether a request is one for the console.
pub fn is_page(method: &Method, path: &str) -> bool {
    let as_written = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
    let first = path.split('/').find(|part| !part.is_empty()).and_then(percent_decoded);
    let is_meant = first.is_some_and(|first| {
        // What stands behind a slash that was itself encoded is not the first part.
        let first = first.trim_start_matches('/').split('/').next().unwrap_or_default().to_ascii_lowercase();
        MEANT.contains(&first.as_str())
    });
    matches!(*method, Method::GET | Method::HEAD) && !NOT_OURS.contains(&as_written) && !is_meant
}

/// The answer to a request for the console; none when it is not one.
pub fn answer(method: &Method, path: &str, asked: &HeaderMap) -> Option<Response> {
    if !is_page(method, path) {
        return None;
    }
    let name = path.trim_start_matches('/');
    let known = |name: &str| Files::get(&format!("{name}.gz")).map(|file| (name.to_owned(), file));
    // What is named by its content and is not there is from another version: a page in its place would be taken for it.
    let is_asset = name.starts_with("assets/");
    let found = known(name).filter(|_| !name.is_empty() && name != "manifest.json");
    let (name, file) = match found {
        Some(found) => found,
        None if is_asset => return None,
        None => match known("index.html") {
            Some(page) => page,
            None => return Some(absent(path)),
        },
    };
    Some(file_answer(&name, &file, asked))
}

fn file_answer(name: &str, file: &rust_embed::EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", blake3::Hash::from_bytes(file.metadata.sha256_hash()).to_hex());
    let mut response = if asked.get(header::IF_NONE_MATCH).is_some_and(|shown| is_among(shown, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(asked) {
        let mut response = Body::from(file.data.clone()).into_response();
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        let mut plain = Vec::new();
        match flate2::read::GzDecoder::new(file.data.as_ref()).read_to_end(&mut plain) {
            Ok(_) => Body::from(plain).into_response(),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Files below `assets` are named by their content and never change.
    let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    // What every answer has is added to it later.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// What is answered where the console was not built in: words at its address, nothing elsewhere.
fn absent(path: &str) -> Response {
    let status = if path == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let page = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>Mainstay</title></head><body>\
        <h1>This server was built without the web console</h1>\
        <p>Everything else works: <code>mainstay status</code> says what is going on, and the API is at <code>/v1</code>.</p>\
        <p>To add the console, install Node.js 20 or later where Mainstay is built, run <code>cargo xtask console</code> there, \
        and build the server again.</p></body></html>\n";
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (status, headers, page).into_response()
}

/// Whether the client takes gzip. `gzip;q=0` is a refusal.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let mut taken = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    taken.any(|value| {
        value.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
            });
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
        })
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_api_is_no_page() {
        for page in
            ["/", "/runs", "/runs/abc", "/assets/x.js", "/docsearch", "/v10", "/runs/v1", "/%zz", "//runs"]
        {
            assert!(is_page(&Method::GET, page), "{page}");
            assert!(!is_page(&Method::POST, page), "{page}");
        }
        for meant in ["/V1/me", "//v1/me", "/%76%31/me", "/%56%31", "/API/v1/query", "/%2fv1/me", "///aPi"] {
            assert!(!is_page(&Method::GET, meant), "{meant}");
        }
        for other in ["/v1", "/v1/", "/v1/nothing", "/api/v1/query", "/docs/shop/", "/enter/code"] {
            assert!(!is_page(&Method::GET, other), "{other}");
        }
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (value, takes) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("*", true), ("br", false), ("gzip;q=0", false)]
        {
            assert_eq!(takes_gzip(&headers(&[(header::ACCEPT_ENCODING, value)])), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_file_has_its_kind_its_tag_and_its_policy() {
        let file = rust_embed::EmbeddedFile {
            data: {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                std::io::Write::write_all(&mut out, b"alert(1)").expect("written");
                out.finish().expect("written").into()
            },
            metadata: rust_embed::Metadata::__rust_embed_new([7; 32], None, None),
        };
        let plain = file_answer("assets/a.js", &file, &HeaderMap::new());
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(plain.headers()[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let policy = plain.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
        let tag = plain.headers()[header::ETAG].to_str().expect("text").to_owned();
        let mut asked = headers(&[(header::ACCEPT_ENCODING, "gzip")]);
        assert_eq!(file_answer("theme.js", &file, &asked).headers()[header::CONTENT_ENCODING], "gzip");
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&format!("W/{tag}")).expect("ascii"));
        assert_eq!(file_answer("theme.js", &file, &asked).status(), StatusCode::NOT_MODIFIED);
    }
}
