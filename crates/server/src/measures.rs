//! Priorities: each measure is evaluated against its target, and crossing it is told. An incident is over only when
//! the measures of its workload are back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_declare::Priority;
use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{Fold, Journal, Rows, StoreError, all_rows};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::query::Querier;

/// How often measures are evaluated.
const INTERVAL: Duration = Duration::from_secs(1);

/// The table of measures, by `workload/goal`.
pub const MEASURES_TABLE: &str = "measures";

/// How a measure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The target is met.
    OnTarget,
    /// It is not.
    OffTarget,
    /// Nothing is known: there are no data.
    NoData,
    /// Nothing is known: the measure cannot be evaluated.
    Error,
}

impl Standing {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::OnTarget => "on target",
            Self::OffTarget => "off target",
            Self::NoData => "no data",
            Self::Error => "error",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::OnTarget => "measure.on_target",
            Self::OffTarget => "measure.off_target",
            Self::NoData => "measure.no_data",
            Self::Error => "measure.error",
        }
    }

    fn of_kind(kind: &str) -> Option<Self> {
        [Self::OnTarget, Self::OffTarget, Self::NoData, Self::Error].into_iter().find(|s| s.kind() == kind)
    }
}

/// What is known of a measure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measure {
    /// The workload.
    pub workload: String,
    /// The goal.
    pub goal: String,
    /// The PromQL.
    pub measure: String,
    /// The target.
    pub target: String,
    /// How it stands.
    pub standing: Standing,
    /// The last value.
    pub value: Option<f64>,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Why it cannot be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn row_id(workload: &str, goal: &str) -> String {
    format!("{workload}/{goal}")
}

/// Keeps [`MEASURES_TABLE`].
pub struct MeasuresFold;

impl Fold for MeasuresFold {
    fn table(&self) -> &'static str {
        MEASURES_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(standing) = Standing::of_kind(&event.kind) else { return };
        let text = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
        let measure = Measure {
            workload: event.workload.clone().unwrap_or_default(),
            goal: text("goal"),
            measure: text("measure"),
            target: text("target"),
            standing,
            value: event.data["value"].as_f64(),
            since: event.time,
            error: event.data["error"].as_str().map(str::to_owned),
        };
        if let Ok(row) = serde_json::to_value(&measure) {
            rows.put(&row_id(&measure.workload, &measure.goal), &row);
        }
    }
}

/// Every measure that was ever told, as the journal knows it.
pub fn all(journal: &dyn Journal) -> Result<Vec<Measure>, StoreError> {
    let measure = |row: Result<_, StoreError>| {
        row.map(|(_, row)| serde_json::from_value::<Measure>(row).ok()).transpose()
    };
    all_rows(journal, MEASURES_TABLE).filter_map(measure).collect()
}

/// Evaluates measures. One per server.
pub struct Measures {
    journal: Arc<dyn Journal>,
    querier: Querier,
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
    known: Mutex<BTreeMap<String, Measure>>,
}

impl Measures {
    /// With what the journal knows.
    pub fn new(
        journal: Arc<dyn Journal>,
        querier: Querier,
        clock: Arc<dyn Clock>,
        catalogue: Arc<Catalogue>,
    ) -> Result<Arc<Self>, StoreError> {
        let known = all(journal.as_ref())?.into_iter().map(|m| (row_id(&m.workload, &m.goal), m)).collect();
        Ok(Arc::new(Self { journal, querier, clock, catalogue, known: Mutex::new(known) }))
    }

    /// How a measure stands, with its last value.
    pub fn get(&self, workload: &str, goal: &str) -> Option<Measure> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&row_id(workload, goal)).cloned()
    }

    /// Evaluates until stopped.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let step = i64::try_from(INTERVAL.as_millis()).unwrap_or(1000);
        loop {
            let now = self.clock.now().as_millis();
            // In the middle between rule evaluations, which fall on full seconds, so that recorded series are there.
            let next = Timestamp::from_millis(now.div_euclid(step) * step + step + step / 2);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.until(next) => {}
            }
            for active in self.catalogue.now().values() {
                for priority in &active.declared.workload.priorities {
                    self.evaluate(active.name(), priority, next).await;
                }
            }
        }
    }

    async fn evaluate(&self, workload: &str, priority: &Priority, at: Timestamp) {
        let querier = self.querier.clone();
        let text = priority.measure.clone();
        let work = move || {
            let expr = Querier::parse(&text)?;
            querier.samples(&expr, at)
        };
        let (standing, value, error) = match tokio::task::spawn_blocking(work).await {
            Ok(Ok(instant)) => {
                let values: Vec<f64> = instant
                    .samples
                    .iter()
                    .map(|sample| sample.value)
                    .filter(|value| !value.is_nan())
                    .collect();
                // Several series: every one of them has to be on target, and the worst one is shown.
                let off = values.iter().copied().find(|value| !priority.target.is_met_by(*value));
                match (off, values.first().copied()) {
                    (Some(value), _) => (Standing::OffTarget, Some(value), None),
                    (None, Some(value)) => (Standing::OnTarget, Some(value), None),
                    (None, None) => (Standing::NoData, None, None),
                }
            }
            Ok(Err(error)) => (Standing::Error, None, Some(error.to_string())),
            Err(error) => (Standing::Error, None, Some(error.to_string())),
        };
        let id = row_id(workload, &priority.goal);
        let mut measure = Measure {
            workload: workload.to_owned(),
            goal: priority.goal.clone(),
            measure: priority.measure.clone(),
            target: priority.target.to_string(),
            standing,
            value,
            since: at,
            error,
        };
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let unchanged = before.as_ref().is_some_and(|before| {
            before.standing == standing
                && before.measure == measure.measure
                && before.target == measure.target
        });
        if unchanged {
            measure.since = before.map_or(at, |before| before.since);
        } else if let Err(error) = self.journal.append(vec![draft(&measure)]).await {
            // What could not be told is not known either: the next round tells it.
            tracing::error!(%error, "the journal refused a measure's change; trying again");
            return;
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, measure);
    }
}

fn draft(measure: &Measure) -> EventDraft {
    let identity = format!("{}\n{}\n{}", measure.workload, measure.goal, measure.since.as_millis());
    let hex = blake3::hash(identity.as_bytes()).to_hex();
    let id = EventId::new(format!("measure:{}", &hex[..24])).expect("hex digits are an id");
    let data = json!({
        "goal": measure.goal,
        "measure": measure.measure,
        "target": measure.target,
        "value": measure.value.filter(|value| value.is_finite()),
        "error": measure.error,
    });
    EventDraft::new(id, measure.standing.kind(), measure.since, Actor::System("measures".to_owned()), data)
        .subject(format!("workload/{}", measure.workload))
        .workload(&measure.workload)
}
