//! What differs between two placements of a workload.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_declare::{Component, Declared, Service};
use mainstay_model::HostId;

use crate::place::{Placed, Placement};

/// One service that changes on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceChange {
    /// The host.
    pub host: HostId,
    /// The component.
    pub component: String,
    /// What happens to it there.
    pub kind: ChangeKind,
}

/// What happens to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is not there yet.
    Create,
    /// It is there and differs in these fields, so it is started anew.
    Update {
        /// The fields as `mainstay.yaml` names them, in its order.
        fields: Vec<&'static str>,
    },
    /// It should not be there any more.
    Remove,
}

/// The changes from one placed declaration to the next: first what is made or updated, dependencies first; then what is
/// removed, dependents first. `current` is `None` when nothing was declared before.
pub fn changes(
    current: Option<(&Declared, &Placement)>,
    next: (&Declared, &Placement),
) -> Vec<ServiceChange> {
    let (declared, placement) = next;
    // A host that moves to another environment keeps its services, with other values.
    let key = |placed: &'_ Placed| (placed.host.clone(), placed.component.clone());
    let before: BTreeMap<_, &Placed> = current
        .iter()
        .flat_map(|(_, placement)| &placement.services)
        .map(|placed| (key(placed), placed))
        .collect();
    let after: BTreeSet<_> = placement.services.iter().map(key).collect();
    let service = |declared: &Declared, placed: &Placed| -> Option<(Service, Vec<String>)> {
        let environment = placed.environment.as_deref();
        let Component { service, depends_on, .. } =
            declared.workload.component_in(environment, &placed.component)?;
        Some((service.clone()?, depends_on.clone()))
    };
    let change = |placed: &Placed, kind| ServiceChange {
        host: placed.host.clone(),
        component: placed.component.clone(),
        kind,
    };
    let mut out = Vec::new();
    for placed in &placement.services {
        let Some(was) = before.get(&key(placed)) else {
            out.push(change(placed, ChangeKind::Create));
            continue;
        };
        let old = current.and_then(|(declared, _)| service(declared, was));
        if let (Some(old), Some(new)) = (old, service(declared, placed)) {
            let fields = differing(&old, &new);
            if !fields.is_empty() {
                out.push(change(placed, ChangeKind::Update { fields }));
            }
        }
    }
    let gone = current.iter().flat_map(|(_, placement)| placement.services.iter().rev());
    out.extend(
        gone.filter(|placed| !after.contains(&key(placed))).map(|placed| change(placed, ChangeKind::Remove)),
    );
    out
}

fn differing(old: &(Service, Vec<String>), new: &(Service, Vec<String>)) -> Vec<&'static str> {
    let ((a, a_on), (b, b_on)) = (old, new);
    let fields = [
        ("service.run", a.run != b.run),
        ("service.port", a.port != b.port),
        ("service.health", a.health != b.health),
        ("service.restart", a.restart != b.restart),
        ("service.limits", a.limits != b.limits),
        ("service.env", (&a.env, &a.secrets) != (&b.env, &b.secrets)),
        ("service.directory", a.directory != b.directory),
        ("service.stop", a.stop != b.stop),
        ("depends_on", a_on != b_on),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
