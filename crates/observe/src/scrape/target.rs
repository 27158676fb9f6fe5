//! What is scraped, and how it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::Labels;

/// One `/metrics` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The `job` label: what kind of thing it is (the component).
    pub job: String,
    /// The `instance` label: which one (`host:port`).
    pub instance: String,
    /// The address, `http://host:port/metrics`.
    pub url: String,
    /// More labels for every series of the target.
    pub labels: BTreeMap<String, String>,
    /// How often; at least 100 ms.
    pub interval: Duration,
    /// How long one scrape may take; not more than `interval`.
    pub timeout: Duration,
    /// Whether a label of the page wins over one of the target. If not, the page's is renamed `exported_<name>`.
    pub honor_labels: bool,
    /// A page with more samples fails the scrape.
    pub sample_limit: usize,
    /// A page with more bytes (unpacked) fails the scrape.
    pub body_limit: usize,
}

impl Target {
    /// A target scraped every `interval`, with the usual limits: 100,000 samples, 16 MiB.
    pub fn new(
        job: impl Into<String>,
        instance: impl Into<String>,
        url: impl Into<String>,
        interval: Duration,
    ) -> Self {
        Self {
            job: job.into(),
            instance: instance.into(),
            url: url.into(),
            labels: BTreeMap::new(),
            interval,
            timeout: interval.min(Duration::from_secs(10)),
            honor_labels: false,
            sample_limit: 100_000,
            body_limit: 16 << 20,
        }
    }

    /// What makes it the same target in two lists.
    pub(super) fn key(&self) -> (String, String, String) {
        (self.job.clone(), self.instance.clone(), self.url.clone())
    }

    /// The labels every series of the target gets.
    pub(super) fn own_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert("job".to_owned(), self.job.clone());
        labels.insert("instance".to_owned(), self.instance.clone());
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    /// The labels of a scraped series: those of the page and those of the target.
    pub(super) fn merge(&self, scraped: &Labels) -> Labels {
        let mut merged: BTreeMap<String, String> =
            crate::batch::pairs(scraped).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in self.own_labels() {
            if self.honor_labels {
                merged.entry(name).or_insert(value);
            } else if let Some(exported) = merged.insert(name.clone(), value) {
                let mut free = format!("exported_{name}");
                while merged.contains_key(&free) {
                    free.insert_str(0, "exported_");
                }
                merged.insert(free, exported);
            }
        }
        Labels::from_pairs(merged)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let url = reqwest::Url::parse(&self.url)
            .map_err(|error| format!("`{}` is not a URL: {error}", self.url))?;
        match url.scheme() {
            "http" => {}
            "https" => {
                return Err("https targets are not supported yet: use http on a trusted network".to_owned());
            }
            other => return Err(format!("cannot scrape `{other}` addresses: use http")),
        }
        if self.job.is_empty() {
            return Err("a target needs a job".to_owned());
        }
        if self.interval < Duration::from_millis(100) {
            return Err("the interval is shorter than 100 ms".to_owned());
        }
        if self.timeout > self.interval || self.timeout.is_zero() {
            return Err("the timeout must be more than zero and not longer than the interval".to_owned());
        }
        if let Some(name) = self.labels.keys().find(|name| name.is_empty() || name.starts_with("__")) {
            return Err(format!("`{name}` cannot be a label of a target"));
        }
        Ok(())
    }
}

/// A target that is not scraped, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{job} {instance}: {reason}")]
pub struct TargetProblem {
    /// Its job.
    pub job: String,
    /// Its instance.
    pub instance: String,
    /// Why.
    pub reason: String,
}

/// How the last scrape went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not scraped yet.
    Unknown,
    /// Scraped and stored.
    Up,
    /// Not reached, not understood or not stored.
    Down,
}

/// A target and how its last scrape went.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetStatus {
    /// The target.
    pub target: Target,
    /// How the last scrape went.
    pub health: Health,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// When it began, milliseconds since the epoch; 0 before the first.
    pub last_scrape_ms: i64,
    /// How long it took.
    pub duration: Duration,
    /// Samples on the page.
    pub samples: usize,
    /// Samples of the page that were refused: repeated in the page, too old, too far ahead, or beyond a limit.
    pub refused: usize,
    /// Scrapes done since it was set.
    pub scrapes: u64,
}
