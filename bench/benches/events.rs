//! How many events per second go all the way: accepted over HTTP, durable in the journal, matched against 1,000 triggers
//! and delivered to a webhook on this machine; and how long one takes at half that rate. Server, sender and receiver are
//! one process and share its processors.
//!
//! `cargo bench -p mainstay-bench --bench events`; `BENCH_DIR` chooses the disk (a temporary directory otherwise),
//! `BENCH_SECONDS` how long each measurement takes (5), `BENCH_PATTERNS` how many triggers there are (1000),
//! `BENCH_CONNECTIONS` how many senders (64), `BENCH_PACED` the rates at which times are measured (`10000`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstay_api::client::Client;
use mainstay_api::v1::{FileBody, NewRevision};
use mainstay_bench::{Failure, variable};
use mainstay_server::{Config, Ready, serve};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What the receiver of webhooks has seen.
struct Seen {
    start: Instant,
    count: AtomicU64,
    /// Microseconds from sending to receiving, of each event.
    times: Mutex<Vec<u64>>,
}

/// The number behind a name in a JSON text.
fn number(body: &[u8], name: &[u8]) -> Option<u64> {
    let at = body.windows(name.len()).position(|part| part == name)? + name.len();
    let digits: Vec<u8> = body[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
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
            let (mut line, mut body, mut times) = (Vec::new(), Vec::new(), Vec::new());
            while let Some((_, length)) = head(&mut reader, &mut line).await {
                body.resize(length, 0);
                if reader.read_exact(&mut body).await.is_err() {
                    break;
                }
                let at = u64::try_from(seen.start.elapsed().as_micros()).unwrap_or(u64::MAX);
                times.push(at.saturating_sub(number(&body, b"\"sent\":").unwrap_or(0)));
                if times.len() >= 64 {
                    seen.times.lock().await.append(&mut times);
                }
                seen.count.fetch_add(1, Ordering::Relaxed);
                if reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                    break;
                }
            }
            seen.times.lock().await.append(&mut times);
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

async fn measure(sending: &Sending, next: &Arc<AtomicU64>, seen: &Seen) -> Result<(), Failure> {
    seen.times.lock().await.clear();
    let before = seen.count.load(Ordering::Relaxed);
    let start = now();
    let (accepted, took, mut requests) = send(sending, next, seen).await?;
    let deadline = now() + Duration::from_secs(120);
    while seen.count.load(Ordering::Relaxed) < before + accepted {
        if now() > deadline {
            let delivered = seen.count.load(Ordering::Relaxed) - before;
            return Err(format!("{accepted} accepted and only {delivered} delivered").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let all = start.elapsed();
    let again = seen.count.load(Ordering::Relaxed) - before - accepted;
    let mut through = std::mem::take(&mut *seen.times.lock().await);
    let what = match sending.rate {
        Some(rate) => format!("{:>3} at once, {rate}/s asked", sending.size),
        None => format!("{:>3} at once, no pause", sending.size),
    };
    println!(
        "{what:<28} accepted {:>7.0}/s  delivered {:>7.0}/s  accepted p50 {:>6.1} p99 {:>6.1} ms  delivered p50 {:>7.1} p99 {:>7.1} ms{}",
        accepted as f64 / took.as_secs_f64(),
        accepted as f64 / all.as_secs_f64(),
        percentile(&mut requests, 0.5),
        percentile(&mut requests, 0.99),
        percentile(&mut through, 0.5),
        percentile(&mut through, 0.99),
        if again > 0 { format!("  {again} again") } else { String::new() },
    );
    Ok(())
}

async fn run(dir: &Path) -> Result<(), Failure> {
    let seconds: u64 = variable("BENCH_SECONDS", 5)?;
    let triggers: usize = variable("BENCH_PATTERNS", 1000)?;
    let connections: u64 = variable("BENCH_CONNECTIONS", 64)?;
    let paced: u64 = variable("BENCH_PACED", 10_000)?;
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config =
        Config { http: loopback, otlp_http: None, otlp_grpc: None, ..Config::new(dir.join("data"), "bench") };
    let stop = CancellationToken::new();
    let (ready, reached) = oneshot::channel::<Ready>();
    let mut tasks = JoinSet::new();
    let serving = serve(config, stop.clone(), ready);
    tasks.spawn(async move { serving.await.map_err(Failure::from) });
    let reached = reached.await?;
    let token = std::fs::read_to_string(&reached.token_file)?.trim().to_owned();

    let listener = TcpListener::bind(loopback).await?;
    let receiver = listener.local_addr()?.port();
    let seen = Arc::new(Seen { start: now(), count: AtomicU64::new(0), times: Mutex::default() });
    let receiving = receive(listener, seen.clone());
    tasks.spawn(async move {
        receiving.await;
        Ok(())
    });
    let client = Client::new(format!("http://{}", reached.http), Some(token.clone()))?;
    client.apply(&workload(triggers, receiver)).await?;

    println!("{triggers} triggers, {connections} connections, {seconds} s each");
    let next = Arc::new(AtomicU64::new(0));
    for (size, rate) in [(1, None), (50, None), (1, Some(paced)), (50, Some(paced))] {
        let connections = if size == 1 { connections } else { connections.min(8) };
        let time = Duration::from_secs(seconds);
        let (http, token) = (reached.http.port(), token.clone());
        let sending = Sending { http, token, triggers: triggers as u64, size, connections, rate, time };
        measure(&sending, &next, &seen).await?;
    }
    stop.cancel();
    if let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let temporary = match std::env::var_os("BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(PathBuf::from(dir))?,
        None => tempfile::tempdir()?,
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(temporary.path()))
}
