//! Every operation of the API.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::{
    self, AlarmView, Alive, Applied, CancelRun, ChangeDetail, ChangeSummary, ChosenCalls, Count, DeadLetter,
    Decide, DecideRun, DocsLink, ErrorKind, EventView, HostView, IncidentDetail, IncidentSummary, LogView,
    NewReplay, NewRevision, OutputView, PlanView, PrometheusAnswer, PrometheusMetadata, PrometheusNames,
    PrometheusSeries, ReplayView, ResumeRun, RevisionDetail, RunDetail, RunSummary, SpanView, StartRun,
    Status, SwitchTrigger, TraceView, TriggerView, Triggers, WorkloadDetail,
};
use serde_json::{Value, json};

use super::routes::{Routes, op};
use super::{changes, docs, incidents, intake, journal, labels, runs, signals, status, triggers, workloads};
use crate::app::App;

use ErrorKind::{Conflict, Invalid, NotBuilt, NotFound};

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
    triggers(runs(workloads_and_changes(incidents(metrics(signals(events(server())))))))
}

fn server() -> Routes<Arc<App>> {
    Routes::tagged("Server")
        .get(
            "/v1/health",
            op("getHealth", "Whether the server answers").open().gives::<Alive>(),
            status::health,
        )
        .get(
            "/v1/status",
            op("getStatus", "The state of everything at a glance").gives::<Status>(),
            status::status,
        )
        .get(
            "/v1/openapi.json",
            op("getOpenApi", "This document").open().says(
                200,
                "The document.",
                json!({ "application/json": { "schema": { "type": "object" } } }),
            ),
            openapi,
        )
        .tag("Fleet")
        .get(
            "/v1/hosts",
            op("listHosts", "Every host that ever joined").gives_page::<HostView>(),
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
            op("listEvents", "Events of the journal, newest first, or from a place on")
                .note("A page may have fewer entries than `limit`, and even none, and still a `next`: then so much of the journal was searched. Pass `next` as `before`, or as `after` if that was asked for.")
                .asks::<journal::EventsQuery>()
                .gives_page::<EventView>(),
            journal::list,
        )
        .post(
            "/v1/events",
            appended(op("appendEvents", "Puts events into the journal"))
                .note("One CloudEvent as JSON or with its attributes in `ce-` headers, a batch of them, or the entries of EventBridge. The answer comes when the events are durable; sending one again changes nothing.")
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
            op("followEvents", "Events as they happen, as server-sent events")
                .note("The id of each is its place in the journal.")
                .asks::<journal::StreamQuery>()
                .streams::<EventView>("One message for each event, with its place as the id."),
            journal::stream,
        )
        .post(
            "/v1/hooks/{workload}/{source}",
            appended(op("receiveHook", "Takes what a source of a workload sends"))
                .note("Who sends is known by the source's own secret, as `sources` of the workload says.")
                .open()
                .fails(&[ErrorKind::Unauthenticated])
                .takes_content(&json!({ "application/json": any, "application/cloudevents+json": any, "application/cloudevents-batch+json": any })),
            intake::hook,
        )
}

fn signals(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let otlp = |id, what| {
        op(id, what)
            .open()
            .takes_content(&json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
            .says(200, "It is stored; `partialSuccess` says what was refused of it.", json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
            .says_each(&[400, 408, 413, 415, 429, 500, 503], "A status of OTLP.", &json!({ "application/x-protobuf": { "schema": {} }, "application/json": { "schema": { "type": "object" } } }))
    };
    routes
        .tag("Signals")
        .get(
            "/v1/logs",
            op("listLogs", "Log records, the newest of them or those after a place, in order of arrival")
                .asks::<signals::LogsQuery>()
                .gives_page::<LogView>(),
            signals::logs,
        )
        .elsewhere("post", "/v1/logs", otlp("sendLogs", "Takes in logs: OTLP"))
        .get(
            "/v1/traces",
            op("listTraces", "Traces, newest first").asks::<signals::TracesQuery>().gives_page::<TraceView>(),
            signals::traces,
        )
        .elsewhere("post", "/v1/traces", otlp("sendTraces", "Takes in spans: OTLP"))
        .elsewhere("post", "/v1/metrics", otlp("sendMetrics", "Takes in metrics: OTLP"))
        .get(
            "/v1/traces/{id}",
            op("getTrace", "The spans of a trace, in the order of their tree").gives_page::<SpanView>(),
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
            promql(op("queryInstant", "PromQL at one time").asks::<signals::InstantQuery>()),
            signals::instant,
        )
        .get(
            "/api/v1/query_range",
            promql(op("queryRange", "PromQL over time").asks::<signals::RangeQuery>()),
            signals::range,
        )
        .get(
            "/api/v1/labels",
            names(op("listLabels", "The names of labels").asks::<labels::SeriesQuery>())
                .gives::<PrometheusNames>(),
            labels::names,
        )
        .get(
            "/api/v1/label/{name}/values",
            names(op("listLabelValues", "The values of a label").asks::<labels::SeriesQuery>())
                .gives::<PrometheusNames>(),
            labels::values,
        )
        .get(
            "/api/v1/series",
            names(op("listSeries", "The labels of series").asks::<labels::SeriesQuery>())
                .gives::<PrometheusSeries>(),
            labels::series,
        )
        .get(
            "/api/v1/metadata",
            names(op("listMetadata", "What metrics are").asks::<labels::MetadataQuery>())
                .gives::<PrometheusMetadata>(),
            labels::metadata,
        )
}

fn incidents(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Incidents")
        .get(
            "/v1/alarms",
            op("listAlarms", "Every alarm, with an entry for each set of labels that holds")
                .gives_page::<AlarmView>(),
            incidents::alarms,
        )
        .get(
            "/v1/incidents",
            op("listIncidents", "Incidents, newest first")
                .asks::<incidents::ListQuery>()
                .gives_page::<IncidentSummary>(),
            incidents::list,
        )
        .get(
            "/v1/incidents/{id}",
            op("getIncident", "An incident with its story").gives::<IncidentDetail>(),
            incidents::get,
        )
}

fn workloads_and_changes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Workloads")
        .get(
            "/v1/workloads",
            op("listWorkloads", "The workloads and what they declare").gives_page::<WorkloadDetail>(),
            workloads::list,
        )
        .post(
            "/v1/workloads",
            op("applyWorkload", "Makes the files the wanted state of the workload they declare")
                .takes::<NewRevision>()
                .fails(&[Conflict, Invalid])
                .gives::<Applied>(),
            workloads::apply,
        )
        .get(
            "/v1/workloads/{name}",
            op("getWorkload", "One workload").gives::<WorkloadDetail>(),
            workloads::get,
        )
        .post(
            "/v1/plans",
            op("planWorkload", "What applying the files would do; changes nothing")
                .takes::<NewRevision>()
                .fails(&[Conflict, Invalid])
                .gives::<PlanView>(),
            changes::plan,
        )
        .get(
            "/v1/changes",
            op("listChanges", "Changes, newest first")
                .asks::<changes::HistoryQuery>()
                .gives_page::<ChangeSummary>(),
            changes::list,
        )
        .get(
            "/v1/changes/{id}",
            op("getChange", "A change with what became of each step").gives::<ChangeDetail>(),
            changes::get,
        )
        .post(
            "/v1/changes/{id}/approve",
            op("approveChange", "Lets a change that is held begin")
                .takes::<Decide>()
                .fails(&[Conflict])
                .gives::<ChangeSummary>(),
            changes::approve,
        )
        .post(
            "/v1/changes/{id}/refuse",
            op("refuseChange", "Ends a change that is held; stops one that is running and rolls it back")
                .takes::<Decide>()
                .fails(&[Conflict])
                .gives::<ChangeSummary>(),
            changes::refuse,
        )
        .get(
            "/v1/revisions/{id}",
            op("getRevision", "A revision with its files").gives::<RevisionDetail>(),
            changes::revision,
        )
}

fn runs(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let over = [Conflict, Invalid];
    routes
        .tag("Runs")
        .get("/v1/runs", op("listRuns", "Runs, newest first").asks::<runs::ListQuery>().gives_page::<RunSummary>(), runs::list)
        .post(
            "/v1/runs",
            op("startRun", "Starts a procedure")
                .takes::<StartRun>()
                .fails(&[NotFound, Conflict, Invalid, NotBuilt])
                .makes::<RunSummary>(),
            runs::start,
        )
        .get("/v1/runs/{id}", op("getRun", "A run with its steps").asks::<runs::GetQuery>().gives::<RunDetail>(), runs::get)
        .get(
            "/v1/runs/{id}/output",
            op("followRunOutput", "What the running commands of a run write, as server-sent events")
                .note("Each message has the last lines of all commands that run now. Nothing of it is kept, and the stream ends with the run.")
                .streams_lists::<OutputView>("A message whenever something was written."),
            runs::output,
        )
        .post(
            "/v1/runs/{id}/cancel",
            op("cancelRun", "Stops a run").takes::<CancelRun>().fails(&over).gives::<RunSummary>(),
            runs::cancel,
        )
        .post(
            "/v1/runs/{id}/resume",
            op("resumeRun", "Goes on with a run that is over, from a step, as a new run")
                .takes::<ResumeRun>()
                .fails(&over)
                .makes::<RunSummary>(),
            runs::resume,
        )
        .post(
            "/v1/runs/{id}/decide",
            op("decideRun", "Says what came of an attempt whose outcome nobody knows, or ends a pause")
                .takes::<DecideRun>()
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
            op("listTriggers", "All triggers and what they did")
                .asks::<triggers::OfWorkload>()
                .gives::<Triggers>(),
            triggers::list,
        )
        .get(
            "/v1/triggers/{name}",
            op("getTrigger", "One trigger")
                .asks::<triggers::OfWorkload>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::get,
        )
        .post(
            "/v1/triggers/{name}/replay",
            op("replayTrigger", "Gives events of the past to a trigger")
                .takes::<NewReplay>()
                .fails(&[Conflict])
                .gives::<ReplayView>(),
            triggers::replay,
        )
        .post(
            "/v1/triggers/{name}/disable",
            op("disableTrigger", "Turns a trigger off")
                .takes::<SwitchTrigger>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::disable,
        )
        .post(
            "/v1/triggers/{name}/enable",
            op("enableTrigger", "Turns a trigger on")
                .takes::<SwitchTrigger>()
                .fails(&[Conflict])
                .gives::<TriggerView>(),
            triggers::enable,
        )
        .get(
            "/v1/dead-letters",
            op("listDeadLetters", "Calls that were given up, the last one first")
                .asks::<triggers::DeadQuery>()
                .gives_page::<DeadLetter>(),
            triggers::dead,
        )
        .post(
            "/v1/dead-letters/redrive",
            op("redriveCalls", "Tries calls again that were given up")
                .takes::<ChosenCalls>()
                .fails(&[NotFound, Conflict])
                .gives::<Count>(),
            triggers::redrive,
        )
        .post(
            "/v1/dead-letters/drop",
            op("dropCalls", "Drops calls that were given up, or that wait")
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
            op("getDocumentation", "The documentation of a workload as data").says(
                200,
                "The documentation.",
                json!({ "application/json": { "schema": { "type": "object" } } }),
            ),
            docs::data,
        )
        .post(
            "/v1/workloads/{name}/docs/link",
            op("linkDocumentation", "A link that opens the documentation in a browser, once").gives::<DocsLink>(),
            docs::link,
        )
        .get(
            "/enter/{code}",
            op("enter", "Opens the pages to the browser that shows the code, once")
                .open()
                .says(303, "To the page, with a cookie.", Value::Null)
                .says(401, "The code is not known, or no longer.", json!({ html: { "schema": { "type": "string" } } })),
            docs::enter,
        )
        .get("/docs/{name}", op("openDocumentation", "To the first page").says(303, "To the first page.", Value::Null), docs::folder)
        .get("/docs/{name}/", op("showDocumentation", "The first page").shows(html, "The page."), docs::first)
        .get(
            "/docs/{name}/{*path}",
            op("showPage", "A page or file of the documentation").says(
                200,
                "The file.",
                json!({ html: { "schema": { "type": "string" } }, "text/css; charset=utf-8": {}, "text/markdown; charset=utf-8": {}, "image/svg+xml": {}, "application/json": {} }),
            ),
            docs::page,
        )
}
