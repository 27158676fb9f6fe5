//! Sign-in with a provider of the test's own, over HTTP: it speaks the protocol, and misbehaves when it is told to.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::future::BoxFuture;
use serde_json::json;

use super::token::tests::Signer;
use super::*;

const REDIRECT: &str = "http://127.0.0.1:7600/v1/sign-in/oidc/company/callback";

/// A clock that stands still until it is told to go on.
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn go(&self, by: Duration) {
        let mut now = locked(&self.0);
        *now = now.plus(by);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *locked(&self.0)
    }

    fn until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// What a provider has promised and what it does wrong.
struct World {
    base: String,
    clock: Arc<Hands>,
    signer: Mutex<Signer>,
    /// Codes that it gave, with the nonce and challenge of their request.
    codes: Mutex<BTreeMap<String, (String, String)>>,
    /// Claims that it tells otherwise; null takes one out.
    wrong: Mutex<BTreeMap<&'static str, Value>>,
    /// How often its keys were asked for.
    asked: Mutex<u32>,
    /// Whether it says that it is another one.
    lies: Mutex<bool>,
}

async fn discovery(State(world): State<Arc<World>>) -> axum::Json<Value> {
    let base = &world.base;
    let issuer = if *locked(&world.lies) { "https://evil.example" } else { base.as_str() };
    axum::Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/authorize?theme=dark"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
        "end_session_endpoint": format!("{base}/logout"),
    }))
}

async fn keys(State(world): State<Arc<World>>) -> axum::Json<Value> {
    *locked(&world.asked) += 1;
    axum::Json(json!({ "keys": [locked(&world.signer).jwk()] }))
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: String) -> Response {
    let refuse = |word: &str| (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": word }))).into_response();
    // `mainstay:s%2Fe+c`: the secret `s/e c`, encoded as forms are, and that in base64.
    if headers.get("authorization").and_then(|value| value.to_str().ok())
        != Some("Basic bWFpbnN0YXk6cyUyRmUrYw==")
    {
        return refuse("invalid_client");
    }
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    // A code works once.
    let Some((nonce, challenge)) = locked(&world.codes).remove(field("code")) else {
        return refuse("invalid_grant");
    };
    let hash = ring::digest::digest(&ring::digest::SHA256, field("code_verifier").as_bytes());
    let proves = URL_SAFE_NO_PAD.encode(hash.as_ref()) == challenge;
    if !proves || field("redirect_uri") != REDIRECT || field("grant_type") != "authorization_code" {
        return refuse("invalid_grant");
    }
    let now = world.clock.now().as_millis() / 1000;
    let mut claims = json!({
        "iss": world.base, "aud": "mainstay", "sub": "u1", "nonce": nonce, "iat": now, "exp": now + 300,
        "email": "maria@example.org", "email_verified": true, "groups": ["oncall"],
    });
    for (name, value) in locked(&world.wrong).iter() {
        claims[*name] = value.clone();
    }
    let id_token = locked(&world.signer).sign(&claims);
    axum::Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": id_token })).into_response()
}

/// A provider that runs, and this server's side of it.
struct Pair {
    world: Arc<World>,
    providers: Providers,
    /// The provider runs as long as this is there.
    _serving: tokio::task::JoinSet<std::io::Result<()>>,
}

/// What a browser comes back with, and the cookie that it keeps.
struct Visit {
    said: Said,
    browser: String,
}

impl Pair {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let listener = listener.expect("a port");
        let clock = Arc::new(Hands(Mutex::new(Timestamp::from_millis(1_700_000_000_000))));
        let world = Arc::new(World {
            base: format!("http://{}", listener.local_addr().expect("an address")),
            clock: clock.clone(),
            signer: Mutex::new(Signer::new("k1")),
            codes: Mutex::default(),
            wrong: Mutex::default(),
            asked: Mutex::default(),
            lies: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(world.clone());
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "s/e c\n").expect("written");
        let (_, path) = secret.keep().expect("kept");
        let config = json!({ "oidc": [{
            "name": "company", "issuer": world.base, "client_id": "mainstay",
            "client_secret": { "secret": format!("file:{}", path.display()) },
            "grants": [{ "when": { "groups": "oncall" }, "role": "responder", "on": "*" }],
        }] });
        let configs = config::parse(&config.to_string()).expect("right");
        Self { world, providers: Providers::new(clock, configs), _serving: serving }
    }

    /// A browser goes to the provider, signs in there, and is sent back.
    async fn visit(&self) -> Visit {
        let begun = self.providers.begin("company", REDIRECT, Some("/runs/1".to_owned()), None, None).await;
        let begun = begun.map_err(|failure| failure.0).expect("begun");
        let (url, query) = begun.url.split_once('?').expect("a query");
        assert_eq!(url, format!("{}/authorize", self.world.base));
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        assert_eq!(
            (of("theme"), of("response_type"), of("code_challenge_method")),
            ("dark".into(), "code".into(), "S256".into())
        );
        assert_eq!((of("scope"), of("redirect_uri")), ("openid profile email".into(), REDIRECT.into()));
        let code = secret();
        locked(&self.world.codes).insert(code.clone(), (of("nonce"), of("code_challenge")));
        let said = Said { state: Some(of("state")), code: Some(code), error: None, iss: None };
        Visit { said, browser: begun.browser }
    }

    async fn end(&self, visit: &Visit) -> Result<Person, Box<mainstay_api::v1::ErrorBody>> {
        // Another site of the domain may have set one of the same name.
        let shown = [secret(), visit.browser.clone()];
        let ended = self.providers.finish("company", &visit.said, &shown, REDIRECT).await;
        ended
            .map(|(person, back)| {
                assert_eq!(back, "/runs/1");
                person
            })
            .map_err(|failure| failure.0)
    }

    async fn refuses(&self, visit: &Visit, why: &str) {
        let refused = self.end(visit).await.expect_err(why);
        assert_eq!(refused.kind, ErrorKind::Unauthenticated, "{}", refused.title);
        assert!(refused.title.contains(why), "{} instead of {why}", refused.title);
    }
}

#[tokio::test]
async fn somebody_signs_in_once_for_each_visit() {
    let pair = Pair::new().await;
    let visit = pair.visit().await;
    let person = pair.end(&visit).await.expect("signed in");
    assert_eq!((person.user.as_str(), person.grants.len()), ("maria@example.org", 1));
    assert_eq!(
        (person.identity.issuer.as_str(), person.identity.subject.as_str()),
        (pair.world.base.as_str(), "u1")
    );
    // The same answer again, as from a history.
    pair.refuses(&visit, "this browser has not begun it").await;
    // Another browser that got hold of the answer, and one that made it up.
    let visit = pair.visit().await;
    let stolen = Visit {
        browser: secret(),
        said: Said { state: visit.said.state.clone(), code: visit.said.code.clone(), ..Said::default() },
    };
    pair.refuses(&stolen, "this browser has not begun it").await;
    pair.refuses(&visit, "this browser has not begun it").await;
    let forged = Visit { said: Said { state: Some(secret()), ..Said::default() }, browser: secret() };
    pair.refuses(&forged, "this browser has not begun it").await;
    // Too late.
    let visit = pair.visit().await;
    pair.world.clock.go(SIGN_IN_LASTS);
    pair.refuses(&visit, "too long ago").await;
    // Two at once.
    let (one, two) = (pair.visit().await, pair.visit().await);
    assert!(pair.end(&two).await.is_ok() && pair.end(&one).await.is_ok());
}

#[tokio::test]
async fn a_code_is_good_once_and_with_its_own_verifier() {
    let pair = Pair::new().await;
    let visit = pair.visit().await;
    let code = visit.said.code.clone();
    assert!(pair.end(&visit).await.is_ok());
    // The code of another sign-in, replayed in a new one.
    let mut replayed = pair.visit().await;
    replayed.said.code = code;
    pair.refuses(&replayed, "refuses the code (400 invalid_grant)").await;
    // A code that somebody else was given: the verifier is not theirs.
    let (theirs, mut mine) = (pair.visit().await, pair.visit().await);
    mine.said.code = theirs.said.code.clone();
    pair.refuses(&mine, "refuses the code (400 invalid_grant)").await;
    let mut none = pair.visit().await;
    none.said.code = None;
    pair.refuses(&none, "sent no code").await;
    let mut denied = pair.visit().await;
    denied.said.error = Some("access_denied\u{7}".to_owned());
    pair.refuses(&denied, "`access_denied`").await;
    let mut mixed = pair.visit().await;
    mixed.said.iss = Some("https://other.example".to_owned());
    pair.refuses(&mixed, "another provider").await;
}

#[tokio::test]
async fn tokens_that_are_wrong_are_refused() {
    let pair = Pair::new().await;
    let now = pair.world.clock.now().as_millis() / 1000;
    for (name, value, why) in [
        ("nonce", json!("other"), "another sign-in"),
        ("aud", json!("other"), "not for this server"),
        ("iss", json!("https://evil.example"), "issuer"),
        ("exp", json!(now - 60), "expired"),
        ("iat", json!(now + 61), "from the future"),
        ("sub", Value::Null, "`sub`"),
    ] {
        *locked(&pair.world.wrong) = [(name, value)].into();
        let visit = pair.visit().await;
        pair.refuses(&visit, why).await;
    }
    // Within the minute by which clocks may differ.
    *locked(&pair.world.wrong) = [("exp", json!(now - 59)), ("iat", json!(now + 59))].into();
    let visit = pair.visit().await;
    assert!(pair.end(&visit).await.is_ok());
    // An address that nobody has checked is known and not let in.
    *locked(&pair.world.wrong) = [("email_verified", json!(false))].into();
    let visit = pair.visit().await;
    assert_eq!(pair.end(&visit).await.expect_err("not checked").kind, ErrorKind::Forbidden);
}

#[tokio::test]
async fn keys_may_change_and_nobody_makes_us_ask_without_end() {
    let pair = Pair::new().await;
    let visit = pair.visit().await;
    assert!(pair.end(&visit).await.is_ok());
    assert_eq!(*locked(&pair.world.asked), 1);
    // The provider has a new key: it is asked for at once, if that was not just done.
    *locked(&pair.world.signer) = Signer::new("k2");
    let visit = pair.visit().await;
    pair.refuses(&visit, "a key that the provider does not publish").await;
    assert_eq!(*locked(&pair.world.asked), 1, "the keys are some seconds old");
    pair.world.clock.go(KEYS_AGAIN);
    let visit = pair.visit().await;
    assert!(pair.end(&visit).await.is_ok());
    assert_eq!(*locked(&pair.world.asked), 2);
    // The old name with another key behind it.
    pair.world.clock.go(KEYS_AGAIN);
    *locked(&pair.world.signer) = Signer::new("k2");
    let visit = pair.visit().await;
    assert!(pair.end(&visit).await.is_ok());
    assert_eq!(*locked(&pair.world.asked), 3);
    for _ in 0..5 {
        let visit = pair.visit().await;
        assert!(pair.end(&visit).await.is_ok());
    }
    assert_eq!(*locked(&pair.world.asked), 3, "what fits is not asked for");
}

#[tokio::test]
async fn a_provider_that_is_another_one_or_away_is_told_so() {
    let pair = Pair::new().await;
    *locked(&pair.world.lies) = true;
    let begun = pair
        .providers
        .begin("company", REDIRECT, None, None, None)
        .await
        .map(drop)
        .map_err(|failure| failure.0);
    let refused = begun.expect_err("it lies");
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    assert!(refused.causes[0].contains("another issuer"), "{:?}", refused.causes);
    *locked(&pair.world.lies) = false;
    let url = pair.providers.sign_out("company", "http://127.0.0.1:7600/").await.map_err(|failure| failure.0);
    let url = url.expect("known").expect("it has such a place");
    assert_eq!(
        url,
        format!(
            "{}/logout?client_id=mainstay&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A7600%2F",
            pair.world.base
        )
    );
    let none = pair
        .providers
        .begin("other", REDIRECT, None, None, None)
        .await
        .map(drop)
        .map_err(|failure| failure.0);
    assert_eq!(none.expect_err("none").kind, ErrorKind::NotFound);
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example", "", "runs", "/a\nb"] {
        let begun =
            pair.providers.begin("company", REDIRECT, Some(elsewhere.to_owned()), None, None).await.map(drop);
        assert_eq!(begun.map_err(|failure| failure.0.kind), Err(ErrorKind::BadRequest), "{elsewhere:?}");
    }
    // One that is not there.
    let gone = json!({ "oidc": [{ "name": "gone", "issuer": "http://127.0.0.1:1", "client_id": "m" }] });
    let gone = Providers::new(pair.world.clock.clone(), config::parse(&gone.to_string()).expect("right"));
    let begun =
        gone.begin("gone", REDIRECT, None, None, None).await.map(drop).map_err(|failure| failure.0.kind);
    assert_eq!(begun, Err(ErrorKind::Unavailable));
}

#[tokio::test]
async fn whoever_begins_many_waits_and_pushes_out_their_own() {
    let pair = Pair::new().await;
    let from = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, last, 0, 0, 0, 1]));
    let begin = async |last: u16| {
        let begun = pair.providers.begin("company", REDIRECT, None, None, from(last)).await;
        begun.map(drop).map_err(|failure| (failure.0.kind, failure.0.retry_after_ms))
    };
    for _ in 0..60 {
        begin(1).await.expect("begun");
    }
    assert_eq!(begin(1).await, Err((ErrorKind::Busy, Some(5000))));
    begin(2).await.expect("others are not held up");

    // Where there is no room, it is made by those who have most.
    let now = pair.world.clock.now();
    let waiting = |from: &str, age_ms: u64| Pending {
        provider: "company".to_owned(),
        nonce: secret(),
        verifier: secret(),
        browser: blake3::hash(b"x"),
        until: now.plus(SIGN_IN_LASTS.saturating_sub(Duration::from_millis(age_ms))),
        back: "/".to_owned(),
        from: from.to_owned(),
    };
    let mut all = BTreeMap::from([("first".to_owned(), waiting("maria", 9000))]);
    for number in 0..MAX_PENDING + 10 {
        make_room(&mut all, now);
        all.insert(format!("{number}"), waiting("mallory", 0));
    }
    assert_eq!(all.len(), MAX_PENDING);
    assert!(all.contains_key("first"), "although it is the oldest");
    make_room(&mut all, now.plus(SIGN_IN_LASTS));
    assert!(all.is_empty(), "what is over is forgotten first");
}
