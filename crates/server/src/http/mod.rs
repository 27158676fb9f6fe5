//! The HTTP API. Handlers translate and nothing more: what they are asked is decided by the parts of [`App`], what they
//! answer are the wire types of `mainstay-api`.

mod alarms;
mod auth;
mod bodies;
mod changes;
pub mod docs;
mod error;
mod etag;
mod extract;
mod incidents;
mod intake;
mod journal;
mod labels;
mod lists;
mod oidc;
mod people;
mod routes;
mod runs;
mod sieve;
mod signals;
mod status;
mod table;
mod triggers;
#[cfg(test)]
mod words;
mod workloads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};

use mainstay_api::v1::ErrorKind;
use mainstay_model::{Event, EventDraft};
use mainstay_store::Journal;

pub use auth::Token;
pub(crate) use auth::forbidden;
pub use error::Failure;
pub(crate) use etag::is_among;
pub(crate) use extract::percent_decoded;
pub use people::sign_in_link;
pub use table::document as openapi;

use crate::app::App;
use crate::console;

/// Puts one event into the journal, and gives it back as it is there.
pub(crate) async fn append_one(journal: &dyn Journal, draft: EventDraft) -> Result<Arc<Event>, Failure> {
    let mut events = journal.append(vec![draft]).await?;
    events.pop().ok_or_else(|| Failure::new(ErrorKind::Internal, "The journal answered nothing"))
}

/// All routes. Telemetry's own routes are merged in, because DESIGN wants OTLP on this port too.
pub fn router(app: Arc<App>, token: Token, telemetry: Router) -> Router {
    let (operations, document) = table::operations().take_apart(app.clone());
    let (pages, of_pages) = table::pages().take_apart(docs::Docs::new(app.clone()));
    let rights = document.and(of_pages).rights();
    let is_https = app.config.is_https();
    operations
        .merge(pages)
        .layer(DefaultBodyLimit::max(bodies::SMALL))
        .layer(middleware::from_fn(etag::conditional))
        .merge(telemetry)
        .fallback(no_operation)
        .layer(middleware::from_fn_with_state(auth::Guard::new(app, token, rights), auth::require))
        .layer(middleware::map_response_with_state(is_https, auth::protect))
}

/// What is no operation is a page or a file of the console, or nothing.
async fn no_operation(request: axum::extract::Request) -> Response {
    match console::answer(request.method(), request.uri().path(), request.headers()) {
        Some(answer) => answer,
        None => Failure::not_found("path", request.uri().path()).into_response(),
    }
}
