//! Requests to the webhooks of workloads, for triggers and for steps of procedures alike: what every request has, who
//! carries it, and whom to trust. What an answer means is for whoever asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mainstay_declare::workload::webhooks::{is_readable_on_its_way, url_problem};
use mainstay_declare::{TextOrSecret, Webhook};
use mainstay_model::Timestamp;

use crate::secrets::Secrets;

mod trust;

/// The fewest characters of a secret that are looked for in what was answered: shorter ones stand in it by chance.
const MIN_SECRET_CHARS: usize = 4;

/// A request to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where.
    pub url: String,
    /// Its headers, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// How long it may take.
    pub timeout: Duration,
    /// A file with certificates that are trusted beside those of the system.
    pub ca: Option<PathBuf>,
    /// How many bytes of the answer are kept. An answer that says more is cut short; what counts is its status.
    pub keep: usize,
    /// Whether it has a connection of its own. One that is used again may be closed by the other side at the moment the
    /// request is sent, and then nobody knows whether it arrived.
    pub alone: bool,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What `Retry-After` says in seconds.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Bytes,
}

/// Why there is no answer. No part of the request is in the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It took too long.
    Timeout,
    /// There was no connection, so it was certainly not sent.
    Unreached(String),
    /// Whoever answered did not prove who it is, so it was certainly not sent.
    Untrusted(String),
    /// The connection broke off; it may have arrived.
    Broken(String),
    /// It cannot be asked at all.
    Impossible(String),
}

/// Carries requests.
pub trait Outbound: Send + Sync + 'static {
    /// Makes a request and waits for the answer, for as long as the request says.
    fn post(&self, request: Request) -> BoxFuture<'static, Result<Reply, NoReply>>;
}

/// What all requests to a webhook have in common.
pub struct Common {
    /// Where, with `*` in the path as it is declared.
    pub url: String,
    /// Headers, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Values of secrets that are in the request.
    pub secrets: Vec<Arc<str>>,
}

impl Common {
    /// Reads the secrets of a webhook. The error names what cannot be had, and no value.
    pub fn of(webhook: &Webhook, store: &Secrets) -> Result<Self, String> {
        let mut secrets = Vec::new();
        let mut value = |text: &TextOrSecret, what: &dyn Fn() -> String| match text {
            TextOrSecret::Text(text) => Ok(text.clone()),
            TextOrSecret::Secret(reference) => {
                let found = store.read(reference);
                let found = found.map_err(|why| format!("the secret of {} cannot be had: {why}", what()))?;
                secrets.push(found.clone());
                Ok::<String, String>(found.to_string())
            }
        };
        let url = value(&webhook.url, &|| "the URL".to_owned())?;
        if let Some(problem) = url_problem(&url) {
            return Err(format!("its URL cannot be used: {problem}"));
        }
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), "Mainstay".to_owned()),
        ];
        for (name, text) in &webhook.headers {
            let text = value(text, &|| format!("the header `{name}`"))?;
            if hyper::header::HeaderValue::from_str(&text).is_err() {
                return Err(format!("the header `{name}` has characters that cannot be sent"));
            }
            set(&mut headers, name, text);
        }
        if let Some(token) = &webhook.token {
            let token = store.read(token).map_err(|why| format!("its token cannot be had: {why}"))?;
            set(&mut headers, "authorization", format!("Bearer {token}"));
            secrets.push(token);
        }
        if !secrets.is_empty() && is_readable_on_its_way(&url) {
            return Err("over http its secrets could be read on the way: its URL has to be https".to_owned());
        }
        Ok(Self { url, headers, secrets })
    }

    /// Signs what is sent as Standard Webhooks has it, if the webhook has a key.
    pub fn sign(
        &mut self,
        webhook: &Webhook,
        store: &Secrets,
        id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(secret) = &webhook.secret else { return Ok(()) };
        let key = store.read(secret).map_err(|why| format!("its key cannot be had: {why}"))?;
        let seconds = now.as_millis() / 1000;
        let signature = BASE64.encode(standard_signature(&key, id, seconds, body));
        set(&mut self.headers, "webhook-id", id.to_owned());
        set(&mut self.headers, "webhook-timestamp", seconds.to_string());
        set(&mut self.headers, "webhook-signature", format!("v1,{signature}"));
        Ok(())
    }
}

/// Sets a header, whatever it was before.
pub fn set(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    headers.retain(|(known, _)| known != name);
    headers.push((name.to_owned(), value));
}

/// Takes secrets out of what was answered.
pub fn hide(text: &mut String, secrets: &[Arc<str>]) {
    for secret in secrets.iter().filter(|secret| secret.chars().count() >= MIN_SECRET_CHARS) {
        if text.contains(&**secret) {
            *text = text.replace(&**secret, "[secret]");
        }
    }
}

/// The key that a secret of Standard Webhooks stands for: Base64 behind `whsec_`, or the text itself.
pub fn standard_key(secret: &str) -> Vec<u8> {
    match secret.strip_prefix("whsec_").map(|encoded| BASE64.decode(encoded)) {
        Some(Ok(key)) => key,
        _ => secret.as_bytes().to_vec(),
    }
}

/// HMAC-SHA256 over id, time and body, as Standard Webhooks has it.
pub fn standard_signature(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &standard_key(secret));
    let mut context = ring::hmac::Context::with_key(&key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    context.sign().as_ref().to_vec()
}

type Plain = Client<HttpConnector, Full<Bytes>>;
type Secure = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Which client: whose certificates it trusts, and whether it keeps connections.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    ca: Option<PathBuf>,
    alone: bool,
}

/// When a file was written, and how long it is: what tells a changed one from the one that was read.
type Stamp = (SystemTime, u64);

/// Carries requests over the network. Redirects are not followed, as a secret may be in the request.
#[derive(Default)]
pub struct Network {
    plain: [OnceLock<Plain>; 2],
    /// Made when they are first needed: they read the certificates that the system trusts.
    secure: Mutex<BTreeMap<Kind, (Option<Stamp>, Secure)>>,
}

/// So long a connection is kept without a request.
const IDLE: Duration = Duration::from_secs(30);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.enforce_http(false);
    connector
}

fn builder(alone: bool) -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE);
    if alone {
        builder.pool_max_idle_per_host(0);
    }
    builder
}

impl Network {
    fn plain(&self, alone: bool) -> &Plain {
        self.plain[usize::from(alone)].get_or_init(|| builder(alone).build(connector()))
    }

    /// The client for certificates of a kind. A file of certificates that was changed counts from the next request on.
    fn secure(&self, kind: Kind) -> Result<Secure, String> {
        let stamp = kind.ca.as_deref().map(stamp).transpose()?;
        let mut known = self.secure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, client)) = known.get(&kind)
            && *before == stamp
        {
            return Ok(client.clone());
        }
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(trust::config(kind.ca.as_deref())?)
            .https_only()
            .enable_http1()
            .wrap_connector(connector());
        let client: Secure = builder(kind.alone).build(https);
        known.insert(kind, (stamp, client.clone()));
        Ok(client)
    }
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let read = || {
        let metadata = std::fs::metadata(path)?;
        Ok((metadata.modified()?, metadata.len()))
    };
    read().map_err(|error: std::io::Error| trust::unreadable(path, &error))
}

impl Outbound for Network {
    fn post(&self, request: Request) -> BoxFuture<'static, Result<Reply, NoReply>> {
        let Request { timeout, keep, alone, .. } = request;
        let mut made = hyper::Request::post(&request.url);
        for (name, value) in &request.headers {
            made = made.header(name, value);
        }
        let made = match made.body(Full::new(request.body)) {
            Ok(made) => made,
            Err(error) => return Box::pin(async move { Err(NoReply::Impossible(error.to_string())) }),
        };
        let asked = if made.uri().scheme_str() == Some("https") {
            match self.secure(Kind { ca: request.ca, alone }) {
                Ok(client) => client.request(made),
                Err(reason) => return Box::pin(async move { Err(NoReply::Untrusted(reason)) }),
            }
        } else {
            self.plain(alone).request(made)
        };
        Box::pin(async move {
            match tokio::time::timeout(timeout, answer(asked, keep)).await {
                Ok(answer) => answer,
                Err(_) => Err(NoReply::Timeout),
            }
        })
    }
}

async fn answer(asked: hyper_util::client::legacy::ResponseFuture, keep: usize) -> Result<Reply, NoReply> {
    let response = asked.await.map_err(|error| match trust::reason(&error) {
        Some(reason) => NoReply::Untrusted(reason),
        None if error.is_connect() => NoReply::Unreached(crate::views::chain(&error)),
        None => NoReply::Broken(crate::views::chain(&error)),
    })?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(hyper::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = response.into_body();
    let mut kept = BytesMut::new();
    // A body that breaks off does not undo the answer.
    while kept.len() < keep
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            kept.extend_from_slice(&data[..data.len().min(keep - kept.len())]);
        }
    }
    Ok(Reply { status, retry_after, body: kept.freeze() })
}

#[cfg(test)]
mod tests;
