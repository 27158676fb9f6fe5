//! Prometheus scrape: what `/metrics` says, read and stored.
