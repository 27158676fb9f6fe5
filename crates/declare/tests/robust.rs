//! Whatever the files hold, there is an answer: no panic, and every place lies in its file.

use std::collections::BTreeMap;
use std::path::Path;

use mainstay_declare::{
    Diagnostic, Kind, MAX_DIRECTORY_BYTES, MAX_FILE_BYTES, SourceFile, check_file, declare,
};
use proptest::prelude::*;

#[path = "../../cli/src/diagnostics.rs"]
mod diagnostics;
mod languages;
mod large;

use languages::Few;

fn file(path: &str, bytes: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: bytes.into() }
}

fn check(diagnostics: &[Diagnostic], sources: &BTreeMap<String, String>) {
    let places = diagnostics.iter().flat_map(|diagnostic| {
        let related = diagnostic.related.iter().map(|r| (r.path.as_str(), r.span.clone(), r.start, r.end));
        let own = (diagnostic.path.as_str(), diagnostic.span.clone(), diagnostic.start, diagnostic.end);
        std::iter::once(own).chain(related)
    });
    for (path, span, start, end) in places {
        let text = sources.get(path).map_or("", String::as_str);
        assert!(text.get(span.clone()).is_some(), "{span:?} is not in {path}: {text:?}");
        assert!(start.line >= 1 && start.column >= 1 && start <= end, "{start:?} {end:?}");
    }
    let drawn = diagnostics::render(diagnostics, sources, false);
    assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
    assert_eq!(diagnostics::to_json(diagnostics).as_array().map(Vec::len), Some(diagnostics.len()));
}

fn answer(files: &[SourceFile]) -> Vec<Diagnostic> {
    let outcome = declare(files, &Few);
    assert_eq!(outcome.declared.is_some(), !outcome.has_errors());
    check(&outcome.diagnostics, &outcome.sources);
    for kind in Kind::ALL.map(Some).into_iter().chain([None]) {
        let outcome = check_file(&files[0], kind, &Few);
        check(&outcome.diagnostics, &outcome.sources);
    }
    outcome.diagnostics
}

/// Every sample file of the golden tests, with its path inside its sample.
fn samples() -> Vec<SourceFile> {
    let mut out = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut stack = vec![root.join("invalid"), root.join("valid")];
    while let Some(at) = stack.pop() {
        for entry in std::fs::read_dir(at).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|extension| extension != "txt") {
                let inside = path.strip_prefix(&root).expect("inside").to_string_lossy().replace('\\', "/");
                let inside = inside.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
                out.push(file(inside.trim_start_matches("check/"), std::fs::read(&path).expect("readable")));
            }
        }
    }
    out.sort_by(|a, b| (&a.path, &a.bytes).cmp(&(&b.path, &b.bytes)));
    out
}

const PATHS: [&str; 6] = [
    "mainstay.yaml",
    "runbooks/a.yaml",
    "runbooks/b.json",
    "alarms/a.yaml",
    "triggers/a.yaml",
    "triggers/b.json",
];

/// Bytes that mean something in YAML, in JSON or to us.
const PIECES: [&str; 34] = [
    ":",
    " ",
    "\n",
    "-",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|",
    ">",
    "&a",
    "*a",
    "<<",
    "!",
    "#",
    "%",
    "\t",
    "\r\n",
    ",",
    "? ",
    "---\n",
    "...\n",
    "\u{feff}",
    "\0",
    "é",
    "😀",
    "\\u00e9",
    "\\",
    "${",
    "0x1",
    "\u{1b}[2J",
    "\u{85}",
];

#[derive(Clone, Debug)]
struct Edit {
    at: prop::sample::Index,
    remove: usize,
    insert: &'static str,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<prop::sample::Index>(), 0..6usize, prop::sample::select(&PIECES[..]));
    prop::collection::vec(edit.prop_map(|(at, remove, insert)| Edit { at, remove, insert }), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), path in prop::sample::select(&PATHS[..])) {
        answer(&[file(path, bytes)]);
    }

    #[test]
    fn mutated_samples_are_answered(sample in prop::sample::select(samples()), edits in edits(), cut in any::<prop::sample::Index>()) {
        let mut bytes = sample.bytes.clone();
        for edit in &edits {
            let at = edit.at.index(bytes.len() + 1);
            let end = (at + edit.remove).min(bytes.len());
            bytes.splice(at..end, edit.insert.bytes());
        }
        answer(&[file(&sample.path, bytes.clone()), file("mainstay.yaml", "workload: shop\n")]);
        bytes.truncate(cut.index(bytes.len() + 1));
        answer(&[file(&sample.path, bytes)]);
    }
}

fn codes(files: &[SourceFile]) -> Vec<&'static str> {
    answer(files).into_iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn what_cannot_be_text_is_named() {
    assert_eq!(codes(&[file("mainstay.yaml", *b"workload: sh\xffop\n")]), ["invalid-utf8"]);
    assert_eq!(codes(&[file("mainstay.yaml", *b"workload: shop\n\0")]), ["control-character"]);
    let wide: Vec<u8> = "workload: shop\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let diagnostics = answer(&[file("mainstay.yaml", [vec![0xff, 0xfe], wide].concat())]);
    assert_eq!(diagnostics[0].code, "invalid-utf8");
    assert!(diagnostics[0].help.as_deref().is_some_and(|help| help.contains("UTF-16")));
}

#[test]
fn files_and_directories_have_a_size() {
    let workload = file("mainstay.yaml", "workload: shop\n");
    let big = |path: &str, length: usize| file(path, format!("groups: []\n#{}\n", "x".repeat(length - 13)));
    assert_eq!(codes(&[workload.clone(), big("alarms/a.yaml", MAX_FILE_BYTES)]), [""; 0]);
    assert_eq!(codes(&[workload.clone(), big("alarms/a.yaml", MAX_FILE_BYTES + 1)]), ["too-large"]);
    let count = MAX_DIRECTORY_BYTES / MAX_FILE_BYTES + 1;
    let mut many: Vec<_> = (0..count).map(|n| big(&format!("alarms/{n:02}.yaml"), MAX_FILE_BYTES)).collect();
    many.push(workload);
    let diagnostics = declare(&many, &Few).diagnostics;
    assert_eq!(
        diagnostics.iter().map(|d| (d.code, d.path.as_str())).collect::<Vec<_>>(),
        [("too-large", "alarms/16.yaml")]
    );
}

/// Files of the largest size whose form is as unkind as it can be. Each must come back, which it would not in the
/// life of this test if anything were quadratic.
#[test]
fn unkind_files_come_back() {
    let fill = |piece: &str, start: &str| {
        format!("{start}{}", piece.repeat((MAX_FILE_BYTES - start.len()) / piece.len()))
    };
    for (piece, start) in [
        ("[", ""),
        ("{", ""),
        ("- ", ""),
        ("? ", ""),
        ("a: ", ""),
        ("a:\n ", ""),
        ("!", "a: "),
        ("&a ", "a: "),
        ("*a ", "a: "),
        ("x", "a: \""),
        ("\\", "a: \""),
        ("'", "a: "),
        ("\n", "a: |\n  x"),
        ("  \n", "a: >\n  x\n"),
        (" x\n", "a: >\n"),
        ("é", ""),
        ("x, ", "tags: {"),
        ("é: [], ", "{"),
        ("\"\": 1,", "{"),
        ("#\n", ""),
        ("---\n", ""),
        ("%A\n", ""),
        (" ", "a: b"),
        ("\r", "a: b"),
        ("- {k: 1}\n", "priorities:\n"),
        ("- \"{{\"\n", "priorities:\n"),
    ] {
        for path in ["mainstay.yaml", "runbooks/a.json"] {
            let files = [file(path, fill(piece, start))];
            let outcome = declare(&files, &Few);
            check(&outcome.diagnostics, &outcome.sources);
            assert!(outcome.diagnostics.len() <= 1002, "{piece:?}: {}", outcome.diagnostics.len());
        }
    }
    let chain: String = (0..5000).map(|n| format!("  c{n}: {{ depends_on: [c{}] }}\n", n + 1)).collect();
    let chain = format!("workload: shop\ncomponents:\n{chain}  c5000: {{ depends_on: [c0] }}\n");
    assert_eq!(codes(&[file("mainstay.yaml", chain)]), ["dependency-cycle"]);
    let problems = format!("workload: shop\n{}", (0..3000).map(|n| format!("k{n}: 1\n")).collect::<String>());
    let found = codes(&[file("mainstay.yaml", problems)]);
    assert_eq!(found.len(), 1001);
    assert!(found.contains(&"too-many-problems"));
}

/// Ten thousand lines are read to the last one, and a slip there is found there.
#[test]
fn long_files_are_read_to_their_end() {
    let mut files = large::files(900);
    let outcome = declare(&files, &Few);
    assert_eq!(outcome.diagnostics, []);
    assert_eq!(outcome.declared.map(|declared| declared.workload.components.len()), Some(900));
    let mut text = String::from_utf8(files[0].bytes.clone()).expect("text");
    let lines = text.lines().count();
    assert!(lines > 10_000, "{lines}");
    text.truncate(text.trim_end().len() - "c0889]".len());
    text.push_str("c0988]\n");
    files[0].bytes = text.into_bytes();
    let diagnostics = answer(&files);
    let found: Vec<_> = diagnostics.iter().map(|d| (d.code, d.path.as_str(), d.start.line)).collect();
    assert_eq!(found, [("unknown-component", "mainstay.yaml", lines)]);
}

#[test]
fn order_of_files_says_nothing() {
    let mut files = samples();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    let forward = declare(&files, &Few);
    files.reverse();
    assert_eq!(declare(&files, &Few), forward);
}

/// The samples, mutated for as many seconds as `DECLARE_FUZZ_SECONDS` says (none by default), and how many that were.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it runs is what is asked for")]
fn for_a_time() {
    let seconds = std::env::var("DECLARE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let seed: u64 = std::env::var("DECLARE_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let samples = samples();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).expect("below a usize")
    };
    let mut rounds = 0;
    // A few always, so that the loop itself is known to work.
    while rounds < 50 || std::time::Instant::now() < end {
        let sample = &samples[next(samples.len())];
        let other = &samples[next(samples.len())];
        let mut bytes = sample.bytes.clone();
        for _ in 0..=next(6) {
            let at = next(bytes.len() + 1);
            let remove = (at + next(6)).min(bytes.len());
            let insert = match next(3) {
                0 => PIECES[next(PIECES.len())].as_bytes().to_vec(),
                1 => vec![u8::try_from(next(256)).expect("a byte")],
                // A part of another file, which is how two mistakes meet.
                _ => {
                    let from = next(other.bytes.len() + 1);
                    other.bytes[from..(from + next(80)).min(other.bytes.len())].to_vec()
                }
            };
            bytes.splice(at..remove, insert);
        }
        answer(&[file(&sample.path, bytes), file("mainstay.yaml", "workload: shop\n")]);
        rounds += 1;
    }
    println!("{rounds} mutated files in {seconds} s, seed {seed}");
}
