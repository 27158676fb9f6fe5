//! What `/proc` tells: processes and their parents, memory, and who listens on a port.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// One line of `/proc/<pid>/stat`, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The program's name, at most 15 bytes.
    pub name: String,
    /// `Z` for a process that has ended and was not yet waited for.
    pub state: char,
    /// The parent's process id.
    pub parent: u32,
    /// When it started, in clock ticks since the host did. With the process id it names a process for good.
    pub start_ticks: u64,
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name may hold blanks and parentheses; it ends at the last one.
    let (head, tail) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of the line; state was field 3 and parent field 4.
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Stat { name: name.to_owned(), state, parent, start_ticks })
}

/// What is known of a process; `None` when there is none.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether this very process (and not a later one with the same id) still runs.
pub fn is_alive(pid: u32, start_ticks: u64) -> bool {
    stat(pid).is_some_and(|stat| stat.start_ticks == start_ticks && stat.state != 'Z')
}

/// The kernel's boot id, or `unknown` where there is none.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
}

/// All processes below `root`, without those that have ended; in order of process id.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    for pid in pids() {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
            if stat.state == 'Z' {
                ended.insert(pid);
            }
        }
    }
    let mut found = BTreeSet::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                next.push(*child);
            }
        }
    }
    found.into_iter().filter(|pid| !ended.contains(pid)).collect()
}

/// The children of a process that have ended and were not yet waited for.
pub fn ended_children(parent: u32) -> Vec<u32> {
    pids().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent && stat.state == 'Z')).collect()
}

/// The memory of a process that is resident, in bytes; 0 when it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The inode of the socket that listens on a TCP port, read from a table like `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        // State 0A is LISTEN.
        (u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == "0A")
            .then(|| fields.get(9)?.parse().ok())?
    })
}

/// Who listens on a TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// This process, by id and name.
    Process(u32, String),
    /// Some process that this user may not look at.
    Hidden,
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process(pid, name) => write!(f, "`{name}` (process {pid})"),
            Self::Hidden => f.write_str("a process of another user"),
        }
    }
}

/// Who listens on this TCP port, on any address; `None` when nobody does.
pub fn listener(port: u16) -> Option<Listener> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|path| listening_inode(&fs::read_to_string(path).ok()?, port))?;
    let wanted = format!("socket:[{inode}]");
    for pid in pids() {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.flatten() {
            if fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()) {
                return Some(Listener::Process(pid, stat(pid).map_or_else(String::new, |stat| stat.name)));
            }
        }
    }
    Some(Listener::Hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_hostile_name_is_read() {
        let line = "42 (a) b) (c) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1000 10 18446744073709551615";
        assert_eq!(
            parse_stat(line),
            Some(Stat { name: "a) b) (c".to_owned(), state: 'S', parent: 7, start_ticks: 98765 })
        );
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn this_process_is_seen_with_its_port() {
        let own = std::process::id();
        let known = stat(own).expect("this process exists");
        assert!(is_alive(own, known.start_ticks));
        assert!(!is_alive(own, known.start_ticks + 1));
        assert!(resident_bytes(own) > 0);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("bound").port();
        assert_eq!(listener(port), Some(Listener::Process(own, known.name)));
        drop(socket);
        assert_eq!(listener(port), None);
    }
}
