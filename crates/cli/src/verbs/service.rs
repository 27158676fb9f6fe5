//! `mainstay service …`: asks the agent of this host, with or without a server.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_agent::control::{self, ControlError, Reply, Request};

use crate::args::{Global, ServiceVerb};
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, clean_lines, say};

/// How long an agent may take for a change: a graceful stop and a start up to readiness.
const CHANGE: Duration = Duration::from_secs(120);

/// How long it may take to look something up.
const LOOK: Duration = Duration::from_secs(10);

/// Where the agent listens: what a step of a run was told, or the one of the data directory.
fn socket(global: &Global) -> PathBuf {
    match std::env::var_os("MAINSTAY_AGENT_SOCKET") {
        Some(path) if !path.is_empty() => path.into(),
        _ => global.data().join("agent").join("control.sock"),
    }
}

/// Acts on a service.
pub fn run(screen: Screen, global: &Global, verb: &ServiceVerb) -> Result<(), Failure> {
    let (request, timeout, done) = match verb {
        ServiceVerb::Restart { name } => {
            (Request::Restart { name: name.clone() }, CHANGE, "was restarted and is ready")
        }
        ServiceVerb::Stop { name } => (Request::Stop { name: name.clone() }, CHANGE, "is stopped"),
        ServiceVerb::Start { name } => (Request::Start { name: name.clone() }, CHANGE, "is ready"),
        ServiceVerb::Logs { name, lines } => {
            let lines = usize::try_from(*lines).unwrap_or(usize::MAX);
            (Request::Logs { name: name.clone(), lines }, LOOK, "")
        }
    };
    let reply = control::call(&socket(global), &request, timeout).map_err(|error| failure(&error))?;
    if screen.is_json() {
        return screen.json(&reply);
    }
    match reply {
        Reply::Done { service, pid } => {
            let pid = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            screen.print(&format!("{service} {done}{pid}\n"))
        }
        Reply::Logs { lines } => {
            if lines.is_empty() {
                say("it has written nothing yet");
            }
            screen.print(&lines.iter().map(|line| format!("{}\n", clean_lines(line))).collect::<String>())
        }
        Reply::Services { .. } | Reply::Failed { .. } => {
            Err(Failure::new(Exit::Unreachable, "The agent answered something else than it was asked"))
        }
    }
}

fn failure(error: &ControlError) -> Failure {
    match error {
        ControlError::Failed(_) => {
            Failure::of(Exit::Refused, error).hint("`mainstay services` shows all services")
        }
        ControlError::NoAgent { .. } => Failure::of(Exit::Unreachable, error)
            .hint("name its data directory with --data, or start it with `mainstay up`"),
        _ => Failure::of(Exit::Unreachable, error).hint("`mainstay services` shows what came of it"),
    }
}
