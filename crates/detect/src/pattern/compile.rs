//! Reading patterns.

use std::cmp::Ordering;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment};
use serde_json::{Map, Number, Value};

use super::test::{Bounds, Like, Test};
use super::{All, Leaf, MAX_COMBINATIONS, MAX_DEPTH, Or, Pattern};
use crate::network::Block;
use crate::number;
use crate::read::{at, kind};
use crate::wildcard::Wildcard;

/// The operators, as they are written.
const OPERATORS: &[&str] = &[
    "prefix",
    "suffix",
    "equals-ignore-case",
    "wildcard",
    "anything-but",
    "numeric",
    "exists",
    "cidr",
    "exactly",
];

/// Names that no field inside `$or` may have, because the service could not tell them from operators.
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

pub(super) fn compile(value: &Value) -> Result<Pattern, Vec<Problem>> {
    let mut compiler = Compiler::default();
    let mut root = All::default();
    match value {
        Value::Object(map) => compiler.object(map, &mut Vec::new(), None, false, &mut root),
        other => {
            compiler.error("bad-pattern", &[], format!("A pattern must be a mapping, found {}", kind(other)));
        }
    }
    if combinations(&root) > MAX_COMBINATIONS {
        compiler.error(
            "too-many-combinations",
            &[],
            format!("The `$or` of this pattern spell out more than {MAX_COMBINATIONS} combinations"),
        );
    }
    if compiler.problems.is_empty() {
        Ok(Pattern { root, leaves: compiler.leaves })
    } else {
        Err(compiler.problems)
    }
}

fn combinations(all: &All) -> usize {
    all.ors
        .iter()
        .map(|or| or.alternatives.iter().map(combinations).fold(0, usize::saturating_add))
        .fold(1, usize::saturating_mul)
}

#[derive(Default)]
struct Compiler {
    problems: Vec<Problem>,
    leaves: usize,
}

impl Compiler {
    fn error(&mut self, code: &'static str, path: &[Segment], message: impl Into<String>) {
        self.problems.push(Problem::error(code, path, message));
    }

    fn object(
        &mut self,
        map: &Map<String, Value>,
        path: &mut Vec<Segment>,
        prefix: Option<&str>,
        in_or: bool,
        out: &mut All,
    ) {
        if map.is_empty() {
            self.error("empty-pattern", path, "A pattern must not have empty mappings");
        }
        if path.len() > MAX_DEPTH {
            self.error("pattern-too-deep", path, format!("A pattern may nest {MAX_DEPTH} deep"));
            return;
        }
        for (key, value) in map {
            path.push(key.as_str().into());
            let name = join(prefix, key);
            if key == "$or" {
                self.alternatives(value, path, prefix, out);
            } else {
                if in_or && RESERVED.contains(&key.as_str()) {
                    self.problems.push(
                        Problem::error(
                            "reserved-field",
                            path.clone(),
                            format!("`{key}` is an operator's name, which no field inside `$or` may have"),
                        )
                        .on_key(),
                    );
                }
                match value {
                    Value::Object(inner) => self.object(inner, path, Some(&name), in_or, out),
                    Value::Array(entries) => self.leaf(entries, path, name, out),
                    other => self.problems.push(
                        Problem::error(
                            "bad-pattern",
                            path.clone(),
                            format!("`{key}` must be a mapping or a list, found {}", kind(other)),
                        )
                        .help(format!("write `[{other}]`")),
                    ),
                }
            }
            path.pop();
        }
    }

    fn alternatives(&mut self, value: &Value, path: &mut Vec<Segment>, prefix: Option<&str>, out: &mut All) {
        let entries = match value {
            Value::Array(entries) if entries.len() >= 2 => entries,
            _ => {
                self.error("bad-or", path, "`$or` must be a list of at least two mappings");
                return;
            }
        };
        let mut alternatives = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            path.push(index.into());
            let mut all = All::default();
            match entry {
                Value::Object(map) => self.object(map, path, prefix, true, &mut all),
                other => {
                    self.error("bad-or", path, format!("`$or` holds mappings only, found {}", kind(other)));
                }
            }
            alternatives.push(all);
            path.pop();
        }
        out.ors.push(Or { path: join(prefix, "$or"), alternatives });
    }

    fn leaf(&mut self, entries: &[Value], path: &mut Vec<Segment>, name: String, out: &mut All) {
        if entries.is_empty() {
            self.error("empty-list", path, "A field's list of values must not be empty");
        }
        let mut tests = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            path.push(index.into());
            tests.extend(self.test(entry, path));
            path.pop();
        }
        let expected = Value::Array(entries.to_vec()).to_string();
        out.leaves.push(Leaf { number: self.leaves, path: name, tests, expected });
        self.leaves += 1;
    }

    fn test(&mut self, entry: &Value, path: &[Segment]) -> Option<Test> {
        match entry {
            Value::String(text) => Some(Test::Text(text.clone(), text.parse().ok())),
            Value::Number(number) => Some(Test::Number(number.clone())),
            Value::Null | Value::Bool(_) => Some(Test::Constant(entry.clone())),
            Value::Array(_) => {
                self.error(
                    "bad-value",
                    path,
                    "A value must be a string, a number, true, false, null or an operator, found a list",
                );
                None
            }
            Value::Object(map) => {
                let (operator, operand) = self.only_key(map, path)?;
                self.operator(operator, operand, &at(path, operator))
            }
        }
    }

    /// The one key of an operator.
    fn only_key<'a>(
        &mut self,
        map: &'a Map<String, Value>,
        path: &[Segment],
    ) -> Option<(&'a str, &'a Value)> {
        let mut entries = map.iter();
        match (entries.next(), entries.next()) {
            (Some((key, value)), None) => Some((key, value)),
            _ => {
                self.error("bad-operator", path, "An operator must be a mapping with exactly one key");
                None
            }
        }
    }

    fn unknown_operator(&mut self, operator: &str, path: &[Segment], known: &[&str], place: &str) {
        let problem =
            Problem::error("unknown-operator", path, format!("There is no operator `{operator}`{place}"))
                .on_key();
        self.problems.push(match nearest(operator, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("operators are {}", known.join(", "))),
        });
    }

    fn operator(&mut self, operator: &str, operand: &Value, path: &[Segment]) -> Option<Test> {
        match operator {
            "exactly" => Some(Test::Text(self.text(operator, operand, path)?, None)),
            "equals-ignore-case" => Some(Test::Like(Like::EqualFold(self.text(operator, operand, path)?))),
            "prefix" => self.affix(operator, operand, path, Like::Prefix, Like::PrefixFold),
            "suffix" => self.affix(operator, operand, path, Like::Suffix, Like::SuffixFold),
            "wildcard" => {
                let text = self.text(operator, operand, path)?;
                Some(Test::Like(Like::Wildcard(self.wildcard(&text, path)?)))
            }
            "cidr" => {
                let text = self.text(operator, operand, path)?;
                match Block::parse(&text) {
                    Ok(block) => Some(Test::Cidr(block)),
                    Err(why) => {
                        self.error("bad-cidr", path, format!("`{text}` is not a block of addresses: {why}"));
                        None
                    }
                }
            }
            "exists" => match operand {
                Value::Bool(wanted) => Some(Test::Exists(*wanted)),
                other => {
                    self.error(
                        "bad-operator",
                        path,
                        format!("`exists` takes true or false, found {}", kind(other)),
                    );
                    None
                }
            },
            "numeric" => self.numeric(operand, path),
            "anything-but" => self.anything_but(operand, path),
            other => {
                self.unknown_operator(other, path, OPERATORS, "");
                None
            }
        }
    }

    fn text(&mut self, operator: &str, operand: &Value, path: &[Segment]) -> Option<String> {
        if let Value::String(text) = operand {
            return Some(text.clone());
        }
        self.problems.push(
            Problem::error(
                "bad-operator",
                path,
                format!("`{operator}` takes a string, found {}", kind(operand)),
            )
            .label("expected a string"),
        );
        None
    }

    fn wildcard(&mut self, text: &str, path: &[Segment]) -> Option<Wildcard> {
        match Wildcard::parse(text) {
            Ok(wildcard) => Some(wildcard),
            Err(error) => {
                let problem = Problem::error(error.code, path, error.message).within(error.span);
                self.problems.push(if error.code == "wildcard-too-complex" {
                    problem.help("use fewer `*`, or fewer repeating characters after a `*`")
                } else {
                    problem
                });
                None
            }
        }
    }

    /// `prefix` and `suffix`: a string, or `{"equals-ignore-case": string}`.
    fn affix(
        &mut self,
        operator: &str,
        operand: &Value,
        path: &[Segment],
        exact: fn(String) -> Like,
        fold: fn(String) -> Like,
    ) -> Option<Test> {
        let Value::Object(map) = operand else {
            return Some(Test::Like(exact(self.text(operator, operand, path)?)));
        };
        let (inner, operand) = self.only_key(map, path)?;
        let path = at(path, inner);
        if inner == "equals-ignore-case" {
            return Some(Test::Like(fold(self.text(inner, operand, &path)?)));
        }
        self.unknown_operator(inner, &path, &["equals-ignore-case"], &format!(" inside `{operator}`"));
        None
    }

    fn anything_but(&mut self, operand: &Value, path: &[Segment]) -> Option<Test> {
        match operand {
            Value::Object(map) => {
                let (inner, operand) = self.only_key(map, path)?;
                self.anything_but_like(inner, operand, &at(path, inner))
            }
            Value::Array(entries) => {
                let strings: Vec<Like> = entries
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|text| Like::Equal(text.to_owned()))
                    .collect();
                let numbers: Vec<Number> = entries
                    .iter()
                    .filter_map(
                        |entry| if let Value::Number(number) = entry { Some(number.clone()) } else { None },
                    )
                    .collect();
                if !entries.is_empty() && strings.len() == entries.len() {
                    Some(Test::NoneOf(strings))
                } else if !entries.is_empty() && numbers.len() == entries.len() {
                    Some(Test::NotNumbers(numbers))
                } else {
                    self.error(
                        "bad-operator",
                        path,
                        "`anything-but` takes a list of strings or a list of numbers, not empty and not mixed",
                    );
                    None
                }
            }
            Value::String(text) => Some(Test::NoneOf(vec![Like::Equal(text.clone())])),
            Value::Number(number) => Some(Test::NotNumbers(vec![number.clone()])),
            other => {
                self.error(
                    "bad-operator",
                    path,
                    format!("`anything-but` takes strings, numbers or an operator, found {}", kind(other)),
                );
                None
            }
        }
    }

    fn anything_but_like(&mut self, inner: &str, operand: &Value, path: &[Segment]) -> Option<Test> {
        const INNER: &[&str] = &["prefix", "suffix", "equals-ignore-case", "wildcard"];
        if !INNER.contains(&inner) {
            self.unknown_operator(inner, path, INNER, " inside `anything-but`");
            return None;
        }
        let single = [operand.clone()];
        let entries = operand.as_array().map_or(&single[..], Vec::as_slice);
        let mut likes = Vec::new();
        for entry in entries {
            let text = self.text(inner, entry, path)?;
            if text.is_empty() && (inner == "prefix" || inner == "suffix") {
                self.error("bad-operator", path, format!("An empty `{inner}` excludes every text"));
                return None;
            }
            likes.push(match inner {
                "prefix" => Like::Prefix(text),
                "suffix" => Like::Suffix(text),
                "wildcard" => Like::Wildcard(self.wildcard(&text, path)?),
                _ => Like::EqualFold(text),
            });
        }
        if likes.is_empty() {
            self.error("empty-list", path, format!("The list of `{inner}` must not be empty"));
            return None;
        }
        Some(Test::NoneOf(likes))
    }

    fn numeric(&mut self, operand: &Value, path: &[Segment]) -> Option<Test> {
        match bounds(operand) {
            Ok(bounds) => Some(Test::Numeric(bounds)),
            Err(message) => {
                self.problems.push(Problem::error("bad-numeric", path, message).help(
                    "write one comparison such as `[\">=\", 5]`, or a range such as `[\">\", 0, \"<=\", 5]`",
                ));
                None
            }
        }
    }
}

/// The path of a key; the outer key may be empty, so no outer key is `None`.
fn join(prefix: Option<&str>, key: &str) -> String {
    prefix.map_or_else(|| key.to_owned(), |prefix| format!("{prefix}.{key}"))
}

/// The range that a `numeric` spells.
fn bounds(operand: &Value) -> Result<Bounds, String> {
    let Value::Array(entries) = operand else {
        return Err(format!("`numeric` takes a list of comparisons, found {}", kind(operand)));
    };
    let mut comparisons = Vec::new();
    for pair in entries.chunks(2) {
        match pair {
            [Value::String(operator), Value::Number(number)] => {
                comparisons.push((operator.as_str(), number.clone()));
            }
            [Value::String(operator), other] => {
                return Err(format!("`{operator}` compares with a number, found {}", kind(other)));
            }
            [Value::String(operator)] => return Err(format!("`{operator}` needs a number after it")),
            [other, ..] => return Err(format!("Expected a comparison operator, found {}", kind(other))),
            [] => {}
        }
    }
    match comparisons.as_slice() {
        [("=", number)] => {
            let bound = Some((number.clone(), true));
            Ok(Bounds { low: bound.clone(), high: bound })
        }
        [(operator @ (">" | ">="), number)] => {
            Ok(Bounds { low: Some((number.clone(), *operator == ">=")), high: None })
        }
        [(operator @ ("<" | "<="), number)] => {
            Ok(Bounds { low: None, high: Some((number.clone(), *operator == "<=")) })
        }
        [(low @ (">" | ">="), bottom), (high @ ("<" | "<="), top)] => {
            if number::compare(bottom, top) != Some(Ordering::Less) {
                return Err(format!("The range is empty: {bottom} is not less than {top}"));
            }
            Ok(Bounds { low: Some((bottom.clone(), *low == ">=")), high: Some((top.clone(), *high == "<=")) })
        }
        [] => Err("`numeric` needs a comparison".to_owned()),
        [(operator, _), ..] if !["=", "<", "<=", ">", ">="].contains(operator) => {
            Err(format!("There is no comparison `{operator}`"))
        }
        _ => Err("A range is a lower bound and then an upper one".to_owned()),
    }
}
