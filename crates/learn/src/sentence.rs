//! Events as sentences, for people. What a kind's data looks like belongs to whoever writes it; here it is only read,
//! and what is missing is left out.

use std::time::Duration;

use mainstay_model::{EventDraft, duration_in_words};
use serde_json::Value;

use crate::case::{by_hand, text};

/// The longest text from elsewhere within a sentence, in characters.
const MAX_PART: usize = 200;

/// What happened, in one sentence in sentence case without a full stop. Control characters are gone; nothing is
/// escaped for any format.
pub fn sentence(event: &EventDraft) -> String {
    let data = &event.data;
    let said = match event.kind.split('.').next().unwrap_or_default() {
        "alarm" => alarm(event),
        "measure" => measure(event),
        "service" => service(event),
        "run" => run(event),
        "incident" => incident(event),
        "change" => change(event),
        "trigger" => match event.kind.as_str() {
            "trigger.matched" => {
                Some(format!("Trigger {} starts {}", part(data, "trigger"), procedures(data)))
            }
            "trigger.failed" => Some(format!(
                "Trigger {} could not start its procedure{}",
                part(data, "trigger"),
                why(data, "reason")
            )),
            "trigger.dead" => Some(format!(
                "Trigger {} gave up {} of its calls{}",
                part(data, "trigger"),
                data["calls"].as_u64().unwrap_or_default(),
                why(data, "reason")
            )),
            "trigger.scheduled" => Some(format!("The schedule of trigger {} fired", part(data, "trigger"))),
            "trigger.disabled" => {
                Some(format!("Trigger {} was disabled{}", part(data, "trigger"), why(data, "reason")))
            }
            "trigger.enabled" => Some(format!("Trigger {} was enabled", part(data, "trigger"))),
            "trigger.replayed" => {
                let matched = data["matched"].as_u64().unwrap_or_default();
                let events = if matched == 1 { "event" } else { "events" };
                Some(format!(
                    "Trigger {} was given {matched} {events} of the past again",
                    part(data, "trigger")
                ))
            }
            _ => None,
        },
        "access" => access(event),
        "silence" => silence(event),
        _ => other(event),
    };
    plain(&said.unwrap_or_else(|| {
        let about = event.subject.as_deref().map(|subject| format!(" about {subject}")).unwrap_or_default();
        format!("Event {}{about}", event.kind)
    }))
}

fn silence(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let conditions = || {
        let of = |one: &Value| {
            let op = match (one["is_equal"] == false, one["is_regex"] == true) {
                (false, false) => "=",
                (true, false) => "!=",
                (false, true) => "=~",
                (true, true) => "!~",
            };
            format!("{}{op}{}", part(one, "name"), part(one, "value"))
        };
        let all: Vec<String> = data["matchers"].as_array().into_iter().flatten().map(of).collect();
        short(&all.join(", "))
    };
    Some(match event.kind.as_str() {
        "silence.created" => format!(
            "Alarms with {} are silenced until {}{}",
            conditions(),
            part(data, "ends_at"),
            why(data, "reason")
        ),
        "silence.expired" => format!("The silence of alarms with {} was ended", conditions()),
        _ => return None,
    })
}

/// What is done to whom; who did it stands beside it.
fn access(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let user = || part(data, "user");
    let role = || format!("{} on {}", part(&data["grant"], "role"), part(&data["grant"], "on"));
    Some(match event.kind.as_str() {
        "access.user.added" => format!("User {} was added", user()),
        "access.user.disabled" => format!("User {} was disabled{}", user(), why(data, "reason")),
        "access.user.enabled" => format!("User {} was enabled again{}", user(), why(data, "reason")),
        "access.password.set" => format!("The password of {} was set", user()),
        "access.granted" => format!("{} was granted {}", user(), role()),
        "access.revoked" => format!("{} is no longer {}", user(), role()),
        "access.session.started" if text(data, "method") == "oidc" => {
            format!("{} signed in with an account elsewhere", user())
        }
        "access.session.started" => format!("{} signed in with a {}", user(), part(data, "method")),
        "access.user.awaited" if text(data, "issuer").is_empty() => {
            format!("User {} is no longer to sign in with an account elsewhere", user())
        }
        "access.user.awaited" => {
            format!("User {} is whoever has this name at {}", user(), part(data, "issuer"))
        }
        "access.user.identified" => {
            format!("User {} is known to {} from now on", user(), part(&data["identity"], "issuer"))
        }
        "access.claimed" => {
            let one = |grant: &Value| format!("{} on {}", part(grant, "role"), part(grant, "on"));
            let all: Vec<String> = data["grants"].as_array().into_iter().flatten().map(one).collect();
            let all = if all.is_empty() { "nothing".to_owned() } else { short(&all.join(", ")) };
            format!("By {} {} is {all}", part(data, "issuer"), user())
        }
        "access.session.used" => format!("{} is still at work", user()),
        "access.session.ended" => format!("A session of {} ended{}", user(), why(data, "reason")),
        "access.token.created" => format!("{} made the token {}", user(), part(data, "name")),
        "access.token.revoked" => format!("The token {} of {} was taken back", part(data, "name"), user()),
        "access.link.made" => format!("A link was made that signs {} in", user()),
        "access.refused" if !data["operation"].is_null() => {
            format!("{} was refused {}", user(), part(data, "operation"))
        }
        "access.refused" if data["user"].is_null() => {
            format!("Somebody at {} tried to sign in", part(data, "address"))
        }
        "access.refused" => format!("Somebody at {} failed to sign in as {}", part(data, "address"), user()),
        _ => return None,
    })
}

/// One line: control characters and line breaks become spaces, and so do the characters that turn the direction of
/// writing around and so can make a text read as another one.
pub(crate) fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: String = text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn short(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(MAX_PART) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn part(data: &Value, key: &str) -> String {
    let text = short(text(data, key));
    if text.is_empty() { "(unnamed)".to_owned() } else { text }
}

fn why(data: &Value, key: &str) -> String {
    let text = short(text(data, key));
    if text.is_empty() { text } else { format!(": {text}") }
}

/// A number as people read it: no more than four significant digits, and no trailing zeros.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn value(data: &Value) -> String {
    data["value"].as_f64().map(|value| format!(" (value {})", number(value))).unwrap_or_default()
}

fn labels(data: &Value) -> String {
    let pairs: Vec<String> = data["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { String::new() } else { format!(" for {}", short(&pairs.join(", "))) }
}

fn alarm(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let name = format!("Alarm {}{}", part(data, "alarm"), labels(data));
    let summary = why(&data["annotations"], "summary");
    Some(match event.kind.as_str() {
        "alarm.pending" => format!("{name} is pending: its condition holds{}", value(data)),
        "alarm.acknowledged" => format!("{name} acknowledged{}", why(data, "message")),
        "alarm.firing" => format!("{name} fires{}{summary}", value(data)),
        "alarm.resolved" => format!("{name} has cleared{}", value(data)),
        "alarm.inactive" => format!("{name} is inactive again"),
        "alarm.no_data" => format!("{name} has no data to judge by"),
        "alarm.error" => format!("{name} cannot be evaluated{}", why(data, "error")),
        _ => return None,
    })
}

fn measure(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let goal = format!("\"{}\"", part(data, "goal"));
    let target = match text(data, "target") {
        "" => String::new(),
        target => format!(", target {}", short(target)),
    };
    Some(match event.kind.as_str() {
        "measure.on_target" => format!("{goal} is on target{}{target}", value(data)),
        "measure.off_target" => format!("{goal} is off target{}{target}", value(data)),
        "measure.no_data" => format!("{goal} has no data"),
        "measure.error" => format!("{goal} cannot be measured{}", why(data, "error")),
        _ => return None,
    })
}

fn service(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let name = if text(data, "service").is_empty() { part(data, "component") } else { part(data, "service") };
    let on = match text(data, "host") {
        "" => String::new(),
        host => format!(" on {}", short(host)),
    };
    let reason = why(data, "reason");
    let at = format!("Service {name}{on}");
    Some(match event.kind.as_str() {
        "service.starting" => format!("{at} is starting{reason}"),
        "service.ready" => format!("{at} is ready"),
        "service.unhealthy" => format!("{at} is unhealthy{reason}"),
        "service.exited" => {
            let how = match (data["exit_code"].as_i64(), &data["signal"]) {
                (Some(code), _) => format!(" with exit code {code}"),
                (None, Value::String(signal)) => format!(" by {}", short(signal)),
                (None, Value::Number(signal)) => format!(" by signal {signal}"),
                _ => String::new(),
            };
            format!("{at} ended{how}{reason}{}", tail(data))
        }
        "service.restarting" => format!("{at} is restarted{reason}"),
        "service.stopped" => format!("{at} is stopped{reason}"),
        "service.adopted" => format!("{at} went on running and is supervised again"),
        "service.failed" => format!("{at} failed{reason}{}", tail(data)),
        _ => return None,
    })
}

fn tail(data: &Value) -> String {
    let last = data["tail"].as_array().and_then(|lines| lines.last()).and_then(Value::as_str);
    last.map(|line| format!("; its last words: {}", short(line))).unwrap_or_default()
}

fn procedures(data: &Value) -> String {
    let names: Vec<String> = data["runs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|run| run.as_str().or_else(|| run["procedure"].as_str()))
        .map(short)
        .collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn run(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let step = || part(data, "step");
    Some(match event.kind.as_str() {
        "run.started" => {
            let by = match text(data, "reason") {
                "" => String::new(),
                reason => format!(", started by {}", short(reason)),
            };
            let word = if data["queued"].is_null() { "began" } else { "stands in line" };
            format!("Run of {} {word}{by}", part(data, "procedure"))
        }
        "run.released" => format!("Run of {} has its turn and begins", part(data, "procedure")),
        "run.child.changed" if text(data, "waiting").is_empty() => {
            format!("The run that step {} started works again", step())
        }
        "run.child.changed" => format!("Step {} waits{}", step(), why(data, "waiting")),
        "run.attempt.started" => {
            let again = match data["attempt_number"].as_u64() {
                Some(number) if number > 1 => format!(", attempt {number}"),
                _ => String::new(),
            };
            let until = match text(data, "until") {
                "" => String::new(),
                until => format!(" and sleeps until {}", short(until)),
            };
            format!("Step {} began{again}{until}", step())
        }
        "run.attempt.dispatched" => {
            let hosts: Vec<String> = data["commands"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|dispatch| dispatch["host"].as_str().map(short))
                .collect();
            let hosts = if hosts.is_empty() { "no host".to_owned() } else { short(&hosts.join(", ")) };
            format!("Step {} goes to {hosts}", step())
        }
        "run.attempt.stopping" if data["because"] == "timed_out" => {
            format!("Step {} ran into its time limit and is stopped", step())
        }
        "run.attempt.stopping" => format!("Step {} is stopped", step()),
        "run.attempt.settled" => settled(data),
        "run.step.finished" => {
            let next = match text(data, "next") {
                "" => String::new(),
                next => format!("; next is {}", short(next)),
            };
            let found = outputs(&data["outputs"]);
            format!("Step {} {}{}{found}{next}", step(), status(data), why(data, "failure"))
        }
        "run.loop.iterating" => match data["iteration"].as_u64() {
            Some(number) => format!("Loop {} begins iteration {number}", step()),
            None => format!("Loop {} begins an iteration", step()),
        },
        "run.waiting" => {
            format!("Run of {} waits for a person{}", part(data, "procedure"), why(data, "reason"))
        }
        "run.cancelling" => format!("Run of {} is cancelled{}", part(data, "procedure"), why(data, "reason")),
        "run.finished" => {
            format!("Run of {} {}{}", part(data, "procedure"), status(data), why(data, "failure"))
        }
        _ => return None,
    })
}

/// How something ended, as the end of a sentence.
pub(crate) fn status(data: &Value) -> String {
    match text(data, "status") {
        "Success" => "succeeded".to_owned(),
        "Failed" => "failed".to_owned(),
        "TimedOut" => "timed out".to_owned(),
        "Cancelled" => "was cancelled".to_owned(),
        "OutcomeUnknown" => "has an unknown outcome".to_owned(),
        "Skipped" => "was skipped".to_owned(),
        other => format!("ended as {}", short(other)),
    }
}

fn settled(data: &Value) -> String {
    let step = part(data, "step");
    let outcome = &data["outcome"];
    let what = match text(outcome, "result") {
        "succeeded" => "succeeded".to_owned(),
        "failed" => format!("failed{}", why(outcome, "message")),
        "timed_out" => format!("timed out{}", why(outcome, "message")),
        "cancelled" => "was stopped".to_owned(),
        "unknown" => format!("has an unknown outcome{}", why(outcome, "reason")),
        other => format!("ended as {}", short(other)),
    };
    if data["decided"] == Value::Bool(true) {
        format!("A person decided: the attempt of step {step} {what}")
    } else {
        format!("An attempt of step {step} {what}")
    }
}

/// Outputs every step of its action has; they say little in a sentence.
const FIXED_OUTPUTS: [&str; 7] =
    ["CommandId", "Status", "ResponseCode", "Output", "Outputs", "Hosts", "Payload"];

/// What a step found: the outputs its author declared.
fn outputs(outputs: &Value) -> String {
    let parts: Vec<String> = outputs
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !FIXED_OUTPUTS.contains(&name.as_str()))
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {}", short(text)),
            other => format!("{name}: {}", short(&other.to_string())),
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", short(&parts.join("; "))) }
}

fn incident(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    Some(match event.kind.as_str() {
        "incident.opened" => format!("Incident opened{}", why(data, "title")),
        "incident.joined" => format!("Alarm {} joined the incident", part(data, "alarm")),
        "incident.resolved" => {
            let after = data["duration_ms"].as_u64().map(Duration::from_millis);
            let after = after.map(|after| format!(" after {}", duration_in_words(after))).unwrap_or_default();
            let Some((by, waited)) = by_hand(data) else { return Some(format!("Incident resolved{after}")) };
            let who = if by.starts_with("run:") { "by a run" } else { "by hand" };
            let still = short(&waited.join("; "));
            let still = if still.is_empty() { still } else { format!(" (what kept it open: {still})") };
            format!("Incident resolved {who}{after}{}{still}", why(data, "message"))
        }
        "incident.acknowledged" => format!("Incident acknowledged{}", why(data, "message")),
        "incident.noted" => format!("Update{}", why(data, "text")),
        "incident.drafted" => "Draft of the post-incident analysis written".to_owned(),
        _ => return None,
    })
}

fn change(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    let id = part(data, "change");
    let decided = || format!("by {}{}", part(data, "by"), why(data, "message"));
    Some(match event.kind.as_str() {
        "change.started" => {
            let size = match data["plan"]["size"]["resources"].as_u64() {
                Some(1) => " of 1 resource".to_owned(),
                Some(number) => format!(" of {number} resources"),
                None => String::new(),
            };
            format!(
                "Change {id}{size} to revision {} began{}",
                part(data, "revision"),
                why(&data["request"], "message")
            )
        }
        "change.held" => format!("Change {id} waits for an approval"),
        "change.approved" => format!("Change {id} was approved {}", decided()),
        "change.refused" => format!("Change {id} was refused {}", decided()),
        "change.cancelled" => format!("Change {id} was cancelled {}", decided()),
        "change.wave.started" => {
            // Waves are counted from nought in events, and from one by people.
            let wave = data["wave"].as_u64().unwrap_or_default().saturating_add(1);
            let back = if data["back"] == true { "the way back of " } else { "" };
            format!("Change {id}: {back}wave {wave} began")
        }
        "change.action.returned" => format!("Change {id}: the host of a step is back"),
        "change.action.lost" => format!("Change {id}: a step is unknown{}", why(data, "reason")),
        "change.action.finished" => {
            let outcome = text(data, "outcome").replace('_', " ");
            format!("Change {id}: a step ended as {}{}", short(&outcome), why(data, "reason"))
        }
        "change.rolling_back" => format!("Change {id} is rolled back{}", why(data, "reason")),
        "change.finished" => {
            let end = text(data, "end").replace('_', " ");
            let end = if end == "kept part" { "kept in part".to_owned() } else { short(&end) };
            format!("Change {id} is over: {end}{}", why(data, "reason"))
        }
        _ => return None,
    })
}

fn other(event: &EventDraft) -> Option<String> {
    let data = &event.data;
    Some(match event.kind.as_str() {
        "server.started" => "Server started".to_owned(),
        "server.stopping" => "Server is stopping".to_owned(),
        "revision.proposed" => format!("Revision {} was written down", part(data, "revision")),
        "revision.applied" => format!("Revision {} applied{}", part(data, "revision"), why(data, "message")),
        "host.connected" => format!("Host {} connected", part(data, "host")),
        "host.lost" => format!("Host {} was lost{}", part(data, "host"), why(data, "reason")),
        "fault.injected" => {
            let what =
                ["description", "fault"].iter().map(|key| short(text(data, key))).find(|t| !t.is_empty());
            let at = match (text(data, "component"), event.subject.as_deref()) {
                ("", Some(subject)) => format!(" at {}", short(subject)),
                ("", None) => String::new(),
                (component, _) => format!(" at {}", short(component)),
            };
            format!("Fault injected{at}{}", what.map(|what| format!(": {what}")).unwrap_or_default())
        }
        _ => return None,
    })
}
