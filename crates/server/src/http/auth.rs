//! Who may call: the one place where it is decided. Everybody is looked up by what they show (the data directory's secret,
//! a session's cookie, a token), and the table of operations says what each operation needs. What is not in the table is
//! refused.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::ErrorKind;
use mainstay_model::access::Permission;

use super::bodies::Places;
use super::docs;
use super::error::Failure;
use super::extract::percent_decoded;
use super::routes::{Needs, On, Right, Rights};
use crate::access::{Caller, Limiter, Via, pass};
use crate::app::App;
use crate::{changes, incidents, revisions, runs};

/// The secret that clients show.
#[derive(Clone)]
pub struct Token(std::sync::Arc<str>);

impl Token {
    /// Reads the secret, or makes one when there is none.
    pub fn load_or_create(path: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().len() >= 32 => return Ok(Self(text.trim().into())),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let secret = format!("mst_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        crate::files::write_private(path, secret.as_bytes())?;
        Ok(Self(secret.into()))
    }

    /// The secret itself, for what is derived from it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What proves that a browser has opened a link to the documentation: derived from the secret, which it does not tell, so
    /// that all of it ends when the secret is replaced.
    pub(crate) fn docs_key(&self) -> [u8; 32] {
        blake3::derive_key("mainstay documentation cookie v2", self.0.as_bytes())
    }

    /// Compares in a time that does not tell how much is right.
    fn is(&self, shown: &str) -> bool {
        let (a, b) = (blake3::hash(self.0.as_bytes()), blake3::hash(shown.as_bytes()));
        a == b
    }
}

/// Names under which a loopback server may be called. A page in a browser that was led here by a name of its own
/// (DNS rebinding) shows another one.
pub(super) fn is_local_name(host: &str) -> bool {
    let bare = name_of(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Names of this machine on itself.
fn is_loopback_name(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    name.trim_start_matches('[').trim_end_matches(']')
}

/// What a proxy says of whom it asks for.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// The token of `Authorization: Bearer …`, whose scheme is the same in any case of letters (RFC 9110, 11.1).
fn bearer(shown: &str) -> Option<&str> {
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What is needed to let somebody in.
pub struct Guard {
    app: Arc<App>,
    token: Token,
    rights: Rights,
    /// How often a refusal of somebody is put on record.
    refusals: Mutex<Limiter>,
    /// The room for large bodies.
    places: Places,
}

/// How the cookie of a session is called.
const COOKIE: &str = "mainstay_session";

/// The header that a page of another site cannot send without being asked about it.
const OWN_PAGE: &str = "x-mainstay-request";

/// The longest session cookie that is looked at.
const MAX_SECRET: usize = 200;

/// The most cookies of a name that are looked at: as many as browsers keep for a host.
const MAX_COOKIES: usize = 200;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| Failure::new(ErrorKind::Unauthenticated, "It is not known who asks"))
    }
}

/// Lets a request through, or answers it.
pub async fn require(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let admitted = guard.admit(&mut parts).await;
    let who = parts.extensions.get::<Caller>().map(|caller| caller.user.clone());
    let asked = who.zip(parts.extensions.get::<OperationName>().copied());
    let asked = asked.filter(|_| !is_safe(&parts.method)).map(|asked| (asked, parts.uri.path().to_owned()));
    let (answer, is_refused) = match admitted {
        Err(answer) => (*answer, true),
        // What only the handler can tell (of which workload a body is) it refuses itself.
        Ok(()) => {
            let answer = next.run(Request::from_parts(parts, body)).await;
            let is_refused = answer.status() == StatusCode::FORBIDDEN;
            (answer, is_refused)
        }
    };
    if is_refused && let Some(((user, OperationName(name)), path)) = asked {
        guard.record(&user, name, &path).await;
    }
    answer
}

/// Which operation a request is for.
#[derive(Clone, Copy)]
struct OperationName(&'static str);

/// The headers that every answer has. Pages load what comes from here, and nobody frames them; what has a stricter policy
/// of its own keeps it.
pub async fn protect(State(is_https): State<bool>, mut response: Response) -> Response {
    const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
        connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let always = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in always {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        // Of the name only, and not of those below it: they are not ours to speak for. A year.
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

impl Guard {
    /// With the table.
    pub fn new(app: Arc<App>, token: Token, rights: Rights) -> Arc<Self> {
        let refusals = Mutex::new(Limiter::new(20, Duration::from_secs(30)));
        Arc::new(Self { app, token, rights, refusals, places: Places::default() })
    }

    async fn admit(&self, request: &mut Parts) -> Result<(), Box<Response>> {
        let path = request.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
        let unknown = |needs| Right { name: "", needs, largest: 0 };
        let Right { name, needs, largest } = match &path {
            Some(path) => self.rights.of(path, &request.method).map_err(|methods| wrong_method(&methods))?,
            None if is_api(request.uri.path()) => unknown(Needs::SignedIn),
            // Nothing of ours, or a page of the console.
            None => unknown(Needs::Nothing),
        };
        request.extensions.insert(self.places.allow(largest));
        // What sources of workloads send is checked by their own secrets, and may come through a proxy under another name.
        if name != "receiveHook" {
            self.check_host(&request.headers)?;
        }
        let needs = match needs {
            Needs::UnlessFromHere(..) if self.is_from_here(request) => Needs::Nothing,
            Needs::UnlessFromHere(permission, on) => Needs::May(permission, on),
            needs => needs,
        };
        if needs == Needs::Nothing {
            return Ok(());
        }
        let template = path.unwrap_or_default();
        let is_docs = template.starts_with("/docs/");
        if is_docs && self.is_reader(&template, request) {
            return Ok(());
        }
        let caller = match self.who(&request.headers).await {
            Ok(caller) => caller,
            Err(_) if is_docs && is_from_elsewhere(&request.headers) => {
                return Err(Box::new(docs::ask_again(None)));
            }
            Err(_) if is_docs => {
                let why = "This browser may not read the documentation yet.";
                return Err(Box::new(docs::closed(why)));
            }
            Err(failure) => return Err(Box::new(failure.into_response())),
        };
        check_origin(&caller, request)?;
        request.extensions.insert(OperationName(name));
        let allowed = match needs {
            Needs::Nothing | Needs::SignedIn => Ok(()),
            Needs::May(permission, on) | Needs::UnlessFromHere(permission, on) => {
                self.check(&caller, permission, on, &template, request)
            }
            Needs::Either(one, other, on) => self
                .check(&caller, one, on, &template, request)
                .or_else(|_| self.check(&caller, other, on, &template, request)),
        };
        request.extensions.insert(caller);
        allowed.map_err(|failure| Box::new(failure.into_response()))
    }

    /// Whether a request was made on this machine, by a program that asked for itself. Where a proxy stands before the server,
    /// what comes from this machine may come from anywhere: not every proxy says so.
    fn is_from_here(&self, request: &Parts) -> bool {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.app.config.public_url.is_none()
            && peer.is_some_and(|info| info.0.ip().to_canonical().is_loopback())
            && host.is_some_and(is_loopback_name)
            && !FORWARDED.iter().any(|name| request.headers.contains_key(*name))
    }

    /// Whether the browser has opened a link to this workload's documentation, and who made the link may still read it.
    fn is_reader(&self, template: &str, request: &Parts) -> bool {
        let Some(workload) = parameter(template, request.uri.path(), "name") else { return false };
        let now = self.app.clock.now();
        let name = docs::cookie_name(&self.app);
        let may = |via: Via| match self.app.access.holder(&via) {
            Ok(Some(caller)) => caller.may_to(Permission::Read, &self.app.catalogue, Some(&workload)),
            Ok(None) | Err(_) => false,
        };
        cookies(&request.headers, &name)
            .filter_map(|shown| pass::read(&self.app.docs_key, &workload, shown, now))
            .any(may)
    }

    /// A page in a browser that was led here by a name of its own (DNS rebinding) shows another name.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let Some(host) = headers.get(header::HOST) else { return Ok(()) };
        let port = if self.app.config.is_https() { ":443" } else { ":80" };
        let known = self.app.config.public_host().map(|known| known.strip_suffix(port).unwrap_or(known));
        let is_ours = |host: &str| {
            let bare = host.strip_suffix(port).unwrap_or(host);
            is_local_name(host) || known.is_some_and(|known| known.eq_ignore_ascii_case(bare))
        };
        if host.to_str().is_ok_and(is_ours) {
            return Ok(());
        }
        let failure = Failure::new(ErrorKind::Forbidden, "This server answers to its address only").hint(
            "call it as http://127.0.0.1:7600 or http://localhost:7600, or start it with `--public-url`",
        );
        Err(Box::new(failure.into_response()))
    }

    /// Who asks.
    async fn who(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        let unknown = |title: &str| Failure::new(ErrorKind::Unauthenticated, title);
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(shown) = shown {
            let token = bearer(shown).unwrap_or_default();
            if self.token.is(token) {
                return Ok(Caller::machine());
            }
            return self.app.access.by_token(token)?.ok_or_else(|| {
                unknown("The token is not one of this server, or holds no longer")
                    .hint("that of the machine is in the file `token` of the server's data directory")
            });
        }
        let mut showed_one = false;
        for secret in session_secrets(&self.app, headers) {
            showed_one = true;
            if let Some(caller) = self.app.access.by_session(&secret).await? {
                return Ok(caller);
            }
        }
        if showed_one {
            return Err(unknown("The session is over").hint("sign in again"));
        }
        Err(unknown("A token is needed, or a session")
            .hint("send `Authorization: Bearer …` with the content of the file `token` of the server's data directory, or sign in"))
    }

    /// Whether they may, by the tags of what it is about.
    fn check(
        &self,
        caller: &Caller,
        permission: Permission,
        on: On,
        template: &str,
        request: &Parts,
    ) -> Result<(), Failure> {
        match self.subject(on, template, request.uri.path())? {
            Subject::Everything => caller.must(permission, &self.app.catalogue, None),
            Subject::Workload(name) => caller.must(permission, &self.app.catalogue, Some(&name)),
            // Whoever does not see it learns no more than of one that is not there.
            Subject::Of { workload, .. }
                if caller.may_to(permission, &self.app.catalogue, Some(&workload)) =>
            {
                Ok(())
            }
            Subject::Of { workload, what, id } => {
                let sees = caller.may_to(Permission::Read, &self.app.catalogue, Some(&workload));
                Err(if sees { forbidden(permission, Some(&workload)) } else { Failure::not_found(what, &id) })
            }
            // It is the handler that says more; whoever may nowhere learns nothing.
            Subject::Each | Subject::Missing if caller.may_somewhere(permission) => Ok(()),
            Subject::Each | Subject::Missing => Err(forbidden(permission, None)),
        }
    }

    fn subject(&self, on: On, template: &str, path: &str) -> Result<Subject, Failure> {
        let journal = self.app.journal.as_ref();
        let id = |name| parameter(template, path, name).unwrap_or_default();
        let (what, name, found) = match on {
            On::All => return Ok(Subject::Everything),
            On::Each => return Ok(Subject::Each),
            On::Workload(name) => return Ok(Subject::Workload(id(name))),
            On::Run(name) => match runs::workload_of(journal, &id(name))? {
                Some(None) => return Ok(Subject::Everything),
                found => ("run", name, found.flatten()),
            },
            On::Change(name) => {
                ("change", name, changes::change(journal, &id(name))?.map(|record| record.about.workload))
            }
            On::Revision(name) => {
                ("revision", name, revisions::revision(journal, &id(name))?.map(|revision| revision.workload))
            }
            On::Incident(name) => {
                ("incident", name, incidents::get(journal, &id(name))?.map(|row| row.incident.workload))
            }
        };
        Ok(found.map_or(Subject::Missing, |workload| Subject::Of { workload, what, id: id(name) }))
    }

    /// That somebody was refused something that changes: an auditor looks for it.
    async fn record(&self, user: &str, name: &str, path: &str) {
        let now = self.app.clock.now();
        let is_much = self.refusals.lock().is_ok_and(|mut refusals| refusals.take(user, now).is_err());
        if !is_much {
            self.app.access.record_refusal(user, name, path).await;
        }
    }
}

/// What a request is about.
enum Subject {
    Everything,
    Workload(String),
    /// What belongs to a workload and has an id.
    Of {
        workload: String,
        what: &'static str,
        id: String,
    },
    Each,
    Missing,
}

/// Why somebody may not.
pub fn forbidden(permission: Permission, workload: Option<&str>) -> Failure {
    let of_it = workload.map(|name| format!(": it is of workload `{name}`")).unwrap_or_default();
    let title = format!("You may not {}{of_it}", permission.words());
    Failure::new(ErrorKind::Forbidden, title)
        .hint("`GET /v1/me` says what you may; who administers users grants more with `mainstay users grant`")
}

/// Whether a browser comes here by a link of another site. Then it shows no cookie, whether or not it has one.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What a browser sends by itself is believed to be wanted only if a page of ours sends it.
fn check_origin(caller: &Caller, request: &Parts) -> Result<(), Box<Response>> {
    if is_safe(&request.method) || !matches!(caller.via, Via::Session(_)) {
        return Ok(());
    }
    own_page(&request.headers).map_err(|failure| Box::new(failure.into_response()))?;
    if request.headers.contains_key(OWN_PAGE) {
        return Ok(());
    }
    let failure = Failure::new(ErrorKind::Forbidden, "This request may be forged by another site")
        .hint("with a session, send the header `x-mainstay-request` with what changes something");
    Err(Box::new(failure.into_response()))
}

/// Whether a request comes from a page of this server, as far as the browser says where it comes from.
pub(super) fn own_page(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let bare = |host: &str, port| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
            origin.split_once("://").is_some_and(|(scheme, of_page)| {
                let port = if scheme == "https" { ":443" } else { ":80" };
                text("host").is_some_and(|host| bare(host, port) == bare(of_page, port))
            })
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(Failure::new(ErrorKind::Forbidden, "This request comes from another site"))
}

fn wrong_method(methods: &[&'static str]) -> Box<Response> {
    if methods.is_empty() {
        // A route that is in no table: a fault of ours, which opens nothing.
        tracing::error!("a route names no permission");
        return Box::new(Failure::new(ErrorKind::Forbidden, "Nobody may call this").into_response());
    }
    let mut allowed = methods.join(", ");
    if methods.contains(&"GET") {
        allowed.push_str(", HEAD");
    }
    let failure =
        Failure::new(ErrorKind::WrongMethod, "The path has no such method").hint(format!("it has {allowed}"));
    let mut response = failure.into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    Box::new(response)
}

fn is_api(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/api/")
}

/// The value of a path's parameter.
fn parameter(template: &str, path: &str, name: &str) -> Option<String> {
    let at = template
        .split('/')
        .position(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) == Some(name))?;
    percent_decoded(path.split('/').nth(at)?)
}

/// The values of all cookies of exactly this name. There may be several: another site of the same domain, or another port of
/// the same host, can set one of the same name for another path, and the browser shows it first.
pub(super) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name && value.len() <= MAX_SECRET).then_some(value)
        })
        .take(MAX_COOKIES)
}

/// How a cookie of this server is called. Cookies know no ports, so the name goes on with the server's. Over TLS a prefix
/// makes browsers take it from this very host only (`__Host-`, for all paths) or over TLS only (`__Secure-`).
pub(super) fn cookie_name(app: &App, prefix: &str, name: &str) -> String {
    let prefix = if app.config.is_https() { prefix } else { "" };
    format!("{prefix}{name}_{}", app.http.port())
}

fn session_cookie_name(app: &App) -> String {
    cookie_name(app, "__Host-", COOKIE)
}

/// The secrets of sessions that a request shows.
pub(super) fn session_secrets(app: &App, headers: &HeaderMap) -> Vec<String> {
    cookies(headers, &session_cookie_name(app)).map(str::to_owned).collect()
}

/// The cookie of a session, to be set; or taken away.
pub(super) fn session_cookie(app: &App, secret: Option<&str>) -> Option<HeaderValue> {
    let name = session_cookie_name(app);
    let (value, age) = match secret {
        Some(secret) => (secret, crate::access::ABSOLUTE.as_secs()),
        None => ("", 0),
    };
    let secure = if app.config.is_https() { "; Secure" } else { "" };
    // Strict: nothing that another site makes the browser ask for comes with it. Who follows a link from elsewhere gets the
    // console's page, which needs no session, and the page asks for itself.
    HeaderValue::from_str(&format!(
        "{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}"
    ))
    .ok()
}

/// Under which address people reach the server, without a `/` at its end.
pub(super) fn base_url(app: &App) -> String {
    let base = app.config.public_url.clone().unwrap_or_else(|| format!("http://{}", app.http));
    base.trim_end_matches('/').to_owned()
}

/// From where a request comes: of a proxy on this machine that speaks for the public name, whom it says.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub Option<IpAddr>);

impl FromRequestParts<Arc<App>> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let has_proxy = app.config.public_host().is_some();
        Ok(Self(peer.map(|peer| address(peer, has_proxy, &parts.headers))))
    }
}

/// The last that `X-Forwarded-For` says is what the proxy has added; all before it is what it was told, in further lines of
/// the header, too.
fn address(peer: IpAddr, has_proxy: bool, headers: &HeaderMap) -> IpAddr {
    if !peer.is_loopback() || !has_proxy {
        return peer;
    }
    let told = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = told.and_then(|told| told.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
    last.unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_are_answered() {
        for good in ["127.0.0.1:7600", "localhost", "LOCALHOST:1", "[::1]:7600", "10.1.2.3"] {
            assert!(is_local_name(good), "{good}");
        }
        for bad in
            ["evil.example", "evil.example:7600", "localhost.evil.example", "", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_local_name(bad), "{bad}");
        }
    }

    #[test]
    fn this_machine_has_names_that_no_other_has() {
        for good in ["127.0.0.1:7600", "127.9.9.9", "localhost:1", "[::1]:7600", "[::ffff:127.0.0.1]:1"] {
            assert!(is_loopback_name(good), "{good}");
        }
        for bad in ["10.1.2.3", "0.0.0.0:7600", "ops.example.org", "localhost.example.org", ""] {
            assert!(!is_loopback_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_scheme_of_a_token_is_the_same_in_any_case() {
        for good in ["Bearer x", "bearer x", "BEARER  x "] {
            assert_eq!(bearer(good), Some("x"), "{good}");
        }
        for bad in ["Basic x", "x", "Bearerx", ""] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let first = Token::load_or_create(&path).expect("made");
        let second = Token::load_or_create(&path).expect("read");
        assert!(first.is(&second.0) && !first.is("mst_"));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn parameters_are_found_by_the_template() {
        assert_eq!(parameter("/v1/runs/{id}/cancel", "/v1/runs/a%2Fb/cancel", "id").as_deref(), Some("a/b"));
        assert_eq!(parameter("/v1/runs/{id}", "/v1/runs/a", "name"), None);
        assert_eq!(parameter("/v1/runs/{id}", "/v1/runs/%zz", "id"), None);
    }

    #[test]
    fn pages_of_other_sites_are_known_by_what_browsers_say() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            own_page(&headers).is_ok()
        };
        assert!(
            from(&[]) && from(&[("sec-fetch-site", "same-origin")]) && from(&[("sec-fetch-site", "none")])
        );
        assert!(!from(&[("sec-fetch-site", "cross-site")]) && !from(&[("sec-fetch-site", "same-site")]));
        assert!(from(&[("origin", "http://127.0.0.1:7600"), ("host", "127.0.0.1:7600")]));
        assert!(from(&[("origin", "https://ops.example.org"), ("host", "ops.example.org:443")]));
        assert!(!from(&[("origin", "https://ops.example.org"), ("host", "ops.example.org:80")]));
        assert!(!from(&[("origin", "http://127.0.0.1:1"), ("host", "127.0.0.1:7600")]));
        assert!(!from(&[("origin", "null"), ("host", "127.0.0.1:7600")]));
    }

    #[test]
    fn a_cookie_is_known_by_all_of_its_name_and_hides_no_other() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("mainstay_session=a; mainstay_session_7600=b;x=c"));
        headers
            .append("cookie", HeaderValue::from_static("mainstay_session_7600x=d; mainstay_session_7600=e"));
        let shown: Vec<&str> = cookies(&headers, "mainstay_session_7600").collect();
        assert_eq!(shown, ["b", "e"]);
        for number in 0..100 {
            let other = format!("mainstay_session_7600={number}");
            headers.insert("cookie", HeaderValue::from_str(&format!("{other}; {other}")).expect("a value"));
        }
        let many = "mainstay_session_7600=x; ".repeat(180) + "mainstay_session_7600=mine";
        headers.insert("cookie", HeaderValue::from_str(&many).expect("a value"));
        assert_eq!(cookies(&headers, "mainstay_session_7600").last(), Some("mine"));
    }

    #[test]
    fn an_address_is_what_the_proxy_says_and_not_what_it_was_told() {
        let from = |peer: &str, has_proxy: bool, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            address(peer.parse().expect("an address"), has_proxy, &headers).to_string()
        };
        assert_eq!(from("127.0.0.1", true, &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(from("127.0.0.1", true, &["198.51.100.1", "192.0.2.7"]), "192.0.2.7", "in two lines");
        assert_eq!(from("127.0.0.1", true, &["198.51.100.1", "unknown"]), "127.0.0.1");
        assert_eq!(from("127.0.0.1", false, &["198.51.100.1"]), "127.0.0.1", "there is no proxy");
        assert_eq!(from("192.0.2.9", true, &["198.51.100.1"]), "192.0.2.9", "it is not ours");
    }
}
