//! The state of the control plane, hosts and services on the wire.

use mainstay_model::{Tags, Timestamp};

/// That the server answers, and nothing about what it does.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Alive {
    /// Always `ok`.
    pub status: String,
}

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The version of the server.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    #[schema(value_type = super::Time)]
    pub started_at: Timestamp,
    /// The newest journal event.
    pub journal_seq: u64,
    /// The hash of that event.
    pub journal_hash: String,
    /// Workloads that have been applied.
    pub workloads: Vec<WorkloadStatus>,
    /// Changes that are held or being carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<super::ChangeSummary>,
    /// How many hosts have ever joined.
    #[serde(default)]
    #[schema(required = true)]
    pub hosts_known: usize,
    /// How many of them are connected.
    #[serde(default)]
    #[schema(required = true)]
    pub hosts_connected: usize,
    /// The hosts; of more than 200 those with trouble first and no more than so many. `GET /v1/hosts` lists all.
    pub hosts: Vec<HostView>,
    /// Parts of the control plane that are not working, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

/// One workload at a glance.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct WorkloadStatus {
    /// Its name.
    pub workload: String,
    /// The revision that is wanted.
    pub revision: String,
    /// When that was applied.
    #[schema(value_type = super::Time)]
    pub applied_at: Timestamp,
    /// Services that are ready, of those that should be.
    pub services_ready: usize,
    /// Services that should be running.
    pub services_wanted: usize,
    /// Its priorities, in order.
    pub measures: Vec<MeasureView>,
    /// Components for which there is no host, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unplaced: Vec<String>,
    /// Where what runs differs from what is wanted, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// One priority's measure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MeasureView {
    /// The goal.
    pub goal: String,
    /// The PromQL that measures it.
    pub measure: String,
    /// The target it is held against.
    pub target: String,
    /// How it stands.
    #[schema(value_type = super::MeasureState)]
    pub state: String,
    /// The last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub since: Option<Timestamp>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct HostView {
    /// Its id.
    pub id: String,
    /// Its tags.
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Tags,
    /// Whether its agent is connected now.
    pub connected: bool,
    /// When the agent was last heard of.
    #[schema(value_type = super::Time)]
    pub last_seen: Timestamp,
    /// The agent's version.
    pub version: String,
    /// The services it supervises.
    pub services: Vec<ServiceView>,
}

/// One service on one host.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ServiceView {
    /// The component's name.
    pub name: String,
    /// The workload it belongs to.
    pub workload: String,
    /// The host.
    pub host: String,
    /// How it stands; `unknown` while its host is away or has not said.
    #[schema(value_type = super::ServiceStateWord)]
    pub state: String,
    /// Its process id, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub since: Option<Timestamp>,
    /// How often it was restarted since it was declared.
    #[serde(default)]
    #[schema(required = true)]
    pub restarts: u64,
    /// Why it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The file on the host that receives its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}
