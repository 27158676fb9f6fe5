//! The plan as a value: what people read, gates judge, files keep and the machine carries out.
//!
//! A plan says what differs between two declarations on the hosts that were known, in which order it is done, how large
//! it is, who is affected and what cannot be undone. Its JSON form is stable and says its version (`mainstay.plan/v1`):
//! fields may be added, never renamed or given another meaning.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_model::{HostId, RevisionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::observed::{Drift, Sighting};
use crate::place::Unplaced;

/// The version of the JSON form.
pub const FORMAT: &str = "mainstay.plan/v1";

/// The version of a plan's JSON form, as it is written: one value, so that a plan of a later form is refused by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Format;

impl From<Format> for String {
    fn from(_: Format) -> Self {
        FORMAT.to_owned()
    }
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == FORMAT {
            Ok(Self)
        } else {
            Err(format!("the format `{text}` is not known to this version: expected `{FORMAT}`"))
        }
    }
}

/// The revision a plan was made against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The revision.
    pub revision: RevisionId,
    /// The digest of its files.
    pub digest: String,
}

/// What kind of thing a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A supervised process on one host.
    Service,
    /// What the workload says of itself: title, owner, tags.
    Workload,
    /// What is declared of a component beside its service, or all of one that has none.
    Component,
    /// A priority with its measure and target.
    Priority,
    /// An environment with its hosts.
    Environment,
    /// An alerting rule.
    Alarm,
    /// A recording rule.
    RecordingRule,
    /// A trigger.
    Trigger,
    /// A runbook or playbook.
    Procedure,
}

impl ResourceKind {
    /// The word for it, which is also how addresses of control-plane resources begin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Workload => "workload",
            Self::Component => "component",
            Self::Priority => "priority",
            Self::Environment => "environment",
            Self::Alarm => "alarm",
            Self::RecordingRule => "recording",
            Self::Trigger => "trigger",
            Self::Procedure => "procedure",
        }
    }
}

/// One thing that a plan changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// How people call it: `web-1/checkout`, `alarm/alarms/shop.yaml#shop/CheckoutFailing`. Unique within a plan
    /// together with `kind`.
    pub address: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Its own name: the component for a service.
    pub name: String,
    /// The host of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The environment that the host falls in: the first by name whose selector selects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The standard that declares it, by its name in the workload; none for what is the workload's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It is not there yet.
    Create,
    /// It is changed where it is, without an interruption.
    Update,
    /// It cannot be changed in place: what is there ends, and a new one begins.
    Replace,
    /// It should not be there any more.
    Remove,
}

impl Verb {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }

    /// What undoes it.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Create => Self::Remove,
            Self::Remove => Self::Create,
            same => same,
        }
    }
}

/// One side of a field's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The field is not there.
    Absent,
    /// There is a value, and it is or may be a secret, so it is in no plan, journal or log.
    Hidden,
    /// The value. Texts of more than [`MAX_SHOWN_CHARS`](crate::MAX_SHOWN_CHARS) characters are cut, and say so.
    Value(Value),
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its path, as files name it: `service.env.MODE`, `mainSteps[restart].timeoutSeconds`.
    pub path: String,
    /// Before.
    pub old: Shown,
    /// After.
    pub new: Shown,
}

/// Whether an action can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// By its inverse.
    Reversible,
    /// Not, or not wholly.
    Irreversible {
        /// Why, as people read it.
        why: String,
    },
}

impl Reversal {
    /// Why it cannot be undone, if it cannot.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Reversible => None,
            Self::Irreversible { why } => Some(why),
        }
    }
}

/// One change to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// What is changed.
    pub resource: Resource,
    /// How.
    pub verb: Verb,
    /// The fields that differ, in path order. For what is created all that it has; for what is removed all it had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The digest of what is declared of it before; none for what is created. See [`spec_digest`](crate::spec_digest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The digest of what is declared of it after; none for what is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why it cannot be changed in place, for [`Verb::Replace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it can be undone.
    pub reversal: Reversal,
    /// What somebody who decides should know, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<String>,
    /// What was seen of the service on its host when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Sighting>,
    /// How long it may take until it is known to have worked, in milliseconds: time to stop what was there, to start,
    /// and for enough health checks. Nothing is awaited for control-plane resources.
    pub patience_ms: u64,
}

impl Action {
    /// Whether it is carried out on a host; the others take effect together with the revision.
    pub fn is_on_host(&self) -> bool {
        self.resource.kind == ResourceKind::Service
    }

    /// Whether something that runs stops on the way.
    pub fn interrupts(&self) -> bool {
        self.is_on_host() && matches!(self.verb, Verb::Replace | Verb::Remove)
    }
}

/// What the actions of a wave have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Services that are stopped first, because a service that is started takes their port on the same host.
    MakeRoom,
    /// Services that are created, updated or replaced; dependencies are in earlier waves.
    Services,
    /// Services that are removed; dependents are in earlier waves.
    Removals,
    /// Control-plane resources. They are one wave, and the last: they take effect in one piece with the revision, so
    /// that while services move the rules of before keep watching, and a change that fails has not touched them.
    Declarations,
}

/// Actions that are done together. The next wave begins when all of them are known to have worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// What they have in common.
    pub stage: Stage,
    /// Their places in [`Plan::actions`], in order and without gaps.
    pub actions: Vec<usize>,
}

/// Who feels a change of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Components that depend on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<String>,
    /// Components that depend on it through others; the first [`MAX_NAMED`] by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<String>,
    /// How many depend on it through others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further_count: usize,
    /// The goals of the priorities that it, or a component that depends on it, belongs to; first matters most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<String>,
}

/// How many components are named where there are very many.
pub const MAX_NAMED: usize = 50;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// How large a plan is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Resources that change.
    pub resources: usize,
    /// Fields that differ.
    pub fields: usize,
    /// Resources by what happens to them.
    pub by_verb: BTreeMap<Verb, usize>,
    /// Resources by kind.
    pub by_kind: BTreeMap<ResourceKind, usize>,
    /// Services by the environment of their host.
    pub by_environment: BTreeMap<String, usize>,
    /// Services by host.
    pub by_host: BTreeMap<HostId, usize>,
    /// Resources whose change cannot be undone.
    pub irreversible: usize,
    /// Services that are interrupted.
    pub interrupted: usize,
}

/// What would change, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the JSON form.
    pub format: Format,
    /// The workload.
    pub workload: String,
    /// The revision it was made against; none if nothing was declared before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The digest of the files it leads to; none if it leads to nothing being declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Every change, in the order of the waves.
    pub actions: Vec<Action>,
    /// The waves.
    pub waves: Vec<Wave>,
    /// Who feels it, by the component that changes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub affected: BTreeMap<String, Affected>,
    /// How large it is.
    pub size: Size,
    /// Components that will run nowhere, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unplaced: Vec<Unplaced>,
    /// Where hosts differ from what the base says. This is no part of the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
}

/// Whether a plan may still be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Currency {
    /// The revision it was made against is the current one.
    Current,
    /// Another one is.
    Stale {
        /// What it was made against.
        made_against: Option<RevisionId>,
        /// What is current.
        now: Option<RevisionId>,
    },
}

/// Why a plan is not carried out, or a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The text is not a plan of a form that is known.
    #[error("this is not a plan: {reason}")]
    Unreadable {
        /// What was found.
        reason: String,
    },
    /// Something was applied since.
    #[error(
        "the plan was made against {} and {} is current now: make a new plan",
        named(.made_against.as_ref(), "nothing being declared"),
        named(.now.as_ref(), "nothing")
    )]
    Stale {
        /// What it was made against.
        made_against: Option<RevisionId>,
        /// What is current.
        now: Option<RevisionId>,
    },
    /// The files are others now.
    #[error("the files changed since the plan was made: make a new plan")]
    FilesChanged,
    /// The same files on today's hosts make another plan.
    #[error("the plan no longer says what would happen ({difference}): make a new plan")]
    Different {
        /// What differs first.
        difference: String,
    },
}

fn named(revision: Option<&RevisionId>, none: &str) -> String {
    revision.map_or_else(|| none.to_owned(), |revision| format!("revision {revision}"))
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("current"),
            Self::Stale { made_against, now } => write!(
                f,
                "stale: made against {}, current is {}",
                named(made_against.as_ref(), "nothing"),
                named(now.as_ref(), "nothing")
            ),
        }
    }
}

impl Plan {
    /// Whether nothing changes. The files may differ all the same, in comments for instance.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether the files it leads to are those it was made against.
    pub fn same_files(&self) -> bool {
        self.base.as_ref().map(|base| &base.digest) == self.digest.as_ref()
    }

    /// The actions of one wave.
    pub fn in_wave(&self, wave: usize) -> impl Iterator<Item = (usize, &Action)> {
        let places = self.waves.get(wave).map(|wave| wave.actions.as_slice()).unwrap_or_default();
        places.iter().filter_map(|place| Some((*place, self.actions.get(*place)?)))
    }

    /// Who feels an action. Empty for what no component depends on.
    pub fn affected_by(&self, action: &Action) -> Option<&Affected> {
        match action.resource.kind {
            ResourceKind::Service | ResourceKind::Component => self.affected.get(&action.resource.name),
            _ => None,
        }
    }

    /// Whether it is still made against the revision that is current.
    pub fn currency(&self, now: Option<&RevisionId>) -> Currency {
        let made_against = self.base.as_ref().map(|base| &base.revision);
        if made_against == now {
            Currency::Current
        } else {
            Currency::Stale { made_against: made_against.cloned(), now: now.cloned() }
        }
    }

    /// Whether it may be carried out: `now` is the current revision, and `fresh` the plan that the same files make
    /// against it on the hosts of today. A plan that a person has read is carried out only if it still says what would
    /// happen; what is only seen, drift for instance, may differ.
    pub fn check(&self, now: Option<&RevisionId>, fresh: &Self) -> Result<(), PlanError> {
        if let Currency::Stale { made_against, now } = self.currency(now) {
            return Err(PlanError::Stale { made_against, now });
        }
        if self.workload != fresh.workload || self.digest != fresh.digest || self.base != fresh.base {
            return Err(PlanError::FilesChanged);
        }
        match self.difference(fresh) {
            Some(difference) => Err(PlanError::Different { difference }),
            None => Ok(()),
        }
    }

    /// The first action that another plan has differently.
    fn difference(&self, other: &Self) -> Option<String> {
        let key = |action: &Action| {
            (action.resource.kind, action.resource.address.clone(), action.verb, action.after.clone())
        };
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (self.actions.iter().map(key).collect(), other.actions.iter().map(key).collect());
        let has = |list: &BTreeMap<_, ()>, one: &_| list.contains_key(one);
        let (our_set, their_set): (BTreeMap<_, ()>, BTreeMap<_, ()>) = (
            ours.iter().cloned().map(|one| (one, ())).collect(),
            theirs.iter().cloned().map(|one| (one, ())).collect(),
        );
        let say = |(_, address, verb, _): &(ResourceKind, String, Verb, Option<String>)| {
            format!("{} {address}", verb.word())
        };
        if let Some(new) = theirs.iter().find(|one| !has(&our_set, one)) {
            return Some(format!("it would also {}", say(new)));
        }
        if let Some(gone) = ours.iter().find(|one| !has(&their_set, one)) {
            return Some(format!("it would no longer {}", say(gone)));
        }
        (self.waves != other.waves || ours != theirs).then(|| "its order is another one".to_owned())
    }

    /// Its JSON form, for a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan has only text keys, so it has a JSON form")
    }

    /// Reads the JSON form.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        let unreadable = |reason: String| PlanError::Unreadable { reason };
        let value: Value = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        match value.get("format") {
            Some(Value::String(format)) if format == FORMAT => {}
            Some(found) => {
                return Err(unreadable(format!("its `format` is {found}, expected \"{FORMAT}\"")));
            }
            None => return Err(unreadable(format!("it has no `format`, expected \"{FORMAT}\""))),
        }
        let plan: Self = serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        plan.consistent().map_err(unreadable)?;
        Ok(plan)
    }

    /// Whether the waves are the actions, each once and in order.
    fn consistent(&self) -> Result<(), String> {
        let places: Vec<usize> = self.waves.iter().flat_map(|wave| wave.actions.iter().copied()).collect();
        if places.len() != self.actions.len() || places.iter().enumerate().any(|(at, place)| at != *place) {
            return Err(format!(
                "its waves name {} actions and it has {}; each must be in one wave, in order",
                places.len(),
                self.actions.len()
            ));
        }
        for wave in &self.waves {
            let declarations = wave.stage == Stage::Declarations;
            for action in wave.actions.iter().filter_map(|place| self.actions.get(*place)) {
                if action.is_on_host() == declarations {
                    return Err(format!("`{}` is in a wave of another stage", action.resource.address));
                }
                if action.is_on_host() != action.resource.host.is_some() {
                    return Err(format!("`{}` says its host wrongly", action.resource.address));
                }
            }
        }
        Ok(())
    }
}
