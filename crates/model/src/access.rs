//! Who may do what. Roles are granted on selectors; whether a person may do something to a resource follows from the
//! grants and the resource's tags and from nothing else. What nobody was granted is refused.

use std::fmt;
use std::str::FromStr;

use crate::selector::Selector;
use crate::tags::Tags;

/// What one needs to be allowed to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// See it.
    Read,
    /// Acknowledge, write notes, silence, decide what came of an attempt.
    Respond,
    /// Start, stop and go on with runs.
    Run,
    /// See to triggers and the calls they gave up.
    Operate,
    /// Apply what a workload declares.
    Apply,
    /// Put events into the journal.
    Append,
    /// Let changes begin that are held, and stop them.
    Approve,
    /// Users, grants, and tokens of others.
    Administer,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Respond,
        Self::Run,
        Self::Operate,
        Self::Apply,
        Self::Append,
        Self::Approve,
        Self::Administer,
    ];

    /// What it allows, to be read after "may".
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "see it",
            Self::Respond => "respond to alarms and incidents",
            Self::Run => "start and stop runs",
            Self::Operate => "see to triggers and their calls",
            Self::Apply => "apply changes",
            Self::Append => "write events",
            Self::Approve => "approve changes",
            Self::Administer => "see to users and their grants",
        }
    }
}

/// A set of permissions, to be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, answers alarms and incidents, and runs procedures.
    Responder,
    /// What a responder may; applies changes, sees to triggers, and writes events.
    Operator,
    /// Sees, and approves changes: of others, or one's own where that is asked for and recorded.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Responder, Self::Operator, Self::Approver, Self::Admin];

    /// Whether it has this permission.
    pub fn has(self, permission: Permission) -> bool {
        use Permission::{Append, Apply, Approve, Operate, Read, Respond, Run};
        match self {
            Self::Viewer => permission == Read,
            Self::Responder => matches!(permission, Read | Respond | Run),
            Self::Operator => matches!(permission, Read | Respond | Run | Operate | Apply | Append),
            Self::Approver => matches!(permission, Read | Approve),
            Self::Admin => true,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is not a role: there are {known}")
        })
    }
}

/// A role on the resources that a selector picks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// On what.
    pub on: Selector,
}

/// What something is to be done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The installation as a whole, or what belongs to nothing in particular. Only a grant on everything (`*`) reaches
    /// it: a selector such as `env!=prod` says nothing of what has no tags.
    Everything,
    /// A resource with these tags.
    Tagged(&'a Tags),
    /// A resource that has these tags, and perhaps others. A selector such as `env!=prod` does not reach it by what is not
    /// known of it.
    Partly(&'a Tags),
}

/// Whether something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A grant allows it.
    Allowed,
    /// No grant does.
    Refused {
        /// Whether one allows the same on other resources.
        elsewhere: bool,
    },
}

/// Whether these grants allow this on that. No grant takes away what another gives.
pub fn decide(grants: &[Grant], permission: Permission, on: Resource<'_>) -> Verdict {
    let mut elsewhere = false;
    for grant in grants.iter().filter(|grant| grant.role.has(permission)) {
        let reaches = match on {
            Resource::Everything => grant.on == Selector::any(),
            Resource::Tagged(tags) => grant.on.matches(tags),
            Resource::Partly(tags) => grant.on.matches_surely(tags),
        };
        if reaches {
            return Verdict::Allowed;
        }
        elsewhere = true;
    }
    Verdict::Refused { elsewhere }
}

/// Whether an event of this kind tells of something that only few may do. What a person does is on record; this marks
/// what an auditor looks at first.
pub fn is_privileged(kind: &str) -> bool {
    match kind {
        "change.started" | "change.approved" | "change.refused" | "change.cancelled" => true,
        // What keeps an alarm, an incident or a trigger from being heard.
        "silence.created" | "silence.expired" | "incident.resolved" | "trigger.disabled"
        | "trigger.enabled" => true,
        "access.session.started" | "access.session.used" | "access.session.ended" => false,
        _ => kind.starts_with("access."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn grant(role: Role, on: &str) -> Grant {
        Grant { role, on: on.parse().expect("a selector") }
    }

    #[test]
    fn a_grant_reaches_what_its_selector_picks_and_nothing_else() {
        let grants = [grant(Role::Operator, "env=prod"), grant(Role::Viewer, "env!=prod")];
        let (prod, test) = (tags(&[("env", "prod")]), tags(&[("env", "test")]));
        let may = |permission, on| decide(&grants, permission, on);
        assert_eq!(may(Permission::Apply, Resource::Tagged(&prod)), Verdict::Allowed);
        assert_eq!(may(Permission::Apply, Resource::Tagged(&test)), Verdict::Refused { elsewhere: true });
        assert_eq!(may(Permission::Read, Resource::Tagged(&test)), Verdict::Allowed);
        assert_eq!(may(Permission::Approve, Resource::Tagged(&prod)), Verdict::Refused { elsewhere: false });
        assert_eq!(may(Permission::Read, Resource::Everything), Verdict::Refused { elsewhere: true });
        assert_eq!(
            decide(&[], Permission::Read, Resource::Tagged(&prod)),
            Verdict::Refused { elsewhere: false }
        );
        assert_eq!(
            decide(&[grant(Role::Viewer, "*")], Permission::Read, Resource::Everything),
            Verdict::Allowed
        );
    }

    #[test]
    fn what_is_not_known_of_a_resource_is_held_against_nobody_and_for_nobody() {
        let known = tags(&[("workload", "shop")]);
        let reaches = |on: &str| {
            decide(&[grant(Role::Viewer, on)], Permission::Read, Resource::Partly(&known)) == Verdict::Allowed
        };
        for on in ["*", "workload=shop", "workload", "workload!=other", "workload in (a,shop)"] {
            assert!(reaches(on), "{on}");
        }
        for on in
            ["env!=prod", "env not in (prod)", "!env", "env=prod", "workload=shop,env!=prod", "!workload"]
        {
            assert!(!reaches(on), "{on}");
        }
    }

    #[test]
    fn roles_hold_what_their_words_say() {
        let of = |role: Role| Permission::ALL.into_iter().filter(|one| role.has(*one)).collect::<Vec<_>>();
        assert_eq!(of(Role::Viewer), [Permission::Read]);
        assert_eq!(of(Role::Responder), [Permission::Read, Permission::Respond, Permission::Run]);
        assert_eq!(of(Role::Approver), [Permission::Read, Permission::Approve]);
        assert_eq!(of(Role::Admin), Permission::ALL);
        assert!(!Role::Operator.has(Permission::Approve) && !Role::Operator.has(Permission::Administer));
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    fn any_role() -> impl Strategy<Value = Role> {
        proptest::sample::select(Role::ALL.to_vec())
    }

    fn any_permission() -> impl Strategy<Value = Permission> {
        proptest::sample::select(Permission::ALL.to_vec())
    }

    fn any_selector() -> impl Strategy<Value = String> {
        proptest::sample::select(
            [
                "*",
                "env=prod",
                "env!=prod",
                "env in (prod,test)",
                "env not in (prod)",
                "env",
                "!env",
                "team=a,env=prod",
            ]
            .map(str::to_owned)
            .to_vec(),
        )
    }

    fn any_tags() -> impl Strategy<Value = Tags> {
        let pair = (
            proptest::sample::select(vec!["env", "team"]),
            proptest::sample::select(vec!["prod", "test", "a"]),
        );
        proptest::collection::vec(pair, 0..3).prop_map(|pairs| {
            Tags(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect::<BTreeMap<_, _>>(),
            )
        })
    }

    fn any_grants() -> impl Strategy<Value = Vec<Grant>> {
        proptest::collection::vec((any_role(), any_selector()), 0..5)
            .prop_map(|grants| grants.iter().map(|(role, on)| grant(*role, on)).collect())
    }

    proptest! {
        /// The words of the rule, said again in another way: allowed if and only if some grant alone allows it.
        #[test]
        fn allowed_is_allowed_by_one(grants in any_grants(), permission in any_permission(), tags in any_tags()) {
            let one = grants.iter().any(|grant| grant.role.has(permission) && grant.on.matches(&tags));
            let verdict = decide(&grants, permission, Resource::Tagged(&tags));
            prop_assert_eq!(verdict == Verdict::Allowed, one);
        }

        #[test]
        fn more_grants_never_allow_less(
            grants in any_grants(), more in any_grants(), permission in any_permission(), tags in any_tags(),
        ) {
            for on in [Resource::Everything, Resource::Tagged(&tags)] {
                if decide(&grants, permission, on) == Verdict::Allowed {
                    let mut all = more.clone();
                    all.extend(grants.clone());
                    prop_assert_eq!(decide(&all, permission, on), Verdict::Allowed);
                }
            }
        }

        #[test]
        fn whoever_may_on_everything_may_on_each(grants in any_grants(), permission in any_permission(), tags in any_tags()) {
            if decide(&grants, permission, Resource::Everything) == Verdict::Allowed {
                prop_assert_eq!(decide(&grants, permission, Resource::Tagged(&tags)), Verdict::Allowed);
            }
        }

        /// Whoever may do anything to a resource may see it.
        #[test]
        fn nobody_acts_blindly(grants in any_grants(), permission in any_permission(), tags in any_tags()) {
            if decide(&grants, permission, Resource::Tagged(&tags)) == Verdict::Allowed {
                prop_assert_eq!(decide(&grants, Permission::Read, Resource::Tagged(&tags)), Verdict::Allowed);
            }
        }
    }
}
