//! Files to a declared workload and diagnostics with source spans.
