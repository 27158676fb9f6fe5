//! Workloads from text, and hosts.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use mainstay_declare::{Declared, SourceFile, declare};
use mainstay_model::{HostId, RevisionId, Tags};
use mainstay_plan::{HostSeen, Observed, Plan, SeenState, ServiceSeen, Verb, Version};

mod languages;

use languages::Anything;

/// A workload of these files, the first of which is `mainstay.yaml` after its first line.
pub fn files(rest: &str, more: &[(&str, &str)]) -> Declared {
    let text = format!("workload: shop\n{rest}");
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    let mut files = vec![file("mainstay.yaml", &text)];
    files.extend(more.iter().map(|(path, text)| file(path, text)));
    let outcome = declare(&files, &Anything);
    let errors: Vec<_> = outcome.diagnostics.iter().filter(|one| one.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    outcome.declared.expect("a workload without problems is declared")
}

/// A workload of these components.
pub fn workload(components: &str) -> Declared {
    files(&format!("components:\n{components}"), &[])
}

pub fn host(name: &str) -> HostId {
    HostId::new(name).expect("a host id")
}

pub fn revision(name: &str) -> RevisionId {
    RevisionId::new(name).expect("a revision id")
}

/// Where the workload lies on the hosts.
pub const DIRECTORY: &str = "/srv/shop";

pub fn version<'a>(declared: &'a Declared, digest: &'a str) -> Version<'a> {
    Version { declared, directory: DIRECTORY, digest }
}

/// Hosts by name and role, with nothing on them.
pub fn hosts(list: &[(&str, &str)]) -> Observed {
    let seen = |role: &str| HostSeen { tags: Tags::from_iter([("role", role)]), ..HostSeen::default() };
    Observed { hosts: list.iter().map(|(name, role)| (host(name), seen(role))).collect() }
}

pub fn seen(state: SeenState, spec: Option<&str>) -> ServiceSeen {
    ServiceSeen { state, spec: spec.map(str::to_owned), revision: None, reason: None }
}

/// The plan as lines: the waves, and in each what is done.
pub fn lines(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    for (at, wave) in plan.waves.iter().enumerate() {
        let actions: Vec<String> = plan
            .in_wave(at)
            .map(|(_, action)| {
                let mark = match action.verb {
                    Verb::Create => '+',
                    Verb::Update => '~',
                    Verb::Replace => '!',
                    Verb::Remove => '-',
                };
                format!("{mark}{}", action.resource.address)
            })
            .collect();
        out.push(format!("{:?}: {}", wave.stage, actions.join(" ")));
    }
    out
}
