//! From what is declared to what a shim runs: words, variables, paths, environment; and what stands in the way, said
//! with the path or the port.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::files;
use crate::handle;
use crate::procfs;
use crate::shim::spec::{Purpose, Spec, VERSION};
use crate::supervisor::spec::{ServiceSpec, split_words, substitute};
use mainstay_api::secrets;

/// A service's log is rotated at this size, and so many older files are kept: 20 MiB in all.
const LOG: (u64, u32) = (4 * 1024 * 1024, 4);

/// Where things stand on this host, and what it is called.
#[derive(Clone, Debug)]
pub struct Place {
    /// The agent's own directory, `<data>/agent`.
    pub dir: PathBuf,
    /// The host's id.
    pub host: String,
    /// The `mainstay` binary: it is the shim, and what scripts call.
    pub binary: PathBuf,
    /// Whether an agent listens here for people and scripts.
    pub has_control: bool,
    /// Where services send telemetry.
    pub otlp_endpoint: String,
    /// Never use cgroups, also where they could be. For tests.
    pub memory_by_polling: bool,
}

impl Place {
    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// The log file of a service.
    pub fn log(&self, service: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{service}.log"))
    }

    /// The directory of one start of a service.
    pub fn instance(&self, service: &str, instance: &str) -> PathBuf {
        self.dir.join("services").join(service).join(instance)
    }

    /// The environment that services and commands share.
    pub fn base_env(&self) -> BTreeMap<String, String> {
        let mut env = handle::inherited(self.binary.parent());
        env.insert("MAINSTAY_HOST".to_owned(), self.host.clone());
        if self.has_control {
            env.insert("MAINSTAY_AGENT_SOCKET".to_owned(), self.control_socket().display().to_string());
        }
        env
    }
}

/// Finds a program as `execvp` would, and says what is wrong with it before anything is started.
pub fn resolve(program: &str, directory: &Path, path: &str) -> Result<PathBuf, String> {
    if !directory.is_dir() {
        return Err(format!("its directory `{}` does not exist", directory.display()));
    }
    let executable = |path: &Path| -> Result<(), String> {
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(format!("`{}` does not exist", path.display()))
            }
            Err(error) => Err(format!("`{}` cannot be looked at: {error}", path.display())),
            Ok(metadata) if metadata.is_dir() => Err(format!("`{}` is a directory", path.display())),
            Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
                Err(format!("`{}` is not executable (chmod +x makes it so)", path.display()))
            }
            Ok(_) => Ok(()),
        }
    };
    if program.contains('/') {
        let path = directory.join(program);
        // Without the `.` of `./bin/x`, as people would write it.
        let path: PathBuf = path.components().collect();
        return executable(&path).map(|()| path);
    }
    let candidates = std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(program));
    candidates
        .into_iter()
        .find(|path| executable(path).is_ok())
        .ok_or_else(|| format!("the command `{program}` is not found in PATH ({path})"))
}

/// The directory a service may keep data in.
fn data(place: &Place, spec: &ServiceSpec) -> PathBuf {
    place.dir.join("data").join(spec.name())
}

/// What the variables of commands and of the environment stand for, in a service and in its health check alike.
pub fn variables(place: &Place, spec: &ServiceSpec) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::from([
        ("component", spec.component.clone()),
        ("workload", spec.workload.clone()),
        ("data", data(place, spec).display().to_string()),
    ]);
    if let Some(port) = spec.port {
        values.insert("port", port.to_string());
    }
    values
}

/// What a shim runs for a service, or what stands in the way.
pub fn service(place: &Place, spec: &ServiceSpec) -> Result<Spec, String> {
    let name = spec.name();
    let data = data(place, spec);
    files::make_dir(&data).map_err(|error| format!("`{}` cannot be made: {error}", data.display()))?;
    let values = variables(place, spec);
    let mut argv: Vec<String> =
        split_words(&spec.run)?.iter().map(|word| substitute(word, &values)).collect::<Result<_, _>>()?;
    let mut env = place.base_env();
    let attributes = format!(
        "service.namespace={},service.instance.id={},host.name={}",
        spec.workload, place.host, place.host
    );
    for (key, value) in [
        ("MAINSTAY_COMPONENT", spec.component.clone()),
        ("MAINSTAY_WORKLOAD", spec.workload.clone()),
        ("OTEL_SERVICE_NAME", spec.component.clone()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", place.otlp_endpoint.clone()),
        ("OTEL_RESOURCE_ATTRIBUTES", attributes),
    ] {
        env.insert(key.to_owned(), value);
    }
    if let Some(port) = spec.port {
        env.insert("PORT".to_owned(), port.to_string());
    }
    for (name, value) in &spec.env {
        env.insert(name.clone(), substitute(value, &values)?);
    }
    // The values are read again by the shim, which is the only one to need them: what it is given is kept in a file.
    for (name, reference) in &spec.secrets {
        secrets::read(reference).map_err(|reason| format!("its secret {name} cannot be had: {reason}"))?;
        env.remove(name);
    }
    argv[0] =
        resolve(&argv[0], &spec.directory, env.get("PATH").map_or("", String::as_str))?.display().to_string();
    if let Some(port) = spec.port
        && let Some(listener) = procfs::listener(port)
    {
        return Err(format!("its port {port} is in use by {listener}"));
    }
    Ok(Spec {
        version: VERSION,
        purpose: Purpose::Service { log: place.log(&name), rotate_bytes: LOG.0, rotate_keep: LOG.1 },
        argv,
        env,
        secrets: spec.secrets.clone(),
        directory: spec.directory.clone(),
        timeout_ms: None,
        memory_bytes: spec.memory_limit,
        memory_by_polling: place.memory_by_polling,
        stop_signal: spec.stop_signal,
        stop_deadline_ms: spec.stop_deadline_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_said_with_its_path() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("plain"), "").expect("written");
        let said = |program: &str| resolve(program, dir.path(), "/nowhere:/usr/bin:/bin").expect_err(program);
        let at = |name: &str| dir.path().join(name).display().to_string();
        assert_eq!(said("./none"), format!("`{}` does not exist", at("none")));
        assert!(said("./plain").starts_with(&format!("`{}` is not executable", at("plain"))));
        assert!(said("/usr").contains("is a directory"));
        assert!(said("no-such-command").contains("not found in PATH (/nowhere"));
        assert!(
            resolve("sh", Path::new("/no/where"), "/bin").expect_err("no directory").contains("`/no/where`")
        );
        assert!(resolve("sh", dir.path(), "/usr/bin:/bin").is_ok());
    }
}
