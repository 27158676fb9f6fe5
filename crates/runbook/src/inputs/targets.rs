//! Which hosts a command is for: `InstanceIds` and `Targets` of `aws:runCommand`.

use mainstay_model::{HostId, Problem};
use serde_json::{Map, Value};

use crate::effect::{TagFilter, Targets};
use crate::reader::Reader;

fn host_ids(texts: Vec<String>, path: &[mainstay_model::Segment], reader: &mut Reader<'_>) -> Vec<HostId> {
    let mut hosts: Vec<HostId> = Vec::new();
    for text in texts {
        if text == "{{RESOURCE_ID}}" || text == "{{ RESOURCE_ID }}" {
            reader.not_built(path.to_vec(), "Maintenance windows (`{{RESOURCE_ID}}`) are");
            continue;
        }
        if reader.open(&Value::String(text.clone())) {
            continue;
        }
        match HostId::new(text) {
            Ok(host) if !hosts.contains(&host) => hosts.push(host),
            Ok(_) => {}
            Err(error) => reader.push(Problem::error("bad-value", path.to_vec(), error.to_string())),
        }
    }
    hosts
}

pub(super) fn read_targets(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Targets> {
    // Procedures hand on two parameters of which the caller fills one.
    let both = inputs.contains_key("InstanceIds") && inputs.contains_key("Targets");
    let given = |key: &str| inputs.get(key).filter(|value| !(both && says_nothing(value)));
    match (given("InstanceIds"), given("Targets")) {
        (Some(hosts), Some(targets)) if reader.open(hosts) || reader.open(targets) => None,
        (Some(_), Some(_)) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Targets"),
                    "`InstanceIds` and `Targets` exclude each other",
                )
                .on_key(),
            );
            None
        }
        (None, None) if both => {
            reader.push(Problem::error(
                "bad-value",
                reader.at("InstanceIds"),
                "`InstanceIds` and `Targets` both name no host",
            ));
            None
        }
        (None, None) => {
            reader.missing("InstanceIds` or `Targets", "aws:runCommand");
            None
        }
        (Some(value), None) => {
            if value.as_array().is_some_and(|list| list.len() > 50) {
                reader.push(Problem::error("bad-value", reader.at("InstanceIds"), "At most 50 hosts by id"));
            }
            let texts = reader.texts(inputs, "InstanceIds")?;
            let hosts = host_ids(texts, &reader.at("InstanceIds"), reader);
            // In a draft what is open may still name some.
            if hosts.is_empty() && (!reader.draft || says_nothing(value)) {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("InstanceIds"),
                    "`InstanceIds` names no host",
                ));
            }
            Some(Targets::Hosts(hosts))
        }
        (None, Some(Value::Array(list))) => {
            if list.is_empty() || list.len() > 5 {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("Targets"),
                    "`Targets` has 1 to 5 entries",
                ));
                return None;
            }
            let mut within = reader.inside("Targets");
            let filters: Vec<Option<TagFilter>> = list
                .iter()
                .enumerate()
                .map(|(index, entry)| read_target(entry, &mut within.inside(index)))
                .collect();
            filters.into_iter().collect::<Option<Vec<_>>>().map(Targets::Tags)
        }
        (None, Some(value)) if reader.open(value) => None,
        (None, Some(other)) => {
            reader.wrong(reader.at("Targets"), "Targets", "a list of `Key` and `Values`", other);
            None
        }
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(says_nothing),
        Value::String(text) => text.is_empty(),
        other => other.is_null(),
    }
}

fn read_target(entry: &Value, reader: &mut Reader<'_>) -> Option<TagFilter> {
    let Value::Object(map) = entry else {
        if !reader.open(entry) {
            reader.wrong(reader.path.clone(), "Targets", "a list of `Key` and `Values`", entry);
        }
        return None;
    };
    reader.unknown_keys(map, &["Key", "Values"], "a target");
    for key in ["Key", "Values"].iter().filter(|key| !map.contains_key(**key)) {
        reader.missing(key, "A target");
    }
    let key = reader.text(map, "Key")?;
    let values = reader.texts(map, "Values");
    if values.as_ref().is_some_and(|values| values.is_empty() || values.len() > 50) {
        reader.push(Problem::error("bad-value", reader.at("Values"), "`Values` has 1 to 50 entries"));
        return None;
    }
    if reader.open(&Value::String(key.clone())) {
        return None;
    }
    if let Some(tag) = key.strip_prefix("tag:") {
        return Some(TagFilter::Tag { key: tag.to_owned(), values: values? });
    }
    match key.as_str() {
        "tag-key" => Some(TagFilter::Key(values?)),
        "InstanceIds" | "instanceids" => {
            let path = reader.at("Values");
            Some(TagFilter::Host(host_ids(values?, &path, reader)))
        }
        _ if key.starts_with("resource-groups:") => {
            let at = reader.at("Key");
            reader.push(
                Problem::error("not-built", at, "Resource groups as targets are not built yet")
                    .help("Hosts are grouped by their tags here: use `tag:KEY` with `Values`"),
            );
            None
        }
        _ => {
            reader.push(
                Problem::error("bad-value", reader.at("Key"), format!("`{key}` is not a key of targets"))
                    .help("Use `tag:KEY`, `tag-key` or `InstanceIds`"),
            );
            None
        }
    }
}
