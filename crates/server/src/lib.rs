//! The loops of the control plane: they load, call the pure crates, store what those decide, and perform it.

pub mod access;
pub mod alarms;
pub mod analysis;
pub mod app;
pub mod apply;
pub mod catalogue;
pub mod changes;
pub mod clock;
pub mod config;
pub mod console;
pub mod documentation;
pub mod files;
pub mod hosts;
pub mod http;
pub mod hub;
pub mod incidents;
pub mod intake;
pub mod languages;
mod listen;
pub mod loops;
pub mod measures;
pub mod once;
pub mod overview;
pub mod placement;
pub mod query;
pub mod responses;
pub mod revisions;
pub mod runs;
pub mod secrets;
mod serve;
pub mod triggers;
pub mod views;
pub mod webhooks;

pub use config::Config;
pub use serve::{Ready, ServeError, folds, serve};
