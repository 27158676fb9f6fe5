//! What agents say happened, on its way into the journal.

use mainstay_api::link::Happened;
use mainstay_model::event::SOURCE_AGENT;
use mainstay_model::{Actor, EventDraft, EventId, HostId, Tags, Timestamp};
use mainstay_store::{Journal, StoreError};
use serde_json::Value;

/// The kinds of events that an agent may say. Others would let a host speak for the control plane.
const KINDS: &str = "service.";

/// A journal event from what an agent said, or why it can never be one.
fn draft(host: &HostId, tags: &Tags, said: Happened) -> Result<EventDraft, String> {
    if !said.kind.starts_with(KINDS) {
        return Err(format!("an agent may not say `{}`", said.kind));
    }
    let id = EventId::new(said.id).map_err(|error| error.to_string())?;
    let data: Value =
        serde_json::from_str(&said.data_json).map_err(|error| format!("its data is not JSON: {error}"))?;
    if !data.is_object() {
        return Err("its data is not a JSON object".to_owned());
    }
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let time = Timestamp::from_millis(said.time_ms);
    Ok(EventDraft {
        source: SOURCE_AGENT.to_owned(),
        subject: filled(said.subject),
        workload: filled(said.workload),
        tags: tags.clone(),
        ..EventDraft::new(id, said.kind, time, Actor::Agent(host.to_string()), data)
    })
}

/// Appends what a host said, in order, and answers with the ids that need not be said again: those that are durable, and
/// those that never can be. On an error nothing more can be taken now; what is answered with it is durable all the same.
pub async fn append(
    journal: &dyn Journal,
    host: &HostId,
    tags: &Tags,
    said: Vec<Happened>,
) -> (Vec<String>, Option<StoreError>) {
    let mut done = Vec::new();
    let mut drafts = Vec::new();
    for happened in said {
        let id = happened.id.clone();
        match draft(host, tags, happened) {
            Ok(draft) => drafts.push(draft),
            Err(reason) => {
                tracing::error!(%host, id, reason, "an event of an agent is refused");
                done.push(id);
            }
        }
    }
    if drafts.is_empty() {
        return (done, None);
    }
    let ids = |drafts: &[EventDraft]| drafts.iter().map(|draft| draft.id.to_string()).collect::<Vec<_>>();
    match journal.append(drafts.clone()).await {
        Ok(_) => {
            done.extend(ids(&drafts));
            return (done, None);
        }
        // One that is refused for what it is must not hold up the others: each by itself.
        Err(StoreError::Refused { .. } | StoreError::BatchTooLarge { .. }) => {}
        Err(error) => return (done, Some(error)),
    }
    for draft in drafts {
        let id = draft.id.to_string();
        match journal.append(vec![draft]).await {
            Ok(_) => {}
            Err(error @ (StoreError::Refused { .. } | StoreError::BatchTooLarge { .. })) => {
                tracing::error!(%host, id, %error, "an event of an agent is refused");
            }
            Err(error) => return (done, Some(error)),
        }
        done.push(id);
    }
    (done, None)
}
