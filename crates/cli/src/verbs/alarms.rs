//! `mainstay alarms NAME`: what an alarm is in now, and what it went through. Its history is not kept apart: it is read
//! from the events that told each step.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mainstay_api::client::Client;
use mainstay_api::v1::{AcknowledgeAlarm, AlarmView, EventView};
use mainstay_model::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Alarms, AlarmsVerb};
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, clean, shorten, table};
use crate::sentence::number;
use crate::time::{age, length, now, stamp};
use crate::verbs::{events, status};

/// An alarm, now and before.
#[derive(Debug, Serialize)]
struct Story {
    alarm: String,
    /// What it is in now, one entry for each label set that holds; empty when no rule of that name is declared.
    now: Vec<AlarmView>,
    /// The steps, newest first.
    history: Vec<Step>,
    /// Whether there may be steps before the last one listed.
    more: bool,
}

/// One step of an alarm or of one label set of it.
#[derive(Debug, Serialize)]
struct Step {
    at: Timestamp,
    seq: u64,
    workload: String,
    /// Where the rule is: file and group.
    group: String,
    /// The alarm as a whole, which enters and leaves `no data` and `error`, or one label set.
    whole: bool,
    labels: BTreeMap<String, String>,
    from: String,
    to: String,
    /// How long it was in the state before; not known for the first step that is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    expr: String,
}

/// Lists all alarms, or shows one.
pub async fn run(screen: Screen, client: &Client, asked: &Alarms) -> Result<(), Failure> {
    if let Some(AlarmsVerb::Ack { name, workload, labels, message }) = &asked.verb {
        let workload = match workload {
            Some(workload) => workload.clone(),
            None => workload_of(client, name).await?,
        };
        let said = AcknowledgeAlarm { labels: label_set(labels)?, message: message.clone() };
        let page = client.acknowledge_alarm(&workload, name, &said).await?;
        return screen.show(&page, |page| status::render_alarms(&page.items, now(), screen.style));
    }
    let Some(name) = &asked.name else { return status::alarms(screen, client).await };
    let mine = |workload: &str| asked.workload.as_deref().is_none_or(|wanted| wanted == workload);
    let current: Vec<AlarmView> = client.alarms().await?.items;
    let known: Vec<&str> = current.iter().map(|view| view.alarm.as_str()).collect();
    let pattern = json!({
        "detail-type": [{ "prefix": "alarm." }],
        // What people say of it is no step of it.
        "detail": { "alarm": [name], "to": [{ "exists": true }] },
    });
    let mut query = vec![("match", pattern.to_string())];
    query.extend(asked.workload.clone().map(|workload| ("workload", workload)));
    // One more than is shown says whether there are more.
    let told = events::newest(client, &query, asked.last.saturating_add(1)).await?;
    if told.is_empty() && !current.iter().any(|view| view.alarm == *name && mine(&view.workload)) {
        return Err(unknown(name, asked.workload.as_deref(), &known));
    }
    let more = told.len() > asked.last;
    let mut history = steps(&told);
    history.truncate(asked.last);
    let now_in = current.into_iter().filter(|view| view.alarm == *name && mine(&view.workload)).collect();
    let story = Story { alarm: name.clone(), now: now_in, history, more };
    screen.show(&story, |story| render(story, now(), screen.style))
}

/// The only workload that has an alarm of this name.
async fn workload_of(client: &Client, name: &str) -> Result<String, Failure> {
    let current: Vec<AlarmView> = client.alarms().await?.items;
    let of_it = current.iter().filter(|view| view.alarm == name).map(|view| view.workload.as_str());
    let workloads: std::collections::BTreeSet<&str> = of_it.collect();
    let mut found = workloads.iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok((*only).to_owned()),
        (Some(first), Some(_)) => {
            Err(Failure::new(Exit::Usage, format!("Several workloads have an alarm `{}`", clean(name)))
                .hint(format!("say which with `--workload`, for example `--workload {first}`")))
        }
        (None, _) => {
            let known: Vec<&str> = current.iter().map(|view| view.alarm.as_str()).collect();
            Err(unknown(name, None, &known))
        }
    }
}

/// `zone=a`, several of them; nothing if there are none.
fn label_set(texts: &[String]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let one = |text: &String| {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{text}` is no label")).hint("write NAME=VALUE")
        })?;
        Ok((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let labels = texts.iter().map(one).collect::<Result<BTreeMap<_, _>, Failure>>()?;
    Ok((!labels.is_empty()).then_some(labels))
}

fn unknown(name: &str, workload: Option<&str>, known: &[&str]) -> Failure {
    let of = workload.map(|workload| format!(" of {}", clean(workload))).unwrap_or_default();
    let message = format!("No alarm `{}`{of} is declared, and the journal knows of none", clean(name));
    let near = known.iter().find(|other| other.eq_ignore_ascii_case(name));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`mainstay alarms` lists them".to_owned(),
    };
    Failure::new(Exit::Refused, message).hint(hint)
}

/// The steps that events tell, newest first.
fn steps(told: &[EventView]) -> Vec<Step> {
    let text = |data: &Value, key: &str| data[key].as_str().unwrap_or_default().to_owned();
    let mut since: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut steps: Vec<Step> = told
        .iter()
        .map(|event| {
            let data = &event.data;
            let labels: BTreeMap<String, String> = data["labels"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(label, _)| *label != "alertname")
                .filter_map(|(label, value)| Some((label.clone(), value.as_str()?.to_owned())))
                .collect();
            let workload = event.workload.clone().unwrap_or_default();
            let whole = data["whole"].as_bool().unwrap_or_default();
            let rule = (text(data, "group"), text(data, "rule"));
            let before = since.insert(format!("{workload:?}{rule:?}{whole}{labels:?}"), event.time);
            Step {
                at: event.time,
                seq: event.seq,
                workload,
                group: rule.0,
                whole,
                labels,
                from: text(data, "from"),
                to: text(data, "to"),
                after_ms: before
                    .map(|before| u64::try_from(event.time.since(before).as_millis()).unwrap_or(u64::MAX)),
                value: data["value"].as_f64(),
                error: data["error"].as_str().map(str::to_owned),
                expr: text(data, "expr"),
            }
        })
        .collect();
    steps.reverse();
    steps
}

fn listed(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// States are written with a line between words in events, and with a space for people.
fn word(state: &str) -> Field {
    Field::State(state.replace('_', " "))
}

fn render(story: &Story, now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    if story.now.is_empty() {
        let _ =
            writeln!(out, "No rule of the name {} is declared any more", style.bold(&clean(&story.alarm)));
    } else {
        out.push_str(&status::render_alarms(&story.now, now, style));
    }
    let mut wheres: Vec<(&str, &str)> = Vec::new();
    for step in &story.history {
        let place = (step.group.as_str(), step.expr.as_str());
        if !wheres.contains(&place) {
            wheres.push(place);
        }
    }
    for (group, expr) in wheres.iter().take(3) {
        let _ = writeln!(out, "\n{}  {}", clean(group), shorten(&clean(expr), 300));
    }
    if story.history.is_empty() {
        out.push_str("\nIt has not changed since the journal began.\n");
        return out;
    }
    let rows = story.history.iter().map(|step| {
        let what = if step.whole { "(the whole alarm)".to_owned() } else { listed(&step.labels) };
        vec![
            stamp(step.at).into(),
            format!("{} ago", age(Some(step.at), now)).into(),
            word(&step.to),
            word(&step.from),
            step.after_ms.map(|ms| length(std::time::Duration::from_millis(ms))).unwrap_or_default().into(),
            step.value.map(number).unwrap_or_default().into(),
            what.into(),
            shorten(step.error.as_deref().unwrap_or_default(), 120).into(),
        ]
    });
    out.push('\n');
    let heads = ["AT", "", "BECAME", "WAS", "AFTER", "VALUE", "LABELS", "WHY"];
    out.push_str(&table(style, &heads, rows.collect()));
    if story.more {
        let _ = writeln!(out, "There are earlier steps; `--last N` shows more.");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence::tests::event;

    fn told(seq: u64, seconds: i64, data: Value) -> EventView {
        event(seq, seconds * 1000, "alarm.firing", "alarm/CheckoutFailing", data)
    }

    fn story() -> Story {
        let at = |seq, seconds, from: &str, to: &str, service: &str| {
            told(
                seq,
                seconds,
                json!({
                    "alarm": "CheckoutFailing", "group": "alarms/shop.yaml;shop", "rule": "alert:CheckoutFailing{}",
                    "whole": false, "from": from, "to": to, "value": 0.253_91, "expr": "rate(errors[5m]) > 0.1",
                    "labels": {"alertname": "CheckoutFailing", "service": service},
                }),
            )
        };
        let mut failed = at(14, 400, "inactive", "error", "");
        failed.data["whole"] = json!(true);
        failed.data["value"] = Value::Null;
        failed.data["error"] = json!("many-to-many matching not allowed");
        let told = [
            at(10, 0, "inactive", "pending", "a"),
            at(11, 60, "inactive", "pending", "b"),
            at(12, 120, "pending", "firing", "a"),
            at(13, 300, "firing", "resolved", "a"),
            failed,
        ];
        let now = serde_json::from_value(json!([{
            "workload": "shop", "alarm": "CheckoutFailing", "state": "error", "labels": {}, "annotations": {},
            "since": Timestamp::from_millis(400_000), "error": "many-to-many matching not allowed",
        }]));
        Story {
            alarm: "CheckoutFailing".to_owned(),
            now: now.expect("is a view"),
            history: steps(&told),
            more: true,
        }
    }

    #[test]
    fn steps_say_how_long_each_label_set_was_in_its_state() {
        let steps = story().history;
        let short: Vec<(u64, &str, Option<u64>)> =
            steps.iter().map(|step| (step.seq, step.to.as_str(), step.after_ms)).collect();
        assert_eq!(
            short,
            [
                (14, "error", None),
                (13, "resolved", Some(180_000)),
                (12, "firing", Some(120_000)),
                (11, "pending", None),
                (10, "pending", None),
            ]
        );
        assert_eq!(listed(&steps[1].labels), "service=a");
    }

    #[test]
    fn an_alarm_is_shown_with_what_it_went_through() {
        let text = render(&story(), Timestamp::from_millis(460_000), Style::default());
        assert_eq!(
            text,
            "ALARM            WORKLOAD  STATE  FOR    VALUE  LABELS  SAYS\n\
             CheckoutFailing  shop      error  1 min                 many-to-many matching not allowed\n\
             \n\
             alarms/shop.yaml;shop  rate(errors[5m]) > 0.1\n\
             \n\
             AT                                    BECAME    WAS       AFTER  VALUE   LABELS             WHY\n\
             1970-01-01 00:06:40Z  1 min ago       error     inactive                 (the whole alarm)  many-to-many matching not allowed\n\
             1970-01-01 00:05:00Z  2 min 40 s ago  resolved  firing    3 min  0.2539  service=a\n\
             1970-01-01 00:02:00Z  5 min 40 s ago  firing    pending   2 min  0.2539  service=a\n\
             1970-01-01 00:01:00Z  6 min 40 s ago  pending   inactive         0.2539  service=b\n\
             1970-01-01 00:00:00Z  7 min 40 s ago  pending   inactive         0.2539  service=a\n\
             There are earlier steps; `--last N` shows more.\n"
        );
    }
}
