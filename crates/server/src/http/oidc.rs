//! The steps of a browser that signs in with a provider of OpenID Connect.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use mainstay_api::v1::ProviderView;
use mainstay_learn::docs::escape;
use serde::Deserialize;

use super::auth::{Address, base_url, cookies};
use super::error::Failure;
use super::extract::{Asked, Path};
use super::people::{keep, leave};
use crate::access::oidc::{SIGN_IN_LASTS, Said};
use crate::app::App;

/// How the cookie is called that tells the browser that began from others. The name goes on with the server's port.
const COOKIE: &str = "mainstay_sign_in";

/// Where a browser goes on to.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct BeginQuery {
    /// The path of the page to come back to; the first one if not said.
    back: Option<String>,
}

fn path(name: &str) -> String {
    format!("/v1/sign-in/oidc/{name}")
}

fn redirect_uri(app: &App, name: &str) -> String {
    format!("{}{}/callback", base_url(app), path(name))
}

/// The providers, for who wants to sign in.
pub fn providers(app: &App) -> Vec<ProviderView> {
    let view = |(name, title): (&str, &str)| ProviderView {
        name: name.to_owned(),
        title: title.to_owned(),
        path: path(name),
    };
    app.providers.list().map(view).collect()
}

fn cookie_name(app: &App) -> String {
    super::auth::cookie_name(app, "__Host-", COOKIE)
}

fn kept(app: &App, headers: &HeaderMap) -> Vec<String> {
    cookies(headers, &cookie_name(app)).map(str::to_owned).collect()
}

/// The cookie that comes back with the browser from the provider, which is another site: so it is not a strict one. It is
/// good for nothing but the end of what it began.
fn cookie(app: &App, value: &str) -> Option<HeaderValue> {
    let secure = if app.config.is_https() { "; Secure" } else { "" };
    let (name, age) = (cookie_name(app), if value.is_empty() { 0 } else { SIGN_IN_LASTS.as_secs() });
    HeaderValue::from_str(&format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={age}{secure}"))
        .ok()
}

/// `GET /v1/sign-in/oidc/{provider}`: to the provider.
pub async fn begin(
    State(app): State<Arc<App>>,
    Address(from): Address,
    headers: HeaderMap,
    Path(name): Path<String>,
    Asked(query): Asked<BeginQuery>,
) -> Result<Response, Failure> {
    let redirect = redirect_uri(&app, &name);
    let kept = kept(&app, &headers).into_iter().next();
    let begun = app.providers.begin(&name, &redirect, query.back, kept, from).await?;
    let mut response = Redirect::to(&begun.url).into_response();
    if let Some(cookie) = cookie(&app, &begun.browser) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /v1/sign-in/oidc/{provider}/callback`: back from the provider, with a session or a page that says why not.
pub async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Asked(said): Asked<Said>,
) -> Response {
    match finish(&app, &headers, &name, &said).await {
        Ok(response) => response,
        Err(failure) => refused(&failure),
    }
}

async fn finish(app: &Arc<App>, headers: &HeaderMap, name: &str, said: &Said) -> Result<Response, Failure> {
    let browsers = kept(app, headers);
    let (person, back) = app.providers.finish(name, said, &browsers, &redirect_uri(app, name)).await?;
    let opened = app.access.sign_in_person(person).await?;
    leave(app, headers).await?;
    // By a page of ours and not by a redirect: what a redirect from another site leads to is asked for without the cookie.
    let target = escape(&back);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta http-equiv=\"refresh\" content=\"0;url={target}\"/><title>Mainstay</title></head><body><p><a href=\"{target}\">Signed in</a></p></body></html>\n"
    );
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response();
    keep(app, &opened, response.headers_mut());
    if let Some(cookie) = cookie(app, "") {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn refused(failure: &Failure) -> Response {
    let body = &failure.0;
    let mut lines = vec![format!("<h1>{}</h1>", escape(&body.title))];
    lines.extend(body.causes.iter().chain(&body.hint).map(|line| format!("<p>{}</p>", escape(line))));
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>Mainstay</title></head><body>{}<p><a href=\"/\">To the first page</a></p></body></html>\n",
        lines.concat()
    );
    let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Html(page)).into_response()
}

/// `GET /v1/sign-in/oidc/{provider}/sign-out`: to where the session at the provider ends, too.
pub async fn sign_out(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let home = format!("{}/", base_url(&app));
    match app.providers.sign_out(&name, &home).await? {
        Some(url) => Ok(Redirect::to(&url).into_response()),
        None => Err(Failure::not_found("place to sign out at the provider", &name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_to_come_back_to_is_escaped_once() {
        assert_eq!(escape("/metrics?q=up&range=1h;x"), "/metrics?q=up&amp;range=1h;x");
        assert_eq!(escape("\"><script>&lt;"), "&quot;&gt;&lt;script&gt;&amp;lt;");
    }
}
