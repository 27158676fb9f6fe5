//! An event in one plain sentence. What a kind's data looks like belongs to who writes it; here it is only read, and
//! what is missing is left out.

use mainstay_api::v1::EventView;
pub use mainstay_learn::number;
use serde_json::Value;

use crate::screen::{clean, shorten};
use crate::time::length_ms;

/// The longest text from elsewhere within a sentence.
const MAX_PART: usize = 160;

/// What happened.
pub fn of(event: &EventView) -> String {
    let say = Said { event };
    let text = match event.kind.split('.').next().unwrap_or_default() {
        "alarm" => say.alarm(),
        "service" => say.service(),
        "run" => say.run(),
        "incident" => say.incident(),
        "measure" => say.measure(),
        "change" => say.change(),
        // The server has the words.
        "access" => event.text.clone(),
        _ => say.other(),
    };
    clean(&text.unwrap_or_else(|| say.unknown()))
}

struct Said<'a> {
    event: &'a EventView,
}

impl Said<'_> {
    fn text(&self, key: &str) -> &str {
        self.event.data[key].as_str().unwrap_or_default()
    }

    fn part(&self, key: &str) -> String {
        shorten(self.text(key), MAX_PART)
    }

    /// `: text`, or nothing.
    fn because(&self, key: &str) -> String {
        let part = self.part(key);
        if part.is_empty() { part } else { format!(": {part}") }
    }

    fn value(&self) -> String {
        self.event.data["value"]
            .as_f64()
            .map(|value| format!(" (value {})", number(value)))
            .unwrap_or_default()
    }

    /// What stands behind the `/` of the subject.
    fn subject_name(&self) -> &str {
        let subject = self.event.subject.as_deref().unwrap_or_default();
        subject.split_once('/').map_or(subject, |(_, name)| name)
    }

    fn named(&self, key: &str) -> &str {
        if self.text(key).is_empty() { self.subject_name() } else { self.text(key) }
    }

    fn alarm(&self) -> Option<String> {
        let annotations = &self.event.data["annotations"];
        let words = ["description", "summary"]
            .iter()
            .find_map(|key| annotations[key].as_str())
            .map(|text| format!(": {}", shorten(text.trim(), MAX_PART)))
            .unwrap_or_default();
        let (name, value) = (self.named("alarm"), self.value());
        Some(match self.event.kind.as_str() {
            "alarm.acknowledged" => format!("alarm {name} acknowledged{}", self.because("message")),
            "alarm.firing" => format!("alarm {name} fires{value}{words}"),
            "alarm.pending" => format!("alarm {name} is pending: its condition holds{value}"),
            "alarm.resolved" => format!("alarm {name} is resolved"),
            "alarm.inactive" => format!("alarm {name} is inactive"),
            "alarm.no_data" => format!("alarm {name} has no data to decide on"),
            "alarm.error" => format!("alarm {name} cannot be evaluated{}", self.because("error")),
            _ => return None,
        })
    }

    fn service(&self) -> Option<String> {
        let name =
            if self.text("service").is_empty() { self.named("component") } else { self.text("service") };
        let host = self.text("host");
        let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
        let data = &self.event.data;
        let pid = data["pid"].as_u64().map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let why = self.because("reason");
        Some(match self.event.kind.as_str() {
            "service.starting" => format!("{name} is starting{on}{pid}"),
            "service.ready" => format!("{name} is ready{on}{pid}"),
            "service.unhealthy" => format!("{name} is unhealthy{on}{why}"),
            "service.exited" => {
                let how = match (data["exit_code"].as_i64(), data["signal"].as_str()) {
                    (Some(code), _) => format!(" with exit code {code}"),
                    (None, Some(signal)) => format!(" by {signal}"),
                    _ => String::new(),
                };
                let last = data["tail"].as_array().and_then(|lines| lines.last()).and_then(Value::as_str);
                let last = last
                    .map(|line| format!("; it last said: {}", shorten(line, MAX_PART)))
                    .unwrap_or_default();
                format!("{name} ended{on}{how}{why}{last}")
            }
            "service.restarting" => {
                let wait = data["delay_ms"].as_u64().filter(|ms| *ms > 0);
                let wait = wait.map(|ms| format!(" in {}", length_ms(ms))).unwrap_or_default();
                format!("{name} is started again{on}{wait}{why}")
            }
            "service.stopped" => format!("{name} is stopped{on}{why}"),
            "service.adopted" => format!("{name} still runs and is supervised again{on}{pid}"),
            "service.failed" => format!("{name} failed{on}{why}"),
            _ => return None,
        })
    }

    fn run(&self) -> Option<String> {
        let (procedure, step) = (self.text("procedure"), self.text("step"));
        let run = self.subject_name();
        let data = &self.event.data;
        Some(match self.event.kind.as_str() {
            "run.started" => {
                let by = self.part("reason");
                let by = if by.is_empty() { self.event.actor.to_string() } else { by };
                let started = if data["queued"].is_null() { "started" } else { "stands in line, asked for" };
                let from = data["continues"]["run"].as_str();
                let goes_on = from
                    .map(|earlier| {
                        let step = data["continues"]["from"].as_str().unwrap_or_default();
                        format!("; it goes on with run {} from step {}", clean(earlier), clean(step))
                    })
                    .unwrap_or_default();
                format!("run {run} of {procedure} {started} by {by}{goes_on}")
            }
            "run.released" => format!("run {run} of {procedure} has its turn and begins"),
            "run.child.changed" => match self.text("waiting") {
                "" => format!("{procedure}: the run that step {step} started works again"),
                _ => format!("{procedure}: step {step} waits{}", self.because("waiting")),
            },
            "run.attempt.started" => {
                let attempt = data["attempt_number"].as_u64().filter(|number| *number > 1);
                let again = attempt.map(|number| format!(", attempt {number}")).unwrap_or_default();
                format!("{procedure}: step {step} begins ({}{again})", self.text("action"))
            }
            "run.attempt.dispatched" => {
                let hosts: Vec<&str> = data["commands"]
                    .as_array()
                    .map(|list| list.iter().filter_map(|command| command["host"].as_str()).collect())
                    .unwrap_or_default();
                format!("{procedure}: step {step} goes to {}", hosts.join(", "))
            }
            "run.attempt.stopping" => {
                format!("{procedure}: step {step} is asked to stop{}", self.because("because"))
            }
            "run.attempt.settled" => {
                let outcome = &data["outcome"];
                let word = outcome["kind"]
                    .as_str()
                    .or_else(|| outcome["status"].as_str())
                    .or_else(|| outcome.as_str());
                match word {
                    Some(word) => format!("{procedure}: the attempt at step {step} is over: {word}"),
                    None => format!("{procedure}: the attempt at step {step} is over"),
                }
            }
            "run.step.finished" => {
                let (status, brief) = (self.text("status"), outputs(&data["outputs"]));
                let brief = if brief.is_empty() { brief } else { format!(" ({brief})") };
                let next = if self.text("action") == "aws:branch" { self.text("next") } else { "" };
                let next = if next.is_empty() { String::new() } else { format!(", on to {next}") };
                format!("{procedure}: step {step} ended: {status}{}{next}{brief}", self.because("failure"))
            }
            "run.loop.iterating" => {
                let iteration = data["iteration"].as_u64().map(|n| format!(" {n}")).unwrap_or_default();
                let all =
                    data["values"].as_array().map(|all| format!(" of {}", all.len())).unwrap_or_default();
                format!("{procedure}: loop {step} begins iteration{iteration}{all}")
            }
            "run.waiting" => format!("{procedure}: step {step} waits{}", self.because("reason")),
            "run.cancelling" => {
                format!("run {run} of {procedure} is being cancelled{}", self.because("reason"))
            }
            "run.finished" => {
                format!("run {run} of {procedure} ended: {}{}", self.text("status"), self.because("failure"))
            }
            _ => return None,
        })
    }

    fn incident(&self) -> Option<String> {
        let id = self.named("incident");
        let title = self.because("title");
        Some(match self.event.kind.as_str() {
            "incident.opened" => format!("incident {id} opened{title}"),
            "incident.joined" => {
                let what = ["alarm", "run", "event"].iter().find(|key| !self.text(key).is_empty());
                match what {
                    Some(key) => format!("{key} {} belongs to incident {id}", self.part(key)),
                    None => format!("incident {id} grew{title}"),
                }
            }
            "incident.resolved" => match self.text("resolved_by") {
                "" => format!("incident {id} resolved{title}"),
                by => {
                    format!("incident {id} resolved by {}{}", shorten(by, MAX_PART), self.because("message"))
                }
            },
            "incident.drafted" => {
                let path =
                    if self.text("path").is_empty() { self.part("draft_path") } else { self.part("path") };
                let path = if path.is_empty() { path } else { format!(": {path}") };
                format!("incident {id}: the draft of its analysis is written{path}")
            }
            _ => return None,
        })
    }

    fn measure(&self) -> Option<String> {
        let (goal, target, value) = (self.part("goal"), self.text("target"), self.value());
        Some(match self.event.kind.as_str() {
            "measure.on_target" => format!("\"{goal}\" is on target{value}, target {target}"),
            "measure.off_target" => format!("\"{goal}\" is off target{value}, target {target}"),
            "measure.no_data" => format!("\"{goal}\" has no data"),
            "measure.error" => format!("\"{goal}\" cannot be measured{}", self.because("error")),
            _ => return None,
        })
    }

    fn change(&self) -> Option<String> {
        let data = &self.event.data;
        let id = self.text("change");
        let places = |key: &str| data[key].as_array().map_or(0, Vec::len);
        let wave = || data["wave"].as_u64().unwrap_or_default() + 1;
        let said_by = || {
            let message = self.because("message");
            format!("by {}{message}", self.part("by"))
        };
        Some(match self.event.kind.as_str() {
            "change.started" => {
                let size = data["plan"]["size"]["resources"].as_u64().unwrap_or_default();
                let size = crate::screen::count(usize::try_from(size).unwrap_or(usize::MAX), "resource");
                format!("change {id} to revision {} was asked for, of {size}", self.text("revision"))
            }
            "change.held" => format!("change {id} waits for an approval: `mainstay show {id}` says why"),
            "change.approved" => format!("change {id} was approved {}", said_by()),
            "change.refused" => format!("change {id} was refused {}", said_by()),
            "change.cancelled" => format!("change {id} was cancelled {}", said_by()),
            "change.wave.started" if data["back"] == true => {
                format!(
                    "change {id}: the way back of wave {}, {}",
                    wave(),
                    crate::screen::count(places("actions"), "step")
                )
            }
            "change.wave.started" => {
                format!("change {id}: wave {}, {}", wave(), crate::screen::count(places("actions"), "step"))
            }
            "change.action.lost" => format!("change {id}: a step is unknown{}", self.because("reason")),
            "change.action.returned" => format!("change {id}: the host of a step is back"),
            "change.action.finished" => {
                let outcome = self.text("outcome").replace('_', " ");
                let steps = crate::screen::count(places("actions"), "step");
                format!("change {id}: {steps} {outcome}{}", self.because("reason"))
            }
            "change.rolling_back" => format!("change {id} is rolled back{}", self.because("reason")),
            "change.finished" => {
                let end = self.text("end").replace('_', " ");
                let end = if end == "kept part" { "kept in part" } else { &end };
                format!("change {id} is over: {end}{}", self.because("reason"))
            }
            _ => return None,
        })
    }

    /// What became of a trigger's calls, and what people did about them.
    fn trigger(&self) -> Option<String> {
        let data = &self.event.data;
        let name = self.named("trigger");
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
        let calls = |count: u64| crate::screen::count(usize::try_from(count).unwrap_or(usize::MAX), "call");
        let shares = data["triggers"].as_array().cloned().unwrap_or_default();
        let sum = |key: &str| shares.iter().map(|share| number(&share[key])).sum::<u64>();
        let of = match shares.as_slice() {
            [one] => one["name"].as_str().map(clean).unwrap_or_default(),
            many => format!("{} triggers", many.len()),
        };
        let list = |keys: &[&str]| {
            let said: Vec<String> = keys
                .iter()
                .filter(|key| sum(key) > 0)
                .map(|key| format!("{} {}", sum(key), if *key == "dead" { "given up" } else { key }))
                .collect();
            said.join(", ")
        };
        let length = |key: &str| data[key].as_array().map_or(0, |list| list.len() as u64);
        Some(match self.event.kind.as_str() {
            "trigger.routed" => {
                let what = list(&["matched", "throttled", "skipped", "replaced", "dead"]);
                format!("{of}: {what}, {}", calls(length("calls") / 3))
            }
            "trigger.begun" => format!("{} begun", calls(length("waiting"))),
            "trigger.settled" => format!("{of}: {}", list(&["delivered", "failed", "dead"])),
            "trigger.dead" => {
                format!("trigger {name} gave up {}{}", calls(number(&data["calls"])), self.because("reason"))
            }
            "trigger.scheduled" => format!("trigger {name} fires by its schedule"),
            "trigger.missed" => format!(
                "trigger {name} missed {}",
                crate::screen::count(
                    usize::try_from(number(&data["missed"])).unwrap_or(usize::MAX),
                    "firing"
                )
            ),
            "trigger.armed" => format!("trigger {name} fires by {} from now on", self.text("schedule")),
            "trigger.disarmed" => format!("trigger {name} no longer fires by a schedule"),
            "trigger.disabled" => format!("trigger {name} disabled{}", self.because("reason")),
            "trigger.enabled" => format!("trigger {name} enabled{}", self.because("reason")),
            "trigger.replayed" => {
                let matched = usize::try_from(number(&data["matched"])).unwrap_or(usize::MAX);
                format!("trigger {name} given {} of the past again", crate::screen::count(matched, "event"))
            }
            "trigger.redriven" => format!("{} tried again that had been given up", calls(length("again"))),
            "trigger.dropped" => {
                format!("{} dropped{}", calls(length("dropped") + length("open")), self.because("reason"))
            }
            _ => return None,
        })
    }

    fn other(&self) -> Option<String> {
        let data = &self.event.data;
        Some(match self.event.kind.as_str() {
            "server.started" => "the server started".to_owned(),
            "server.stopping" => "the server is stopping".to_owned(),
            "revision.proposed" => {
                format!("revision {} of {} was written down", self.text("revision"), self.named("workload"))
            }
            "revision.applied" => {
                let files = data["files"].as_object().map_or(0, serde_json::Map::len);
                let message = self.because("message");
                let files = crate::screen::count(files, "file");
                format!(
                    "revision {} of {} applied, {files}{message}",
                    self.text("revision"),
                    self.named("workload")
                )
            }
            "host.connected" => format!("host {} connected ({})", self.named("host"), tags(data)),
            "host.lost" => format!("host {} is lost{}", self.named("host"), self.because("reason")),
            "trigger.matched" => {
                let procedures: Vec<&str> = data["runs"]
                    .as_array()
                    .map(|runs| runs.iter().filter_map(|run| run["procedure"].as_str()).collect())
                    .unwrap_or_default();
                format!("trigger {} matched and starts {}", self.named("trigger"), procedures.join(", "))
            }
            "trigger.failed" => {
                format!("trigger {} could not start{}", self.named("trigger"), self.because("reason"))
            }
            kind if kind.starts_with("trigger.") => return self.trigger(),
            "fault.injected" => {
                let what =
                    ["description", "fault"].iter().map(|key| self.part(key)).find(|text| !text.is_empty());
                let at = self.event.subject.as_deref().unwrap_or("somewhere");
                match what {
                    Some(what) => format!("fault injected at {at}: {what}"),
                    None => format!("fault injected at {at}"),
                }
            }
            _ => return None,
        })
    }

    /// A kind that this version does not know: all there is to see at a glance.
    fn unknown(&self) -> String {
        let subject = self.event.subject.as_deref().unwrap_or_default();
        let mut parts = vec![subject.to_owned()];
        if let Some(data) = self.event.data.as_object() {
            parts.extend(data.iter().filter_map(|(key, value)| {
                let value = match value {
                    Value::String(text) => shorten(text, 60),
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    _ => return None,
                };
                Some(format!("{key}={value}"))
            }));
        }
        parts.retain(|part| !part.is_empty());
        shorten(&parts.join(" "), 2 * MAX_PART)
    }
}

fn tags(data: &Value) -> String {
    let pairs: Vec<String> = data["tags"]
        .as_object()
        .map(|map| {
            map.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?"))).collect()
        })
        .unwrap_or_default();
    if pairs.is_empty() { "no tags".to_owned() } else { pairs.join(", ") }
}

/// What a step found, in brief: the outputs that its author declared, else what its command printed.
pub fn outputs(outputs: &Value) -> String {
    let Some(map) = outputs.as_object() else { return String::new() };
    // What every step of its action has says little; what the author asked for says most.
    let fixed = [
        "Status",
        "ResponseCode",
        "Output",
        "Outputs",
        "Hosts",
        "CommandId",
        "Payload",
        "StatusPayload",
        "ErrorMessage",
        "Log",
        "LogResult",
        "NextStep",
    ];
    let brief = |value: &Value| match value {
        Value::String(text) => shorten(text.trim(), 100),
        other => shorten(&other.to_string(), 100),
    };
    let mut parts: Vec<String> = map
        .iter()
        .filter(|(key, _)| !fixed.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}: {}", brief(value)))
        .collect();
    if parts.is_empty() {
        let printed = map.get("Output").map(brief).filter(|text| !text.is_empty());
        parts.extend(printed);
    }
    parts.join("; ")
}

#[cfg(test)]
pub mod tests {
    use mainstay_model::{Actor, Timestamp};
    use serde_json::json;

    use super::*;

    /// An event for tests: `at` in milliseconds.
    pub fn event(seq: u64, at: i64, kind: &str, subject: &str, data: Value) -> EventView {
        EventView {
            privileged: false,
            specversion: "1.0".to_owned(),
            id: format!("e{seq}"),
            source: "mainstay".to_owned(),
            kind: kind.to_owned(),
            subject: (!subject.is_empty()).then(|| subject.to_owned()),
            time: Timestamp::from_millis(at),
            received: None,
            actor: Actor::System("test".to_owned()),
            workload: Some("shop".to_owned()),
            tags: mainstay_model::Tags::default(),
            cause: None,
            trace: None,
            seq,
            prev_hash: String::new(),
            hash: String::new(),
            data,
            text: None,
        }
    }

    #[test]
    fn every_kind_has_its_sentence() {
        for (kind, subject, data, sentence) in [
            (
                "alarm.firing",
                "alarm/CheckoutFailing",
                json!({"alarm": "CheckoutFailing", "value": 0.43219, "annotations": {"description": "Only 43 % could"}}),
                "alarm CheckoutFailing fires (value 0.4322): Only 43 % could",
            ),
            ("alarm.resolved", "alarm/A", json!({}), "alarm A is resolved"),
            (
                "service.exited",
                "component/payments",
                json!({"service": "payments", "host": "web-1", "exit_code": 3, "tail": ["a", "no \u{1b}[31mdisk"]}),
                "payments ended on web-1 with exit code 3; it last said: no \u{fffd}[31mdisk",
            ),
            (
                "service.restarting",
                "component/payments",
                json!({"service": "payments", "delay_ms": 1500}),
                "payments is started again in 1.5 s",
            ),
            (
                "run.started",
                "run/r1",
                json!({"procedure": "restore", "reason": "trigger t"}),
                "run r1 of restore started by trigger t",
            ),
            (
                "run.step.finished",
                "run/r1",
                json!({"procedure": "restore", "step": "judge", "status": "Success",
                       "outputs": {"Exhausted": true, "Payload": {"x": 1}, "Findings": "8 of 8"}}),
                "restore: step judge ended: Success (Exhausted: true; Findings: 8 of 8)",
            ),
            (
                "run.loop.iterating",
                "run/r1",
                json!({"procedure": "restore", "step": "each", "iteration": 1, "first": "put",
                       "values": ["a", "b"]}),
                "restore: loop each begins iteration 1 of 2",
            ),
            (
                "run.loop.iterating",
                "run/r1",
                json!({"procedure": "restore", "step": "each", "iteration": 2, "first": "put"}),
                "restore: loop each begins iteration 2",
            ),
            (
                "measure.off_target",
                "workload/shop",
                json!({"goal": "Customers can pay", "value": 0.5, "target": ">= 0.995"}),
                "\"Customers can pay\" is off target (value 0.5), target >= 0.995",
            ),
            (
                "host.connected",
                "host/web-1",
                json!({"host": "web-1", "tags": {"role": "app"}}),
                "host web-1 connected (role=app)",
            ),
            (
                "fault.injected",
                "component/payments",
                json!({"fault": "leak"}),
                "fault injected at component/payments: leak",
            ),
            (
                "deploy.started",
                "component/x",
                json!({"version": "1.2", "big": {"a": 1}, "n": 3}),
                "component/x n=3 version=1.2",
            ),
            ("alarm.dancing", "alarm/A", json!(null), "alarm/A"),
        ] {
            assert_eq!(of(&event(1, 0, kind, subject, data)), sentence, "{kind}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (0.432_19, "0.4322"),
            (1234.56, "1235"),
            (1230.4, "1230"),
            (0.5, "0.5"),
            (1e-7, "0.0000001"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
