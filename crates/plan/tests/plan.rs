//! Placement and changes on small declared workloads.

use mainstay_declare::{Declared, SourceFile, declare};
use mainstay_model::{HostId, Tags};
use mainstay_plan::{ChangeKind, changes, place, waves};

#[path = "common/languages.rs"]
mod languages;

use languages::Anything;

fn workload(components: &str) -> Declared {
    let text = format!("workload: shop\ncomponents:\n{components}");
    let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
    let outcome = declare(&[file], &Anything);
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

#[test]
fn each_host_gets_the_values_of_its_environment() {
    let text = "workload: shop
variables: { memory: 256MiB }
environments:
  local: { hosts: \"env=local\" }
  prod:
    hosts: \"env=prod\"
    variables: { memory: 2GiB }
    components: { web: { hosts: \"role=web,zone=a\" } }
  shadow: { hosts: \"env=prod,role=web\" }
components:
  web: { hosts: \"role=web\", service: { run: ./web, limits: { memory: \"${var.memory}\" } } }
  db: { hosts: \"role=db\", service: { run: ./db } }
";
    let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.as_bytes().to_vec() };
    let declared = declare(&[file], &Anything).declared.expect("clean");
    let host = |id: &str, tags: &[(&str, &str)]| {
        (HostId::new(id).expect("a host id"), tags.iter().copied().collect::<Tags>())
    };
    let hosts = [
        host("l1", &[("env", "local"), ("role", "web")]),
        host("p1", &[("env", "prod"), ("role", "web"), ("zone", "a")]),
        host("p2", &[("env", "prod"), ("role", "web"), ("zone", "b")]),
        host("d1", &[("env", "prod"), ("role", "db")]),
        host("none", &[("role", "web")]),
    ];
    let placement = place(&declared, &hosts);
    let memory = |environment: Option<&str>, component: &str| {
        let component = declared.workload.component_in(environment, component).expect("declared");
        component.service.as_ref().expect("a service").limits.memory_bytes
    };
    let placed: Vec<_> = placement
        .services
        .iter()
        .map(|placed| {
            let environment = placed.environment.as_deref();
            (
                placed.host.as_str(),
                placed.component.as_str(),
                environment,
                memory(environment, &placed.component),
            )
        })
        .collect();
    assert_eq!(
        placed,
        [
            ("d1", "db", Some("prod"), None),
            ("l1", "web", Some("local"), Some(256 << 20)),
            // Only `shadow` wants it here: `prod` has it in another zone.
            ("p2", "web", Some("shadow"), Some(256 << 20)),
        ]
    );
    // Two environments want it with different values, so it runs with neither.
    assert_eq!(placement.unplaced.len(), 1);
    assert!(placement.unplaced[0].reason.contains("p1 belongs to the environments `prod` and `shadow`"));
}
