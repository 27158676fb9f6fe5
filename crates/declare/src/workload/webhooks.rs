//! Where requests are sent: `webhooks` of a workload, which triggers and procedures name. What nobody else may know is
//! referred to as a secret, and read where the request is made. `integrations` is what the section was called for
//! procedures, and is read as the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::RangeInclusive;
use std::time::Duration;

use mainstay_model::header;

use super::fields::Reader;
use super::secrets::{self, SecretRef};
use crate::shape;
use crate::tree::{Node, NodeKind};

/// How long an answer is waited for where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// A place that requests are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its URL, see [`url_problem`]. It may have `*` in its path, which targets of triggers fill in.
    pub url: TextOrSecret,
    /// A file of the server with the certificates of an authority of one's own, trusted beside those of the system.
    pub ca: Option<String>,
    /// The key that requests are signed with.
    pub secret: Option<SecretRef>,
    /// The secret that is shown as a bearer token.
    pub token: Option<SecretRef>,
    /// Headers that every request has, by their names in lower case.
    pub headers: BTreeMap<String, TextOrSecret>,
    /// The body where a step of a procedure gives none.
    pub payload: Option<String>,
    /// Whether it does no harm to send the same request of a procedure twice: then one of which nobody knows whether it
    /// arrived is sent again instead of being left to a person. Triggers have a `RetryPolicy` for that.
    pub repeatable: bool,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How many requests of triggers may go on at once.
    pub parallel: u32,
}

/// A text, or where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrSecret {
    /// The text itself.
    Text(String),
    /// Where it is found.
    Secret(SecretRef),
}

/// Why a text is not a URL to send to. It may be or hold a secret, so it is not repeated.
pub fn url_problem(url: &str) -> Option<&'static str> {
    let Some((_, rest)) = split(url) else {
        return Some("This is not a URL with `https://` or `http://`");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("A URL with a user or a password in it is not taken: show a `token`, or a header");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(plain) {
        return Some("This URL names no host");
    }
    if url.contains('#') || !url.is_ascii() || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Some("This URL has characters that cannot be sent");
    }
    None
}

/// Whether what is sent to this URL can be read on its way: it is not encrypted, and leaves this machine.
pub fn is_readable_on_its_way(url: &str) -> bool {
    split(url).is_some_and(|(is_secure, rest)| {
        !is_secure && !is_loopback(rest.split(['/', '?', '#']).next().unwrap_or_default())
    })
}

/// Whether a URL is of https, and what follows its scheme.
fn split(url: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Some((true, rest)),
        "http" => Some((false, rest)),
        _ => None,
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

/// Reads the values of `webhooks` and of `integrations`.
pub(super) fn read(
    reader: &Reader<'_>,
    webhooks: Option<&Node>,
    integrations: Option<&Node>,
) -> BTreeMap<String, Webhook> {
    if let Some(node) = integrations {
        let message =
            "`integrations` is called `webhooks` now: triggers and procedures send to the same places";
        let help = "rename the key, or move its entries under `webhooks:`";
        reader.push(reader.source.warning("old-key", node.focus.clone(), message).help(help));
    }
    let mut out = BTreeMap::new();
    let nodes = [webhooks, integrations].into_iter().flatten();
    for entry in nodes.filter_map(|node| reader.entries(node)).flatten() {
        if !is_name(&entry.key) {
            let message = format!("`{}` is not a name for a webhook", entry.key);
            let help = "such names have up to 64 letters, digits, `-` and `_`, starting with a letter";
            reader.push(reader.error("bad-name", entry.key_span.clone(), message).help(help));
        }
        let name = entry.key.to_string();
        let Some(one) = one(reader, name.clone(), &entry.value) else { continue };
        match out.entry(name) {
            Slot::Vacant(slot) => drop(slot.insert(one)),
            Slot::Occupied(_) => {
                let message = format!("There is a webhook `{}` already", entry.key);
                reader.push(reader.error("duplicate-entry", entry.key_span.clone(), message));
            }
        }
    }
    out
}

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn one(reader: &Reader<'_>, name: String, node: &Node) -> Option<Webhook> {
    let fields = reader.fields(node, &shape::edges::WEBHOOK)?;
    let url_node = fields.required("url", "https://hooks.example.com/NAME");
    let url = url_node.and_then(|node| text_or_secret(reader, node));
    let ca = fields.get("ca").and_then(|node| certificates(reader, node));
    let key = fields.get("secret").and_then(|node| secrets::read(reader, node));
    let token = fields.get("token").and_then(|node| secrets::read(reader, node));
    let headers =
        fields.get("headers").map(|node| headers(reader, node, token.is_some())).unwrap_or_default();
    if let (Some(node), Some(TextOrSecret::Text(text))) = (url_node, &url) {
        let shows = token.is_some() || headers.values().any(|one| matches!(one, TextOrSecret::Secret(_)));
        check_url(reader, node, text, shows);
    }
    Some(Webhook {
        name,
        description: fields.text("description"),
        url: url?,
        ca,
        secret: key,
        token,
        headers,
        payload: fields.get("payload").and_then(|node| reader.text(node)).map(|text| text.text),
        repeatable: fields
            .get("repeatable")
            .and_then(|node| super::changes::flag(reader, node))
            .unwrap_or(false),
        timeout: fields.get("timeout").and_then(|node| reader.duration(node, TIMEOUTS)).unwrap_or(TIMEOUT),
        parallel: fields.get("parallel").and_then(|node| reader.count(node, 1..=256)).unwrap_or(16),
    })
}

fn check_url(reader: &Reader<'_>, node: &Node, text: &str, shows_secrets: bool) {
    let help = "write it as `https://HOST/PATH`";
    if let Some(message) = url_problem(text) {
        reader.push(reader.error("bad-value", node.focus.clone(), message).help(help));
    } else if is_readable_on_its_way(text) {
        reader.push(if shows_secrets {
            let message = "Over http the secrets of this webhook could be read on the way to another machine";
            reader.error("bad-value", node.focus.clone(), message).help(help)
        } else {
            let message = "What is sent over http can be read and changed on the way to another machine";
            reader.source.warning("plain-http", node.focus.clone(), message).help(help)
        });
    }
}

/// The path of a file with certificates.
fn certificates(reader: &Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if text.text.starts_with('/') && !text.text.ends_with('/') && !text.text.contains(char::is_control) {
        return Some(text.text);
    }
    let message = "This is not the absolute path of a file of the server";
    let help = "write `ca: /etc/NAME/ca.pem`, a file with the certificates of the authority in PEM";
    reader.push(reader.error("bad-path", text.span, message).help(help));
    None
}

fn text_or_secret(reader: &Reader<'_>, node: &Node) -> Option<TextOrSecret> {
    match &node.kind {
        NodeKind::Map(_) => secrets::read(reader, node).map(TextOrSecret::Secret),
        _ => reader.text(node).map(|text| TextOrSecret::Text(text.text)),
    }
}

fn headers(reader: &Reader<'_>, node: &Node, has_token: bool) -> BTreeMap<String, TextOrSecret> {
    let mut out = BTreeMap::new();
    for entry in reader.entries(node).unwrap_or_default() {
        let name = entry.key.to_ascii_lowercase();
        let is_secret = matches!(entry.value.kind, NodeKind::Map(_));
        let refuse = |code, message: String| reader.error(code, entry.key_span.clone(), message);
        if !header::is_name(&entry.key) {
            reader.push(refuse("bad-name", format!("`{}` is not a name for a header", entry.key)));
        } else if header::is_own(&name) && name != "content-type" {
            reader.push(refuse("bad-name", format!("The header `{}` is set by Mainstay", entry.key)));
        } else if name == "authorization" && has_token {
            reader.push(refuse("bad-value", "`token` is shown in this header already".to_owned()));
        } else if name == "authorization" && !is_secret {
            let message = "What stands here can be read by all who read the workload".to_owned();
            let help =
                "write `token: { secret: \"file:/etc/NAME/token\" }`, or the header as such a reference";
            reader.push(refuse("bad-secret", message).help(help));
        } else {
            secrets::warn_of_literal(reader, entry, true);
        }
        let value = if is_secret {
            secrets::read(reader, &entry.value).map(TextOrSecret::Secret)
        } else {
            reader.written(&entry.value).map(TextOrSecret::Text)
        };
        if let Some(TextOrSecret::Text(text)) = &value
            && text.chars().any(|c| c.is_control() || !c.is_ascii())
        {
            let message = "A header's value has ASCII characters, and no line breaks";
            reader.push(reader.error("bad-value", entry.value.focus.clone(), message));
        }
        out.extend(value.map(|value| (name.to_string(), value)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_urls_are_called() {
        for good in ["https://a.example/x?y=1", "http://127.0.0.1:8080", "http://[::1]:1/*/x", "HTTPS://a"] {
            assert_eq!(url_problem(good), None, "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a",
            "https://",
            "https://:80/",
            "https://u:hunter2@a/",
            "https://hunter2@a/",
            "http://a/b#c",
            "http://a/b c",
            "http://a/ü",
        ] {
            let said = url_problem(bad).expect(bad);
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn only_http_to_another_machine_can_be_read_on_its_way() {
        for (url, expected) in [
            ("https://a.example/x", false),
            ("http://a.example/x", true),
            ("http://localhost:8080/x", false),
            ("http://127.0.0.2", false),
            ("http://[::1]:1/x", false),
            ("http://10.0.0.1/x", true),
            ("http://localhost.example/", true),
        ] {
            assert_eq!(is_readable_on_its_way(url), expected, "{url}");
        }
    }
}
