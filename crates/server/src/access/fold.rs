//! The tables of people: users with their grants, sessions, and tokens. Of secrets they hold hashes only.

use std::collections::BTreeMap;

use mainstay_model::access::Grant;
use mainstay_model::{Event, Timestamp};
use mainstay_store::{Fold, Rows};
use serde_json::Value;

/// Rows are [`UserRow`] by the user's name.
pub const USERS_TABLE: &str = "users";
/// Rows are [`SessionRow`] by the session's id.
pub const SESSIONS_TABLE: &str = "sessions";
/// Rows are [`TokenRow`] by the token's id.
pub const TOKENS_TABLE: &str = "tokens";

/// The method of a session that began at a provider of sign-in.
pub(super) const BY_PROVIDER: &str = "oidc";

/// A user.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UserRow {
    /// The name.
    pub user: String,
    /// The name that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether they may sign in no more.
    #[serde(default)]
    pub disabled: bool,
    /// The hash of the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// When they were added.
    pub created_at: Timestamp,
    /// What they may do, by the grants' ids.
    #[serde(default)]
    pub grants: BTreeMap<String, Grant>,
    /// Whom a provider of sign-in means by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The issuer of the provider at which whoever has this name may sign in as this user for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<String>,
    /// What their claims at the provider gave them when they signed in last. It counts in sessions that began there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<Grant>,
}

/// Somebody at a provider of sign-in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// What it calls them, which never changes.
    pub subject: String,
}

/// A session.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub session: String,
    /// Whose it is.
    pub user: String,
    /// How they signed in.
    pub method: String,
    /// The hash of its secret.
    pub hash: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was used last, as far as that is on record.
    pub used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

impl SessionRow {
    /// Whether it began at a provider of sign-in, so that what is claimed there counts in it.
    pub fn is_of_provider(&self) -> bool {
        self.method == BY_PROVIDER
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TokenRow {
    /// Its id.
    pub token: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// The hash of its secret.
    pub hash: String,
    /// What it allows.
    pub grants: Vec<Grant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// The session that it ends with: one that began at a provider of sign-in, with what is claimed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

fn text(data: &Value, key: &str) -> Option<String> {
    data[key].as_str().map(str::to_owned)
}

fn identity(data: &Value) -> Option<Identity> {
    serde_json::from_value(data["identity"].clone()).ok()
}

/// Keeps [`USERS_TABLE`].
pub struct UsersFold;

impl Fold for UsersFold {
    fn table(&self) -> &'static str {
        USERS_TABLE
    }

    /// 2: at which provider somebody is awaited.
    fn version(&self) -> u32 {
        2
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(what) = event.kind.strip_prefix("access.") else { return };
        let data = &event.data;
        let Some(user) = data["user"].as_str() else { return };
        if what == "user.added" {
            let added = UserRow {
                user: user.to_owned(),
                title: text(data, "title"),
                disabled: false,
                password: None,
                created_at: event.time,
                grants: BTreeMap::new(),
                identity: identity(data),
                awaits: None,
                claimed: Vec::new(),
            };
            return rows.write(user, &added);
        }
        let Some(mut known) = rows.read::<UserRow>(user) else { return };
        match what {
            "user.disabled" => known.disabled = true,
            "user.enabled" => known.disabled = false,
            "user.awaited" => known.awaits = text(data, "issuer"),
            "user.identified" => known.identity = identity(data),
            "claimed" => known.claimed = serde_json::from_value(data["grants"].clone()).unwrap_or_default(),
            "password.set" => known.password = text(data, "hash"),
            "granted" => {
                let grant = serde_json::from_value::<Grant>(data["grant"].clone());
                if let (Ok(grant), Some(id)) = (grant, text(data, "id")) {
                    known.grants.insert(id, grant);
                }
            }
            "revoked" => {
                known.grants.remove(data["id"].as_str().unwrap_or_default());
            }
            _ => return,
        }
        rows.write(user, &known);
    }
}

/// Keeps [`SESSIONS_TABLE`].
pub struct SessionsFold;

impl Fold for SessionsFold {
    fn table(&self) -> &'static str {
        SESSIONS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(what) = event.kind.strip_prefix("access.session.") else { return };
        let Some(id) = event.data["session"].as_str() else { return };
        match what {
            "started" => {
                let mut data = event.data.clone();
                data["started_at"] = serde_json::json!(event.time);
                data["used_at"] = serde_json::json!(event.time);
                if let Ok(started) = serde_json::from_value::<SessionRow>(data) {
                    rows.write(id, &started);
                }
            }
            "used" => {
                if let Some(known) = rows.read::<SessionRow>(id) {
                    rows.write(id, &SessionRow { used_at: event.time, ..known });
                }
            }
            "ended" => rows.remove(id),
            _ => {}
        }
    }
}

/// Keeps [`TOKENS_TABLE`].
pub struct TokensFold;

impl Fold for TokensFold {
    fn table(&self) -> &'static str {
        TOKENS_TABLE
    }

    /// 2: the session that a token ends with.
    fn version(&self) -> u32 {
        2
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(what) = event.kind.strip_prefix("access.token.") else { return };
        let Some(id) = event.data["token"].as_str() else { return };
        match what {
            "created" => {
                let mut data = event.data.clone();
                data["created_at"] = serde_json::json!(event.time);
                if let Ok(made) = serde_json::from_value::<TokenRow>(data) {
                    rows.write(id, &made);
                }
            }
            "revoked" => rows.remove(id),
            _ => {}
        }
    }
}
