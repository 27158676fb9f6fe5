//! The inputs of the plugins of Command documents.

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment};
use serde_json::{Map, Value};

use super::{EXECUTION_TIMEOUT_S, MAX_EXECUTION_TIMEOUT_S, finally};
use crate::effect::{GitVersion, Nested, PackageAction, Plugin, Secret, Source};
use crate::reader::Reader;
use crate::reference::refers;

pub(crate) fn shell_script(inputs: &Map<String, Value>) -> Result<ShellScript, String> {
    finally(|reader| read_shell_script(inputs, reader))
}

/// The inputs of `aws:runShellScript`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShellScript {
    pub(crate) commands: Vec<String>,
    pub(crate) working_directory: Option<String>,
    pub(crate) timeout_s: u64,
}

pub(crate) fn read_shell_script(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<ShellScript> {
    let commands = reader.texts(inputs, "runCommand");
    if commands.as_ref().is_some_and(Vec::is_empty) {
        reader.push(Problem::error("bad-value", reader.at("runCommand"), "`runCommand` holds no command"));
    }
    let working_directory = reader.text(inputs, "workingDirectory").filter(|text| !text.is_empty());
    let timeout_s = match inputs.get("timeoutSeconds") {
        None => EXECUTION_TIMEOUT_S,
        // Documents give an empty default to say that the usual limit is meant.
        Some(Value::String(text)) if text.is_empty() => EXECUTION_TIMEOUT_S,
        Some(_) => reader.whole(inputs, "timeoutSeconds", 1, MAX_EXECUTION_TIMEOUT_S)?,
    };
    Some(ShellScript { commands: commands?, working_directory, timeout_s })
}

/// What a plugin does, but for those that run a script.
pub(crate) fn plugin(action: &str, inputs: &Map<String, Value>) -> Result<Plugin, String> {
    finally(|reader| read_plugin(action, inputs, reader))
}

/// Checks the inputs of a plugin, and reads them where references have been replaced. `None` for any other plugin.
pub(crate) fn read_plugin(
    action: &str,
    inputs: &Map<String, Value>,
    reader: &mut Reader<'_>,
) -> Option<Plugin> {
    match action {
        "aws:runDocument" => read_run_document(inputs, reader),
        "aws:downloadContent" => read_download(inputs, reader),
        "aws:configurePackage" => read_package(inputs, reader),
        _ => None,
    }
}

fn read_run_document(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Plugin> {
    if !inputs.contains_key("documentPath") {
        reader.missing("documentPath", "aws:runDocument");
    }
    let path = reader.text(inputs, "documentPath");
    let parameters = match inputs.get("documentParameters") {
        None => Some(Map::new()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(Value::String(text)) if reader.draft && refers(text) => None,
        Some(Value::String(text)) if text.is_empty() => Some(Map::new()),
        // A mapping may be written as JSON in a text.
        Some(Value::String(text)) if serde_json::from_str::<Map<String, Value>>(text).is_ok() => {
            serde_json::from_str(text).ok()
        }
        Some(other) => {
            reader.wrong(reader.at("documentParameters"), "documentParameters", "a mapping", other);
            None
        }
    };
    let path = path?;
    let document = match inputs.get("documentType")?.as_str()? {
        "LocalPath" => Nested::Path(path),
        "SSMDocument" => {
            own_document(&path, "documentPath", reader)?;
            Nested::Name(path)
        }
        _ => return None,
    };
    Some(Plugin::RunDocument { document, parameters: parameters? })
}

/// A document of the workload, by its name.
fn own_document(name: &str, key: &str, reader: &mut Reader<'_>) -> Option<()> {
    if reader.open(&Value::String(name.to_owned())) {
        reader.not_built(reader.at(key), "Choosing a document by a reference is");
        return None;
    }
    if name.starts_with("AWS") || name.starts_with("arn:") {
        let at = reader.at(key);
        reader.push(
            Problem::error("not-built", at, format!("The document `{name}` of AWS is not built yet"))
                .help("Documents of the workload are run by their names"),
        );
        return None;
    }
    if name.contains(':') {
        reader.not_built(reader.at(key), "Choosing a version of a document is");
        return None;
    }
    Some(())
}

/// The keys of `sourceInfo`, by kind of source: first those that are needed.
const SOURCES: [(&str, &[&str], &[&str]); 5] = [
    ("GitHub", &["owner", "repository"], &["path", "getOptions", "tokenInfo"]),
    (
        "Git",
        &["repository"],
        &["path", "getOptions", "privateSSHKey", "skipHostKeyChecking", "username", "password"],
    ),
    ("HTTP", &["url"], &["allowInsecureDownload", "authMethod", "username", "password"]),
    ("S3", &["path"], &[]),
    ("SSMDocument", &["name"], &[]),
];

fn read_download(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Plugin> {
    let destination = reader.text(inputs, "destinationPath").filter(|text| !text.is_empty());
    // The keys of a mapping written as text have no place of their own, so they are reported on the text.
    let written = matches!(inputs.get("sourceInfo"), Some(Value::Object(_)));
    let kind = inputs.get("sourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "S3" {
        reader.push(
            Problem::error("not-built", reader.at("sourceType"), "Downloads from S3 are not built yet")
                .help("A signed URL of the object works with `sourceType: HTTP`"),
        );
    }
    let info = source_info(inputs, reader)?;
    let (_, needed, further) = SOURCES.iter().find(|(name, ..)| *name == kind)?;
    for key in info.keys().filter(|key| !needed.iter().chain(*further).any(|known| known == key)) {
        let mut path = reader.at("sourceInfo");
        if written {
            path.push(key.as_str().into());
        }
        let problem =
            Problem::error("unknown-key", path, format!("`{key}` is not a key of a source of kind {kind}"));
        let problem = if written { problem.on_key() } else { problem };
        reader.push(match nearest(key, needed.iter().chain(*further).copied()) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None => problem,
        });
    }
    let mut within = reader.inside("sourceInfo");
    for key in needed.iter().filter(|key| !info.contains_key(**key)) {
        within.missing(key, &format!("A source of kind {kind}"));
    }
    let at = Info { info: &info, written };
    let source = match kind.as_str() {
        "HTTP" => at.http(&mut within),
        "Git" => at.git(&mut within),
        "GitHub" => at.github(&mut within),
        "SSMDocument" => {
            let name = within.text(&info, "name")?;
            own_document(&name, "name", &mut within)?;
            Some(Source::Document { name })
        }
        _ => None,
    };
    Some(Plugin::Download { source: source?, destination })
}

/// `sourceInfo` as a mapping; `None` where it is wrong or open.
fn source_info(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Map<String, Value>> {
    match inputs.get("sourceInfo")? {
        Value::Object(map) => Some(map.clone()),
        Value::String(text) => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(map) => Some(map),
            // A reference may stand where the JSON is not whole without its value.
            Err(_) if reader.draft && refers(text) => None,
            Err(error) => {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("sourceInfo"),
                    format!("`sourceInfo` is a mapping, or one written as JSON, which this is not: {error}"),
                ));
                None
            }
        },
        other => {
            reader.wrong(reader.at("sourceInfo"), "sourceInfo", "a mapping", other);
            None
        }
    }
}

/// What is said of a source.
struct Info<'a> {
    info: &'a Map<String, Value>,
    written: bool,
}

impl Info<'_> {
    fn at(&self, key: &str, reader: &Reader<'_>) -> Vec<Segment> {
        if self.written { reader.at(key) } else { reader.path.clone() }
    }

    fn http(&self, reader: &mut Reader<'_>) -> Option<Source> {
        let url = reader.text(self.info, "url");
        let insecure = reader.flag(self.info, "allowInsecureDownload").unwrap_or(false);
        if let Some(url) = url.as_ref().filter(|url| !reader.open(&Value::String((*url).clone())))
            && let Some(message) = url_problem(url, insecure)
        {
            let at = self.at("url", reader);
            reader.push(Problem::error("bad-value", at, message));
        }
        let method = reader.text(self.info, "authMethod");
        let basic = match method.as_deref() {
            None | Some("None" | "") => {
                for key in ["username", "password"].iter().filter(|key| self.info.contains_key(**key)) {
                    let at = self.at(key, reader);
                    reader.push(Problem::error(
                        "bad-value",
                        at,
                        format!("`{key}` is for `authMethod: Basic`"),
                    ));
                }
                None
            }
            Some("Basic") => {
                for key in ["username", "password"].iter().filter(|key| !self.info.contains_key(**key)) {
                    reader.missing(key, "`authMethod: Basic`");
                }
                let password = self.secret("password", reader);
                Some((reader.text(self.info, "username")?, password?))
            }
            Some("Digest") => {
                let at = self.at("authMethod", reader);
                reader.not_built(at, "`authMethod: Digest` is");
                return None;
            }
            Some(text) if reader.draft && refers(text) => None,
            Some(other) => {
                let at = self.at("authMethod", reader);
                reader.push(Problem::error(
                    "bad-value",
                    at,
                    format!("`authMethod` is None, Basic or Digest, found `{other}`"),
                ));
                return None;
            }
        };
        Some(Source::Http { url: url?, insecure, basic })
    }

    fn git(&self, reader: &mut Reader<'_>) -> Option<Source> {
        let repository = reader.text(self.info, "repository");
        if let Some(text) = repository.as_ref().filter(|text| !reader.open(&Value::String((*text).clone())))
            && let Some(message) = repository_problem(text)
        {
            let at = self.at("repository", reader);
            reader.push(Problem::error("bad-value", at, message));
        }
        let at = self.version(reader);
        let path = self.path(reader);
        let ssh_key = self.secret("privateSSHKey", reader);
        let any_host_key = reader.flag(self.info, "skipHostKeyChecking").unwrap_or(false);
        let password = self.secret("password", reader);
        let username = reader.text(self.info, "username");
        if self.info.contains_key("username") != self.info.contains_key("password") {
            let key = if username.is_some() { "password" } else { "username" };
            reader.missing(key, "A login to a repository");
        }
        let login = username.zip(password);
        Some(Source::Git { repository: repository?, at: at?, path: path?, login, ssh_key, any_host_key })
    }

    fn github(&self, reader: &mut Reader<'_>) -> Option<Source> {
        let owner = reader.text(self.info, "owner");
        let repository = reader.text(self.info, "repository");
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with(['.', '-'])
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        for (key, value) in [("owner", &owner), ("repository", &repository)] {
            if let Some(text) = value.as_ref().filter(|text| !(reader.draft && refers(text)))
                && !plain(text)
            {
                let at = self.at(key, reader);
                reader.push(Problem::error("bad-value", at, format!("`{text}` is no name on GitHub")));
                return None;
            }
        }
        let at = self.version(reader);
        let path = self.path(reader);
        let token = self.secret("tokenInfo", reader);
        Some(Source::Git {
            repository: format!("https://github.com/{}/{}.git", owner?, repository?),
            at: at?,
            path: path?,
            login: token.map(|token| ("x-access-token".to_owned(), token)),
            ssh_key: None,
            any_host_key: false,
        })
    }

    /// `path`: a file or folder inside the repository.
    fn path(&self, reader: &mut Reader<'_>) -> Option<Option<String>> {
        if !self.info.contains_key("path") {
            return Some(None);
        }
        let path = reader.text(self.info, "path")?;
        if path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".git") {
            let at = self.at("path", reader);
            reader.push(Problem::error(
                "bad-value",
                at,
                format!("`{path}` does not stay inside the repository"),
            ));
            return None;
        }
        Some(Some(path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty()))
    }

    fn version(&self, reader: &mut Reader<'_>) -> Option<GitVersion> {
        let Some(text) = reader.text(self.info, "getOptions").filter(|text| !text.is_empty()) else {
            return Some(GitVersion::Head);
        };
        if reader.draft && refers(&text) {
            return None;
        }
        let version = match text.split_once(':') {
            Some(("branch", name)) => {
                let name = name.trim().strip_prefix("refs/heads/").unwrap_or(name.trim());
                let plain = |c: char| c.is_ascii_graphic() && !"~^:?*[\\".contains(c);
                let fits = !name.is_empty() && !name.starts_with('-') && !name.contains("..");
                (fits && name.chars().all(plain)).then(|| GitVersion::Branch(name.to_owned()))
            }
            Some(("commitID", commit)) => {
                let commit = commit.trim();
                let fits = [40, 64].contains(&commit.len()) && commit.bytes().all(|b| b.is_ascii_hexdigit());
                fits.then(|| GitVersion::Commit(commit.to_ascii_lowercase()))
            }
            _ => None,
        };
        if version.is_none() {
            let at = self.at("getOptions", reader);
            reader.push(
                Problem::error("bad-value", at, format!("`{text}` does not name a version"))
                    .label("expected `branch:NAME` or `commitID:` and the full hash"),
            );
        }
        version
    }

    /// A secret. Only a reference to one is taken: what is written in a document can be read by many.
    fn secret(&self, key: &str, reader: &mut Reader<'_>) -> Option<Secret> {
        let value = self.info.get(key)?;
        let reference =
            value.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("secret")?.as_str());
        match reference {
            Some(reference) if reference.strip_prefix("file:").is_some_and(|path| path.starts_with('/')) => {
                Some(Secret { secret: reference.to_owned() })
            }
            _ => {
                let at = self.at(key, reader);
                // What stands there may be the secret itself, so it is not repeated.
                reader.push(
                    Problem::error("bad-secret", at, format!("`{key}` is a secret, given by reference only"))
                        .label("expected `{ secret: \"file:/absolute/path\" }`, a file of the host")
                        .help("References to the parameter store (`ssm-secure:`) are not built yet"),
                );
                None
            }
        }
    }
}

/// Why nothing can be downloaded from a URL.
pub(crate) fn url_problem(url: &str, insecure: bool) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Some("A URL with a password in it is not taken: use `username` and `password`".to_owned());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" => None,
        "http" if insecure || is_loopback(host) => None,
        "http" => Some(
            "Without encryption anybody on the way can change what comes: use https, or say \
             `allowInsecureDownload: true`"
                .to_owned(),
        ),
        _ => Some(format!("`{scheme}` is not a way to download: use https")),
    }
}

/// Whether the host of a URL, with or without a port, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name == "::1" || {
        let parts: Vec<Option<u8>> = name.split('.').map(|part| part.parse().ok()).collect();
        matches!(parts[..], [Some(127), Some(_), Some(_), Some(_)])
    }
}

/// Why git is not asked to fetch from there.
fn repository_problem(text: &str) -> Option<String> {
    let scheme = text.split_once("://");
    match scheme {
        Some(("https" | "ssh", rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            (host.split_once('@').is_some_and(|(user, _)| user.contains(':')))
                .then(|| "A URL with a password in it is not taken: use `username` and `password`".to_owned())
        }
        Some(("http", rest)) if is_loopback(rest.split('/').next().unwrap_or_default()) => None,
        Some(("file", path)) if path.starts_with('/') => None,
        Some((scheme, _)) => Some(format!("`{scheme}` is not a way to fetch a repository: use https or ssh")),
        // `git@host:path`, as ssh has it.
        None if text.split_once(':').is_some_and(|(host, path)| {
            !path.is_empty() && !host.is_empty() && !host.starts_with('-') && !host.contains('/')
        }) =>
        {
            None
        }
        None => Some(format!("`{text}` is not the URL of a repository")),
    }
}

fn read_package(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Plugin> {
    let name = reader.text(inputs, "name");
    let version = reader.text(inputs, "version").filter(|text| !text.is_empty() && text != "latest");
    // Names and versions go to a package manager's command line.
    let fits = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:~_^".contains(c))
    };
    for (key, value) in [("name", &name), ("version", &version)] {
        if let Some(text) = value.as_ref().filter(|text| !(reader.draft && refers(text)))
            && !fits(text)
        {
            let at = reader.at(key);
            let what = if key == "name" { "the name of a package" } else { "the version of a package" };
            reader.push(Problem::error("bad-value", at, format!("`{text}` is not {what}")));
            return None;
        }
    }
    if let Some(name) = name.as_ref().filter(|name| name.starts_with("AWS")) {
        let at = reader.at("name");
        reader.push(
            Problem::error("not-built", at, format!("The package `{name}` of AWS is not built yet"))
                .help("Packages are those of the host's own package manager (apt, dnf)"),
        );
        return None;
    }
    if inputs
        .get("additionalArguments")
        .is_some_and(|value| !matches!(value, Value::Object(map) if map.is_empty()))
    {
        reader
            .not_built(reader.at("additionalArguments"), "`additionalArguments` of aws:configurePackage is");
    }
    let action = match inputs.get("action")?.as_str()? {
        "Install" => PackageAction::Install,
        "Uninstall" => PackageAction::Uninstall,
        _ => return None,
    };
    let in_place = inputs.get("installationType").and_then(Value::as_str) == Some("In-place update");
    Some(Plugin::Package { name: name?, action, version, in_place })
}
