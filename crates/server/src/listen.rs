//! Connections of HTTP: how many there are at a time, and how long one is kept by who says nothing.
//!
//! What is answered takes as long as it takes: a stream of events ends with its reader, not with a clock. What is read has
//! its limits where it is read (`http::bodies`).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mainstay_api::v1::{ErrorBody, ErrorKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long accepting pauses when the system has nothing left for another connection. No event tells when it has again.
const NO_MORE: Duration = Duration::from_secs(1);

/// What a listener allows strangers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many connections at a time.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection is kept that nothing is asked on.
    pub head: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
}

impl Limits {
    /// Those of a server: as many connections as half of the files that the process may have open, and 1024 at most.
    pub fn of_this_process() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let half = files.map_or(usize::MAX, |most| usize::try_from(most / 2).unwrap_or(usize::MAX));
        Self { connections: half.clamp(64, 1024), head: Duration::from_secs(30), head_bytes: 64 << 10 }
    }
}

/// Accepts connections and answers what is asked on them, until it is stopped; then what is being answered is answered.
pub async fn serve(
    what: &'static str,
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let refused = AtomicU64::new(0);
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                tracing::error!(%error, what, "no connection can be accepted; trying again");
                tokio::time::sleep(NO_MORE).await;
                continue;
            }
        };
        match room.clone().try_acquire_owned() {
            Ok(place) => {
                let connection = connection(stream, peer, router.clone(), limits, stop.clone(), place);
                open.spawn(connection);
            }
            Err(_) => refuse(&stream, what, limits.connections, refused.fetch_add(1, Ordering::Relaxed)),
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Whether accepting failed for what the other side did.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says that there are too many connections, as far as that goes without waiting. The log hears of it ever more rarely: of the
/// 1st, 2nd, 4th, 8th of them.
fn refuse(stream: &TcpStream, what: &str, most: usize, before: u64) {
    let count = before + 1;
    if count.is_power_of_two() {
        tracing::warn!(what, most, refused = count, "too many connections are open; another one was closed");
    }
    let body =
        ErrorBody::new(ErrorKind::Unavailable, "Too many connections are open").hint("try again later");
    let body = serde_json::to_string(&body).unwrap_or_default();
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    );
    let _ = stream.try_write(text.as_bytes());
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(limits.head_bytes);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// More than any of this takes, so that what never comes fails the test.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn started(limits: Limits) -> (SocketAddr, CancellationToken) {
        let router = Router::new()
            .route(
                "/",
                get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
            )
            .route(
                "/slow",
                get(|| async {
                    let pieces = futures::stream::unfold(0, |count| async move {
                        tokio::time::sleep(Duration::from_millis(150)).await;
                        (count < 4).then(|| (Ok::<_, Infallible>("piece "), count + 1))
                    });
                    Body::from_stream(pieces)
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(serve("a test", listener, router, limits, stop.clone()));
        (address, stop)
    }

    async fn asked(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    /// All that comes until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await;
        let _ = read.expect("it is closed");
        text
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_costs_a_connection_for_a_while_only_and_an_answer_takes_what_it_takes()
    {
        let limits = Limits { connections: 10, head: Duration::from_millis(200), head_bytes: 8192 };
        let (address, stop) = started(limits).await;
        let mut half = asked(address, "GET / HTTP/1.1\r\nhost: a").await;
        let mut silent = asked(address, "").await;
        let mut slow = asked(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!((rest(&mut half).await, rest(&mut silent).await), (String::new(), String::new()));
        let answer = rest(&mut slow).await;
        assert_eq!(
            answer.matches("piece ").count(),
            4,
            "it takes three times as long as a head may: {answer}"
        );
        let mut large = asked(address, &format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(9000))).await;
        assert!(rest(&mut large).await.starts_with("HTTP/1.1 431 "));
        stop.cancel();
    }

    #[tokio::test]
    async fn there_are_so_many_connections_and_one_that_ends_makes_room() {
        let limits = Limits { connections: 2, head: PATIENCE, head_bytes: 8192 };
        let (address, stop) = started(limits).await;
        let ask = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut stream = asked(address, ask).await;
            let mut first = [0; 15];
            stream.read_exact(&mut first).await.expect("answered");
            assert_eq!(&first, b"HTTP/1.1 200 OK");
            kept.push(stream);
        }
        let mut third = TcpStream::connect(address).await.expect("accepted");
        let answer = rest(&mut third).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Too many connections"), "{answer}");
        // The end of a connection is noticed a moment later.
        drop(kept);
        let again = tokio::time::timeout(PATIENCE, async {
            loop {
                let close = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                let mut stream = asked(address, close).await;
                let mut text = String::new();
                if stream.read_to_string(&mut text).await.is_ok() && text.starts_with("HTTP/1.1 200 OK") {
                    return text;
                }
            }
        });
        assert!(again.await.expect("there is room again").ends_with("127.0.0.1"));
        stop.cancel();
    }
}
