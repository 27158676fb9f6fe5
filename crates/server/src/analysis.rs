//! The story of an incident, read from the journal for `mainstay-learn` to tell.

use std::time::Duration;

use mainstay_api::v1::TimesView;
use mainstay_learn::{Case, Context, Entry, Times, timeline, times};
use mainstay_model::Event;
use mainstay_respond::Status;
use mainstay_store::{Journal, StoreError};

use crate::catalogue::Active;
use crate::incidents::IncidentRow;

/// How many events of the journal are looked at for one story, at most. A longer one is told from its beginning.
const MAX_EVENTS: usize = 200_000;

/// An incident's events and what follows from them.
pub struct Story {
    /// The timeline.
    pub entries: Vec<Entry>,
    /// How long things took.
    pub times: Times,
    case: Option<Case>,
    events: Vec<Event>,
}

impl Story {
    /// Reads the events from where the incident's story begins to its end, or to the journal's when it is open.
    pub fn read(journal: &dyn Journal, row: &IncidentRow) -> Result<Self, StoreError> {
        let incident = &row.incident;
        let last = if incident.status == Status::Resolved { row.last_seq } else { journal.head().seq };
        let first_change = incident.changes.iter().map(|change| change.seq).min().unwrap_or(u64::MAX);
        let mut place = incident.from_seq.min(first_change).saturating_sub(1);
        let mut events: Vec<Event> = Vec::new();
        while place < last && events.len() < MAX_EVENTS {
            let page = journal.read(place, 512)?;
            let Some(end) = page.last() else { break };
            place = end.seq;
            let mine = page.iter().filter(|event| {
                event.seq <= last
                    && event.is_authentic()
                    && event.workload.as_ref().is_none_or(|name| *name == incident.workload)
            });
            events.extend(mine.map(|event| Event::clone(event)));
        }
        let case = Case::find(&events, &incident.id);
        let (entries, times) = match &case {
            Some(case) => (timeline(&events, case), times(case, &events)),
            None => (Vec::new(), Times::default()),
        };
        Ok(Self { entries, times, case, events })
    }

    /// What it suggests to learn, each in a sentence of Markdown.
    pub fn suggestions(&self) -> Vec<String> {
        self.case.as_ref().map(|case| mainstay_learn::suggestions(case, &self.events)).unwrap_or_default()
    }

    /// The post-incident draft.
    pub fn draft(&self, active: Option<&Active>) -> String {
        let workload = active.map(|active| &active.declared.workload);
        let context = Context {
            title: workload.and_then(|workload| workload.title.clone()),
            owner: workload.and_then(|workload| workload.owner.clone()),
        };
        match &self.case {
            Some(case) => mainstay_learn::draft(case, &self.events, &context),
            None => "The events of this incident are no longer in the journal.\n".to_owned(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long things took, for the wire.
pub fn times_view(times: &Times) -> TimesView {
    TimesView {
        to_detect_ms: times.to_detect.map(millis),
        to_respond_ms: times.to_respond.map(millis),
        to_recover_ms: times.to_recover.map(millis),
    }
}
