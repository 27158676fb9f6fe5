//! Prometheus scrape: what `/metrics` says, read and stored.
//!
//! Exemplars are read and not kept. Protobuf exposition is not asked for and not accepted; `https` targets are
//! refused by name.

mod fetch;
mod scraper;
mod target;
mod text;

pub use scraper::Scraper;
pub use target::{Health, Target, TargetProblem, TargetStatus};
pub use text::{Exposition, Format, ParseError, Scraped, parse};
