//! Codes about the form of files: text, YAML, JSON.

use super::{Example, SHOP, Text};
use crate::SourceFile;
use crate::source::MAX_FILE_BYTES;

fn workload(bytes: Vec<u8>) -> Vec<SourceFile> {
    vec![SourceFile { path: "mainstay.yaml".to_owned(), bytes }]
}

fn not_utf8() -> Vec<SourceFile> {
    workload(b"workload: shop\ntitle: Caf\xe9\n".to_vec())
}

fn control() -> Vec<SourceFile> {
    workload(b"workload: shop\ntitle: Web\0shop\n".to_vec())
}

fn too_deep() -> Vec<SourceFile> {
    workload(format!("workload: shop\ntags: {}{}\n", "[".repeat(70), "]".repeat(70)).into_bytes())
}

fn too_large() -> Vec<SourceFile> {
    workload(format!("workload: shop\n#{}\n", "x".repeat(MAX_FILE_BYTES)).into_bytes())
}

fn too_many_problems() -> Vec<SourceFile> {
    let keys: String = (0..1100).map(|number| format!("key-{number}: 1\n")).collect();
    workload(format!("workload: shop\n{keys}").into_bytes())
}

pub(super) const TEXTS: &[Text] = &[
    Text {
        code: "bad-alias",
        why: "`*name` repeats the value that `&name` marks. Inside that very value it would repeat itself without end. Mark a value that is complete before the alias.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags: &tags\n  team: *tags\n")]),
        right: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\ntags:\n  team: &team web\n  owner: *team\n",
        )]),
    },
    Text {
        code: "bad-key",
        why: "Keys are texts, so that each can be named. YAML allows lists and mappings as keys; mostly that is a brace or bracket meant as text.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags:\n  [a, b]: web\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags:\n  \"[a, b]\": web\n")]),
    },
    Text {
        code: "bad-merge",
        why: "`<<` takes the keys of other mappings into this one, so its value is an alias of a mapping, or a list of them. What is written out wins over what is merged.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags:\n  <<: production\n")]),
        right: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop
components:
  web:
    hosts: \"*\"
    service:
      run: ./web
      env: &common { LEVEL: info }
  jobs:
    hosts: \"*\"
    service:
      run: ./jobs
      env:
        <<: *common
        QUEUE: mails
",
        )]),
    },
    Text {
        code: "control-character",
        why: "YAML and JSON allow no control characters but tabs and line ends; a YAML reader would take some of them for the end of the file and silently leave out the rest. Remove it, or write it as an escape in double quotes.",
        wrong: Example::Made("`title: Web\\0shop`, with a real NUL byte", control),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: \"Web\\u2002shop\"\n")]),
    },
    Text {
        code: "duplicate-key",
        why: "Of two equal keys one would silently be lost, and readers disagree which. Keep one, or give the second another name.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\nowner: team-a\nowner: team-b\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\nowner: team-a\n")]),
    },
    Text {
        code: "empty-file",
        why: "A file in a folder that is read declares something. One that is empty, or holds comments only, is mostly a file that was not saved.",
        wrong: Example::Directory(&[("mainstay.yaml", "# to be written\n")]),
        right: Example::Directory(&[SHOP]),
    },
    Text {
        code: "invalid-utf8",
        why: "Files are UTF-8, so that everybody reads the same text. Editors on Windows may save UTF-16 or Latin-1; save the file as UTF-8.",
        wrong: Example::Made("`title: Café` in Latin-1, where `é` is the single byte 0xE9", not_utf8),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: Café\n")]),
    },
    Text {
        code: "several-documents",
        why: "A line `---` begins a second document. Rule files may hold several; every other file declares one thing, so it would not be known which counts.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\n---\nworkload: depot\n")]),
        right: Example::Directory(&[("mainstay.yaml", "---\nworkload: shop\n")]),
    },
    Text {
        code: "syntax",
        why: "The file cannot be read as YAML (or as JSON, if its name ends in `.json`). Mostly the indentation differs from the line above, a bracket or quote is not closed, or a text that holds `: ` needs quotes.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: Shop: the web one\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: \"Shop: the web one\"\n")]),
    },
    Text {
        code: "too-deep",
        why: "No file of a workload nests values so deep; the limit keeps a hostile file from using up the stack. Aliases count with what they repeat.",
        wrong: Example::Made("`tags:` with 70 lists inside each other", too_deep),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags: { stage: production }\n")]),
    },
    Text {
        code: "too-large",
        why: "One file may have 1 MiB and one directory 16 MiB of files that are read, as each revision of a workload is kept with all of them. Split a large rule file; keep data in folders that are not read, such as `data/`.",
        wrong: Example::Made("a `mainstay.yaml` of more than 1 MiB", too_large),
        right: Example::Directory(&[SHOP]),
    },
    Text {
        code: "too-many-aliases",
        why: "A few lines of nested aliases can stand for billions of values (\"billion laughs\"). Aliases of one file may repeat 100,000 values, which no honest file reaches.",
        wrong: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop
tags:
  a: &a [x, x, x, x, x, x, x, x, x, x]
  b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
  c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
  d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
  e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
  f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
",
        )]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags: { a: &a x, b: *a }\n")]),
    },
    Text {
        code: "too-many-problems",
        why: "Of one file a thousand problems are shown. So many mostly have one cause near the top: a file of another format, or one wrong indentation.",
        wrong: Example::Made("a `mainstay.yaml` with 1,100 unknown keys", too_many_problems),
        right: Example::Directory(&[SHOP]),
    },
    Text {
        code: "unsupported-tag",
        why: "A tag such as `!Ref` gives a value a meaning that only the program it was made for knows; here it would be dropped without a word. The tags of YAML itself (`!!str`, `!!int`, …) are understood.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags: { stage: !Ref Stage }\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntags: { stage: \"!Ref Stage\" }\n")]),
    },
];
