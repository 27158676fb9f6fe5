//! What plans say.

mod common;

use common::{files, host, hosts, lines, revision, seen, version, workload};
use mainstay_plan::{
    ChangeLimits, DriftVerdict, Hold, Limit, Plan, PlanError, SeenState, SetBy, Shown, Sighting, holds,
    inverse, not_restored, plan, removal, spec_digest,
};

const THREE: &str =
    "  web: { hosts: role=app, service: { run: ./web, port: 80, health: { http: / } }, depends_on: [api] }
  api: { hosts: role=app, service: { run: ./api, port: 81, health: { http: / } }, depends_on: [db] }
  db: { hosts: role=db, service: { run: ./db } }
";

#[test]
fn a_first_plan_creates_dependencies_first_and_declarations_last() {
    let next = files(
        &format!(
            "title: Shop\npriorities:\n  - {{ goal: People can buy, measure: up, target: '>= 1', components: [web] }}\nenvironments:\n  live: {{ hosts: role }}\ncomponents:\n{THREE}  bank: {{ description: Theirs }}\n"
        ),
        &[
            (
                "alarms/a.yaml",
                "groups:\n- name: g\n  rules:\n  - { alert: Down, expr: up == 0 }\n  - { record: r, expr: up }\n",
            ),
            ("runbooks/fix.yaml", "schemaVersion: '0.3'\nmainSteps: [{ name: a, action: b }]\n"),
            ("triggers/t.yaml", "EventPattern: { source: [x] }\nTargets: []\n"),
        ],
    );
    let found = plan(version(&next, "d1"), None, &hosts(&[("a", "app"), ("d", "db")]));
    assert_eq!(
        lines(&found),
        [
            "Services: +d/db",
            "Services: +a/api",
            "Services: +a/web",
            "Declarations: +workload/shop +component/bank +priority/People can buy +environment/live \
             +alarm/alarms/a.yaml#g/Down +recording/alarms/a.yaml#g/r +trigger/t +procedure/fix"
        ]
    );
    assert_eq!(found.affected["db"].direct, ["api"]);
    assert_eq!(found.affected["db"].further, ["web"]);
    assert_eq!(found.affected["db"].priorities, ["People can buy"]);
    assert_eq!(found.size.resources, 11);
    assert_eq!(found.size.by_environment["live"], 3);
    assert_eq!(found.size.by_host[&host("a")], 2);
    assert_eq!((found.size.irreversible, found.size.interrupted), (0, 0));
    let unchecked = &found.actions[0];
    assert_eq!(
        unchecked.cautions,
        ["It has no health check: all that can be known is that its process runs"]
    );
    assert!(found.unplaced.is_empty() && found.base.is_none());
}

#[test]
fn what_runs_already_is_no_change_and_an_order_of_hosts_is_none() {
    let next = workload(THREE);
    let base = revision("r1");
    let current = Some((&base, version(&next, "d1")));
    let found = plan(version(&next, "d1"), current, &hosts(&[("a", "app"), ("d", "db")]));
    assert!(found.is_empty() && found.same_files() && found.waves.is_empty(), "{found:?}");
}

#[test]
fn a_field_is_shown_with_both_values_and_a_secret_with_none() {
    let old = workload("  a: { hosts: '*', service: { run: ./a, env: { MODE: x, DB_PASSWORD: one } } }\n");
    let new = workload(
        "  a: { description: New, hosts: '*', service: { run: ./a, env: { MODE: y, DB_PASSWORD: two } } }\n",
    );
    let base = revision("r1");
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &hosts(&[("h", "x")]));
    assert_eq!(lines(&found), ["Services: !h/a", "Declarations: ~component/a"]);
    let fields = &found.actions[0].fields;
    assert_eq!(fields[0].path, "service.env.DB_PASSWORD");
    assert_eq!((&fields[0].old, &fields[0].new), (&Shown::Hidden, &Shown::Hidden));
    assert_eq!((&fields[1].old, &fields[1].new), (&Shown::Value("x".into()), &Shown::Value("y".into())));
    assert_eq!(
        found.actions[0].why.as_deref(),
        Some(
            "the process is stopped and started anew, as `service.env.DB_PASSWORD`, `service.env.MODE` cannot be changed while it runs"
        )
    );
    let json = found.to_json();
    assert!(!json.contains("\"one\"") && !json.contains("\"two\""), "{json}");
    assert_eq!(Plan::from_json(&json), Ok(found));
}

#[test]
fn what_is_only_scraped_is_changed_in_place() {
    let old = workload("  a: { hosts: '*', service: { run: ./a, port: 80 } }\n");
    let new = workload("  a: { hosts: '*', service: { run: ./a, port: 80 }, telemetry: { scrape: /m } }\n");
    let base = revision("r1");
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &hosts(&[("h", "x")]));
    assert_eq!(lines(&found), ["Services: ~h/a"]);
    assert_eq!(found.size.interrupted, 0);
}

#[test]
fn one_host_goes_first_and_then_at_most_half_of_them() {
    let old = workload("  a: { hosts: '*', service: { run: ./a } }\n");
    let new = workload("  a: { hosts: '*', service: { run: ./b } }\n");
    let base = revision("r1");
    let many = hosts(&[("h1", "x"), ("h2", "x"), ("h3", "x"), ("h4", "x"), ("h5", "x")]);
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &many);
    assert_eq!(lines(&found), ["Services: !h1/a", "Services: !h2/a !h3/a", "Services: !h4/a !h5/a"]);
}

#[test]
fn removals_come_last_with_dependents_first_except_for_a_port_that_is_taken() {
    let old = workload(THREE);
    let new = workload("  db: { hosts: role=db, service: { run: ./db } }\n");
    let base = revision("r1");
    let seen = hosts(&[("a", "app"), ("d", "db")]);
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &seen);
    assert_eq!(lines(&found), ["Removals: -a/web", "Removals: -a/api"]);

    let renamed = workload(&THREE.replace("  web:", "  front:"));
    let found = plan(version(&renamed, "d2"), Some((&base, version(&old, "d1"))), &seen);
    assert_eq!(lines(&found), ["MakeRoom: -a/web", "Services: +a/front"]);
    assert_eq!(
        found.actions[0].cautions,
        ["It is stopped first, as a/front takes its port 80; nothing answers there until that is ready"]
    );
    let nothing = removal((&base, version(&old, "d1")), &seen);
    assert_eq!(
        lines(&nothing),
        ["Removals: -a/web", "Removals: -a/api", "Removals: -d/db", "Declarations: -workload/shop"]
    );
    assert_eq!(nothing.digest, None);
}

#[test]
fn a_job_cannot_be_undone_and_that_is_held() {
    let old = workload("  a: { hosts: '*', service: { run: ./a } }\n");
    let new = workload(
        "  a: { hosts: '*', service: { run: ./a } }\n  job: { hosts: '*', service: { run: ./j, restart: never } }\n",
    );
    let base = revision("r1");
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &hosts(&[("h", "x")]));
    let why = "it runs once (`restart: never`), and what it does stays done";
    assert_eq!(found.actions[0].reversal.why_not(), Some(why));
    assert_eq!(not_restored(&found)[0].address, "h/job");
    assert!(holds(&found, &ChangeLimits::default()).is_empty());
    let most = |most| Some(Limit { most, by: SetBy::default() });
    let strict = ChangeLimits { resources: most(0), fields: most(100), irreversible: Some(SetBy::default()) };
    let found = holds(&found, &strict.and(ChangeLimits { resources: most(3), ..ChangeLimits::default() }));
    assert_eq!(
        found,
        [
            Hold::Resources { found: 1, allowed: 0, by: SetBy::default() },
            Hold::Irreversible { resources: vec!["h/job".to_owned()], count: 1, by: SetBy::default() }
        ]
    );
    assert_eq!(found[0].to_string(), "it changes 1 resource, and 0 may be without approval");
}

#[test]
fn drift_is_apart_and_unknown_is_a_verdict() {
    let current = workload("  a: { hosts: '*', service: { run: ./a } }\n");
    let spec = spec_digest(&current.workload.components["a"], "/srv/shop").expect("a service");
    let mut observed =
        hosts(&[("away", "x"), ("fine", "x"), ("gone", "x"), ("mute", "x"), ("off", "x"), ("other", "x")]);
    let mut put = |name: &str, component: &str, one| {
        let host = observed.hosts.get_mut(&host(name)).expect("a host");
        host.services.insert(component.to_owned(), one);
    };
    put("fine", "a", seen(SeenState::Healthy, Some(&spec)));
    put("mute", "a", seen(SeenState::Healthy, None));
    put("off", "a", seen(SeenState::Stopped, Some(&spec)));
    put("other", "a", seen(SeenState::Healthy, Some("x")));
    put("fine", "b", seen(SeenState::Healthy, Some("x")));
    observed.hosts.get_mut(&host("away")).expect("a host").away = true;
    let base = revision("r1");
    let found = plan(version(&current, "d1"), Some((&base, version(&current, "d1"))), &observed);
    assert!(found.is_empty(), "what somebody did is no change that is meant");
    let drift: Vec<(&str, DriftVerdict)> =
        found.drift.iter().map(|drift| (drift.address.as_str(), drift.verdict)).collect();
    assert_eq!(
        drift,
        [
            ("away/a", DriftVerdict::Unknown),
            ("fine/b", DriftVerdict::Unexpected),
            ("gone/a", DriftVerdict::Missing),
            ("mute/a", DriftVerdict::Unknown),
            ("off/a", DriftVerdict::Stopped),
            ("other/a", DriftVerdict::Different),
        ]
    );

    let next = workload("  a: { hosts: '*', service: { run: ./b } }\n");
    let found = plan(version(&next, "d2"), Some((&base, version(&current, "d1"))), &observed);
    let lost: Vec<String> = not_restored(&found).into_iter().map(|one| one.address).collect();
    assert_eq!(lost, ["off/a", "other/a"]);
    let action = &found.actions[0];
    assert_eq!((action.resource.address.as_str(), action.was.as_ref()), ("away/a", Some(&Sighting::Unknown)));
    assert_eq!(
        action.cautions,
        [
            "It has no health check: all that can be known is that its process runs",
            "Its host is away: the change cannot succeed before it is back"
        ]
    );
}

#[test]
fn the_inverse_undoes_each_action() {
    let old = workload(THREE);
    let new = workload(
        "  api: { hosts: role=app, service: { run: ./api2, port: 81 }, depends_on: [cache] }\n  cache: { hosts: role=db, service: { run: ./c } }\n",
    );
    let seen = hosts(&[("a", "app"), ("d", "db")]);
    let (one, two) = (revision("r1"), revision("r2"));
    let there = plan(version(&new, "d2"), Some((&one, version(&old, "d1"))), &seen);
    let back = inverse((&two, version(&new, "d2")), Some(version(&old, "d1")), &seen);
    assert_eq!(
        lines(&there),
        ["Services: +d/cache", "Services: !a/api", "Removals: -a/web", "Removals: -d/db"]
    );
    assert_eq!(
        lines(&back),
        ["Services: +d/db", "Services: !a/api", "Services: +a/web", "Removals: -d/cache"]
    );
    assert_eq!(back.base.as_ref().map(|base| &base.revision), Some(&two));
    assert_eq!(back.digest.as_deref(), Some("d1"));
}

#[test]
fn a_plan_that_is_stale_or_no_longer_true_is_refused() {
    let (old, new) = (workload(THREE), workload(&THREE.replace("./api", "./api2")));
    let (one, two) = (revision("r1"), revision("r2"));
    let seen = hosts(&[("a", "app"), ("d", "db")]);
    let make = |next, digest, seen| plan(version(next, digest), Some((&one, version(&old, "d1"))), seen);
    let read = make(&new, "d2", &seen);
    assert_eq!(read.check(Some(&one), &read), Ok(()));
    let stale = read.check(Some(&two), &read).expect_err("another one is current");
    assert_eq!(
        stale.to_string(),
        "the plan was made against revision r1 and revision r2 is current now: make a new plan"
    );
    assert_eq!(read.check(Some(&one), &make(&new, "d3", &seen)), Err(PlanError::FilesChanged));
    let joined = make(&new, "d2", &hosts(&[("a", "app"), ("b", "app"), ("d", "db")]));
    let different = read.check(Some(&one), &joined).expect_err("a host joined");
    assert_eq!(
        different.to_string(),
        "the plan no longer says what would happen (it would also replace b/api): make a new plan"
    );
}

#[test]
fn what_is_no_plan_is_refused_with_the_reason() {
    for (text, reason) in [
        ("x", "expected value at line 1 column 1"),
        ("{}", "it has no `format`, expected \"mainstay.plan/v1\""),
        (
            "{\"format\": \"mainstay.plan/v2\"}",
            "its `format` is \"mainstay.plan/v2\", expected \"mainstay.plan/v1\"",
        ),
        ("{\"format\": \"mainstay.plan/v1\"}", "missing field `workload`"),
    ] {
        let error = Plan::from_json(text).expect_err("it is no plan");
        assert_eq!(error.to_string(), format!("this is not a plan: {reason}"));
    }
    let next = workload(THREE);
    let found = plan(version(&next, "d1"), None, &hosts(&[("a", "app")]));
    let mut broken = found.clone();
    broken.waves.pop();
    let error = Plan::from_json(&broken.to_json()).expect_err("a wave is missing");
    assert!(error.to_string().contains("each must be in one wave, in order"), "{error}");
    let mut broken = found;
    broken.actions[0].resource.host = None;
    let error = Plan::from_json(&broken.to_json()).expect_err("a host is missing");
    assert!(error.to_string().contains("says its host wrongly"), "{error}");
}

#[test]
fn each_environment_has_its_own_values_and_a_host_of_two_is_said() {
    let text = |memory: &str| {
        format!(
            "changes: {{ approval: {{ resources: 1, irreversible: true }} }}
environments:
  live: {{ hosts: 'role in (live,both)', components: {{ a: {{ service: {{ limits: {{ memory: {memory} }} }} }} }} }}
  test: {{ hosts: 'role in (test,both)' }}
components:
  a: {{ hosts: '*', service: {{ run: ./a, env: {{ DB: {{ secret: 'file:/etc/db' }} }} }} }}
"
        )
    };
    let (old, new) = (files(&text("1GiB"), &[]), files(&text("2GiB"), &[]));
    let base = revision("r1");
    let seen = hosts(&[("l", "live"), ("t", "test"), ("x", "both")]);
    let found = plan(version(&new, "d2"), Some((&base, version(&old, "d1"))), &seen);
    assert_eq!(lines(&found), ["Services: !l/a"]);
    assert_eq!(found.actions[0].fields[0].path, "service.limits.memory");
    assert_eq!(found.actions[0].resource.environment.as_deref(), Some("live"));
    assert_eq!(
        found.unplaced[0].reason,
        "x belongs to the environments `live` and `test`, which give it different values"
    );
    let first = plan(version(&new, "d2"), None, &seen);
    assert!(!first.to_json().contains("/etc/db"), "a reference to a secret is not shown");
    let limits = ChangeLimits::of(&new);
    assert_eq!(
        limits,
        ChangeLimits {
            resources: Some(Limit { most: 1, by: SetBy::default() }),
            fields: None,
            irreversible: Some(SetBy::default())
        }
    );
    assert_eq!(holds(&first, &limits).len(), 1);
}

#[test]
fn what_comes_from_a_standard_and_what_a_standard_holds_says_so() {
    let declared = files(
        "changes: { approval: { resources: 4, fields: 2 } }\nstandards: [{ name: web, path: ../web }]\n\
         components: { a: { hosts: '*' } }\n",
        &[
            ("runbooks/own.yaml", "schemaVersion: '0.3'\nmainSteps: []\n"),
            (
                "standards/web/standard.yaml",
                "standard: web\nversion: 1\nchanges: { approval: { resources: 3, fields: 2, irreversible: true } }\n",
            ),
            ("standards/web/runbooks/restart.yaml", "schemaVersion: '0.3'\nmainSteps: []\n"),
            (
                "standards/web/alarms/down.yaml",
                "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0 }] }]\n",
            ),
        ],
    );
    let made = plan(version(&declared, "d"), None, &hosts(&[]));
    let of: Vec<(&str, Option<&str>)> = made
        .actions
        .iter()
        .map(|action| (action.resource.address.as_str(), action.resource.standard.as_deref()))
        .collect();
    assert_eq!(
        of,
        [
            ("workload/shop", None),
            ("component/a", None),
            ("alarm/standards/web/alarms/down.yaml#g/Down", Some("web")),
            ("procedure/own", None),
            ("procedure/restart", Some("web")),
        ]
    );
    let held: Vec<String> =
        holds(&made, &ChangeLimits::of(&declared)).iter().map(ToString::to_string).collect();
    assert_eq!(held[0], "it changes 5 resources, and 3 may be without approval (standard web)");
    assert!(
        held[1].ends_with("fields, and 2 may be without approval"),
        "the workload itself says 2: {}",
        held[1]
    );
    // What goes says where it came from, and an older form of a plan is read.
    let without = files("components: { a: { hosts: '*' } }\n", &[]);
    let base = revision("r1");
    let removed = plan(version(&without, "d2"), Some((&base, version(&declared, "d"))), &hosts(&[]));
    let gone = removed.actions.iter().find(|action| action.resource.name == "restart").expect("it goes");
    assert_eq!((gone.verb, gone.resource.standard.as_deref()), (mainstay_plan::Verb::Remove, Some("web")));
    let older: Hold =
        serde_json::from_str(r#"{"resources":{"found":4,"allowed":2}}"#).expect("an older form");
    assert_eq!(older, Hold::Resources { found: 4, allowed: 2, by: SetBy::default() });
}
