//! Expanding templates.

use crate::{Labels, Sample};

use super::parse::{Command, Node, Operand, Pipeline};
use super::{Data, ExpandError, format, functions};

/// The longest text that a template expands to, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// The most nodes that expanding goes through.
const MAX_STEPS: usize = 100_000;

/// A value of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Labels(Labels),
    Sample(Sample),
    List(Vec<Sample>),
    /// What `.` is at first.
    Root,
}

impl Value {
    /// The type as Go names it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Sample(_) => "*template.sample",
            Self::List(_) => "template.queryResult",
            Self::Root => "struct",
        }
    }

    /// The value as an action writes it.
    pub(super) fn print(&self) -> String {
        let labels = |labels: &Labels| {
            let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("map[{}]", pairs.join(" "))
        };
        let sample = |sample: &Sample| {
            format!("{{{} {}}}", labels(&sample.labels), format::general(sample.value, None))
        };
        match self {
            Self::Nil => "<no value>".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => format::general(*value, None),
            Self::Text(text) => text.clone(),
            Self::Labels(map) => labels(map),
            Self::Sample(one) => sample(one),
            Self::List(samples) => {
                let all: Vec<String> = samples.iter().map(sample).collect();
                format!("[{}]", all.join(" "))
            }
            Self::Root => "{}".to_owned(),
        }
    }

    /// Whether `if` takes it as true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::List(samples) => !samples.is_empty(),
            Self::Sample(_) | Self::Root => true,
        }
    }

    fn field(&self, name: &str, data: &Data<'_>) -> Result<Self, ExpandError> {
        match (self, name) {
            // A label that is not there is an empty text.
            (Self::Labels(labels), name) => Ok(Self::Text(labels.get(name).cloned().unwrap_or_default())),
            (Self::Sample(sample), "Labels") => Ok(Self::Labels(sample.labels.clone())),
            (Self::Sample(sample), "Value") => Ok(Self::Float(sample.value)),
            (Self::Root, "Labels") => Ok(Self::Labels(data.labels.clone())),
            (Self::Root, "ExternalLabels") => Ok(Self::Labels(data.external_labels.clone())),
            (Self::Root, "ExternalURL") => Ok(Self::Text(data.external_url.to_owned())),
            (Self::Root, "Value") => Ok(Self::Float(data.value)),
            (value, name) => {
                Err(ExpandError(format!("there is no field {name} in a value of type {}", value.type_name())))
            }
        }
    }
}

pub(super) fn expand(nodes: &[Node], data: &Data<'_>) -> Result<String, ExpandError> {
    let variables = vec![
        (String::new(), Value::Root),
        ("labels".to_owned(), Value::Labels(data.labels.clone())),
        ("externalLabels".to_owned(), Value::Labels(data.external_labels.clone())),
        ("externalURL".to_owned(), Value::Text(data.external_url.to_owned())),
        ("value".to_owned(), Value::Float(data.value)),
    ];
    let mut run = Run { data, variables, out: String::new(), steps: 0 };
    run.nodes(nodes, &Value::Root)?;
    Ok(run.out)
}

struct Run<'a> {
    data: &'a Data<'a>,
    /// In scope, the latest last.
    variables: Vec<(String, Value)>,
    out: String,
    steps: usize,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), ExpandError> {
        for node in nodes {
            self.count()?;
            match node {
                Node::Text(text) => self.write(text)?,
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.write(&value.print())?;
                    }
                }
                Node::If(head, body, otherwise) => {
                    let scope = self.variables.len();
                    let holds = self.pipeline(head, dot)?.is_true();
                    self.nodes(if holds { body } else { otherwise }, dot)?;
                    self.variables.truncate(scope);
                }
                Node::With(head, body, otherwise) => {
                    let scope = self.variables.len();
                    let value = self.pipeline(head, dot)?;
                    if value.is_true() {
                        self.nodes(body, &value)?;
                    } else {
                        self.nodes(otherwise, dot)?;
                    }
                    self.variables.truncate(scope);
                }
                Node::Range(head, body, otherwise) => self.range(head, body, otherwise, dot)?,
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), ExpandError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(ExpandError("the template takes too many steps".to_owned()));
        }
        Ok(())
    }

    fn range(
        &mut self,
        head: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<(), ExpandError> {
        let scope = self.variables.len();
        let over = self.value(head, dot)?;
        let elements: Vec<(Value, Value)> = match over {
            Value::List(samples) => samples
                .into_iter()
                .zip(0..)
                .map(|(sample, index)| (Value::Int(index), Value::Sample(sample)))
                .collect(),
            Value::Labels(labels) => {
                labels.into_iter().map(|(name, value)| (Value::Text(name), Value::Text(value))).collect()
            }
            Value::Int(count) if count <= MAX_STEPS as i64 => {
                (0..count).map(|index| (Value::Int(index), Value::Int(index))).collect()
            }
            Value::Nil => Vec::new(),
            other => return Err(ExpandError(format!("range can't iterate over {}", other.print()))),
        };
        if elements.is_empty() {
            self.nodes(otherwise, dot)?;
        }
        for (index, element) in elements {
            self.count()?;
            match head.variables.as_slice() {
                [one] => self.variables.push((one.clone(), element.clone())),
                [first, second] => {
                    self.variables.push((first.clone(), index));
                    self.variables.push((second.clone(), element.clone()));
                }
                _ => {}
            }
            self.nodes(body, &element)?;
            self.variables.truncate(scope);
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), ExpandError> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return Err(ExpandError(format!("the text grows beyond {MAX_OUTPUT} bytes")));
        }
        self.out.push_str(text);
        Ok(())
    }

    /// The value of a pipeline, which its variables get.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, ExpandError> {
        let value = self.value(pipeline, dot)?;
        for name in &pipeline.variables {
            if !pipeline.assigns {
                self.variables.push((name.clone(), value.clone()));
            } else if let Some(slot) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
                slot.1 = value.clone();
            }
        }
        Ok(value)
    }

    fn value(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, ExpandError> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, ExpandError> {
        let Operand::Function(function) = &command.head else { return self.operand(&command.head, dot) };
        if let Some(decides_on) = function.decides_on() {
            // `and` and `or` stop at the value that decides.
            let mut value = Value::Nil;
            for argument in &command.arguments {
                value = self.operand(argument, dot)?;
                if value.is_true() == decides_on {
                    return Ok(value);
                }
            }
            return Ok(piped.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
        for argument in &command.arguments {
            arguments.push(self.operand(argument, dot)?);
        }
        arguments.extend(piped);
        functions::call(*function, arguments, self.data)
            .map_err(|error| ExpandError(format!("error calling {}: {error}", function.name())))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, ExpandError> {
        let (value, fields): (Value, &[String]) = match operand {
            Operand::Dot(fields) => (dot.clone(), fields),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                (found.map_or(Value::Nil, |(_, value)| value.clone()), fields)
            }
            Operand::Paren(pipeline, fields) => (self.pipeline(pipeline, dot)?, fields),
            Operand::Text(text) => (Value::Text(text.clone()), &[]),
            Operand::Int(value) => (Value::Int(*value), &[]),
            Operand::Float(value) => (Value::Float(*value), &[]),
            Operand::Bool(value) => (Value::Bool(*value), &[]),
            Operand::Nil => (Value::Nil, &[]),
            Operand::Function(function) => {
                let value = functions::call(*function, Vec::new(), self.data);
                (
                    value.map_err(|error| {
                        ExpandError(format!("error calling {}: {error}", function.name()))
                    })?,
                    &[],
                )
            }
        };
        fields.iter().try_fold(value, |value, name| value.field(name, self.data))
    }
}
