//! Commands on a real host: real processes, an agent that is killed, a server that the test plays.

#![allow(clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;

use common::{Host, alive, gate, open_gate, program, until};
use mainstay_api::link::{self, command_state, finished::End, from_agent, from_server};
use rustix::process::{Pid, Signal};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_what_is_declared_and_nothing_else() {
    let mut host = Host::up().await;
    let script = "cat; echo $T; echo err >&2; pwd >&2; env; exit 3";
    host.run(link::Command { stdin: b"in\n".to_vec(), ..host.command("c1", script) });
    let done = host.finished("c1").await;
    assert_eq!(done.end, Some(End::ExitCode(3)));
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(out.starts_with(&format!("in\n{}\n", host.dir.path().display())), "{out}");
    assert!(!out.contains("A_SECRET"), "{out}");
    for line in ["MAINSTAY_COMMAND=c1", "MAINSTAY_HOST=h1", "MAINSTAY_AGENT_SOCKET="] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let path = out.lines().find_map(|line| line.strip_prefix("PATH=")).expect("a PATH");
    assert!(path.starts_with(&program().parent().expect("a directory").display().to_string()), "{path}");
    assert!(err.starts_with("err\n") && err.trim_end().ends_with("ledger/c1/work"), "{err}");
    assert!(done.started_ms > 0 && done.finished_ms >= done.started_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_writes_is_seen_while_it_runs_also_by_the_next_agent() {
    let mut host = Host::up().await;
    for name in ["one", "two"] {
        gate(&host.path(name));
    }
    let script = "seq 1 100; echo first >&2; read go < $T/one; printf 'sec\\033[31mond\\n'; read go < $T/two; echo last";
    host.run(host.command("c1", script));
    let lines = |wanted: &'static str| {
        move |body: &from_agent::Body| match body {
            from_agent::Body::Output(output) if output.lines.iter().any(|line| line.contains(wanted)) => {
                assert_eq!(output.id, "c1");
                Some(output.lines.clone())
            }
            _ => None,
        }
    };
    let seen = host.hear(lines("first")).await;
    assert!(seen.len() == 20 && seen.contains(&"100".to_owned()), "{seen:?}");
    host.end(Signal::KILL).await;
    host.start().await;
    open_gate(&host.path("one")).await;
    let seen = host.hear(lines("ond")).await;
    assert!(seen.contains(&"sec[31mond".to_owned()), "nothing commands the terminal: {seen:?}");
    open_gate(&host.path("two")).await;
    // The ledger of the new agent answers when it is asked.
    host.run(host.command("c1", script));
    let done = host.finished("c1").await;
    assert!(text(&done.stdout).ends_with("last\n"), "the result holds all of it");
    assert!(!host.data().join("agent/ledger/c1/live").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_runs_once_however_often_it_comes() {
    let mut host = Host::up().await;
    let command = host.command("c1", "echo x >> $T/count");
    for _ in 0..5 {
        host.run(command.clone());
    }
    assert_eq!(host.finished("c1").await.end, Some(End::ExitCode(0)));
    host.run(link::Command { script: b"echo other >> $T/count".to_vec(), ..command.clone() });
    assert_eq!(host.finished("c1").await.end, Some(End::ExitCode(0)));
    host.tell(from_server::Body::Forget(link::Forget { id: "c1".to_owned() }));
    host.run(command.clone());
    let unknown = |end| matches!(end, Some(End::Unknown(reason)) if reason.contains("no longer kept"));
    assert!(unknown(host.finished("c1").await.end));
    assert!(!host.data().join("agent/ledger/c1").exists());
    host.end(Signal::KILL).await;
    assert_eq!(host.start().await.kept_commands, [""; 0]);
    host.run(command);
    assert!(unknown(host.finished("c1").await.end));
    assert_eq!(host.lines("count"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_command_outlives_its_agent_and_runs_once() {
    let mut host = Host::up().await;
    gate(&host.path("gate"));
    let command = host.command("c1", "echo x >> $T/count; read go < $T/gate; echo done");
    host.run(command.clone());
    let pid = host.running("c1").await;
    host.end(Signal::KILL).await;
    assert!(alive(pid));
    assert_eq!(host.start().await.kept_commands, ["c1"]);
    host.run(command.clone());
    assert_eq!(host.running("c1").await, pid);
    open_gate(&host.path("gate")).await;
    let done = host.finished("c1").await;
    assert_eq!((done.end, text(&done.stdout)), (Some(End::ExitCode(0)), "done\n".to_owned()));
    assert_eq!(host.lines("count"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_without_an_agent_is_answered_by_the_next() {
    let mut host = Host::up().await;
    gate(&host.path("gate"));
    let command = host.command("c1", "echo x >> $T/count; read go < $T/gate; echo done; exit 7");
    host.run(command.clone());
    let pid = host.running("c1").await;
    host.end(Signal::KILL).await;
    open_gate(&host.path("gate")).await;
    until("the command ends", || !alive(pid)).await;
    host.start().await;
    host.run(command);
    let done = host.finished("c1").await;
    assert_eq!((done.end, text(&done.stdout)), (Some(End::ExitCode(7)), "done\n".to_owned()));
    assert_eq!(host.lines("count"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_agent_at_any_moment_runs_each_command_once() {
    let mut host = Host::up().await;
    for round in 0..8 {
        let ids: Vec<String> = (0..6).map(|number| format!("r{round}-{number}")).collect();
        for id in &ids {
            host.run(host.command(id, "echo $MAINSTAY_COMMAND >> $T/count"));
        }
        // As many answers as the round says are waited for, so that the kill falls at different places.
        for _ in 0..round % 4 {
            host.hear(|body| match body {
                from_agent::Body::Command(state) => {
                    matches!(state.state, Some(command_state::State::Finished(_))).then_some(())
                }
                _ => None,
            })
            .await;
        }
        host.end(Signal::KILL).await;
        host.start().await;
        for id in &ids {
            host.run(host.command(id, "echo $MAINSTAY_COMMAND >> $T/count"));
        }
        for id in &ids {
            // Each one by itself: they may end in any order.
            host.run(host.command(id, "echo $MAINSTAY_COMMAND >> $T/count"));
            assert_eq!(host.finished(id).await.end, Some(End::ExitCode(0)), "{id}");
        }
    }
    let ran = fs::read_to_string(host.path("count")).expect("they ran");
    let mut ran: Vec<&str> = ran.lines().collect();
    ran.sort_unstable();
    let count = ran.len();
    ran.dedup();
    assert_eq!((count, ran.len()), (48, 48));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_waits_for_its_commands_in_vain_can_still_be_ended() {
    let mut host = Host::up().await;
    let script = "exec sleep 1000";
    host.desire("r1", vec![host.shell("a", script)]);
    host.run(host.command("c1", script));
    let command = host.running("c1").await;
    let status = fs::read(host.data().join("agent/ledger/c1/status.json")).expect("it runs");
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    let shim = status["shim_pid"].as_u64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    let shim = Pid::from_raw(shim).expect("a pid");
    rustix::process::kill_process(shim, Signal::STOP).expect("ours");
    let ready = host.event("service.ready", "a").await;
    let service = u32::try_from(ready["pid"].as_u64().expect("a pid")).expect("small");
    // Who has its orders open sees when they have come.
    let orders = fs::File::options().read(true).write(true).open(host.data().join("agent/ledger/c1/control"));
    let orders = orders.expect("a FIFO");
    host.signal(Signal::INT);
    until("the service is stopped", || !alive(service)).await;
    until("the command is told to end", || rustix::io::ioctl_fionread(&orders).is_ok_and(|bytes| bytes > 0))
        .await;
    assert!(host.end(Signal::TERM).await.success());
    rustix::process::kill_process(shim, Signal::CONT).expect("ours");
    until("the command ends as it was told", || !alive(command)).await;
    host.start().await;
    host.run(host.command("c1", script));
    assert!(matches!(host.finished("c1").await.end, Some(End::Cancelled(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_ends_the_whole_tree() {
    let mut host = Host::up().await;
    let script = "trap '' TERM
        setsid sh -c 'echo $$ >> $T/pids; sleep 1000' &
        (trap '' TERM; echo $$ >> $T/pids; sleep 1000) &
        sleep 1000 & echo $! >> $T/pids
        echo partial; wait; wait; wait; sleep 1000";
    host.run(link::Command { timeout_ms: 500, ..host.command("c1", script) });
    let done = host.finished("c1").await;
    assert_eq!((done.end, text(&done.stdout)), (Some(End::TimedOutMs(500)), "partial\n".to_owned()));
    let pids = fs::read_to_string(host.path("pids")).expect("they started");
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(!alive(pid.parse().expect("a pid")), "{pid} is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_in_its_group_ends_with_it_and_a_daemon_stays() {
    let mut host = Host::up().await;
    let script = "sleep 1000 & echo $! > $T/left
        setsid sh -c 'echo $$ > $T/daemon; exec sleep 1000' > /dev/null 2>&1 < /dev/null &
        while [ ! -s $T/daemon ]; do sleep 0.01; done";
    host.run(host.command("c1", script));
    assert_eq!(host.finished("c1").await.end, Some(End::ExitCode(0)));
    let pid =
        |name: &str| fs::read_to_string(host.path(name)).expect(name).trim().parse::<u32>().expect("a pid");
    assert!(!alive(pid("left")));
    let daemon = pid("daemon");
    assert!(alive(daemon));
    let daemon = Pid::from_raw(i32::try_from(daemon).expect("small")).expect("a pid");
    rustix::process::kill_process(daemon, Signal::KILL).expect("ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_bounded_and_need_not_be_text() {
    let mut host = Host::up().await;
    host.run(host.command("c1", "head -c 30000000 /dev/zero; printf 'END\\377'; (yes | head -c 200000) >&2"));
    host.run(link::Command {
        output_limit: 1000,
        timeout_ms: 300,
        ..host.command("c2", "printf BEGIN; yes")
    });
    let done = host.finished("c1").await;
    assert_eq!(done.end, Some(End::ExitCode(0)));
    assert!(done.stdout.len() <= 65_536 && done.stdout.ends_with(b"END\xff"), "{}", done.stdout.len());
    assert!(text(&done.stdout).contains(&format!("[{} bytes left out]", done.stdout_truncated)));
    assert!(done.stdout_truncated > 29_000_000);
    host.run(host.command("c2", ""));
    let done = host.finished("c2").await;
    assert_eq!(done.end, Some(End::TimedOutMs(300)));
    assert!(
        done.stdout.len() <= 1000 && done.stdout.starts_with(b"BEGINy\n") && done.stdout.ends_with(b"y\n")
    );
}

async fn takes_too_much(polling: bool) {
    let mut host = Host::new().await;
    host.polling = polling;
    host.start().await;
    let script = format!("{} eat 300000000; echo survived", program().display());
    host.run(link::Command { memory_limit: 64 << 20, ..host.command("c1", &format!("{script}; exit 1")) });
    let done = host.finished("c1").await;
    let Some(End::MemoryExceeded(reason)) = done.end else { panic!("{:?}", done.end) };
    assert!(reason.contains("limit of 67108864 bytes"), "{reason}");
    assert_eq!(reason.contains("held by polling"), polling || !reason.contains("cgroup"), "{reason}");
    println!("{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_limit_holds() {
    takes_too_much(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_limit_holds_without_cgroups() {
    takes_too_much(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_cancelled_before_and_while_it_runs() {
    let mut host = Host::up().await;
    host.run(host.command("c1", "sleep 1000"));
    let pid = host.running("c1").await;
    host.cancel("c1", true);
    host.cancel("c1", false);
    assert_eq!(host.finished("c1").await.end, Some(End::Cancelled("enough".to_owned())));
    assert!(!alive(pid));
    for (id, unless_arrived) in [("c2", false), ("c3", true)] {
        host.cancel(id, unless_arrived);
        let first = host.finished(id).await.end.expect("an end");
        assert!(matches!(
            (&first, unless_arrived),
            (End::Cancelled(_), false) | (End::NotDelivered(_), true)
        ));
        host.run(host.command(id, "echo x >> $T/count"));
        assert_eq!(host.finished(id).await.end, Some(first));
    }
    assert_eq!(host.lines("count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_senseless_command_is_refused_with_a_reason() {
    let mut host = Host::up().await;
    let base = host.command("x", "true");
    let bad = [
        (link::Command { interpreter: Vec::new(), ..base.clone() }, "names no interpreter"),
        (
            link::Command { interpreter: vec!["no-such".to_owned()], ..base.clone() },
            "`no-such` is not found in PATH",
        ),
        (link::Command { interpreter: vec!["/etc/passwd".to_owned()], ..base.clone() }, "is not executable"),
        (link::Command { directory: "here".to_owned(), ..base.clone() }, "not an absolute path"),
        (link::Command { directory: "/no/where".to_owned(), ..base.clone() }, "`/no/where` does not exist"),
        (link::Command { script: vec![b'#'; 1024 * 1024 + 1], ..base.clone() }, "at most 1048576"),
        (link::Command { id: "../x".to_owned(), ..base.clone() }, "is not a command id"),
        (link::Command { id: "forgotten".to_owned(), ..base }, "cannot be a command id"),
    ];
    for (command, part) in bad {
        let id = command.id.clone();
        host.run(command);
        match host.finished(&id).await.end {
            Some(End::NotStarted(reason)) => assert!(reason.contains(part), "{reason}"),
            other => panic!("{part}: {other:?}"),
        }
    }
    assert_eq!(host.lines("count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_supervisor_is_killed_is_unknown_and_gone() {
    let mut host = Host::up().await;
    let command = host.command("c1", "echo x >> $T/count; sleep 1000");
    host.run(command.clone());
    let pid = host.running("c1").await;
    let status = fs::read_to_string(host.data().join("agent/ledger/c1/status.json")).expect("there");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let shim = i32::try_from(status["shim_pid"].as_i64().expect("a pid")).ok().and_then(Pid::from_raw);
    rustix::process::kill_process(shim.expect("a pid"), Signal::KILL).expect("ours");
    let unknown = Some(End::Unknown("its supervisor was killed while it ran".to_owned()));
    assert_eq!(host.finished("c1").await.end, unknown);
    until("nothing is left", || !alive(pid)).await;
    host.run(command.clone());
    assert_eq!(host.finished("c1").await.end, unknown);
    // The record is damaged: still not run again.
    host.end(Signal::TERM).await;
    fs::write(host.data().join("agent/ledger/c1/status.json"), "{").expect("written");
    host.start().await;
    host.run(command);
    match host.finished("c1").await.end {
        Some(End::Unknown(reason)) => assert!(reason.contains("cannot be read"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(host.lines("count"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_agent_ends_its_commands() {
    let mut host = Host::up().await;
    host.run(host.command("c1", "sleep 1000"));
    let pid = host.running("c1").await;
    assert!(host.end(Signal::INT).await.success());
    assert!(!alive(pid));
    host.start().await;
    host.run(host.command("c1", ""));
    assert_eq!(host.finished("c1").await.end, Some(End::Cancelled("the agent ends".to_owned())));
}
