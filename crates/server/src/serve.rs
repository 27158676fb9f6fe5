//! Starting and stopping a server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstay_model::{Actor, Event, EventDraft, EventId};
use mainstay_observe::scrape::Scraper;
use mainstay_observe::{OpenError, Options as TelemetryOptions, Telemetry, otlp};
use mainstay_store::{Fold, Journal, Options as JournalOptions, Rows, SqliteJournal, StoreError};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

use crate::access::oidc::{self, ConfigError, ProviderConfig, Providers};
use crate::access::{Access, SessionsFold, TokensFold, UsersFold};
use crate::alarms::{AlarmsFold, Evaluator};
use crate::app::{App, Health};
use crate::apply::Applier;
use crate::catalogue::{Active, Catalogue};
use crate::changes::{Changes, ChangesFold, OpenFold};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::hosts::{self, HostsFold};
use crate::http::{self, Token};
use crate::hub::Hub;
use crate::incidents::{DesksFold, IncidentIndexFold, IncidentsFold, Responder, UndraftedFold};
use crate::intake::Intake;
use crate::listen::{self, Limits};
use crate::loops::Loops;
use crate::measures::{Measures, MeasuresFold};
use crate::overview::Overview;
use crate::placement::{Fleet, Placer};
use crate::query::Querier;
use crate::responses::{AcknowledgedFold, SaidFold, SilencesFold};
use crate::revisions::{self, RevisionsFold, WorkloadsFold};
use crate::runs::acts::Control;
use crate::runs::{Engine, FactsFold, RunError, RunsFold, StatesFold};
use crate::secrets::Secrets;
use crate::triggers::{CallsFold, DeadFold, ProgressFold, Triggers, TriggersFold, WindowsFold};
use crate::webhooks::Network;

/// How long a stop waits for what is still going on.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The longest path of a Unix socket, in bytes: `sockaddr_un` on Linux has 108 with the final zero.
const MAX_SOCKET_PATH: usize = 107;

/// Where a server that is ready can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The API's address.
    pub http: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// OTLP over gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// The socket for agents of this machine.
    pub agent_socket: PathBuf,
    /// The file with the secret for clients.
    pub token_file: PathBuf,
}

/// Why a server does not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {}", path.display(), mainstay_store::directory_advice(source))]
    Data {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A port cannot be had.
    #[error("cannot listen on {address} for {what}: {}", if source.kind() == io::ErrorKind::AddrInUse {
        format!("another program already does; see which with `ss -ltnp`, or choose another address with `{option}`")
    } else { format!("choose another address with `{option}`") })]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// The option that chooses it.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The agents' socket cannot be had.
    #[error("cannot listen on the socket {} for agents{hint}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What is said of providers of sign-in cannot be used.
    #[error("the providers of sign-in cannot be used")]
    SignIn(#[source] ConfigError),
    /// The journal cannot be used.
    #[error("the journal cannot be used")]
    Journal(#[source] StoreError),
    /// The telemetry cannot be used.
    #[error("the telemetry store cannot be used")]
    Telemetry(#[source] OpenError),
    /// A run cannot be taken up.
    #[error("the runs of before cannot be taken up")]
    Runs(#[source] RunError),
    /// The scraper cannot be made.
    #[error("the scraper cannot be made")]
    Scraper(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A listener failed later.
    #[error("the server for {what} failed")]
    Listener {
        /// What for.
        what: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Every table of the journal. Opening, serving and rebuilding use the same.
pub fn folds() -> Vec<Arc<dyn Fold>> {
    vec![
        Arc::new(Authentic(WorkloadsFold)),
        Arc::new(Authentic(RevisionsFold)),
        Arc::new(Authentic(ChangesFold)),
        Arc::new(Authentic(OpenFold)),
        Arc::new(Authentic(HostsFold)),
        Arc::new(Authentic(RunsFold::default())),
        Arc::new(Authentic(StatesFold)),
        Arc::new(Authentic(FactsFold)),
        Arc::new(Authentic(AlarmsFold)),
        Arc::new(Authentic(MeasuresFold)),
        Arc::new(Authentic(DesksFold)),
        Arc::new(Authentic(IncidentsFold)),
        Arc::new(Authentic(IncidentIndexFold)),
        Arc::new(Authentic(UndraftedFold)),
        Arc::new(Authentic(TriggersFold)),
        Arc::new(Authentic(CallsFold)),
        Arc::new(Authentic(DeadFold)),
        Arc::new(Authentic(WindowsFold)),
        Arc::new(Authentic(ProgressFold)),
        Arc::new(Authentic(UsersFold)),
        Arc::new(Authentic(SessionsFold)),
        Arc::new(Authentic(TokensFold)),
        Arc::new(Authentic(SaidFold)),
        Arc::new(Authentic(SilencesFold)),
        Arc::new(Authentic(AcknowledgedFold)),
    ]
}

/// A fold that takes in authentic events only: nobody outside makes a run, an alarm or an incident by saying so.
struct Authentic<F>(F);

impl<F: Fold> Fold for Authentic<F> {
    fn table(&self) -> &'static str {
        self.0.table()
    }

    fn version(&self) -> u32 {
        self.0.version()
    }

    fn is_listed(&self) -> bool {
        self.0.is_listed()
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.is_authentic() {
            self.0.apply(event, rows);
        }
    }
}

struct Listeners {
    http: TcpListener,
    otlp_http: Option<TcpListener>,
    otlp_grpc: Option<TcpListener>,
}

async fn bind(
    address: SocketAddr,
    what: &'static str,
    option: &'static str,
) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, what, option, source })
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, ServeError> {
        let http = bind(config.http, "the API", "--http").await?;
        let otlp_http = match config.otlp_http {
            Some(address) => Some(bind(address, "OTLP over HTTP", "--otlp-http").await?),
            None => None,
        };
        let otlp_grpc = match config.otlp_grpc {
            Some(address) => Some(bind(address, "OTLP over gRPC", "--otlp-grpc").await?),
            None => None,
        };
        Ok(Self { http, otlp_http, otlp_grpc })
    }

    fn ready(&self, config: &Config) -> io::Result<Ready> {
        Ok(Ready {
            http: self.http.local_addr()?,
            otlp_http: self.otlp_http.as_ref().map(TcpListener::local_addr).transpose()?,
            otlp_grpc: self.otlp_grpc.as_ref().map(TcpListener::local_addr).transpose()?,
            agent_socket: config.agent_socket(),
            token_file: config.token_file(),
        })
    }
}

/// Runs a server until it is stopped. `ready` is told once it can be reached. Whatever fails before that changes
/// nothing but the data directory's existence.
pub async fn serve(
    config: Config,
    stop: CancellationToken,
    ready: oneshot::Sender<Ready>,
) -> Result<(), ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let data_error = |source| ServeError::Data { path: config.data.clone(), source };
    make_private_dir(&config.data).map_err(data_error)?;
    check_socket_path(&config.agent_socket())?;
    let providers = sign_in_providers(&config).map_err(ServeError::SignIn)?;
    let journal: Arc<dyn Journal> = Arc::new(open_journal(&config)?);
    let telemetry = Telemetry::open(config.telemetry_dir(), TelemetryOptions::default())
        .map_err(ServeError::Telemetry)?;
    let token = Token::load_or_create(&config.token_file()).map_err(data_error)?;
    let key = Token::load_or_create(&config.access_key_file()).map_err(data_error)?;
    let access = Access::new(journal.clone(), clock.clone(), key.reveal());
    let listeners = Listeners::bind(&config).await?;
    let reached = listeners.ready(&config).map_err(data_error)?;

    let health = Health::default();
    let loops = Loops::new(clock.clone(), health.clone(), stop.child_token());
    let app = wire(
        &config,
        reached.http,
        (access, Providers::new(clock.clone(), providers), token.docs_key()),
        telemetry.clone(),
        journal.clone(),
        health,
        &loops,
    )?;
    // Before anybody is answered: who is answered at the port must not find the server of before in this file.
    write_address(&config, reached.http).map_err(data_error)?;
    let serving = start_listeners(&app, listeners, token, telemetry, &loops);
    if let Err(error) = begin(&app, &reached).await {
        let _ = std::fs::remove_file(config.address_file());
        return Err(error);
    }
    tracing::info!(address = %reached.http, data = %config.data.display(), "ready");
    // Whoever waited may be gone; the server serves all the same.
    let _ = ready.send(reached);

    let outcome = serving.await;
    let _ = std::fs::remove_file(config.address_file());
    stop.cancel();
    loops.stop.cancel();
    let ended = async {
        app.engine.stopped().await;
        loops.tasks.close();
        loops.tasks.wait().await;
    };
    if tokio::time::timeout(STOP_DEADLINE, ended).await.is_err() {
        tracing::warn!("some tasks did not end in time; what they were doing is taken up at the next start");
    }
    // The last word; the journal may have no space left for it.
    let _ = say(&app, "server.stopping", json!({})).await;
    outcome
}

/// Takes up what was going on, and says that the server has begun.
async fn begin(app: &App, reached: &Ready) -> Result<(), ServeError> {
    let started = app.engine.recover().map_err(ServeError::Runs)?;
    let data = json!({ "version": app.config.version, "address": reached.http, "runs_taken_up": started });
    say(app, "server.started", data).await.map_err(ServeError::Journal)
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    if crate::files::make_private_folder(path)? {
        tracing::warn!(path = %path.display(), "others could look into the data directory; it is its owner's alone now (mode 0700)");
    }
    std::fs::read_dir(path).map(drop)
}

fn check_socket_path(path: &Path) -> Result<(), ServeError> {
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return Ok(());
    }
    Err(ServeError::Socket {
        path: path.to_owned(),
        hint: ": the path is longer than the system allows; choose a shorter data directory with `--data`",
        source: io::Error::from(io::ErrorKind::InvalidFilename),
    })
}

/// The providers of sign-in that the data directory names; none if it has no such file.
fn sign_in_providers(config: &Config) -> Result<Vec<ProviderConfig>, ConfigError> {
    let path = config.sign_in_file();
    if path.exists() { oidc::read(&path) } else { Ok(Vec::new()) }
}

fn open_journal(config: &Config) -> Result<SqliteJournal, ServeError> {
    let options = JournalOptions { folds: folds(), ..JournalOptions::default() };
    SqliteJournal::open(config.journal_dir(), options).map_err(ServeError::Journal)
}

/// The workloads as the journal wants them.
fn wanted(journal: &dyn Journal, health: &Health) -> Result<Arc<Catalogue>, ServeError> {
    let catalogue = Arc::new(Catalogue::default());
    for revision in revisions::all(journal).map_err(ServeError::Journal)? {
        match Active::load(&revision) {
            Ok(active) => catalogue.put(active),
            // Its services go on as the agents know them; the workload has to be applied again.
            Err(error) => {
                tracing::error!(%error, "a workload is left alone");
                health.bad(&format!("workload {}", revision.workload), error.to_string());
            }
        }
    }
    Ok(catalogue)
}

/// Puts the parts together and starts the loops.
fn wire(
    config: &Config,
    address: SocketAddr,
    (access, providers, docs_key): (Arc<Access>, Providers, [u8; 32]),
    telemetry: Arc<Telemetry>,
    journal: Arc<dyn Journal>,
    health: Health,
    loops: &Loops,
) -> Result<Arc<App>, ServeError> {
    let clock = loops.clock();
    let catalogue = wanted(journal.as_ref(), &health)?;
    let hub = Hub::new(journal.clone(), clock.clone(), config.version.clone());
    hosts::remember(journal.as_ref(), &hub).map_err(ServeError::Journal)?;
    let querier = Querier::new(telemetry.clone());
    let url = format!("http://{address}");
    let evaluator = Evaluator::new(journal.clone(), telemetry.clone(), clock.clone(), catalogue.clone(), url);
    let measures = Measures::new(journal.clone(), querier.clone(), clock.clone(), catalogue.clone())
        .map_err(ServeError::Journal)?;
    let scraper = Scraper::new(telemetry.clone()).map_err(|error| ServeError::Scraper(Box::new(error)))?;
    let fleet: Arc<dyn Fleet> = Arc::new(hub.clone());
    let changes =
        Changes::new(journal.clone(), catalogue.clone(), fleet.clone(), clock.clone(), health.clone());
    // Before services are placed: a host must not be told in between what is wanted without the change.
    changes.recover().map_err(ServeError::Journal)?;
    let applier =
        Applier::new(journal.clone(), catalogue.clone(), fleet.clone(), clock.clone(), changes.clone());
    let placer = Placer {
        catalogue: catalogue.clone(),
        fleet,
        scraper: Some(Arc::new(scraper)),
        health: health.clone(),
    };
    let secrets = Arc::new(Secrets::new(clock.clone()).but_not_in(&config.data));
    let outbound = Arc::new(Network::default());
    let control = Control {
        hub: hub.clone(),
        journal: journal.clone(),
        clock: clock.clone(),
        catalogue: catalogue.clone(),
        querier: querier.clone(),
        evaluator: evaluator.clone(),
        applier: applier.clone(),
        secrets: secrets.clone(),
        outbound: outbound.clone(),
    };
    let engine =
        Engine::new(journal.clone(), Arc::new(control), catalogue.clone(), clock.clone(), loops.stop.clone());
    let triggers = Triggers::new(
        journal.clone(),
        engine.clone(),
        clock.clone(),
        catalogue.clone(),
        secrets.clone(),
        outbound,
    );
    let stop = loops.stop.clone();
    loops.run(placer.run(stop.clone()));
    loops.run(evaluator.clone().run(stop.clone()));
    loops.run(measures.clone().run(stop.clone()));
    loops.run(limits(catalogue.clone(), engine.clone(), stop.clone()));
    let app = Arc::new(App {
        config: config.clone(),
        journal,
        telemetry,
        querier,
        overview: Overview::new(hub.clone(), catalogue.clone()),
        hub,
        engine,
        catalogue,
        applier,
        changes,
        triggers,
        intake: Intake::new(clock.clone()),
        secrets,
        evaluator,
        measures,
        access,
        providers,
        docs_key,
        http: address,
        started_at: clock.now(),
        clock,
        health,
        stop,
    });
    let parts = app.clone();
    loops.keep("changes", move || parts.changes.clone().run(parts.stop.clone()));
    let parts = app.clone();
    loops.keep("triggers", move || parts.triggers.clone().run(parts.stop.clone()));
    let parts = app.clone();
    loops.keep("incidents", move || {
        let responder = Responder::new(
            parts.journal.clone(),
            parts.clock.clone(),
            parts.catalogue.clone(),
            parts.config.incidents_dir(),
        );
        responder.run(parts.stop.clone())
    });
    Ok(app)
}

/// Looks at who stands in line whenever the limits may have changed.
async fn limits(catalogue: Arc<Catalogue>, engine: Engine, stop: CancellationToken) {
    let mut workloads = catalogue.watch();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = workloads.changed() => if changed.is_err() { return },
        }
        if let Err(error) = engine.reconsider() {
            tracing::error!(%error, "nobody knows whose turn it is");
        }
    }
}

/// Starts every listener. The future ends when the server is stopped or a listener fails.
fn start_listeners(
    app: &Arc<App>,
    listeners: Listeners,
    token: Token,
    telemetry: Arc<Telemetry>,
    loops: &Loops,
) -> impl Future<Output = Result<(), ServeError>> + use<> {
    let stop = loops.stop.clone();
    let (failed, mut failure) = tokio::sync::mpsc::channel::<ServeError>(4);
    let otlp_router = otlp::http(telemetry.clone());
    let api = http::router(app.clone(), token, otlp_router.clone());
    let spawn = |what: &'static str, work: futures::future::BoxFuture<'static, Result<(), BoxError>>| {
        let failed = failed.clone();
        loops.run(async move {
            if let Err(source) = work.await {
                let _ = failed.send(ServeError::Listener { what, source }).await;
            }
        });
    };
    let limits = Limits::of_this_process();
    loops.run(listen::serve("the API", listeners.http, api, limits, stop.clone()));
    if let Some(listener) = listeners.otlp_http {
        loops.run(listen::serve("OTLP over HTTP", listener, otlp_router, limits, stop.clone()));
    }
    if let Some(listener) = listeners.otlp_grpc {
        let routes = otlp::grpc(telemetry);
        let stop = stop.clone();
        spawn(
            "OTLP over gRPC",
            Box::pin(async move {
                tonic::transport::Server::builder()
                    .add_routes(routes)
                    .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned())
                    .await
                    .map_err(Into::into)
            }),
        );
    }
    let (hub, socket) = (app.hub.clone(), app.config.agent_socket());
    let hub_stop = stop.clone();
    spawn("agents", Box::pin(async move { hub.serve(&socket, hub_stop).await.map_err(Into::into) }));
    async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            Some(error) = failure.recv() => Err(error),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn say(app: &App, kind: &str, data: serde_json::Value) -> Result<(), StoreError> {
    let id = EventId::new(format!("server:{}", uuid::Uuid::now_v7().simple())).expect("hex digits are an id");
    let draft = EventDraft::new(id, kind, app.clock.now(), Actor::System("server".to_owned()), data);
    app.journal.append(vec![draft]).await.map(drop)
}

/// Says where the server is, for clients of this machine.
fn write_address(config: &Config, http: SocketAddr) -> io::Result<()> {
    let text = json!({ "address": format!("http://{http}"), "pid": std::process::id() }).to_string();
    crate::files::write_private(&config.address_file(), text.as_bytes())
}
