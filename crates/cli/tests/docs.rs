//! The user documentation is true: its commands are run with the real binary, and the verbs and options it names exist.
//!
//! Blocks tagged `sh` of `README.md` and `docs/*.md` are run, page by page and in order, in a folder of the page's own
//! with a copy of `examples/shop` and `examples/standards` in it. The working directory and exported variables go on from
//! block to block. A comment of its own line changes what happens to the block after it:
//!
//! | comment | the block |
//! |---|---|
//! | `<!-- test: skip, REASON -->` | is not run |
//! | `<!-- test: exit 3 -->` | ends with this exit code instead of 0 |
//! | `<!-- test: needs PROGRAM -->` | is run where there is this program |
//! | `<!-- test: write PATH -->` | of any kind, is written to this file |
//! | `<!-- test: background until TEXT -->` | goes on beside the others, once it has written TEXT to standard error |
//! | `<!-- test: await KIND -->`, `… about "TEXT"` | is run after such an event, the line of which has the TEXT |
//!
//! `<!-- test: stop background -->` stands alone and is what people do with Ctrl-C.
//!
//! Pages with something in the background use the usual ports, so they take turns with each other and with all tests that
//! do, by a lock on `mainstay-ports.lock` in the directory for temporary files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal};

const BINARY: &str = env!("CARGO_BIN_EXE_mainstay");

/// How long a block may take, and what is waited for before and after it. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/cli is in the workspace")
        .to_owned()
}

/// The pages, by their path in the repository.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is there") {
        let path = entry.expect("docs/ can be read").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            pages.insert(format!("docs/{name}"), fs::read_to_string(&path).expect("a page is text"));
        }
    }
    // Not there while the repository is being made.
    if let Ok(text) = fs::read_to_string(root().join("README.md")) {
        pages.insert("README.md".to_owned(), text);
    }
    pages
}

/// What a page says to do.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// The line of the page.
    line: usize,
    /// What the comment before it says, without `test:`.
    directive: Option<String>,
    /// The tag after the three backticks.
    tag: String,
    text: String,
}

/// The fenced blocks of a page with the comments before them, and the comments that stand alone.
fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut directive: Option<(usize, String)> = None;
    let mut block: Option<Part> = None;
    for (index, line) in page.lines().enumerate() {
        let line_number = index + 1;
        if let Some(open) = &mut block {
            if line == "```" {
                parts.extend(block.take());
            } else {
                open.text.push_str(line);
                open.text.push('\n');
            }
            continue;
        }
        if let Some(tag) = line.strip_prefix("```") {
            let directive = directive.take().map(|(_, text)| text);
            block = Some(Part { line: line_number, directive, tag: tag.to_owned(), text: String::new() });
        } else if let Some(text) = line.strip_prefix("<!-- test:") {
            let text = text.trim().strip_suffix("-->").expect("a comment of one line").trim().to_owned();
            if text == "stop background" {
                let directive = Some(text);
                parts.push(Part { line: line_number, directive, tag: String::new(), text: String::new() });
            } else {
                directive = Some((line_number, text));
            }
        } else if let (Some((at, text)), false) = (&directive, line.is_empty()) {
            assert!(line.is_empty(), "line {at}: the comment `{text}` has no block right after it");
        }
    }
    assert_eq!(block, None, "a block is never closed");
    assert_eq!(directive, None, "a comment has no block after it");
    parts
}

#[test]
fn pages_are_read_in_parts() {
    let page =
        "a\n```text\nb\n```\n<!-- test: exit 1 -->\n```sh\nc\nd\n```\n<!-- test: stop background -->\ne\n";
    let part = |line, directive: Option<&str>, tag: &str, text: &str| Part {
        line,
        directive: directive.map(str::to_owned),
        tag: tag.to_owned(),
        text: text.to_owned(),
    };
    let expected = [
        part(2, None, "text", "b\n"),
        part(6, Some("exit 1"), "sh", "c\nd\n"),
        part(10, Some("stop background"), "", ""),
    ];
    assert_eq!(parts(page), expected);
}

/// Takes turns with everybody who uses the usual ports. Let go when dropped.
struct Ports(fs::File);

impl Ports {
    fn take() -> Self {
        let path = std::env::temp_dir().join("mainstay-ports.lock");
        let file = fs::File::create(&path).expect("the lock file can be made");
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("the lock can be taken");
        Self(file)
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// The lines of a stream as they come, all of them also kept for when something goes wrong.
fn lines(stream: impl Read + Send + 'static) -> (Receiver<String>, Arc<Mutex<String>>) {
    let (sender, receiver) = mpsc::channel();
    let kept = Arc::new(Mutex::new(String::new()));
    let keep = kept.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut kept = keep.lock().expect("nobody panics with it");
            kept.push_str(&line);
            kept.push('\n');
            let _ = sender.send(line);
        }
    });
    (receiver, kept)
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Waits for the end of a child. `None` if it takes too long; its process group is killed then.
fn end_of(mut child: Child) -> Option<ExitStatus> {
    let pid = pid_of(&child);
    let (sender, receiver) = mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let _ = sender.send(child.wait());
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(status) => Some(status.expect("a child can be waited for")),
        Err(_) => {
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
            let _ = waiting.join();
            None
        }
    }
}

/// What a page left going in its background.
struct Background {
    child: Option<Child>,
    said: Arc<Mutex<String>>,
}

impl Background {
    /// As Ctrl-C in its terminal. Says how it ended.
    fn stop(mut self) -> Option<ExitStatus> {
        let child = self.child.take()?;
        if let Some(pid) = pid_of(&child) {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
        end_of(child)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // A test that failed: ask nicely once, so that it ends what it has started.
            Self { child: Some(child), said: self.said.clone() }.stop();
        }
    }
}

/// One page that is being gone through.
struct Reader {
    page: String,
    folder: tempfile::TempDir,
    background: Option<Background>,
}

impl Reader {
    fn new(page: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&root().join("examples/shop"), &folder.path().join("shop"));
        copy(&root().join("examples/standards"), &folder.path().join("standards"));
        let home = folder.path().display().to_string();
        fs::write(folder.path().join(".env"), format!("cd '{home}'\n")).expect("written");
        Self { page: page.to_owned(), folder, background: None }
    }

    /// A shell with the environment a person has at this point of the page.
    fn shell(&self, text: &str) -> Command {
        let folder = Path::new(BINARY).parent().expect("the binary is in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let state = self.folder.path().join(".env");
        let state = state.display();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("set -e\n. '{state}'\n{text}"))
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("STATE", state.to_string())
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .process_group(0);
        for variable in [
            "MAINSTAY_DATA",
            "MAINSTAY_SERVER",
            "MAINSTAY_TOKEN",
            "MAINSTAY_AGENT_SOCKET",
            "XDG_STATE_HOME",
            "RUST_LOG",
        ] {
            command.env_remove(variable);
        }
        command
    }

    fn said(&self) -> String {
        let said = self.background.as_ref().map(|background| background.said.lock().expect("whole").clone());
        said.map(|said| format!("\nin the background:\n{said}")).unwrap_or_default()
    }

    fn go(&mut self, part: &Part) {
        let place = format!("{}:{}", self.page, part.line);
        let directive = part.directive.as_deref().unwrap_or_default();
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "skip," => {
                assert!(!rest.is_empty(), "{place}: say why it is skipped");
                println!("skipped: {place}: {rest}");
            }
            "write" => {
                let path = self.folder.path().join(rest);
                fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder can be made");
                fs::write(path, &part.text).expect("a file can be written");
            }
            "stop" => {
                let background = self.background.take();
                let said = background.as_ref().map(|background| background.said.clone());
                let status = background.expect("something is in the background").stop();
                let said = said.map(|said| said.lock().expect("whole").clone()).unwrap_or_default();
                assert!(status.is_some_and(|status| status.success()), "{place}: ended {status:?}\n{said}");
            }
            _ if part.tag != "sh" => {
                assert_eq!(directive, "", "{place}: this comment is for `sh` blocks");
            }
            "background" => {
                let text = rest.strip_prefix("until ").expect("`background until TEXT`");
                self.start(&place, &part.text, text);
            }
            "needs" if !has_program(rest) => println!("skipped: {place}: there is no `{rest}` here"),
            "await" => {
                self.wait_for(&place, rest);
                self.run(&place, &part.text, 0);
            }
            "exit" => self.run(&place, &part.text, rest.parse().expect("an exit code")),
            "" | "needs" => self.run(&place, &part.text, 0),
            other => assert_eq!(other, "", "{place}: this comment means nothing"),
        }
    }

    /// Runs a block to its end.
    fn run(&self, place: &str, text: &str, code: i32) {
        // What a person would find in the same terminal afterwards. After a block that fails nothing has changed.
        let keep = "{ printf 'cd '; pwd | sed \"s/'/'\\\\\\\\''/g; s/.*/'&'/\"; export -p; } > \"$STATE.new\" && mv \"$STATE.new\" \"$STATE\"";
        let mut command = self.shell(&format!("{text}\n{keep}\n"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
        let (_, stdout) = lines(child.stdout.take().expect("piped"));
        let (_, stderr) = lines(child.stderr.take().expect("piped"));
        let status = end_of(child);
        let ended = status.and_then(|status| status.code());
        let output = |kept: &Arc<Mutex<String>>| kept.lock().expect("whole").clone();
        assert_eq!(
            ended,
            Some(code),
            "{place}: ended {status:?}\n{text}\nstdout:\n{}\nstderr:\n{}{}",
            output(&stdout),
            output(&stderr),
            self.said()
        );
    }

    /// Starts a block and waits until it has said this.
    fn start(&mut self, place: &str, text: &str, until: &str) {
        assert!(self.background.is_none(), "{place}: something is in the background already");
        // `exec`, so that Ctrl-C reaches the program and not the shell around it.
        let mut command = self.shell(&format!("exec {text}"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sh starts");
        let (said, kept) = lines(child.stderr.take().expect("piped"));
        self.background = Some(Background { child: Some(child), said: kept });
        let came = next_with(&said, until);
        assert!(came.is_ok(), "{place}: `{until}` was not said ({came:?}){}", self.said());
    }

    /// Waits until there is an event of a kind, the line of which has a text.
    fn wait_for(&self, place: &str, wanted: &str) {
        let (kind, about) = wanted.split_once(" about ").unwrap_or((wanted, ""));
        let command = format!("exec mainstay events --follow --last 1000 --match '{kind}'");
        let mut command = self.shell(&command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
        let (events, _) = lines(child.stdout.take().expect("piped"));
        let (_, complaints) = lines(child.stderr.take().expect("piped"));
        let came = next_with(&events, about.trim_matches('"'));
        let _ = child.kill();
        let _ = child.wait();
        let complaints = complaints.lock().expect("whole").clone();
        assert!(came.is_ok(), "{place}: no `{wanted}` came ({came:?})\n{complaints}{}", self.said());
    }
}

/// Waits for a line that has a text.
fn next_with(lines: &Receiver<String>, text: &str) -> Result<(), RecvTimeoutError> {
    loop {
        // The patience is for each line; something that goes on talking and never says it is cut off by the test runner.
        if lines.recv_timeout(PATIENCE)?.contains(text) {
            return Ok(());
        }
    }
}

fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Copies what a workload's directory holds that belongs to it, and its programs, which are built elsewhere.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the example can be read") {
        let entry = entry.expect("the example can be read");
        let (name, kind) = (entry.file_name(), entry.file_type().expect("a kind"));
        if ["data", "src", "tests", "target"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &to.join(name));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
}

/// Goes through one page.
fn read(name: &str) {
    let pages = pages();
    let page = pages.get(name).expect("there is a page of this name");
    let parts = parts(page);
    let has =
        |word: &str| parts.iter().any(|part| part.directive.as_deref().is_some_and(|d| d.starts_with(word)));
    let uses_shop = parts.iter().any(|part| part.text.contains("mainstay up shop"));
    if uses_shop && !root().join("examples/shop/bin/shop-payments").is_file() {
        println!("skipped: the shop is not built; `cargo xtask build-shop` does");
        return;
    }
    let _ports = has("background").then(Ports::take);
    let mut reader = Reader::new(name);
    for part in &parts {
        reader.go(part);
    }
    assert!(reader.background.is_none(), "{name}: the page leaves something in the background");
}

#[test]
fn the_first_hour_is_true() {
    read("docs/first-hour.md");
}

#[test]
fn events_are_true() {
    read("docs/events.md");
}

#[test]
fn telemetry_is_true() {
    read("docs/telemetry.md");
}

#[test]
fn all_other_pages_are_true() {
    let apart = ["docs/first-hour.md", "docs/events.md", "docs/telemetry.md"];
    for name in pages().keys().filter(|name| !apart.contains(&name.as_str())) {
        read(name);
    }
}

/// What `--help` says, by verb (`journal verify`); the empty verb is the program itself.
fn helps() -> BTreeMap<String, String> {
    let mut helps = BTreeMap::new();
    let mut waiting = VecDeque::from([String::new()]);
    while let Some(verb) = waiting.pop_front() {
        let mut command = Command::new(BINARY);
        let output = command.args(verb.split_whitespace()).arg("--help").output().expect("the binary starts");
        let text = String::from_utf8(output.stdout).expect("help is text");
        if verb != "help" {
            let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1);
            for line in commands.take_while(|line| !line.is_empty()) {
                // A name stands two columns in; what is said of it may go on further in.
                if let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
                    let name = name.split_whitespace().next().unwrap_or_default();
                    waiting.push_back(format!("{verb} {name}").trim().to_owned());
                }
            }
        }
        helps.insert(verb, text);
    }
    helps
}

/// The commands of ours in a shell text, as words from behind `mainstay` on.
fn commands(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ").replace("$(", "\n").replace("&&", "\n");
    let segments = text.split(['\n', '|', ';', '&']);
    let mut found = Vec::new();
    for segment in segments {
        let segment = segment.split(" #").next().unwrap_or_default();
        let mut words = segment.split_whitespace().skip_while(|word| ["until", "exec", "!"].contains(word));
        if words.next().is_some_and(|word| word == "mainstay" || word.ends_with("/mainstay")) {
            found.push(words.map(|word| word.trim_end_matches(')').to_owned()).collect());
        }
    }
    found
}

/// The texts between single backticks, outside of fenced blocks.
fn spans(page: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
}

/// What is wrong with a command as far as its verbs and options go.
fn problem(words: &[String], helps: &BTreeMap<String, String>) -> Option<String> {
    let mut verb = String::new();
    let mut words = words.iter().peekable();
    while let Some(next) = words.peek() {
        let longer = format!("{verb} {next}").trim().to_owned();
        if !helps.contains_key(&longer) {
            break;
        }
        verb = longer;
        words.next();
    }
    let help = &helps[&verb];
    let wants_verb = help.contains("Commands:") && help.contains("<COMMAND>");
    if let Some(next) =
        words.peek().filter(|next| wants_verb && next.starts_with(|c: char| c.is_ascii_lowercase()))
    {
        return Some(format!("`mainstay {verb}` has no verb `{next}`"));
    }
    words.filter(|word| word.starts_with('-') && word.len() > 1).find_map(|word| {
        let option = word.split('=').next().unwrap_or_default();
        (!has_option(help, option)).then(|| format!("`mainstay {verb}` has no option `{option}`"))
    })
}

fn has_option(help: &str, option: &str) -> bool {
    help.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']')).any(|word| word == option)
}

#[test]
fn every_verb_and_option_exists() {
    let helps = helps();
    assert!(helps.contains_key("journal verify") && helps.len() > 30, "{:?}", helps.keys());
    let mut problems = BTreeSet::new();
    let mut seen = 0;
    for (name, page) in pages() {
        let mut found = Vec::new();
        for part in parts(&page) {
            // Blocks without a tag show commands that are not meant to be run as they stand.
            // And what shows how a wrong command line is refused has one.
            let wrong = part.directive.as_deref() == Some("exit 2");
            if ["sh", ""].contains(&part.tag.as_str()) && !wrong {
                found.extend(commands(&part.text));
            }
        }
        for span in spans(&page) {
            found.extend(commands(&span));
            let mut words = span.split_whitespace();
            if let Some(option) = words.next().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or_default();
                seen += 1;
                if !helps.values().any(|help| has_option(help, option)) {
                    problems.insert(format!("{name}: no verb has the option `{option}`"));
                }
            }
        }
        seen += found.len();
        problems
            .extend(found.iter().filter_map(|words| Some(format!("{name}: {}", problem(words, &helps)?))));
    }
    for unit in ["mainstay-server.service", "mainstay-agent.service"] {
        let text = fs::read_to_string(root().join("docs/systemd").join(unit)).expect("the unit is there");
        let start =
            text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
        problems.extend(
            commands(start).iter().filter_map(|words| Some(format!("{unit}: {}", problem(words, &helps)?))),
        );
        seen += 1;
    }
    assert_eq!(problems, BTreeSet::new());
    assert!(
        seen > 100,
        "only {seen} commands and options were found: the pages are not read as they are written"
    );
}

#[test]
fn wrong_commands_are_found() {
    let helps = helps();
    let said = |text: &str| commands(text).iter().find_map(|words| problem(words, &helps));
    assert_eq!(said("mainstay journal verify --data x && mainstay run a --param 'b=c'"), None);
    assert_eq!(said("until mainstay status 2>/dev/null; do :; done"), None);
    assert_eq!(said("mainstay journal prove"), Some("`mainstay journal` has no verb `prove`".to_owned()));
    assert_eq!(said("mainstay nothing"), Some("`mainstay ` has no verb `nothing`".to_owned()));
    assert_eq!(
        said("x=$(mainstay runs --last 5)"),
        Some("`mainstay runs` has no option `--last`".to_owned())
    );
}

/// Where a heading is linked to, as web pages of repositories do it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace('`', "");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut lost = Vec::new();
    for (name, page) in &pages {
        let folder = root().join(name).parent().expect("a page is in a folder").to_owned();
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(name) } else { folder.join(path) };
            let text = fs::read_to_string(&target).unwrap_or_default();
            let has_heading = heading.is_empty()
                || text.lines().any(|line| {
                    line.starts_with('#') && anchor(line.trim_start_matches('#').trim()) == heading
                });
            if !target.exists() || !has_heading {
                lost.push(format!("{name}: {link}"));
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

/// The kinds of events that the code says, against the page that lists them.
#[test]
fn every_kind_of_event_is_listed() {
    let pages = pages();
    let page = &pages["docs/events.md"];
    let named: BTreeSet<String> = spans(page).into_iter().collect();
    let mut kinds: BTreeSet<String> = mainstay_runbook::event::KINDS.map(str::to_owned).into_iter().collect();
    for (stage, states) in [
        ("service", "starting ready unhealthy exited stopped restarting failed adopted"),
        ("alarm", "pending firing resolved inactive no_data error acknowledged"),
        ("measure", "on_target off_target no_data error"),
        ("incident", "opened joined resolved drafted acknowledged noted"),
        ("silence", "created expired"),
        (
            "trigger",
            "matched failed routed begun settled dead scheduled missed armed disarmed disabled enabled redriven dropped replayed",
        ),
        ("host", "connected lost"),
        ("server", "started stopping"),
        ("revision", "applied proposed"),
        (
            "change",
            "started held approved refused cancelled wave.started action.lost action.returned action.finished \
             rolling_back finished",
        ),
        (
            "access",
            "user.added user.disabled user.enabled password.set granted revoked session.started session.used \
             session.ended token.created token.revoked link.made refused claimed user.identified user.awaited",
        ),
        ("fault", "injected"),
    ] {
        kinds.extend(states.split(' ').map(|state| format!("{stage}.{state}")));
    }
    // The program has a sentence for each kind: whoever adds one there adds it to the page.
    let sentences = fs::read_to_string(root().join("crates/cli/src/sentence.rs")).expect("the file is there");
    let sentences = sentences.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let is_kind = |text: &&str| {
        text.split_once('.').is_some_and(|(stage, state)| {
            !state.is_empty() && kinds.iter().any(|kind| kind.starts_with(&format!("{stage}.")))
        })
    };
    let told: Vec<&str> = sentences.split('"').skip(1).step_by(2).filter(is_kind).collect();
    assert!(told.len() > 20, "the sentences are not where they were: {told:?}");
    let unlisted: Vec<&str> = told.into_iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert_eq!(unlisted, Vec::<&str>::new());
    let missing: Vec<&String> = kinds.iter().filter(|kind| !named.contains(*kind)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let dotted = |span: &&String| {
        span.split_once('.')
            .is_some_and(|(stage, _)| kinds.iter().any(|kind| kind.starts_with(&format!("{stage}."))))
            && span.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'))
    };
    let unknown: Vec<&String> = named.iter().filter(dotted).filter(|span| !kinds.contains(*span)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "these are no kinds of events");
}
