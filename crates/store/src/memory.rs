//! The journal in memory: the same behaviour as on SQLite, for tests and simulation. Nothing survives it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use mainstay_model::{Event, EventDraft, EventId};
use serde_json::Value;
use tokio::sync::watch;

use crate::fold::{self, Backing, Overlay, Stored};
use crate::record::{self, Sealed, Tip, seal_batch};
use crate::{Fold, Head, Journal, RowQuery, StoreError};

/// The in-memory twin of [`SqliteJournal`](crate::SqliteJournal).
pub struct MemoryJournal {
    folds: Vec<Arc<dyn Fold>>,
    state: Mutex<State>,
    head: watch::Sender<u64>,
}

struct State {
    tip: Tip,
    events: Vec<Arc<Event>>,
    places: BTreeMap<(String, EventId), usize>,
    cursors: BTreeMap<String, u64>,
    tables: Tables,
}

struct Tables(Vec<BTreeMap<String, Stored>>);

impl Backing for Tables {
    fn load(&self, table: usize, id: &str) -> Result<Option<Stored>, StoreError> {
        Ok(self.0[table].get(id).cloned())
    }
}

impl MemoryJournal {
    /// An empty journal with these folds.
    pub fn new(folds: Vec<Arc<dyn Fold>>) -> Result<Self, StoreError> {
        fold::check(&folds)?;
        let state = State {
            tip: Tip::EMPTY,
            events: Vec::new(),
            places: BTreeMap::new(),
            cursors: BTreeMap::new(),
            tables: Tables(folds.iter().map(|_| BTreeMap::new()).collect()),
        };
        Ok(Self { folds, state: Mutex::new(state), head: watch::Sender::new(0) })
    }

    /// A batch changes the state only in its last, infallible part, so a poisoned lock guards a state that is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, batch: Vec<EventDraft>) -> Result<Vec<Arc<Event>>, StoreError> {
        let (batch, _) = seal_batch(batch)?;
        let mut state = self.state();
        let none = Overlay::new(self.folds.len());
        let mut changes = Overlay::new(self.folds.len());
        let mut tip = state.tip;
        let mut fresh: Vec<Arc<Event>> = Vec::new();
        let mut fresh_places = BTreeMap::new();
        let mut answer = Vec::with_capacity(batch.len());
        for Sealed { draft, digest, .. } in batch {
            let key = (draft.source.clone(), draft.id.clone());
            if let Some(place) = state.places.get(&key) {
                answer.push(state.events[*place].clone());
                continue;
            }
            if let Some(place) = fresh_places.get(&key) {
                let first: &usize = place;
                answer.push(fresh[*first].clone());
                continue;
            }
            let next = tip.next(&digest);
            let event = Arc::new(record::event(next.seq, &tip.hash, &next.hash, draft));
            fold::apply(&self.folds, &event, &state.tables, &none, &mut changes)?;
            tip = next;
            fresh_places.insert(key, fresh.len());
            fresh.push(event.clone());
            answer.push(event);
        }
        let before = state.events.len();
        state.tip = tip;
        state.events.extend(fresh);
        state.places.extend(fresh_places.into_iter().map(|(key, place)| (key, before + place)));
        for (table, changes) in state.tables.0.iter_mut().zip(changes.tables) {
            for (id, row) in changes {
                match row {
                    Some(row) => table.insert(id, row),
                    None => table.remove(&id),
                };
            }
        }
        drop(state);
        self.head.send_if_modified(|head| {
            let moved = *head < tip.seq;
            *head = tip.seq.max(*head);
            moved
        });
        Ok(answer)
    }

    fn advance_now(&self, name: &str, seq: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        if seq > state.tip.seq {
            return Err(StoreError::BeyondHead { name: name.to_owned(), seq, head: state.tip.seq });
        }
        let cursor = state.cursors.entry(name.to_owned()).or_default();
        *cursor = seq.max(*cursor);
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        Box::pin(async move { self.append_now(batch) })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        let start = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.state().events.iter().skip(start).take(limit).cloned().collect())
    }

    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        let end = usize::try_from(before.saturating_sub(1)).unwrap_or(usize::MAX);
        let state = self.state();
        let end = end.min(state.events.len());
        Ok(state.events[..end].iter().rev().take(limit).cloned().collect())
    }

    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        let state = self.state();
        Ok(state.places.get(&(source.to_owned(), id.clone())).map(|place| state.events[*place].clone()))
    }

    fn head(&self) -> Head {
        self.state().tip.head()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.state().cursors.get(name).copied().unwrap_or(0))
    }

    fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        let name = name.to_owned();
        Box::pin(async move { self.advance_now(&name, seq) })
    }

    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        let index = fold::index_of(&self.folds, table)?;
        self.state().tables.0[index].get(id).map(|row| fold::parse(table, row.changed, &row.text)).transpose()
    }

    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        let index = fold::index_of(&self.folds, table)?;
        let state = self.state();
        let rows = &state.tables.0[index];
        let mut picked: Vec<(&String, &Stored)> = match &query.under {
            // From where it goes on: who pages through a table does not go through it for each page.
            None if !query.newest_first => {
                let from = query.after_id.clone().map_or(Bound::Unbounded, Bound::Excluded);
                rows.range((from, Bound::Unbounded)).take(query.limit).collect()
            }
            None => rows.iter().collect(),
            Some(id) => {
                let (from, to) = fold::under(id);
                rows.range((Bound::Excluded(from), Bound::Excluded(to))).collect()
            }
        };
        if query.newest_first {
            picked.sort_by(|a, b| (b.1.created, b.0).cmp(&(a.1.created, a.0)));
        }
        if let Some(after) = &query.after_id {
            if query.newest_first {
                let place = picked
                    .iter()
                    .position(|(id, _)| *id == after)
                    .ok_or_else(|| StoreError::NoSuchRow { table: table.to_owned(), id: after.clone() })?;
                picked.drain(..=place);
            } else {
                picked.retain(|(id, _)| *id > after);
            }
        }
        picked
            .into_iter()
            .take(query.limit)
            .map(|(id, row)| Ok((id.clone(), fold::parse(table, row.changed, &row.text)?)))
            .collect()
    }
}
