//! The table of operations. An operation is told once: its path, its handler, what calling it needs, and what the API's
//! document says of it stand in one call, so that router, rights and document cannot part. What is not in the table is
//! refused, whatever the router would do with it.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use mainstay_api::v1::ErrorKind;
use mainstay_model::access::Permission;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};

use super::bodies;

const JSON: &str = "application/json";

/// What calling an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody may who reaches the server. What is sent may have a secret of its own that is checked there.
    Nothing,
    /// To be somebody. It is about oneself.
    SignedIn,
    /// To be allowed to do this to that.
    May(Permission, On),
    /// To be allowed to do one of these to that.
    Either(Permission, Permission, On),
    /// Nothing where it comes from this machine and from nobody behind it; otherwise to be allowed to do this to that.
    UnlessFromHere(Permission, On),
}

/// What an operation does something to. `&str` is the path's parameter that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The installation as a whole.
    All,
    /// A workload.
    Workload(&'static str),
    /// A run: that is, its workload.
    Run(&'static str),
    /// A change: that is, its workload.
    Change(&'static str),
    /// A revision: that is, its workload.
    Revision(&'static str),
    /// An incident: that is, its workload.
    Incident(&'static str),
    /// What the body or the rows say: the handler asks about each, and one has to be allowed it somewhere.
    Each,
}

impl On {
    fn words(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Workload(_) => "the workload",
            Self::Run(_) => "the run's workload",
            Self::Change(_) => "the change's workload",
            Self::Revision(_) => "the revision's workload",
            Self::Incident(_) => "the incident's workload",
            Self::Each => "each",
        }
    }
}

/// What is to be known of an operation before it is called.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Its name.
    pub name: &'static str,
    /// What calling it needs.
    pub needs: Needs,
    /// How many bytes its body may have.
    pub largest: usize,
}

/// What is to be known of each operation, by path and method.
#[derive(Clone, Debug, Default)]
pub struct Rights(BTreeMap<String, BTreeMap<&'static str, Right>>);

impl Rights {
    /// What is known of an operation; without one the methods that the path has.
    pub fn of(&self, path: &str, method: &Method) -> Result<Right, Vec<&'static str>> {
        let Some(methods) = self.0.get(path) else { return Err(Vec::new()) };
        let word = if *method == Method::HEAD { "GET" } else { method.as_str() };
        methods.get(word).copied().ok_or_else(|| methods.keys().copied().collect())
    }
}

/// What the document says of one operation.
pub struct Operation {
    id: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    needs: Needs,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    fails: BTreeSet<u16>,
    schemas: Vec<(String, RefOr<Schema>)>,
    formats: Vec<(String, Value)>,
    largest: usize,
}

/// An operation: what calling it needs, its name, which clients are generated with and which never changes, and what it
/// does.
pub fn op(needs: Needs, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        id,
        summary,
        description: None,
        needs,
        parameters: Vec::new(),
        body: None,
        answers: BTreeMap::new(),
        fails: BTreeSet::new(),
        schemas: Vec::new(),
        formats: Vec::new(),
        largest: bodies::SMALL,
    }
}

impl Operation {
    /// What else there is to know.
    pub fn note(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    fn schema<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Its parameters in the URL.
    pub fn asks<Q: IntoParams>(mut self) -> Self {
        let parameters = Q::into_params(|| Some(ParameterIn::Query));
        self.parameters.extend(parameters.iter().filter_map(|known| serde_json::to_value(known).ok()));
        self.fails.insert(400);
        self
    }

    /// It may be sent again without being done twice.
    pub fn once(mut self) -> Self {
        self.parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "Makes the request safe to repeat: the same key of the same caller does it once only, and for another request it is refused with 422. Where the body has a `client_token`, that says the same.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 200 },
        }));
        self.fails.extend([400, 422]);
        self
    }

    /// It may be asked for on condition that what it changes is what was seen.
    pub fn if_unchanged(mut self) -> Self {
        self.parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The `ETag` that reading it gave: it is changed only if it still is what was seen.",
            "schema": { "type": "string" },
        }));
        self.fails.insert(412);
        self
    }

    /// Its body.
    pub fn takes<B: ToSchema>(mut self) -> Self {
        let schema = self.schema::<B>();
        self.body = Some(json!({ "required": true, "content": { JSON: { "schema": schema } } }));
        self.fails.extend([400, 408, 413, 415]);
        self
    }

    /// Its body, of another kind; none of the type's own JSON.
    pub fn takes_content(mut self, content: &Value) -> Self {
        self.body = Some(json!({ "required": true, "content": content }));
        self.fails.extend([400, 408, 413, 415]);
        self
    }

    /// Its body may have so many bytes, where that is not what is usual.
    pub fn up_to(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// Tells of a type that stands in a content given as it is.
    pub fn knows<T: ToSchema>(mut self) -> Self {
        self.schema::<T>();
        self
    }

    fn answer(mut self, status: u16, text: &str, content: Value) -> Self {
        let mut answer = json!({ "description": text });
        if !content.is_null() {
            answer["content"] = content;
        }
        self.answers.insert(status, answer);
        self
    }

    /// The answer when all is well (200).
    pub fn gives<T: ToSchema>(mut self) -> Self {
        let schema = self.schema::<T>();
        self.answer(200, "As asked.", json!({ JSON: { "schema": schema } }))
    }

    /// The answer when all is well (200), in a format of its own that a JSON Schema is published of. Its types stand among those
    /// of the API, under names that begin with the format's.
    pub fn gives_format(mut self, name: &str, schema: &str) -> Self {
        let mut schema: Value = serde_json::from_str(schema).expect("what is published is JSON");
        let parts = schema.as_object_mut().and_then(|map| {
            map.remove("$schema");
            map.remove("$defs")
        });
        let own = [(name.to_owned(), schema)];
        let parts = parts.as_ref().and_then(Value::as_object).into_iter().flatten();
        let parts = parts.map(|(part, schema)| (format!("{name}{part}"), schema.clone()));
        self.formats.extend(own.into_iter().chain(parts).map(|(of, mut schema)| {
            refer(&mut schema, name);
            (of, schema)
        }));
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.answer(200, "As asked.", json!({ JSON: { "schema": schema } }))
    }

    /// The answer when something was made (201).
    pub fn makes<T: ToSchema>(mut self) -> Self {
        let schema = self.schema::<T>();
        self.answer(201, "It was made.", json!({ JSON: { "schema": schema } }))
    }

    /// Nothing is to be said (204).
    pub fn gives_nothing(self) -> Self {
        self.answer(204, "It is done.", Value::Null)
    }

    /// A page of a list. Its schema is named after what it lists (`RunSummaryPage`).
    pub fn gives_page<T: ToSchema>(mut self) -> Self {
        let item = self.schema::<T>();
        let name = format!("{}Page", T::name());
        let page = json!({
            "type": "object",
            "description": "A page of a list.",
            "required": ["items"],
            "properties": {
                "items": { "type": "array", "items": item, "description": "The entries." },
                "next": {
                    "type": "string",
                    "description": "Pass it as `cursor` to get the next page; absent on the last one.",
                },
            },
        });
        if let Ok(page) = serde_json::from_value::<RefOr<Schema>>(page) {
            self.schemas.push((name.clone(), page));
        }
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.answer(200, "A page of the list.", json!({ JSON: { "schema": schema } }))
    }

    /// Server-sent events, the data of each of which is this as JSON.
    pub fn streams<T: ToSchema>(mut self, text: &str) -> Self {
        let schema = self.schema::<T>();
        self.stream(text, &schema)
    }

    /// Server-sent events, the data of each of which is a list of these as JSON.
    pub fn streams_lists<T: ToSchema>(mut self, text: &str) -> Self {
        let schema = self.schema::<T>();
        self.stream(text, &json!({ "type": "array", "items": schema }))
    }

    fn stream(self, text: &str, schema: &Value) -> Self {
        let content = json!({ "text/event-stream": {
            "schema": { "type": "string", "contentMediaType": JSON, "contentSchema": schema },
        } });
        self.answer(200, text, content)
    }

    /// Something that is not JSON.
    pub fn shows(self, media_type: &str, text: &str) -> Self {
        self.answer(200, text, json!({ media_type: { "schema": { "type": "string" } } }))
    }

    /// An answer of another kind.
    pub fn says(self, status: u16, text: &str, content: Value) -> Self {
        self.answer(status, text, content)
    }

    /// The same answer to several statuses.
    pub fn says_each(self, statuses: &[u16], text: &str, content: &Value) -> Self {
        statuses.iter().fold(self, |operation, status| operation.answer(*status, text, content.clone()))
    }

    /// Kinds of failures beside those that follow from what it takes.
    pub fn fails(mut self, kinds: &[ErrorKind]) -> Self {
        self.fails.extend(kinds.iter().map(|kind| kind.status()));
        self
    }

    fn document(&self, tag: &str, method: &str, path: &str) -> Value {
        let mut parameters: Vec<Value> = names(path)
            .map(|name| {
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
            })
            .collect();
        parameters.extend(self.parameters.iter().cloned().map(|mut parameter| {
            not_null(&mut parameter["schema"]);
            parameter
        }));
        let mut responses: Map<String, Value> =
            self.answers.iter().map(|(status, answer)| (status.to_string(), answer.clone())).collect();
        let is_json = |answer: &Value| answer["content"].get(JSON).is_some();
        if method == "get" && self.answers.get(&200).is_some_and(is_json) {
            let text = "It is what `If-None-Match` shows: the `ETag` of an earlier answer.";
            responses.insert("304".to_owned(), json!({ "description": text }));
        }
        let mut fails = self.fails.clone();
        fails.extend([500, 503]);
        match self.needs {
            Needs::Nothing => {}
            Needs::SignedIn | Needs::May(..) | Needs::Either(..) | Needs::UnlessFromHere(..) => {
                fails.extend([401, 403]);
            }
        }
        if path.contains('{') {
            fails.extend([400, 404]);
        }
        for status in fails {
            responses
                .entry(status.to_string())
                .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{}", response(status)) }));
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag],
            "responses": responses,
        });
        if let Some(text) = self.description {
            operation["description"] = text.into();
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        match self.needs {
            Needs::Nothing => operation["security"] = json!([]),
            Needs::SignedIn => {}
            Needs::May(permission, on) => {
                operation["x-permission"] = json!({ "permission": word(permission), "on": on.words() });
            }
            Needs::Either(one, other, on) => {
                operation["x-permission"] =
                    json!({ "permission": format!("{} or {}", word(one), word(other)), "on": on.words() });
            }
            Needs::UnlessFromHere(permission, on) => {
                // Nothing, or one of the ways that the document names for all.
                operation["security"] = json!([{}, { "token": [] }, { "session": [] }]);
                operation["x-permission"] = json!({ "permission": word(permission), "on": on.words(), "unless": "from this machine" });
            }
        }
        operation
    }
}

/// How a permission is called in the document and by `GET /v1/me`.
pub fn word(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "read",
        Permission::Respond => "respond",
        Permission::Run => "run",
        Permission::Operate => "operate",
        Permission::Apply => "apply",
        Permission::Append => "append",
        Permission::Approve => "approve",
        Permission::Administer => "administer",
    }
}

/// The names of a path's parameters.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_prefix('*').unwrap_or(name))
    })
}

/// How the answer of a status is called in the document.
fn response(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthenticated",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "WrongMethod",
        408 => "TooSlow",
        409 => "Conflict",
        412 => "Changed",
        413 => "TooLarge",
        415 => "Unsupported",
        422 => "Invalid",
        429 => "Busy",
        501 => "NotBuilt",
        503 => "Unavailable",
        _ => "Internal",
    }
}

/// What is told of the answers of failures.
const FAILURES: [(u16, &str); 15] = [
    (400, "The request is not understood."),
    (401, "It is not known who asks."),
    (403, "Who asks may not do this."),
    (404, "There is no such thing."),
    (405, "The path has no such method; `Allow` says which it has."),
    (408, "What was to be sent did not come in time."),
    (409, "It clashes with the present state."),
    (412, "It is no longer what was seen."),
    (413, "What was sent is too large."),
    (415, "What was sent is in a form that is not known."),
    (422, "It was understood and has problems; `diagnostics` or `causes` say which."),
    (429, "Too much at once; try again later."),
    (500, "A fault of ours."),
    (501, "It is known what is asked for, and it is not built."),
    (503, "The server cannot do it now, for example because the disk is full."),
];

/// What is said of operations, by path and method, and of the types they speak in.
#[derive(Default)]
pub struct Document {
    operations: BTreeMap<(String, &'static str), Value>,
    rights: Rights,
    schemas: BTreeMap<String, RefOr<Schema>>,
    formats: BTreeMap<String, Value>,
}

/// Operations with their handlers.
pub struct Routes<S = ()> {
    tag: &'static str,
    router: Router<S>,
    document: Document,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet. What follows belongs to this part of the API.
    pub fn tagged(tag: &'static str) -> Self {
        Self { tag, router: Router::new(), document: Document::default() }
    }

    /// What follows belongs to this part of the API.
    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// An operation that reads.
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, operation: Operation, handler: H) -> Self {
        self.add("get", path, operation, Some(on(MethodFilter::GET, handler)))
    }

    /// An operation that changes.
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, operation: Operation, handler: H) -> Self {
        self.add("post", path, operation, Some(on(MethodFilter::POST, handler)))
    }

    /// An operation that takes away.
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, operation: Operation, handler: H) -> Self {
        self.add("delete", path, operation, Some(on(MethodFilter::DELETE, handler)))
    }

    /// An operation whose handler another crate brings.
    pub fn elsewhere(self, method: &'static str, path: &str, operation: Operation) -> Self {
        self.add(method, path, operation, None)
    }

    fn add(
        mut self,
        method: &'static str,
        path: &str,
        mut operation: Operation,
        handler: Option<MethodRouter<S>>,
    ) -> Self {
        if let Some(handler) = handler {
            self.router = self.router.route(path, handler);
        }
        self.document.schemas.extend(operation.schemas.drain(..));
        self.document.formats.extend(operation.formats.drain(..));
        let method_word = match method {
            "get" => "GET",
            "post" => "POST",
            "delete" => "DELETE",
            other => other,
        };
        let methods = self.document.rights.0.entry(path.to_owned()).or_default();
        let Operation { id: name, needs, largest, .. } = operation;
        methods.insert(method_word, Right { name, needs, largest });
        let said = operation.document(self.tag, method, path);
        self.document.operations.insert((path.replace("{*", "{"), method), said);
        self
    }

    /// The router, with what the handlers need, and what is said of the operations.
    pub fn take_apart(self, state: S) -> (Router, Document) {
        (self.router.with_state(state), self.document)
    }

    /// What is said of the operations.
    pub fn document(self) -> Document {
        self.document
    }
}

impl Document {
    /// Both.
    pub fn and(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        for (path, methods) in other.rights.0 {
            self.rights.0.entry(path).or_default().extend(methods);
        }
        self.schemas.extend(other.schemas);
        self.formats.extend(other.formats);
        self
    }

    /// What calling the operations needs.
    pub fn rights(&self) -> Rights {
        self.rights.clone()
    }

    /// As OpenAPI.
    pub fn openapi(&self) -> Value {
        let mut paths: Map<String, Value> = Map::new();
        for ((path, method), operation) in &self.operations {
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            item[*method] = operation.clone();
        }
        let mut schemas: Map<String, Value> = self
            .schemas
            .iter()
            .filter_map(|(name, schema)| Some((name.clone(), serde_json::to_value(schema).ok()?)))
            .chain(self.formats.clone())
            .collect();
        schemas.values_mut().for_each(without_null);
        let responses: Map<String, Value> = FAILURES
            .iter()
            .map(|(status, text)| {
                let schema = json!({ "$ref": "#/components/schemas/ErrorBody" });
                let content = json!({ "application/problem+json": { "schema": schema } });
                (response(*status).to_owned(), json!({ "description": text, "content": content }))
            })
            .collect();
        let token = json!({
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `createToken`, or the content of the file `token` of the server's data directory.",
        });
        let session = json!({
            "type": "apiKey",
            "in": "cookie",
            "name": "mainstay_session",
            "description": "The session of a browser; the name goes on with `_` and the server's port. What changes something has the header `x-mainstay-request` (with any value) beside it, and comes from the server's own pages.",
        });
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Mainstay",
                "version": "1",
                "description": ABOUT,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "security": [{ "token": [] }, { "session": [] }],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": responses,
                "securitySchemes": { "token": token, "session": session },
            },
        })
    }
}

/// What stands above the document.
const ABOUT: &str = "Everything that the command line and the console do goes through this API. Times are RFC 3339 in \
    UTC, durations milliseconds with the unit in the name. Fields are only ever added; a reader ignores what it does \
    not know.";

/// Where a format's schema refers to its own parts, refers to where they stand among the API's.
fn refer(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get_mut("$ref") {
                *to = to.replace("#/$defs/", &format!("#/components/schemas/{name}"));
            }
            map.values_mut().for_each(|inner| refer(inner, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| refer(inner, name)),
        _ => {}
    }
}

/// A field that may be left out is left out, and never null: takes the null out of the type that Rust's `Option` gets.
fn without_null(schema: &mut Value) {
    let map = match schema {
        Value::Object(map) => map,
        Value::Array(items) => return items.iter_mut().for_each(without_null),
        _ => return,
    };
    // Links are for readers of the code.
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    let required: Vec<String> = map
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
            not_null(property);
        }
    }
    map.values_mut().for_each(without_null);
}

fn not_null(property: &mut Value) {
    let Value::Object(map) = property else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            map.insert("type".to_owned(), one);
        }
    }
    let choices = if map.contains_key("anyOf") { "anyOf" } else { "oneOf" };
    if let Some(Value::Array(choices)) = map.get_mut(choices) {
        choices.retain(|choice| choice["type"] != "null");
        if let [one] = choices.as_slice() {
            let one = one.clone();
            let text = map.get("description").cloned();
            *map = one.as_object().cloned().unwrap_or_default();
            if let Some(text) = text {
                map.insert("description".to_owned(), text);
            }
        }
    }
}
