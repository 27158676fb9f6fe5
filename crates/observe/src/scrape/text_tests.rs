use proptest::prelude::*;

use super::*;

fn series(text: &str, format: Format) -> Vec<(String, f64, Option<i64>)> {
    let page = parse(text, format).expect("parses");
    page.samples.into_iter().map(|s| (crate::batch::canonical(&s.labels), s.value, s.t_ms)).collect()
}

#[test]
fn text_format() {
    let text = "# HELP http_requests_total Requests\\nserved \\\\ all\n# TYPE http_requests_total counter\n\
        http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
        http_requests_total { method = \"a\\\"b\\\\c\\nd\" , empty=\"\", } 3\n\
        # just a comment\n\n\t up +Inf\nwithout_labels{} -1.5e-3\nnan_value NaN\n\
        {\"metric.name\",\"label.x\"=\"v\"} 1";
    let found = series(text, Format::Text);
    assert_eq!(found[0].0, r#"{"__name__":"http_requests_total","code":"200","method":"post"}"#);
    assert_eq!((found[0].1, found[0].2), (1027.0, Some(1_395_066_363_000)));
    assert_eq!(found[1].0, r#"{"__name__":"http_requests_total","method":"a\"b\\c\nd"}"#);
    assert_eq!(found[2].1, f64::INFINITY);
    assert_eq!(found[3].1, -0.0015);
    assert_eq!(found[4].1.to_bits(), 0x7ff8_0000_0000_0001);
    assert_eq!(found[5].0, r#"{"__name__":"metric.name","label.x":"v"}"#);
    let page = parse(text, Format::Text).expect("parses");
    assert_eq!(page.metadata[0].help, "Requests\nserved \\ all");
    assert_eq!(page.metadata[0].kind, MetricKind::Counter);
}

#[test]
fn bounds_are_written_one_way() {
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"5000000\"} 2\nh_bucket{le=\"+Inf\"} 3\n\
        # TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"1\"} 1\n# TYPE g gauge\ng{le=\"1\"} 1\n";
    let text: Vec<String> = series(text, Format::Text).into_iter().map(|(labels, ..)| labels).collect();
    for (at, expected) in ["1.0", "5e+06", "+Inf", "0.5", "1.0"].iter().enumerate() {
        assert!(text[at].contains(&format!(":\"{expected}\"")), "{}", text[at]);
    }
    assert!(text[5].contains(r#""le":"1""#), "{}", text[5]);
}

#[test]
fn open_metrics() {
    let text = "# TYPE acme_http counter\n# UNIT acme_http \n# HELP acme_http Served\n\
        acme_http_total{path=\"/\"} 17.0 1520879607.789 # {trace_id=\"ab\"} 0.67 1520879607.5\n\
        acme_http_created{path=\"/\"} 1520430000.123\n# TYPE size_bytes gauge\n# UNIT size_bytes bytes\n\
        size_bytes 5\n# EOF\n";
    let found = series(text, Format::OpenMetrics);
    assert_eq!((found[0].1, found[0].2), (17.0, Some(1_520_879_607_789)));
    assert_eq!(found.len(), 3);
    let page = parse(text, Format::OpenMetrics).expect("parses");
    assert_eq!(page.metadata[0].name, "acme_http_total");
    assert_eq!(page.metadata[1].unit, "bytes");
    assert!(parse("a 1\n# EOF", Format::OpenMetrics).is_ok());
}

#[test]
fn mistakes_are_named_with_their_line() {
    let text = [
        ("a 1\nb{x=\"1\" 2\n", 2, "expected `,` or `}`"),
        ("a{x=\"1\n", 1, "does not end"),
        ("a\n", 1, "not a number"),
        ("a 0x1\n", 1, "not a number"),
        ("a 1_000\n", 1, "not a number"),
        ("a 1e999\n", 1, "not a number"),
        ("a 1 2 3\n", 1, "unexpected `3`"),
        ("a 1 1.5\n", 1, "not a timestamp"),
        ("{x=\"1\"} 1\n", 1, "without a metric name"),
        ("{\"a\",\"b\"} 1\n", 1, "expected `=`"),
        ("a{x=\"1\",x=\"2\"} 1\n", 1, "given twice"),
        ("a{__name__=\"b\"} 1\n", 1, "given twice"),
        ("# TYPE a thing\n", 1, "not a metric type"),
        ("1a 1\n", 1, "expected a metric name"),
        ("a{1=\"x\"} 1\n", 1, "expected a label name"),
        ("a 1 # {} 1\n", 1, "unexpected"),
    ];
    let open = [
        ("a 1\n", 2, "# EOF"),
        ("a 1\n# EOF\nb 1\n", 3, "nothing after"),
        ("a 1\n\n# EOF\n", 2, "expected a metric name"),
        ("a  1\n# EOF\n", 1, "not a number"),
        ("# note\n# EOF\n", 1, "expected"),
        ("# TYPE a untyped\n# EOF\n", 1, "not a metric type"),
        ("# UNIT a seconds\n# EOF\n", 1, "not the end"),
        ("a 1 # {x=\"1\"}\n# EOF\n", 1, "not a number"),
    ];
    let cases =
        text.map(|case| (case, Format::Text)).into_iter().chain(open.map(|case| (case, Format::OpenMetrics)));
    for ((page, line, message), format) in cases {
        let error = parse(page, format).expect_err(page);
        assert_eq!(error.line, line, "{page:?}: {error}");
        assert!(error.message.contains(message), "{page:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(text in "\\PC*", open in any::<bool>()) {
        let _ = parse(&text, if open { Format::OpenMetrics } else { Format::Text });
    }

    #[test]
    fn never_panics_on_what_is_nearly_right(
        text in r#"(# (TYPE|HELP|UNIT|EOF)? ?|[a-z_:]{0,3}|\{|\}|"|\\|=|,| |\t|\n|é|[0-9.eE+-]{1,5}|NaN|# EOF\n){0,40}"#,
        open in any::<bool>(),
    ) {
        let _ = parse(&text, if open { Format::OpenMetrics } else { Format::Text });
    }

    #[test]
    fn what_is_written_is_read(
        name in "[a-z_:][a-z0-9_:]{0,8}", value in any::<f64>(), label in "\\PC{0,10}", t in any::<Option<i64>>(),
    ) {
        let escaped = label.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
        let time = t.map(|t| format!(" {t}")).unwrap_or_default();
        let page = parse(&format!("{name}{{l=\"{escaped}\"}} {value:?}{time}\n"), Format::Text).expect("parses");
        let sample = &page.samples[0];
        prop_assert_eq!(sample.labels.get("l"), label);
        prop_assert_eq!(sample.labels.metric_name(), name);
        prop_assert!(sample.value == value || (sample.value.is_nan() && value.is_nan()));
        prop_assert_eq!(sample.t_ms, t);
    }
}
