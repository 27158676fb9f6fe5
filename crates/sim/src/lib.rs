//! Scenarios against the real loops of the server, on a clock, a journal and hosts of their own.
//!
//! Nothing here waits for real time: the clock is tokio's paused one, which jumps to the next timer when everything is
//! idle. So a scenario is deterministic as long as the loops under test are.

mod clock;
mod fleet;
mod hosts;
mod journal;
mod receiver;
mod world;

pub use clock::SimClock;
pub use fleet::SimFleet;
pub use hosts::{SimHosts, Work};
pub use journal::{CrashPoint, CrashingJournal};
pub use receiver::{Answer, Call, SimReceiver, To};
pub use world::{Library, RunWorld};
