//! `cargo xtask console`: builds the web console, and runs its tests. Where Node.js is missing, or too old, everything
//! else goes on without it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;
use std::{env, fs};

use super::{Outcome, is_installed, run, say};

/// The oldest Node.js that builds the console.
const NODE: (u32, u32) = (20, 19);

/// Why the console cannot be built here.
fn missing() -> Option<String> {
    if !is_installed("node") || !is_installed("npm") {
        return Some(format!("Node.js {}.{} or later with npm is not installed", NODE.0, NODE.1));
    }
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output().ok()?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut parts =
        version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (found < NODE).then(|| format!("Node.js {version} is older than {}.{}", NODE.0, NODE.1))
}

/// Builds it, or says why that is not possible here and goes on.
pub fn build_if_possible(root: &Path) -> Outcome<bool> {
    if let Some(reason) = missing() {
        eprintln!("xtask: skipped: the web console ({reason})");
        return Ok(false);
    }
    build(root)?;
    Ok(true)
}

/// Builds it into `console/dist`.
pub fn build(root: &Path) -> Outcome {
    if let Some(reason) = missing() {
        return Err(format!("the web console cannot be built: {reason}"));
    }
    let console = root.join("console");
    // What npm installed is newer than the list of what is wanted, or it is installed again.
    let installed = modified(&console.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < modified(&console.join("package-lock.json")) {
        say("Console: what it is built of");
        npm(&console, &["ci", "--no-fund", "--no-audit"])?;
    }
    let built = modified(&console.join("dist/index.html.gz"));
    if built.is_some() && built > newest(&console, &["src", "public"]).max(newest_file(&console)) {
        return Ok(());
    }
    say("Console: build");
    npm(&console, &["run", "--silent", "build"])
}

/// Its own tests: pure ones, and those that drive a browser against a real server.
pub fn test(root: &Path, target: &Path) -> Outcome {
    let console = root.join("console");
    say("Tests: console");
    npm(&console, &["run", "--silent", "unit"])?;
    if !is_installed("chromium") {
        eprintln!("xtask: skipped: tests of the console in a browser (chromium is not installed)");
        return Ok(());
    }
    let binary = target.join("debug/mainstay");
    run(npm_command(&console, &["run", "--silent", "e2e"]).env("MAINSTAY_E2E_BINARY", binary))
}

/// The pictures of the console that `docs/` and the README show: its tests in a browser take them.
pub fn pictures(root: &Path, target: &Path, kept: &Path) -> Outcome {
    let console = root.join("console");
    say("Pictures: console");
    let mut tests = npm_command(&console, &["run", "--silent", "pictures"]);
    run(tests.env("MAINSTAY_E2E_BINARY", target.join("debug/mainstay")).env("MAINSTAY_PICTURES", kept))
}

/// Writes the types of the wire anew from the API's document, where what does so is installed.
pub fn wire(root: &Path) -> Outcome {
    let console = root.join("console");
    if missing().is_some() || modified(&console.join("node_modules/.package-lock.json")).is_none() {
        eprintln!("xtask: skipped: console/src/api/wire.ts (`cargo xtask console` first, then once more)");
        return Ok(());
    }
    npm(&console, &["run", "--silent", "wire"])
}

fn npm(console: &Path, arguments: &[&str]) -> Outcome {
    run(&mut npm_command(console, arguments))
}

fn npm_command(console: &Path, arguments: &[&str]) -> Command {
    let npm = env::var_os("NPM").unwrap_or_else(|| "npm".into());
    let mut command = Command::new(npm);
    command.arg("--prefix").arg(console).args(arguments);
    command
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// The newest change in these folders.
fn newest(console: &Path, folders: &[&str]) -> Option<SystemTime> {
    let mut newest = None;
    let mut waiting: Vec<_> = folders.iter().map(|folder| console.join(folder)).collect();
    while let Some(folder) = waiting.pop() {
        // A folder changes when a file in it goes.
        newest = newest.max(modified(&folder));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                newest = newest.max(modified(&path));
            }
        }
    }
    newest
}

/// The newest change of the files beside the folders, which say how it is built.
fn newest_file(console: &Path) -> Option<SystemTime> {
    ["index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts"]
        .iter()
        .filter_map(|name| modified(&console.join(name)))
        .max()
}
