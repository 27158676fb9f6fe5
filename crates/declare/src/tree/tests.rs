use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::SourceFile;

fn source(path: &str, text: &str) -> Source {
    let (source, problem) =
        Source::read(&SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() });
    assert_eq!(problem, None);
    source
}

fn read(path: &str, text: &str) -> (Source, Parsed) {
    let source = source(path, text);
    let parsed = parse(&source);
    (source, parsed)
}

fn one(text: &str) -> (Source, Node) {
    let (source, mut parsed) = read("x.yaml", text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    assert_eq!(parsed.documents.len(), 1, "{text}");
    let node = parsed.documents.remove(0);
    (source, node)
}

/// The code and the underlined text of each problem.
fn problems(path: &str, text: &str) -> Vec<(&'static str, String)> {
    let (source, parsed) = read(path, text);
    parsed.diagnostics.iter().map(|d| (d.code, source.text[d.span.clone()].to_owned())).collect()
}

fn shown<'a>(source: &'a Source, node: &Node, path: &[Segment], spot: &Spot) -> &'a str {
    &source.text[node.locate(path, spot, source)]
}

#[test]
fn spans_are_the_text_itself() {
    let (source, root) = one(concat!(
        "\u{feff}# é comment\n",
        "a: &x  plain text   # comment\n",
        "'ké': !!str 12  \n",
        "c: \"q\\\"uo\"   # comment\n",
        "d: 'it''s'\n",
        "e: &list # comment\n",
        "  - one\n",
        "  - {k: v, l: [1,\n   2]}\n",
        "f:\n",
        "g: *x\n",
        "h: |\n",
        "  first\n",
        "  second\n",
        "\n",
        "i: {a: 1}\n",
    ));
    let value = |key: &str| shown(&source, &root, &[key.into()], &Spot::Value);
    assert_eq!(value("a"), "plain text");
    assert_eq!(value("ké"), "12");
    assert_eq!(value("c"), "\"q\\\"uo\"");
    assert_eq!(value("d"), "'it''s'");
    assert_eq!(value("e"), "e", "a value of many lines is shown by its key");
    assert_eq!(value("f"), "f", "so is nothing");
    assert_eq!(value("g"), "plain text", "an alias is what it repeats");
    assert_eq!(value("h"), "first\n  second");
    assert_eq!(value("i"), "{a: 1}");
    assert_eq!(shown(&source, &root, &["ké".into()], &Spot::Key), "'ké'");
    let item = |index: usize| shown(&source, &root, &["e".into(), index.into()], &Spot::Value);
    assert_eq!(item(0), "one");
    assert_eq!(item(1), "k");
    assert_eq!(shown(&source, &root, &["e".into(), 7.into()], &Spot::Value), "e");
    assert_eq!(shown(&source, &root, &["nothing".into(), "there".into()], &Spot::Key), "a");
    let NodeKind::Map(entries) = &root.kind else { panic!("a mapping") };
    assert_eq!(&source.text[entries[4].value.span.clone()], "- one\n  - {k: v, l: [1,\n   2]}");
}

#[test]
fn parts_of_a_text_are_found_in_every_style() {
    for (text, part, expected) in [
        ("a: one two", "two", "two"),
        ("a: one\n  two three", "two", "two"),
        ("a: one\n\n  two three", "three", "three"),
        ("a: 'it''s two'", "two", "two"),
        ("a: 'it''s two'", "'s", "''s"),
        ("a: \"tab\\t \\u00e9 two\"", "two", "two"),
        ("a: \"one \\\n   two\"", "two", "two"),
        ("a: \"one\n   two\"", "one two", "one\n   two"),
        ("a: |\n  one\n    two\n\n  three", "two", "two"),
        ("a: |\n  one\n    two\n\n  three", "three", "three"),
        ("a: |\n\n\n  one\n  two\n", "two", "two"),
        ("a: |\r\n  one\r\n  two\r\n", "two", "two"),
        ("a: |2-\n    one\n  two", "two", "two"),
        ("a: &x |\n  one\n  two\n", "two", "two"),
        ("a: >\n  one\n  two\n\n  three\n   more\n  four", "two", "two"),
        ("a: >\n  one\n  two\n\n  three\n   more\n  four", "three", "three"),
        ("a: >\n  one\n  two\n\n  three\n   more\n  four", "four", "four"),
        ("a: >-\n  é one\n  two", "one two", "one\n  two"),
    ] {
        let (source, root) = one(text);
        let value = root.to_value()["a"].as_str().expect("a text").to_owned();
        let at = value.find(part).unwrap_or_else(|| panic!("{value:?} has no {part:?}"));
        let found = shown(&source, &root, &["a".into()], &Spot::Within(at..at + part.len()));
        assert_eq!(found, expected, "{text:?}");
        let end = root.locate(&["a".into()], &Spot::Within(value.len()..value.len()), &source);
        assert!(end.is_empty(), "{text:?}: {end:?}");
    }
}

#[test]
fn values_follow_the_core_schema_and_keep_what_was_written() {
    let (_, root) =
        one("a: 0.30\nb: '0.3'\nc: ~\nd: yes\ne: [1, -2, .inf]\n1: x\ntrue: y\nf: !!str 5\ng: ! 6\n");
    assert_eq!(
        root.to_value(),
        json!({"a": 0.3, "b": "0.3", "c": null, "d": "yes", "e": [1, -2, ".inf"], "1": "x", "true": "y",
               "f": "5", "g": "6"})
    );
    let NodeKind::Scalar(scalar) = &root.get("a").expect("there").value.kind else { panic!("a scalar") };
    assert_eq!(scalar.text, "0.30");
}

#[test]
fn merge_keys_fill_in_what_is_not_written() {
    let (_, root) =
        one("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse:\n  x: 9\n  <<: [*b, *o]\n'<<': text\n");
    assert_eq!(root.to_value()["use"], json!({"x": 9, "y": 2, "z": 4}));
    assert_eq!(root.to_value()["<<"], "text");
    assert_eq!(problems("x.yaml", "a: {<<: 1}\n"), [("bad-merge", "1".to_owned())]);
    assert_eq!(problems("x.yaml", "a: {<<: [{}, b]}\n"), [("bad-merge", "b".to_owned())]);
}

#[test]
fn what_is_not_yaml_is_refused_at_its_place() {
    for (text, code, shown) in [
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", "a"),
        ("a: 1\n'a': 3\n", "duplicate-key", "'a'"),
        ("? [a]\n: b\n", "bad-key", "[a]"),
        ("a: {{ b }}\n", "bad-key", "{ b }"),
        (": b\n", "bad-key", ""),
        ("a: &x [*x]\n", "bad-alias", "*x"),
        ("a: *x\n", "syntax", "*"),
        ("a: !Ref b\n", "unsupported-tag", "!Ref"),
        ("a: !!binary b\n", "unsupported-tag", "!!binary"),
        ("a: !!int b\n", "wrong-type", "b"),
        ("a: 'b\n", "syntax", "'"),
        ("a: [b\n", "syntax", ""),
        ("a: b: c\n", "syntax", ":"),
        ("a:\n\tb: c\n", "syntax", "\t"),
        ("a: |\n\tb\n", "syntax", "|"),
        ("a:\n  b: 'x\n  \ty'\n\tc: d", "syntax", "\t"),
        ("a:\n  b: c\n d: e\n", "syntax", "d"),
        ("- a\nb: c\n", "syntax", "b"),
    ] {
        assert_eq!(problems("x.yaml", text), [(code, shown.to_owned())], "{text:?}");
    }
}

#[test]
fn depth_and_aliases_are_bounded() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    for path in ["x.yaml", "x.json"] {
        assert_eq!(problems(path, &deep(64)), [], "{path}");
        assert_eq!(problems(path, &deep(65)), [("too-deep", "[".to_owned())], "{path}");
        assert_eq!(problems(path, &deep(100_000))[0].0, "too-deep", "{path}");
    }
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut ladder = "b0: &b0 [x]\n".to_owned();
    for level in 1..100 {
        let before = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
        ladder.push_str(&format!("b{level}: &b{level} [*b{}]\n", level - 1));
    }
    assert_eq!(problems("x.yaml", &laughs)[0].0, "too-many-aliases");
    assert_eq!(problems("x.yaml", &ladder)[0].0, "too-deep");
}

#[test]
fn documents_are_counted_and_empty_files_have_none() {
    for (text, documents) in
        [("", 0), ("# only words\n", 0), ("--- \n", 1), ("a: 1\n---\nb: 2\n", 2), ("a: 1\n...\n", 1)]
    {
        assert_eq!(read("x.yaml", text).1.documents.len(), documents, "{text:?}");
    }
}

#[test]
fn json_is_read_as_json() {
    let text = "{\n\t\"a\": [1, -2.5e3, true, null],\n\t\"b\\u00e9\\ud83d\\ude00\": \"x\\n\\\"y\\\"\"\n}";
    let (source, parsed) = read("x.json", text);
    assert_eq!(parsed.diagnostics, []);
    let root = &parsed.documents[0];
    assert_eq!(root.to_value(), json!({"a": [1, -2500.0, true, null], "bé😀": "x\n\"y\""}));
    assert_eq!(shown(&source, root, &["bé😀".into()], &Spot::Within(2..5)), "\\\"y\\\"");
    for (text, shown) in [
        ("{\"a\": 1,}", "}"),
        ("{a: 1}", "a"),
        ("[1 2]", "2"),
        ("[01]", "01"),
        ("[+1]", "+1"),
        ("[.5]", ".5"),
        ("[1.]", "1."),
        ("[tru]", "tru"),
        ("{\"a\" 1}", "1"),
        ("[] x", "x"),
        ("[\"\\q\"]", "\\q"),
        ("[\"\\ud800\"]", "\\ud800"),
        ("[\"\\u12\"]", "\\u"),
        ("[\"a\nb\"]", "\"a"),
        ("[\"a\tb\"]", "\t"),
        ("[\"a", "\""),
        ("// x\n[]", "/"),
        ("[", ""),
    ] {
        assert_eq!(problems("x.json", text), [("syntax", shown.to_owned())], "{text:?}");
    }
    assert_eq!(problems("x.json", "{\"a\": 1, \"a\": 2}"), [("duplicate-key", "\"a\"".to_owned())]);
}

fn check_spans(source: &Source, node: &Node) {
    for span in [&node.span, &node.focus] {
        assert!(source.text.get(span.clone()).is_some(), "{span:?} of {:?}", source.text);
    }
    match &node.kind {
        NodeKind::Scalar(scalar) => {
            let step = scalar.text.len() / 8 + 1;
            for (at, c) in scalar.text.char_indices().step_by(step) {
                let found = node.within(at..at + c.len_utf8(), source);
                assert!(source.text.get(found.clone()).is_some(), "{found:?} of {:?}", source.text);
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| check_spans(source, item)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| {
            assert!(source.text.get(entry.key_span.clone()).is_some());
            check_spans(source, &entry.value);
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_readers(text in "([a-z:é{}\\[\\],&*!|>'\"%#?\\\\0-9\\-<~. \t\r\n]|\n  |: |- |\\{\\{|&a |\\*a|\\\\u00e9|<<: ){0,60}") {
        for path in ["x.yaml", "x.json"] {
            let (source, parsed) = read(path, &text);
            for diagnostic in &parsed.diagnostics {
                prop_assert!(source.text.get(diagnostic.span.clone()).is_some());
            }
            parsed.documents.iter().for_each(|node| check_spans(&source, node));
        }
    }

    #[test]
    fn json_agrees_with_serde_json(text in "[\\[\\]{}:,\"a0-9.eE+\\-\\\\u \ntrfalsn]{0,24}") {
        let (_, parsed) = read("x.json", &text);
        let ours = parsed.documents.first().filter(|_| parsed.diagnostics.is_empty()).map(Node::to_value);
        match serde_json::from_str::<Value>(&text) {
            // Numbers that overflow are refused there and a text here; keys twice are refused here.
            Ok(value) if !parsed.diagnostics.iter().any(|d| d.code == "duplicate-key") => prop_assert_eq!(ours, Some(value)),
            Ok(_) => {}
            Err(error) => prop_assert!(ours.is_none() || error.to_string().contains("out of range"), "{}", error),
        }
    }
}

/// Files of the field, where they are at hand. Each is read, or refused for a reason that was looked at: tags of
/// CloudFormation, keys that are there twice, files that are broken on purpose, and five whose brackets or quotes go on in
/// lines that are indented less than YAML 1.2 asks for (YAML 1.1 readers let that pass).
#[test]
fn files_of_the_field_are_read() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let root = std::env::var("MAINSTAY_CORPORA").unwrap_or_else(|_| default.to_owned());
    let mut stack = vec![std::path::PathBuf::from(root)];
    if !stack[0].is_dir() {
        println!("skipped: no corpora");
        return;
    }
    let mut refused = std::collections::BTreeMap::new();
    let mut read_files = 0;
    while let Some(at) = stack.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                stack.push(path);
            } else if [".yaml", ".yml", ".json"].iter().any(|extension| name.ends_with(extension)) {
                let bytes = std::fs::read(&path).unwrap_or_default();
                let (source, problem) = Source::read(&SourceFile { path: name.clone(), bytes });
                let parsed = parse(&source);
                parsed.documents.iter().for_each(|node| check_spans(&source, node));
                match parsed.diagnostics.first().or(problem.as_ref()) {
                    None => read_files += 1,
                    Some(d) => {
                        println!("{name}:{}:{} {} {}", d.start.line, d.start.column, d.code, d.message);
                        *refused.entry(d.code).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    println!("{read_files} files read");
    let known = [("duplicate-key", 6), ("syntax", 11), ("unsupported-tag", 52)];
    assert_eq!(refused, known.into_iter().collect(), "after {read_files} files that were read");
}

/// Long mappings find their keys by an index, short ones by looking; both mean the same.
#[test]
fn keys_are_found_in_short_and_in_long_mappings() {
    for count in [2, 15, 16, 17, 18, 40] {
        let base: String = (0..count).map(|at| format!("  k{at}: base\n")).collect();
        let own: String = (0..count).step_by(2).map(|at| format!("  k{at}: own\n")).collect();
        let (_, root) = one(&format!("base: &base\n{base}merged:\n  <<: *base\n{own}"));
        let merged = root.get("merged").expect("it is there").value.to_value();
        for at in 0..count {
            assert_eq!(merged[format!("k{at}")], if at % 2 == 0 { "own" } else { "base" }, "{at} of {count}");
        }
        assert_eq!(merged.as_object().map(serde_json::Map::len), Some(count));
        let last = format!("k{}", count - 1);
        let twice = format!("base:\n{base}  {last}: again\n");
        assert_eq!(problems("x.yaml", &twice), [("duplicate-key", last)]);
    }
}
