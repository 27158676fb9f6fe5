//! The procedures there are, as the engine sees them.

use std::sync::Arc;

use mainstay_runbook::Document;

/// A procedure as it is wanted now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its document.
    pub document: Arc<Document>,
    /// The digest of its document.
    pub digest: String,
}

/// Where a step that starts another procedure finds it. The catalogue is one, a folder of files another.
pub trait Procedures: Send + Sync + 'static {
    /// The procedure of this name, among those of the workload; or why it cannot be run, in sentence case.
    fn find(&self, workload: Option<&str>, name: &str) -> Result<Found, String>;

    /// How many runs of it may go on at once, where that is limited.
    fn limit(&self, workload: Option<&str>, name: &str) -> Option<u32>;
}

/// No procedures at all.
#[derive(Clone, Copy, Debug)]
pub struct NoProcedures;

impl Procedures for NoProcedures {
    fn find(&self, _workload: Option<&str>, name: &str) -> Result<Found, String> {
        Err(format!("There is no procedure {name}: none is known here"))
    }

    fn limit(&self, _workload: Option<&str>, _name: &str) -> Option<u32> {
        None
    }
}
