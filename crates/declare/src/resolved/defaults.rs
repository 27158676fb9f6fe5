//! What counts where no file says anything.

use mainstay_model::format_duration;
use serde_json::{Value, json};

use crate::Component;

/// The values that a component has by default, as far as it has the part that they belong to. Those that are said are
/// among them; who calls knows which.
pub(super) fn of(component: &Component) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    if component.service.is_none() {
        out.push(("hosts", json!(component.hosts.to_string())));
    }
    let Some(service) = &component.service else { return out };
    out.push(("service.restart", json!(service.restart.as_str())));
    out.push(("service.stop.signal", json!(service.stop.signal.as_str())));
    out.push(("service.stop.deadline", json!(format_duration(service.stop.deadline))));
    if let Some(health) = &service.health {
        out.push(("service.health.every", json!(format_duration(health.every))));
        out.push(("service.health.timeout", json!(format_duration(health.timeout))));
        out.push(("service.health.unhealthy_after", json!(health.unhealthy_after)));
        out.push(("service.health.grace", json!(format_duration(health.grace))));
    }
    out
}
