//! Documents that are run with no server: what is attached to them, and a disk that is full.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::processes::{PATIENCE, Process, Said, end_all_of, run};
use crate::space::Disk;
use crate::world::{binary, mainstay};

/// A folder with documents, and the journal `j` of their runs in it or elsewhere.
struct Folder {
    temp: tempfile::TempDir,
    journal: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let temp = tempfile::Builder::new().prefix("mainstay-e2e-").tempdir().expect("a directory");
        Self { journal: temp.path().join("j"), temp }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let text = text.replace("FOLDER", &self.temp.path().display().to_string());
        std::fs::write(self.path(name), text).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mainstay(&binary());
        command.args(arguments).arg("--journal").arg(&self.journal).current_dir(self.temp.path());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// The record of the only run.
    #[track_caller]
    fn record(&self) -> Value {
        let listed = self.run(&["runs", "--output", "json"]).is(0, &[]).json();
        let runs = listed["items"].as_array().expect("a list");
        assert_eq!(runs.len(), 1, "{listed:#}");
        let id = runs[0]["id"].as_str().expect("an id");
        self.run(&["runs", "show", id, "--output", "json"]).is(0, &[]).json()
    }

    fn counted(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("count")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        end_all_of(self.temp.path());
    }
}

/// Makes a zip of these names and texts, whatever the names are. Its SHA-256.
pub fn zip(path: &Path, entries: &[(&str, &str)]) -> String {
    const MAKE: &str = "import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as archive:
    for name, text in json.load(sys.stdin):
        archive.writestr(zipfile.ZipInfo(name), text)
";
    let mut command = Command::new("python3");
    command.args(["-c", MAKE]).arg(path);
    let entries = serde_json::to_string(entries).expect("texts");
    crate::processes::run_with(command, &entries).is(0, &[]);
    mainstay_runbook::library::sha256(&std::fs::read(path).expect("made"))
}

pub fn attaching(file: &str, handler: &str, sha256: &str) -> String {
    format!(
        "schemaVersion: \"0.3\"
mainSteps:
  - name: packed
    action: aws:executeScript
    timeoutSeconds: 60
    inputs: {{ Runtime: python3.11, Handler: {handler}, Attachment: {file}, InputPayload: {{ n: 20 }} }}
files: {{ {file}: {{ checksums: {{ sha256: {sha256} }} }} }}
"
    )
}

pub const TOOL: &str = "import os\nfrom inner import twice\ndef main(events, context):\n    return {'n': twice(events['n']), 'here': sorted(os.listdir('.'))}\n";

#[test]
fn what_is_packed_into_an_archive_runs_and_nothing_of_it_is_unpacked() {
    let folder = Folder::new();
    let sha = zip(
        &folder.path("tool.zip"),
        &[
            ("tool.py", TOOL),
            ("inner.py", "def twice(n):\n    return 2 * n\n"),
            // What would be written elsewhere, if anything were.
            ("../../outside.py", "raise SystemExit('outside')\n"),
            ("/tmp/mainstay-e2e-outside.py", "raise SystemExit('outside')\n"),
            ("..\\outside.py", "x = 1\n"),
        ],
    );
    folder.write("doc.yaml", &attaching("tool.zip", "tool.main", &sha));
    folder.run(&["run", "doc.yaml"]).is(0, &[]);
    let payload = &folder.record()["steps"][0]["outputs"]["Payload"];
    assert_eq!((&payload["n"], &payload["here"]), (&40.into(), &serde_json::json!(["tool.zip"])));
    assert!(!Path::new("/tmp/mainstay-e2e-outside.py").exists());
    let outside = std::fs::read_dir(folder.temp.path()).expect("there").flatten();
    assert!(outside.into_iter().all(|entry| entry.file_name() != "outside.py"));
}

#[test]
fn an_archive_that_is_another_one_or_none_is_refused_or_fails_its_step() {
    let folder = Folder::new();
    let sha = zip(&folder.path("tool.zip"), &[("tool.py", "def main(e, c):\n    return 1\n")]);
    // Another archive under the same name: nothing is run.
    zip(&folder.path("tool.zip"), &[("tool.py", "def main(e, c):\n    return 2\n")]);
    folder.write("doc.yaml", &attaching("tool.zip", "tool.main", &sha));
    let said =
        folder.run(&["run", "doc.yaml"]).is(1, &["is not the one the document means", "nothing was run"]);
    assert!(said.stderr.contains(&sha), "{said}");
    assert!(!folder.journal.exists());
    folder.write("doc.yaml", &attaching("../tool.zip", "tool.main", &sha));
    folder.run(&["run", "doc.yaml"]).is(1, &["is not the name of an attached file"]);
    // One that lacks what the handler names, and one that is no archive at all.
    let sha = zip(&folder.path("tool.zip"), &[("other.py", "x = 1\n")]);
    folder.write("doc.yaml", &attaching("tool.zip", "tool.main", &sha));
    folder.run(&["run", "doc.yaml"]).is(1, &[]);
    let message = folder.record()["steps"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(message, "The script ended with code 1: ModuleNotFoundError: No module named 'tool'");
    let folder = Folder::new();
    folder.write("tool.zip", "this is no archive");
    let sha = mainstay_runbook::library::sha256(b"this is no archive");
    folder.write("doc.yaml", &attaching("tool.zip", "tool.main", &sha));
    folder.run(&["run", "doc.yaml"]).is(1, &[]);
    let message = folder.record()["steps"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("The script ended with code 1: "), "{message}");
}

/// Fills the disk of its own journal in the second of three steps.
const FILLS: &str = r"
schemaVersion: '0.3'
mainSteps:
  - name: one
    action: aws:executeScript
    inputs: { Runtime: bash, Script: 'echo one >> FOLDER/count' }
  - name: fills
    action: aws:executeScript
    inputs:
      Runtime: bash
      Script: |
        echo fills >> FOLDER/count
        cat /dev/zero > FOLDER/disk/filler
        echo filled >> FOLDER/filled
        seq 1 200
  - name: three
    action: aws:executeScript
    inputs: { Runtime: bash, Script: 'echo three >> FOLDER/count' }
";

#[test]
fn a_step_that_fills_the_disk_is_told_of_when_there_is_room_again() {
    let mut folder = Folder::new();
    let Some(disk) = Disk::mount(&folder.path("disk"), "160m") else {
        println!("skipped: a disk of its own cannot be mounted here");
        return;
    };
    folder.journal = folder.path("disk/j");
    folder.write("doc.yaml", FILLS);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path("filled"), mode).expect("a FIFO");
    let mut process = Process::start("run", folder.command(&["run", "doc.yaml"]));
    let line = process.line("the disk is full that holds");
    assert!(line.contains("disk/j/agent/ledger: how a command ends cannot be written down"), "{line}");
    let filled = folder.path("filled");
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(std::fs::read_to_string(filled)));
    heard.recv_timeout(PATIENCE).expect("the script goes on").expect("readable");
    // Killed while nothing can be written, and continued while that is still so.
    process.end(Signal::KILL);
    let mut process = Process::start("run", folder.command(&["run", "--resume"]));
    process.line("no space for the journal");
    assert_eq!(folder.record()["status"], "InProgress", "what is known can be looked at");
    disk.free();
    assert_eq!(process.wait(), 0, "{}", process.log());
    let record = folder.record();
    assert_eq!(record["status"], "Success", "{record:#}");
    assert_eq!(folder.counted(), ["one", "fills", "three"]);
    let numbers: Vec<String> = (1..=200).map(|number| number.to_string()).collect();
    assert_eq!(record["steps"][1]["outputs"]["Payload"], numbers.join("\n"), "its output is whole");
    folder.run(&["runs", "list"]).is(0, &["Success"]);
    let verify = ["journal", "verify", "--data", folder.journal.to_str().expect("text")];
    let mut command = mainstay(&binary());
    command.args(verify);
    run(command).is(0, &["The journal is whole"]);
}

#[test]
fn a_download_that_the_disk_does_not_take_leaves_nothing() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(&folder.path("disk"), "8m") else {
        println!("skipped: a disk of its own cannot be mounted here");
        return;
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&vec![b'x'; 20_000_000]);
        }
    });
    folder.write(
        "doc.yaml",
        &format!(
            "schemaVersion: \"2.2\"\nmainSteps: [{{ name: get, action: \"aws:downloadContent\", inputs: {{ sourceType: HTTP, sourceInfo: {{ url: \"http://127.0.0.1:{port}/big\" }}, destinationPath: FOLDER/disk/big }} }}]\n"
        ),
    );
    folder.run(&["run", "doc.yaml"]).is(1, &[]);
    let message = folder.record()["steps"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("/disk/big` cannot be written: No space left on device"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path("disk")).expect("there").count(), 0);
    drop(disk);
}
