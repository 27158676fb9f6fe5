//! Packages, by the host's own package manager. What is already so is left as it is, and nothing else is removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mainstay_runbook::PackageAction;

use super::{Ended, script};

/// How long a package manager may take for one thing.
const PATIENCE: Duration = super::STEP;

/// How long another one that works is waited for, in seconds.
const LOCK_S: u32 = 600;

/// Installs or removes a package.
pub(super) fn run(name: &str, action: PackageAction, version: Option<&str>, in_place: bool) -> Ended {
    let manager = match manager() {
        Ok(manager) => manager,
        Err(message) => return Ended::failed(message),
    };
    let done = match action {
        PackageAction::Install => manager.install(name, version, in_place),
        PackageAction::Uninstall => manager.uninstall(name, version),
    };
    match done {
        Ok(message) => Ended::good(message),
        Err(message) => Ended::failed(message),
    }
}

fn manager() -> Result<Manager, String> {
    let has = |program: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| is_program(&dir.join(program))))
    };
    let kind = if has("apt-get") && has("dpkg-query") {
        Kind::Apt
    } else if has("dnf") {
        Kind::Rpm("dnf")
    } else if has("yum") {
        Kind::Rpm("yum")
    } else {
        return Err(
            "this host has none of the package managers that are known here: apt, dnf, yum".to_owned()
        );
    };
    Ok(Manager { kind, environment: BTreeMap::new() })
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// The package managers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `apt-get`, with `dpkg`.
    Apt,
    /// `dnf` or `yum`, with `rpm`.
    Rpm(&'static str),
}

struct Manager {
    kind: Kind,
    /// Further environment.
    environment: BTreeMap<String, String>,
}

impl Manager {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("APT_LISTCHANGES_FRONTEND", "none")
            .env("NEEDRESTART_MODE", "l")
            .env("LC_ALL", "C.UTF-8")
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    /// What a program that only looks says; `None` if it ends with another code than 0.
    fn asked(&self, program: &str, arguments: &[&str]) -> Result<Option<String>, String> {
        let answer = self
            .command(program, arguments)
            .stderr(Stdio::null())
            .output()
            .map_err(|error| format!("`{program}` could not be started: {error}"))?;
        Ok(answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned()))
    }

    /// Has a program work, with its output among that of the step.
    fn told(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let words = format!("{program} {}", arguments.last().copied().unwrap_or_default());
        match script::within(&mut self.command(program, arguments), PATIENCE) {
            Err(error) => Err(format!("`{program}` could not be started: {error}")),
            Ok(None) => Err(format!("`{words}` was not done after {} seconds", PATIENCE.as_secs())),
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => {
                let hint = if rustix::process::geteuid().is_root() {
                    "its words are in the output"
                } else {
                    "only root may change packages, and the agent is another user"
                };
                Err(format!("`{words}` ended with {status}: {hint}"))
            }
        }
    }

    /// The version that is installed.
    fn installed(&self, name: &str) -> Result<Option<String>, String> {
        match self.kind {
            Kind::Apt => {
                let said = self.asked("dpkg-query", &["-W", "-f=${db:Status-Status} ${Version}\\n", name])?;
                let line = said.as_deref().and_then(|text| text.lines().next());
                Ok(line.and_then(|line| line.strip_prefix("installed ")).map(str::to_owned))
            }
            Kind::Rpm(_) => {
                let said = self.asked("rpm", &["-q", "--qf", "%{VERSION}-%{RELEASE}\\n", name])?;
                Ok(said.and_then(|text| text.lines().last().map(str::to_owned)))
            }
        }
    }

    fn install(&self, name: &str, version: Option<&str>, in_place: bool) -> Result<String, String> {
        let before = self.installed(name)?;
        // What is installed is what is wanted: another try, or another procedure, was here before.
        if let Some(before) = &before
            && version.is_none_or(|version| same(before, version))
            && !(in_place && version.is_none())
        {
            return Ok(format!("{name} {before} is installed already"));
        }
        if before.is_some() && !in_place && version.is_some() {
            self.remove(name)?;
        }
        match self.kind {
            Kind::Apt => self.apt_install(name, version)?,
            Kind::Rpm(program) => {
                let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}-{version}"));
                let verb =
                    if before.is_some() && in_place && version.is_none() { "upgrade" } else { "install" };
                self.told(program, &["-y", verb, &wanted])?;
            }
        }
        match (self.installed(name)?, before) {
            (Some(after), Some(before)) if after == before => {
                Ok(format!("{name} {after} is the newest, and installed already"))
            }
            (Some(after), Some(before)) => Ok(format!("{name} went from {before} to {after}")),
            (Some(after), None) => Ok(format!("{name} {after} was installed")),
            (None, _) => Err(format!("the package manager said it was done, and {name} is not installed")),
        }
    }

    fn apt_install(&self, name: &str, version: Option<&str>) -> Result<(), String> {
        let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}={version}"));
        let known = |manager: &Self| -> Result<bool, String> {
            Ok(manager.asked("apt-get", &["-s", "-qq", "install", &wanted])?.is_some())
        };
        if !known(self)? {
            // Its lists may be old, or none.
            self.told("apt-get", &["-q", "-o", &lock(), "update"])?;
            if !known(self)? {
                return Err(format!(
                    "apt knows no way to install `{wanted}`: see `apt-cache policy {name}` on the host"
                ));
            }
        }
        self.told(
            "apt-get",
            &[
                "-q",
                "-y",
                "-o",
                &lock(),
                "-o",
                "Dpkg::Options::=--force-confdef",
                "-o",
                "Dpkg::Options::=--force-confold",
                "--no-remove",
                "--allow-downgrades",
                "install",
                &wanted,
            ],
        )
    }

    fn uninstall(&self, name: &str, version: Option<&str>) -> Result<String, String> {
        let Some(before) = self.installed(name)? else {
            return Ok(format!("{name} is not installed"));
        };
        if let Some(version) = version.filter(|version| !same(&before, version)) {
            return Ok(format!("{name} is installed as {before}, and not as {version}; it stays"));
        }
        self.remove(name)?;
        match self.installed(name)? {
            None => Ok(format!("{name} {before} was removed")),
            Some(_) => Err(format!("the package manager said it was done, and {name} is still installed")),
        }
    }

    /// Removes a package, unless others would go with it.
    fn remove(&self, name: &str) -> Result<(), String> {
        match self.kind {
            Kind::Apt => {
                let plan = self.asked("apt-get", &["-s", "-qq", "remove", name])?.ok_or_else(|| {
                    format!("apt knows no way to remove {name}: see `apt-get -s remove {name}` on the host")
                })?;
                let removed: Vec<&str> = plan
                    .lines()
                    .filter_map(|line| line.strip_prefix("Remv ")?.split_whitespace().next())
                    .filter(|removed| *removed != name && removed.split(':').next() != Some(name))
                    .collect();
                if !removed.is_empty() {
                    return Err(format!("{name} stays, as other packages need it: {}", removed.join(", ")));
                }
                self.told("apt-get", &["-q", "-y", "-o", &lock(), "remove", name])
            }
            Kind::Rpm(program) => {
                // Without the packages that need it: rpm itself refuses where there are some.
                let needed = self.asked("rpm", &["-e", "--test", name])?;
                if needed.is_none() {
                    return Err(format!(
                        "{name} stays, as other packages need it: see `rpm -e --test {name}`"
                    ));
                }
                self.told(program, &["-y", "remove", name])
            }
        }
    }
}

fn lock() -> String {
    format!("DPkg::Lock::Timeout={LOCK_S}")
}

/// Whether an installed version is the one that is meant: in full, or without epoch and revision.
fn same(installed: &str, wanted: &str) -> bool {
    let without_epoch = installed.split_once(':').map_or(installed, |(_, rest)| rest);
    let upstream = without_epoch.rsplit_once('-').map_or(without_epoch, |(upstream, _)| upstream);
    [installed, without_epoch, upstream].contains(&wanted)
}
