//! Applying: a directory that checks clean becomes a revision; anything else changes nothing.

use std::sync::Arc;

use mainstay_api::v1::{Applied, ChangeView, ErrorBody, ErrorKind, NewRevision};
use mainstay_declare::{Declared, SourceFile, declare};
use mainstay_model::{Actor, Severity};
use mainstay_plan::{ChangeKind, Placement, changes};
use mainstay_store::Journal;
use tokio::sync::Mutex;

use crate::catalogue::{Active, Catalogue};
use crate::clock::Clock;
use crate::http::Failure;
use crate::hub::Hub;
use crate::languages::Spoken;
use crate::placement::placement;
use crate::revisions::{Revision, digest, revision_id};
use crate::views;

/// Makes revisions, one after the other.
pub struct Applier {
    journal: Arc<dyn Journal>,
    catalogue: Arc<Catalogue>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    /// Two people who apply at once do so one after the other, and the second sees the first's revision as its parent.
    turn: Mutex<()>,
}

impl Applier {
    /// An applier.
    pub fn new(
        journal: Arc<dyn Journal>,
        catalogue: Arc<Catalogue>,
        hub: Hub,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { journal, catalogue, hub, clock, turn: Mutex::new(()) }
    }

    /// Where a workload's services belong now.
    pub fn placement(&self, active: &Active) -> Placement {
        placement(active, &self.hub)
    }

    /// Makes the files the wanted state of the workload they declare. When this returns, that is durable.
    pub async fn apply(&self, new: NewRevision, by: Actor) -> Result<Applied, Failure> {
        if !new.directory.starts_with('/') {
            return Err(Failure::bad_request("The directory must be an absolute path on the host"));
        }
        let NewRevision { files, directory, message } = new;
        let files: Vec<SourceFile> = files
            .into_iter()
            .map(|file| SourceFile { path: file.path, bytes: file.content.into_bytes() })
            .collect();
        let outcome = tokio::task::spawn_blocking(move || declare(&files, &Spoken))
            .await
            .map_err(|error| Failure::internal("The files could not be read", &error))?;
        let diagnostics: Vec<_> = outcome.diagnostics.iter().map(views::diagnostic).collect();
        let errors = outcome.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).count();
        let declared = match outcome.declared {
            Some(declared) if errors == 0 => declared,
            _ => {
                let problems =
                    if errors == 1 { "1 problem".to_owned() } else { format!("{errors} problems") };
                let mut body =
                    ErrorBody::new(ErrorKind::Invalid, format!("Nothing was applied: {problems} found"));
                body.diagnostics = diagnostics;
                return Err(Failure(Box::new(body)));
            }
        };

        let _turn = self.turn.lock().await;
        let current = self.catalogue.get(&declared.workload.name);
        let digest = digest(&directory, &outcome.sources);
        if let Some(current) = current.as_ref().filter(|current| current.revision.digest == digest) {
            return Ok(self.answer(current, &current.declared, Vec::new(), false, diagnostics));
        }
        let parent = current.as_ref().map(|current| current.revision.revision.clone());
        let revision = Revision {
            workload: declared.workload.name.clone(),
            revision: revision_id(parent.as_ref(), &digest),
            parent,
            digest,
            directory,
            files: outcome.sources,
            message,
            applied_at: self.clock.now(),
            applied_by: by,
        };
        let active = Active::of(revision, declared).map_err(|reason| {
            Failure::new(ErrorKind::Internal, format!("The files check clean and cannot be used: {reason}"))
        })?;
        self.journal.append(vec![active.revision.draft(&active.summary())]).await?;
        let changes = self.changes(current.as_deref(), &active);
        let answer = self.answer(&active, &active.declared, changes, true, diagnostics);
        self.catalogue.put(active);
        Ok(answer)
    }

    fn changes(&self, current: Option<&Active>, next: &Active) -> Vec<ChangeView> {
        let before = current.map(|active| (&active.declared, self.placement(active)));
        let after = self.placement(next);
        let before = before.as_ref().map(|(declared, placement)| (*declared, placement));
        changes(before, (&next.declared, &after))
            .into_iter()
            .map(|change| {
                let (word, fields) = match change.kind {
                    ChangeKind::Create => ("create", Vec::new()),
                    ChangeKind::Update { fields } => {
                        ("update", fields.into_iter().map(str::to_owned).collect())
                    }
                    ChangeKind::Remove => ("remove", Vec::new()),
                };
                ChangeView {
                    host: change.host.to_string(),
                    component: change.component,
                    change: word.to_owned(),
                    fields,
                }
            })
            .collect()
    }

    fn answer(
        &self,
        active: &Active,
        declared: &Declared,
        changes: Vec<ChangeView>,
        changed: bool,
        warnings: Vec<mainstay_api::v1::DiagnosticView>,
    ) -> Applied {
        Applied {
            workload: declared.workload.name.clone(),
            revision: active.revision.revision.to_string(),
            parent: active.revision.parent.as_ref().map(ToString::to_string),
            changed,
            changes,
            unplaced: views::unplaced(&self.placement(active)),
            warnings,
        }
    }
}
