//! An agent inside another process, for commands only: no services, no socket for people, no signals of its own. It has the
//! same ledger and the same shims, so what it runs outlives it and is never run twice.

use std::path::PathBuf;
use std::sync::Arc;

use mainstay_api::link;
use mainstay_model::{HostId, Tags};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Way, Within};
use crate::launch::Place;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::{AgentError, agent_id, procfs, take};

/// How such an agent is set up.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// A directory of its own; the agent keeps its files in `agent/` below.
    pub data: PathBuf,
    /// The host's id.
    pub host: HostId,
    /// The host's tags.
    pub tags: Tags,
    /// The `mainstay` binary, absolute. It is run as `BINARY shim DIR`.
    pub binary: PathBuf,
}

/// Takes up what an earlier agent left in the directory, and answers with what keeps the link to the server. Commands go on
/// when that is dropped or stopped.
pub async fn embed(
    config: Embedded,
    within: Within,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + Send, AgentError> {
    if !config.binary.is_absolute() || !config.binary.is_file() {
        return Err(AgentError::Binary(config.binary));
    }
    let made = crate::files::make_dir(&config.data).and_then(|()| config.data.canonicalize());
    let data = made.map_err(|source| AgentError::Data { path: config.data.clone(), source })?;
    let dir = data.join("agent");
    let lock = take(&data, &dir).await?;
    let at = |name: &str| {
        let path = dir.join(name);
        move |source| AgentError::Data { path, source }
    };
    let place = Arc::new(Place {
        dir: dir.clone(),
        has_control: false,
        host: config.host.to_string(),
        binary: config.binary,
        otlp_endpoint: String::new(),
        memory_by_polling: false,
    });
    let ledger = Ledger::open(place).await.map_err(at("ledger"))?;
    let outbox = Arc::new(Outbox::open(&dir.join("outbox")).map_err(at("outbox"))?);
    let hello = link::Hello {
        protocol: link::PROTOCOL,
        host: config.host.to_string(),
        tags: config.tags.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: procfs::boot_id(),
        pid: std::process::id(),
        agent_id: agent_id(&dir.join("id")).map_err(at("id"))?,
        session: String::new(),
        kept_commands: Vec::new(),
    };
    Ok(async move {
        let _lock = lock;
        // Nothing is ever wanted of a supervisor, and there is nothing to report.
        let (inputs, _unheard) = mpsc::channel(1);
        let (_nothing, report) = watch::channel(link::Report::default());
        let connection = Connection { way: Way::Within(within), hello, inputs, report, ledger, outbox };
        tokio::select! {
            () = stop.cancelled() => {}
            () = connection.run() => {}
        }
    })
}
