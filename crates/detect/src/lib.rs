//! Event patterns, triggers, rule groups and alarm state machines.
