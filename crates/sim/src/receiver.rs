//! A receiver of webhooks that outlives the server, and remembers what it was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_model::Timestamp;
use mainstay_server::clock::Clock;
use mainstay_server::webhooks::{NoReply, Outbound, Reply, Request};
use serde_json::Value;

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this status, after so long.
    Status(u16, Duration),
    /// Not at all.
    Hangs,
    /// Without proving who it is, for this reason.
    Untrusted(String),
}

type Behaviour = dyn Fn(&Call) -> Answer + Send + Sync;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// Its URL.
    pub url: String,
    /// Its idempotency key.
    pub key: String,
    /// Which try it says it is.
    pub attempt: u32,
    /// Its body.
    pub body: Value,
}

/// The receiver. Shared by every server of a scenario, one after the other.
pub struct SimReceiver {
    clock: Arc<dyn Clock>,
    behaviour: Box<Behaviour>,
    calls: Mutex<Vec<Call>>,
}

impl SimReceiver {
    /// A receiver that answers as `behaviour` says.
    pub fn new(
        clock: Arc<dyn Clock>,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { clock, behaviour: Box::new(behaviour), calls: Mutex::default() })
    }

    /// What came in so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The way to a receiver.
pub struct To(pub Arc<SimReceiver>);

impl Outbound for To {
    fn post(&self, request: Request) -> BoxFuture<'static, Result<Reply, NoReply>> {
        let receiver = self.0.clone();
        Box::pin(async move {
            let header = |name: &str| {
                let found = request.headers.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let call = Call {
                at: receiver.clock.now(),
                url: request.url.clone(),
                key: header("idempotency-key"),
                attempt: header("mainstay-attempt").parse().unwrap_or_default(),
                body: serde_json::from_slice(&request.body).unwrap_or_default(),
            };
            let answer = (receiver.behaviour)(&call);
            let start = call.at;
            receiver.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            match answer {
                Answer::Status(status, takes) if takes < request.timeout => {
                    receiver.clock.until(start.plus(takes)).await;
                    Ok(Reply { status, ..Reply::default() })
                }
                Answer::Untrusted(reason) => Err(NoReply::Untrusted(reason)),
                _ => {
                    receiver.clock.until(start.plus(request.timeout)).await;
                    Err(NoReply::Timeout)
                }
            }
        })
    }
}
