//! Signing in, and being known afterwards.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use mainstay_api::v1::{ErrorKind, SignIn};
use mainstay_model::{Actor, EventDraft, Timestamp};
use serde_json::json;

use super::limiter::network;
use super::{
    Access, Caller, OPERATOR, SESSIONS_TABLE, SessionRow, TOKENS_TABLE, TokenRow, USERS_TABLE, UserRow, Via,
    all, hash_of, is_of, locked, secret,
};
use crate::http::Failure;

/// How long a session may go unused.
pub const IDLE: Duration = Duration::from_secs(12 * 3600);
/// How long a session lasts at most.
pub const ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often it is put on record that a session is used.
const RECORD_USE: Duration = Duration::from_secs(3600);
/// The most sessions that a user may have; the oldest ends for a new one.
const MAX_SESSIONS: usize = 50;
/// The longest password, in bytes: hashing a longer one only costs.
pub const MAX_PASSWORD: usize = 1024;
/// The shortest, in characters.
pub const MIN_PASSWORD: usize = 12;
/// How tokens of users begin.
pub(super) const TOKEN_PREFIX: &str = "mut_";

/// A session that has begun, with its secret, which is told this once.
pub struct Opened {
    /// What is known of it.
    pub row: SessionRow,
    /// What the browser shows from now on.
    pub secret: String,
}

impl Access {
    fn hasher(&self) -> Argon2<'_> {
        // RFC 9106 and OWASP: argon2id with 19 MiB and two passes, the crate's default.
        Argon2::new_with_secret(&self.pepper, Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
            .expect("32 bytes are a secret")
    }

    /// The hash of a password, as it is kept.
    pub(super) async fn hash_password(self: &Arc<Self>, password: String) -> Result<String, Failure> {
        let access = self.clone();
        let _turn = self.hashing.acquire().await;
        let work = move || {
            let salt = SaltString::encode_b64(uuid::Uuid::new_v4().as_bytes())?;
            Ok::<_, argon2::password_hash::Error>(
                access.hasher().hash_password(password.as_bytes(), &salt)?.to_string(),
            )
        };
        let hashed = tokio::task::spawn_blocking(work).await;
        match hashed {
            Ok(Ok(hash)) => Ok(hash),
            _ => Err(Failure::new(ErrorKind::Internal, "The password could not be hashed")),
        }
    }

    /// Whether a password is the one with this hash. Without a hash it takes as long, and is not.
    pub(super) async fn is_password(
        self: &Arc<Self>,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Failure> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let access = self.clone();
        let _turn = self.hashing.acquire().await;
        let work = move || {
            let known = hash.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
            match known {
                Some(known) => access.hasher().verify_password(password.as_bytes(), &known).is_ok(),
                None => {
                    let salt = SaltString::encode_b64(&[0; 16]);
                    let _ = salt.and_then(|salt| {
                        access.hasher().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
                    });
                    false
                }
            }
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Failure::internal("The password could not be checked", &error))
    }

    /// Signs in with a name and a password. Whoever is refused is not told which of both is wrong, and it takes as long.
    pub async fn sign_in(self: &Arc<Self>, who: SignIn, address: Option<IpAddr>) -> Result<Opened, Failure> {
        let pair = self.try_once(&who.user, address)?;
        let hash = self.hash_of_user(&who.user)?;
        let is_right = self.is_password(who.password, hash.clone()).await?;
        if is_right {
            // While it waited for its turn, the password may have been changed and the user disabled.
            let _turn = self.turn.lock().await;
            if self.hash_of_user(&who.user)? == hash {
                locked(&self.pairs).forgive(&pair);
                return self.open_session(&who.user, "password").await;
            }
        }
        self.refuse(&who.user, address).await
    }

    /// What the password of a user is known by, if they may sign in with one.
    fn hash_of_user(&self, user: &str) -> Result<Option<String>, Failure> {
        let row = self.row::<UserRow>(USERS_TABLE, user)?;
        Ok(row.filter(|row| !row.disabled).and_then(|row| row.password))
    }

    /// Takes a try of an address, of an account from there, and of the account from anywhere; or of none from where there is
    /// none left: whoever is refused takes no try of others. Gives back what the second is called.
    pub(super) fn try_once(&self, user: &str, address: Option<IpAddr>) -> Result<String, Failure> {
        let now = self.now();
        let network = network(address);
        // Names that cannot be of a user need no room of their own.
        let name: String = user.chars().take(64).collect();
        let pair = format!("{network} {name}");
        let taken = locked(&self.addresses)
            .take(&network, now)
            .and_then(|()| locked(&self.pairs).take(&pair, now))
            .and_then(|()| locked(&self.accounts).take(&name, now));
        match taken {
            Ok(()) => Ok(pair),
            Err(wait) => Err(Failure::new(ErrorKind::Busy, "Too many tries to sign in").again_after(wait)),
        }
    }

    /// Puts on record that somebody was refused something.
    pub async fn record_refusal(&self, user: &str, operation: &str, path: &str) {
        let data = json!({ "user": user, "operation": operation, "path": path });
        let by = Actor::Person(user.to_owned());
        let _ = self.say("access.refused", &by, format!("user/{user}"), data).await;
    }

    /// Puts on record that a link was made that signs a user in.
    pub(super) async fn record_link(&self, user: &str, by: &Actor) -> Result<(), Failure> {
        self.say("access.link.made", by, format!("user/{user}"), json!({ "user": user })).await.map(drop)
    }

    async fn refuse(&self, user: &str, address: Option<IpAddr>) -> Result<Opened, Failure> {
        // What was typed may be a password in the wrong field: only names of users are recorded.
        let known = self.row::<UserRow>(USERS_TABLE, user)?.map(|known| known.user);
        let subject = known.as_ref().map_or_else(|| "user".to_owned(), |user| format!("user/{user}"));
        let data = json!({ "user": known, "address": address });
        let by = Actor::System("access".to_owned());
        let _ = self.say("access.refused", &by, subject, data).await;
        Err(Failure::new(ErrorKind::Unauthenticated, "The name or the password is wrong"))
    }

    /// Begins a session of a user.
    pub async fn open_session(&self, user: &str, method: &str) -> Result<Opened, Failure> {
        let now = self.now();
        let mut mine = Vec::new();
        for row in self.rows::<SessionRow>(SESSIONS_TABLE)? {
            if self.is_over(&row, now) {
                self.end(&row, &Actor::System("access".to_owned()), "expired").await?;
            } else if row.user == user {
                mine.push(row);
            }
        }
        mine.sort_by_key(|row| row.used_at);
        for row in mine.iter().rev().skip(MAX_SESSIONS - 1) {
            self.end(row, &Actor::System("access".to_owned()), "too many").await?;
        }
        let secret = secret();
        let (hash, id) = hash_of(&secret);
        let row = SessionRow {
            session: id.clone(),
            user: user.to_owned(),
            method: method.to_owned(),
            hash: hash.to_hex().to_string(),
            started_at: now,
            used_at: now,
            expires_at: now.plus(ABSOLUTE),
        };
        let data = json!({
            "session": id, "user": user, "method": method, "hash": row.hash, "expires_at": row.expires_at,
        });
        self.say("access.session.started", &Actor::Person(user.to_owned()), format!("user/{user}"), data)
            .await?;
        Ok(Opened { row, secret })
    }

    fn last_used(&self, row: &SessionRow) -> Timestamp {
        let used = locked(&self.used).get(&row.session).copied();
        used.map_or(row.used_at, |used| used.max(row.used_at))
    }

    fn is_over(&self, row: &SessionRow, now: Timestamp) -> bool {
        now >= row.expires_at || now.since(self.last_used(row)) >= IDLE
    }

    /// Who shows this cookie.
    pub async fn by_session(&self, secret: &str) -> Result<Option<Caller>, Failure> {
        let (hash, id) = hash_of(secret);
        let Some(row) = self.row::<SessionRow>(SESSIONS_TABLE, &id)? else { return Ok(None) };
        if !is_of(hash, &row.hash) {
            return Ok(None);
        }
        let Some(caller) = self.in_session(&row)? else { return Ok(None) };
        let now = self.now();
        locked(&self.used).insert(id.clone(), now);
        if now.since(row.used_at) >= RECORD_USE {
            // If it cannot be recorded now, the next use does.
            let by = Actor::Person(row.user.clone());
            let data = json!({ "session": id, "user": row.user });
            let _ = self.say("access.session.used", &by, format!("user/{}", row.user), data).await;
        }
        Ok(Some(caller))
    }

    /// Who is in a session, as long as it holds.
    fn in_session(&self, row: &SessionRow) -> Result<Option<Caller>, Failure> {
        if self.is_over(row, self.now()) {
            return Ok(None);
        }
        let caller = |grants| Caller {
            user: row.user.clone(),
            via: Via::Session(row.session.clone()),
            expires_at: Some(row.expires_at),
            grants,
            scope: None,
        };
        Ok(self.grants_of(&row.user, row.is_of_provider())?.map(caller))
    }

    /// Who shows this token.
    pub fn by_token(&self, secret: &str) -> Result<Option<Caller>, Failure> {
        if !secret.starts_with(TOKEN_PREFIX) {
            return Ok(None);
        }
        let (hash, id) = hash_of(secret);
        let Some(row) = self.row::<TokenRow>(TOKENS_TABLE, &id)? else { return Ok(None) };
        if is_of(hash, &row.hash) { self.with_token(row) } else { Ok(None) }
    }

    /// Whether a token holds: for its time, and as long as the session that it ends with.
    pub(super) fn is_held(&self, row: &TokenRow) -> Result<bool, Failure> {
        let now = self.now();
        if now >= row.expires_at {
            return Ok(false);
        }
        let Some(id) = &row.session else { return Ok(true) };
        let session = self.row::<SessionRow>(SESSIONS_TABLE, id)?;
        Ok(session.is_some_and(|session| session.is_of_provider() && !self.is_over(&session, now)))
    }

    /// Who has a token, as long as it holds.
    fn with_token(&self, row: TokenRow) -> Result<Option<Caller>, Failure> {
        if !self.is_held(&row)? {
            return Ok(None);
        }
        let Some(grants) = self.grants_of(&row.user, row.session.is_some())? else { return Ok(None) };
        Ok(Some(Caller {
            user: row.user,
            via: Via::Token(row.token),
            expires_at: Some(row.expires_at),
            grants,
            scope: Some(row.grants),
        }))
    }

    /// Who is known by this now, with what they may now. It does not count as a use of their session.
    pub fn holder(&self, via: &Via) -> Result<Option<Caller>, Failure> {
        match via {
            Via::Machine => Ok(Some(Caller::machine())),
            Via::Session(id) => match self.row::<SessionRow>(SESSIONS_TABLE, id)? {
                Some(row) => self.in_session(&row),
                None => Ok(None),
            },
            Via::Token(id) => match self.row::<TokenRow>(TOKENS_TABLE, id)? {
                Some(row) => self.with_token(row),
                None => Ok(None),
            },
        }
    }

    /// Whether somebody is still known as before: sessions end, tokens are revoked, users are disabled.
    pub fn still_knows(&self, caller: &Caller) -> bool {
        let grants = match &caller.via {
            Via::Machine => return true,
            // What is followed goes on while nobody uses the session.
            Via::Session(id) => self.row::<SessionRow>(SESSIONS_TABLE, id).and_then(|row| match row {
                Some(row) => self.grants_of(&row.user, row.is_of_provider()),
                None => Ok(None),
            }),
            Via::Token(_) => self.holder(&caller.via).map(|known| known.map(|known| known.grants)),
        };
        caller.expires_at.is_none_or(|at| self.now() < at)
            && grants.is_ok_and(|grants| grants.as_ref() == Some(&caller.grants))
    }

    /// What a user was granted, with what their claims give where these count; nothing of one who is not there or disabled.
    pub(super) fn grants_of(
        &self,
        user: &str,
        with_claims: bool,
    ) -> Result<Option<Vec<mainstay_model::access::Grant>>, Failure> {
        if user == OPERATOR {
            return Ok(Some(all()));
        }
        let row = self.row::<UserRow>(USERS_TABLE, user)?;
        Ok(row.filter(|row| !row.disabled).map(|row| row.all_grants(with_claims)))
    }

    async fn end(&self, row: &SessionRow, by: &Actor, reason: &str) -> Result<(), Failure> {
        self.journal.append(vec![self.ending(row, by, reason)]).await?;
        Ok(())
    }

    fn ending(&self, row: &SessionRow, by: &Actor, reason: &str) -> EventDraft {
        locked(&self.used).remove(&row.session);
        let data = json!({ "session": row.session, "user": row.user, "reason": reason });
        self.draft(None, "access.session.ended", by, &format!("user/{}", row.user), data)
    }

    /// Ends a session of that user, or of anybody. False if there is none.
    pub async fn end_session(
        &self,
        id: &str,
        of: Option<&str>,
        by: &Actor,
        reason: &str,
    ) -> Result<bool, Failure> {
        let row = self.row::<SessionRow>(SESSIONS_TABLE, id)?;
        let Some(row) = row.filter(|row| of.is_none_or(|user| user == row.user)) else { return Ok(false) };
        self.end(&row, by, reason).await?;
        Ok(true)
    }

    /// What ends the sessions of a user, but for one.
    pub(super) fn endings(
        &self,
        user: &str,
        but: Option<&str>,
        by: &Actor,
        reason: &str,
    ) -> Result<Vec<EventDraft>, Failure> {
        let mut rows = self.rows::<SessionRow>(SESSIONS_TABLE)?;
        rows.retain(|row| row.user == user && but != Some(row.session.as_str()));
        Ok(rows.iter().map(|row| self.ending(row, by, reason)).collect())
    }

    /// The sessions that hold, of one user or of all.
    pub fn sessions(&self, of: Option<&str>) -> Result<Vec<SessionRow>, Failure> {
        let now = self.now();
        let mut rows = self.rows::<SessionRow>(SESSIONS_TABLE)?;
        rows.retain(|row| of.is_none_or(|user| user == row.user) && !self.is_over(row, now));
        for row in &mut rows {
            row.used_at = self.last_used(row);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.started_at));
        Ok(rows)
    }
}
