//! Reading templates.

use std::ops::Range;

use mainstay_model::problem::nearest;

use super::functions::{Function, REFUSED};
use super::lex::{Lexeme, Part, Token, error, split};
use super::{TemplateError, format};

/// The deepest nesting of blocks and parentheses.
const MAX_DEPTH: usize = 50;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// Writes its value, unless it only declares.
    Action(Pipeline),
    /// What decides, the body, then `else`; so too for the next two.
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
}

/// Commands, each given the value of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// Variables that get the value.
    pub(super) variables: Vec<String>,
    /// Whether they existed before (`=`) or begin here (`:=`).
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) head: Operand,
    pub(super) arguments: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// `.` and fields of it.
    Dot(Vec<String>),
    /// `$name` and fields of it; `$` is the empty name.
    Variable(String, Vec<String>),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Nil,
    Paren(Box<Pipeline>, Vec<String>),
    Function(Function),
}

pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parts = split(text)?;
    parts.reverse();
    let mut parser = Parser {
        parts,
        variables: ["", "labels", "externalLabels", "externalURL", "value"].map(str::to_owned).into(),
        end: text.len(),
    };
    let (nodes, end) = parser.nodes(0)?;
    match end {
        None => Ok(nodes),
        Some((word, span)) => error(format!("`{word}` without a block to belong to"), span),
    }
}

struct Parser {
    /// What is still to be read, the next one last.
    parts: Vec<Part>,
    /// Names in scope, the latest last.
    variables: Vec<String>,
    end: usize,
}

/// The word that ended a list of nodes (`end`, `else`), what follows it, and where it stands.
type End = Option<(String, Range<usize>)>;

/// The tokens of one action.
struct Tokens {
    /// The next one last.
    rest: Vec<Lexeme>,
    span: Range<usize>,
}

impl Tokens {
    fn peek(&self) -> Option<&Token> {
        self.rest.last().map(|lexeme| &lexeme.token)
    }

    fn next(&mut self) -> Option<Lexeme> {
        self.rest.pop()
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.rest.pop();
        }
        found
    }

    fn here(&self) -> Range<usize> {
        self.rest.last().map_or(self.span.clone(), |lexeme| lexeme.span.clone())
    }

    fn done(&self) -> Result<(), TemplateError> {
        if self.rest.is_empty() { Ok(()) } else { error("Expected `}}` here", self.here()) }
    }
}

impl Parser {
    /// Nodes up to `end` or `else`, or the end of the template. The tokens after `else` are put back as an action.
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, End), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(part) = self.parts.pop() {
            let (lexemes, span) = match part {
                Part::Text(text) => {
                    if !text.is_empty() {
                        nodes.push(Node::Text(text));
                    }
                    continue;
                }
                Part::Action(lexemes, span) => (lexemes, span),
            };
            if depth > MAX_DEPTH {
                return error("The blocks are nested too deeply", span);
            }
            let mut tokens = Tokens { rest: lexemes.into_iter().rev().collect(), span: span.clone() };
            let word = match tokens.peek() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" => {
                    tokens.next();
                    tokens.done()?;
                    return Ok((nodes, Some((word, span))));
                }
                "else" => {
                    tokens.next();
                    if !tokens.rest.is_empty() {
                        tokens.rest.reverse();
                        self.parts.push(Part::Action(tokens.rest, span.clone()));
                        return Ok((nodes, Some(("else if".to_owned(), span))));
                    }
                    return Ok((nodes, Some((word, span))));
                }
                "if" | "with" | "range" => {
                    tokens.next();
                    nodes.push(self.block(&word, tokens, depth)?);
                }
                "break" | "continue" | "define" | "template" | "block" => {
                    return Err(TemplateError {
                        message: format!("`{word}` is not supported"),
                        span: tokens.here(),
                        help: None,
                    });
                }
                _ => {
                    let pipeline = self.pipeline(&mut tokens, 0)?;
                    tokens.done()?;
                    nodes.push(Node::Action(pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    fn block(&mut self, word: &str, mut tokens: Tokens, depth: usize) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let opened = tokens.span.clone();
        let head = self.head(word, &mut tokens)?;
        let (body, end) = self.nodes(depth + 1)?;
        let mut otherwise = Vec::new();
        match end {
            None => return error(format!("This `{word}` has no `end`"), opened),
            Some((end, span)) if end == "else if" => {
                otherwise = vec![self.else_block(word, span, depth)?];
            }
            Some((end, _)) if end == "else" => {
                let (nodes, end) = self.nodes(depth + 1)?;
                match end {
                    Some((end, _)) if end == "end" => otherwise = nodes,
                    Some((_, span)) => return error("Expected `end` here", span),
                    None => return error(format!("This `{word}` has no `end`"), opened),
                }
            }
            Some(_) => {}
        }
        self.variables.truncate(scope);
        Ok(match word {
            "if" => Node::If(head, body, otherwise),
            "with" => Node::With(head, body, otherwise),
            _ => Node::Range(head, body, otherwise),
        })
    }

    /// `else if` and `else with`: a block of its own inside of `else`, which takes the `end` of both.
    fn else_block(&mut self, word: &str, span: Range<usize>, depth: usize) -> Result<Node, TemplateError> {
        let Some(Part::Action(lexemes, _)) = self.parts.pop() else {
            return error("Expected a condition after `else`", span);
        };
        let mut tokens = Tokens { rest: lexemes.into_iter().rev().collect(), span: span.clone() };
        match tokens.next().map(|lexeme| lexeme.token) {
            Some(Token::Word(next)) if next == word && word != "range" => {
                if depth > MAX_DEPTH {
                    return error("The blocks are nested too deeply", span);
                }
                self.block(word, tokens, depth + 1)
            }
            _ => error("Expected `}}` after `else`", span),
        }
    }

    fn head(&mut self, word: &str, tokens: &mut Tokens) -> Result<Pipeline, TemplateError> {
        // `range $index, $element := pipeline`
        if word == "range" && tokens.rest.len() > 2 {
            let from_end = |offset: usize| &tokens.rest[tokens.rest.len() - 1 - offset].token;
            if let (Token::Variable(first), Token::Comma, Token::Variable(second)) =
                (from_end(0), from_end(1), from_end(2))
            {
                let variables = vec![first.clone(), second.clone()];
                let at = tokens.rest.len() - 3;
                tokens.rest.truncate(at);
                if !tokens.eat(&Token::Declare) {
                    return error("Expected `:=` here", tokens.here());
                }
                let mut pipeline = self.pipeline(tokens, 0)?;
                tokens.done()?;
                self.variables.extend(variables.iter().cloned());
                pipeline.variables = variables;
                return Ok(pipeline);
            }
        }
        let pipeline = self.pipeline(tokens, 0)?;
        tokens.done()?;
        Ok(pipeline)
    }

    fn pipeline(&mut self, tokens: &mut Tokens, depth: usize) -> Result<Pipeline, TemplateError> {
        if depth > MAX_DEPTH {
            return error("The parentheses are nested too deeply", tokens.here());
        }
        let mut variables = Vec::new();
        let mut assigns = false;
        if let (Some(Token::Variable(name)), Some(next)) =
            (tokens.peek().cloned(), tokens.rest.len().checked_sub(2).map(|at| tokens.rest[at].token.clone()))
            && matches!(next, Token::Declare | Token::Assign)
        {
            assigns = next == Token::Assign;
            if assigns {
                self.known(&name, tokens.here())?;
            }
            tokens.next();
            tokens.next();
            variables.push(name);
        }
        let mut commands = Vec::new();
        loop {
            let place = tokens.here();
            let command = self.command(tokens, depth)?;
            let callable = matches!(command.head, Operand::Function(_));
            if !commands.is_empty() && !callable {
                return error("Only a function can follow `|`", place);
            }
            commands.push(command);
            if !tokens.eat(&Token::Pipe) {
                break;
            }
        }
        self.check_arguments(&commands, tokens)?;
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { variables, assigns, commands })
    }

    /// How many arguments functions take is known when reading, and so are formats that stand there literally.
    fn check_arguments(&self, commands: &[Command], tokens: &Tokens) -> Result<(), TemplateError> {
        for (index, command) in commands.iter().enumerate() {
            let Operand::Function(function) = &command.head else { continue };
            let given = command.arguments.len() + usize::from(index > 0);
            if !function.takes(given) {
                return error(
                    format!("`{}` takes {}, found {given}", function.name(), function.arity()),
                    tokens.span.clone(),
                );
            }
            if let (Function::Printf, Some(Operand::Text(text))) = (function, command.arguments.first())
                && let Err(message) = format::check(text)
            {
                return error(message, tokens.span.clone());
            }
        }
        Ok(())
    }

    fn command(&mut self, tokens: &mut Tokens, depth: usize) -> Result<Command, TemplateError> {
        let head = self.operand(tokens, depth)?;
        let mut arguments = Vec::new();
        let place = tokens.here();
        while !matches!(tokens.peek(), None | Some(Token::Pipe | Token::Close)) {
            arguments.push(self.operand(tokens, depth)?);
        }
        if !arguments.is_empty() && !matches!(head, Operand::Function(_)) {
            return error("Only functions take arguments", place);
        }
        Ok(Command { head, arguments })
    }

    fn known(&self, name: &str, span: Range<usize>) -> Result<(), TemplateError> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        let near = nearest(name, self.variables.iter().map(String::as_str).filter(|name| !name.is_empty()));
        Err(TemplateError {
            message: format!("There is no variable `${name}`"),
            span,
            help: near.map(|near| format!("did you mean `${near}`?")),
        })
    }

    /// Fields that follow without a space: `$labels.instance`.
    fn fields(tokens: &mut Tokens) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(Token::Field { name, joined: true }) = tokens.peek() {
            if name.is_empty() {
                break;
            }
            out.push(name.clone());
            tokens.next();
        }
        out
    }

    fn operand(&mut self, tokens: &mut Tokens, depth: usize) -> Result<Operand, TemplateError> {
        let Some(Lexeme { token, span }) = tokens.next() else {
            let place = tokens.span.clone();
            return error("A value is missing here", place.start..place.end.min(self.end));
        };
        Ok(match token {
            Token::Text(text) => Operand::Text(text),
            Token::Number(text) => number(&text, span)?,
            Token::Variable(name) => {
                self.known(&name, span)?;
                Operand::Variable(name, Self::fields(tokens))
            }
            Token::Field { name, .. } => {
                let mut fields: Vec<String> = if name.is_empty() { Vec::new() } else { vec![name] };
                fields.append(&mut Self::fields(tokens));
                Operand::Dot(fields)
            }
            Token::Open => {
                let inner = self.pipeline(tokens, depth + 1)?;
                if !tokens.eat(&Token::Close) {
                    return error("This `(` is never closed", span);
                }
                Operand::Paren(Box::new(inner), Self::fields(tokens))
            }
            Token::Word(word) => match word.as_str() {
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                "nil" => Operand::Nil,
                name => function(name, span)?,
            },
            Token::Pipe | Token::Close | Token::Declare | Token::Assign | Token::Comma => {
                return error("Expected a value here", span);
            }
        })
    }
}

fn number(text: &str, span: Range<usize>) -> Result<Operand, TemplateError> {
    let plain = text.replace('_', "");
    let hex = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"));
    let int = hex.map_or_else(|| plain.parse().ok(), |hex| i64::from_str_radix(hex, 16).ok());
    let float = || plain.parse::<f64>().ok().filter(|value| value.is_finite()).map(Operand::Float);
    match int.map(Operand::Int).or_else(float) {
        Some(operand) => Ok(operand),
        None => error(format!("`{text}` is not a number"), span),
    }
}

fn function(name: &str, span: Range<usize>) -> Result<Operand, TemplateError> {
    if let Some(function) = Function::named(name) {
        return Ok(Operand::Function(function));
    }
    if REFUSED.contains(&name) {
        return error(format!("The function `{name}` is not supported"), span);
    }
    Err(TemplateError {
        message: format!("There is no function `{name}`"),
        span,
        help: nearest(name, Function::names()).map(|near| format!("did you mean `{near}`?")),
    })
}
