//! The real binary as real processes: a server, an agent, shims, services, and what happens when they are killed, fed
//! with bad input, or run out of space. What can be tested with less is tested elsewhere.

#![allow(clippy::panic, reason = "a test that cannot go on says why and ends")]

mod access;
mod alone;
mod bad_input;
mod beginning;
mod burst;
mod changes;
mod documentation;
mod families;
mod grants;
mod hostile;
mod intake;
mod lists;
mod measured;
mod once;
mod performers;
mod processes;
mod recovery;
mod responses;
mod revisions;
mod roles;
mod services;
mod signals;
mod space;
mod storm;
mod strangers;
mod together;
mod vanishing;
mod world;
