//! The client of the HTTP API. The command line uses it for everything that needs a server.

use std::fmt;
use std::time::Duration;

use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::v1::{self, ErrorBody, Page};

/// How long an ordinary request may take. Streams have no such limit.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest line of an event stream that is read.
const MAX_STREAM_LINE: usize = 4 << 20;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered at the address.
    #[error("no Mainstay server answers at {address}")]
    Unreachable {
        /// The base URL.
        address: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The connection broke in the middle.
    #[error("the connection to {address} broke")]
    Broken {
        /// The base URL.
        address: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The server refused, and said why.
    #[error("{}", .0.title)]
    Refused(Box<ErrorBody>),
    /// Something answered that is not a Mainstay server, or one of another age.
    #[error("the answer of {address} is not understood: {reason}")]
    NotUnderstood {
        /// The base URL.
        address: String,
        /// What was wrong with it.
        reason: String,
    },
}

/// A client for one server.
#[derive(Clone)]
pub struct Client {
    base: String,
    token: Option<String>,
    session: Option<String>,
    http: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret.
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The parameters of a GET, as pairs.
pub type Query<'a> = &'a [(&'a str, String)];

impl Client {
    /// A client for the server at `base` (`http://127.0.0.1:7600`).
    pub fn new(base: impl Into<String>, token: Option<String>) -> Result<Self, ClientError> {
        let base = base.into().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|source| ClientError::Unreachable { address: base.clone(), source })?;
        Ok(Self { base, token, session: None, http })
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match (&self.session, &self.token) {
            (Some(session), _) => request.header("cookie", session).header("x-mainstay-request", "client"),
            (None, Some(token)) => request.bearer_auth(token),
            (None, None) => request,
        }
    }

    fn network(&self, source: reqwest::Error) -> ClientError {
        let address = self.base.clone();
        if source.is_connect() {
            ClientError::Unreachable { address, source }
        } else {
            ClientError::Broken { address, source }
        }
    }

    async fn refused(&self, response: reqwest::Response) -> ClientError {
        let status = response.status();
        let bytes = response.bytes().await.unwrap_or_default();
        if let Ok(body) = serde_json::from_slice::<ErrorBody>(&bytes) {
            return ClientError::Refused(Box::new(body));
        }
        if let Ok(error) = serde_json::from_slice::<PrometheusError>(&bytes) {
            let kind = match status.as_u16() {
                400 => v1::ErrorKind::BadRequest,
                422 => v1::ErrorKind::Invalid,
                503 => v1::ErrorKind::Unavailable,
                _ => v1::ErrorKind::Internal,
            };
            return ClientError::Refused(Box::new(ErrorBody::new(kind, error.error)));
        }
        // Parameters that do not fit are refused before a handler sees them, in plain text.
        let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(300).collect();
        let why = if text.is_empty() { "without saying why".to_owned() } else { format!("and said: {text}") };
        ClientError::NotUnderstood {
            address: self.base.clone(),
            reason: format!("it answered {status} {why}"),
        }
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(|error| self.network(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let bytes = response.bytes().await.map_err(|error| self.network(error))?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::NotUnderstood {
            address: self.base.clone(),
            reason: error.to_string(),
        })
    }

    /// Gets a resource.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, ClientError> {
        self.answer(self.request(reqwest::Method::GET, &with_query(path, query))).await
    }

    /// Posts a body and reads the answer.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Asks for something that is answered without a body.
    async fn done(&self, request: reqwest::RequestBuilder) -> Result<(), ClientError> {
        let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(|error| self.network(error))?;
        if response.status().is_success() { Ok(()) } else { Err(self.refused(response).await) }
    }

    /// Begins a session with a name and a password: the cookie that shows it.
    pub async fn sign_in(&self, user: &str, password: &str) -> Result<String, ClientError> {
        let who = v1::SignIn { user: user.to_owned(), password: password.to_owned() };
        let request = self.request(reqwest::Method::POST, "/v1/sign-in").json(&who);
        let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(|error| self.network(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let cookie = response.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        cookie.ok_or_else(|| ClientError::NotUnderstood {
            address: self.base.clone(),
            reason: "it began no session".to_owned(),
        })
    }

    /// The same client, in a session.
    #[must_use]
    pub fn with_session(&self, cookie: &str) -> Self {
        Self { session: Some(cookie.to_owned()), ..self.clone() }
    }

    /// Ends the session.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        self.done(self.request(reqwest::Method::POST, "/v1/sign-out")).await
    }

    /// Who one is, as the server knows it.
    pub async fn me(&self) -> Result<v1::Me, ClientError> {
        self.get("/v1/me", &[]).await
    }

    /// A link that signs a browser in, once; as this user, or as whoever has the data directory.
    pub async fn sign_in_link(&self, user: Option<&str>) -> Result<v1::SignInLink, ClientError> {
        let body = user.map_or_else(|| serde_json::json!({}), |user| serde_json::json!({ "user": user }));
        self.post("/v1/sign-in/link", &body).await
    }

    /// The users.
    pub async fn users(&self) -> Result<Page<v1::UserView>, ClientError> {
        self.whole("/v1/users", &[]).await
    }

    /// One user.
    pub async fn user(&self, name: &str) -> Result<v1::UserView, ClientError> {
        self.get(&format!("/v1/users/{}", escape(name)), &[]).await
    }

    /// Adds a user.
    pub async fn add_user(&self, new: &v1::NewUser) -> Result<v1::UserView, ClientError> {
        self.post("/v1/users", new).await
    }

    /// Says at which provider somebody signs in as this user for the first time.
    pub async fn await_account(
        &self,
        name: &str,
        provider: Option<String>,
    ) -> Result<v1::UserView, ClientError> {
        self.post(&format!("/v1/users/{}/provider", escape(name)), &v1::AwaitedAccount { provider }).await
    }

    /// Lets a user sign in no more, or again.
    pub async fn switch_user(
        &self,
        name: &str,
        enabled: bool,
        reason: Option<String>,
    ) -> Result<v1::UserView, ClientError> {
        let verb = if enabled { "enable" } else { "disable" };
        self.post(&format!("/v1/users/{}/{verb}", escape(name)), &v1::Reason { reason }).await
    }

    /// Sets a user's password.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        revoke_tokens: bool,
    ) -> Result<(), ClientError> {
        let body = v1::ChangePassword { current: None, new: password.to_owned(), revoke_tokens };
        let path = format!("/v1/users/{}/password", escape(name));
        self.done(self.request(reqwest::Method::POST, &path).json(&body)).await
    }

    /// Grants a role.
    pub async fn grant(&self, name: &str, grant: &v1::NewGrant) -> Result<v1::UserView, ClientError> {
        self.post(&format!("/v1/users/{}/grants", escape(name)), grant).await
    }

    /// Takes a granted role back.
    pub async fn revoke_grant(&self, name: &str, id: &str) -> Result<v1::UserView, ClientError> {
        let path = format!("/v1/users/{}/grants/{}", escape(name), escape(id));
        self.answer(self.request(reqwest::Method::DELETE, &path)).await
    }

    /// One's tokens, or those of everybody.
    pub async fn tokens(&self, all: bool) -> Result<Page<v1::TokenView>, ClientError> {
        let query = if all { vec![("all", "true".to_owned())] } else { Vec::new() };
        self.whole("/v1/tokens", &query).await
    }

    /// Makes a token.
    pub async fn make_token(&self, new: &v1::NewToken) -> Result<v1::MadeToken, ClientError> {
        self.post("/v1/tokens", new).await
    }

    /// Takes a token back.
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        self.done(self.request(reqwest::Method::DELETE, &format!("/v1/tokens/{}", escape(id)))).await
    }

    /// The server's state.
    pub async fn status(&self) -> Result<v1::Status, ClientError> {
        self.get("/v1/status", &[]).await
    }

    /// Makes a directory's content the wanted state.
    pub async fn apply(&self, revision: &v1::NewRevision) -> Result<v1::Applied, ClientError> {
        self.post("/v1/workloads", revision).await
    }

    /// What applying a directory's content would do.
    pub async fn plan(&self, revision: &v1::NewRevision) -> Result<v1::PlanView, ClientError> {
        self.post("/v1/plans", revision).await
    }

    /// Changes, newest first; of one workload or of all.
    pub async fn changes(
        &self,
        workload: Option<&str>,
        limit: usize,
    ) -> Result<Page<v1::ChangeSummary>, ClientError> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(workload.map(|workload| ("workload", workload.to_owned())));
        self.get("/v1/changes", &query).await
    }

    /// One change with what became of each step.
    pub async fn change(&self, id: &str) -> Result<v1::ChangeDetail, ClientError> {
        self.get(&format!("/v1/changes/{}", escape(id)), &[]).await
    }

    /// Lets a change that is held begin.
    pub async fn approve_change(
        &self,
        id: &str,
        decide: &v1::Decide,
    ) -> Result<v1::ChangeSummary, ClientError> {
        self.post(&format!("/v1/changes/{}/approve", escape(id)), decide).await
    }

    /// Ends a change that is held; stops one that is running, and rolls it back.
    pub async fn refuse_change(
        &self,
        id: &str,
        decide: &v1::Decide,
    ) -> Result<v1::ChangeSummary, ClientError> {
        self.post(&format!("/v1/changes/{}/refuse", escape(id)), decide).await
    }

    /// All triggers and what they did; of one workload or of all.
    pub async fn triggers(&self, workload: Option<&str>) -> Result<v1::Triggers, ClientError> {
        let mut query = of_workload(workload);
        let mut all: v1::Triggers = self.get("/v1/triggers", &query).await?;
        while let Some(next) = all.next.take() {
            query.retain(|(name, _)| *name != "cursor");
            query.push(("cursor", next));
            let page: v1::Triggers = self.get("/v1/triggers", &query).await?;
            all.items.extend(page.items);
            all.next = page.next;
        }
        Ok(all)
    }

    /// One trigger.
    pub async fn trigger(&self, name: &str, workload: Option<&str>) -> Result<v1::TriggerView, ClientError> {
        self.get(&format!("/v1/triggers/{}", escape(name)), &of_workload(workload)).await
    }

    /// Calls that were given up, the last one first.
    pub async fn dead_letters(&self, query: Query<'_>) -> Result<Page<v1::DeadLetter>, ClientError> {
        self.get("/v1/dead-letters", query).await
    }

    /// Tries calls again that were given up.
    pub async fn redrive(&self, chosen: &v1::ChosenCalls) -> Result<v1::Count, ClientError> {
        self.post("/v1/dead-letters/redrive", chosen).await
    }

    /// Drops calls that were given up, or that wait.
    pub async fn drop_calls(&self, chosen: &v1::ChosenCalls) -> Result<v1::Count, ClientError> {
        self.post("/v1/dead-letters/drop", chosen).await
    }

    /// Replays events of the past to one trigger.
    pub async fn replay(&self, name: &str, replay: &v1::NewReplay) -> Result<v1::ReplayView, ClientError> {
        self.post(&format!("/v1/triggers/{}/replay", escape(name)), replay).await
    }

    /// Turns a trigger off or on.
    pub async fn switch_trigger(
        &self,
        name: &str,
        enabled: bool,
        why: &v1::SwitchTrigger,
    ) -> Result<v1::TriggerView, ClientError> {
        let verb = if enabled { "enable" } else { "disable" };
        self.post(&format!("/v1/triggers/{}/{verb}", escape(name)), why).await
    }

    /// One revision with its files.
    pub async fn revision(&self, id: &str) -> Result<v1::RevisionDetail, ClientError> {
        self.get(&format!("/v1/revisions/{}", escape(id)), &[]).await
    }

    /// Starts a procedure.
    pub async fn start_run(&self, start: &v1::StartRun) -> Result<v1::RunSummary, ClientError> {
        self.post("/v1/runs", start).await
    }

    /// One run with its steps.
    pub async fn run(&self, id: &str) -> Result<v1::RunDetail, ClientError> {
        self.get(&format!("/v1/runs/{}", escape(id)), &[]).await
    }

    /// One run with the inputs and outputs of each attempt.
    pub async fn run_record(&self, id: &str) -> Result<v1::RunDetail, ClientError> {
        self.get(&format!("/v1/runs/{}", escape(id)), &[("record", "true".to_owned())]).await
    }

    /// What the commands of a run write while they run: each time the last lines of all of them. Nothing of it is kept; the
    /// stream ends with the run, or with the connection.
    pub async fn follow_output(
        &self,
        id: &str,
    ) -> Result<impl futures::Stream<Item = Result<Vec<v1::OutputView>, ClientError>> + use<>, ClientError>
    {
        self.follow(&format!("/v1/runs/{}/output", escape(id)), &[]).await
    }

    /// One incident with its timeline.
    pub async fn incident(&self, id: &str) -> Result<v1::IncidentDetail, ClientError> {
        self.get(&format!("/v1/incidents/{}", escape(id)), &[]).await
    }

    /// Says that one has an incident in hand.
    pub async fn acknowledge_incident(
        &self,
        id: &str,
        message: Option<String>,
    ) -> Result<v1::IncidentSummary, ClientError> {
        let body = v1::Acknowledge { message };
        self.post(&format!("/v1/incidents/{}/acknowledge", escape(id)), &body).await
    }

    /// Ends an incident that does not end by itself.
    pub async fn resolve_incident(
        &self,
        id: &str,
        said: &v1::ResolveIncident,
    ) -> Result<v1::IncidentSummary, ClientError> {
        self.post(&format!("/v1/incidents/{}/resolve", escape(id)), said).await
    }

    /// Says that one has an alarm in hand.
    pub async fn acknowledge_alarm(
        &self,
        workload: &str,
        alarm: &str,
        said: &v1::AcknowledgeAlarm,
    ) -> Result<Page<v1::AlarmView>, ClientError> {
        let path = format!("/v1/alarms/{}/{}/acknowledge", escape(workload), escape(alarm));
        self.post(&path, said).await
    }

    /// Writes an update on an incident; the same token writes one only.
    pub async fn add_note(&self, id: &str, text: &str, token: &str) -> Result<v1::NoteView, ClientError> {
        let body = v1::NewNote { text: text.to_owned(), client_token: Some(token.to_owned()) };
        self.post(&format!("/v1/incidents/{}/notes", escape(id)), &body).await
    }

    /// All pages of a list.
    async fn whole<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<Page<T>, ClientError> {
        let mut items = Vec::new();
        let mut query = query.to_vec();
        loop {
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(Page { items, next: None }) };
            query.retain(|(name, _)| *name != "cursor");
            query.push(("cursor", next));
        }
    }

    /// The silences of alarms; also those that are over.
    pub async fn silences(&self, all: bool) -> Result<Page<v1::SilenceView>, ClientError> {
        let query = if all { vec![("all", "true".to_owned())] } else { Vec::new() };
        self.whole("/v1/silences", &query).await
    }

    /// Silences alarms for a while.
    pub async fn create_silence(&self, new: &v1::NewSilence) -> Result<v1::SilenceView, ClientError> {
        self.post("/v1/silences", new).await
    }

    /// Ends a silence now.
    pub async fn expire_silence(&self, id: &str) -> Result<v1::SilenceView, ClientError> {
        self.post(&format!("/v1/silences/{}/expire", escape(id)), &serde_json::json!({})).await
    }

    /// The workloads and what they declare.
    pub async fn workloads(&self) -> Result<Page<v1::WorkloadDetail>, ClientError> {
        self.whole("/v1/workloads", &[]).await
    }

    /// Every host that is known.
    pub async fn hosts(&self) -> Result<Page<v1::HostView>, ClientError> {
        self.whole("/v1/hosts", &[]).await
    }

    /// Every alarm.
    pub async fn alarms(&self) -> Result<Page<v1::AlarmView>, ClientError> {
        self.whole("/v1/alarms", &[]).await
    }

    /// Runs, newest first.
    pub async fn runs(&self, query: &RunsQuery) -> Result<Page<v1::RunSummary>, ClientError> {
        let mut asked = vec![("limit", query.limit.to_string())];
        asked.extend(query.after.clone().map(|id| ("after", id)));
        if !query.status.is_empty() {
            asked.push(("status", query.status.join(",")));
        }
        if query.active {
            asked.push(("active", "true".to_owned()));
        }
        asked.extend(query.procedure.clone().map(|name| ("procedure", name)));
        asked.extend(query.workload.clone().map(|name| ("workload", name)));
        asked.extend(query.since.map(|since| ("since", since.to_string())));
        self.get("/v1/runs", &asked).await
    }

    /// Incidents that are open.
    pub async fn open_incidents(&self) -> Result<Page<v1::IncidentSummary>, ClientError> {
        self.whole("/v1/incidents", &[("status", "open".to_owned())]).await
    }

    /// Incidents, newest first.
    pub async fn incidents(&self, limit: usize) -> Result<Page<v1::IncidentSummary>, ClientError> {
        self.get("/v1/incidents", &[("limit", limit.to_string())]).await
    }

    /// The spans of a trace, in the order of their tree.
    pub async fn trace(&self, id: &str) -> Result<Page<v1::SpanView>, ClientError> {
        self.get(&format!("/v1/traces/{}", escape(id)), &[]).await
    }

    /// Stops a run; `reason` becomes part of its record.
    pub async fn cancel_run(&self, id: &str, reason: Option<&str>) -> Result<v1::RunSummary, ClientError> {
        let body =
            reason.map_or_else(|| serde_json::json!({}), |reason| serde_json::json!({ "reason": reason }));
        self.post(&format!("/v1/runs/{}/cancel", escape(id)), &body).await
    }

    /// Goes on with a run that is over, from a step, as a new run.
    pub async fn resume_run(
        &self,
        id: &str,
        from: &str,
        client_token: &str,
    ) -> Result<v1::RunSummary, ClientError> {
        let body = v1::ResumeRun { from: from.to_owned(), client_token: Some(client_token.to_owned()) };
        self.post(&format!("/v1/runs/{}/resume", escape(id)), &body).await
    }

    /// Says what came of an attempt whose outcome nobody can know: `{"decision":"retry"}`, or `succeeded` with `outputs`,
    /// or `failed` with a `message`.
    pub async fn decide_run(
        &self,
        id: &str,
        decision: &serde_json::Value,
    ) -> Result<v1::RunSummary, ClientError> {
        self.post(&format!("/v1/runs/{}/decide", escape(id)), decision).await
    }

    /// Puts an event into the journal. Answers once it is durable there.
    pub async fn append_event(&self, event: &v1::NewEvent) -> Result<v1::EventView, ClientError> {
        self.post("/v1/events", event).await
    }

    /// Asks a path of Prometheus' HTTP API (`/api/v1/query`): the whole answer.
    pub async fn prometheus(&self, path: &str, query: Query<'_>) -> Result<serde_json::Value, ClientError> {
        self.get(path, query).await
    }

    /// A page of a list.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> Result<Page<T>, ClientError> {
        self.get(path, query).await
    }

    /// Follows the journal from after `seq` on. The stream ends when the connection does; the caller reconnects after
    /// the last sequence number it has seen.
    pub async fn follow_events(
        &self,
        query: Query<'_>,
    ) -> Result<impl futures::Stream<Item = Result<v1::EventView, ClientError>> + use<>, ClientError> {
        self.follow("/v1/events/stream", query).await
    }

    async fn follow<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> Result<impl futures::Stream<Item = Result<T, ClientError>> + use<T>, ClientError> {
        let request = self.request(reqwest::Method::GET, &with_query(path, query));
        let response = request.send().await.map_err(|error| self.network(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let client = self.clone();
        let lines = SseLines { bytes: response.bytes_stream().boxed(), buffer: Vec::new(), client };
        Ok(futures::stream::unfold(lines, |mut lines| async move {
            lines.next_event().await.map(|event| (event, lines))
        }))
    }
}

/// Which runs are wanted; the default is none of them, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunsQuery {
    /// At most so many.
    pub limit: usize,
    /// Those behind this run.
    pub after: Option<String>,
    /// Those in one of these states.
    pub status: Vec<String>,
    /// Those that are not over.
    pub active: bool,
    /// Those of this procedure.
    pub procedure: Option<String>,
    /// Those of this workload.
    pub workload: Option<String>,
    /// Those that started then or later.
    pub since: Option<mainstay_model::Timestamp>,
}

/// What Prometheus' own paths answer when they refuse.
#[derive(serde::Deserialize)]
struct PrometheusError {
    error: String,
}

/// The `data:` lines of a server-sent event stream. Our server writes one line per event.
struct SseLines {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
    client: Client,
}

impl SseLines {
    async fn next_event<T: serde::de::DeserializeOwned>(&mut self) -> Option<Result<T, ClientError>> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    return Some(serde_json::from_slice(data).map_err(|error| ClientError::NotUnderstood {
                        address: self.client.base.clone(),
                        reason: error.to_string(),
                    }));
                }
            }
            if self.buffer.len() > MAX_STREAM_LINE {
                return Some(Err(ClientError::NotUnderstood {
                    address: self.client.base.clone(),
                    reason: "an event longer than 4 MiB".to_owned(),
                }));
            }
            match self.bytes.next().await? {
                Ok(bytes) => self.buffer.extend_from_slice(&bytes),
                Err(error) => return Some(Err(self.client.network(error))),
            }
        }
    }
}

/// The parameter that names a workload, if there is one.
fn of_workload(workload: Option<&str>) -> Vec<(&'static str, String)> {
    workload.map(|workload| ("workload", workload.to_owned())).into_iter().collect()
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn with_query(path: &str, query: Query<'_>) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let query = [("query", "rate(a{b=\"c d\"}[5m]) > 0".to_owned())];
        assert_eq!(
            with_query("/api/v1/query", &query),
            "/api/v1/query?query=rate%28a%7Bb%3D%22c%20d%22%7D%5B5m%5D%29%20%3E%200"
        );
    }

    #[tokio::test]
    async fn an_absent_server_is_named() {
        let client = Client::new("http://127.0.0.1:1/", None).expect("a client");
        let error = client.status().await.expect_err("nobody listens on port 1");
        assert_eq!(error.to_string(), "no Mainstay server answers at http://127.0.0.1:1");
    }
}
