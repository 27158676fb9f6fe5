//! The life of a service: arguments, telemetry, listening, draining, end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ShopError;
use crate::error::chain;
use crate::telemetry::Telemetry;
use crate::wire;

/// How long requests that are under way may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// What every service is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Directory of this service's ledger; made when it is missing
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,
}

/// A service that is ready to serve.
pub struct Service {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// What the service answers. `/healthz` and `/metrics` are added to it.
    pub router: Router,
    /// Whether the service can do its work, or the reason why not. May block for a moment.
    pub health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What runs beside the requests. The process ends with an error when one of these ends.
    pub work: JoinSet<()>,
}

/// Runs a service until SIGTERM or SIGINT; the `main` of each binary. Ends with 0 after a graceful stop,
/// with 1 and the reason on stderr when the service could not start or run, with 2 on bad arguments.
pub fn main<O, S, F>(name: &'static str, start: S) -> ExitCode
where
    O: clap::Parser,
    S: FnOnce(O) -> F,
    F: Future<Output = Result<Service, ShopError>>,
{
    let options = O::parse();
    let run = || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().map_err(ShopError::Run)?;
        runtime.block_on(async {
            let telemetry = Telemetry::start(name)?;
            let result = match start(options).await {
                Ok(service) => serve(name, service, &telemetry).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &result {
                tracing::error!(error = chain(error), "{name} cannot run");
            }
            telemetry.stop().await;
            result
        })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop-{name}: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal comes, then lets requests under way finish. Prints `listening on ADDRESS` to
/// stdout once it accepts requests.
async fn serve(name: &'static str, service: Service, telemetry: &Telemetry) -> Result<(), ShopError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ShopError::Run)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ShopError::Run)?;
    let listener = listen(service.port).await?;
    let address = listener.local_addr().map_err(ShopError::Run)?;
    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let server = axum::serve(listener, app(service.router, service.health, telemetry))
        .with_graceful_shutdown(stopped(stopping));
    let mut server = std::pin::pin!(server.into_future());
    println!("listening on http://{address}");
    tracing::info!(%address, "{name} is ready");

    let mut work = service.work;
    tokio::select! {
        result = &mut server => return result.map_err(ShopError::Run),
        Some(ended) = work.join_next() => {
            let why = ended.err().map_or_else(|| "it returned".to_owned(), |error| error.to_string());
            return Err(ShopError::Run(std::io::Error::other(format!("the background work ended: {why}"))));
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("{name} stops: no new requests, up to {} s for those under way", DRAIN.as_secs());
    let _ = stop.send(true);
    match tokio::time::timeout(DRAIN, server).await {
        Ok(result) => result.map_err(ShopError::Run)?,
        Err(_) => tracing::warn!("requests were cut off: they took too long to finish"),
    }
    work.shutdown().await;
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener, ShopError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ShopError::PortInUse { port },
        _ => ShopError::Listen { port, source },
    })
}

/// The service's routes, observed, with `/healthz` and `/metrics` beside them.
fn app(
    router: Router,
    health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    telemetry: &Telemetry,
) -> Router {
    let durations = wire::duration_histogram();
    let observe = move |route: MatchedPath, request: Request, next: Next| {
        wire::observed(durations.clone(), route, request, next)
    };
    let exposition = telemetry.exposition();
    let metrics = move || async move {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition.text())
    };
    let healthz = move || async move {
        let verdict = tokio::task::spawn_blocking(move || health()).await;
        match verdict.unwrap_or_else(|error| Err(format!("the health check failed: {error}"))) {
            Ok(()) => (StatusCode::OK, "healthy\n".to_owned()).into_response(),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
        }
    };
    router
        .route_layer(middleware::from_fn(observe))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
}
