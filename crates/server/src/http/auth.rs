//! Who may call. Until people can sign in, one secret does: it lies in the data directory, readable by its owner only,
//! so whoever may read that directory may operate the server. Telemetry comes in without it, because that is how
//! OTLP's senders are made; it is bound to loopback.

use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::ErrorKind;

use super::docs;
use super::error::Failure;
use crate::console;

/// The secret that clients show.
#[derive(Clone)]
pub struct Token(std::sync::Arc<str>);

impl Token {
    /// Reads the secret, or makes one when there is none.
    pub fn load_or_create(path: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().len() >= 32 => return Ok(Self(text.trim().into())),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let secret = format!("mst_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let beside = path.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        Ok(Self(secret.into()))
    }

    /// What opens the documentation to a browser and nothing else: derived from the secret, which it does not tell.
    pub(super) fn docs_key(&self) -> String {
        let key = blake3::derive_key("mainstay documentation cookie v1", self.0.as_bytes());
        blake3::Hash::from_bytes(key).to_hex().to_string()
    }

    /// Whether a cookie is the one that opens the documentation.
    fn opens_docs(&self, shown: &str) -> bool {
        blake3::hash(self.docs_key().as_bytes()) == blake3::hash(shown.as_bytes())
    }

    /// Compares in a time that does not tell how much is right.
    fn is(&self, shown: &str) -> bool {
        let (a, b) = (blake3::hash(self.0.as_bytes()), blake3::hash(shown.as_bytes()));
        a == b
    }
}

/// Names under which a loopback server may be called. A page in a browser that was led here by a name of its own
/// (DNS rebinding) shows another one.
pub(super) fn is_local_name(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Lets a request through, or answers it.
pub async fn require(State(token): State<Token>, request: Request, next: Next) -> Response {
    // What sources of workloads send is checked by their own secrets, and may come through a proxy under another name.
    if *request.method() == Method::POST && request.uri().path().starts_with("/v1/hooks/") {
        return next.run(request).await;
    }
    if let Some(host) = request.headers().get(header::HOST) {
        let local = host.to_str().is_ok_and(is_local_name);
        if !local {
            return Failure::new(ErrorKind::Forbidden, "This server answers to its address only")
                .hint("call it as http://127.0.0.1:7600 or http://localhost:7600")
                .into_response();
        }
    }
    if is_open(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let is_docs = *request.method() == Method::GET && request.uri().path().starts_with("/docs/");
    if is_docs && shown.is_none() {
        return match docs::shown(request.headers()) {
            Some(cookie) if token.opens_docs(cookie) => next.run(request).await,
            _ => docs::closed("This browser may not read the documentation yet."),
        };
    }
    match shown {
        Some(shown) if token.is(shown.trim()) => next.run(request).await,
        Some(_) => Failure::new(ErrorKind::Unauthenticated, "The token is not the one of this server")
            .hint("it is in the file `token` of the server's data directory")
            .into_response(),
        None => Failure::new(ErrorKind::Unauthenticated, "A token is needed")
            .hint("send `Authorization: Bearer …` with the content of the file `token` of the server's data directory")
            .into_response(),
    }
}

/// What needs no token: being seen to be alive, telemetry coming in, and opening a link that is a secret itself.
fn is_open(method: &Method, path: &str) -> bool {
    match path {
        "/v1/health" => *method == Method::GET,
        // What is shown there is a code that works once.
        path if path.starts_with("/enter/") => *method == Method::GET,
        "/v1/traces" | "/v1/metrics" | "/v1/logs" => *method == Method::POST,
        // Pages of the console hold nothing but the program; what they show they ask the API for.
        path => console::is_page(method, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_are_answered() {
        for good in ["127.0.0.1:7600", "localhost", "LOCALHOST:1", "[::1]:7600", "10.1.2.3"] {
            assert!(is_local_name(good), "{good}");
        }
        for bad in
            ["evil.example", "evil.example:7600", "localhost.evil.example", "", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_local_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let first = Token::load_or_create(&path).expect("made");
        let second = Token::load_or_create(&path).expect("read");
        assert!(first.is(&second.0) && !first.is("mst_"));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn reading_telemetry_needs_a_token_and_sending_does_not() {
        assert!(is_open(&Method::POST, "/v1/logs"));
        assert!(!is_open(&Method::GET, "/v1/logs"));
        assert!(!is_open(&Method::POST, "/v1/workloads"));
        assert!(!is_open(&Method::GET, "/docs/shop/"));
    }

    #[test]
    fn the_cookie_of_the_documentation_is_not_the_token() {
        let token = Token("mst_0123456789abcdef0123456789abcdef".into());
        let key = token.docs_key();
        assert!(
            token.opens_docs(&key) && !token.opens_docs(&token.0) && !token.opens_docs("") && !token.is(&key)
        );
        assert_ne!(Token("another".into()).docs_key(), key);
    }
}
