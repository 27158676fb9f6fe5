//! People, what they may do, and how they prove who they are.

use mainstay_model::Timestamp;

/// A role on what a selector picks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// Which.
    #[schema(value_type = super::RoleWord)]
    pub role: String,
    /// On what: a selector over tags, such as `env=prod` or `workload=shop`; `*` is everything.
    pub on: String,
}

/// A role that was granted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct GrantView {
    /// Its id, to revoke it by. Grants of a token and of the operator have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which.
    #[schema(value_type = super::RoleWord)]
    pub role: String,
    /// On what.
    pub on: String,
}

/// Who is asking, as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Me {
    /// As whom it is recorded what is done (`person:maria`).
    pub actor: String,
    /// The user's name.
    pub user: String,
    /// How one is known: `machine` is by the data directory's token.
    #[schema(value_type = super::KnownBy)]
    pub via: String,
    /// The session's or token's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Until when, if nothing else ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub expires_at: Option<Timestamp>,
    /// What was granted. A token has the part of it that its user has, too.
    pub grants: Vec<GrantView>,
    /// What one may do to some resource or other; to the workload, where one was asked about.
    #[schema(value_type = Vec<super::PermissionWord>)]
    pub permissions: Vec<String>,
    /// What one may do to everything there is: signals, and what belongs to no workload, need it on `*`.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<super::PermissionWord>)]
    pub everywhere: Vec<String>,
    /// Whether there is a password to change.
    pub has_password: bool,
    /// The issuer of the provider that signs one in, or may. Without a password one does not choose one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_in_with: Option<String>,
}

/// How people may sign in at this server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SignInWays {
    /// With a name and a password.
    pub password: bool,
    /// With an account elsewhere.
    #[serde(default)]
    #[schema(required = true)]
    pub providers: Vec<ProviderView>,
}

/// A provider of sign-in (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ProviderView {
    /// Its name.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Where a browser is sent to sign in with it; `?back=/PATH` says to which page of the console it comes back.
    pub path: String,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user's name.
    pub user: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
}

/// A new password.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The one until now. Who administers users need not say it for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    pub current: Option<String>,
    /// The one from now on: 12 characters at least.
    #[schema(format = Password)]
    pub new: String,
    /// Whether the user's tokens are taken back, too. Sessions end in any case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoke_tokens: bool,
}

/// An account elsewhere that is to be a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AwaitedAccount {
    /// The name of the provider at which whoever has the user's name signs in as this user for the first time; none if not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// A link that signs a browser in, once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SignInLink {
    /// The path with its code, to be put behind the server's address.
    pub path: String,
    /// The whole of it.
    pub url: String,
    /// Until when it may be opened.
    #[schema(value_type = super::Time)]
    pub expires_at: Timestamp,
}

/// A session of a browser.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// How they signed in.
    #[schema(value_type = super::SignInMethod)]
    pub method: String,
    /// When.
    #[schema(value_type = super::Time)]
    pub started_at: Timestamp,
    /// When it was used last, within the hour.
    #[schema(value_type = super::Time)]
    pub used_at: Timestamp,
    /// When it ends at the latest.
    #[schema(value_type = super::Time)]
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A user to add.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name: lower case letters, digits, `.`, `_`, `-` and `@`.
    pub user: String,
    /// The name that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The password; without one, they come in by a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    pub password: Option<String>,
    /// The name of the provider that signs them in: whoever has this name there is this user. Instead of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What they may do from the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<NewGrant>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct UserView {
    /// The name.
    pub user: String,
    /// The name that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether they may sign in.
    #[schema(value_type = super::UserState)]
    pub state: String,
    /// Whether there is a password.
    pub has_password: bool,
    /// When they were added.
    #[schema(value_type = super::Time)]
    pub created_at: Timestamp,
    /// The issuer of the provider that signs them in, or may for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_in_with: Option<String>,
    /// What they may do. What their claims at the provider give has no id and cannot be revoked here; it counts in sessions
    /// that began there.
    pub grants: Vec<GrantView>,
}

/// Why something is done to a user; part of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A token to make.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it allows: never more than its user may.
    pub grants: Vec<NewGrant>,
    /// How long it holds, in milliseconds: up to 366 days, 90 if not said. One that is made in a session that began at a
    /// provider ends with that session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// What it allows, as far as its user may.
    pub grants: Vec<GrantView>,
    /// When it was made.
    #[schema(value_type = super::Time)]
    pub created_at: Timestamp,
    /// Until when it holds.
    #[schema(value_type = super::Time)]
    pub expires_at: Timestamp,
}

/// A token with its secret, which is shown this once.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// What there is to know of it.
    #[serde(flatten)]
    pub view: TokenView,
    /// The secret.
    pub token: String,
}
