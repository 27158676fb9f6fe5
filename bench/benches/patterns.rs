//! Events per second against 10, 1,000 and 100,000 event patterns, the reading of the event's text included, on one
//! core; beside the `quamina` crate in the same run on the same patterns and the same events.
//!
//! `cargo bench -p mainstay-bench --bench patterns`; `BENCH_SECONDS` how long each measurement takes (0.5),
//! `BENCH_ROUNDS` how often it is repeated (7), `BENCH_PATTERNS` how many patterns (`10,1000,100000`), `BENCH_BUILD`
//! for how many seconds quamina may take in patterns before it is left out (60), `BENCH_ALONE=1` leaves it out, for a
//! profiler. Words after `--` choose mixes of patterns that contain one of them.
//!
//! Before anything is measured, the answers are compared: with each pattern by itself up to 1,000 of them, and with
//! quamina.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainstay_bench::{Failure, median, variable};
use mainstay_detect::{Pattern, PatternSet, Scratch};
use quamina::Quamina;
use serde_json::{Value, json};

/// How many different events there are.
const EVENTS: usize = 1_000;

/// How many patterns are added to a full set and taken away again, to say what one of them costs.
const CHANGES: usize = 1_000;

/// What an order goes through.
const STATES: [&str; 5] = ["placed", "paid", "packed", "sent", "returned"];

/// The shapes of patterns that a measurement is made with.
#[derive(Clone, Copy)]
enum Mix {
    /// A source, a kind and some values of one field.
    Literal,
    /// Every operator that both sides know.
    Operators,
    /// Operators that quamina does not have, `$or` and blocks of addresses, and all of the above.
    Everything,
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn source(n: usize) -> String {
    format!("shop.{}", ["checkout", "payments", "search", "stock", "mail"][n % 5])
}

/// Events of about 1 kB, in the shape that the service has.
fn event(n: usize) -> String {
    let order = n * 7919 % 100_000;
    let event = json!({
        "version": "0",
        "id": format!("0198c0de-{:04x}-7000-8000-{n:012x}", n % 65_536),
        "detail-type": format!("Order state change {}", n % 3),
        "source": source(n),
        "account": "111122223333",
        "time": "2026-11-22T15:04:05Z",
        "region": "eu-central-1",
        "resources": [
            format!("arn:aws:ecs:eu-central-1:111122223333:service/shop/{}", source(n)),
            format!("arn:aws:ec2:eu-central-1:111122223333:instance/i-{:017x}", n * 65_537)
        ],
        "detail": {
            "order": format!("order-{order}"),
            "state": STATES[n % STATES.len()],
            "amount": (n * 37 % 200_000) as f64 / 100.0,
            "currency": "EUR",
            "attempt": n % 7,
            "customer": { "id": format!("customer-{}", n * 31 % 9_000), "country": "DE", "tier": "gold", "since": 2019 },
            "address": format!("10.{}.{}.{}", n % 200, n * 7 % 250, n * 13 % 250),
            "path": format!("/var/log/shop/{}/node-{}/output-{}.log", n % 17, n % 400, n % 90),
            "note": "Left with a neighbour; the parcel was too large for the box, and nobody was at home at the time.",
            "trace": { "id": "4bf92f3577b34da6a3ce929d0e0e4736", "span": "00f067aa0ba902b7", "sampled": true },
            "timings_ms": { "validate": 3, "reserve": 17, "charge": 212, "notify": 9, "total": 241 },
            "flags": { "gift": false, "express": true, "fragile": null }
        }
    });
    event.to_string()
}

/// The pattern of a number; numbers near each other differ in their values, as the rules of many teams do.
fn pattern(mix: Mix, n: usize) -> Value {
    let order = n * 104_729 % 100_000;
    let kinds = match mix {
        Mix::Literal => 1,
        Mix::Operators => 8,
        Mix::Everything => 11,
    };
    let detail = match n % kinds {
        0 => json!({ "order": [format!("order-{order}"), format!("order-{}", order + 1)] }),
        1 => {
            json!({ "path": [{ "prefix": format!("/var/log/shop/{}/node-{}/output-{n}", n % 17, n % 400) }] })
        }
        2 => {
            json!({ "order": [{ "suffix": format!("-{order}") }], "state": [{ "anything-but": "returned" }] })
        }
        3 => json!({ "amount": [{ "numeric": [">", n % 2_000, "<=", n % 2_000 + 1] }], "attempt": [n % 7] }),
        4 => json!({ "customer": { "id": [format!("customer-{n}")], "tier": [{ "exists": true }] } }),
        5 => json!({ "order": [{ "equals-ignore-case": format!("ORDER-{order}") }] }),
        6 => json!({ "path": [{ "wildcard": format!("/var/log/*/node-{n}/*.log") }] }),
        7 => json!({ "state": [{ "anything-but": ["sent", "paid"] }], "order": [format!("order-{order}")] }),
        8 => json!({ "address": [{ "cidr": format!("10.{}.{}.0/24", n % 256, n / 256 % 256) }] }),
        9 => json!({ "$or": [{ "order": [format!("order-{order}")] }, { "attempt": [n % 9_000 + 5] }] }),
        _ => {
            json!({ "amount": [{ "numeric": [">", 1_990 + n % 2_000] }], "flags": { "lost": [{ "exists": false }] } })
        }
    };
    json!({ "source": [source(n)], "detail-type": [format!("Order state change {}", n % 3)], "detail": detail })
}

/// The bytes that this process has in memory, as far as the system says.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Takes the patterns in, as long as that may take.
fn quamina(patterns: &[Value], most: Duration) -> Result<Quamina<usize>, String> {
    let mut quamina = Quamina::new();
    let start = now();
    for (id, pattern) in patterns.iter().enumerate() {
        quamina
            .add_pattern(id, &pattern.to_string())
            .map_err(|error| format!("refuses pattern {id}: {error}"))?;
        if start.elapsed() > most {
            return Err(format!("took in {} of {} patterns in {most:?}", id + 1, patterns.len()));
        }
    }
    Ok(quamina)
}

/// How long this thread has had a processor, so that what else the machine does counts as little as it can. Where the
/// system does not say, it is the time that went by.
fn worked(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// Events per second of the processor's time, while all are matched again and again.
fn rate(events: &[String], time: Duration, mut matches: impl FnMut(&[u8])) -> f64 {
    let epoch = now();
    let start = worked(epoch);
    let mut count = 0_u64;
    loop {
        for event in events {
            matches(black_box(event.as_bytes()));
        }
        count += events.len() as u64;
        let took = worked(epoch).saturating_sub(start);
        if took >= time {
            return count as f64 / took.as_secs_f64();
        }
    }
}

/// Patterns of one mix and number, with both matchers.
struct Case {
    name: &'static str,
    patterns: usize,
    set: PatternSet<usize>,
    quamina: Result<Quamina<usize>, String>,
    per_event: f64,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

fn case(
    name: &'static str,
    mix: Mix,
    count: usize,
    events: &[String],
    build: Duration,
) -> Result<Case, Failure> {
    let patterns: Vec<Value> = (0..count).map(|n| pattern(mix, n)).collect();
    let parsed: Vec<Pattern> = patterns
        .iter()
        .map(|value| Pattern::parse(value).map_err(|problems| format!("{value}: {problems:?}")))
        .collect::<Result<_, _>>()?;
    let before = memory();
    let start = now();
    let mut set = PatternSet::new();
    for (id, pattern) in parsed.iter().enumerate() {
        set.add(id, pattern.clone());
    }
    let added = start.elapsed();
    let bytes = memory().saturating_sub(before) / count.max(1);
    let others: Vec<Pattern> = (count..count + CHANGES)
        .map(|n| Pattern::parse(&pattern(mix, n)).map_err(|problems| format!("{n}: {problems:?}")))
        .collect::<Result<_, _>>()?;
    let start = now();
    for (n, pattern) in others.into_iter().enumerate() {
        set.add(count + n, pattern);
    }
    let one_more = start.elapsed() / CHANGES as u32;
    let start = now();
    for n in count..count + CHANGES {
        set.remove(&n);
    }
    let one_less = start.elapsed() / CHANGES as u32;
    let start = now();
    let quamina = match mix {
        Mix::Everything => Err("does not have all operators".to_owned()),
        _ if build.is_zero() => Err("left out".to_owned()),
        _ => quamina(&patterns, build),
    };
    let theirs = start.elapsed();
    println!(
        "{name}, {count} patterns: {} steps added in {added:.1?}, then one more {one_more:.1?}, one less {one_less:.1?}; \
         {bytes} bytes each; quamina {theirs:.1?}",
        set.nodes()
    );
    let mut scratch = Scratch::new();
    let mut found = 0;
    for event in events {
        let ours: Vec<usize> =
            set.matches_json(event.as_bytes(), &mut scratch)?.into_iter().copied().collect();
        found += ours.len();
        if count <= 1_000 {
            let value: Value = serde_json::from_str(event)?;
            let alone: Vec<usize> = (0..count).filter(|id| parsed[*id].matches(&value)).collect();
            if ours != alone {
                return Err(format!("{ours:?} instead of {alone:?} match {event}").into());
            }
        }
        if let Ok(quamina) = &quamina {
            let mut theirs = quamina.matches_for_event(event.as_bytes())?;
            theirs.sort_unstable();
            theirs.dedup();
            if ours != theirs {
                return Err(format!("{ours:?} match, quamina says {theirs:?}: {event}").into());
            }
        }
    }
    let per_event = found as f64 / events.len() as f64;
    Ok(Case { name, patterns: count, set, quamina, per_event, ours: Vec::new(), theirs: Vec::new() })
}

fn main() -> Result<(), Failure> {
    let time = Duration::from_secs_f64(variable("BENCH_SECONDS", 0.5)?);
    let rounds: usize = variable("BENCH_ROUNDS", 7)?;
    let alone = variable("BENCH_ALONE", 0)? == 1;
    let build = if alone { Duration::ZERO } else { Duration::from_secs(variable("BENCH_BUILD", 60)?) };
    let counts: String = variable("BENCH_PATTERNS", "10,1000,100000".to_owned())?;
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    let bytes = events.iter().map(String::len).sum::<usize>() / events.len();
    println!("event patterns: events matched per second of one core's time, parsing included");
    println!("{EVENTS} events of {bytes} bytes, median of {rounds} rounds of {time:?}, both in turn");
    let mut cases = Vec::new();
    for (name, mix) in
        [("literals", Mix::Literal), ("operators", Mix::Operators), ("everything", Mix::Everything)]
    {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        for count in counts.split(',') {
            cases.push(case(name, mix, count.trim().parse()?, &events, build)?);
        }
    }
    let mut scratch = Scratch::new();
    let mut parse = Vec::new();
    for _ in 0..rounds {
        if !alone {
            parse.push(rate(&events, time, |event| {
                black_box(serde_json::from_slice::<Value>(event).is_ok());
            }));
        }
        for Case { set, quamina, ours, theirs, .. } in &mut cases {
            ours.push(rate(&events, time, |event| {
                black_box(set.matches_json(event, &mut scratch).is_ok());
            }));
            if let Ok(quamina) = quamina {
                theirs.push(rate(&events, time, |event| {
                    black_box(quamina.matches_for_event(event).is_ok());
                }));
            }
        }
    }
    if !parse.is_empty() {
        println!("reading the event into a `serde_json::Value` alone: {:.0} per s", median(&parse));
    }
    println!(
        "{:<12} {:>9} {:>13} {:>10} {:>10} {:>7}",
        "", "patterns", "matches/event", "per s", "quamina", "times"
    );
    for case in &mut cases {
        let ours = median(&case.ours);
        let (theirs, times) = match &case.quamina {
            Ok(_) => {
                let theirs = median(&case.theirs);
                (format!("{theirs:.0}"), format!("{:.2}x", ours / theirs))
            }
            Err(why) => (String::new(), why.clone()),
        };
        println!(
            "{:<12} {:>9} {:>13.2} {ours:>10.0} {theirs:>10} {times:>7}",
            case.name, case.patterns, case.per_event
        );
    }
    Ok(())
}
