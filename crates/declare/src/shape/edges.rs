//! What may stand in `sources` and `webhooks` of `mainstay.yaml`: where events come in, and where they are sent.

use super::{Form, SECRET, Shape, key, required};

/// What a source may be.
pub(crate) const KINDS: &[&str] = &["cloudevents", "eventbridge", "alertmanager", "github", "webhook"];

/// How a signature may be made.
pub(crate) const SCHEMES: &[&str] = &["standard", "github", "hmac-sha256-hex", "hmac-sha256-base64"];

/// One of `sources`.
pub(crate) static SOURCE: Shape = Shape {
    what: "a source",
    name: "source",
    keys: &[
        required("kind", Form::OneOf(KINDS), "What it sends."),
        key("token", Form::Shape(&SECRET), "The secret that it shows in `Authorization: Bearer …`."),
        key("signature", Form::Shape(&SIGNATURE), "How what it sends is signed."),
        key("type", Form::Text, "The type of its events; `webhook` only, `webhook.received` by default."),
        key(
            "id_header",
            Form::Text,
            "The header with the id of what is sent; `webhook` only, `webhook-id` by default.",
        ),
    ],
    not_built: &[],
    rules: &[],
};

/// `signature` of a source.
pub(crate) static SIGNATURE: Shape = Shape {
    what: "a signature",
    name: "signature",
    keys: &[
        required("secret", Form::Text, "Where the server has the key: `file:/absolute/path` or `env:NAME`."),
        key(
            "scheme",
            Form::OneOf(SCHEMES),
            "How it is made; `github` for such a source and `standard` (Standard Webhooks) for others by default.",
        ),
        key("header", Form::Text, "The header it is in; required with `hmac-sha256-…`."),
        key("prefix", Form::Text, "What stands before it in the header, such as `sha256=`."),
    ],
    not_built: &[],
    rules: &[],
};

/// One of `webhooks`.
pub(crate) static WEBHOOK: Shape = Shape {
    what: "a webhook",
    name: "webhook",
    keys: &[
        key("description", Form::Text, "What it is for."),
        required(
            "url",
            Form::TextOrSecret,
            "Where requests go: https, or http on this machine. A `*` in the path is filled in by targets.",
        ),
        key(
            "ca",
            Form::Text,
            "A file of the server with certificates (PEM) of an authority of one's own, trusted beside the system's.",
        ),
        key("secret", Form::Shape(&SECRET), "The key that requests are signed with (Standard Webhooks)."),
        key("token", Form::Shape(&SECRET), "The secret that is shown in `Authorization: Bearer …`."),
        key("headers", Form::Headers, "Headers that every request has."),
        key("payload", Form::Text, "The body where a step of a procedure gives none."),
        key("repeatable", Form::Flag, "Whether sending the same request of a procedure twice does no harm."),
        key("timeout", Form::Duration, "How long an answer is waited for; 10s by default, 1m at most."),
        key(
            "parallel",
            Form::Count(1, 256),
            "How many requests of triggers may go on at once; 16 by default.",
        ),
    ],
    not_built: &[],
    rules: &[],
};
