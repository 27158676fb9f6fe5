//! How long a start takes and how much memory an idle machine needs: printed, not asserted.

use std::path::Path;
use std::time::Duration;

use crate::processes::{now, processes_of};
use crate::world::{World, binary};

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
}

fn measure(name: &str, binary: &Path) {
    let mut world = World::of(binary);
    let mut starts = Vec::new();
    for _ in 0..5 {
        let began = now();
        world.start_server();
        starts.push(began.elapsed().as_millis());
        assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
    }
    world.start_server();
    world.start_agent();
    world.write_tiny();
    world.apply();
    world.ready("web");
    println!("{name}: server ready after {starts:?} ms");
    // Idle is a time in which nothing happens, so there is nothing to wait for but the time.
    let quiet = std::sync::mpsc::channel::<()>();
    let _ = quiet.1.recv_timeout(Duration::from_secs(3));
    for (pid, arguments) in processes_of(world.dir()) {
        let verb = arguments.split(' ').nth(1).unwrap_or_default();
        if matches!(verb, "server" | "agent" | "shim") {
            println!("{name}: {verb} {:.1} MiB resident", resident_kib(pid) as f64 / 1024.0);
        }
    }
}

#[test]
fn starts_and_memory_are_measured() {
    let built = binary();
    measure("this build", &built);
    let release = built.ancestors().nth(2).map(|target| target.join("release/mainstay"));
    if let Some(release) = release.filter(|release| release.is_file() && *release != built) {
        measure("release build", &release);
    }
}
