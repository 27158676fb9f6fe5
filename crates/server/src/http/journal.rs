//! Events: listed and followed.

#[cfg(test)]
mod found;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::Stream;
use mainstay_api::v1::{ErrorKind, EventView, Page, Time};
use mainstay_detect::Pattern;
use mainstay_model::{Event, Timestamp};
use mainstay_store::{Follower, Journal, Place, StoreError};
use serde::Deserialize;
use serde_json::json;

use super::error::Failure;
use super::extract::Asked;
use super::sieve::Sieve;
use crate::access::{Caller, Sight};
use crate::app::App;
use crate::clock::until_if_ever;

/// The most events in one answer.
const MAX_PAGE: usize = 1000;

/// How many events are looked at for one page of a filtered list before the page is handed over as it is.
const MAX_SCAN: usize = 100_000;

/// So many of them are looked at before somebody else may use the connection.
const STRIDE: usize = 4096;

/// At least so many of those that may be wanted are read together.
const AT_ONCE: usize = 32;

/// What is asked of the list of events.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Events after this place, oldest first.
    after: Option<u64>,
    /// The newest events before this place, newest first; the default, from the end.
    before: Option<u64>,
    /// At most so many, 1 to 1000, 100 if not said.
    limit: Option<usize>,
    /// An event pattern as JSON, or a kind in which `*` stands for anything.
    r#match: Option<String>,
    /// Those of this workload.
    workload: Option<String>,
    /// Those about this subject (`run/0198…`), or with a `/` at its end about all below it.
    subject: Option<String>,
    /// Those of this actor (`person:maria`).
    actor: Option<String>,
    /// Those from this source.
    source: Option<String>,
    /// From then on.
    #[param(value_type = Option<Time>)]
    since: Option<Timestamp>,
    /// Until then.
    #[param(value_type = Option<Time>)]
    until: Option<Timestamp>,
    /// Those that have this text in their type, subject, actor, data, or in the sentence that says what happened, in any case
    /// of letters.
    contains: Option<String>,
}

/// What is asked of the stream of events.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Events after this place; only those to come when absent.
    after: Option<u64>,
    /// An event pattern as JSON, or a kind in which `*` stands for anything.
    r#match: Option<String>,
    /// Those of this workload.
    workload: Option<String>,
    /// Those about this subject (`run/0198…`), or with a `/` at its end about all below it.
    subject: Option<String>,
    /// Those of this actor (`person:maria`).
    actor: Option<String>,
    /// Those from this source.
    source: Option<String>,
}

/// Which events are wanted.
#[derive(Default)]
pub struct Filter {
    pattern: Option<Pattern>,
    /// The kind, or with `*` in it what kinds are like, where that is all that is asked of the pattern.
    kind: Option<String>,
    workload: Option<String>,
    subject: Option<String>,
    actor: Option<String>,
    source: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    contains: Option<String>,
    sight: Sight,
}

impl Filter {
    /// From the texts of a request, and what who asks may see.
    pub fn new(text: Option<&str>, workload: Option<String>, sight: Sight) -> Result<Self, Failure> {
        let text = text.filter(|text| !text.trim().is_empty());
        let is_kind = |text: &&str| !text.trim_start().starts_with('{') && !text.contains('\\');
        let kind = text.filter(is_kind).map(str::to_owned);
        let pattern = text.map(pattern).transpose()?;
        Ok(Self { pattern, kind, workload, sight, ..Self::default() })
    }

    /// Whether an event is about the subject, who and where from that are asked for, and of the time.
    fn fits(&self, event: &Event) -> bool {
        let about = |wanted: &String| {
            let subject = event.subject.as_deref().unwrap_or_default();
            subject == wanted || wanted.ends_with('/') && subject.starts_with(wanted.as_str())
        };
        self.subject.as_ref().is_none_or(about)
            && self.actor.as_ref().is_none_or(|actor| event.actor.to_string() == *actor)
            && self.source.as_ref().is_none_or(|source| event.source == *source)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time <= until)
            && self.contains.as_ref().is_none_or(|text| has(event, text))
    }

    /// What has to stand in the stored form of an event that is taken.
    fn sieve(&self) -> Sieve {
        let mut sieve = Sieve::default();
        match self.kind.as_deref().map(|kind| kind.split_once('*').ok_or(kind)) {
            Some(Err(kind)) => sieve.field("type", kind),
            Some(Ok((beginning, _))) => sieve.begins("type", beginning),
            None => {}
        }
        match self.subject.as_deref() {
            // Also of those that are about nothing.
            None | Some("") => {}
            Some(subject) if subject.ends_with('/') => sieve.begins("subject", subject),
            Some(subject) => sieve.field("subject", subject),
        }
        for (name, value) in [("actor", &self.actor), ("source", &self.source), ("workload", &self.workload)]
        {
            if let Some(value) = value {
                sieve.field(name, value);
            }
        }
        if let Some(text) = &self.contains {
            sieve.contains(text);
        }
        sieve
    }

    fn takes(&self, event: &Event) -> bool {
        self.sight.sees(event.workload.as_deref())
            && self.workload.as_ref().is_none_or(|name| event.workload.as_ref() == Some(name))
            && self.fits(event)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.as_eventbridge()))
    }
}

/// Whether a text stands in what is shown of an event.
fn has(event: &Event, text: &str) -> bool {
    let text = text.to_lowercase();
    let subject = event.subject.as_deref().unwrap_or_default();
    let is_in = |shown: &str| shown.to_lowercase().contains(&text);
    is_in(&event.kind)
        || is_in(subject)
        || is_in(&event.actor.to_string())
        || is_in(&event.shown_data().to_string())
        || is_in(&mainstay_learn::sentence(&event.draft))
}

fn pattern(text: &str) -> Result<Pattern, Failure> {
    let parsed = if text.trim_start().starts_with('{') {
        Pattern::parse_json(text)
    } else if text.contains('*') {
        Pattern::parse(&json!({ "detail-type": [{ "wildcard": text }] }))
    } else {
        Pattern::parse(&json!({ "detail-type": [text] }))
    };
    parsed.map_err(|problems| {
        let mut failure = Failure::bad_request("The pattern is not an event pattern");
        failure.0.causes = problems.iter().map(ToString::to_string).collect();
        if let Some(help) = problems.into_iter().find_map(|problem| problem.help) {
            return failure.hint(help);
        }
        failure.hint("give an EventBridge pattern such as {\"detail-type\":[{\"prefix\":\"alarm.\"}]}, or a kind such as alarm.*")
    })
}

/// An event with its sentence.
fn told(event: &Event) -> EventView {
    EventView { text: Some(mainstay_learn::sentence(&event.draft)), ..EventView::from(event) }
}

/// `GET /v1/events`
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<EventsQuery>,
) -> Result<Json<Page<EventView>>, Failure> {
    let filter = Filter {
        subject: query.subject,
        actor: query.actor,
        source: query.source,
        since: query.since,
        until: query.until,
        contains: query.contains.filter(|text| !text.is_empty()),
        ..Filter::new(query.r#match.as_deref(), query.workload, caller.sight(&app.catalogue))?
    };
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_PAGE);
    let journal = app.journal.clone();
    let (after, before) = (query.after, query.before);
    let from = match after {
        Some(place) => Place::After(place),
        None => Place::Before(before.unwrap_or(u64::MAX)),
    };
    let page = tokio::task::spawn_blocking(move || {
        let (found, next) = find(journal.as_ref(), &filter, from, limit)?;
        Ok::<_, StoreError>((found.iter().map(|event| told(event)).collect(), next))
    })
    .await
    .map_err(|error| Failure::internal("The list could not be made", &error))??;
    let (items, next) = page;
    Ok(Json(Page { items, next: next.map(|place| place.to_string()) }))
}

/// Events that are wanted, from a place on, and the place of the one from which to go on, unless there is none behind.
fn find(
    journal: &dyn Journal,
    filter: &Filter,
    from: Place,
    limit: usize,
) -> Result<(Vec<Arc<Event>>, Option<u64>), StoreError> {
    let mut sieve = filter.sieve();
    let (mut found, mut scanned, mut place) = (Vec::new(), 0, from);
    while scanned < MAX_SCAN {
        let most = (limit - found.len()).max(AT_ONCE);
        let some = STRIDE.min(MAX_SCAN - scanned);
        let looked = journal.look(place, some, most, &mut |body| sieve.lets_through(body))?;
        if looked.seen == 0 {
            return Ok((found, None));
        }
        place = from.on_from(looked.last);
        scanned += looked.seen;
        for event in looked.events {
            if filter.takes(&event) {
                let at = event.seq;
                found.push(event);
                if found.len() == limit {
                    return Ok((found, Some(at)));
                }
            }
        }
    }
    let (Place::After(at) | Place::Before(at)) = place;
    Ok((found, Some(at)))
}

/// From which place on events are followed: that which a browser says that comes back by itself, that which is asked for, or the
/// head. A place that the journal does not have yet would be silence for ever, wherever the journal is not the one that the place
/// is from.
fn follow_from(headers: &HeaderMap, asked: Option<u64>, head: u64) -> Result<u64, Failure> {
    let seen = headers.get("last-event-id").map(|value| {
        let place = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        place.ok_or_else(|| {
            Failure::bad_request("`Last-Event-ID` is not the id of an event of this stream").hint(
                "send the last id that the stream gave, a whole number, or none to begin with what comes",
            )
        })
    });
    match seen.transpose()?.or(asked) {
        Some(place) if place > head => {
            let title = format!("The journal ends at place {head}, before place {place}");
            Err(Failure::new(ErrorKind::Conflict, title).hint(format!(
                "it is another journal, or was restored from an older copy: read anew what you keep of it, and follow it from `after={head}`"
            )))
        }
        Some(place) => Ok(place),
        None => Ok(head),
    }
}

/// `GET /v1/events/stream`: server-sent events, one for each journal event, with its place as the id. A client that
/// comes back sends the last place it has seen as `after`.
pub async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Failure> {
    let filter = Filter {
        subject: query.subject,
        actor: query.actor,
        source: query.source,
        ..Filter::new(query.r#match.as_deref(), query.workload, caller.sight(&app.catalogue))?
    };
    // A browser that comes back by itself says so.
    let after = follow_from(&headers, query.after, app.journal.head().seq)?;
    let follower = Follower::new(app.journal.clone(), after);
    let over = until_if_ever(app.clock.as_ref(), caller.expires_at);
    let state = (follower, filter, app, caller, over);
    let pages =
        futures::stream::unfold(state, |(mut follower, mut filter, app, caller, mut over)| async move {
            let events = tokio::select! {
                () = app.stop.cancelled() => return None,
                () = &mut over => return None,
                events = follower.next() => events.ok()?,
            };
            // Whoever is signed out, disabled or granted something else comes back and is looked at anew.
            let of_people = events.iter().any(|event| event.kind.starts_with("access."));
            if of_people && !app.access.still_knows(&caller) {
                return None;
            }
            if events.iter().any(|event| matches!(event.kind.as_str(), "revision.applied" | "change.started"))
            {
                filter.sight = caller.sight(&app.catalogue);
            }
            let wanted: Vec<Result<SseEvent, Infallible>> = events
                .iter()
                .filter(|event| filter.takes(event))
                .filter_map(|event| {
                    let data = serde_json::to_string(&told(event)).ok()?;
                    Some(Ok(SseEvent::default().id(event.seq.to_string()).data(data)))
                })
                .collect();
            Some((futures::stream::iter(wanted), (follower, filter, app, caller, over)))
        });
    let stream = futures::StreamExt::flatten(pages);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

#[cfg(test)]
mod tests {
    use mainstay_model::{Actor, EventDraft, EventHash, EventId};

    use super::*;

    #[test]
    fn a_stream_begins_at_a_place_that_there_is() {
        let with = |text: Option<&'static str>, asked, head| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert("last-event-id", axum::http::HeaderValue::from_static(text));
            }
            follow_from(&headers, asked, head).map_err(|failure| failure.0.kind)
        };
        assert_eq!(
            (with(None, None, 7), with(None, Some(3), 7), with(Some("5"), Some(3), 7)),
            (Ok(7), Ok(3), Ok(5))
        );
        assert_eq!((with(Some("7"), None, 7), with(None, Some(0), 0)), (Ok(7), Ok(0)));
        assert_eq!(with(Some("8"), Some(3), 7), Err(ErrorKind::Conflict));
        assert_eq!(with(None, Some(8), 7), Err(ErrorKind::Conflict));
        for garbage in ["", "x", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(with(Some(garbage), Some(3), 7), Err(ErrorKind::BadRequest), "{garbage}");
        }
    }

    #[test]
    fn a_search_looks_at_all_that_is_shown_of_an_event() {
        let id = EventId::new("e1").expect("an id");
        let data = json!({ "trigger": "nightly", "why": "Too Loud" });
        let by = Actor::Person("maria".to_owned());
        let draft = EventDraft::new(id, "trigger.disabled", Timestamp::from_millis(1), by, data);
        let draft = draft.subject("trigger/shop/nightly".to_owned());
        let event = Event { draft, seq: 1, prev_hash: EventHash::default(), hash: EventHash::default() };
        let sentence = mainstay_learn::sentence(&event.draft);
        for text in ["TRIGGER.dis", "shop/night", "too loud", "person:maria", "Maria", sentence.as_str()] {
            assert!(has(&event, text), "{text}");
        }
        assert!(sentence.contains("was disabled") && !has(&event, "was enabled") && !has(&event, "e1x"));
    }
}
