//! Making a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainstay_declare::Declared;
use mainstay_declare::standards::split;
use mainstay_model::{HostId, RevisionId, Tags};
use serde_json::Value;

use crate::affected::Dependents;
use crate::diff;
use crate::drift::drift;
use crate::judge;
use crate::observed::{Observed, Sighting};
use crate::order::{Levels, batch, levels};
use crate::place::{Placement, place};
use crate::resource::{Facts, Resources, ServiceKey, ServiceSpec, Version};
use crate::value::{
    Action, Base, FieldChange, Format, Plan, Resource, ResourceKind, Reversal, Size, Stage, Verb, Wave,
};

/// What agents and the link between need beside what is declared.
const MARGIN: Duration = Duration::from_secs(15);

/// The plan from what is declared now to `next`, on these hosts. The same values give the same plan. Both versions are
/// of one workload: callers find the current one by the next one's name.
pub fn plan(next: Version<'_>, current: Option<(&RevisionId, Version<'_>)>, observed: &Observed) -> Plan {
    build(Some(next), current, observed)
}

/// The plan to nothing being declared any more: everything is removed.
pub fn removal(current: (&RevisionId, Version<'_>), observed: &Observed) -> Plan {
    build(None, Some(current), observed)
}

/// The plan that undoes another one after it was applied as revision `applied`: from its next version back to the one it
/// was made against, or to nothing if there was none. What it cannot restore is said by
/// [`not_restored`](crate::not_restored) of the plan that it undoes.
pub fn inverse(
    applied: (&RevisionId, Version<'_>),
    before: Option<Version<'_>>,
    observed: &Observed,
) -> Plan {
    build(before, Some(applied), observed)
}

/// One side of the plan.
struct Side<'a> {
    version: Version<'a>,
    resources: Resources,
}

fn side<'a>(version: Version<'a>, hosts: &[(HostId, Tags)]) -> (Side<'a>, Placement) {
    let placement = place(version.declared, hosts);
    let resources = Resources::of(version, &placement);
    (Side { version, resources }, placement)
}

fn build(
    next: Option<Version<'_>>,
    current: Option<(&RevisionId, Version<'_>)>,
    observed: &Observed,
) -> Plan {
    let hosts: Vec<(HostId, Tags)> =
        observed.hosts.iter().map(|(host, seen)| (host.clone(), seen.tags.clone())).collect();
    let (new, placement) = next.map(|version| side(version, &hosts)).unzip();
    let (old, _) = current.map(|(_, version)| side(version, &hosts)).unzip();
    let environments = environments(next, current.map(|(_, version)| version), &hosts);
    let maker = Maker { old, new, observed, environments };
    let (actions, waves) = maker.actions();
    let changed: BTreeSet<&str> = actions
        .iter()
        .filter(|action| matches!(action.resource.kind, ResourceKind::Service | ResourceKind::Component))
        .map(|action| action.resource.name.as_str())
        .collect();
    let declared: Vec<_> = [&maker.new, &maker.old]
        .into_iter()
        .filter_map(|side| side.as_ref().map(|side| side.version.declared))
        .collect();
    let affected = Dependents::new(&declared).of(&changed);
    let seen_against = match (current, &maker.old) {
        (Some((revision, _)), Some(old)) => Some((revision, &old.resources)),
        _ => None,
    };
    let name = next.or(current.map(|(_, version)| version)).map(|version| &version.declared.workload.name);
    Plan {
        format: Format,
        workload: name.cloned().unwrap_or_default(),
        base: current.map(|(revision, version)| Base {
            revision: revision.clone(),
            digest: version.digest.to_owned(),
        }),
        digest: next.map(|version| version.digest.to_owned()),
        affected,
        size: size(&actions),
        unplaced: placement.map(|placement| placement.unplaced).unwrap_or_default(),
        drift: drift(seen_against, observed, &maker.environments),
        actions,
        waves,
    }
}

/// The environment of each host: the first by name whose selector selects it, of the next version before the current.
fn environments(
    next: Option<Version<'_>>,
    current: Option<Version<'_>>,
    hosts: &[(HostId, Tags)],
) -> BTreeMap<HostId, String> {
    let mut out = BTreeMap::new();
    for (host, tags) in hosts {
        let found = [next, current].into_iter().flatten().find_map(|version| {
            let mut all = version.declared.workload.environments.iter();
            all.find(|(_, environment)| environment.hosts.matches(tags)).map(|(name, _)| name.clone())
        });
        if let Some(name) = found {
            out.insert(host.clone(), name);
        }
    }
    out
}

fn size(actions: &[Action]) -> Size {
    let mut size = Size { resources: actions.len(), ..Size::default() };
    for action in actions {
        size.fields += action.fields.len();
        *size.by_verb.entry(action.verb).or_default() += 1;
        *size.by_kind.entry(action.resource.kind).or_default() += 1;
        if let Some(environment) = &action.resource.environment {
            *size.by_environment.entry(environment.clone()).or_default() += 1;
        }
        if let Some(host) = &action.resource.host {
            *size.by_host.entry(host.clone()).or_default() += 1;
        }
        size.irreversible += usize::from(action.reversal.why_not().is_some());
        size.interrupted += usize::from(action.interrupts());
    }
    size
}

/// The place of a wave among the others.
type WaveKey = (Stage, usize, usize);

struct Maker<'a> {
    old: Option<Side<'a>>,
    new: Option<Side<'a>>,
    observed: &'a Observed,
    environments: BTreeMap<HostId, String>,
}

/// What happens to a component: the same on every host where it was in one environment, or not there, and is in one.
struct Difference {
    verb: Verb,
    fields: Vec<FieldChange>,
    before: Option<String>,
    after: Option<String>,
    patience_ms: u64,
}

impl<'a> Maker<'a> {
    fn placed(side: Option<&'a Side<'a>>) -> impl Iterator<Item = &'a ServiceKey> {
        side.into_iter().flat_map(|side| side.resources.placed.keys())
    }

    fn spec(side: Option<&'a Side<'a>>, key: &ServiceKey) -> Option<&'a ServiceSpec> {
        side?.resources.service(key)
    }

    fn actions(&'a self) -> (Vec<Action>, Vec<Wave>) {
        let (old, new) = (self.old.as_ref(), self.new.as_ref());
        let room = self.room();
        let more: BTreeSet<(&str, &str)> =
            room.values().filter(|taken| !taken.removed).map(|taken| (taken.giver, taken.taker)).collect();
        let new_levels = new.map(|side| levels(side.version.declared, &more)).unwrap_or_default();
        let old_levels = old.map(|side| levels(side.version.declared, &BTreeSet::new())).unwrap_or_default();
        let depth = old_levels.values().max().copied().unwrap_or_default();
        let removal_level = |name: &str| depth - old_levels.get(name).copied().unwrap_or(depth);

        let keys: BTreeSet<&ServiceKey> = Self::placed(old).chain(Self::placed(new)).collect();
        let mut differences: BTreeMap<_, Option<Difference>> = BTreeMap::new();
        let environment =
            |side: Option<&'a Side<'a>>, key| side.and_then(|side| side.resources.placed.get(key));
        let mut replaced: BTreeMap<&str, usize> = BTreeMap::new();
        let mut running: BTreeMap<&str, usize> = BTreeMap::new();
        for (component, _) in Self::placed(new) {
            *running.entry(component).or_default() += 1;
        }
        let mut waves: BTreeMap<WaveKey, Vec<Action>> = BTreeMap::new();
        for key in keys {
            let (before, after) = (Self::spec(old, key), Self::spec(new, key));
            let difference = differences
                .entry((&key.0, environment(old, key), environment(new, key)))
                .or_insert_with(|| difference(before, after));
            let Some(difference) = difference else { continue };
            let hosts = running.get(key.0.as_str()).copied().unwrap_or_default();
            let freed = room.get(&(key.0.as_str(), &key.1)).filter(|taken| taken.removed);
            let wave = match difference.verb {
                Verb::Remove if freed.is_some() => (Stage::MakeRoom, removal_level(&key.0), 0),
                Verb::Remove => (Stage::Removals, removal_level(&key.0), 0),
                Verb::Create | Verb::Update => (Stage::Services, level(&new_levels, &key.0), 0),
                Verb::Replace => {
                    let at = replaced.entry(&key.0).or_default();
                    *at += 1;
                    (Stage::Services, level(&new_levels, &key.0), batch(*at - 1, hosts))
                }
            };
            let taker = freed.map(|taken| format!("{}/{}", key.1, taken.taker));
            let facts = (before.map(|spec| spec.facts), after.map(|spec| spec.facts));
            let room = taker.zip(before.and_then(|spec| spec.port));
            waves.entry(wave).or_default().push(self.on_host(key, difference, facts, hosts, room));
        }
        for action in self.declarations() {
            waves.entry((Stage::Declarations, 0, 0)).or_default().push(action);
        }
        let mut actions = Vec::new();
        let mut out = Vec::new();
        for ((stage, _, _), wave) in waves {
            out.push(Wave { stage, actions: (actions.len()..actions.len() + wave.len()).collect() });
            actions.extend(wave);
        }
        (actions, out)
    }

    /// Which services give up a port on their host that another one takes there, and which one that is.
    fn room(&'a self) -> BTreeMap<(&'a str, &'a HostId), Taken<'a>> {
        let (old, new) = (self.old.as_ref(), self.new.as_ref());
        let mut holders: BTreeMap<(&HostId, u16), &str> = BTreeMap::new();
        for key in Self::placed(old) {
            if let Some(port) = Self::spec(old, key).and_then(|spec| spec.port) {
                holders.insert((&key.1, port), &key.0);
            }
        }
        let mut out = BTreeMap::new();
        for key in Self::placed(new) {
            let Some(port) = Self::spec(new, key).and_then(|spec| spec.port) else { continue };
            let Some(giver) = holders.get(&(&key.1, port)).copied().filter(|giver| *giver != key.0) else {
                continue;
            };
            let stays = Self::spec(new, &(giver.to_owned(), key.1.clone()));
            // Two services that both want the port are refused by `declare`, unless one is of another environment.
            if stays.is_none_or(|spec| spec.port != Some(port)) {
                out.insert((giver, &key.1), Taken { giver, taker: &key.0, removed: stays.is_none() });
            }
        }
        out
    }

    fn on_host(
        &self,
        (component, host): &ServiceKey,
        difference: &Difference,
        facts: (Option<Facts>, Option<Facts>),
        hosts: usize,
        room: Option<(String, u16)>,
    ) -> Action {
        let seen = self.observed.hosts.get(host);
        let was = match seen {
            Some(seen) if seen.away => Sighting::Unknown,
            Some(seen) => seen.services.get(component).cloned().map_or(Sighting::NotThere, Sighting::Seen),
            None => Sighting::Unknown,
        };
        let mut action = Action {
            resource: Resource {
                address: format!("{host}/{component}"),
                kind: ResourceKind::Service,
                name: component.clone(),
                host: Some(host.clone()),
                environment: self.environments.get(host).cloned(),
                standard: None,
            },
            verb: difference.verb,
            fields: difference.fields.clone(),
            before: difference.before.clone(),
            after: difference.after.clone(),
            why: (difference.verb == Verb::Replace).then(|| judge::why_replaced(&difference.fields)),
            reversal: Reversal::Reversible,
            cautions: Vec::new(),
            was: Some(was),
            patience_ms: difference.patience_ms,
        };
        action.reversal = judge::service(difference.verb, facts);
        action.cautions = judge::service_cautions(&action, facts, hosts, room);
        action
    }

    /// What changes of what the control plane takes up.
    fn declarations(&self) -> Vec<Action> {
        let none = BTreeMap::new();
        let old = self.old.as_ref().map_or(&none, |side| &side.resources.declared);
        let new = self.new.as_ref().map_or(&none, |side| &side.resources.declared);
        let keys: BTreeSet<&(ResourceKind, String)> = old.keys().chain(new.keys()).collect();
        let mut out = Vec::new();
        for key in keys {
            let (mut before, mut after) = (old.get(key), new.get(key));
            if key.0 == ResourceKind::Component {
                // A component whose services stand for it on one side is there on that side.
                before = before.or_else(|| self.old.as_ref()?.resources.only_services.get(&key.1));
                after = after.or_else(|| self.new.as_ref()?.resources.only_services.get(&key.1));
            }
            out.extend(declaration(key.0, &key.1, before, after));
        }
        // What is said of a component beside its service may change while its services stay.
        if let (Some(old), Some(new)) = (&self.old, &self.new) {
            for (name, before) in &old.resources.only_services {
                if let Some(after) = new.resources.only_services.get(name) {
                    out.extend(declaration(ResourceKind::Component, name, Some(before), Some(after)));
                }
            }
        }
        for action in &mut out {
            // What goes comes from where it was; all else from where it is declared now.
            let side = if action.verb == Verb::Remove { &self.old } else { &self.new };
            action.resource.standard = side
                .as_ref()
                .and_then(|side| standard(side.version.declared, &action.resource))
                .map(str::to_owned);
        }
        out.sort_by(|a, b| {
            (a.resource.kind, &a.resource.address).cmp(&(b.resource.kind, &b.resource.address))
        });
        out
    }
}

/// The standard that declares a resource of the control plane.
fn standard<'d>(declared: &'d Declared, resource: &'d Resource) -> Option<&'d str> {
    match resource.kind {
        // They are called by their files, and a rule may share its name with one of another file.
        ResourceKind::Alarm | ResourceKind::RecordingRule => split(&resource.name).map(|(name, _)| name),
        ResourceKind::Trigger | ResourceKind::Procedure => declared.standard_of(&resource.address),
        _ => None,
    }
}

/// A port that changes hands on a host.
#[derive(Clone, Copy)]
struct Taken<'a> {
    giver: &'a str,
    taker: &'a str,
    /// The giver is removed there, and not only changed.
    removed: bool,
}

fn level(levels: &Levels<'_>, name: &str) -> usize {
    levels.get(name).copied().unwrap_or_default()
}

fn difference(before: Option<&ServiceSpec>, after: Option<&ServiceSpec>) -> Option<Difference> {
    let verb = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => Verb::Create,
        (Some(_), None) => Verb::Remove,
        (Some(old), Some(new)) if old.value == new.value => return None,
        (Some(old), Some(new)) if old.digest == new.digest => Verb::Update,
        (Some(_), Some(_)) => Verb::Replace,
    };
    let fields = diff::fields(before.map(|spec| &spec.value), after.map(|spec| &spec.value));
    // Enough for the way there and for the way back.
    let facts = || [before, after].into_iter().flatten().map(|spec| spec.facts);
    let stop = facts().map(|facts| facts.stop).max().unwrap_or_default();
    let start = facts().map(|facts| facts.start).max().unwrap_or_default();
    let patience = stop.saturating_add(start).saturating_add(MARGIN);
    Some(Difference {
        verb,
        fields,
        before: before.map(|spec| spec.digest.clone()),
        after: after.map(|spec| spec.digest.clone()),
        patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
    })
}

fn declaration(
    kind: ResourceKind,
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<Action> {
    let verb = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => Verb::Create,
        (Some(_), None) => Verb::Remove,
        (Some(old), Some(new)) if old == new => return None,
        (Some(_), Some(_)) => Verb::Update,
    };
    let digest = |value: &Value| blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
    Some(Action {
        resource: Resource {
            address: format!("{}/{name}", kind.word()),
            kind,
            name: name.to_owned(),
            host: None,
            environment: None,
            standard: None,
        },
        verb,
        fields: diff::fields(before, after),
        before: before.map(digest),
        after: after.map(digest),
        why: None,
        reversal: Reversal::Reversible,
        cautions: judge::declaration_cautions(kind, verb),
        was: None,
        patience_ms: 0,
    })
}
