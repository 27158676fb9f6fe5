//! The API held to its document from outside: schemathesis asks a running server whatever the document allows, and much
//! that it does not. No answer may be a fault of ours, and none may be one that the document does not tell.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Outcome, run, say};

/// The version whose findings are known.
const VERSION: &str = "4.32.5";

/// How long it asks, in seconds, and with which numbers to begin with.
const SECONDS: &str = "60";
const SEED: &str = "1";

/// A workload, so that not everything is missing.
const WORKLOAD: &str = "workload: pair\ntags: { site: east }\ncomponents:\n  a:\n    hosts: \"role=app\"\n    service: { run: sleep 1000 }\n";

/// A server that ends with this value.
struct Server {
    child: Child,
    data: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Installs a program of PyPI into a folder of its own, once. That it is not possible is no failure of ours.
pub fn installed(target: &Path, package: &str, version: &str) -> Result<PathBuf, String> {
    let folder = target.join(format!("{package}-{version}"));
    let program = folder.join("bin").join(package);
    if program.is_file() {
        return Ok(program);
    }
    let _ = fs::remove_dir_all(&folder);
    let quiet = |command: &mut Command| {
        let ended = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
        match ended {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(said.lines().last().unwrap_or("it failed").to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    };
    quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let wanted = format!("{package}=={version}");
    let installed = quiet(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &wanted]));
    if let Err(reason) = installed {
        let _ = fs::remove_dir_all(&folder);
        return Err(reason);
    }
    Ok(program)
}

fn start(binary: &Path, data: PathBuf) -> Result<(Server, String), String> {
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(data.join("work")).map_err(|error| error.to_string())?;
    fs::write(data.join("work/mainstay.yaml"), WORKLOAD).map_err(|error| error.to_string())?;
    let mut child = Command::new(binary)
        .args(["server", "--http", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off", "--data"])
        .arg(&data)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stderr = child.stderr.take().ok_or("no standard error")?;
    let server = Server { child, data };
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let rest = line.split_once("Mainstay listens on ")?.1.to_owned();
        rest.split(';').next().map(str::to_owned)
    });
    // Read on, so that the server never waits for whoever reads what it says.
    std::thread::spawn(move || lines.for_each(drop));
    let address = address.ok_or("the server does not start")?;
    run(Command::new(binary).args(["apply", "--data"]).arg(&server.data).arg(server.data.join("work")))?;
    Ok((server, address))
}

/// Runs it against the server that was just built.
pub fn test(target: &Path) -> Outcome {
    say("API: schemathesis");
    let program = match installed(target, "schemathesis", VERSION) {
        Ok(program) => program,
        Err(reason) => {
            eprintln!("xtask: schemathesis cannot be installed ({reason}): skipped");
            return Ok(());
        }
    };
    let (server, address) = start(&target.join("debug/mainstay"), target.join("schemathesis-data"))?;
    let token = fs::read_to_string(server.data.join("token")).map_err(|error| error.to_string())?;
    let status = Command::new(program)
        .args(["run", &format!("{address}/v1/openapi.json"), "--seed", SEED, "--max-time", SECONDS])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
        // What it takes for wrong may be right here, and the other way round: the rest is what is told.
        .args(["--exclude-checks", "negative_data_rejection,positive_data_acceptance"])
        // Streams do not end.
        .args(["--exclude-operation-id", "followEvents", "--exclude-operation-id", "followRunOutput"])
        .args(["--request-timeout", "10", "--warnings", "off", "--max-examples", "30"])
        .args(["--generation-database", "none"])
        // It keeps notes where it is started.
        .current_dir(&server.data)
        .status()
        .map_err(|error| format!("schemathesis could not be started: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err("schemathesis found what the document does not tell, see above".to_owned())
}
