//! Scrapes targets, each in a task of its own, and stores what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::fetch::fetch;
use super::target::{Health, Target, TargetProblem, TargetStatus};
use super::text::Exposition;
use crate::batch::{Batch, Labels, Point, STALE_NAN, Sample};
use crate::error::IngestError;
use crate::store::Telemetry;

/// The first scrapes of many targets are spread over this long, or one interval if that is shorter.
const SPREAD: Duration = Duration::from_secs(1);

type Key = (String, String, String);

/// Scrapes a changing set of targets. Dropping it ends the scraping at once; [`Scraper::stop`] lets a scrape that
/// is being stored finish.
pub struct Scraper {
    shared: Arc<Shared>,
    tasks: Mutex<Tasks>,
}

struct Shared {
    telemetry: Arc<Telemetry>,
    client: reqwest::Client,
    statuses: Mutex<BTreeMap<Key, TargetStatus>>,
    done: watch::Sender<u64>,
    /// Changes when every target is to be scraped at once.
    now: watch::Sender<u64>,
}

#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    // Dropping the sender tells the task that its target is gone; sending `false` that everything ends.
    targets: BTreeMap<Key, (Target, oneshot::Sender<bool>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Scraper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scraper").field("targets", &lock(&self.tasks).targets.len()).finish_non_exhaustive()
    }
}

impl Scraper {
    /// A scraper without targets. The error says why an HTTP client could not be made.
    pub fn new(telemetry: Arc<Telemetry>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            // A proxy of the environment must not stand between a server and its own hosts.
            .no_proxy()
            .build()?;
        let shared = Shared {
            telemetry,
            client,
            statuses: Mutex::default(),
            done: watch::Sender::new(0),
            now: watch::Sender::new(0),
        };
        Ok(Self { shared: Arc::new(shared), tasks: Mutex::default() })
    }

    /// Scrapes these targets from now on and no others; call it within a tokio runtime. A target that is in the old
    /// and the new list alike goes on undisturbed; the series of one that is gone end with staleness markers.
    /// Targets that cannot be scraped are answered with the reason; the others are scraped all the same.
    pub fn set_targets(&self, targets: Vec<Target>) -> Vec<TargetProblem> {
        let mut problems = Vec::new();
        let mut wanted: BTreeMap<Key, Target> = BTreeMap::new();
        for target in targets {
            let problem =
                |reason| TargetProblem { job: target.job.clone(), instance: target.instance.clone(), reason };
            match target.check() {
                Err(reason) => problems.push(problem(reason)),
                Ok(()) if wanted.contains_key(&target.key()) => {
                    problems.push(problem("listed twice".to_owned()));
                }
                Ok(()) => {
                    wanted.insert(target.key(), target);
                }
            }
        }
        let mut tasks = lock(&self.tasks);
        let mut statuses = lock(&self.shared.statuses);
        tasks.targets.retain(|key, (target, _)| wanted.get(key) == Some(target));
        statuses.retain(|key, _| tasks.targets.contains_key(key));
        // Tasks that ended are collected here, so that the set does not grow for ever.
        while let Some(result) = tasks.running.try_join_next() {
            report(result);
        }
        for (key, target) in wanted {
            if tasks.targets.contains_key(&key) {
                continue;
            }
            statuses.insert(key.clone(), new_status(target.clone()));
            let (stop, stopped) = oneshot::channel();
            let worker = Worker {
                shared: Arc::clone(&self.shared),
                target: target.clone(),
                seen: BTreeSet::new(),
                scrapes: 0,
            };
            tasks.running.spawn(worker.run(stopped));
            tasks.targets.insert(key, (target, stop));
        }
        problems
    }

    /// The targets and how their last scrapes went, by job and instance.
    pub fn statuses(&self) -> Vec<TargetStatus> {
        lock(&self.shared.statuses).values().cloned().collect()
    }

    /// Scrapes every target at once, besides its schedule; for when something has just started.
    pub fn scrape_now(&self) {
        self.shared.now.send_modify(|count| *count += 1);
    }

    /// Counts the scrapes done, by all targets together.
    pub fn scrapes(&self) -> watch::Receiver<u64> {
        self.shared.done.subscribe()
    }

    /// Ends the scraping and resolves when no task is left. No staleness markers are written: whoever starts again
    /// goes on where this ended.
    pub async fn stop(self) {
        let Tasks { mut running, targets } = std::mem::take(&mut *lock(&self.tasks));
        for (_, stop) in targets.into_values() {
            let _ = stop.send(false);
        }
        while let Some(result) = running.join_next().await {
            report(result);
        }
    }
}

fn report(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result
        && error.is_panic()
    {
        tracing::error!(error = %error, "a scrape task panicked");
    }
}

fn new_status(target: Target) -> TargetStatus {
    TargetStatus {
        target,
        health: Health::Unknown,
        error: None,
        last_scrape_ms: 0,
        duration: Duration::ZERO,
        samples: 0,
        refused: 0,
        scrapes: 0,
    }
}

/// One target.
struct Worker {
    shared: Arc<Shared>,
    target: Target,
    /// The series of the last scrape, which go stale when the next one does not have them.
    seen: BTreeSet<Labels>,
    scrapes: u64,
}

/// What one scrape puts into the store.
#[derive(Default)]
struct Page {
    batch: Batch,
    tracked: BTreeSet<Labels>,
    samples: usize,
    repeated: usize,
}

impl Worker {
    async fn run(mut self, mut stopped: oneshot::Receiver<bool>) {
        let mut ticks = tokio::time::interval_at(Instant::now() + self.offset(), self.target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut now = self.shared.now.subscribe();
        loop {
            let gone = tokio::select! {
                stop = &mut stopped => stop != Ok(false),
                _ = ticks.tick() => {
                    self.scrape().await;
                    continue;
                }
                Ok(()) = now.changed() => {
                    self.scrape().await;
                    continue;
                }
            };
            if gone {
                self.mark_gone().await;
            }
            return;
        }
    }

    /// Targets do not all start at the same moment; the same one always starts at the same offset.
    fn offset(&self) -> Duration {
        let hash = self
            .target
            .url
            .bytes()
            .chain(self.target.job.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let spread = SPREAD.min(self.target.interval);
        spread.mul_f64((hash >> 11) as f64 / (1u64 << 53) as f64)
    }

    async fn scrape(&mut self) {
        let t_ms = self.shared.telemetry.now_ms();
        let started = Instant::now();
        let timeout = self.target.timeout;
        let page = match tokio::time::timeout(timeout, fetch(&self.shared.client, &self.target)).await {
            Ok(result) => result,
            Err(_) => Err(format!("did not answer within {} ms", timeout.as_millis())),
        };
        let duration = started.elapsed();
        let (page, mut error) = match page {
            Ok(exposition) => (self.page(exposition, t_ms), None),
            Err(error) => (Page::default(), Some(error)),
        };
        let Page { mut batch, tracked, samples, repeated } = page;
        let added = tracked.difference(&self.seen).count();
        let stale = self.seen.difference(&tracked).map(|labels| marker(labels.clone(), t_ms));
        batch.samples.extend(stale);
        let up = if error.is_none() { 1.0 } else { 0.0 };
        let report = [
            ("up", up),
            ("scrape_duration_seconds", duration.as_secs_f64()),
            ("scrape_samples_scraped", samples as f64),
            ("scrape_samples_post_metric_relabeling", samples as f64),
            ("scrape_series_added", added as f64),
        ];
        batch.samples.extend(report.map(|(name, value)| Sample {
            labels: self.report_labels(name),
            t_ms,
            point: Point::Value(value),
        }));
        let mut refused = repeated;
        match self.shared.telemetry.ingest(batch).await {
            Ok(outcome) => {
                refused += outcome.rejected_samples();
                self.seen = tracked;
            }
            Err(not_stored) => error = Some(format!("not stored: {not_stored}")),
        }
        self.scrapes += 1;
        self.set_status(TargetStatus {
            target: self.target.clone(),
            health: if error.is_none() { Health::Up } else { Health::Down },
            error,
            last_scrape_ms: t_ms,
            duration,
            samples,
            refused,
            scrapes: self.scrapes,
        });
    }

    fn set_status(&self, status: TargetStatus) {
        let before = lock(&self.shared.statuses).get(&self.target.key()).map(|known| known.health);
        if let Some(error) = &status.error
            && before != Some(Health::Down)
        {
            tracing::warn!(job = self.target.job, instance = self.target.instance, error, "scrape failed");
        }
        // A target that has been taken off the list meanwhile keeps no status.
        if let Some(known) = lock(&self.shared.statuses).get_mut(&self.target.key()) {
            *known = status;
        }
        self.shared.done.send_modify(|count| *count += 1);
    }

    fn page(&self, exposition: Exposition, t_ms: i64) -> Page {
        let mut page = Page { samples: exposition.samples.len(), ..Page::default() };
        page.batch.metadata = exposition.metadata;
        for scraped in exposition.samples {
            let labels = self.target.merge(&scraped.labels);
            // A series with a time of its own says itself when it ends.
            if scraped.t_ms.is_none() && !page.tracked.insert(labels.clone()) {
                page.repeated += 1;
                continue;
            }
            let point = Point::Value(scraped.value);
            page.batch.samples.push(Sample { labels, t_ms: scraped.t_ms.unwrap_or(t_ms), point });
        }
        page
    }

    fn report_labels(&self, name: &str) -> Labels {
        let mut labels = self.target.own_labels();
        labels.insert("__name__".to_owned(), name.to_owned());
        Labels::from_pairs(labels)
    }

    /// Ends the series of a target that is scraped no longer.
    async fn mark_gone(&self) {
        if self.scrapes == 0 {
            return;
        }
        let t_ms = self.shared.telemetry.now_ms();
        let report = [
            "up",
            "scrape_duration_seconds",
            "scrape_samples_scraped",
            "scrape_samples_post_metric_relabeling",
            "scrape_series_added",
        ];
        let all = self.seen.iter().cloned().chain(report.map(|name| self.report_labels(name)));
        let samples = all.map(|labels| marker(labels, t_ms)).collect();
        match self.shared.telemetry.append_samples(samples).await {
            Ok(_) | Err(IngestError::Closed) => {}
            Err(error) => tracing::warn!(error = %error, "the end of a target's series was not stored"),
        }
    }
}

fn marker(labels: Labels, t_ms: i64) -> Sample {
    Sample { labels, t_ms, point: Point::Value(STALE_NAN) }
}
