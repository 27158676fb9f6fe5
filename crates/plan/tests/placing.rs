//! Placing hosts one by one says what placing all of them at once says.

mod common;

use std::collections::BTreeMap;

use common::{files, host};
use mainstay_declare::Declared;
use mainstay_model::{HostId, Tags};
use mainstay_plan::{Placing, is_placed_on, place};
use proptest::prelude::*;

/// Workloads without environments, with some that overlap, and with some that no host or few hosts are in.
fn workloads() -> Vec<Declared> {
    let components = "components:
  all: { hosts: '*', service: { run: ./a, limits: { memory: 1GiB } }, depends_on: [web] }
  web: { hosts: 'role=web', service: { run: ./w } }
  db: { hosts: 'role in (db,both)', service: { run: ./d }, depends_on: [lost] }
  lost: { hosts: 'role=none', service: { run: ./l } }
  bare: {}
";
    let environments = [
        "",
        "environments: { live: { hosts: 'zone=a' } }\n",
        "environments:
  live: { hosts: 'zone in (a,b)', components: { all: { service: { limits: { memory: 2GiB } } } } }
  test: { hosts: 'zone in (b,c)' }
",
        "environments: { none: { hosts: 'zone=nowhere' }, one: { hosts: 'role=both,zone=c' } }\n",
    ];
    environments.iter().map(|environments| files(&format!("{environments}{components}"), &[])).collect()
}

fn tags() -> impl Strategy<Value = Tags> {
    let role = prop::sample::select(vec!["web", "db", "both", "x"]);
    let zone = prop::sample::select(vec!["a", "b", "c", "d"]);
    (role, zone).prop_map(|(role, zone)| [("role", role), ("zone", zone)].into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hosts_that_come_and_change_one_by_one_are_placed_as_all_at_once(
        changes in prop::collection::vec((0..9_usize, tags(), any::<bool>()), 0..40)
    ) {
        for declared in &workloads() {
            let mut placing = Placing::default();
            let mut fleet: BTreeMap<HostId, Tags> = BTreeMap::new();
            for (number, tags, is_asked) in changes.iter().map(Some).chain([None]).map(|one| match one {
                Some((number, tags, is_asked)) => (*number, Some(tags), *is_asked),
                None => (0, None, true),
            }) {
                if let Some(tags) = tags {
                    let host = host(&format!("h{number}"));
                    placing.put(declared, &host, fleet.get(&host), tags);
                    fleet.insert(host, tags.clone());
                }
                // Asked seldom or often: what is kept in between must not matter.
                if !is_asked {
                    continue;
                }
                let all: Vec<(HostId, Tags)> = fleet.clone().into_iter().collect();
                let expected = place(declared, &all);
                prop_assert_eq!(placing.services(), expected.services.len());
                prop_assert_eq!(placing.unplaced(declared, &fleet.iter()), expected.unplaced.clone());
                for (host, tags) in &all {
                    prop_assert_eq!(is_placed_on(declared, tags), expected.on(host).next().is_some());
                    let mut on: Vec<&str> = placing.on(host).iter().map(String::as_str).collect();
                    let mut expected: Vec<&str> = expected.on(host).collect();
                    on.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(on, expected);
                }
                prop_assert!(placing.hosts().all(|host| expected.on(host).next().is_some()));
            }
        }
    }
}
