//! Secrets of sources and webhooks, read when they are needed and remembered for a moment, so that a thousand requests in
//! a second do not read a file a thousand times, and one that was changed counts at once as people see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_declare::SecretRef;
use mainstay_model::Timestamp;

use crate::clock::Clock;

/// So long a value counts without being read again.
const FRESH: Duration = Duration::from_secs(2);

/// Reads secrets.
pub struct Secrets {
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<SecretRef, (Timestamp, Arc<str>)>>,
}

impl Secrets {
    /// Knows none yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// The value that a reference leads to. The error names the reference and no value.
    pub fn read(&self, reference: &SecretRef) -> Result<Arc<str>, String> {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, value)) = known.get(reference)
            && now >= *at
            && now.since(*at) < FRESH
        {
            return Ok(value.clone());
        }
        known.remove(reference);
        let value: Arc<str> = mainstay_api::secrets::read(&reference.to_string())?.into();
        known.insert(reference.clone(), (now, value.clone()));
        Ok(value)
    }
}
