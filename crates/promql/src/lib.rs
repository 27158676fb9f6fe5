//! A PromQL engine over a trait.
