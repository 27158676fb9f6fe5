//! Bodies of requests: how large they may be, and how long one may take to send them. The table of operations says how large
//! that of each is, and who calls is known before anything of it is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use mainstay_api::v1::ErrorKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Failure;

/// A body where it is not said: what people write fits many times.
pub const SMALL: usize = 64 << 10;

/// A name and a password, from whoever it may be.
pub const OF_STRANGERS: usize = 16 << 10;

/// Parameters of a run, and outputs of a step.
pub const PARAMETERS: usize = 1 << 20;

/// A workload's files, with room for JSON's quoting.
pub const FILES: usize = 40 << 20;

/// What is larger than this waits for one of a few places.
const LARGE: usize = PARAMETERS;

/// So many large bodies are read and understood at a time.
const LARGE_AT_A_TIME: usize = 4;

/// How long a large body waits for its place.
const TURN: Duration = Duration::from_secs(5);

/// How long nothing may come of a body, and what is allowed for its way beside the rate.
const PATIENCE: Duration = Duration::from_secs(10);

/// What has to come in a second on the whole, in bytes: that of a line that a person would call broken.
const RATE: usize = 16 << 10;

/// What is told of a request's body.
#[derive(Clone, Debug)]
pub struct Allowed {
    most: usize,
    places: Arc<Semaphore>,
}

/// The places for large bodies of a server.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_AT_A_TIME)))
    }
}

impl Places {
    /// What is told of a body that may have so many bytes.
    pub fn allow(&self, most: usize) -> Allowed {
        Allowed { most, places: self.0.clone() }
    }
}

/// A body. A large one keeps its place until it is dropped.
pub struct Taken {
    /// The bytes.
    pub bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

fn too_large(most: usize) -> Failure {
    let size = if most >= 1 << 20 { format!("{} MiB", most >> 20) } else { format!("{} KiB", most >> 10) };
    Failure::new(ErrorKind::TooLarge, "The body is larger than is taken here")
        .hint(format!("{size} are the most"))
}

fn too_slow() -> Failure {
    Failure::new(ErrorKind::TooSlow, "The body did not come in time").hint(format!(
        "something of it has to come every {} s, and {} KiB each second on the whole",
        PATIENCE.as_secs(),
        RATE >> 10
    ))
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body to its end, as far as the operation takes it.
pub async fn read(parts: &Parts, body: Body) -> Result<Taken, Failure> {
    let allowed = parts.extensions.get::<Allowed>();
    let most = allowed.map_or(SMALL, |allowed| allowed.most);
    let length = announced(&parts.headers);
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let place = match allowed {
        // What is said to be small needs no place; it is not read further than that.
        Some(allowed) if length.is_none_or(|length| length > LARGE as u64) && most > LARGE => {
            let place = timeout(TURN, allowed.places.clone().acquire_owned()).await;
            let busy = || {
                Failure::new(ErrorKind::Busy, "Too many files are being sent at a time")
                    .hint("send it again after the time that `Retry-After` says; it was not taken")
            };
            Some(place.ok().and_then(Result::ok).ok_or_else(busy)?)
        }
        _ => None,
    };
    let bytes = gather(body, most).await?;
    Ok(Taken { bytes, _place: place })
}

async fn gather(body: Body, most: usize) -> Result<Bytes, Failure> {
    let began = Instant::now();
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    loop {
        let earned = Duration::from_secs((bytes.len() / RATE) as u64);
        let deadline = (Instant::now() + PATIENCE).min(began + PATIENCE + earned);
        let Some(chunk) = timeout_at(deadline, stream.next()).await.map_err(|_| too_slow())? else {
            return Ok(bytes.freeze());
        };
        let chunk = chunk.map_err(|error| Failure::bad_request(format!("The body broke off: {error}")))?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::Request;

    use super::*;

    fn request(most: usize, length: Option<usize>) -> (Parts, Places) {
        let places = Places::default();
        let mut request = Request::new(());
        request.extensions_mut().insert(places.allow(most));
        if let Some(length) = length {
            request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        (request.into_parts().0, places)
    }

    /// A body of pieces, each after a while; then nothing for ever.
    fn withheld(pieces: usize, size: usize, after: Duration) -> Body {
        let stream = futures::stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(after).await;
            Ok::<_, Infallible>(vec![b' '; size])
        });
        Body::from_stream(stream.chain(futures::stream::pending()))
    }

    async fn kind(parts: &Parts, body: Body) -> Option<ErrorKind> {
        read(parts, body).await.err().map(|failure| failure.0.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_withheld_is_given_up_and_a_slow_one_is_not() {
        let began = Instant::now();
        let (parts, _) = request(SMALL, Some(100));
        assert_eq!(kind(&parts, withheld(1, 99, Duration::ZERO)).await, Some(ErrorKind::TooSlow));
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        // One byte each second keeps nothing open for long.
        let began = Instant::now();
        assert_eq!(kind(&parts, withheld(100, 1, Duration::from_secs(1))).await, Some(ErrorKind::TooSlow));
        assert!(began.elapsed().as_secs() <= PATIENCE.as_secs() + 1, "{:?}", began.elapsed());
        // What comes at the rate may take its time.
        let (parts, _) = request(FILES, None);
        let pieces = futures::stream::iter(0..100).then(|_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(vec![b' '; RATE])
        });
        let taken = read(&parts, Body::from_stream(pieces)).await.map(|taken| taken.bytes.len());
        assert_eq!(taken.ok(), Some(100 * RATE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_is_refused_before_it_is_read() {
        let (parts, _) = request(OF_STRANGERS, Some(39 << 20));
        let began = Instant::now();
        assert_eq!(kind(&parts, withheld(0, 0, Duration::ZERO)).await, Some(ErrorKind::TooLarge));
        assert_eq!(began.elapsed(), Duration::ZERO);
        let (parts, _) = request(OF_STRANGERS, None);
        assert_eq!(kind(&parts, withheld(2, OF_STRANGERS, Duration::ZERO)).await, Some(ErrorKind::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_large_bodies_at_a_time_are_held() {
        let (parts, places) = request(FILES, Some(LARGE + 1));
        let held = places.0.clone().acquire_many_owned(4).await.expect("there are so many");
        assert_eq!(kind(&parts, Body::from("{}")).await, Some(ErrorKind::Busy));
        drop(held);
        let taken = read(&parts, Body::from("{}")).await;
        assert!(taken.is_ok() && places.0.available_permits() == LARGE_AT_A_TIME - 1);
        drop(taken);
        assert_eq!(places.0.available_permits(), LARGE_AT_A_TIME);
    }
}
