//! What became of a command on its hosts, and what that makes of the attempt.

use std::collections::BTreeMap;

use mainstay_model::HostId;
use serde_json::{Map, Value};

use super::{AttemptId, Outcome};

/// What one command came to on one host, for [`aggregate`].
#[derive(Clone, Debug, PartialEq)]
pub struct HostResult {
    /// The host.
    pub host: HostId,
    /// How it ended there.
    pub ended: HostEnd,
    /// What it wrote to standard output, as far as it was kept.
    pub stdout: String,
    /// What it wrote to standard error, as far as it was kept.
    pub stderr: String,
}

/// How a command ended on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEnd {
    /// The script ended with this code.
    Exited(i32),
    /// A Command document ended badly on the host.
    Failed {
        /// The code of the first script that failed; -1 where none did.
        code: i32,
        /// What went wrong.
        message: String,
    },
    /// The script was ended by this signal, not by us.
    Signalled(i32),
    /// The script could not be started.
    NotStarted(String),
    /// Ended because it took too long: what took too long, and how long it may take (`ran longer than 1m and was ended`).
    TimedOut(String),
    /// The host was not reached in time, and the command will not run there any more.
    NotDelivered,
    /// Stopped on request, or never began.
    Cancelled,
    /// Nobody can say.
    Unknown(String),
}

/// Characters of output that are kept per host, as `GetCommandInvocation` does.
pub const MAX_OUTPUT_CHARS: usize = 24_000;

/// Characters of output that are kept of all hosts together.
const MAX_ALL_OUTPUT_CHARS: usize = 240_000;

/// The exit code by which a script asks for a restart of its host, after which the same step would begin anew.
pub const REBOOT: i32 = 194;

/// What is said of a script that asks for a restart.
pub fn reboot() -> String {
    format!(
        "asked for a restart of the host (code {REBOOT}), which is not built: nothing was restarted, and the step \
         does not begin anew by itself"
    )
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}\n[cut after {limit} characters]", &text[..at]),
    }
}

fn describe(ended: &HostEnd) -> (&'static str, String) {
    match ended {
        HostEnd::Exited(0) => ("Success", "succeeded".to_owned()),
        HostEnd::Exited(REBOOT) => ("Failed", reboot()),
        HostEnd::Exited(code) => ("Failed", format!("ended with code {code}")),
        HostEnd::Failed { message, .. } => ("Failed", message.clone()),
        HostEnd::Signalled(signal) => ("Failed", format!("was ended by signal {signal}")),
        HostEnd::NotStarted(reason) => ("Failed", format!("could not be started: {reason}")),
        HostEnd::TimedOut(words) => ("Execution Timed Out", words.clone()),
        HostEnd::NotDelivered => ("Delivery Timed Out", "was not reached in time".to_owned()),
        HostEnd::Cancelled => ("Cancelled", "was stopped".to_owned()),
        HostEnd::Unknown(reason) => ("Unknown", format!("may or may not have run: {reason}")),
    }
}

/// The outcome of an `aws:runCommand` attempt from what became of it on each host.
///
/// Outputs: `CommandId`; `Status`; `ResponseCode` (the first code that is not 0, else 0; -1 where no script ended by
/// itself); `Output` where exactly one host ran it; and, ours, `Outputs` (host to output) and `Hosts` (host to status,
/// code and standard error). One host of which nobody knows makes the whole attempt unknown, because calling it failed
/// could run the script there a second time.
pub fn aggregate(attempt: &AttemptId, results: &[HostResult]) -> Outcome {
    let mut outputs = Map::new();
    outputs.insert("CommandId".to_owned(), attempt.as_str().into());
    let limit = MAX_OUTPUT_CHARS.min(MAX_ALL_OUTPUT_CHARS / results.len().max(1));
    let mut by_host: BTreeMap<&HostId, (Value, Value)> = BTreeMap::new();
    let mut bad = Vec::new();
    let mut response_code: Option<i32> = None;
    for result in results {
        let (status, words) = describe(&result.ended);
        let code = match &result.ended {
            HostEnd::Exited(code) | HostEnd::Failed { code, .. } => *code,
            _ => -1,
        };
        if response_code.is_none_or(|known| known == 0) {
            response_code = Some(code);
        }
        if result.ended != HostEnd::Exited(0) {
            bad.push(format!("{} {words}", result.host));
        }
        let detail = serde_json::json!({
            "Status": status, "ResponseCode": code, "StandardError": cut(&result.stderr, limit / 3),
        });
        by_host.insert(&result.host, (cut(&result.stdout, limit).into(), detail));
    }
    outputs.insert("ResponseCode".to_owned(), response_code.unwrap_or(-1).into());
    if let [only] = results {
        outputs.insert("Output".to_owned(), cut(&only.stdout, limit).into());
    }
    let pick = |details: bool| -> Map<String, Value> {
        by_host
            .iter()
            .map(|(host, (output, detail))| {
                (host.to_string(), if details { detail.clone() } else { output.clone() })
            })
            .collect()
    };
    outputs.insert("Outputs".to_owned(), pick(false).into());
    outputs.insert("Hosts".to_owned(), pick(true).into());
    finish(results, &bad, outputs)
}

fn finish(results: &[HostResult], bad: &[String], mut outputs: Map<String, Value>) -> Outcome {
    let any = |wanted: fn(&HostEnd) -> bool| results.iter().any(|result| wanted(&result.ended));
    let message = bad.join("; ");
    let mut status = |text: &str| {
        outputs.insert("Status".to_owned(), text.into());
    };
    if results.is_empty() {
        status("Failed");
        return Outcome::Failed { message: "No host was chosen".to_owned(), outputs };
    }
    if any(|ended| matches!(ended, HostEnd::Unknown(_))) {
        return Outcome::Unknown { reason: message };
    }
    if bad.is_empty() {
        status("Success");
        return Outcome::Succeeded { outputs };
    }
    let failed = any(|ended| match ended {
        HostEnd::Exited(code) => *code != 0,
        HostEnd::Signalled(_) | HostEnd::NotStarted(_) | HostEnd::Failed { .. } => true,
        _ => false,
    });
    if !failed && any(|ended| *ended == HostEnd::Cancelled) {
        return Outcome::Cancelled;
    }
    if !failed {
        status("TimedOut");
        return Outcome::TimedOut { message, outputs };
    }
    status("Failed");
    Outcome::Failed { message, outputs }
}
