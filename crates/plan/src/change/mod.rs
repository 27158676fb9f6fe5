//! Carrying a plan out: a machine without effects, a clock or memory of its own.
//!
//! A change is the fold of its events ([`Change::fold`]). [`start`] and [`step`] answer with events and do nothing. A
//! loop around them journals the events, then lets every host run what [`Change::wanted`] says, reports what it hears of
//! the hosts and when a deadline has passed, and is done when there is an [`End`]:
//!
//! ```text
//! start(plan, request, holds, at) -> events -> journal -> fold -> wanted() -> hosts
//!             step(change, Report, at) <- what is heard of them <-----------------+
//! ```
//!
//! - A wave begins when every action of the one before is known to have worked. Control-plane resources are the last
//!   wave and need no host: they count as applied at once, in the same step as the end, together with which the next
//!   declaration becomes the current one.
//! - The first action that fails ends the way forward. What was begun, also what is unknown, goes back, last wave
//!   first. Each way back is awaited too; one that fails does not stop the others. With `keep` nothing goes back: the
//!   wave is awaited to its end, and what was begun stays.
//! - An action whose host goes away is lost: unknown until the host returns or the time of the wave is over. It then
//!   counts as failed, with the outcome *unknown*.
//! - A service that was ready and fails before the change is over counts as failed too.
//! - A change that waits for an approval has told no host anything.

mod event;
mod machine;
mod state;

pub use event::{ActionId, ChangeEvent, Commit, End, Outcome, Request};
pub use machine::{Input, Report, start, step};
pub use state::{ActionState, Change, Decision, FoldError, Phase, Progress, Wanted, WaveState};
