//! What holds a change for an approval.

use mainstay_declare::{Approval, Changes, Declared};
use serde::{Deserialize, Serialize};

use crate::value::Plan;

/// What a change may do without an approval. What is not said has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeLimits {
    /// How many resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Limit>,
    /// How many fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Limit>,
    /// Whether what cannot be undone needs one, and who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<SetBy>,
}

/// A number that a change may not exceed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How many there may be.
    pub most: usize,
    /// Who says so.
    #[serde(default)]
    pub by: SetBy,
}

/// Who sets a limit: the workload itself, or a standard by its name in the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetBy(pub Option<String>);

impl SetBy {
    /// ` (standard web)`, or nothing where the workload itself says so.
    fn words(&self) -> String {
        self.0.as_ref().map(|name| format!(" (standard {name})")).unwrap_or_default()
    }
}

impl ChangeLimits {
    /// What a declaration and the standards it uses say, the strictest of each. Where two say the same the workload
    /// itself counts before a standard, and a standard before those after it.
    pub fn of(declared: &Declared) -> Self {
        let own = Self::said(declared.workload.changes, &SetBy(None));
        declared.standards.iter().fold(own, |limits, standard| {
            limits.and(Self::said(standard.definition.changes, &SetBy(Some(standard.name.clone()))))
        })
    }

    fn said(changes: Changes, by: &SetBy) -> Self {
        let Approval { resources, fields, irreversible } = changes.approval;
        let limit = |most: Option<u32>| {
            most.map(|most| Limit { most: usize::try_from(most).unwrap_or(usize::MAX), by: by.clone() })
        };
        Self {
            resources: limit(resources),
            fields: limit(fields),
            irreversible: irreversible.then(|| by.clone()),
        }
    }

    /// The limits that hold when both do: the strictest of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<Limit>, b: Option<Limit>| match (a, b) {
            (Some(a), Some(b)) => Some(if b.most < a.most { b } else { a }),
            (one, other) => one.or(other),
        };
        Self {
            resources: least(self.resources, other.resources),
            fields: least(self.fields, other.fields),
            irreversible: self.irreversible.or(other.irreversible),
        }
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
        /// Who says so.
        #[serde(default)]
        by: SetBy,
    },
    /// It changes more fields than one may without an approval.
    Fields {
        /// How many it changes.
        found: usize,
        /// How many it may.
        allowed: usize,
        /// Who says so.
        #[serde(default)]
        by: SetBy,
    },
    /// It does what cannot be undone.
    Irreversible {
        /// The resources, the first [`MAX_NAMED`](crate::MAX_NAMED) in the order of the plan.
        resources: Vec<String>,
        /// How many there are.
        count: usize,
        /// Who wants one for that.
        #[serde(default)]
        by: SetBy,
    },
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let things =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match self {
            Self::Resources { found, allowed, by } => {
                let found = things(*found, "resource");
                write!(f, "it changes {found}, and {allowed} may be without approval{}", by.words())
            }
            Self::Fields { found, allowed, by } => {
                let found = things(*found, "field");
                write!(f, "it changes {found}, and {allowed} may be without approval{}", by.words())
            }
            Self::Irreversible { resources, count, by } => {
                let first: Vec<&str> = resources.iter().take(3).map(String::as_str).collect();
                let more = count.saturating_sub(first.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "it cannot be undone for {}{more}{}", first.join(", "), by.words())
            }
        }
    }
}

/// Why this plan needs an approval; empty if it needs none. The limits that count are those of the *current*
/// declaration and of the next one together (see [`ChangeLimits::and`]): a change cannot raise the limit it is
/// measured by.
pub fn holds(plan: &Plan, limits: &ChangeLimits) -> Vec<Hold> {
    let mut holds = Vec::new();
    let over = |limit: &Option<Limit>, found: usize| limit.clone().filter(|limit| found > limit.most);
    let found = plan.size.resources;
    if let Some(Limit { most: allowed, by }) = over(&limits.resources, found) {
        holds.push(Hold::Resources { found, allowed, by });
    }
    let found = plan.size.fields;
    if let Some(Limit { most: allowed, by }) = over(&limits.fields, found) {
        holds.push(Hold::Fields { found, allowed, by });
    }
    let irreversible = plan.actions.iter().filter(|action| action.reversal.why_not().is_some());
    let count = irreversible.clone().count();
    if let Some(by) = limits.irreversible.clone().filter(|_| count > 0) {
        let resources =
            irreversible.take(crate::MAX_NAMED).map(|action| action.resource.address.clone()).collect();
        holds.push(Hold::Irreversible { resources, count, by });
    }
    holds
}
