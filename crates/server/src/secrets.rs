//! Secrets of sources and webhooks, read when they are needed and remembered for a moment, so that a thousand requests in
//! a second do not read a file a thousand times, and one that was changed counts at once as people see it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_api::secrets::{self, Reference};
use mainstay_declare::SecretRef;
use mainstay_model::Timestamp;

use crate::clock::Clock;

/// So long a value counts without being read again.
const FRESH: Duration = Duration::from_secs(2);

/// Reads secrets.
pub struct Secrets {
    clock: Arc<dyn Clock>,
    /// The data directory, with what this server is opened by: nothing that a workload declares reads there.
    own: Option<PathBuf>,
    known: Mutex<BTreeMap<SecretRef, (Timestamp, Arc<str>)>>,
}

impl Secrets {
    /// Knows none yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, own: None, known: Mutex::default() }
    }

    /// Keeps out of the data directory, and of `/proc`, where the environment of this process and others stands.
    #[must_use]
    pub fn but_not_in(self, data: &Path) -> Self {
        Self { own: Some(fs::canonicalize(data).unwrap_or_else(|_| data.to_owned())), ..self }
    }

    fn check(&self, reference: &str) -> Result<(), String> {
        let Some(own) = &self.own else { return Ok(()) };
        let Ok(Reference::File(path)) = secrets::parse(reference) else { return Ok(()) };
        // Where links lead is what counts. What cannot be found is told when it is read.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if real.starts_with(own) || real.starts_with("/proc") {
            return Err(format!(
                "`{}` is the server's own: no workload uses what lies there as a secret",
                path.display()
            ));
        }
        Ok(())
    }

    /// The value that a reference leads to. The error names the reference and no value.
    pub fn read(&self, reference: &SecretRef) -> Result<Arc<str>, String> {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, value)) = known.get(reference)
            && now >= *at
            && now.since(*at) < FRESH
        {
            return Ok(value.clone());
        }
        known.remove(reference);
        let text = reference.to_string();
        self.check(&text)?;
        let value: Arc<str> = secrets::read(&text)?.into();
        known.insert(reference.clone(), (now, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn what_opens_the_server_is_no_secret_of_a_workload() {
        let dir = tempfile::tempdir().expect("a directory");
        let (data, beside) = (dir.path().join("data"), dir.path().join("beside"));
        for folder in [&data, &beside] {
            fs::create_dir(folder).expect("a folder");
            fs::write(folder.join("token"), "mst_x").expect("written");
            fs::set_permissions(folder.join("token"), fs::Permissions::from_mode(0o600)).expect("set");
        }
        symlink(data.join("token"), beside.join("link")).expect("a link");
        let secrets = Secrets::new(Arc::new(SystemClock)).but_not_in(&data);
        let read = |path: PathBuf| secrets.read(&SecretRef::File(path.display().to_string()));
        assert_eq!(read(beside.join("token")).as_deref(), Ok("mst_x"));
        let around = beside.join("../data/token");
        for path in [data.join("token"), beside.join("link"), around, PathBuf::from("/proc/self/environ")] {
            let said = read(path.clone()).expect_err("its own");
            assert!(
                said.contains("the server's own") && !said.contains("mst_x"),
                "{}: {said}",
                path.display()
            );
        }
    }
}
