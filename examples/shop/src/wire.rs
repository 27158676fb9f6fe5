//! Between services: JSON over HTTP, with the trace of each order carried along (W3C Trace Context).

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::metrics::Histogram;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{FutureExt as _, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::ShopError;
use crate::error::{Refusal, chain};

/// The bounds that OpenTelemetry's conventions give for request durations, in seconds.
const DURATION_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The histogram `http.server.request.duration` of this process.
pub fn duration_histogram() -> Histogram<f64> {
    global::meter("shop")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_description("Duration of HTTP requests served")
        .with_boundaries(DURATION_BOUNDS.to_vec())
        .build()
}

/// Middleware around each route: continues the caller's trace with a span and records the duration.
pub async fn observed(
    durations: Histogram<f64>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let parent = global::get_text_map_propagator(|p| p.extract(&Received(request.headers())));
    let tracer = global::tracer("shop");
    let span = tracer
        .span_builder(format!("{method} {}", route.as_str()))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("http.route", route.as_str().to_owned()),
        ])
        .start_with_context(&tracer, &parent);
    let context = parent.with_span(span);

    let response = next.run(request).with_context(context.clone()).await;

    let status = response.status();
    context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        context.span().set_status(Status::error(status.to_string()));
    }
    context.span().end();
    let attributes = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route.as_str().to_owned()),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
    ];
    durations.record(started.elapsed().as_secs_f64(), &attributes);
    response
}

/// Does `work` within a new trace, under this name.
pub async fn in_new_trace<F: Future>(name: &'static str, work: F) -> F::Output {
    let span = global::tracer("shop").start_with_context(name, &Context::new());
    work.with_context(Context::new().with_span(span)).await
}

/// Another service of the shop, as one of them calls it.
#[derive(Clone, Debug)]
pub struct Peer {
    name: &'static str,
    base: Url,
    client: reqwest::Client,
}

impl Peer {
    /// The service called `name` (for messages) at `base`, given `patience` for each answer.
    ///
    /// # Errors
    /// [`ShopError::Client`].
    pub fn new(name: &'static str, base: Url, patience: Duration) -> Result<Self, ShopError> {
        let client =
            reqwest::Client::builder().no_proxy().timeout(patience).build().map_err(ShopError::Client)?;
        Ok(Self { name, base, client })
    }

    /// Fetches `path` and drops what it holds.
    ///
    /// # Errors
    /// As [`Peer::post`].
    pub async fn get(&self, path: &str) -> Result<(), Refusal> {
        self.call(self.client.get(self.url(path)), "GET", path).await.map(drop)
    }

    /// Posts JSON to `path` and reads the answer.
    ///
    /// # Errors
    /// The service's own refusal with its status; 503 when it cannot be reached. When nobody can know
    /// whether it did the work: 504 when there was no answer, 502 when the answer cannot be read.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Refusal> {
        let answer = self.call(self.client.post(self.url(path)).json(body), "POST", path).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            Refusal::new(
                StatusCode::BAD_GATEWAY,
                format!("{} gave an answer that cannot be read: {error}", self.name),
            )
        })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    /// Sends a request within a span of its own; the body of a good answer, or why there is none.
    async fn call(
        &self,
        request: reqwest::RequestBuilder,
        method: &'static str,
        path: &str,
    ) -> Result<Vec<u8>, Refusal> {
        let mut span = global::tracer("shop").start(format!("{method} {path}"));
        span.set_attribute(KeyValue::new("peer.service", self.name));
        let context = Context::current_with_span(span);
        let mut headers = HeaderMap::new();
        global::get_text_map_propagator(|p| p.inject_context(&context, &mut Sent(&mut headers)));

        let sending = async {
            let answer = request.headers(headers).send().await?;
            let status = answer.status();
            Ok((status, answer.bytes().await?))
        };
        let result = match sending.with_context(context.clone()).await {
            Ok((status, body)) if status.is_success() => Ok(body.to_vec()),
            Ok((status, body)) => Err(Refusal::new(status, reason(&body))),
            Err(error) => Err(self.unreachable(error)),
        };
        if let Err(refusal) = &result {
            context.span().set_status(Status::error(refusal.reason.clone()));
        }
        context.span().end();
        result
    }

    fn unreachable(&self, error: reqwest::Error) -> Refusal {
        if error.is_connect() {
            let reason = format!("{} cannot be reached: {}", self.name, chain(&error.without_url()));
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason);
        }
        let reason = if error.is_timeout() {
            format!("{} gave no answer in time", self.name)
        } else {
            format!("{} gave no answer: {}", self.name, chain(&error.without_url()))
        };
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, reason)
    }
}

/// The reason in a refusal's body, or the body itself where it is not ours.
fn reason(body: &[u8]) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let ours = parsed.as_ref().and_then(|value| value.get("error")).and_then(|error| error.as_str());
    let other = || String::from_utf8_lossy(body).chars().take(200).collect();
    ours.map_or_else(other, str::to_owned)
}

/// Reads a base address from the command line: `http://host:port`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn base_address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("not an address: {error}"))?;
    match url.scheme() {
        "http" if url.host().is_some() => Ok(url),
        "https" => Err("https is not built into the example; use http".to_owned()),
        _ => Err("expected http://host:port".to_owned()),
    }
}

struct Received<'a>(&'a HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Sent<'a>(&'a mut HeaderMap);

impl Injector for Sent<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_trace_goes_from_the_caller_through_the_service_to_its_peers() {
        use axum::routing::post;
        use opentelemetry_sdk::propagation::TraceContextPropagator;
        use opentelemetry_sdk::trace::SdkTracerProvider;

        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(SdkTracerProvider::builder().build());
        let trace = || Context::current().span().span_context().trace_id().to_string();
        let durations = duration_histogram();
        let observe = move |route: MatchedPath, request: Request, next: Next| {
            observed(durations.clone(), route, request, next)
        };
        let router = axum::Router::new()
            .route("/trace", post(move || async move { axum::Json(trace()) }))
            .route_layer(axum::middleware::from_fn(observe));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let mut work = tokio::task::JoinSet::new();
        work.spawn(async move { axum::serve(listener, router).await.expect("serves") });

        let base = base_address(&format!("http://{address}")).expect("a url");
        let peer = Peer::new("tracer", base, Duration::from_secs(5)).expect("a client");
        let (here, there) = in_new_trace("test", async {
            (trace(), peer.post::<String>("/trace", &()).await.expect("answered"))
        })
        .await;
        assert_eq!(here, there);
        assert_ne!(here, "0".repeat(32), "a real trace");
    }

    #[test]
    fn addresses_are_plain_http() {
        assert!(base_address("http://127.0.0.1:8103").is_ok());
        for (text, expected) in [
            ("https://pay.example", "https is not built into the example; use http"),
            ("ftp://pay.example", "expected http://host:port"),
            ("127.0.0.1:8103", "not an address: relative URL without a base"),
        ] {
            assert_eq!(base_address(text).expect_err(text), expected);
        }
    }

    #[test]
    fn a_reason_is_found_in_our_answers_and_in_strangers() {
        assert_eq!(reason(br#"{"error":"no connection is free"}"#), "no connection is free");
        assert_eq!(reason(b"<html>busy</html>"), "<html>busy</html>");
    }
}
