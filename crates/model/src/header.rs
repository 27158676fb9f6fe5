//! Names of HTTP headers, as people write them in files.

/// Headers that say what a request of ours is.
const OWN: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Whether a text can be the name of a header: a token of RFC 9110.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// Whether a header of our requests is set by us and by nobody else.
pub fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OWN.contains(&&*name) || name.starts_with("mainstay-") || name.starts_with("webhook-")
}
