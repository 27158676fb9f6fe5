//! A second matcher, written in another way and with no attempt to be quick: it writes out every pair of the event, every
//! combination of alternatives, and every choice of one pair per field.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::{Map, Number, Value, json};

/// A pair of the event: path, scalar, and the list elements it lies in as (path of the list with indices, index).
type Pair = (String, Value, Vec<(String, usize)>);

fn pairs(value: &Value, path: &str, place: &str, elements: &[(String, usize)], out: &mut Vec<Pair>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let joined = if place.is_empty() { key.clone() } else { format!("{path}.{key}") };
                pairs(inner, &joined, &format!("{place}/{key:?}"), elements, out);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                let mut within = elements.to_vec();
                if inner.is_object() || inner.is_array() {
                    within.push((place.to_owned(), index));
                }
                pairs(inner, path, &format!("{place}/{index}"), &within, out);
            }
        }
        scalar => out.push((path.to_owned(), scalar.clone(), elements.to_vec())),
    }
}

/// Every combination of fields that the pattern stands for: lists of (path, entries).
fn combinations(pattern: &Map<String, Value>, path: Option<&str>) -> Vec<Vec<(String, Vec<Value>)>> {
    let mut out = vec![Vec::new()];
    for (key, value) in pattern {
        let joined = path.map_or(key.clone(), |path| format!("{path}.{key}"));
        let choices: Vec<Vec<(String, Vec<Value>)>> = match value {
            Value::Array(alternatives) if key == "$or" => alternatives
                .iter()
                .flat_map(|alternative| combinations(alternative.as_object().expect("an object"), path))
                .collect(),
            Value::Object(inner) => combinations(inner, Some(&joined)),
            Value::Array(entries) => vec![vec![(joined, entries.clone())]],
            other => panic!("not a pattern: {other}"),
        };
        out = out
            .iter()
            .flat_map(|before| choices.iter().map(move |choice| [before.clone(), choice.clone()].concat()))
            .collect();
    }
    out
}

/// Whole numbers compare exactly, all others as doubles.
fn order(a: &Number, b: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).expect("JSON has no NaN"),
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    order(a, b).is_eq()
}

/// Without case: writes out what each character of the operand stands for.
fn folded(text: &str, operand: &str, how: &str) -> bool {
    let Some(wanted) = operand.chars().next() else { return how != "equals" || text.is_empty() };
    let (first, rest) = operand.split_at(wanted.len_utf8());
    let forms: [String; 3] =
        [first.to_owned(), wanted.to_lowercase().collect(), wanted.to_uppercase().collect()];
    let goes_on = |from: &str| {
        let how = if how == "prefix" { how } else { "equals" };
        forms.iter().any(|form| from.strip_prefix(form).is_some_and(|more| folded(more, rest, how)))
    };
    match how {
        "suffix" => text.char_indices().any(|(at, _)| goes_on(&text[at..])),
        _ => goes_on(text),
    }
}

/// Looks at each star in each way, and remembers nothing.
fn glob(pattern: &[char], text: &[char]) -> bool {
    // Which beginnings of the text the pattern so far can have made.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((first, tail)) = rest.split_first() {
        let mut next = vec![false; text.len() + 1];
        let (literal, tail) = match (first, tail) {
            ('*', tail) => {
                let mut any = false;
                for (at, was) in reached.iter().enumerate() {
                    any |= was;
                    next[at] = any;
                }
                (reached, rest) = (next, tail);
                continue;
            }
            ('\\', [escaped, tail @ ..]) => (*escaped, tail),
            (literal, tail) => (*literal, tail),
        };
        for (at, c) in text.iter().enumerate() {
            next[at + 1] = reached[at] && *c == literal;
        }
        (reached, rest) = (next, tail);
    }
    reached[text.len()]
}

/// Bit by bit.
fn in_block(block: &str, text: &str) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let (address, mask) = block.split_once('/').expect("a block");
    let (block, mask) =
        (bits(address.parse().expect("an address")), mask.parse::<usize>().expect("a number"));
    text.parse().map(bits).is_ok_and(|text| text.len() == block.len() && text[..mask] == block[..mask])
}

fn passes(entry: &Value, value: &Value) -> bool {
    let Some(operator) = entry.as_object() else {
        return match (entry, value) {
            (Value::Number(a), Value::Number(b)) => same_number(a, b),
            // Other spellings of an address are the same address.
            (Value::String(a), Value::String(b)) => {
                a == b || a.parse::<IpAddr>().is_ok_and(|a| b.parse() == Ok(a))
            }
            (a, b) => a == b,
        };
    };
    let (name, operand) = operator.iter().next().expect("one key");
    let text = value.as_str();
    let like = |name: &str, operand: &str, text: &str| match name {
        "prefix" => text.starts_with(operand),
        "suffix" => text.ends_with(operand),
        "equals-ignore-case" => folded(text, operand, "equals"),
        "wildcard" => glob(&operand.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>()),
        "cidr" => in_block(operand, text),
        "exactly" => text == operand,
        other => panic!("no operator: {other}"),
    };
    match (name.as_str(), operand) {
        ("exists", wanted) => wanted == true,
        ("numeric", Value::Array(terms)) => terms.chunks(2).all(|pair| {
            let (Value::Number(value), Value::Number(bound)) = (value, &pair[1]) else { return false };
            let order = order(value, bound);
            match pair[0].as_str().expect("a comparison") {
                "=" => order.is_eq(),
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                _ => order.is_ge(),
            }
        }),
        ("anything-but", Value::Object(inner)) => {
            let (name, operand) = inner.iter().next().expect("one key");
            let operands = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
            !operands
                .iter()
                .any(|operand| text.is_some_and(|text| like(name, operand.as_str().expect("a text"), text)))
        }
        // Excluded texts are exact, addresses too.
        ("anything-but", excluded) => {
            let excluded = excluded.as_array().cloned().unwrap_or_else(|| vec![excluded.clone()]);
            !excluded.iter().any(|entry| match (entry, value) {
                (Value::Number(a), Value::Number(b)) => same_number(a, b),
                (a, b) => a == b,
            })
        }
        (name, Value::Object(fold)) => {
            let operand = fold["equals-ignore-case"].as_str().expect("a text");
            text.is_some_and(|text| folded(text, operand, name))
        }
        (name, operand) => text.is_some_and(|text| like(name, operand.as_str().expect("a text"), text)),
    }
}

fn chosen(fields: &[(String, Vec<Value>)], all: &[Pair], elements: &[(String, usize)]) -> bool {
    let Some(((path, entries), rest)) = fields.split_first() else { return true };
    let here: Vec<&Pair> = all.iter().filter(|pair| pair.0 == *path).collect();
    let agrees = |within: &[(String, usize)]| {
        within
            .iter()
            .all(|(list, index)| elements.iter().all(|(other, chosen)| list != other || index == chosen))
    };
    let passing: Vec<&Vec<(String, usize)>> = here
        .iter()
        .filter(|pair| entries.iter().any(|entry| passes(entry, &pair.1)))
        .map(|pair| &pair.2)
        .collect();
    // A value outside of lists is enough, and chooses no element.
    if passing.iter().any(|within| within.is_empty()) {
        return chosen(rest, all, elements);
    }
    let absent = entries.contains(&json!({"exists": false})) && !here.iter().any(|pair| agrees(&pair.2));
    (absent && chosen(rest, all, elements))
        || passing
            .iter()
            .any(|within| agrees(within) && chosen(rest, all, &[elements, within.as_slice()].concat()))
}

/// Whether an event matches a pattern that is one.
pub fn naive(pattern: &Value, event: &Value) -> bool {
    let mut all = Vec::new();
    pairs(event, "", "", &[], &mut all);
    let pattern = pattern.as_object().expect("a pattern is an object");
    combinations(pattern, None).iter_mut().any(|fields| {
        // Absence is of the elements that were chosen for the fields before.
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        chosen(fields, &all, &[])
    })
}
