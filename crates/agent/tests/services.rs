//! Services on a real host: real processes, an agent that is killed, a server that the test plays.

#![allow(clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;
use std::process::Command;

use common::{Host, alive, free_port, gate, open_gate, program, until};
use mainstay_agent::control::{Reply, Request};
use mainstay_api::link::{self, from_agent};
use rustix::process::{Pid, Signal};
use serde_json::Value;

fn pid(event: &Value) -> u32 {
    u32::try_from(event["pid"].as_u64().unwrap_or_else(|| panic!("no pid: {event}"))).expect("a pid")
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("ours");
}

fn reason(event: &Value) -> &str {
    event["reason"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_in_order_and_stop_in_reverse() {
    let mut host = Host::up().await;
    let (a, b) = (free_port(), free_port());
    let needs = link::Service { depends_on: vec!["b".to_owned()], ..host.service("a", a) };
    host.desire("r1", vec![needs, host.service("b", b)]);
    let mut order = Vec::new();
    while order.len() < 4 {
        let seen = host.hear(|body| match body {
            from_agent::Body::Happened(event) => Some(format!("{} {}", event.subject, event.kind)),
            _ => None,
        });
        order.push(seen.await);
    }
    assert_eq!(
        order,
        [
            "component/b service.starting",
            "component/b service.ready",
            "component/a service.starting",
            "component/a service.ready"
        ]
    );
    let report = host.hear(|body| match body {
        from_agent::Body::Report(report)
            if report.services.iter().all(|service| service.phase() == link::Phase::Ready) =>
        {
            Some(report.clone())
        }
        _ => None,
    });
    let report = report.await;
    assert_eq!((report.revision.as_str(), report.services.len()), ("r1", 2));
    let pids: Vec<u32> = report.services.iter().filter_map(|service| service.pid).collect();
    assert!(host.end(Signal::INT).await.success());
    assert!(pids.len() == 2 && pids.iter().all(|pid| !alive(*pid)));
    // The events are still to be had, in the order in which it happened.
    host.start().await;
    let stopped = |event: &link::Happened| event.kind == "service.stopped";
    let mut order = Vec::new();
    while order.len() < 2 {
        let seen = host.hear(|body| match body {
            from_agent::Body::Happened(event) if stopped(event) => Some(event.subject.clone()),
            _ => None,
        });
        order.push(seen.await);
    }
    assert_eq!(order, ["component/a", "component/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_outlive_their_agent_and_are_adopted() {
    let mut host = Host::up().await;
    let port = free_port();
    host.desire("r1", vec![host.service("a", port)]);
    let first = host.event("service.ready", "a").await;
    for signal in [Signal::KILL, Signal::TERM] {
        let status = host.end(signal).await;
        assert_eq!(status.success(), signal == Signal::TERM);
        assert!(alive(pid(&first)));
        // The next agent needs no server to go on: it knows what was desired.
        host.start().await;
        let adopted = host.event("service.adopted", "a").await;
        assert_eq!((pid(&adopted), &adopted["instance"]), (pid(&first), &first["instance"]));
        host.desire("r1", vec![host.service("a", port)]);
        assert_eq!(pid(&host.event("service.ready", "a").await), pid(&first));
    }
    kill(pid(&first));
    let exited = host.event("service.exited", "a").await;
    assert_eq!((exited["signal"].as_str(), &exited["instance"]), (Some("SIGKILL"), &first["instance"]));
    assert_ne!(pid(&host.event("service.ready", "a").await), pid(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_an_agent_is_said_by_the_next_with_its_last_lines() {
    let mut host = Host::up().await;
    gate(&host.path("gate"));
    host.desire("r1", vec![host.shell("a", "echo one; read go < gate; echo two >&2; exit 4")]);
    let first = host.event("service.ready", "a").await;
    host.end(Signal::KILL).await;
    open_gate(&host.path("gate")).await;
    until("the service ends", || !alive(pid(&first))).await;
    host.start().await;
    let exited = host.event("service.exited", "a").await;
    assert_eq!((&exited["exit_code"], &exited["tail"]), (&4.into(), &serde_json::json!(["one", "two"])));
    assert_eq!(exited["instance"], first["instance"]);
    let restarting = host.event("service.restarting", "a").await;
    assert!(restarting["delay_ms"].as_u64().is_some_and(|ms| (375..=625).contains(&ms)), "{restarting}");
    assert_ne!(host.event("service.starting", "a").await["instance"], first["instance"]);
    match host.ask(Request::Logs { name: "a".to_owned(), lines: 3 }).await.expect("no panic") {
        Ok(Reply::Logs { lines }) => assert_eq!(lines[..2], ["one", "two"]),
        other => panic!("{other:?}"),
    }
    // Unacknowledged, it is said again after another kill, with the same id.
    host.end(Signal::KILL).await;
    host.start().await;
    assert_eq!(host.event("service.exited", "a").await["event_id"], exited["event_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_service_is_restarted() {
    let mut host = Host::up().await;
    host.desire("r1", vec![host.service("a", free_port())]);
    let first = host.event("service.ready", "a").await;
    fs::write(host.path("sick"), "").expect("written");
    let unhealthy = host.event("service.unhealthy", "a").await;
    assert!(
        reason(&unhealthy).contains("/health: answered 503 Service Unavailable: I am sick"),
        "{unhealthy}"
    );
    let stopped = host.event("service.stopped", "a").await;
    assert!(reason(&stopped).starts_with("it is unhealthy: GET http://127.0.0.1:"), "{stopped}");
    fs::remove_file(host.path("sick")).expect("removed");
    assert_ne!(pid(&host.event("service.ready", "a").await), pid(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let mut host = Host::up().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    fs::write(host.path("plain"), "").expect("written");
    fs::write(host.path("lost"), "#!/no/such/interpreter\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(host.path("lost"), mode).expect("ours");
    let at = |name: &str| host.path(name).display().to_string();
    let cases = [
        (host.service("a", port), format!("its port {port} is in use by `")),
        (
            link::Service { run: "./none".to_owned(), ..host.shell("b", "") },
            format!("`{}` does not exist", at("none")),
        ),
        (
            link::Service { run: "plain".to_owned(), ..host.shell("c", "") },
            "`plain` is not found in PATH".to_owned(),
        ),
        (link::Service { run: "./plain".to_owned(), ..host.shell("d", "") }, "is not executable".to_owned()),
        (
            link::Service { directory: at("away"), ..host.shell("e", "") },
            format!("its directory `{}` does not exist", at("away")),
        ),
        (
            link::Service { run: "./lost".to_owned(), ..host.shell("f", "") },
            "the interpreter its first line names does not".to_owned(),
        ),
        (
            link::Service { run: "a | b".to_owned(), ..host.shell("g", "") },
            "it runs without a shell".to_owned(),
        ),
        (
            link::Service { run: "sh ${prot}".to_owned(), ..host.shell("h", "") },
            "`${prot}`, which is not known".to_owned(),
        ),
    ];
    for (service, part) in cases {
        let component = service.component.clone();
        host.desire(&component, vec![service]);
        let failed = host.event("service.failed", &component).await;
        assert!(reason(&failed).contains(&part), "{part}: {failed}");
    }
    // Asked for by hand, the reason comes as the answer.
    host.desire("r", vec![host.service("a", port)]);
    let holder = format!("(process {})", std::process::id());
    let failed = host.event("service.failed", "a").await;
    assert!(reason(&failed).contains(&holder), "{failed}");
    let answer = host.ask(Request::Restart { name: "a".to_owned() }).await.expect("no panic");
    assert!(answer.expect_err("taken").to_string().contains(&holder));
    drop(taken);
    let answer = host.ask(Request::Restart { name: "a".to_owned() }).await.expect("no panic");
    assert!(matches!(answer, Ok(Reply::Done { pid: Some(_), .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_end_in_time_is_killed_with_its_children() {
    let mut host = Host::up().await;
    let script = "trap \"\" TERM; sh -c \"trap : TERM; echo \\$\\$ > child; while :; do sleep 1; done\" & while :; do sleep 1; done";
    let stop = Some(link::Stop { signal: "SIGTERM".to_owned(), deadline_ms: 200 });
    host.desire("r1", vec![link::Service { stop, ..host.shell("a", script) }]);
    let ready = host.event("service.ready", "a").await;
    until("the child runs", || host.lines("child") == 1).await;
    let child = fs::read_to_string(host.path("child")).expect("there").trim().parse().expect("a pid");
    host.desire("r2", Vec::new());
    let stopped = host.event("service.stopped", "a").await;
    assert!(reason(&stopped).ends_with("it did not end in time and was killed"), "{stopped}");
    assert!(!alive(pid(&ready)) && !alive(child));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_restarted() {
    let mut host = Host::up().await;
    let (one, two) = (free_port(), free_port());
    host.desire("r1", vec![host.service("a", one), host.service("b", two)]);
    let mut pids = std::collections::BTreeMap::new();
    while pids.len() < 2 {
        let (name, pid) = host
            .hear(|body| match body {
                from_agent::Body::Happened(event) if event.kind == "service.ready" => {
                    let data: Value = serde_json::from_str(&event.data_json).expect("JSON");
                    Some((event.subject.clone(), pid(&data)))
                }
                _ => None,
            })
            .await;
        pids.insert(name, pid);
    }
    let env = [("NEW".to_owned(), "1".to_owned())].into();
    host.desire("r2", vec![link::Service { env, ..host.service("a", one) }, host.service("b", two)]);
    let stopped = host.event("service.stopped", "a").await;
    assert_eq!(reason(&stopped), "its declaration changed");
    assert_ne!(pid(&host.event("service.ready", "a").await), pids["component/a"]);
    match host.ask(Request::Services).await.expect("no panic") {
        Ok(Reply::Services { services }) => {
            assert_eq!(services.len(), 2);
            assert_eq!((services[1].phase.as_str(), services[1].pid), ("ready", Some(pids["component/b"])));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restarts_stops_and_starts() {
    let mut host = Host::up().await;
    host.desire("r1", vec![host.service("a", free_port())]);
    let first = host.event("service.ready", "a").await;
    let name = || "a".to_owned();
    let answer = host.ask(Request::Restart { name: "shop/a".to_owned() }).await.expect("no panic");
    let Ok(Reply::Done { service, pid: Some(second) }) = answer else { panic!("{answer:?}") };
    assert!(service == "shop.a" && second != pid(&first) && alive(second) && !alive(pid(&first)));
    let answer = host.ask(Request::Stop { name: name() }).await.expect("no panic");
    assert!(matches!(answer, Ok(Reply::Done { pid: None, .. })) && !alive(second), "{answer:?}");
    // It stays stopped, also with another agent and another revision.
    host.end(Signal::KILL).await;
    host.start().await;
    let changed =
        link::Service { env: [("X".to_owned(), "1".to_owned())].into(), ..host.service("a", free_port()) };
    host.desire("r2", vec![changed]);
    let held = host.hear(|body| match body {
        from_agent::Body::Report(report) if report.revision == "r2" => Some(report.services[0].clone()),
        _ => None,
    });
    let held = held.await;
    assert_eq!((held.phase(), held.reason.as_str()), (link::Phase::Stopped, "stopped by hand"));
    let answer = host.ask(Request::Start { name: name() }).await.expect("no panic");
    assert!(matches!(answer, Ok(Reply::Done { pid: Some(_), .. })), "{answer:?}");
    let answer = host.ask(Request::Stop { name: "nobody".to_owned() }).await.expect("no panic");
    let error = answer.expect_err("unknown").to_string();
    assert_eq!(error, "there is no service `nobody` on this host: it has shop.a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_asked_for_by_a_command_that_dies_still_happens() {
    let mut host = Host::up().await;
    host.desire("r1", vec![host.service("a", free_port())]);
    let first = host.event("service.ready", "a").await;
    let socket = host.data().join("agent/control.sock");
    {
        use std::io::Write as _;
        let mut caller = std::os::unix::net::UnixStream::connect(socket).expect("the agent answers");
        caller.write_all(b"{\"do\":\"restart\",\"name\":\"a\"}\n").expect("written");
    }
    assert_eq!(reason(&host.event("service.stopped", "a").await), "a restart was asked for on the host");
    assert_ne!(pid(&host.event("service.ready", "a").await), pid(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_limit_ends_a_service_and_says_so() {
    let mut host = Host::new().await;
    host.polling = true;
    host.start().await;
    let run = format!("{} eat 300000000", program().display());
    let greedy = link::Service { memory_limit: 64 << 20, run, ..host.shell("a", "") };
    host.desire("r1", vec![greedy]);
    let exited = host.event("service.exited", "a").await;
    assert!(reason(&exited).contains("limit of 67108864 bytes"), "{exited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_run_says_why() {
    let mut host = Host::up().await;
    let fails = |command: &mut Command| {
        let output = command.stderr(std::process::Stdio::piped()).output().expect("it starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = fails(&mut host.agent_command());
    assert!(said.starts_with("another agent (process ") && said.contains("another data directory"), "{said}");
    host.end(Signal::TERM).await;
    let agent = |data: &str, server: &str| {
        let mut command = Command::new(program());
        command.args(["agent", data, server]);
        command
    };
    let data = host.data().display().to_string();
    assert!(fails(&mut agent(&data, "https://example.org:7601")).contains("not built yet"));
    let long = host.path(&"x".repeat(120)).display().to_string();
    assert!(fails(&mut agent(&long, "/s")).contains("too long for a socket"));
    fs::write(host.path("file"), "").expect("written");
    let said = fails(&mut agent(&host.path("file").display().to_string(), "/s"));
    assert!(said.starts_with("the agent cannot use `"), "{said}");
}

/// Every file below a directory that holds a text.
fn holding(at: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => out.extend(holding(&path, text)),
            Ok(kind) if kind.is_file() => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    out.push(path);
                }
            }
            _ => {}
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_service_and_no_file_of_the_agent() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut host = Host::up().await;
    let secret = host.path("password");
    std::fs::write(&secret, "hunter2 and more\n").expect("written");
    let readable =
        |mode| std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).expect("set");
    let secrets = || [("DB_PASSWORD".to_owned(), format!("file:{}", secret.display()))].into();
    readable(0o644);
    host.desire("r1", vec![link::Service { secrets: secrets(), ..host.shell("a", "sleep 1000") }]);
    let failed = reason(&host.event("service.failed", "a").await).to_owned();
    assert!(failed.contains("DB_PASSWORD") && failed.contains("mode 0644"), "{failed}");
    readable(0o600);
    let script = "[ \"$DB_PASSWORD\" = \"hunter2 and more\" ] && [ \"$GREETING\" = \"a $ b\" ] && exec sleep 1000; exit 7";
    // What is looked for must not be found in the script.
    let script = script.replace("hunter2", "hunt\"\"er2");
    let env = [("GREETING".to_owned(), "a $$ b".to_owned())].into();
    host.desire("r2", vec![link::Service { secrets: secrets(), env, ..host.shell("b", &script) }]);
    host.event("service.ready", "b").await;
    assert_eq!(holding(&host.data(), "hunter2"), Vec::<std::path::PathBuf>::new());
}
