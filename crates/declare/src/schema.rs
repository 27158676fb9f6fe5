//! The JSON Schema (2020-12) of `mainstay.yaml`, made from the tables that the reader itself goes by.
//!
//! A schema knows less than `mainstay check`: what refers to what, and whether PromQL, selectors and command lines can
//! be read, is left to the check. What it refuses, the check refuses too.

use serde_json::{Map, Value, json};

use crate::shape::{Form, Key, Rule, SECRET, Shape, WORKLOAD, standards, variables};

/// The identity of the schema. It names the version of the format, and is no address to fetch.
pub const SCHEMA_ID: &str = "urn:mainstay:schema:workload:1";

/// The identity of the schema of `standard.yaml`.
pub const STANDARD_SCHEMA_ID: &str = "urn:mainstay:schema:standard:1";

/// The schema of `mainstay.yaml`.
pub fn workload() -> Value {
    whole(&WORKLOAD, SCHEMA_ID, "Mainstay workload")
}

/// The schema of `standard.yaml`.
pub fn standard() -> Value {
    whole(&standards::STANDARD, STANDARD_SCHEMA_ID, "Mainstay standard")
}

fn whole(shape: &'static Shape, id: &str, title: &str) -> Value {
    let mut definitions = Map::new();
    let mut root = object(shape, Part::Whole, &mut definitions);
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("$id".to_owned(), json!(id));
    root.insert("title".to_owned(), json!(title));
    root.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(root)
}

/// Whether a mapping stands alone or over another, which has what is required.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    Over,
}

/// The schema of one mapping. Mappings inside it become definitions.
fn object(shape: &'static Shape, part: Part, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in shape.keys {
        properties.insert(key.name.to_owned(), property(key, part, definitions));
    }
    for (name, why) in shape.not_built {
        // Nothing is asked for with an empty list, which the reader lets pass too.
        let nothing = json!({"type": "array", "maxItems": 0, "deprecated": true, "description": why});
        properties.insert((*name).to_owned(), nothing);
    }
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("object"));
    out.insert("properties".to_owned(), Value::Object(properties));
    out.insert("additionalProperties".to_owned(), json!(false));
    if part == Part::Over {
        return out;
    }
    if !required.is_empty() {
        out.insert("required".to_owned(), json!(required));
    }
    for rule in shape.rules {
        match rule {
            Rule::Needs(key, other) => {
                out.insert("dependentRequired".to_owned(), json!({ *key: [other] }));
            }
            Rule::One(keys) => {
                let ways: Vec<Value> = keys.iter().map(|key| json!({"required": [key]})).collect();
                out.insert("oneOf".to_owned(), json!(ways));
            }
        }
    }
    out
}

fn property(key: &'static Key, part: Part, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = form(&key.form, part, definitions);
    schema.insert("description".to_owned(), json!(key.doc));
    Value::Object(schema)
}

fn reference(shape: &'static Shape, part: Part, definitions: &mut Map<String, Value>) -> Value {
    let name = match part {
        Part::Whole => shape.name.to_owned(),
        Part::Over => format!("{}-override", shape.name),
    };
    if !definitions.contains_key(&name) {
        // The place is held first, so that a mapping may hold its own kind.
        definitions.insert(name.clone(), Value::Null);
        let schema = Value::Object(object(shape, part, definitions));
        definitions.insert(name.clone(), schema);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A form that is more than a text may also be a variable, whose value is not known here.
fn or_variable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, {"type": "string", "pattern": "\\$\\{var\\.[^}]+\\}"}] })
}

const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

const SCALAR: [&str; 3] = ["string", "number", "boolean"];

fn form(form: &'static Form, part: Part, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let text = || json!({"type": "string", "pattern": "\\S"});
    let schema = match form {
        Form::Text | Form::Query => text(),
        Form::Name => json!({"type": "string", "pattern": NAME}),
        Form::Selector => json!({"type": "string", "pattern": "\\S", "examples": ["*", "role=app"]}),
        Form::Target => {
            json!({"type": "string", "pattern": "^\\s*(>=|>|<=|<|==)\\s*[-+.0-9]", "examples": [">= 0.995"]})
        }
        Form::Port => json!({"type": "integer", "minimum": 1, "maximum": 65535}),
        Form::Duration => json!({
            "anyOf": [
                {
                    "type": "string",
                    "pattern": "^(0|(?=[0-9])([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
                },
                {"const": 0},
            ],
            "examples": ["250ms", "5s", "1h30m"],
        }),
        Form::Size => json!({
            "type": "string",
            "pattern": "^[0-9]*[1-9][0-9]* *(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$",
            "examples": ["256MiB"],
        }),
        Form::UrlPath => json!({"type": "string", "pattern": "^/(?!.*://)\\S*$"}),
        Form::RelativePath => json!({"type": "string", "pattern": "^(?!/)(?!(.*/)?\\.\\.(/|$)).*\\S"}),
        Form::Command => {
            let comment = format!("Variables are {}.", variables());
            json!({"type": "string", "pattern": "\\S", "$comment": comment})
        }
        Form::Count(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
        Form::OneOf(words) => json!({"enum": words}),
        Form::Texts => json!({"type": "array", "items": text(), "uniqueItems": true}),
        Form::Pairs => json!({"type": "object", "additionalProperties": {"type": SCALAR}}),
        Form::Env => with_secrets("^[A-Za-z_][A-Za-z0-9_]*$", definitions),
        Form::Headers => with_secrets("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", definitions),
        Form::TextOrSecret => json!({"anyOf": [text(), reference(&SECRET, Part::Whole, definitions)]}),
        Form::Variables => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
            "additionalProperties": {"type": SCALAR},
        }),
        Form::Limit(least) => json!({"type": "integer", "minimum": least, "maximum": 1_000_000}),
        Form::Flag => json!({"type": "boolean"}),
        Form::Shape(shape) => reference(shape, part, definitions),
        Form::List(shape) => json!({"type": "array", "items": reference(shape, part, definitions)}),
        Form::Named(shape) => json!({
            "type": "object",
            "propertyNames": {"pattern": NAME},
            "additionalProperties": reference(shape, part, definitions),
        }),
        Form::Procedures(shape) => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
            "additionalProperties": reference(shape, part, definitions),
        }),
        Form::Overrides(shape) => json!({
            "type": "object",
            "propertyNames": {"pattern": NAME},
            "additionalProperties": reference(shape, Part::Over, definitions),
        }),
        Form::Parameters(_)
        | Form::Scalar
        | Form::Scalars
        | Form::Words(_)
        | Form::Commit
        | Form::Version(_) => form_of_standards(form, part, definitions),
    };
    let schema = match form {
        Form::Target
        | Form::Port
        | Form::Duration
        | Form::Size
        | Form::UrlPath
        | Form::RelativePath
        | Form::Count(..)
        | Form::OneOf(_) => or_variable(&schema),
        _ => schema,
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Scalars, or references to secrets, by names of this pattern.
fn with_secrets(names: &str, definitions: &mut Map<String, Value>) -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": names},
        "additionalProperties": {"anyOf": [{"type": SCALAR}, reference(&SECRET, Part::Whole, definitions)]},
    })
}

/// The forms that only standards have.
fn form_of_standards(form: &'static Form, part: Part, definitions: &mut Map<String, Value>) -> Value {
    match form {
        Form::Parameters(shape) => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
            "additionalProperties": reference(shape, part, definitions),
        }),
        Form::Scalar => json!({"type": SCALAR}),
        Form::Scalars => json!({"type": "array", "items": {"type": SCALAR}, "minItems": 1}),
        Form::Words(words) => {
            json!({"type": "array", "items": {"enum": words}, "uniqueItems": true, "minItems": 1})
        }
        Form::Commit => json!({"type": "string", "pattern": "^[0-9a-f]{40}$"}),
        Form::Version(version) => json!({"const": version}),
        _ => Value::Bool(true),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::anything::Any;
    use crate::source::Source;
    use crate::{SourceFile, check_file, tree};

    /// Every `mainstay.yaml` below, with its text.
    fn files(at: &Path, out: &mut Vec<(PathBuf, SourceFile)>) {
        for entry in std::fs::read_dir(at).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                files(&path, out);
            } else if path.file_name().is_some_and(|name| name == "mainstay.yaml") {
                let bytes = std::fs::read(&path).expect("readable");
                out.push((path, SourceFile { path: "mainstay.yaml".to_owned(), bytes }));
            }
        }
    }

    fn value(file: &SourceFile) -> Option<Value> {
        let (source, broken) = Source::read(file);
        let parsed = tree::parse(&source);
        let whole = broken.is_none() && parsed.diagnostics.is_empty() && parsed.documents.len() == 1;
        whole.then(|| parsed.documents[0].to_value())
    }

    fn validator() -> jsonschema::Validator {
        let schema = workload();
        jsonschema::draft202012::meta::validate(&schema).expect("a schema");
        jsonschema::draft202012::new(&schema).expect("a schema")
    }

    /// Codes of faults that lie in the form of one value, which is what a schema can see.
    const OF_SHAPE: [&str; 7] =
        ["bad-port", "bad-size", "duplicate-entry", "missing-key", "not-built", "unknown-key", "wrong-type"];

    #[test]
    fn the_schema_and_the_reader_agree_on_every_sample() {
        let validator = validator();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut samples = Vec::new();
        for folder in ["tests/valid", "tests/invalid", "../../examples"] {
            files(&root.join(folder), &mut samples);
        }
        let (mut taken, mut refused) = (0, 0);
        for (path, file) in samples {
            let Some(value) = value(&file) else { continue };
            let diagnostics = check_file(&file, None, &Any).diagnostics;
            let faults: Vec<_> = diagnostics.iter().filter(|d| d.is_error()).collect();
            // What a variable stands for is no form of the place where it is named.
            let filled = |d: &&&crate::Diagnostic| {
                d.related.iter().any(|place| place.message.starts_with("the value of"))
            };
            let of_variables = !faults.is_empty() && faults.iter().filter(filled).count() == faults.len();
            let is_valid = validator.is_valid(&value);
            if faults.is_empty() {
                let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
                assert!(is_valid, "{} is refused by the schema: {errors:?}", path.display());
                taken += 1;
            } else if of_variables {
                assert!(is_valid, "{} is refused by the schema", path.display());
            } else if faults.iter().any(|d| OF_SHAPE.contains(&d.code)) {
                // That a port is needed elsewhere is no fault of form.
                let only_port =
                    faults.iter().all(|d| d.help.as_deref() == Some("add `port:` to its service"));
                assert!(!is_valid || only_port, "{} is taken by the schema: {faults:?}", path.display());
                refused += 1;
            }
        }
        assert!(taken > 15 && refused > 10, "{taken} taken, {refused} refused");
    }

    #[test]
    fn every_single_slip_of_form_is_refused_by_both() {
        let validator = validator();
        let good = "workload: shop\ncomponents:\n  web:\n    hosts: \"*\"\n    service:\n      run: ./web\n";
        let mut both = 0;
        for (addition, is_valid) in [
            ("", true),
            ("      port: 80\n", true),
            ("      port: 0\n", false),
            ("      port: 65536\n", false),
            ("      port: \"80\"\n", false),
            ("      restart: never\n", true),
            ("      restart: sometimes\n", false),
            ("      limits: { memory: 256MiB }\n", true),
            ("      limits: { memory: 256 MiB }\n", true),
            ("      limits: { memory: 0MiB }\n", false),
            ("      limits: { memory: 256 }\n", false),
            ("      limits: { cpu: 2 }\n", false),
            ("      limits: { cpu: [] }\n", true),
            ("      env: { A: 1, _B: true, C: x }\n", true),
            ("      env: { 1A: x }\n", false),
            ("      env: { A: [x] }\n", false),
            ("      directory: a/b\n", true),
            ("      directory: a..b\n", true),
            ("      directory: /a\n", false),
            ("      directory: ../a\n", false),
            ("      directory: a/..\n", false),
            ("      stop: { signal: SIGINT, deadline: 1m30s }\n", true),
            ("      stop: { signal: INT }\n", false),
            ("      stop: { deadline: 30s1m }\n", false),
            ("      stop: { deadline: 30 }\n", false),
            ("      stop: { deadline: 0 }\n", true),
            ("      stop: { deadline: \"\" }\n", false),
            ("      port: 1\n      health: { http: / }\n", true),
            ("      port: 1\n      health: { http: / , tcp: 1 }\n", false),
            ("      health: {}\n", false),
            ("      health: { tcp: 1, unhealthy_after: 0 }\n", false),
            ("      health: { tcp: 1, unhealthy_after: 1.5 }\n", false),
            ("      port: 1\n      health: { http: healthz }\n", false),
            ("      port: 1\n      health: { http: \"http://x/\" }\n", false),
            ("      health: { exec: \"\" }\n", false),
            ("      health: null\n", false),
            ("    depends_on: []\n", true),
            ("    depends_on: web\n", false),
            ("  Web: {}\n", false),
            ("  db: { service: { run: x } }\n", false),
            ("tags: { a: 1.10, b: true }\n", true),
            ("tags: { a: [] }\n", false),
            ("priorities: [{ goal: g, measure: up, target: \">= 1\" }]\n", true),
            ("priorities: [{ goal: g, measure: up }]\n", false),
            ("priorities: [{ goal: g, measure: up, target: 1 }]\n", false),
            ("priorities: [{ goal: \" \", measure: up, target: \">= 1\" }]\n", false),
            ("environments: { a: { hosts: \"*\" } }\n", true),
            ("environments: { a: {} }\n", false),
            ("environments: { a: { hosts: \"*\", components: { web: { service: { port: 1 } } } } }\n", true),
            ("environments: { a: { hosts: \"*\", components: { web: { service: { pot: 1 } } } } }\n", false),
            ("environments: { a: { hosts: \"*\", components: { web: { depends_on: [] } } } }\n", true),
            ("environments: { a: { hosts: \"*\", components: { web: { depends_on: [web] } } } }\n", false),
            ("environments: { a: { hosts: \"*\", variables: { x: 1 } } }\nvariables: { x: 2 }\n", true),
            ("variables: { x: [] }\n", false),
            ("variables: { 1x: a }\n", false),
            ("      port: \"${var.p}\"\nvariables: { p: 80 }\n", true),
            ("      restart: \"${var.p}\"\nvariables: { p: never }\n", true),
            ("      env: { A: { secret: \"file:/a\" } }\n", true),
            ("      env: { A: { file: /a } }\n", false),
            ("changes: { approval: { resources: 5, irreversible: true } }\n", true),
            ("changes: { approval: { resources: many } }\n", false),
            ("changes: {}\n", false),
            ("procedures: { restart-web: { concurrency: 1 }, Restore_db.v2: { concurrency: 20 } }\n", true),
            ("procedures: { restart-web: { concurrency: 0 } }\n", false),
            ("procedures: { restart-web: {} }\n", false),
            ("procedures: { \"a b\": { concurrency: 1 } }\n", false),
            ("standards: []\n", true),
            ("resources: [{ package: x }]\n", false),
            ("colour: red\n", false),
        ] {
            let bytes = format!("{good}{addition}").into_bytes();
            let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes };
            let checked = check_file(&file, None, &Any);
            let value = value(&file).expect("YAML");
            assert_eq!(checked.content.is_some(), is_valid, "{addition}: {:?}", checked.diagnostics);
            assert_eq!(validator.is_valid(&value), is_valid, "{addition}");
            both += 1;
        }
        assert!(both > 40);
    }
}
