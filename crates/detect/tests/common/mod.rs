//! What the tests over corpora share: where the corpora are, and readers for the formats they come in.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// The folder of a corpus, or `None` with a word where there is none.
pub fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MAINSTAY_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpora ({name})");
    None
}

/// All files below a folder that end so, in order of their paths.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// The name of a file without its folder.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// JSON with `//` comments and commas before closing brackets, which is all of JSON5 that the corpora use.
pub fn json5(text: &str) -> Value {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                out.push(c);
                out.extend(chars.next());
            }
            '"' => {
                quoted = !quoted;
                out.push(c);
            }
            '/' if !quoted && chars.peek() == Some(&'/') => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            ']' | '}' if !quoted => {
                let kept = out.trim_end();
                let kept = kept.strip_suffix(',').unwrap_or(kept).len();
                out.truncate(kept);
                out.push(c);
            }
            c => out.push(c),
        }
    }
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
}

/// The documents of a YAML file without anchors, plain scalars typed by the core schema.
pub fn yaml(text: &str) -> Vec<Value> {
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    while let Some(event) = parser.next_event() {
        if matches!(event.expect("the file is YAML").0, Event::DocumentStart(_)) {
            let first = parser.next_event().expect("a document has a node").expect("the file is YAML").0;
            documents.push(node(first, &mut parser));
        }
    }
    documents
}

fn next<'i, I: saphyr_parser::Input>(parser: &mut Parser<'i, I>) -> Event<'i> {
    parser.next_event().expect("the node ends").expect("the file is YAML").0
}

fn node<'i, I: saphyr_parser::Input>(event: Event<'i>, parser: &mut Parser<'i, I>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, _) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut out = Vec::new();
            loop {
                match next(parser) {
                    Event::SequenceEnd => return Value::Array(out),
                    event => out.push(node(event, parser)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut out = Map::new();
            while let Event::Scalar(key, ..) = next(parser) {
                let value = next(parser);
                out.insert(key.into_owned(), node(value, parser));
            }
            Value::Object(out)
        }
        other => panic!("not read here: {other:?}"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        text => {
            let number = text.parse::<i64>().ok().map(Number::from);
            let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
            let float = || text.parse::<f64>().ok().filter(|_| digits).and_then(Number::from_f64);
            number.or_else(float).map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
    }
}
