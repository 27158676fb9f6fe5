//! What a service should be, as the agent keeps it; and how its command line becomes words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_api::link;
use serde::{Deserialize, Serialize};

use crate::shim::spec::StopSignal;

/// A service that the host should run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The workload it belongs to.
    pub workload: String,
    /// The component it is.
    pub component: String,
    /// The command line, before it is split and its variables are replaced.
    pub run: String,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// The port it listens on.
    pub port: Option<u16>,
    /// Variables of its own.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are secrets, with where each is found (see [`mainstay_api::secrets`]).
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// How its health is checked, if at all.
    pub health: Option<HealthSpec>,
    /// Whether it is started again after it ended.
    pub restart: Restart,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// How it is asked to end.
    pub stop_signal: StopSignal,
    /// How long that may take, in milliseconds.
    pub stop_deadline_ms: u64,
    /// Components of the same workload that must be ready first.
    pub depends_on: Vec<String>,
}

/// How a service's health is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// The check.
    pub check: Check,
    /// Milliseconds from one check to the next.
    pub every_ms: u64,
    /// Milliseconds a check may take.
    pub timeout_ms: u64,
    /// Failures in a row that make it unhealthy.
    pub unhealthy_after: u32,
    /// Milliseconds after the start in which failures do not count, unless it was ready before.
    pub grace_ms: u64,
}

/// One kind of health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A path on 127.0.0.1 and this port.
    Http {
        /// With its leading `/`.
        path: String,
        /// The service's port.
        port: u16,
    },
    /// A port on 127.0.0.1.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A command line.
    Exec {
        /// Split like the service's own.
        run: String,
    },
}

/// Whether a service is started again after it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// However it ended.
    Always,
    /// Unless it ended by itself with exit code 0.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// All that the host should run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The revision it came from.
    pub revision: String,
    /// By name (see [`ServiceSpec::name`]).
    pub services: BTreeMap<String, ServiceSpec>,
    /// Services that the agent cannot make sense of, and why.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
}

/// The name of a component's service on its host: unique there, and safe in a file name.
pub fn service_name(workload: &str, component: &str) -> String {
    format!("{workload}.{component}")
}

impl ServiceSpec {
    /// Its name on the host.
    pub fn name(&self) -> String {
        service_name(&self.workload, &self.component)
    }

    /// The name of a component of the same workload.
    pub fn sibling(&self, component: &str) -> String {
        service_name(&self.workload, component)
    }

    fn from_wire(wire: link::Service) -> Result<Self, String> {
        for (what, name) in [("workload", &wire.workload), ("component", &wire.component)] {
            let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 60 || !name.chars().all(safe) {
                return Err(format!(
                    "`{name}` is not a {what}'s name: expected 1 to 60 letters, digits, `-` or `_`"
                ));
            }
        }
        let port = match u16::try_from(wire.port) {
            Ok(0) => None,
            Ok(port) => Some(port),
            Err(_) => return Err(format!("{} is not a port: expected 1 to 65535", wire.port)),
        };
        let directory = PathBuf::from(&wire.directory);
        if !directory.is_absolute() {
            return Err(format!("its directory `{}` is not an absolute path", wire.directory));
        }
        split_words(&wire.run)?;
        for reference in wire.secrets.values() {
            mainstay_api::secrets::parse(reference)?;
        }
        let health = wire.health.and_then(|health| health_from_wire(health, port).transpose()).transpose()?;
        let restart = match link::Restart::try_from(wire.restart) {
            Ok(link::Restart::Always) => Restart::Always,
            Ok(link::Restart::Never) => Restart::Never,
            Ok(link::Restart::OnFailure | link::Restart::Unspecified) => Restart::OnFailure,
            Err(_) => return Err(format!("its restart policy {} is not known to this agent", wire.restart)),
        };
        let stop = wire.stop.unwrap_or_default();
        Ok(Self {
            restart,
            workload: wire.workload,
            component: wire.component,
            run: wire.run,
            directory,
            port,
            env: wire.env,
            secrets: wire.secrets,
            health,
            memory_limit: (wire.memory_limit > 0).then_some(wire.memory_limit),
            stop_signal: StopSignal::parse(&stop.signal)?,
            stop_deadline_ms: or(stop.deadline_ms, 10_000),
            depends_on: wire.depends_on,
        })
    }
}

fn or(value: u64, default: u64) -> u64 {
    if value == 0 { default } else { value }
}

fn health_from_wire(wire: link::Health, port: Option<u16>) -> Result<Option<HealthSpec>, String> {
    let check = match wire.check {
        None => return Ok(None),
        Some(link::health::Check::Http(path)) => match port {
            Some(port) if path.starts_with('/') => Check::Http { path, port },
            Some(_) => {
                return Err(format!("its health check `{path}` is not a path: expected a leading `/`"));
            }
            None => return Err("its health check asks over HTTP, but it has no port".to_owned()),
        },
        Some(link::health::Check::Tcp(port)) => match u16::try_from(port) {
            Ok(port) if port > 0 => Check::Tcp { port },
            _ => return Err(format!("{port} is not a port: expected 1 to 65535")),
        },
        Some(link::health::Check::Exec(run)) => {
            split_words(&run)?;
            Check::Exec { run }
        }
    };
    Ok(Some(HealthSpec {
        check,
        every_ms: or(wire.every_ms, 2000),
        timeout_ms: or(wire.timeout_ms, 1000),
        unhealthy_after: if wire.unhealthy_after == 0 { 3 } else { wire.unhealthy_after },
        grace_ms: or(wire.grace_ms, 10_000),
    }))
}

impl Desired {
    /// Reads what the server sent. A service that makes no sense is refused alone; the others are not held up by it.
    pub fn from_wire(wire: link::Desired) -> Self {
        let mut desired = Self { revision: wire.revision, ..Self::default() };
        for service in wire.services {
            let name = service_name(&service.workload, &service.component);
            match ServiceSpec::from_wire(service) {
                Ok(spec) => {
                    desired.services.insert(name, spec);
                }
                Err(reason) => {
                    desired.refused.insert(name, reason);
                }
            }
        }
        desired
    }
}

/// Splits a command line into words as a shell would: blanks, single and double quotes, backslash. Nothing else of a
/// shell is there, and an unquoted character that would mean something to one is an error instead of a surprise.
pub fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a single quote in its command line is never closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') if chars.peek().is_some_and(|c| matches!(c, '"' | '\\' | '$')) => {
                            word.extend(chars.next());
                        }
                        Some(c) => word.push(c),
                        None => return Err("a double quote in its command line is never closed".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("its command line ends in a backslash".to_owned()),
            },
            '|' | '&' | ';' | '<' | '>' | '`' | '(' | ')' => {
                return Err(format!(
                    "its command line has a `{c}`, but it runs without a shell: quote it, or run `sh -c '...'`"
                ));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("its command line is empty".to_owned()) } else { Ok(words) }
}

/// Replaces `${name}` in one word. A name that is not known is an error.
pub fn substitute(word: &str, values: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|name| name.split_once('}')) {
            let value = values.get(name).ok_or_else(|| {
                let known: Vec<&str> = values.keys().copied().collect();
                format!(
                    "it names `${{{name}}}`, which is not known here: expected one of {}",
                    known.join(", ")
                )
            })?;
            out.push_str(value);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// How long failed or ended starts are told apart from good ones, and other times of the supervisor. Values, so that
/// scripts can use short ones.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A service that ended sooner than this after its start ended quickly.
    pub quick: Duration,
    /// So many quick ends in a row make it failed.
    pub quick_ends: u32,
    /// The delay before the first restart; doubled for each further quick end.
    pub backoff: Duration,
    /// The longest delay.
    pub backoff_most: Duration,
    /// The delay before a failed service is tried again.
    pub failed: Duration,
    /// The delay before a service that could not be started at all (port, file, directory) is tried again.
    pub not_started: Duration,
    /// How long dependencies are waited for before it is started without them.
    pub dependencies: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            quick: Duration::from_secs(10),
            quick_ends: 5,
            backoff: Duration::from_millis(500),
            backoff_most: Duration::from_secs(30),
            failed: Duration::from_secs(60),
            not_started: Duration::from_secs(10),
            dependencies: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_without_a_shell() {
        for (text, words) in [
            ("./a --port ${port}", vec!["./a", "--port", "${port}"]),
            ("sh -c 'a | b'  \"x \\\" y\" ''", vec!["sh", "-c", "a | b", "x \" y", ""]),
            ("a\\ b c'd'\"e\"", vec!["a b", "cde"]),
        ] {
            assert_eq!(split_words(text).expect(text), words);
        }
        for (text, part) in [
            ("a | b", "without a shell"),
            ("a > b", "without a shell"),
            ("a 'b", "single quote"),
            ("a \"b", "double quote"),
            ("a \\", "backslash"),
            ("  ", "empty"),
        ] {
            assert!(split_words(text).expect_err(text).contains(part), "{text}");
        }
        let values = BTreeMap::from([("port", "80".to_owned())]);
        assert_eq!(substitute("--p=${port}${x", &values), Ok("--p=80${x".to_owned()));
        assert_eq!(substitute("$$${port} $$x $y$", &values), Ok("$80 $x $y$".to_owned()));
        assert!(substitute("${prot}", &values).is_err());
    }

    #[test]
    fn a_senseless_service_is_refused_alone() {
        let good = link::Service {
            workload: "shop".to_owned(),
            component: "a".to_owned(),
            run: "x".to_owned(),
            directory: "/".to_owned(),
            ..link::Service::default()
        };
        let bad = |change: &dyn Fn(&mut link::Service)| {
            let mut service = link::Service { component: "b".to_owned(), ..good.clone() };
            change(&mut service);
            let services = vec![good.clone(), service];
            let desired = Desired::from_wire(link::Desired { revision: String::new(), services });
            assert!(desired.services.contains_key("shop.a"));
            desired.refused.into_values().next().unwrap_or_default()
        };
        let http = link::Health {
            check: Some(link::health::Check::Http("/".to_owned())),
            ..link::Health::default()
        };
        assert!(bad(&|s| s.port = 70_000).contains("70000 is not a port"));
        assert!(bad(&|s| s.directory = "x".to_owned()).contains("not an absolute path"));
        assert!(bad(&|s| s.run = "a;b".to_owned()).contains("without a shell"));
        assert!(bad(&|s| s.component = "../x".to_owned()).contains("not a component's name"));
        assert!(bad(&|s| s.health = Some(http.clone())).contains("has no port"));
        assert!(
            bad(&|s| s.stop = Some(link::Stop { signal: "FOO".to_owned(), deadline_ms: 0 }))
                .contains("`FOO` is not a signal")
        );
        assert_eq!(bad(&|_| {}), "");
    }
}
