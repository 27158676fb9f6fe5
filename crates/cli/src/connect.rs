//! Which server is meant, and what opens its door.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mainstay_api::client::Client;
use serde::Deserialize;

use crate::args::Global;
use crate::exit::{Exit, Failure};

/// What a server writes down of itself in its data directory.
#[derive(Debug, Deserialize)]
struct AddressFile {
    address: String,
    pid: u32,
}

/// The largest of the two small files that is read.
const MAX_BYTES: u64 = 64 << 10;

/// A client for the server that the options mean: `--server`, or the one of the data directory.
pub fn client(global: &Global) -> Result<Client, Failure> {
    let token = std::env::var("MAINSTAY_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let data = global.data();
    let (address, token) = match &global.server {
        Some(server) => {
            let server = url(server)?;
            // The data directory's secret is for this machine only: no other server gets to see it.
            let local = token.is_none() && is_loopback(&server);
            let token = match token {
                Some(token) => Some(token),
                None => remembered(&server)?,
            };
            let token = if local && token.is_none() { read_token(data)? } else { token };
            (server, token)
        }
        None => (address_of(data)?, token.map_or_else(|| read_token(data), |token| Ok(Some(token)))?),
    };
    Ok(Client::new(address, token)?)
}

/// A client for the server of a data directory, with the secret that lies there.
pub fn local_client(data: &Path) -> Result<Client, Failure> {
    Ok(Client::new(address_of(data)?, read_token(data)?)?)
}

/// The address of a server, as it was typed.
pub fn url(text: &str) -> Result<String, Failure> {
    let bad = |why: &str| {
        Failure::new(Exit::Usage, format!("`{text}` is not the address of a server: {why}"))
            .hint("give it as http://127.0.0.1:7600")
    };
    if text.starts_with("https://") {
        return Err(bad("TLS to the API is not built yet; a server listens on loopback only"));
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(bad("it does not begin with http://"));
    };
    let host = rest.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.chars().any(char::is_whitespace) {
        return Err(bad("after http:// a host and a port are expected"));
    }
    Ok(format!("http://{host}"))
}

/// Whether an address is one of this machine.
pub fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where tokens of servers are kept that one signed in at.
fn remembered_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("mainstay").join("tokens.json"))
}

type Remembered = BTreeMap<String, String>;

fn read_remembered(path: &Path) -> Result<Remembered, Failure> {
    let Some(text) = read_small(path)? else { return Ok(Remembered::new()) };
    serde_json::from_str(&text).map_err(|error| {
        Failure::local(format!("{} cannot be understood", path.display()), &error)
            .hint("remove it and sign in again with `mainstay login`")
    })
}

fn remembered(server: &str) -> Result<Option<String>, Failure> {
    let Some(path) = remembered_file() else { return Ok(None) };
    Ok(read_remembered(&path)?.remove(server))
}

/// Keeps the token of a server, readable by this user only.
pub fn remember(server: &str, token: &str) -> Result<PathBuf, Failure> {
    let path = remembered_file().ok_or_else(|| {
        Failure::new(
            Exit::Local,
            "There is no place to keep the token: neither HOME nor XDG_CONFIG_HOME is set",
        )
    })?;
    let mut tokens = read_remembered(&path)?;
    tokens.insert(server.to_owned(), token.to_owned());
    let write = || -> std::io::Result<()> {
        mainstay_server::files::write_private(&path, serde_json::to_string_pretty(&tokens)?.as_bytes())
    };
    write().map_err(|error| Failure::local(format!("{} cannot be written", path.display()), &error))?;
    Ok(path)
}

/// The address of the server that runs on a data directory.
fn address_of(data: &Path) -> Result<String, Failure> {
    let path = mainstay_server::config::address_file(data);
    let Some(text) = read_small(&path)? else {
        return Err(Failure::new(
            Exit::Unreachable,
            format!("No Mainstay server runs on {}", data.display()),
        )
        .hint("start one with `mainstay up`, or say which one is meant with --data or --server"));
    };
    let file: AddressFile = serde_json::from_str(&text).map_err(|error| {
        Failure::local(format!("{} cannot be understood", path.display()), &error)
            .hint("the server writes it anew when it starts")
    })?;
    if !Path::new(&format!("/proc/{}", file.pid)).exists() {
        return Err(Failure::new(
            Exit::Unreachable,
            format!("The Mainstay server of {} (process {}) has ended", data.display(), file.pid),
        )
        .hint(format!("start it again with `mainstay up --data {}`", data.display())));
    }
    Ok(if file.address.contains("://") { file.address } else { format!("http://{}", file.address) })
}

fn read_token(data: &Path) -> Result<Option<String>, Failure> {
    let path = mainstay_server::config::token_file(data);
    Ok(read_small(&path)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn read_small(path: &Path) -> Result<Option<String>, Failure> {
    use std::io::Read as _;
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::local(format!("{} cannot be read", path.display()), &error)
            .hint("only the user who runs the server may read its data directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Output;

    fn global(data: &Path, server: Option<&str>) -> Global {
        Global { data: Some(data.to_owned()), server: server.map(str::to_owned), output: Output::Human }
    }

    #[test]
    fn the_data_directory_names_the_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure = client(&global(folder.path(), None)).expect_err("nothing runs there");
        assert_eq!(failure.exit, Exit::Unreachable);
        let write = |text: String| std::fs::write(folder.path().join("server.json"), text).expect("written");
        write(format!("{{\"address\":\"http://127.0.0.1:7\",\"pid\":{}}}", std::process::id()));
        assert_eq!(client(&global(folder.path(), None)).expect("found").base(), "http://127.0.0.1:7");
        write("{\"address\":\"http://127.0.0.1:7\",\"pid\":4294967294}".to_owned());
        let failure = client(&global(folder.path(), None)).expect_err("no such process");
        assert!(failure.message.ends_with("has ended"), "{}", failure.message);
        write("{".to_owned());
        assert_eq!(client(&global(folder.path(), None)).expect_err("damaged").exit, Exit::Local);
    }

    #[test]
    fn addresses_are_read_strictly() {
        for bad in ["127.0.0.1:7600", "https://x", "http://", "http://a/b", "http://a@b", "ftp://x"] {
            assert_eq!(url(bad).expect_err(bad).exit, Exit::Usage);
        }
        assert_eq!(url("http://localhost:1/").ok().as_deref(), Some("http://localhost:1"));
        assert!(
            is_loopback("http://127.0.0.1:7600")
                && is_loopback("http://[::1]:7600")
                && is_loopback("http://localhost")
        );
        assert!(!is_loopback("http://10.0.0.1:7600") && !is_loopback("http://localhost.example"));
    }
}
