//! Secrets are referred to and never written: `DB_PASSWORD: { secret: "file:/etc/shop/db-password" }`.
//!
//! Files of a workload are kept in the journal, sent to every host and shown to whoever may read; so a secret's value
//! is read where the service starts, by the process that starts it, and is nowhere else.

use std::fmt;

use super::fields::Reader;
use crate::diagnostic::Diagnostic;
use crate::shape;
use crate::tree::{Entry, Node, NodeKind, Scalar, Typed};

/// Where a secret is found on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// The content of the file at this absolute path, which only its owner may read. One line break at the end is left
    /// out.
    File(String),
    /// The variable of this name in the environment of the agent.
    Environment(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

const HELP: &str = "write `file:/absolute/path` or `env:NAME`, both read on the host where it is needed";

/// Reads `{ secret: REFERENCE }`.
pub(super) fn read(reader: &Reader<'_>, node: &Node) -> Option<SecretRef> {
    let fields = reader.fields(node, &shape::SECRET)?;
    reference(reader, fields.required("secret", "\"file:/etc/NAME/password\"")?)
}

/// Reads `REFERENCE`.
pub(super) fn reference(reader: &Reader<'_>, node: &Node) -> Option<SecretRef> {
    let text = reader.text(node)?.text;
    let refuse = |message: String| -> Option<SecretRef> {
        reader.push(reader.error("bad-secret", node.focus.clone(), message).help(HELP));
        None
    };
    if let Some(path) = text.strip_prefix("file:") {
        return if !path.starts_with('/') {
            refuse(format!("`{path}` is not an absolute path"))
        } else if path.split('/').any(|part| part == "..") || path.ends_with('/') {
            refuse(format!("`{path}` does not name a file plainly"))
        } else if path.contains(char::is_control) {
            refuse("This path has characters that no path should have".to_owned())
        } else {
            Some(SecretRef::File(path.to_owned()))
        };
    }
    if let Some(name) = text.strip_prefix("env:") {
        return if is_variable(name) {
            Some(SecretRef::Environment(name.to_owned()))
        } else {
            refuse(format!("`{name}` is not a name for an environment variable"))
        };
    }
    // What stands there may be the secret itself, so it is not repeated.
    match text.split_once(':').map(|(source, _)| source).filter(|source| super::fields::is_name(source)) {
        Some(source) => refuse(format!("Secrets from `{source}:` are not built")),
        None => refuse("A secret is referred to by where it is, not written here".to_owned()),
    }
}

/// A name that an environment variable can have.
pub(crate) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a name is one that people give to secrets: `DB_PASSWORD`, `api-key`. What only points at a secret
/// (`TOKEN_FILE`, `KEY_ID`) is none.
pub fn looks_secret(name: &str) -> bool {
    const SECRET: [&str; 11] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "TOKEN",
        "SECRET",
        "KEY",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "SECRETS",
        "PASSWORDS",
    ];
    const POINTER: [&str; 12] =
        ["FILE", "PATH", "DIR", "URL", "URI", "NAME", "ID", "TTL", "TIMEOUT", "PREFIX", "COUNT", "SIZE"];
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let points = words.last().is_some_and(|word| POINTER.contains(word));
    !points && words.iter().any(|word| SECRET.contains(word) || word.ends_with("PASSWORD"))
}

/// A value under a name that secrets have is most likely one.
pub(super) fn warn_of_literal(reader: &Reader<'_>, entry: &Entry, as_secret: bool) {
    let NodeKind::Scalar(Scalar { typed, text, .. }) = &entry.value.kind else { return };
    let harmless = matches!(typed, Typed::Bool(_) | Typed::Null) || text.is_empty() || text.contains("${");
    if harmless || !looks_secret(&entry.key) {
        return;
    }
    let message =
        format!("`{}` looks like a secret, and its value is written here for all to read", entry.key);
    let help = if as_secret {
        format!("write `{}: {{ secret: \"file:/etc/NAME/{}\" }}`", entry.key, entry.key.to_lowercase())
    } else {
        "refer to it in `env` with `{ secret: \"file:/absolute/path\" }` instead".to_owned()
    };
    let diagnostic = reader.source.warning("literal-secret", entry.value.focus.clone(), message);
    reader.push(Diagnostic { help: Some(help), ..diagnostic });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in
            ["DB_PASSWORD", "api-key", "TOKEN", "PGPASSWORD", "SECRET_KEY_BASE", "aws_secret_access_key"]
        {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["TOKEN_FILE", "KEY_ID", "MONKEY", "KEYBOARD", "PORT", "TOKEN_URL", "PATH", ""] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
