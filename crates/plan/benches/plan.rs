//! What it takes to plan a large workload: 1,000 components on 10 hosts, so 10,000 resources.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mainstay_declare::{Declared, SourceFile, declare};
use mainstay_model::{HostId, RevisionId, Tags};
use mainstay_plan::{HostSeen, Observed, SeenState, ServiceSeen, Version, plan, spec_digest};

#[path = "../tests/common/languages.rs"]
mod languages;

use languages::Anything;

/// Each component depends on the one before and on the one ten places before, so that a change of the first is felt by
/// all others.
fn workload(mode: &str) -> Declared {
    let mut text = "workload: large\ncomponents:\n".to_owned();
    for at in 0..1_000 {
        let on: Vec<String> =
            [1, 10].iter().filter(|back| **back <= at).map(|back| format!("c{}", at - back)).collect();
        writeln!(
            text,
            "  c{at}: {{ hosts: '*', depends_on: [{}], service: {{ run: './c --port ${{port}}', port: {}, \
             health: {{ http: /healthz }}, env: {{ MODE: {mode} }}, limits: {{ memory: 64MiB }} }} }}",
            on.join(", "),
            10_000 + at
        )
        .expect("texts grow");
    }
    let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
    declare(&[file], &Anything).declared.expect("the workload is sound")
}

fn observed(declared: &Declared) -> Observed {
    let services = declared.workload.components.values().map(|component| {
        let spec = spec_digest(component, "/srv/large");
        (
            component.name.clone(),
            ServiceSeen { state: SeenState::Healthy, spec, revision: None, reason: None },
        )
    });
    let seen = HostSeen {
        tags: Tags::from_iter([("role", "app")]),
        services: services.collect(),
        ..HostSeen::default()
    };
    let host = |at| HostId::new(format!("h{at}")).expect("a host id");
    Observed { hosts: (0..10).map(|at| (host(at), seen.clone())).collect() }
}

fn plans(criterion: &mut Criterion) {
    let (old, new) = (workload("a"), workload("b"));
    let observed = observed(&old);
    let revision = RevisionId::new("r1").expect("a revision id");
    let version = |declared, digest| Version { declared, directory: "/srv/large", digest };
    let make = |next, digest| plan(version(next, digest), Some((&revision, version(&old, "d1"))), &observed);
    assert_eq!(make(&new, "d2").size.resources, 10_000);
    assert!(make(&old, "d1").is_empty());

    let mut group = criterion.benchmark_group("plan 10,000 resources");
    group.sample_size(10);
    group.bench_function("all of them are replaced", |bencher| bencher.iter(|| black_box(make(&new, "d2"))));
    group.bench_function("nothing changes", |bencher| bencher.iter(|| black_box(make(&old, "d1"))));
    group.bench_function("to JSON and back", |bencher| {
        let plan = make(&new, "d2");
        bencher.iter(|| mainstay_plan::Plan::from_json(&black_box(&plan).to_json()));
    });
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
