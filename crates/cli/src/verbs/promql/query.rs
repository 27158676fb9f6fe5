//! Queries over files of samples.

use std::fmt::Write as _;
use std::time::Duration;

use mainstay_model::Timestamp;
use mainstay_observe::scrape::{Exposition, Format, parse as parse_page};
use mainstay_promql::{
    Answer, Engine, EvalError, Labels, MemorySeries, NAME, Sample, SampleValue, Value as Promql, api_number,
    is_legacy_metric_name,
};
use serde_json::Value;

use crate::args::PromqlQuery;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, clean, say, table};
use crate::time::{clock, now, stamp};

/// What the files hold.
#[derive(Default)]
struct Read {
    series: MemorySeries,
    untimed: Vec<(Labels, f64)>,
    newest: Option<i64>,
}

/// Evaluates and prints; remarks on the answer go to stderr.
pub fn run(screen: Screen, query: &PromqlQuery) -> Result<(), Failure> {
    let expr = super::parse(screen, &query.expression)?;
    let mut read = Read::default();
    for path in &query.files {
        let text = super::read(path)?;
        let page = page(&text).map_err(|error| {
            Failure::local(format!("{} is not a file of samples", path.display()), &error)
                .hint("files are in the text format of Prometheus, or OpenMetrics, which ends with `# EOF`")
        })?;
        read.take(page);
    }
    let (start, end) = (query.start.map(|at| at.0), query.end.map(|at| at.0));
    // Without times in the files they were taken just now; otherwise the newest sample says when now is.
    let default = match (read.untimed.is_empty(), read.newest) {
        (true, Some(newest)) => Timestamp::from_millis(newest),
        _ => now(),
    };
    let at = query.time.map(|at| at.0).or(end).unwrap_or(default);
    for (labels, value) in std::mem::take(&mut read.untimed) {
        read.series.push(&labels, Sample::float(at.as_millis(), value));
    }
    let engine = Engine::default();
    let answer = match (start, end) {
        (Some(start), Some(end)) => {
            let step = query.step.unwrap_or_else(|| (end.since(start) / 60).max(Duration::from_secs(1)));
            let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
            engine.range(&read.series, &expr, start.as_millis(), end.as_millis(), step_ms)
        }
        _ => engine.instant(&read.series, &expr, at.as_millis()),
    };
    let answer = answer.map_err(|error| failed(screen, &query.expression, &error))?;
    show(screen, query, &answer, at)
}

fn page(text: &str) -> Result<Exposition, mainstay_observe::scrape::ParseError> {
    let ends = text.trim_end().lines().next_back() == Some("# EOF");
    // A text in the older format may lack its last line break, which is no reason to refuse a file.
    match ends {
        true => parse_page(text, Format::OpenMetrics),
        false if text.is_empty() || text.ends_with('\n') => parse_page(text, Format::Text),
        false => parse_page(&format!("{text}\n"), Format::Text),
    }
}

impl Read {
    fn take(&mut self, page: Exposition) {
        for sample in page.samples {
            match sample.t_ms {
                Some(t_ms) => {
                    self.newest = self.newest.max(Some(t_ms));
                    self.series.push(&sample.labels, Sample::float(t_ms, sample.value));
                }
                None => self.untimed.push((sample.labels, sample.value)),
            }
        }
    }
}

fn failed(screen: Screen, text: &str, error: &EvalError) -> Failure {
    match error.span() {
        Some(span) => {
            let message = error.to_string();
            let problem =
                super::diagnostic(text, mainstay_model::Severity::Error, "bad-query", message, span.range());
            super::refuse(screen, text, &[problem])
        }
        None => Failure::of(Exit::No, error),
    }
}

fn show(screen: Screen, query: &PromqlQuery, answer: &Answer, at: Timestamp) -> Result<(), Failure> {
    if screen.is_json() {
        let texts = |remarks: &[mainstay_promql::Annotation]| -> Vec<String> {
            remarks.iter().map(ToString::to_string).collect()
        };
        let mut body = data(&answer.value)?;
        body["warnings"] = texts(&answer.warnings).into();
        body["infos"] = texts(&answer.infos).into();
        return screen.json(&body);
    }
    for (what, remarks) in [("warning", &answer.warnings), ("info", &answer.infos)] {
        for remark in remarks {
            say(&format!("{what}: {}", clean(&remark.to_string())));
        }
    }
    if query.start.is_none() && query.time.is_none() {
        say(&format!("at {}", stamp(at)));
    }
    screen.print(&render(&answer.value, screen.style))
}

fn series(labels: &Labels) -> String {
    let name = labels.metric_name();
    if !is_legacy_metric_name(name) {
        return labels.to_string();
    }
    let rest = labels.retain(|label| label != NAME);
    if rest.is_empty() { name.to_owned() } else { format!("{name}{rest}") }
}

fn shown(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => api_number(*value),
        SampleValue::Histogram(histogram) => histogram.to_string(),
    }
}

fn render(value: &Promql, style: Style) -> String {
    match value {
        Promql::Scalar(_, value) => format!("{}\n", api_number(*value)),
        Promql::String(_, text) => format!("{}\n", clean(text)),
        Promql::Vector(vector) if vector.is_empty() => "No series.\n".to_owned(),
        Promql::Vector(vector) => {
            let row = |sample: &mainstay_promql::VectorSample| -> Vec<Field> {
                vec![shown(&sample.sample.value).into(), series(&sample.labels).into()]
            };
            table(style, &["VALUE", "SERIES"], vector.iter().map(row).collect())
        }
        Promql::Matrix(matrix) if matrix.is_empty() => "No series.\n".to_owned(),
        Promql::Matrix(matrix) => {
            let mut out = String::new();
            for entry in matrix {
                let _ = writeln!(out, "{}", clean(&series(&entry.labels)));
                for sample in &entry.samples {
                    let at = Timestamp::from_millis(sample.t_ms);
                    let time = match sample.t_ms.rem_euclid(1000) {
                        0 => stamp(at),
                        _ => format!("{} {}", &stamp(at)[..10], clock(at)),
                    };
                    let _ = writeln!(out, "  {time}  {}", shown(&sample.value));
                }
            }
            out
        }
    }
}

/// The value as the HTTP API of Prometheus gives it.
fn data(value: &Promql) -> Result<Value, Failure> {
    let mut body = String::new();
    mainstay_promql::json::write_value(&mut body, value);
    serde_json::from_str(&body).map_err(|error| Failure::local("The answer cannot be shown as JSON", &error))
}
