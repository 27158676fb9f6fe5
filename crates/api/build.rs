//! Compiles the protocol of the agent link. `protox` is a compiler in Rust, so no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "proto";
    let file = "proto/mainstay/link/v1/link.proto";
    println!("cargo::rerun-if-changed={root}");
    let descriptors = protox::compile([file], [root])?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        // Maps in key order, so that equal messages are equal bytes.
        .btree_map(".")
        // The generated `connect` of the transport would clash with the protocol's own Connect.
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
