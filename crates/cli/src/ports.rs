//! Who listens on a port of this machine, as far as the system tells.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

/// The process that holds a TCP port, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The port.
    pub port: u16,
    /// The process and its name, if `/proc` tells.
    pub process: Option<(u32, String)>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "{} by process {pid} ({name})", self.port),
            None => write!(f, "{} by another process", self.port),
        }
    }
}

/// Those of the ports that cannot be listened on.
pub fn taken(ports: &[u16]) -> Vec<Holder> {
    ports
        .iter()
        .filter(|port| {
            let bound = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, **port)));
            bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
        })
        .map(|port| Holder { port: *port, process: holder(*port) })
        .collect()
}

/// The process that listens on a port.
fn holder(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| sockets.iter().any(|socket| target == Path::new(socket)))
        });
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

/// The inodes of sockets that listen on a port, from the text of `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == LISTEN).then(|| (*inode).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let holders = taken(&[port]);
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].process.as_ref().map(|(pid, _)| *pid), Some(std::process::id()));
        assert!(holders[0].to_string().starts_with(&format!("{port} by process {}", std::process::id())));
        drop(listener);
        // A test beside this one may be starting a process, which holds a copy of the listener until it is another program.
        let free = (0..20_000).any(|_| {
            std::thread::yield_now();
            taken(&[port]).is_empty()
        });
        assert!(free, "{:?}", taken(&[port]));
    }
}
