//! `mainstay events test`: one pattern on one event, on files, with no server.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mainstay_declare::{
    Checked, Diagnostic, FileOutcome, Kind, Languages, MAX_FILE_BYTES, ProcedureFacts, RulesFacts,
    SourceFile, TriggerFacts,
};
use mainstay_detect::{Pattern, PatternSet, Scratch, Trigger};
use mainstay_model::{Problem, Severity};
use serde_json::{Value, json};

use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, clean_lines, is_colored, say};

/// Says whether the pattern matches the event, and if not, why. What is refused ends with [`Exit::Usage`], so that a
/// script can tell it from an event that does not match.
pub fn run(screen: Screen, pattern: &Path, event: &Path) -> Result<(), Failure> {
    let pattern = read_pattern(screen, pattern)?;
    let value = read_event(event)?;
    let explanation = pattern.explain(&value);
    screen.show(&explanation, |explanation| clean_lines(&format!("{explanation}\n")))?;
    if explanation.matched { Ok(()) } else { Err(Failure::said(Exit::No)) }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: &std::io::Error| Failure {
        exit: Exit::Usage,
        ..Failure::local(format!("The file {} cannot be read", path.display()), error)
    };
    // A pipe could be waited for without end.
    if !std::fs::metadata(path).map_err(|error| failed(&error))?.is_file() {
        return Err(failed(&std::io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let most = MAX_FILE_BYTES as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > most {
        return Err(failed(&std::io::Error::other(format!("it has more than {most} bytes"))));
    }
    Ok(bytes)
}

/// Keeps the pattern of a file that is read as a trigger: the trigger's, or the file is one itself.
#[derive(Default)]
struct Reads(Mutex<Option<Pattern>>);

impl Languages for Reads {
    fn document(&self, _: &Value) -> Checked<ProcedureFacts> {
        Checked::failed(Vec::new())
    }

    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::failed(Vec::new())
    }

    fn trigger(&self, value: &Value) -> Checked<TriggerFacts> {
        match pattern_of(value) {
            Ok((pattern, warnings)) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pattern);
                Checked::failed(warnings)
            }
            Err(problems) => Checked::failed(problems),
        }
    }

    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}

/// The pattern of a trigger, or that the value is itself.
fn pattern_of(value: &Value) -> Result<(Pattern, Vec<Problem>), Vec<Problem>> {
    // In a pattern every field is a list or a mapping of such, so a list is a field of that name.
    match value.get("EventPattern") {
        Some(Value::Object(_) | Value::String(_)) => {
            let trigger = Trigger::parse(value)?;
            Ok((trigger.pattern.ok_or_else(Vec::new)?, trigger.warnings))
        }
        _ => Ok((Pattern::parse(value)?, Vec::new())),
    }
}

/// The pattern of a JSON file in which nothing is wrong but keys that are there twice, of which EventBridge takes the last:
/// with the same told as warnings.
fn of_last_keys(outcome: &FileOutcome, bytes: &[u8]) -> Option<(Pattern, Vec<Diagnostic>)> {
    let is_all = outcome.diagnostics.iter().all(|found| !found.is_error() || found.code == "duplicate-key");
    let value = is_all.then(|| serde_json::from_slice(bytes).ok()).flatten()?;
    let (pattern, _) = pattern_of(&value).ok()?;
    let help = "The last one counts, as in EventBridge: name the key once, with all its values in one list";
    let warning = |found: &Diagnostic| Diagnostic {
        severity: Severity::Warning,
        help: Some(help.to_owned()),
        ..found.clone()
    };
    Some((pattern, outcome.diagnostics.iter().map(warning).collect()))
}

fn read_pattern(screen: Screen, path: &Path) -> Result<Pattern, Failure> {
    let file = SourceFile { path: path.display().to_string(), bytes: read(path)? };
    let reads = Reads::default();
    let outcome = mainstay_declare::check_file(&file, Some(Kind::Trigger), &reads);
    let tell = |found: &[Diagnostic]| {
        say(diagnostics::render(found, &outcome.sources, is_colored(&std::io::stderr())).trim_end());
    };
    if let (Some(pattern), false) = (
        reads.0.into_inner().unwrap_or_else(PoisonError::into_inner),
        outcome.diagnostics.iter().any(mainstay_declare::Diagnostic::is_error),
    ) {
        if !outcome.diagnostics.is_empty() {
            tell(&outcome.diagnostics);
        }
        return Ok(pattern);
    }
    if let Some((pattern, warnings)) = of_last_keys(&outcome, &file.bytes) {
        tell(&warnings);
        return Ok(pattern);
    }
    if screen.is_json() {
        screen.json(&json!({ "diagnostics": diagnostics::to_json(&outcome.diagnostics) }))?;
    } else {
        tell(&outcome.diagnostics);
    }
    Err(Failure::said(Exit::Usage))
}

/// Reads an event, JSON as triggers see it.
pub fn read_event(path: &Path) -> Result<Value, Failure> {
    let bytes = read(path)?;
    let refused = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(Exit::Usage, format!("The file {} is not an event", path.display())).because(error)
    };
    PatternSet::<u8>::new().matches_json(&bytes, &mut Scratch::new()).map_err(|error| refused(&error))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| refused(&error))?;
    if !value.is_object() {
        return Err(refused(&std::io::Error::other("it is JSON, but not an object")));
    }
    Ok(value)
}
