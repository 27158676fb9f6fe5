//! What somebody who decides on a change should know: what cannot be undone, and what to expect.

use serde::{Deserialize, Serialize};

use crate::observed::{SeenState, Sighting};
use crate::resource::Facts;
use crate::value::{Action, FieldChange, Plan, ResourceKind, Reversal, Verb};

/// Whether the change of a service can be undone. A service that runs once (`restart: never`) is a job: what it did
/// stays done, and putting it back does it again. Data that a service keeps in its directory stays there when it is
/// removed, so a removal can be undone.
pub(crate) fn service(verb: Verb, (before, after): (Option<Facts>, Option<Facts>)) -> Reversal {
    let once = |facts: Option<Facts>| facts.is_some_and(|facts| facts.once);
    let why = match verb {
        Verb::Create | Verb::Replace if once(after) => {
            "it runs once (`restart: never`), and what it does stays done"
        }
        Verb::Remove | Verb::Replace if once(before) => {
            "it runs once (`restart: never`), and putting it back runs it again"
        }
        _ => return Reversal::Reversible,
    };
    Reversal::Irreversible { why: why.to_owned() }
}

pub(crate) fn why_replaced(fields: &[FieldChange]) -> String {
    let restart: Vec<&str> = fields
        .iter()
        .map(|field| field.path.as_str())
        .filter(|path| !path.starts_with("telemetry"))
        .collect();
    let shown = restart.iter().take(3).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    let more = if restart.len() > 3 { format!(" and {} more", restart.len() - 3) } else { String::new() };
    format!("the process is stopped and started anew, as {shown}{more} cannot be changed while it runs")
}

pub(crate) fn service_cautions(
    action: &Action,
    (before, after): (Option<Facts>, Option<Facts>),
    hosts: usize,
    room: Option<(String, u16)>,
) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((taker, port)) = room {
        out.push(format!(
            "It is stopped first, as {taker} takes its port {port}; nothing answers there until that is ready"
        ));
    }
    if after.is_some_and(|facts| !facts.checked && !facts.once) {
        out.push("It has no health check: all that can be known is that its process runs".to_owned());
    }
    if action.verb == Verb::Replace && hosts == 1 && before.is_some_and(|facts| !facts.once) {
        out.push("It runs on this host only, so it is interrupted".to_owned());
    }
    match (&action.was, action.verb) {
        (Some(Sighting::Unknown), _) => {
            out.push("Its host is away: the change cannot succeed before it is back".to_owned());
        }
        (Some(Sighting::Seen(seen)), verb) => {
            let reason = seen.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            match (seen.state, verb) {
                (SeenState::Stopped, Verb::Create | Verb::Replace) => {
                    out.push(format!("Somebody stopped it{reason}"));
                }
                (SeenState::Failed | SeenState::Unhealthy, _) => {
                    out.push(format!("It does not work now{reason}"));
                }
                _ => {}
            }
            let differs = |spec: &String| action.before.as_ref().is_some_and(|before| before != spec);
            if seen.spec.as_ref().is_some_and(differs) {
                out.push("What runs there now is not what the current revision says".to_owned());
            }
        }
        _ => {}
    }
    out
}

pub(crate) fn declaration_cautions(kind: ResourceKind, verb: Verb) -> Vec<String> {
    let text = match (kind, verb) {
        (ResourceKind::Alarm, Verb::Remove) => "If it fires, it ends with it",
        (ResourceKind::Trigger, Verb::Create) => "Undoing this does not undo what it has started by then",
        (ResourceKind::Trigger, Verb::Remove) => {
            "What it would have started meanwhile is not made up for when it is put back"
        }
        _ => return Vec::new(),
    };
    vec![text.to_owned()]
}

/// Something that undoing a plan does not bring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRestored {
    /// The resource.
    pub address: String,
    /// Why, as people read it.
    pub why: String,
}

/// What undoing this plan will not bring back, in its order: to be said before it is applied, and before a rollback that
/// undoes it (for a rollback from one revision to an earlier one, the plan from the earlier to the later one is meant).
pub fn not_restored(plan: &Plan) -> Vec<NotRestored> {
    let mut out = Vec::new();
    for action in &plan.actions {
        let mut say = |why: String| {
            out.push(NotRestored { address: action.resource.address.clone(), why });
        };
        if let Some(why) = action.reversal.why_not() {
            say(why.to_owned());
        }
        let Some(Sighting::Seen(seen)) = action.was.as_ref().filter(|_| action.before.is_some()) else {
            continue;
        };
        let reason = seen.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        match seen.state {
            SeenState::Stopped => say(format!("somebody had stopped it{reason}, and it would be started")),
            SeenState::Failed | SeenState::Unhealthy => {
                say(format!(
                    "it did not work before the change{reason}, and need not work after it was undone"
                ));
            }
            SeenState::Healthy | SeenState::Starting | SeenState::Ended => {}
        }
        if seen.spec.is_some() && seen.spec != action.before {
            say("what ran was not what the revision said, which is what would be put back".to_owned());
        }
    }
    out
}
