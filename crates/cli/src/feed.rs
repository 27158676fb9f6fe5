//! The journal's events as they happen, across lost connections and restarts of the server.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use mainstay_api::client::{Client, ClientError};
use mainstay_api::v1::{ErrorKind, EventView};

use crate::exit::Failure;
use crate::screen::say;

/// The pause before the first new attempt, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

type Events = Pin<Box<dyn Stream<Item = Result<EventView, ClientError>> + Send>>;

/// A stream of events that does not end: after a loss it goes on behind the last event that was seen.
pub struct Feed {
    client: Client,
    pattern: Option<String>,
    workload: Option<String>,
    last: u64,
    open: Option<Events>,
    pause: Duration,
    told: bool,
    quiet: bool,
}

impl Feed {
    /// Events after this place of the journal.
    pub fn after(client: Client, seq: u64) -> Self {
        Self {
            client,
            pattern: None,
            workload: None,
            last: seq,
            open: None,
            pause: AGAIN.0,
            told: false,
            quiet: false,
        }
    }

    /// Only those that match an event pattern or kind.
    #[must_use]
    pub fn matching(mut self, pattern: Option<String>) -> Self {
        self.pattern = pattern;
        self
    }

    /// Only those of a workload.
    #[must_use]
    pub fn of_workload(mut self, workload: Option<String>) -> Self {
        self.workload = workload;
        self
    }

    /// Says nothing of lost connections: the caller does.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Whether the connection broke and is not there again yet.
    pub fn is_broken(&self) -> bool {
        self.told
    }

    /// The next event. Fails only where trying again cannot help. May be dropped and called again.
    pub async fn next(&mut self) -> Result<EventView, Failure> {
        loop {
            if self.open.is_none() {
                self.connect().await?;
            }
            let Some(open) = &mut self.open else { continue };
            match open.next().await {
                Some(Ok(event)) if event.seq <= self.last => {}
                Some(Ok(event)) => {
                    self.last = event.seq;
                    return Ok(event);
                }
                Some(Err(error @ (ClientError::Refused(_) | ClientError::NotUnderstood { .. }))) => {
                    return Err(error.into());
                }
                Some(Err(_)) | None => {
                    self.open = None;
                    self.wait("the connection to the server broke; trying again").await;
                }
            }
        }
    }

    async fn wait(&mut self, text: &str) {
        if !self.told && !self.quiet {
            say(text);
        }
        self.told = true;
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(AGAIN.1);
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let mut query = vec![("after", self.last.to_string())];
        query.extend(self.pattern.clone().map(|pattern| ("match", pattern)));
        query.extend(self.workload.clone().map(|name| ("workload", name)));
        match self.client.follow_events(&query).await {
            Ok(events) => {
                if self.told && !self.quiet {
                    say("connected again");
                }
                self.told = false;
                self.pause = AGAIN.0;
                self.open = Some(Box::pin(events));
                Ok(())
            }
            Err(ClientError::Unreachable { .. } | ClientError::Broken { .. }) => {
                self.wait("the server does not answer; trying again").await;
                Ok(())
            }
            // The journal ends before what was seen of it: it was restored from an older copy, or is another one.
            Err(ClientError::Refused(body)) if body.kind == ErrorKind::Conflict => self.begin_anew().await,
            Err(error) => Err(error.into()),
        }
    }

    async fn begin_anew(&mut self) -> Result<(), Failure> {
        let head = self.client.status().await?.journal_seq;
        if head < self.last && !self.quiet {
            say(&format!(
                "the journal ends at place {head}, before place {}: it was restored from an older copy, or is another one; following it from there",
                self.last
            ));
        }
        self.last = self.last.min(head);
        Ok(())
    }
}
