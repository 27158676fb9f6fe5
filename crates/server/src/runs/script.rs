//! How `aws:executeScript` becomes a command, and how the command's end becomes the step's outcome.

use std::collections::BTreeMap;

use mainstay_model::{CommandId, HostId};
use mainstay_runbook::library::{file_bytes, file_problem, is_text};
use mainstay_runbook::{
    Document, HostEnd, HostResult, Outcome, Runtime, ScriptEffect, Shell, payload_from_stdout,
    strict_powershell,
};
use serde_json::{Map, Value, json};

use super::orders::bare_order;
use super::performer::Order;

/// The largest payload, in bytes of JSON, by the reference.
const MAX_PAYLOAD_BYTES: usize = 100 * 1024;

/// The most elements of a payload that is a list, by the reference.
const MAX_PAYLOAD_ITEMS: usize = 100;

/// Standard output carries the payload; one that is too large is still read far enough to tell.
const OUTPUT_LIMIT: u64 = 128 * 1024;

/// The longest time a script may run where its step does not say less: the cap of the reference.
pub const MAX_SCRIPT_S: u64 = 600;

/// How much memory a script may have, by the reference: in Python, and ours in bash; in PowerShell.
const MEMORY_BYTES: u64 = 512 << 20;
const POWERSHELL_MEMORY_BYTES: u64 = 1024 << 20;

/// Calls the handler of a Python script. The script's own prints go to standard error, so that standard output is the
/// handler's result and nothing else. An attached file is written to the command's own directory.
const PYTHON_RUNNER: &str = r#"
import base64, importlib, importlib.util, json, os, sys, traceback, types
request = json.load(sys.stdin)
result = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.stdout = sys.stderr
sys.dont_write_bytecode = True
file, _, function = request["handler"].rpartition(".")

def attach(attached):
    path = os.path.abspath(attached["name"])
    data = attached["content"].encode() if attached["text"] else base64.b64decode(attached["content"])
    with open(path, "wb") as out:
        out.write(data)
    sys.path.insert(0, path if path.endswith(".zip") else os.path.dirname(path))
    return path

def load(attached, path):
    if attached and (file or not request["script"]):
        if path.endswith(".py") and file in ("", os.path.basename(path)[:-3]):
            spec = importlib.util.spec_from_file_location(file or "script", path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            return module
        return importlib.import_module(file)
    module = types.ModuleType("script")
    sys.modules["script"] = module
    exec(compile(request["script"], "script", "exec"), module.__dict__)
    return module

try:
    attached = request.get("attachment")
    module = load(attached, attach(attached) if attached else None)
    handler = getattr(module, function, None)
    if not callable(handler):
        sys.exit("the script defines no function `%s`" % request["handler"])
    payload = handler(request["payload"], {"execution_id": request["run"]})
    if isinstance(payload, types.CoroutineType):
        payload.close()
        sys.exit("the handler `%s` is async, and nothing awaits it: let it call asyncio.run" % request["handler"])
    text = json.dumps(payload, allow_nan=False)
except SystemExit:
    raise
except BaseException:
    kind, error, trace = sys.exc_info()
    traceback.print_exception(kind, error, trace.tb_next)
    sys.exit(1)
result.write(text)
result.close()
"#;

/// The command for a script. What is attached to it is looked at once more before it is sent.
pub fn order(
    host: HostId,
    id: CommandId,
    run: &str,
    effect: &ScriptEffect,
    attachment: Option<&Value>,
    timeout_s: u64,
) -> Order {
    let payload = Value::Object(effect.payload.clone());
    let in_environment = || BTreeMap::from([("InputPayload".to_owned(), payload.to_string())]);
    let (interpreter, script, stdin, environment) = match effect.runtime {
        Runtime::Python => (
            vec!["python3".to_owned(), "-I".to_owned()],
            PYTHON_RUNNER.to_owned(),
            json!({
                "script": effect.script,
                "handler": effect.handler.as_deref().unwrap_or_default(),
                "payload": payload,
                "attachment": attachment,
                "run": run,
            })
            .to_string(),
            BTreeMap::new(),
        ),
        Runtime::Bash => {
            (vec!["bash".to_owned()], effect.script.clone(), payload.to_string(), in_environment())
        }
        Runtime::PowerShell => {
            let mut environment = Shell::PowerShell.environment();
            environment.extend(in_environment());
            (strict_powershell(), effect.script.clone(), payload.to_string(), environment)
        }
    };
    let memory = match effect.runtime {
        Runtime::PowerShell => POWERSHELL_MEMORY_BYTES,
        Runtime::Python | Runtime::Bash => MEMORY_BYTES,
    };
    Order {
        interpreter,
        script,
        stdin,
        environment,
        timeout_s: timeout_s.clamp(1, MAX_SCRIPT_S),
        memory_limit: Some(memory),
        output_limit: OUTPUT_LIMIT,
        ..bare_order(host, id)
    }
}

/// The attached file of a script, as its runner takes it, once it is certain that it is the one that the document means.
pub fn attachment(name: &str, document: &Document) -> Result<Value, String> {
    let kept = document
        .library
        .files
        .get(name)
        .ok_or_else(|| format!("There is no attached file `{name}`: the run began without it"))?;
    let bytes = file_bytes(name, kept).ok_or_else(|| format!("The attached file `{name}` is damaged"))?;
    let said =
        document.files.get(name).ok_or_else(|| format!("The document does not say what `{name}` is"))?;
    match file_problem(name, said, &bytes) {
        Some(problem) => Err(problem),
        None => Ok(json!({ "name": name, "content": kept, "text": is_text(name) })),
    }
}

/// The last line that says something: of a traceback, the error itself.
fn last_words(stderr: &str) -> Option<&str> {
    stderr.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

/// What the script came to.
pub fn outcome(runtime: Runtime, result: &HostResult) -> Outcome {
    let mut outputs = Map::new();
    if !result.stderr.is_empty() {
        outputs.insert("Log".to_owned(), result.stderr.clone().into());
    }
    let because = |what: String| match last_words(&result.stderr) {
        Some(words) => format!("{what}: {words}"),
        None => what,
    };
    match &result.ended {
        HostEnd::Exited(0) => match payload(runtime, &result.stdout) {
            Ok(payload) => {
                outputs.insert("Payload".to_owned(), payload);
                Outcome::Succeeded { outputs }
            }
            Err(reason) => Outcome::Failed { message: reason, outputs },
        },
        HostEnd::Exited(code) => {
            Outcome::Failed { message: because(format!("The script ended with code {code}")), outputs }
        }
        HostEnd::Failed { message, .. } => Outcome::Failed { message: message.clone(), outputs },
        HostEnd::Signalled(signal) => {
            Outcome::Failed { message: because(format!("The script was ended by signal {signal}")), outputs }
        }
        HostEnd::NotStarted(reason) => {
            Outcome::Failed { message: format!("The script could not be started: {reason}"), outputs }
        }
        HostEnd::TimedOut(words) => {
            Outcome::TimedOut { message: because(format!("The script {words}")), outputs }
        }
        HostEnd::NotDelivered => Outcome::TimedOut {
            message: format!("{}, where scripts run, was not reached in time", result.host),
            outputs,
        },
        HostEnd::Cancelled => Outcome::Cancelled,
        HostEnd::Unknown(reason) => Outcome::Unknown { reason: reason.clone() },
    }
}

/// What the script answered: Python's runner writes JSON, the others whatever they like.
fn payload(runtime: Runtime, stdout: &str) -> Result<Value, String> {
    let payload = match runtime {
        Runtime::Python if stdout.is_empty() => {
            return Err("The script ended before its handler had returned anything".to_owned());
        }
        Runtime::Python if stdout.len() > MAX_PAYLOAD_BYTES => Err(String::new()),
        Runtime::Python => serde_json::from_str(stdout)
            .map_err(|error| format!("The handler's result cannot be read: {error}")),
        Runtime::Bash | Runtime::PowerShell if stdout.contains(char::REPLACEMENT_CHARACTER) => {
            return Err(
                "The script wrote bytes that are no UTF-8 text to standard output, which is its payload: \
                        write them to a file, or as base64"
                    .to_owned(),
            );
        }
        Runtime::Bash | Runtime::PowerShell => Ok(payload_from_stdout(stdout)),
    };
    if stdout.len() > MAX_PAYLOAD_BYTES {
        let what = match runtime {
            Runtime::Python => "The handler's result",
            _ => "What the script wrote to standard output, which is its payload,",
        };
        return Err(format!(
            "{what} is larger than a payload may be: {MAX_PAYLOAD_BYTES} bytes. Logs belong on standard error"
        ));
    }
    match payload {
        Ok(Value::Array(list)) if list.len() > MAX_PAYLOAD_ITEMS => Err(format!(
            "The payload is a list of {} elements, and at most {MAX_PAYLOAD_ITEMS} may be returned",
            list.len()
        )),
        payload => payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ended: HostEnd, stdout: &str, stderr: &str) -> HostResult {
        HostResult {
            host: HostId::new("local").expect("valid"),
            ended,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn payloads_keep_their_types() {
        let payload = |runtime, text: &str| outcome(runtime, &result(HostEnd::Exited(0), text, ""));
        let is =
            |value: Value| Outcome::Succeeded { outputs: Map::from_iter([("Payload".to_owned(), value)]) };
        assert_eq!(payload(Runtime::Python, "{\"a\": 1}"), is(json!({"a": 1})));
        assert_eq!(payload(Runtime::Python, "null"), is(Value::Null));
        assert_eq!(payload(Runtime::Bash, "{\"a\": 1}\n"), is(json!({"a": 1})));
        assert_eq!(payload(Runtime::Bash, "12\n"), is(json!("12")));
        assert!(matches!(payload(Runtime::Python, "{\"a\":"), Outcome::Failed { .. }));
    }

    #[test]
    fn a_failure_says_the_last_words() {
        let failed = outcome(
            Runtime::Python,
            &result(HostEnd::Exited(1), "", "Traceback:\n  x\nValueError: no pool\n"),
        );
        let Outcome::Failed { message, .. } = failed else { panic!("{failed:?}") };
        assert_eq!(message, "The script ended with code 1: ValueError: no pool");
    }

    #[test]
    fn unknown_stays_unknown() {
        let outcome =
            outcome(Runtime::Bash, &result(HostEnd::Unknown("the host restarted".to_owned()), "", ""));
        assert_eq!(outcome, Outcome::Unknown { reason: "the host restarted".to_owned() });
    }
}
