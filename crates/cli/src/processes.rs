//! Processes of ours on this machine, as `/proc` tells of them.

use std::path::Path;
use std::time::Duration;

/// How often it is looked whether processes are gone.
const LOOK: Duration = Duration::from_millis(50);

/// All process ids.
pub fn all() -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes.flatten().filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process runs; one that only waits to be collected does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some(Some(state)) if !matches!(state, 'Z' | 'X'))
}

/// The words of its command line. None where it may not be seen.
fn words(pid: u32) -> Vec<Vec<u8>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// Processes that run as server, agent or shim on a data directory.
pub fn on(data: &Path) -> Vec<u32> {
    let me = std::process::id();
    all().into_iter().filter(|pid| *pid != me && is_alive(*pid) && works_on(&words(*pid), data)).collect()
}

fn works_on(words: &[Vec<u8>], data: &Path) -> bool {
    let verb = words.get(1).map(Vec::as_slice).unwrap_or_default();
    let below = |word: &Vec<u8>| {
        use std::os::unix::ffi::OsStrExt as _;
        Path::new(std::ffi::OsStr::from_bytes(word)).starts_with(data)
    };
    matches!(verb, b"shim" | b"agent" | b"server") && words.iter().skip(2).any(below)
}

/// Servers and agents on a data directory whose `up` is gone, so that they are about to end.
fn orphans(data: &Path) -> Vec<u32> {
    let ends = |pid: &u32| parent_of(&words(*pid)).is_some_and(|parent| !is_alive(parent));
    on(data).into_iter().filter(ends).collect()
}

/// With whom a process said it would end.
fn parent_of(words: &[Vec<u8>]) -> Option<u32> {
    let at = words.iter().position(|word| word == b"--exit-with-parent")?;
    std::str::from_utf8(words.get(at + 1)?).ok()?.parse().ok()
}

/// Waits until what an `up` that was killed left behind has ended. Whether it has within this time.
pub async fn orphans_ended(data: &Path, within: Duration, tell: impl FnOnce()) -> bool {
    if orphans(data).is_empty() {
        return true;
    }
    tell();
    gone(within, || orphans(data)).await.is_empty()
}

/// Waits until there are none of these. What there still is when the time is over.
pub async fn gone(within: Duration, left: impl Fn() -> Vec<u32>) -> Vec<u32> {
    let waiting = async {
        while !left().is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(within, waiting).await {
        Ok(()) => Vec::new(),
        Err(_) => left(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_ours_are_told_by_their_command_line() {
        let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        let data = Path::new("/d/demo");
        assert!(works_on(&words("/x/mainstay shim /d/demo/agent/s/1"), data));
        assert!(works_on(&words("mainstay server --data /d/demo"), data));
        assert!(!works_on(&words("mainstay server --data /d/demo2"), data));
        assert!(!works_on(&words("vim /d/demo/draft.md"), data));
        assert_eq!(parent_of(&words("m agent --exit-with-parent 12 --x")), Some(12));
        assert_eq!(parent_of(&words("m agent --exit-with-parent")), None);
        assert!(is_alive(std::process::id()) && !is_alive(u32::MAX));
    }
}
