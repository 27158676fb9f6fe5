//! Keeps the host's services as they are desired: a thin loop around [`decide`], which it feeds with what happens and
//! whose effects it performs.

pub mod decide;
mod health;
#[cfg(test)]
mod scripts;
pub mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use std::sync::Arc;
use std::time::Duration;

use mainstay_api::link::{self, Happened, Phase as WirePhase};
use mainstay_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock;
use crate::control::{Reply, Request, ServiceLine, log_tail};
use crate::files;
use crate::handle::{self, Found, Shim};
use crate::launch::{self, Place};
use crate::outbox::Outbox;
use crate::shim::spec::{End, Status};
use decide::{Effect, Observation, Phase, Said, Service, State, decide, outcome};
use mainstay_api::secrets;
use spec::{Desired, ServiceSpec, Times};

/// What the loop is told.
#[derive(Debug)]
pub enum Input {
    /// What the server wants.
    Desired(link::Desired),
    /// What a person or a script at the control socket wants, and where the answer goes.
    Asked(Request, oneshot::Sender<Reply>),
    /// Stop everything and return.
    Shutdown,
    /// Something happened to a service.
    Seen(String, Observation),
    /// A process of a service was found: what enforces its memory limit.
    MemoryLimitBy(String, Option<String>),
}

/// What the supervisor remembers across its own restarts, besides the processes themselves.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    desired: Option<Desired>,
    held: BTreeSet<String>,
}

/// Somebody at the control socket who waits for a service to be ready.
#[derive(Debug)]
struct Waiter {
    service: String,
    before: Option<String>,
    reply: oneshot::Sender<Reply>,
    /// Waits for the end of the process instead.
    until_stopped: bool,
}

/// The loop's own state.
pub struct Supervisor {
    place: Arc<Place>,
    outbox: Arc<Outbox>,
    times: Times,
    kept: Kept,
    state: State,
    tasks: JoinSet<()>,
    checks: BTreeMap<String, AbortHandle>,
    memory_limit_by: BTreeMap<String, String>,
    waiters: Vec<Waiter>,
    inputs: mpsc::Sender<Input>,
    report: watch::Sender<link::Report>,
    client: reqwest::Client,
}

/// 0 to 1000. Services that fell together should not rise together; nothing depends on the number's quality.
fn jitter() -> u16 {
    let bytes = uuid::Uuid::now_v7().into_bytes();
    u16::from_le_bytes([bytes[14], bytes[15]]) % 1001
}

fn kept_path(place: &Place) -> std::path::PathBuf {
    place.dir.join("supervisor.json")
}

impl Supervisor {
    /// Reads what an earlier agent left and finds its services. `inputs` is the sending side of what [`Self::run`] reads.
    pub async fn open(
        place: Arc<Place>,
        outbox: Arc<Outbox>,
        inputs: mpsc::Sender<Input>,
        report: watch::Sender<link::Report>,
    ) -> io::Result<Self> {
        for name in ["services", "logs", "data"] {
            files::make_dir(&place.dir.join(name))?;
        }
        let kept = match fs::read(kept_path(&place)) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, "what services were desired cannot be read; waiting for the server to say so again");
                Kept::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(io::Error::other)?;
        let mut supervisor = Self {
            place,
            outbox,
            times: Times::default(),
            kept,
            state: State::default(),
            tasks: JoinSet::new(),
            checks: BTreeMap::new(),
            memory_limit_by: BTreeMap::new(),
            waiters: Vec::new(),
            inputs,
            report,
            client,
        };
        for service in supervisor.kept.held.clone() {
            supervisor.observe(&service, Observation::Hold);
        }
        supervisor.find_services().await?;
        Ok(supervisor)
    }

    /// Performs until it is told to shut down and everything has stopped, or `inputs` is closed.
    pub async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        self.settle();
        loop {
            if self.state.shutdown && self.state.services.values().all(|service| service.live().is_none()) {
                return;
            }
            let wake =
                self.state.next_wake(&self.times).map(|at| at.since(clock::now()) + Duration::from_millis(1));
            let input = tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => Some(input),
                    None => return,
                },
                () = tokio::time::sleep(wake.unwrap_or(Duration::from_secs(3600))) => None,
                Some(_) = self.tasks.join_next() => None,
            };
            if let Some(input) = input {
                self.take(input);
            }
            self.settle();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Desired(desired) => self.desire(desired),
            Input::Asked(request, reply) => self.asked(&request, reply),
            Input::Shutdown => self.state.shutdown = true,
            Input::Seen(service, seen) => {
                let over = match &seen {
                    Observation::Ended { instance, .. } | Observation::FoundEnded { instance, .. } => {
                        Some(instance.clone())
                    }
                    _ => None,
                };
                let running = match &seen {
                    Observation::Started { instance, .. } | Observation::Adopted { instance, .. } => {
                        Some(instance.clone())
                    }
                    _ => None,
                };
                self.observe(&service, seen);
                if let Some(instance) = running {
                    self.watch_health(&service, &instance);
                }
                if let Some(instance) = over {
                    if let Some(check) = self.checks.remove(&instance) {
                        check.abort();
                    }
                    self.memory_limit_by.remove(&service);
                    // Only now: what it says is in the outbox.
                    let _ = fs::remove_dir_all(self.place.instance(&service, &instance));
                }
            }
            Input::MemoryLimitBy(service, by) => {
                if let Some(by) = by {
                    self.memory_limit_by.insert(service, by);
                }
            }
        }
    }

    fn keep(&self) {
        let bytes = serde_json::to_vec(&self.kept).unwrap_or_default();
        if let Err(error) = files::replace(&kept_path(&self.place), &bytes) {
            tracing::error!(%error, "what services are desired cannot be stored; it is lost if the agent ends now");
        }
    }

    fn desire(&mut self, desired: link::Desired) {
        let desired = Desired::from_wire(desired);
        if self.kept.desired.as_ref() == Some(&desired) {
            return;
        }
        for (name, reason) in &desired.refused {
            let (workload, component) = name.split_once('.').unwrap_or((name, name));
            self.say(&Said {
                kind: "failed",
                workload: workload.to_owned(),
                component: component.to_owned(),
                instance: format!("refused:{}", desired.revision),
                pid: None,
                reason: Some(reason.clone()),
                exit_code: None,
                signal: None,
                delay_ms: None,
                tail: Vec::new(),
            });
        }
        self.kept.held.retain(|name| desired.services.contains_key(name));
        self.kept.desired = Some(desired);
        self.keep();
    }

    fn observe(&mut self, service: &str, seen: Observation) {
        let effects = self.state.observe(service, seen, &self.times, clock::now());
        self.perform_all(effects);
    }

    /// Decides and performs until there is nothing to do, then tells whoever waits.
    fn settle(&mut self) {
        loop {
            let now = clock::now();
            let effects = decide(self.kept.desired.as_ref(), &self.state, &self.times, now);
            if effects.is_empty() {
                break;
            }
            for effect in &effects {
                self.state.apply(effect, now);
            }
            self.perform_all(effects);
        }
        self.answer_waiters();
        let report = self.report();
        self.report.send_if_modified(|last| {
            let changed = *last != report;
            *last = report;
            changed
        });
    }

    fn perform_all(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Wait { .. } | Effect::Drop { .. } => {}
                Effect::Start { service, instance, spec } => self.start(service, instance, *spec),
                Effect::Stop { service, instance, why } => {
                    let dir = self.place.instance(&service, &instance);
                    let reason = why.text();
                    self.tasks.spawn(async move { handle::stop(&dir, &reason).await });
                }
                Effect::Say(said) => self.say(&said),
            }
        }
    }

    fn start(&mut self, service: String, instance: String, spec: ServiceSpec) {
        let place = Arc::clone(&self.place);
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let ended =
                |end, tail| Observation::Ended { instance: instance.clone(), end, tail, jitter: jitter() };
            let shim = match begin(&place, &service, &instance, &spec) {
                Ok(shim) => shim,
                Err(reason) => {
                    let _ = inputs
                        .send(Input::Seen(service, ended(End::NotStarted { reason }, Vec::new())))
                        .await;
                    return;
                }
            };
            follow(shim, &inputs, &service, &instance).await;
        });
    }

    fn watch_health(&mut self, service: &str, instance: &str) {
        let Some(live) = self.state.services.get(service).and_then(Service::live) else { return };
        let Some(health) = live.spec.health.clone() else { return };
        if live.instance != instance || self.checks.contains_key(instance) {
            return;
        }
        let (spec, place, client) = (live.spec.clone(), Arc::clone(&self.place), self.client.clone());
        let (inputs, service, instance) = (self.inputs.clone(), service.to_owned(), instance.to_owned());
        let key = instance.clone();
        let task = self.tasks.spawn(async move {
            let mut was_ready = false;
            loop {
                let result = health::check(&client, &place, &spec, &health).await;
                was_ready |= result.is_ok();
                let seen = Observation::Checked { instance: instance.clone(), result };
                if inputs.send(Input::Seen(service.clone(), seen)).await.is_err() {
                    return;
                }
                tokio::time::sleep(health::pause(&health, was_ready)).await;
            }
        });
        self.checks.insert(key, task);
    }

    /// Takes up what an earlier agent started.
    async fn find_services(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(self.place.dir.join("services"))? {
            let entry = entry?;
            let service = entry.file_name().to_string_lossy().into_owned();
            let mut starts: Vec<String> = fs::read_dir(entry.path())?
                .filter_map(|start| Some(start.ok()?.file_name().to_string_lossy().into_owned()))
                .collect();
            // Newest last; there is more than one only after a crash between two of them.
            starts.sort();
            for instance in starts {
                self.find(&service, &instance).await;
            }
        }
        Ok(())
    }

    async fn find(&mut self, service: &str, instance: &str) {
        let dir = self.place.instance(service, instance);
        let spec = files::read_limited(&dir.join("service.json"), 1024 * 1024)
            .and_then(|bytes| Ok(serde_json::from_slice::<ServiceSpec>(&bytes)?));
        let Ok(spec) = spec else {
            // An unfinished preparation, or nothing of ours.
            let _ = fs::remove_dir_all(&dir);
            return;
        };
        let mut found = Shim::find(&dir).await;
        if matches!(found, Found::NotBegun) {
            if handle::abandon(&dir) {
                let _ = fs::remove_dir_all(&dir);
                return;
            }
            // A shim that was slow to begin was faster after all.
            found = Shim::find(&dir).await;
        }
        let at = |status: &Status| Timestamp::from_millis(status.started_ms);
        match found {
            Found::Alive(mut shim) => {
                let status = shim.started().await;
                let adopted = Observation::Adopted {
                    instance: instance.to_owned(),
                    started: at(&status),
                    pid: status.pid,
                    spec: Box::new(spec),
                };
                if let Some(by) = &status.memory_limit_by {
                    self.memory_limit_by.insert(service.to_owned(), by.clone());
                }
                self.take(Input::Seen(service.to_owned(), adopted));
                let (inputs, service, instance) =
                    (self.inputs.clone(), service.to_owned(), instance.to_owned());
                self.tasks.spawn(async move { follow_end(shim, &inputs, &service, &instance).await });
            }
            Found::Over(status) => {
                let seen = Observation::FoundEnded {
                    instance: instance.to_owned(),
                    started: at(&status),
                    spec: Box::new(spec),
                    end: end_of(&status),
                    tail: status.tail,
                    jitter: jitter(),
                };
                self.take(Input::Seen(service.to_owned(), seen));
            }
            Found::NotBegun => {}
        }
    }

    /// Puts an event into the outbox. Its id follows from what it says, so that an agent that crashes while saying it
    /// and says it again says it once.
    fn say(&self, said: &Said) {
        let kind = format!("service.{}", said.kind);
        let mut hasher = blake3::Hasher::new();
        // A ready service may become unhealthy and ready again within one start; the time tells those apart. An end
        // comes once for each start, and may be found by two agents at two times.
        let once = matches!(said.kind, "exited" | "stopped" | "starting");
        let now = clock::now();
        let time = if once { String::new() } else { now.to_string() };
        for part in [&self.place.host, &said.workload, &said.component, &said.instance, &kind, &time] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut data = json!({
            "host": self.place.host,
            "service": said.component,
            "component": said.component,
            "instance": said.instance,
        });
        for (key, value) in [
            ("pid", said.pid.map(|pid| json!(pid))),
            ("reason", said.reason.as_ref().map(|reason| json!(reason))),
            ("exit_code", said.exit_code.map(|code| json!(code))),
            ("signal", said.signal.map(|signal| json!(crate::shim::spec::signal_name(signal)))),
            ("delay_ms", said.delay_ms.map(|ms| json!(ms))),
            ("tail", (!said.tail.is_empty()).then(|| json!(said.tail))),
        ] {
            if let Some(value) = value {
                data[key] = value;
            }
        }
        tracing::info!(kind, component = said.component, reason = said.reason, "service");
        self.outbox.push(Happened {
            id: format!("svc-{}", &hasher.finalize().to_hex()[..32]),
            kind,
            time_ms: now.as_millis(),
            workload: said.workload.clone(),
            subject: format!("component/{}", said.component),
            data_json: data.to_string(),
        });
    }
}

fn end_of(status: &Status) -> End {
    status.end.clone().unwrap_or(End::Unknown { reason: "its record has no end".to_owned() })
}

/// Prepares and starts a shim for one start of a service.
fn begin(place: &Place, service: &str, instance: &str, spec: &ServiceSpec) -> Result<Shim, String> {
    let run = launch::service(place, spec)?;
    let dir = place.instance(service, instance);
    let kept = serde_json::to_vec(spec).unwrap_or_default();
    dir.parent()
        .map_or(Ok(()), files::make_dir)
        .and_then(|()| handle::prepare(&dir, &run, &[("service.json", &kept)]))
        .map_err(|error| format!("`{}` cannot be written: {error}", dir.display()))?;
    Shim::launch(&place.binary, &dir, &secrets::handed_on(spec.secrets.values())).map_err(|error| {
        handle::abandon(&dir);
        format!("its supervisor `{}` cannot be started: {error}", place.binary.display())
    })
}

/// Tells how the start of a service went, and later its end.
async fn follow(mut shim: Shim, inputs: &mpsc::Sender<Input>, service: &str, instance: &str) {
    let status = shim.started().await;
    if let Some(pid) = status.pid {
        let by = Input::MemoryLimitBy(service.to_owned(), status.memory_limit_by);
        let _ = inputs.send(by).await;
        let seen = Observation::Started { instance: instance.to_owned(), pid };
        let _ = inputs.send(Input::Seen(service.to_owned(), seen)).await;
    }
    follow_end(shim, inputs, service, instance).await;
}

async fn follow_end(mut shim: Shim, inputs: &mpsc::Sender<Input>, service: &str, instance: &str) {
    let status = shim.finished().await;
    let end = end_of(&status);
    let seen = Observation::Ended { instance: instance.to_owned(), end, tail: status.tail, jitter: jitter() };
    let _ = inputs.send(Input::Seen(service.to_owned(), seen)).await;
}

/// What is asked for at the control socket, and what is told to the server.
impl Supervisor {
    /// The service that a person means: by its component, or by `workload.component` where that is not enough.
    fn named(&self, name: &str) -> Result<String, String> {
        let known: BTreeSet<&String> = self
            .kept
            .desired
            .iter()
            .flat_map(|desired| desired.services.keys().chain(desired.refused.keys()))
            .chain(self.state.services.keys())
            .collect();
        let name = name.replace('/', ".");
        if known.contains(&name) {
            return Ok(name);
        }
        let matching: Vec<&&String> = known
            .iter()
            .filter(|full| full.split_once('.').is_some_and(|(_, component)| component == name))
            .collect();
        let list = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>().join(", ");
        match matching[..] {
            [one] => Ok((*one).clone()),
            [] if known.is_empty() => Err(format!("there is no service `{name}`: this host runs none")),
            [] => Err(format!(
                "there is no service `{name}` on this host: it has {}",
                list(&mut known.iter().copied())
            )),
            _ => Err(format!("`{name}` is ambiguous: {}", list(&mut matching.iter().map(|name| **name)))),
        }
    }

    fn asked(&mut self, request: &Request, reply: oneshot::Sender<Reply>) {
        let name = match request {
            Request::Services => {
                let _ = reply.send(Reply::Services { services: self.lines() });
                return;
            }
            Request::Restart { name }
            | Request::Start { name }
            | Request::Stop { name }
            | Request::Logs { name, .. } => self.named(name),
        };
        let service = match name {
            Ok(service) => service,
            Err(error) => {
                let _ = reply.send(Reply::Failed { error });
                return;
            }
        };
        if let Some(reason) = self.kept.desired.as_ref().and_then(|desired| desired.refused.get(&service)) {
            let error = format!("{service} cannot be run: {reason}");
            let _ = reply.send(Reply::Failed { error });
            return;
        }
        let live = self.state.services.get(&service).and_then(Service::live);
        let before = live.map(|live| live.instance.clone());
        let already = live.is_some_and(|live| live.stopping.is_none());
        match request {
            Request::Services => {}
            Request::Logs { lines, .. } => {
                let _ = reply.send(log_tail(&self.place.log(&service), *lines));
            }
            Request::Restart { .. } => {
                self.hold(&service, false);
                self.observe(
                    &service,
                    Observation::Restart { reason: "a restart was asked for on the host".to_owned() },
                );
                self.waiters.push(Waiter { service, before, reply, until_stopped: false });
            }
            Request::Start { .. } => {
                self.hold(&service, false);
                self.observe(&service, Observation::Release);
                let before = before.filter(|_| !already);
                self.waiters.push(Waiter { service, before, reply, until_stopped: false });
            }
            Request::Stop { .. } => {
                self.hold(&service, true);
                self.observe(&service, Observation::Hold);
                self.waiters.push(Waiter { service, before, reply, until_stopped: true });
            }
        }
    }

    fn hold(&mut self, service: &str, held: bool) {
        let changed =
            if held { self.kept.held.insert(service.to_owned()) } else { self.kept.held.remove(service) };
        if changed {
            self.keep();
        }
    }

    fn answer_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let Waiter { service, before, until_stopped, .. } = &waiter;
            let answer = if *until_stopped {
                let live = self.state.services.get(service).and_then(Service::live);
                live.is_none().then(|| Reply::Done { service: service.clone(), pid: None })
            } else {
                outcome(&self.state, service, before.as_deref()).map(|outcome| match outcome {
                    Ok(pid) => Reply::Done { service: service.clone(), pid: Some(pid) },
                    Err(reason) => {
                        Reply::Failed { error: format!("{service} did not become ready: {reason}") }
                    }
                })
            };
            match answer {
                // Who asked may be gone; what was asked for is done all the same.
                Some(answer) => {
                    let _ = waiter.reply.send(answer);
                }
                None => self.waiters.push(waiter),
            }
        }
    }

    fn report(&self) -> link::Report {
        let desired = self.kept.desired.as_ref();
        let mut services: Vec<link::ServiceState> = self
            .state
            .services
            .iter()
            .map(|(name, service)| {
                let (workload, component) = name.split_once('.').unwrap_or(("", name));
                let live = service.live();
                link::ServiceState {
                    workload: workload.to_owned(),
                    component: component.to_owned(),
                    phase: wire_phase(service).into(),
                    pid: live.and_then(|live| live.pid),
                    instance: live.map(|live| live.instance.clone()).unwrap_or_default(),
                    since_ms: service.since.as_millis(),
                    reason: service.trouble.clone().unwrap_or_else(|| match &service.phase {
                        Phase::Waiting { on } => format!("waits for {}", on.join(", ")),
                        Phase::Idle if service.held => "stopped by hand".to_owned(),
                        _ => String::new(),
                    }),
                    restarts: service.restarts,
                    memory_limit_by: self.memory_limit_by.get(name).cloned().unwrap_or_default(),
                    log: self.place.log(name).display().to_string(),
                }
            })
            .collect();
        for (name, reason) in desired.iter().flat_map(|desired| &desired.refused) {
            let (workload, component) = name.split_once('.').unwrap_or(("", name));
            services.push(link::ServiceState {
                workload: workload.to_owned(),
                component: component.to_owned(),
                phase: WirePhase::Failed.into(),
                reason: reason.clone(),
                ..link::ServiceState::default()
            });
        }
        link::Report {
            services,
            revision: desired.map(|desired| desired.revision.clone()).unwrap_or_default(),
        }
    }

    fn lines(&self) -> Vec<ServiceLine> {
        self.report()
            .services
            .into_iter()
            .map(|service| ServiceLine {
                phase: phase_word(service.phase()).to_owned(),
                since: Timestamp::from_millis(service.since_ms),
                workload: service.workload,
                component: service.component,
                pid: service.pid,
                reason: service.reason,
                restarts: service.restarts,
                memory_limit_by: service.memory_limit_by,
                log: service.log,
            })
            .collect()
    }
}

fn wire_phase(service: &Service) -> WirePhase {
    match &service.phase {
        Phase::Idle => WirePhase::Stopped,
        Phase::Waiting { .. } => WirePhase::Waiting,
        Phase::Live(live) if live.stopping.is_some() => WirePhase::Stopping,
        Phase::Live(live) if live.unhealthy => WirePhase::Unhealthy,
        Phase::Live(live) if live.ready => WirePhase::Ready,
        Phase::Live(_) => WirePhase::Starting,
        Phase::Delayed { failed: true, .. } => WirePhase::Failed,
        Phase::Delayed { .. } => WirePhase::Backoff,
        Phase::Ended { .. } => WirePhase::Ended,
    }
}

/// The word people read for a phase.
fn phase_word(phase: WirePhase) -> &'static str {
    match phase {
        WirePhase::Unspecified => "unknown",
        WirePhase::Stopped => "stopped",
        WirePhase::Waiting => "waiting",
        WirePhase::Starting => "starting",
        WirePhase::Ready => "ready",
        WirePhase::Unhealthy => "unhealthy",
        WirePhase::Stopping => "stopping",
        WirePhase::Backoff => "backoff",
        WirePhase::Failed => "failed",
        WirePhase::Ended => "ended",
    }
}
