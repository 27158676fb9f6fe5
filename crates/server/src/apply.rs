//! Applying: a directory that checks clean becomes a plan, and the plan a change; anything else changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_api::v1::{
    Applied, ChangeView, DiagnosticView, ErrorBody, ErrorKind, Expect, NewRevision, PlanView,
};
use mainstay_declare::{Declared, SourceFile, Workload, declare};
use mainstay_model::{Actor, HostId, RevisionId, Severity, Tags};
use mainstay_plan::{
    ChangeLimits, Commit, Drift, Plan, PlanError, Request, Verb, Version, holds, is_placed_on, spec_digest,
};
use mainstay_store::Journal;

use crate::catalogue::{Active, Catalogue, Workloads};
use crate::changes::{self, About, Changes, Runnings};
use crate::clock::Clock;
use crate::http::Failure;
use crate::hub::Host;
use crate::languages::Spoken;
use crate::placement::{Duty, Fleet, declaration, desired, duties, tagged};
use crate::revisions::{Revision, digest, revision_id};
use crate::{runs, views};

/// The largest plan that is recorded, in bytes of its JSON: it has to fit into one event, beside what the event says.
const MAX_PLAN_BYTES: usize = 900 << 10;

/// Whether who asks may do this to the workload that the files declare.
pub type May<'a> = &'a (dyn Fn(&Workload) -> Result<(), Failure> + Sync);

/// Whether somebody sees a host.
pub type SeesHost = Box<dyn Fn(&HostId, &Tags) -> bool + Send>;

/// Which hosts a plan for these files may tell of; all of them where it says nothing.
pub type Sees<'a> = &'a (dyn Fn(&Workload) -> Option<SeesHost> + Sync);

/// Makes plans and changes.
#[derive(Clone)]
pub struct Applier {
    journal: Arc<dyn Journal>,
    catalogue: Arc<Catalogue>,
    fleet: Arc<dyn Fleet>,
    clock: Arc<dyn Clock>,
    changes: Arc<Changes>,
}

/// Files that check clean.
struct Clean {
    declared: Declared,
    sources: BTreeMap<String, String>,
    directory: String,
    digest: String,
    warnings: Vec<DiagnosticView>,
}

/// What applying them would do, now.
struct Proposal {
    current: Option<Arc<Active>>,
    revision: RevisionId,
    changed: bool,
    plan: Plan,
    limits: ChangeLimits,
}

impl Applier {
    /// An applier.
    pub fn new(
        journal: Arc<dyn Journal>,
        catalogue: Arc<Catalogue>,
        fleet: Arc<dyn Fleet>,
        clock: Arc<dyn Clock>,
        changes: Arc<Changes>,
    ) -> Self {
        Self { journal, catalogue, fleet, clock, changes }
    }

    /// What should run now on these hosts, within changes that are being carried out too: it depends on each host's own tags and on no other host.
    pub fn duties_on(&self, hosts: &[(HostId, Tags)]) -> Vec<Duty> {
        duties(&self.catalogue.now(), &self.catalogue.running(), hosts)
    }

    /// What applying the files would do, on the hosts that may be told of and those where the workload runs already.
    pub async fn plan(&self, new: NewRevision, may: May<'_>, sees: Sees<'_>) -> Result<PlanView, Failure> {
        let clean = check(new.files, new.directory).await?;
        may(&clean.declared.workload)?;
        let mut hosts = self.fleet.hosts();
        let sees = sees(&clean.declared.workload);
        if let Some(sees) = &sees {
            let name = &clean.declared.workload.name;
            let next = self.catalogue.running().get(name).map(|running| running.next.clone());
            let own: Vec<Arc<Active>> = self.catalogue.get(name).into_iter().chain(next).collect();
            let runs_on = |tags: &Tags| own.iter().any(|active| is_placed_on(&active.declared, tags));
            hosts.retain(|host| runs_on(&host.tags) || sees(&host.id, &host.tags));
        }
        let proposal = self.propose(&clean, &hosts);
        let Proposal { current, plan, .. } = &proposal;
        Ok(PlanView {
            workload: clean.declared.workload.name.clone(),
            base: current.as_ref().map(|active| active.revision.revision.to_string()),
            revision: proposal.revision.to_string(),
            digest: clean.digest.clone(),
            changed: proposal.changed,
            plan: serde_json::to_value(plan)
                .map_err(|error| Failure::internal("The plan cannot be written as JSON", &error))?,
            holds: holds(plan, &proposal.limits).iter().map(ToString::to_string).collect(),
            drift: serde_json::to_value(&plan.drift).unwrap_or_default(),
            unplaced: unplaced(plan),
            running: self.open(&clean.declared.workload.name)?.map(|record| record.about.change),
            warnings: clean.warnings,
            partial: sees.is_some(),
        })
    }

    /// Begins to carry the files out. When this returns, that is durable.
    pub async fn apply(&self, new: NewRevision, by: Actor, may: May<'_>) -> Result<Applied, Failure> {
        let NewRevision { files, directory, message, git, keep, restores, expect } = new;
        let clean = check(files, directory).await?;
        may(&clean.declared.workload)?;
        let name = clean.declared.workload.name.clone();
        // Two people who apply at once do so one after the other, and the second sees what the first has begun.
        let turn = self.changes.turn().await;
        let proposal = self.propose(&clean, &self.fleet.hosts());
        let base = proposal.current.as_ref().map(|active| active.revision.revision.clone());
        if let Some(expect) = &expect {
            check_expected(expect, base.as_ref(), &clean.digest, &proposal.plan)?;
        }
        if let Some(open) = self.open(&name)? {
            return Err(busy(&open));
        }
        if !proposal.changed {
            let parent = proposal.current.as_ref().and_then(|active| active.revision.parent.clone());
            let revision = base.unwrap_or(proposal.revision);
            return Ok(Applied {
                workload: name,
                revision: revision.to_string(),
                parent: parent.map(|parent| parent.to_string()),
                changed: false,
                changes: Vec::new(),
                unplaced: unplaced(&proposal.plan),
                warnings: clean.warnings,
                change: None,
            });
        }
        let bytes = serde_json::to_vec(&proposal.plan).map_or(usize::MAX, |plan| plan.len());
        if bytes > MAX_PLAN_BYTES {
            let size = proposal.plan.size.resources;
            return Err(Failure::new(
                ErrorKind::Invalid,
                format!("A plan of {size} resources is larger than can be recorded in one piece; nothing was applied"),
            )
            .hint("apply it in several smaller changes"));
        }
        let now = self.clock.now();
        let revision = Revision {
            workload: name.clone(),
            revision: proposal.revision.clone(),
            parent: base.clone(),
            digest: clean.digest,
            directory: clean.directory,
            files: clean.sources,
            message: message.clone(),
            applied_at: now,
            applied_by: by.clone(),
        };
        let restores = restores
            .map(|id| RevisionId::new(id).map_err(|error| Failure::bad_request(error.to_string())))
            .transpose()?;
        let about = About {
            change: change_id(&revision, restores.as_ref()),
            workload: name.clone(),
            base: base.clone(),
            revision: proposal.revision.clone(),
            restores,
        };
        let active = Active::of(revision, clean.declared).map_err(|reason| {
            Failure::new(ErrorKind::Internal, format!("The files check clean and cannot be used: {reason}"))
        })?;
        let commit = git.map(|git| Commit { id: git.commit, dirty: git.dirty });
        let behalf = match &by {
            Actor::Run(run) => runs::behind(self.journal.as_ref(), run)?,
            _ => None,
        };
        let request = Request { behalf, message, commit, keep, ..Request::new(by) };
        let held = holds(&proposal.plan, &proposal.limits);
        let (views, unplaced) = (change_views(&proposal.plan), unplaced(&proposal.plan));
        let record = self.changes.begin(turn, about, active, proposal.plan, request, held).await?;
        Ok(Applied {
            workload: name,
            revision: proposal.revision.to_string(),
            parent: base.map(|parent| parent.to_string()),
            changed: true,
            changes: views,
            unplaced,
            warnings: clean.warnings,
            change: Some(changes::summary(&record)),
        })
    }

    /// The change of a workload that is not over.
    fn open(&self, workload: &str) -> Result<Option<changes::Record>, Failure> {
        let open = changes::open(self.journal.as_ref())?;
        Ok(open.into_iter().find(|record| record.about.workload == workload))
    }

    fn propose(&self, clean: &Clean, hosts: &[Host]) -> Proposal {
        let name = &clean.declared.workload.name;
        let current = self.catalogue.get(name);
        let parent = current.as_ref().map(|active| &active.revision.revision);
        let changed = current.as_ref().is_none_or(|active| active.revision.digest != clean.digest);
        let Clean { declared, digest, directory, .. } = clean;
        let next = Version { declared, digest, directory };
        let (workloads, running) = (self.catalogue.now(), self.catalogue.running());
        let plan = make_plan(hosts, &workloads, &running, current.as_deref(), next);
        let before = current.as_ref().map(|active| ChangeLimits::of(&active.declared)).unwrap_or_default();
        Proposal {
            revision: revision_id(parent, &clean.digest),
            changed,
            plan,
            // A change cannot raise the limit that it is measured by.
            limits: before.and(ChangeLimits::of(&clean.declared)),
            current,
        }
    }
}

/// Where what runs of a workload on these hosts, which are by id, differs from what is wanted. It depends on each host and on
/// no other one.
pub(crate) fn drift_on(
    hosts: &[Host],
    workloads: &Workloads,
    running: &Runnings,
    active: &Active,
) -> Vec<Drift> {
    if hosts.is_empty() {
        return Vec::new();
    }
    make_plan(hosts, workloads, running, Some(active), version(active)).drift
}

/// The plan from what is wanted to what is declared next, on the hosts as they are.
fn make_plan(
    hosts: &[Host],
    workloads: &Workloads,
    running: &Runnings,
    current: Option<&Active>,
    next: Version<'_>,
) -> Plan {
    let known = tagged(hosts);
    let all = duties(workloads, running, &known);
    let told = desired(&all, workloads, running, &known);
    let name = next.declared.workload.name.as_str();
    let digests: BTreeMap<(HostId, String), String> = all
        .iter()
        .filter(|duty| duty.from.name() == name)
        .filter_map(|duty| {
            let (component, _) = declaration(duty)?;
            let digest = spec_digest(component, &duty.from.revision.directory)?;
            Some(((duty.host.clone(), duty.component.clone()), digest))
        })
        .collect();
    let observed = changes::observed(hosts, &told, name, &digests);
    let current = current.map(|active| (&active.revision.revision, version(active)));
    mainstay_plan::plan(next, current, &observed)
}

fn version(active: &Active) -> Version<'_> {
    let Revision { digest, directory, .. } = &active.revision;
    Version { declared: &active.declared, digest, directory }
}

/// Reads files, which are taken only if there is no error in any of them.
async fn check(files: Vec<mainstay_api::v1::FileBody>, directory: String) -> Result<Clean, Failure> {
    if !directory.starts_with('/') {
        return Err(Failure::bad_request("The directory must be an absolute path on the host"));
    }
    let files: Vec<SourceFile> = files
        .into_iter()
        .map(|file| SourceFile { path: file.path, bytes: file.content.into_bytes() })
        .collect();
    let outcome = tokio::task::spawn_blocking(move || declare(&files, &Spoken))
        .await
        .map_err(|error| Failure::internal("The files could not be read", &error))?;
    let diagnostics: Vec<_> = outcome.diagnostics.iter().map(views::diagnostic).collect();
    let errors = outcome.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).count();
    match outcome.declared {
        Some(declared) if errors == 0 => {
            let digest = digest(&directory, &outcome.sources);
            Ok(Clean { declared, sources: outcome.sources, directory, digest, warnings: diagnostics })
        }
        _ => {
            let problems = if errors == 1 { "1 problem".to_owned() } else { format!("{errors} problems") };
            let mut body =
                ErrorBody::new(ErrorKind::Invalid, format!("Nothing was applied: {problems} found"));
            body.diagnostics = diagnostics;
            Err(Failure(Box::new(body)))
        }
    }
}

/// Whether what somebody has seen and decided upon still holds.
fn check_expected(
    expect: &Expect,
    base: Option<&RevisionId>,
    digest: &str,
    fresh: &Plan,
) -> Result<(), Failure> {
    let conflict = |error: PlanError| {
        let hint = match &error {
            PlanError::Stale { .. } => "see who applied what with `mainstay history`, then plan again",
            PlanError::FilesChanged => "plan again, and apply what you then read",
            _ => "plan again: hosts or files are not what they were",
        };
        let kind = match &error {
            PlanError::Unreadable { .. } => ErrorKind::BadRequest,
            _ => ErrorKind::Changed,
        };
        Failure::new(kind, format!("Nothing was applied: {error}")).hint(hint)
    };
    if expect.base.as_deref() != base.map(RevisionId::as_str) {
        let made_against = expect.base.clone().and_then(|id| RevisionId::new(id).ok());
        return Err(conflict(PlanError::Stale { made_against, now: base.cloned() }));
    }
    if expect.digest.as_deref().is_some_and(|expected| expected != digest) {
        return Err(conflict(PlanError::FilesChanged));
    }
    if let Some(plan) = &expect.plan {
        let plan = Plan::from_json(&plan.to_string()).map_err(conflict)?;
        plan.check(base, fresh).map_err(conflict)?;
    }
    Ok(())
}

fn busy(open: &changes::Record) -> Failure {
    let summary = changes::summary(open);
    let (id, by) = (&summary.id, &summary.by);
    let what = if summary.state == "held" { "waits for an approval" } else { "is being carried out" };
    Failure::new(
        ErrorKind::Conflict,
        format!("Nothing was applied: change {id} of {} by {by} {what}", summary.workload),
    )
    .hint(format!("see it with `mainstay show {id}`; `mainstay refuse {id}` ends it"))
}

/// Two changes to the same revision, one after the other, are two.
fn change_id(revision: &Revision, restores: Option<&RevisionId>) -> String {
    let restores = restores.map_or("", RevisionId::as_str);
    let text = format!(
        "{}\n{}\n{}\n{}\n{restores}",
        revision.workload,
        revision.revision,
        revision.applied_at.as_millis(),
        revision.applied_by
    );
    format!("c{}", &blake3::hash(text.as_bytes()).to_hex()[..11])
}

fn unplaced(plan: &Plan) -> Vec<String> {
    plan.unplaced.iter().map(|unplaced| format!("{}: {}", unplaced.component, unplaced.reason)).collect()
}

fn change_views(plan: &Plan) -> Vec<ChangeView> {
    plan.actions
        .iter()
        .filter_map(|action| {
            let fields = match action.verb {
                Verb::Update | Verb::Replace => {
                    action.fields.iter().map(|field| field.path.clone()).collect()
                }
                Verb::Create | Verb::Remove => Vec::new(),
            };
            Some(ChangeView {
                host: action.resource.host.as_ref()?.to_string(),
                component: action.resource.name.clone(),
                change: action.verb.word().to_owned(),
                fields,
            })
        })
        .collect()
}
