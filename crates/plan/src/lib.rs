//! Declared state and hosts to a plan, and a plan to a change: placement, what differs, in which order, how large it is,
//! whether somebody has to approve it, how it is undone; and the machine that carries it out.
//!
//! Pure and without memory: the same values give the same plan, in the same order.

mod affected;
mod build;
mod change;
mod changes;
mod diff;
mod drift;
mod judge;
mod limits;
mod observed;
mod order;
mod place;
mod placing;
mod resource;
mod value;

pub use build::{inverse, plan, removal};
pub use change::{
    ActionId, ActionState, Change, ChangeEvent, Commit, Decision, End, FoldError, Input, Outcome, Phase,
    Progress, Report, Request, Wanted, WaveState, start, step,
};
pub use changes::{ChangeKind, ServiceChange, changes};
pub use judge::{NotRestored, not_restored};
pub use limits::{ChangeLimits, Hold, Limit, SetBy, holds};
pub use observed::{Drift, DriftVerdict, HostSeen, Observed, SeenState, ServiceSeen, Sighting};
pub use place::{Placed, Placement, Unplaced, is_placed_on, place, waves};
pub use placing::Placing;
pub use resource::{Version, spec_digest};
pub use value::{
    Action, Affected, Base, Currency, FORMAT, FieldChange, Format, MAX_NAMED, Plan, PlanError, Resource,
    ResourceKind, Reversal, Shown, Size, Stage, Verb, Wave,
};

/// Texts in a plan are cut after this many characters.
pub const MAX_SHOWN_CHARS: usize = 2_000;
