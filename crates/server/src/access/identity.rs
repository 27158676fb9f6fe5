//! People whom a provider of OpenID Connect signs in: which user they are, and what their claims give them here.

use mainstay_api::v1::{ErrorKind, UserView};
use mainstay_model::Actor;
use mainstay_model::access::Grant;
use serde_json::json;

use super::fold::BY_PROVIDER;
use super::oidc::Person;
use super::people::{Expect, check_name, user_view};
use super::{Access, Opened, USERS_TABLE, UserRow};
use crate::http::Failure;

impl UserRow {
    /// What they may do: what was granted to them, and with it what their claims give, where these count.
    pub fn all_grants(&self, with_claims: bool) -> Vec<Grant> {
        let claimed = self.claimed.iter().filter(|_| with_claims);
        self.grants.values().chain(claimed).cloned().collect()
    }

    /// The issuer of the provider that signs them in, or may for the first time.
    pub fn signs_in_with(&self) -> Option<&String> {
        self.identity.as_ref().map(|identity| &identity.issuer).or(self.awaits.as_ref())
    }
}

impl Access {
    /// The user whom a provider means: the one that it signed in before; or one of this name that was added to sign in there
    /// and has not yet. Nothing where somebody is new here.
    fn meant(&self, person: &Person) -> Result<Option<UserRow>, Failure> {
        let rows = self.rows::<UserRow>(USERS_TABLE)?;
        if let Some(known) = rows.into_iter().find(|row| row.identity.as_ref() == Some(&person.identity)) {
            return Ok(Some(known));
        }
        match self.row::<UserRow>(USERS_TABLE, &person.user)? {
            Some(row) if row.identity.is_some() || row.password.is_some() => Err(Failure::new(
                ErrorKind::Conflict,
                format!("The user `{}` signs in in another way", row.user),
            )
            .hint("whoever administers users can add one with another name")),
            Some(row) if row.awaits.as_ref() != Some(&person.identity.issuer) => Err(Failure::new(
                ErrorKind::Conflict,
                format!("The user `{}` was not added to sign in with this provider", row.user),
            )
            .hint("if it is the same person, whoever administers users says so with `mainstay users provider NAME PROVIDER`")),
            row => Ok(row),
        }
    }

    /// Says at which provider whoever has this name may sign in as this user; at none if there is no issuer.
    pub async fn await_person(
        &self,
        name: &str,
        issuer: Option<String>,
        expect: Expect<'_>,
        by: &Actor,
    ) -> Result<UserView, Failure> {
        let _turn = self.turn.lock().await;
        let row = self.user(name)?;
        expect(&user_view(&row))?;
        if row.identity.is_some() || row.password.is_some() {
            return Err(Failure::new(
                ErrorKind::Conflict,
                format!("The user `{name}` signs in in another way already"),
            )
            .hint("this is for users who have no password and have not signed in at a provider"));
        }
        if row.awaits != issuer {
            self.say(
                "access.user.awaited",
                by,
                format!("user/{name}"),
                json!({ "user": name, "issuer": issuer }),
            )
            .await?;
        }
        self.user(name).map(|row| user_view(&row))
    }

    /// Begins a session of somebody whom a provider has signed in. What their claims give is what they give now; whoever may
    /// nothing is not let in.
    pub async fn sign_in_person(&self, person: Person) -> Result<Opened, Failure> {
        let _turn = self.turn.lock().await;
        let by = Actor::System("access".to_owned());
        let known = self.meant(&person)?;
        let user = known.as_ref().map_or_else(|| person.user.clone(), |row| row.user.clone());
        check_name(&user)?;
        let subject = format!("user/{user}");
        let before = known.as_ref().map_or(&[][..], |row| row.claimed.as_slice());
        let claimed = (before != person.grants).then(|| {
            let data = json!({ "user": user, "grants": person.grants, "issuer": person.identity.issuer });
            self.draft(None, "access.claimed", &by, &subject, data)
        });
        let is_disabled = known.as_ref().is_some_and(|row| row.disabled);
        let has_none = person.grants.is_empty() && known.as_ref().is_none_or(|row| row.grants.is_empty());
        if is_disabled || has_none {
            // What claims gave before they give no longer, to sessions that are open neither.
            let data = json!({ "user": user, "operation": "signIn" });
            let refusal = self.draft(None, "access.refused", &by, &subject, data);
            self.journal
                .append(claimed.filter(|_| known.is_some()).into_iter().chain([refusal]).collect())
                .await?;
            let failure = if is_disabled {
                Failure::new(ErrorKind::Forbidden, format!("The user `{user}` is disabled"))
            } else {
                Failure::new(ErrorKind::Forbidden, format!("`{user}` may do nothing here"))
                    .hint("whoever administers users can grant something, or have a claim give it")
            };
            return Err(failure);
        }
        let mut drafts = Vec::new();
        let identity = || json!({ "user": user, "identity": person.identity });
        match &known {
            None => {
                let mut data = identity();
                data["title"] = json!(person.title);
                drafts.push(self.draft(None, "access.user.added", &by, &subject, data));
            }
            Some(row) if row.identity.is_none() => {
                drafts.push(self.draft(None, "access.user.identified", &by, &subject, identity()));
            }
            Some(_) => {}
        }
        drafts.extend(claimed);
        if !drafts.is_empty() {
            self.journal.append(drafts).await?;
        }
        self.open_session(&user, BY_PROVIDER).await
    }
}
