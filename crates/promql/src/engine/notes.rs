//! Collecting remarks on an answer. The same remark made at many steps and on many series is kept once.

use std::cell::RefCell;

use crate::ast::Span;
use crate::date;
use crate::text::{general, general_precision, quote};
use crate::value::{Annotation, Level};

/// What grows when a remark is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repeated {
    Nothing,
    Occurrences(u64),
    Repair { lowest: f64, highest: f64, difference: f64, count: u64, first_ms: i64, last_ms: i64 },
}

#[derive(Debug)]
struct Note {
    level: Level,
    text: String,
    span: Span,
    repeated: Repeated,
}

/// The remarks of one query.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Note>>);

impl Notes {
    fn add(&self, level: Level, text: &str, span: Span, repeated: Repeated) {
        let mut notes = self.0.borrow_mut();
        let known = notes.iter_mut().find(|note| note.level == level && note.text == text);
        match known {
            Some(note) => note.repeated = merged(note.repeated, repeated),
            None => notes.push(Note { level, text: text.to_owned(), span, repeated }),
        }
    }

    pub(super) fn warn(&self, text: &str, span: Span) {
        self.add(Level::Warning, text, span, Repeated::Nothing);
    }

    pub(super) fn info(&self, text: &str, span: Span) {
        self.add(Level::Info, text, span, Repeated::Nothing);
    }

    /// A start timestamp that lies before the previous sample.
    pub(super) fn overlap(&self, metric: &str, span: Span) {
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            quote(metric)
        );
        self.add(Level::Warning, &text, span, Repeated::Occurrences(1));
    }

    /// A classic histogram whose counts had to be made to rise.
    pub(super) fn repaired(
        &self,
        metric: Option<&str>,
        repair: crate::histogram::classic::Repair,
        t_ms: i64,
        span: Span,
    ) {
        let of = metric.map_or_else(String::new, |name| format!(" for metric name {}", quote(name)));
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity \
             (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){of}"
        );
        let repeated = Repeated::Repair {
            lowest: repair.lowest,
            highest: repair.highest,
            difference: repair.largest_difference,
            count: 1,
            first_ms: t_ms,
            last_ms: t_ms,
        };
        self.add(Level::Info, &text, span, repeated);
    }

    /// Adds the remarks that were made apart, as if they had been made here now.
    pub(super) fn absorb(&self, others: Self) {
        for note in others.0.into_inner() {
            self.add(note.level, &note.text, note.span, note.repeated);
        }
    }

    pub(super) fn into_annotations(self) -> Vec<Annotation> {
        self.0.into_inner().into_iter().map(Note::into_annotation).collect()
    }
}

impl Note {
    fn into_annotation(self) -> Annotation {
        let prefix = match self.level {
            Level::Warning => "PromQL warning",
            Level::Info => "PromQL info",
        };
        let more = match self.repeated {
            Repeated::Nothing | Repeated::Occurrences(0 | 1) => String::new(),
            Repeated::Occurrences(n) => format!(" ({n} occurrences)"),
            Repeated::Repair { lowest, highest, difference, count, first_ms, last_ms } => format!(
                ", from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {}",
                general(lowest),
                general(highest),
                general_precision(difference, 2),
                date::rfc3339(first_ms),
                date::rfc3339(last_ms)
            ),
        };
        Annotation { level: self.level, message: format!("{prefix}: {}{more}", self.text), span: self.span }
    }
}

fn merged(known: Repeated, new: Repeated) -> Repeated {
    match (known, new) {
        (Repeated::Occurrences(a), Repeated::Occurrences(b)) => Repeated::Occurrences(a + b),
        (
            Repeated::Repair { lowest, highest, difference, count, first_ms, last_ms },
            Repeated::Repair { lowest: l, highest: h, difference: d, count: c, first_ms: f, last_ms: t },
        ) => Repeated::Repair {
            lowest: lowest.min(l),
            highest: highest.max(h),
            difference: difference.max(d),
            count: count + c,
            first_ms: first_ms.min(f),
            last_ms: last_ms.max(t),
        },
        (known, _) => known,
    }
}
