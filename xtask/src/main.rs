//! The project's own commands. `cargo xtask demo` builds and runs the main job; `cargo xtask test` runs every check.
//! Both do all set-up a fresh machine with the Rust toolchain needs, or say what they could not do.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

mod console;
mod oidc;
mod pictures;
mod schemathesis;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  demo [ARGS]   build the release binary and the example workload, then run `mainstay demo ARGS`
  test          install what the tests need where allowed, then run every check that a change must pass
  build-shop    build the example's services and put them into examples/shop/bin [--release]
  bench         build and run the benchmarks
  openapi       write the API's document, crates/api/openapi.json, anew from the code, and the console's types from it
  console       build the web console into console/dist, from where the server embeds it (needs Node.js 20.19 or later)
  schemathesis  hold a running server to the API's document
  oidc          sign in at a running server with a provider of OpenID Connect from PyPI
  pictures      the example's documentation as Chromium shows it, into target/pictures [SITE]
                [--keep: and into docs/images, with those of the console]";

/// The example's programs, as its workload file names them.
const SHOP_PROGRAMS: [&str; 4] = ["shop-storefront", "shop-checkout", "shop-payments", "shop-customers"];

/// What runbooks and tests call, with the Debian package that brings it. Without these nothing works.
const TOOLS: [(&str, &str); 3] = [("python3", "python3"), ("curl", "curl"), ("git", "git")];

/// Real servers that some tests compare with. Those tests say `skipped` where they are not.
const PEERS: [(&str, &str); 1] = [("prometheus", "prometheus")];

type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let outcome = match arguments.first().map(String::as_str) {
        Some("demo") => demo(rest),
        Some("test") => test(),
        Some("build-shop") => build(&["shop"], rest.iter().any(|argument| argument == "--release")),
        Some("bench") => cargo(&["bench", "--package", "mainstay-bench"]),
        Some("schemathesis") => hold_to_document(),
        Some("oidc") => sign_in(),
        Some("openapi") => openapi(),
        Some("console") => console::build(&root()),
        Some("pictures") => pictures(rest),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(format!("`{other}` is not a command\n\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout that this was called in. `cargo run` says it now; what was compiled in may be another checkout that has the
/// same target directory, since cargo does not compile anew for a path.
fn root() -> PathBuf {
    let me = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&me).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where cargo builds: this program lies in `TARGET/PROFILE/xtask`.
fn target_dir() -> Result<PathBuf, String> {
    let me = env::current_exe().map_err(|error| format!("cannot find my own path: {error}"))?;
    me.ancestors().nth(2).map(Path::to_path_buf).ok_or_else(|| "my own path has no parent".to_owned())
}

fn say(what: &str) {
    eprintln!("\n== {what}");
}

fn run(command: &mut Command) -> Outcome {
    let line = std::iter::once(command.get_program()).chain(command.get_args()).collect::<Vec<&OsStr>>();
    let line = line.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let status = command
        .current_dir(root())
        .status()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

fn cargo(arguments: &[&str]) -> Outcome {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).args(arguments).env("CARGO_TARGET_DIR", target_dir()?))
}

/// Writes the API's document: the test that holds it to the code does, when it is asked to. Then what is made from it.
fn openapi() -> Outcome {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args(["test", "--package", "mainstay-server", "--test", "openapi", "--", "checked_in"])
        .env("CARGO_TARGET_DIR", target_dir()?)
        .env("UPDATE", "1"))?;
    console::wire(&root())
}

/// Builds these packages and copies the example's services to where its workload file starts them from. One call of
/// cargo for all: each call chooses the features of shared dependencies anew, and builds them anew where they differ.
fn build(packages: &[&str], release: bool) -> Outcome {
    let mut arguments = vec!["build"];
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    if release {
        arguments.push("--release");
    }
    cargo(&arguments)?;
    let built = target_dir()?.join(if release { "release" } else { "debug" });
    let bin = root().join("examples/shop/bin");
    fs::create_dir_all(&bin).map_err(|error| format!("cannot create {}: {error}", bin.display()))?;
    for program in SHOP_PROGRAMS {
        // Written beside and renamed, so that a service that still runs the old file is not disturbed.
        let (from, beside, to) =
            (built.join(program), bin.join(format!(".{program}.new")), bin.join(program));
        fs::copy(&from, &beside)
            .and_then(|_| fs::rename(&beside, &to))
            .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))?;
    }
    Ok(())
}

fn demo(arguments: &[String]) -> Outcome {
    install_tools()?;
    console::build_if_possible(&root())?;
    say("Build: mainstay and the example's services (release; the first time takes some minutes)");
    build(&["mainstay", "shop"], true)?;
    say("Demo");
    run(Command::new(target_dir()?.join("release/mainstay")).arg("demo").args(arguments))
}

fn test() -> Outcome {
    install_tools()?;
    if let Err(reason) = install(&PEERS) {
        eprintln!("xtask: {reason}\nxtask: tests that compare with it are skipped");
    }
    say("Format");
    cargo(&["fmt", "--all", "--check"])?;
    say("Lints");
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    let has_console = console::build_if_possible(&root())?;
    say("Build: the programs that end-to-end tests start");
    build(&["mainstay", "shop"], false)?;
    say("Tests: unit, scenario, end to end");
    cargo(&["test", "--workspace", "--no-fail-fast"])?;
    schemathesis::test(&target_dir()?)?;
    oidc::test(&target_dir()?)?;
    if has_console { console::test(&root(), &target_dir()?) } else { Ok(()) }
}

/// The server that is built now, held to the API's document.
fn hold_to_document() -> Outcome {
    cargo(&["build", "--package", "mainstay"])?;
    schemathesis::test(&target_dir()?)
}

/// The server that is built now, with a provider of sign-in that is not ours.
fn sign_in() -> Outcome {
    cargo(&["build", "--package", "mainstay"])?;
    oidc::test(&target_dir()?)
}

/// Pictures of a built site; of the example's, built now, where none is named.
fn pictures(arguments: &[String]) -> Outcome {
    if !is_installed("chromium") {
        return Err("chromium is not installed (Debian: apt-get install chromium)".to_owned());
    }
    let kept = arguments.iter().any(|argument| argument == "--keep").then(|| root().join("docs/images"));
    let out = target_dir()?.join("pictures");
    let site = match arguments.iter().find(|argument| *argument != "--keep") {
        Some(site) => fs::canonicalize(site).map_err(|error| format!("cannot find {site}: {error}"))?,
        None => {
            cargo(&["build", "--package", "mainstay"])?;
            let mut build = Command::new(target_dir()?.join("debug/mainstay"));
            run(build.args(["docs", "build", "examples/shop", "--out"]).arg(out.join("site")))?;
            out.join("site")
        }
    };
    pictures::take(&site, &out, kept.as_deref())?;
    match kept {
        Some(kept) if console::build_if_possible(&root())? => {
            build(&["mainstay", "shop"], false)?;
            console::pictures(&root(), &target_dir()?, &kept)
        }
        _ => Ok(()),
    }
}

fn is_installed(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn install_tools() -> Outcome {
    install(&TOOLS)
}

/// Installs missing programs with apt where that is allowed; otherwise names them.
fn install(tools: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        tools.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("install {} and try again", missing.join(", "));
    if !is_installed("apt-get") {
        return Err(format!("missing tools, and there is no apt-get here: {advice}"));
    }
    say(&format!("Install: {}", missing.join(", ")));
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null()))
    };
    apt(&["update", "--quiet"])
        .and_then(|()| apt(&[&["install", "--yes", "--quiet"], missing.as_slice()].concat()))
        .map_err(|error| format!("{error}; {advice}"))
}
