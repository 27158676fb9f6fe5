//! Lists at the size of a large fleet after years: 50,000 hosts, and 100,000 runs, events and incidents. What a page takes is
//! printed; that pages are whole and follow each other is asserted. It takes minutes to fill the journal, so it is asked for:
//! `cargo test -p mainstay --test e2e -- --ignored lists --nocapture`.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_store::{Journal as _, Options, SqliteJournal};
use serde_json::Value;

use crate::processes::now;
use crate::world::World;

#[path = "../../examples/long_lists/fill.rs"]
mod fill;

const HOSTS: usize = 50_000;

/// How many runs and incidents there are; `MAINSTAY_LISTS=10000` fills the journal sooner.
fn many() -> usize {
    let asked = std::env::var("MAINSTAY_LISTS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(100_000_usize).max(10_000)
}

fn get(world: &World, path: &str) -> Value {
    let (status, body) = world.request("GET", path, "");
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// How long a page takes, the fastest of three: the first may find nothing in memory.
fn measure(world: &World, path: &str) -> Value {
    let mut took = Vec::new();
    let mut page = Value::Null;
    for _ in 0..3 {
        let began = now();
        page = get(world, path);
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let best = took.iter().copied().fold(f64::INFINITY, f64::min);
    let items = page["items"].as_array().map_or(0, Vec::len);
    println!("{best:8.1} ms (first {:.1})  {items:5} entries  {path}", took[0]);
    page
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
#[ignore = "it takes minutes to fill the journal; prints what pages take"]
fn pages_of_long_lists_are_measured() {
    let (many, mut world) = (many(), World::new());
    std::fs::create_dir_all(world.data()).expect("made");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let began = now();
    {
        let options = Options { folds: mainstay_server::folds(), ..Options::default() };
        let journal = SqliteJournal::open(world.data().join("journal"), options).expect("a journal");
        let journal = Arc::new(journal);
        runtime.block_on(fill::fill(&journal, HOSTS, many));
        println!("{} events written in {:.0} s", journal.head().seq, began.elapsed().as_secs_f64());
    }
    let began = now();
    world.start_server();
    println!("the server was ready after {:.1} s", began.elapsed().as_secs_f64());
    world.write(
        "mainstay.yaml",
        "workload: shop\ncomponents:\n  a:\n    hosts: role=none\n    service: { run: sleep 1000 }\n",
    );
    world.apply();

    measure(&world, "/v1/status");
    measure(&world, "/v1/hosts?limit=100");
    measure(&world, "/v1/hosts?limit=1000");
    measure(&world, "/v1/hosts?limit=100&cursor=h40000");
    measure(&world, "/v1/hosts?limit=100&sort=trouble");
    assert_eq!(
        measure(&world, "/v1/hosts?limit=1000&selector=zone%3Dz7")["items"].as_array().map(Vec::len),
        Some(1000)
    );
    assert_eq!(ids(&measure(&world, "/v1/hosts?contains=h49999")), ["h49999"]);
    assert_eq!(ids(&measure(&world, "/v1/hosts?connected=true")), [""; 0]);
    assert_eq!(ids(&measure(&world, "/v1/hosts?workload=shop")), [""; 0]);
    let mut seen = BTreeSet::new();
    let mut path = "/v1/hosts?limit=1000&sort=trouble".to_owned();
    loop {
        let page = get(&world, &path);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/hosts?limit=1000&sort=trouble&cursor={next}");
    }
    assert_eq!(seen.len(), HOSTS, "every host is on a page");

    let page = measure(&world, "/v1/runs?limit=50");
    assert_eq!(ids(&page)[0], format!("r{:06}", many - 1));
    measure(&world, "/v1/runs?limit=50&cursor=r005000");
    assert_eq!(ids(&measure(&world, "/v1/runs?active=true")).len(), 10);
    assert_eq!(ids(&measure(&world, "/v1/runs?status=Waiting,InProgress")).len(), 10);
    assert_eq!(ids(&measure(&world, "/v1/runs?procedure=rare")).len(), many / 10_000);
    assert_eq!(ids(&measure(&world, "/v1/runs?status=Failed")), [""; 0]);
    assert_eq!(ids(&measure(&world, "/v1/runs?workload=rare")), [""; 0]);

    let page = measure(&world, "/v1/incidents?limit=50");
    assert_eq!(ids(&page)[0], format!("inc-{:016x}", many - 1));
    measure(&world, &format!("/v1/incidents?limit=50&cursor=inc-{:016x}", many / 10));
    assert_eq!(ids(&measure(&world, "/v1/incidents?status=open")), [format!("inc-{:016x}", many - 1)]);
    let rare = measure(&world, "/v1/incidents?limit=6&workload=rare");
    let next = rare["next"].as_str().expect("more");
    let more = measure(&world, &format!("/v1/incidents?limit=500&workload=rare&cursor={next}"));
    assert_eq!((ids(&rare).len(), ids(&more).len(), &more["next"]), (6, many / 1000 - 6, &Value::Null));

    measure(&world, "/v1/events?limit=100");
    measure(&world, "/v1/events?limit=100&before=100000");
    measure(&world, "/v1/events?limit=100&subject=run/r005000");
    measure(&world, "/v1/events?limit=100&match=fault.injected");
    measure(&world, "/v1/events?limit=100&contains=needle");
    measure(&world, "/v1/alarms");
    measure(&world, "/v1/triggers");
    measure(&world, "/v1/workloads");
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
}
