//! What a host does by itself: Command documents and their plugins, by the process that an agent starts for them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mainstay_runbook::{HostReport, REPORT_MARK};
use serde_json::{Value, json};

struct Host {
    dir: tempfile::TempDir,
}

struct Ran {
    report: HostReport,
    code: i32,
    stdout: String,
}

impl Ran {
    /// Each step as `name status`.
    fn steps(&self) -> Vec<String> {
        self.report.steps.iter().map(|step| format!("{} {}", step.name, step.status)).collect()
    }

    fn message(&self, step: usize) -> &str {
        self.report.steps[step].message.as_deref().unwrap_or_default()
    }
}

impl Host {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run_with(&self, task: &Value, environment: &[(&str, &str)]) -> Ran {
        let file = self.path("task.json");
        std::fs::write(&file, task.to_string()).expect("written");
        let work = self.path("work");
        std::fs::create_dir_all(&work).expect("made");
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .arg("perform")
            .arg(&file)
            .current_dir(&work)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .envs(environment.iter().copied())
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let line =
            stderr.trim_end().rsplit_once(REPORT_MARK).map(|(_, line)| line).expect("a report at the end");
        Ran {
            report: serde_json::from_str(line).expect("a report"),
            code: status.code().expect("a code"),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
        }
    }

    fn document(&self, steps: &Value, further: &Value) -> Ran {
        let document = json!({"schemaVersion": "2.2", "parameters": {"P": {"type": "String", "default": "p"}}, "mainSteps": steps});
        let mut documents = json!({ "main": document });
        documents.as_object_mut().expect("a map").extend(further.as_object().cloned().unwrap_or_default());
        self.run_with(
            &json!({"work": {"document": {"name": "main", "parameters": {"P": "given"}}}, "library": {"documents": documents}}),
            &[],
        )
    }

    fn plugin(&self, action: &str, inputs: &Value) -> Ran {
        let steps = json!([{ "name": "one", "action": action, "inputs": inputs }]);
        self.document(&steps, &json!({}))
    }
}

fn shell(name: &str, script: &str, further: &Value) -> Value {
    let mut inputs = json!({ "runCommand": [script] });
    inputs.as_object_mut().expect("a map").extend(further.as_object().cloned().unwrap_or_default());
    json!({ "name": name, "action": "aws:runShellScript", "inputs": inputs })
}

#[test]
fn steps_run_in_order_and_a_failure_counts_in_the_end() {
    let host = Host::new();
    let ran = host.document(
        &json!([
            shell("a", "echo {{ P }}; exit 3", &json!({})),
            { "name": "w", "action": "aws:runPowerShellScript", "precondition": {"StringEquals": ["platformType", "Windows"]}, "inputs": {"runCommand": "x"} },
            shell("b", "echo two", &json!({})),
        ]),
        &json!({}),
    );
    assert_eq!(ran.steps(), ["a Failed", "w Skipped", "b Success"]);
    assert_eq!((ran.report.status.as_str(), ran.code), ("Failed", 3));
    assert_eq!(ran.stdout, "given\ntwo\n");
    assert_eq!(ran.message(0), "ended with code 3");

    let ran = host.document(
        &json!([
            shell("a", "exit 3", &json!({"onFailure": "exit"})),
            shell("b", "echo never", &json!({})),
            shell("c", "echo last", &json!({"finallyStep": true})),
        ]),
        &json!({}),
    );
    assert_eq!(
        (ran.steps(), ran.stdout.as_str()),
        (["a Failed", "b Pending", "c Success"].map(str::to_owned).to_vec(), "last\n")
    );
    let ran = host.document(
        &json!([
            shell("a", "exit 3", &json!({"onFailure": "successAndExit"})),
            shell("b", "echo never", &json!({}))
        ]),
        &json!({}),
    );
    assert_eq!((ran.report.status.as_str(), ran.code, ran.stdout.as_str()), ("Success", 0, ""));
}

#[test]
fn what_a_script_does_to_itself_has_an_outcome() {
    let host = Host::new();
    for (script, further, status, words) in [
        ("kill -9 $$", json!({}), "Failed", "was ended by SIGKILL"),
        ("exit 194", json!({}), "Failed", "asked for a restart of the host (code 194), which is not built"),
        (
            "cd",
            json!({"workingDirectory": "/no/where"}),
            "Failed",
            "its working directory `/no/where` does not exist",
        ),
        (
            "trap '' TERM; while :; do sleep 1; done",
            json!({"timeoutSeconds": "1"}),
            "TimedOut",
            "ran longer than 1s",
        ),
        (
            "setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & wait",
            json!({"timeoutSeconds": "1"}),
            "TimedOut",
            "ran longer than 1s",
        ),
        ("exec >&- 2>&-; exit 7", json!({}), "Failed", "ended with code 7"),
        ("printf '\\377\\000'; exit 0", json!({}), "Success", ""),
    ] {
        let ran = host.document(&json!([shell("a", script, &further)]), &json!({}));
        assert_eq!(ran.report.steps[0].status, status, "{script}");
        assert!(ran.message(0).starts_with(words), "{script}: {}", ran.message(0));
    }
    let ran = host.document(
        &json!([{ "name": "p", "action": "aws:runPowerShellScript", "inputs": { "runCommand": ["'hello'"] } }]),
        &json!({}),
    );
    if Command::new("pwsh").arg("-Version").output().is_err() {
        assert_eq!(ran.message(0), "`pwsh` is not installed on this host");
    } else {
        assert_eq!(ran.stdout.trim(), "hello");
    }
}

#[test]
fn documents_run_documents_three_deep() {
    let host = Host::new();
    let next = |name: &str| {
        json!({"schemaVersion": "2.2", "parameters": {"Word": {"type": "String", "default": "d"}}, "mainSteps": [
            shell("say", "echo {{ Word }}", &json!({})),
            { "name": "next", "action": "aws:runDocument", "inputs": {"documentType": "SSMDocument", "documentPath": name} },
        ]})
    };
    let first = json!([{ "name": "go", "action": "aws:runDocument", "inputs": {
        "documentType": "SSMDocument", "documentPath": "second", "documentParameters": {"Word": "w"} } }]);
    let ran = host
        .document(&first, &json!({"second": next("third"), "third": next("fourth"), "fourth": next("none")}));
    assert_eq!(ran.stdout, "w\nd\n");
    assert!(ran.message(0).ends_with("Documents run documents at most 3 deep"), "{}", ran.message(0));

    let ran = host.document(&first, &json!({}));
    assert_eq!(ran.message(0), "There is no Command document second: the run began without it");
    let bad = json!([{ "name": "go", "action": "aws:runDocument", "inputs": {
        "documentType": "SSMDocument", "documentPath": "second", "documentParameters": {"Wrod": "w"} } }]);
    let ran = host.document(
        &bad,
        &json!({"second": {"schemaVersion": "2.2", "mainSteps": [shell("say", "echo", &json!({}))]}}),
    );
    assert!(ran.message(0).contains("no parameter `Wrod`"), "{}", ran.message(0));
}

#[test]
fn a_document_of_the_host_is_read_where_it_lies() {
    let host = Host::new();
    let local = |text: &str| {
        let path = host.path("local.yaml");
        std::fs::write(&path, text).expect("written");
        host.plugin(
            "aws:runDocument",
            &json!({"documentType": "LocalPath", "documentPath": path.display().to_string()}),
        )
    };
    let ran = local(
        "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShellScript\n  name: say\n  inputs: { runCommand: [echo local] }\n",
    );
    assert_eq!((ran.stdout.as_str(), ran.code), ("local\n", 0));
    let ran = local(
        "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShelScript\n  name: say\n  inputs: { runCommand: [echo local] }\n",
    );
    assert!(ran.message(0).contains("line 3: `aws:runShelScript` is not a plugin"), "{}", ran.message(0));
    let ran = host
        .plugin("aws:runDocument", &json!({"documentType": "LocalPath", "documentPath": "/no/where.yaml"}));
    assert!(ran.message(0).contains("`/no/where.yaml` cannot be read"), "{}", ran.message(0));
}

/// A server that answers by path, and keeps what it was asked.
fn server(
    answers: impl Fn(&str, u16) -> String + Send + 'static,
) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let _ = stream.write_all(answers(&path, port).as_bytes());
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (port, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn files_are_downloaded_whole_or_not_at_all() {
    let host = Host::new();
    let (port, asked) = server(|path, port| match path {
        "/tool.sh" => ok("echo tool"),
        "/moved" => format!(
            "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/tool.sh\r\nContent-Length: 0\r\n\r\n"
        ),
        "/round" => "HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/short" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort".to_owned(),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    });
    let secret = host.path("password");
    std::fs::write(&secret, "hunter2\n").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
    let get = |path: &str, further: Value, to: &str| {
        let mut info = json!({ "url": format!("http://127.0.0.1:{port}{path}") });
        info.as_object_mut().expect("a map").extend(further.as_object().cloned().unwrap_or_default());
        let to = host.path(to).display().to_string();
        host.plugin(
            "aws:downloadContent",
            &json!({"sourceType": "HTTP", "sourceInfo": info, "destinationPath": to}),
        )
    };
    let read = |name: &str| std::fs::read_to_string(host.path(name));
    assert_eq!(get("/tool.sh", json!({}), "new.sh").code, 0);
    assert_eq!(read("new.sh").expect("there"), "echo tool");
    std::fs::create_dir(host.path("folder")).expect("made");
    assert_eq!(get("/tool.sh", json!({}), "folder").code, 0);
    assert_eq!(read("folder/tool.sh").expect("there"), "echo tool");

    let login = json!({"authMethod": "Basic", "username": "u", "password": {"secret": format!("file:{}", secret.display())}});
    while asked.try_recv().is_ok() {}
    let ran = get("/moved", login, "moved.sh");
    assert_eq!(ran.code, 0, "{}", ran.message(0));
    let (first, second) = (asked.recv().expect("asked"), asked.recv().expect("asked"));
    assert!(first.contains("authorization: Basic dTpodW50ZXIy"), "{first}");
    assert!(!second.contains("authorization"), "a login goes to the first server only: {second}");

    for (path, words) in [
        ("/none", "the server answered 404 Not Found"),
        ("/round", "the server sends elsewhere more than 5 times"),
        ("/short", "it broke off after 5 bytes"),
    ] {
        let ran = get(path, json!({}), "new.sh");
        assert!(ran.message(0).starts_with(words), "{path}: {}", ran.message(0));
        assert_eq!(read("new.sh").expect("still the old one"), "echo tool", "{path}");
    }
    let left: Vec<_> = std::fs::read_dir(host.dir.path())
        .expect("readable")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "nothing half written is left: {left:?}");
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let ran = host.plugin(
        "aws:downloadContent",
        &json!({"sourceType": "HTTP", "sourceInfo": {"url": format!("http://127.0.0.1:{gone}/x")}}),
    );
    assert!(ran.message(0).starts_with("no connection"), "{}", ran.message(0));
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let answer = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("git");
    assert!(answer.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8_lossy(&answer.stdout).trim().to_owned()
}

#[test]
fn repositories_are_fetched_by_version() {
    let host = Host::new();
    let source = host.path("source");
    std::fs::create_dir_all(source.join("tools")).expect("made");
    let write = |path: &str, text: &str| std::fs::write(source.join(path), text).expect("written");
    git(&source, &["init", "-q"]);
    write("tools/a.sh", "one");
    write("README", "read me");
    git(&source, &["add", "."]);
    git(&source, &["commit", "-qm", "one"]);
    let first = git(&source, &["rev-parse", "HEAD"]);
    git(&source, &["checkout", "-q", "-b", "next"]);
    write("tools/a.sh", "two");
    git(&source, &["commit", "-qam", "two"]);
    std::os::unix::fs::symlink("/etc/passwd", source.join("tools/out")).expect("linked");
    git(&source, &["checkout", "-q", "-b", "bad"]);
    git(&source, &["add", "."]);
    git(&source, &["commit", "-qm", "bad"]);
    git(&source, &["checkout", "-q", "main"]);
    let get = |options: &str, path: Option<&str>, to: &str| {
        let mut info = json!({ "repository": format!("file://{}", source.display()), "getOptions": options });
        if let Some(path) = path {
            info["path"] = path.into();
        }
        let to = host.path(to).display().to_string();
        host.plugin(
            "aws:downloadContent",
            &json!({"sourceType": "Git", "sourceInfo": info, "destinationPath": to}),
        )
    };
    let read = |name: &str| std::fs::read_to_string(host.path(name)).unwrap_or_default();
    let ran = get("", None, "all");
    assert_eq!(ran.code, 0, "{}", ran.message(0));
    assert_eq!((read("all/tools/a.sh").as_str(), read("all/README").as_str()), ("one", "read me"));
    assert!(!host.path("all/.git").exists());
    assert_eq!(get("branch:refs/heads/next", Some("tools"), "tools").code, 0);
    assert_eq!(read("tools/a.sh"), "two");
    assert_eq!(get(&format!("commitID:{first}"), Some("tools/a.sh"), "file.sh").code, 0);
    assert_eq!(read("file.sh"), "one");
    for (options, path, words) in [
        ("branch:none", None, "git says:"),
        ("commitID:0000000000000000000000000000000000000000", None, "The repository has no commit"),
        ("", Some("nothing"), "The repository has no `nothing` in this version"),
        ("branch:bad", Some("tools"), "it holds the link `out`, which leads out of it"),
    ] {
        let ran = get(options, path, "bad");
        assert!(ran.message(0).starts_with(words), "{options}: {}", ran.message(0));
        assert!(!host.path("bad/out").exists());
    }
}

/// A small package in a repository of its own, and apt on a root of its own: the machine stays as it is.
struct Apt {
    host: Host,
    environment: Vec<(String, String)>,
}

impl Apt {
    fn new() -> Option<Self> {
        let all = ["apt-get", "dpkg-deb", "dpkg-query", "apt-ftparchive"];
        let missing = |program: &&str| Command::new(program).arg("--version").output().is_err();
        if all[..3].iter().any(missing) {
            eprintln!("skipped: no apt here");
            return None;
        }
        let host = Host::new();
        let root = host.path("root");
        for dir in [
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "etc/apt/preferences.d",
            "etc/apt/apt.conf.d",
            "etc/apt/trusted.gpg.d",
            "var/log/apt",
            "tmp",
        ] {
            std::fs::create_dir_all(root.join(dir)).expect("made");
        }
        std::fs::write(root.join("var/lib/dpkg/status"), "").expect("written");
        let pool = host.path("pool");
        std::fs::create_dir_all(&pool).expect("made");
        std::fs::write(
            root.join("etc/apt/sources.list"),
            format!("deb [trusted=yes] file:{} ./\n", pool.display()),
        )
        .expect("written");
        let config = format!(
            "Dir \"{0}\";\nDir::State::status \"{0}/var/lib/dpkg/status\";\nAPT::Sandbox::User \"root\";\nDpkg::Options {{ \"--root={0}\"; \"--log={0}/dpkg.log\"; \"--force-not-root\"; \"--force-bad-path\"; \"--force-script-chrootless\"; }};\nAPT::Architecture \"amd64\";\nAPT::Get::Assume-Yes \"false\";\n",
            root.display()
        );
        std::fs::write(host.path("apt.conf"), config).expect("written");
        let environment = vec![
            ("APT_CONFIG".to_owned(), host.path("apt.conf").display().to_string()),
            ("DPKG_ADMINDIR".to_owned(), root.join("var/lib/dpkg").display().to_string()),
        ];
        Some(Self { host, environment })
    }

    fn publish(&self, name: &str, version: &str, depends: &str) {
        let tree = self.host.path(&format!("build-{name}-{version}"));
        std::fs::create_dir_all(tree.join("DEBIAN")).expect("made");
        std::fs::create_dir_all(tree.join("usr/share/small")).expect("made");
        std::fs::write(tree.join(format!("usr/share/small/{name}")), version).expect("written");
        let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.com>\n{depends}Description: small\n"
        );
        std::fs::write(tree.join("DEBIAN/control"), &control).expect("written");
        let file = format!("{name}_{version}_all.deb");
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-b"])
            .arg(&tree)
            .arg(self.host.path("pool").join(&file))
            .output()
            .expect("dpkg-deb");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let bytes = std::fs::read(self.host.path("pool").join(&file)).expect("built");
        let digest = mainstay_runbook::library::sha256(&bytes);
        let index = self.host.path("pool/Packages");
        let mut text = std::fs::read_to_string(&index).unwrap_or_default();
        text.push_str(&format!("{control}Filename: ./{file}\nSize: {}\nSHA256: {digest}\n\n", bytes.len()));
        std::fs::write(index, text).expect("written");
    }

    fn run(&self, inputs: &Value) -> Ran {
        let steps = json!([{ "name": "one", "action": "aws:configurePackage", "inputs": inputs }]);
        let document = json!({"schemaVersion": "2.2", "mainSteps": steps});
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.host.run_with(
            &json!({"work": {"document": {"name": "main", "parameters": {}}}, "library": {"documents": {"main": document}}}),
            &environment,
        )
    }

    fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.host.path(&format!("root/usr/share/small/{name}"))).unwrap_or_default()
    }
}

#[test]
fn packages_are_installed_once_and_nothing_else_goes_with_them() {
    let Some(apt) = Apt::new() else { return };
    apt.publish("small-tool", "1.0-1", "");
    apt.publish("small-user", "1.0-1", "small-tool");
    let ran = apt.run(&json!({"action": "Install", "name": "small-tool"}));
    assert_eq!(
        (ran.code, apt.content("small-tool").as_str()),
        (0, "1.0-1"),
        "{} {}",
        ran.message(0),
        ran.stdout
    );
    // Again: nothing is done, and the package manager is not even started.
    let ran = apt.run(&json!({"action": "Install", "name": "small-tool", "version": "1.0"}));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));

    // A newer one is found although the lists are old.
    apt.publish("small-tool", "2.0-1", "");
    let ran = apt.run(&json!({"action": "Install", "name": "small-tool", "version": "2.0-1", "installationType": "In-place update"}));
    assert_eq!(
        (ran.code, apt.content("small-tool").as_str()),
        (0, "2.0-1"),
        "{} {}",
        ran.message(0),
        ran.stdout
    );
    // Back again, by way of an uninstallation.
    let ran = apt.run(&json!({"action": "Install", "name": "small-tool", "version": "1.0-1"}));
    assert_eq!(
        (ran.code, apt.content("small-tool").as_str()),
        (0, "1.0-1"),
        "{} {}",
        ran.message(0),
        ran.stdout
    );

    assert_eq!(apt.run(&json!({"action": "Install", "name": "small-user"})).code, 0);
    let ran = apt.run(&json!({"action": "Uninstall", "name": "small-tool"}));
    assert_eq!(ran.message(0), "small-tool stays, as other packages need it: small-user");
    assert_eq!(apt.run(&json!({"action": "Uninstall", "name": "small-user"})).code, 0);
    let ran = apt.run(&json!({"action": "Uninstall", "name": "small-tool"}));
    assert_eq!((ran.code, apt.content("small-tool").as_str()), (0, ""), "{}", ran.message(0));
    assert_eq!(apt.run(&json!({"action": "Uninstall", "name": "small-tool"})).code, 0);
    let ran = apt.run(&json!({"action": "Install", "name": "no-such-tool"}));
    assert!(ran.message(0).starts_with("apt knows no way to install `no-such-tool`"), "{}", ran.message(0));
}

/// Runs a program that has to succeed.
fn tool(dir: &Path, program: &str, arguments: &[&str]) {
    let answer = Command::new(program).args(arguments).current_dir(dir).output().expect(program);
    assert!(answer.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
}

/// A server with a certificate of an authority that nobody knows yet: `ca.pem` in the directory.
struct Https {
    port: u16,
    server: std::process::Child,
}

impl Https {
    fn start(dir: &Path) -> Self {
        const SERVE: &str = "
import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/down':
            self.send_response(302)
            self.send_header('Location', 'http://localhost:1/tool.sh')
            self.send_header('Content-Length', '0')
            self.end_headers()
        else:
            body = b'echo over tls\\n'
            self.send_response(200)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)
    def log_message(self, *arguments):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let mut authority = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test authority"];
        authority.extend(curve);
        authority.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
        tool(dir, "openssl", &authority);
        let mut request = vec!["req", "-new", "-subj", "/CN=localhost"];
        request.extend(curve);
        request.extend(["-keyout", "server.key", "-out", "server.csr"]);
        tool(dir, "openssl", &request);
        std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
            .expect("written");
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"];
        let more = ["-CAcreateserial", "-extfile", "names", "-out", "server.pem"];
        tool(dir, "openssl", &[&sign[..], &more].concat());
        let mut server = Command::new("python3")
            .args(["-c", SERVE])
            .current_dir(dir)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Self { port: line.trim().parse().expect("a port"), server }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn what_comes_over_tls_comes_from_whom_the_host_trusts() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: no openssl here to make certificates");
        return;
    }
    let host = Host::new();
    let server = Https::start(host.dir.path());
    let trusted = host.path("ca.pem").display().to_string();
    let get = |url: &str, environment: &[(&str, &str)]| {
        let to = host.path("tool.sh").display().to_string();
        let inputs = json!({"sourceType": "HTTP", "sourceInfo": {"url": url}, "destinationPath": to});
        let steps = json!([{ "name": "one", "action": "aws:downloadContent", "inputs": inputs }]);
        let document = json!({"schemaVersion": "2.2", "mainSteps": steps});
        host.run_with(
            &json!({"work": {"document": {"name": "main", "parameters": {}}}, "library": {"documents": {"main": document}}}),
            environment,
        )
    };
    let url = format!("https://localhost:{}/tool.sh", server.port);
    let ran = get(&url, &[("SSL_CERT_FILE", &trusted)]);
    assert_eq!(ran.code, 0, "{}", ran.message(0));
    assert_eq!(std::fs::read_to_string(host.path("tool.sh")).expect("there"), "echo over tls\n");
    std::fs::remove_file(host.path("tool.sh")).expect("there");
    let by_number = format!("https://127.0.0.1:{}/tool.sh", server.port);
    let down = format!("https://localhost:{}/down", server.port);
    for (url, environment, words) in [
        (
            &url,
            &[][..],
            "no connection: the server's certificate is not accepted: it was issued by nobody whom this host trusts",
        ),
        (
            &by_number,
            &[("SSL_CERT_FILE", trusted.as_str())],
            "no connection: the server's certificate is not accepted: certificate not valid for name \"127.0.0.1\"",
        ),
        (&down, &[("SSL_CERT_FILE", trusted.as_str())], "the server sends on to a place without encryption"),
    ] {
        let ran = get(url, environment);
        assert!(ran.message(0).starts_with(words), "{url}: {}", ran.message(0));
        assert!(!host.path("tool.sh").exists(), "{url}");
    }
    // A server without encryption behind an https address.
    let (plain, _asked) = self::server(|_, _| ok("plain"));
    let ran = get(&format!("https://localhost:{plain}/tool.sh"), &[("SSL_CERT_FILE", &trusted)]);
    assert!(ran.message(0).starts_with("no connection: "), "{}", ran.message(0));
    assert!(!host.path("tool.sh").exists());
}

#[test]
fn documents_of_the_workload_and_repositories_of_the_host_are_put_where_they_are_wanted() {
    let host = Host::new();
    let to = host.path("kept/").display().to_string();
    let steps = json!([{ "name": "get", "action": "aws:downloadContent", "inputs": {
        "sourceType": "SSMDocument", "sourceInfo": {"name": "tidy"}, "destinationPath": to } },
        { "name": "run", "action": "aws:runDocument", "inputs": {"documentType": "LocalPath", "documentPath": host.path("kept/tidy.json").display().to_string()} },
    ]);
    let tidy = json!({"schemaVersion": "2.2", "mainSteps": [shell("say", "echo tidied", &json!({}))]});
    let ran = host.document(&steps, &json!({ "tidy": tidy }));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "tidied\n"), "{} {}", ran.message(0), ran.message(1));
    let kept = std::fs::read_to_string(host.path("kept/tidy.json")).expect("there");
    assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON"), tidy);
    let ran = host.document(&steps, &json!({}));
    assert_eq!(ran.message(0), "There is no document tidy: the run began without it");

    let source = host.path("source");
    std::fs::create_dir_all(&source).expect("made");
    git(&source, &["init", "-q"]);
    std::fs::write(source.join("tool.sh"), "echo fetched").expect("written");
    git(&source, &["add", "."]);
    git(&source, &["commit", "-qm", "one"]);
    // A bare path is no address of a repository; as a `file:` URL it is.
    let get = |repository: String| {
        let to = host.path("fetched").display().to_string();
        host.plugin(
            "aws:downloadContent",
            &json!({"sourceType": "Git", "sourceInfo": {"repository": repository}, "destinationPath": to}),
        )
    };
    let ran = get(source.display().to_string());
    assert!(ran.message(0).contains("is not the URL of a repository"), "{}", ran.message(0));
    assert!(!host.path("fetched").exists());
    let ran = get(format!("file://{}", source.display()));
    assert_eq!(ran.code, 0, "{}", ran.message(0));
    assert_eq!(std::fs::read_to_string(host.path("fetched/tool.sh")).expect("there"), "echo fetched");
    // Neither the settings of that repository nor its hooks are run.
    let planted = host.path("planted");
    let hook = source.join(".git/hooks/post-checkout");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", planted.display())).expect("written");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("set");
    assert_eq!(get(format!("file://{}", source.display())).code, 0);
    assert!(!planted.exists());
    let ran = get(format!("file://{}", host.path("nowhere").display()));
    assert!(ran.message(0).starts_with("git says:"), "{}", ran.message(0));
}
