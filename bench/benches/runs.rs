//! How many steps of procedures per second are made durable, by one run and by many at once, and how long a run of ten
//! steps takes from its start to its end, beside a bare loop of transactions on SQLite: same file system, same settings,
//! in the same run.
//!
//! `cargo bench -p mainstay-bench --bench runs`; `BENCH_DIR` chooses the disk (a temporary directory otherwise),
//! `BENCH_ROUNDS` how often everything is repeated (5), `BENCH_RUNS` how many runs go on at once (1,000), `BENCH_LISTED`
//! how many are over where runs are listed (100,000). The engine is
//! measured with a host that answers at once, so that what is measured is the journal, the machine and the loop between
//! them; each step is at least two durable writes (its hosts, and its end with the beginning of the next one). Real shell
//! steps, each with its shim, are measured with the `mainstay` binary of the same profile, where it has been built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use mainstay_bench::process::memory;
use mainstay_bench::{Failure, median, variable};
use mainstay_model::{Actor, CommandId, HostId, RunId, Timestamp};
use mainstay_runbook::{Document, HostEnd, HostResult, Origin, RunStatus, Start, Targets};
use mainstay_server::clock::SystemClock;
use mainstay_server::runs::{Engine, NoProcedures, Order, Performer, Wanted, list, run};
use mainstay_store::{Journal, LookJournal, Options, SqliteJournal, TUNING, verify};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// A transaction of the bare loop writes so many bytes: about what the events of a step are.
const BODY_BYTES: usize = 1500;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// A host that has done everything as soon as it is asked.
struct AtOnce(HostId);

impl Performer for AtOnce {
    fn choose(&self, _: &Targets) -> Result<Vec<HostId>, String> {
        Ok(vec![self.0.clone()])
    }

    fn control_host(&self) -> BoxFuture<'_, HostId> {
        Box::pin(async { self.0.clone() })
    }

    fn perform(&self, order: Order) -> BoxFuture<'_, HostResult> {
        let stdout = "payments restarted, pool 0 of 20 connections in use, 0 waiting\n".to_owned();
        Box::pin(async {
            HostResult { host: order.host, ended: HostEnd::Exited(0), stdout, stderr: String::new() }
        })
    }

    fn stop(&self, _: &HostId, _: &CommandId) {}

    fn forget(&self, _: &HostId, _: &CommandId) {}
}

fn document(steps: usize) -> Result<Value, Failure> {
    let step = |number: usize| {
        json!({
            "name": format!("step{number}"),
            "action": "aws:runCommand",
            "inputs": {
                "DocumentName": "AWS-RunShellScript",
                "InstanceIds": ["app-1"],
                "Parameters": { "commands": ["true"] },
            },
        })
    };
    let steps: Vec<Value> = (1..=steps).map(step).collect();
    Ok(json!({ "schemaVersion": "0.3", "description": "Measured", "mainSteps": steps }))
}

/// One row per transaction, prepared once: how long so many of them take.
fn bare(dir: &Path, transactions: usize) -> Result<Duration, Failure> {
    let conn = Connection::open(dir.join("bare.sqlite"))?;
    for (name, value) in TUNING {
        conn.query_row(&format!("PRAGMA {name} = {value}"), [], |_| Ok(())).optional()?;
    }
    conn.execute_batch("CREATE TABLE events(seq INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    let mut insert = conn.prepare("INSERT INTO events(seq, body) VALUES(?, ?)")?;
    let body = "x".repeat(BODY_BYTES);
    let start = now();
    for number in 0..transactions {
        insert.execute(params![i64::try_from(number)?, body])?;
    }
    Ok(start.elapsed())
}

/// Runs so many runs of so many steps, so many at once: how long until the last is over.
async fn runs(dir: &Path, runs: usize, at_once: usize, steps: usize) -> Result<Duration, Failure> {
    let options = Options { folds: mainstay_server::folds(), ..Options::default() };
    let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::open(dir, options)?);
    let performer = Arc::new(AtOnce(HostId::new("app-1")?));
    let stop = CancellationToken::new();
    let engine =
        Engine::new(journal.clone(), performer, Arc::new(NoProcedures), Arc::new(SystemClock), stop.clone());
    let document = Document::parse(&document(steps)?).map_err(|problems| format!("{problems:?}"))?;
    let document = Arc::new(document);
    let ids: Vec<RunId> =
        (0..runs).map(|number| RunId::new(format!("run-{number:05}"))).collect::<Result<_, _>>()?;
    let begin = |id: &RunId| Start {
        run: id.clone(),
        procedure: "measured".to_owned(),
        workload: Some("shop".to_owned()),
        digest: "0".repeat(64),
        parameters: Map::new(),
        at: Timestamp::from_millis(1_795_359_845_250),
        by: Actor::Person("alice".to_owned()),
        reason: None,
        cause: None,
        host: None,
        origin: Origin::default(),
    };
    let start = now();
    for ids in ids.chunks(at_once) {
        let mut tasks = tokio::task::JoinSet::new();
        for id in ids {
            let (engine, document, begin, id) = (engine.clone(), document.clone(), begin(id), id.clone());
            tasks.spawn(async move {
                engine.start(&document, begin, Vec::new()).await?;
                engine.ended(&id).await;
                Ok::<_, mainstay_server::runs::RunError>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
    }
    let took = start.elapsed();
    for id in &ids {
        // A fast wrong answer is none.
        let status = run(journal.as_ref(), id)?.map(|run| run.status);
        if status != Some(RunStatus::Success) {
            return Err(format!("run {id} is {status:?}").into());
        }
    }
    stop.cancel();
    engine.stopped().await;
    drop((engine, journal));
    verify(dir)?;
    Ok(took)
}

/// How long it takes to list runs where so many are over, each of one step.
async fn lists(dir: &Path, over: usize) -> Result<(), Failure> {
    const PAGE: usize = 50;
    runs(dir, over, 1000, 1).await?;
    let journal = LookJournal::open(dir, mainstay_server::folds())?;
    let middle = Some(format!("run-{:05}", over / 2));
    let status = |status: &str| Wanted { status: vec![status.to_owned()], ..Wanted::default() };
    let other = |name: &str| Wanted { procedure: Some(name.to_owned()), ..Wanted::default() };
    let asked = [
        ("the newest", Wanted::default(), None),
        ("those behind the one in the middle", Wanted::default(), middle.clone()),
        ("those that succeeded, behind that", status("Success"), middle.clone()),
        ("those that go on, of which there are none", Wanted { active: true, ..Wanted::default() }, None),
        ("those that failed, of which there are none", status("Failed"), None),
        (
            "those of a workload, behind that",
            Wanted { workload: Some("shop".to_owned()), ..Wanted::default() },
            middle,
        ),
        ("those of a procedure, of which there are none", other("other"), None),
        (
            "of these those that failed",
            Wanted { procedure: Some("other".to_owned()), ..status("Failed") },
            None,
        ),
    ];
    println!("lists of {PAGE} runs, where {over} are over, median of 11:");
    for (what, wanted, after) in asked {
        let mut took = Vec::new();
        for _ in 0..11 {
            let start = now();
            let found = list(&journal, &wanted, after.clone(), PAGE)?.len();
            took.push(start.elapsed().as_secs_f64());
            let none = wanted.active || wanted == status("Failed") || wanted.procedure.is_some();
            if found != if none { 0 } else { PAGE.min(over) } {
                return Err(format!("{found} runs were listed of {what}").into());
            }
        }
        println!("{what:<45} {:>8.1} ms", median(&took) * 1000.0);
    }
    Ok(())
}

/// The binary beside which this one was built.
fn binary() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.ancestors().nth(2)?.join("mainstay");
    path.is_file().then_some(path)
}

/// A process that runs a document of so many shell steps on this host: how long from its start to its end.
fn shell(binary: &Path, dir: &Path, steps: usize) -> Result<Duration, Failure> {
    let mut document = document(steps)?;
    for step in document["mainSteps"].as_array_mut().into_iter().flatten() {
        step["action"] = "aws:executeScript".into();
        step["inputs"] = json!({ "Runtime": "bash", "Script": "true" });
    }
    let path = dir.join("document.json");
    std::fs::write(&path, document.to_string())?;
    let start = now();
    let status = Command::new(binary)
        .args(["run".as_ref(), path.as_os_str(), "--journal".as_ref(), dir.join("j").as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("`mainstay run` ended with {status}").into());
    }
    Ok(start.elapsed())
}

/// One line of the table.
struct Case {
    name: String,
    runs: usize,
    steps: usize,
    shell: bool,
    /// Seconds, one for each round.
    took: Vec<f64>,
    /// Of the same number of bare transactions.
    bare: Vec<f64>,
}

fn main() -> Result<(), Failure> {
    let rounds: usize = variable("BENCH_ROUNDS", 5)?;
    let many: usize = variable("BENCH_RUNS", 1000)?;
    let parent = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("runs: durable steps per second, and from the start of a run to its end");
    println!(
        "mainstay {}, SQLite {}, {} processors, {}, a transaction of {BODY_BYTES} bytes a step, median of {rounds} rounds",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version(),
        std::thread::available_parallelism()?,
        TUNING.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
    );
    let case = |name: &str, runs, steps, shell| Case {
        name: name.to_owned(),
        runs,
        steps,
        shell,
        took: Vec::new(),
        bare: Vec::new(),
    };
    let mut cases = vec![
        case("one run of 10 steps", 1, 10, false),
        case("one run of 200 steps", 1, 200, false),
        case(&format!("{many} runs of 10 steps at once"), many, 10, false),
    ];
    let binary = binary();
    match &binary {
        Some(_) => cases.push(case("`mainstay run`, 10 shell steps", 1, 10, true)),
        None => println!("skipped: shell steps; `cargo build --release -p mainstay` builds what they need"),
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    cases.retain(|case| wanted.is_empty() || wanted.iter().any(|wanted| case.name.contains(wanted)));
    let before = memory("self").resident;
    if wanted.is_empty() || wanted.iter().any(|wanted| "lists".contains(wanted)) {
        let dir = tempfile::tempdir_in(&parent)?;
        runtime.block_on(lists(&dir.path().join("journal"), variable("BENCH_LISTED", 100_000)?))?;
    }
    for _ in 0..rounds {
        for case in &mut cases {
            let dir = tempfile::tempdir_in(&parent)?;
            let bare = bare(dir.path(), case.runs * case.steps)?;
            let took = match (&binary, case.shell) {
                (Some(binary), true) => shell(binary, dir.path(), case.steps)?,
                _ => runtime.block_on(runs(&dir.path().join("journal"), case.runs, case.runs, case.steps))?,
            };
            case.took.push(took.as_secs_f64());
            case.bare.push(bare.as_secs_f64());
        }
    }
    println!("{:<32} {:>10} {:>10} {:>12} {:>12}", "", "steps/s", "took", "bare took", "times bare");
    for case in &cases {
        let (took, bare) = (median(&case.took), median(&case.bare));
        let ratios: Vec<f64> = case.took.iter().zip(&case.bare).map(|(took, bare)| bare / took).collect();
        println!(
            "{:<32} {:>10.0} {:>7.1} ms {:>9.1} ms {:>11.2}x",
            case.name,
            (case.runs * case.steps) as f64 / took,
            took * 1000.0,
            bare * 1000.0,
            median(&ratios)
        );
    }
    let peak = memory("self").peak;
    println!("memory of this process: {} MiB before, {} MiB at most", before >> 20, peak >> 20);
    Ok(())
}
