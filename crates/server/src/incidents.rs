//! Incidents: the loop that asks each workload's desk what follows, and writes down what was learned of each incident
//! that is over.

use std::path::PathBuf;
use std::sync::Arc;

use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_respond::{Desk, Incident, Run, Status};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError, rows_from};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::analysis::{self, Story};
use crate::catalogue::Catalogue;
use crate::clock::{Clock, until_if_ever};
use crate::files::write_whole;
use crate::responses::{self, Silences};

/// The table of desks, by workload.
pub const DESKS_TABLE: &str = "desks";

/// The table of incidents, by id: [`IncidentRow`].
pub const INCIDENTS_TABLE: &str = "incidents";

/// Incidents that are over and have no draft yet, by id.
const UNDRAFTED_TABLE: &str = "incidents_undrafted";

/// Keeps [`DESKS_TABLE`]: a desk without its runs under the workload's name, and each of its runs under that and the
/// run's id. A workload may have a thousand runs that go on, and each of their events is taken in.
pub struct DesksFold;

/// The row of a workload's run.
fn run_row(workload: &str, run: &str) -> String {
    format!("{workload}/{run}")
}

impl Fold for DesksFold {
    fn table(&self) -> &'static str {
        DESKS_TABLE
    }

    /// 2: events that are no concern of a desk no longer move its time. 3: its runs lie apart. 4: an alarm that joins an
    /// incident while somebody ends it is taken up anew.
    fn version(&self) -> u32 {
        4
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(workload) = event.workload.as_deref().filter(|_| Desk::concerns(event)) else { return };
        let of_run = || event.kind.starts_with("run.").then(|| event.data["run"].as_str()).flatten();
        let run = of_run().map(|id| (id, run_row(workload, id)));
        let mut before = None;
        if let Some((_, row)) = &run
            && event.kind != "run.started"
        {
            before = rows.read::<Run>(row);
            if !before.as_ref().is_some_and(|run| run.is_changed_by(&event.kind)) {
                return;
            }
        }
        let mut desk: Desk = rows.read(workload).unwrap_or_default();
        let ended = desk.ended.clone();
        desk.runs.extend(run.as_ref().and_then(|(id, _)| Some(((*id).to_owned(), before?))));
        desk.apply(event);
        if let Some((id, row)) = &run {
            match desk.runs.remove(*id) {
                Some(run) => rows.write(row, &run),
                None => rows.remove(row),
            }
        }
        // The desk lets go of the oldest first.
        let kept = desk.ended.first();
        for (_, id) in ended.iter().take_while(|old| kept != Some(*old)) {
            rows.remove(&run_row(workload, id));
        }
        rows.write(workload, &desk);
    }
}

/// One incident as the table has it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IncidentRow {
    /// The incident at the last event about it.
    pub incident: Incident,
    /// The place of its last event.
    pub last_seq: u64,
    /// The file its draft was written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_path: Option<String>,
}

/// Keeps [`INCIDENTS_TABLE`].
pub struct IncidentsFold;

impl Fold for IncidentsFold {
    fn table(&self) -> &'static str {
        INCIDENTS_TABLE
    }

    /// 2: who ended it, where somebody did.
    fn version(&self) -> u32 {
        2
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.kind == "incident.drafted" {
            let Some(id) = event.data["incident"].as_str() else { return };
            if let Some(mut row) = rows.read::<IncidentRow>(id) {
                row.draft_path = event.data["path"].as_str().map(str::to_owned);
                rows.write(id, &row);
            }
            return;
        }
        let Some(incident) = Incident::told(event) else { return };
        let id = incident.id.to_string();
        rows.write(&id, &IncidentRow { incident, last_seq: event.seq, draft_path: None });
    }
}

/// Where incidents are found that are open, or of a workload: rows `open/…` and `of/WORKLOAD/…`, the one that opened last
/// first by their ids; and `at/ID`, which says what stands for `…`.
const INDEX_TABLE: &str = "incidents_index";

/// Keeps the table that incidents are found by.
pub struct IncidentIndexFold;

impl Fold for IncidentIndexFold {
    fn table(&self) -> &'static str {
        INDEX_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if !matches!(event.kind.as_str(), "incident.opened" | "incident.resolved") {
            return;
        }
        let Some(incident) = Incident::told(event) else { return };
        let id = incident.id.as_str();
        if event.kind == "incident.opened" {
            let place = format!("{:020}", u64::MAX - event.seq);
            rows.put(&format!("at/{id}"), &json!(place));
            rows.put(&format!("open/{place}"), &json!(id));
            rows.put(&format!("of/{}/{place}", incident.workload), &json!(id));
        } else if let Some(place) = rows.read::<String>(&format!("at/{id}")) {
            rows.remove(&format!("open/{place}"));
        }
    }
}

/// Which incidents are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// All.
    All,
    /// Those that are open.
    Open,
    /// Those of a workload.
    Of(&'a str),
}

/// Keeps the table of incidents that are over and have no draft yet.
pub struct UndraftedFold;

impl Fold for UndraftedFold {
    fn table(&self) -> &'static str {
        UNDRAFTED_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        match event.kind.as_str() {
            "incident.resolved" => {
                if let Some(incident) = Incident::told(event) {
                    rows.put(incident.id.as_str(), &json!({ "resolved": event.seq }));
                }
            }
            "incident.drafted" => {
                if let Some(id) = event.data["incident"].as_str() {
                    rows.remove(id);
                }
            }
            _ => {}
        }
    }
}

fn read_row(id: &str, row: serde_json::Value) -> Result<IncidentRow, StoreError> {
    serde_json::from_value(row).map_err(|error| StoreError::Fold {
        table: INCIDENTS_TABLE.to_owned(),
        seq: 0,
        reason: format!("the row `{id}` cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// One incident. An open one is taken from its workload's desk, where it is freshest.
pub fn get(journal: &dyn Journal, id: &str) -> Result<Option<IncidentRow>, StoreError> {
    let Some(row) = journal.row(INCIDENTS_TABLE, id)? else { return Ok(None) };
    let row = read_row(id, row)?;
    Ok(Some(fresh(journal, row)?))
}

/// Incidents, the one that opened last first, from behind one on.
pub fn newest(
    journal: &dyn Journal,
    kind: Kind<'_>,
    wanted: impl Fn(&Incident) -> bool,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<IncidentRow>, StoreError> {
    let folder = match kind {
        Kind::All => None,
        Kind::Open => Some("open".to_owned()),
        Kind::Of(workload) => Some(format!("of/{workload}")),
    };
    if let Some(folder) = folder {
        return indexed(journal, &folder, wanted, after, limit);
    }
    let rows = rows_from(journal, INCIDENTS_TABLE, RowQuery::newest(limit.clamp(50, 512)).from(after));
    rows.first(limit, |id, row| {
        let row = fresh(journal, read_row(&id, row)?)?;
        Ok(wanted(&row.incident).then_some(row))
    })
}

/// The same, of those that stand in a folder of the index.
fn indexed(
    journal: &dyn Journal,
    folder: &str,
    wanted: impl Fn(&Incident) -> bool,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<IncidentRow>, StoreError> {
    let place = match after {
        None => None,
        Some(id) => match journal.row(INDEX_TABLE, &format!("at/{id}"))? {
            Some(place) => place.as_str().map(|place| format!("{folder}/{place}")),
            None => return Err(StoreError::NoSuchRow { table: INCIDENTS_TABLE.to_owned(), id }),
        },
    };
    let query = RowQuery { limit, ..RowQuery::under(folder) }.from(place);
    rows_from(journal, INDEX_TABLE, query).first(limit, |_, id| {
        let row = id.as_str().map(|id| get(journal, id)).transpose()?.flatten();
        Ok(row.filter(|row| wanted(&row.incident)))
    })
}

fn fresh(journal: &dyn Journal, mut row: IncidentRow) -> Result<IncidentRow, StoreError> {
    if row.incident.status == Status::Open
        && let Some(open) = desk(journal, &row.incident.workload)?.open
        && open.id == row.incident.id
    {
        row.incident = open;
    }
    Ok(row)
}

/// The desk of a workload.
pub fn desk(journal: &dyn Journal, workload: &str) -> Result<Desk, StoreError> {
    let row = journal.row(DESKS_TABLE, workload)?;
    let desk: Desk = row.and_then(|row| serde_json::from_value(row).ok()).unwrap_or_default();
    if desk.open.is_none() && desk.unclaimed.is_empty() {
        // Nothing follows from its runs.
        return Ok(desk);
    }
    let runs = journal.rows(DESKS_TABLE, &RowQuery::under(workload))?;
    let runs = runs.into_iter().filter_map(|(row, run)| {
        Some((row[workload.len() + 1..].to_owned(), serde_json::from_value(run).ok()?))
    });
    Ok(desk.with_runs(runs.collect()))
}

/// The goals by which an incident of this workload is judged to be over.
pub fn goals(catalogue: &Catalogue, workload: &str) -> Vec<String> {
    catalogue
        .get(workload)
        .map(|active| {
            active.declared.workload.priorities.iter().map(|priority| priority.goal.clone()).collect()
        })
        .unwrap_or_default()
}

/// Why the loop failed.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// The journal.
    #[error("the journal cannot be read or written")]
    Store(#[from] StoreError),
    /// A draft cannot be written.
    #[error("the draft {} cannot be written", path.display())]
    Draft {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The loop. It takes no input: an event only wakes it, and it looks at every desk.
pub struct Responder {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
    drafts: PathBuf,
}

impl Responder {
    /// Drafts are written into `drafts`.
    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        catalogue: Arc<Catalogue>,
        drafts: PathBuf,
    ) -> Self {
        Self { journal, clock, catalogue, drafts }
    }

    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ResponderError> {
        let mut events = self.journal.watch();
        let mut workloads = self.catalogue.watch();
        loop {
            events.borrow_and_update();
            workloads.borrow_and_update();
            let again = self.look().await?;
            tokio::select! {
                () = until_if_ever(self.clock.as_ref(), again) => {}
                () = stop.cancelled() => return Ok(()),
                changed = events.changed() => if changed.is_err() { return Ok(()) },
                changed = workloads.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Does all that follows from what is known now. Answers with when to look again at the latest: when a silence begins
    /// or ends, while alarms wait for that.
    pub async fn look(&self) -> Result<Option<Timestamp>, ResponderError> {
        let mut waits = false;
        for name in self.catalogue.now().keys() {
            let goals = goals(&self.catalogue, name);
            loop {
                let mut desk = desk(self.journal.as_ref(), name)?;
                // Alarms that are silenced wait: when the silence ends and they still fire, they are taken up.
                if !desk.unclaimed.is_empty() {
                    let silences = Silences::at(self.journal.as_ref(), self.clock.now())?;
                    let Desk { alarms, unclaimed, .. } = &mut desk;
                    let fired = unclaimed.len();
                    unclaimed.retain(|key, _| {
                        alarms.get(key).is_none_or(|one| silences.of(name, &one.alarm, &one.labels).is_none())
                    });
                    waits |= unclaimed.len() < fired;
                }
                let Some(draft) = desk.decide(&goals) else { break };
                self.journal.append(vec![draft]).await?;
            }
        }
        for (id, _) in self.journal.rows(UNDRAFTED_TABLE, &RowQuery::by_id(100))? {
            self.write_draft(&id).await?;
        }
        if !waits {
            return Ok(None);
        }
        Ok(responses::next_turn(self.journal.as_ref(), self.clock.now())?)
    }

    /// Writes the post-incident draft and says so. Doing it again writes the same file and says nothing new.
    async fn write_draft(&self, id: &str) -> Result<(), ResponderError> {
        let Some(row) = get(self.journal.as_ref(), id)? else { return Ok(()) };
        let story = Story::read(self.journal.as_ref(), &row)?;
        let text = story.draft(self.catalogue.get(&row.incident.workload).as_deref());
        let path = self.drafts.join(format!("{id}.md"));
        write_whole(&path, text.as_bytes())
            .map_err(|source| ResponderError::Draft { path: path.clone(), source })?;
        let event = EventId::new(format!("{id}.drafted")).expect("an incident id with a suffix is an id");
        let data = json!({
            "incident": id,
            "path": path.display().to_string(),
            "digest": blake3::hash(text.as_bytes()).to_hex().as_str(),
            "times": analysis::times_view(&story.times),
        });
        let draft = EventDraft::new(
            event,
            "incident.drafted",
            self.clock.now(),
            Actor::System("learn".to_owned()),
            data,
        )
        .subject(format!("incident/{id}"))
        .workload(&row.incident.workload);
        self.journal.append(vec![draft]).await?;
        Ok(())
    }
}
