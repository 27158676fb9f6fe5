//! Preconditions of Command steps: `StringEquals` of two texts, of which one may be the host's platform.

use mainstay_model::Problem;
use mainstay_model::problem::nearest;
use serde_json::{Map, Value};

use crate::document::describe;
use crate::plugins::Platform;
use crate::reader::Reader;
use crate::reference::{Resolve, interpolate, refers};

/// When a step of a Command document runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    left: Operand,
    right: Operand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    /// `platformType`: what the host runs.
    Platform,
    /// A text, which may hold references to parameters.
    Text(String),
}

impl Operand {
    fn value(&self, platform: Platform, resolve: &Resolve<'_>) -> Result<String, String> {
        match self {
            Self::Platform => Ok(platform.as_str().to_owned()),
            Self::Text(text) => match interpolate(&Value::String(text.clone()), resolve)? {
                Value::String(text) => Ok(text),
                other => Err(format!("A precondition compares texts, and {text} is {}", describe(&other))),
            },
        }
    }
}

impl Precondition {
    /// Whether it holds on a host that runs `platform`. `resolve` gives the values of parameters.
    pub fn holds(&self, platform: Platform, resolve: &Resolve<'_>) -> Result<bool, String> {
        Ok(self.left.value(platform, resolve)? == self.right.value(platform, resolve)?)
    }

    /// The answer, where it depends on the platform alone.
    pub fn on(&self, platform: Platform) -> Option<bool> {
        let open = |operand: &Operand| matches!(operand, Operand::Text(text) if refers(text));
        if open(&self.left) || open(&self.right) {
            return None;
        }
        self.holds(platform, &|_| Ok(None)).ok()
    }

    /// Reads the value of `precondition`.
    pub(crate) fn read(map: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Self> {
        for key in map.keys().filter(|key| *key != "StringEquals") {
            let problem = Problem::error(
                "unknown-operator",
                reader.at(key),
                format!("`{key}` is not an operator of preconditions"),
            )
            .on_key();
            reader.push(match nearest(key, ["StringEquals"]) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem.help("The only operator is StringEquals"),
            });
        }
        let value = match map.get("StringEquals") {
            Some(value) => value,
            None if map.is_empty() => {
                reader.missing("StringEquals", "A precondition");
                return None;
            }
            None => return None,
        };
        let wanted = "a list of two texts";
        let Some([left, right]) = value.as_array().map(Vec::as_slice) else {
            reader.wrong(reader.at("StringEquals"), "StringEquals", wanted, value);
            return None;
        };
        let mut within = reader.inside("StringEquals");
        let mut operand = |index: usize, value: &Value| match value {
            Value::String(text) if text == "platformType" => Some(Operand::Platform),
            Value::String(text) => Some(Operand::Text(text.clone())),
            other => {
                let path = within.inside(index).path;
                within.wrong(path, "StringEquals", wanted, other);
                None
            }
        };
        let (left, right) = (operand(0, left), operand(1, right));
        let (left, right) = (left?, right?);
        let constant = |operand: &Operand| match operand {
            Operand::Platform => false,
            Operand::Text(text) => !refers(text),
        };
        if constant(&left) && constant(&right) {
            reader.push(
                Problem::error(
                    "bad-condition",
                    reader.at("StringEquals"),
                    "Both sides are constants, so the precondition says nothing",
                )
                .help("Compare `platformType` or a parameter"),
            );
            return None;
        }
        if let (Operand::Platform, Operand::Text(text)) | (Operand::Text(text), Operand::Platform) =
            (&left, &right)
            && !refers(text)
            && ![Platform::Linux, Platform::Windows, Platform::MacOs]
                .iter()
                .any(|known| known.as_str() == text)
        {
            let problem = Problem::error(
                "bad-value",
                reader.at("StringEquals"),
                format!("`{text}` is not a platform: the step would never run"),
            );
            reader.push(match nearest(text, ["Linux", "Windows", "MacOS"]) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem.help("Platforms are Linux, Windows and MacOS"),
            });
        }
        Some(Self { left, right })
    }
}
