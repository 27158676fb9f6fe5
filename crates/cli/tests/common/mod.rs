//! What tests of verbs that need no server share.

use std::path::Path;
use std::process::Command;

/// Runs the real binary in a folder, away from any server of this machine. Its exit code and what it printed.
pub fn mainstay(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("MAINSTAY_DATA")
        .env_remove("MAINSTAY_SERVER")
        .env_remove("MAINSTAY_TOKEN")
        .env_remove("MAINSTAY_AGENT_SOCKET")
        .output()
        .expect("the binary starts");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A folder with these files: path and text.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    folder
}
