//! `mainstay show --resolved`: every value of a workload, where it is said, and what it wins over.

use std::fmt::Write as _;
use std::path::Path;

use mainstay_declare::Origin;
use mainstay_declare::resolved::{Layer, Resolved, Said, Settled, resolve};
use serde_json::{Value, json};

use super::apply;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, clean, count, shorten, table};

/// The version of what `--output json` prints. It grows when a member changes its meaning or is gone.
const VERSION: u32 = 1;

/// How much of a value is shown; all of it is in the JSON.
const MAX_VALUE: usize = 60;

/// Shows the values of a directory in one environment, or in each.
pub fn run(screen: Screen, dir: &Path, environment: Option<&str>) -> Result<(), Failure> {
    let checked = directory::check(dir)?;
    let Some(declared) = &checked.declared else {
        // Shows the problems, and fails.
        apply::must_be_clean(&checked)?;
        return Err(Failure::said(Exit::No));
    };
    let known: Vec<&str> = declared.workload.environments.keys().map(String::as_str).collect();
    if let Some(name) = environment.filter(|name| !known.contains(name)) {
        let failure = Failure::new(
            Exit::Usage,
            format!("{} has no environment `{}`", declared.workload.name, clean(name)),
        );
        return Err(match mainstay_model::problem::nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => failure.hint("it has no environments at all"),
            None => failure.hint(format!("its environments are {}", known.join(", "))),
        });
    }
    let all = resolve(declared, &checked.files, environment);
    if screen.is_json() {
        return screen.json(&json!({
            "version": VERSION,
            "workload": declared.workload.name,
            "standards": declared.standards.iter().map(|one| json!({
                "name": one.name,
                "source": one.source.to_string(),
                "description": one.definition.description,
            })).collect::<Vec<_>>(),
            "environments": all.iter().map(value).collect::<Vec<_>>(),
        }));
    }
    let mut text = String::new();
    for standard in &declared.standards {
        let _ = writeln!(
            text,
            "{} is {}{}",
            screen.style.bold(&format!("standard {}", standard.name)),
            clean(&standard.source.to_string()),
            standard
                .definition
                .description
                .as_ref()
                .map(|words| format!(": {}", clean(words)))
                .unwrap_or_default()
        );
    }
    for one in &all {
        text.push_str(&human(one, screen.style));
    }
    screen.print(&text)
}

// ---- for people ----

fn human(resolved: &Resolved, style: Style) -> String {
    let title = match &resolved.environment {
        Some(name) => format!("environment {name}"),
        None => "every host".to_owned(),
    };
    let rows = resolved.values.iter().map(|(path, settled)| {
        vec![
            Field::from(path.clone()),
            shorten(&plain(&settled.value), MAX_VALUE).into(),
            place(&settled.by, settled.origin.as_ref(), settled.written.as_deref()).into(),
            settled.over.iter().map(lost).collect::<Vec<_>>().join("; ").into(),
        ]
    });
    format!(
        "{}: {}\n{}",
        style.bold(&title),
        count(resolved.values.len(), "value"),
        table(style, &["VALUE", "IS", "SAID BY", "WINS OVER"], rows.collect())
    )
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn place(by: &Layer, origin: Option<&Origin>, written: Option<&str>) -> String {
    let place = match (by, origin) {
        (Layer::Environment(_), Some(origin)) => format!("{by}, {origin}"),
        // A standard's origin begins with its name.
        (_, Some(origin)) => origin.to_string(),
        (_, None) => by.to_string(),
    };
    match written {
        Some(text) => format!("{place} as {}", shorten(text, MAX_VALUE)),
        None => place,
    }
}

fn lost(said: &Said) -> String {
    let because = said.because.as_ref().map(|words| format!(", because: {words}")).unwrap_or_default();
    let place = place(&said.by, said.origin.as_ref(), None);
    match because.is_empty() {
        true => format!("{} of {place}", shorten(&plain(&said.value), MAX_VALUE)),
        false => format!("that of {place}{because}"),
    }
}

// ---- for scripts ----

fn value(resolved: &Resolved) -> Value {
    let values: Vec<Value> = resolved.values.iter().map(|(path, settled)| one(path, settled)).collect();
    json!({ "environment": resolved.environment, "values": values })
}

fn one(path: &str, settled: &Settled) -> Value {
    let over: Vec<Value> = settled
        .over
        .iter()
        .map(|said| {
            let mut out = said_by(&said.by, said.origin.as_ref());
            out["value"] = said.value.clone();
            if let Some(because) = &said.because {
                out["because"] = json!(because);
            }
            out
        })
        .collect();
    let mut out = said_by(&settled.by, settled.origin.as_ref());
    out["path"] = json!(path);
    out["value"] = settled.value.clone();
    if let Some(written) = &settled.written {
        out["written"] = json!(written);
    }
    out["over"] = json!(over);
    out
}

fn said_by(by: &Layer, origin: Option<&Origin>) -> Value {
    let (layer, name) = match by {
        Layer::Default => ("default", None),
        Layer::Standard(name) => ("standard", Some(name)),
        Layer::Workload => ("workload", None),
        Layer::Environment(name) => ("environment", Some(name)),
    };
    let mut out = json!({ "by": layer });
    if let Some(name) = name {
        out["name"] = json!(name);
    }
    if let Some(origin) = origin {
        out["file"] = json!(origin.file);
        out["line"] = json!(origin.line);
        if let Some(standard) = &origin.standard {
            out["standard"] = json!(standard);
        }
    }
    out
}
