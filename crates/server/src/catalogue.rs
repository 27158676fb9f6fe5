//! The workloads that are wanted now, ready for use: what the loops look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_declare::{Declared, SourceFile};
use mainstay_detect::{PatternSet, RuleFile, RuleGroup, Trigger};
use mainstay_model::{RevisionId, Timestamp};
use mainstay_runbook::{Document, Library};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::changes::{Running, Runnings};
use crate::languages::Spoken;
use crate::revisions::Revision;
use crate::runs::{Found, Procedures};

/// A procedure, checked, with the digest of what it says.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// Its name.
    pub name: String,
    /// The document.
    pub document: Arc<Document>,
    /// BLAKE3 of the document as JSON, 64 hex digits.
    pub digest: String,
}

/// One rule group with the file it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The file.
    pub file: String,
    /// The group.
    pub group: RuleGroup,
}

impl Group {
    /// The group's name among all of a workload's: file and name.
    pub fn key(&self) -> String {
        format!("{}#{}", self.file, self.group.name)
    }
}

/// One workload in its wanted revision.
#[derive(Clone, Debug)]
pub struct Active {
    /// What was applied.
    pub revision: Revision,
    /// What it declares.
    pub declared: Declared,
    /// Its procedures, by name.
    pub procedures: BTreeMap<String, Arc<Procedure>>,
    /// Its triggers, by name.
    pub triggers: BTreeMap<String, Trigger>,
    /// The patterns of the triggers that are on, by their names.
    pub patterns: PatternSet<String>,
    /// Its rule groups, in file order.
    pub groups: Vec<Group>,
}

/// Why a revision that was once applied cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("revision {revision} of workload {workload} no longer checks clean: {reason}")]
pub struct Stale {
    /// The workload.
    pub workload: String,
    /// The revision.
    pub revision: RevisionId,
    /// The first problem.
    pub reason: String,
}

impl Active {
    /// Makes a revision's files ready for use.
    pub fn load(revision: &Revision) -> Result<Self, Stale> {
        let files: Vec<SourceFile> = revision
            .files
            .iter()
            .map(|(path, content)| SourceFile { path: path.clone(), bytes: content.clone().into_bytes() })
            .collect();
        let outcome = mainstay_declare::declare(&files, &Spoken);
        let first = outcome.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        let stale = |reason: String| Stale {
            workload: revision.workload.clone(),
            revision: revision.revision.clone(),
            reason,
        };
        match (outcome.declared, first) {
            (Some(declared), None) => Self::of(revision.clone(), declared).map_err(stale),
            (_, Some(problem)) => {
                Err(stale(format!("{}:{}: {}", problem.path, problem.start.line, problem.message)))
            }
            (None, None) => Err(stale("it declares nothing".to_owned())),
        }
    }

    /// From what was just declared. The languages were checked by `declare`, so a refusal here means that this version
    /// checks less than it reads, which is a fault of ours that is reported and not hidden.
    pub fn of(revision: Revision, declared: Declared) -> Result<Self, String> {
        let first = |problems: Vec<mainstay_model::Problem>| {
            problems.first().map(ToString::to_string).unwrap_or_default()
        };
        let mut procedures = BTreeMap::new();
        for procedure in declared.procedures.values() {
            let library = library(&declared, procedure);
            let digest = digest(&procedure.value, &library);
            let document = Arc::new(Document::parse(&procedure.value).map_err(first)?.with(library));
            let name = procedure.name.clone();
            procedures.insert(name.clone(), Arc::new(Procedure { name, document, digest }));
        }
        let mut triggers = BTreeMap::new();
        let mut patterns = PatternSet::new();
        for trigger in declared.triggers.values() {
            let parsed = Trigger::parse(&trigger.value).map_err(first)?;
            if let Some(pattern) = parsed.pattern.as_ref().filter(|_| parsed.enabled) {
                patterns.add(trigger.name.clone(), pattern.clone());
            }
            triggers.insert(trigger.name.clone(), parsed);
        }
        let mut groups = Vec::new();
        for rules in &declared.rules {
            let file = RuleFile::parse(&rules.value).map_err(first)?;
            groups.extend(file.groups.into_iter().map(|group| Group { file: rules.path.clone(), group }));
        }
        Ok(Self { revision, declared, procedures, triggers, patterns, groups })
    }

    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.declared.workload.name
    }

    /// The names of its alarms, each once.
    pub fn alarms(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .groups
            .iter()
            .flat_map(|group| mainstay_detect::alarm::alarms(&group.group))
            .map(|(_, rule)| rule.alert.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// What a revision event says of its content, for people.
    pub fn summary(&self) -> Value {
        json!({
            "components": self.declared.workload.components.keys().collect::<Vec<_>>(),
            "procedures": self.procedures.keys().collect::<Vec<_>>(),
            "triggers": self.triggers.keys().collect::<Vec<_>>(),
            "alarms": self.alarms(),
        })
    }

    /// When it was applied.
    pub fn applied_at(&self) -> Timestamp {
        self.revision.applied_at
    }
}

/// The digest of a document with what it needs beside itself.
pub fn digest(document: &Value, library: &Library) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(document.to_string().as_bytes());
    if !library.is_empty() {
        hasher.update(serde_json::to_string(library).unwrap_or_default().as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// What a procedure needs beside itself: its attached files, and the documents that it or one of those runs or reads.
fn library(declared: &Declared, procedure: &mainstay_declare::Procedure) -> Library {
    let mut library = Library::default();
    for file in &procedure.facts.files {
        let path = mainstay_declare::procedures::beside(&procedure.path, &file.name);
        if let Some(kept) = declared.attachments.get(&path) {
            library.files.insert(file.name.clone(), kept.clone());
        }
    }
    let mut open = vec![procedure];
    while let Some(next) = open.pop() {
        let commands = next.facts.calls.iter().filter(|call| call.is_command).map(|call| &call.procedure);
        for named in commands.chain(&next.facts.documents) {
            if let Some(found) = declared.procedures.get(&named.name)
                && library.documents.insert(named.name.clone(), found.value.clone()).is_none()
            {
                open.push(found);
            }
        }
    }
    library
}

/// All workloads by name. An immutable value; a new one replaces it.
pub type Workloads = Arc<BTreeMap<String, Arc<Active>>>;

/// Where the loops look for the workloads, and what wakes them when those change.
#[derive(Debug)]
pub struct Catalogue {
    current: watch::Sender<Workloads>,
    running: watch::Sender<Runnings>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            current: watch::Sender::new(Workloads::default()),
            running: watch::Sender::new(Runnings::default()),
        }
    }
}

impl Catalogue {
    /// The workloads now.
    pub fn now(&self) -> Workloads {
        self.current.borrow().clone()
    }

    /// The names of the workloads that there are, and of those that a change is making.
    pub fn names(&self) -> BTreeSet<String> {
        self.now().keys().chain(self.running().keys()).cloned().collect()
    }

    /// One workload.
    pub fn get(&self, workload: &str) -> Option<Arc<Active>> {
        self.current.borrow().get(workload).cloned()
    }

    /// Puts a workload in place of what it was.
    pub fn put(&self, active: Active) {
        self.current.send_modify(|workloads| {
            let mut next = BTreeMap::clone(workloads);
            next.insert(active.name().to_owned(), Arc::new(active));
            *workloads = Arc::new(next);
        });
    }

    /// Wakes when the workloads change.
    pub fn watch(&self) -> watch::Receiver<Workloads> {
        self.current.subscribe()
    }

    /// The changes that are being carried out now.
    pub fn running(&self) -> Runnings {
        self.running.borrow().clone()
    }

    /// A workload is being changed, or further than it was.
    pub fn carry(&self, workload: &str, change: Running) {
        self.running.send_modify(|running| {
            let mut next = BTreeMap::clone(running);
            next.insert(workload.to_owned(), Arc::new(change));
            *running = Arc::new(next);
        });
    }

    /// A workload is no longer being changed.
    pub fn carried(&self, workload: &str) {
        self.running.send_if_modified(|running| {
            let mut next = BTreeMap::clone(running);
            let there = next.remove(workload).is_some();
            *running = Arc::new(next);
            there
        });
    }

    /// Wakes when the changes that are being carried out do.
    pub fn watch_running(&self) -> watch::Receiver<Runnings> {
        self.running.subscribe()
    }
}

impl Procedures for Catalogue {
    fn find(&self, workload: Option<&str>, name: &str) -> Result<Found, String> {
        let Some(workload) = workload else {
            return Err(format!("There is no procedure {name}: the run belongs to no workload"));
        };
        let active = self
            .get(workload)
            .ok_or_else(|| format!("There is no procedure {name}: the workload {workload} is not applied"))?;
        let Some(procedure) = active.procedures.get(name) else {
            let known = active.procedures.keys().map(String::as_str);
            return Err(match mainstay_model::problem::nearest(name, known) {
                Some(near) => format!("There is no procedure {name} in {workload}; {near} there is"),
                None => format!("There is no procedure {name} in {workload}"),
            });
        };
        Ok(Found { document: procedure.document.clone(), digest: procedure.digest.clone() })
    }

    fn limit(&self, workload: Option<&str>, name: &str) -> Option<u32> {
        self.get(workload?)?.declared.workload.procedures.get(name)?.concurrency
    }
}
