//! `mainstay init`: a workload that checks clean, to begin with.
//!
//! Nothing is ever overwritten: all files are made ready first, and if one of them is there already nothing is written.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::Init;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, say};

/// The workload that is written without `--template`.
const OWN: [(&str, &str); 10] = [
    ("README.md", include_str!("../../templates/service/README.md")),
    ("alarms/heartbeat.test.yaml", include_str!("../../templates/service/alarms/heartbeat.test.yaml")),
    ("alarms/heartbeat.yaml", include_str!("../../templates/service/alarms/heartbeat.yaml")),
    ("docs/heartbeat.md", include_str!("../../templates/service/docs/heartbeat.md")),
    ("mainstay.yaml", include_str!("../../templates/service/mainstay.yaml")),
    (
        "runbooks/restart-heartbeat.yaml",
        include_str!("../../templates/service/runbooks/restart-heartbeat.yaml"),
    ),
    ("scripts/healthy.sh", include_str!("../../templates/service/scripts/healthy.sh")),
    ("scripts/heartbeat.sh", include_str!("../../templates/service/scripts/heartbeat.sh")),
    (
        "triggers/restart-heartbeat.test.yaml",
        include_str!("../../templates/service/triggers/restart-heartbeat.test.yaml"),
    ),
    (
        "triggers/restart-heartbeat.yaml",
        include_str!("../../templates/service/triggers/restart-heartbeat.yaml"),
    ),
];

/// The most that is copied from a template.
const MAX_FILES: usize = 1000;
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A file to write.
struct Made {
    path: String,
    bytes: Vec<u8>,
    mode: u32,
}

/// Writes a workload.
pub fn run(screen: Screen, init: &Init) -> Result<(), Failure> {
    let dir = &init.dir;
    let name = match &init.name {
        Some(name) => name.clone(),
        None => name_of(dir)?,
    };
    if !is_name(&name) {
        return Err(Failure::new(Exit::Usage, format!("`{name}` is not a name for a workload"))
            .hint("names have 1 to 63 lower-case letters, digits and `-`; say one with --name"));
    }
    let mut values: BTreeMap<&str, &str> =
        init.set.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    values.insert("name", &name);
    let files = match &init.template {
        Some(template) => copied(template)?,
        None => OWN
            .iter()
            .map(|(path, text)| Made {
                path: (*path).to_owned(),
                bytes: text.as_bytes().to_vec(),
                mode: 0o666,
            })
            .collect(),
    };
    let files = files.into_iter().map(|file| filled(file, &values)).collect::<Result<Vec<_>, _>>()?;
    let taken: Vec<&str> = files
        .iter()
        .filter(|file| dir.join(&file.path).symlink_metadata().is_ok())
        .map(|file| file.path.as_str())
        .collect();
    if !taken.is_empty() {
        let message =
            format!("{} is there already in {}, so nothing was written", taken.join(", "), dir.display());
        return Err(Failure::new(Exit::No, message).hint("name another directory, or move the files away"));
    }
    for file in &files {
        write(dir, file)?;
    }
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    if screen.is_json() {
        screen.json(&json!({ "workload": name, "directory": dir, "files": paths }))?;
    } else {
        let lines: String = paths.iter().map(|path| format!("{}\n", dir.join(path).display())).collect();
        screen.print(&lines)?;
    }
    next(dir)
}

/// What is said of the result. A template of somebody's own may have problems; then they are the next thing to do.
fn next(dir: &Path) -> Result<(), Failure> {
    let checked = directory::check(dir)?;
    let shown = dir.display();
    match checked.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        None => say(&format!(
            "`mainstay up {shown}` runs it on this machine; `mainstay test {shown}` tests its alarms and triggers"
        )),
        Some(_) => say(&format!("it has problems still: `mainstay check {shown}` shows them")),
    }
    Ok(())
}

/// The directory's own name, as a name for the workload.
fn name_of(dir: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(dir)
        .map_err(|error| Failure::local(format!("The directory {} is not known", dir.display()), &error))?;
    let last = absolute.components().next_back().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let name: String = last
        .unwrap_or_default()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    Ok(name.trim_matches('-').to_owned())
}

fn is_name(name: &str) -> bool {
    let edges = !name.starts_with('-') && !name.ends_with('-');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && edges && name.chars().all(plain)
}

/// The files of a template folder. Links and what is not a file are refused, as a copy of them is not what it was.
fn copied(template: &Path) -> Result<Vec<Made>, Failure> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Failure::local(format!("The template's {} cannot be read", path.display()), error)
    };
    let mut out = Vec::new();
    let mut bytes = 0;
    let mut stack: Vec<PathBuf> = vec![template.to_owned()];
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let path = entry.path();
            let metadata = path.symlink_metadata().map_err(|error| unreadable(&path, &error))?;
            if entry.file_name() == ".git" || entry.file_name() == ".mainstay" {
                continue;
            }
            if metadata.is_dir() {
                stack.push(path);
                continue;
            }
            let inside = path.strip_prefix(template).ok().and_then(Path::to_str).map(str::to_owned);
            let (true, Some(inside)) = (metadata.is_file(), inside) else {
                let message = format!("The template has {}, which is not a plain file", path.display());
                return Err(
                    Failure::new(Exit::Local, message).hint("put a copy of what it leads to in its place")
                );
            };
            bytes += metadata.len();
            if out.len() >= MAX_FILES || bytes > MAX_BYTES {
                let message = format!("The template has more than {MAX_FILES} files or {MAX_BYTES} bytes");
                return Err(Failure::new(Exit::Local, message).hint("name the folder of a workload"));
            }
            let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            out.push(Made { path: inside, bytes: content, mode: metadata.permissions().mode() & 0o777 });
        }
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// A file with its placeholders filled in, in its text and in its path. What is not text is copied as it is.
fn filled(file: Made, values: &BTreeMap<&str, &str>) -> Result<Made, Failure> {
    let Made { path, bytes, mode } = file;
    let new_path = fill(&path, &path, values)?;
    if new_path.starts_with('/') || new_path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let message = format!(
            "The template's {path} would become `{new_path}`, which is no path inside of the directory"
        );
        return Err(Failure::new(Exit::Usage, message).hint("give its placeholders other values"));
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => fill(&text, &path, values)?.into_bytes(),
        Err(binary) => binary.into_bytes(),
    };
    Ok(Made { path: new_path, bytes, mode })
}

/// Replaces `{{ init.KEY }}`. Other braces mean something to who reads the file, such as procedures and alarms.
fn fill(text: &str, path: &str, values: &BTreeMap<&str, &str>) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        let key = inside.find("}}").and_then(|end| {
            let key = inside[..end].trim().strip_prefix("init.")?;
            Some((key, start + 2 + end + 2))
        });
        let Some((key, end)) = key else {
            out.push_str(&rest[..start + 2]);
            rest = inside;
            continue;
        };
        let Some(value) = values.get(key) else {
            let line = text[..text.len() - rest.len() + start].matches('\n').count() + 1;
            let message = format!("{path}:{line}: `{{{{ init.{key} }}}}` has no value");
            return Err(Failure::new(Exit::Usage, message).hint(format!("give it one: --set {key}=VALUE")));
        };
        out.push_str(&rest[..start]);
        out.push_str(value);
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(out)
}

fn write(dir: &Path, file: &Made) -> Result<(), Failure> {
    let path = dir.join(&file.path);
    let failed = |error: std::io::Error| {
        Failure::local(format!("The file {} cannot be written", path.display()), &error)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Never over a file that came in between.
    let mut out =
        OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&path).map_err(failed)?;
    out.write_all(&file.bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(dir: &Path) -> Init {
        Init { dir: dir.to_owned(), name: None, template: None, set: Vec::new() }
    }

    fn quiet() -> Screen {
        Screen::new(crate::args::Output::Json)
    }

    #[test]
    fn the_files_are_all_there_and_check_clean() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("My Shop");
        run(quiet(), &init(&dir)).expect("written");
        let checked = directory::check(&dir).expect("read");
        assert_eq!(checked.diagnostics, []);
        let declared = checked.declared.expect("declared");
        assert_eq!(declared.workload.name, "my-shop");
        assert_eq!((declared.procedures.len(), declared.triggers.len(), declared.rules.len()), (1, 1, 1));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/service");
        assert_eq!(copied(&root).expect("there").len(), OWN.len(), "a file of the template is left out");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("docs")).expect("made");
        std::fs::write(folder.path().join("docs/heartbeat.md"), "mine").expect("written");
        let mut wanted = init(folder.path());
        wanted.name = Some("shop".to_owned());
        let failure = run(quiet(), &wanted).expect_err("in the way");
        assert!(failure.message.contains("docs/heartbeat.md"), "{failure:?}");
        assert!(!folder.path().join("mainstay.yaml").exists());
        let kept = std::fs::read_to_string(folder.path().join("docs/heartbeat.md")).expect("there");
        assert_eq!(kept, "mine");
    }

    #[test]
    fn templates_are_copied_with_their_values() {
        let folder = tempfile::tempdir().expect("a folder");
        let template = folder.path().join("template");
        std::fs::create_dir_all(template.join("docs")).expect("made");
        let text = "workload: {{ init.name }}\nowner: {{init.team}}\ntitle: \"{{ $value }} {{ Host }} {{\"\n";
        std::fs::write(template.join("mainstay.yaml"), text).expect("written");
        std::fs::write(template.join("docs/{{ init.team }}.bin"), b"\xff{{ init.name }}").expect("written");
        let mut wanted = init(&folder.path().join("shop"));
        wanted.template = Some(template);
        let failure = run(quiet(), &wanted).expect_err("no team");
        assert!(failure.message.contains("`{{ init.team }}` has no value"), "{failure:?}");
        assert!(!wanted.dir.exists());
        wanted.set = vec![("team".to_owned(), "web".to_owned())];
        run(quiet(), &wanted).expect("written");
        let read = |path: &str| std::fs::read(wanted.dir.join(path)).expect("there");
        let expected = "workload: shop\nowner: web\ntitle: \"{{ $value }} {{ Host }} {{\"\n";
        assert_eq!(String::from_utf8_lossy(&read("mainstay.yaml")), expected);
        assert_eq!(read("docs/web.bin"), b"\xff{{ init.name }}");
        wanted.set = vec![("team".to_owned(), "../web".to_owned())];
        assert!(run(quiet(), &wanted).expect_err("outside").message.contains("no path inside"));
        for name in ["../up", "a/b", ""] {
            wanted.name = Some(name.to_owned());
            assert_eq!(run(quiet(), &wanted).expect_err("no name").exit, Exit::Usage);
        }
    }
}
