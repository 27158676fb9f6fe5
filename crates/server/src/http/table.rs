//! Every operation of the API.

mod sign_in;

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::{
    self, Acknowledge, AcknowledgeAlarm, AlarmView, Alive, Applied, CancelRun, ChangeDetail, ChangeSummary,
    ChosenCalls, Count, DeadLetter, Decide, DecideRun, DocsLink, ErrorKind, EventView, HostView,
    IncidentDetail, IncidentSummary, LogView, NewNote, NewReplay, NewRevision, NewSilence, NoteView,
    OutputView, PlanView, PrometheusAnswer, PrometheusMetadata, PrometheusNames, PrometheusSeries,
    ReplayView, ResolveIncident, ResumeRun, RevisionDetail, RunDetail, RunSummary, SilenceView, SpanView,
    StartRun, Status, SwitchTrigger, TraceView, TriggerView, Triggers, WorkloadDetail,
};
use mainstay_model::access::Permission;
use serde_json::{Value, json};

use super::bodies;
use super::routes::{Needs, On, Routes, op};
use super::{
    alarms, changes, docs, incidents, intake, journal, labels, runs, signals, status, triggers, workloads,
};
use crate::app::App;

use ErrorKind::{Conflict, Invalid, NotBuilt, NotFound};
use Needs::{May, Nothing, UnlessFromHere};
use On::Each;
use Permission::{Administer, Append, Apply, Approve, Operate, Read, Respond, Run};

/// What Prometheus' clients send what they ask in.
const FORM: &str = "application/x-www-form-urlencoded";

/// To see some of it: what is shown is what one may see.
const SEE: Needs = May(Read, Each);

/// To send signals, as events that belong to no workload: who reaches a proxy before the server is not trusted for that.
const SEND: Needs = UnlessFromHere(Append, On::All);

/// To see to people.
const MANAGE: Needs = May(Administer, On::All);

/// To see all of it: signals say nothing of whose they are.
const SEE_ALL: Needs = May(Read, On::All);

/// The API's document, as `GET /v1/openapi.json` answers it and as it is checked in.
pub fn document() -> String {
    let document = operations().document().and(pages().document());
    let mut text = serde_json::to_string_pretty(&document.openapi()).unwrap_or_default();
    text.push('\n');
    text
}

fn of(schema: &str) -> Value {
    json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } })
}

/// The operations whose handlers need the parts of the server.
pub fn operations() -> Routes<Arc<App>> {
    sign_in::operations(triggers(runs(workloads_and_changes(silences(incidents(metrics(signals(events(
        server(),
    )))))))))
}

fn server() -> Routes<Arc<App>> {
    Routes::tagged("Server")
        .get(
            "/v1/health",
            op(Nothing, "getHealth", "Whether the server answers").gives::<Alive>(),
            status::health,
        )
        .get(
            "/v1/status",
            op(SEE, "getStatus", "The state of everything at a glance").gives::<Status>(),
            status::status,
        )
        .get(
            "/v1/openapi.json",
            op(Nothing, "getOpenApi", "This document").says(
                200,
                "The document.",
                json!({ "application/json": { "schema": { "type": "object" } } }),
            ),
            openapi,
        )
        .tag("Fleet")
        .get(
            "/v1/hosts",
            op(SEE, "listHosts", "Hosts that ever joined")
                .asks::<status::HostsQuery>()
                .gives_page::<HostView>(),
            status::hosts,
        )
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

fn events(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let appended = |operation: super::routes::Operation| {
        operation
            .knows::<v1::ErrorBody>()
            .knows::<v1::NewEvent>()
            .knows::<v1::Appended>()
            .knows::<v1::EntriesAnswer>()
            .says(
                200,
                "What became of each entry of EventBridge.",
                json!({ "application/json": of("EntriesAnswer") }),
            )
            .says(201, "The events are in the journal.", json!({ "application/json": of("Appended") }))
            .says(204, "The same, to who asks for little with `Prefer: return=minimal`.", Value::Null)
            .fails(&[ErrorKind::Busy])
    };
    let any = json!({ "schema": {} });
    routes
        .tag("Journal")
        .get(
            "/v1/events",
            op(SEE, "listEvents", "Events of the journal, newest first, or from a place on")
                .note("A page may have fewer entries than `limit`, and even none, and still a `next`: then so much of the journal was searched. Pass `next` as `before`, or as `after` if that was asked for.")
                .asks::<journal::EventsQuery>()
                .gives_page::<EventView>(),
            journal::list,
        )
        .post(
            "/v1/events",
            appended(op(May(Append, Each), "appendEvents", "Puts events into the journal"))
                .fails(&[Invalid])
                .note("One CloudEvent as JSON or with its attributes in `ce-` headers, a batch of them, or the entries of EventBridge. The answer comes when the events are durable; sending one again changes nothing, and another one under its id and source is refused with 422.")
                .takes_content(&json!({
                    "application/cloudevents+json": of("NewEvent"),
                    "application/cloudevents-batch+json": { "schema": {
                        "type": "array", "items": { "$ref": "#/components/schemas/NewEvent" },
                    } },
                    "application/json": of("NewEvent"),
                    "application/x-amz-json-1.1": any,
                })),
            intake::append,
        )
        .get(
            "/v1/events/stream",
            op(SEE, "followEvents", "Events as they happen, as server-sent events")
                .note("The id of each is its place in the journal; who comes back sends the last one as `Last-Event-ID`, or as `after`. Every 15 s without an event there is a comment. A place behind the journal's end is refused with 409: the journal is another one, or was restored from an older copy.")
                .fails(&[Conflict])
                .asks::<journal::StreamQuery>()
                .streams::<EventView>("One message for each event, with its place as the id."),
            journal::stream,
        )
        .post(
            "/v1/hooks/{workload}/{source}",
            appended(op(Nothing, "receiveHook", "Takes what a source of a workload sends"))
                .note("Who sends is known by the source's own secret, as `sources` of the workload says.")
                .fails(&[ErrorKind::Unauthenticated])
                .takes_content(&json!({ "application/json": any, "application/cloudevents+json": any, "application/cloudevents-batch+json": any })),
            intake::hook,
        )
}

fn signals(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let otlp = |id, what| {
        op(SEND, id, what)
            .takes_content(&json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
            .says(200, "It is stored; `partialSuccess` says what was refused of it.", json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
            .says_each(&[400, 408, 413, 415, 429, 500, 503], "A status of OTLP.", &json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
    };
    routes
        .tag("Signals")
        .get(
            "/v1/logs",
            op(
                SEE_ALL,
                "listLogs",
                "Log records, the newest of them or those after a place, in order of arrival",
            )
            .asks::<signals::LogsQuery>()
            .gives_page::<LogView>(),
            signals::logs,
        )
        .elsewhere("post", "/v1/logs", otlp("sendLogs", "Takes in logs: OTLP"))
        .get(
            "/v1/traces",
            op(SEE_ALL, "listTraces", "Traces, newest first")
                .asks::<signals::TracesQuery>()
                .gives_page::<TraceView>(),
            signals::traces,
        )
        .elsewhere("post", "/v1/traces", otlp("sendTraces", "Takes in spans: OTLP"))
        .elsewhere("post", "/v1/metrics", otlp("sendMetrics", "Takes in metrics: OTLP"))
        .elsewhere(
            "post",
            "/v1development/profiles",
            otlp("sendProfiles", "Refuses profiles").says(
                404,
                "Profiles are not supported.",
                json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }),
            ),
        )
        .get(
            "/v1/traces/{id}",
            op(SEE_ALL, "getTrace", "The spans of a trace, in the order of their tree")
                .gives_page::<SpanView>(),
            signals::trace,
        )
}

/// Metrics, as Prometheus' own clients ask for them.
fn metrics(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let promql = |operation: super::routes::Operation| {
        operation
            .knows::<v1::PrometheusFailure>()
            .says_each(
                &[400, 422, 500, 503],
                "The query is refused.",
                &json!({
                    "application/json": of("PrometheusFailure"),
                    "application/problem+json": of("ErrorBody"),
                }),
            )
            .gives::<PrometheusAnswer>()
    };
    let names = |operation: super::routes::Operation| {
        operation.says(
            400,
            "The question is refused.",
            json!({
                "application/json": of("PrometheusFailure"),
                "application/problem+json": of("ErrorBody"),
            }),
        )
    };
    routes
        .tag("Signals")
        .get(
            "/api/v1/query",
            promql(op(SEE_ALL, "queryInstant", "PromQL at one time").asks::<signals::InstantQuery>()),
            signals::instant,
        )
        .post(
            "/api/v1/query",
            promql(op(SEE_ALL, "queryInstantByForm", "PromQL at one time, asked with a form"))
                .takes_content(&json!({ FORM: of("InstantQuery") }))
                .knows::<signals::InstantQuery>(),
            signals::instant_by_form,
        )
        .get(
            "/api/v1/query_range",
            promql(op(SEE_ALL, "queryRange", "PromQL over time").asks::<signals::RangeQuery>()),
            signals::range,
        )
        .post(
            "/api/v1/query_range",
            promql(op(SEE_ALL, "queryRangeByForm", "PromQL over time, asked with a form"))
                .takes_content(&json!({ FORM: of("RangeQuery") }))
                .knows::<signals::RangeQuery>(),
            signals::range_by_form,
        )
        .get(
            "/api/v1/labels",
            names(op(SEE_ALL, "listLabels", "The names of labels").asks::<labels::SeriesQuery>())
                .gives::<PrometheusNames>(),
            labels::names,
        )
        .get(
            "/api/v1/label/{name}/values",
            names(op(SEE_ALL, "listLabelValues", "The values of a label").asks::<labels::SeriesQuery>())
                .gives::<PrometheusNames>(),
            labels::values,
        )
        .get(
            "/api/v1/series",
            names(op(SEE_ALL, "listSeries", "The labels of series").asks::<labels::SeriesQuery>())
                .gives::<PrometheusSeries>(),
            labels::series,
        )
        .get(
            "/api/v1/metadata",
            names(op(SEE_ALL, "listMetadata", "What metrics are").asks::<labels::MetadataQuery>())
                .gives::<PrometheusMetadata>(),
            labels::metadata,
        )
}

fn incidents(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Incidents")
        .get(
            "/v1/alarms",
            op(SEE, "listAlarms", "Every alarm, with an entry for each set of labels that holds")
                .asks::<alarms::AlarmsQuery>()
                .gives_page::<AlarmView>(),
            alarms::list,
        )
        .post(
            "/v1/alarms/{workload}/{alarm}/acknowledge",
            op(
                May(Respond, On::Workload("workload")),
                "acknowledgeAlarm",
                "Says that one has an alarm in hand, until it clears",
            )
            .note("The answer has what fires, is pending or is not known of it.")
            .takes::<AcknowledgeAlarm>()
            .fails(&[Conflict, Invalid])
            .gives_page::<AlarmView>(),
            alarms::acknowledge,
        )
        .get(
            "/v1/incidents",
            op(SEE, "listIncidents", "Incidents, newest first")
                .asks::<incidents::ListQuery>()
                .gives_page::<IncidentSummary>(),
            incidents::list,
        )
        .get(
            "/v1/incidents/{id}",
            op(May(Read, On::Incident("id")), "getIncident", "An incident with its story")
                .gives::<IncidentDetail>(),
            incidents::get,
        )
        .post(
            "/v1/incidents/{id}/acknowledge",
            op(
                May(Respond, On::Incident("id")),
                "acknowledgeIncident",
                "Says that one has an incident in hand",
            )
            .takes::<Acknowledge>()
            .fails(&[Conflict, Invalid])
            .gives::<IncidentSummary>(),
            incidents::acknowledge,
        )
        .post(
            "/v1/incidents/{id}/resolve",
            op(
                May(Respond, On::Incident("id")),
                "resolveIncident",
                "Ends an incident that does not end by itself",
            )
            .note("While an alarm of it fires or is pending, this takes `force`.")
            .takes::<ResolveIncident>()
            .fails(&[Conflict, Invalid])
            .gives::<IncidentSummary>(),
            incidents::resolve,
        )
        .post(
            "/v1/incidents/{id}/notes",
            op(May(Respond, On::Incident("id")), "addIncidentNote", "Writes an update on an incident")
                .takes::<NewNote>()
                .once()
                .fails(&[Conflict, Invalid])
                .makes::<NoteView>(),
            incidents::note,
        )
}

fn silences(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Incidents")
        .get(
            "/v1/silences",
            op(SEE, "listSilences", "The silences of alarms, newest first")
                .asks::<incidents::SilencesQuery>()
                .gives_page::<SilenceView>(),
            incidents::silences,
        )
        .post(
            "/v1/silences",
            op(May(Respond, Each), "createSilence", "Silences alarms for a while")
                .takes::<NewSilence>()
                .once()
                .fails(&[NotFound, Conflict, Invalid])
                .makes::<SilenceView>(),
            incidents::silence,
        )
        .get(
            "/v1/silences/{id}",
            op(SEE, "getSilence", "A silence").gives::<SilenceView>(),
            incidents::get_silence,
        )
        .post(
            "/v1/silences/{id}/expire",
            op(May(Respond, Each), "expireSilence", "Ends a silence now")
                .if_unchanged()
                .gives::<SilenceView>(),
            incidents::expire,
        )
}

fn workloads_and_changes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Workloads")
        .get(
            "/v1/workloads",
            op(SEE, "listWorkloads", "The workloads and what they declare")
                .asks::<workloads::WorkloadsQuery>()
                .gives_page::<WorkloadDetail>(),
            workloads::list,
        )
        .post(
            "/v1/workloads",
            op(
                May(Apply, Each),
                "applyWorkload",
                "Makes the files the wanted state of the workload they declare",
            )
            .takes::<NewRevision>()
            .up_to(bodies::FILES)
            .fails(&[Conflict, Invalid, ErrorKind::Changed, ErrorKind::Busy])
            .gives::<Applied>(),
            workloads::apply,
        )
        .get(
            "/v1/workloads/{name}",
            op(May(Read, On::Workload("name")), "getWorkload", "One workload").gives::<WorkloadDetail>(),
            workloads::get,
        )
        .post(
            "/v1/plans",
            op(SEE, "planWorkload", "What applying the files would do; changes nothing")
                .takes::<NewRevision>()
                .up_to(bodies::FILES)
                .fails(&[Conflict, Invalid, ErrorKind::Busy])
                .gives::<PlanView>(),
            changes::plan,
        )
        .get(
            "/v1/changes",
            op(SEE, "listChanges", "Changes, newest first")
                .asks::<changes::HistoryQuery>()
                .gives_page::<ChangeSummary>(),
            changes::list,
        )
        .get(
            "/v1/changes/{id}",
            op(May(Read, On::Change("id")), "getChange", "A change with what became of each step")
                .gives::<ChangeDetail>(),
            changes::get,
        )
        .post(
            "/v1/changes/{id}/approve",
            op(May(Approve, On::Change("id")), "approveChange", "Lets a change that is held begin")
                .takes::<Decide>()
                .fails(&[Conflict])
                .gives::<ChangeSummary>(),
            changes::approve,
        )
        .post(
            "/v1/changes/{id}/refuse",
            op(
                Needs::Either(Approve, Apply, On::Change("id")),
                "refuseChange",
                "Ends a change that is held; stops one that is running and rolls it back",
            )
            .takes::<Decide>()
            .fails(&[Conflict])
            .gives::<ChangeSummary>(),
            changes::refuse,
        )
        .get(
            "/v1/revisions/{id}",
            op(May(Read, On::Revision("id")), "getRevision", "A revision with its files")
                .gives::<RevisionDetail>(),
            changes::revision,
        )
}

fn runs(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let over = [Conflict, Invalid];
    routes
        .tag("Runs")
        .get("/v1/runs", op(SEE, "listRuns", "Runs, newest first").asks::<runs::ListQuery>().gives_page::<RunSummary>(), runs::list)
        .post(
            "/v1/runs",
            op(May(Run, Each), "startRun", "Starts a procedure")
                .takes::<StartRun>()
                .up_to(bodies::PARAMETERS)
                .once()
                .fails(&[NotFound, Conflict, Invalid, NotBuilt])
                .makes::<RunSummary>(),
            runs::start,
        )
        .get("/v1/runs/{id}", op(May(Read, On::Run("id")), "getRun", "A run with its steps").asks::<runs::GetQuery>().gives::<RunDetail>(), runs::get)
        .get(
            "/v1/runs/{id}/output",
            op(May(Read, On::Run("id")), "followRunOutput", "What the running commands of a run write, as server-sent events")
                .note("Each message has the last lines of all commands that run now. Nothing of it is kept, and the stream ends with the run.")
                .streams_lists::<OutputView>("A message whenever something was written."),
            runs::output,
        )
        .post(
            "/v1/runs/{id}/cancel",
            op(May(Run, On::Run("id")), "cancelRun", "Stops a run").takes::<CancelRun>().fails(&over).gives::<RunSummary>(),
            runs::cancel,
        )
        .post(
            "/v1/runs/{id}/resume",
            op(May(Run, On::Run("id")), "resumeRun", "Goes on with a run that is over, from a step, as a new run")
                .takes::<ResumeRun>()
                .up_to(bodies::PARAMETERS)
                .once()
                .fails(&over)
                .makes::<RunSummary>(),
            runs::resume,
        )
        .post(
            "/v1/runs/{id}/decide",
            op(May(Respond, On::Run("id")), "decideRun", "Says what came of an attempt whose outcome nobody knows, or ends a pause")
                .takes::<DecideRun>()
                .up_to(bodies::PARAMETERS)
                .fails(&over)
                .gives::<RunSummary>(),
            runs::decide,
        )
}

fn triggers(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Triggers")
        .get(
            "/v1/triggers",
            op(SEE, "listTriggers", "Triggers and what they did")
                .asks::<triggers::TriggersQuery>()
                .gives::<Triggers>(),
            triggers::list,
        )
        .get(
            "/v1/triggers/{name}",
            op(SEE, "getTrigger", "One trigger")
                .asks::<triggers::OfWorkload>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::get,
        )
        .post(
            "/v1/triggers/{name}/replay",
            op(May(Operate, Each), "replayTrigger", "Gives events of the past to a trigger")
                .takes::<NewReplay>()
                .once()
                .fails(&[Conflict])
                .gives::<ReplayView>(),
            triggers::replay,
        )
        .post(
            "/v1/triggers/{name}/disable",
            op(May(Operate, Each), "disableTrigger", "Turns a trigger off")
                .takes::<SwitchTrigger>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::disable,
        )
        .post(
            "/v1/triggers/{name}/enable",
            op(May(Operate, Each), "enableTrigger", "Turns a trigger on")
                .takes::<SwitchTrigger>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::enable,
        )
        .get(
            "/v1/dead-letters",
            op(SEE, "listDeadLetters", "Calls that were given up, the last one first")
                .asks::<triggers::DeadQuery>()
                .gives_page::<DeadLetter>(),
            triggers::dead,
        )
        .post(
            "/v1/dead-letters/redrive",
            op(May(Operate, Each), "redriveCalls", "Tries calls again that were given up")
                .takes::<ChosenCalls>()
                .fails(&[NotFound, Conflict])
                .gives::<Count>(),
            triggers::redrive,
        )
        .post(
            "/v1/dead-letters/drop",
            op(May(Operate, Each), "dropCalls", "Drops calls that were given up, or that wait")
                .takes::<ChosenCalls>()
                .fails(&[NotFound, Conflict])
                .gives::<Count>(),
            triggers::drop_letters,
        )
}

/// The generated documentation of workloads.
pub fn pages() -> Routes<Arc<docs::Docs>> {
    let html = "text/html; charset=utf-8";
    Routes::tagged("Documentation")
        .get(
            "/v1/workloads/{name}/docs.json",
            op(May(Read, On::Workload("name")), "getDocumentation", "The documentation of a workload as data")
                .gives_format("Documentation", &mainstay_learn::docs::schema()),
            docs::data,
        )
        .post(
            "/v1/workloads/{name}/docs/link",
            op(May(Read, On::Workload("name")), "linkDocumentation", "A link that opens the documentation in a browser, once")
                .once()
                .fails(&[Conflict])
                .gives::<DocsLink>(),
            docs::link,
        )
        .get("/docs/{name}", op(Nothing, "openDocumentation", "To the first page").says(303, "To the first page.", Value::Null), docs::folder)
        .get("/docs/{name}/", op(May(Read, On::Workload("name")), "showDocumentation", "The first page").shows(html, "The page."), docs::first)
        .get(
            "/docs/{name}/{*path}",
            op(May(Read, On::Workload("name")), "showPage", "A page or file of the documentation").says(
                200,
                "The file.",
                json!({ html: { "schema": { "type": "string" } }, "text/css; charset=utf-8": {}, "text/markdown; charset=utf-8": {}, "image/svg+xml": {}, "application/json": {} }),
            ),
            docs::page,
        )
}
