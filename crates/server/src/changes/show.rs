//! Changes as the API shows them.

use mainstay_api::v1::{ActionView, ChangeDetail, ChangeSummary, DecisionView, GitView};
use mainstay_plan::{Phase, Progress};

use super::fold::Record;

/// What a change is doing, or how it ended, in words.
fn state(record: &Record) -> String {
    match record.state.phase {
        Phase::Started | Phase::Applying => "running",
        Phase::Held => "held",
        Phase::RollingBack => "rolling back",
        Phase::Finished(end) => end.words(),
    }
    .to_owned()
}

/// One line of the history.
pub fn summary(record: &Record) -> ChangeSummary {
    let Record { about, state: change, .. } = record;
    let holds = || change.holds.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let reason = match change.phase {
        Phase::Held => Some(holds()),
        _ => change.reason.clone().or_else(|| change.failure.clone()).or_else(|| change.cancelled.clone()),
    };
    ChangeSummary {
        id: about.change.clone(),
        workload: about.workload.clone(),
        base: about.base.as_ref().map(ToString::to_string),
        revision: about.revision.to_string(),
        restores: about.restores.as_ref().map(ToString::to_string),
        state: state(record),
        finished: change.end().is_some(),
        started_at: record.started_at,
        ended_at: record.ended_at,
        by: change.request.by.to_string(),
        message: change.request.message.clone(),
        git: change
            .request
            .commit
            .as_ref()
            .map(|commit| GitView { commit: commit.id.clone(), dirty: commit.dirty }),
        resources: change.plan.size.resources,
        done: change.actions.iter().filter(|action| action.outcome().is_some()).count(),
        waves: change.plan.waves.len(),
        wave: change.wave.as_ref().map_or(0, |wave| wave.wave + 1),
        reason,
    }
}

/// A change with its plan and what became of each step.
pub fn detail(record: &Record) -> ChangeDetail {
    let change = &record.state;
    let mut actions = Vec::new();
    for wave in 0..change.plan.waves.len() {
        for (place, action) in change.plan.in_wave(wave) {
            let Some(state) = change.actions.get(place) else { continue };
            let (outcome, reason) = match (state.outcome(), &state.forward) {
                (_, _) if matches!(state.back, Progress::Going) => ("rolling back", None),
                (Some((outcome, reason)), _) => (outcome.words(), reason.map(str::to_owned)),
                (None, Progress::Going) => ("started", None),
                (None, Progress::Lost { reason }) => ("unknown", Some(reason.clone())),
                (None, _) => ("pending", None),
            };
            actions.push(ActionView {
                address: action.resource.address.clone(),
                action: action.verb.word().to_owned(),
                wave: wave + 1,
                outcome: outcome.to_owned(),
                reason: reason.or_else(|| match &state.forward {
                    // The way back is what became of it; why it went back is said with it.
                    Progress::Done { reason, .. } => reason.clone(),
                    _ => None,
                }),
            });
        }
    }
    ChangeDetail {
        summary: summary(record),
        plan: serde_json::to_value(change.plan.as_ref()).unwrap_or_default(),
        actions,
        holds: change.holds.iter().map(ToString::to_string).collect(),
        decision: change.decision.as_ref().zip(record.decided_at).map(|(decision, at)| DecisionView {
            decision: if decision.approved { "approved" } else { "refused" }.to_owned(),
            by: decision.by.to_string(),
            own: decision.own,
            at,
            message: decision.message.clone(),
        }),
        keep: change.request.keep,
    }
}
