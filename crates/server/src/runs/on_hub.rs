//! The hub as the engine's performer: real hosts.

use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_model::{CommandId, HostId, Tags, format_duration};
use mainstay_runbook::{HostEnd, HostResult, Targets};

use super::performer::{Order, Performer};
use crate::hub::{CommandEnd, CommandResult, CommandSpec, Hub};

impl Performer for Hub {
    fn choose(&self, targets: &Targets) -> Result<Vec<HostId>, String> {
        let hosts = self.hosts();
        if let Targets::Hosts(named) = targets
            && let Some(unknown) = named.iter().find(|name| !hosts.iter().any(|host| host.id == **name))
        {
            return Err(format!("There is no host {unknown}"));
        }
        let chosen: Vec<HostId> = hosts
            .iter()
            .filter(|host| targets.selects(&host.id, &host.tags))
            .map(|host| host.id.clone())
            .collect();
        if chosen.is_empty() {
            let tags = |tags: &Tags| if tags.is_empty() { "no tags".to_owned() } else { tags.to_string() };
            let known: Vec<String> =
                hosts.iter().take(3).map(|host| format!("{} has {}", host.id, tags(&host.tags))).collect();
            let known = if known.is_empty() { "no host has joined".to_owned() } else { known.join("; ") };
            return Err(format!("There are no {targets} ({known})"));
        }
        Ok(chosen)
    }

    fn control_host(&self) -> BoxFuture<'_, HostId> {
        Box::pin(async move {
            let mut changes = self.changes();
            loop {
                changes.borrow_and_update();
                // Agents of other machines do not join yet, so any connected host is the control plane's own.
                if let Some(host) = self.hosts().into_iter().find(|host| host.connected) {
                    return host.id;
                }
                if changes.changed().await.is_err() {
                    return futures::future::pending().await;
                }
            }
        })
    }

    fn perform(&self, order: Order) -> BoxFuture<'_, HostResult> {
        Box::pin(async move {
            let spec = CommandSpec {
                id: order.id,
                interpreter: order.interpreter,
                script: order.script.into_bytes(),
                stdin: order.stdin.into_bytes(),
                env: order.environment,
                directory: order.working_directory,
                timeout: Some(Duration::from_secs(order.timeout_s.max(1))),
                memory_limit: order.memory_limit,
                output_limit: Some(u32::try_from(order.output_limit).unwrap_or(u32::MAX)),
                deliver_by: order.deliver_by,
                maybe_sent: order.maybe_sent,
            };
            let result = self.run_command(&order.host, spec).await;
            host_result(order.host, result)
        })
    }

    fn stop(&self, host: &HostId, id: &CommandId) {
        self.cancel(host, id, "its run was cancelled or ran out of time");
    }

    fn forget(&self, host: &HostId, id: &CommandId) {
        Hub::forget(self, host, id);
    }
}

fn text(bytes: Vec<u8>, left_out: u64) -> String {
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    // The agent says so in the middle of the text too; a script that is read as JSON fails on that by itself.
    if left_out > 0 && !text.contains("left out") {
        text.push_str(&format!("\n[{left_out} bytes left out]"));
    }
    text
}

fn host_result(host: HostId, result: CommandResult) -> HostResult {
    let mut stderr = text(result.stderr, result.stderr_truncated);
    let ended = match result.end {
        CommandEnd::Exited(code) => HostEnd::Exited(code),
        CommandEnd::Signaled(signal) => HostEnd::Signalled(signal),
        CommandEnd::TimedOut(limit) => {
            HostEnd::TimedOut(format!("ran longer than {} and was ended", format_duration(limit)))
        }
        CommandEnd::MemoryExceeded(words) => {
            if !stderr.is_empty() && !stderr.ends_with('\n') {
                stderr.push('\n');
            }
            stderr.push_str(&words);
            HostEnd::Signalled(9)
        }
        CommandEnd::Cancelled(_) => HostEnd::Cancelled,
        CommandEnd::NotStarted(reason) => HostEnd::NotStarted(reason),
        CommandEnd::NotDelivered => HostEnd::NotDelivered,
        CommandEnd::Unknown(reason) => HostEnd::Unknown(reason),
    };
    HostResult { host, ended, stdout: text(result.stdout, result.stdout_truncated), stderr }
}
