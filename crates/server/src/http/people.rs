//! Signing in and out, and the people who may.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use mainstay_api::v1::{
    AwaitedAccount, ChangePassword, ErrorKind, MadeToken, Me, NewGrant, NewToken, NewUser, Page, Reason,
    SessionView, SignIn, SignInLink, SignInWays, TokenView, UserState, UserView,
};
use mainstay_model::Timestamp;
use mainstay_model::access::Permission;
use serde::Deserialize;

use super::auth::{Address, base_url, is_from_elsewhere, own_page, session_cookie, session_secrets};
use super::docs;
use super::error::Failure;
use super::etag::IfMatch;
use super::extract::{Asked, Body, Once, Path};
use super::lists;
use super::oidc;
use super::routes::word;
use crate::access::{Caller, Door, Entered, OPERATOR, Opened, SessionRow, Via, grant_views, user_view};
use crate::app::App;

/// Whose.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    /// Those of everybody, which needs to administer users; otherwise one's own.
    #[serde(default)]
    all: bool,
    /// Those of this user, which needs the same unless it is oneself.
    user: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// Which users.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UsersQuery {
    /// `active` or `disabled`.
    state: Option<String>,
    /// Those that have this text in their name or title, in any case of letters.
    contains: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// What is asked about oneself.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MeQuery {
    /// What one may do to this workload; if not said, what one may to some resource or other.
    #[serde(default)]
    workload: Option<String>,
}

/// For whom a link is.
#[derive(Debug, Default, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkFor {
    /// The user; the machine's operator if not said.
    #[serde(default)]
    pub user: Option<String>,
}

/// `GET /v1/sign-in`: how people may.
pub async fn ways(State(app): State<Arc<App>>) -> Json<SignInWays> {
    Json(SignInWays { password: true, providers: oidc::providers(&app) })
}

/// `POST /v1/sign-in`
pub async fn sign_in(
    State(app): State<Arc<App>>,
    Address(from): Address,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    own_page(&headers)?;
    let Body(who) = Body::<SignIn>::from_request(request, &app).await?;
    let opened = app.access.sign_in(who, from).await?;
    leave(&app, &headers).await?;
    let caller = known(&app, &opened).await?;
    let mut response = Json(me_of(&app, &caller, None)?).into_response();
    keep(&app, &opened, response.headers_mut());
    Ok(response)
}

async fn known(app: &App, opened: &Opened) -> Result<Caller, Failure> {
    let caller = app.access.by_session(&opened.secret).await?;
    caller.ok_or_else(|| Failure::new(ErrorKind::Conflict, "The user was disabled meanwhile"))
}

/// Ends the sessions that a browser shows which gets another one.
pub(super) async fn leave(app: &App, headers: &HeaderMap) -> Result<(), Failure> {
    for secret in session_secrets(app, headers) {
        if let Some(caller) = app.access.by_session(&secret).await?
            && let Via::Session(id) = &caller.via
        {
            app.access.end_session(id, None, &caller.actor(), "signed in anew").await?;
        }
    }
    Ok(())
}

/// Gives the browser its session.
pub(super) fn keep(app: &App, opened: &Opened, headers: &mut HeaderMap) {
    if let Some(cookie) = session_cookie(app, Some(&opened.secret)) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// `POST /v1/sign-out`
pub async fn sign_out(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Failure> {
    if let Via::Session(id) = &caller.via {
        app.access.end_session(id, None, &caller.actor(), "signed out").await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = session_cookie(&app, None) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /v1/sign-in/link`
pub async fn link(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(asked): Body<LinkFor>,
) -> Result<Json<SignInLink>, Failure> {
    let once = once.keyed(&app, None, &asked);
    let user = asked.user.unwrap_or_else(|| OPERATOR.to_owned());
    if user != OPERATOR {
        app.access.user(&user)?;
    }
    let link = app.access.make_link_once(Door::SignIn(user), once, &caller.actor()).await?;
    Ok(Json(shown_link(&app, link)))
}

/// A link that signs a user in, once.
pub fn sign_in_link(app: &App, user: String) -> SignInLink {
    shown_link(app, app.access.make_link(Door::SignIn(user)))
}

fn shown_link(app: &App, (code, expires_at): (String, Timestamp)) -> SignInLink {
    let path = format!("/enter/{code}");
    SignInLink { url: format!("{}{path}", base_url(app)), path, expires_at }
}

/// How a link is opened.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EnterQuery {
    /// Whether another site has led here, and a page of ours asks again.
    #[serde(default)]
    again: bool,
}

/// Whether nobody looks at what is asked for: a browser fetches it ahead, or as part of another page.
fn is_unseen(headers: &HeaderMap) -> bool {
    let says = |name: &str, words: &[&str]| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        words.iter().any(|word| value.to_ascii_lowercase().contains(word))
    };
    let is_ahead = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .any(|name| says(name, &["prefetch", "prerender", "preview"]));
    is_ahead || headers.contains_key("sec-fetch-dest") && !says("sec-fetch-dest", &["document"])
}

/// `GET /enter/{code}`: opens what the code is for to the browser that shows it, once. The code is gone from the address
/// afterwards.
pub async fn enter(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path(code): Path<String>,
    Asked(query): Asked<EnterQuery>,
) -> Result<Response, Failure> {
    let used = || docs::closed("This link has been used or is too old.");
    if !code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(used());
    }
    // Whoever only looks at it has not opened it.
    if method == Method::HEAD || is_unseen(&headers) {
        return Ok(docs::closed("This link opens in a window of its own, and has not been opened."));
    }
    // Another site may have led here to put the browser into a session of its own choice. Asked again from here, the browser
    // shows whether it has one; then a person decides.
    if is_from_elsewhere(&headers) {
        return Ok(docs::ask_again(Some(&format!("/enter/{code}?again=true"))));
    }
    if query.again && app.access.signs_in(&code) {
        for secret in session_secrets(&app, &headers) {
            if let Some(caller) = app.access.by_session(&secret).await? {
                return Ok(instead(&caller, &code));
            }
        }
    }
    match app.access.enter(&code).await? {
        Some(Entered::Documentation { workload, by }) => Ok(docs::entered(&app, &workload, &by)),
        Some(Entered::SignedIn(opened)) => {
            leave(&app, &headers).await?;
            let mut response = Redirect::to("/").into_response();
            keep(&app, &opened, response.headers_mut());
            Ok(response)
        }
        None => Ok(used()),
    }
}

/// Asks whether a link is to end the session that there is. Names of users have nothing to be escaped.
fn instead(caller: &Caller, code: &str) -> Response {
    let lines = format!(
        "<p>Another site has led here. <a href=\"/enter/{code}\">Sign in with its link instead</a>, or <a href=\"/\">stay {}</a>.</p>",
        caller.user
    );
    docs::notice(StatusCode::OK, "This browser is signed in already.", &lines)
}

/// `GET /v1/me`
pub async fn me(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<MeQuery>,
) -> Result<Json<Me>, Failure> {
    me_of(&app, &caller, query.workload.as_deref()).map(Json)
}

fn words(may: impl Fn(Permission) -> bool) -> Vec<String> {
    Permission::ALL.into_iter().filter(|one| may(*one)).map(|one| word(one).to_owned()).collect()
}

fn me_of(app: &App, caller: &Caller, workload: Option<&str>) -> Result<Me, Failure> {
    let (via, id) = match &caller.via {
        Via::Machine => ("machine", None),
        Via::Session(id) => ("session", Some(id.clone())),
        Via::Token(id) => ("token", Some(id.clone())),
    };
    let row = if caller.user == OPERATOR { None } else { Some(app.access.user(&caller.user)?) };
    let permissions = words(|one| match workload {
        Some(_) => caller.may_to(one, &app.catalogue, workload),
        None => caller.may_somewhere(one),
    });
    Ok(Me {
        actor: caller.actor().to_string(),
        user: caller.user.clone(),
        via: via.to_owned(),
        id,
        expires_at: caller.expires_at,
        grants: grant_views(caller.scope.as_ref().unwrap_or(&caller.grants)),
        permissions,
        everywhere: words(|one| caller.may_to_all(one)),
        has_password: row.as_ref().is_some_and(|row| row.password.is_some()),
        signs_in_with: row.and_then(|row| row.signs_in_with().cloned()),
    })
}

/// `POST /v1/me/password`
pub async fn my_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(change): Body<ChangePassword>,
) -> Result<StatusCode, Failure> {
    if caller.user == OPERATOR {
        return Err(Failure::new(ErrorKind::Conflict, "The machine's operator has no password")
            .hint("add a user with `mainstay users add`"));
    }
    let Via::Session(session) = &caller.via else {
        return Err(Failure::new(
            ErrorKind::Forbidden,
            "A password is changed in a session, not with a token",
        ));
    };
    app.access.change_password(&caller.user, change, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose rows are asked for: one's own, or with the right to it another's or everybody's.
fn whose<'a>(caller: &'a Caller, asked: &'a Whose) -> Result<Option<&'a str>, Failure> {
    let user = match (&asked.user, asked.all) {
        (Some(user), _) => Some(user.as_str()),
        (None, false) => Some(caller.user.as_str()),
        (None, true) => None,
    };
    if user == Some(caller.user.as_str()) || caller.may_to_all(Permission::Administer) {
        return Ok(user);
    }
    Err(super::forbidden(Permission::Administer, None))
}

/// Whose rows one may take away: everybody's with the right to it, otherwise one's own.
fn reach(caller: &Caller) -> Option<&str> {
    if caller.may_to_all(Permission::Administer) { None } else { Some(&caller.user) }
}

/// The only thing of its user that a token sees and takes back: itself. One that may see to users is not bound so.
fn bound(caller: &Caller) -> Option<&str> {
    match &caller.via {
        Via::Token(id) if !caller.may_to_all(Permission::Administer) => Some(id),
        Via::Machine | Via::Session(_) | Via::Token(_) => None,
    }
}

/// That a token is within reach of who asks.
fn sees_token(caller: &Caller, id: &str) -> Result<(), Failure> {
    if bound(caller).is_none_or(|own| own == id) { Ok(()) } else { Err(Failure::not_found("token", id)) }
}

/// `GET /v1/sessions`
pub async fn sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<Whose>,
) -> Result<Json<Page<SessionView>>, Failure> {
    let mut rows = app.access.sessions(whose(&caller, &asked)?)?;
    rows.retain(|_| bound(&caller).is_none());
    let keyed = rows.into_iter().map(|row| (lists::newest_first(row.started_at, &row.session), row));
    let Page { items, next } = lists::page(keyed.collect(), asked.cursor.as_deref(), asked.limit);
    let view = |row: SessionRow| SessionView {
        current: caller.via == Via::Session(row.session.clone()),
        id: row.session,
        user: row.user,
        method: row.method,
        started_at: row.started_at,
        used_at: row.used_at,
        expires_at: row.expires_at,
    };
    Ok(Json(Page { items: items.into_iter().map(view).collect(), next }))
}

/// `DELETE /v1/sessions/{id}`
pub async fn end_session(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    if bound(&caller).is_none()
        && app.access.end_session(&id, reach(&caller), &caller.actor(), "revoked").await?
    {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Failure::not_found("session", &id))
}

/// `GET /v1/tokens`
pub async fn tokens(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<Whose>,
) -> Result<Json<Page<TokenView>>, Failure> {
    let mut views = app.access.tokens(whose(&caller, &asked)?)?;
    views.retain(|view| bound(&caller).is_none_or(|own| own == view.id));
    let keyed =
        views.into_iter().map(|view| (lists::newest_first(view.created_at, &view.id), view)).collect();
    Ok(Json(lists::page(keyed, asked.cursor.as_deref(), asked.limit)))
}

/// `POST /v1/tokens`
pub async fn make_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Failure> {
    let once = once.keyed(&app, None, &new);
    let (view, token) = app.access.make_token(new, once, &caller).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { view, token })))
}

/// `GET /v1/tokens/{id}`
pub async fn token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Failure> {
    sees_token(&caller, &id)?;
    app.access.token(&id, reach(&caller)).map(Json)
}

/// `DELETE /v1/tokens/{id}`
pub async fn revoke_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    sees_token(&caller, &id)?;
    let expect = |view: &TokenView| expected.check(view);
    if app.access.revoke_token(&id, reach(&caller), expect, &caller.actor()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Failure::not_found("token", &id))
}

/// `GET /v1/users`
pub async fn users(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<UsersQuery>,
) -> Result<Json<Page<UserView>>, Failure> {
    let states = lists::words(asked.state.as_deref(), "state of a user", UserState::ALL)?;
    let is_wanted = |view: &UserView| {
        let texts = std::iter::once(view.user.as_str()).chain(view.title.as_deref());
        states.as_ref().is_none_or(|states| states.contains(&view.state.as_str()))
            && lists::contains(asked.contains.as_deref(), texts)
    };
    let (items, next) = app.access.users(is_wanted, asked.cursor, lists::limit(asked.limit))?;
    Ok(Json(Page { items, next }))
}

/// `GET /v1/users/{name}`
pub async fn user(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<UserView>, Failure> {
    app.access.user(&name).map(|row| Json(user_view(&row)))
}

/// `POST /v1/users`
pub async fn add_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Failure> {
    let once = once.keyed(&app, None, &new);
    let issuer = new.provider.as_deref().map(|name| app.providers.issuer(name)).transpose()?;
    let view = app.access.add_user(new, issuer, once, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// `POST /v1/users/{name}/provider`
pub async fn await_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(name): Path<String>,
    Body(asked): Body<AwaitedAccount>,
) -> Result<Json<UserView>, Failure> {
    let issuer = asked.provider.as_deref().map(|name| app.providers.issuer(name)).transpose()?;
    app.access.await_person(&name, issuer, &|view| expected.check(view), &caller.actor()).await.map(Json)
}

/// `POST /v1/users/{name}/disable`
pub async fn disable_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(name): Path<String>,
    Body(why): Body<Reason>,
) -> Result<Json<UserView>, Failure> {
    let expect = |view: &UserView| expected.check(view);
    app.access.disable_user(&name, true, why.reason, &expect, &caller.actor()).await.map(Json)
}

/// `POST /v1/users/{name}/enable`
pub async fn enable_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(name): Path<String>,
    Body(why): Body<Reason>,
) -> Result<Json<UserView>, Failure> {
    let expect = |view: &UserView| expected.check(view);
    app.access.disable_user(&name, false, why.reason, &expect, &caller.actor()).await.map(Json)
}

/// `POST /v1/users/{name}/password`
pub async fn set_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(name): Path<String>,
    Body(change): Body<ChangePassword>,
) -> Result<StatusCode, Failure> {
    let expect = |view: &UserView| expected.check(view);
    app.access.set_password(&name, change, &expect, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/users/{name}/grants`
pub async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(name): Path<String>,
    Body(new): Body<NewGrant>,
) -> Result<Json<UserView>, Failure> {
    app.access.grant(&name, &new, &|view| expected.check(view), &caller.actor()).await.map(Json)
}

/// `DELETE /v1/users/{name}/grants/{id}`
pub async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<UserView>, Failure> {
    app.access.revoke(&name, &id, &|view| expected.check(view), &caller.actor()).await.map(Json)
}
