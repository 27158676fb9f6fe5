//! Command lines and texts with variables: `./bin/checkout --port ${port}`.
//!
//! Commands are run without a shell. The words are split as a POSIX shell splits them (white space, single and double
//! quotes, backslash), and `${name}` stands for one of four known values; `$$` is one `$`. What only a shell can do
//! (pipes, `&&`, redirection, `$(…)`) is refused when the file is read and not passed on as an odd argument.

use std::ops::Range;

/// The names that `${…}` knows.
pub const VARIABLES: [&str; 4] = ["port", "component", "workload", "data"];

/// The values of the variables on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `${port}`: the service's port.
    pub port: Option<u16>,
    /// `${component}`: the component's name.
    pub component: String,
    /// `${workload}`: the workload's name.
    pub workload: String,
    /// `${data}`: the absolute path of a directory the component may keep data in.
    pub data: String,
}

impl Variables {
    fn value(&self, name: &str) -> String {
        match name {
            "port" => self.port.map(|port| port.to_string()).unwrap_or_default(),
            "component" => self.component.clone(),
            "workload" => self.workload.clone(),
            _ => self.data.clone(),
        }
    }
}

/// A text with variables, checked when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
}

/// Why a text is not a template or not a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The code of the diagnostic.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
}

impl Template {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text with the variables filled in, as one string.
    pub fn expand(&self, variables: &Variables) -> String {
        let (pieces, _) = pieces(&self.text);
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(range) => self.text[range].to_owned(),
                Piece::Dollar => "$".to_owned(),
                Piece::Variable(name, _) => variables.value(&self.text[name]),
            })
            .collect()
    }

    /// The text as a command line: split into words first, the variables filled in after, so that a value with a space
    /// stays one word. Never empty for a template that [`Template::command`] has accepted.
    pub fn argv(&self, variables: &Variables) -> Vec<String> {
        let (words, _) = words(&self.text);
        words.into_iter().map(|word| Self { text: word }.expand(variables)).collect()
    }

    /// Reads a text with variables.
    pub fn text(text: &str, has_port: bool) -> Result<Self, Vec<TemplateError>> {
        let errors = variable_errors(text, has_port);
        if errors.is_empty() { Ok(Self { text: text.to_owned() }) } else { Err(errors) }
    }

    /// Reads a command line.
    pub fn command(text: &str, has_port: bool) -> Result<Self, Vec<TemplateError>> {
        let mut errors = variable_errors(text, has_port);
        let (words, mut word_errors) = words(text);
        errors.append(&mut word_errors);
        if words.is_empty() && errors.is_empty() {
            errors.push(TemplateError {
                code: "bad-command",
                message: "This command is empty".to_owned(),
                help: None,
                span: 0..text.len(),
            });
        }
        errors.sort_by_key(|error| error.span.start);
        if errors.is_empty() { Ok(Self { text: text.to_owned() }) } else { Err(errors) }
    }
}

enum Piece {
    Text(Range<usize>),
    Dollar,
    /// The name's bytes, and those of the whole `${name}`.
    Variable(Range<usize>, Range<usize>),
}

/// Splits at the variables. The second value is where a `${` is never closed.
fn pieces(text: &str) -> (Vec<Piece>, Option<usize>) {
    let mut out = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        match text.as_bytes().get(dollar + 1) {
            Some(b'$') => {
                out.push(Piece::Text(from..dollar));
                out.push(Piece::Dollar);
                at = dollar + 2;
                from = at;
            }
            Some(b'{') => {
                let Some(length) = text[dollar..].find('}') else {
                    out.push(Piece::Text(from..text.len()));
                    return (out, Some(dollar));
                };
                out.push(Piece::Text(from..dollar));
                out.push(Piece::Variable(dollar + 2..dollar + length, dollar..dollar + length + 1));
                at = dollar + length + 1;
                from = at;
            }
            _ => at = dollar + 1,
        }
    }
    out.push(Piece::Text(from..text.len()));
    (out, None)
}

fn variable_errors(text: &str, has_port: bool) -> Vec<TemplateError> {
    let (pieces, unclosed) = pieces(text);
    let mut errors = Vec::new();
    let known = VARIABLES.map(|name| format!("`${{{name}}}`")).join(", ");
    if let Some(at) = unclosed {
        errors.push(TemplateError {
            code: "unknown-variable",
            message: "This `${` is never closed".to_owned(),
            help: Some("close it with `}`, or write `$$` for a `$`".to_owned()),
            span: at..at + 2,
        });
    }
    for piece in pieces {
        let Piece::Variable(name, span) = piece else { continue };
        let name = &text[name];
        if !VARIABLES.contains(&name) {
            let near = mainstay_model::problem::nearest(name, VARIABLES);
            errors.push(TemplateError {
                code: "unknown-variable",
                message: format!("There is no variable `{name}`"),
                help: Some(match near {
                    Some(near) => format!("did you mean `${{{near}}}`? Known are {known}"),
                    None => format!(
                        "known are {known}; write `$${{{name}}}` to pass `${{{name}}}` on as it stands"
                    ),
                }),
                span,
            });
        } else if name == "port" && !has_port {
            errors.push(TemplateError {
                code: "unknown-variable",
                message: "`${port}` has no value, as the service declares no `port`".to_owned(),
                help: Some("add `port:` beside `run:`".to_owned()),
                span,
            });
        }
    }
    errors
}

/// What only a shell understands.
const SHELL: [&str; 10] = ["&&", "||", "|", "&", ";", ">>", ">", "<", "`", "$("];

/// What at this byte, outside quotes, needs a shell.
fn shell(text: &str, at: usize) -> Option<TemplateError> {
    let rest = &text[at..];
    if rest.trim().is_empty() {
        return None;
    }
    let help = "run a script, or say `sh -c '…'`".to_owned();
    let error = |code, span: Range<usize>, message, help| {
        Some(TemplateError { code, message, help: Some(help), span })
    };
    if rest.starts_with('\n') {
        let line = at + rest.len() - rest.trim_start().len();
        let length = text[line..].find('\n').unwrap_or(text.len() - line);
        let span = line..line + text[line..line + length].trim_end().len();
        let message = "A second line needs a shell, and commands are run without one".to_owned();
        let help = format!("{help}; after `>-` instead of `|` the lines are one command");
        return error("shell-syntax", span, message, help);
    }
    if let Some(token) = SHELL.iter().find(|token| rest.starts_with(**token)) {
        let message = format!("`{token}` needs a shell, and commands are run without one");
        return error("shell-syntax", at..at + token.len(), message, help);
    }
    let name = rest.strip_prefix('$')?;
    let escaped = text[..at].bytes().rev().take_while(|byte| *byte == b'$').count() % 2 == 1;
    let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let is_variable = length > 0 && !name.starts_with(|c: char| c.is_ascii_digit()) && !escaped;
    is_variable.then_some(())?;
    let name = &name[..length];
    let message = format!("`${name}` stays as it stands, as commands are run without a shell");
    let known = name.to_lowercase();
    let help = match VARIABLES.contains(&known.as_str()) {
        true => format!("write `${{{known}}}`"),
        false => format!("write `$${name}` if that is meant, or say `sh -c '…'`"),
    };
    error("unknown-variable", at..at + 1 + length, message, help)
}

/// Splits into words as a POSIX shell would. Variables stay as they are, also in quotes.
fn words(text: &str) -> (Vec<String>, Vec<TemplateError>) {
    let mut words = Vec::new();
    let mut errors = Vec::new();
    let mut word: Option<String> = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if let Some(error) = shell(text, at) {
            at += if c == '\n' { 1 } else { error.span.len() };
            words.extend(word.take());
            errors.push(error);
            continue;
        }
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let Some(length) = closing(&rest[1..], c) else {
                    errors.push(TemplateError {
                        code: "bad-command",
                        message: "This quote is never closed".to_owned(),
                        help: None,
                        span: at..text.len(),
                    });
                    return (words, errors);
                };
                let inside = &rest[1..=length];
                let inside = if c == '"' { unescape(inside) } else { inside.to_owned() };
                word.get_or_insert_default().push_str(&inside);
                at += length + 2;
                continue;
            }
            '\\' => {
                let next = rest[1..].chars().next();
                word.get_or_insert_default().extend(next);
                at += 1 + next.map_or(0, char::len_utf8);
                continue;
            }
            c => word.get_or_insert_default().push(c),
        }
        at += c.len_utf8();
    }
    words.extend(word);
    (words, errors)
}

/// The offset of the closing quote.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        if escaped {
            escaped = false;
        } else if c == quote {
            return Some(at);
        } else {
            escaped = quote == '"' && c == '\\';
        }
        None
    })
}

/// In double quotes a backslash only escapes what would otherwise mean something there.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('"' | '\\')) if c == '\\' => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(text: &str) -> Vec<String> {
        let variables = Variables {
            port: Some(80),
            component: "web".to_owned(),
            workload: "shop".to_owned(),
            data: "/a b".to_owned(),
        };
        Template::command(text, true).expect(text).argv(&variables)
    }

    #[test]
    fn words_are_split_before_variables_are_filled_in() {
        assert_eq!(argv("./x --port ${port}  --data ${data}/d"), ["./x", "--port", "80", "--data", "/a b/d"]);
        assert_eq!(argv("x $$PORT $1 \"$HOME\" a$\n \n"), ["x", "$PORT", "$1", "$HOME", "a$"]);
        assert_eq!(argv("x 'a b' \"c \\\"d\\\" \\n\" e\\ f ''"), ["x", "a b", "c \"d\" \\n", "e f", ""]);
        assert_eq!(
            argv("sh -c 'echo $HOME $${x} | cat; ${component}'"),
            ["sh", "-c", "echo $HOME ${x} | cat; web"]
        );
    }

    #[test]
    fn what_is_not_a_command_is_refused() {
        for (text, code, span) in [
            ("", "bad-command", 0..0),
            ("   ", "bad-command", 0..3),
            ("x 'a", "bad-command", 2..4),
            ("a | b", "shell-syntax", 2..3),
            ("a && b", "shell-syntax", 2..4),
            ("a $(b", "shell-syntax", 2..4),
            ("a\nb", "shell-syntax", 2..3),
            ("a\n  b c \nd\n", "shell-syntax", 4..7),
            ("a $PORT", "unknown-variable", 2..7),
            ("a ${prot}", "unknown-variable", 2..9),
            ("a ${", "unknown-variable", 2..4),
        ] {
            let errors = Template::command(text, true).expect_err(text);
            assert_eq!((errors[0].code, errors[0].span.clone()), (code, span), "{text}");
        }
        assert!(Template::command("a ${port}", false).is_err());
    }
}
