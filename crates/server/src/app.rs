//! The parts of a running server, wired together. Handlers and loops see this and nothing global.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_model::Timestamp;
use mainstay_observe::Telemetry;
use mainstay_store::Journal;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::access::oidc::Providers;
use crate::alarms::Evaluator;
use crate::apply::Applier;
use crate::catalogue::Catalogue;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Config;
use crate::hub::Hub;
use crate::intake::Intake;
use crate::measures::Measures;
use crate::overview::Overview;
use crate::query::Querier;
use crate::runs::Engine;
use crate::secrets::Secrets;
use crate::triggers::Triggers;

/// Everything a handler may need.
pub struct App {
    /// What the server was started with.
    pub config: Config,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The telemetry.
    pub telemetry: Arc<Telemetry>,
    /// PromQL over it.
    pub querier: Querier,
    /// The hosts.
    pub hub: Hub,
    /// How all of them and the services on them stand.
    pub overview: Overview,
    /// The runs.
    pub engine: Engine,
    /// The workloads.
    pub catalogue: Arc<Catalogue>,
    /// Makes plans and changes.
    pub applier: Applier,
    /// Carries changes out.
    pub changes: Arc<Changes>,
    /// The triggers.
    pub triggers: Arc<Triggers>,
    /// The room for events that come in.
    pub intake: Intake,
    /// Secrets of sources and webhooks.
    pub secrets: Arc<Secrets>,
    /// The alarms.
    pub evaluator: Arc<Evaluator>,
    /// The priorities' measures.
    pub measures: Arc<Measures>,
    /// The people.
    pub access: Arc<Access>,
    /// The providers that sign people in.
    pub providers: Providers,
    /// What proves that a browser has opened a link to the documentation.
    pub docs_key: [u8; 32],
    /// The API's address.
    pub http: SocketAddr,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When the server started.
    pub started_at: Timestamp,
    /// What does not work now.
    pub health: Health,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
}

/// What does not work now, by part. Shared by all loops.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, String>>>);

impl Health {
    /// A part does not work, for this reason.
    pub fn bad(&self, part: &str, reason: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part.to_owned(), reason);
    }

    /// A part works again.
    pub fn good(&self, part: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// Everything that does not work, as sentences.
    pub fn degraded(&self) -> Vec<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }
}
