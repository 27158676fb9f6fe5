//! What a server is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Ports and places. The default binds loopback only.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory. Created when absent, readable by its owner only.
    pub data: PathBuf,
    /// API, and OTLP over HTTP: DESIGN's port 7600.
    pub http: SocketAddr,
    /// OTLP over HTTP on its own standard port, 4318; `None` leaves it out.
    pub otlp_http: Option<SocketAddr>,
    /// OTLP over gRPC, 4317; `None` leaves it out.
    pub otlp_grpc: Option<SocketAddr>,
    /// Under which URL people reach the server, where a proxy stands before it (`https://ops.example.org`).
    pub public_url: Option<String>,
    /// The version that the server says it has.
    pub version: String,
}

impl Config {
    /// The usual ports on loopback, with data in this directory.
    pub fn new(data: impl Into<PathBuf>, version: impl Into<String>) -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data: data.into(),
            http: loopback(7600),
            otlp_http: Some(loopback(4318)),
            otlp_grpc: Some(loopback(4317)),
            public_url: None,
            version: version.into(),
        }
    }

    /// Host and port of the URL that people reach the server under, where a proxy stands before it.
    pub fn public_host(&self) -> Option<&str> {
        let url = self.public_url.as_deref()?;
        let (_, rest) = url.split_once("://")?;
        rest.split('/').next().filter(|host| !host.is_empty())
    }

    /// Whether people reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The secret that hashes of passwords are keyed by.
    pub fn access_key_file(&self) -> PathBuf {
        self.data.join("access.key")
    }

    /// What is said of providers of sign-in, if there are any.
    pub fn sign_in_file(&self) -> PathBuf {
        self.data.join("sign-in.json")
    }

    /// The directory of the journal.
    pub fn journal_dir(&self) -> PathBuf {
        journal_dir(&self.data)
    }

    /// The directory of the telemetry.
    pub fn telemetry_dir(&self) -> PathBuf {
        self.data.join("telemetry")
    }

    /// Where drafts of post-incident analyses are written.
    pub fn incidents_dir(&self) -> PathBuf {
        self.data.join("incidents")
    }

    /// The socket that agents of this machine dial.
    pub fn agent_socket(&self) -> PathBuf {
        agent_socket(&self.data)
    }

    /// Where the server says under which address it can be reached, once it can.
    pub fn address_file(&self) -> PathBuf {
        address_file(&self.data)
    }

    /// The secret that clients of this machine show.
    pub fn token_file(&self) -> PathBuf {
        token_file(&self.data)
    }
}

/// The directory of the journal in a data directory.
pub fn journal_dir(data: &Path) -> PathBuf {
    data.join("journal")
}

/// The socket that agents of this machine dial.
pub fn agent_socket(data: &Path) -> PathBuf {
    data.join("agent.sock")
}

/// The file that says how the server can be reached: JSON with `address` and `pid`.
pub fn address_file(data: &Path) -> PathBuf {
    data.join("server.json")
}

/// The file with the secret that clients of this machine show. Readable by its owner only.
pub fn token_file(data: &Path) -> PathBuf {
    data.join("token")
}
