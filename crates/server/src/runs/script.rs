//! How `aws:executeScript` becomes a command, and how the command's end becomes the step's outcome.

use std::collections::BTreeMap;

use mainstay_model::{CommandId, HostId};
use mainstay_runbook::{HostEnd, HostResult, Outcome, Runtime, ScriptEffect, payload_from_stdout};
use serde_json::{Map, Value, json};

use super::performer::Order;

/// Standard output carries the payload, so it may be as large as a payload may be, with room for its quoting.
const PAYLOAD_LIMIT: u64 = 256 * 1024;

/// The longest time a script may run where its step does not say less: the cap of the reference.
pub const MAX_SCRIPT_S: u64 = 600;

/// Calls the handler of a Python script. The script's own prints go to standard error, so that standard output is the
/// handler's result and nothing else.
const PYTHON_RUNNER: &str = r#"
import json, os, sys, traceback, types
request = json.load(sys.stdin)
result = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.stdout = sys.stderr
module = types.ModuleType("script")
sys.modules["script"] = module
try:
    exec(compile(request["script"], "script", "exec"), module.__dict__)
    handler = module.__dict__.get(request["handler"])
    if not callable(handler):
        sys.exit("the script defines no function `%s`" % request["handler"])
    payload = handler(request["payload"], {"execution_id": request["run"]})
    text = json.dumps(payload)
except SystemExit:
    raise
except BaseException:
    kind, error, trace = sys.exc_info()
    traceback.print_exception(kind, error, trace.tb_next)
    sys.exit(1)
result.write(text)
result.close()
"#;

/// The command for a script.
pub fn order(host: HostId, id: CommandId, run: &str, effect: &ScriptEffect, timeout_s: u64) -> Order {
    let payload = Value::Object(effect.payload.clone());
    let (interpreter, script, stdin, environment) = match effect.runtime {
        Runtime::Python => (
            vec!["python3".to_owned(), "-I".to_owned()],
            PYTHON_RUNNER.to_owned(),
            json!({
                "script": effect.script,
                "handler": effect.handler.as_deref().unwrap_or_default(),
                "payload": payload,
                "run": run,
            })
            .to_string(),
            BTreeMap::new(),
        ),
        Runtime::Bash => (
            vec!["bash".to_owned()],
            effect.script.clone(),
            payload.to_string(),
            BTreeMap::from([("InputPayload".to_owned(), payload.to_string())]),
        ),
    };
    Order {
        host,
        id,
        interpreter,
        script,
        stdin,
        environment,
        working_directory: None,
        timeout_s: timeout_s.clamp(1, MAX_SCRIPT_S),
        deliver_by: None,
        output_limit: PAYLOAD_LIMIT,
        maybe_sent: false,
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
        HostEnd::Signalled(signal) => {
            Outcome::Failed { message: because(format!("The script was ended by signal {signal}")), outputs }
        }
        HostEnd::NotStarted(reason) => {
            Outcome::Failed { message: format!("The script could not be started: {reason}"), outputs }
        }
        HostEnd::TimedOut => {
            Outcome::TimedOut { message: because("The script ran longer than it may".to_owned()), outputs }
        }
        HostEnd::NotDelivered => Outcome::TimedOut {
            message: format!("{}, where scripts run, was not reached in time", result.host),
            outputs,
        },
        HostEnd::Cancelled => Outcome::Cancelled,
        HostEnd::Unknown(reason) => Outcome::Unknown { reason: reason.clone() },
    }
}

/// What the script answered: Python's runner writes JSON, a bash script whatever it likes.
fn payload(runtime: Runtime, stdout: &str) -> Result<Value, String> {
    match runtime {
        Runtime::Python => serde_json::from_str(stdout).map_err(|error| {
            format!("The handler's result cannot be read: {error} (it may be at most 256 KiB of JSON)")
        }),
        Runtime::Bash => Ok(payload_from_stdout(stdout)),
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
