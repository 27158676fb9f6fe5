//! What a server is told of providers of sign-in: a JSON file that is read once, when the server starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::Uri;
use mainstay_model::Selector;
use mainstay_model::access::{Grant, Role};
use serde::Deserialize;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, and what to write.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    oidc: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    title: Option<String>,
    issuer: String,
    client_id: String,
    /// Read by hand: what is wrong with it must not be repeated, as it may be the secret itself.
    client_secret: Option<serde_json::Value>,
    #[serde(default = "usual_scopes")]
    scopes: Vec<String>,
    #[serde(default = "usual_claim")]
    user: String,
    #[serde(default)]
    email_is_verified: bool,
    #[serde(default)]
    allowed_domains: BTreeSet<String>,
    #[serde(default)]
    grants: Vec<WrittenGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGrant {
    when: BTreeMap<String, String>,
    role: String,
    on: String,
}

fn usual_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

fn usual_claim() -> String {
    "email".to_owned()
}

/// A provider.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Its name in URLs and records.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Its issuer, exactly as it says itself.
    pub issuer: String,
    /// As whom it knows this server.
    pub client_id: String,
    /// Where the secret is that this server shows it; none for a public client.
    pub client_secret: Option<String>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that a user is called by.
    pub user: String,
    /// That it hands out only addresses that it has checked, although it does not say so.
    pub email_is_verified: bool,
    /// The domains that an address has to be of; any if there is none.
    pub allowed_domains: BTreeSet<String>,
    /// What claims give.
    pub grants: Vec<ClaimedGrant>,
}

/// What whoever has these claims may do.
#[derive(Clone, Debug)]
pub struct ClaimedGrant {
    /// Claims by name, and the value that each has or has among others.
    pub when: BTreeMap<String, String>,
    /// What they may.
    pub grant: Grant,
}

/// Reads the file.
pub fn read(path: &Path) -> Result<Vec<ProviderConfig>, ConfigError> {
    let bad = |reason: String| ConfigError { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    parse(&text).map_err(bad)
}

pub(super) fn parse(text: &str) -> Result<Vec<ProviderConfig>, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut names = BTreeSet::new();
    file.oidc
        .into_iter()
        .map(|written| {
            let name = written.name.clone();
            if !names.insert(name.clone()) {
                return Err(format!("there are two providers `{name}`"));
            }
            provider(written).map_err(|reason| format!("provider `{name}`: {reason}"))
        })
        .collect()
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(good)
}

fn provider(written: Written) -> Result<ProviderConfig, String> {
    if !is_name(&written.name) {
        return Err("a name is up to 32 lower case letters, digits and `-`".to_owned());
    }
    check_url(&written.issuer)?;
    if written.client_id.is_empty() {
        return Err("`client_id` is empty".to_owned());
    }
    let client_secret = written.client_secret.map(|written| reference(&written)).transpose()?;
    let no_scope = |scope: &&String| {
        scope.is_empty() || scope.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
    };
    if let Some(scope) = written.scopes.iter().find(no_scope) {
        return Err(format!("`{scope}` is not a scope"));
    }
    if written.user.is_empty() {
        return Err("`user` is the name of a claim, such as email or preferred_username".to_owned());
    }
    if let Some(domain) = written.allowed_domains.iter().find(|one| one.is_empty() || one.contains('@')) {
        return Err(format!("`{domain}` is not a domain: write example.org"));
    }
    let grants = written.grants.into_iter().map(grant).collect::<Result<Vec<_>, String>>()?;
    Ok(ProviderConfig {
        title: written.title.unwrap_or_else(|| written.name.clone()),
        name: written.name,
        issuer: written.issuer,
        client_id: written.client_id,
        client_secret,
        scopes: written.scopes,
        user: written.user,
        email_is_verified: written.email_is_verified,
        allowed_domains: written.allowed_domains.iter().map(|one| one.to_lowercase()).collect(),
        grants,
    })
}

/// Whether tokens and codes may be sent there: over TLS, or on this machine.
pub fn check_url(url: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => Err(format!("`{url}` is not an https URL; http is for this machine only")),
    }
}

fn reference(written: &serde_json::Value) -> Result<String, String> {
    let text = written["secret"].as_str().unwrap_or_default();
    let is_alone = written.as_object().is_some_and(|fields| fields.len() == 1);
    let is_file = text.strip_prefix("file:").is_some_and(|path| path.starts_with('/'));
    let is_variable = text.strip_prefix("env:").is_some_and(|name| !name.is_empty());
    if is_alone && (is_file || is_variable) {
        return Ok(text.to_owned());
    }
    Err("`client_secret` says where the secret is: { \"secret\": \"file:/absolute/path\" } or `env:NAME`"
        .to_owned())
}

fn grant(written: WrittenGrant) -> Result<ClaimedGrant, String> {
    if written.when.is_empty() {
        return Err("a grant has to say `when`: without a claim it would be everybody's".to_owned());
    }
    let role: Role = written.role.parse()?;
    let on: Selector =
        written.on.parse().map_err(|error| format!("`{}` is not a selector: {error}", written.on))?;
    Ok(ClaimedGrant { when: written.when, grant: Grant { role, on } })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn one() -> Value {
        json!({
            "name": "company", "title": "Company account", "issuer": "https://login.example.org", "client_id": "mainstay",
            "client_secret": { "secret": "file:/etc/mainstay/oidc" }, "allowed_domains": ["Example.org"],
            "grants": [{ "when": { "groups": "oncall" }, "role": "responder", "on": "*" }],
        })
    }

    fn of(provider: &Value) -> Result<Vec<ProviderConfig>, String> {
        parse(&json!({ "oidc": [provider] }).to_string())
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let read = of(&one()).expect("right");
        assert_eq!((read[0].user.as_str(), read[0].scopes.len()), ("email", 2));
        assert!(read[0].allowed_domains.contains("example.org") && !read[0].email_is_verified);
        let bare = json!({ "name": "a", "issuer": "http://127.0.0.1:9400", "client_id": "m" });
        let read = of(&bare).expect("right");
        assert!(read[0].grants.is_empty() && read[0].title == "a", "and gives nobody anything");
    }

    #[test]
    fn what_is_wrong_is_told_and_secrets_are_not_repeated() {
        for (key, value, why) in [
            ("name", json!("Company"), "lower case"),
            ("issuer", json!("http://login.example.org"), "not an https URL"),
            ("issuer", json!("login"), "not an https URL"),
            ("client_id", json!(""), "`client_id` is empty"),
            ("client_secret", json!({ "secret": "hunter2hunter2" }), "says where the secret is"),
            ("client_secret", json!("hunter2hunter2"), "says where the secret is"),
            ("scopes", json!(["a b"]), "not a scope"),
            ("user", json!(""), "name of a claim"),
            ("allowed_domains", json!(["a@example.org"]), "not a domain"),
            ("grants", json!([{ "when": {}, "role": "viewer", "on": "*" }]), "everybody's"),
            ("grants", json!([{ "when": { "a": "b" }, "role": "root", "on": "*" }]), "not a role"),
            ("grants", json!([{ "when": { "a": "b" }, "role": "viewer", "on": "=" }]), "not a selector"),
            ("grant", json!([]), "unknown field `grant`"),
        ] {
            let mut provider = one();
            provider[key] = value;
            let reason = of(&provider).expect_err(why);
            assert!(reason.contains(why), "{reason}");
            assert!(!reason.contains("hunter2hunter2"), "{reason}");
        }
        let twice = json!({ "oidc": [one(), one()] }).to_string();
        assert!(parse(&twice).expect_err("twice").contains("two providers"));
    }
}
