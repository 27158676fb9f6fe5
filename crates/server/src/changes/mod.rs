//! Changes: plans that are carried out, wave by wave.
//!
//! `plan` decides what happens next; here its events are journalled, the hosts are watched, and what they say is reported
//! to it. A change is the fold of its events, so whatever is interrupted goes on from the journal. The revision a change
//! leads to becomes the wanted one in the same write as the event that ends the change well, so what is declared is what
//! runs:
//!
//! - `applied`: the new revision is the wanted one.
//! - `rolled back`, `failed`, `refused`, `cancelled`: the revision before it still is. What a host that was away keeps
//!   from a failed change is taken back when it returns.
//! - `kept in part`, and `cancelled` with `--keep`: the new revision is the wanted one, although something of it failed.
//!   What had not been reached is then started too, and hosts try again what failed, as for any wanted revision.

mod fold;
mod observe;
mod runner;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_model::HostId;
pub use mainstay_plan::Wanted as Side;

pub use fold::{
    About, CHANGES_TABLE, ChangesFold, OPEN_TABLE, OpenFold, Record, beginning, change, newest, open,
};
pub use observe::{Standing, observed, standing};
pub use runner::{ChangeError, Changes, Turn};
pub use show::{detail, summary};

use crate::catalogue::Active;

/// A change that is being carried out, as the placement of services needs it.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its id.
    pub id: String,
    /// The revision before it.
    pub base: Option<Arc<Active>>,
    /// The revision it leads to.
    pub next: Arc<Active>,
    /// Which of the two each host should run of a component that changes there.
    pub wanted: BTreeMap<(HostId, String), Side>,
}

impl Running {
    /// From which revision a host should run a component now. What the change does not touch stays what it is.
    pub fn side(&self, host: &HostId, component: &str) -> Side {
        self.wanted.get(&(host.clone(), component.to_owned())).copied().unwrap_or(Side::Current)
    }
}

/// The changes that are being carried out, by workload. An immutable value; a new one replaces it.
pub type Runnings = Arc<BTreeMap<String, Arc<Running>>>;
