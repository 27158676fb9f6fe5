//! Where webhooks are sent: `integrations` of a workload. A URL and headers that nobody else may know are referred to
//! as secrets, and read where the webhook is sent from.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::Reader;
use super::secrets::{self, SecretRef};
use crate::shape;
use crate::tree::{Node, NodeKind};

/// How long an answer is waited for where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A place that webhooks are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// What it is for.
    pub description: Option<String>,
    /// Its URL: https, or http on this machine.
    pub url: TextOrSecret,
    /// Headers that are sent with each request.
    pub headers: BTreeMap<String, TextOrSecret>,
    /// The body where a step gives none.
    pub payload: Option<String>,
    /// Whether it does no harm to send the same request twice: then one of which nobody knows whether it arrived is
    /// sent again instead of being left to a person.
    pub repeatable: bool,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// A text, or where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrSecret {
    /// The text itself.
    Text(String),
    /// Where it is found.
    Secret(SecretRef),
}

/// Why a URL is not one to send to.
pub fn url_problem(url: &str) -> Option<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some("This is not a URL such as `https://hooks.example.com/x`".to_owned());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || url.contains(char::is_whitespace) {
        return Some("This URL names no host".to_owned());
    }
    if authority.contains('@') {
        return Some("A URL with a password in it is not taken: send it as a header".to_owned());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" => None,
        "http" if is_loopback(authority) => None,
        "http" => Some("Webhooks are sent over https; http is for this machine only".to_owned()),
        other => Some(format!("Webhooks are sent over https, not `{other}`")),
    }
}

/// Whether the host of a URL, with or without a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads the value of `integrations`.
pub(super) fn read(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, Integration> {
    let entries = reader.entries(node).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            if !is_name(&entry.key) {
                let message = format!("`{}` is not a name for an integration", entry.key);
                reader.push(
                    reader.error("bad-name", entry.key_span.clone(), message).help(
                        "such names have up to 64 letters, digits, `-` and `_`, starting with a letter",
                    ),
                );
            }
            Some((entry.key.to_string(), one(reader, &entry.value)?))
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn one(reader: &Reader<'_>, node: &Node) -> Option<Integration> {
    let fields = reader.fields(node, &shape::INTEGRATION)?;
    let url_node = fields.required("url", "{ secret: \"file:/etc/NAME/webhook-url\" }");
    let url = url_node.and_then(|node| text_or_secret(reader, node));
    if let (Some(node), Some(TextOrSecret::Text(text))) = (url_node, &url)
        && let Some(message) = url_problem(text)
    {
        reader.push(reader.error("bad-value", node.focus.clone(), message));
    }
    let headers = fields.get("headers").map(|node| headers(reader, node)).unwrap_or_default();
    let payload = fields.get("payload").and_then(|node| reader.text(node)).map(|text| text.text);
    let repeatable =
        fields.get("repeatable").and_then(|node| super::changes::flag(reader, node)).unwrap_or(false);
    let range = Duration::from_millis(100)..=Duration::from_secs(60);
    let timeout = fields.get("timeout").and_then(|node| reader.duration(node, range));
    Some(Integration {
        description: fields.text("description"),
        url: url?,
        headers,
        payload,
        repeatable,
        timeout: timeout.unwrap_or(TIMEOUT),
    })
}

fn text_or_secret(reader: &Reader<'_>, node: &Node) -> Option<TextOrSecret> {
    match &node.kind {
        NodeKind::Map(_) => secrets::read(reader, node).map(TextOrSecret::Secret),
        _ => reader.text(node).map(|text| TextOrSecret::Text(text.text)),
    }
}

/// Headers that are ours to set.
const OURS: [&str; 5] = ["HOST", "CONTENT-LENGTH", "TRANSFER-ENCODING", "CONNECTION", "IDEMPOTENCY-KEY"];

fn headers(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, TextOrSecret> {
    let mut out = BTreeMap::new();
    for entry in reader.entries(node).unwrap_or_default() {
        let name = entry.key.to_ascii_uppercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            let message = format!("`{}` is not a name for a header", entry.key);
            reader.push(reader.error("bad-name", entry.key_span.clone(), message));
        } else if OURS.contains(&name.as_str()) {
            let message = format!("The header `{}` is set by Mainstay itself", entry.key);
            reader.push(reader.error("bad-name", entry.key_span.clone(), message));
        }
        if name == "AUTHORIZATION" && !matches!(entry.value.kind, NodeKind::Map(_)) {
            let message = "`Authorization` is a secret, and its value is written here for all to read";
            reader.push(
                reader
                    .source
                    .warning("literal-secret", entry.value.focus.clone(), message)
                    .help("write `{ secret: \"file:/absolute/path\" }`"),
            );
        } else {
            secrets::warn_of_literal(reader, entry, true);
        }
        let value = match &entry.value.kind {
            NodeKind::Map(_) => secrets::read(reader, &entry.value).map(TextOrSecret::Secret),
            _ => reader.written(&entry.value).map(TextOrSecret::Text),
        };
        if let Some(TextOrSecret::Text(text)) = &value
            && text.chars().any(|c| c.is_control() || !c.is_ascii())
        {
            let message = "A header's value has ASCII characters, and no line breaks";
            reader.push(reader.error("bad-value", entry.value.focus.clone(), message));
        }
        out.extend(value.map(|value| (entry.key.to_string(), value)));
    }
    out
}
