//! The server is killed under load, again and again: every event that was acknowledged is in the journal once and has
//! reached its targets.
//!
//! `MAINSTAY_STORM_ROUNDS` says how often it is killed; a few times by default.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::processes::{PATIENCE, now};
use crate::world::{World, port};

/// How many events of a burst start a run, and how many are only sent on: one in so many.
const RUN_EVERY: u64 = 100;

/// Reads one HTTP message: its first line, its headers, its body. `None` when the connection ends.
pub(crate) fn message(
    reader: &mut BufReader<TcpStream>,
) -> Option<(String, BTreeMap<String, String>, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim().split_once(':') {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first.trim().to_owned(), headers, body))
}

/// A receiver of webhooks that notes each request: its key, its try, and the number in its body.
#[derive(Clone, Default)]
struct Receiver {
    calls: Arc<Mutex<Vec<(String, u32, u64)>>>,
}

impl Receiver {
    fn listen(&self) -> u16 {
        let port = port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let receiver = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = receiver.clone();
                std::thread::spawn(move || receiver.serve(stream));
            }
        });
        port
    }

    fn serve(&self, mut stream: TcpStream) {
        let Ok(again) = stream.try_clone() else { return };
        let mut reader = BufReader::new(again);
        while let Some((_, headers, body)) = message(&mut reader) {
            let body: Value = serde_json::from_slice(&body).expect("an event");
            let number = body["detail"]["n"].as_u64().expect("a number");
            let tried = headers["mainstay-attempt"].parse().expect("a number");
            self.calls.lock().expect("whole").push((headers["idempotency-key"].clone(), tried, number));
            if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
        }
    }
}

/// Sends events until it is stopped, one after the other or in batches, and notes which were acknowledged.
struct Sender {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<BTreeSet<u64>>>,
}

impl Sender {
    fn start(http: u16, token: &str, next: &Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..4)
            .map(|number| {
                let (stop, token, next) = (stop.clone(), token.to_owned(), next.clone());
                std::thread::spawn(move || send(http, &token, &next, if number == 0 { 20 } else { 1 }, &stop))
            })
            .collect();
        Self { stop, threads }
    }

    fn stop(self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    }
}

fn event(number: u64) -> String {
    let kind = if number.is_multiple_of(RUN_EVERY) { "counted" } else { "sent" };
    format!(
        "{{\"specversion\": \"1.0\", \"id\": \"n-{number}\", \"source\": \"storm\", \"type\": \"storm.{kind}\", \"data\": {{\"n\": {number}}}}}"
    )
}

fn send(http: u16, token: &str, next: &AtomicU64, size: u64, stop: &AtomicBool) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    let mut connection: Option<(TcpStream, BufReader<TcpStream>)> = None;
    while !stop.load(Ordering::SeqCst) {
        let Some((stream, reader)) = &mut connection else {
            // While the server is away there is nobody to send to.
            let Ok(stream) = TcpStream::connect(("127.0.0.1", http)) else {
                std::thread::yield_now();
                continue;
            };
            let again = stream.try_clone().expect("a second handle");
            connection = Some((stream, BufReader::new(again)));
            continue;
        };
        let first = next.fetch_add(size, Ordering::SeqCst);
        let numbers = first..first + size;
        let (form, body) = if size == 1 {
            ("cloudevents", event(first))
        } else {
            ("cloudevents-batch", format!("[{}]", numbers.clone().map(event).collect::<Vec<_>>().join(",")))
        };
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/{form}+json\r\nprefer: return=minimal\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        match sent.ok().and_then(|()| message(reader)) {
            Some((first, _, _)) if first.contains(" 20") => acknowledged.extend(numbers),
            Some((first, _, body)) => {
                let busy = first.contains(" 429 ") || first.contains(" 503 ");
                assert!(busy, "{first}: {}", String::from_utf8_lossy(&body));
            }
            // Killed in between: whether these were taken nobody knows.
            None => connection = None,
        }
    }
    acknowledged
}

fn write_workload(world: &World, receiver: u16) {
    let dir = world.dir().display();
    world.write(
        "mainstay.yaml",
        &format!("workload: storm\nwebhooks:\n  sink: {{ url: \"http://127.0.0.1:{receiver}/hook\", parallel: 32 }}\n"),
    );
    world.write(
        "triggers/all.yaml",
        "Name: all\nEventPattern: { source: [storm] }\nTargets: [{ Id: sink, Arn: webhook/sink }]\n",
    );
    world.write(
        "triggers/counted.yaml",
        "Name: counted
EventPattern: { source: [storm], detail-type: [storm.counted] }
Targets:
  - Id: count
    Arn: procedure/count
    InputTransformer:
      InputPathsMap: { n: $.detail.n }
      InputTemplate: '{\"Number\": \"<n>\"}'
",
    );
    world.write(
        "runbooks/count.yaml",
        &format!(
            "schemaVersion: \"0.3\"
parameters: {{ Number: {{ type: String }} }}
mainSteps:
  - name: count
    action: aws:runCommand
    isEnd: true
    inputs:
      DocumentName: AWS-RunShellScript
      Targets: [{{ Key: \"tag:role\", Values: [app] }}]
      Parameters:
        commands: [\"echo {{{{ Number }}}} >> {dir}/counter\"]
"
        ),
    );
}

/// Waits until no call and no run is open.
fn settle(world: &World) {
    let deadline = now() + PATIENCE * 4;
    loop {
        let triggers = world.json(&["triggers"]);
        let is_idle = triggers["behind"] == 0
            && triggers["items"].as_array().expect("triggers").iter().all(|trigger| {
                trigger["queued"] == 0 && trigger["under_way"] == 0 && trigger["waiting"] == 0
            });
        let started = world.events("run.started").len();
        if is_idle && started == world.events("run.finished").len() {
            return;
        }
        assert!(now() < deadline, "it does not come to rest: {triggers:#}");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_killed_under_load_loses_nothing_that_it_acknowledged() {
    let rounds: u64 =
        std::env::var("MAINSTAY_STORM_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let receiver = Receiver::default();
    let mut world = World::up();
    write_workload(&world, receiver.listen());
    world.apply();
    let token = world.token();
    let next = Arc::new(AtomicU64::new(1));
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let sender = Sender::start(world.http, &token, &next);
        // Killed after some more events have come through, each time at another moment.
        let goal = next.load(Ordering::SeqCst) + 150 + round * 37 % 400;
        let deadline = now() + PATIENCE;
        while next.load(Ordering::SeqCst) < goal && now() < deadline {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        world.end_server(Signal::KILL);
        acknowledged.extend(sender.stop());
        world.start_server();
    }
    settle(&world);

    // In the journal once.
    let mut times: BTreeMap<u64, u32> = BTreeMap::new();
    for event in world.events("storm.*") {
        *times.entry(event["data"]["n"].as_u64().expect("a number")).or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1));
    let lost: Vec<&u64> = acknowledged.iter().filter(|number| !times.contains_key(number)).collect();
    assert!(lost.is_empty(), "acknowledged and not in the journal: {lost:?}");
    assert!(acknowledged.len() > 50 * usize::try_from(rounds).expect("few"), "{}", acknowledged.len());

    // Every event of the journal reached its webhook, each under one key, and again only where a life ended within.
    let calls = receiver.calls.lock().expect("whole").clone();
    let mut keys: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for (key, _, number) in &calls {
        keys.entry(*number).or_default().insert(key);
    }
    let missing: Vec<&u64> = times.keys().filter(|number| !keys.contains_key(number)).collect();
    assert!(missing.is_empty(), "not sent on: {missing:?}");
    assert!(keys.values().all(|keys| keys.len() == 1), "one key for each event");
    let distinct: BTreeSet<(&str, u32)> =
        calls.iter().map(|(key, tried, _)| (key.as_str(), *tried)).collect();
    let repeated = calls.len() - keys.len();
    // So many may have been under way or not written down yet when a life ended.
    assert!(distinct.len() + (512 + 1024) * usize::try_from(rounds).expect("few") >= calls.len());

    // Every run was started once, and did its work once.
    let counted = std::fs::read_to_string(world.dir().join("counter")).unwrap_or_default();
    let mut numbers: Vec<u64> = counted.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    let wanted: Vec<u64> = times.keys().copied().filter(|number| number.is_multiple_of(RUN_EVERY)).collect();
    assert_eq!(numbers, wanted);
    assert_eq!(world.json(&["triggers", "dead"])["items"].as_array().map(Vec::len), Some(0));
    println!(
        "{rounds} rounds: {} acknowledged, {} in the journal, {} calls ({repeated} again), {} runs",
        acknowledged.len(),
        times.len(),
        calls.len(),
        numbers.len()
    );
    world.proves();
}
