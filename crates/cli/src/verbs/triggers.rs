//! `mainstay triggers …`: what each trigger does, and what to do about the calls that were given up.

pub mod next;

use std::fmt::Write as _;

use mainstay_api::client::Client;
use mainstay_api::v1::{
    ChosenCalls, DeadLetter, NewReplay, ReplayView, SwitchTrigger, TriggerView, Triggers,
};
use mainstay_model::Timestamp;

use crate::args::{Calls, One, TriggersVerb};
use crate::exit::Failure;
use crate::screen::{Field, Screen, Style, clean, count, shorten, table};
use crate::time::{age, length_ms, now, stamp};

/// Lists, shows or influences triggers.
pub async fn run(screen: Screen, client: &Client, verb: Option<&TriggersVerb>) -> Result<(), Failure> {
    match verb {
        None => list(screen, client, None).await,
        Some(TriggersVerb::List { workload }) => list(screen, client, workload.as_deref()).await,
        Some(TriggersVerb::Show(One { name, workload })) => {
            let trigger = client.trigger(name, workload.as_deref()).await?;
            screen.show(&trigger, |trigger| render(trigger, now(), screen.style))
        }
        Some(TriggersVerb::Dead { trigger, workload, lines }) => {
            let mut query = vec![("limit", lines.to_string())];
            query.extend(trigger.clone().map(|trigger| ("trigger", trigger)));
            query.extend(workload.clone().map(|workload| ("workload", workload)));
            let page = client.dead_letters(&query).await?;
            screen.show(&page, |page| render_dead(&page.items, page.next.is_some(), now(), screen.style))
        }
        Some(TriggersVerb::Next { file, from, lines }) => {
            next::run(screen, file, from.unwrap_or_else(now), *lines)
        }
        Some(TriggersVerb::Redrive(calls)) => {
            let told = client.redrive(&chosen(calls)).await?;
            screen.show(&told, |told| match told.count {
                0 => "There was no dead letter of that kind.\n".to_owned(),
                number => format!("{} tried again, from the first try on.\n", count(number, "call")),
            })
        }
        Some(TriggersVerb::Drop { some, waiting, reason }) => {
            let asked = ChosenCalls { waiting: *waiting, reason: reason.clone(), ..chosen(some) };
            let told = client.drop_calls(&asked).await?;
            screen.show(&told, |told| format!("{} dropped.\n", count(told.count, "call")))
        }
        Some(TriggersVerb::Replay { one, from, to, dry_run }) => {
            let asked = NewReplay {
                from: *from,
                to: to.unwrap_or_else(now),
                dry_run: *dry_run,
                workload: one.workload.clone(),
            };
            let told = client.replay(&one.name, &asked).await?;
            screen.show(&told, |told| render_replay(told, *dry_run))
        }
        Some(TriggersVerb::Disable { one, reason }) => {
            switch(screen, client, one, reason.as_ref(), false).await
        }
        Some(TriggersVerb::Enable { one, reason }) => {
            switch(screen, client, one, reason.as_ref(), true).await
        }
    }
}

fn chosen(calls: &Calls) -> ChosenCalls {
    ChosenCalls {
        id: calls.id.clone(),
        trigger: calls.trigger.clone(),
        workload: calls.workload.clone(),
        ..ChosenCalls::default()
    }
}

async fn switch(
    screen: Screen,
    client: &Client,
    one: &One,
    reason: Option<&String>,
    enabled: bool,
) -> Result<(), Failure> {
    let why = SwitchTrigger { workload: one.workload.clone(), reason: reason.cloned() };
    let trigger = client.switch_trigger(&one.name, enabled, &why).await?;
    screen.show(&trigger, |trigger| {
        let held = trigger.queued.unwrap_or_default() + trigger.waiting.unwrap_or_default();
        match (enabled, held) {
            (true, _) => format!("trigger {} is on.\n", trigger.trigger),
            (false, 0) => format!("trigger {} is disabled.\n", trigger.trigger),
            (false, held) => {
                format!("trigger {} is disabled; {} held.\n", trigger.trigger, count(held, "call"))
            }
        }
    })
}

async fn list(screen: Screen, client: &Client, workload: Option<&str>) -> Result<(), Failure> {
    let triggers = client.triggers(workload).await?;
    screen.show(&triggers, |triggers| render_list(triggers, now(), screen.style))
}

fn render_list(triggers: &Triggers, now: Timestamp, style: Style) -> String {
    if triggers.items.is_empty() {
        return "No trigger: put EventBridge rules into `triggers/` of the workload's directory.\n"
            .to_owned();
    }
    let known = |number: Option<usize>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let rows = triggers.items.iter().map(|trigger| {
        let waiting = trigger.queued.zip(trigger.waiting).map(|(queued, waiting)| queued + waiting);
        let result = trigger.last_result.as_deref().unwrap_or("-");
        vec![
            trigger.workload.clone().into(),
            trigger.trigger.clone().into(),
            Field::State(trigger.state.clone()),
            trigger.matched.to_string().into(),
            age(trigger.last_match, now).into(),
            trigger.lag_ms.map_or_else(|| "-".to_owned(), length_ms).into(),
            known(waiting).into(),
            trigger.dead.to_string().into(),
            trigger.throttled.to_string().into(),
            trigger.next.map_or_else(|| "-".to_owned(), stamp).into(),
            shorten(&clean(result), 60).into(),
        ]
    });
    let heads = [
        "WORKLOAD",
        "TRIGGER",
        "STATE",
        "MATCHED",
        "LAST",
        "LAG",
        "WAITING",
        "DEAD",
        "THROTTLED",
        "NEXT",
        "RESULT",
    ];
    let mut out = table(style, &heads, rows.collect());
    if triggers.behind > 0 {
        let _ = writeln!(out, "{} events are not matched yet", triggers.behind);
    }
    let dead: usize = triggers.items.iter().map(|trigger| trigger.dead).sum();
    if dead > 0 {
        let _ = writeln!(out, "{} given up: `mainstay triggers dead` lists them", count(dead, "call"));
    }
    out
}

/// One trigger, with everything that is known of it.
fn render(trigger: &TriggerView, now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "trigger {} ({}) {}",
        style.bold(&clean(&trigger.trigger)),
        trigger.workload,
        style.state(&trigger.state)
    );
    if let Some(description) = &trigger.description {
        let _ = writeln!(out, "{}", clean(description));
    }
    if let Some(disabled) = &trigger.disabled {
        let why = disabled.reason.as_deref().map(|why| format!(": {}", clean(why))).unwrap_or_default();
        let _ = writeln!(out, "disabled by {} at {}{why}", disabled.by, stamp(disabled.at));
    }
    if !trigger.pattern.is_null() {
        let _ = writeln!(out, "pattern   {}", clean(&trigger.pattern.to_string()));
    }
    if let Some(schedule) = &trigger.schedule {
        let next =
            trigger.next.map_or_else(|| "not again".to_owned(), |next| format!("next {}", stamp(next)));
        let _ = writeln!(out, "schedule  {}, {next}", clean(schedule));
    }
    for target in &trigger.targets {
        let tries = if target.retries == 1 { "try" } else { "tries" };
        let _ = writeln!(
            out,
            "target    {} → {}, {} more {tries} within {}",
            target.id,
            target.calls,
            target.retries,
            length_ms(target.max_age_ms)
        );
    }
    let at = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), stamp);
    let seq = trigger.last_match_seq.map(|seq| format!(", event {seq}")).unwrap_or_default();
    let _ = writeln!(
        out,
        "matched   {} ({} throttled, {} skipped, {} replaced), last {}{seq}",
        trigger.matched,
        trigger.throttled,
        trigger.skipped,
        trigger.replaced,
        at(trigger.last_match)
    );
    let result = trigger.last_result.as_deref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
    let _ = writeln!(
        out,
        "delivered {} ({} tries failed), last answer {}{result}",
        trigger.delivered,
        trigger.failed,
        trigger.last_result_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(Some(at), now)))
    );
    if let Some(lag) = trigger.lag_ms {
        let _ = writeln!(out, "lag       {} from match to answer", length_ms(lag));
    }
    match (trigger.queued, trigger.under_way, trigger.waiting) {
        (Some(queued), Some(under_way), Some(waiting)) => {
            let _ = writeln!(
                out,
                "open      {queued} queued, {under_way} under way, {waiting} waiting for another try"
            );
        }
        _ => out.push_str("open      not known: triggers are not handled now, see `mainstay status`\n"),
    }
    if trigger.dead > 0 {
        let _ = writeln!(
            out,
            "dead      {}: `mainstay triggers dead {}`",
            count(trigger.dead, "call"),
            trigger.trigger
        );
    }
    out
}

fn render_dead(letters: &[DeadLetter], more: bool, now: Timestamp, style: Style) -> String {
    if letters.is_empty() {
        return "No call was given up.\n".to_owned();
    }
    let rows = letters.iter().map(|letter| {
        let why = match (&letter.reason, &letter.exhausted) {
            (Some(reason), _) => clean(reason),
            (None, Some(exhausted)) => exhausted.clone(),
            (None, None) => "not known".to_owned(),
        };
        vec![
            letter.id.clone().into(),
            letter.target.clone().into(),
            letter.event_seq.to_string().into(),
            letter.attempts.to_string().into(),
            age(Some(letter.at), now).into(),
            letter.code.clone().unwrap_or_default().into(),
            shorten(&why, 80).into(),
        ]
    });
    let mut out =
        table(style, &["CALL", "TARGET", "EVENT", "TRIES", "GIVEN UP", "CODE", "REASON"], rows.collect());
    if more {
        out.push_str("There are more; --lines shows so many.\n");
    }
    out
}

fn render_replay(told: &ReplayView, dry_run: bool) -> String {
    let circles = match told.circles {
        0 => String::new(),
        number => format!("; {number} left out, as the trigger would cause itself"),
    };
    match (&told.replay, dry_run) {
        (Some(name), _) => format!("{} sent again as {name}{circles}.\n", count(told.matched, "event")),
        (None, true) => format!("{} would be sent again{circles}.\n", count(told.matched, "event")),
        (None, false) => format!("No event of that time matches{circles}.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger() -> TriggerView {
        serde_json::from_value(serde_json::json!({
            "workload": "shop", "trigger": "orders", "state": "on",
            "targets": [{"id": "chat", "calls": "webhook/chat", "retries": 3, "max_age_ms": 60_000}],
            "pattern": {"source": ["web"]},
            "last_match": "1970-01-01T00:00:01Z", "last_match_seq": 7,
            "last_result": "it answered 503: busy", "last_result_at": "1970-01-01T00:00:02Z",
            "matched": 9, "throttled": 1, "skipped": 0, "replaced": 0, "delivered": 5, "failed": 4,
            "dead": 1, "queued": 1, "under_way": 0, "waiting": 2, "lag_ms": 12
        }))
        .expect("a trigger")
    }

    #[test]
    fn a_trigger_is_shown_with_what_waits_and_why() {
        let now = Timestamp::from_millis(12_000);
        let text = render(&trigger(), now, Style::default());
        for part in [
            "target    chat → webhook/chat, 3 more tries within 1 min",
            "matched   9 (1 throttled, 0 skipped, 0 replaced), last 1970-01-01 00:00:01Z, event 7",
            "delivered 5 (4 tries failed), last answer 10.0 s ago: it answered 503: busy",
            "open      1 queued, 0 under way, 2 waiting for another try",
            "mainstay triggers dead orders",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let unknown = TriggerView { queued: None, ..trigger() };
        assert!(render(&unknown, now, Style::default()).contains("open      not known"));
        let list =
            render_list(&Triggers { items: vec![unknown], next: None, behind: 5000 }, now, Style::default());
        assert!(list.contains(" ? ") && list.contains("5000 events are not matched yet"), "{list}");
    }

    #[test]
    fn a_replay_says_whether_it_was_one() {
        let told = |replay: Option<&str>, matched, circles| ReplayView {
            replay: replay.map(str::to_owned),
            matched,
            circles,
        };
        assert_eq!(render_replay(&told(None, 2, 0), true), "2 events would be sent again.\n");
        assert_eq!(render_replay(&told(Some("replay-1"), 1, 0), false), "1 event sent again as replay-1.\n");
        assert!(
            render_replay(&told(None, 0, 3), false).starts_with("No event of that time matches; 3 left out")
        );
    }
}
