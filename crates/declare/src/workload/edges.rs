//! Where events come in: `sources`.

use std::collections::BTreeMap;

use mainstay_model::header;

use super::fields::Reader;
use super::read::named;
use super::secrets::{self, SecretRef};
use crate::shape;
use crate::tree::Node;

/// Somewhere events come from, each under a path of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSource {
    /// Its name.
    pub name: String,
    /// What it sends.
    pub kind: SourceKind,
    /// The secret that it shows as a bearer token.
    pub token: Option<SecretRef>,
    /// How what it sends is signed.
    pub signature: Option<Signature>,
    /// The type of its events, for [`SourceKind::Webhook`].
    pub event_type: Option<String>,
    /// The header with the id of what is sent, in lower case, for [`SourceKind::Webhook`].
    pub id_header: Option<String>,
}

/// What a source sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// CloudEvents: structured, batched or binary.
    CloudEvents,
    /// The entries of EventBridge's `PutEvents`.
    EventBridge,
    /// Alertmanager's webhook, version 4.
    Alertmanager,
    /// GitHub's webhooks.
    GitHub,
    /// Any JSON.
    Webhook,
}

impl SourceKind {
    /// Every kind with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("cloudevents", Self::CloudEvents),
        ("eventbridge", Self::EventBridge),
        ("alertmanager", Self::Alertmanager),
        ("github", Self::GitHub),
        ("webhook", Self::Webhook),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("webhook", |(word, _)| word)
    }
}

/// How what a source sends is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The key.
    pub secret: SecretRef,
    /// How the signature is made.
    pub scheme: Scheme,
    /// The header it is in, in lower case.
    pub header: String,
    /// What stands before it in the header.
    pub prefix: String,
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks: HMAC-SHA256 over id, time and body, in Base64, with `v1,` before it.
    Standard,
    /// HMAC-SHA256 over the body in hexadecimal.
    Hex,
    /// HMAC-SHA256 over the body in Base64.
    Base64,
}

/// Reads `sources`.
pub(super) fn sources(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, EventSource> {
    let read = |(name, node): (String, &Node)| Some((name.clone(), source(reader, name, node)?));
    named(reader, node, "a source").into_iter().filter_map(read).collect()
}

/// The name of a header, in lower case.
fn header_name(reader: &Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if header::is_name(&text.text) {
        return Some(text.text.to_ascii_lowercase());
    }
    let message = format!("`{}` is not the name of a header", text.text);
    reader.push(reader.error("bad-value", text.span, message));
    None
}

fn source(reader: &Reader<'_>, name: String, node: &Node) -> Option<EventSource> {
    let fields = reader.fields(node, &shape::edges::SOURCE)?;
    if matches!(name.as_str(), "mainstay" | "aws") {
        let message = format!("The name `{name}` is reserved: it would be the `source` of the events");
        reader.push(reader.error("bad-name", node.focus.clone(), message));
    }
    let kind = fields.required("kind", "webhook").and_then(|node| reader.one_of(node, &SourceKind::ALL));
    let token = fields.get("token").map(|node| secrets::read(reader, node));
    let signature = fields.get("signature").map(|node| signature(reader, node, kind));
    if token.is_none() && signature.is_none() {
        let message = "A source says how it is known: by `token` or by `signature`";
        let help =
            "add `token: { secret: \"file:/etc/NAME/token\" }`, which it sends as `Authorization: Bearer …`";
        reader.push(reader.error("missing-key", node.focus.clone(), message).help(help));
    }
    for key in ["type", "id_header"] {
        if let (Some(entry), Some(kind)) = (node.get(key), kind)
            && kind != SourceKind::Webhook
        {
            let message =
                format!("`{key}` is for sources of the kind `webhook`: a `{}` says it itself", kind.as_str());
            reader.push(reader.error("bad-value", entry.key_span.clone(), message));
        }
    }
    let event_type = fields.get("type").and_then(|node| {
        let text = reader.text(node)?;
        if mainstay_model::event::reserved_to(&text.text).is_some() {
            let message = format!("Only Mainstay itself says `{}`", text.text);
            let help = "choose a type of your own, for example with the sender's name in front";
            reader.push(reader.error("bad-value", text.span, message).help(help));
            return None;
        }
        Some(text.text)
    });
    let id_header = fields.get("id_header").and_then(|node| header_name(reader, node));
    Some(EventSource {
        name,
        kind: kind?,
        token: token.flatten(),
        signature: signature.flatten(),
        event_type,
        id_header,
    })
}

fn signature(reader: &Reader<'_>, node: &Node, kind: Option<SourceKind>) -> Option<Signature> {
    let fields = reader.fields(node, &shape::edges::SIGNATURE)?;
    let secret =
        fields.required("secret", "\"file:/etc/NAME/key\"").and_then(|node| secrets::reference(reader, node));
    let words: Vec<(&str, &str)> = shape::edges::SCHEMES.iter().map(|word| (*word, *word)).collect();
    let written = fields.get("scheme").and_then(|node| reader.one_of(node, &words));
    let usual = if kind == Some(SourceKind::GitHub) { "github" } else { "standard" };
    let (scheme, own_header, own_prefix) = match written.unwrap_or(usual) {
        "github" => (Scheme::Hex, Some("x-hub-signature-256"), "sha256="),
        "hmac-sha256-hex" => (Scheme::Hex, None, ""),
        "hmac-sha256-base64" => (Scheme::Base64, None, ""),
        _ => (Scheme::Standard, Some("webhook-signature"), ""),
    };
    let header = match fields.get("header") {
        Some(node) => header_name(reader, node),
        None if own_header.is_some() => own_header.map(str::to_owned),
        None => fields.required("header", "X-Signature").and(None),
    };
    let prefix = fields.text("prefix").unwrap_or_else(|| own_prefix.to_owned());
    Some(Signature { secret: secret?, scheme, header: header?, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_schema() {
        assert_eq!(SourceKind::ALL.map(|(word, _)| word), shape::edges::KINDS);
    }
}
