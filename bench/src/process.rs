//! What the kernel knows about a process: the time it computed and the memory it holds.

use std::time::Duration;

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The time that all threads of a process have computed, in user and kernel; `self` is a process, too. Threads that
/// have ended since are not in it. Nothing where the process is gone.
#[must_use]
pub fn cpu_time(process: &str) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks
        .map(|task| std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
        .map(|text| number(text.split(' ').next()))
        .sum();
    Duration::from_nanos(nanoseconds)
}

/// The time that the thread this is called from has computed.
#[must_use]
pub fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(number(text.split(' ').next()))
}

/// Bytes of memory: resident now, and at most so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Resident at most since the process began.
    pub peak: u64,
}

/// The memory of a process; zeros where it is gone.
#[must_use]
pub fn memory(process: &str) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        number(line.map(|line| line.trim_end_matches("kB"))) * 1024
    };
    Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
}
