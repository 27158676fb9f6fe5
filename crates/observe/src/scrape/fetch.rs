//! One request to a target: bounded in time and size.

use std::io::Read;

use super::target::Target;
use super::text::{Exposition, Format, parse};

/// What is asked for: OpenMetrics first, then text. Weights as Prometheus gives them.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

/// Reads the page of a target, or says why not. The caller bounds the time.
pub(super) async fn fetch(client: &reqwest::Client, target: &Target) -> Result<Exposition, String> {
    let mut response = client
        .get(&target.url)
        .header("accept", ACCEPT)
        .header("accept-encoding", "gzip")
        .header("x-prometheus-scrape-timeout-seconds", target.timeout.as_secs_f64().to_string())
        .send()
        .await
        .map_err(|error| format!("not reached: {}", chain(&error)))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("answered HTTP {}", response.status()));
    }
    let header = |name: &str| {
        response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let content_type = header("content-type").ok_or("answered without a content type")?;
    let format = Format::of_content_type(&content_type).ok_or_else(|| {
        let shown: String = content_type.chars().take(60).collect();
        format!("answered with content type `{shown}`; expected text/plain or application/openmetrics-text")
    })?;
    let gzip = match header("content-encoding").as_deref().map(str::trim) {
        None | Some("" | "identity") => false,
        Some("gzip") => true,
        Some(other) => {
            return Err(format!("answered in the encoding `{}`", other.chars().take(40).collect::<String>()));
        }
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("broke off: {}", chain(&error)))? {
        if body.len() + chunk.len() > target.body_limit {
            return Err(too_large(target));
        }
        body.extend_from_slice(&chunk);
    }
    let (body_limit, sample_limit, large) = (target.body_limit, target.sample_limit, too_large(target));
    tokio::task::spawn_blocking(move || {
        if gzip {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(body.as_slice())
                .take(body_limit as u64 + 1)
                .read_to_end(&mut plain)
                .map_err(|error| format!("sent a body that is not gzip: {error}"))?;
            body = plain;
        }
        if body.len() > body_limit {
            return Err(large);
        }
        let text = std::str::from_utf8(&body).map_err(|_| "sent a page that is not UTF-8".to_owned())?;
        let page =
            parse(text, format).map_err(|error| format!("sent a page that cannot be read: {error}"))?;
        if page.samples.len() > sample_limit {
            return Err(format!("sent {} samples; the limit is {sample_limit}", page.samples.len()));
        }
        Ok(page)
    })
    .await
    .map_err(|_| "reading the page failed".to_owned())?
}

fn too_large(target: &Target) -> String {
    format!("sent more than {} bytes", target.body_limit)
}

/// An error and what caused it, in one line; reqwest says the useful part last.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
