//! The loop that evaluates rule groups. One task per group; the state of each group survives a change of the workload
//! as long as the group keeps its file and name, and a restart by way of the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_detect::alarm::Environment;
use mainstay_detect::{GroupState, Labels, Outcome, RuleEvaluation, RuleGroup, evaluate_rule};
use mainstay_model::{EventDraft, Timestamp};
use mainstay_observe::{Batch, Point, STALE_NAN, Sample, Telemetry};
use mainstay_promql::Expr;
use mainstay_store::Journal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fold;
use crate::catalogue::{Active, Catalogue, Workloads};
use crate::clock::Clock;
use crate::query::Querier;

/// How often a group is evaluated that does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// An outage up to this long is one that pending alarms outlast.
const OUTAGE_TOLERANCE: Duration = Duration::from_secs(3600);

/// (workload, group)
type Key = (String, String);

/// Evaluates rules. One per server.
pub struct Evaluator {
    journal: Arc<dyn Journal>,
    telemetry: Arc<Telemetry>,
    querier: Querier,
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
    external_url: String,
    states: Mutex<BTreeMap<Key, GroupState>>,
}

impl Evaluator {
    /// An evaluator; [`Evaluator::run`] is its loop.
    pub fn new(
        journal: Arc<dyn Journal>,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Clock>,
        catalogue: Arc<Catalogue>,
        external_url: String,
    ) -> Arc<Self> {
        let querier = Querier::new(telemetry.clone());
        Arc::new(Self {
            journal,
            telemetry,
            querier,
            clock,
            catalogue,
            external_url,
            states: Mutex::new(BTreeMap::new()),
        })
    }

    /// The state of a group, as of its last evaluation in this process.
    pub fn state(&self, workload: &str, group: &str) -> Option<GroupState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&(workload.to_owned(), group.to_owned())).cloned()
    }

    /// Evaluates until stopped. When the workloads change, their groups' tasks are started anew with the state they had.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut watch = self.catalogue.watch();
        loop {
            let workloads: Workloads = watch.borrow_and_update().clone();
            let mut groups = JoinSet::new();
            let round = stop.child_token();
            for active in workloads.values() {
                self.restore(active);
                self.end_groups(active).await;
                for group in &active.groups {
                    let task = GroupTask::new(
                        self.clone(),
                        active.name().to_owned(),
                        group.key(),
                        group.group.clone(),
                    );
                    groups.spawn(task.run(round.clone()));
                }
            }
            let changed = tokio::select! {
                () = stop.cancelled() => false,
                changed = watch.changed() => changed.is_ok(),
            };
            round.cancel();
            while let Some(ended) = groups.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a rule group's task failed");
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Takes up the states that the journal knows for groups this process has not evaluated yet.
    fn restore(&self, active: &Active) {
        let known = match fold::restore(self.journal.as_ref(), active.name()) {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(%error, workload = active.name(), "the alarms' states cannot be read; they start anew");
                BTreeMap::new()
            }
        };
        let now = self.clock.now();
        for (key, mut state) in known {
            let key = (active.name().to_owned(), key);
            if self.states.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key) {
                continue;
            }
            if let Some(group) = active.groups.iter().find(|group| group.key() == key.1) {
                self.date(&group.group, &mut state, now);
                state.resume(&group.group, now);
            }
            self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(key, state);
        }
    }

    /// Groups that are no longer declared end, with what fires in them: nobody would ever say that it is over.
    async fn end_groups(&self, active: &Active) {
        let now = self.clock.now();
        let declared =
            |key: &Key| key.0 != active.name() || active.groups.iter().any(|group| group.key() == key.1);
        let mut drafts = Vec::new();
        let mut stale = Vec::new();
        {
            let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, state) in states.iter().filter(|(key, _)| !declared(key)) {
                for (rule, alarm) in &state.alarms {
                    drafts.extend(fold::ended(&key.0, &key.1, rule, alarm, now));
                    stale.extend(alarm.written.iter().cloned());
                }
            }
        }
        if !drafts.is_empty()
            && let Err(error) = self.journal.append(drafts).await
        {
            // Their states are kept, so the next change of the workload or the next start tries again.
            tracing::error!(%error, "the journal refused the end of alarms that are no longer declared");
            return;
        }
        let samples = stale
            .iter()
            .map(|labels| Sample {
                labels: mainstay_observe::Labels::from_pairs(labels),
                t_ms: now.as_millis(),
                point: Point::Value(STALE_NAN),
            })
            .collect();
        if let Err(error) = self.telemetry.ingest(Batch { samples, ..Batch::default() }).await {
            tracing::warn!(%error, "series of rules that are no longer declared could not be ended");
        }
        self.states.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| declared(key));
    }

    /// The journal knows when an alarm last changed, not when it was last looked at. The series that each look writes
    /// do: how long an alarm was pending before the server went down is taken from them.
    fn date(&self, group: &RuleGroup, state: &mut GroupState, now: Timestamp) {
        let snapshot = self.telemetry.snapshot();
        let start = now.minus(OUTAGE_TOLERANCE).as_millis();
        for (index, rule) in mainstay_detect::alarm::alarms(group) {
            let Some(alarm) = state.alarms.get_mut(&group.rule_key(index)) else { continue };
            let mine = |labels: &mainstay_observe::Labels| labels.get("alertname") == rule.alert;
            match snapshot.samples(Some("ALERTS_FOR_STATE"), mine, start, now.as_millis()) {
                Ok(series) => {
                    let last =
                        series.iter().filter_map(|(_, samples)| samples.last()).map(|(t_ms, _)| *t_ms).max();
                    alarm.last_evaluation = alarm.last_evaluation.max(last.map(Timestamp::from_millis));
                }
                Err(error) => {
                    tracing::warn!(%error, alarm = rule.alert, "when the alarm was last evaluated cannot be read");
                }
            }
        }
    }
}

struct GroupTask {
    evaluator: Arc<Evaluator>,
    key: Key,
    group: RuleGroup,
    expressions: Arc<Vec<Result<Expr, String>>>,
    /// Events of transitions that have happened and that the journal has not taken yet.
    untold: Vec<EventDraft>,
}

impl GroupTask {
    fn new(evaluator: Arc<Evaluator>, workload: String, key: String, group: RuleGroup) -> Self {
        let parse =
            |rule: &mainstay_detect::Rule| Querier::parse(rule.expr()).map_err(|error| error.to_string());
        let expressions = Arc::new(group.rules.iter().map(parse).collect());
        Self { evaluator, key: (workload, key), group, expressions, untold: Vec::new() }
    }

    async fn run(mut self, stop: CancellationToken) {
        self.mark_gone().await;
        let interval = self.group.interval.unwrap_or(DEFAULT_INTERVAL);
        let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        loop {
            // Evaluations fall on multiples of the interval, and one that comes too late is left out, not made up for.
            let now = self.evaluator.clock.now().as_millis();
            let next = Timestamp::from_millis((now.div_euclid(step) + 1).saturating_mul(step));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.evaluator.clock.until(next) => {}
            }
            self.evaluate(next).await;
        }
    }

    /// Rules that were taken out of the group leave series and alarms behind, which end here.
    async fn mark_gone(&mut self) {
        let now = self.evaluator.clock.now();
        let gone = {
            let mut states = self.evaluator.states.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(state) = states.get_mut(&self.key) else { return };
            let kept: Vec<String> =
                (0..self.group.rules.len()).map(|index| self.group.rule_key(index)).collect();
            for (rule, alarm) in state.alarms.iter().filter(|(rule, _)| !kept.contains(rule)) {
                self.untold.extend(fold::ended(&self.key.0, &self.key.1, rule, alarm, now));
            }
            state.retain(&self.group)
        };
        self.tell().await;
        self.write(RuleEvaluation { stale: gone, ..RuleEvaluation::default() }, self.evaluator.clock.now())
            .await;
    }

    async fn evaluate(&mut self, at: Timestamp) {
        let mut state = {
            let states = self.evaluator.states.lock().unwrap_or_else(PoisonError::into_inner);
            states.get(&self.key).cloned().unwrap_or_default()
        };
        let offset = self.group.query_offset.unwrap_or_default();
        for index in 0..self.group.rules.len() {
            let (evaluated, next) = self.evaluate_one(index, state, at).await;
            state = next;
            for transition in evaluated.transitions.iter().cloned() {
                let rule = self.group.rule_key(index);
                self.untold.push(fold::draft(&self.key.0, &self.key.1, &rule, transition));
            }
            // Later rules of the group see what this one wrote.
            self.write(evaluated, at.minus(offset)).await;
        }
        self.evaluator.states.lock().unwrap_or_else(PoisonError::into_inner).insert(self.key.clone(), state);
        self.tell().await;
    }

    async fn evaluate_one(
        &self,
        index: usize,
        state: GroupState,
        at: Timestamp,
    ) -> (RuleEvaluation, GroupState) {
        let evaluator = self.evaluator.clone();
        let group = self.group.clone();
        let expressions = self.expressions.clone();
        let before = state.clone();
        let work = move || {
            let mut state = state;
            let query_at = at.minus(group.query_offset.unwrap_or_default());
            let outcome = match &expressions[index] {
                Err(error) => Outcome { result: Err(error.clone()), had_data: true },
                Ok(expr) => match evaluator.querier.samples(expr, query_at) {
                    Ok(instant) => Outcome { result: Ok(instant.samples), had_data: instant.had_data },
                    Err(error) => Outcome { result: Err(error.to_string()), had_data: true },
                },
            };
            let environment = Environment {
                now: at,
                external_labels: &Labels::new(),
                external_url: &evaluator.external_url,
                queries: &evaluator.querier,
            };
            let evaluated = evaluate_rule(&group, index, &mut state, &environment, &outcome);
            (evaluated, state)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, group = %self.key.1, index, "a rule's evaluation failed");
                (RuleEvaluation::default(), before)
            }
        }
    }

    async fn write(&self, evaluated: RuleEvaluation, at: Timestamp) {
        let t_ms = at.as_millis();
        let sample = |labels: &Labels, value: f64| Sample {
            labels: mainstay_observe::Labels::from_pairs(labels),
            t_ms,
            point: Point::Value(value),
        };
        let mut samples: Vec<Sample> =
            evaluated.series.iter().map(|series| sample(&series.labels, series.value)).collect();
        samples.extend(evaluated.stale.iter().map(|labels| sample(labels, STALE_NAN)));
        if samples.is_empty() {
            return;
        }
        if let Err(error) = self.evaluator.telemetry.ingest(Batch { samples, ..Batch::default() }).await {
            tracing::warn!(%error, group = %self.key.1, "a rule's series could not be written");
        }
    }

    /// Journals what has changed. What the journal does not take now is told at the next evaluation.
    async fn tell(&mut self) {
        if self.untold.is_empty() {
            return;
        }
        match self.evaluator.journal.append(self.untold.clone()).await {
            Ok(_) => self.untold.clear(),
            Err(error) => tracing::error!(%error, "the journal refused an alarm's change; trying again"),
        }
    }
}
