//! People: who they are, how they show it, and what they were granted. Whether that is enough is decided by
//! `mainstay_model::access`, and asked for in one place, `http::auth`.
//!
//! All of it is events of the family `access.*` and folds of them. Of passwords, sessions and tokens the journal has hashes
//! only; those of passwords are keyed by a secret of the data directory, so that who reads the journal cannot guess at them.

mod caller;
mod fold;
mod identity;
mod limiter;
mod links;
pub mod oidc;
pub mod pass;
mod people;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{Journal, RowQuery};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use caller::{Caller, OPERATOR, Sight, Via, all, host_tags};
pub use fold::{
    Identity, SESSIONS_TABLE, SessionRow, SessionsFold, TOKENS_TABLE, TokenRow, TokensFold, USERS_TABLE,
    UserRow, UsersFold,
};
pub use limiter::Limiter;
pub use links::{Door, Entered, LINK_LASTS};
pub use people::{grant_views, user_view};
pub use sessions::{ABSOLUTE, IDLE, Opened};

use crate::clock::Clock;
use crate::http::{Failure, append_one};

/// How many passwords are checked at once: each takes 19 MiB and some 50 ms.
const HASHING: usize = 2;

/// People, sessions and tokens.
pub struct Access {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    pepper: [u8; 32],
    token_key: [u8; 32],
    /// What hashes of requests are keyed by.
    request_key: [u8; 32],
    /// Tries to sign in: from an address, of an account from there, and of an account from anywhere.
    addresses: Mutex<Limiter>,
    pairs: Mutex<Limiter>,
    accounts: Mutex<Limiter>,
    /// Tries to change a password, by who is signed in.
    changes: Mutex<Limiter>,
    hashing: Semaphore,
    /// When sessions were used last, as far as it is not on record.
    used: Mutex<BTreeMap<String, Timestamp>>,
    links: Mutex<BTreeMap<String, links::Link>>,
    /// Who changes people does so one after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Access {
    /// With the secret that hashes of passwords are keyed by.
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, key: &str) -> Arc<Self> {
        Arc::new(Self {
            journal,
            clock,
            pepper: blake3::derive_key("mainstay password hashes v1", key.as_bytes()),
            token_key: blake3::derive_key("mainstay token secrets v1", key.as_bytes()),
            request_key: blake3::derive_key("mainstay requests v1", key.as_bytes()),
            addresses: Mutex::new(Limiter::new(30, Duration::from_secs(5))),
            pairs: Mutex::new(Limiter::new(10, Duration::from_secs(30))),
            // Looser by far: a few strangers keep nobody out who comes from elsewhere.
            accounts: Mutex::new(Limiter::new(300, Duration::from_secs(2))),
            changes: Mutex::new(Limiter::new(10, Duration::from_secs(30))),
            hashing: Semaphore::new(HASHING),
            used: Mutex::default(),
            links: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// The hash of a request, of what it is about and of its body.
    pub fn fingerprint(&self, path: &str, body: &impl serde::Serialize) -> String {
        crate::once::fingerprint(&self.request_key, path, body)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn row<T: DeserializeOwned>(&self, table: &str, id: &str) -> Result<Option<T>, Failure> {
        let row = self.journal.row(table, id)?;
        row.map(serde_json::from_value)
            .transpose()
            .map_err(|error| Failure::internal("A record of the journal cannot be read", &error))
    }

    fn rows<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<T>, Failure> {
        // All of them: whoever ends the sessions of a user ends each.
        let rows = self.journal.rows(table, &RowQuery::by_id(usize::MAX))?;
        Ok(rows.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()).collect())
    }

    fn draft(&self, id: Option<EventId>, kind: &str, by: &Actor, subject: &str, data: Value) -> EventDraft {
        let id = id.unwrap_or_else(|| {
            EventId::new(format!("access:{}", uuid::Uuid::now_v7().simple())).expect("hex digits are an id")
        });
        EventDraft::new(id, kind, self.now(), by.clone(), data).subject(subject)
    }

    async fn say(&self, kind: &str, by: &Actor, subject: String, data: Value) -> Result<Arc<Event>, Failure> {
        append_one(self.journal.as_ref(), self.draft(None, kind, by, &subject, data)).await
    }
}

/// A secret that nobody guesses: 64 hex digits.
fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// What is kept of a secret, and the id it is found by: neither tells it.
fn hash_of(secret: &str) -> (blake3::Hash, String) {
    let hash = blake3::hash(secret.as_bytes());
    let id = hash.to_hex()[..16].to_owned();
    (hash, id)
}

/// Whether a secret has this hash, in a time that does not tell how much is right.
fn is_of(hash: blake3::Hash, kept: &str) -> bool {
    blake3::Hash::from_hex(kept).is_ok_and(|kept| kept == hash)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
