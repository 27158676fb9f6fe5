//! Sign-in with a provider of OpenID Connect that is not ours: `oidc-provider-mock` from PyPI, built on Authlib, and a server
//! that is told to take its word. What a browser does is done here over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Outcome, say, schemathesis};

/// The version that is known to work.
const VERSION: &str = "0.3.4";

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The cookies that it sets, as a browser shows them.
    fn cookies(&self) -> String {
        let set = self.head.lines().filter_map(|line| line.split_once(':'));
        let set = set.filter(|(key, _)| key.eq_ignore_ascii_case("set-cookie"));
        let pairs = set.filter_map(|(_, value)| value.trim().split(';').next());
        pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
    }
}

/// Asks for a URL of this machine. Redirects are answers.
fn ask(method: &str, url: &str, cookies: &str, form: &str) -> Outcome<Answer> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url} is not of this machine"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let mut stream = TcpStream::connect(host).map_err(|error| format!("{host}: {error}"))?;
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).map_err(|error| error.to_string())?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        form.len()
    );
    if !form.is_empty() {
        request.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
    }
    if !cookies.is_empty() {
        request.push_str(&format!("Cookie: {cookies}\r\n"));
    }
    request.push_str(&format!("\r\n{form}"));
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("half an answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("no status")?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn expect(answer: &Answer, status: u16, what: &str) -> Outcome {
    if answer.status == status {
        return Ok(());
    }
    Err(format!("{what}: {} instead of {status}\n{}\n{}", answer.status, answer.head, answer.body))
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Waits until a line says that it listens, and reads on.
fn listening(child: &mut Child, sign: &str) -> Outcome<String> {
    let stderr = child.stderr.take().ok_or("no standard error")?;
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(sign)).ok_or_else(|| format!("it never says `{sign}`"))?;
    std::thread::spawn(move || lines.for_each(drop));
    Ok(line)
}

fn start_provider(program: &Path, port: u16) -> Outcome<Running> {
    let maria =
        r#"{"sub": "u-maria", "email": "maria@example.org", "email_verified": true, "name": "Maria M."}"#;
    let mallory = r#"{"sub": "u-mallory", "email": "mallory@evil.example", "email_verified": true}"#;
    let mut child = Command::new(program)
        .args(["--port", &port.to_string(), "--user-claims", maria, "--user-claims", mallory])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("the provider could not be started: {error}"))?;
    let listens = listening(&mut child, "running on");
    let running = Running(child);
    listens.map(|_| running)
}

fn start_server(binary: &Path, data: &Path, issuer: &str) -> Outcome<(Running, String)> {
    let _ = fs::remove_dir_all(data);
    fs::create_dir_all(data).map_err(|error| error.to_string())?;
    // The provider takes any secret, but wants one.
    let secret = data.join("oidc-secret");
    fs::write(&secret, "any").map_err(|error| error.to_string())?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
    let secret = secret.display();
    let config = format!(
        r#"{{ "oidc": [{{ "name": "mock", "title": "Mock account", "issuer": "{issuer}", "client_id": "mainstay",
            "client_secret": {{ "secret": "file:{secret}" }},
            "allowed_domains": ["example.org"],
            "grants": [{{ "when": {{ "email": "maria@example.org" }}, "role": "responder", "on": "*" }}] }}] }}"#
    );
    fs::write(data.join("sign-in.json"), config).map_err(|error| error.to_string())?;
    let mut child = Command::new(binary)
        .args(["server", "--http", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off", "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let line = listening(&mut child, "Mainstay listens on ");
    let running = Running(child);
    let line = line?;
    let address = line.split_once("Mainstay listens on ").and_then(|(_, rest)| rest.split(';').next());
    Ok((running, address.ok_or("no address")?.to_owned()))
}

/// Goes to the provider and signs in there. Gives back where it sends the browser, and the cookies that this one has.
fn visit(server: &str, subject: &str) -> Outcome<(String, String)> {
    let begun = ask("GET", &format!("{server}/v1/sign-in/oidc/mock?back=/runs"), "", "")?;
    expect(&begun, 303, "the sign-in begins")?;
    let there = begun.header("location").ok_or("nowhere to go")?.to_owned();
    expect(&ask("GET", &there, "", "")?, 200, "the provider shows its form")?;
    let signed = ask("POST", &there, "", &format!("sub={subject}"))?;
    expect(&signed, 302, "the provider sends back")?;
    Ok((signed.header("location").ok_or("nowhere to go back")?.to_owned(), begun.cookies()))
}

/// Runs it against the server that was just built.
pub fn test(target: &Path) -> Outcome {
    say("Sign-in: oidc-provider-mock");
    let program = match schemathesis::installed(target, "oidc-provider-mock", VERSION) {
        Ok(program) => program,
        Err(reason) => {
            eprintln!("xtask: oidc-provider-mock cannot be installed ({reason}): skipped");
            return Ok(());
        }
    };
    let port = free_port()?;
    let issuer = format!("http://127.0.0.1:{port}");
    let _provider = start_provider(&program, port)?;
    let data = target.join("oidc-data");
    let (_server, server) = start_server(&target.join("debug/mainstay"), &data, &issuer)?;
    let ways = ask("GET", &format!("{server}/v1/sign-in"), "", "")?;
    if !ways.body.contains("\"Mock account\"") {
        return Err(format!("the provider is not among the ways to sign in: {}", ways.body));
    }

    let (back, kept) = visit(&server, "u-maria")?;
    expect(&ask("GET", &back, "", "")?, 401, "a browser that has not begun it")?;
    let (theirs, _) = visit(&server, "u-maria")?;
    expect(&ask("GET", &theirs, &kept, "")?, 401, "the browser of another sign-in")?;
    let (back, kept) = visit(&server, "u-maria")?;
    let ended = ask("GET", &back, &kept, "")?;
    expect(&ended, 200, "maria signs in")?;
    if !ended.body.contains("url=/runs") {
        return Err(format!("it does not go on to the page it began from: {}", ended.body));
    }
    let session = ended.cookies();
    let me = ask("GET", &format!("{server}/v1/me"), &session, "")?;
    expect(&me, 200, "her session is known")?;
    for word in ["\"person:maria@example.org\"", "\"responder\""] {
        if !me.body.contains(word) {
            return Err(format!("{word} is missing: {}", me.body));
        }
    }
    expect(&ask("GET", &back, &kept, "")?, 401, "the same answer again")?;
    let (back, kept) = visit(&server, "u-maria")?;
    expect(&ask("GET", &back, &kept, "")?, 200, "she comes back")?;
    let (back, kept) = visit(&server, "u-mallory")?;
    expect(&ask("GET", &back, &kept, "")?, 403, "an address of another domain")?;
    let out = ask("GET", &format!("{server}/v1/sign-in/oidc/mock/sign-out"), "", "")?;
    expect(&out, 303, "to where the session at the provider ends")?;
    expect(
        &ask("GET", out.header("location").ok_or("nowhere")?, "", "")?,
        200,
        "the provider knows the place",
    )?;
    let _ = fs::remove_dir_all(&data);
    Ok(())
}
