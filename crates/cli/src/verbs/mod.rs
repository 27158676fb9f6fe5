//! The verbs, thin: each asks, and hands what it got to functions that turn values into text.

pub mod access;
pub mod alarms;
pub mod apply;
pub mod check;
pub mod docs;
pub mod events;
pub mod explain;
pub mod help;
pub mod history;
pub mod incidents;
pub mod init;
pub mod journal;
pub mod plan;
pub mod promql;
pub mod resolved;
pub mod run;
pub mod runs;
pub mod schema;
pub mod serve;
pub mod service;
pub mod signals;
pub mod silences;
pub mod status;
pub mod test;
pub mod triggers;
