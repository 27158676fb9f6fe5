//! Requests to other people's servers, over TLS: downloads, and sign-in elsewhere. One request at a time, no pool, no cookies and
//! no proxy; whoever asks decides about redirects.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
pub use hyper::header::{HeaderMap, HeaderName, HeaderValue};
pub use hyper::{Method, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One request.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// `GET`, `POST`.
    pub method: Method,
    /// Where to.
    pub url: Uri,
    /// Its headers; `host` and the length are added.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer. No text of a request is in it: a URL may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// It was certainly not sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// It may have arrived.
    #[error("no answer: {0}")]
    MaybeSent(String),
}

/// The answer, whose body is still to come.
pub type Answer = hyper::Response<Incoming>;

/// Sends a request and gives the answer's head. Redirects are answers like any other.
pub async fn send(outgoing: Outgoing) -> Result<Answer, WebError> {
    let mut request = hyper::Request::new(Full::new(outgoing.body));
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = outgoing.url;
    *request.headers_mut() = outgoing.headers;
    let secure = request.uri().scheme_str() == Some("https");
    let asked = if secure {
        // The certificates of the system are read only where they are needed.
        let https = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            WebError::NotSent(format!("the certificates that this system trusts cannot be read: {error}"))
        })?;
        let connector = https.https_only().enable_http1().wrap_connector(connector());
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector).request(request)
    } else {
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector()).request(request)
    };
    asked.await.map_err(|error| {
        let words = chain(&error);
        let words = certificate(&words).unwrap_or(words);
        if error.is_connect() { WebError::NotSent(words) } else { WebError::MaybeSent(words) }
    })
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.enforce_http(false);
    connector
}

/// What is said of a server whose certificate is not accepted; nothing where it failed otherwise.
fn certificate(words: &str) -> Option<String> {
    let (_, reason) = words.split_once("invalid peer certificate: ")?;
    let reason = match reason {
        "UnknownIssuer" => "it was issued by nobody whom this host trusts",
        other => other,
    };
    Some(format!("the server's certificate is not accepted: {reason}"))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}

/// The body of an answer, piece by piece.
pub fn chunks(answer: Answer) -> impl futures::Stream<Item = Result<Bytes, String>> + Unpin {
    let frames = http_body_util::BodyStream::new(answer.into_body());
    Box::pin(futures::StreamExt::filter_map(frames, |frame| async move {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(chain(&error))),
        }
    }))
}

/// Where a `location` leads from a URL; `None` if that is nowhere.
pub fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    if location.contains("://") {
        return location.parse().ok();
    }
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{scheme}://{rest}").parse().ok();
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    };
    format!("{scheme}://{authority}{path}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_one_from_where_it_was_said() {
        let from: Uri = "https://h:1/a/b?c=d".parse().expect("a URL");
        for (location, leads) in [
            ("https://x/y", "https://x/y"),
            ("//x/y", "https://x/y"),
            ("/y", "https://h:1/y"),
            ("y?z", "https://h:1/a/y?z"),
        ] {
            assert_eq!(
                resolve(&from, location).map(|uri| uri.to_string()),
                Some(leads.to_owned()),
                "{location}"
            );
        }
    }
}
