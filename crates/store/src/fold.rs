//! Tables that are folds of the events.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mainstay_model::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::StoreError;
use crate::record::{MAX_DATA_DEPTH, canonical, deeper_than};

/// The largest row of a fold's table, in bytes of its JSON.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// A table that follows from the events alone: the change that one event makes to it. It is written in the same
/// transaction as the event, so it is never behind or ahead.
///
/// A fold is pure and deterministic: what it does depends on the event and the rows and on nothing else (no clock, no
/// randomness, no state of its own), because a rebuild has to give the same table again. It cannot refuse an event;
/// what it does not understand, it leaves alone. It may remember what it read, as long as what it does is the same
/// without that.
pub trait Fold: Send + Sync + 'static {
    /// The table's name: lower case letters, digits and `_`, starting with a letter, 48 characters at most.
    fn table(&self) -> &'static str;

    /// To be raised whenever `apply` comes to do something else with any event. The table is then computed anew from the
    /// events when the journal is opened.
    fn version(&self) -> u32 {
        1
    }

    /// Whether rows are asked for in the order in which they were made ([`crate::RowQuery::newest`]). Where they are not,
    /// the index for it is left out, and with it a page to write for each transaction that makes one.
    fn is_listed(&self) -> bool {
        true
    }

    /// Makes the change.
    fn apply(&self, event: &Event, rows: &mut dyn Rows);
}

/// The rows of one fold's table, as they are just before the event. A row is a JSON value under an id.
pub trait Rows {
    /// A row.
    fn get(&mut self, id: &str) -> Option<Value>;
    /// A row as it is kept: canonical JSON. Two rows are the same if these texts are.
    fn get_text(&mut self, id: &str) -> Option<String>;
    /// Makes a row, or replaces it. At most [`MAX_ROW_BYTES`] of JSON, nested at most 100 levels.
    fn put(&mut self, id: &str, value: &Value);
    /// The same with the row's JSON as text. The same row has to come with the same text each time, so maps in it have to
    /// be in an order of their own; and it may be nested no deeper than a few levels around what is in the event.
    fn put_text(&mut self, id: &str, text: String);
    /// Removes a row, if it is there.
    fn remove(&mut self, id: &str);
}

impl dyn Rows + '_ {
    /// A row as what it is a row of. Nothing if there is none, or it cannot be read as such.
    pub fn read<T: DeserializeOwned>(&mut self, id: &str) -> Option<T> {
        serde_json::from_value(self.get(id)?).ok()
    }

    /// Makes a row of something, or replaces it.
    pub fn write(&mut self, id: &str, row: &impl Serialize) {
        if let Ok(row) = serde_json::to_value(row) {
            self.put(id, &row);
        }
    }
}

/// A row as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The place of the event that made the row.
    pub created: u64,
    /// The place of the event that last changed it.
    pub changed: u64,
    /// Its value as canonical JSON.
    pub text: String,
}

/// Changes of one table: rows put (some) and removed (none).
pub(crate) type Changes = BTreeMap<String, Option<Stored>>;

/// Changes that are not in the tables yet, one map for each fold.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub tables: Vec<Changes>,
    /// About how much memory the changes take.
    pub bytes: usize,
}

impl Overlay {
    pub fn new(folds: usize) -> Self {
        Self { tables: (0..folds).map(|_| Changes::new()).collect(), bytes: 0 }
    }

    /// Takes over the changes made on top of these.
    pub fn absorb(&mut self, later: Self) {
        self.bytes += later.bytes;
        for (table, changes) in self.tables.iter_mut().zip(later.tables) {
            table.extend(changes);
        }
    }
}

/// Where rows are when no change is pending.
pub(crate) trait Backing {
    fn load(&self, table: usize, id: &str) -> Result<Option<Stored>, StoreError>;
}

/// Checks that the folds can live beside each other.
pub(crate) fn check(folds: &[Arc<dyn Fold>]) -> Result<(), StoreError> {
    for (index, fold) in folds.iter().enumerate() {
        let table = fold.table();
        let reason = if !table.starts_with(|c: char| c.is_ascii_lowercase())
            || !table.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            || table.len() > 48
        {
            "a name is 1 to 48 lower case letters, digits and `_`, starting with a letter"
        } else if folds[..index].iter().any(|other| other.table() == table) {
            "two folds want it"
        } else {
            continue;
        };
        return Err(StoreError::FoldTable { table: table.to_owned(), reason });
    }
    Ok(())
}

/// The place of a table among the folds.
pub(crate) fn index_of(folds: &[Arc<dyn Fold>], table: &str) -> Result<usize, StoreError> {
    folds.iter().position(|fold| fold.table() == table).ok_or_else(|| StoreError::NoSuchTable {
        table: table.to_owned(),
        known: folds.iter().map(|fold| fold.table()).collect(),
    })
}

/// The ids between which those that stand under `id` are, both left out.
pub(crate) fn under(id: &str) -> (String, String) {
    // `0` is what comes after `/`.
    (format!("{id}/"), format!("{id}0"))
}

/// Reads a stored row.
pub(crate) fn parse(table: &str, seq: u64, text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Fold {
        table: table.to_owned(),
        seq,
        reason: format!("a stored row cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// Applies one event to every fold. Changes go to `batch`; rows are looked up there, then in `group`, then in
/// `backing`. After an error, `batch` is to be thrown away.
pub(crate) fn apply(
    folds: &[Arc<dyn Fold>],
    event: &Event,
    backing: &dyn Backing,
    group: &Overlay,
    batch: &mut Overlay,
) -> Result<(), StoreError> {
    for (index, fold) in folds.iter().enumerate() {
        let mut view = View {
            fold: fold.as_ref(),
            index,
            seq: event.seq,
            backing,
            group,
            batch,
            found: BTreeMap::new(),
            failure: None,
        };
        // A fold that panics must not take the writer down with everyone else's events.
        let outcome = catch_unwind(AssertUnwindSafe(|| fold.apply(event, &mut view)));
        if let Some(failure) = view.failure {
            return Err(failure);
        }
        outcome.map_err(|panic| StoreError::Fold {
            table: fold.table().to_owned(),
            seq: event.seq,
            reason: format!("the fold panicked: {}", panic_text(panic.as_ref())),
        })?;
    }
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it did not say why")
}

struct View<'a> {
    fold: &'a dyn Fold,
    index: usize,
    seq: u64,
    backing: &'a dyn Backing,
    group: &'a Overlay,
    batch: &'a mut Overlay,
    /// What this event found in the tables: a fold reads a row before it writes it, and one event may be about hundreds.
    found: BTreeMap<String, Option<Stored>>,
    failure: Option<StoreError>,
}

impl View<'_> {
    fn load(&mut self, id: &str) -> Option<&Stored> {
        let pending = self.batch.tables[self.index].get(id).or_else(|| self.group.tables[self.index].get(id));
        if let Some(row) = pending {
            return row.as_ref();
        }
        if !self.found.contains_key(id) {
            let row = match self.backing.load(self.index, id) {
                Ok(row) => row,
                Err(error) => {
                    // The first failure is kept; the fold itself cannot fail and goes on with what it sees.
                    self.failure.get_or_insert(error);
                    None
                }
            };
            self.found.insert(id.to_owned(), row);
        }
        self.found.get(id)?.as_ref()
    }

    fn change(&mut self, id: &str, row: Option<Stored>) {
        self.batch.bytes += id.len() + row.as_ref().map_or(0, |row| row.text.len()) + 64;
        self.batch.tables[self.index].insert(id.to_owned(), row);
    }

    /// Keeps the first failure; the fold itself cannot fail and goes on with what it sees.
    fn fail(&mut self, error: StoreError) {
        self.failure.get_or_insert(error);
    }

    fn refuse(&mut self, id: &str, reason: &str) {
        let table = self.fold.table().to_owned();
        self.fail(StoreError::Fold { table, seq: self.seq, reason: format!("the row `{id}` {reason}") });
    }
}

impl Rows for View<'_> {
    fn get(&mut self, id: &str) -> Option<Value> {
        let table = self.fold.table();
        let row = self.load(id)?;
        match parse(table, row.changed, &row.text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn get_text(&mut self, id: &str) -> Option<String> {
        Some(self.load(id)?.text.clone())
    }

    fn put(&mut self, id: &str, value: &Value) {
        if deeper_than(value, MAX_DATA_DEPTH) {
            return self.refuse(id, "is nested deeper than 100 levels");
        }
        match canonical(value) {
            Ok(text) => self.put_text(id, text),
            Err(reason) => self.refuse(id, &reason),
        }
    }

    fn put_text(&mut self, id: &str, text: String) {
        if text.len() > MAX_ROW_BYTES {
            return self.refuse(id, "is larger than 16 MiB");
        }
        let seq = self.seq;
        let created = match self.load(id) {
            // Writing the same again is no change, and costs nothing on disk.
            Some(row) if row.text == text => return,
            Some(row) => row.created,
            None => seq,
        };
        self.change(id, Some(Stored { created, changed: seq, text }));
    }

    fn remove(&mut self, id: &str) {
        if self.load(id).is_some() {
            self.change(id, None);
        }
    }
}
