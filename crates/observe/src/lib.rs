//! Telemetry in: OTLP, Prometheus scrape; stored and queried.
