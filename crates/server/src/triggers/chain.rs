//! What led to an event: the triggers among its causes. A trigger that stands there would be causing itself.

use mainstay_detect::trigger::circle;
use mainstay_model::event::SOURCE_SERVER;
use mainstay_model::{Event, EventId};
use mainstay_store::{Journal, StoreError};

/// How far back a chain of causes is followed. A longer one is taken for a circle's work.
const MAX_CHAIN: usize = 64;

/// The triggers that led to an event, oldest first; or that there is no end to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// These.
    Triggers(Vec<String>),
    /// More than are followed.
    Endless,
}

impl Chain {
    /// Why this trigger may not be started, if it would cause itself.
    pub fn forbids(&self, trigger: &str) -> Option<String> {
        match self {
            Self::Triggers(chain) => {
                circle(trigger, chain).map(|circle| format!("it would cause itself: {}", circle.join(" → ")))
            }
            Self::Endless => Some(format!("more than {MAX_CHAIN} events led to one another before it")),
        }
    }
}

/// The trigger and the event's place in the id of a call (`call:TRIGGER:PLACE:DIGEST`). Whoever is called may name it as
/// the cause of what it sends back.
fn of_call(id: &EventId) -> Option<(&str, u64)> {
    let mut parts = id.as_str().strip_prefix("call:")?.split(':');
    let (trigger, place) = (parts.next()?, parts.next()?);
    Some((trigger, place.parse().ok()?))
}

/// The id of a call: the same for the same trigger, target and event in every life of the server.
pub fn call_id(workload: &str, trigger: &str, target: &str, event: &Event, replay: Option<&str>) -> EventId {
    let replay = replay.unwrap_or_default();
    let identity = format!("{workload}\n{trigger}\n{target}\n{}\n{}\n{replay}", event.source, event.id);
    let hex = blake3::hash(identity.as_bytes()).to_hex();
    EventId::new(format!("call:{trigger}:{}:{}", event.seq, &hex[..16]))
        .expect("a trigger's name, a number and hex digits are an id")
}

/// Follows the causes of an event.
pub fn of(journal: &dyn Journal, event: &Event) -> Result<Chain, StoreError> {
    let mut chain = Vec::new();
    let mut cause = event.cause.clone();
    let mut place = event.seq;
    for _ in 0..MAX_CHAIN {
        let Some(id) = cause else {
            chain.reverse();
            return Ok(Chain::Triggers(chain));
        };
        if let Some((trigger, earlier)) = of_call(&id) {
            chain.push(trigger.to_owned());
            // What is said to have led to something was there before it; anything else is made up.
            let event =
                if earlier > 0 && earlier < place { journal.read(earlier - 1, 1)?.pop() } else { None };
            place = earlier;
            cause = event.and_then(|event| event.cause.clone());
            continue;
        }
        let Some(earlier) = journal.read_by_id(SOURCE_SERVER, &id)? else {
            cause = None;
            continue;
        };
        // One that failed stands in a circle as well: it may be for its own failures.
        if matches!(earlier.kind.as_str(), "trigger.matched" | "trigger.failed")
            && let Some(name) = earlier.data["trigger"].as_str()
        {
            chain.push(name.to_owned());
        }
        place = earlier.seq;
        cause = earlier.cause.clone();
    }
    Ok(Chain::Endless)
}
