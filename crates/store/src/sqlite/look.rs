//! A journal that is only looked at, beside whoever writes it or without anyone.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use mainstay_model::{Event, EventDraft, EventId};
use serde_json::Value;
use tokio::sync::watch;

use super::open::open_existing;
use super::readers::{Readers, Reading};
use super::schema::{self, Tables};
use super::{classify, file_in};
use crate::record::Tip;
use crate::{Fold, Head, Journal, Looked, Place, RowQuery, StoreError, fold};

/// A journal on disk, opened for reading. It sees what is durable at each read; its head is that of the moment it was
/// opened, and writing to it is refused with [`StoreError::Closed`].
pub struct LookJournal {
    reading: Reading,
    tip: Tip,
    head: watch::Sender<u64>,
}

impl LookJournal {
    /// Opens the journal of a data directory, which has to exist, for reading `folds`' tables. A table that the file does
    /// not have in its fold's version is an error: whoever writes to the journal next makes it.
    pub fn open(dir: impl AsRef<Path>, folds: Vec<Arc<dyn Fold>>) -> Result<Self, StoreError> {
        let dir = dir.as_ref();
        fold::check(&folds)?;
        let conn = open_existing(dir, false)?;
        let failed = |error| classify(dir, 0, error);
        let kept = schema::fold_versions(&conn).map_err(failed)?;
        for fold in &folds {
            if !kept.iter().any(|(name, version)| name == fold.table() && *version == fold.version()) {
                return Err(StoreError::NoSuchTable {
                    table: fold.table().to_owned(),
                    known: folds.iter().map(|fold| fold.table()).collect(),
                });
            }
        }
        let tip = schema::read_head(&conn).map_err(failed)?.unwrap_or(Tip { seq: 0, hash: [0; 32] });
        let folds: Arc<[_]> = folds.into();
        Ok(Self {
            reading: Reading::new(folds.clone(), Tables::of(&folds), Readers::new(dir, file_in(dir))),
            head: watch::channel(tip.seq).0,
            tip,
        })
    }
}

impl Journal for LookJournal {
    fn append(&self, _: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        Box::pin(async { Err(StoreError::Closed) })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.reading.after(after, limit)
    }

    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.reading.before(before, limit)
    }

    fn look(
        &self,
        place: Place,
        limit: usize,
        most: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Looked, StoreError> {
        self.reading.look(place, limit, most, wanted)
    }

    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.reading.by_id(source, id)
    }

    fn head(&self) -> Head {
        self.tip.head()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.reading.cursor(name)
    }

    fn advance(&self, _: &str, _: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Err(StoreError::Closed) })
    }

    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        self.reading.row(table, id)
    }

    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        self.reading.rows(table, query)
    }
}
