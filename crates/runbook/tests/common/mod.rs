//! What the tests share: reading YAML into plain values, and finding the corpora.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The value of a YAML text with one document. Tags are ignored.
pub fn yaml(text: &str) -> Result<Value, String> {
    let mut stack: Vec<(Option<String>, Value)> = Vec::new();
    let mut anchors: Vec<(usize, Value)> = Vec::new();
    let mut done: Option<Value> = None;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let finished = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(&text, style);
                anchors.push((anchor, value.clone()));
                value
            }
            Event::Alias(anchor) => {
                anchors.iter().rev().find(|(id, _)| *id == anchor).map_or(Value::Null, |(_, v)| v.clone())
            }
            Event::SequenceStart(..) => {
                stack.push((None, Value::Array(Vec::new())));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push((None, Value::Object(Map::new())));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some((_, value)) => value,
                None => return Err("unbalanced".to_owned()),
            },
            Event::DocumentStart(_) if done.is_some() => return Err("several documents".to_owned()),
            _ => continue,
        };
        match stack.last_mut() {
            None => done = Some(finished),
            Some((_, Value::Array(list))) => list.push(finished),
            Some((key, Value::Object(map))) => match key.take() {
                None => *key = Some(finished.as_str().map_or_else(|| finished.to_string(), str::to_owned)),
                Some(key) => {
                    map.insert(key, finished);
                }
            },
            Some(_) => return Err("a scalar holds something".to_owned()),
        }
    }
    done.ok_or_else(|| "empty".to_owned())
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" | "True" => true.into(),
        "false" | "False" => false.into(),
        _ => match serde_json::from_str::<Value>(text) {
            Ok(number @ Value::Number(_)) => number,
            _ => text.into(),
        },
    }
}

/// A value from YAML that is right.
pub fn value(text: &str) -> Value {
    yaml(text).expect(text)
}

/// The folder of the corpora, if there is one.
pub fn corpora() -> Option<PathBuf> {
    let root = std::env::var_os("MAINSTAY_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no corpora");
    None
}

/// All files below a folder, in order.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
