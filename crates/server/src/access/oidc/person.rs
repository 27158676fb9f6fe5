//! Who somebody is by the claims of a provider, and what these give them.

use std::collections::BTreeMap;

use mainstay_api::v1::ErrorKind;
use mainstay_model::access::Grant;
use serde_json::Value;

use super::config::ProviderConfig;
use crate::access::Identity;
use crate::access::people::check_name;
use crate::http::Failure;

/// Somebody whom a provider has signed in.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Whom the provider means.
    pub identity: Identity,
    /// How they are called, if they are new here.
    pub user: String,
    /// The name that people read.
    pub title: Option<String>,
    /// What the claims give.
    pub grants: Vec<Grant>,
}

/// The most texts of a claim that are compared: groups of a large company.
const MAX_VALUES: usize = 10_000;

/// Whether a claim has this value, or has it among others.
fn has(claims: &Value, name: &str, wanted: &str) -> bool {
    let is = |value: &Value| match value {
        Value::String(text) => text == wanted,
        Value::Bool(is) => wanted == if *is { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    };
    match &claims[name] {
        Value::Array(values) => values.iter().take(MAX_VALUES).any(is),
        value => is(value),
    }
}

impl Person {
    /// Who the claims mean. What they give may be nothing.
    pub fn of(config: &ProviderConfig, claims: &Value) -> Result<Self, Failure> {
        let forbidden = |title: String| Failure::new(ErrorKind::Forbidden, title);
        let text = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
        let subject = text("sub").unwrap_or_default().to_owned();
        let name = text(&config.user).ok_or_else(|| {
            forbidden(format!("The provider `{}` does not say `{}`", config.name, config.user))
                .hint("the claim that users are called by is `user` in the server's configuration; it may need a scope")
        })?;
        // An address that nobody has checked is one that anybody may have typed.
        let needs_email = config.user == "email" || !config.allowed_domains.is_empty();
        let is_checked = config.email_is_verified && claims["email_verified"] != false
            || claims["email_verified"] == true
            || claims["email_verified"] == "true";
        if needs_email && !is_checked {
            return Err(forbidden(format!("The provider `{}` has not checked the address", config.name)));
        }
        let domain =
            text("email").and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
        let is_allowed = |domain: &String| config.allowed_domains.contains(domain);
        if !config.allowed_domains.is_empty() && !domain.as_ref().is_some_and(is_allowed) {
            return Err(forbidden("Addresses of this domain may not sign in here".to_owned()));
        }
        let user = name.to_lowercase();
        check_name(&user)?;
        let holds =
            |when: &BTreeMap<String, String>| when.iter().all(|(name, value)| has(claims, name, value));
        let grants = config.grants.iter().filter(|one| holds(&one.when)).map(|one| one.grant.clone());
        let title = text("name").filter(|title| title.len() <= 200 && !title.contains(char::is_control));
        Ok(Self {
            identity: Identity { issuer: config.issuer.clone(), subject },
            user,
            title: title.map(str::to_owned),
            grants: grants.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::config::ClaimedGrant;
    use super::*;

    fn config() -> ProviderConfig {
        let grant = |claim: &str, value: &str, role: &str| ClaimedGrant {
            when: BTreeMap::from([(claim.to_owned(), value.to_owned())]),
            grant: Grant { role: role.parse().expect("a role"), on: "*".parse().expect("a selector") },
        };
        ProviderConfig {
            name: "company".to_owned(),
            title: "Company".to_owned(),
            issuer: "https://login.example.org".to_owned(),
            client_id: "mainstay".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            user: "email".to_owned(),
            email_is_verified: false,
            allowed_domains: ["example.org".to_owned()].into(),
            grants: vec![grant("groups", "oncall", "responder"), grant("admin", "true", "admin")],
        }
    }

    #[test]
    fn claims_give_what_the_configuration_says_and_nothing_else() {
        let claims = json!({
            "sub": "u1", "email": "Maria@Example.org", "email_verified": true, "name": "Maria M.",
            "groups": ["staff", "oncall"], "role": "admin",
        });
        let maria = Person::of(&config(), &claims).expect("she may");
        assert_eq!((maria.user.as_str(), maria.title.as_deref()), ("maria@example.org", Some("Maria M.")));
        let roles: Vec<&str> = maria.grants.iter().map(|grant| grant.role.as_str()).collect();
        assert_eq!(roles, ["responder"]);
        let mut other = claims;
        other["groups"] = json!("oncall-readers");
        other["admin"] = json!(false);
        assert!(Person::of(&config(), &other).expect("known").grants.is_empty(), "nothing by default");
    }

    #[test]
    fn addresses_have_to_be_checked_and_of_the_right_domain() {
        let with = |email: &str, verified: Value| {
            let claims = json!({ "sub": "u1", "email": email, "email_verified": verified });
            Person::of(&config(), &claims).map(|person| person.user).map_err(|failure| failure.0.title)
        };
        assert!(with("a@example.org", json!(true)).is_ok());
        for unchecked in [json!(false), Value::Null, json!("no")] {
            assert!(with("a@example.org", unchecked).expect_err("not checked").contains("not checked"));
        }
        for elsewhere in ["a@evil.example", "a@example.org.evil.example", "a@sub.example.org", "example.org"]
        {
            assert!(with(elsewhere, json!(true)).expect_err("elsewhere").contains("may not sign in"));
        }
        assert!(with("operator\u{0}@example.org", json!(true)).is_err(), "no name");
        let trusting = ProviderConfig { email_is_verified: true, ..config() };
        let claims =
            |verified: Value| json!({ "sub": "u1", "email": "a@example.org", "email_verified": verified });
        assert!(Person::of(&trusting, &claims(Value::Null)).is_ok());
        assert!(Person::of(&trusting, &claims(json!(false))).is_err(), "what it denies is not believed");
        let named = ProviderConfig { user: "preferred_username".to_owned(), ..config() };
        assert!(Person::of(&named, &claims(json!(true))).is_err(), "it does not say the claim");
    }
}
