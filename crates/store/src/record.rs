//! The disk form of an event: canonical bytes, and the hash that chains them.

use std::collections::BTreeMap;

use mainstay_model::{Actor, Event, EventDraft, EventHash, EventId, Tags, Timestamp};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Number, Value};

use crate::{Head, StoreError};

/// The largest event, in bytes of its canonical form. Bigger things belong in files that an event names.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// The largest batch, in bytes of its events' canonical forms.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// The deepest nesting of an event's data. JSON readers stop at 128, and what cannot be read back must not be written.
pub const MAX_DATA_DEPTH: usize = 100;

/// A hash as it is stored.
pub(crate) type Hash = [u8; 32];

/// The first event's `prev`.
pub(crate) const ZERO: Hash = [0; 32];

/// Where a chain stands: the last event's place and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub seq: u64,
    pub hash: Hash,
}

impl Tip {
    pub const EMPTY: Self = Self { seq: 0, hash: ZERO };

    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: hex(&self.hash) }
    }

    /// The tip after one more event, whose body has this digest.
    pub fn next(&self, digest: &Hash) -> Self {
        let seq = self.seq + 1;
        Self { seq, hash: chain(&self.hash, seq, digest) }
    }
}

/// The digest of an event's canonical bytes: their BLAKE3.
pub(crate) fn digest(body: &[u8]) -> Hash {
    *blake3::hash(body).as_bytes()
}

/// The hash of an event: BLAKE3 over the hash before it, its place (8 bytes, little endian) and the digest of its
/// canonical bytes. Of the digest and not of the bytes, so that callers hash what is long, each for itself, and the one
/// thread that writes hashes 72 bytes.
pub(crate) fn chain(prev: &Hash, seq: u64, digest: &Hash) -> Hash {
    let mut bytes = [0; 72];
    bytes[..32].copy_from_slice(prev);
    bytes[32..40].copy_from_slice(&seq.to_le_bytes());
    bytes[40..].copy_from_slice(digest);
    *blake3::hash(&bytes).as_bytes()
}

pub(crate) fn hex(hash: &Hash) -> String {
    EventHash(*hash).to_string()
}

/// A draft that may be written: checked, with its canonical bytes and their digest, and equal to what those bytes read
/// back as.
pub(crate) struct Sealed {
    pub draft: EventDraft,
    pub body: String,
    pub digest: Hash,
}

/// Checks and encodes a batch. This is done by the caller, so that the writer only chains and stores.
pub(crate) fn seal_batch(batch: Vec<EventDraft>) -> Result<(Vec<Sealed>, usize), StoreError> {
    let mut size = 0;
    let found = batch.len();
    let mut sealed = Vec::with_capacity(found);
    for draft in batch {
        let one = seal(draft)?;
        size += one.body.len();
        if size > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge { found, size, limit: MAX_BATCH_BYTES });
        }
        sealed.push(one);
    }
    Ok((sealed, size))
}

fn seal(mut draft: EventDraft) -> Result<Sealed, StoreError> {
    let refuse = |draft: &EventDraft, reason: String| StoreError::Refused {
        id: draft.id.to_string(),
        kind: draft.kind.chars().take(80).collect(),
        reason,
    };
    if draft.source.is_empty() || draft.kind.is_empty() {
        return Err(refuse(&draft, "an event needs a source and a type".to_owned()));
    }
    if deeper_than(&draft.data, MAX_DATA_DEPTH) {
        return Err(refuse(&draft, format!("its data is nested deeper than {MAX_DATA_DEPTH} levels")));
    }
    let body = match serde_json::to_string(&Canonical(&draft)) {
        Ok(body) => body,
        Err(error) => return Err(refuse(&draft, format!("it cannot be written as JSON: {error}"))),
    };
    if body.len() > MAX_EVENT_BYTES {
        let (found, limit) =
            (crate::error::bytes(body.len() as u64), crate::error::bytes(MAX_EVENT_BYTES as u64));
        return Err(refuse(
            &draft,
            format!("it has {found}, {limit} is the most; keep the rest in a file and name it"),
        ));
    }
    if !is_settled(&draft.data) {
        // Folds and followers have to see now what a rebuild will see later: the stored bytes, read back. Only floating
        // point numbers (some change in the last digit) and unsorted keys can make a difference.
        draft = decode(body.as_bytes()).map_err(|reason| refuse(&draft, reason))?;
    }
    let digest = digest(body.as_bytes());
    Ok(Sealed { draft, body, digest })
}

/// The stored body of an event that was read.
pub(crate) fn body(draft: &EventDraft) -> String {
    serde_json::to_string(&Canonical(draft)).expect("what was written once can be written again")
}

pub(crate) fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|item| deeper_than(item, levels - 1)),
        _ => false,
    }
}

/// Whether a value surely reads back from its canonical bytes as it is, order of keys included.
fn is_settled(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_u64() || number.is_i64() || reads_back(number),
        Value::Array(items) => items.iter().all(is_settled),
        Value::Object(map) => map.keys().is_sorted() && map.values().all(is_settled),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Whether a floating point number is the same after it was written and read, which the quick reader of `serde_json` does
/// not promise.
fn reads_back(number: &Number) -> bool {
    serde_json::to_string(number)
        .and_then(|text| serde_json::from_str::<Number>(&text))
        .is_ok_and(|read| read == *number)
}

/// The canonical JSON of any value, as stored in fold tables.
pub(crate) fn canonical(value: &Value) -> Result<String, String> {
    serde_json::to_string(&Sorted(value)).map_err(|error| error.to_string())
}

/// A value whose object keys are written in byte order, whichever map serde_json was built with.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Sorted(item))?;
                }
                seq.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                if fields.keys().is_sorted() {
                    for (key, item) in fields {
                        map.serialize_entry(key, &Sorted(item))?;
                    }
                } else {
                    for (key, item) in fields.iter().collect::<BTreeMap<_, _>>() {
                        map.serialize_entry(key, &Sorted(item))?;
                    }
                }
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

/// The canonical form of a draft: its fields in byte order of their names, absent ones left out.
struct Canonical<'a>(&'a EventDraft);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let draft = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("actor", &Shown(&draft.actor))?;
        if let Some(cause) = &draft.cause {
            map.serialize_entry("cause", cause.as_str())?;
        }
        if !draft.data.is_null() {
            map.serialize_entry("data", &Sorted(&draft.data))?;
        }
        map.serialize_entry("id", draft.id.as_str())?;
        if let Some(received) = &draft.received {
            map.serialize_entry("received", &Shown(received))?;
        }
        map.serialize_entry("source", &draft.source)?;
        if let Some(subject) = &draft.subject {
            map.serialize_entry("subject", subject)?;
        }
        if !draft.tags.is_empty() {
            map.serialize_entry("tags", &draft.tags.0)?;
        }
        map.serialize_entry("time", &Shown(&draft.time))?;
        if let Some(trace) = &draft.trace {
            map.serialize_entry("trace", trace)?;
        }
        map.serialize_entry("type", &draft.kind)?;
        if let Some(workload) = &draft.workload {
            map.serialize_entry("workload", workload)?;
        }
        map.end()
    }
}

/// What is written as its text.
struct Shown<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// Disk format 1 of a draft.
#[derive(Deserialize)]
struct Record {
    actor: Actor,
    #[serde(default)]
    cause: Option<EventId>,
    #[serde(default)]
    data: Value,
    id: EventId,
    source: String,
    #[serde(default)]
    received: Option<Timestamp>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    time: Timestamp,
    #[serde(default)]
    trace: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    workload: Option<String>,
}

/// Reads a stored body.
pub(crate) fn decode(body: &[u8]) -> Result<EventDraft, String> {
    let record: Record = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(EventDraft {
        id: record.id,
        source: record.source,
        kind: record.kind,
        subject: record.subject,
        time: record.time,
        received: record.received,
        actor: record.actor,
        workload: record.workload,
        tags: Tags(record.tags),
        cause: record.cause,
        trace: record.trace,
        data: record.data,
    })
}

/// An event from its stored parts.
pub(crate) fn event(seq: u64, prev: &Hash, hash: &Hash, draft: EventDraft) -> Event {
    Event { seq, prev_hash: EventHash(*prev), hash: EventHash(*hash), draft }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn draft(data: Value) -> EventDraft {
        EventDraft::new(
            EventId::new("e1").expect("valid"),
            "test.happened",
            Timestamp::from_millis(1_795_359_845_250),
            Actor::Person("maria".to_owned()),
            data,
        )
    }

    #[test]
    fn the_canonical_form_and_hash_are_fixed_for_ever() {
        // A journal written today has to verify in ten years: these bytes may never change within disk format 1.
        let mut full = draft(json!({"b": [1, -2, 0.5, null, true], "a": {"z": "é\n", "y": {}}}))
            .subject("component/checkout")
            .workload("shop")
            .cause(EventId::new("e0").expect("valid"));
        full.tags = [("env", "prod")].into_iter().collect();
        full.trace = Some("0af7651916cd43dd8448eb211c80319c".to_owned());
        let sealed = seal(full.clone()).expect("a fine event");
        assert_eq!(
            sealed.body,
            r#"{"actor":"person:maria","cause":"e0","data":{"a":{"y":{},"z":"é\n"},"b":[1,-2,0.5,null,true]},"id":"e1","source":"mainstay","subject":"component/checkout","tags":{"env":"prod"},"time":"2026-11-22T15:04:05.250Z","trace":"0af7651916cd43dd8448eb211c80319c","type":"test.happened","workload":"shop"}"#
        );
        assert_eq!(decode(sealed.body.as_bytes()), Ok(full));
        assert_eq!(
            hex(&Tip::EMPTY.next(&digest(b"{}")).hash),
            "fb5954df8dce9dc99613f75695cfdc08aa99bbe51883dd2163e53a5fd6c4d416"
        );
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let mut deep = json!(1);
        for _ in 0..MAX_DATA_DEPTH {
            deep = json!([deep]);
        }
        let sealed = seal(draft(deep.clone())).expect("as deep as is allowed");
        assert!(decode(sealed.body.as_bytes()).is_ok());
        let error = seal(draft(json!([deep]))).err().expect("too deep");
        assert!(error.to_string().contains("deeper than 100"), "{error}");

        let error = seal(draft(json!("x".repeat(MAX_EVENT_BYTES)))).err().expect("too big");
        assert!(error.to_string().contains("1.0 MiB is the most"), "{error}");

        let mut nobody = draft(Value::Null);
        nobody.source = String::new();
        assert!(seal(nobody).is_err());

        let half: Vec<_> = (0..40).map(|_| draft(json!("x".repeat(MAX_EVENT_BYTES / 2)))).collect();
        let error = seal_batch(half).err().expect("the batch is too big");
        assert!(error.to_string().contains("16.0 MiB is the most"), "{error}");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_sealed_draft_is_what_its_bytes_say(data in any_value(), source in ".+", subject in proptest::option::of(".*")) {
            let mut given = draft(data);
            given.source = source;
            given.subject = subject;
            let sealed = seal(given).expect("small and shallow");
            prop_assert_eq!(decode(sealed.body.as_bytes()).expect("reads back"), sealed.draft);
        }
    }
}
