//! `mainstay events`.

pub mod pattern;

use mainstay_api::client::Client;
use mainstay_api::v1::{EventView, Page};

use crate::args::Events;
use crate::exit::Failure;
use crate::feed::Feed;
use crate::screen::{Screen, Style, Tone};
use crate::sentence;
use crate::time::clock;

/// The most events that the server hands over at once.
const PAGE: usize = 1000;

/// Lists events, oldest first, and goes on with `--follow`.
pub async fn run(screen: Screen, client: &Client, events: &Events) -> Result<(), Failure> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(events.pattern.clone().map(|pattern| ("match", pattern)));
    query.extend(events.workload.clone().map(|name| ("workload", name)));
    // The head before anything is listed: following from it loses nothing, and repeats what the list holds.
    let head = client.status().await?.journal_seq;
    let (listed, last) = match events.after {
        Some(after) if events.follow => (Vec::new(), after),
        Some(after) => (all_after(client, &query, after).await?, head),
        None => {
            let wanted = events.last.unwrap_or(if events.follow { 10 } else { 50 });
            let listed = newest(client, &query, wanted).await?;
            let last = listed.last().map_or(head, |event| event.seq.max(head));
            (listed, last)
        }
    };
    if screen.is_json() && !events.follow {
        return screen.json(&listed);
    }
    for event in &listed {
        show(screen, event)?;
    }
    if !events.follow {
        return Ok(());
    }
    let mut feed = Feed::after(client.clone(), last)
        .matching(events.pattern.clone())
        .of_workload(events.workload.clone());
    loop {
        show(screen, &feed.next().await?)?;
    }
}

/// The newest of the events that a query answers, oldest first.
pub(super) async fn newest(
    client: &Client,
    query: &[(&str, String)],
    wanted: usize,
) -> Result<Vec<EventView>, Failure> {
    let mut found: Vec<EventView> = Vec::new();
    let mut before = None;
    while found.len() < wanted {
        let mut query = query.to_vec();
        query.push(("limit", (wanted - found.len()).min(PAGE).to_string()));
        query.extend(before.clone().map(|before| ("before", before)));
        let page: Page<EventView> = client.list("/v1/events", &query).await?;
        found.extend(page.items);
        match page.next {
            Some(next) if next != "0" && before.as_ref() != Some(&next) => before = Some(next),
            _ => break,
        }
    }
    found.reverse();
    Ok(found)
}

async fn all_after(client: &Client, query: &[(&str, String)], after: u64) -> Result<Vec<EventView>, Failure> {
    let mut found = Vec::new();
    let mut after = Some(after.to_string());
    while let Some(place) = after {
        let mut query = query.to_vec();
        query.push(("limit", PAGE.to_string()));
        query.push(("after", place.clone()));
        let page: Page<EventView> = client.list("/v1/events", &query).await?;
        found.extend(page.items);
        after = page.next.filter(|next| *next != place);
    }
    Ok(found)
}

fn show(screen: Screen, event: &EventView) -> Result<(), Failure> {
    if screen.is_json() { screen.json_line(event) } else { screen.print(&line(event, screen.style)) }
}

/// One event on one line: place, time in UTC, kind, and what happened.
pub fn line(event: &EventView, style: Style) -> String {
    let tone = match event.kind.as_str() {
        "alarm.firing" | "alarm.error" | "service.failed" | "service.exited" | "service.unhealthy"
        | "measure.off_target" | "incident.opened" | "trigger.failed" | "trigger.dead" | "host.lost"
        | "fault.injected" => Tone::Bad,
        "alarm.resolved" | "service.ready" | "measure.on_target" | "incident.resolved" | "host.connected" => {
            Tone::Good
        }
        "alarm.pending" | "run.waiting" | "service.restarting" => Tone::Busy,
        _ => Tone::Dim,
    };
    let kind = style.paint(tone, &format!("{:<22}", event.kind));
    let place = style.paint(Tone::Dim, &format!("{:>6}  {}", event.seq, clock(event.time)));
    format!("{place}  {kind}  {}\n", sentence::of(event))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sentence::tests::event;

    #[test]
    fn an_event_is_one_line() {
        let event = event(
            42,
            1_795_359_845_250,
            "alarm.firing",
            "alarm/CheckoutFailing",
            json!({"alarm": "CheckoutFailing", "annotations": {"summary": "Customers\ncannot pay"}}),
        );
        assert_eq!(
            line(&event, Style::default()),
            "    42  15:04:05.250  alarm.firing            alarm CheckoutFailing fires: Customers cannot pay\n"
        );
    }
}
