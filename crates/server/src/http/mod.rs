//! The HTTP API. Handlers translate and nothing more: what they are asked is decided by the parts of [`App`], what they
//! answer are the wire types of `mainstay-api`.

mod auth;
mod changes;
pub mod docs;
mod error;
mod extract;
mod incidents;
mod intake;
mod journal;
mod runs;
mod signals;
mod status;
mod triggers;
mod workloads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

pub use auth::Token;
pub use error::Failure;

use crate::app::App;

/// The largest body of a request to the API: a workload's files, with room for JSON's quoting.
const MAX_BODY: usize = 40 << 20;

/// All routes. Telemetry's own routes are merged in, because DESIGN wants OTLP on this port too.
pub fn router(app: Arc<App>, token: Token, telemetry: Router) -> Router {
    let documentation = Router::new()
        .route("/v1/workloads/{name}/docs.json", get(docs::data))
        .route("/v1/workloads/{name}/docs/link", post(docs::link))
        .route("/enter/{code}", get(docs::enter))
        .route("/docs/{name}", get(docs::folder))
        .route("/docs/{name}/", get(docs::first))
        .route("/docs/{name}/{*path}", get(docs::page))
        .with_state(docs::Docs::new(app.clone(), token.clone()));
    Router::new()
        .route("/v1/health", get(status::health))
        .route("/v1/status", get(status::status))
        .route("/v1/hosts", get(status::hosts))
        .route("/v1/events", get(journal::list).post(intake::append))
        .route("/v1/hooks/{workload}/{source}", post(intake::hook))
        .route("/v1/events/stream", get(journal::stream))
        .route("/v1/workloads", get(workloads::list).post(workloads::apply))
        .route("/v1/workloads/{name}", get(workloads::get))
        .route("/v1/plans", post(changes::plan))
        .route("/v1/changes", get(changes::list))
        .route("/v1/changes/{id}", get(changes::get))
        .route("/v1/changes/{id}/approve", post(changes::approve))
        .route("/v1/changes/{id}/refuse", post(changes::refuse))
        .route("/v1/revisions/{id}", get(changes::revision))
        .route("/v1/runs", get(runs::list).post(runs::start))
        .route("/v1/runs/{id}", get(runs::get))
        .route("/v1/runs/{id}/output", get(runs::output))
        .route("/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/v1/runs/{id}/resume", post(runs::resume))
        .route("/v1/runs/{id}/decide", post(runs::decide))
        .route("/v1/triggers", get(triggers::list))
        .route("/v1/triggers/{name}", get(triggers::get))
        .route("/v1/triggers/{name}/replay", post(triggers::replay))
        .route("/v1/triggers/{name}/disable", post(triggers::disable))
        .route("/v1/triggers/{name}/enable", post(triggers::enable))
        .route("/v1/dead-letters", get(triggers::dead))
        .route("/v1/dead-letters/redrive", post(triggers::redrive))
        .route("/v1/dead-letters/drop", post(triggers::drop_letters))
        .route("/v1/alarms", get(incidents::alarms))
        .route("/v1/incidents", get(incidents::list))
        .route("/v1/incidents/{id}", get(incidents::get))
        .route("/v1/logs", get(signals::logs))
        .route("/v1/traces", get(signals::traces))
        .route("/v1/traces/{id}", get(signals::trace))
        .route("/api/v1/query", get(signals::instant))
        .route("/api/v1/query_range", get(signals::range))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
        .merge(telemetry)
        .merge(documentation)
        .fallback(no_such_path)
        .layer(middleware::from_fn_with_state(token, auth::require))
}

async fn no_such_path(request: axum::extract::Request) -> Failure {
    Failure::not_found("path", request.uri().path())
}
