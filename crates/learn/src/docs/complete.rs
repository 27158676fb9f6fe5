//! What follows from what is declared: who depends on whom, what leads where, digests, and where annotations belong.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::subject::{Documentation, FORMAT, Note, NoteState, VERSION};
use super::words;

/// Fields that are not declared but follow, so no digest counts them.
const FOLLOWS: [&str; 8] =
    ["dependents", "priorities", "leads_to", "started_by", "alarms", "words", "digest", "notes"];

/// Fields of steps that follow.
const STEP_FOLLOWS: [&str; 2] = ["words", "then"];

/// Fills in what follows from the rest, and puts each annotation where it belongs. Annotations about something that is
/// not there are left out; `mainstay check` has refused them.
#[must_use]
pub fn complete(mut subject: Documentation, notes: Vec<Note>) -> Documentation {
    FORMAT.clone_into(&mut subject.format);
    subject.version = VERSION;
    relate(&mut subject);
    words::write(&mut subject);
    let digests = digests(&subject);
    for (about, parts) in &digests {
        let digest = whole(parts);
        if let Some((slot, _)) = place(&mut subject, about) {
            *slot = digest;
        }
    }
    for mut note in notes {
        let Some(parts) = digests.get(&note.about) else { continue };
        judge(&mut note, parts);
        let about = note.about.clone();
        if let Some((_, notes)) = place(&mut subject, &about) {
            notes.push(note);
        }
    }
    subject
}

/// What an annotation may be about: `workload`, `component/NAME`, ...
pub fn subjects(documentation: &Documentation) -> Vec<String> {
    let named = |kind: &'static str, names: Vec<&String>| {
        names.into_iter().map(move |name| format!("{kind}/{name}")).collect::<Vec<_>>()
    };
    let mut all = vec!["workload".to_owned()];
    all.extend(named("component", documentation.components.keys().collect()));
    all.extend(named("alarm", documentation.alarms.keys().collect()));
    all.extend(named("trigger", documentation.triggers.keys().collect()));
    all.extend(named("procedure", documentation.procedures.keys().collect()));
    all
}

/// What `mainstay docs accept` writes into the annotation: the digest of what it is about, and those of its parts.
/// `None` if there is no such thing.
pub fn accepted(documentation: &Documentation, about: &str) -> Option<(String, BTreeMap<String, String>)> {
    let parts = digests(documentation).remove(about)?;
    Some((whole(&parts), parts))
}

fn relate(subject: &mut Documentation) {
    let mut dependents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, component) in &subject.components {
        for needed in &component.depends_on {
            dependents.entry(needed.clone()).or_default().insert(name.clone());
        }
    }
    for (name, component) in &mut subject.components {
        component.dependents = dependents.remove(name).into_iter().flatten().collect();
        component.priorities = subject
            .priorities
            .iter()
            .filter(|priority| priority.components.is_empty() || priority.components.contains(name))
            .map(|priority| priority.goal.clone())
            .collect();
    }
    for alarm in subject.alarms.values_mut() {
        alarm.leads_to.sort();
        alarm.leads_to.dedup();
    }
    for (name, procedure) in &mut subject.procedures {
        procedure.started_by = subject
            .triggers
            .iter()
            .filter(|(_, trigger)| trigger.starts.iter().any(|target| target.procedure == *name))
            .map(|(trigger, _)| trigger.clone())
            .collect();
        procedure.alarms = subject
            .alarms
            .iter()
            .filter(|(_, alarm)| alarm.leads_to.iter().any(|way| way.procedure == *name))
            .map(|(alarm, _)| alarm.clone())
            .collect();
    }
}

/// Where the digest and the annotations of a thing stand.
fn place<'a>(subject: &'a mut Documentation, about: &str) -> Option<(&'a mut String, &'a mut Vec<Note>)> {
    macro_rules! slots {
        ($thing:expr) => {
            $thing.map(|thing| (&mut thing.digest, &mut thing.notes))
        };
    }
    match about.split_once('/') {
        None if about == "workload" => slots!(Some(&mut subject.workload)),
        Some(("component", name)) => slots!(subject.components.get_mut(name)),
        Some(("alarm", name)) => slots!(subject.alarms.get_mut(name)),
        Some(("trigger", name)) => slots!(subject.triggers.get_mut(name)),
        Some(("procedure", name)) => slots!(subject.procedures.get_mut(name)),
        _ => None,
    }
}

type Parts = BTreeMap<String, String>;

/// The digests of the declared parts of everything that may be annotated.
fn digests(subject: &Documentation) -> BTreeMap<String, Parts> {
    let mut all = BTreeMap::new();
    let mut of_workload = parts(&subject.workload);
    let mut part = |name: &str, value: &Value| {
        of_workload.insert(name.to_owned(), digest(value, 8));
    };
    part("priorities", &to_value(&subject.priorities));
    part("environments", &to_value(&subject.environments));
    let depends: BTreeMap<_, _> = subject.components.iter().map(|(name, c)| (name, &c.depends_on)).collect();
    part("components", &to_value(&depends));
    part("alarms", &to_value(&subject.alarms.keys().collect::<Vec<_>>()));
    part("triggers", &to_value(&subject.triggers.keys().collect::<Vec<_>>()));
    part("procedures", &to_value(&subject.procedures.keys().collect::<Vec<_>>()));
    all.insert("workload".to_owned(), of_workload);
    all.extend(subject.components.iter().map(|(name, item)| (format!("component/{name}"), parts(item))));
    all.extend(subject.alarms.iter().map(|(name, item)| (format!("alarm/{name}"), parts(item))));
    all.extend(subject.triggers.iter().map(|(name, item)| (format!("trigger/{name}"), parts(item))));
    all.extend(subject.procedures.iter().map(|(name, item)| (format!("procedure/{name}"), parts(item))));
    all
}

fn to_value<T: Serialize>(item: &T) -> Value {
    serde_json::to_value(item).unwrap_or_default()
}

/// The digest of each declared field. The file's name is where a thing is, not what it is.
fn parts<T: Serialize>(item: &T) -> Parts {
    let Value::Object(mut fields) = to_value(item) else { return Parts::new() };
    fields.retain(|name, _| !FOLLOWS.contains(&name.as_str()) && name != "file");
    for step in fields.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(step) = step.as_object_mut() {
            step.retain(|name, _| !STEP_FOLLOWS.contains(&name.as_str()));
        }
    }
    fields.into_iter().map(|(name, value)| (name, digest(&value, 8))).collect()
}

fn whole(parts: &Parts) -> String {
    digest(&to_value(parts), 16)
}

/// So many hex digits of the BLAKE3 of a value, whatever order its mappings were written in.
fn digest(value: &Value, digits: usize) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    blake3::hash(text.as_bytes()).to_hex()[..digits].to_owned()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            out.push('{');
            for (key, value) in sorted {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for value in list {
                canonical(value, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn judge(note: &mut Note, now: &Parts) {
    note.changed.clear();
    note.state = match &note.describes {
        None => NoteState::Unknown,
        Some(digest) if *digest == whole(now) => NoteState::Current,
        Some(_) => {
            if !note.parts.is_empty() {
                let names: BTreeSet<&String> = note.parts.keys().chain(now.keys()).collect();
                let differs = |name: &&String| note.parts.get(*name) != now.get(*name);
                note.changed = names.into_iter().filter(differs).cloned().collect();
            }
            NoteState::Earlier
        }
    };
}
