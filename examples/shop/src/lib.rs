//! A web shop of four small services, for running, breaking and healing on one machine.
//!
//! ```text
//! customers --POST /orders--> storefront --POST /checkout--> checkout --POST /charge--> payments
//!   :8104                       :8101                          :8102                      :8103
//! ```
//! Each service is one module with a `start` function, one binary in `src/bin` that calls it, and one
//! SQLite ledger. The other modules hold what they share: [`program`] is the life of a process from its
//! arguments to its graceful end, [`telemetry`] sets up the OpenTelemetry SDK, [`wire`] carries JSON and
//! the trace between services, [`ledger`] keeps files, [`pool`] and [`queue`] are the two parts that can
//! be broken on purpose.
//!
//! The two faults are bugs as they happen in real shops: a code path that forgets to give a database
//! connection back, and a worker that waits for ever. Both are provoked over HTTP, neither shows in
//! `/healthz`, neither heals by itself, and both are gone after the process was restarted.

pub mod checkout;
pub mod customers;
pub mod error;
pub mod ledger;
pub mod payments;
pub mod pool;
pub mod program;
pub mod prometheus;
pub mod queue;
pub mod storefront;
pub mod telemetry;
pub mod wire;

pub use error::ShopError;
