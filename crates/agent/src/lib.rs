//! Host side: supervises services, performs commands once, reports.
