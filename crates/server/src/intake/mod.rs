//! Events from outside: bodies are read with limits, and what they say becomes drafts for the journal.
//!
//! What waits is bounded in bytes. When there is no room, the sender is told to come back; nothing that was answered with
//! success is lost, because the answer comes when the event is durable.

pub mod events;
pub mod hooks;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use mainstay_api::v1::ErrorKind;
use mainstay_store::{MAX_BATCH_BYTES, MAX_DATA_DEPTH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt as _;

use crate::clock::Clock;
use crate::http::Failure;

/// The largest body, also when it has been unpacked: what one batch of the journal may hold.
pub const MAX_BODY: usize = MAX_BATCH_BYTES;

/// The deepest nesting of data, as the journal has it.
pub const MAX_DEPTH: usize = MAX_DATA_DEPTH;

/// Levels around the data: the list of a batch, and the event.
pub const LEVELS: usize = MAX_DEPTH + 2;

/// Why a text is not taken.
pub fn not_kept(fault: &mainstay_model::json::Fault) -> String {
    format!("it is not JSON that can be kept: {fault}")
}

/// The most events in one request.
pub const MAX_EVENTS: usize = 10_000;

/// Bodies of requests that are being handled may have so much memory, in KiB.
const ROOM_KIB: u32 = 64 << 10;

/// How long a sender may take to send its body.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a body takes besides its bytes while it is read and kept, per request.
const OVERHEAD: usize = 4 << 10;

/// The room for bodies. Who is known has room of their own, which nobody else can fill.
#[derive(Clone)]
pub struct Intake {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

/// Who sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Somebody who may append events.
    Known,
    /// Whoever it is: it is known only when the body has been read, by its signature.
    Stranger,
}

/// A body, and its room, which is given back when it is dropped.
pub struct Taken {
    /// The bytes, unpacked.
    pub bytes: Bytes,
    _room: Vec<OwnedSemaphorePermit>,
}

impl Intake {
    /// Room for bodies.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let room = || Arc::new(Semaphore::new(ROOM_KIB as usize));
        Self { known: room(), strangers: room(), clock }
    }

    fn room(&self, sender: Sender, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM_KIB);
        let room = match sender {
            Sender::Known => &self.known,
            Sender::Stranger => &self.strangers,
        };
        room.clone().try_acquire_many_owned(kib).map_err(|_| {
            Failure::new(ErrorKind::Busy, "Too many events are waiting to be written")
                .hint("send it again after the time that `Retry-After` says; it was not taken")
        })
    }

    /// Reads a body.
    pub async fn read(&self, sender: Sender, headers: &HeaderMap, body: Body) -> Result<Taken, Failure> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > MAX_BODY) {
            return Err(too_large());
        }
        let is_packed = match headers.get(header::CONTENT_ENCODING).map(|value| value.to_str()) {
            None => false,
            Some(Ok(coding)) if coding.eq_ignore_ascii_case("identity") => false,
            Some(Ok(coding)) if coding.eq_ignore_ascii_case("gzip") => true,
            Some(_) => {
                return Err(Failure::new(ErrorKind::Unsupported, "This encoding of the body is not known")
                    .hint("send it plain, or with `Content-Encoding: gzip`"));
            }
        };
        // A stranger gets room for what came, not for what was announced.
        let mut room_for = announced.filter(|_| sender == Sender::Known).unwrap_or_default();
        let mut room = vec![self.room(sender, room_for + OVERHEAD)?];
        let deadline = self.clock.until(self.clock.now().plus(PATIENCE));
        tokio::pin!(deadline);
        let mut stream = body.into_data_stream();
        let mut bytes = BytesMut::with_capacity(room_for);
        loop {
            let chunk = tokio::select! {
                chunk = stream.next() => chunk,
                () = &mut deadline => {
                    return Err(Failure::new(
                        ErrorKind::TooSlow,
                        format!("The body did not come within {} s", PATIENCE.as_secs()),
                    ));
                }
            };
            let Some(chunk) = chunk else { break };
            let chunk =
                chunk.map_err(|error| Failure::bad_request(format!("The body broke off: {error}")))?;
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() > room_for {
                room.push(self.room(sender, bytes.len() - room_for)?);
                room_for = bytes.len();
            }
        }
        let bytes = bytes.freeze();
        if !is_packed {
            return Ok(Taken { bytes, _room: room });
        }
        // What it unpacks to is not known before, so there has to be room for the most.
        room.push(self.room(sender, MAX_BODY)?);
        let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes))
            .await
            .map_err(|error| Failure::internal("The body could not be unpacked", &error))??;
        room.push(self.room(sender, unpacked.len())?);
        let most = room.len() - 2;
        drop(room.swap_remove(most));
        Ok(Taken { bytes: unpacked, _room: room })
    }
}

fn too_large() -> Failure {
    Failure::new(ErrorKind::TooLarge, format!("The body is larger than {} MiB", MAX_BODY >> 20))
        .hint("send fewer events at once, and keep what is large in a file that an event names")
}

fn unpack(packed: &[u8]) -> Result<Bytes, Failure> {
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(MAX_BODY as u64 + 1);
    reader
        .read_to_end(&mut unpacked)
        .map_err(|error| Failure::bad_request(format!("The body is not gzip: {error}")))?;
    if unpacked.len() > MAX_BODY {
        return Err(too_large());
    }
    Ok(unpacked.into())
}
