//! OTLP/HTTP: `POST /v1/metrics`, `/v1/logs`, `/v1/traces`.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::Response;
use axum::routing::post;
use prost::Message;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_stream::StreamExt;

use super::status::Refusal;
use super::{Converted, Logs, MAX_REQUEST_BYTES, Metrics, Partial, Signal, Traces, json, store};
use crate::store::Telemetry;

/// So many requests are read and decoded at a time, which bounds their memory.
const AT_A_TIME: usize = 16;

/// How long a request waits for its turn before the sender is told to come back.
const TURN: Duration = Duration::from_secs(5);

/// How long a sender may take to send its body.
const BODY: Duration = Duration::from_secs(30);

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[derive(Clone)]
struct Receiver {
    telemetry: Arc<Telemetry>,
    turns: Arc<Semaphore>,
}

/// The routes of OTLP/HTTP, to be served on their own or merged into a larger router. They read at most
/// [`MAX_REQUEST_BYTES`] of a body and need no limit around them.
pub fn http(telemetry: Arc<Telemetry>) -> Router {
    let receiver = Receiver { telemetry, turns: Arc::new(Semaphore::new(AT_A_TIME)) };
    Router::new()
        .route("/v1/metrics", post(receive::<Metrics>))
        .route("/v1/logs", post(receive::<Logs>))
        .route("/v1/traces", post(receive::<Traces>))
        .route("/v1development/profiles", post(profiles))
        .with_state(receiver)
}

/// The encodings of a message; the answer is in the one of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case(PROTOBUF) {
            Some(Self::Protobuf)
        } else if media_type.eq_ignore_ascii_case(JSON) {
            Some(Self::Json)
        } else {
            None
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => PROTOBUF,
            Self::Json => JSON,
        })
    }
}

fn answer(encoding: Encoding, status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, encoding.name());
    response
}

fn refuse(encoding: Encoding, refusal: &Refusal) -> Response {
    let mut response = match encoding {
        Encoding::Protobuf => answer(encoding, refusal.http, refusal.to_protobuf()),
        Encoding::Json => answer(encoding, refusal.http, refusal.to_json()),
    };
    if let Some(seconds) = refusal.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn profiles(headers: HeaderMap) -> Response {
    let refusal =
        Refusal::new(StatusCode::NOT_FOUND, tonic::Code::Unimplemented, "OTLP profiles are not supported");
    refuse(Encoding::of(&headers).unwrap_or(Encoding::Json), &refusal)
}

async fn receive<S: Signal>(State(receiver): State<Receiver>, request: Request<Body>) -> Response {
    let Some(encoding) = Encoding::of(request.headers()) else {
        let message = format!("unsupported content type: expected {PROTOBUF} or {JSON}");
        let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, tonic::Code::InvalidArgument, message);
        return refuse(Encoding::Json, &refusal);
    };
    match export::<S>(&receiver, encoding, request).await {
        Ok(partial) => success::<S>(encoding, partial),
        Err(refusal) => refuse(encoding, &refusal),
    }
}

fn success<S: Signal>(encoding: Encoding, partial: Option<Partial>) -> Response {
    match encoding {
        Encoding::Protobuf => answer(encoding, StatusCode::OK, S::response(partial).encode_to_vec()),
        Encoding::Json => {
            let body = match partial {
                None => json!({}),
                Some(partial) => json!({"partialSuccess": {
                    S::REJECTED: partial.rejected.to_string(),
                    "errorMessage": partial.message,
                }}),
            };
            answer(encoding, StatusCode::OK, body.to_string())
        }
    }
}

async fn export<S: Signal>(
    receiver: &Receiver,
    encoding: Encoding,
    request: Request<Body>,
) -> Result<Option<Partial>, Refusal> {
    let gzip = is_gzip(request.headers())?;
    if declared_length(request.headers()).is_some_and(|length| length > MAX_REQUEST_BYTES as u64) {
        return Err(too_large());
    }
    let turn = tokio::time::timeout(TURN, receiver.turns.acquire()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Refusal::busy("too many requests at a time: send again later", 1000));
    };
    let body = match tokio::time::timeout(BODY, read(request.into_body())).await {
        Ok(body) => body?,
        Err(_) => {
            let message = "the body did not arrive within 30 seconds";
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, tonic::Code::DeadlineExceeded, message));
        }
    };
    let now_ms = receiver.telemetry.now_ms();
    // Decoding 20 MiB takes long enough to be kept off the threads that serve connections.
    let converted =
        tokio::task::spawn_blocking(move || decode::<S>(&body, gzip, encoding, now_ms)).await.map_err(
            |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, tonic::Code::Internal, "decoding failed"),
        )??;
    // What is decoded counts against the bound on waiting batches from here on.
    drop(turn);
    Ok(store(&receiver.telemetry, converted).await?)
}

fn too_large() -> Refusal {
    let message = format!("the request is larger than {MAX_REQUEST_BYTES} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, tonic::Code::InvalidArgument, message)
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    let value = value.to_str().unwrap_or("?").trim();
    if value.eq_ignore_ascii_case("gzip") {
        Ok(true)
    } else if value.is_empty() || value.eq_ignore_ascii_case("identity") {
        Ok(false)
    } else {
        let shown: String = value.chars().take(40).collect();
        let message = format!("content encoding `{shown}` is not supported: send gzip or none");
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, tonic::Code::InvalidArgument, message))
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::bad_data("the body ended before it was complete"))?;
        if bytes.len() + chunk.len() > MAX_REQUEST_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn decode<S: Signal>(body: &[u8], gzip: bool, encoding: Encoding, now_ms: i64) -> Result<Converted, Refusal> {
    let inflated;
    let bytes = if gzip {
        inflated = inflate(body)?;
        &inflated
    } else {
        body
    };
    let request = match encoding {
        Encoding::Protobuf => S::Request::decode(bytes)
            .map_err(|error| Refusal::bad_data(format!("not an OTLP request in protobuf: {error}")))?,
        Encoding::Json => json::decode(bytes).map_err(Refusal::bad_data)?,
    };
    Ok(S::convert(request, now_ms))
}

/// Unpacks at most one byte more than is allowed, so that a small body cannot become a large one.
fn inflate(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(body)
        .take(MAX_REQUEST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::bad_data(format!("the body is not gzip: {error}")))?;
    if bytes.len() > MAX_REQUEST_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}
