//! The Prometheus text format 0.0.4 (with the quoted names of 1.0.0) and OpenMetrics 1.0.
//!
//! The first mistake ends the reading, as Prometheus does: a page that is wrong somewhere is not trusted elsewhere.

use std::collections::BTreeMap;

use crate::batch::{Labels, MetricKind, MetricMetadata};

/// A sample has at most so many labels.
const MAX_LABELS: usize = 256;

/// The NaN Prometheus stores for every NaN of a target, so that none can pass as a staleness marker.
const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Which of the two formats a page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`: Prometheus text 0.0.4 and 1.0.0.
    Text,
    /// `application/openmetrics-text`: OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format a `Content-Type` names; `None` for any other.
    pub fn of_content_type(value: &str) -> Option<Self> {
        match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/plain" => Some(Self::Text),
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            _ => None,
        }
    }
}

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    /// The labels, the name among them.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// The time the page gives, milliseconds since the epoch.
    pub t_ms: Option<i64>,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    /// In the order of the page.
    pub samples: Vec<Scraped>,
    /// By metric name; of an OpenMetrics counter with its `_total`.
    pub metadata: Vec<MetricMetadata>,
}

/// What is wrong with a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What was expected or found.
    pub message: String,
}

/// Reads a page.
pub fn parse(text: &str, format: Format) -> Result<Exposition, ParseError> {
    let mut page = Page { format, families: BTreeMap::new(), samples: Vec::new() };
    let mut ended = false;
    let mut lines = text.split('\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let at = |message: String| ParseError { line: index + 1, message };
        let last = lines.peek().is_none();
        if last && line.is_empty() {
            break;
        }
        if ended {
            return Err(at("expected nothing after `# EOF`".to_owned()));
        }
        match format {
            Format::Text => page.text_line(line).map_err(at)?,
            Format::OpenMetrics if line == "# EOF" => ended = true,
            Format::OpenMetrics => page.open_metrics_line(line).map_err(at)?,
        }
    }
    if format == Format::OpenMetrics && !ended {
        return Err(ParseError {
            line: text.split('\n').count(),
            message: "expected `# EOF` at the end".to_owned(),
        });
    }
    Ok(page.finish())
}

/// What the page says of a metric family.
#[derive(Default)]
struct Family {
    kind: Option<String>,
    help: String,
    unit: String,
}

struct Page {
    format: Format,
    families: BTreeMap<String, Family>,
    samples: Vec<Scraped>,
}

impl Page {
    fn text_line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() {
            return Ok(());
        }
        let Some(comment) = line.strip_prefix('#') else { return self.sample(line) };
        let comment = comment.trim_start_matches([' ', '\t']);
        let Some((keyword, rest)) = comment.split_once([' ', '\t']) else { return Ok(()) };
        if keyword != "HELP" && keyword != "TYPE" {
            return Ok(());
        }
        let mut scanner = Scanner { rest: rest.trim_start_matches([' ', '\t']), format: self.format };
        let name = scanner.metric_name()?;
        let value = scanner.rest.trim_start_matches([' ', '\t']);
        let family = self.families.entry(name).or_default();
        if keyword == "HELP" {
            family.help = unescape(value, false)?;
        } else {
            let kind = value.trim_end_matches([' ', '\t']);
            if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
                return Err(format!("`{}` is not a metric type", shorten(kind)));
            }
            family.kind = Some(kind.to_owned());
        }
        Ok(())
    }

    fn open_metrics_line(&mut self, line: &str) -> Result<(), String> {
        let Some(comment) = line.strip_prefix("# ") else {
            if line.starts_with('#') {
                return Err("expected `# TYPE`, `# UNIT`, `# HELP` or `# EOF`".to_owned());
            }
            return self.sample(line);
        };
        let (keyword, rest) = comment.split_once(' ').ok_or("expected a metric name")?;
        let mut scanner = Scanner { rest, format: self.format };
        let name = scanner.metric_name()?;
        let value = if scanner.rest.is_empty() {
            ""
        } else {
            scanner.rest.strip_prefix(' ').ok_or("expected one space")?
        };
        let unit_fits = value.is_empty() || name.strip_suffix(value).is_some_and(|stem| stem.ends_with('_'));
        let family = self.families.entry(name).or_default();
        match keyword {
            "HELP" => family.help = unescape(value, true)?,
            "UNIT" if unit_fits => value.clone_into(&mut family.unit),
            "UNIT" => {
                return Err(format!("the unit `{}` is not the end of the metric's name", shorten(value)));
            }
            "TYPE" => {
                let kinds = "counter gauge histogram gaugehistogram stateset info summary unknown";
                if !kinds.split(' ').any(|kind| kind == value) {
                    return Err(format!("`{}` is not a metric type", shorten(value)));
                }
                family.kind = Some(value.to_owned());
            }
            _ => return Err("expected `# TYPE`, `# UNIT`, `# HELP` or `# EOF`".to_owned()),
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let mut scanner = Scanner { rest: line, format: self.format };
        let mut name = String::new();
        if !scanner.rest.starts_with('{') {
            name = scanner.metric_name()?;
            scanner.optional_space();
        }
        let mut pairs = Vec::new();
        if scanner.take('{') {
            scanner.labels(&mut name, &mut pairs)?;
        }
        if name.is_empty() {
            return Err("a sample without a metric name".to_owned());
        }
        scanner.separator();
        let value = number(scanner.word())?;
        let mut t_ms = None;
        scanner.separator();
        if !scanner.rest.is_empty() && !scanner.rest.starts_with('#') {
            t_ms = Some(self.timestamp(scanner.word())?);
            scanner.separator();
        }
        if self.format == Format::OpenMetrics && scanner.rest.starts_with('#') {
            exemplar(&mut scanner)?;
        }
        if !scanner.rest.is_empty() {
            return Err(format!("unexpected `{}` after the sample", shorten(scanner.rest)));
        }
        self.rewrite_bounds(&name, &mut pairs);
        pairs.push(("__name__".to_owned(), name));
        self.samples.push(Scraped { labels: Labels::from_pairs(pairs), value, t_ms });
        Ok(())
    }

    fn timestamp(&self, word: &str) -> Result<i64, String> {
        let wrong = || format!("`{}` is not a timestamp", shorten(word));
        match self.format {
            Format::Text => word.parse().map_err(|_| wrong()),
            Format::OpenMetrics => {
                let seconds = number(word).ok().filter(|seconds| seconds.is_finite()).ok_or_else(wrong)?;
                Ok((seconds * 1000.0).floor() as i64)
            }
        }
    }

    /// `le` and `quantile` are written in one way, so that `1` and `1.0` are the same series.
    fn rewrite_bounds(&self, name: &str, pairs: &mut [(String, String)]) {
        let kind = |family: &str| self.families.get(family).and_then(|family| family.kind.as_deref());
        let label = match name.strip_suffix("_bucket") {
            Some(family) if matches!(kind(family), Some("histogram" | "gaugehistogram")) => "le",
            _ if kind(name) == Some("summary") => "quantile",
            _ => return,
        };
        for (_, value) in pairs.iter_mut().filter(|(key, _)| key == label) {
            if let Ok(number) = number(value) {
                *value = open_metrics_float(number);
            }
        }
    }

    fn finish(self) -> Exposition {
        let metadata = self.families.into_iter().map(|(name, family)| {
            let (kind, suffix) = match family.kind.as_deref() {
                Some("counter") if self.format == Format::OpenMetrics => (MetricKind::Counter, "_total"),
                Some("counter") => (MetricKind::Counter, ""),
                Some("gauge" | "stateset") => (MetricKind::Gauge, ""),
                Some("histogram" | "gaugehistogram") => (MetricKind::Histogram, ""),
                Some("summary") => (MetricKind::Summary, ""),
                Some("info") => (MetricKind::Info, "_info"),
                _ => (MetricKind::Unknown, ""),
            };
            MetricMetadata { name: name + suffix, kind, unit: family.unit, help: family.help }
        });
        Exposition { samples: self.samples, metadata: metadata.collect() }
    }
}

/// Reads an exemplar, which is checked and not kept.
fn exemplar(scanner: &mut Scanner<'_>) -> Result<(), String> {
    scanner.take('#');
    scanner.separator();
    if !scanner.take('{') {
        return Err("expected `{` in an exemplar".to_owned());
    }
    let (mut name, mut pairs) = (String::new(), Vec::new());
    scanner.labels(&mut name, &mut pairs)?;
    if !name.is_empty() {
        return Err("a metric name in an exemplar".to_owned());
    }
    scanner.separator();
    number(scanner.word())?;
    scanner.separator();
    if !scanner.rest.is_empty() {
        number(scanner.word())?;
    }
    Ok(())
}

/// What is left of a line.
struct Scanner<'a> {
    rest: &'a str,
    format: Format,
}

impl<'a> Scanner<'a> {
    fn take(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Space where there need be none: OpenMetrics allows none then.
    fn optional_space(&mut self) {
        if self.format == Format::Text {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
    }

    /// Space between the parts of a sample: any in the text format, exactly one in OpenMetrics. What is left over
    /// is found by whoever reads on.
    fn separator(&mut self) {
        match self.format {
            Format::Text => self.rest = self.rest.trim_start_matches([' ', '\t']),
            Format::OpenMetrics => self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest),
        }
    }

    /// Up to the next space.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn name(&mut self, allow_colon: bool) -> Option<&'a str> {
        let end = self
            .rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || (allow_colon && byte == b':')))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    fn metric_name(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let name =
            self.name(true).ok_or_else(|| format!("expected a metric name at `{}`", shorten(self.rest)))?;
        Ok(name.to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let inner = self.rest.strip_prefix('"').ok_or("expected `\"`")?;
        let mut escaped = false;
        for (at, byte) in inner.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    self.rest = &inner[at + 1..];
                    return unescape(&inner[..at], true);
                }
                _ => {}
            }
        }
        Err("a quoted text does not end".to_owned())
    }

    /// The labels after `{`, the closing brace included. A quoted text without a value is the metric's name.
    fn labels(&mut self, name: &mut String, pairs: &mut Vec<(String, String)>) -> Result<(), String> {
        loop {
            self.optional_space();
            if self.take('}') {
                return Ok(());
            }
            let quoted = self.rest.starts_with('"');
            let label = if quoted {
                self.quoted()?
            } else {
                self.name(false)
                    .ok_or_else(|| format!("expected a label name at `{}`", shorten(self.rest)))?
                    .to_owned()
            };
            self.optional_space();
            if self.take('=') {
                self.optional_space();
                let value = self.quoted()?;
                if label == "__name__" || pairs.iter().any(|(known, _)| *known == label) {
                    return Err(format!("label `{}` given twice", shorten(&label)));
                }
                if pairs.len() >= MAX_LABELS {
                    return Err(format!("more than {MAX_LABELS} labels"));
                }
                pairs.push((label, value));
            } else if quoted && name.is_empty() && !label.is_empty() {
                *name = label;
            } else {
                return Err(format!("expected `=` after `{}`", shorten(&label)));
            }
            self.optional_space();
            if !self.take(',') && !self.rest.starts_with('}') {
                return Err("expected `,` or `}` after a label".to_owned());
            }
        }
    }
}

/// A number as Go reads it, without hexadecimal and without `_`.
fn number(word: &str) -> Result<f64, String> {
    let wrong = || format!("`{}` is not a number", shorten(word));
    let value: f64 = word.parse().map_err(|_| wrong())?;
    if value.is_nan() {
        return Ok(NORMAL_NAN);
    }
    // A number that is too large is a mistake, not infinity.
    if value.is_infinite() && word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(value)
}

/// Undoes `\\`, `\n` and (with `quotes`) `\"`.
fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('\\') => plain.push('\\'),
            Some('n') => plain.push('\n'),
            Some('"') if quotes => plain.push('"'),
            // Prometheus keeps what is not an escape.
            Some(other) => plain.extend(['\\', other]),
            None => return Err("a text ends in `\\`".to_owned()),
        }
    }
    Ok(plain)
}

/// A number in the way OpenMetrics writes bounds: always with a point or an exponent.
fn open_metrics_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
