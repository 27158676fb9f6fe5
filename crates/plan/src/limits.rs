//! What holds a change for an approval.

use mainstay_declare::{Approval, Changes};
use serde::{Deserialize, Serialize};

use crate::value::Plan;

/// What a change may do without an approval. What is not said has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeLimits {
    /// How many resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// How many fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<usize>,
    /// Whether what cannot be undone needs one.
    #[serde(default)]
    pub irreversible: bool,
}

impl ChangeLimits {
    /// The limits that hold when both do: the strictest of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<usize>, b: Option<usize>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self {
            resources: least(self.resources, other.resources),
            fields: least(self.fields, other.fields),
            irreversible: self.irreversible || other.irreversible,
        }
    }
}

impl From<Changes> for ChangeLimits {
    fn from(declared: Changes) -> Self {
        let count = |limit: Option<u32>| limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let Approval { resources, fields, irreversible } = declared.approval;
        Self { resources: count(resources), fields: count(fields), irreversible }
    }
}

/// One reason why a change waits for an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It changes more resources than one may without an approval.
    Resources {
        /// How many it changes.
        found: usize,
        /// How many it may.
        allowed: usize,
    },
    /// It changes more fields than one may without an approval.
    Fields {
        /// How many it changes.
        found: usize,
        /// How many it may.
        allowed: usize,
    },
    /// It does what cannot be undone.
    Irreversible {
        /// The resources, the first [`MAX_NAMED`](crate::MAX_NAMED) in the order of the plan.
        resources: Vec<String>,
        /// How many there are.
        count: usize,
    },
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let things =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match self {
            Self::Resources { found, allowed } => {
                write!(f, "it changes {}, and {allowed} may be without approval", things(*found, "resource"))
            }
            Self::Fields { found, allowed } => {
                write!(f, "it changes {}, and {allowed} may be without approval", things(*found, "field"))
            }
            Self::Irreversible { resources, count } => {
                let first: Vec<&str> = resources.iter().take(3).map(String::as_str).collect();
                let more = count.saturating_sub(first.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "it cannot be undone for {}{more}", first.join(", "))
            }
        }
    }
}

/// Why this plan needs an approval; empty if it needs none. The limits that count are those of the *current*
/// declaration and of the next one together (see [`ChangeLimits::and`]): a change cannot raise the limit it is
/// measured by.
pub fn holds(plan: &Plan, limits: &ChangeLimits) -> Vec<Hold> {
    let mut holds = Vec::new();
    let (found, allowed) = (plan.size.resources, limits.resources);
    if let Some(allowed) = allowed.filter(|allowed| found > *allowed) {
        holds.push(Hold::Resources { found, allowed });
    }
    let (found, allowed) = (plan.size.fields, limits.fields);
    if let Some(allowed) = allowed.filter(|allowed| found > *allowed) {
        holds.push(Hold::Fields { found, allowed });
    }
    let irreversible = plan.actions.iter().filter(|action| action.reversal.why_not().is_some());
    let count = irreversible.clone().count();
    if limits.irreversible && count > 0 {
        let resources =
            irreversible.take(crate::MAX_NAMED).map(|action| action.resource.address.clone()).collect();
        holds.push(Hold::Irreversible { resources, count });
    }
    holds
}
