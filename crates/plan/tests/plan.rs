//! Placement and changes on small declared workloads.

use mainstay_declare::{
    Checked, Declared, Languages, ProcedureFacts, RulesFacts, SourceFile, TriggerFacts, declare,
};
use mainstay_model::{HostId, Problem, Tags};
use mainstay_plan::{ChangeKind, changes, place, waves};
use serde_json::Value;

/// These workloads have no files in other languages.
struct NoLanguages;

impl Languages for NoLanguages {
    fn document(&self, _: &Value) -> Checked<ProcedureFacts> {
        Checked::failed(Vec::new())
    }
    fn rules(&self, _: &Value) -> Checked<RulesFacts> {
        Checked::failed(Vec::new())
    }
    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::failed(Vec::new())
    }
    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}

fn workload(components: &str) -> Declared {
    let text = format!("workload: shop\ncomponents:\n{components}");
    let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
    let outcome = declare(&[file], &NoLanguages);
    assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
    outcome.declared.expect("a workload without problems is declared")
}

const THREE: &str = "  web: { hosts: role=web, service: { run: ./web }, depends_on: [api] }
  api: { hosts: 'role in (web,api)', service: { run: ./api }, depends_on: [db] }
  db: { hosts: role=db, service: { run: ./db } }
";

fn hosts(list: &[(&str, &str)]) -> Vec<(HostId, Tags)> {
    list.iter()
        .map(|(name, role)| (HostId::new(*name).expect("a host id"), Tags::from_iter([("role", *role)])))
        .collect()
}

fn words(placement: &mainstay_plan::Placement) -> Vec<String> {
    placement.services.iter().map(|placed| format!("{}@{}", placed.component, placed.host)).collect()
}

#[test]
fn dependencies_come_first_and_the_order_of_hosts_does_not_matter() {
    let declared = workload(THREE);
    assert_eq!(waves(&declared), [["db"], ["api"], ["web"]]);
    let one = place(&declared, &hosts(&[("w1", "web"), ("d1", "db"), ("a1", "api")]));
    let two = place(&declared, &hosts(&[("a1", "api"), ("d1", "db"), ("w1", "web")]));
    assert_eq!(one, two);
    assert_eq!(words(&one), ["db@d1", "api@a1", "api@w1", "web@w1"]);
    assert_eq!(one.on(&HostId::new("w1").expect("a host id")).collect::<Vec<_>>(), ["api", "web"]);
}

#[test]
fn what_has_no_host_is_said_with_the_reason() {
    let declared = workload(THREE);
    let placement = place(&declared, &hosts(&[("w1", "web")]));
    assert_eq!(placement.unplaced.len(), 1);
    assert_eq!(placement.unplaced[0].component, "db");
    assert_eq!(placement.unplaced[0].reason, "no host matches `role=db` (w1 has role=web)");
    assert_eq!(place(&declared, &[]).unplaced[0].reason, "no host has joined yet");
}

#[test]
fn a_workload_runs_in_its_environments_only() {
    let declared = workload(&format!("{THREE}environments:\n  test: {{ hosts: 'stage=test' }}\n"));
    let placement = place(&declared, &hosts(&[("w1", "web"), ("d1", "db")]));
    assert!(placement.services.is_empty());
    assert_eq!(
        placement.unplaced[0].reason,
        "no host belongs to an environment of the workload (w1 has role=web)"
    );
    let test =
        vec![(HostId::new("t1").expect("a host id"), Tags::from_iter([("role", "db"), ("stage", "test")]))];
    assert_eq!(words(&place(&declared, &test)), ["db@t1"]);
}

#[test]
fn changes_name_the_fields_and_remove_dependents_first() {
    let old = workload(THREE);
    let new = workload(
        "  api: { hosts: role=api, service: { run: ./api --fast, port: 80, health: { http: / } }, depends_on: [db] }
  db: { hosts: role=db, service: { run: ./db } }
",
    );
    let hosts = hosts(&[("w1", "web"), ("a1", "api"), ("d1", "db")]);
    let (before, after) = (place(&old, &hosts), place(&new, &hosts));
    let found: Vec<String> = changes(Some((&old, &before)), (&new, &after))
        .into_iter()
        .map(|change| match change.kind {
            ChangeKind::Create => format!("create {}@{}", change.component, change.host),
            ChangeKind::Update { fields } => {
                format!("update {}@{} {}", change.component, change.host, fields.join(","))
            }
            ChangeKind::Remove => format!("remove {}@{}", change.component, change.host),
        })
        .collect();
    assert_eq!(
        found,
        ["update api@a1 service.run,service.port,service.health", "remove web@w1", "remove api@w1"]
    );
    assert!(changes(Some((&new, &after)), (&new, &after)).is_empty(), "nothing changes twice");
    assert_eq!(changes(None, (&new, &after)).len(), 2);
}
