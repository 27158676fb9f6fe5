//! References: each names something that exists, and a step's output only where that step can have run.

use mainstay_model::Problem;
use mainstay_model::problem::{Segment, nearest};
use serde_json::{Map, Value};

use super::graph::Shape;
use super::loops::Flat;
use super::{Parameters, output_name};
use crate::actions::facts;
use crate::reference::{Braced, Found, Reference, scan};

struct Check<'a> {
    parameters: &'a Parameters,
    variables: &'a Parameters,
    shape: &'a Shape,
    flat: &'a [Flat<'a>],
    problems: &'a mut Vec<Problem>,
    /// Whether `parameters` is no mapping, so that nobody knows which there are.
    undeclared: bool,
}

pub(crate) fn check(
    map: &Map<String, Value>,
    flat: &[Flat<'_>],
    (parameters, variables): (&Parameters, &Parameters),
    shape: &Shape,
    problems: &mut Vec<Problem>,
) {
    let undeclared = map.get("parameters").is_some_and(|value| !value.is_null() && !value.is_object());
    let mut check = Check { parameters, variables, shape, flat, problems, undeclared };
    if let Some(role) = map.get("assumeRole") {
        check.value(role, &mut vec!["assumeRole".into()], None, false);
    }
    for (index, item) in flat.iter().enumerate() {
        let mut path = item.path.clone();
        for key in ["inputs", "timeoutSeconds"] {
            let Some(value) = item.step.get(key) else { continue };
            path.push(key.into());
            match value.as_object() {
                // The steps inside a loop are looked at by themselves.
                Some(inputs) if item.text("action") == Some("aws:loop") => {
                    for (key, value) in inputs.iter().filter(|(key, _)| *key != "Steps") {
                        path.push(key.as_str().into());
                        check.value(value, &mut path, Some(index), false);
                        path.pop();
                    }
                }
                _ => check.value(value, &mut path, Some(index), false),
            }
            path.pop();
        }
    }
    if flat.is_empty() {
        // That there are no steps is reported by itself.
        return;
    }
    for (index, output) in map.get("outputs").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let Some((step, name)) = output.as_str().and_then(output_name) {
            let problem = check.output(&step, &name, None);
            let path = vec!["outputs".into(), index.into()];
            check.problems.extend(problem.map(|problem| Problem { path, ..problem }));
        }
    }
}

impl Check<'_> {
    fn value(&mut self, value: &Value, path: &mut Vec<Segment>, step: Option<usize>, script: bool) {
        match value {
            Value::String(text) => {
                for found in scan(text) {
                    if let Some(problem) = self.braced(&found, text, step, script) {
                        let path = path.clone();
                        self.problems.push(Problem { path, ..problem }.within(found.span));
                    }
                }
            }
            Value::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    path.push(index.into());
                    self.value(item, path, step, script);
                    path.pop();
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    path.push(key.as_str().into());
                    if scan(key).iter().any(|found| matches!(found.braced, Braced::Reference(_))) {
                        self.problems.push(
                            Problem::error("bad-reference", path.clone(), "A key cannot hold a reference")
                                .on_key(),
                        );
                    }
                    // Scripts hold braces of their own, as Python's and shell's templates do.
                    let depth = step.map_or(0, |step| self.flat[step].path.len());
                    let is_script = path.len() == depth + 2 && key == "Script";
                    self.value(item, path, step, is_script);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn braced(&self, found: &Found, text: &str, step: Option<usize>, script: bool) -> Option<Problem> {
        let inner = text[found.span.clone()].trim_matches(['{', '}', ' ']);
        match &found.braced {
            Braced::Reference(reference) => {
                let problem = self.reference(reference, step)?;
                // In a script it may be meant for the script's own language; then it stays as it is.
                Some(if script && self.foreign(reference) {
                    Problem {
                        severity: mainstay_model::Severity::Warning,
                        message: format!("{}; in this script it stays as it is", problem.message),
                        ..problem
                    }
                } else {
                    problem
                })
            }
            Braced::Nested if !script => {
                Some(Problem::error("bad-reference", Vec::new(), "References cannot be nested"))
            }
            Braced::Text => self.not_a_reference(inner, script),
            Braced::Nested => None,
        }
    }

    /// What is in double braces and no reference: nothing is said of other tools' templates.
    fn not_a_reference(&self, inner: &str, script: bool) -> Option<Problem> {
        let name = inner.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
        // What begins with the name of something here and goes on as no template does is meant as a reference.
        let rest = &inner[name.len()..];
        let step = rest.starts_with('.') && self.place(name).is_some();
        let parameter = rest.starts_with(['[', '.']) && self.parameters.contains_key(name);
        if !name.is_empty() && (step || parameter) {
            let refused = |message: &str, help: &str| {
                Some(Problem::error("bad-reference", Vec::new(), message).help(help))
            };
            return if inner.contains(|c: char| "=<>!|+*/?&() ".contains(c)) {
                refused(
                    "A reference is a name, not an expression",
                    "Compare in aws:branch, and compute in aws:executeScript",
                )
            } else {
                refused(
                    "A reference names a parameter or an output as a whole, not a part of it",
                    "Declare the part as an output of the step, with its `Selector`; a loop goes through a list",
                )
            };
        }
        (!script && inner.starts_with(|c: char| c.is_ascii_alphabetic())).then(|| {
            Problem::warning("bad-reference", Vec::new(), "This is not a reference and stays as it is").help(
                "References are `{{ Parameter }}`, `{{ step.Output }}`, `{{ variable:name }}` and `{{ global:NAME }}`",
            )
        })
    }

    /// Whether a reference in a script can be something of the script's own: it names no step of this document, and none
    /// of the words that stand before a colon.
    fn foreign(&self, reference: &Reference) -> bool {
        match reference {
            Reference::Parameter(_) => false,
            Reference::Output { step, .. } => self.place(step).is_none(),
            Reference::Named { space, .. } => {
                !["global", "automation", "variable", "ssm", "ssm-secure"].contains(&space.as_str())
            }
        }
    }

    fn reference(&self, reference: &Reference, step: Option<usize>) -> Option<Problem> {
        match reference {
            Reference::Parameter(name) if self.parameters.contains_key(name) => None,
            // Maintenance windows fill this in; the reader of targets reports it.
            Reference::Parameter(name) if name == "RESOURCE_ID" => None,
            // That what declares them is wrong is reported by itself.
            Reference::Parameter(_) if self.undeclared => None,
            Reference::Parameter(name) => {
                let problem = Problem::error(
                    "unknown-reference",
                    Vec::new(),
                    format!("There is no parameter `{name}`"),
                );
                Some(match nearest(name, self.parameters.keys().map(String::as_str)) {
                    Some(near) => problem.help(format!("Did you mean `{near}`?")),
                    None if self.place(name).is_some() => problem.help(format!(
                        "`{name}` is a step: name one of its outputs, `{{{{ {name}.Output }}}}`"
                    )),
                    None => problem,
                })
            }
            Reference::Output { step: of, output } => self.output(of, output, step),
            Reference::Named { space, name } if space == "variable" => {
                if self.variables.contains_key(name) {
                    return None;
                }
                let problem =
                    Problem::error("unknown-reference", Vec::new(), format!("There is no variable `{name}`"));
                Some(match nearest(name, self.variables.keys().map(String::as_str)) {
                    Some(near) => problem.help(format!("Did you mean `{near}`?")),
                    None => problem.help("Variables are declared under `variables`, beside `parameters`"),
                })
            }
            Reference::Named { space, name } => named(space, name),
        }
    }

    /// Whether a step stands inside a loop.
    fn inside(&self, step: usize, around: usize) -> bool {
        let mut at = self.flat[step].parent;
        while let Some(parent) = at {
            if parent == around {
                return true;
            }
            at = self.flat[parent].parent;
        }
        false
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.shape.names.iter().position(|known| known.as_deref() == Some(name))
    }

    fn output(&self, of: &str, output: &str, step: Option<usize>) -> Option<Problem> {
        let Some(place) = self.place(of) else {
            let problem = Problem::error("unknown-reference", Vec::new(), format!("There is no step `{of}`"));
            let names = self.shape.names.iter().flatten().map(String::as_str);
            return Some(match nearest(of, names) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem,
            });
        };
        let target = self.flat[place].step;
        // An unknown action is reported by itself; what it would give nobody knows.
        let facts = facts(target.get("action").and_then(Value::as_str)?)?;
        let declared = target.get("outputs").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&str> = declared
            .filter_map(|declaration| declaration.get("Name").and_then(Value::as_str))
            .chain(facts.outputs.iter().copied())
            .collect();
        // The outputs of the procedure that a step starts are known with that procedure only.
        let of_child = facts.name == "aws:executeAutomation" && output.contains('.');
        if !names.contains(&output) && !of_child {
            let problem = Problem::error(
                "unknown-reference",
                Vec::new(),
                format!("Step `{of}` has no output `{output}`"),
            );
            return Some(match nearest(output, names.iter().copied()) {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None if names.is_empty() && facts.declares => {
                    problem.help(format!("{} has those that the step declares under `outputs`", facts.name))
                }
                None if names.is_empty() => problem.help(format!("{} has no outputs", facts.name)),
                None if facts.name == "aws:executeAutomation" => problem.help(format!(
                    "Its outputs are {}, and those of what it starts, `{{{{ {of}.step.Output }}}}`",
                    names.join(", ")
                )),
                None => problem.help(format!("Its outputs are {}", names.join(", "))),
            });
        }
        let step = step?;
        // A loop looks at its own count and at its steps between its iterations.
        let loops = self.flat[step].text("action") == Some("aws:loop");
        if loops && (step == place || self.inside(place, step)) || self.inside(step, place) {
            return None;
        }
        (!self.shape.before[step].contains(&place)).then(|| {
            let message = if step == place {
                format!("Step `{of}` cannot use its own output")
            } else {
                format!("Step `{of}` cannot have run before this one")
            };
            Problem::error("reference-order", Vec::new(), message)
        })
    }
}

pub(super) fn named(space: &str, name: &str) -> Option<Problem> {
    let unknown = |help: &str| {
        Some(
            Problem::error("unknown-reference", Vec::new(), format!("There is no `{space}:{name}`"))
                .help(help.to_owned()),
        )
    };
    match (space, name) {
        ("global", "DATE" | "DATE_TIME") | ("automation", "EXECUTION_ID") => None,
        ("global", "REGION" | "ACCOUNT_ID" | "AWS_PARTITION") => Some(Problem::error(
            "not-built",
            Vec::new(),
            format!("`global:{name}` is not built yet: it is known only where AWS actions run"),
        )),
        ("variable", _) => {
            Some(Problem::error("bad-reference", Vec::new(), "A default cannot refer to a variable"))
        }
        ("ssm" | "ssm-secure", _) => Some(
            Problem::error(
                "bad-reference",
                Vec::new(),
                "Only the default of a parameter can refer to the parameter store",
            )
            .help("Refer to it in a parameter's default"),
        ),
        ("global", _) => unknown("Known are DATE, DATE_TIME, REGION, ACCOUNT_ID and AWS_PARTITION"),
        ("automation", _) => unknown("Known is EXECUTION_ID"),
        _ => unknown("Known before the colon are global, automation, variable and ssm"),
    }
}
