//! `mainstay status` and the lists beside it. Status is for the person at 3 a.m.: what is wrong, since when, and what
//! is being done, on one screen and in this order.

use std::fmt::Write as _;

use mainstay_api::client::Client;
use mainstay_api::v1::{AlarmView, HostView, IncidentSummary, RunSummary, Status, WorkloadStatus};
use mainstay_model::Timestamp;
use serde::Serialize;

use crate::exit::Failure;
use crate::screen::{Field, Screen, Style, Tone, clean, count, shorten, table};
use crate::sentence::number;
use crate::time::{age, now, stamp};

/// The server's status with what is going on: open incidents, alarms that are not quiet, runs that are not over.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The server's own status.
    #[serde(flatten)]
    pub status: Status,
    /// Incidents that are open.
    pub open_incidents: Vec<IncidentSummary>,
    /// Alarms that are pending or firing, or cannot be told.
    pub active_alarms: Vec<AlarmView>,
    /// Runs that are not over.
    pub active_runs: Vec<RunSummary>,
}

/// `mainstay status`
pub async fn status(screen: Screen, client: &Client) -> Result<(), Failure> {
    let overview = overview(client).await?;
    screen.show(&overview, |overview| render(overview, client.base(), now(), screen.style))
}

/// Asks for everything that a status shows.
pub async fn overview(client: &Client) -> Result<Overview, Failure> {
    let (status, incidents, alarms, runs) =
        tokio::try_join!(client.status(), client.incidents(50), client.alarms(), client.runs(50))?;
    let quiet = ["inactive", "resolved", "not evaluated"];
    Ok(Overview {
        status,
        open_incidents: incidents.items.into_iter().filter(|incident| incident.status == "open").collect(),
        active_alarms: alarms
            .items
            .into_iter()
            .filter(|alarm| !quiet.contains(&alarm.state.as_str()))
            .collect(),
        active_runs: runs.items.into_iter().filter(|run| !run.finished).collect(),
    })
}

/// The words of an alarm that help most.
fn words(alarm: &AlarmView) -> String {
    let text = ["description", "summary"].iter().find_map(|key| alarm.annotations.get(*key));
    let text = alarm.error.as_ref().or(text);
    text.map(|text| format!(": {}", shorten(&clean(text), 120))).unwrap_or_default()
}

/// One screen.
pub fn render(overview: &Overview, address: &str, now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    let status = &overview.status;
    trouble(&mut out, overview, now, style);
    for workload in &status.workloads {
        out.push('\n');
        render_workload(&mut out, workload, now, style);
    }
    if status.workloads.is_empty() {
        out.push_str("\nNo workload has been applied. `mainstay apply DIR` does.\n");
    }
    out.push('\n');
    let connected = status.hosts.iter().filter(|host| host.connected).count();
    let _ = writeln!(out, "{}  {connected} of {} connected", style.bold("Hosts"), status.hosts.len());
    for host in status.hosts.iter().filter(|host| !host.connected) {
        let gone = age(Some(host.last_seen), now);
        let _ = writeln!(out, "  {} {} last heard of {gone} ago", style.state("lost"), clean(&host.id));
    }
    for service in
        status.hosts.iter().flat_map(|host| &host.services).filter(|service| service.state != "ready")
    {
        let why = service
            .reason
            .as_deref()
            .map(|why| format!(": {}", shorten(&clean(why), 120)))
            .unwrap_or_default();
        let since = age(service.since, now);
        let _ = writeln!(
            out,
            "  {} {} on {} for {since}{why}",
            style.state(&service.state),
            service.name,
            service.host
        );
    }
    let _ = writeln!(
        out,
        "{}  {address}, version {}, up {}, journal at {}",
        style.bold("Server"),
        status.version,
        age(Some(status.started_at), now),
        status.journal_seq
    );
    for reason in &status.degraded {
        let _ = writeln!(out, "  {} {}", style.paint(Tone::Bad, "degraded"), clean(reason));
    }
    out
}

fn trouble(out: &mut String, overview: &Overview, now: Timestamp, style: Style) {
    let Overview { open_incidents, active_alarms, active_runs, .. } = overview;
    if open_incidents.is_empty() && active_alarms.is_empty() {
        let _ = writeln!(out, "{}", style.paint(Tone::Good, "No open incident, no alarm"));
    } else {
        let firing = active_alarms.iter().filter(|alarm| alarm.state == "firing").count();
        let head =
            format!("{}, {} firing", count(open_incidents.len(), "open incident"), count(firing, "alarm"));
        let _ = writeln!(out, "{}", style.paint(Tone::Bad, &head));
    }
    for incident in open_incidents {
        let _ = writeln!(
            out,
            "  incident {}  {} ({}), open for {}, since {}",
            incident.id,
            clean(&incident.title),
            incident.workload,
            age(Some(incident.opened_at), now),
            stamp(incident.opened_at)
        );
        if !incident.waiting_for.is_empty() {
            let _ = writeln!(out, "    waits for: {}", clean(&incident.waiting_for.join("; ")));
        }
    }
    for alarm in active_alarms {
        let value = alarm.value.map(|value| format!(" at {}", number(value))).unwrap_or_default();
        let _ = writeln!(
            out,
            "  alarm {}  {} for {}{value}{}",
            alarm.alarm,
            style.state(&alarm.state),
            age(alarm.since, now),
            words(alarm)
        );
    }
    for run in active_runs {
        let step = run.current_step.as_deref().map(|step| format!(" at step {step}")).unwrap_or_default();
        let message = run
            .message
            .as_deref()
            .map(|text| format!(": {}", shorten(&clean(text), 120)))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "  run {}  {} {}{step}, started {} ago by {}{message}",
            run.id,
            run.procedure,
            style.state(&run.status),
            age(Some(run.started_at), now),
            clean(&run.started_by)
        );
    }
}

fn render_workload(out: &mut String, workload: &WorkloadStatus, now: Timestamp, style: Style) {
    let WorkloadStatus { services_ready, services_wanted, .. } = workload;
    let all = services_ready == services_wanted;
    let services = format!("{services_ready} of {services_wanted} services ready");
    let _ = writeln!(
        out,
        "{}  {}, revision {} applied {} ago",
        style.bold(&workload.workload),
        if all { services } else { style.paint(Tone::Busy, &services) },
        workload.revision,
        age(Some(workload.applied_at), now)
    );
    for reason in &workload.unplaced {
        let _ = writeln!(out, "  not placed: {}", clean(reason));
    }
    let rows: Vec<Vec<Field>> = workload
        .measures
        .iter()
        .map(|measure| {
            vec![
                format!("  {}", measure.goal).into(),
                Field::State(measure.state.clone()),
                format!("for {}", age(measure.since, now)).into(),
                measure.value.map_or_else(|| "-".to_owned(), number).into(),
                format!("target {}", measure.target).into(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        // The heads say nothing that the fields do not.
        let drawn = table(style, &["", "", "", "", ""], rows);
        out.push_str(drawn.split_once('\n').map_or("", |(_, rest)| rest));
    }
}

/// `mainstay services`
pub async fn services(screen: Screen, client: &Client) -> Result<(), Failure> {
    let hosts = client.hosts().await?;
    if screen.is_json() {
        return screen.json(&hosts.items.iter().flat_map(|host| &host.services).collect::<Vec<_>>());
    }
    screen.print(&render_services(&hosts.items, now(), screen.style))
}

fn render_services(hosts: &[HostView], now: Timestamp, style: Style) -> String {
    let rows: Vec<Vec<Field>> = hosts
        .iter()
        .flat_map(|host| host.services.iter().map(move |service| (host, service)))
        .map(|(host, service)| {
            let state = if host.connected { service.state.clone() } else { "unknown".to_owned() };
            vec![
                service.name.clone().into(),
                service.host.clone().into(),
                Field::State(state),
                age(service.since, now).into(),
                service.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
                service.restarts.to_string().into(),
                shorten(service.reason.as_deref().unwrap_or_default(), 80).into(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "No service: apply a workload with `mainstay apply DIR`, and see `mainstay hosts`.\n"
            .to_owned();
    }
    table(style, &["SERVICE", "HOST", "STATE", "FOR", "PROCESS", "RESTARTS", "WHY"], rows)
}

/// `mainstay hosts`
pub async fn hosts(screen: Screen, client: &Client) -> Result<(), Failure> {
    let page = client.hosts().await?;
    screen.show(&page, |page| render_hosts(&page.items, now(), screen.style))
}

fn render_hosts(hosts: &[HostView], now: Timestamp, style: Style) -> String {
    if hosts.is_empty() {
        return "No host has connected. `mainstay agent` on a host does.\n".to_owned();
    }
    let rows = hosts.iter().map(|host| {
        let ready = host.services.iter().filter(|service| service.state == "ready").count();
        vec![
            host.id.clone().into(),
            Field::State(if host.connected { "connected" } else { "lost" }.to_owned()),
            format!("{} ago", age(Some(host.last_seen), now)).into(),
            format!("{ready}/{}", host.services.len()).into(),
            host.version.clone().into(),
            host.tags.to_string().into(),
        ]
    });
    table(style, &["HOST", "STATE", "HEARD OF", "READY", "VERSION", "TAGS"], rows.collect())
}

/// `mainstay alarms`
pub async fn alarms(screen: Screen, client: &Client) -> Result<(), Failure> {
    let page = client.alarms().await?;
    screen.show(&page, |page| render_alarms(&page.items, now(), screen.style))
}

fn render_alarms(alarms: &[AlarmView], now: Timestamp, style: Style) -> String {
    if alarms.is_empty() {
        return "No alarm is declared. Put Prometheus rule files into `alarms/` of the workload's directory.\n".to_owned();
    }
    let rows = alarms.iter().map(|alarm| {
        let labels: Vec<String> = alarm.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            alarm.alarm.clone().into(),
            alarm.workload.clone().into(),
            Field::State(alarm.state.clone()),
            age(alarm.since, now).into(),
            alarm.value.map(number).unwrap_or_default().into(),
            labels.join(",").into(),
            shorten(words(alarm).trim_start_matches(": "), 80).into(),
        ]
    });
    table(style, &["ALARM", "WORKLOAD", "STATE", "FOR", "VALUE", "LABELS", "SAYS"], rows.collect())
}
