//! The queries of the PromQL compliance suite, and more, put to the engine and to a real Prometheus over the same
//! samples. Answers must be equal, but for the differences between Prometheus 2 and 3, which are named one by one.
//!
//! Needs `prometheus` on the path and the suite's file among the corpora; says so and passes where one is missing.

#![allow(clippy::panic, reason = "a broken assumption of the test ends the test")]

mod answer;
mod corpus;
mod data;
mod differences;
mod prometheus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use answer::{Distance, Shape, compare};
use corpus::Query;
use differences::{Check, DIFFERENCES, KNOWN_MISTAKES};
use mainstay_promql::{Engine, MemorySeries, parse};
use prometheus::Prometheus;

/// How far two numbers may be apart, relatively, to count as equal. The suite's own tester allows 1e-5; what is left
/// here is the order of floating point operations.
const TOLERANCE: f64 = 1e-12;

#[derive(Debug, Clone, Copy)]
enum When {
    Instant(i64),
    /// Ten minutes in steps of ten seconds, as the suite's tester asks.
    Range(i64),
}

const LENGTH_MS: i64 = 10 * 60 * 1000;
const STEP_MS: i64 = 10_000;

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

struct Sides {
    store: MemorySeries,
    /// As Debian's package starts it.
    server: Prometheus,
    /// With a lookback that is one millisecond shorter.
    strict: Prometheus,
}

impl Sides {
    fn start(program: &Path, folder: &Path) -> Self {
        let store = data::series();
        let start = |name: &str, flags: &[&str]| {
            let folder = folder.join(name);
            std::fs::create_dir(&folder).expect("a folder for the server");
            let mut server = Prometheus::start(program, &folder, flags).expect("prometheus starts");
            server.write(&store.iter().collect::<Vec<_>>()).expect("prometheus takes the samples");
            server
        };
        let server = start("plain", &[]);
        let strict = start("strict", &["--query.lookback-delta=299999ms"]);
        Self { store, server, strict }
    }

    fn ours(&self, text: &str, when: When) -> Shape {
        let engine = Engine::default();
        let expr = match parse(text) {
            Ok(expr) => expr,
            Err(errors) => return Shape::Error(errors.first().map(ToString::to_string).unwrap_or_default()),
        };
        answer::ours(match when {
            When::Instant(t) => engine.instant(&self.store, &expr, t),
            When::Range(t) => engine.range(&self.store, &expr, t, t + LENGTH_MS, STEP_MS),
        })
    }

    /// Whether a named difference explains why the answers to a query differ.
    fn explains(&mut self, check: &Check, text: &str, when: When, ours: &Shape, theirs: &Shape) -> bool {
        match check {
            Check::ShorterWindows => {
                let again = ask(&mut self.strict, &differences::shorten(text), when);
                compare(ours, &again, differences::shortened_tolerance(text)).is_ok()
            }
            Check::AskThem(change) => {
                let again = ask(&mut self.strict, &change(&differences::shorten(text)), when);
                compare(ours, &again, TOLERANCE).is_ok()
            }
            Check::AskUs(change) => {
                let again = self.ours(&change(text), when);
                let strict = ask(&mut self.strict, &differences::shorten(text), when);
                ours.is_error() && !again.is_error() && compare(&again, &strict, TOLERANCE).is_ok()
            }
            Check::OnlyTheyFail(part) => {
                !ours.is_error() && matches!(theirs, Shape::Error(text) if text.contains(part))
            }
            Check::WithoutNames => {
                let strict = ask(&mut self.strict, &differences::shorten(text), when);
                compare(ours, &strict.without_names(), TOLERANCE).is_ok()
            }
            Check::WithoutSpecial => {
                let strict = ask(&mut self.strict, &differences::shorten(text), when);
                compare(&ours.without_special(), &strict.without_special(), TOLERANCE).is_ok()
            }
            Check::Within(tolerance) => {
                let strict = ask(&mut self.strict, &differences::shorten(text), when);
                compare(ours, &strict, *tolerance).is_ok()
            }
        }
    }
}

fn ask(server: &mut Prometheus, text: &str, when: When) -> Shape {
    let response = match when {
        When::Instant(t) => server.get("/api/v1/query", &[("query", text), ("time", &seconds(t))]),
        When::Range(t) => {
            let (start, end) = (seconds(t), seconds(t + LENGTH_MS));
            let times = [("query", text), ("start", &start), ("end", &end), ("step", "10")];
            server.get("/api/v1/query_range", &times)
        }
    };
    answer::theirs(&response.expect("prometheus answers").body)
}

/// What came out of one set of queries.
#[derive(Default)]
struct Tally {
    asked: usize,
    equal: usize,
    refused: usize,
    distance: Distance,
    /// By the difference's name.
    explained: BTreeMap<&'static str, usize>,
    mistakes: usize,
    unexplained: Vec<String>,
}

impl Tally {
    fn put(&mut self, sides: &mut Sides, query: &Query, when: When) {
        self.asked += 1;
        let (ours, theirs) = (sides.ours(&query.text, when), ask(&mut sides.server, &query.text, when));
        let differs = match compare(&ours, &theirs, TOLERANCE) {
            Ok(distance) => {
                self.equal += 1;
                self.refused += usize::from(ours.is_error());
                self.distance.add(distance);
                // The suite says which queries must fail; one that both answer would show a broken test.
                if query.should_fail != ours.is_error() && query.from_suite {
                    self.unexplained
                        .push(format!("{} ({when:?}): should_fail is {}", query.text, query.should_fail));
                }
                return;
            }
            Err(differs) => differs,
        };
        let mut candidates = DIFFERENCES.iter().filter(|difference| (difference.concerns)(query));
        match candidates
            .find(|difference| sides.explains(&difference.check, &query.text, when, &ours, &theirs))
        {
            Some(difference) => *self.explained.entry(difference.name).or_default() += 1,
            None if KNOWN_MISTAKES.iter().any(|(text, _)| *text == query.text) => self.mistakes += 1,
            None => self.unexplained.push(format!("{} ({when:?}): {differs}", query.text)),
        }
    }

    fn print(&self, name: &str) {
        let Self { asked, equal, refused, distance, mistakes, .. } = self;
        println!(
            "{name}: {asked} asked, {equal} equal ({refused} refused by both), {} explained, {mistakes} known mistakes, {} unexplained; \
             {} numbers, {} of them not to the last bit, at most {:.1e} apart",
            self.explained.values().sum::<usize>(),
            self.unexplained.len(),
            distance.points,
            distance.inexact,
            distance.most,
        );
    }
}

fn corpora() -> PathBuf {
    std::env::var_os("MAINSTAY_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

#[test]
fn equal_to_prometheus() {
    let Some(program) = prometheus::find("prometheus") else {
        println!("skipped: no prometheus");
        return;
    };
    let Ok(text) =
        std::fs::read_to_string(corpora().join("promql-compliance/promql/promql-test-queries.yml"))
    else {
        println!("skipped: no corpora");
        return;
    };
    let version = prometheus::version(&program);
    if !version.starts_with("2.") {
        println!("skipped: the differences are those of Prometheus 2, this is {version}");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sides = Sides::start(&program, folder.path());
    let sets = [("suite", corpus::suite(&text)), ("more", corpus::more())];
    assert!(sets[0].1.len() > 500, "the suite has {} queries", sets[0].1.len());
    // Between the samples' instants; at those of one instance, where windows have samples on their edges; and at whole
    // steps of subqueries.
    let start = data::START_MS + 79 * 60 * 1000;
    let moments = [
        ("between samples", start + 7_000),
        ("on samples", start + 5_000 + data::JITTER_MS[0]),
        ("on steps", start),
    ];
    println!("prometheus {version}; {} series", sides.store.len());
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (set, queries) in &sets {
        for (moment, t) in moments {
            for (kind, when) in [("instant", When::Instant(t)), ("range", When::Range(t))] {
                let mut tally = Tally::default();
                queries.iter().for_each(|query| tally.put(&mut sides, query, when));
                tally.print(&format!("{set}, {moment}, {kind}"));
                for (name, count) in &tally.explained {
                    *explained.entry(name).or_default() += count;
                }
                unexplained.append(&mut tally.unexplained);
            }
        }
    }
    println!("differences between Prometheus 2 and 3:");
    for difference in DIFFERENCES {
        let count = explained.get(difference.name).copied().unwrap_or(0);
        println!("{count:>6}  {}: {}", difference.name, difference.reason);
        assert!(count > 0, "no query shows the difference {:?}; the list must not claim it", difference.name);
    }
    for (query, mistake) in KNOWN_MISTAKES {
        println!("known mistake: {query}: {mistake}");
    }
    assert!(
        unexplained.is_empty(),
        "{} differ without a reason:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}
