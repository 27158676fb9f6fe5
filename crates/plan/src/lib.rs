//! Declared state and hosts to a plan: which service belongs on which host, in which order, and what differs from before.
//!
//! Pure and without memory: the same values give the same plan, in the same order. What a plan costs, how it is undone
//! and whether somebody has to approve it will be decided here too.

mod changes;
mod place;

pub use changes::{Change, ChangeKind, changes};
pub use place::{Placed, Placement, Unplaced, place, waves};
