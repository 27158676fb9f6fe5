//! Incidents as folds of the journal.
//!
//! There is one [`Desk`] per workload: what is known there of alarms, measures, runs and what changed lately, and the
//! incident that is open, if one is. [`Desk::apply`] takes in every event of the workload; [`Desk::decide`] says what
//! follows: an incident opens, an alarm joins it, it is resolved. Both are functions of values. `decide` looks at the
//! whole desk and at no single event, so asking it again after a restart, or twice, gives the same events under the
//! same ids, and the journal takes each of them once.
//!
//! Each incident event carries the incident as it was then ([`Incident::told`]). A table of all incidents is therefore
//! the last event of each; the one that is open is, more freshly, on its desk.

mod desk;
mod incident;
#[cfg(test)]
mod tests;

pub use desk::{Desk, Firing, resolved_by};
pub use incident::{Alarm, ByHand, Change, Incident, Measure, Run, Standing, State, Status};
