//! The link between a host's agent and the server: messages, client and server as generated from
//! `proto/mainstay/link/v1/link.proto`, whose comments say what each field means.

pub use generated::link_client::LinkClient;
pub use generated::link_server::{Link, LinkServer};
pub use generated::*;

/// The protocol number spoken by this version, said in [`Hello`].
pub const PROTOCOL: u32 = 1;

/// The most that is kept of each of a command's output streams, in bytes. A script's payload may have 100 KB by the
/// reference, and this leaves room for its quoting.
pub const MAX_OUTPUT_BYTES: u32 = 256 * 1024;

/// What is kept where the command does not say.
pub const DEFAULT_OUTPUT_BYTES: u32 = 64 * 1024;

/// The largest script or standard input a command may have. It leaves room in the largest gRPC message (4 MiB).
pub const MAX_SCRIPT_BYTES: usize = 1024 * 1024;

#[allow(
    missing_docs,
    clippy::all,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    clippy::uninlined_format_args,
    rust_2018_idioms,
    reason = "generated code; its documentation stands in the protocol file"
)]
mod generated {
    tonic::include_proto!("mainstay.link.v1");
}
