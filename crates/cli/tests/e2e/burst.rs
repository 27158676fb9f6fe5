//! A hundred thousand events in seconds, for targets of which one is quick, one is slow and one never answers: memory has an
//! end, nobody waits for another, and each target is called once for each event.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::processes::{PATIENCE, now};
use crate::storm::message;
use crate::world::{World, port};

const EVENTS: u64 = 100_000;

/// One event in so many is for all targets; the others match nothing.
const MATCHES: u64 = 20;

/// Events of one request.
const BATCH: u64 = 1000;

/// The most memory that the server may have taken, in KiB: many times what it needs, and a small part of what a hundred
/// thousand events take that are all kept.
const MOST_KIB: u64 = 400 << 10;

/// How often each target was called for each event.
type Calls = Arc<Mutex<BTreeMap<String, BTreeMap<u64, u32>>>>;

fn receive(calls: &Calls) -> u16 {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let calls = calls.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let calls = calls.clone();
            std::thread::spawn(move || answer(stream, &calls));
        }
    });
    port
}

fn answer(mut stream: TcpStream, calls: &Calls) {
    let Ok(again) = stream.try_clone() else { return };
    let mut reader = BufReader::new(again);
    while let Some((first, _, body)) = message(&mut reader) {
        let body: Value = serde_json::from_slice(&body).expect("an event");
        let number = body["detail"]["n"].as_u64().expect("a number");
        let target = first.split([' ', '/']).nth(2).unwrap_or_default().to_owned();
        *calls.lock().expect("whole").entry(target.clone()).or_default().entry(number).or_default() += 1;
        match target.as_str() {
            // Nobody hears of this one again until the test is over.
            "hangs" => std::thread::park(),
            "slow" => std::thread::park_timeout(Duration::from_millis(5)),
            _ => {}
        }
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            return;
        }
    }
}

fn send(world: &World) {
    let mut stream = TcpStream::connect(("127.0.0.1", world.http)).expect("it listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    for first in (0..EVENTS).step_by(BATCH as usize) {
        let event = |n: u64| {
            let kind = if n.is_multiple_of(MATCHES) { "wanted" } else { "noise" };
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"n-{n}\",\"source\":\"burst\",\"type\":\"burst.{kind}\",\"data\":{{\"n\":{n}}}}}"
            )
        };
        let body = format!("[{}]", (first..first + BATCH).map(event).collect::<Vec<_>>().join(","));
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/cloudevents-batch+json\r\nprefer: return=minimal\r\ncontent-length: {}\r\n\r\n",
            world.token(),
            body.len()
        );
        // Told to come back, it does.
        loop {
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("sent");
            let (first, _, said) = message(&mut reader).expect("an answer");
            if first.contains(" 204 ") {
                break;
            }
            assert!(first.contains(" 429 "), "{first}: {}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn a_burst_is_delivered_fairly_and_in_bounded_memory() {
    let calls = Calls::default();
    let port = receive(&calls);
    let mut world = World::new();
    world.start_server();
    let mut workload = "workload: burst\nwebhooks:\n".to_owned();
    for (name, parallel) in [("quick", 16), ("slow", 4), ("hangs", 8)] {
        workload.push_str(&format!(
            "  {name}: {{ url: \"http://127.0.0.1:{port}/{name}\", parallel: {parallel}, timeout: 60s }}\n"
        ));
        world.write(
            &format!("triggers/{name}.yaml"),
            &format!("Name: {name}\nEventPattern: {{ source: [burst], detail-type: [burst.wanted] }}\nTargets: [{{ Id: it, Arn: webhook/{name} }}]\n"),
        );
    }
    world.write("mainstay.yaml", &workload);
    world.apply();
    send(&world);
    let wanted = usize::try_from(EVENTS / MATCHES).expect("few");
    let deadline = now() + PATIENCE * 6;
    let count = |target: &str| calls.lock().expect("whole").get(target).map_or(0, BTreeMap::len);
    while count("quick") < wanted || count("slow") < wanted {
        assert!(now() < deadline, "{} and {} of {wanted}", count("quick"), count("slow"));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(count("hangs"), 8, "as many as it may have at once, which it never answers");
    for (target, events) in calls.lock().expect("whole").iter() {
        assert!(events.values().all(|times| *times == 1), "{target} is called once for each event");
        assert!(events.keys().all(|number| number.is_multiple_of(MATCHES)), "{target}");
    }
    // What waits behind the one that hangs is known, and nobody forgot it.
    let triggers = world.json(&["triggers"]);
    let of = |name: &str| {
        triggers["items"]
            .as_array()
            .expect("triggers")
            .iter()
            .find(|trigger| trigger["trigger"] == name)
            .expect("it is there")
            .clone()
    };
    assert_eq!(
        (of("hangs")["under_way"].as_u64(), of("hangs")["queued"].as_u64()),
        (Some(8), Some(wanted as u64 - 8))
    );
    assert_eq!(of("quick")["matched"], wanted as u64);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", world.server.as_ref().expect("it runs").pid))
            .expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < MOST_KIB, "{peak} KiB");
    println!("{EVENTS} events, {peak} KiB at most");
}
