//! The table of hosts: every host that ever joined, so that one that is away after a restart counts as away and not as
//! none.

use mainstay_model::{Event, HostId, Tags, Timestamp};
use mainstay_store::{Fold, Journal, Rows, StoreError, all_rows};

use crate::hub::Hub;

/// The table's name. Rows are [`HostRow`] by the host's id.
pub const HOSTS_TABLE: &str = "hosts";

/// A host as the journal knows it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HostRow {
    /// Its tags when it connected last.
    pub tags: Tags,
    /// When it connected or was lost last.
    pub seen: Timestamp,
}

/// Keeps [`HOSTS_TABLE`].
pub struct HostsFold;

impl Fold for HostsFold {
    fn table(&self) -> &'static str {
        HOSTS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if !matches!(event.kind.as_str(), "host.connected" | "host.lost") {
            return;
        }
        let Some(host) = event.data["host"].as_str() else { return };
        let before = rows.read::<HostRow>(host);
        let told = serde_json::from_value::<Tags>(event.data["tags"].clone()).ok();
        let tags = told.or(before.map(|row| row.tags)).unwrap_or_default();
        rows.write(host, &HostRow { tags, seen: event.time });
    }
}

/// Tells the hub of every host that the journal knows.
pub fn remember(journal: &dyn Journal, hub: &Hub) -> Result<(), StoreError> {
    for row in all_rows(journal, HOSTS_TABLE) {
        let (id, row) = row?;
        if let (Ok(host), Ok(row)) = (HostId::new(id), serde_json::from_value::<HostRow>(row)) {
            hub.remember(&host, row.tags, row.seen);
        }
    }
    Ok(())
}
