//! Typed identifiers. Each is a short string that is safe in a URL path, a file name and a log line.

use std::fmt;

/// The longest id that is accepted, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// Why a string is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// The kind of id that was expected, as people read it (`run id`).
    pub kind: &'static str,
    /// The text that was refused, cut to 40 characters.
    pub text: String,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a {}: expected 1 to {MAX_ID_BYTES} letters, digits, `.`, `_`, `:` or `-`, starting with a letter or digit",
            self.text, self.kind
        )
    }
}

impl std::error::Error for InvalidId {}

fn is_valid(text: &str) -> bool {
    text.len() <= MAX_ID_BYTES
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and makes an id of it.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                if is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { kind: $kind, text: text.chars().take(40).collect() })
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // An id is ordered as its text is, so maps by id can be looked up by text.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// One journal record. Unique together with its `source`.
    EventId, "event id"
);
id!(
    /// One execution of a procedure.
    RunId, "run id"
);
id!(
    /// One disturbance.
    IncidentId, "incident id"
);
id!(
    /// One applied state of a workload: derived from its content and its parent.
    RevisionId, "revision id"
);
id!(
    /// One host, as its agent names it.
    HostId, "host id"
);
id!(
    /// One command for one host. Runs at most once there.
    CommandId, "command id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_paths_and_logs() {
        for good in ["a", "host-1", "run.2:step_3", "0198c0de"] {
            assert_eq!(RunId::new(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", ".", "..", "a/b", "a b", "é", "a\n", &"x".repeat(129)] {
            assert!(RunId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn reading_json_checks_the_text() {
        let error = serde_json::from_str::<RunId>("\"../etc\"").expect_err("a path is not an id");
        assert!(error.to_string().contains("is not a run id"), "{error}");
    }
}
