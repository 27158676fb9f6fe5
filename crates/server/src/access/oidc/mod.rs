//! Sign-in with a provider of OpenID Connect: the authorization code flow with PKCE, a state that one browser may use once,
//! and a nonce. A token is believed for what `token` checks; what its claims give is in the server's configuration, and
//! what that does not say is refused.

mod config;
mod person;
mod token;
mod web;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_api::v1::ErrorKind;
use mainstay_model::Timestamp;
use serde_json::Value;

pub use config::{ConfigError, ProviderConfig, read};
pub use person::Person;

use self::token::{Expected, Keys, TokenError};
use super::limiter::{Limiter, network};
use super::{locked, secret};
use crate::clock::Clock;
use crate::http::Failure;

/// How long a sign-in at the provider may take.
pub const SIGN_IN_LASTS: Duration = Duration::from_secs(600);
/// The most sign-ins that wait for their end; one is forgotten for a new one.
const MAX_PENDING: usize = 10_000;
/// How long what a provider says of itself counts.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// How soon keys are asked for again where a token names one that is not known: a provider that changes its keys is
/// believed at once, and nobody makes this server ask it without end.
const KEYS_AGAIN: Duration = Duration::from_secs(30);

/// What a provider says of itself.
#[derive(Clone)]
struct Discovery {
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    /// Whether the secret is shown in the body and not in a header: some providers know one way only.
    secret_in_body: bool,
}

/// What is known of a provider now.
#[derive(Default)]
struct Known {
    discovery: Option<(Timestamp, Discovery)>,
    keys: Option<(Timestamp, Arc<Keys>)>,
}

/// A provider.
struct Provider {
    config: ProviderConfig,
    /// Held while it is asked, so that it is asked once.
    known: tokio::sync::Mutex<Known>,
}

/// A sign-in that waits for its end.
struct Pending {
    provider: String,
    nonce: String,
    verifier: String,
    /// The hash of what the browser keeps that began it.
    browser: blake3::Hash,
    until: Timestamp,
    /// The page of ours to go on to.
    back: String,
    /// Where the browser is.
    from: String,
}

/// A sign-in that has begun.
pub struct Begun {
    /// Where the browser is sent.
    pub url: String,
    /// What it keeps, to show that it is the one that began.
    pub browser: String,
}

/// The providers of a server.
pub struct Providers {
    clock: Arc<dyn Clock>,
    all: BTreeMap<String, Provider>,
    pending: Mutex<BTreeMap<String, Pending>>,
    /// How many are begun from where.
    begins: Mutex<Limiter>,
}

/// Forgets sign-ins that are over; and where that is not enough, the oldest from where most come: whoever begins many pushes
/// out their own.
fn make_room(all: &mut BTreeMap<String, Pending>, now: Timestamp) {
    if all.len() < MAX_PENDING {
        return;
    }
    all.retain(|_, one| one.until > now);
    if all.len() < MAX_PENDING {
        return;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all.values() {
        *counts.entry(&one.from).or_default() += 1;
    }
    let Some((from, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return };
    let theirs = all.iter().filter(|(_, one)| one.from == from);
    let oldest = theirs.min_by_key(|(_, one)| one.until).map(|(state, _)| state.clone());
    if let Some(state) = oldest {
        all.remove(&state);
    }
}

fn encode_pairs(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{}", encode_pairs(pairs))
}

/// A page of ours: a path, and nothing that leads elsewhere.
fn is_own_page(path: &str) -> bool {
    let mut chars = path.chars();
    path.len() <= 2000
        && chars.next() == Some('/')
        && chars.next().is_none_or(|second| !matches!(second, '/' | '\\'))
        && !path.contains(|c: char| c.is_control() || c == '\\')
}

fn unavailable(title: &str, provider: &str, reason: String) -> Failure {
    let mut failure = Failure::new(ErrorKind::Unavailable, format!("The provider `{provider}` {title}"));
    failure.0.causes.push(reason);
    failure
}

fn refused(provider: &str, reason: &str) -> Failure {
    let title = format!("The sign-in with `{provider}` is not accepted: {reason}");
    Failure::new(ErrorKind::Unauthenticated, title).hint("begin it again")
}

impl Discovery {
    fn parse(document: &Value, issuer: &str) -> Result<Self, String> {
        if document["issuer"].as_str() != Some(issuer) {
            return Err(
                "it says that it is another issuer: `issuer` has to be exactly what it says".to_owned()
            );
        }
        let url = |name: &str| {
            let url = document[name].as_str().ok_or_else(|| format!("it names no `{name}`"))?;
            config::check_url(url).map_err(|reason| format!("`{name}`: {reason}"))?;
            Ok::<String, String>(url.to_owned())
        };
        let methods = document["token_endpoint_auth_methods_supported"].as_array();
        let knows = |method: &str| methods.is_none_or(|all| all.iter().any(|one| one == method));
        Ok(Self {
            authorization_endpoint: url("authorization_endpoint")?,
            token_endpoint: url("token_endpoint")?,
            jwks_uri: url("jwks_uri")?,
            end_session_endpoint: url("end_session_endpoint").ok(),
            secret_in_body: !knows("client_secret_basic"),
        })
    }
}

impl Providers {
    /// Those of a configuration.
    pub fn new(clock: Arc<dyn Clock>, configs: Vec<ProviderConfig>) -> Self {
        let one = |config: ProviderConfig| {
            (config.name.clone(), Provider { config, known: tokio::sync::Mutex::default() })
        };
        Self {
            clock,
            all: configs.into_iter().map(one).collect(),
            pending: Mutex::default(),
            begins: Mutex::new(Limiter::new(60, Duration::from_secs(5))),
        }
    }

    /// Names and titles.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.values().map(|one| (one.config.name.as_str(), one.config.title.as_str()))
    }

    /// The issuer of the provider of this name.
    pub fn issuer(&self, name: &str) -> Result<String, Failure> {
        let found = self.all.get(name).map(|one| one.config.issuer.clone());
        found.ok_or_else(|| {
            let names: Vec<String> = self.all.keys().map(|name| format!("`{name}`")).collect();
            let hint = match names.as_slice() {
                [] => "`sign-in.json` of the server's data directory names none".to_owned(),
                names => format!("there is {}", names.join(", ")),
            };
            Failure::invalid(format!("There is no provider `{name}` of sign-in")).hint(hint)
        })
    }

    fn find(&self, name: &str) -> Result<&Provider, Failure> {
        self.all.get(name).ok_or_else(|| Failure::not_found("provider of sign-in", name))
    }

    /// What a provider says of itself, not older than an hour.
    async fn discovery(&self, provider: &Provider, known: &mut Known) -> Result<Discovery, Failure> {
        let now = self.clock.now();
        if let Some((at, discovery)) = &known.discovery
            && now.since(*at) < KNOWN_FOR
        {
            return Ok(discovery.clone());
        }
        let ProviderConfig { name, issuer, .. } = &provider.config;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document =
            web::get(&url).await.map_err(|reason| unavailable("does not say what it is", name, reason))?;
        let discovery = Discovery::parse(&document, issuer)
            .map_err(|reason| unavailable("cannot be used", name, reason))?;
        known.discovery = Some((now, discovery.clone()));
        Ok(discovery)
    }

    /// The keys of a provider; asked for anew if they are old, or if they are to be.
    async fn keys(&self, provider: &Provider, anew: bool) -> Result<Arc<Keys>, Failure> {
        let mut known = provider.known.lock().await;
        let now = self.clock.now();
        let lasts = if anew { KEYS_AGAIN } else { KNOWN_FOR };
        if let Some((at, keys)) = &known.keys
            && now.since(*at) < lasts
        {
            return Ok(keys.clone());
        }
        let discovery = self.discovery(provider, &mut known).await?;
        let set = web::get(&discovery.jwks_uri).await;
        let set =
            set.map_err(|reason| unavailable("does not say its keys", &provider.config.name, reason))?;
        let keys = Arc::new(Keys::parse(&set));
        known.keys = Some((now, keys.clone()));
        Ok(keys)
    }

    /// Begins a sign-in. `redirect` is where the provider sends the browser back to, `back` the page of ours to go on to,
    /// `kept` what the browser keeps already from one that it began in another tab, and `from` where it is.
    pub async fn begin(
        &self,
        name: &str,
        redirect: &str,
        back: Option<String>,
        kept: Option<String>,
        from: Option<IpAddr>,
    ) -> Result<Begun, Failure> {
        let provider = self.find(name)?;
        let from = network(from);
        if let Err(wait) = locked(&self.begins).take(&from, self.clock.now()) {
            let title = "Too many sign-ins were begun from this address";
            return Err(Failure::new(ErrorKind::Busy, title).again_after(wait));
        }
        let back = back.unwrap_or_else(|| "/".to_owned());
        if !is_own_page(&back) {
            return Err(Failure::bad_request("`back` is a path of this server"));
        }
        let discovery = self.discovery(provider, &mut *provider.known.lock().await).await?;
        let (state, nonce, verifier) = (secret(), secret(), secret());
        let browser = kept.filter(|kept| kept.len() == 64).unwrap_or_else(secret);
        let challenge = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let scope = std::iter::once("openid").chain(provider.config.scopes.iter().map(String::as_str));
        let scope = scope.collect::<Vec<_>>().join(" ");
        let url = with_query(
            &discovery.authorization_endpoint,
            &[
                ("response_type", "code"),
                ("client_id", &provider.config.client_id),
                ("redirect_uri", redirect),
                ("scope", &scope),
                ("state", &state),
                ("nonce", &nonce),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ],
        );
        let now = self.clock.now();
        let pending = Pending {
            provider: name.to_owned(),
            nonce,
            verifier,
            browser: blake3::hash(browser.as_bytes()),
            until: now.plus(SIGN_IN_LASTS),
            back,
            from,
        };
        let mut all = locked(&self.pending);
        make_room(&mut all, now);
        all.insert(state, pending);
        drop(all);
        Ok(Begun { url, browser })
    }

    /// Takes the sign-in that a state belongs to: it works once, for the browser that began it, and for a while.
    fn take(&self, name: &str, state: &str, browsers: &[String]) -> Result<Pending, Failure> {
        let pending = locked(&self.pending).remove(state);
        pending
            .filter(|one| one.provider == name && one.until > self.clock.now())
            .filter(|one| browsers.iter().any(|shown| one.browser == blake3::hash(shown.as_bytes())))
            .ok_or_else(|| refused(name, "this browser has not begun it, or it was too long ago"))
    }

    /// Ends a sign-in: who it is, and the page to go on to. `said` is what the provider sent the browser back with.
    pub async fn finish(
        &self,
        name: &str,
        said: &Said,
        browsers: &[String],
        redirect: &str,
    ) -> Result<(Person, String), Failure> {
        let provider = self.find(name)?;
        let pending = self.take(name, said.state.as_deref().unwrap_or_default(), browsers)?;
        if let Some(error) = &said.error {
            let word: String = error.chars().filter(char::is_ascii_graphic).take(60).collect();
            return Err(refused(name, &format!("the provider says `{word}`")));
        }
        // RFC 9207: a provider that says who it is has to be the one that was asked.
        if said.iss.as_ref().is_some_and(|issuer| *issuer != provider.config.issuer) {
            return Err(refused(name, "it comes from another provider"));
        }
        let code = said.code.as_deref().ok_or_else(|| refused(name, "the provider sent no code"))?;
        let token = self.exchange(provider, code, &pending.verifier, redirect).await?;
        let claims = self.claims(provider, &token, &pending.nonce).await?;
        let person = Person::of(&provider.config, &claims)?;
        Ok((person, pending.back))
    }

    /// Gives the code back to the provider, for an ID token.
    async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<String, Failure> {
        let ProviderConfig { name, client_id, client_secret, .. } = &provider.config;
        let discovery = self.discovery(provider, &mut *provider.known.lock().await).await?;
        let secret = match client_secret {
            Some(reference) => Some(mainstay_api::secrets::read(reference).map_err(|reason| {
                unavailable("cannot be asked: this server cannot read its own secret", name, reason)
            })?),
            None => None,
        };
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let mut basic = None;
        match &secret {
            Some(secret) if discovery.secret_in_body => {
                pairs.extend([("client_id", client_id.as_str()), ("client_secret", secret.as_str())]);
            }
            // RFC 6749, 2.3.1: both are encoded as forms are.
            Some(secret) => {
                let encoded =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                basic = Some(format!("{}:{}", encoded(client_id), encoded(secret)));
            }
            None => pairs.push(("client_id", client_id.as_str())),
        }
        let answer = web::post(&discovery.token_endpoint, &encode_pairs(&pairs), basic.as_deref()).await;
        let (status, answer) =
            answer.map_err(|reason| unavailable("does not take the code", name, reason))?;
        if status != 200 {
            let word: String = answer["error"].as_str().unwrap_or_default().chars().take(60).collect();
            if matches!(word.as_str(), "invalid_client" | "unauthorized_client") {
                return Err(unavailable("does not know this server", name, format!("it says `{word}`")));
            }
            return Err(refused(name, &format!("the provider refuses the code ({status} {word})")));
        }
        let token = answer["id_token"].as_str().ok_or_else(|| refused(name, "there is no ID token"))?;
        Ok(token.to_owned())
    }

    /// What an ID token claims, once it is proved.
    async fn claims(&self, provider: &Provider, token: &str, nonce: &str) -> Result<Value, Failure> {
        let ProviderConfig { name, issuer, client_id, .. } = &provider.config;
        let expected = || Expected { issuer, client_id, nonce, now: self.clock.now() };
        let keys = self.keys(provider, false).await?;
        let verified = match token::verify(token, &keys, &expected()) {
            // The provider may have changed its keys; and where it names none, its old one does not fit.
            Err(TokenError::UnknownKey | TokenError::Signature) => {
                let keys = self.keys(provider, true).await?;
                token::verify(token, &keys, &expected())
            }
            verdict => verdict,
        };
        verified.map_err(|error| {
            tracing::warn!(provider = name, %error, "an ID token is not accepted");
            refused(name, &format!("its token is not one to go by: {error}"))
        })
    }

    /// Where a browser ends its session at the provider, too; nothing where the provider has no such place.
    pub async fn sign_out(&self, name: &str, home: &str) -> Result<Option<String>, Failure> {
        let provider = self.find(name)?;
        let discovery = self.discovery(provider, &mut *provider.known.lock().await).await?;
        let pairs = [("client_id", provider.config.client_id.as_str()), ("post_logout_redirect_uri", home)];
        Ok(discovery.end_session_endpoint.map(|url| with_query(&url, &pairs)))
    }
}

/// What a provider sends the browser back with.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
pub struct Said {
    /// The state that the sign-in was begun with.
    pub state: Option<String>,
    /// What the ID token is asked for with.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who says so.
    pub iss: Option<String>,
}

#[cfg(test)]
mod tests;
