// Made from crates/api/openapi.json by `npm run wire`; not edited by hand.
export interface paths {
    "/v1/alarms": {
        /** Every alarm, with an entry for each set of labels that holds */
        get: {
            parameters: {
                query?: {
                    state?: string;
                    workload?: string;
                    selector?: string;
                    contains?: string;
                    sort?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["AlarmViewPage"];
                    };
                };
            };
        };
    };
    "/v1/alarms/{workload}/{alarm}/acknowledge": {
        /** Says that one has an alarm in hand, until it clears */
        post: {
            parameters: {
                path: {
                    workload: string;
                    alarm: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AcknowledgeAlarm"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["AlarmViewPage"];
                    };
                };
            };
        };
    };
    "/v1/changes": {
        /** Changes, newest first */
        get: {
            parameters: {
                query?: {
                    workload?: string;
                    selector?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["ChangeSummaryPage"];
                    };
                };
            };
        };
    };
    "/v1/changes/{id}": {
        /** A change with what became of each step */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["ChangeDetail"];
                    };
                };
            };
        };
    };
    "/v1/changes/{id}/approve": {
        /** Lets a change that is held begin */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Decide"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["ChangeSummary"];
                    };
                };
            };
        };
    };
    "/v1/changes/{id}/refuse": {
        /** Ends a change that is held; stops one that is running and rolls it back */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Decide"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["ChangeSummary"];
                    };
                };
            };
        };
    };
    "/v1/dead-letters": {
        /** Calls that were given up, the last one first */
        get: {
            parameters: {
                query?: {
                    workload?: string;
                    selector?: string;
                    trigger?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["DeadLetterPage"];
                    };
                };
            };
        };
    };
    "/v1/dead-letters/drop": {
        /** Drops calls that were given up, or that wait */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChosenCalls"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Count"];
                    };
                };
            };
        };
    };
    "/v1/dead-letters/redrive": {
        /** Tries calls again that were given up */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChosenCalls"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Count"];
                    };
                };
            };
        };
    };
    "/v1/events": {
        /** Events of the journal, newest first, or from a place on */
        get: {
            parameters: {
                query?: {
                    after?: number;
                    before?: number;
                    limit?: number;
                    match?: string;
                    workload?: string;
                    subject?: string;
                    actor?: string;
                    source?: string;
                    since?: components["schemas"]["Time"];
                    until?: components["schemas"]["Time"];
                    contains?: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["EventViewPage"];
                    };
                };
            };
        };
        /** Puts events into the journal */
        post: {
            requestBody: {
                content: {
                    "application/cloudevents+json": components["schemas"]["NewEvent"];
                    "application/cloudevents-batch+json": components["schemas"]["NewEvent"][];
                    "application/json": components["schemas"]["NewEvent"];
                    "application/x-amz-json-1.1": unknown;
                };
            };
            responses: {
                /** @description What became of each entry of EventBridge. */
                200: {
                    content: {
                        "application/json": components["schemas"]["EntriesAnswer"];
                    };
                };
                /** @description The events are in the journal. */
                201: {
                    content: {
                        "application/json": components["schemas"]["Appended"];
                    };
                };
                /** @description The same, to who asks for little with `Prefer: return=minimal`. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/events/stream": {
        /** Events as they happen, as server-sent events */
        get: {
            parameters: {
                query?: {
                    after?: number;
                    match?: string;
                    workload?: string;
                    subject?: string;
                    actor?: string;
                    source?: string;
                };
            };
            responses: {
                /** @description One message for each event, with its place as the id. */
                200: {
                    content: {
                        "text/event-stream": string;
                    };
                };
            };
        };
    };
    "/v1/health": {
        /** Whether the server answers */
        get: {
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Alive"];
                    };
                };
            };
        };
    };
    "/v1/hooks/{workload}/{source}": {
        /** Takes what a source of a workload sends */
        post: {
            parameters: {
                path: {
                    workload: string;
                    source: string;
                };
            };
            requestBody: {
                content: {
                    "application/cloudevents+json": unknown;
                    "application/cloudevents-batch+json": unknown;
                    "application/json": unknown;
                };
            };
            responses: {
                /** @description What became of each entry of EventBridge. */
                200: {
                    content: {
                        "application/json": components["schemas"]["EntriesAnswer"];
                    };
                };
                /** @description The events are in the journal. */
                201: {
                    content: {
                        "application/json": components["schemas"]["Appended"];
                    };
                };
                /** @description The same, to who asks for little with `Prefer: return=minimal`. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/hosts": {
        /** Hosts that ever joined */
        get: {
            parameters: {
                query?: {
                    selector?: string;
                    connected?: boolean;
                    contains?: string;
                    workload?: string;
                    sort?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["HostViewPage"];
                    };
                };
            };
        };
    };
    "/v1/incidents": {
        /** Incidents, newest first */
        get: {
            parameters: {
                query?: {
                    cursor?: string;
                    limit?: number;
                    status?: string;
                    workload?: string;
                    selector?: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["IncidentSummaryPage"];
                    };
                };
            };
        };
    };
    "/v1/incidents/{id}": {
        /** An incident with its story */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["IncidentDetail"];
                    };
                };
            };
        };
    };
    "/v1/incidents/{id}/acknowledge": {
        /** Says that one has an incident in hand */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Acknowledge"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["IncidentSummary"];
                    };
                };
            };
        };
    };
    "/v1/incidents/{id}/notes": {
        /** Writes an update on an incident */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewNote"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["NoteView"];
                    };
                };
            };
        };
    };
    "/v1/incidents/{id}/resolve": {
        /** Ends an incident that does not end by itself */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ResolveIncident"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["IncidentSummary"];
                    };
                };
            };
        };
    };
    "/v1/logs": {
        /** Log records, the newest of them or those after a place, in order of arrival */
        get: {
            parameters: {
                query?: {
                    service?: string;
                    trace?: string;
                    severity?: string;
                    contains?: string;
                    since?: components["schemas"]["Time"];
                    until?: components["schemas"]["Time"];
                    after?: number;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["LogViewPage"];
                    };
                };
            };
        };
        /** Takes in logs: OTLP */
        post: {
            requestBody: {
                content: {
                    "application/json": Record<string, never>;
                    "application/x-protobuf": unknown;
                };
            };
            responses: {
                /** @description It is stored; `partialSuccess` says what was refused of it. */
                200: {
                    content: {
                        "application/json": Record<string, never>;
                        "application/x-protobuf": unknown;
                    };
                };
            };
        };
    };
    "/v1/me": {
        /** Who is asking, and what they may */
        get: {
            parameters: {
                query?: {
                    workload?: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Me"];
                    };
                };
            };
        };
    };
    "/v1/me/password": {
        /** Changes one's password; ends all other sessions */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangePassword"];
                };
            };
            responses: {
                /** @description It is done. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/metrics": {
        /** Takes in metrics: OTLP */
        post: {
            requestBody: {
                content: {
                    "application/json": Record<string, never>;
                    "application/x-protobuf": unknown;
                };
            };
            responses: {
                /** @description It is stored; `partialSuccess` says what was refused of it. */
                200: {
                    content: {
                        "application/json": Record<string, never>;
                        "application/x-protobuf": unknown;
                    };
                };
            };
        };
    };
    "/v1/openapi.json": {
        /** This document */
        get: {
            responses: {
                /** @description The document. */
                200: {
                    content: {
                        "application/json": Record<string, never>;
                    };
                };
            };
        };
    };
    "/v1/plans": {
        /** What applying the files would do; changes nothing */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewRevision"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["PlanView"];
                    };
                };
            };
        };
    };
    "/v1/revisions/{id}": {
        /** A revision with its files */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["RevisionDetail"];
                    };
                };
            };
        };
    };
    "/v1/runs": {
        /** Runs, newest first */
        get: {
            parameters: {
                query?: {
                    cursor?: string;
                    limit?: number;
                    status?: string;
                    active?: boolean;
                    procedure?: string;
                    workload?: string;
                    selector?: string;
                    since?: components["schemas"]["Time"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["RunSummaryPage"];
                    };
                };
            };
        };
        /** Starts a procedure */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StartRun"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["RunSummary"];
                    };
                };
            };
        };
    };
    "/v1/runs/{id}": {
        /** A run with its steps */
        get: {
            parameters: {
                query?: {
                    record?: boolean;
                };
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["RunDetail"];
                    };
                };
            };
        };
    };
    "/v1/runs/{id}/cancel": {
        /** Stops a run */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CancelRun"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["RunSummary"];
                    };
                };
            };
        };
    };
    "/v1/runs/{id}/decide": {
        /** Says what came of an attempt whose outcome nobody knows, or ends a pause */
        post: {
            parameters: {
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["DecideRun"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["RunSummary"];
                    };
                };
            };
        };
    };
    "/v1/runs/{id}/output": {
        /** What the running commands of a run write, as server-sent events */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                /** @description A message whenever something was written. */
                200: {
                    content: {
                        "text/event-stream": string;
                    };
                };
            };
        };
    };
    "/v1/runs/{id}/resume": {
        /** Goes on with a run that is over, from a step, as a new run */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ResumeRun"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["RunSummary"];
                    };
                };
            };
        };
    };
    "/v1/sessions": {
        /** Sessions that hold */
        get: {
            parameters: {
                query?: {
                    all?: boolean;
                    user?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SessionViewPage"];
                    };
                };
            };
        };
    };
    "/v1/sessions/{id}": {
        /** Ends a session */
        delete: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                /** @description It is done. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/sign-in": {
        /** How people may sign in */
        get: {
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SignInWays"];
                    };
                };
            };
        };
        /** Begins a session, with a name and a password */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SignIn"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Me"];
                    };
                };
            };
        };
    };
    "/v1/sign-in/link": {
        /** A link that signs a browser in, once */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LinkFor"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SignInLink"];
                    };
                };
            };
        };
    };
    "/v1/sign-in/oidc/{provider}": {
        /** Sends a browser to a provider of OpenID Connect */
        get: {
            parameters: {
                query?: {
                    back?: string;
                };
                path: {
                    provider: string;
                };
            };
            responses: never;
        };
    };
    "/v1/sign-in/oidc/{provider}/callback": {
        /** Back from the provider: begins a session */
        get: {
            parameters: {
                query?: {
                    state?: string;
                    code?: string;
                    error?: string;
                    iss?: string;
                };
                path: {
                    provider: string;
                };
            };
            responses: {
                /** @description Signed in, with a cookie; on to the page that it was begun from. */
                200: {
                    content: {
                        "text/html; charset=utf-8": string;
                    };
                };
            };
        };
    };
    "/v1/sign-in/oidc/{provider}/sign-out": {
        /** Sends a browser to where its session at the provider ends */
        get: {
            parameters: {
                path: {
                    provider: string;
                };
            };
            responses: never;
        };
    };
    "/v1/sign-out": {
        /** Ends the session */
        post: {
            responses: {
                /** @description It is done. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/silences": {
        /** The silences of alarms, newest first */
        get: {
            parameters: {
                query?: {
                    all?: boolean;
                    workload?: string;
                    selector?: string;
                    state?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SilenceViewPage"];
                    };
                };
            };
        };
        /** Silences alarms for a while */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewSilence"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["SilenceView"];
                    };
                };
            };
        };
    };
    "/v1/silences/{id}": {
        /** A silence */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SilenceView"];
                    };
                };
            };
        };
    };
    "/v1/silences/{id}/expire": {
        /** Ends a silence now */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SilenceView"];
                    };
                };
            };
        };
    };
    "/v1/status": {
        /** The state of everything at a glance */
        get: {
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Status"];
                    };
                };
            };
        };
    };
    "/v1/tokens": {
        /** Tokens that hold */
        get: {
            parameters: {
                query?: {
                    all?: boolean;
                    user?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TokenViewPage"];
                    };
                };
            };
        };
        /** Makes a token; its secret is shown this once */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["MadeToken"];
                    };
                };
            };
        };
    };
    "/v1/tokens/{id}": {
        /** A token */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TokenView"];
                    };
                };
            };
        };
        /** Takes a token back */
        delete: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    id: string;
                };
            };
            responses: {
                /** @description It is done. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/traces": {
        /** Traces, newest first */
        get: {
            parameters: {
                query?: {
                    service?: string;
                    name?: string;
                    errors?: boolean;
                    min_duration_ms?: number;
                    since?: components["schemas"]["Time"];
                    until?: components["schemas"]["Time"];
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TraceViewPage"];
                    };
                };
            };
        };
        /** Takes in spans: OTLP */
        post: {
            requestBody: {
                content: {
                    "application/json": Record<string, never>;
                    "application/x-protobuf": unknown;
                };
            };
            responses: {
                /** @description It is stored; `partialSuccess` says what was refused of it. */
                200: {
                    content: {
                        "application/json": Record<string, never>;
                        "application/x-protobuf": unknown;
                    };
                };
            };
        };
    };
    "/v1/traces/{id}": {
        /** The spans of a trace, in the order of their tree */
        get: {
            parameters: {
                path: {
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["SpanViewPage"];
                    };
                };
            };
        };
    };
    "/v1/triggers": {
        /** Triggers and what they did */
        get: {
            parameters: {
                query?: {
                    workload?: string;
                    selector?: string;
                    state?: string;
                    contains?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Triggers"];
                    };
                };
            };
        };
    };
    "/v1/triggers/{name}": {
        /** One trigger */
        get: {
            parameters: {
                query?: {
                    workload?: string;
                };
                path: {
                    name: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TriggerView"];
                    };
                };
            };
        };
    };
    "/v1/triggers/{name}/disable": {
        /** Turns a trigger off */
        post: {
            parameters: {
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SwitchTrigger"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TriggerView"];
                    };
                };
            };
        };
    };
    "/v1/triggers/{name}/enable": {
        /** Turns a trigger on */
        post: {
            parameters: {
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SwitchTrigger"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["TriggerView"];
                    };
                };
            };
        };
    };
    "/v1/triggers/{name}/replay": {
        /** Gives events of the past to a trigger */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewReplay"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["ReplayView"];
                    };
                };
            };
        };
    };
    "/v1/users": {
        /** The users and what they may */
        get: {
            parameters: {
                query?: {
                    state?: string;
                    contains?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserViewPage"];
                    };
                };
            };
        };
        /** Adds a user */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewUser"];
                };
            };
            responses: {
                /** @description It was made. */
                201: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}": {
        /** One user */
        get: {
            parameters: {
                path: {
                    name: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}/disable": {
        /** Lets a user sign in no more, ends their sessions, and takes their tokens back */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Reason"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}/enable": {
        /** Lets a user sign in again */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Reason"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}/grants": {
        /** Grants a role on what a selector picks */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewGrant"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}/grants/{id}": {
        /** Takes a granted role back */
        delete: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                    id: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/users/{name}/password": {
        /** Sets a user's password, and ends their sessions */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangePassword"];
                };
            };
            responses: {
                /** @description It is done. */
                204: {
                    content?: never;
                };
            };
        };
    };
    "/v1/users/{name}/provider": {
        /** Says at which provider somebody signs in as this user for the first time */
        post: {
            parameters: {
                header?: {
                    "If-Match"?: string;
                };
                path: {
                    name: string;
                };
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AwaitedAccount"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["UserView"];
                    };
                };
            };
        };
    };
    "/v1/workloads": {
        /** The workloads and what they declare */
        get: {
            parameters: {
                query?: {
                    selector?: string;
                    contains?: string;
                    cursor?: string;
                    limit?: number;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["WorkloadDetailPage"];
                    };
                };
            };
        };
        /** Makes the files the wanted state of the workload they declare */
        post: {
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewRevision"];
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Applied"];
                    };
                };
            };
        };
    };
    "/v1/workloads/{name}": {
        /** One workload */
        get: {
            parameters: {
                path: {
                    name: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["WorkloadDetail"];
                    };
                };
            };
        };
    };
    "/v1/workloads/{name}/docs.json": {
        /** The documentation of a workload as data */
        get: {
            parameters: {
                path: {
                    name: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["Documentation"];
                    };
                };
            };
        };
    };
    "/v1/workloads/{name}/docs/link": {
        /** A link that opens the documentation in a browser, once */
        post: {
            parameters: {
                header?: {
                    "Idempotency-Key"?: string;
                };
                path: {
                    name: string;
                };
            };
            responses: {
                200: {
                    content: {
                        "application/json": components["schemas"]["DocsLink"];
                    };
                };
            };
        };
    };
}
export interface components {
    schemas: {
        /** @description That somebody has an incident in hand. */
        Acknowledge: {
            /** @description What they say with it. */
            message?: string;
        };
        /** @description That somebody has an alarm in hand. */
        AcknowledgeAlarm: {
            /** @description Which of its label sets: the one with exactly these labels; all of them if not said. */
            labels?: {
                [key: string]: string;
            };
            /** @description What they say with it. */
            message?: string;
        };
        /** @description Who has an incident or an alarm in hand. */
        AcknowledgedView: {
            /** @description Since when. */
            at: components["schemas"]["Time"];
            /** @description Who. */
            by: string;
            /** @description What they said with it. */
            message?: string;
        };
        /** @enum {string} */
        ActionOutcome: "pending" | "started" | "rolling back" | "applied" | "failed" | "skipped" | "rolled back" | "rollback failed" | "unknown";
        /** @description One step of a change. */
        ActionView: {
            /** @description What is done. */
            action: components["schemas"]["ChangeVerb"];
            /** @description What it is done to (`web-1/checkout`). */
            address: string;
            /** @description How it stands, or what became of it. */
            outcome: components["schemas"]["ActionOutcome"];
            /** @description Why. */
            reason?: string;
            /** @description The wave, from 1. */
            wave: number;
        };
        /** @enum {string} */
        AlarmState: "inactive" | "pending" | "firing" | "no data" | "error" | "not evaluated";
        /** @description One alarm with one set of labels. */
        AlarmView: {
            /** @description Who has it in hand, until it clears. */
            acknowledged?: components["schemas"]["AcknowledgedView"];
            /** @description The rule's name. */
            alarm: string;
            /** @description Its annotations, filled in. */
            annotations: {
                [key: string]: string;
            };
            /** @description Why its evaluation failed. */
            error?: string;
            /** @description The open incident that it is part of. */
            incident?: string;
            /** @description Its labels, without `alertname`. */
            labels: {
                [key: string]: string;
            };
            /** @description The silence that holds for it now. */
            silenced_by?: string;
            /** @description Since when it is in this state. */
            since?: components["schemas"]["Time"];
            /** @description How it stands. That there are no data, that it cannot be evaluated and that it was not yet are states of their own. */
            state: components["schemas"]["AlarmState"];
            /**
             * Format: double
             * @description The value at the last evaluation.
             */
            value?: number;
            /** @description The workload whose rule it is. */
            workload: string;
        };
        /** @description A page of a list. */
        AlarmViewPage: {
            /** @description The entries. */
            items: components["schemas"]["AlarmView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description That the server answers, and nothing about what it does. */
        Alive: {
            /** @description Always `ok`. */
            status: string;
        };
        /** @description The answer to events that were taken in, as they were sent. */
        Appended: components["schemas"]["EventView"] | components["schemas"]["AppendedMany"];
        /** @description The events of a batch, in its order. */
        AppendedMany: {
            /** @description Where each of them is in the journal now. */
            events: components["schemas"]["AppendedOne"][];
        };
        /** @description Where an event is in the journal. */
        AppendedOne: {
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description Its place.
             */
            seq: number;
            /** @description Its source. */
            source: string;
        };
        /** @description The answer to an apply. */
        Applied: {
            /** @description The change that carries it out; none when nothing changes. */
            change?: components["schemas"]["ChangeSummary"];
            /** @description False when the content was already the wanted one. */
            changed: boolean;
            /** @description What it changes on hosts that are connected now. */
            changes: components["schemas"]["ChangeView"][];
            /** @description The one it follows. */
            parent?: string;
            /** @description The revision it leads to. It is the wanted one once its change has ended well. */
            revision: string;
            /** @description Components for which there is no host now, with the reason. */
            unplaced: string[];
            /** @description Warnings. */
            warnings: components["schemas"]["DiagnosticView"][];
            /** @description The workload. */
            workload: string;
        };
        /** @enum {string} */
        AttemptResult: "succeeded" | "failed" | "timed out" | "cancelled" | "unknown";
        /** @description One try of a step. */
        AttemptView: {
            /** @description Who decided what it came to, where nobody could know; only in the whole record. */
            decided_by?: string;
            /** @description When it was over. */
            ended_at?: components["schemas"]["Time"];
            /** @description The hosts it was performed on. */
            hosts?: string[];
            /** @description Its id, which is its idempotency key. */
            id: string;
            /** @description What was performed, all references replaced; only in the whole record. */
            inputs?: unknown;
            /** @description Why it did not succeed. */
            message?: string;
            /** @description What it left; only in the whole record. */
            outputs?: {
                [key: string]: unknown;
            };
            /** @description What it came to; nothing while it goes on. */
            result?: components["schemas"]["AttemptResult"];
            /** @description When it began. */
            started_at: components["schemas"]["Time"];
        };
        /** @description An account elsewhere that is to be a user. */
        AwaitedAccount: {
            /**
             * @description The name of the provider at which whoever has the user's name signs in as this user for the first time; none if not
             *     said.
             */
            provider?: string;
        };
        /** @description Why a run is cancelled. */
        CancelRun: {
            /** @description Why; part of the record. */
            reason?: string;
        };
        /** @description A change with its plan and what became of each step. */
        ChangeDetail: components["schemas"]["ChangeSummary"] & {
            /** @description Its steps, in the order of the waves. */
            actions: components["schemas"]["ActionView"][];
            /** @description Who approved or refused it. */
            decision?: components["schemas"]["DecisionView"];
            /** @description Why it is or was held, as sentences. */
            holds?: string[];
            /** @description Whether it was asked to keep what is done when something fails. */
            keep: boolean;
            /** @description Its plan, in the plan's own format. Null for what was applied before changes were recorded. */
            plan: unknown;
        };
        /** @description A new password. */
        ChangePassword: {
            /**
             * Format: password
             * @description The one until now. Who administers users need not say it for others.
             */
            current?: string;
            /**
             * Format: password
             * @description The one from now on: 12 characters at least.
             */
            new: string;
            /** @description Whether the user's tokens are taken back, too. Sessions end in any case. */
            revoke_tokens?: boolean;
        };
        /** @enum {string} */
        ChangeState: "held" | "running" | "rolling back" | "applied" | "rolled back" | "kept in part" | "failed" | "refused" | "cancelled";
        /** @description One line of a workload's history. */
        ChangeSummary: {
            /** @description The revision it started from. */
            base?: string;
            /** @description Who asked for it. */
            by: string;
            /** @description How many of them are done. */
            done: number;
            /** @description When it was over. */
            ended_at?: components["schemas"]["Time"];
            /** @description Whether it is over. */
            finished: boolean;
            /** @description Where the files came from. */
            git?: components["schemas"]["GitView"];
            /** @description Its id. */
            id: string;
            /** @description Why. */
            message?: string;
            /** @description Why it failed, is held, or was refused. */
            reason?: string;
            /** @description How many resources it touches. */
            resources: number;
            /** @description The earlier revision whose files it brings back, for a rollback. */
            restores?: string;
            /** @description The revision it leads to. */
            revision: string;
            /** @description When it was asked for. */
            started_at: components["schemas"]["Time"];
            /** @description What it is doing, or how it ended. */
            state: components["schemas"]["ChangeState"];
            /** @description See `waves`. */
            wave: number;
            /** @description How many waves it has, and in which it is, from 1; 0 before the first. */
            waves: number;
            /** @description The workload. */
            workload: string;
        };
        /** @description A page of a list. */
        ChangeSummaryPage: {
            /** @description The entries. */
            items: components["schemas"]["ChangeSummary"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        ChangeVerb: "create" | "update" | "replace" | "remove";
        /** @description One change to one host. */
        ChangeView: {
            /** @description What is done to it. */
            change: components["schemas"]["ChangeVerb"];
            /** @description The component. */
            component: string;
            /** @description The fields that differ, for an update. */
            fields?: string[];
            /** @description The host. */
            host: string;
        };
        /** @description Which calls are tried again or dropped: one dead letter, or those of a trigger. */
        ChosenCalls: {
            /** @description The dead letter with this id. */
            id?: string;
            /** @description Why; part of the record. */
            reason?: string;
            /** @description Those of this trigger. */
            trigger?: string;
            /** @description Not the dead letters but the calls that wait; to drop only. */
            waiting?: boolean;
            /** @description The trigger's workload, where several have one of that name. */
            workload?: string;
        };
        /** @description One command that a step sent to a host. */
        CommandView: {
            /** @description The host. */
            host: string;
            /** @description The command's id, which is its idempotency key. */
            id: string;
            /** @description Further facts, as the step's attempt recorded them (exit code, output tails). */
            result?: {
                [key: string]: unknown;
            };
        };
        /** @description How many there were. */
        Count: {
            /** @description So many. */
            count: number;
        };
        /** @description A call that was given up. */
        DeadLetter: {
            /** @description When the call was given up. */
            at: components["schemas"]["Time"];
            /**
             * Format: int32
             * @description Tries made.
             */
            attempts: number;
            /** @description A word for it (`TIMEOUT`). */
            code?: string;
            /**
             * Format: int64
             * @description The place of the event in the journal.
             */
            event_seq: number;
            /** @description What ran out: `MaximumRetryAttempts` or `MaximumEventAgeInSeconds`. */
            exhausted?: string;
            /** @description Its id, which was the idempotency key of its requests. */
            id: string;
            /** @description Why the last one failed. */
            reason?: string;
            /** @description The replay that asked for it. */
            replay?: string;
            /** @description When the event matched. */
            since: components["schemas"]["Time"];
            /** @description The target's id. */
            target: string;
            /** @description The trigger. */
            trigger: string;
            /** @description The workload. */
            workload: string;
        };
        /** @description A page of a list. */
        DeadLetterPage: {
            /** @description The entries. */
            items: components["schemas"]["DeadLetter"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description Approves or refuses a change that is held, or stops one that is running. */
        Decide: {
            /** @description Why. */
            message?: string;
            /** @description Approve it although one asked for it oneself. */
            own?: boolean;
        };
        /** @description What a person says of an attempt whose outcome is unknown, or of a pause. */
        DecideRun: {
            /** @enum {string} */
            decision: "succeeded";
            /** @description Its outputs, as far as they are known. */
            outputs?: {
                [key: string]: unknown;
            };
        } | {
            /** @enum {string} */
            decision: "failed";
            /** @description Why. */
            message: string;
        } | {
            /** @enum {string} */
            decision: "retry";
        };
        /** @description Who decided about a change that was held. */
        DecisionView: {
            /** @description When. */
            at: components["schemas"]["Time"];
            /** @description Who. */
            by: string;
            /** @description What was decided. */
            decision: components["schemas"]["DecisionWord"];
            /** @description Why. */
            message?: string;
            /** @description Whether that is who asked for the change. */
            own: boolean;
        };
        /** @enum {string} */
        DecisionWord: "approved" | "refused";
        /** @enum {string} */
        DiagnosticSeverity: "error" | "warning";
        /** @description One problem in one file. */
        DiagnosticView: {
            /** @description A stable code. */
            code: string;
            /** @description In characters, from 1. */
            column: number;
            /** @description In characters, from 1; exclusive. */
            end_column: number;
            /** @description Where it ends; exclusive. */
            end_line: number;
            /** @description What to do about it. */
            help?: string;
            /** @description What stands under the underlined text. */
            label?: string;
            /** @description From 1. */
            line: number;
            /** @description What is wrong. */
            message: string;
            /** @description The file. */
            path: string;
            /** @description Other places it has to do with. */
            related?: components["schemas"]["RelatedView"][];
            /** @description How bad it is. */
            severity: components["schemas"]["DiagnosticSeverity"];
        };
        /** @description Who disabled a trigger. */
        DisabledView: {
            /** @description When. */
            at: components["schemas"]["Time"];
            /** @description Who. */
            by: string;
            /** @description Why. */
            reason?: string;
        };
        /** @description A link that opens the documentation in a browser, once. */
        DocsLink: {
            /** @description Until when it may be opened. */
            expires_at: components["schemas"]["Time"];
            /** @description The path with its code, to be put behind the server's address. */
            path: string;
        };
        /**
         * Documentation of a Mainstay workload, docs.json
         * @description The documentation of one workload, as data: the content of `docs.json`.
         */
        Documentation: {
            /** @description Its alarms, by name. */
            alarms: {
                [key: string]: components["schemas"]["DocumentationAlarm"];
            };
            /** @description Its components, by name. */
            components: {
                [key: string]: components["schemas"]["DocumentationComponent"];
            };
            /** @description Where it runs, by name. */
            environments: {
                [key: string]: components["schemas"]["DocumentationEnvironment"];
            };
            /** @description Always `mainstay-docs`. */
            format: string;
            /** @description What happened; absent when it was written from files alone. */
            history?: components["schemas"]["DocumentationHistory"];
            /** @description What matters, the first matters most. */
            priorities: components["schemas"]["DocumentationPriority"][];
            /** @description Its procedures, by name. */
            procedures: {
                [key: string]: components["schemas"]["DocumentationProcedure"];
            };
            /** @description The series its rules record, by name. */
            recordings: {
                [key: string]: components["schemas"]["DocumentationRecording"];
            };
            /** @description The applied revision this was written of; absent when it was written from files alone. */
            revision?: components["schemas"]["DocumentationChange"];
            /** @description The standards it uses, by name; what is declared in files below `standards/NAME/` comes from them. */
            standards?: {
                [key: string]: components["schemas"]["DocumentationStandard"];
            };
            /** @description Its triggers, by name. */
            triggers: {
                [key: string]: components["schemas"]["DocumentationTrigger"];
            };
            /**
             * Format: uint32
             * @description The version of this shape. Fields may be added within a version; none changes its meaning or disappears.
             */
            version: number;
            /** @description The workload itself. */
            workload: components["schemas"]["DocumentationAbout"];
        };
        /** @description The workload itself. */
        DocumentationAbout: {
            /** @description The digest of what is declared, as annotations cite it; written by `complete`. */
            digest: string;
            /** @description Its name. */
            name: string;
            /** @description What people wrote about it; written by `complete`. */
            notes: components["schemas"]["DocumentationNote"][];
            /** @description Who answers for it. */
            owner?: string;
            /** @description Its tags. */
            tags: {
                [key: string]: string;
            };
            /** @description Its name as people read it; the name where none is declared. */
            title: string;
        };
        /** @description An alarm: every rule of one name. */
        DocumentationAlarm: {
            /** @description The digest of what is declared, as annotations cite it; written by `complete`. */
            digest: string;
            /** @description The procedures it leads to. */
            leads_to: components["schemas"]["DocumentationLeadsTo"][];
            /** @description What people wrote about it; written by `complete`. */
            notes: components["schemas"]["DocumentationNote"][];
            /** @description Its rules; several are levels of one alarm. */
            rules: components["schemas"]["DocumentationAlarmRule"][];
            /** @description A runbook elsewhere: a web address or a file of the workload. */
            runbook?: string;
            /** @description What it is about, from its annotations. */
            summary?: string;
            /** @description What it does, in words; written by `complete`. */
            words: string;
        };
        /** @description One rule of an alarm. */
        DocumentationAlarmRule: {
            /** @description Its annotations as written. */
            annotations: {
                [key: string]: string;
            };
            /** @description The PromQL expression. */
            expr: string;
            /** @description The file it is in. */
            file: string;
            /** @description How long it has to hold before the alarm fires (`2s`). */
            for: string;
            /** @description Its group. */
            group: string;
            /** @description How long the alarm keeps firing after it no longer holds (`0s`). */
            keep_firing_for: string;
            /** @description Its labels as written. */
            labels: {
                [key: string]: string;
            };
        };
        /** @description A revision that was applied. */
        DocumentationChange: {
            /** @description When, RFC 3339 in UTC. */
            applied_at: string;
            /** @description Who did it. */
            applied_by: string;
            /** @description Why. */
            message?: string;
            /** @description The revision. */
            revision: string;
        };
        /** @description One way on from a branch. */
        DocumentationChoice: {
            /** @description The step it leads to. */
            next: string;
            /** @description When it is taken, in words; absent for what is taken when nothing else is. */
            when?: string;
        };
        /** @description A part of the workload. */
        DocumentationComponent: {
            /** @description The environment variables it is given, by name. */
            configuration: {
                [key: string]: components["schemas"]["DocumentationSetting"];
            };
            /** @description The components that depend on it directly; written by `complete`. */
            dependents: string[];
            /** @description The components that must be up before it. */
            depends_on: string[];
            /** @description What it does. */
            description?: string;
            /** @description The digest of what is declared, as annotations cite it; written by `complete`. */
            digest: string;
            /** @description Where it answers, as seen from its own host. */
            endpoint?: string;
            /** @description What it is in the environments that give it other values, by environment. */
            environments: {
                [key: string]: components["schemas"]["DocumentationVariant"];
            };
            /** @description The selector of the hosts it runs on; empty means every host. */
            hosts: string;
            /** @description Where its metrics are read, as seen from its own host. */
            metrics?: string;
            /** @description What people wrote about it; written by `complete`. */
            notes: components["schemas"]["DocumentationNote"][];
            /** @description The goals that need it; written by `complete`. */
            priorities: string[];
            /** @description The process that is kept running, if it is one of ours. */
            service?: components["schemas"]["DocumentationService"];
        };
        /** @description A place where the workload runs. */
        DocumentationEnvironment: {
            /** @description The selector of its hosts. */
            hosts: string;
        };
        /** @description What happened to the workload, the newest first. */
        DocumentationHistory: {
            /** @description Revisions that were applied. */
            changes: components["schemas"]["DocumentationChange"][];
            /** @description Its incidents. */
            incidents: components["schemas"]["DocumentationIncident"][];
            /** @description Runs of its procedures. */
            runs: components["schemas"]["DocumentationRun"][];
        };
        /** @description A disturbance. */
        DocumentationIncident: {
            /** @description Its alarms. */
            alarms: string[];
            /** @description Its id. */
            id: string;
            /** @description What the journal suggests to learn from it, each in a sentence. People decide what is learned. */
            lessons: string[];
            /** @description When it was opened, RFC 3339 in UTC. */
            opened_at: string;
            /** @description When it was resolved. */
            resolved_at?: string;
            /** @description `open` or `resolved`. */
            status: string;
            /** @description What it was about. */
            title: string;
        };
        /** @description The way from an alarm to a procedure. */
        DocumentationLeadsTo: {
            /** @description Whether the trigger starts it each time. It does not where the pattern asks for what only the event knows. */
            always: boolean;
            /** @description The procedure. */
            procedure: string;
            /** @description The trigger that starts it; absent where only an annotation names the procedure and a person starts it. */
            trigger?: string;
        };
        /** @description What people wrote about a part of the workload. */
        DocumentationNote: {
            /** @description What it is about (`component/checkout`). */
            about: string;
            /** @description Which parts have changed since it was accepted, as far as that is known; written by `complete`. */
            changed: string[];
            /** @description The digest it was accepted for. */
            describes?: string;
            /** @description The file. */
            file: string;
            /** @description The digests of the parts it was accepted for. */
            parts?: {
                [key: string]: string;
            };
            /** @description Whether it fits what is declared now; written by `complete`. */
            state: components["schemas"]["DocumentationNoteState"];
            /** @description The text, in Markdown. */
            text: string;
        };
        /** @description Whether an annotation fits what it describes. */
        DocumentationNoteState: "current" | "earlier" | "unknown";
        /** @description A parameter of a procedure. */
        DocumentationParameter: {
            /** @description The pattern its text must match. */
            allowed_pattern?: string;
            /** @description The only values it may have, if there are any. */
            allowed_values: unknown[];
            /** @description Its value where none is given. */
            default?: unknown;
            /** @description What it is for. */
            description?: string;
            /** @description Whether a caller must give it. */
            required: boolean;
            /** @description Its type as written. */
            type: string;
        };
        /** @description One thing that matters. */
        DocumentationPriority: {
            /** @description The components it depends on; empty means all of them. */
            components: string[];
            /** @description What matters, in a sentence. */
            goal: string;
            /** @description The PromQL expression that measures it. */
            measure: string;
            /** @description What the measure should be (`>= 0.995`). */
            target: string;
        };
        /** @description A procedure. */
        DocumentationProcedure: {
            /** @description The alarms that lead to it; written by `complete`. */
            alarms: string[];
            /** @description What it is for, in Markdown. */
            description?: string;
            /** @description The digest of what is declared, as annotations cite it; written by `complete`. */
            digest: string;
            /** @description The file it is in. */
            file: string;
            /** @description What people wrote about it; written by `complete`. */
            notes: components["schemas"]["DocumentationNote"][];
            /** @description Its outputs (`judge.Findings`). */
            outputs: string[];
            /** @description Its parameters, by name. */
            parameters: {
                [key: string]: components["schemas"]["DocumentationParameter"];
            };
            /** @description The triggers that start it; written by `complete`. */
            started_by: string[];
            /** @description Its steps, in the order they are written. */
            steps: components["schemas"]["DocumentationStep"][];
        };
        /** @description A series that a rule records. */
        DocumentationRecording: {
            /** @description The PromQL expression. */
            expr: string;
            /** @description The file of its rule. */
            file: string;
        };
        /** @description A run of a procedure. */
        DocumentationRun: {
            /** @description When it ended. */
            ended_at?: string;
            /** @description Its id. */
            id: string;
            /** @description The procedure. */
            procedure: string;
            /** @description When it began, RFC 3339 in UTC. */
            started_at: string;
            /** @description Who or what started it. */
            started_by: string;
            /** @description How it stands or ended. */
            status: string;
        };
        /** @description When a trigger fires by the clock. */
        DocumentationSchedule: {
            /** @description The expression as written, such as `cron(0 9 * * ? *)`. */
            expression: string;
            /** @description The time zone that it is in. */
            zone: string;
        };
        /** @description A process that is kept running. */
        DocumentationService: {
            /** @description The working directory, relative to the workload's, if not that itself. */
            directory?: string;
            /** @description How it is seen to work, in words. */
            health?: string;
            /**
             * Format: uint64
             * @description The most resident memory of its process group, in bytes.
             */
            memory_limit_bytes?: number;
            /**
             * Format: uint16
             * @description The TCP port it listens on.
             */
            port?: number;
            /** @description When it is started again: `always`, `on-failure` or `never`. */
            restart: string;
            /** @description The command line as declared. */
            run: string;
            /** @description How it is stopped, in words. */
            stop: string;
        };
        /** @description One value a component is configured with. */
        DocumentationSetting: {
            /** @description Where the secret lies, if it is a reference to one. */
            secret?: string;
            /** @description The value; absent where it must not be shown. */
            value?: string;
        };
        /** @description A directory that several workloads share. */
        DocumentationStandard: {
            /** @description What it is for. */
            description?: string;
            /** @description What of it the workload declares itself (`alarm/Down`), and why. */
            overridden: {
                [key: string]: string;
            };
            /** @description The values of its parameters here. */
            parameters: {
                [key: string]: string;
            };
            /** @description Where it is: a path relative to the workload's directory, or a git repository with its commit. */
            source: string;
        };
        /** @description A step of a procedure. */
        DocumentationStep: {
            /** @description Its action (`aws:runCommand`). */
            action: string;
            /** @description The ways on from a branch, with the condition of each in words. */
            choices: components["schemas"]["DocumentationChoice"][];
            /** @description What it is for, as its author says. */
            description?: string;
            /** @description Its inputs as written. */
            inputs: unknown;
            /** @description Whether the run ends with it. */
            is_end: boolean;
            /**
             * Format: uint32
             * @description How often it is tried.
             */
            max_attempts: number;
            /** @description Its name. */
            name: string;
            /** @description The step after it, if the document names one. */
            next?: string;
            /** @description Where a failure leads: `abort`, `continue` or the name of a step. */
            on_failure: string;
            /** @description What follows it, in words; written by `complete`. */
            then: string;
            /** @description How long one try may take, as written: seconds or a parameter. */
            timeout?: string;
            /** @description What it does, in words; written by `complete`. */
            words: string;
        };
        /** @description A procedure that a trigger starts. */
        DocumentationTarget: {
            /** @description The parameters it is given, by name; a value that is only known from the event is absent. */
            parameters: {
                [key: string]: unknown;
            };
            /** @description The procedure. */
            procedure: string;
        };
        /** @description A trigger. */
        DocumentationTrigger: {
            /** @description What it is for. */
            description?: string;
            /** @description The digest of what is declared, as annotations cite it; written by `complete`. */
            digest: string;
            /** @description Whether it is on. */
            enabled: boolean;
            /** @description The file it is in. */
            file: string;
            /** @description What people wrote about it; written by `complete`. */
            notes: components["schemas"]["DocumentationNote"][];
            /** @description The event pattern as written; `null` where there is none. */
            pattern: unknown;
            /** @description When it fires by the clock. */
            schedule?: components["schemas"]["DocumentationSchedule"];
            /** @description The webhooks it sends events to. */
            sends_to?: string[];
            /** @description What it starts. */
            starts: components["schemas"]["DocumentationTarget"][];
            /** @description What it does, in words; written by `complete`. */
            words: string;
        };
        /** @description A component in one environment, with every value it has there. */
        DocumentationVariant: {
            /** @description The environment variables it is given, by name. */
            configuration: {
                [key: string]: components["schemas"]["DocumentationSetting"];
            };
            /** @description Where it answers, as seen from its own host. */
            endpoint?: string;
            /** @description Where its metrics are read, as seen from its own host. */
            metrics?: string;
            /** @description The process that is kept running, if it is one of ours. */
            service?: components["schemas"]["DocumentationService"];
        };
        /** @description The answer to entries of EventBridge, in its words. */
        EntriesAnswer: {
            /** @description What became of each. */
            Entries: components["schemas"]["EntryAnswer"][];
            /** @description How many were refused. */
            FailedEntryCount: number;
        };
        /** @description What became of an entry. */
        EntryAnswer: {
            /** @description Why it was not. */
            ErrorCode?: string;
            /** @description The same in words. */
            ErrorMessage?: string;
            /** @description The event's id, if it was taken. */
            EventId?: string;
        };
        /** @description The body of every answer that is not a success. */
        ErrorBody: {
            /** @description What lies behind it, outermost cause first. */
            causes?: string[];
            /** @description Problems in files, for `ErrorKind::Invalid`. */
            diagnostics?: components["schemas"]["DiagnosticView"][];
            /** @description What to do about it. */
            hint?: string;
            /** @description The kind. */
            kind: components["schemas"]["ErrorKind"];
            /**
             * Format: int64
             * @description When to try again, in milliseconds from now, where that is known.
             */
            retry_after_ms?: number;
            /**
             * Format: int32
             * @description The HTTP status code.
             */
            status: number;
            /** @description One sentence that says what is wrong. */
            title: string;
            /** @description The kind, as a relative URI reference (`/problems/not-found`). */
            type: string;
        };
        /**
         * @description What kind of failure it is; decides the HTTP status, and the exit code of the command line.
         * @enum {string}
         */
        ErrorKind: "bad-request" | "unauthenticated" | "forbidden" | "not-found" | "wrong-method" | "changed" | "conflict" | "invalid" | "not-built" | "too-large" | "unsupported" | "too-slow" | "busy" | "unavailable" | "internal";
        /** @description One journal event. */
        EventView: {
            /**
             * @description Who did it.
             * @example person:operator
             */
            actor: string;
            /** @description The event that led to it. */
            cause?: string;
            /** @description What is known about it. */
            data: unknown;
            /** @description Its own hash. */
            hash: string;
            /** @description Unique together with `source`. */
            id: string;
            /** @description The hash of the event before it. */
            prev_hash: string;
            /** @description Whether a person did what only few may: an auditor looks at it first. */
            privileged?: boolean;
            /** @description When it came in, for an event from outside. */
            received?: components["schemas"]["Time"];
            /**
             * Format: int64
             * @description Its place in the journal.
             */
            seq: number;
            /** @description What said it. */
            source: string;
            /** @description Always `1.0`. */
            specversion: string;
            /** @description What it happened to. */
            subject?: string;
            /** @description Tags of the subject. */
            tags?: {
                [key: string]: string;
            };
            /** @description What happened, in one sentence for people; lists and the stream have it. It may be worded anew at any time. */
            text?: string;
            /** @description When. */
            time: components["schemas"]["Time"];
            /** @description The W3C trace id. */
            trace?: string;
            /** @description What happened (`alarm.firing`). */
            type: string;
            /** @description The workload it belongs to. */
            workload?: string;
        };
        /** @description A page of a list. */
        EventViewPage: {
            /** @description The entries. */
            items: components["schemas"]["EventView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description What somebody has seen and decided upon. If it no longer holds, nothing is applied. */
        Expect: {
            /** @description The revision that is wanted; null for a workload that is not there yet. */
            base?: string;
            /** @description The digest of the files, as the plan said it. */
            digest?: string;
            /** @description The plan that was read, in its own format: the steps have to be the same still. */
            plan?: unknown;
        };
        /** @description One file of a workload directory. Text only: what Mainstay reads is text. */
        FileBody: {
            /** @description Its content. */
            content: string;
            /** @description Relative to the workload's directory, with `/`. */
            path: string;
        };
        /** @description Where the files came from, as the version control there says. The caller's word. */
        GitView: {
            /** @description The full commit. */
            commit: string;
            /** @description Whether files of the directory differ from that commit. */
            dirty: boolean;
        };
        /** @description A role that was granted. */
        GrantView: {
            /** @description Its id, to revoke it by. Grants of a token and of the operator have none. */
            id?: string;
            /** @description On what. */
            on: string;
            /** @description Which. */
            role: components["schemas"]["RoleWord"];
        };
        /** @description One host. */
        HostView: {
            /** @description Whether its agent is connected now. */
            connected: boolean;
            /** @description Its id. */
            id: string;
            /** @description When the agent was last heard of. */
            last_seen: components["schemas"]["Time"];
            /** @description The services it supervises. */
            services: components["schemas"]["ServiceView"][];
            /** @description Its tags. */
            tags: {
                [key: string]: string;
            };
            /** @description The agent's version. */
            version: string;
        };
        /** @description A page of a list. */
        HostViewPage: {
            /** @description The entries. */
            items: components["schemas"]["HostView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        IncidentAlarmState: "pending" | "firing" | "resolved" | "inactive" | "no data" | "error";
        /** @description An incident with its story. */
        IncidentDetail: components["schemas"]["IncidentSummary"] & {
            /** @description The post-incident analysis draft, as Markdown, once there is one. */
            draft?: string;
            /** @description The file the draft was written to, on the server's machine. */
            draft_path?: string;
            /** @description Updates that people wrote, in order. */
            notes: components["schemas"]["NoteView"][];
            /** @description What happened, in order. */
            timeline: components["schemas"]["TimelineEntry"][];
            /** @description How long things took. */
            times: components["schemas"]["TimesView"];
        };
        /** @enum {string} */
        IncidentStatus: "open" | "resolved";
        /** @description One line of the list of incidents. */
        IncidentSummary: {
            /** @description Who has it in hand. */
            acknowledged?: components["schemas"]["AcknowledgedView"];
            /** @description Its alarms with their states. */
            alarms: {
                [key: string]: components["schemas"]["IncidentAlarmState"];
            };
            /** @description Its id. */
            id: string;
            /** @description When it was opened. */
            opened_at: components["schemas"]["Time"];
            /** @description When it was resolved. */
            resolved_at?: components["schemas"]["Time"];
            /** @description Who ended it, where it did not end by itself. */
            resolved_by?: components["schemas"]["ResolvedView"];
            /** @description The runs that belong to it. */
            runs: string[];
            /** @description Whether it goes on. */
            status: components["schemas"]["IncidentStatus"];
            /** @description What it is about. */
            title: string;
            /** @description What still keeps it open. */
            waiting_for?: string[];
            /** @description The workload. */
            workload: string;
        };
        /** @description A page of a list. */
        IncidentSummaryPage: {
            /** @description The entries. */
            items: components["schemas"]["IncidentSummary"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description `GET /api/v1/query` */
        InstantQuery: {
            /** @description The query. */
            query?: string;
            /** @description At which time, as Unix seconds or RFC 3339; now if not said. */
            time?: string;
        };
        /** @enum {string} */
        KnownBy: "machine" | "session" | "token";
        /** @description A condition on a label of alarms, as Alertmanager has them. `alertname` is the alarm, `workload` its workload. */
        LabelMatcher: {
            /** @description Whether it has to match; otherwise it must not. */
            is_equal: boolean;
            /** @description Whether the value is a regular expression. */
            is_regex: boolean;
            /** @description The label's name. */
            name: string;
            /** @description Its value, or a pattern of the whole value. */
            value: string;
        };
        /** @description For whom a link is. */
        LinkFor: {
            /** @description The user; the machine's operator if not said. */
            user?: string;
        };
        /** @enum {string} */
        LogSeverity: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL" | "";
        /** @description One log record. */
        LogView: {
            /** @description Its attributes. */
            attributes: {
                [key: string]: unknown;
            };
            /** @description What it said. */
            body: string;
            /**
             * Format: int64
             * @description Its place in the log store; pass it as `after` to go on.
             */
            seq: number;
            /** @description The service that said it. */
            service: string;
            /** @description How severe it is; empty when unknown. */
            severity: components["schemas"]["LogSeverity"];
            /** @description The span it belongs to, 16 hex digits. */
            span_id?: string;
            /** @description When. */
            time: components["schemas"]["Time"];
            /** @description The trace it belongs to, 32 hex digits. */
            trace_id?: string;
        };
        /** @description A page of a list. */
        LogViewPage: {
            /** @description The entries. */
            items: components["schemas"]["LogView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description A token with its secret, which is shown this once. */
        MadeToken: components["schemas"]["TokenView"] & {
            /** @description The secret. */
            token: string;
        };
        /** @description A series over time: its numbers, and its native histograms. */
        MatrixSeries: {
            /** @description Times and histograms. */
            histograms?: [
                number,
                unknown
            ][];
            /** @description Its labels. */
            metric: {
                [key: string]: string;
            };
            /** @description Times and values. */
            values?: [
                number,
                string
            ][];
        };
        /** @description Who is asking, as the server knows it. */
        Me: {
            /** @description As whom it is recorded what is done (`person:maria`). */
            actor: string;
            /** @description What one may do to everything there is: signals, and what belongs to no workload, need it on `*`. */
            everywhere: components["schemas"]["PermissionWord"][];
            /** @description Until when, if nothing else ends it. */
            expires_at?: components["schemas"]["Time"];
            /** @description What was granted. A token has the part of it that its user has, too. */
            grants: components["schemas"]["GrantView"][];
            /** @description Whether there is a password to change. */
            has_password: boolean;
            /** @description The session's or token's id. */
            id?: string;
            /** @description What one may do to some resource or other; to the workload, where one was asked about. */
            permissions: components["schemas"]["PermissionWord"][];
            /** @description The issuer of the provider that signs one in, or may. Without a password one does not choose one then. */
            signs_in_with?: string;
            /** @description The user's name. */
            user: string;
            /** @description How one is known: `machine` is by the data directory's token. */
            via: components["schemas"]["KnownBy"];
        };
        /** @enum {string} */
        MeasureState: "on target" | "off target" | "no data" | "error" | "not evaluated";
        /** @description One priority's measure. */
        MeasureView: {
            /** @description The goal. */
            goal: string;
            /** @description The PromQL that measures it. */
            measure: string;
            /** @description Since when it is in this state. */
            since?: components["schemas"]["Time"];
            /** @description How it stands. */
            state: components["schemas"]["MeasureState"];
            /** @description The target it is held against. */
            target: string;
            /**
             * Format: double
             * @description The last value.
             */
            value?: number;
        };
        /** @description What a metric is. */
        MetricMetadata: {
            /** @description What it means, or empty. */
            help: string;
            /** @description `counter`, `gauge`, `histogram`, `summary`, `info` or `unknown`. */
            type: string;
            /** @description Its unit, or empty. */
            unit: string;
        };
        /**
         * @description An event from outside: the CloudEvents attributes a sender sets, in structured JSON. Extension attributes may stand
         *     beside them and are kept.
         */
        NewEvent: {
            /** @description What is known about it. */
            data?: unknown;
            /** @description `application/json` or absent. */
            datacontenttype?: string;
            /** @description Unique together with `source`; sending it again changes nothing. */
            id: string;
            /** @description The sender. `mainstay` and what begins with `mainstay.` or `aws.` is reserved. */
            source: string;
            /** @description Must be `1.0`. */
            specversion: string;
            /** @description What it happened to. */
            subject?: string;
            /** @description When; the time of arrival if absent. */
            time?: components["schemas"]["Time"];
            /** @description What happened. */
            type: string;
            /** @description The workload it belongs to. */
            workload?: string;
        };
        /** @description A role on what a selector picks. */
        NewGrant: {
            /** @description On what: a selector over tags, such as `env=prod` or `workload=shop`; `*` is everything. */
            on: string;
            /** @description Which. */
            role: components["schemas"]["RoleWord"];
        };
        /** @description An update on an incident. */
        NewNote: {
            /** @description Makes the request safe to repeat: the same token writes one note only. */
            client_token?: string;
            /** @description What there is to say; up to 10,000 bytes of Markdown. */
            text: string;
        };
        /** @description A replay to ask for. */
        NewReplay: {
            /** @description Only count. */
            dry_run?: boolean;
            /** @description From when on events came in. */
            from: components["schemas"]["Time"];
            /** @description Until when. */
            to: components["schemas"]["Time"];
            /** @description The trigger's workload, where several have one of that name. */
            workload?: string;
        };
        /** @description A request to make a directory's content the wanted state of its workload. */
        NewRevision: {
            /**
             * @description The directory they came from, as an absolute path on the host that runs the services: relative paths in `run`
             *     start there.
             */
            directory: string;
            /** @description What has to hold still; without it, whatever is wanted now is what the change starts from. */
            expect?: components["schemas"]["Expect"];
            /** @description All its files. */
            files: components["schemas"]["FileBody"][];
            /** @description Where the files came from. */
            git?: components["schemas"]["GitView"];
            /** @description When something fails, leave what is done instead of rolling it back; the revision is the wanted one all the same. */
            keep?: boolean;
            /** @description Why, in the words of who applies it. */
            message?: string;
            /** @description The earlier revision whose files these are, for a rollback. */
            restores?: string;
        };
        /**
         * @description Alarms to silence: they are shown as such, and neither open incidents nor join them. Procedures that triggers start for
         *     them run all the same.
         */
        NewSilence: {
            /** @description Makes the request safe to repeat: the same token makes one silence only. */
            client_token?: string;
            /** @description Until when: 31 days at most. */
            ends_at: components["schemas"]["Time"];
            /** @description Which of them: all conditions have to hold. */
            matchers: components["schemas"]["LabelMatcher"][];
            /** @description Why. */
            reason: string;
            /** @description From when on; now if not said. */
            starts_at?: components["schemas"]["Time"];
            /** @description The workload whose alarms they are; those of all if not said. */
            workload?: string;
        };
        /** @description A token to make. */
        NewToken: {
            /** @description What it allows: never more than its user may. */
            grants: components["schemas"]["NewGrant"][];
            /**
             * Format: int64
             * @description How long it holds, in milliseconds: up to 366 days, 90 if not said. One that is made in a session that began at a
             *     provider ends with that session.
             */
            lasts_ms?: number;
            /** @description What it is for. */
            name: string;
        };
        /** @description A user to add. */
        NewUser: {
            /** @description What they may do from the beginning. */
            grants?: components["schemas"]["NewGrant"][];
            /**
             * Format: password
             * @description The password; without one, they come in by a link.
             */
            password?: string;
            /** @description The name of the provider that signs them in: whoever has this name there is this user. Instead of a password. */
            provider?: string;
            /** @description The name that people read. */
            title?: string;
            /** @description The name: lower case letters, digits, `.`, `_`, `-` and `@`. */
            user: string;
        };
        /** @description An update on an incident that was written. */
        NoteView: {
            /** @description When. */
            at: components["schemas"]["Time"];
            /** @description Who wrote it. */
            by: string;
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description The journal event that it is.
             */
            seq: number;
            /** @description What it says, in Markdown. */
            text: string;
        };
        /** @description What a running command wrote last. */
        OutputView: {
            /** @description The host it runs on. */
            host: string;
            /** @description The last lines of both of its streams, oldest first. */
            lines: string[];
            /** @description The step it belongs to. */
            step: string;
        };
        /** @enum {string} */
        PermissionWord: "read" | "respond" | "run" | "operate" | "apply" | "append" | "approve" | "administer";
        /** @description What a plan would do. */
        PlanView: {
            /** @description The revision that is wanted now and that the plan starts from. */
            base?: string;
            /** @description False when the files are those of the wanted revision. */
            changed: boolean;
            /** @description The digest of the files it leads to. */
            digest: string;
            /** @description Where what runs differs from the wanted revision, in the plan crate's own shape. It is not part of the plan. */
            drift: unknown;
            /** @description Why it would wait for an approval, as sentences. */
            holds?: string[];
            /**
             * @description Whether hosts were left out: who may not apply the workload is told of those hosts that they may see, and of those on
             *     which it runs.
             */
            partial?: boolean;
            /** @description The plan, in its own format. */
            plan: unknown;
            /** @description The revision it would lead to. */
            revision: string;
            /** @description The change that is being carried out on this workload now: a second one has to wait for its end. */
            running?: string;
            /** @description Components for which there is no host now, with the reason. */
            unplaced?: string[];
            /** @description Warnings. */
            warnings?: components["schemas"]["DiagnosticView"][];
            /** @description The workload. */
            workload: string;
        };
        /** @description The answer to a query. */
        PrometheusAnswer: {
            /** @description The result with its type. */
            data: components["schemas"]["QueryData"];
            /** @description What is worth knowing about it. */
            infos?: string[];
            /** @description Always `success`. */
            status: string;
            /** @description What may be wrong with it. */
            warnings?: string[];
        };
        /** @description Why a query is refused, as Prometheus words it. */
        PrometheusFailure: {
            /** @description Why. */
            error: string;
            /** @description `bad_data`, `execution`, `timeout` or `internal`. */
            errorType: string;
            /** @description Always `error`. */
            status: string;
        };
        /** @description What metrics are. */
        PrometheusMetadata: {
            /** @description By name; a list, because elsewhere sources may differ. */
            data: {
                [key: string]: components["schemas"]["MetricMetadata"][];
            };
            /** @description Always `success`. */
            status: string;
        };
        /** @description Names or values, sorted. */
        PrometheusNames: {
            /** @description The names. */
            data: string[];
            /** @description Always `success`. */
            status: string;
            /** @description What may be wrong with it. */
            warnings?: string[];
        };
        /** @description Series, sorted. */
        PrometheusSeries: {
            /** @description The labels of each. */
            data: {
                [key: string]: string;
            }[];
            /** @description Always `success`. */
            status: string;
            /** @description What may be wrong with it. */
            warnings?: string[];
        };
        /** @description A provider of sign-in (OpenID Connect). */
        ProviderView: {
            /** @description Its name. */
            name: string;
            /** @description Where a browser is sent to sign in with it; `?back=/PATH` says to which page of the console it comes back. */
            path: string;
            /** @description What people read. */
            title: string;
        };
        /** @description A result. Times are Unix seconds, values are text: JSON has no infinities and no NaN. */
        QueryData: {
            /** @description One sample of each series. */
            result: components["schemas"]["VectorSeries"][];
            /** @enum {string} */
            resultType: "vector";
        } | {
            /** @description Samples over time. */
            result: components["schemas"]["MatrixSeries"][];
            /** @enum {string} */
            resultType: "matrix";
        } | {
            /** @description A number. */
            result: [
                number,
                string
            ];
            /** @enum {string} */
            resultType: "scalar";
        } | {
            /** @description A text. */
            result: [
                number,
                string
            ];
            /** @enum {string} */
            resultType: "string";
        };
        /** @description `GET /api/v1/query_range` */
        RangeQuery: {
            /** @description Until when. */
            end?: string;
            /** @description The query. */
            query?: string;
            /** @description From when on, as Unix seconds or RFC 3339. */
            start?: string;
            /** @description In which steps: seconds, or a duration such as `15s`. */
            step?: string;
        };
        /** @description Why something is done to a user; part of the record. */
        Reason: {
            /** @description Why. */
            reason?: string;
        };
        /** @description Another place a problem has to do with. */
        RelatedView: {
            /** @description In characters, from 1. */
            column: number;
            /** @description From 1. */
            line: number;
            /** @description What it has to do with it. */
            message: string;
            /** @description The file. */
            path: string;
        };
        /** @description What a replay comes to. */
        ReplayView: {
            /** @description Events left out, because the trigger would cause itself. */
            circles: number;
            /** @description Events that match. */
            matched: number;
            /** @description Its name, which events carry as `replay-name`; absent for one that only counted. */
            replay?: string;
        };
        /** @description Ends an incident that does not end by itself. */
        ResolveIncident: {
            /** @description Although an alarm of it still fires or is pending. */
            force?: boolean;
            /** @description Why it is over; part of the record. */
            reason: string;
        };
        /** @description Who ended an incident. */
        ResolvedView: {
            /** @description Who: a person, or a run. */
            by: string;
            /** @description Why. */
            reason?: string;
            /** @description What still kept it open then. */
            waited_for?: string[];
        };
        /** @description A request to go on with a run that is over. */
        ResumeRun: {
            /** @description Makes the request safe to repeat: the same token starts one run only. */
            client_token?: string;
            /** @description The step to begin with. */
            from: string;
        };
        /** @description A revision with its files. */
        RevisionDetail: {
            /** @description When it was applied, or proposed if it never was. */
            at: components["schemas"]["Time"];
            /** @description By whom. */
            by: string;
            /** @description Whether it is the wanted one now. */
            current: boolean;
            /** @description The digest of its directory and files. */
            digest: string;
            /** @description The directory on the hosts. */
            directory: string;
            /** @description Its files: path to content. */
            files: {
                [key: string]: string;
            };
            /** @description Why. */
            message?: string;
            /** @description The revision it follows. */
            parent?: string;
            /** @description Its id. */
            revision: string;
            /** @description The workload. */
            workload: string;
        };
        /** @enum {string} */
        RoleWord: "viewer" | "responder" | "operator" | "approver" | "admin";
        /** @description A run with its steps. */
        RunDetail: components["schemas"]["RunSummary"] & {
            /** @description The event that led to it. */
            cause?: string;
            /** @description The run it goes on with, where it does. */
            continues?: string;
            /** @description The digest of the document it is pinned to. */
            digest: string;
            /** @description Its outputs, once it has ended. */
            outputs: {
                [key: string]: unknown;
            };
            /** @description The parameters it started with. */
            parameters: {
                [key: string]: unknown;
            };
            /** @description The run that started it, where one did. */
            parent?: string;
            /** @description Every step that was reached, in order; then those that were not. */
            steps: components["schemas"]["StepView"][];
            /** @description Its variables as they are now. */
            variables?: {
                [key: string]: unknown;
            };
            /** @description What it waits for a person to say. */
            waiting?: components["schemas"]["WaitView"];
        };
        /** @enum {string} */
        RunStatusWord: "Pending" | "InProgress" | "Waiting" | "Cancelling" | "Success" | "TimedOut" | "Cancelled" | "Failed";
        /** @description One line of the list of runs. */
        RunSummary: {
            /** @description The step it is at, or ended at. */
            current_step?: string;
            /** @description When it ended. */
            ended_at?: components["schemas"]["Time"];
            /** @description Whether it will change no more. */
            finished: boolean;
            /** @description Its id. */
            id: string;
            /** @description What it waits for, or why it failed. */
            message?: string;
            /** @description The procedure's name. */
            procedure: string;
            /** @description When it started. */
            started_at: components["schemas"]["Time"];
            /** @description Who or what started it. */
            started_by: string;
            /** @description How it stands. */
            status: components["schemas"]["RunStatusWord"];
            /** @description The workload. */
            workload?: string;
        };
        /** @description A page of a list. */
        RunSummaryPage: {
            /** @description The entries. */
            items: components["schemas"]["RunSummary"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        ServiceStateWord: "stopped" | "waiting" | "starting" | "ready" | "unhealthy" | "stopping" | "restarting" | "failed" | "ended" | "unknown";
        /** @description One service on one host. */
        ServiceView: {
            /** @description The host. */
            host: string;
            /** @description The file on the host that receives its output. */
            log?: string;
            /** @description The component's name. */
            name: string;
            /**
             * Format: int32
             * @description Its process id, while it runs.
             */
            pid?: number;
            /** @description Why it is in this state. */
            reason?: string;
            /**
             * Format: int64
             * @description How often it was restarted since it was declared.
             */
            restarts: number;
            /** @description Since when it is in this state. */
            since?: components["schemas"]["Time"];
            /** @description How it stands; `unknown` while its host is away or has not said. */
            state: components["schemas"]["ServiceStateWord"];
            /** @description The workload it belongs to. */
            workload: string;
        };
        /** @description A session of a browser. */
        SessionView: {
            /** @description Whether it is the one that asks. */
            current: boolean;
            /** @description When it ends at the latest. */
            expires_at: components["schemas"]["Time"];
            /** @description Its id. */
            id: string;
            /** @description How they signed in. */
            method: components["schemas"]["SignInMethod"];
            /** @description When. */
            started_at: components["schemas"]["Time"];
            /** @description When it was used last, within the hour. */
            used_at: components["schemas"]["Time"];
            /** @description Whose it is. */
            user: string;
        };
        /** @description A page of a list. */
        SessionViewPage: {
            /** @description The entries. */
            items: components["schemas"]["SessionView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description A name and a password. */
        SignIn: {
            /**
             * Format: password
             * @description The password.
             */
            password: string;
            /** @description The user's name. */
            user: string;
        };
        /** @description A link that signs a browser in, once. */
        SignInLink: {
            /** @description Until when it may be opened. */
            expires_at: components["schemas"]["Time"];
            /** @description The path with its code, to be put behind the server's address. */
            path: string;
            /** @description The whole of it. */
            url: string;
        };
        /** @enum {string} */
        SignInMethod: "link" | "password" | "oidc";
        /** @description How people may sign in at this server. */
        SignInWays: {
            /** @description With a name and a password. */
            password: boolean;
            /** @description With an account elsewhere. */
            providers: components["schemas"]["ProviderView"][];
        };
        /** @enum {string} */
        SilenceState: "pending" | "active" | "expired";
        /** @description A silence. */
        SilenceView: {
            /** @description Who made it. */
            by: string;
            /** @description Until when. */
            ends_at: components["schemas"]["Time"];
            /** @description Its id. */
            id: string;
            /** @description Which of them. */
            matchers: components["schemas"]["LabelMatcher"][];
            /** @description Why. */
            reason: string;
            /** @description From when on. */
            starts_at: components["schemas"]["Time"];
            /** @description Whether it holds. */
            state: components["schemas"]["SilenceState"];
            /** @description The workload whose alarms they are; those of all if there is none. */
            workload?: string;
        };
        /** @description A page of a list. */
        SilenceViewPage: {
            /** @description The entries. */
            items: components["schemas"]["SilenceView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        SpanKindWord: "internal" | "server" | "client" | "producer" | "consumer" | "unspecified";
        /** @enum {string} */
        SpanStatusWord: "unset" | "ok" | "error";
        /** @description One span of a trace. */
        SpanView: {
            /** @description Its attributes. */
            attributes: {
                [key: string]: unknown;
            };
            /** @description How deep it lies in the tree, from 0. */
            depth: number;
            /**
             * Format: double
             * @description Its length, in milliseconds.
             */
            duration_ms: number;
            /** @description What it is to its service. */
            kind: components["schemas"]["SpanKindWord"];
            /** @description Its name. */
            name: string;
            /**
             * Format: double
             * @description Milliseconds from the trace's start to this span's.
             */
            offset_ms: number;
            /** @description The span it is part of. */
            parent_span_id?: string;
            /** @description The service. */
            service: string;
            /** @description 16 hex digits. */
            span_id: string;
            /** @description How it ended. */
            status: components["schemas"]["SpanStatusWord"];
            /** @description What the status says. */
            status_message?: string;
        };
        /** @description A page of a list. */
        SpanViewPage: {
            /** @description The entries. */
            items: components["schemas"]["SpanView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description A request to start a procedure. */
        StartRun: {
            /** @description Makes the request safe to repeat: the same token starts one run only. */
            client_token?: string;
            /** @description Values for the document's parameters. */
            parameters?: {
                [key: string]: unknown;
            };
            /** @description The procedure's name: its file's name without folder and extension. */
            procedure: string;
            /** @description The workload whose procedure it is; may be left out when there is only one workload. */
            workload?: string;
        };
        /** @description What the server says of itself. */
        Status: {
            /** @description Changes that are held or being carried out. */
            changes?: components["schemas"]["ChangeSummary"][];
            /** @description Parts of the control plane that are not working, each with the reason. */
            degraded?: string[];
            /** @description The hosts; of more than 200 those with trouble first and no more than so many. `GET /v1/hosts` lists all. */
            hosts: components["schemas"]["HostView"][];
            /** @description How many of them are connected. */
            hosts_connected: number;
            /** @description How many hosts have ever joined. */
            hosts_known: number;
            /** @description The hash of that event. */
            journal_hash: string;
            /**
             * Format: int64
             * @description The newest journal event.
             */
            journal_seq: number;
            /**
             * Format: int32
             * @description Its process id.
             */
            pid: number;
            /** @description When it started. */
            started_at: components["schemas"]["Time"];
            /** @description The version of the server. */
            version: string;
            /** @description Workloads that have been applied. */
            workloads: components["schemas"]["WorkloadStatus"][];
        };
        /** @enum {string} */
        StepStatusWord: "Pending" | "InProgress" | "Waiting" | "Cancelling" | "Success" | "Exited" | "Skipped" | "TimedOut" | "Cancelled" | "Failed" | "OutcomeUnknown";
        /** @description One step of a run. */
        StepView: {
            /** @description Its action (`aws:runCommand`). */
            action: string;
            /**
             * Format: int32
             * @description How often it was tried.
             */
            attempts: number;
            /** @description The run it started, where it starts one; of several attempts the last. */
            child?: string;
            /** @description What ran where for it, latest attempt last. */
            commands?: components["schemas"]["CommandView"][];
            /**
             * Format: int32
             * @description How many tries it had in earlier iterations.
             */
            earlier_attempts?: number;
            /** @description When it ended. */
            ended_at?: components["schemas"]["Time"];
            /**
             * Format: int32
             * @description The loop's iteration it was last begun in, from 1.
             */
            iteration?: number;
            /** @description Why it failed, or what it waits for. */
            message?: string;
            /** @description Its name in the document. */
            name: string;
            /** @description The step that came next. */
            next?: string;
            /** @description Its outputs. */
            outputs: {
                [key: string]: unknown;
            };
            /** @description The loop it stands in. */
            parent?: string;
            /** @description When it was reached. */
            started_at?: components["schemas"]["Time"];
            /** @description How it stands. */
            status: components["schemas"]["StepStatusWord"];
            /** @description The run it was taken over from: nothing of it was done in this one. */
            taken_from?: string;
            /** @description Its tries, oldest first; of a step in a loop, those of the last iteration it was begun in. */
            tries?: components["schemas"]["AttemptView"][];
        };
        /** @description Why a trigger is turned off or on. */
        SwitchTrigger: {
            /** @description Why; part of the record. */
            reason?: string;
            /** @description The trigger's workload, where several have one of that name. */
            workload?: string;
        };
        /** @description A target of a trigger. */
        TargetView: {
            /** @description What it calls: `procedure/NAME` or `webhook/NAME`. */
            calls: string;
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description How old a call may become, in milliseconds.
             */
            max_age_ms: number;
            /**
             * Format: int32
             * @description Tries after the first.
             */
            retries: number;
        };
        /**
         * Format: date-time
         * @description A time, RFC 3339 in UTC.
         * @example 2026-11-25T06:30:00.000Z
         */
        Time: string;
        /** @description One line of a timeline. */
        TimelineEntry: {
            /** @description Who did it. */
            actor: string;
            /** @description When. */
            at: components["schemas"]["Time"];
            /**
             * Format: int64
             * @description Milliseconds since the incident's start; negative before it.
             */
            offset_ms: number;
            /**
             * @description How what it is about ended, in the word of its kind (`Failed` of a run, `rolled back` of a change), where the event
             *     tells an end.
             */
            outcome?: string;
            /**
             * Format: int64
             * @description The journal event that proves it.
             */
            seq: number;
            /** @description What it is about, as events have it: `run/ID`, `alarm/NAME`, `change/ID`, `incident/ID`, `host/ID`, `trigger/NAME`. */
            subject?: string;
            /** @description What happened, as a sentence. */
            text: string;
            /** @description The type of the journal's event (`alarm.firing`). */
            type: string;
        };
        /** @description How long an incident's stages took; absent means unknown. */
        TimesView: {
            /**
             * Format: int64
             * @description From the start of the disturbance to the first firing alarm, in milliseconds.
             */
            to_detect_ms: number | null;
            /**
             * Format: int64
             * @description From the start of the disturbance to recovery, in milliseconds.
             */
            to_recover_ms: number | null;
            /**
             * Format: int64
             * @description From the firing alarm to the first action, in milliseconds.
             */
            to_respond_ms: number | null;
        };
        /** @description A token. */
        TokenView: {
            /** @description When it was made. */
            created_at: components["schemas"]["Time"];
            /** @description Until when it holds. */
            expires_at: components["schemas"]["Time"];
            /** @description What it allows, as far as its user may. */
            grants: components["schemas"]["GrantView"][];
            /** @description Its id. */
            id: string;
            /** @description What it is for. */
            name: string;
            /** @description Whose it is. */
            user: string;
        };
        /** @description A page of a list. */
        TokenViewPage: {
            /** @description The entries. */
            items: components["schemas"]["TokenView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description One trace at a glance. */
        TraceView: {
            /**
             * Format: double
             * @description From its first start to its last end, in milliseconds.
             */
            duration_ms: number;
            /** @description How many of them ended in an error. */
            errors: number;
            /** @description The name of that span. */
            name: string;
            /** @description The service of its root, or of its earliest span when the root is missing. */
            service: string;
            /** @description How many spans it has. */
            spans: number;
            /** @description When it began. */
            start: components["schemas"]["Time"];
            /** @description 32 hex digits. */
            trace_id: string;
        };
        /** @description A page of a list. */
        TraceViewPage: {
            /** @description The entries. */
            items: components["schemas"]["TraceView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        TriggerState: "on" | "off" | "disabled";
        /** @description A trigger and what it did. */
        TriggerView: {
            /** @description Dead letters that are listed now. */
            dead: number;
            /**
             * Format: int64
             * @description Calls that were answered well.
             */
            delivered: number;
            /** @description What it is for. */
            description?: string;
            /** @description Who disabled it, when and why. */
            disabled?: components["schemas"]["DisabledView"];
            /**
             * Format: int64
             * @description Tries that failed.
             */
            failed: number;
            /**
             * Format: int64
             * @description How long the slowest of the calls that were answered last took from the match on, in milliseconds.
             */
            lag_ms?: number;
            /** @description When the last event matched. */
            last_match?: components["schemas"]["Time"];
            /**
             * Format: int64
             * @description The place of that event in the journal.
             */
            last_match_seq?: number;
            /** @description What the last call came to. */
            last_result?: string;
            /** @description When. */
            last_result_at?: components["schemas"]["Time"];
            /**
             * Format: int64
             * @description Events that matched.
             */
            matched: number;
            /** @description When it fires next. */
            next?: components["schemas"]["Time"];
            /** @description The event pattern as written. */
            pattern?: unknown;
            /** @description Calls that wait for their turn; absent when nobody knows, because the loop does not run. */
            queued?: number;
            /**
             * Format: int64
             * @description Calls left out because a newer one took their place.
             */
            replaced: number;
            /** @description The schedule's expression and zone. */
            schedule?: string;
            /**
             * Format: int64
             * @description Calls left out because an earlier one was still worked on.
             */
            skipped: number;
            /** @description Whether it works: `off` is what its file says, `disabled` what a person did. */
            state: components["schemas"]["TriggerState"];
            /** @description Its targets. */
            targets: components["schemas"]["TargetView"][];
            /**
             * Format: int64
             * @description Of them, those that a throttle kept back.
             */
            throttled: number;
            /** @description Its name. */
            trigger: string;
            /** @description Calls that are being made, and runs that others wait behind. */
            under_way?: number;
            /** @description Calls that wait for another try. */
            waiting?: number;
            /** @description Its workload. */
            workload: string;
        };
        /** @description All triggers, and how far events have been routed to them. */
        Triggers: {
            /**
             * Format: int64
             * @description How many events of the journal have not been matched yet.
             */
            behind: number;
            /** @description The triggers, by workload and name. */
            items: components["schemas"]["TriggerView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @enum {string} */
        UserState: "active" | "disabled";
        /** @description A user. */
        UserView: {
            /** @description When they were added. */
            created_at: components["schemas"]["Time"];
            /**
             * @description What they may do. What their claims at the provider give has no id and cannot be revoked here; it counts in sessions
             *     that began there.
             */
            grants: components["schemas"]["GrantView"][];
            /** @description Whether there is a password. */
            has_password: boolean;
            /** @description The issuer of the provider that signs them in, or may for the first time. */
            signs_in_with?: string;
            /** @description Whether they may sign in. */
            state: components["schemas"]["UserState"];
            /** @description The name that people read. */
            title?: string;
            /** @description The name. */
            user: string;
        };
        /** @description A page of a list. */
        UserViewPage: {
            /** @description The entries. */
            items: components["schemas"]["UserView"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description A series with one sample: a number, or a native histogram. */
        VectorSeries: {
            /** @description Its time and histogram. */
            histogram?: [
                number,
                unknown
            ];
            /** @description Its labels. */
            metric: {
                [key: string]: string;
            };
            /** @description Its time and value. */
            value?: [
                number,
                string
            ];
        };
        /** @description What a run waits for. */
        WaitView: {
            /** @description The attempt that a decision is about. */
            attempt: string;
            /** @description Whether it is a pause, which only wants a word to go on, and not an outcome that nobody knows. */
            pause: boolean;
            /** @description Why, in words. */
            reason: string;
            /** @description The step. */
            step: string;
        };
        /** @description A workload's wanted state. */
        WorkloadDetail: {
            /** @description Its alarms. */
            alarms: string[];
            /** @description When it was applied. */
            applied_at: components["schemas"]["Time"];
            /** @description By whom. */
            applied_by: string;
            /** @description Its components. */
            components: string[];
            /** @description Why. */
            message?: string;
            /** @description Who owns it. */
            owner: string;
            /** @description Its procedures. */
            procedures: string[];
            /** @description The wanted revision. */
            revision: string;
            /** @description Its title. */
            title: string;
            /** @description Its triggers. */
            triggers: string[];
            /** @description Its name. */
            workload: string;
        };
        /** @description A page of a list. */
        WorkloadDetailPage: {
            /** @description The entries. */
            items: components["schemas"]["WorkloadDetail"][];
            /** @description Pass it as `cursor` to get the next page; absent on the last one. */
            next?: string;
        };
        /** @description One workload at a glance. */
        WorkloadStatus: {
            /** @description When that was applied. */
            applied_at: components["schemas"]["Time"];
            /** @description Where what runs differs from what is wanted, in words. */
            drift?: string[];
            /** @description Its priorities, in order. */
            measures: components["schemas"]["MeasureView"][];
            /** @description The revision that is wanted. */
            revision: string;
            /** @description Services that are ready, of those that should be. */
            services_ready: number;
            /** @description Services that should be running. */
            services_wanted: number;
            /** @description Components for which there is no host, with the reason. */
            unplaced?: string[];
            /** @description Its name. */
            workload: string;
        };
    };
}
