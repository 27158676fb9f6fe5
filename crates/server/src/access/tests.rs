//! Sessions and tries to sign in, on a clock of the test's own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_api::v1::{
    ChangePassword, ErrorBody, ErrorKind, NewGrant, NewToken, NewUser, SignIn, TokenView,
};
use mainstay_model::{Actor, Timestamp};
use mainstay_store::{Journal, MemoryJournal};
use serde_json::json;

use super::oidc::Person;
use super::{
    ABSOLUTE, Access, Caller, Door, IDLE, Identity, LINK_LASTS, Opened, SessionsFold, TokensFold, UsersFold,
    Via, locked,
};
use crate::clock::Clock;
use crate::once::Keyed;

const HOUR: Duration = Duration::from_secs(3600);
const PASSWORD: &str = "correct horse battery staple";

/// A clock that stands still until it is told to go on.
#[derive(Default)]
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn go(&self, by: Duration) {
        let mut now = self.0.lock().expect("not poisoned");
        *now = now.plus(by);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("not poisoned")
    }

    fn until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn operator() -> Actor {
    Actor::Person("operator".to_owned())
}

/// A change of a password.
fn change(current: Option<&str>, new: &str, revoke_tokens: bool) -> ChangePassword {
    ChangePassword { current: current.map(str::to_owned), new: new.to_owned(), revoke_tokens }
}

struct House {
    clock: Arc<Hands>,
    journal: Arc<dyn Journal>,
    access: Arc<Access>,
}

impl House {
    fn new() -> Self {
        let folds: Vec<Arc<dyn mainstay_store::Fold>> =
            vec![Arc::new(UsersFold), Arc::new(SessionsFold), Arc::new(TokensFold)];
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(folds).expect("a journal"));
        let clock = Arc::new(Hands::default());
        clock.go(HOUR);
        let access = Access::new(journal.clone(), clock.clone(), "key");
        Self { clock, journal, access }
    }

    /// The server is started anew: what is remembered in memory only is gone.
    fn restart(&mut self) {
        self.access = Access::new(self.journal.clone(), self.clock.clone(), "key");
    }

    async fn add(&self, user: &str, password: Option<&str>) {
        let grant = NewGrant { role: "viewer".to_owned(), on: "*".to_owned() };
        let new = NewUser {
            user: user.to_owned(),
            title: None,
            password: password.map(str::to_owned),
            provider: None,
            grants: vec![grant],
        };
        self.access.add_user(new, None, None, &operator()).await.expect("added");
    }

    async fn sign_in(
        &self,
        user: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<Opened, Box<ErrorBody>> {
        let who = SignIn { user: user.to_owned(), password: password.to_owned() };
        self.access.sign_in(who, from).await.map_err(|failure| failure.0)
    }

    async fn known(&self, secret: &str) -> Caller {
        self.access.by_session(secret).await.expect("looked up").expect("known")
    }

    /// Disables or enables a user.
    async fn disable(&self, user: &str, disabled: bool) {
        self.access.disable_user(user, disabled, None, &|_| Ok(()), &operator()).await.expect("done");
    }

    /// A token of whoever asks, for everything that they may.
    async fn token(&self, caller: &Caller, role: &str) -> (TokenView, String) {
        let grants = vec![NewGrant { role: role.to_owned(), on: "*".to_owned() }];
        let new = NewToken { name: "ci".to_owned(), grants, lasts_ms: None };
        self.access.make_token(new, None, caller).await.expect("made")
    }

    fn may(&self, token: &str) -> Option<Vec<String>> {
        let caller = self.access.by_token(token).expect("looked up");
        caller.map(|caller| caller.grants.iter().map(|grant| grant.role.to_string()).collect())
    }

    async fn is_known(&self, secret: &str) -> bool {
        self.access.by_session(secret).await.expect("looked up").is_some()
    }
}

#[tokio::test]
async fn a_session_ends_when_it_goes_unused() {
    let mut house = House::new();
    house.add("jo", None).await;
    let opened = house.access.open_session("jo", "link").await.expect("opened");
    for _ in 0..3 {
        house.clock.go(IDLE.saturating_sub(HOUR));
        assert!(house.is_known(&opened.secret).await, "each use begins the time anew");
    }
    // That it was used is on record, so a restart ends nobody's session before its time.
    house.restart();
    house.clock.go(IDLE.saturating_sub(HOUR));
    assert!(house.is_known(&opened.secret).await);
    house.clock.go(IDLE.saturating_sub(Duration::from_millis(1)));
    assert!(house.is_known(&opened.secret).await, "to the last");
    house.clock.go(IDLE);
    assert!(!house.is_known(&opened.secret).await);
    assert!(house.access.sessions(None).expect("listed").is_empty());
    house.clock.go(HOUR);
    assert!(!house.is_known(&opened.secret).await, "asking does not bring it back");
}

#[tokio::test]
async fn a_session_ends_at_the_latest() {
    let house = House::new();
    house.add("jo", None).await;
    let opened = house.access.open_session("jo", "link").await.expect("opened");
    let caller = house.access.by_session(&opened.secret).await.expect("looked up").expect("known");
    for _ in 0..ABSOLUTE.as_secs() / 3600 - 1 {
        house.clock.go(HOUR);
        assert!(house.is_known(&opened.secret).await);
    }
    assert!(house.access.still_knows(&caller));
    house.clock.go(HOUR);
    assert!(!house.is_known(&opened.secret).await, "however much it is used");
    assert!(!house.access.still_knows(&caller), "and so does what it follows");
    // The record of it goes with the next one that begins.
    house.access.open_session("jo", "link").await.expect("opened");
    assert_eq!(house.access.sessions(None).expect("listed").len(), 1);
    let ended = house.journal.read(0, 1000).expect("read");
    let ended = ended.iter().filter(|event| event.kind == "access.session.ended").count();
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_link_opens_for_a_while() {
    let house = House::new();
    let door = || Door::SignIn("operator".to_owned());
    let (code, until) = house.access.make_link(door());
    assert_eq!(until, house.clock.now().plus(LINK_LASTS));
    house.clock.go(LINK_LASTS.saturating_sub(Duration::from_millis(1)));
    assert_eq!(house.access.open_link(&code), Some(door()));
    assert_eq!(house.access.open_link(&code), None, "once");
    let (code, _) = house.access.make_link(door());
    house.clock.go(LINK_LASTS);
    assert_eq!(house.access.open_link(&code), None, "too late");
}

#[tokio::test]
async fn a_link_is_made_once_under_a_key() {
    let house = House::new();
    house.add("jo", None).await;
    let ask = async |user: &str, key: Option<&str>| {
        let door = Door::SignIn(user.to_owned());
        let by = Actor::Person("maria".to_owned());
        {
            let keyed = key.map(|key| Keyed::new(key, user));
            house.access.make_link_once(door, keyed, &by).await
        }
        .map_err(|failure| failure.0.kind)
    };
    let first = ask("jo", Some("k1")).await.expect("made");
    house.clock.go(Duration::from_secs(1));
    assert_eq!(ask("jo", Some("k1")).await, Ok(first.clone()), "told again");
    assert_eq!(ask("operator", Some("k1")).await, Err(ErrorKind::Invalid), "the key was for another");
    let others = [ask("jo", Some("k2")).await, ask("jo", None).await];
    assert!(others.iter().all(|other| other.as_ref().is_ok_and(|(code, _)| *code != first.0)), "others");
    let made = house.journal.read(0, 100).expect("readable");
    let made = made.iter().filter(|event| event.kind == "access.link.made").count();
    assert_eq!(made, 3, "on record once for each");
    assert_eq!(house.access.open_link(&first.0), Some(Door::SignIn("jo".to_owned())));
    assert_eq!(house.access.open_link(&first.0), None, "it is not opened twice");
    assert_eq!(ask("jo", Some("k1")).await, Err(ErrorKind::Conflict), "nor made anew after it was opened");
    assert_eq!(house.access.open_link(&first.0), None);
    house.clock.go(LINK_LASTS);
    let later = ask("jo", Some("k1")).await.expect("the key is free again");
    assert_ne!(later.0, first.0);
}

#[tokio::test]
async fn a_link_holds_no_longer_than_what_it_was_made_for() {
    let house = House::new();
    house.add("jo", Some(PASSWORD)).await;
    let by = operator();
    let link = async |user: &str, key: Option<&str>| {
        let door = Door::SignIn(user.to_owned());
        house
            .access
            .make_link_once(door, key.map(|key| Keyed::new(key, "asked")), &by)
            .await
            .map(|(code, _)| code)
    };
    let opens = async |code: &str| house.access.enter(code).await.expect("asked").is_some();
    let disable = async |disabled: bool| house.disable("jo", disabled).await;
    // It is gone when its user is disabled, also when they come back.
    let (first, other) = (link("jo", None).await.expect("made"), link("operator", None).await.expect("made"));
    let keyed = link("jo", Some("k")).await.expect("made");
    disable(true).await;
    assert_eq!(link("jo", None).await.expect_err("disabled").0.kind, ErrorKind::Conflict);
    disable(false).await;
    assert!(!opens(&first).await && !opens(&keyed).await);
    assert_eq!(link("jo", Some("k")).await.expect_err("taken back").0.kind, ErrorKind::Conflict);
    assert!(opens(&other).await, "those of others stay");
    // So it is when there is another password.
    let second = link("jo", None).await.expect("made");
    let new = change(None, "another long password", false);
    house.access.set_password("jo", new, &|_| Ok(()), &by).await.expect("set");
    assert!(!opens(&second).await);
    // However it came about that its user is disabled.
    let third = link("jo", None).await.expect("made");
    let disabled = house.access.draft(None, "access.user.disabled", &by, "user/jo", json!({ "user": "jo" }));
    house.journal.append(vec![disabled]).await.expect("written");
    assert!(!opens(&third).await);
    assert!(house.access.sessions(Some("jo")).expect("listed").is_empty());
}

#[tokio::test]
async fn links_take_room_of_their_own_kind_and_user_only() {
    let house = House::new();
    house.add("jo", None).await;
    let person = |name: String| Actor::Person(name);
    let docs = async |by: String| {
        let door = Door::Documentation { workload: "shop".to_owned(), by: Via::Machine };
        house.access.make_link_once(door, None, &person(by)).await.expect("made").0
    };
    let sign_in = house.access.make_link(Door::SignIn("operator".to_owned())).0;
    house.clock.go(Duration::from_secs(1));
    let hers = docs("maria".to_owned()).await;
    let mut last = String::new();
    for _ in 0..100 {
        house.clock.go(Duration::from_millis(1));
        last = docs("mallory".to_owned()).await;
    }
    assert!(locked(&house.access.links).len() <= 10, "a user has a few");
    for number in 0..600 {
        house.clock.go(Duration::from_millis(1));
        docs(format!("user-{number}")).await;
    }
    assert!(house.access.signs_in(&sign_in) && !house.access.signs_in(&last));
    assert!(house.access.open_link(&last).is_none(), "all have a bounded room");
    assert!(house.access.open_link(&hers).is_none());
    assert!(house.access.open_link(&sign_in).is_some());
}

/// An address of this network, of documentation.
fn from(network: u8, last: u8) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::new(192, 0, network, last)))
}

#[tokio::test]
async fn tries_to_sign_in_run_out_and_come_back() {
    let house = House::new();
    house.add("jo", Some(PASSWORD)).await;
    // Ten for a name from an address.
    for _ in 0..10 {
        let refused = house.sign_in("jo", "wrong", from(2, 1)).await.err().expect("refused");
        assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    }
    let busy = house.sign_in("jo", PASSWORD, from(2, 1)).await.err().expect("too many");
    assert_eq!((busy.kind, busy.retry_after_ms), (ErrorKind::Busy, Some(30_000)), "also with the right one");
    let opened =
        house.sign_in("jo", PASSWORD, from(2, 99)).await.expect("whoever comes from elsewhere gets in");
    house.clock.go(Duration::from_secs(29));
    let still = house.sign_in("jo", PASSWORD, from(2, 1)).await.err().expect("still");
    assert_eq!(still.retry_after_ms, Some(1000));
    house.clock.go(Duration::from_secs(1));
    assert!(house.sign_in("jo", PASSWORD, from(2, 1)).await.is_ok());
    assert!(house.sign_in("jo", PASSWORD, from(2, 1)).await.is_ok(), "whoever knows it is not held up");

    // Whoever is signed in changes the password, whatever strangers try.
    while house.access.try_once("jo", from(2, 1)).is_ok() {}
    let jo = house.known(&opened.secret).await;
    let Via::Session(session) = &jo.via else { panic!("a session") };
    for _ in 0..10 {
        let wrong = house.access.change_password("jo", change(Some("wrong"), PASSWORD, false), session).await;
        assert_eq!(wrong.expect_err("wrong").0.kind, ErrorKind::Forbidden);
    }
    let right = || change(Some(PASSWORD), "another long password", false);
    let busy = house.access.change_password("jo", right(), session).await.expect_err("too many");
    assert_eq!(busy.0.kind, ErrorKind::Busy, "their own tries run out");
    house.clock.go(Duration::from_secs(30));
    house.access.change_password("jo", right(), session).await.expect("changed");
}

#[tokio::test]
async fn an_address_without_tries_takes_none_of_others() {
    let house = House::new();
    let take = |user: &str, network: u8, last: u8| house.access.try_once(user, from(network, last)).is_ok();
    // Thirty from an address, whomever they try.
    assert!((0..30).all(|number| take(&format!("user-{number}"), 2, 1)));
    for _ in 0..1000 {
        assert!(!take("jo", 2, 1));
    }
    house.clock.go(Duration::from_secs(5));
    assert!(take("jo", 2, 1) && !take("jo", 2, 1));
    // What it was refused has cost the account nothing: there are as many tries of it as ever, from other addresses.
    let tries = (2..=255)
        .flat_map(|last| [(2, last), (3, last)])
        .filter(|(network, last)| take("jo", *network, *last));
    assert_eq!(tries.count(), 299);
    assert!(take("al", 2, 77), "and of others all");
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_opens_nothing() {
    let house = House::new();
    house.add("jo", Some(PASSWORD)).await;
    let (old, another) = (house.access.user("jo").expect("there").password, "another long password");
    let hash = house.access.hash_password(another.to_owned()).await.expect("hashed");
    let say = async |kind: &str, data: serde_json::Value| {
        let draft = house.access.draft(None, kind, &operator(), "user/jo", data);
        house.journal.append(vec![draft]).await.expect("written");
    };
    // It was read, and waits for its turn to be checked.
    let wait = async |meanwhile: (&str, serde_json::Value)| {
        let permits = house.access.hashing.acquire_many(2).await.expect("open");
        let mut waiting = Box::pin(house.sign_in("jo", PASSWORD, from(2, 1)));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        say(meanwhile.0, meanwhile.1).await;
        drop(permits);
        waiting.await.map(drop).map_err(|failure| failure.kind)
    };
    assert_eq!(wait(("note", json!({}))).await, Ok(()));
    assert_eq!(
        wait(("access.password.set", json!({ "user": "jo", "hash": hash }))).await,
        Err(ErrorKind::Unauthenticated)
    );
    say("access.password.set", json!({ "user": "jo", "hash": old })).await;
    assert_eq!(
        wait(("access.user.disabled", json!({ "user": "jo" }))).await,
        Err(ErrorKind::Unauthenticated)
    );
    assert_eq!(house.access.sessions(Some("jo")).expect("listed").len(), 1, "the first");

    // Nor does it set another one, from a session that ended meanwhile.
    say("access.user.enabled", json!({ "user": "jo" })).await;
    let opened = house.sign_in("jo", PASSWORD, from(2, 1)).await.expect("signed in");
    let permits = house.access.hashing.acquire_many(2).await.expect("open");
    let theirs = change(Some(PASSWORD), "a password of strangers", false);
    let mut waiting = Box::pin(house.access.change_password("jo", theirs, &opened.row.session));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    say("access.password.set", json!({ "user": "jo", "hash": hash })).await;
    drop(permits);
    assert_eq!(waiting.await.expect_err("too late").0.kind, ErrorKind::Conflict);
    assert!(house.sign_in("jo", another, from(2, 1)).await.is_ok(), "the first to change it has");
}

#[tokio::test]
async fn tokens_do_not_come_back_with_their_user() {
    let house = House::new();
    house.add("jo", Some(PASSWORD)).await;
    let opened = house.sign_in("jo", PASSWORD, None).await.expect("signed in");
    let jo = house.known(&opened.secret).await;
    let (_, first) = house.token(&jo, "viewer").await;
    assert!(house.may(&first).is_some());
    house.disable("jo", true).await;
    assert!(house.may(&first).is_none());
    let revoked = house.journal.read(0, 1000).expect("read");
    assert_eq!(revoked.iter().filter(|event| event.kind == "access.token.revoked").count(), 1, "on record");
    house.disable("jo", false).await;
    assert!(house.may(&first).is_none(), "enabled, and still not");

    // A token of somebody who was disabled by an earlier version only slept.
    let (_, second) = house.token(&jo, "viewer").await;
    let disabled =
        house.access.draft(None, "access.user.disabled", &operator(), "user/jo", json!({ "user": "jo" }));
    house.journal.append(vec![disabled]).await.expect("written");
    house.disable("jo", false).await;
    assert!(house.may(&second).is_none());

    // Another password ends sessions, and tokens if that is asked.
    let (_, third) = house.token(&jo, "viewer").await;
    let opened = house.sign_in("jo", PASSWORD, None).await.expect("signed in");
    for (revoke_tokens, held) in [(false, true), (true, false)] {
        let new = change(None, PASSWORD, revoke_tokens);
        house.access.set_password("jo", new, &|_| Ok(()), &operator()).await.expect("set");
        assert_eq!(house.may(&third).is_some(), held);
    }
    assert!(!house.is_known(&opened.secret).await);
}

/// Somebody at a provider, with these roles by their claims.
fn person(subject: &str, user: &str, roles: &[&str]) -> Person {
    let grant = |role: &&str| mainstay_model::access::Grant {
        role: role.parse().expect("a role"),
        on: "*".parse().expect("a selector"),
    };
    Person {
        identity: Identity { issuer: "https://login.example.org".to_owned(), subject: subject.to_owned() },
        user: user.to_owned(),
        title: None,
        grants: roles.iter().map(grant).collect(),
    }
}

#[tokio::test]
async fn whom_a_provider_signs_in_is_the_same_user_with_what_claims_give_now() {
    let house = House::new();
    let sign_in = async |person: Person| {
        let opened =
            house.access.sign_in_person(person).await.map_err(|failure| (failure.0.kind, failure.0.title));
        opened.map(|opened| opened.secret)
    };
    let roles = async |secret: &str| -> Vec<String> {
        let caller = house.access.by_session(secret).await.expect("looked up").expect("known");
        caller.grants.iter().map(|grant| grant.role.to_string()).collect()
    };
    // Whoever may nothing is nobody here.
    let nothing = sign_in(person("u1", "maria", &[])).await.expect_err("default deny");
    assert_eq!(nothing.0, ErrorKind::Forbidden);
    assert!(house.access.user("maria").is_err(), "and does not become a user");

    let first = sign_in(person("u1", "maria", &["responder"])).await.expect("signed in");
    assert_eq!(roles(&first).await, ["responder"]);
    // By another name at the provider still the same, and what claims give is what they give now.
    let second = sign_in(person("u1", "maria.m", &["viewer", "operator"])).await.expect("signed in");
    assert_eq!(roles(&second).await, ["viewer", "operator"]);
    assert_eq!(roles(&first).await, ["viewer", "operator"], "in sessions of before, too");
    assert!(house.access.user("maria.m").is_err());
    let again = sign_in(person("u1", "maria", &["viewer", "operator"])).await.expect("signed in");
    let claimed = house.journal.read(0, 1000).expect("read");
    assert_eq!(
        claimed.iter().filter(|event| event.kind == "access.claimed").count(),
        2,
        "what is the same is not said again"
    );
    let left = sign_in(person("u1", "maria", &[])).await.expect_err("she left all groups");
    assert_eq!(left.0, ErrorKind::Forbidden);
    assert!(roles(&first).await.is_empty(), "and her sessions know it");

    // Nobody becomes somebody else by a name.
    let other = sign_in(person("u2", "maria", &["admin"])).await.expect_err("another one of this name");
    assert_eq!(other.0, ErrorKind::Conflict);
    house.add("jo", Some(PASSWORD)).await;
    assert_eq!(
        sign_in(person("u3", "jo", &["admin"])).await.expect_err("jo has a password").0,
        ErrorKind::Conflict
    );
    assert!(sign_in(person("u4", "operator", &["admin"])).await.is_err(), "nor the one of the machine");

    // Who was added without a password is not whoever has the name at a provider, unless that was said.
    house.add("al", None).await;
    let unasked = sign_in(person("u5", "al", &["admin"])).await.expect_err("nobody said so");
    assert!(unasked.0 == ErrorKind::Conflict && unasked.1.contains("was not added"), "{}", unasked.1);
    let await_at = async |user: &str, issuer: Option<&str>| {
        let issuer = issuer.map(str::to_owned);
        let done = house.access.await_person(user, issuer, &|_| Ok(()), &operator()).await;
        done.map(|view| view.signs_in_with).map_err(|failure| failure.0.kind)
    };
    await_at("al", Some("https://other.example.org")).await.expect("said");
    assert!(sign_in(person("u5", "al", &["admin"])).await.is_err(), "another provider");
    let issuer = "https://login.example.org";
    assert_eq!(await_at("al", Some(issuer)).await, Ok(Some(issuer.to_owned())));
    let al = sign_in(person("u5", "al", &[])).await.expect("granted");
    assert_eq!(roles(&al).await, ["viewer"]);
    let late = sign_in(person("u6", "al", &["admin"])).await.expect_err("taken");
    assert_eq!(late.0, ErrorKind::Conflict);
    for user in ["al", "jo"] {
        assert_eq!(await_at(user, None).await, Err(ErrorKind::Conflict), "{user} signs in in another way");
    }

    // Who is disabled is out, whatever a provider says.
    let by = Actor::Person("operator".to_owned());
    house.access.disable_user("maria", true, None, &|_| Ok(()), &by).await.expect("disabled");
    assert!(!house.is_known(&again).await);
    assert_eq!(
        sign_in(person("u1", "maria", &["admin"])).await.expect_err("disabled").0,
        ErrorKind::Forbidden
    );
}

#[tokio::test]
async fn what_is_claimed_counts_in_sessions_that_began_at_the_provider() {
    let house = House::new();
    let maria = || person("u1", "maria", &["operator"]);
    let opened = house.access.sign_in_person(maria()).await.expect("signed in");
    let grant = NewGrant { role: "viewer".to_owned(), on: "*".to_owned() };
    house.access.grant("maria", &grant, &|_| Ok(()), &operator()).await.expect("granted");
    let roles = async |secret: &str| -> Vec<String> {
        house.known(secret).await.grants.iter().map(|grant| grant.role.to_string()).collect()
    };
    assert_eq!(roles(&opened.secret).await, ["viewer", "operator"]);

    // She gives herself no password, with which she could come in without the provider.
    for current in [None, Some(PASSWORD)] {
        let refused =
            house.access.change_password("maria", change(current, PASSWORD, false), &opened.row.session);
        assert_eq!(refused.await.expect_err("refused").0.kind, ErrorKind::Forbidden);
    }
    assert!(house.sign_in("maria", PASSWORD, None).await.is_err());
    // Who administers users can; and with it, as by a link, she may what was granted to her.
    house
        .access
        .set_password("maria", change(None, PASSWORD, false), &|_| Ok(()), &operator())
        .await
        .expect("set");
    let by_password = house.sign_in("maria", PASSWORD, None).await.expect("signed in");
    assert_eq!(roles(&by_password.secret).await, ["viewer"]);
    let by_link = house.access.open_session("maria", "link").await.expect("opened");
    assert_eq!(roles(&by_link.secret).await, ["viewer"]);
    let caller = house.known(&by_password.secret).await;
    assert!(house.access.still_knows(&caller));
    let (long, granted) = house.token(&caller, "viewer").await;
    assert!(long.expires_at > house.clock.now().plus(ABSOLUTE));
    assert_eq!(house.may(&granted).as_deref(), Some(&["viewer".to_owned()][..]));

    // A token of a session at the provider has what is claimed, and ends with that session.
    let opened = house.access.sign_in_person(maria()).await.expect("signed in");
    let caller = house.known(&opened.secret).await;
    assert!(house.access.still_knows(&caller));
    let (view, claimed) = house.token(&caller, "operator").await;
    assert_eq!(Some(view.expires_at), caller.expires_at);
    assert_eq!(house.may(&claimed).map(|roles| roles.len()), Some(2));
    let follower = house.access.by_token(&claimed).expect("looked up").expect("known");
    assert!(house.access.still_knows(&follower));
    assert!(
        house.access.end_session(&opened.row.session, None, &operator(), "revoked").await.expect("ended")
    );
    assert!(house.may(&claimed).is_none() && !house.access.still_knows(&follower));
    assert!(house.access.token(&view.id, None).is_err());
    assert_eq!(house.access.tokens(None).expect("listed").len(), 1, "the other one");
    let opened = house.access.sign_in_person(maria()).await.expect("signed in");
    let (_, idle) = house.token(&house.known(&opened.secret).await, "operator").await;
    house.clock.go(IDLE);
    assert!(house.may(&idle).is_none() && house.may(&granted).is_some());
}
