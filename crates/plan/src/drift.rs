//! Where hosts differ from what is declared: what somebody else changed or stopped. It is never mixed with what a plan
//! changes, and what nobody can say is a verdict of its own.

use std::collections::BTreeMap;

use mainstay_model::{HostId, RevisionId};

use crate::observed::{Drift, DriftVerdict, HostSeen, Observed, SeenState, ServiceSeen};
use crate::resource::Resources;

/// Every service on the hosts that is not what the current revision says, by host and component. With nothing declared,
/// everything that is there is unexpected.
pub(crate) fn drift(
    current: Option<(&RevisionId, &Resources)>,
    observed: &Observed,
    environments: &BTreeMap<HostId, String>,
) -> Vec<Drift> {
    let mut out = BTreeMap::new();
    let mut say = |host: &HostId, component: &str, verdict, reason: String| {
        let drift = Drift {
            address: format!("{host}/{component}"),
            host: host.clone(),
            component: component.to_owned(),
            environment: environments.get(host).cloned(),
            verdict,
            reason,
        };
        out.insert((host.clone(), component.to_owned()), drift);
    };
    if let Some((revision, resources)) = current {
        for key in resources.placed.keys() {
            let (component, host) = key;
            let Some(seen) = observed.hosts.get(host) else { continue };
            let declared = resources.service(key).map(|spec| spec.digest.as_str());
            if let Some((verdict, reason)) = declared_one(seen, component, declared, revision) {
                say(host, component, verdict, reason);
            }
        }
    }
    for (host, seen) in &observed.hosts {
        for component in seen.services.keys() {
            let place = (component.clone(), host.clone());
            if current.is_some_and(|(_, resources)| resources.placed.contains_key(&place)) {
                continue;
            }
            if seen.away {
                let reason =
                    "its host is away; it was there when it was last heard of, and is not declared there";
                say(host, component, DriftVerdict::Unknown, reason.to_owned());
            } else {
                say(host, component, DriftVerdict::Unexpected, "it is not declared there".to_owned());
            }
        }
    }
    out.into_values().collect()
}

/// A service that is declared on this host.
fn declared_one(
    host: &HostSeen,
    component: &str,
    declared: Option<&str>,
    revision: &RevisionId,
) -> Option<(DriftVerdict, String)> {
    if host.away {
        return Some((DriftVerdict::Unknown, "its host is away".to_owned()));
    }
    let Some(seen) = host.services.get(component) else {
        return Some((DriftVerdict::Missing, "it is not on the host".to_owned()));
    };
    let with = |text: &str| match &seen.reason {
        Some(reason) => format!("{text}: {reason}"),
        None => text.to_owned(),
    };
    match seen.state {
        SeenState::Stopped => return Some((DriftVerdict::Stopped, with("somebody stopped it"))),
        SeenState::Failed => return Some((DriftVerdict::Failed, with("it cannot be kept running"))),
        SeenState::Healthy | SeenState::Starting | SeenState::Unhealthy | SeenState::Ended => {}
    }
    runs_another(seen, declared, revision)
}

fn runs_another(
    seen: &ServiceSeen,
    declared: Option<&str>,
    revision: &RevisionId,
) -> Option<(DriftVerdict, String)> {
    match (&seen.spec, &seen.revision) {
        (Some(spec), _) if Some(spec.as_str()) == declared => None,
        (Some(_), Some(from)) if from != revision => {
            let reason = format!("it was started as revision {from} says, which differs");
            Some((DriftVerdict::Different, reason))
        }
        (Some(_), _) => {
            Some((DriftVerdict::Different, "it was started with something else than is declared".to_owned()))
        }
        (None, Some(from)) if from == revision => None,
        (None, Some(from)) => {
            let reason = format!("it was started from revision {from}, and its host does not say with what");
            Some((DriftVerdict::Unknown, reason))
        }
        (None, None) => {
            Some((DriftVerdict::Unknown, "its host does not say what it was started with".to_owned()))
        }
    }
}
