//! What the parser says about text that is not PromQL, and where it underlines.

use std::path::{Path, PathBuf};

use mainstay_promql::{Expr, ParseOptions, parse, parse_selector, parse_with};

/// The first error of a text, as its message and the text it underlines.
fn first_error(text: &str) -> (String, String) {
    let errors = parse(text).expect_err("is refused");
    let error = errors.first().expect("has an error");
    (error.to_string(), text[error.span.clone()].to_owned())
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("", "1:1: parse error: no expression found in input", ""),
        ("sum(", "1:5: parse error: unclosed left parenthesis", ""),
        ("foo)", "1:4: parse error: unexpected right parenthesis ')'", ")"),
        ("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string", "b"),
        ("foo{a=\"b\"", "1:10: parse error: unexpected end of input inside braces", ""),
        (
            "{a=~\"\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
            "{a=~\"\"}",
        ),
        ("rat(foo[5m])", "1:1: parse error: unknown function with name \"rat\"", "rat"),
        (
            "rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            "foo",
        ),
        ("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier", ">"),
        (
            "foo + \"x\"",
            "1:7: parse error: binary expression must contain only scalar and instant vector types",
            "\"x\"",
        ),
        (
            "foo[5m] + 1",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
            "foo[5m]",
        ),
        (
            "foo and 1",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
            "foo and 1",
        ),
        ("foo offset 5m offset 5m", "1:15: parse error: offset may not be set multiple times", "offset"),
        (
            "sum(foo) offset 5m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            "sum(foo) offset",
        ),
        (
            "foo[5m] offset 1h[5m]",
            "1:1: parse error: ranges only allowed for vector selectors",
            "foo[5m] offset 1h",
        ),
        ("foo[0s]", "1:5: parse error: duration must be greater than 0", "0s"),
        ("foo[5x]", "1:5: parse error: bad number or duration syntax: \"5x\"", "5x"),
        (
            "topk(foo)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
            "topk(foo)",
        ),
        (
            "label_replace(foo)",
            "1:1: parse error: expected 5 argument(s) in call to \"label_replace\", got 1",
            "label_replace(foo)",
        ),
        ("abs(foo,)", "1:9: parse error: trailing commas not allowed in function call args", ")"),
        (
            "foo{__name__=\"bar\"}",
            "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"",
            "foo{__name__=\"bar\"}",
        ),
        ("sum by (a", "1:10: parse error: unclosed left parenthesis", ""),
        ("foo\n  + +", "2:6: parse error: unexpected end of input", ""),
        ("\"a\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'", "\"a\\q\""),
        ("foo =~ 1", "1:5: parse error: unexpected character after '=': '~'", "=~"),
        (
            "foo anchored smoothed",
            "1:14: parse error: anchored and smoothed modifiers cannot be used together",
            "smoothed",
        ),
        (
            "foo + on(a) group_left(a) bar",
            "1:5: parse error: label \"a\" must not occur in ON and GROUP clause at once",
            "+",
        ),
        ("foo @ NaN", "1:5: parse error: timestamp out of bounds for @ modifier: NaN", "@ NaN"),
    ];
    for (text, message, underlined) in cases {
        assert_eq!(first_error(text), (message.to_owned(), underlined.to_owned()), "{text}");
    }
}

#[test]
fn all_type_errors_are_found_at_once() {
    let errors = parse("rate(foo) + abs(1) + topk(bar, 2)").expect_err("is refused");
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn a_misspelt_function_is_recognised() {
    let errors = parse("histogram_quantil(0.9, foo)").expect_err("is refused");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean histogram_quantile?"));
}

#[test]
fn parts_that_are_not_enabled_are_refused_by_name() {
    let options = ParseOptions::prometheus_defaults();
    for (text, part) in [
        ("limitk(2, foo)", "limitk() is experimental"),
        ("mad_over_time(foo[5m])", "mad_over_time() is experimental"),
        ("rate(foo[5m] anchored)", "anchored modifier is experimental"),
        ("foo + fill(0) bar", "binop fill modifiers are experimental"),
    ] {
        let errors = parse_with(text, &options).expect_err("is refused");
        assert!(errors[0].message.starts_with(part), "{errors:?}");
        assert!(parse(text).is_ok());
    }
}

#[test]
fn expressions_print_canonically() {
    for (text, printed) in [
        ("SUM(foo)BY(b,a)", "sum by (b, a) (foo)"),
        ("foo{b='1',a=\"2\"}[1h30m]offset 1d", "foo{a=\"2\",b=\"1\"}[1h30m] offset 1d"),
        ("foo @ 1.5 offset -60", "foo @ 1.500 offset -1m"),
        ("{'a.b', c!='d'}", "{__name__=\"a.b\",c!=\"d\"}"),
        ("rate(x[5m:])", "rate(x[5m:])"),
        ("a*on(x)group_left(y)b", "a * on (x) group_left (y) b"),
        ("-2^2", "-2 ^ 2"),
        ("0x1F + 1e3", "31 + 1000"),
        ("foo[step()+5m]", "foo[step() + 5m]"),
        ("sum without()(x)", "sum without () (x)"),
    ] {
        assert_eq!(parse(text).expect("parses").to_string(), printed);
    }
}

#[test]
fn selectors_are_found_wherever_they_are() {
    let expr = parse("sum(rate(a[5m])) / on () (b or topk(scalar(c), {d='1'}))[1h:] offset 1m").map(drop);
    assert!(expr.is_err(), "a range vector is no operand");
    let expr = parse("sum(rate(a[5m])) / on () (b or topk(scalar(c), {d='1'}))").expect("parses");
    let names: Vec<_> = expr.selectors().iter().map(|s| s.metric_name().unwrap_or("-")).collect();
    assert_eq!(names, ["a", "b", "c", "-"]);
    assert!(parse_selector("up{job='x'}").is_ok());
    assert!(parse_selector("sum(up)").is_err());
}

fn corpora() -> PathBuf {
    std::env::var_os("MAINSTAY_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
            found.push(path);
        }
    }
}

/// The values of `expr:` keys, which is all that is needed of these files here.
fn expressions(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let key = line.trim_start().trim_start_matches("- ");
        let Some(value) = key.strip_prefix("expr:") else { continue };
        let value = value.trim();
        let block = matches!(value, "" | "|" | "|-" | ">" | ">-" | "|+");
        let depth = line.len() - key.len();
        let rest = lines[i + 1..].iter().take_while(|l| l.trim().is_empty() || indent(l) > depth);
        let body: Vec<&str> = rest.copied().collect();
        found.push(if block {
            body.join("\n")
        } else if let Some(quoted) = value.strip_prefix('\'') {
            quoted.trim_end_matches('\'').replace("''", "'")
        } else if let Some(quoted) = value.strip_prefix('"') {
            quoted.trim_end_matches('"').replace("\\\"", "\"").replace("\\\\", "\\")
        } else {
            format!("{value} {}", body.join(" "))
        });
    }
    found
}

#[test]
fn published_rules_parse_and_round_trip() {
    let mut files = Vec::new();
    for folder in ["alerts-awesome", "alerts-kube-prometheus", "mixin-kubernetes", "promql-prometheus"] {
        yaml_files(&corpora().join(folder), &mut files);
    }
    if files.is_empty() {
        println!("skipped: no corpora");
        return;
    }
    let (mut count, mut bad) = (0, Vec::new());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        for expr in expressions(&text) {
            // Templates and the broken rule files of Prometheus' own tests are not PromQL.
            if expr.contains("{{") || file.to_string_lossy().contains("bad") {
                continue;
            }
            count += 1;
            let again = |parsed: &Expr| parse(&parsed.to_string()).map(|again| again.to_string());
            match parse(&expr) {
                Ok(parsed) if again(&parsed) == Ok(parsed.to_string()) => {}
                Ok(parsed) => bad.push(format!("{} was printed as {parsed}", expr.trim())),
                Err(errors) => bad.push(format!("{}: {}\n{}", file.display(), errors[0], expr.trim())),
            }
        }
    }
    println!("{count} expressions in {} files", files.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(count > 500, "only {count} expressions were found");
}
