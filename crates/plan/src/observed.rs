//! What is known of the hosts, and where that differs from what is declared.

use std::collections::BTreeMap;

use mainstay_model::{HostId, RevisionId, Tags};
use serde::{Deserialize, Serialize};

/// What is known of the hosts now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Every host that is known.
    pub hosts: BTreeMap<HostId, HostSeen>,
}

/// What is known of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSeen {
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// Whether nothing is heard of it now. What is known of its services is then what was known last, and no verdict
    /// follows from it.
    #[serde(default)]
    pub away: bool,
    /// The services of the workload on it, by component. One that is not here does not run there.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceSeen>,
}

/// What is known of one service on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSeen {
    /// How it is.
    pub state: SeenState,
    /// The digest of what it was started with (see [`spec_digest`](crate::spec_digest)), if the host says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The revision it was started from, if the host says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// What is wrong, as the host says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenState {
    /// It runs and, if it has a health check, answers it.
    Healthy,
    /// It is about to run: waits for another, starts, or is started again.
    Starting,
    /// It runs and does not answer its health check.
    Unhealthy,
    /// It cannot be started, or ends each time.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// It ended by itself, and its restart policy leaves it so.
    Ended,
}

/// What was seen of a service when a plan was made, with what could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sighting {
    /// This.
    Seen(ServiceSeen),
    /// It is not on the host.
    NotThere,
    /// The host is away.
    Unknown,
}

impl Sighting {
    /// Whether it worked, as far as one saw. A service that did not work before a change need not work after it has
    /// been undone.
    pub fn worked(&self) -> bool {
        match self {
            Self::Seen(seen) => {
                matches!(seen.state, SeenState::Healthy | SeenState::Starting | SeenState::Ended)
            }
            Self::NotThere | Self::Unknown => true,
        }
    }
}

/// A service on a host that is not what the current revision says, or may not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// `web-1/checkout`
    pub address: String,
    /// The host.
    pub host: HostId,
    /// The component.
    pub component: String,
    /// The environment that the host falls in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How it differs.
    pub verdict: DriftVerdict,
    /// In words.
    pub reason: String,
}

/// How a service differs from what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// It should be there and is not.
    Missing,
    /// It should run, and somebody stopped it.
    Stopped,
    /// It should run and cannot.
    Failed,
    /// It was started from something else than the revision says.
    Different,
    /// It should not be there.
    Unexpected,
    /// Nobody can say: the host is away, or does not tell what it runs.
    Unknown,
}
