//! `mainstay runs`: those of the server, and with `--local` those of this host that have none.

use std::path::Path;

use mainstay_api::client::{Client, RunsQuery};
use mainstay_api::v1::{Page, RunSummary};
use mainstay_model::{RunId, Timestamp};
use mainstay_server::{runs, views};
use serde_json::{Map, json};

use super::run::places::{self, Places};
use super::run::{Word, family, record, see, tell};
use crate::args::{Decision, Runs, RunsList, RunsVerb};
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, say, table};
use crate::time::{length, now, stamp};

/// What is recorded where a person says of a step that it failed and not why.
const FAILED: &str = "A person decided that it failed";

fn reason_with_failed_only() -> Failure {
    Failure::new(Exit::Usage, "A reason is recorded with `--as failed` only")
}

/// Where runs were asked for and none is such a one.
const NO_SUCH: &str = "No such run.\n";

/// What chooses from the list means nothing before another verb.
fn of_list_only(runs: &Runs) -> Result<(), Failure> {
    if runs.verb.is_some() && runs.list != RunsList::default() {
        return Err(Failure::new(
            Exit::Usage,
            "What chooses runs from the list stands behind `mainstay runs list`, or `mainstay runs` alone",
        ));
    }
    Ok(())
}

/// `mainstay runs …`
pub async fn run(screen: Screen, client: &Client, runs: &Runs) -> Result<(), Failure> {
    of_list_only(runs)?;
    match &runs.verb {
        None => list(screen, client, &runs.list).await,
        Some(RunsVerb::List(list)) => self::list(screen, client, list).await,
        Some(RunsVerb::Show { id }) => {
            let detail = client.run_record(id).await?;
            let children = family::of_server(client, &detail, true).await;
            screen.show(&detail, |detail| record::render(detail, &children, now(), screen.style))
        }
        Some(RunsVerb::Cancel { id, reason }) => {
            let run = client.cancel_run(id, reason.as_deref()).await?;
            screen.show(&run, |run| format!("run {} of {} is {}\n", run.id, run.procedure, run.status))
        }
        Some(RunsVerb::Resume { id, from, detach }) => {
            let head = client.status().await?.journal_seq;
            let token = uuid::Uuid::now_v7().simple().to_string();
            let started = client.resume_run(id, from, &token).await?;
            see(screen, client, started, head, *detach).await
        }
        Some(RunsVerb::Decide { id, decision, reason }) => {
            let decision = match (decision, reason) {
                (Decision::Succeeded, None) => json!({ "decision": "succeeded" }),
                (Decision::Retry, None) => json!({ "decision": "retry" }),
                (Decision::Failed, reason) => {
                    let message = reason.as_deref().unwrap_or(FAILED);
                    json!({ "decision": "failed", "message": message })
                }
                (_, Some(_)) => return Err(reason_with_failed_only()),
            };
            let run = client.decide_run(id, &decision).await?;
            screen.show(&run, |run| format!("run {} of {} is {}\n", run.id, run.procedure, run.status))
        }
    }
}

async fn list(screen: Screen, client: &Client, list: &RunsList) -> Result<(), Failure> {
    let query = RunsQuery {
        limit: list.lines,
        after: list.after.clone(),
        status: list.status.clone(),
        active: list.active,
        procedure: list.procedure.clone(),
        workload: list.workload.clone(),
        since: list.since.map(|ago| now().minus(ago)),
    };
    let page = client.runs(&query).await?;
    screen.show(&page, |page| match page.items.is_empty() && *list != RunsList::default() {
        true => NO_SUCH.to_owned(),
        false => render_list(&page.items, now(), screen.style),
    })?;
    more(screen, &page, "");
    Ok(())
}

/// Says how to see the runs behind those that were listed.
fn more(screen: Screen, page: &Page<RunSummary>, option: &str) {
    if let (Some(next), false) = (&page.next, screen.is_json()) {
        say(&format!("there may be more: add `--after {next}`{option}"));
    }
}

/// `mainstay runs … --local`: reads the journals of this host, and continues what is told something.
pub fn here(screen: Screen, args: &Runs) -> Result<(), Failure> {
    of_list_only(args)?;
    let places = Places::of(args.journal.as_deref())?;
    match &args.verb {
        None => list_here(screen, &places, &args.list),
        Some(RunsVerb::List(list)) => list_here(screen, &places, list),
        Some(RunsVerb::Show { id }) => {
            let kept = places.find(id)?;
            let unreadable = |error| places::unreadable(&kept.dir, &error);
            let journal = places::look(&kept.dir).map_err(unreadable)?;
            let detail = runs::record(&journal, &kept.run).map_err(unreadable)?;
            let children = family::of(&detail, |id| {
                let child = runs::run(&journal, &RunId::new(id).ok()?).ok()??;
                runs::record(&journal, &child).ok()
            });
            screen.show(&detail, |detail| record::render(detail, &children, now(), screen.style))?;
            if !screen.is_json() {
                say(&format!("its journal is {}", shown(&kept.dir)));
            }
            Ok(())
        }
        Some(RunsVerb::Cancel { id, reason }) => {
            let reason = reason.clone().unwrap_or_else(|| "Cancelled by a person".to_owned());
            tell(screen, places, id, Word::Cancel(reason))
        }
        Some(RunsVerb::Resume { id, from, detach: false }) => {
            tell(screen, places, id, Word::From(from.clone()))
        }
        Some(RunsVerb::Resume { detach: true, .. }) => Err(Failure::new(
            Exit::Usage,
            "A run of this host goes on in this process, so it has no `--detach`",
        )),
        Some(RunsVerb::Decide { id, decision, reason }) => {
            let decision = match (decision, reason) {
                (Decision::Succeeded, None) => mainstay_runbook::Decision::Succeeded { outputs: Map::new() },
                (Decision::Retry, None) => mainstay_runbook::Decision::Retry,
                (Decision::Failed, reason) => mainstay_runbook::Decision::Failed {
                    message: reason.clone().unwrap_or_else(|| FAILED.to_owned()),
                },
                (_, Some(_)) => return Err(reason_with_failed_only()),
            };
            tell(screen, places, id, Word::Decide(decision))
        }
    }
}

fn shown(dir: &Path) -> String {
    dir.display().to_string()
}

fn list_here(screen: Screen, places: &Places, list: &RunsList) -> Result<(), Failure> {
    let wanted = runs::Wanted {
        seen: None,
        status: list.status.clone(),
        active: list.active,
        procedure: list.procedure.clone(),
        workload: list.workload.clone(),
        since: list.since.map(|ago| now().minus(ago)),
    };
    let mut behind = list.after.is_none();
    // What stands before the run to go on behind has to be read too.
    let most = if behind { list.lines.saturating_add(1) } else { usize::MAX };
    let found = places.runs(most, |run| wanted.takes(run))?;
    let mut items: Vec<RunSummary> = Vec::new();
    let mut next = None;
    for kept in found {
        if behind && items.len() == list.lines {
            next = items.last().map(|run| run.id.clone());
            break;
        }
        if behind {
            items.push(views::run_summary(&kept.run));
        }
        behind |= list.after.as_deref() == Some(kept.run.id.as_str());
    }
    if !behind {
        let after = list.after.as_deref().unwrap_or_default();
        return Err(Failure::new(Exit::Refused, format!("There is no run {after} to go on behind")));
    }
    let page = Page { items, next };
    screen.show(&page, |page| match page.items.is_empty() {
        true if *list != RunsList::default() => NO_SUCH.to_owned(),
        true => "No run of this host. `mainstay run DOC` runs a document with no server.\n".to_owned(),
        false => render_list(&page.items, now(), screen.style),
    })?;
    more(screen, &page, &format!(" --local{}", places.option()));
    Ok(())
}

/// The failure where no server answers: perhaps runs of this host are meant.
pub fn perhaps_here(failure: Failure) -> Failure {
    let any =
        Places::of(None).and_then(|places| places.runs(1, |_| true)).is_ok_and(|found| !found.is_empty());
    if any && failure.exit == Exit::Unreachable {
        failure.hint("`mainstay runs --local` lists the runs of this host that had no server")
    } else {
        failure
    }
}

fn render_list(runs: &[RunSummary], now: Timestamp, style: Style) -> String {
    if runs.is_empty() {
        return "No run yet. `mainstay procedures` lists what can be run.\n".to_owned();
    }
    let rows = runs.iter().map(|run| {
        let took = length(run.ended_at.unwrap_or(now).since(run.started_at));
        vec![
            run.id.clone().into(),
            run.procedure.clone().into(),
            Field::State(run.status.clone()),
            stamp(run.started_at).into(),
            took.into(),
            run.current_step.clone().unwrap_or_default().into(),
            run.started_by.clone().into(),
        ]
    });
    table(style, &["RUN", "PROCEDURE", "STATUS", "STARTED", "TOOK", "STEP", "BY"], rows.collect())
}
