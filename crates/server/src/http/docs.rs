//! The documentation of workloads: always that of the wanted revision, with what happened since.
//!
//! Scripts show the token like everywhere. A browser cannot, so `POST …/docs/link` gives a link that works once and
//! for ten minutes; whoever opens it gets a cookie that opens the pages of that workload and nothing else, for twelve hours,
//! and only as long as who made the link is known by what they showed then and may read that workload. It is proved by a key
//! that follows from the token, so it holds across restarts and ends when the token is replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use mainstay_api::v1::DocsLink;
use mainstay_learn::docs::{self, Documentation};

use super::auth;
use super::error::Failure;
use super::extract::{Once, Path};
use crate::access::{Caller, Door, pass};
use crate::app::App;
use crate::documentation::{change, documentation, history};

/// Every file of a workload's documentation by its path.
pub type Site = BTreeMap<String, String>;

/// How long a browser that has opened a link reads on.
const READS_FOR: Duration = Duration::from_secs(12 * 3600);

/// The cookie's name.
pub(super) fn cookie_name(app: &App) -> String {
    auth::cookie_name(app, "__Secure-", "mainstay_docs")
}

/// What the handlers of documentation share.
pub struct Docs {
    app: Arc<App>,
    /// What was made last, by workload, with the revision and the journal's place it was made at.
    made: Mutex<BTreeMap<String, (String, Arc<Made>)>>,
}

struct Made {
    json: String,
    site: Site,
}

impl Docs {
    /// The documentation of the workloads of a server.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        Arc::new(Self { app, made: Mutex::default() })
    }

    /// The current documentation of a workload; made again when a revision was applied or anything else happened.
    async fn current(&self, name: &str) -> Result<Arc<Made>, Failure> {
        let active = self.app.catalogue.get(name).ok_or_else(|| {
            let workloads = self.app.catalogue.now();
            let near = mainstay_model::problem::nearest(name, workloads.keys().map(String::as_str));
            let failure = Failure::not_found("workload", name);
            match near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`mainstay apply DIR` makes one"),
            }
        })?;
        let key = format!("{}@{}", active.revision.revision, self.app.journal.head().seq);
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((_, made)) = known.filter(|(of, _)| *of == key) {
            return Ok(made);
        }
        let journal = self.app.journal.clone();
        let made = tokio::task::spawn_blocking(move || -> Result<Made, Failure> {
            let mut all: Documentation = documentation(&active.declared)
                .map_err(|error| Failure::internal("The workload cannot be documented", &error))?;
            all.revision = Some(change(&active.revision));
            all.history = Some(history(journal.as_ref(), &active.revision)?);
            Ok(Made { json: docs::json(&all), site: docs::site(&all) })
        })
        .await
        .map_err(|error| Failure::internal("The workload could not be documented", &error))??;
        let made = Arc::new(made);
        let mut kept = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(name.to_owned(), (key, made.clone()));
        Ok(made)
    }
}

/// `GET /v1/workloads/{name}/docs.json`
pub async fn data(State(docs): State<Arc<Docs>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let made = docs.current(&name).await?;
    Ok(file("docs.json", made.json.clone()))
}

/// `POST /v1/workloads/{name}/docs/link`: a link for a browser.
pub async fn link(
    State(docs): State<Arc<Docs>>,
    caller: Caller,
    once: Once,
    Path(name): Path<String>,
) -> Result<Json<DocsLink>, Failure> {
    if docs.app.catalogue.get(&name).is_none() {
        return Err(Failure::not_found("workload", &name));
    }
    let once = once.keyed(&docs.app, None, &());
    let door = Door::Documentation { workload: name, by: caller.via.clone() };
    let (code, expires_at) = docs.app.access.make_link_once(door, once, &caller.actor()).await?;
    Ok(Json(DocsLink { path: format!("/enter/{code}"), expires_at }))
}

/// What a browser gets that showed the code of a link to the documentation.
pub(super) fn entered(app: &App, workload: &str, by: &Caller) -> Response {
    let folder = format!("/docs/{}/", mainstay_api::client::escape(workload));
    let mut response = Redirect::to(&folder).into_response();
    let now = app.clock.now();
    let until = now.plus(READS_FOR);
    let until = by.expires_at.map_or(until, |at| at.min(until));
    let (name, value) = (cookie_name(app), pass::write(&app.docs_key, workload, &by.via, until));
    let age = until.since(now).as_secs();
    let secure = if app.config.is_https() { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; HttpOnly; SameSite=Strict; Path={folder}; Max-Age={age}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    protect(response.headers_mut(), false);
    response
}

/// `GET /docs/{name}`: the pages refer to each other from within a folder.
pub async fn folder(Path(name): Path<String>) -> Redirect {
    Redirect::to(&format!("/docs/{}/", mainstay_api::client::escape(&name)))
}

/// `GET /docs/{name}/`
pub async fn first(State(docs): State<Arc<Docs>>, Path(name): Path<String>) -> Result<Response, Failure> {
    page(State(docs), Path((name, String::new()))).await
}

/// `GET /docs/{name}/{path}`
pub async fn page(
    State(docs): State<Arc<Docs>>,
    Path((name, path)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let made = docs.current(&name).await?;
    of_site(&made.site, &path).ok_or_else(|| {
        Failure::not_found("page", &path).hint(format!("the documentation begins at /docs/{name}/"))
    })
}

/// A file of a site, as an answer.
fn of_site(site: &Site, path: &str) -> Option<Response> {
    let path = if path.is_empty() { "index.html" } else { path };
    site.get(path).map(|content| file(path, content.clone()))
}

fn file(path: &str, content: String) -> Response {
    let kind = match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        _ => "text/markdown; charset=utf-8",
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], content).into_response();
    protect(response.headers_mut(), path.ends_with(".svg"));
    response
}

/// Pages load their own style sheet and nothing else, whatever has come into them. A drawing has its colours in itself.
fn protect(headers: &mut HeaderMap, own_style: bool) {
    let style = if own_style { "'unsafe-inline'" } else { "'self'" };
    let policy = format!(
        "default-src 'none'; style-src {style}; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
}

/// A page that says something. `lines` are markup.
pub(super) fn notice(status: StatusCode, title: &str, lines: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>Mainstay</title></head><body><h1>{title}</h1>{lines}</body></html>\n"
    );
    (status, file("index.html", page)).into_response()
}

/// What a browser that may not read the pages is shown.
pub(super) fn closed(why: &str) -> Response {
    let how = "<p>On the server's machine, <code>mainstay docs link</code> prints a link that opens the documentation in this browser.</p>";
    let mut response = notice(StatusCode::UNAUTHORIZED, why, how);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mainstay\""));
    response
}

/// What a browser is shown that follows a link of another site and so shows no cookie: it asks again from here, and shows
/// what it has. `path` is what it asks for then, the same if not said; it has nothing to be escaped.
pub(super) fn ask_again(path: Option<&str>) -> Response {
    let to = path.map(|path| format!(";url={path}")).unwrap_or_default();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta http-equiv=\"refresh\" content=\"0{to}\"/><title>Mainstay</title></head><body></body></html>\n"
    );
    (StatusCode::UNAUTHORIZED, file("index.html", page)).into_response()
}

/// Makes a site whenever a page is asked for, or says why it cannot.
pub type Make = Arc<dyn Fn() -> Result<Site, String> + Send + Sync>;

/// Serves a site on its own, for who writes it. It needs no token: it listens on loopback, and shows what stands in
/// files. Requests under a foreign host name are refused, as everywhere.
pub async fn serve_site(
    listener: tokio::net::TcpListener,
    make: Make,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let answer = async |State(make): State<Make>, request: axum::extract::Request| -> Response {
        let local = request
            .headers()
            .get(header::HOST)
            .is_none_or(|host| host.to_str().is_ok_and(super::auth::is_local_name));
        if !local {
            return StatusCode::FORBIDDEN.into_response();
        }
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let made = tokio::task::spawn_blocking(move || make()).await;
        match made {
            Ok(Ok(site)) => of_site(&site, &path).unwrap_or_else(|| {
                (StatusCode::NOT_FOUND, "There is no such page; the documentation begins at /\n")
                    .into_response()
            }),
            Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
            Err(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The documentation could not be made\n").into_response()
            }
        }
    };
    let router = axum::Router::new().fallback(axum::routing::get(answer)).with_state(make);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
