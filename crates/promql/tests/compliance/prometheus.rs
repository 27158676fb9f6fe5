//! A real Prometheus, started for one test on a loopback port of its own, filled by remote write and asked over HTTP.
//!
//! Remote write rather than blocks made from text, because it alone carries the markers that end a series.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mainstay_promql::{Labels, Samples};

/// How long a start or an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many samples go into one remote write request.
const BATCH: usize = 200_000;

/// How much time a request may span: the server refuses samples an hour older than the newest it has.
const WIDEST_MS: i64 = 30 * 60 * 1000;

/// A program on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|p| p.is_file())
}

/// The version that a program states, such as `2.42.0+ds`.
pub fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split("version ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("unknown").to_owned()
}

/// A running server; it is killed when this is dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer over HTTP.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Prometheus {
    /// Starts a server without targets over an empty folder and waits until it says that it is ready.
    ///
    /// # Errors
    /// A text that says what kept it from starting.
    pub fn start(program: &Path, folder: &Path, flags: &[&str]) -> Result<Self, String> {
        // The port is free when it is chosen; should somebody take it first, another is tried.
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(program, folder, flags) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn try_start(program: &Path, folder: &Path, flags: &[&str]) -> Result<Self, String> {
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, "global: {}\n").map_err(|error| format!("{}: {error}", config.display()))?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| format!("no free port: {error}"))?;
        // The server must not outlive a test that is killed.
        let mut command = match find("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let server = Self { child, address, connection: None };
        let (tell, told) = mpsc::channel();
        // Reads to the end, so that a full pipe never blocks the server.
        std::thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("Server is ready to receive web requests") {
                    // The receiver is gone only when nobody waits any more.
                    let _ = tell.send(Ok(()));
                }
                if log.len() < 10_000 {
                    log.push_str(&line);
                    log.push('\n');
                }
            }
            let _ = tell.send(Err(log));
        });
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(server),
            Ok(Err(log)) => Err(format!("prometheus ended: {log}")),
            Err(_) => Err("prometheus did not become ready".to_owned()),
        }
    }

    /// Its process id.
    #[allow(dead_code, reason = "the benchmark reads its memory")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes series; the samples of each in time order. Series go together in slices of time, so that the server
    /// sees them as it would see scrapes.
    ///
    /// # Errors
    /// A text with what the server answered.
    pub fn write(&mut self, series: &[(&Labels, &Samples)]) -> Result<(), String> {
        let times = series
            .iter()
            .flat_map(|(_, samples)| samples.times().first().into_iter().chain(samples.times().last()));
        let (Some(first), Some(last)) = (times.clone().min().copied(), times.max().copied()) else {
            return Ok(());
        };
        let total: usize = series.iter().map(|(_, samples)| samples.times().len()).sum();
        let requests = total.div_ceil(BATCH) as i64;
        let width = ((last - first) / requests + 1).min(WIDEST_MS);
        let mut from = first;
        while from <= last {
            let mut request = Vec::new();
            for (labels, samples) in series {
                let part = samples.slice(from, from + width - 1);
                if !part.is_empty() {
                    field(&mut request, 1, &time_series(labels, part.times().iter().zip(part.values())));
                }
            }
            from += width;
            let body = snappy(&request);
            let headers = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
            let answer = self.request("POST", "/api/v1/write", headers, &body)?;
            if answer.status / 100 != 2 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(format!("remote write answered {}: {text}", answer.status));
            }
        }
        Ok(())
    }

    /// Asks an API path with form parameters; the answer is the body whatever the status.
    ///
    /// # Errors
    /// A text with what broke the connection.
    pub fn get(&mut self, path: &str, parameters: &[(&str, &str)]) -> Result<Response, String> {
        let mut form = String::new();
        for (name, value) in parameters {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    form.push(char::from(byte));
                } else {
                    // Writing to a string cannot fail.
                    let _ = write!(form, "%{byte:02X}");
                }
            }
        }
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.request("POST", path, headers, form.as_bytes())
    }

    fn request(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Response, String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|error| format!("cannot connect: {error}"))?,
        };
        let address = self.address;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        let answer = connection
            .get_mut()
            .write_all(head.as_bytes())
            .and_then(|()| connection.get_mut().write_all(body))
            .and_then(|()| read_response(&mut connection))
            .map_err(|error| format!("{path}: {error}"))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::with_capacity(1 << 16, stream))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about either failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bad(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned())
}

fn read_line(from: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn read_response(from: &mut impl std::io::BufRead) -> std::io::Result<Response> {
    let line = read_line(from)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad("no status line"))?;
    let (mut length, mut chunked) = (0_usize, false);
    loop {
        let line = read_line(from)?.to_ascii_lowercase();
        let Some((name, value)) = line.split_once(':') else { break };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_| bad("no content length"))?,
            ("transfer-encoding", "chunked") => chunked = true,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        from.read_exact(&mut body)?;
        return Ok(Response { status, body });
    }
    loop {
        let size = usize::from_str_radix(&read_line(from)?, 16).map_err(|_| bad("no chunk size"))?;
        let had = body.len();
        body.resize(had + size, 0);
        from.read_exact(&mut body[had..])?;
        read_line(from)?;
        if size == 0 {
            return Ok(Response { status, body });
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that holds bytes.
fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// `TimeSeries` of remote write 1.0: labels (1: name, 2: value), then samples (1: double, 2: milliseconds).
fn time_series<'a>(labels: &Labels, points: impl Iterator<Item = (&'a i64, &'a f64)>) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels.iter() {
        let mut pair = Vec::new();
        field(&mut pair, 1, label.name.as_bytes());
        field(&mut pair, 2, label.value.as_bytes());
        field(&mut out, 1, &pair);
    }
    for (t_ms, value) in points {
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&value.to_bits().to_le_bytes());
        varint(&mut sample, 2 << 3);
        varint(&mut sample, t_ms.cast_unsigned());
        field(&mut out, 2, &sample);
    }
    out
}

/// The bytes as a snappy block that compresses nothing: the format allows a block of literals alone.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 10_000 + 16);
    varint(&mut out, bytes.len() as u64);
    for chunk in bytes.chunks(1 << 16) {
        // 61 announces a literal whose length less one follows in two bytes.
        out.push(61 << 2);
        out.extend_from_slice(&((chunk.len() - 1) as u16).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out
}
