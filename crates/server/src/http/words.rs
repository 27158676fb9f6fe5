//! That the document's lists of words are those that are said.

use std::collections::BTreeSet;

use mainstay_api::link::Phase;
use mainstay_api::v1;
use mainstay_detect::Condition;
use mainstay_model::access::{Permission, Role};
use mainstay_plan::{End, Outcome, Verb};
use mainstay_respond::{State, Status};
use mainstay_runbook::{RunStatus, StepStatus};

use super::{routes, signals};
use crate::alarms;
use crate::measures::Standing;
use crate::views;

/// The words that are said are the list, but for those that are said elsewhere.
#[track_caller]
fn same(list: &[&str], said: impl IntoIterator<Item = &'static str>, elsewhere: &[&'static str]) {
    let said: BTreeSet<&str> = said.into_iter().chain(elsewhere.iter().copied()).collect();
    assert_eq!(list.iter().copied().collect::<BTreeSet<_>>(), said);
    assert_eq!(list.len(), said.len(), "no word is there twice");
}

#[test]
fn of_alarms_incidents_and_measures() {
    use Condition::{Error, Firing, Inactive, NoData, Pending, Resolved, Unknown};
    same(
        v1::AlarmState::ALL,
        [Unknown, Inactive, Resolved, Pending, Firing, NoData, Error].map(alarms::words),
        &[],
    );
    let states =
        [State::Pending, State::Firing, State::Resolved, State::Inactive, State::NoData, State::Error];
    same(v1::IncidentAlarmState::ALL, states.map(State::as_str), &[]);
    same(v1::IncidentStatus::ALL, [Status::Open, Status::Resolved].map(Status::as_str), &[]);
    let standings = [Standing::OnTarget, Standing::OffTarget, Standing::NoData, Standing::Error];
    same(v1::MeasureState::ALL, standings.map(Standing::words), &["not evaluated"]);
}

#[test]
fn of_services_and_runs() {
    let phases = (0..).map_while(|number| Phase::try_from(number).ok());
    same(v1::ServiceStateWord::ALL, phases.map(views::phase), &[]);
    same(v1::RunStatusWord::ALL, super::runs::STATUSES.map(RunStatus::as_str), &[]);
    let steps = [
        StepStatus::Pending,
        StepStatus::InProgress,
        StepStatus::Waiting,
        StepStatus::Cancelling,
        StepStatus::Success,
        StepStatus::Exited,
        StepStatus::Skipped,
        StepStatus::TimedOut,
        StepStatus::Cancelled,
        StepStatus::Failed,
        StepStatus::OutcomeUnknown,
    ];
    same(v1::StepStatusWord::ALL, steps.map(StepStatus::as_str), &[]);
}

#[test]
fn of_changes() {
    let ends = [End::Applied, End::RolledBack, End::KeptPart, End::Failed, End::Refused, End::Cancelled];
    same(v1::ChangeState::ALL, ends.map(End::words), &["held", "running", "rolling back"]);
    let verbs = [Verb::Create, Verb::Update, Verb::Replace, Verb::Remove];
    same(v1::ChangeVerb::ALL, verbs.map(Verb::word), &[]);
    let outcomes = [
        Outcome::Applied,
        Outcome::Failed,
        Outcome::Skipped,
        Outcome::RolledBack,
        Outcome::RollbackFailed,
        Outcome::Unknown,
    ];
    same(v1::ActionOutcome::ALL, outcomes.map(Outcome::words), &["pending", "started", "rolling back"]);
}

#[test]
fn of_people_and_signals() {
    same(v1::RoleWord::ALL, Role::ALL.map(Role::as_str), &[]);
    same(v1::PermissionWord::ALL, Permission::ALL.map(routes::word), &[]);
    same(v1::LogSeverity::ALL, (0..=24).map(signals::severity_word), &[]);
}
