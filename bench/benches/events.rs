//! How many events per second go all the way: accepted over HTTP, durable in the journal, matched against 1,000 triggers
//! and delivered to a webhook on this machine; and how long one takes at half that rate. Server, sender and receiver are
//! one process and share its processors; sender and receiver are one thread, and what each side computes for an event is
//! printed.
//!
//! `cargo bench -p mainstay-bench --bench events`; `BENCH_DIR` chooses the disk (a temporary directory otherwise),
//! `BENCH_SECONDS` how long each measurement takes (5), `BENCH_PATTERNS` how many triggers there are (1000),
//! `BENCH_CONNECTIONS` how many senders (64), `BENCH_PACED` the rates at which times are measured, with
//! commas between them (`10000,20000`), `BENCH_AT_ONCE` how many events are in one request (`1,50`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstay_api::client::Client;
use mainstay_api::v1::{FileBody, NewRevision};
use mainstay_bench::process::{cpu_time, thread_time};
use mainstay_bench::{Failure, variable};
use mainstay_server::{Config, Ready, serve};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// So long nothing may come before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many different events the receiver can tell apart.
const MOST_EVENTS: usize = 1 << 26;

/// What the receiver of webhooks has seen.
struct Seen {
    start: Instant,
    /// A bit for each event that came.
    numbers: Vec<AtomicU64>,
    /// Different events that came.
    count: AtomicU64,
    /// Requests for an event that had come before.
    again: AtomicU64,
    /// From sending to receiving, for each event the first time.
    times: Times,
}

impl Seen {
    fn new() -> Self {
        let numbers = (0..MOST_EVENTS / 64).map(|_| AtomicU64::new(0)).collect();
        Self {
            start: now(),
            numbers,
            count: AtomicU64::new(0),
            again: AtomicU64::new(0),
            times: Times::new(),
        }
    }

    fn take(&self, body: &[u8]) {
        let at = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (Some(number), Some(sent)) = (number(body, b"\"id\":\"order-"), number(body, b"\"sent\":"))
        else {
            return;
        };
        let word = &self.numbers[usize::try_from(number / 64).unwrap_or(usize::MAX) % (MOST_EVENTS / 64)];
        let bit = 1 << (number % 64);
        if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            self.again.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.times.add(at.saturating_sub(sent));
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts of times by their size: 32 steps between each power of two, so one is at most 3 % too long.
struct Times(Vec<AtomicU64>);

const STEPS: u32 = 5;

impl Times {
    fn new() -> Self {
        Self((0..64 << STEPS).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, micros: u64) {
        let power = micros.max(1).ilog2();
        let step = if power < STEPS { micros } else { (micros >> (power - STEPS)) & ((1 << STEPS) - 1) };
        let place = (u64::from(power) << STEPS) + step;
        self.0[usize::try_from(place).unwrap_or_default()].fetch_add(1, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// In milliseconds.
    fn percentile(&self, part: f64) -> f64 {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * part) as u64;
        let mut before = 0;
        for (place, count) in counts.into_iter().enumerate() {
            before += count;
            if before > wanted {
                let (power, step) = ((place >> STEPS) as i32, (place & ((1 << STEPS) - 1)) as f64);
                let micros = if power < STEPS as i32 {
                    step
                } else {
                    2_f64.powi(power) * (1.0 + (step + 1.0) / f64::from(1 << STEPS))
                };
                return micros / 1000.0;
            }
        }
        f64::NAN
    }
}

/// The number behind a name in a JSON text.
fn number(body: &[u8], name: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(body, name)? + name.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Reads the headers of a message: its first line, and how long its body is. `None` at the end.
async fn head(reader: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> Option<(bool, usize)> {
    let (mut is_first, mut is_good, mut length) = (true, true, 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', line).await.ok()? == 0 {
            return None;
        }
        if is_first {
            is_good = !line.starts_with(b"HTTP/") || line[9..].starts_with(b"2");
            is_first = false;
        } else if line.len() <= 2 {
            return Some((is_good, length));
        } else if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            length = std::str::from_utf8(&line[15..]).ok()?.trim().parse().ok()?;
        }
    }
}

async fn receive(listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let seen = seen.clone();
        connections.spawn(async move {
            let mut reader = BufReader::new(stream);
            let (mut line, mut body) = (Vec::new(), Vec::new());
            while let Some((_, length)) = head(&mut reader, &mut line).await {
                body.resize(length, 0);
                if reader.read_exact(&mut body).await.is_err() {
                    break;
                }
                seen.take(&body);
                if reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                    break;
                }
            }
        });
    }
}

/// A workload of so many triggers, each for a kind of order of its own, that all call one webhook.
fn workload(triggers: usize, receiver: u16) -> NewRevision {
    let mut files = vec![FileBody {
        path: "mainstay.yaml".to_owned(),
        content: format!(
            "workload: load\nwebhooks:\n  sink: {{ url: \"http://127.0.0.1:{receiver}/\", parallel: 64 }}\n"
        ),
    }];
    for index in 0..triggers {
        files.push(FileBody {
            path: format!("triggers/t{index}.yaml"),
            content: format!(
                "Name: t{index}\nEventPattern:\n  source: [load]\n  detail-type: [order.placed]\n  detail: {{ kind: [k{index}], amount: [{{ numeric: [\">\", 10] }}], region: [{{ prefix: eu- }}] }}\nTargets: [{{ Id: sink, Arn: webhook/sink }}]\n"
            ),
        });
    }
    NewRevision {
        files,
        directory: "/srv/load".to_owned(),
        message: None,
        git: None,
        keep: false,
        restores: None,
        expect: None,
    }
}

fn event(number: u64, triggers: u64, sent: u64) -> String {
    let kind = number.wrapping_mul(7919) % triggers;
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"order-{number:012}\",\"source\":\"load\",\"type\":\"order.placed\",\"subject\":\"order/{number}\",\"workload\":\"load\",\"data\":{{\"kind\":\"k{kind}\",\"amount\":125,\"region\":\"eu-central-1\",\"sent\":{sent},\"customer\":\"c-{number}\",\"items\":[{{\"sku\":\"A-100\",\"count\":2,\"price\":40.5}},{{\"sku\":\"B-7\",\"count\":1,\"price\":44}}],\"address\":{{\"city\":\"Berlin\",\"zip\":\"10115\",\"street\":\"Invalidenstraße 1\"}}}}}}"
    )
}

struct Sending {
    http: u16,
    token: String,
    triggers: u64,
    /// Events in one request.
    size: u64,
    connections: u64,
    /// Events per second over all; as many as possible if none.
    rate: Option<u64>,
    time: Duration,
}

/// Sends events; how many were accepted, how long that took, and the time of each request in microseconds.
async fn send(
    sending: &Sending,
    next: &Arc<AtomicU64>,
    seen: &Seen,
) -> Result<(u64, Duration, Vec<u64>), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let start = now();
    let origin = seen.start;
    for connection in 0..sending.connections {
        let (stop, next, token) = (stop.clone(), next.clone(), sending.token.clone());
        let Sending { http, triggers, size, connections, rate, .. } = *sending;
        tasks.spawn(async move {
            let stream = TcpStream::connect(("127.0.0.1", http)).await?;
            stream.set_nodelay(true)?;
            let mut reader = BufReader::new(stream);
            let (mut line, mut times, mut accepted) = (Vec::new(), Vec::new(), 0);
            let form = if size == 1 { "cloudevents" } else { "cloudevents-batch" };
            let pause = rate.map(|rate| Duration::from_micros(1_000_000 * connections * size / rate));
            let mut due = start + pause.unwrap_or_default().mul_f64(connection as f64 / connections as f64);
            while !stop.load(Ordering::Relaxed) {
                if let Some(pause) = pause {
                    tokio::time::sleep_until(due.into()).await;
                    due += pause;
                }
                let first = next.fetch_add(size, Ordering::Relaxed);
                let began = now();
                let at = u64::try_from((began - origin).as_micros())?;
                let body = if size == 1 {
                    event(first, triggers, at)
                } else {
                    let all: Vec<String> = (first..first + size).map(|n| event(n, triggers, at)).collect();
                    format!("[{}]", all.join(","))
                };
                let message = format!(
                    "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/{form}+json\r\nprefer: return=minimal\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                reader.get_mut().write_all(message.as_bytes()).await?;
                let Some((is_good, length)) = head(&mut reader, &mut line).await else {
                    return Err("the server closed the connection".into());
                };
                if !is_good {
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).await?;
                    return Err(format!("refused: {}", String::from_utf8_lossy(&body)).into());
                }
                times.push(u64::try_from(began.elapsed().as_micros())?);
                accepted += size;
            }
            Ok::<_, Failure>((accepted, times))
        });
    }
    tokio::time::sleep(sending.time).await;
    stop.store(true, Ordering::Relaxed);
    let (mut accepted, mut times) = (0, Vec::new());
    while let Some(task) = tasks.join_next().await {
        let (more, some) = task??;
        accepted += more;
        times.extend(some);
    }
    Ok((accepted, start.elapsed(), times))
}

fn percentile(times: &mut [u64], part: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * part) as usize;
    times.get(at.min(times.len().saturating_sub(1))).map_or(f64::NAN, |micros| *micros as f64 / 1000.0)
}

/// What the server says of its triggers: for when something does not come.
async fn state(client: &Client) -> String {
    let Ok(triggers) = client.triggers(None).await else { return "the server does not say why".to_owned() };
    let (mut matched, mut delivered, mut failed, mut dead) = (0, 0, 0, 0);
    let (mut queued, mut under_way, mut waiting) = (0, 0, 0);
    for trigger in &triggers.items {
        matched += trigger.matched;
        delivered += trigger.delivered;
        failed += trigger.failed;
        dead += trigger.dead;
        queued += trigger.queued.unwrap_or_default();
        under_way += trigger.under_way.unwrap_or_default();
        waiting += trigger.waiting.unwrap_or_default();
    }
    format!(
        "since the start matched {matched}, delivered {delivered}, failed {failed}, dead {dead}; now queued {queued}, under way {under_way}, waiting {waiting}, {} events behind",
        triggers.behind
    )
}

async fn measure(
    sending: &Sending,
    next: &Arc<AtomicU64>,
    seen: &Seen,
    client: &Client,
) -> Result<(), Failure> {
    seen.times.clear();
    seen.again.store(0, Ordering::Relaxed);
    let before = seen.count.load(Ordering::Relaxed);
    let (start, all_began, own_began) = (now(), cpu_time("self"), thread_time());
    let (accepted, took, mut requests) = send(sending, next, seen).await?;
    let mut delivered = 0;
    let mut deadline = now() + PATIENCE;
    while delivered < accepted {
        let later = seen.count.load(Ordering::Relaxed) - before;
        if later > delivered {
            (delivered, deadline) = (later, now() + PATIENCE);
        } else if now() > deadline {
            let why = state(client).await;
            return Err(format!("{accepted} accepted and only {delivered} delivered: {why}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (all, own) = (start.elapsed(), thread_time().saturating_sub(own_began));
    let both = cpu_time("self").saturating_sub(all_began);
    let what = match sending.rate {
        Some(rate) => format!("{:>3} at once, {rate}/s asked", sending.size),
        None => format!("{:>3} at once, no pause", sending.size),
    };
    let again = seen.again.load(Ordering::Relaxed);
    println!(
        "{what:<28} accepted {:>7.0}/s  delivered {:>7.0}/s  accepted p50 {:>6.1} p99 {:>6.1} ms  delivered p50 {:>7.1} p99 {:>7.1} ms  server {:>4.0} us an event, sender and receiver {:>3.0} us{}",
        accepted as f64 / took.as_secs_f64(),
        accepted as f64 / all.as_secs_f64(),
        percentile(&mut requests, 0.5),
        percentile(&mut requests, 0.99),
        seen.times.percentile(0.5),
        seen.times.percentile(0.99),
        both.saturating_sub(own).as_secs_f64() * 1e6 / accepted as f64,
        own.as_secs_f64() * 1e6 / accepted as f64,
        if again > 0 { format!("  {again} again") } else { String::new() },
    );
    Ok(())
}

/// What the load needs to know of the server.
struct Server {
    http: SocketAddr,
    token: String,
}

/// Sends and receives. All of it is done by the one thread that this is called from.
async fn load(server: Server) -> Result<(), Failure> {
    let seconds: u64 = variable("BENCH_SECONDS", 5)?;
    let triggers: usize = variable("BENCH_PATTERNS", 1000)?;
    let connections: u64 = variable("BENCH_CONNECTIONS", 64)?;
    let paced = variable("BENCH_PACED", "10000,20000".to_owned())?;
    let paced = paced.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let sizes = variable("BENCH_AT_ONCE", "1,50".to_owned())?;
    let sizes = sizes.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let receiver = listener.local_addr()?.port();
    let seen = Arc::new(Seen::new());
    let mut receiving = JoinSet::new();
    receiving.spawn(receive(listener, seen.clone()));
    let client = Client::new(format!("http://{}", server.http), Some(server.token.clone()))?;
    client.apply(&workload(triggers, receiver)).await?;

    println!("{triggers} triggers, {connections} connections, {seconds} s each");
    let next = Arc::new(AtomicU64::new(0));
    let rates = std::iter::once(None).chain(paced.into_iter().map(Some));
    for (size, rate) in rates.flat_map(|rate| sizes.iter().map(move |size| (*size, rate))) {
        let connections = if size == 1 { connections } else { connections.min(8) };
        let time = Duration::from_secs(seconds);
        let (http, token) = (server.http.port(), server.token.clone());
        let sending = Sending { http, token, triggers: triggers as u64, size, connections, rate, time };
        measure(&sending, &next, &seen, &client).await?;
    }
    Ok(())
}

async fn run(dir: &Path) -> Result<(), Failure> {
    let http = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { http, otlp_http: None, otlp_grpc: None, ..Config::new(dir.join("data"), "bench") };
    let stop = CancellationToken::new();
    let (ready, reached) = oneshot::channel::<Ready>();
    let serving = serve(config, stop.clone(), ready);
    let loading = async move {
        let reached = reached.await?;
        let token = std::fs::read_to_string(&reached.token_file)?.trim().to_owned();
        let server = Server { http: reached.http, token };
        let loaded = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(load(server))
        });
        let loaded = loaded.await?;
        stop.cancel();
        loaded
    };
    let (served, loaded) = tokio::join!(serving, loading);
    loaded?;
    Ok(served?)
}

fn main() -> Result<(), Failure> {
    let temporary = match std::env::var_os("BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(PathBuf::from(dir))?,
        None => tempfile::tempdir()?,
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(temporary.path()))
}
