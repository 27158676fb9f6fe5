//! `mainstay incidents …`.

use std::fmt::Write as _;
use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_api::v1::{IncidentDetail, IncidentSummary, ResolveIncident, TimesView};
use mainstay_model::Timestamp;

use crate::args::IncidentsVerb;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, clean, clean_lines, shorten, table};
use crate::time::{clock, length, length_ms, now, stamp};

/// Lists or shows incidents.
pub async fn run(screen: Screen, client: &Client, verb: Option<&IncidentsVerb>) -> Result<(), Failure> {
    match verb {
        None => list(screen, client, 20).await,
        Some(IncidentsVerb::List { lines }) => list(screen, client, *lines).await,
        Some(IncidentsVerb::Show { id }) => {
            screen.show(&client.incident(id).await?, |detail| render(detail, now(), screen.style))
        }
        Some(IncidentsVerb::Ack { id, message }) => {
            let summary = client.acknowledge_incident(id, message.clone()).await?;
            screen.show(&summary, |summary| render_list(std::slice::from_ref(summary), now(), screen.style))
        }
        Some(IncidentsVerb::Resolve { id, reason, force }) => {
            let said = ResolveIncident { reason: reason.clone(), force: *force };
            let summary = client.resolve_incident(id, &said).await?;
            screen.show(&summary, |summary| render_list(std::slice::from_ref(summary), now(), screen.style))
        }
        Some(IncidentsVerb::Note { id, text }) => {
            let token = uuid::Uuid::now_v7().simple().to_string();
            let note = client.add_note(id, text, &token).await?;
            screen
                .show(&note, |note| format!("{} {}: {}\n", clock(note.at), note.by, clean_lines(&note.text)))
        }
        Some(IncidentsVerb::Draft { id }) => {
            let detail = client.incident(id).await?;
            let Some(draft) = &detail.draft else {
                return Err(Failure::new(Exit::No, format!("Incident {id} has no draft yet"))
                    .hint("it is written when the incident is resolved"));
            };
            if screen.is_json() {
                screen.json(&serde_json::json!({ "draft": draft, "draft_path": detail.draft_path }))
            } else {
                screen.print(&clean_lines(draft))
            }
        }
    }
}

async fn list(screen: Screen, client: &Client, lines: usize) -> Result<(), Failure> {
    let page = client.incidents(lines).await?;
    screen.show(&page, |page| render_list(&page.items, now(), screen.style))
}

fn render_list(incidents: &[IncidentSummary], now: Timestamp, style: Style) -> String {
    if incidents.is_empty() {
        return "No incident. One opens when an alarm fires.\n".to_owned();
    }
    let rows = incidents.iter().map(|incident| {
        let lasted = length(incident.resolved_at.unwrap_or(now).since(incident.opened_at));
        vec![
            incident.id.clone().into(),
            incident.workload.clone().into(),
            Field::State(incident.status.clone()),
            stamp(incident.opened_at).into(),
            lasted.into(),
            incident.runs.len().to_string().into(),
            shorten(&incident.title, 80).into(),
        ]
    });
    table(style, &["INCIDENT", "WORKLOAD", "STATUS", "OPENED", "LASTED", "RUNS", "TITLE"], rows.collect())
}

/// The three times, each with its word.
pub fn times(times: &TimesView) -> String {
    let one = |word: &str, ms: Option<u64>| {
        format!("{word} {}", ms.map_or_else(|| "not known".to_owned(), length_ms))
    };
    [
        one("to detect", times.to_detect_ms),
        one("to respond", times.to_respond_ms),
        one("to recover", times.to_recover_ms),
    ]
    .join(", ")
}

/// An incident with its timeline.
pub fn render(detail: &IncidentDetail, now: Timestamp, style: Style) -> String {
    let incident = &detail.summary;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "incident {}: {} ({}) {}",
        incident.id,
        style.bold(&clean(&incident.title)),
        incident.workload,
        style.state(&incident.status)
    );
    let lasted = length(incident.resolved_at.unwrap_or(now).since(incident.opened_at));
    let word = if incident.resolved_at.is_some() { "lasted" } else { "open for" };
    let _ = writeln!(out, "opened {}, {word} {lasted}", stamp(incident.opened_at));
    let _ = writeln!(out, "time {}", times(&detail.times));
    if let Some(known) = &incident.acknowledged {
        let message = known.message.as_ref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
        let _ = writeln!(out, "in hand of {} since {}{message}", known.by, stamp(known.at));
    }
    if let Some(known) = &incident.resolved_by {
        let reason = known.reason.as_ref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
        let _ = writeln!(out, "resolved by {}{reason}", clean(&known.by));
        if !known.waited_for.is_empty() {
            let _ = writeln!(out, "then it still waited for: {}", clean(&known.waited_for.join("; ")));
        }
    }
    if !incident.waiting_for.is_empty() {
        let _ = writeln!(out, "waits for: {}", clean(&incident.waiting_for.join("; ")));
    }
    for (alarm, state) in &incident.alarms {
        let _ = writeln!(out, "alarm {alarm}: {}", style.state(state));
    }
    for run in &incident.runs {
        let _ = writeln!(out, "run {run}: `mainstay runs show {run}`");
    }
    out.push('\n');
    for entry in &detail.timeline {
        let offset = format!(
            "{}{}",
            if entry.offset_ms < 0 { "-" } else { "+" },
            length(Duration::from_millis(entry.offset_ms.unsigned_abs()))
        );
        let _ = writeln!(
            out,
            "{}  {offset:>9}  {} [{}, event {}]",
            clock(entry.at),
            clean(&entry.text),
            clean(&entry.actor),
            entry.seq
        );
    }
    match (&detail.draft, &detail.draft_path) {
        (_, Some(path)) => {
            let _ = writeln!(out, "\nThe draft of its analysis is {path}");
        }
        (Some(_), None) => {
            let _ = writeln!(
                out,
                "\n`mainstay incidents draft {}` prints the draft of its analysis",
                incident.id
            );
        }
        (None, None) => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mainstay_api::v1::TimelineEntry;

    use super::*;

    #[test]
    fn an_incident_tells_its_story() {
        let at = Timestamp::from_millis;
        let entry = |ms: i64, text: &str| TimelineEntry {
            at: at(ms),
            offset_ms: ms - 1000,
            actor: "system:alarms".to_owned(),
            kind: "alarm.firing".to_owned(),
            subject: None,
            outcome: None,
            text: text.to_owned(),
            seq: 7,
        };
        let detail = IncidentDetail {
            notes: Vec::new(),
            summary: IncidentSummary {
                acknowledged: None,
                resolved_by: None,
                id: "i1".to_owned(),
                workload: "shop".to_owned(),
                title: "Customers cannot pay".to_owned(),
                status: "resolved".to_owned(),
                opened_at: at(1000),
                resolved_at: Some(at(13_000)),
                alarms: BTreeMap::from([("CheckoutFailing".to_owned(), "resolved".to_owned())]),
                runs: vec!["r1".to_owned()],
                waiting_for: Vec::new(),
            },
            times: TimesView { to_detect_ms: Some(3100), to_respond_ms: Some(200), to_recover_ms: None },
            timeline: vec![entry(500, "fault"), entry(1000, "alarm fires")],
            draft: Some("# Draft".to_owned()),
            draft_path: Some("/data/incidents/i1.md".to_owned()),
        };
        assert_eq!(
            render(&detail, at(20_000), Style::default()),
            "incident i1: Customers cannot pay (shop) resolved\n\
             opened 1970-01-01 00:00:01Z, lasted 12.0 s\n\
             time to detect 3.1 s, to respond 200 ms, to recover not known\n\
             alarm CheckoutFailing: resolved\n\
             run r1: `mainstay runs show r1`\n\
             \n\
             00:00:00.500     -0.5 s  fault [system:alarms, event 7]\n\
             00:00:01.000     +0.0 s  alarm fires [system:alarms, event 7]\n\
             \n\
             The draft of its analysis is /data/incidents/i1.md\n"
        );
    }
}
