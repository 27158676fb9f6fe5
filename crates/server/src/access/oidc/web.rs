//! Questions to a provider: small JSON, no redirects, and not for long.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use mainstay_api::web::{self, HeaderMap, HeaderValue, Method, Outgoing};
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

async fn ask(outgoing: Outgoing) -> Result<(u16, Value), String> {
    let asked = async {
        let answer = web::send(outgoing).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        let mut chunks = web::chunks(answer);
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > MAX_ANSWER {
                return Err("its answer is too large".to_owned());
            }
        }
        let body = serde_json::from_slice(&bytes);
        match body {
            Ok(body) => Ok((status, body)),
            Err(_) if status != 200 => Ok((status, Value::Null)),
            // No word of it: an answer may hold a token.
            Err(_) => Err("its answer is not JSON".to_owned()),
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| Err("it does not answer in time".to_owned()))
}

fn outgoing(method: Method, url: &str, body: String) -> Result<Outgoing, String> {
    let url = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("application/json"));
    Ok(Outgoing { method, url, headers, body: body.into() })
}

/// Asks for a document.
pub async fn get(url: &str) -> Result<Value, String> {
    match ask(outgoing(Method::GET, url, String::new())?).await? {
        (200, body) => Ok(body),
        (status, _) => Err(format!("{url} answers {status}")),
    }
}

/// Sends a form, with a name and a secret if there are any.
pub async fn post(url: &str, form: &str, basic: Option<&str>) -> Result<(u16, Value), String> {
    let mut outgoing = outgoing(Method::POST, url, form.to_owned())?;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    outgoing.headers.insert("content-type", kind);
    if let Some(basic) = basic {
        let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(basic)));
        let mut value = value.map_err(|_| "the secret is not one for a header".to_owned())?;
        value.set_sensitive(true);
        outgoing.headers.insert("authorization", value);
    }
    ask(outgoing).await
}
