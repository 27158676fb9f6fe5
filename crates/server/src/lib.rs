//! The loops of the control plane: they load, call the pure crates, store what those decide, and perform it.

// pub mod alarms;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod languages;
// pub mod measures;
// pub mod query;
pub mod revisions;
pub mod runs;
pub mod triggers;
pub mod views;
