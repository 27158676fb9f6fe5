//! The inputs of `aws:executeScript`.

use mainstay_model::{Problem, Segment};
use serde_json::{Map, Value};

use super::finally;
use crate::effect::{Runtime, ScriptEffect};
use crate::reader::Reader;

/// The newest Python that Systems Manager no longer has; documents that name it or an older one still run.
const LAST_PYTHON_GONE: u32 = 9;

pub(crate) fn script(inputs: &Map<String, Value>) -> Result<ScriptEffect, String> {
    finally(|reader| read_script(inputs, reader))
}

pub(crate) fn read_script(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<ScriptEffect> {
    let runtime = if inputs.contains_key("Runtime") {
        let name = reader.text(inputs, "Runtime")?;
        read_runtime(&name, reader)
    } else {
        reader.missing("Runtime", "aws:executeScript");
        None
    };
    let attached = inputs.contains_key("Attachment");
    let attachment = read_attachment(inputs, runtime, reader);
    if !inputs.contains_key("Script") {
        match runtime {
            _ if !attached => reader.missing("Script", "aws:executeScript"),
            Some(Runtime::PowerShell) => reader.missing("Script", "aws:executeScript with PowerShell"),
            _ => {}
        }
    }
    let handler = read_handler(inputs, runtime, reader);
    let script = match inputs.get("Script") {
        None => Some(String::new()),
        Some(_) => reader.text(inputs, "Script"),
    };
    let payload = match inputs.get("InputPayload") {
        None => Some(Map::new()),
        Some(_) => reader.mapping(inputs, "InputPayload").cloned(),
    };
    if attached && attachment.is_none() {
        return None;
    }
    Some(ScriptEffect { runtime: runtime?, handler, script: script?, attachment, payload: payload? })
}

fn read_handler(
    inputs: &Map<String, Value>,
    runtime: Option<Runtime>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let given = inputs.contains_key("Handler");
    match runtime {
        Some(Runtime::Python) if !given => reader.missing("Handler", "aws:executeScript with Python"),
        Some(other @ (Runtime::Bash | Runtime::PowerShell)) if given => {
            let name = if other == Runtime::Bash { "bash" } else { "PowerShell" };
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Handler"),
                    format!("`Handler` is for Python; {name} has none"),
                )
                .on_key(),
            );
        }
        _ => {}
    }
    let handler = reader.text(inputs, "Handler")?;
    let (attached, script) = (inputs.contains_key("Attachment"), inputs.contains_key("Script"));
    // In a single file there is no doubt.
    let packed = inputs.get("Attachment").and_then(Value::as_str).is_some_and(|name| name.ends_with(".zip"));
    if runtime == Some(Runtime::Python) && !reader.open(&Value::String(handler.clone())) {
        if !handler_fits(&handler, attached) {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Handler"),
                    format!("`{handler}` is not the name of a function"),
                )
                .label(if attached {
                    "expected a name such as `file.main`"
                } else {
                    "expected a name such as `main`"
                }),
            );
        } else if packed && !script && !handler.contains('.') {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Handler"),
                    format!("`{handler}` does not say in which file of the attachment the function is"),
                )
                .label("expected a name such as `file.main`"),
            );
        }
    }
    Some(handler)
}

/// The attached file, by its name in `files`. It lies beside the document.
fn read_attachment(
    inputs: &Map<String, Value>,
    runtime: Option<Runtime>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let name = reader.text(inputs, "Attachment")?;
    let path = reader.at("Attachment");
    match runtime {
        Some(Runtime::PowerShell) => {
            reader.not_built(path, "`Attachment` of aws:executeScript with PowerShell is");
            return None;
        }
        Some(Runtime::Bash) => {
            reader.push(
                Problem::error("bad-value", path, "`Attachment` is for Python; bash has none").on_key(),
            );
            return None;
        }
        _ => {}
    }
    if reader.open(&Value::String(name.clone())) {
        reader.not_built(path, "Choosing the attachment by a reference is");
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = !name.starts_with('.') && name.chars().all(plain);
    if !fits || !(name.ends_with(".py") || name.ends_with(".zip")) {
        reader.push(
            Problem::error("bad-value", path, format!("`{name}` is not the name of an attached file"))
                .label("expected the name of a .py or .zip file beside the document"),
        );
        return None;
    }
    Some(name)
}

/// A function's name; with an attachment, `file.function`.
fn handler_fits(text: &str, attached: bool) -> bool {
    match text.split_once('.') {
        Some((file, function)) if attached => is_identifier(file) && is_identifier(function),
        _ => is_identifier(text),
    }
}

fn is_identifier(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn read_runtime(name: &str, reader: &mut Reader<'_>) -> Option<Runtime> {
    if reader.open(&Value::String(name.to_owned())) {
        reader.not_built(reader.at("Runtime"), "Choosing the runtime by a reference is");
        return None;
    }
    if let Some(rest) = name.strip_prefix("python3") {
        let minor = rest.strip_prefix('.').and_then(|minor| minor.parse::<u32>().ok());
        if rest.is_empty() || minor.is_some() {
            if minor.is_some_and(|minor| minor <= LAST_PYTHON_GONE) {
                gone(name, "the host's own python3", reader);
            }
            return Some(Runtime::Python);
        }
    }
    if let Some(rest) = name.strip_prefix("PowerShell ") {
        let version = rest.strip_prefix("Core ").unwrap_or(rest);
        let number: Vec<Option<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
        if let [Some(major), Some(minor)] = number[..] {
            if (major, minor) < (7, 4) {
                gone(name, "the host's own pwsh", reader);
            }
            if reader.draft {
                let at = reader.at("Runtime");
                reader.push(needs_pwsh(name, at));
            }
            return Some(Runtime::PowerShell);
        }
    }
    if name == "bash" {
        return Some(Runtime::Bash);
    }
    reader.push(
        Problem::error("bad-value", reader.at("Runtime"), format!("`{name}` is not a runtime")).help(
            "Runtimes are python3.x (the host's python3 is used), PowerShell 7.x (the host's pwsh) and bash",
        ),
    );
    None
}

/// A version that Systems Manager no longer has. What runs it here is another one, so the author should look.
fn gone(name: &str, instead: &str, reader: &mut Reader<'_>) {
    if reader.draft {
        let at = reader.at("Runtime");
        reader.push(Problem::warning(
            "old-runtime",
            at,
            format!("`{name}` is no longer a runtime of Systems Manager; {instead} runs the script"),
        ));
    }
}

/// PowerShell is not part of most Linux hosts.
pub(crate) fn needs_pwsh(what: &str, path: Vec<Segment>) -> Problem {
    let message =
        format!("`{what}` needs `pwsh` on the host that runs it; where it is missing, the step fails");
    Problem::warning(NEEDS_PROGRAM, path, message).help("Install PowerShell there, or use Python or a shell")
}

/// The code of a warning that a host needs a program that it may not have.
pub const NEEDS_PROGRAM: &str = "needs-program";
