//! `mainstay status` and the lists beside it. Status is for the person at 3 a.m.: what is wrong, since when, and what
//! is being done, on one screen and in this order.

use std::fmt::Write as _;

use mainstay_api::client::{Client, RunsQuery};
use mainstay_api::v1::{
    AcknowledgedView, AlarmView, HostView, IncidentSummary, RunSummary, Status, WorkloadStatus,
};
use mainstay_model::Timestamp;
use serde::Serialize;

use crate::exit::Failure;
use crate::screen::{Field, Screen, Style, Tone, clean, count, shorten, table};
use crate::sentence::number;
use crate::time::{age, now, stamp};

/// The server's status with what is going on: open incidents, alarms that are not quiet, runs that are not over.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The server's own status, as `/v1/status` answers it.
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
    let recent = RunsQuery { limit: 50, active: true, ..RunsQuery::default() };
    let (status, incidents, alarms, runs) =
        tokio::try_join!(client.status(), client.open_incidents(), client.alarms(), client.runs(&recent))?;
    let quiet = ["inactive", "resolved", "not evaluated"];
    Ok(Overview {
        status,
        open_incidents: incidents.items,
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

/// Who has an alarm or an incident in hand.
fn hand(acknowledged: Option<&AcknowledgedView>) -> Option<String> {
    acknowledged.map(|known| format!("in hand of {}", clean(&known.by)))
}

/// One screen.
pub fn render(overview: &Overview, address: &str, now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    let status = &overview.status;
    trouble(&mut out, overview, now, style);
    for change in &status.changes {
        let reason = change.reason.as_deref().map(|reason| format!(": {}", shorten(&clean(reason), 120)));
        let wave = if change.wave > 0 {
            format!(", wave {} of {}", change.wave, change.waves)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "\nchange {}  {} {}{wave}, asked for {} ago by {}{}",
            change.id,
            clean(&change.workload),
            style.state(&change.state),
            age(Some(change.started_at), now),
            clean(&change.by),
            reason.unwrap_or_default()
        );
    }
    for workload in &status.workloads {
        out.push('\n');
        render_workload(&mut out, workload, now, style);
    }
    if status.workloads.is_empty() && status.changes.is_empty() {
        out.push_str("\nNo workload has been applied. `mainstay apply DIR` does.\n");
    }
    out.push('\n');
    let Status { hosts_known, hosts_connected, .. } = status;
    let _ = writeln!(out, "{}  {hosts_connected} of {hosts_known} connected", style.bold("Hosts"));
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
            "  incident {}  {} ({}), open for {}, since {}{}",
            incident.id,
            clean(&incident.title),
            incident.workload,
            age(Some(incident.opened_at), now),
            stamp(incident.opened_at),
            hand(incident.acknowledged.as_ref()).map(|hand| format!(", {hand}")).unwrap_or_default()
        );
        if !incident.waiting_for.is_empty() {
            let _ = writeln!(out, "    waits for: {}", clean(&incident.waiting_for.join("; ")));
        }
    }
    for alarm in active_alarms {
        let value = alarm.value.map(|value| format!(" at {}", number(value))).unwrap_or_default();
        let _ = writeln!(
            out,
            "  alarm {}  {} for {}{value}{}{}",
            alarm.alarm,
            style.state(&alarm.state),
            age(alarm.since, now),
            hand(alarm.acknowledged.as_ref()).map(|hand| format!(", {hand}")).unwrap_or_default(),
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
    if !workload.drift.is_empty() {
        let first: Vec<String> = workload.drift.iter().take(2).map(|one| shorten(&clean(one), 100)).collect();
        let more = workload.drift.len().saturating_sub(2);
        let more = if more > 0 { format!("; and {more} more, see `mainstay plan`") } else { String::new() };
        let drift = style.paint(Tone::Busy, "drift:");
        let _ = writeln!(out, "  {drift} {}{more}", first.join("; "));
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

pub(super) fn render_alarms(alarms: &[AlarmView], now: Timestamp, style: Style) -> String {
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
            hand(alarm.acknowledged.as_ref()).map_or_else(
                || shorten(words(alarm).trim_start_matches(": "), 80).into(),
                |hand| format!("{hand}{}", shorten(&words(alarm), 60)).into(),
            ),
        ]
    });
    table(style, &["ALARM", "WORKLOAD", "STATE", "FOR", "VALUE", "LABELS", "SAYS"], rows.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mainstay_model::Tags;
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// From the wire, so that the test does not care for fields that nobody shows.
    fn status() -> Status {
        let service = |name: &str, state: &str| json!({"name": name, "workload": "shop", "host": "web-1", "state": state, "since": at(950), "pid": 12});
        serde_json::from_value(json!({
            "version": "0.1.0", "pid": 1, "started_at": at(0), "journal_seq": 99, "journal_hash": "", "hosts_known": 1, "hosts_connected": 1,
            "workloads": [{
                "workload": "shop", "revision": "8f3a", "applied_at": at(100), "services_ready": 1, "services_wanted": 2,
                "measures": [
                    {"goal": "Customers can pay", "measure": "m", "target": ">= 0.995", "state": "off target",
                     "value": 0.4321, "since": at(940)},
                    {"goal": "Orders are confirmed", "measure": "n", "target": "<= 50", "state": "no data"},
                ],
            }],
            "hosts": [{"id": "web-1", "tags": {"role": "app"}, "connected": true, "last_seen": at(1000), "version": "0.1.0",
                       "services": [service("payments", "restarting"), service("checkout", "ready")]}],
            "degraded": ["telemetry: the disk is full"],
        }))
        .expect("a status")
    }

    fn trouble() -> Overview {
        Overview {
            status: status(),
            open_incidents: vec![IncidentSummary {
                acknowledged: None,
                resolved_by: None,
                id: "i1".to_owned(),
                workload: "shop".to_owned(),
                title: "Customers cannot pay".to_owned(),
                status: "open".to_owned(),
                opened_at: at(945),
                resolved_at: None,
                alarms: BTreeMap::new(),
                runs: vec!["r1".to_owned()],
                waiting_for: vec!["alarm CheckoutFailing".to_owned()],
            }],
            active_alarms: vec![AlarmView {
                silenced_by: None,
                incident: None,
                acknowledged: Some(AcknowledgedView {
                    by: "person:jo".to_owned(),
                    at: at(950),
                    message: None,
                }),
                workload: "shop".to_owned(),
                alarm: "CheckoutFailing".to_owned(),
                state: "firing".to_owned(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::from([("summary".to_owned(), "Customers cannot\npay".to_owned())]),
                value: Some(0.43),
                since: Some(at(945)),
                error: None,
            }],
            active_runs: vec![RunSummary {
                id: "r1".to_owned(),
                workload: Some("shop".to_owned()),
                procedure: "restore-checkout".to_owned(),
                status: "InProgress".to_owned(),
                finished: false,
                started_at: at(946),
                ended_at: None,
                current_step: Some("restart".to_owned()),
                started_by: "trigger restore-checkout".to_owned(),
                message: None,
            }],
        }
    }

    #[test]
    fn a_status_tells_first_what_is_wrong() {
        assert_eq!(
            render(&trouble(), "http://127.0.0.1:7600", at(1000), Style::default()),
            "1 open incident, 1 alarm firing\n\
             \x20 incident i1  Customers cannot pay (shop), open for 55.0 s, since 1970-01-01 00:15:45Z\n\
             \x20   waits for: alarm CheckoutFailing\n\
             \x20 alarm CheckoutFailing  firing for 55.0 s at 0.43, in hand of person:jo: Customers cannot pay\n\
             \x20 run r1  restore-checkout InProgress at step restart, started 54.0 s ago by trigger restore-checkout\n\
             \n\
             shop  1 of 2 services ready, revision 8f3a applied 15 min ago\n\
             \x20 Customers can pay     off target  for 1 min  0.4321  target >= 0.995\n\
             \x20 Orders are confirmed  no data     for -      -       target <= 50\n\
             \n\
             Hosts  1 of 1 connected\n\
             \x20 restarting payments on web-1 for 50.0 s\n\
             Server  http://127.0.0.1:7600, version 0.1.0, up 16 min 40 s, journal at 99\n\
             \x20 degraded telemetry: the disk is full\n"
        );
    }

    #[test]
    fn scripts_find_the_wire_type_under_its_name() {
        let json = serde_json::to_value(trouble()).expect("JSON");
        assert_eq!(json["status"]["journal_seq"], 99);
        assert_eq!(json["open_incidents"][0]["id"], "i1");
        assert_eq!(json["active_alarms"][0]["alarm"], "CheckoutFailing");
        assert_eq!(json["active_runs"][0]["id"], "r1");
    }

    #[test]
    fn quiet_is_said_in_one_line_and_nothing_tells_what_to_do() {
        let mut quiet = trouble();
        quiet.open_incidents.clear();
        quiet.active_alarms.clear();
        quiet.active_runs.clear();
        quiet.status.workloads.clear();
        let text = render(&quiet, "x", at(1000), Style::default());
        assert!(text.starts_with(
            "No open incident, no alarm\n\nNo workload has been applied. `mainstay apply DIR` does.\n"
        ));
        assert!(render_hosts(&[], at(0), Style::default()).contains("mainstay agent"));
        assert!(render_services(&[], at(0), Style::default()).contains("mainstay apply"));
    }

    #[test]
    fn the_state_of_a_service_is_unknown_while_its_host_is_lost() {
        let mut hosts = status().hosts;
        hosts[0].tags = Tags::from_iter([("role", "app")]);
        hosts[0].connected = false;
        let text = render_services(&hosts, at(1000), Style::default());
        assert_eq!(text.matches("unknown").count(), 2, "{text}");
        assert_eq!(
            render_hosts(&hosts, at(1000), Style::default()),
            "HOST   STATE  HEARD OF   READY  VERSION  TAGS\nweb-1  lost   0.0 s ago  1/2    0.1.0    role=app\n"
        );
    }
}
