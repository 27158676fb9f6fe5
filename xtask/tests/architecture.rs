//! Holds the crates to the table in ARCHITECTURE.md: who may use whom, and which crates stay pure.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Crate, and the crates of ours it may use outside tests. `*` is all.
const MAY_USE: [(&str, &[&str]); 17] = [
    ("mainstay-model", &[]),
    ("mainstay-declare", &["mainstay-model"]),
    ("mainstay-plan", &["mainstay-model", "mainstay-declare"]),
    ("mainstay-promql", &[]),
    ("mainstay-detect", &["mainstay-model", "mainstay-promql"]),
    ("mainstay-runbook", &["mainstay-model"]),
    ("mainstay-respond", &["mainstay-model"]),
    ("mainstay-govern", &["mainstay-model"]),
    ("mainstay-learn", &["mainstay-model"]),
    ("mainstay-observe", &["mainstay-model", "mainstay-promql"]),
    ("mainstay-store", &["mainstay-model"]),
    ("mainstay-api", &["mainstay-model"]),
    ("mainstay-agent", &["mainstay-model", "mainstay-declare", "mainstay-runbook", "mainstay-api"]),
    (
        "mainstay-server",
        &[
            "mainstay-model",
            "mainstay-declare",
            "mainstay-plan",
            "mainstay-promql",
            "mainstay-detect",
            "mainstay-runbook",
            "mainstay-respond",
            "mainstay-govern",
            "mainstay-learn",
            "mainstay-observe",
            "mainstay-store",
            "mainstay-api",
        ],
    ),
    ("mainstay", &["*"]),
    ("mainstay-sim", &["*"]),
    ("mainstay-bench", &["*"]),
];

/// Members that are no part of the product's graph.
const OUTSIDE: [&str; 2] = ["xtask", "shop"];

const PURE: [&str; 9] = [
    "mainstay-model",
    "mainstay-declare",
    "mainstay-plan",
    "mainstay-promql",
    "mainstay-detect",
    "mainstay-runbook",
    "mainstay-respond",
    "mainstay-govern",
    "mainstay-learn",
];

/// Crates that do IO, read a clock or draw random numbers; a pure crate has none of them below it.
const IMPURE: [&str; 16] = [
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "nix",
    "polling",
    "async-io",
    "rusqlite",
    "reqwest",
    "hyper",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "tempfile",
    "walkdir",
];

fn metadata() -> Metadata {
    MetadataCommand::new().exec().expect("cargo metadata runs")
}

fn ours(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

#[test]
fn dependencies_run_the_way_the_table_says() {
    let metadata = metadata();
    let table: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let names: BTreeSet<String> = ours(&metadata).iter().map(|package| package.name.to_string()).collect();
    let mut wrong = Vec::new();
    for package in ours(&metadata) {
        let name = package.name.as_str();
        if OUTSIDE.contains(&name) {
            continue;
        }
        let Some(allowed) = table.get(name) else {
            wrong.push(format!("{name} is not in the table: add it there and to ARCHITECTURE.md"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let counts = dependency.kind != DependencyKind::Development && names.contains(used);
            if counts && !allowed.contains(&"*") && !allowed.contains(&used) {
                wrong.push(format!("{name} uses {used}, which the table does not allow"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything below a package, without what only tests or build scripts bring.
fn closure<'a>(metadata: &'a Metadata, root: &'a PackageId) -> BTreeSet<&'a PackageId> {
    let resolve = metadata.resolve.as_ref().expect("cargo metadata resolves");
    let mut seen = BTreeSet::new();
    let mut queue = vec![root];
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|node| node.id == *id).expect("every package has a node");
        for dependency in &node.deps {
            if dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal && runs_here(kind))
            {
                queue.push(&dependency.pkg);
            }
        }
    }
    seen
}

/// Dependencies for Windows, WebAssembly and the like are in the metadata too, and not in our builds.
fn runs_here(kind: &cargo_metadata::DepKindInfo) -> bool {
    kind.target.as_ref().is_none_or(|target| {
        let target = target.to_string();
        !target.contains("windows") && !target.contains("wasm") && !target.contains("wasi")
    })
}

#[test]
fn pure_crates_have_nothing_impure_below_them() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in ours(&metadata).into_iter().filter(|package| PURE.contains(&package.name.as_str())) {
        for id in closure(&metadata, &package.id) {
            let below = &metadata[id].name;
            if IMPURE.contains(&below.as_str()) {
                wrong.push(format!("{} has {below} below it", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_member_inherits_the_lints() {
    let metadata = metadata();
    for package in ours(&metadata) {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("the manifest is readable");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}

/// A file that outgrows the head wants a seam. Generated files and test tables are not counted.
#[test]
fn source_files_stay_small_enough_to_hold_in_the_head() {
    const LIMIT: usize = 800;
    let root = metadata().workspace_root;
    let mut queue = vec![root.join("crates").into_std_path_buf(), root.join("xtask").into_std_path_buf()];
    let mut long = Vec::new();
    while let Some(folder) = queue.pop() {
        for entry in std::fs::read_dir(&folder).expect("folders are readable") {
            let path = entry.expect("entries are readable").path();
            if path.is_dir() {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).expect("sources are UTF-8").lines().count();
                if lines > LIMIT {
                    long.push(format!("{}: {lines} lines, at most {LIMIT}", path.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
