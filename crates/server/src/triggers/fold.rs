//! The tables of triggers: what each did, the calls that are open, those that were given up, and the windows of
//! throttles. They are written from the records of `detect::delivery`, which a new machine is made from again.

use std::collections::BTreeMap;

use mainstay_detect::delivery::{Letter, Origin, Routed, Settled, Share, TriggerId, Window};
use mainstay_model::{Event, Timestamp};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError, all_rows, rows_from};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What each trigger did: rows `WORKLOAD/TRIGGER`.
pub const TRIGGERS_TABLE: &str = "triggers";

/// Open calls: a row for each record with calls that are open, under the record's place in 20 digits, and one for each
/// call that is kept by itself, under its id.
pub const CALLS_TABLE: &str = "trigger_calls";

/// Calls that were given up, by their ids.
pub const DEAD_TABLE: &str = "trigger_dead";

/// Windows of throttles.
pub const WINDOWS_TABLE: &str = "trigger_windows";

/// How far events have been routed: one row.
pub const PROGRESS_TABLE: &str = "trigger_progress";

/// The only row of [`PROGRESS_TABLE`].
pub const PROGRESS: &str = "all";

/// A record of which matches there were, with how far it reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutedData {
    /// Everything up to this place has been routed. Absent for a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<u64>,
    /// Windows that ended: their triggers and keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<(String, String)>,
    /// What was decided.
    #[serde(flatten)]
    pub record: Routed,
}

/// What a person did about calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handled {
    /// The trigger; absent when the calls are of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Dead letters that are tried again, with what they start anew from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Letter>,
    /// Ids of dead letters that are dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Open calls that are dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Origin>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a trigger did. The fields are in the order of their names: a row is written from them as they are, and rows have
/// their keys in that order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Did {
    /// The schedule that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub armed: Option<Armed>,
    /// Calls that were given up, in all; those that are still listed are fewer when some were tried again.
    #[serde(default)]
    pub dead: u64,
    /// Calls that were answered well.
    #[serde(default)]
    pub delivered: u64,
    /// Tries that failed.
    #[serde(default)]
    pub failed: u64,
    /// How long the slowest of the last calls took from match to answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// The place of the last event that matched, and when that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_match: Option<(u64, Timestamp)>,
    /// The last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<(String, Timestamp)>,
    /// Events that matched.
    pub matched: u64,
    /// A person turned it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Off>,
    /// Calls left out because a newer one took their place.
    #[serde(default)]
    pub replaced: u64,
    /// The last scheduled time that was fired, or left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// Calls left out because an earlier one was worked on.
    #[serde(default)]
    pub skipped: u64,
    /// Matches that a throttle kept back.
    #[serde(default)]
    pub throttled: u64,
}

/// A schedule that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Armed {
    /// Its expression and zone.
    pub schedule: String,
    /// Since when.
    pub since: Timestamp,
}

/// A person turned a trigger off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Off {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Did {
    fn add(&mut self, share: &Share, at: Timestamp) {
        self.matched += share.matched;
        self.throttled += share.throttled;
        self.skipped += share.skipped;
        self.replaced += share.replaced;
        self.delivered += share.delivered;
        self.failed += share.failed;
        self.dead += share.dead;
        if share.matched > 0 {
            self.last_match = Some((share.last, at));
        }
        if let Some(result) = &share.result {
            self.last_result = Some((result.clone(), at));
        }
        if share.delivered > 0 {
            self.lag_ms = Some(share.lag_ms);
        }
    }
}

/// The row of a trigger.
pub fn row_id(workload: &str, trigger: &str) -> String {
    format!("{workload}/{trigger}")
}

fn read<T: for<'a> Deserialize<'a>>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn workload_of(event: &Event) -> &str {
    event.workload.as_deref().unwrap_or_default()
}

/// Keeps [`TRIGGERS_TABLE`].
pub struct TriggersFold;

impl TriggersFold {
    fn change(rows: &mut dyn Rows, id: &str, change: impl FnOnce(&mut Did)) {
        let before = rows.get_text(id);
        let mut did: Did = before.and_then(|row| serde_json::from_str(&row).ok()).unwrap_or_default();
        change(&mut did);
        // As text, without a tree in between: this row is written for nearly every record.
        if let Ok(row) = serde_json::to_string(&did) {
            rows.put_text(id, row);
        }
    }
}

impl Fold for TriggersFold {
    fn table(&self) -> &'static str {
        TRIGGERS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let named = || Some(row_id(workload_of(event), event.data["trigger"].as_str()?));
        match event.kind.as_str() {
            "trigger.routed" | "trigger.settled" | "trigger.begun" => {
                let shares: Option<Vec<Share>> = event.data.get("triggers").and_then(read);
                for share in shares.unwrap_or_default() {
                    let id = row_id(workload_of(event), &share.name);
                    Self::change(rows, &id, |did| did.add(&share, event.time));
                }
            }
            "trigger.scheduled" => {
                if let Some(id) = named() {
                    Self::change(rows, &id, |did| did.scheduled = did.scheduled.max(Some(event.time)));
                }
            }
            "trigger.missed" => {
                let upto = event.data.get("upto").and_then(read::<Timestamp>);
                // What a clock that was ahead has settled does not count any more.
                let is_setback = event.data.get("setback").is_some();
                if let Some(id) = named() {
                    Self::change(rows, &id, |did| {
                        did.scheduled = if is_setback { upto } else { did.scheduled.max(upto) };
                    });
                }
            }
            "trigger.armed" => {
                let armed: Option<Armed> = read(&event.data);
                if let Some(id) = named() {
                    Self::change(rows, &id, |did| {
                        did.armed = armed;
                        did.scheduled = None;
                    });
                }
            }
            "trigger.disarmed" => {
                if let Some(id) = named() {
                    Self::change(rows, &id, |did| did.armed = None);
                }
            }
            "trigger.disabled" => {
                if let Some(id) = named() {
                    let reason = event.data["reason"].as_str().map(str::to_owned);
                    let off = Off { by: event.actor.to_string(), at: event.time, reason };
                    Self::change(rows, &id, |did| did.off = Some(off));
                }
            }
            "trigger.enabled" => {
                if let Some(id) = named() {
                    Self::change(rows, &id, |did| {
                        did.off = None;
                        if did.armed.is_some() {
                            did.scheduled = did.scheduled.max(Some(event.time));
                        }
                    });
                }
            }
            _ => {}
        }
    }
}

/// Keeps [`CALLS_TABLE`].
pub struct CallsFold;

/// Writes a row whose fields are in the order of their names, as rows are kept.
fn write(rows: &mut dyn Rows, id: &str, row: &Batch) {
    if let Ok(row) = serde_json::to_string(row) {
        rows.put_text(id, row);
    }
}

/// A record with calls that are open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Batch {
    /// How many are open.
    pub open: usize,
    /// Which are over: a bit for each, from the lowest of the first byte on, in hexadecimal.
    pub over: String,
}

/// Reads hexadecimal digits, two for each byte.
fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| digit(pair[0]) << 4 | pair.get(1).copied().map_or(0, digit)).collect()
}

impl Batch {
    /// The bits.
    pub fn bits(&self) -> Vec<u8> {
        bytes(&self.over)
    }

    /// Whether a bit is set.
    pub fn is_over(bits: &[u8], number: u32) -> bool {
        bits.get(number as usize / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1)
    }

    fn settle(&mut self, numbers: &[u64]) {
        let mut bits = self.bits();
        for number in numbers {
            let at = usize::try_from(number / 8).unwrap_or(usize::MAX);
            if at >= bits.len() {
                // More than any record holds would be no number of ours.
                if at > 1 << 20 {
                    continue;
                }
                bits.resize(at + 1, 0);
            }
            let bit = 1 << (number % 8);
            if bits[at] & bit == 0 {
                bits[at] |= bit;
                self.open = self.open.saturating_sub(1);
            }
        }
        self.over.clear();
        for byte in bits {
            self.over.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
    }
}

/// The row of a record.
fn batch_id(place: u64) -> String {
    format!("{place:020}")
}

/// The place of a record, from the id of its row.
pub(super) fn place_of(row: &str) -> Option<u64> {
    (row.len() == 20).then(|| row.parse().ok()).flatten()
}

/// Calls of records that are over: two numbers for each.
fn over(rows: &mut dyn Rows, pairs: &[u64]) {
    let mut sorted: Vec<&[u64]> = pairs.chunks_exact(2).collect();
    sorted.sort_by_key(|pair| pair[0]);
    for of_one in sorted.chunk_by(|a, b| a[0] == b[0]) {
        let id = batch_id(of_one[0][0]);
        let Some(row) = rows.get_text(&id) else { continue };
        let Ok(mut batch) = serde_json::from_str::<Batch>(&row) else { continue };
        batch.settle(&of_one.iter().map(|pair| pair[1]).collect::<Vec<_>>());
        if batch.open == 0 {
            rows.remove(&id);
        } else {
            write(rows, &id, &batch);
        }
    }
}

fn over_origins(rows: &mut dyn Rows, origins: &[Origin]) {
    let mut pairs = Vec::new();
    for origin in origins {
        match origin {
            Origin::Batch(place, number) => pairs.extend([*place, u64::from(*number)]),
            Origin::Single(id) => rows.remove(id),
        }
    }
    over(rows, &pairs);
}

fn put(rows: &mut dyn Rows, letter: &Letter) {
    if let Ok(row) = serde_json::to_value(letter) {
        rows.put(&letter.id, &row);
    }
}

impl Fold for CallsFold {
    fn table(&self) -> &'static str {
        CALLS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        match event.kind.as_str() {
            "trigger.routed" => {
                let Some(calls) = event.data.get("calls").and_then(Value::as_array) else { return };
                if !calls.is_empty() {
                    let batch = Batch { open: calls.len() / 3, over: String::new() };
                    write(rows, &batch_id(event.seq), &batch);
                }
                let replaced: Vec<Origin> = event.data.get("replaced").and_then(read).unwrap_or_default();
                over_origins(rows, &replaced);
            }
            "trigger.settled" | "trigger.begun" => {
                let Some(settled) = read::<Settled>(&event.data) else { return };
                over(rows, &settled.over);
                settled.over_single.iter().for_each(|id| rows.remove(id));
                settled.waiting.iter().for_each(|letter| put(rows, letter));
            }
            "trigger.redriven" | "trigger.dropped" => {
                let Some(handled) = read::<Handled>(&event.data) else { return };
                handled.again.iter().for_each(|letter| put(rows, letter));
                over_origins(rows, &handled.open);
            }
            _ => {}
        }
    }
}

/// Keeps [`DEAD_TABLE`].
pub struct DeadFold;

impl Fold for DeadFold {
    fn table(&self) -> &'static str {
        DEAD_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let key = match event.kind.as_str() {
            "trigger.routed" => "full",
            "trigger.settled" => "dead",
            "trigger.redriven" | "trigger.dropped" => {
                let Some(handled) = read::<Handled>(&event.data) else { return };
                handled.again.iter().for_each(|letter| rows.remove(&letter.id));
                handled.dropped.iter().for_each(|id| rows.remove(id));
                return;
            }
            _ => return,
        };
        let letters: Option<Vec<Letter>> = event.data.get(key).and_then(read);
        for letter in letters.unwrap_or_default() {
            let Ok(mut row) = serde_json::to_value(&letter) else { continue };
            row["at"] = json!(event.time);
            rows.put(&letter.id, &row);
        }
    }
}

/// Keeps [`WINDOWS_TABLE`].
pub struct WindowsFold;

fn window_id(workload: &str, trigger: &str, key: &str) -> String {
    format!("{workload}/{trigger}/{}", &blake3::hash(key.as_bytes()).to_hex()[..32])
}

impl Fold for WindowsFold {
    fn table(&self) -> &'static str {
        WINDOWS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.kind != "trigger.routed" {
            return;
        }
        let workload = workload_of(event);
        let closed: Option<Vec<(String, String)>> = event.data.get("closed").and_then(read);
        for (trigger, key) in closed.unwrap_or_default() {
            rows.remove(&window_id(workload, &trigger, &key));
        }
        let opened: Option<Vec<Window>> = event.data.get("windows").and_then(read);
        for window in opened.unwrap_or_default() {
            let Ok(mut row) = serde_json::to_value(&window) else { continue };
            row["workload"] = json!(workload);
            rows.put(&window_id(workload, &window.trigger, &window.key), &row);
        }
    }
}

/// Keeps [`PROGRESS_TABLE`].
pub struct ProgressFold;

impl Fold for ProgressFold {
    fn table(&self) -> &'static str {
        PROGRESS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.kind == "trigger.routed"
            && let Some(upto) = event.data["upto"].as_u64()
        {
            rows.put(PROGRESS, &json!({ "upto": upto }));
        }
    }
}

/// What a trigger did; nothing if it never did anything.
pub fn did(journal: &dyn Journal, workload: &str, trigger: &str) -> Result<Did, StoreError> {
    let row = journal.row(TRIGGERS_TABLE, &row_id(workload, trigger))?;
    Ok(row.and_then(|row| read(&row)).unwrap_or_default())
}

/// A dead letter as it is kept: with when it was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// When it was given up.
    pub at: Timestamp,
    /// The call.
    #[serde(flatten)]
    pub letter: Letter,
}

/// A row of [`DEAD_TABLE`].
pub(super) fn dead_row(row: &Value) -> Option<Dead> {
    read(row)
}

/// How many dead letters there are of each trigger.
pub fn dead_counts(journal: &dyn Journal) -> Result<BTreeMap<TriggerId, usize>, StoreError> {
    let mut counts = BTreeMap::new();
    for row in all_rows(journal, DEAD_TABLE) {
        let (_, row) = row?;
        if let (Some(workload), Some(trigger)) = (row["workload"].as_str(), row["trigger"].as_str()) {
            let id = TriggerId { workload: workload.to_owned(), trigger: trigger.to_owned() };
            *counts.entry(id).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Dead letters, the one that was given up last first, after an id; and the id to go on after.
pub fn dead_letters(
    journal: &dyn Journal,
    wanted: impl Fn(&str, &str) -> bool,
    after: Option<String>,
    limit: usize,
) -> Result<(Vec<Dead>, Option<String>), StoreError> {
    let rows = rows_from(journal, DEAD_TABLE, RowQuery::newest(512).from(after));
    let found = rows.first(limit, |id, row| {
        let dead = dead_row(&row).filter(|dead| wanted(&dead.letter.workload, &dead.letter.trigger));
        Ok(dead.map(|dead| (id, dead)))
    })?;
    let next = found.last().filter(|_| found.len() == limit).map(|(id, _)| id.clone());
    Ok((found.into_iter().map(|(_, dead)| dead).collect(), next))
}

/// One dead letter.
pub fn dead_letter(journal: &dyn Journal, id: &str) -> Result<Option<Dead>, StoreError> {
    Ok(journal.row(DEAD_TABLE, id)?.as_ref().and_then(dead_row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_keys_in_order() {
        let at = Timestamp::from_millis(1_795_359_845_000);
        let did = Did {
            armed: Some(Armed { schedule: "rate(1 day)".to_owned(), since: at }),
            lag_ms: Some(3),
            last_match: Some((7, at)),
            last_result: Some(("204 \u{1} é".to_owned(), at)),
            off: Some(Off { at, by: "person:a".to_owned(), reason: Some("x".to_owned()) }),
            scheduled: Some(at),
            ..Did::default()
        };
        let in_order = |text: &str| {
            let keys: BTreeMap<String, Value> = serde_json::from_str(text).expect("a mapping");
            assert_eq!(text, serde_json::to_string(&keys).expect("written"));
        };
        in_order(&serde_json::to_string(&did).expect("written"));
        in_order(&serde_json::to_string(&did.armed).expect("written"));
        in_order(&serde_json::to_string(&did.off).expect("written"));
        in_order(&serde_json::to_string(&Batch { open: 3, over: "0102".to_owned() }).expect("written"));
    }

    #[test]
    fn calls_of_a_record_are_over_one_by_one() {
        let mut batch = Batch { open: 12, over: String::new() };
        batch.settle(&[0, 9, 9]);
        assert_eq!((batch.open, batch.over.as_str()), (10, "0102"));
        let bits = batch.bits();
        let over: Vec<u32> = (0..20).filter(|number| Batch::is_over(&bits, *number)).collect();
        assert_eq!(over, [0, 9]);
        batch.settle(&[3, u64::MAX]);
        assert_eq!((batch.open, batch.over.as_str()), (9, "0902"));
        batch.settle(&[4, 5, 6, 7]);
        assert_eq!((batch.open, batch.over.as_str()), (5, "f902"));
    }
}
