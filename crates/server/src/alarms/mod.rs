//! Rules: every group of every workload is evaluated at its interval, as Prometheus does, and what changes is told.

mod evaluator;
mod fold;
mod show;

pub use evaluator::Evaluator;
pub use fold::{ALARMS_TABLE, AlarmRow, AlarmsFold, draft, of, restore};
pub use show::{Shown, complete, of_workload, without_name, words};
