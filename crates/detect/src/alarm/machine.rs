//! The step from one state to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::Timestamp;

use super::{
    AlarmState, Condition, Environment, Evaluation, GroupState, Instance, Outcome, RuleEvaluation, Transition,
};
use crate::rules::{AlertingRule, RecordingRule, Rule, RuleGroup};
use crate::template::{Data, Template};
use crate::{Labels, Sample};

/// How long a resolved instance is remembered, so that its end can be told again.
const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);

/// Evaluates all rules of a group on results that were made beforehand, in the order of its rules. Where later rules
/// read what earlier ones write, call [`evaluate_rule`] for one after the other instead.
pub fn evaluate(
    group: &RuleGroup,
    state: &mut GroupState,
    environment: &Environment<'_>,
    outcomes: &[Outcome],
) -> Evaluation {
    let mut all = Evaluation::default();
    for (index, outcome) in outcomes.iter().enumerate().take(group.rules.len()) {
        let mut one = evaluate_rule(group, index, state, environment, outcome);
        all.series.append(&mut one.series);
        all.stale.append(&mut one.stale);
        all.transitions.append(&mut one.transitions);
    }
    all
}

/// Takes one rule of a group a step further. A rule the group does not have leads to nothing.
pub fn evaluate_rule(
    group: &RuleGroup,
    index: usize,
    state: &mut GroupState,
    environment: &Environment<'_>,
    outcome: &Outcome,
) -> RuleEvaluation {
    let Some(rule) = group.rules.get(index) else { return RuleEvaluation::default() };
    let memory = state.alarms.entry(group.rule_key(index)).or_default();
    let step = match rule {
        Rule::Recording(rule) => record(group, rule, memory, environment, outcome),
        Rule::Alerting(rule) => Step { group, rule, environment, memory }.run(outcome),
    };
    memory.last_evaluation = Some(environment.now);
    step
}

/// An outage up to this long is one that pending instances outlast.
const OUTAGE_TOLERANCE: Duration = Duration::from_secs(3600);

/// The least that is waited before a restored instance fires; rules with a shorter `for` are not restored.
const GRACE_PERIOD: Duration = Duration::from_secs(600);

/// Takes the pending instances of an alarm up again; see [`GroupState::resume`].
pub(super) fn resume(memory: &mut AlarmState, rule: &AlertingRule, now: Timestamp) {
    let Some(down_at) = memory.last_evaluation else { return };
    for instance in &mut memory.instances {
        if instance.condition != Condition::Pending {
            continue;
        }
        if now.since(down_at) > OUTAGE_TOLERANCE || rule.hold < GRACE_PERIOD {
            instance.active_at = now;
            continue;
        }
        let spent = down_at.since(instance.active_at);
        let left = rule.hold.saturating_sub(spent);
        instance.active_at = if left < GRACE_PERIOD {
            now.plus(GRACE_PERIOD).minus(rule.hold)
        } else {
            instance.active_at.plus(now.since(down_at))
        };
    }
}

/// Without empty values, which are the same as absent ones.
fn lay_over(labels: &mut Labels, name: &str, value: &str) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value.to_owned());
    }
}

/// Notes what a rule writes now and finds what it no longer writes.
fn ended(memory: &mut AlarmState, series: &[Sample]) -> Vec<Labels> {
    let now: Vec<Labels> = series.iter().map(|sample| sample.labels.clone()).collect();
    let before = std::mem::replace(&mut memory.written, now);
    before.into_iter().filter(|labels| !memory.written.contains(labels)).collect()
}

fn enter(memory: &mut AlarmState, condition: Condition, at: Timestamp) {
    if memory.condition != condition {
        memory.condition = condition;
        memory.since = Some(at);
    }
}

fn record(
    group: &RuleGroup,
    rule: &RecordingRule,
    memory: &mut AlarmState,
    environment: &Environment<'_>,
    outcome: &Outcome,
) -> RuleEvaluation {
    match recorded(group, rule, outcome) {
        Ok(series) => {
            memory.error = None;
            let condition = if outcome.had_data { Condition::Inactive } else { Condition::NoData };
            enter(memory, condition, environment.now);
            let stale = ended(memory, &series);
            RuleEvaluation { series, stale, ..RuleEvaluation::default() }
        }
        Err(error) => {
            memory.error = Some(error.clone());
            enter(memory, Condition::Error, environment.now);
            RuleEvaluation { error: Some(error), ..RuleEvaluation::default() }
        }
    }
}

fn recorded(group: &RuleGroup, rule: &RecordingRule, outcome: &Outcome) -> Result<Vec<Sample>, String> {
    let samples = outcome.result.as_ref().map_err(Clone::clone)?;
    let mut series: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in samples {
        let mut labels = sample.labels.clone();
        labels.insert("__name__".to_owned(), rule.record.clone());
        let own = rule.labels.iter();
        for (name, value) in
            group.labels.iter().filter(|(name, _)| !rule.labels.contains_key(*name)).chain(own)
        {
            lay_over(&mut labels, name, value);
        }
        if series.insert(labels, sample.value).is_some() {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned()
            );
        }
    }
    if group.limit > 0 && series.len() > group.limit {
        return Err(format!("exceeded limit of {} with {} series", group.limit, series.len()));
    }
    Ok(series.into_iter().map(|(labels, value)| Sample { labels, value }).collect())
}

struct Step<'a> {
    group: &'a RuleGroup,
    rule: &'a AlertingRule,
    environment: &'a Environment<'a>,
    memory: &'a mut AlarmState,
}

/// An instance as the expression answers it now.
struct Answered {
    annotations: Labels,
    value: f64,
}

impl Step<'_> {
    fn run(mut self, outcome: &Outcome) -> RuleEvaluation {
        let mut out = RuleEvaluation::default();
        match outcome.result.as_ref().map_err(Clone::clone).and_then(|samples| self.answered(samples)) {
            Ok(answered) => {
                let no_data = answered.is_empty() && !outcome.had_data;
                let before = self.memory.condition;
                self.memory.error = None;
                enter(self.memory, if no_data { Condition::NoData } else { Condition::Inactive }, self.now());
                self.tell_whole(before, &mut out.transitions);
                self.advance(answered, no_data, &mut out.transitions);
                if let Err(error) = self.within_limit() {
                    self.clear(&mut out.transitions);
                    self.fail(error, &mut out);
                    return out;
                }
                out.series = self.series();
                out.stale = ended(self.memory, &out.series);
            }
            Err(error) => self.fail(error, &mut out),
        }
        out
    }

    fn now(&self) -> Timestamp {
        self.environment.now
    }

    fn fail(&mut self, error: String, out: &mut RuleEvaluation) {
        let before = self.memory.condition;
        let news = self.memory.error.as_ref() != Some(&error);
        self.memory.error = Some(error.clone());
        enter(self.memory, Condition::Error, self.now());
        if news || before != Condition::Error {
            out.transitions.push(Transition { error: Some(error.clone()), ..self.whole(before) });
        }
        out.error = Some(error);
    }

    /// The alarm as a whole is told of when it enters or leaves a condition in which nothing is known of it.
    fn tell_whole(&self, before: Condition, transitions: &mut Vec<Transition>) {
        let unknown = |condition| matches!(condition, Condition::NoData | Condition::Error);
        if before != self.memory.condition && (unknown(before) || unknown(self.memory.condition)) {
            transitions.push(self.whole(before));
        }
    }

    fn whole(&self, from: Condition) -> Transition {
        let constant = |templates: &BTreeMap<String, Template>| -> Labels {
            let constant = templates.iter().filter(|(_, template)| template.is_constant());
            constant.map(|(name, template)| (name.clone(), template.text().to_owned())).collect()
        };
        let mut labels = self.group.labels.clone();
        labels.extend(constant(&self.rule.labels));
        labels.insert("alertname".to_owned(), self.rule.alert.clone());
        Transition {
            alarm: self.rule.alert.clone(),
            whole: true,
            labels,
            annotations: constant(&self.rule.annotations),
            from,
            to: self.memory.condition,
            value: None,
            at: self.now(),
            active_at: None,
            error: None,
            expr: self.rule.expr.clone(),
        }
    }

    /// The instances that the expression answers, by their labels.
    fn answered(&self, samples: &[Sample]) -> Result<BTreeMap<Labels, Answered>, String> {
        let mut out = BTreeMap::new();
        for sample in samples {
            let mut base = sample.labels.clone();
            base.remove("__name__");
            let data = Data {
                labels: &sample.labels,
                value: sample.value,
                external_labels: self.environment.external_labels,
                external_url: self.environment.external_url,
                now: self.environment.now,
                queries: self.environment.queries,
            };
            let expand = |template: &Template| {
                template.expand(&data).unwrap_or_else(|error| format!("<error expanding template: {error}>"))
            };
            let mut labels = base;
            for (name, value) in &self.group.labels {
                if !self.rule.labels.contains_key(name) {
                    lay_over(&mut labels, name, value);
                }
            }
            for (name, template) in &self.rule.labels {
                lay_over(&mut labels, name, &expand(template));
            }
            labels.insert("alertname".to_owned(), self.rule.alert.clone());
            let annotations = self
                .rule
                .annotations
                .iter()
                .map(|(name, template)| (name.clone(), expand(template)))
                .collect();
            if out.insert(labels, Answered { annotations, value: sample.value }).is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels".to_owned()
                );
            }
        }
        Ok(out)
    }

    fn advance(
        &mut self,
        mut answered: BTreeMap<Labels, Answered>,
        no_data: bool,
        transitions: &mut Vec<Transition>,
    ) {
        let mut steps: BTreeMap<Labels, Transition> = BTreeMap::new();
        let mut kept = Vec::new();
        for mut instance in std::mem::take(&mut self.memory.instances) {
            let from = instance.condition;
            let stays = match answered.remove(&instance.labels) {
                Some(now) => {
                    self.holds(&mut instance, now);
                    true
                }
                None => self.misses(&mut instance, no_data),
            };
            if instance.condition != from {
                steps.insert(instance.labels.clone(), self.step(&instance, from));
            }
            if stays {
                kept.push(instance);
            }
        }
        for (labels, now) in answered {
            let mut instance = Instance {
                labels,
                annotations: Labels::new(),
                condition: Condition::Inactive,
                value: now.value,
                active_at: self.now(),
                fired_at: None,
                keep_firing_since: None,
                resolved_at: None,
            };
            self.holds(&mut instance, now);
            steps.insert(instance.labels.clone(), self.step(&instance, Condition::Inactive));
            kept.push(instance);
        }
        kept.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.memory.instances = kept;
        transitions.extend(steps.into_values());
    }

    /// The instance is answered by this evaluation.
    fn holds(&self, instance: &mut Instance, now: Answered) {
        let at = self.now();
        if !matches!(instance.condition, Condition::Pending | Condition::Firing) {
            instance.condition = Condition::Pending;
            instance.active_at = at;
            instance.fired_at = None;
            instance.resolved_at = None;
        }
        instance.value = now.value;
        instance.annotations = now.annotations;
        instance.keep_firing_since = None;
        let long_enough = at.since(instance.active_at) >= self.rule.hold;
        if instance.condition == Condition::Pending && long_enough {
            instance.condition = Condition::Firing;
            instance.fired_at = Some(at);
        } else if instance.condition == Condition::Firing && !long_enough {
            // The rule's `for` was made longer than the instance has held.
            instance.condition = Condition::Pending;
            instance.fired_at = None;
        }
    }

    /// The instance is not answered by this evaluation. Says whether it is remembered.
    fn misses(&self, instance: &mut Instance, no_data: bool) -> bool {
        let at = self.now();
        match instance.condition {
            Condition::Firing => {
                let keep = self.rule.keep_firing_for;
                let since = *instance.keep_firing_since.get_or_insert(at);
                if !keep.is_zero() && at.since(since) < keep {
                    return true;
                }
                instance.keep_firing_since = None;
                if no_data {
                    instance.condition = Condition::NoData;
                } else {
                    instance.condition = Condition::Resolved;
                    instance.resolved_at = Some(at);
                }
                true
            }
            Condition::Pending => {
                instance.condition = if no_data { Condition::NoData } else { Condition::Inactive };
                false
            }
            Condition::NoData if no_data => true,
            Condition::NoData => {
                instance.condition = Condition::Resolved;
                instance.resolved_at = Some(at);
                true
            }
            _ => instance.resolved_at.is_some_and(|resolved| at.since(resolved) <= RESOLVED_RETENTION),
        }
    }

    fn step(&self, instance: &Instance, from: Condition) -> Transition {
        Transition {
            alarm: self.rule.alert.clone(),
            whole: false,
            labels: instance.labels.clone(),
            annotations: instance.annotations.clone(),
            from,
            to: instance.condition,
            value: Some(instance.value),
            at: self.now(),
            active_at: Some(instance.active_at),
            error: None,
            expr: self.rule.expr.clone(),
        }
    }

    fn within_limit(&self) -> Result<(), String> {
        let count = self.memory.active().count();
        if self.group.limit > 0 && count > self.group.limit {
            return Err(format!("exceeded limit of {} with {count} alerts", self.group.limit));
        }
        Ok(())
    }

    /// A rule over its limit loses all its instances, as in Prometheus. Those that people were told of are told to be
    /// in error, not resolved; those that began at this evaluation are not told of at all.
    fn clear(&mut self, transitions: &mut Vec<Transition>) {
        let told: BTreeMap<Labels, Condition> = transitions
            .iter()
            .filter(|step| !step.whole)
            .map(|step| (step.labels.clone(), step.from))
            .collect();
        transitions.retain(|step| {
            step.whole || matches!(step.to, Condition::Resolved | Condition::Inactive | Condition::NoData)
        });
        for instance in std::mem::take(&mut self.memory.instances) {
            let before = told.get(&instance.labels).copied().unwrap_or(instance.condition);
            if matches!(before, Condition::Pending | Condition::Firing)
                && matches!(instance.condition, Condition::Pending | Condition::Firing)
            {
                transitions.push(Transition { to: Condition::Error, ..self.step(&instance, before) });
            }
        }
    }

    /// `ALERTS` and `ALERTS_FOR_STATE` of pending and firing instances.
    fn series(&self) -> Vec<Sample> {
        let mut out = Vec::new();
        for instance in self.memory.active() {
            let mut labels = instance.labels.clone();
            labels.insert("__name__".to_owned(), "ALERTS_FOR_STATE".to_owned());
            let since = instance.active_at.as_millis().div_euclid(1000) as f64;
            let for_state = Sample { labels: labels.clone(), value: since };
            labels.insert("__name__".to_owned(), "ALERTS".to_owned());
            labels.insert("alertstate".to_owned(), instance.condition.as_str().to_owned());
            out.push(Sample { labels, value: 1.0 });
            out.push(for_state);
        }
        out
    }
}
