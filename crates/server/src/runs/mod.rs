//! Runs: the engine that drives them, what it needs of the world, and their table.

pub mod acts;
mod children;
mod drive;
mod engine;
mod fold;
mod lines;
mod list;
mod on_hub;
mod orders;
mod performer;
mod procedures;
mod record;
mod rows;
mod script;

pub use engine::{Engine, RunError, derived_run_id};
pub use fold::{
    FACTS_TABLE, FactsFold, RUNS_TABLE, RunsFold, STATES_TABLE, StatesFold, behind, run, unfinished,
    workload_of,
};
pub use list::{Wanted, list, newest};
pub use performer::{Act, Order, Performer};
pub use procedures::{Found, NoProcedures, Procedures};
pub use record::{output, record};
