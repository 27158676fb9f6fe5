//! The wire: JSON types of the HTTP API, the protocol between agent and server, and the client.
//!
//! Beside it stands what both ends of it do alike: reading secrets by reference.
//!
//! `mainstay-model` never goes on a wire as it is; what crosses a process boundary is defined here and versioned.

pub mod client;
pub mod link;
pub mod secrets;
pub mod v1;
pub mod web;
