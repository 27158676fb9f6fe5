//! Who is asking, and what they may.

use std::collections::BTreeSet;

use mainstay_declare::Workload;
use mainstay_model::access::{Grant, Permission, Resource, Role, Verdict, decide};
use mainstay_model::{Actor, Selector, Tags, Timestamp};

use crate::catalogue::Catalogue;
use crate::http::{Failure, forbidden};

/// The user that whoever has the data directory is, and whom a link of the machine signs in.
pub const OPERATOR: &str = "operator";

/// How somebody showed who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// By the secret in the data directory.
    Machine,
    /// By the cookie of a session.
    Session(String),
    /// By a token of their own.
    Token(String),
}

/// Who is asking. Everything that is allowed or refused goes through [`Caller::may`].
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// How they showed it.
    pub via: Via,
    /// When that ends by itself.
    pub expires_at: Option<Timestamp>,
    /// What the user was granted.
    pub grants: Vec<Grant>,
    /// What a token allows of it.
    pub scope: Option<Vec<Grant>>,
}

/// Every role on everything.
pub fn all() -> Vec<Grant> {
    vec![Grant { role: Role::Admin, on: Selector::any() }]
}

impl Caller {
    /// Whoever has the data directory.
    pub fn machine() -> Self {
        Self { user: OPERATOR.to_owned(), via: Via::Machine, expires_at: None, grants: all(), scope: None }
    }

    /// As whom it is recorded what they do.
    pub fn actor(&self) -> Actor {
        Actor::Person(self.user.clone())
    }

    /// Whether they may do this to that. What a token allows has to be allowed to its user, too.
    pub fn may(&self, permission: Permission, on: Resource<'_>) -> Verdict {
        match (decide(&self.grants, permission, on), &self.scope) {
            (Verdict::Allowed, Some(scope)) => decide(scope, permission, on),
            (verdict, _) => verdict,
        }
    }

    /// Whether they may do this to some resource or other.
    pub fn may_somewhere(&self, permission: Permission) -> bool {
        let some = |grants: &[Grant]| grants.iter().any(|grant| grant.role.has(permission));
        some(&self.grants) && self.scope.as_deref().is_none_or(some)
    }

    /// Whether they may do this to a workload, or to the installation where there is none. Who approves a change that gives a
    /// workload other tags has to have a say on both.
    pub fn may_to(&self, permission: Permission, catalogue: &Catalogue, workload: Option<&str>) -> bool {
        let may = |on| self.may(permission, on) == Verdict::Allowed;
        let Some(name) = workload else { return may(Resource::Everything) };
        let Some(tags) = tags_of(catalogue, name) else {
            // One that could not be read at the start, or is no longer there.
            return may(Resource::Partly(&with_name(Tags::default(), name)));
        };
        let next = if permission == Permission::Approve { next_tags(catalogue, name) } else { None };
        may(Resource::Tagged(&tags)) && next.as_ref().is_none_or(|next| may(Resource::Tagged(next)))
    }

    /// That they may do this to a workload, or why not.
    pub fn must(
        &self,
        permission: Permission,
        catalogue: &Catalogue,
        workload: Option<&str>,
    ) -> Result<(), Failure> {
        if self.may_to(permission, catalogue, workload) {
            return Ok(());
        }
        Err(forbidden(permission, workload))
    }

    /// That they may do this to a workload as it is declared now, and as it is to be declared: nobody gets hold of one by
    /// giving it other tags, or gives it tags that others have a say on.
    pub fn must_declare(
        &self,
        permission: Permission,
        catalogue: &Catalogue,
        new: &Workload,
    ) -> Result<(), Failure> {
        if tags_of(catalogue, &new.name).is_some() {
            self.must(permission, catalogue, Some(&new.name))?;
        }
        let tags = with_name(new.tags.clone(), &new.name);
        match self.may(permission, Resource::Tagged(&tags)) {
            Verdict::Allowed => Ok(()),
            Verdict::Refused { .. } => Err(forbidden(permission, Some(&new.name))),
        }
    }

    /// Whether they may do this to everything there is and will be.
    pub fn may_to_all(&self, permission: Permission) -> bool {
        self.may(permission, Resource::Everything) == Verdict::Allowed
    }
}

/// What somebody sees of what belongs to workloads.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    all: bool,
    workloads: BTreeSet<String>,
}

impl Sight {
    /// Whether they see what belongs to this workload; or to none, which only those see who see everything.
    pub fn sees(&self, workload: Option<&str>) -> bool {
        self.all || workload.is_some_and(|name| self.workloads.contains(name))
    }

    /// The workloads, where not everything is seen.
    pub fn only(&self) -> Option<&BTreeSet<String>> {
        (!self.all).then_some(&self.workloads)
    }

    /// Of it, what belongs to workloads that a selector picks by their tags and `workload`, their name; all of it where there
    /// is none.
    #[must_use]
    pub fn picked(self, selector: Option<&Selector>, catalogue: &Catalogue) -> Self {
        let Some(selector) = selector else { return self };
        let mut workloads = catalogue.names();
        workloads.retain(|name| {
            self.sees(Some(name)) && tags_of(catalogue, name).is_some_and(|tags| selector.matches(&tags))
        });
        Self { all: false, workloads }
    }
}

impl Caller {
    /// What they see.
    pub fn sight(&self, catalogue: &Catalogue) -> Sight {
        if self.may_to_all(Permission::Read) {
            return Sight { all: true, workloads: BTreeSet::new() };
        }
        // Also those that are to be: who asked for the first change of one follows it.
        let mut workloads = catalogue.names();
        workloads.retain(|name| self.may_to(Permission::Read, catalogue, Some(name)));
        Sight { all: false, workloads }
    }
}

/// The tags of a workload: those it declares, and its name; of one that is not there yet those that it is to have.
fn tags_of(catalogue: &Catalogue, workload: &str) -> Option<Tags> {
    match catalogue.get(workload) {
        Some(active) => Some(with_name(active.declared.workload.tags.clone(), workload)),
        None => next_tags(catalogue, workload),
    }
}

/// The tags that a change which is held or carried out gives a workload.
fn next_tags(catalogue: &Catalogue, workload: &str) -> Option<Tags> {
    let tags = catalogue.running().get(workload)?.next.declared.workload.tags.clone();
    Some(with_name(tags, workload))
}

fn with_name(mut tags: Tags, workload: &str) -> Tags {
    tags.0.insert("workload".to_owned(), workload.to_owned());
    tags
}

/// The tags of a host: its own, and its id.
pub fn host_tags(id: &str, tags: &Tags) -> Tags {
    let mut tags = tags.clone();
    tags.0.insert("host".to_owned(), id.to_owned());
    tags
}
