//! Values for a document's parameters: from the command line, from a file, and from a person who is asked.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mainstay_declare::{Checked, DocumentsOnly, Kind, SourceFile};
use mainstay_runbook::{Document, ParameterType};
use serde_json::{Map, Value};

use crate::exit::{Exit, Failure};
use crate::screen::clean;

/// The largest file of parameters that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The pairs of `--param`, over those of `--param-file`.
pub fn given(pairs: &[(String, String)], file: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    let mut map = match file {
        Some(path) => read(path)?,
        None => Map::new(),
    };
    map.extend(parse(pairs)?);
    Ok(map)
}

/// `KEY=VALUE` pairs as a document's parameters: JSON where the value begins as a list or a quoted text does. Anything
/// else is text, in the form that leaves its type to the document (a list of that one text, as
/// `StartAutomationExecution` has it): only the document knows whether `true`, `5` and `{"a": 1}` are words.
fn parse(pairs: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    for (key, text) in pairs {
        let value = value(text).map_err(|error| {
            Failure::new(Exit::Usage, format!("The value of parameter `{key}` begins like JSON and is not"))
                .because(&error)
                .hint("quote it as a JSON string to pass it as text")
        })?;
        if map.insert(key.clone(), value).is_some() {
            return Err(Failure::new(Exit::Usage, format!("The parameter `{key}` is given twice")));
        }
    }
    Ok(map)
}

fn value(text: &str) -> Result<Value, serde_json::Error> {
    Ok(match text.as_bytes().first() {
        Some(b'[' | b'"') => serde_json::from_str(text)?,
        _ => Value::Array(vec![text.into()]),
    })
}

/// A file of parameters: one mapping, YAML or JSON.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    use std::io::Read as _;
    let shown = path.display();
    let unreadable =
        |error: &std::io::Error| Failure::local(format!("The file {shown} cannot be read"), error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let refused = |why: String| {
        Failure::new(Exit::Usage, format!("{shown} is not a file of parameters: {why}"))
            .hint("it holds one mapping from parameters to values, in YAML or JSON")
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused("it has more than 1 MiB".to_owned()));
    }
    // Read as the files of a workload are.
    let said = Mutex::new(None);
    let keep = DocumentsOnly(|value: &Value| {
        *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
        Checked::failed(Vec::new())
    });
    let file = SourceFile { path: shown.to_string(), bytes };
    let outcome = mainstay_declare::check_file(&file, Some(Kind::Procedure), &keep);
    if let Some(problem) = outcome.diagnostics.first().filter(|problem| !problem.message.is_empty()) {
        return Err(refused(format!("line {}: {}", problem.start.line, problem.message)));
    }
    match said.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(refused("it is not a mapping".to_owned())),
    }
}

/// Asks on the terminal for what the document needs and nobody gave. Where nobody can be asked, or the document comes
/// from standard input, nothing is asked and the run is refused for what is missing.
pub fn ask(document: &Document, values: &mut Map<String, Value>) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let missing = document
        .parameters
        .iter()
        .filter(|(name, parameter)| parameter.default.is_none() && !values.contains_key(*name));
    let missing: Vec<_> = missing.collect();
    for (name, parameter) in missing {
        let mut err = std::io::stderr();
        if let Some(description) = &parameter.description {
            let _ = writeln!(err, "{}", clean(description));
        }
        let kind = match parameter.kind {
            ParameterType::String => String::new(),
            _ => format!(" ({})", parameter.kind.name()),
        };
        let _ = write!(err, "{name}{kind}: ");
        let _ = err.flush();
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if read.map_err(|error| Failure::local("The answer cannot be read", &error))? == 0 {
            return Err(Failure::new(Exit::Usage, format!("The parameter `{name}` is missing")));
        }
        let text = line.trim_end_matches(['\n', '\r']);
        let value = value(text).map_err(|error| {
            Failure::new(Exit::Usage, format!("The value of parameter `{name}` begins like JSON and is not"))
                .because(&error)
        })?;
        values.insert(name.clone(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_text_unless_they_are_json() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let map = parse(&[pair("a", "1"), pair("b", "[\"x\"]"), pair("c", "true"), pair("d", "a=b")])
            .expect("good");
        assert_eq!(Value::Object(map), json!({"a": ["1"], "b": ["x"], "c": ["true"], "d": ["a=b"]}));
        let map = parse(&[pair("a", "{\"b\": 1}"), pair("b", "{{ x }}")]).expect("good");
        assert_eq!(Value::Object(map), json!({"a": ["{\"b\": 1}"], "b": ["{{ x }}"]}));
        assert_eq!(parse(&[pair("a", "[1")]).expect_err("bad").exit, Exit::Usage);
        assert_eq!(parse(&[pair("a", "1"), pair("a", "2")]).expect_err("twice").exit, Exit::Usage);
    }

    #[test]
    fn a_file_gives_what_the_command_line_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, "a: 1\nb: [x, y]\n").expect("written");
        let pairs = [("a".to_owned(), "2".to_owned())];
        let map = given(&pairs, Some(&path)).expect("read");
        assert_eq!(Value::Object(map), json!({"a": ["2"], "b": ["x", "y"]}));
        std::fs::write(&path, "- a\n").expect("written");
        assert!(given(&[], Some(&path)).expect_err("a list").message.contains("not a mapping"));
        assert_eq!(given(&[], Some(Path::new("/nonexistent"))).expect_err("none").exit, Exit::Local);
    }
}
