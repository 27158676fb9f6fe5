//! `mainstay docs`: documentation written from files, or by the server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_learn::docs::{self, Documentation, FORMAT, GetError, NoteState, VERSION};
use mainstay_server::documentation::documentation;
use mainstay_server::http::docs::{Make, Site, serve_site};
use serde_json::{Value, json};

use crate::args::{DocsBuild, DocsGet, DocsVerb, Global};
use crate::connect;
use crate::diagnostics;
use crate::directory::{self, Checked};
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count, say};

/// What a build writes down of itself, so that the next one knows which files it may replace and remove.
const MANIFEST: &str = ".mainstay-docs";

/// Does what is asked.
pub fn run(screen: Screen, global: &Global, verb: &DocsVerb) -> Result<(), Failure> {
    match verb {
        DocsVerb::Build(build) => self::build(screen, global, build),
        DocsVerb::Get(get) => self::get(screen, global, get),
        DocsVerb::Accept { files } => files.iter().try_for_each(|file| accept(screen, file)),
        DocsVerb::Serve { dir, port } => block_on(serve(dir, *port)),
        DocsVerb::Link { workload } => block_on(link(screen, global, workload.as_deref())),
        DocsVerb::Schema => screen.print(&docs::schema()),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("The process cannot start", &error))?
        .block_on(work)
}

/// What a directory declares, or every problem it has on stderr.
fn declared(dir: &Path) -> Result<(Checked, Documentation), Failure> {
    let checked = directory::check(dir)?;
    let Some(declared) = &checked.declared else {
        say(diagnostics::render(&checked.diagnostics, &checked.sources, false).trim_end());
        return Err(Failure::new(Exit::No, "Nothing was written, because the files have problems"));
    };
    let all = documentation(declared)
        .map_err(|error| Failure::local("The workload cannot be documented", &error))?;
    Ok((checked, all))
}

/// The documentation of a directory, or of a workload of the server.
fn subject(global: &Global, dir: &Path, workload: Option<&str>) -> Result<Documentation, Failure> {
    let Some(workload) = workload else { return Ok(declared(dir)?.1) };
    block_on(async {
        let client = connect::client(global)?;
        let path = format!("/v1/workloads/{}/docs.json", mainstay_api::client::escape(workload));
        let value: Value = client.get(&path, &[]).await?;
        let version = (value["format"].as_str(), value["version"].as_u64());
        if version != (Some(FORMAT), Some(u64::from(VERSION))) {
            return Err(Failure::new(
                Exit::Unreachable,
                "The server writes documentation of another version",
            )
            .hint("use the command line of the server's version"));
        }
        serde_json::from_value(value).map_err(|error| {
            Failure::new(Exit::Unreachable, "The server's documentation cannot be understood").because(&error)
        })
    })
}

// ---- build ----

fn build(screen: Screen, global: &Global, build: &DocsBuild) -> Result<(), Failure> {
    let all = subject(global, &build.dir, build.workload.as_deref())?;
    let site = docs::site(&all);
    write(&build.out, &site)?;
    let stale = stale(&all);
    let first = build.out.join("index.html");
    let answer = json!({
        "workload": all.workload.name,
        "out": build.out,
        "first": first,
        "files": site.keys().collect::<Vec<_>>(),
        "earlier": stale,
    });
    screen.show(&answer, |_| format!("{}\n", first.display()))?;
    if !screen.is_json() {
        say(&format!("{} written", count(site.len(), "file")));
        for note in &stale {
            say(&format!(
                "{note} was written for an earlier version; read it again, then `mainstay docs accept` it"
            ));
        }
    }
    Ok(())
}

/// The files of notes that were written for an earlier version.
fn stale(all: &Documentation) -> Vec<String> {
    let notes = all
        .workload
        .notes
        .iter()
        .chain(all.components.values().flat_map(|item| &item.notes))
        .chain(all.alarms.values().flat_map(|item| &item.notes))
        .chain(all.triggers.values().flat_map(|item| &item.notes))
        .chain(all.procedures.values().flat_map(|item| &item.notes));
    let stale = notes.filter(|note| note.state == NoteState::Earlier).map(|note| note.file.clone());
    stale.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Writes a site into a folder that is new, empty, or was written by an earlier build.
fn write(out: &Path, site: &Site) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let message = format!("{} cannot be written", path.display());
        move |error: std::io::Error| Failure::local(message, &error)
    };
    std::fs::create_dir_all(out).map_err(failed(out))?;
    let manifest = out.join(MANIFEST);
    let before: BTreeSet<String> = match std::fs::read_to_string(&manifest) {
        Ok(text) => text.lines().filter(|line| is_inside(line)).map(str::to_owned).collect(),
        Err(_) => {
            let mut entries = std::fs::read_dir(out).map_err(failed(out))?;
            if entries.next().is_some() {
                return Err(Failure::new(
                    Exit::Local,
                    format!("{} is not empty, and no documentation was built there before", out.display()),
                )
                .hint("name a new folder with --out, so that nothing of yours is overwritten"));
            }
            BTreeSet::new()
        }
    };
    // Both lists while it is being written, so that an interrupted build leaves nothing that the next cannot replace.
    let now: BTreeSet<String> = site.keys().cloned().collect();
    let list = |names: &BTreeSet<String>| names.iter().map(|name| format!("{name}\n")).collect::<String>();
    std::fs::write(&manifest, list(&before.union(&now).cloned().collect())).map_err(failed(&manifest))?;
    for (name, content) in site {
        let path = out.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        // A link in the place of a file would have the build write elsewhere.
        if path.is_symlink() {
            std::fs::remove_file(&path).map_err(failed(&path))?;
        }
        std::fs::write(&path, content).map_err(failed(&path))?;
    }
    for name in before.difference(&now) {
        let path = out.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path)(error)),
            _ => {}
        }
    }
    std::fs::write(&manifest, list(&now)).map_err(failed(&manifest))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

// ---- get ----

fn get(screen: Screen, global: &Global, get: &DocsGet) -> Result<(), Failure> {
    let all = subject(global, &get.dir, get.workload.as_deref())?;
    let value = serde_json::to_value(&all)
        .map_err(|error| Failure::local("The documentation cannot be written as JSON", &error))?;
    let found = docs::get(&value, &get.path).map_err(|error| {
        let exit = if matches!(error, GetError::Form { .. }) { Exit::Usage } else { Exit::No };
        let mut text = error.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let failure = Failure::new(exit, text);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    match found {
        Value::String(text) if !screen.is_json() => screen.print(&format!("{text}\n")),
        Value::Null | Value::Bool(_) | Value::Number(_) if !screen.is_json() => {
            screen.print(&format!("{found}\n"))
        }
        other => screen.json(other),
    }
}

// ---- accept ----

/// Writes into a note that it fits what is declared now.
fn accept(screen: Screen, file: &Path) -> Result<(), Failure> {
    let on_disk = std::fs::canonicalize(file)
        .map_err(|error| Failure::local(format!("The note {} cannot be opened", file.display()), &error))?;
    let root = on_disk
        .ancestors()
        .find(|folder| {
            folder.file_name().is_some_and(|name| name == "docs")
                && folder.with_file_name("mainstay.yaml").is_file()
        })
        .and_then(Path::parent)
        .ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{} is no note of a workload", file.display()))
                .hint("notes are Markdown files in the folder `docs` beside `mainstay.yaml`")
        })?;
    let name = on_disk.strip_prefix(root).unwrap_or(&on_disk).to_string_lossy().into_owned();
    let (checked, all) = declared(root)?;
    let notes = checked.declared.map(|declared| declared.notes).unwrap_or_default();
    let note = notes.iter().find(|note| note.path == name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} does not say what it is about", file.display()))
            .hint("begin it with `---`, `about: component/NAME` and `---`, each on a line of its own")
    })?;
    let (digest, parts) = docs::accepted(&all, &note.about)
        .ok_or_else(|| Failure::new(Exit::No, format!("There is no {}", note.about)))?;
    let text = checked.sources.get(&name).cloned().unwrap_or_default();
    let new = with_digest(&text, &digest, &parts);
    if new != text {
        let beside = on_disk.with_extension("md.new");
        std::fs::write(&beside, new)
            .and_then(|()| std::fs::rename(&beside, &on_disk))
            .map_err(|error| Failure::local(format!("{} cannot be written", file.display()), &error))?;
    }
    let answer =
        json!({ "file": name, "about": note.about, "describes": digest, "changed": new_for(note, &digest) });
    screen.show(&answer, |_| {
        let again = if new_for(note, &digest) { "" } else { " (it was already)" };
        format!("{name}: accepted for {} as it is now{again}\n", note.about)
    })
}

fn new_for(note: &mainstay_declare::Note, digest: &str) -> bool {
    note.describes.as_deref() != Some(digest)
}

/// The text of a note with the digest in its front matter; the rest stays as it was written.
fn with_digest(text: &str, digest: &str, parts: &BTreeMap<String, String>) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let parts: Vec<String> = parts.iter().map(|(name, digest)| format!("{name}={digest}")).collect();
    let mut out = String::new();
    let mut fences = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches('\u{feff}').trim_end();
        let key = bare.split(':').next().unwrap_or_default().trim_end();
        if fences == 1 && matches!(key, "describes" | "parts") {
            continue;
        }
        if bare == "---" && fences < 2 {
            fences += 1;
        }
        out.push_str(line);
        if fences == 1 && key == "about" {
            out.push_str(&format!("describes: {digest}{end}parts: {}{end}", parts.join(" ")));
        }
    }
    out
}

// ---- serve and link ----

/// Serves a directory's documentation on loopback; each request sees the files as they are.
async fn serve(dir: &Path, port: u16) -> Result<(), Failure> {
    // What is wrong now is said now, and not to the first browser.
    drop(declared(dir)?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        Failure::local(format!("Cannot listen on {address}"), &error).hint("choose another port with --port")
    })?;
    let address =
        listener.local_addr().map_err(|error| Failure::local("The address is not known", &error))?;
    println_flushed(&format!("http://{address}/"))?;
    say("Every page is written from the files as they are when it is asked for. Ctrl-C ends.");
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve_site(listener, make(dir.to_owned()), stop)
        .await
        .map_err(|error| Failure::local("The documentation cannot be served", &error))
}

fn println_flushed(line: &str) -> Result<(), Failure> {
    Screen::new(crate::args::Output::Human).print(&format!("{line}\n"))
}

/// Reads the files for each page, and writes the site again when they have changed.
fn make(dir: PathBuf) -> Make {
    let last: Mutex<Option<(BTreeMap<String, String>, Site)>> = Mutex::default();
    Arc::new(move || {
        let checked = directory::check(&dir).map_err(|failure| failure.render(false))?;
        let Some(declared) = &checked.declared else {
            return Err(diagnostics::render(&checked.diagnostics, &checked.sources, false));
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, site)) = last.as_ref().filter(|(sources, _)| *sources == checked.sources) {
            return Ok(site.clone());
        }
        let site = docs::site(&documentation(declared).map_err(|error| error.to_string())?);
        *last = Some((checked.sources.clone(), site.clone()));
        Ok(site)
    })
}

/// Prints a link that opens the server's documentation in a browser.
async fn link(screen: Screen, global: &Global, workload: Option<&str>) -> Result<(), Failure> {
    let client = connect::client(global)?;
    let name = match workload {
        Some(name) => name.to_owned(),
        None => {
            let names: Vec<String> =
                client.workloads().await?.items.into_iter().map(|one| one.workload).collect();
            match names.as_slice() {
                [one] => one.clone(),
                [] => {
                    return Err(Failure::new(Exit::Refused, "The server has no workload yet")
                        .hint("`mainstay apply DIR` makes one"));
                }
                _ => {
                    return Err(Failure::new(Exit::Usage, "The server has several workloads")
                        .hint(format!("say which one is meant: `mainstay docs link {}`", names.join("|"))));
                }
            }
        }
    };
    let path = format!("/v1/workloads/{}/docs/link", mainstay_api::client::escape(&name));
    let answer: Value = client.post(&path, &json!({})).await?;
    let url = format!("{}{}", client.base(), answer["path"].as_str().unwrap_or_default());
    let answer = json!({ "workload": name, "url": url, "expires_at": answer["expires_at"] });
    screen.show(&answer, |_| format!("{url}\n"))?;
    if !screen.is_json() {
        say("It works once, within ten minutes.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_changes_the_front_matter_and_nothing_else() {
        let parts = BTreeMap::from([("run".to_owned(), "1a2b3c4d".to_owned())]);
        let text = "---\nabout: component/x\ndescribes: old\n---\n# T\n\nabout: y\n---\nparts: z\n";
        let new = with_digest(text, "0011223344556677", &parts);
        assert_eq!(
            new,
            "---\nabout: component/x\ndescribes: 0011223344556677\nparts: run=1a2b3c4d\n---\n# T\n\nabout: y\n---\nparts: z\n"
        );
        assert_eq!(with_digest(&new, "0011223344556677", &parts), new);
        assert!(
            with_digest("---\r\nabout: workload\r\n---\r\nx", "d", &parts)
                .starts_with("---\r\nabout: workload\r\ndescribes: d\r\n")
        );
    }

    #[test]
    fn only_what_a_build_wrote_is_replaced_or_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("site");
        let site = |names: &[&str]| -> Site {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
        };
        write(&out, &site(&["index.html", "components/a.html"])).expect("new");
        std::fs::write(out.join("mine.txt"), "mine").expect("written");
        std::fs::write(out.join(MANIFEST), "index.html\ncomponents/a.html\n../outside\n/etc/passwd\n")
            .expect("written");
        std::fs::write(folder.path().join("outside"), "outside").expect("written");
        write(&out, &site(&["index.html"])).expect("again");
        assert!(!out.join("components/a.html").exists());
        assert!(out.join("mine.txt").exists() && folder.path().join("outside").exists());
        let failure = write(folder.path(), &site(&["index.html"])).expect_err("not ours");
        assert_eq!(failure.exit, Exit::Local);
    }
}
