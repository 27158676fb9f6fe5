//! Files over HTTP.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use mainstay_api::web::{self, HeaderMap, HeaderValue, Method, Outgoing, Uri};
use mainstay_runbook::{Secret, Source, is_loopback};

use super::{Ended, fetch, place};
use mainstay_api::secrets;

/// The largest file that is downloaded, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// How many redirects are followed.
const MAX_REDIRECTS: u32 = 5;

/// How long the server may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Gets what a source has. A document of the workload is not one for here: it came with the task.
pub(super) fn run(source: &Source, destination: Option<&str>) -> Ended {
    match source {
        Source::Git { repository, at, path, login, ssh_key, any_host_key } => fetch::run(
            &fetch::Wanted {
                repository,
                at,
                path: path.as_deref(),
                login: login.as_ref(),
                ssh_key: ssh_key.as_ref(),
                any_host_key: *any_host_key,
            },
            destination,
        ),
        Source::Http { url, insecure, basic } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let work = |runtime: tokio::runtime::Runtime| {
                runtime.block_on(http(url, *insecure, basic.as_ref(), destination))
            };
            match runtime.map_err(|error| error.to_string()).and_then(work) {
                Ok((place, bytes)) => Ended::good(format!("wrote {bytes} bytes to {}", place.display())),
                Err(message) => Ended::failed(message),
            }
        }
        Source::Document { name } => Ended::failed(format!("The document {name} did not come with the task")),
    }
}

async fn http(
    url: &str,
    insecure: bool,
    basic: Option<&(String, Secret)>,
    destination: Option<&str>,
) -> Result<(PathBuf, u64), String> {
    let uri: Uri = url.parse().map_err(|error| format!("the URL cannot be read: {error}"))?;
    let name = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let place = place::of_file(destination, &name)?;
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("mainstay"));
    if let Some((user, password)) = basic {
        let password = secrets::read(&password.secret)
            .map_err(|reason| format!("The secret password cannot be had: {reason}"))?;
        let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut value = HeaderValue::from_str(&text).map_err(|_| "the login cannot be sent".to_owned())?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
    }
    let answer = follow(uri, insecure, headers).await?;
    let told =
        answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_large = || format!("it has more than {MAX_BYTES} bytes, the most that is downloaded");
    if told.is_some_and(|told| told > MAX_BYTES) {
        return Err(too_large());
    }
    let said = |error: std::io::Error| format!("`{}` cannot be written: {error}", place.display());
    let mut pending = place::Pending::new(&place).map_err(said)?;
    let mut bytes: u64 = 0;
    let mut body = web::chunks(answer);
    loop {
        let chunk = tokio::time::timeout(SILENCE, body.next())
            .await
            .map_err(|_| format!("the server said nothing for {} seconds", SILENCE.as_secs()))?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| format!("it broke off after {bytes} bytes: {error}"))?;
        bytes += chunk.len() as u64;
        if bytes > MAX_BYTES {
            return Err(too_large());
        }
        pending.file.write_all(&chunk).map_err(said)?;
    }
    if told.is_some_and(|told| told != bytes) {
        return Err(format!("it broke off after {bytes} bytes"));
    }
    pending.keep().map_err(said)?;
    Ok((place, bytes))
}

/// The answer after all redirects. A login is sent to the first server only, and the way never goes from encrypted to
/// plain.
async fn follow(mut uri: Uri, insecure: bool, mut headers: HeaderMap) -> Result<web::Answer, String> {
    for _ in 0..=MAX_REDIRECTS {
        may_go(&uri, insecure)?;
        let outgoing = Outgoing {
            method: Method::GET,
            url: uri.clone(),
            headers: headers.clone(),
            body: Default::default(),
        };
        let answer = tokio::time::timeout(SILENCE, web::send(outgoing))
            .await
            .map_err(|_| format!("the server said nothing for {} seconds", SILENCE.as_secs()))?
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let next = answer.headers().get("location").and_then(|value| value.to_str().ok());
        let Some(next) = next.filter(|_| status.is_redirection()) else {
            return Err(format!("the server answered {status}"));
        };
        let next =
            web::resolve(&uri, next).ok_or_else(|| "the server sends elsewhere, but not where".to_owned())?;
        if next.authority() != uri.authority() || next.scheme() != uri.scheme() {
            headers.remove("authorization");
        }
        if uri.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
            return Err("the server sends on to a place without encryption".to_owned());
        }
        uri = next;
    }
    Err(format!("the server sends elsewhere more than {MAX_REDIRECTS} times"))
}

fn may_go(uri: &Uri, insecure: bool) -> Result<(), String> {
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => Ok(()),
        (Some("http"), Some(host)) if insecure || is_loopback(host) => Ok(()),
        (Some("http"), Some(_)) => {
            Err("without encryption nothing is downloaded, unless `allowInsecureDownload` is true".to_owned())
        }
        _ => Err("this is not a URL to download from: use https".to_owned()),
    }
}
