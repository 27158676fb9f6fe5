//! What the demo needs before it starts anything: the example, its ports, and a data directory of its own.

use std::path::{Path, PathBuf};

use crate::directory::{self, Checked};
use crate::exit::{Exit, Failure};
use crate::ports;

/// In a data directory that a demo made, and may therefore be emptied by the next.
const MARK: &str = ".demo";

/// Ports of server and telemetry.
const OUR_PORTS: [u16; 3] = [7600, 4317, 4318];

/// What the demo runs on.
#[derive(Debug)]
pub struct Prepared {
    /// The example's directory, checked.
    pub checked: Checked,
    /// Its services.
    pub services: Vec<String>,
    /// The goals of its priorities.
    pub goals: Vec<String>,
    /// The port of the service that is broken.
    pub broken_port: u16,
    /// The data directory.
    pub data: PathBuf,
}

/// Finds and checks everything, and empties the data directory. Starts nothing.
pub fn prepare(example: Option<&Path>, data: Option<&Path>, broken: &str) -> Result<Prepared, Failure> {
    let dir = match example {
        Some(dir) => dir.to_owned(),
        None => find_example()?,
    };
    let checked = directory::check(&dir)?;
    crate::verbs::apply::must_be_clean(&checked)?;
    let not_it = || {
        Failure::new(Exit::Usage, format!("{} is not the example that the demo tells of", dir.display()))
            .hint("give the directory `examples/shop` of Mainstay's sources with --example")
    };
    let workload = &checked.declared.as_ref().ok_or_else(not_it)?.workload;
    let services: Vec<_> = workload
        .components
        .iter()
        .filter_map(|(name, component)| Some((name, component.service.as_ref()?)))
        .collect();
    let broken_port = services
        .iter()
        .find(|(name, _)| *name == broken)
        .and_then(|(_, service)| service.port)
        .ok_or_else(not_it)?;
    for (_, service) in &services {
        if let Some(program) =
            service.run.as_str().split_whitespace().next().filter(|program| program.starts_with("./"))
            && !checked.root.join(program).is_file()
        {
            return Err(Failure::new(
                Exit::Local,
                format!("The example's services are not built: {} is missing", checked.root.join(program).display()),
            )
            .hint("`cargo xtask demo` builds everything and runs the demo; `cargo xtask build-shop` builds the services"));
        }
    }
    let mut wanted = OUR_PORTS.to_vec();
    wanted.extend(services.iter().filter_map(|(_, service)| service.port));
    let taken = ports::taken(&wanted);
    if !taken.is_empty() {
        let list: Vec<String> = taken.iter().map(ToString::to_string).collect();
        return Err(Failure::new(
            Exit::Local,
            format!("The demo needs ports that are taken: {}", list.join(", ")),
        )
        .hint(
            "stop those processes and try again; a demo that was killed ends its services within seconds",
        ));
    }
    let prepared = Prepared {
        services: services.iter().map(|(name, _)| (*name).clone()).collect(),
        goals: workload.priorities.iter().map(|priority| priority.goal.clone()).collect(),
        broken_port,
        data: data_directory(data.unwrap_or(Path::new("./.mainstay-demo")))?,
        checked,
    };
    Ok(prepared)
}

/// The example beside the sources that this program was built from.
fn find_example() -> Result<PathBuf, Failure> {
    let mut places: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    if let Ok(binary) = std::env::current_exe() {
        places.extend(binary.ancestors().skip(1).take(4).map(Path::to_path_buf));
    }
    let examples = places.iter().map(|place| place.join("examples/shop"));
    examples.into_iter().find(|dir| dir.join("mainstay.yaml").is_file()).ok_or_else(|| {
        Failure::new(Exit::Local, "The example `examples/shop` is not found")
            .hint("run the demo in the directory of Mainstay's sources, or say where it is with --example")
    })
}

/// An empty directory that is the demo's own.
fn data_directory(wanted: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let cannot = |what: &str| {
        let text = format!("The data directory {} cannot be {what}", wanted.display());
        move |error: std::io::Error| Failure::local(text.clone(), &error)
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(wanted).map_err(cannot("made"))?;
    // Without links, so that what is emptied is what was looked at.
    let dir = std::fs::canonicalize(wanted).map_err(cannot("opened"))?;
    let entries: Vec<_> =
        std::fs::read_dir(&dir).and_then(Iterator::collect::<Result<_, _>>).map_err(cannot("read"))?;
    if !entries.is_empty() && !dir.join(MARK).is_file() {
        return Err(Failure::new(
            Exit::Local,
            format!("{} is not empty, and no demo made it", wanted.display()),
        )
        .hint("give an empty directory, or one that is not there yet, with --data"));
    }
    // The mark goes last: a demo that is interrupted here leaves a directory that the next one can empty.
    let (mark, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.file_name() == MARK);
    for entry in rest.iter().chain(&mark) {
        let path = entry.path();
        let is_dir = entry.file_type().map_err(cannot("emptied"))?.is_dir();
        let removed = if is_dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(cannot("emptied"))?;
    }
    std::fs::write(dir.join(MARK), "A demo made this directory, and the next one empties it.\n")
        .map_err(cannot("written"))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_directory_is_emptied() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let dir = data_directory(&data).expect("made");
        std::fs::create_dir(dir.join("journal")).expect("made");
        std::fs::write(dir.join("journal/x"), "x").expect("written");
        data_directory(&data).expect("emptied");
        assert!(!dir.join("journal").exists() && dir.join(MARK).is_file());
        let other = folder.path().join("other");
        std::fs::create_dir(&other).expect("made");
        std::fs::write(other.join("precious"), "x").expect("written");
        let failure = data_directory(&other).expect_err("not its own");
        assert_eq!(failure.exit, Exit::Local);
        assert!(other.join("precious").exists());
    }
}
