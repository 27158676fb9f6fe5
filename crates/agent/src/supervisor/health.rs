//! Health checks of a service.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::spec::{Check, HealthSpec, ServiceSpec, split_words, substitute};
use crate::launch::{self, Place};
use mainstay_api::secrets;

/// How often a service that was not yet ready is checked, so that those that wait for it need not wait much longer.
const EAGER: Duration = Duration::from_millis(200);

/// How much of an answer is shown as the reason.
const REASON_CHARS: usize = 200;

/// Until when to wait after a check.
pub fn pause(health: &HealthSpec, was_ready: bool) -> Duration {
    let every = Duration::from_millis(health.every_ms.max(10));
    if was_ready { every } else { every.min(EAGER) }
}

/// Makes one check. The error says what was asked and what was wrong with the answer.
pub async fn check(
    client: &reqwest::Client,
    place: &Place,
    spec: &ServiceSpec,
    health: &HealthSpec,
) -> Result<(), String> {
    let limit = Duration::from_millis(health.timeout_ms);
    let (what, result) = match &health.check {
        Check::Http { path, port } => {
            let url = format!("http://127.0.0.1:{port}{path}");
            (format!("GET {url}"), tokio::time::timeout(limit, http(client, &url)).await)
        }
        Check::Tcp { port } => {
            (format!("connecting to port {port}"), tokio::time::timeout(limit, tcp(*port)).await)
        }
        Check::Exec { run } => return exec(place, spec, run, limit).await,
    };
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(format!("{what}: {reason}")),
        Err(_) => Err(format!("{what}: no answer within {} ms", health.timeout_ms)),
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS).collect()
}

async fn http(client: &reqwest::Client, url: &str) -> Result<(), String> {
    let mut response = client.get(url).send().await.map_err(|error| {
        // The last cause is the one that tells (`Connection refused`).
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string()
    })?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    // One chunk is enough for a reason, and a body without end is not waited for.
    let body = response.chunk().await.ok().flatten().unwrap_or_default();
    let mut reason = format!("answered {status}");
    let body = cut(&String::from_utf8_lossy(&body));
    if !body.is_empty() {
        let _ = write!(reason, ": {body}");
    }
    Err(reason)
}

async fn tcp(port: u16) -> Result<(), String> {
    TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
}

async fn exec(place: &Place, spec: &ServiceSpec, run: &str, limit: Duration) -> Result<(), String> {
    let mut env = place.base_env();
    env.insert("MAINSTAY_COMPONENT".to_owned(), spec.component.clone());
    env.insert("MAINSTAY_WORKLOAD".to_owned(), spec.workload.clone());
    if let Some(port) = spec.port {
        env.insert("PORT".to_owned(), port.to_string());
    }
    let values = launch::variables(place, spec);
    for (name, value) in &spec.env {
        env.insert(name.clone(), substitute(value, &values)?);
    }
    for (name, reference) in &spec.secrets {
        let value = secrets::read(reference)
            .map_err(|reason| format!("the secret {name} cannot be had: {reason}"))?;
        env.insert(name.clone(), value);
    }
    let words = split_words(run)?;
    let words = words.iter().map(|word| substitute(word, &values)).collect::<Result<Vec<_>, _>>()?;
    let path = env.get("PATH").cloned().unwrap_or_default();
    let program = launch::resolve(&words[0], Path::new(&spec.directory), &path)?;
    let child = Command::new(&program)
        .args(&words[1..])
        .env_clear()
        .envs(env)
        .current_dir(&spec.directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("`{run}` cannot be started: {error}"))?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{run}`: {status}")),
        Ok(Err(error)) => Err(format!("`{run}` cannot be waited for: {error}")),
        Err(_) => {
            // It was not waited for, so its id is still its own.
            if let Some(group) = group {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            Err(format!("`{run}` took longer than {} ms", limit.as_millis()))
        }
    }
}
