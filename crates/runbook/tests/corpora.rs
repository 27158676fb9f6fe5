//! Every document of the corpora is accepted, or refused for a reason that is true of it. What comes of each folder,
//! and of each distinct shape of a step, is kept in `corpora.txt`, in our own words: `UPDATE_CORPORA=1` writes it anew.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mainstay_model::Severity;
use mainstay_runbook::plugins::Platform;
use mainstay_runbook::precondition::Precondition;
use mainstay_runbook::reference::{Reference, interpolate};
use mainstay_runbook::{Document, document};
use serde_json::{Map, Value};

const FOLDERS: [&str; 5] = ["ssm-agent", "ssm-asr", "ssm-awsdocs", "ssm-awslabs", "ssm-digito"];

/// A file's value, where it holds one.
fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("json") => serde_json::from_str(&text).ok(),
        Some("yaml" | "yml") => common::yaml(&text).ok(),
        _ => None,
    }
}

/// The documents in a file: the file's own, and those its messages carry.
fn documents(value: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(map) => {
                let versioned = map.contains_key("schemaVersion");
                if versioned && ["mainSteps", "runtimeConfig"].iter().any(|key| map.contains_key(*key)) {
                    found.push(value);
                } else {
                    todo.extend(map.values());
                }
            }
            Value::Array(list) => todo.extend(list),
            _ => {}
        }
    }
    found
}

fn version(document: &Value) -> String {
    match &document["schemaVersion"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The shape of a step: its action and the names of everything it says, but not what.
fn shapes(document: &Value) -> BTreeSet<String> {
    let keys = |value: &Value| -> String {
        value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>().join(",")).unwrap_or_default()
    };
    let mut shapes = BTreeSet::new();
    for step in document["mainSteps"].as_array().into_iter().flatten() {
        let action = step["action"].as_str().unwrap_or("none");
        shapes.insert(format!("{action} ({}) ({})", keys(step), keys(&step["inputs"])));
    }
    for (name, plugin) in document["runtimeConfig"].as_object().into_iter().flatten() {
        shapes.insert(format!("{name} ({}) ({})", keys(plugin), keys(&plugin["properties"][0])));
    }
    shapes
}

#[derive(Default)]
struct Tally {
    documents: usize,
    accepted: usize,
    unbuilt: usize,
    wrong: usize,
    shapes: BTreeMap<String, bool>,
    reasons: BTreeMap<String, usize>,
}

/// A refusal in words that name no text of the document.
fn reason(problem: &mainstay_model::Problem) -> String {
    let place: Vec<&str> = problem
        .path
        .iter()
        .filter_map(|segment| match segment {
            mainstay_model::Segment::Key(key) => Some(key.as_str()),
            mainstay_model::Segment::Index(_) => None,
        })
        .collect();
    let action = problem.message.strip_suffix(" has no performer yet");
    match (action, place.as_slice()) {
        (Some(action), _) => format!("not-built {action}"),
        (None, ["parameters", _, rest @ ..]) => {
            format!("{} of a parameter: {}", problem.code, rest.join("."))
        }
        (None, ["mainSteps", "inputs", key, ..]) => format!("{} of a step's inputs: {key}", problem.code),
        (None, ["mainSteps", rest @ ..]) => format!("{} of a step: {}", problem.code, rest.join(".")),
        (None, rest) => format!("{} of the document: {}", problem.code, rest.join(".")),
    }
}

#[test]
fn every_document_is_accepted_or_refused_for_a_reason_that_is_true_of_it() {
    let Some(root) = common::corpora() else { return };
    let verbose = std::env::var_os("VERBOSE").is_some();
    let mut tallies: BTreeMap<(&str, String), Tally> = BTreeMap::new();
    for folder in FOLDERS {
        for path in common::files(&root.join(folder)) {
            let Some(value) = read(&path) else { continue };
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            for found in documents(&value) {
                let tally = tallies.entry((folder, version(found))).or_default();
                tally.documents += 1;
                let problems = match Document::parse(found) {
                    Ok(document) => document.warnings,
                    Err(problems) => problems,
                };
                let errors: Vec<_> =
                    problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
                for shape in shapes(found) {
                    *tally.shapes.entry(shape).or_default() |= errors.is_empty();
                }
                match errors.as_slice() {
                    [] => tally.accepted += 1,
                    errors if errors.iter().all(|problem| problem.code == "not-built") => tally.unbuilt += 1,
                    _ => tally.wrong += 1,
                }
                let mut reasons = BTreeSet::new();
                for problem in &errors {
                    if verbose {
                        println!("{} {name}: {problem} {:?}", problem.code, problem.help);
                    }
                    reasons.insert(reason(problem));
                }
                for reason in reasons {
                    *tally.reasons.entry(reason).or_default() += 1;
                }
            }
        }
    }
    let mut table = String::from(
        "# Documents of the corpora by folder and schema version: how many are accepted, refused only because no\n\
         # performer is built, or refused for a mistake; how many distinct shapes of steps they have, and how many of\n\
         # those stand in an accepted document. Below, the reasons of refusals, by documents.\n",
    );
    for ((folder, version), tally) in &tallies {
        let good = tally.shapes.values().filter(|good| **good).count();
        writeln!(
            table,
            "\n{folder} {version}: {} documents, {} accepted, {} unbuilt, {} wrong; {} shapes, {good} accepted",
            tally.documents,
            tally.accepted,
            tally.unbuilt,
            tally.wrong,
            tally.shapes.len(),
        )
        .expect("a string");
        for (reason, count) in &tally.reasons {
            writeln!(table, "  {count} {}", reason.trim_end_matches([' ', ':'])).expect("a string");
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora.txt");
    if std::env::var_os("UPDATE_CORPORA").is_some() {
        std::fs::write(&golden, &table).expect("the table can be written");
    }
    let kept = std::fs::read_to_string(&golden).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (now, before) = (lines(&table), lines(&kept));
    let new: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
    let gone: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
    assert!(table == kept, "what comes of the corpora has changed: new {new:#?}, gone {gone:#?}");
}

/// Values for a document's parameters, as the agent's cases have them: those given, over the defaults.
fn values(document: &Value, given: &Map<String, Value>) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, definition) in document["parameters"].as_object().into_iter().flatten() {
        if let Some(value) = given.get(name).or_else(|| definition.get("default")) {
            values.insert(name.clone(), value.clone());
        }
    }
    values
}

fn replaced(document: &Value, values: &Map<String, Value>) -> Value {
    let resolve = |reference: &Reference| {
        Ok(match reference {
            Reference::Parameter(name) => values.get(name).cloned(),
            _ => None,
        })
    };
    let mut document = document.clone();
    for key in ["mainSteps", "runtimeConfig"] {
        if let Some(body) = document.get(key).cloned() {
            document[key] = interpolate(&body, &resolve).expect("no reference is refused");
        }
    }
    document
}

#[test]
fn the_agents_cases_of_substitution_come_out_as_it_says() {
    let Some(root) = common::corpora() else { return };
    let folder: PathBuf = root.join("ssm-agent/agent/runcommand/testdata");
    let mut cases = 0;
    for (message, expected) in [
        ("sampleMsg.json", "sampleMsgReplacedParams.json"),
        ("sampleMsgVersion2_0.json", "sampleMsgReplacedParamsVersion2_0.json"),
        ("sampleMsgVersion2_2.json", "sampleMsgReplacedParamsVersion2_2.json"),
    ] {
        let (Some(message), Some(expected)) = (read(&folder.join(message)), read(&folder.join(expected)))
        else {
            continue;
        };
        let given = message["Parameters"].as_object().expect("parameters");
        let document = &message["DocumentContent"];
        let found = replaced(document, &values(document, given));
        assert_eq!(found, expected["DocumentContent"]);
        cases += 1;
    }
    assert_eq!(cases, 3, "the agent's three pairs are there");
    let folder = root.join("ssm-agent/agent/framework/docparser/testdata");
    let document = read(&folder.join("sampleReplaceDefaultParams.json")).expect("a document");
    for (given, written) in [(None, "Write-Output Hello World"), (Some("x"), "Write-Output x")] {
        let given = given.map(|text| ("Message".to_owned(), Value::from(text))).into_iter().collect();
        let found = replaced(&document, &values(&document, &given));
        assert_eq!(found["mainSteps"][0]["inputs"]["runCommand"][0], written);
    }
}

#[test]
fn the_agents_cases_of_preconditions_come_out_as_it_says() {
    let Some(root) = common::corpora() else { return };
    let folder = root.join("ssm-agent/agent/framework/docparser/testdata");
    // The steps these cases hang on lack the input `runCommand`, so they are looked at with it.
    let parse = |name: &str| {
        let mut value = read(&folder.join(name)).expect("a document");
        for step in value["mainSteps"].as_array_mut().into_iter().flatten() {
            step["action"] = "aws:runShellScript".into();
            step["inputs"] = serde_json::json!({"runCommand": "date"});
        }
        Document::parse(&value)
    };
    let conditions = |name: &str| -> Vec<Precondition> {
        let document: Document = match parse(name) {
            Ok(document) => document,
            Err(problems) => unreachable!("{name}: {problems:?}"),
        };
        let rules = |step: &document::Step| step.plugin.clone().and_then(|rules| rules.precondition);
        document.steps.iter().filter_map(rules).collect()
    };
    let nothing = |_: &Reference| Ok(None);
    let both = conditions("sampleMessageVersion2_2.json");
    for (platform, expected) in [
        (Platform::Windows, [true, false]),
        (Platform::Linux, [false, true]),
        (Platform::MacOs, [false, false]),
    ] {
        for (condition, expected) in both.iter().zip(expected) {
            assert_eq!(condition.holds(platform, &nothing), Ok(expected), "{platform:?}");
        }
    }
    let parameter = conditions("sampleMessageWithParamPrecondition.json");
    for (value, expected) in [("MessagePreconditionValue", true), ("another", false)] {
        let resolve = |_: &Reference| Ok(Some(Value::from(value)));
        assert_eq!(parameter[0].holds(Platform::Linux, &resolve), Ok(expected), "{value}");
    }
    let refused = |name: &str| -> Vec<String> {
        parse(name).err().into_iter().flatten().map(|problem| problem.to_string()).collect()
    };
    assert_eq!(
        refused("sampleMessageWithInvalidParamPrecondition.json"),
        ["mainSteps[0].precondition.StringEquals[0]: There is no parameter `invalidParam`"]
    );
    assert_eq!(
        refused("sampleMessageWithSsmParamPrecondition.json"),
        [
            "mainSteps[0].precondition.StringEquals[0]: References to the parameter store (`ssm:`) are not built yet"
        ]
    );
}

#[test]
fn the_procedures_of_the_example_are_accepted_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/runbooks");
    let files = common::files(&folder);
    assert!(!files.is_empty(), "the example has procedures");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        let problems = match Document::parse(&common::value(&text)) {
            Ok(document) => document.warnings,
            Err(problems) => problems,
        };
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    }
}
