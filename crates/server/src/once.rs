//! Requests that are safe to repeat. A key is a caller's own, and one operation's: under it that is done once, and answered again
//! to who asks the same again. Who asks for something else under it is told so, and gets nothing that was done before.
//!
//! What was asked is kept as a hash beside what came of it, in the same event. It is keyed by what only this server knows,
//! because a body may hold a password.

use mainstay_api::v1::ErrorKind;
use mainstay_model::Actor;
use serde::Serialize;
use serde_json::Value;

use crate::http::Failure;

/// Under which name the hash of a request stands in an event's data.
pub const ASKED: &str = "asked";

/// A key, and what was asked under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    key: String,
    asked: String,
}

/// The hash of a request: of what it is about, and of its body, but for the key that may stand in it.
pub fn fingerprint(secret: &[u8; 32], path: &str, body: &impl Serialize) -> String {
    let mut body = serde_json::to_value(body).unwrap_or_default();
    if let Some(map) = body.as_object_mut() {
        map.remove("client_token");
    }
    let hash = blake3::keyed_hash(secret, format!("{path}\n{body}").as_bytes());
    hash.to_hex()[..32].to_owned()
}

impl Keyed {
    /// A key, and the hash of what is asked under it.
    pub fn new(key: impl Into<String>, asked: impl Into<String>) -> Self {
        Self { key: key.into(), asked: asked.into() }
    }

    /// The key itself.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The hash of what is asked.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// 32 digits that follow from the key, whose it is, and the operation.
    pub fn id(&self, operation: &str, by: &Actor) -> String {
        let Self { key, .. } = self;
        blake3::hash(format!("{operation}\n{by}\n{key}").as_bytes()).to_hex()[..32].to_owned()
    }

    /// That what was done under the key is what is asked for now. Of what earlier versions did only that is known.
    pub fn check(&self, kept: Option<&str>) -> Result<(), Failure> {
        match kept {
            Some(kept) if kept != self.asked => Err(used()),
            _ => Ok(()),
        }
    }

    /// The same, of an event's data.
    pub fn check_event(&self, data: &Value) -> Result<(), Failure> {
        self.check(data[ASKED].as_str())
    }
}

/// The same of who may have no key: then it is a new one each time.
pub fn id(operation: &str, by: &Actor, keyed: Option<&Keyed>) -> String {
    match keyed {
        Some(keyed) => keyed.id(operation, by),
        None => uuid::Uuid::now_v7().simple().to_string(),
    }
}

/// Puts what was asked into an event's data, where there is a key.
pub fn keep(keyed: Option<&Keyed>, data: &mut Value) {
    if let (Some(keyed), Some(data)) = (keyed, data.as_object_mut()) {
        data.insert(ASKED.to_owned(), keyed.asked().into());
    }
}

/// Somebody's key was for something else.
pub fn used() -> Failure {
    Failure::new(ErrorKind::Invalid, "This key was used for another request")
        .hint("nothing was done: send another `Idempotency-Key` (or `client_token`) with what is new; the same one only with the same request")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_known_by_what_it_asks_and_not_by_its_key() {
        let of = |secret: u8, path: &str, body: Value| fingerprint(&[secret; 32], path, &body);
        let first = of(1, "/v1/a", json!({ "a": 1, "client_token": "x" }));
        assert_eq!(first, of(1, "/v1/a", json!({ "client_token": "y", "a": 1 })));
        for other in [
            of(2, "/v1/a", json!({ "a": 1 })),
            of(1, "/v1/b", json!({ "a": 1 })),
            of(1, "/v1/a", json!({ "a": 2 })),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_key_is_of_one_caller_and_one_operation() {
        let person = |name: &str| Actor::Person(name.to_owned());
        let keyed = Keyed::new("k", "a");
        let first = keyed.id("run", &person("jo"));
        assert_eq!(first, Keyed::new("k", "b").id("run", &person("jo")), "whatever is asked");
        assert!(first != keyed.id("run", &person("al")) && first != keyed.id("note", &person("jo")));
        let mut data = json!({ "x": 1 });
        assert!(keyed.check_event(&data).is_ok(), "of before this was kept");
        keep(Some(&keyed), &mut data);
        assert!(keyed.check_event(&data).is_ok());
        let refused = Keyed::new("k", "b").check_event(&data).err().map(|failure| failure.0.kind);
        assert_eq!(refused, Some(ErrorKind::Invalid));
    }
}
