//! Users, their grants, and their tokens.

use std::sync::Arc;
use std::time::Duration;

use mainstay_api::v1::{
    ChangePassword, ErrorKind, GrantView, NewGrant, NewToken, NewUser, TokenView, UserView,
};
use mainstay_model::access::{Grant, Permission};
use mainstay_model::{Actor, Event, EventDraft, EventId, Selector};
use mainstay_store::{RowQuery, rows_from};
use serde_json::json;

use super::sessions::{MAX_PASSWORD, MIN_PASSWORD, TOKEN_PREFIX};
use super::{
    Access, Caller, OPERATOR, SESSIONS_TABLE, SessionRow, TOKENS_TABLE, TokenRow, USERS_TABLE, UserRow, Via,
    hash_of, locked, secret,
};
use crate::http::{Failure, append_one};
use crate::once::{self, Keyed};

/// How long a token holds where it is not said.
const TOKEN_LASTS: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long at most.
const TOKEN_LASTS_AT_MOST: Duration = Duration::from_secs(366 * 24 * 3600);
/// The most tokens of a user, and grants of a user or token.
const MANY: usize = 100;

pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-@".contains(&byte);
    let begins =
        name.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    if name.len() > 64 || !begins || !name.bytes().all(good) {
        return Err(Failure::invalid("This is not a name of a user").hint(
            "up to 64 of: lower case letters, digits, `.`, `_`, `-`, `@`; the first is a letter or digit",
        ));
    }
    if name == OPERATOR {
        return Err(Failure::new(ErrorKind::Conflict, "`operator` is whoever has the data directory")
            .hint("choose another name"));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), Failure> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(Failure::invalid(format!("A password has {MIN_PASSWORD} characters at least")));
    }
    if password.len() > MAX_PASSWORD {
        return Err(Failure::invalid(format!("A password has {MAX_PASSWORD} bytes at most")));
    }
    Ok(())
}

/// A grant as it was asked for.
fn grant(new: &NewGrant) -> Result<Grant, Failure> {
    let role = new.role.parse().map_err(|error: String| Failure::invalid(error))?;
    let on: Selector = new
        .on
        .parse()
        .map_err(|error| Failure::invalid(format!("`{}` is not a selector", new.on)).because(error))?;
    Ok(Grant { role, on })
}

fn check_line(what: &str, text: &str) -> Result<(), Failure> {
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err(Failure::invalid(format!("{what} is one line of up to 200 characters")));
    }
    Ok(())
}

fn grant_view(id: Option<String>, grant: &Grant) -> GrantView {
    GrantView { id, role: grant.role.to_string(), on: grant.on.to_string() }
}

/// Grants that have no ids.
pub fn grant_views(grants: &[Grant]) -> Vec<GrantView> {
    grants.iter().map(|grant| grant_view(None, grant)).collect()
}

/// A user, as the wire says it.
pub fn user_view(row: &UserRow) -> UserView {
    UserView {
        user: row.user.clone(),
        title: row.title.clone(),
        state: if row.disabled { "disabled" } else { "active" }.to_owned(),
        has_password: row.password.is_some(),
        created_at: row.created_at,
        signs_in_with: row.signs_in_with().cloned(),
        grants: row
            .grants
            .iter()
            .map(|(id, grant)| grant_view(Some(id.clone()), grant))
            .chain(grant_views(&row.claimed))
            .collect(),
    }
}

/// A token, as the wire says it.
fn token_view(row: &TokenRow) -> TokenView {
    TokenView {
        id: row.token.clone(),
        name: row.name.clone(),
        user: row.user.clone(),
        grants: grant_views(&row.grants),
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

/// What has to hold of a user before they are changed.
pub type Expect<'a> = &'a (dyn Fn(&UserView) -> Result<(), Failure> + Sync);

/// An id of an event that follows from what makes a request safe to repeat.
pub(super) fn once_id(scope: &str, by: &Actor, keyed: &Keyed) -> EventId {
    EventId::new(format!("access:{}", keyed.id(scope, by))).expect("hex digits are an id")
}

impl Access {
    /// A user.
    pub fn user(&self, name: &str) -> Result<UserRow, Failure> {
        let row = self.row::<UserRow>(USERS_TABLE, name)?;
        row.ok_or_else(|| Failure::not_found("user", name))
    }

    /// A page of the users that are wanted, by name, from behind one on; and the name of the last if there are more.
    pub fn users(
        &self,
        wanted: impl Fn(&UserView) -> bool,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<UserView>, Option<String>), Failure> {
        let rows = rows_from(self.journal.as_ref(), USERS_TABLE, RowQuery::by_id(limit + 1).from(after));
        let mut found = rows.first(limit + 1, |_, row| {
            let row = serde_json::from_value::<UserRow>(row).ok();
            Ok(row.map(|row| user_view(&row)).filter(&wanted))
        })?;
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let next = found.last().filter(|_| !is_last).map(|view| view.user.clone());
        Ok((found, next))
    }

    /// What was done under this key before, if it was. Refused where that was something else.
    fn done_before(
        &self,
        id: Option<&EventId>,
        keyed: Option<&Keyed>,
    ) -> Result<Option<Arc<Event>>, Failure> {
        let (Some(id), Some(keyed)) = (id, keyed) else { return Ok(None) };
        let before = self.journal.read_by_id(mainstay_model::event::SOURCE_SERVER, id)?;
        if let Some(event) = &before {
            keyed.check_event(&event.data)?;
        }
        Ok(before)
    }

    /// Adds a user; `awaits` is the issuer of the provider that they are to sign in with, if they are. Under the same key it
    /// is done once, and answered again.
    pub async fn add_user(
        self: &Arc<Self>,
        new: NewUser,
        awaits: Option<String>,
        once: Option<Keyed>,
        by: &Actor,
    ) -> Result<UserView, Failure> {
        check_name(&new.user)?;
        if let Some(title) = &new.title {
            check_line("A title", title)?;
        }
        if new.grants.len() > MANY {
            return Err(Failure::invalid(format!("A user has {MANY} grants at most")));
        }
        let grants = new.grants.iter().map(grant).collect::<Result<Vec<Grant>, Failure>>()?;
        if awaits.is_some() && new.password.is_some() {
            return Err(Failure::invalid("A user who signs in with a provider is added without a password"));
        }
        let hash = match new.password {
            Some(password) => {
                check_password(&password)?;
                Some(self.hash_password(password).await?)
            }
            None => None,
        };
        let _turn = self.turn.lock().await;
        let key = once.as_ref().map(|keyed| once_id("user", by, keyed));
        if let Some(event) = self.done_before(key.as_ref(), once.as_ref())? {
            return match event.data["user"].as_str() {
                Some(user) if user == new.user => self.user(user).map(|row| user_view(&row)),
                _ => Err(once::used()),
            };
        }
        if self.row::<UserRow>(USERS_TABLE, &new.user)?.is_some() {
            return Err(Failure::new(ErrorKind::Conflict, format!("There is a user `{}` already", new.user)));
        }
        let subject = format!("user/{}", new.user);
        let mut data = json!({ "user": new.user, "title": new.title });
        once::keep(once.as_ref(), &mut data);
        let mut drafts = vec![self.draft(key, "access.user.added", by, &subject, data)];
        if let Some(hash) = hash {
            let data = json!({ "user": new.user, "hash": hash });
            drafts.push(self.draft(None, "access.password.set", by, &subject, data));
        }
        if let Some(issuer) = awaits {
            let data = json!({ "user": new.user, "issuer": issuer });
            drafts.push(self.draft(None, "access.user.awaited", by, &subject, data));
        }
        drafts.extend(grants.iter().map(|grant| self.grant_draft(&new.user, grant, by)));
        self.journal.append(drafts).await?;
        self.user(&new.user).map(|row| user_view(&row))
    }

    /// Lets a user sign in no more, or again. Sessions, tokens and links of before hold no more, neither now nor when the user
    /// is back.
    pub async fn disable_user(
        &self,
        name: &str,
        disabled: bool,
        reason: Option<String>,
        expect: Expect<'_>,
        by: &Actor,
    ) -> Result<UserView, Failure> {
        let _turn = self.turn.lock().await;
        let row = self.user(name)?;
        expect(&user_view(&row))?;
        let mut drafts = Vec::new();
        if row.disabled != disabled {
            let kind = if disabled { "access.user.disabled" } else { "access.user.enabled" };
            let data = json!({ "user": name, "reason": reason });
            drafts.push(self.draft(None, kind, by, &format!("user/{name}"), data));
        }
        if disabled || row.disabled {
            // Also when they come back: until now tokens of who was disabled only slept.
            self.drop_links(name);
            drafts.extend(self.endings(name, None, by, "disabled")?);
            drafts.extend(self.revocations(name, by)?);
        }
        if !drafts.is_empty() {
            self.journal.append(drafts).await?;
        }
        self.user(name).map(|row| user_view(&row))
    }

    /// What takes all tokens of a user back.
    fn revocations(&self, user: &str, by: &Actor) -> Result<Vec<EventDraft>, Failure> {
        let rows = self.rows::<TokenRow>(TOKENS_TABLE)?;
        Ok(rows.iter().filter(|row| row.user == user).map(|row| self.revocation(row, by)).collect())
    }

    fn revocation(&self, row: &TokenRow, by: &Actor) -> EventDraft {
        let data = json!({ "token": row.token, "user": row.user, "name": row.name });
        self.draft(None, "access.token.revoked", by, &format!("user/{}", row.user), data)
    }

    /// Sets a password of somebody. All sessions end, no link of before signs in, and tokens are taken back if that is asked.
    pub async fn set_password(
        self: &Arc<Self>,
        name: &str,
        change: ChangePassword,
        expect: Expect<'_>,
        by: &Actor,
    ) -> Result<(), Failure> {
        check_password(&change.new)?;
        self.user(name)?;
        let hash = self.hash_password(change.new).await?;
        let _turn = self.turn.lock().await;
        expect(&user_view(&self.user(name)?))?;
        self.put_password(name, &hash, None, change.revoke_tokens, by).await
    }

    /// Changes the password of who asks, in a session, which goes on. Whoever has none yet says their first; but not who signs
    /// in with a provider: what they could do with a password would outlive their account there.
    pub async fn change_password(
        self: &Arc<Self>,
        name: &str,
        change: ChangePassword,
        session: &str,
    ) -> Result<(), Failure> {
        let before = self.user(name)?;
        if before.password.is_none() && before.signs_in_with().is_some() {
            let title = "Who signs in with an account elsewhere does not give themselves a password";
            return Err(Failure::new(ErrorKind::Forbidden, title)
                .hint("whoever administers users can give one: `mainstay users password NAME`"));
        }
        // A password that is guessed here is one that could be used to sign in. Tries of strangers do not count here.
        if let Err(wait) = locked(&self.changes).take(name, self.now()) {
            return Err(
                Failure::new(ErrorKind::Busy, "Too many tries to change the password").again_after(wait)
            );
        }
        let is_right = match change.current {
            Some(current) => self.is_password(current, before.password.clone()).await?,
            None => before.password.is_none(),
        };
        if !is_right {
            return Err(Failure::new(ErrorKind::Forbidden, "The current password is wrong"));
        }
        locked(&self.changes).forgive(name);
        check_password(&change.new)?;
        let hash = self.hash_password(change.new).await?;
        let _turn = self.turn.lock().await;
        let now = self.user(name)?;
        let is_same = now.password == before.password && now.signs_in_with() == before.signs_in_with();
        if !is_same || self.holder(&Via::Session(session.to_owned()))?.is_none() {
            return Err(Failure::new(ErrorKind::Conflict, "The password was changed meanwhile")
                .hint("sign in with the new one"));
        }
        let by = Actor::Person(name.to_owned());
        self.put_password(name, &hash, Some(session), change.revoke_tokens, &by).await
    }

    /// Puts a password in place, with all that ends by it.
    async fn put_password(
        &self,
        name: &str,
        hash: &str,
        but: Option<&str>,
        revoke_tokens: bool,
        by: &Actor,
    ) -> Result<(), Failure> {
        let data = json!({ "user": name, "hash": hash });
        let mut drafts = vec![self.draft(None, "access.password.set", by, &format!("user/{name}"), data)];
        drafts.extend(self.endings(name, but, by, "the password was changed")?);
        if revoke_tokens {
            drafts.extend(self.revocations(name, by)?);
        }
        self.journal.append(drafts).await?;
        self.drop_links(name);
        Ok(())
    }

    fn grant_draft(&self, user: &str, grant: &Grant, by: &Actor) -> EventDraft {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let data = json!({ "user": user, "id": id, "grant": grant });
        self.draft(None, "access.granted", by, &format!("user/{user}"), data)
    }

    /// Grants a role. Granting again what is granted changes nothing.
    pub async fn grant(
        &self,
        user: &str,
        new: &NewGrant,
        expect: Expect<'_>,
        by: &Actor,
    ) -> Result<UserView, Failure> {
        let grant = grant(new)?;
        let _turn = self.turn.lock().await;
        let row = self.user(user)?;
        expect(&user_view(&row))?;
        if !row.grants.values().any(|known| *known == grant) {
            if row.grants.len() >= MANY {
                return Err(Failure::invalid(format!("A user has {MANY} grants at most")));
            }
            self.journal.append(vec![self.grant_draft(user, &grant, by)]).await?;
        }
        self.user(user).map(|row| user_view(&row))
    }

    /// Takes a grant back.
    pub async fn revoke(
        &self,
        user: &str,
        id: &str,
        expect: Expect<'_>,
        by: &Actor,
    ) -> Result<UserView, Failure> {
        let _turn = self.turn.lock().await;
        let row = self.user(user)?;
        expect(&user_view(&row))?;
        let Some(grant) = row.grants.get(id) else { return Err(Failure::not_found("grant", id)) };
        let data = json!({ "user": user, "id": id, "grant": grant });
        self.say("access.revoked", by, format!("user/{user}"), data).await?;
        self.user(user).map(|row| user_view(&row))
    }

    /// The secret of a token: one that nobody guesses; under a key the same one again, which follows from that and from what
    /// only this server knows.
    fn token_secret(&self, user: &str, once: Option<&str>) -> String {
        match once {
            None => secret(),
            Some(key) => {
                blake3::keyed_hash(&self.token_key, format!("{user}\n{key}").as_bytes()).to_hex().to_string()
            }
        }
    }

    /// Makes a token of whoever asks, with its secret. Under the same key it is made once, and told again.
    pub async fn make_token(
        &self,
        new: NewToken,
        once: Option<Keyed>,
        caller: &Caller,
    ) -> Result<(TokenView, String), Failure> {
        if matches!(caller.via, Via::Token(_)) {
            return Err(Failure::new(ErrorKind::Forbidden, "A token cannot make tokens")
                .hint("sign in, or use the token of the data directory"));
        }
        check_line("The name of a token", &new.name)?;
        if new.grants.is_empty() || new.grants.len() > MANY {
            return Err(Failure::invalid(format!("A token has 1 to {MANY} grants")));
        }
        let grants = new.grants.iter().map(grant).collect::<Result<Vec<Grant>, Failure>>()?;
        let useless = grants.iter().find(|grant| {
            !Permission::ALL.into_iter().any(|one| grant.role.has(one) && caller.may_somewhere(one))
        });
        if let Some(useless) = useless {
            return Err(Failure::invalid(format!("You may do nothing of what `{}` may", useless.role)));
        }
        let lasts = new.lasts_ms.map_or(TOKEN_LASTS, Duration::from_millis);
        if lasts.is_zero() || lasts > TOKEN_LASTS_AT_MOST {
            return Err(Failure::invalid("A token holds 366 days at most"));
        }
        let secret =
            format!("{TOKEN_PREFIX}{}", self.token_secret(&caller.user, once.as_ref().map(Keyed::key)));
        let (hash, id) = hash_of(&secret);
        let key = once.as_ref().map(|keyed| once_id("token", &caller.actor(), keyed));
        let _turn = self.turn.lock().await;
        if self.done_before(key.as_ref(), once.as_ref())?.is_some() {
            let row = self.row::<TokenRow>(TOKENS_TABLE, &id)?;
            let row = row.ok_or_else(|| {
                Failure::new(ErrorKind::Conflict, "The token that this `Idempotency-Key` made was taken back")
            })?;
            return Ok((token_view(&row), secret));
        }
        let mine = self.tokens(Some(&caller.user))?.len();
        if mine >= MANY {
            return Err(Failure::new(ErrorKind::Conflict, format!("A user has {MANY} tokens at most"))
                .hint("revoke one that is no longer needed"));
        }
        // What is claimed at a provider counts as long as a session that began there, and so does a token with it.
        let session = match &caller.via {
            Via::Session(id) => {
                self.row::<SessionRow>(SESSIONS_TABLE, id)?.filter(SessionRow::is_of_provider)
            }
            Via::Machine | Via::Token(_) => None,
        };
        let until = self.now().plus(lasts);
        let row = TokenRow {
            token: id.clone(),
            name: new.name,
            user: caller.user.clone(),
            hash: hash.to_hex().to_string(),
            grants,
            created_at: self.now(),
            expires_at: session.as_ref().map_or(until, |session| session.expires_at.min(until)),
            session: session.map(|session| session.session),
        };
        let mut data = json!({
            "token": id, "name": row.name, "user": row.user, "hash": row.hash, "grants": row.grants,
            "expires_at": row.expires_at,
        });
        if let Some(session) = &row.session {
            data["session"] = json!(session);
        }
        once::keep(once.as_ref(), &mut data);
        let subject = format!("user/{}", row.user);
        let draft = self.draft(key, "access.token.created", &caller.actor(), &subject, data);
        let event = append_one(self.journal.as_ref(), draft).await?;
        // As it is told whenever it is asked for from now on.
        let row = TokenRow { created_at: event.time, ..row };
        Ok((token_view(&row), secret))
    }

    /// The tokens that hold, of one user or of all.
    pub fn tokens(&self, of: Option<&str>) -> Result<Vec<TokenView>, Failure> {
        let mut views = Vec::new();
        for row in self.rows::<TokenRow>(TOKENS_TABLE)? {
            if of.is_none_or(|user| user == row.user) && self.is_held(&row)? {
                views.push(token_view(&row));
            }
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.created_at));
        Ok(views)
    }

    /// A token that holds, of that user or of anybody.
    pub fn token(&self, id: &str, of: Option<&str>) -> Result<TokenView, Failure> {
        let row = self.row::<TokenRow>(TOKENS_TABLE, id)?;
        match row.filter(|row| of.is_none_or(|user| user == row.user)) {
            Some(row) if self.is_held(&row)? => Ok(token_view(&row)),
            Some(_) | None => Err(Failure::not_found("token", id)),
        }
    }

    /// Takes a token back, of that user or of anybody. False if there is none.
    pub async fn revoke_token(
        &self,
        id: &str,
        of: Option<&str>,
        expect: impl Fn(&TokenView) -> Result<(), Failure>,
        by: &Actor,
    ) -> Result<bool, Failure> {
        let _turn = self.turn.lock().await;
        let row = self.row::<TokenRow>(TOKENS_TABLE, id)?;
        let Some(row) = row.filter(|row| of.is_none_or(|user| user == row.user)) else { return Ok(false) };
        expect(&token_view(&row))?;
        self.journal.append(vec![self.revocation(&row, by)]).await?;
        Ok(true)
    }
}
