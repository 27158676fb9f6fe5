//! The functions of templates: those of Go's `text/template` and of Prometheus that alerting rules use.

use mainstay_model::Timestamp;

use super::run::Value;
use super::{Data, format};
use crate::Sample;

mod text;
mod units;

/// Functions that exist in Go or Prometheus and are not built.
pub(super) const REFUSED: &[&str] = &["args", "tmpl", "call", "html", "js"];

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal $most:literal)*) => {
        /// A function of templates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant),* }

        impl Function {
            /// The function of this name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// All names.
            pub(super) fn names() -> impl Iterator<Item = &'static str> {
                [$($name),*].into_iter()
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The fewest and the most arguments it takes.
            fn range(self) -> (usize, usize) {
                match self { $(Self::$variant => ($least, $most)),* }
            }
        }
    };
}

functions! {
    And "and" 1 99
    Or "or" 1 99
    Not "not" 1 1
    Len "len" 1 1
    Index "index" 1 9
    Slice "slice" 1 3
    Print "print" 0 99
    Println "println" 0 99
    Printf "printf" 1 99
    UrlQuery "urlquery" 1 99
    Eq "eq" 2 99
    Ne "ne" 2 2
    Lt "lt" 2 2
    Le "le" 2 2
    Gt "gt" 2 2
    Ge "ge" 2 2
    Query "query" 1 1
    First "first" 1 1
    Label "label" 2 2
    Value "value" 1 1
    StrValue "strvalue" 1 1
    SortByLabel "sortByLabel" 2 2
    Humanize "humanize" 1 1
    Humanize1024 "humanize1024" 1 1
    HumanizeDuration "humanizeDuration" 1 1
    HumanizePercentage "humanizePercentage" 1 1
    HumanizeTimestamp "humanizeTimestamp" 1 1
    ToTime "toTime" 1 1
    ToDuration "toDuration" 1 1
    Now "now" 0 0
    ParseDuration "parseDuration" 1 1
    Title "title" 1 1
    ToUpper "toUpper" 1 1
    ToLower "toLower" 1 1
    Match "match" 2 2
    ReReplaceAll "reReplaceAll" 3 3
    StripPort "stripPort" 1 1
    StripDomain "stripDomain" 1 1
    UrlQueryEscape "urlQueryEscape" 1 1
    GraphLink "graphLink" 1 1
    TableLink "tableLink" 1 1
    ExternalUrl "externalURL" 0 0
    PathPrefix "pathPrefix" 0 0
    SafeHtml "safeHtml" 1 1
}

impl Function {
    /// Whether it takes so many arguments.
    pub(super) fn takes(self, count: usize) -> bool {
        let (least, most) = self.range();
        (least..=most).contains(&count)
    }

    /// How many arguments it takes, in words.
    pub(super) fn arity(self) -> String {
        match self.range() {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, 99) => format!("at least {least}"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }

    /// The truth of the argument that `and` and `or` stop at.
    pub(super) fn decides_on(self) -> Option<bool> {
        match self {
            Self::And => Some(false),
            Self::Or => Some(true),
            _ => None,
        }
    }
}

/// A number, or a text that spells one.
fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => parse_float(text)
            .ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", format::quoted(text))),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

fn parse_float(text: &str) -> Option<f64> {
    // Rust also reads `infinity` in full and without a sign, as Go does, but neither takes space around.
    text.parse().ok()
}

fn string(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    }
}

fn list(value: Value) -> Result<Vec<Sample>, String> {
    match value {
        Value::List(samples) => Ok(samples),
        other => {
            Err(format!("wrong type for value; expected template.queryResult; got {}", other.type_name()))
        }
    }
}

fn sample(value: &Value) -> Result<&Sample, String> {
    match value {
        Value::Sample(sample) => Ok(sample),
        other => Err(format!("wrong type for value; expected *template.sample; got {}", other.type_name())),
    }
}

/// Calls a function. How many arguments there are was checked when the template was read, save for functions that
/// stand as an argument themselves.
pub(super) fn call(function: Function, mut arguments: Vec<Value>, data: &Data<'_>) -> Result<Value, String> {
    if !function.takes(arguments.len()) {
        return Err(format!("wrong number of args: want {}, got {}", function.arity(), arguments.len()));
    }
    match arguments.as_mut_slice() {
        [] => Ok(none(function, data)),
        [one] => {
            let value = std::mem::replace(one, Value::Nil);
            one_argument(function, value, data)
        }
        _ => many(function, arguments),
    }
}

fn none(function: Function, data: &Data<'_>) -> Value {
    match function {
        Function::Now => Value::Float(data.now.as_secs_f64()),
        Function::ExternalUrl => Value::Text(data.external_url.to_owned()),
        Function::PathPrefix => Value::Text(text::path_of(data.external_url).to_owned()),
        Function::Println => Value::Text("\n".to_owned()),
        _ => Value::Text(String::new()),
    }
}

fn one_argument(function: Function, value: Value, data: &Data<'_>) -> Result<Value, String> {
    let of_float = |write: fn(f64) -> String| float(&value).map(|value| Value::Text(write(value)));
    let of_text = |write: fn(&str) -> String| string(&value).map(|text| Value::Text(write(text)));
    match function {
        Function::Not => Ok(Value::Bool(!value.is_true())),
        Function::Index | Function::Slice | Function::SafeHtml | Function::And | Function::Or => Ok(value),
        Function::Len => match &value {
            Value::Text(text) => Ok(length(text.len())),
            Value::Labels(labels) => Ok(length(labels.len())),
            Value::List(samples) => Ok(length(samples.len())),
            other => Err(format!("len of type {}", other.type_name())),
        },
        Function::Print => Ok(Value::Text(value.print())),
        Function::Println => Ok(Value::Text(value.print() + "\n")),
        Function::Printf => format::printf(string(&value)?, &[]).map(Value::Text),
        Function::UrlQuery => Ok(Value::Text(text::query_escape(&value.print()))),
        Function::Query => data.queries.instant(string(&value)?, data.now).map(Value::List),
        Function::First => match list(value)?.into_iter().next() {
            Some(sample) => Ok(Value::Sample(sample)),
            None => Err("first() called on vector with no elements".to_owned()),
        },
        Function::Value => sample(&value).map(|sample| Value::Float(sample.value)),
        Function::StrValue => {
            let labels = &sample(&value)?.labels;
            Ok(Value::Text(labels.get("__value__").cloned().unwrap_or_default()))
        }
        Function::Humanize => of_float(units::humanize),
        Function::Humanize1024 => of_float(units::humanize_1024),
        Function::HumanizeDuration => of_float(units::humanize_duration),
        Function::HumanizePercentage => of_float(|value| format::general(value * 100.0, Some(4)) + "%"),
        Function::HumanizeTimestamp => of_float(units::timestamp),
        Function::ToTime => of_float(units::timestamp),
        Function::ToDuration => of_float(units::go_duration),
        Function::ParseDuration => units::parse_duration(string(&value)?).map(Value::Float),
        Function::Title => of_text(text::title),
        Function::ToUpper => of_text(str::to_uppercase),
        Function::ToLower => of_text(str::to_lowercase),
        Function::StripPort => of_text(text::strip_port),
        Function::StripDomain => of_text(text::strip_domain),
        Function::UrlQueryEscape => of_text(text::query_escape),
        Function::GraphLink => of_text(|expr| text::link(expr, 0)),
        Function::TableLink => of_text(|expr| text::link(expr, 1)),
        other => Err(format!("{} does not take one argument", other.name())),
    }
}

fn length(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn many(function: Function, mut arguments: Vec<Value>) -> Result<Value, String> {
    let texts = |arguments: &[Value]| -> Vec<String> { arguments.iter().map(Value::print).collect() };
    match function {
        Function::Print => Ok(Value::Text(text::print(&arguments))),
        Function::Println => Ok(Value::Text(texts(&arguments).join(" ") + "\n")),
        Function::Printf => format::printf(string(&arguments[0])?, &arguments[1..]).map(Value::Text),
        Function::UrlQuery => Ok(Value::Text(text::query_escape(&text::print(&arguments)))),
        Function::Index => {
            let keys = arguments.split_off(1);
            keys.iter().try_fold(arguments.remove(0), index)
        }
        Function::Slice => slice(string(&arguments[0])?, &arguments[1..]),
        Function::Eq => {
            for other in &arguments[1..] {
                if compare(&arguments[0], other)? == Some(std::cmp::Ordering::Equal) {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        Function::Ne => {
            Ok(Value::Bool(compare(&arguments[0], &arguments[1])? != Some(std::cmp::Ordering::Equal)))
        }
        Function::Lt | Function::Le | Function::Gt | Function::Ge => ordered(function, &arguments),
        Function::Label => {
            let labels = &sample(&arguments[1])?.labels;
            Ok(Value::Text(labels.get(string(&arguments[0])?).cloned().unwrap_or_default()))
        }
        Function::SortByLabel => {
            let mut samples = list(arguments.remove(1))?;
            let name = string(&arguments[0])?;
            samples.sort_by_key(|sample| sample.labels.get(name).cloned().unwrap_or_default());
            Ok(Value::List(samples))
        }
        Function::Match => {
            let regex = regex(string(&arguments[0])?)?;
            Ok(Value::Bool(regex.is_match(string(&arguments[1])?)))
        }
        Function::ReReplaceAll => {
            let regex = regex(string(&arguments[0])?)?;
            let replaced = regex.replace_all(string(&arguments[2])?, string(&arguments[1])?);
            Ok(Value::Text(replaced.into_owned()))
        }
        other => Err(format!("{} does not take {} arguments", other.name(), arguments.len())),
    }
}

fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("{} is not a regular expression: {error}", format::quoted(pattern)))
}

fn index(value: Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Labels(labels), Value::Text(name)) => {
            Ok(Value::Text(labels.get(name).cloned().unwrap_or_default()))
        }
        (Value::List(samples), Value::Int(at)) => usize::try_from(*at)
            .ok()
            .and_then(|at| samples.into_iter().nth(at))
            .map(Value::Sample)
            .ok_or_else(|| format!("index out of range: {at}")),
        (Value::Text(text), Value::Int(at)) => usize::try_from(*at)
            .ok()
            .and_then(|at| text.as_bytes().get(at).copied())
            .map(|byte| Value::Int(i64::from(byte)))
            .ok_or_else(|| format!("index out of range: {at}")),
        (value, key) => Err(format!("can't index a {} with a {}", value.type_name(), key.type_name())),
    }
}

fn slice(text: &str, bounds: &[Value]) -> Result<Value, String> {
    let bound = |value: Option<&Value>, default: usize| match value {
        None => Ok(default),
        Some(Value::Int(at)) => usize::try_from(*at).map_err(|_| format!("index out of range: {at}")),
        Some(other) => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    let (start, end) = (bound(bounds.first(), 0)?, bound(bounds.get(1), text.len())?);
    text.get(start..end)
        .map(|part| Value::Text(part.to_owned()))
        .ok_or_else(|| format!("invalid slice: {start} to {end}"))
}

/// How two values compare; values of different types do not, as in Go.
fn compare(a: &Value, b: &Value) -> Result<Option<std::cmp::Ordering>, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
        (Value::Nil, Value::Nil) => Ok(Some(std::cmp::Ordering::Equal)),
        (a, b) => Err(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())),
    }
}

fn ordered(function: Function, arguments: &[Value]) -> Result<Value, String> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    if matches!(arguments[0], Value::Bool(_) | Value::Nil) {
        return Err(format!("invalid type for comparison: {}", arguments[0].type_name()));
    }
    let order = compare(&arguments[0], &arguments[1])?;
    Ok(Value::Bool(match function {
        Function::Lt => order == Some(Less),
        Function::Le => matches!(order, Some(Less | Equal)),
        Function::Gt => order == Some(Greater),
        _ => matches!(order, Some(Greater | Equal)),
    }))
}

/// A time in seconds as a point in time, or nothing when it is no time.
fn instant(seconds: f64) -> Option<Timestamp> {
    let ms = seconds * 1000.0;
    (ms.is_finite() && ms.abs() < 2.5e14).then(|| Timestamp::from_millis(ms.floor() as i64))
}
