//! Agents that a test plays without a link: what the hub is told by theirs, as if it had come by one.

use mainstay_api::link;
use mainstay_model::{HostId, Tags};

use super::Hub;
use super::service::Peer;

/// What keeps a host connected.
pub struct Connected(Peer);

impl Hub {
    /// A host connects, with a session of this name.
    pub fn play_connect(&self, host: &HostId, tags: Tags, session: &str) -> Connected {
        let hello = link::Hello {
            protocol: link::PROTOCOL,
            host: host.to_string(),
            tags: tags.0,
            agent_id: format!("agent-{host}"),
            session: session.to_owned(),
            ..link::Hello::default()
        };
        Connected(self.welcome(hello).expect("it is its own agent").0)
    }

    /// A link is lost. Says whether it was the host's last one.
    pub fn play_loss(&self, connected: &Connected) -> bool {
        self.unregister(&connected.0)
    }

    /// A host reports its services.
    pub fn play_report(&self, host: &HostId, services: Vec<link::ServiceState>, revision: String) {
        self.report(host, link::Report { services, revision });
    }
}
