//! Templates of labels and annotations.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::template::ExpandError;
use mainstay_detect::{Data, Labels, Queries, Sample, Template};
use mainstay_model::Timestamp;
use proptest::prelude::*;

struct Two;

impl Queries for Two {
    fn instant(&self, query: &str, _at: Timestamp) -> Result<Vec<Sample>, String> {
        match query {
            "none" => Ok(Vec::new()),
            "fails" => Err("it fails".to_owned()),
            _ => Ok(vec![
                Sample::new([("__name__", "metric"), ("instance", "b"), ("__value__", "text")], 21.0),
                Sample::new([("__name__", "metric"), ("instance", "a")], 11.0),
            ]),
        }
    }
}

fn expand(text: &str) -> Result<String, ExpandError> {
    let labels: Labels = Sample::new([("instance", "web-1:9100"), ("job", "shop")], 0.0).labels;
    let external = Sample::new([("region", "eu")], 0.0).labels;
    let data = Data {
        labels: &labels,
        value: 1234.5,
        external_labels: &external,
        external_url: "https://mainstay.test/base",
        now: Timestamp::from_millis(1_500),
        queries: &Two,
    };
    Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).expand(&data)
}

#[test]
fn templates_expand_as_in_prometheus() {
    for (text, expected) in [
        ("plain {text}", "plain {text}"),
        ("{{ $labels.instance }}", "web-1:9100"),
        ("{{ $labels }}", "map[instance:web-1:9100 job:shop]"),
        ("{{ $labels.missing }}|", "|"),
        ("{{ .Labels.job }}{{ .Value }}{{ $.Value }}", "shop1234.51234.5"),
        (
            "{{ $externalLabels.region }} {{ $externalURL }} {{ pathPrefix }}",
            "eu https://mainstay.test/base /base",
        ),
        ("{{ $value | humanize }} {{ humanize $value }}", "1.234k 1.234k"),
        ("{{ $value | printf \"%.2f\" }}{{ printf `%0.0f` $value }}", "1234.501234"),
        ("{{ \"43200\" | humanizeDuration }}", "12h 0m 0s"),
        ("a {{- /* gone */ -}} b {{- `x` -}} c", "abxc"),
        ("{{ if eq $labels.job \"shop\" }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if false }}1{{ else if gt $value 2000.0 }}2{{ else if true }}3{{ else }}4{{ end }}", "3"),
        ("{{ if and true (not false) }}x{{ end }}{{ or \"\" \"y\" }}{{ and 1 0 \"never\" }}", "xy0"),
        (
            "{{ with $labels.cluster -}} on {{ . }} {{- end }}|{{ with $labels.job }}{{ . }}{{ else }}none{{ end }}",
            "|shop",
        ),
        ("{{ range query \"metric\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}", "b=21 a=11 "),
        (
            "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ . | label \"instance\" }}{{ . | value }}{{ end }}",
            "a11b21",
        ),
        ("{{ range $i, $s := query \"metric\" }}{{ $i }}{{ $s.Value }};{{ end }}", "021;111;"),
        ("{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty"),
        (
            "{{ (query \"metric\" | first).Labels.instance }}{{ query \"metric\" | first | strvalue }}",
            "btext",
        ),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"),
        ("{{ index $labels \"job\" }}{{ len $labels }}{{ slice \"abcdef\" 1 3 }}", "shop2bc"),
        (
            "{{ match \"web-.*\" $labels.instance }} {{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}",
            "true web-1",
        ),
        ("{{ $labels.instance | stripPort | toUpper | title }}", "WEB-1"),
        ("{{ \"a b&c\" | urlQueryEscape }} {{ graphLink \"up\" }}", "a+b%26c /graph?g0.expr=up&g0.tab=0"),
        ("{{ now }} {{ humanizeTimestamp now }}", "1.5 1970-01-01 00:00:01.5 +0000 UTC"),
        ("{{ print 1 2 \"x\" 3 }}{{ println \"y\" 1 }}", "1 2x3y 1\n"),
        ("{{ parseDuration \"1h\" | toDuration }} {{ 0.5 | humanizePercentage }}", "1h0m0s 50%"),
        ("{{ nil | print }}{{ 0x10 }}{{ 1e3 }}{{ true }}", "<no value>161000true"),
    ] {
        assert_eq!(expand(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn data_that_do_not_fit_are_an_error() {
    for (text, part) in [
        ("{{ query \"none\" | first }}", "first() called on vector with no elements"),
        ("{{ query \"fails\" }}", "error calling query: it fails"),
        ("{{ humanize \"x\" }}", "invalid syntax"),
        ("{{ gt $value 5 }}", "incompatible types for comparison: float64 and int"),
        ("{{ $value.x }}", "there is no field x"),
        ("{{ range $value }}{{ end }}", "range can't iterate"),
        ("{{ match \"(\" \"x\" }}", "is not a regular expression"),
        ("{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}x", "too many steps"),
        ("{{ range 9000 }}0123456789{{ end }}", "grows beyond"),
    ] {
        let error = expand(text).expect_err(text);
        assert!(error.0.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_is_not_a_template_is_pointed_at() {
    for (text, message, span) in [
        ("a {{ b }}", "There is no function `b`", 5..6),
        ("a {{ $value", "This `{{` is never closed", 2..11),
        ("{{ $label.x }}", "There is no variable `$label`", 3..9),
        ("{{ humanise 1 }}", "There is no function `humanise`", 3..11),
        ("{{ tmpl \"x\" }}", "The function `tmpl` is not supported", 3..7),
        ("{{ define \"x\" }}{{ end }}", "`define` is not supported", 3..9),
        ("{{ if true }}x", "This `if` has no `end`", 0..13),
        ("x{{ end }}", "`end` without a block to belong to", 1..10),
        ("{{ }}", "A value is missing here", 0..5),
        ("{{ humanize }}", "`humanize` takes 1 argument, found 0", 0..14),
        ("{{ $value | 5 }}", "Only a function can follow `|`", 12..13),
        ("{{ $value 5 }}", "Only functions take arguments", 10..11),
        ("{{ printf \"%k\" 1 }}", "The format `%k` is not supported", 0..19),
        ("{{ (1 }}", "This `(` is never closed", 3..4),
        ("{{ \"x }}", "This text is never closed", 3..8),
        ("{{ 1 } }}", "`}` cannot stand in an action", 5..6),
        ("{{ if $x := 1 }}{{ end }}{{ $x }}", "There is no variable `$x`", 28..30),
        ("{{ 1a }}", "`1a` is not a number", 3..5),
    ] {
        let error = Template::parse(text).expect_err(text);
        assert_eq!((error.message.as_str(), error.span), (message, span), "{text}");
    }
    let deep = "{{ if true }}".repeat(200) + &"{{ end }}".repeat(200);
    assert!(Template::parse(&deep).expect_err("too deep").message.contains("too deeply"));
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200));
    assert!(Template::parse(&deep).expect_err("too deep").message.contains("too deeply"));
    let deep = "{{ if true }}{{ else ".to_owned() + &"if true }}{{ else ".repeat(300) + "}}{{ end }}";
    assert!(Template::parse(&deep).expect_err("too deep").message.contains("too deeply"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(prop_oneof![
        Just("{{"), Just("}}"), Just("{{-"), Just("-}}"), Just(" "), Just("if"), Just("else"), Just("end"), Just("range"),
        Just("with"), Just("$x"), Just(":="), Just("="), Just("|"), Just("("), Just(")"), Just("."), Just(".a"), Just("$"),
        Just("1"), Just("-2.5e3"), Just("\"t\\n\""), Just("`r`"), Just("printf"), Just("query"), Just("é"), Just(","),
        Just("\"%s %5.2f\""), Just("and"), Just("index"), Just("/* c */"), Just("\\"), Just("'"), Just("0x"),
    ], 0..24)) {
        let text = pieces.concat();
        match Template::parse(&text) {
            Ok(template) => {
                let labels = Labels::new();
                let _ = template.expand(&Data {
                    labels: &labels,
                    value: f64::NAN,
                    external_labels: &labels,
                    external_url: "",
                    now: Timestamp::from_millis(0),
                    queries: &Two,
                });
            }
            Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{text}: {error:?}"),
        }
    }
}
