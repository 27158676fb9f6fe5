//! Reading beside the writer: listings, logs, traces. Blocking and quick; call from a thread that may block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{Shared, Telemetry, schema, writer};
use mainstay_promql::Matcher;

use crate::batch::{Labels, LogRecord, MetricKind, SpanRecord};
use crate::error::QueryError;
use crate::query::{LogEntry, LogQuery, MetricInfo, Trace, TraceNode, TraceQuery, TraceSummary};

/// Connections kept open for the next reader.
const IDLE_READERS: usize = 4;

const NS_PER_MS: i64 = 1_000_000;

/// The samples of one series within the bounds, both included, by time.
pub(super) fn samples(
    connection: &Connection,
    series: i64,
    start_ms: i64,
    end_ms: i64,
) -> rusqlite::Result<Vec<(i64, f64)>> {
    let mut statement = connection.prepare_cached(
        "SELECT t_ms, value FROM samples WHERE series = ?1 AND t_ms BETWEEN ?2 AND ?3 ORDER BY t_ms",
    )?;
    let rows = statement.query_map(params![series, start_ms, end_ms], |row| {
        Ok((row.get(0)?, writer::unbind(row.get_ref(1)?)?))
    })?;
    rows.collect()
}

impl Shared {
    /// Runs a question on a read connection.
    pub(super) fn read<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.file)?,
        };
        let answer = question(&connection)?;
        // A connection that failed is dropped instead; the next reader opens a fresh one.
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        Ok(answer)
    }
}

impl Telemetry {
    /// The metric names there are, with what is known of each, by name.
    pub fn metrics(&self) -> Vec<MetricInfo> {
        let index = self.shared.index();
        let names = index.names().filter(|(name, _)| !name.is_empty());
        names
            .map(|(name, series)| {
                let known = index.metadata.get(name).or_else(|| {
                    ["_bucket", "_sum", "_count"]
                        .iter()
                        .find_map(|suffix| index.metadata.get(name.strip_suffix(suffix)?))
                });
                MetricInfo {
                    name: name.to_owned(),
                    kind: known.map_or(MetricKind::Unknown, |metadata| metadata.kind),
                    unit: known.map(|metadata| metadata.unit.clone()).unwrap_or_default(),
                    help: known.map(|metadata| metadata.help.clone()).unwrap_or_default(),
                    series,
                }
            })
            .collect()
    }

    /// The labels of the series that still had samples at `since_ms` (milliseconds since the epoch) and satisfy all
    /// matchers of one of the selectors, sorted. Without selectors every series does.
    pub fn series(&self, selectors: &[&[Matcher]], since_ms: Option<i64>) -> Vec<Labels> {
        let index = self.shared.index();
        let wanted = |labels: &Labels| {
            selectors.is_empty()
                || selectors.iter().any(|all| all.iter().all(|matcher| matcher.matches_labels(labels)))
        };
        let found: BTreeSet<&Labels> = index
            .iter(None)
            .filter(|(_, series)| {
                since_ms.is_none_or(|since| series.last_ms.is_some_and(|last| last >= since))
            })
            .map(|(_, series)| &series.labels)
            .filter(|labels| wanted(labels))
            .collect();
        found.into_iter().cloned().collect()
    }

    /// The log records a query asks for, by sequence number.
    pub fn logs(&self, query: &LogQuery) -> Result<Vec<LogEntry>, QueryError> {
        let limit = if query.limit == 0 { 1000 } else { query.limit.min(10_000) };
        let mut filter = Filter::default();
        filter.equal("service", query.service.as_ref());
        filter.equal("trace_id", query.trace.as_ref().map(|id| id.to_ascii_lowercase()).as_ref());
        if query.trace.is_some() {
            // Said in these words so that SQLite sees that its index of traced records covers the question.
            filter.conditions.push("trace_id <> ''".to_owned());
        }
        filter.at_least("severity", query.severity_at_least.map(i64::from));
        filter.at_least("time_ns", query.since_ms.map(|ms| ms.saturating_mul(NS_PER_MS)));
        filter.before("time_ns", query.until_ms.map(|ms| ms.saturating_mul(NS_PER_MS)));
        filter
            .at_least("seq", query.after.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX).saturating_add(1)));
        if let Some(text) = &query.contains {
            filter.add("instr(body, ?) > 0", Value::Text(text.clone()));
        }
        let order = if query.after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT seq, body, rest FROM logs {} ORDER BY seq {order} LIMIT {limit}",
            filter.clause()
        );
        let mut entries = self.shared.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(filter.values))?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                let rest: String = row.get(2)?;
                let mut record: LogRecord = serde_json::from_str(&rest)
                    .map_err(|error| QueryError::Damaged(format!("log record {seq}: {error}")))?;
                record.body = row.get(1)?;
                entries.push(LogEntry { seq: u64::try_from(seq).unwrap_or(0), record });
            }
            Ok(entries)
        })?;
        entries.sort_by_key(|entry| entry.seq);
        Ok(entries)
    }

    /// The traces a query asks for, newest first.
    pub fn spans(&self, query: &TraceQuery) -> Result<Vec<TraceSummary>, QueryError> {
        let limit = if query.limit == 0 { 100 } else { query.limit.min(1000) };
        let mut filter = Filter::default();
        filter.equal("service", query.service.as_ref());
        filter.equal("name", query.name.as_ref());
        filter.at_least("failed", query.errors_only.then_some(1));
        filter.at_least("start_ns", query.since_ms.map(|ms| ms.saturating_mul(NS_PER_MS)));
        filter.before("start_ns", query.until_ms.map(|ms| ms.saturating_mul(NS_PER_MS)));
        filter.at_least(
            "end_ns - start_ns",
            query.min_duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(NS_PER_MS)),
        );
        let sql = format!("SELECT trace_id FROM spans {} ORDER BY start_ns DESC", filter.clause());
        self.shared.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(filter.values))?;
            let mut seen = BTreeSet::new();
            let mut traces = Vec::new();
            while traces.len() < limit
                && let Some(row) = rows.next()?
            {
                let id: String = row.get(0)?;
                if !seen.contains(&id) {
                    traces.push(summary(connection, &id)?);
                    seen.insert(id);
                }
            }
            traces.sort_by_key(|trace| std::cmp::Reverse(trace.start_ns));
            Ok(traces)
        })
    }

    /// One trace as a tree, or `None` when none of its spans is here. The id is hex, in any case.
    pub fn trace(&self, id: &str) -> Result<Option<Trace>, QueryError> {
        let id = id.to_ascii_lowercase();
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(QueryError::Invalid(format!(
                "`{id}` is not a trace id: expected 32 hexadecimal digits"
            )));
        }
        let spans: Vec<SpanRecord> = self.shared.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT rest FROM spans WHERE trace_id = ?1")?;
            let mut rows = statement.query([&id])?;
            let mut spans = Vec::new();
            while let Some(row) = rows.next()? {
                let rest: String = row.get(0)?;
                spans.push(
                    serde_json::from_str(&rest)
                        .map_err(|error| QueryError::Damaged(format!("a span of trace {id}: {error}")))?,
                );
            }
            Ok(spans)
        })?;
        Ok(tree(id, spans))
    }
}

/// Conditions of a query, and the values of their placeholders.
#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    fn add(&mut self, condition: &str, value: Value) {
        self.conditions.push(condition.to_owned());
        self.values.push(value);
    }

    fn equal(&mut self, column: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add(&format!("{column} = ?"), Value::Text(value.clone()));
        }
    }

    fn at_least(&mut self, column: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.add(&format!("{column} >= ?"), Value::Integer(value));
        }
    }

    fn before(&mut self, column: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.add(&format!("{column} < ?"), Value::Integer(value));
        }
    }

    fn clause(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        }
    }
}

fn summary(connection: &Connection, id: &str) -> rusqlite::Result<TraceSummary> {
    let mut statement = connection.prepare_cached(
        "SELECT service, name, start_ns, end_ns, failed, parent_span_id = '' FROM spans WHERE trace_id = ?1
         ORDER BY parent_span_id <> '', start_ns",
    )?;
    let mut rows = statement.query([id])?;
    let mut found: Option<TraceSummary> = None;
    let mut end_ns = i64::MIN;
    while let Some(row) = rows.next()? {
        let start_ns: i64 = row.get(2)?;
        let failed: bool = row.get(4)?;
        end_ns = end_ns.max(row.get(3)?);
        let trace = match &mut found {
            Some(trace) => trace,
            None => found.insert(TraceSummary {
                trace_id: id.to_owned(),
                service: row.get(0)?,
                name: row.get(1)?,
                start_ns,
                duration_ns: 0,
                spans: 0,
                errors: 0,
                has_root: row.get(5)?,
            }),
        };
        trace.start_ns = trace.start_ns.min(start_ns);
        trace.spans += 1;
        trace.errors += usize::from(failed);
    }
    let mut trace = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    trace.duration_ns = end_ns.saturating_sub(trace.start_ns);
    Ok(trace)
}

/// Puts spans under their parents. Spans whose parents form a ring (which only a broken sender makes) are cut loose,
/// so that every span appears exactly once. Without recursion: a hostile trace may be a very long chain.
fn tree(trace_id: String, mut spans: Vec<SpanRecord>) -> Option<Trace> {
    spans.sort_by(|a, b| (a.start_ns, &a.span_id).cmp(&(b.start_ns, &b.span_id)));
    let start_ns = spans.iter().map(|span| span.start_ns).min()?;
    let end_ns = spans.iter().map(|span| span.end_ns).max()?;
    let position: BTreeMap<&str, usize> =
        spans.iter().enumerate().map(|(at, span)| (span.span_id.as_str(), at)).collect();
    let parents: Vec<Option<usize>> =
        spans.iter().map(|span| position.get(span.parent_span_id.as_str()).copied()).collect();
    let depths = depths(&parents);
    let mut nodes: Vec<Option<TraceNode>> = spans
        .into_iter()
        .zip(&depths)
        .map(|(span, depth)| {
            let duration_ns = span.end_ns.saturating_sub(span.start_ns);
            let offset_ns = span.start_ns.saturating_sub(start_ns);
            let orphan = *depth == 0 && !span.parent_span_id.is_empty();
            Some(TraceNode { span, duration_ns, offset_ns, orphan, children: Vec::new() })
        })
        .collect();
    let count = nodes.len();
    // Deepest first, so that a node is complete before it is moved under its parent.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(depths[*at]), *at));
    let mut roots = Vec::new();
    for at in order {
        let Some(node) = nodes[at].take() else { continue };
        let parent =
            if depths[at] == 0 { None } else { parents[at].and_then(|parent| nodes[parent].as_mut()) };
        match parent {
            Some(parent) => parent.children.push(node),
            None => roots.push(node),
        }
    }
    roots.sort_by_key(|node| node.offset_ns);
    Some(Trace { trace_id, start_ns, duration_ns: end_ns.saturating_sub(start_ns), spans: count, roots })
}

/// Deepest nesting shown; below it spans become roots of their own, which bounds what a reader of the tree recurses.
const MAX_DEPTH: usize = 100;

/// How deep each span is, 0 for a root. One span of a ring counts as a root.
fn depths(parents: &[Option<usize>]) -> Vec<usize> {
    const UNKNOWN: usize = usize::MAX;
    let mut depths = vec![UNKNOWN; parents.len()];
    for start in 0..parents.len() {
        let mut path = Vec::new();
        let mut walked = BTreeSet::new();
        let mut at = start;
        let mut depth = loop {
            if depths[at] != UNKNOWN {
                break depths[at] + 1;
            }
            if !walked.insert(at) {
                break 0;
            }
            path.push(at);
            match parents[at] {
                Some(parent) => at = parent,
                None => break 0,
            }
        };
        while let Some(at) = path.pop() {
            depths[at] = depth % MAX_DEPTH;
            depth = depths[at] + 1;
        }
    }
    depths
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
