use super::*;
use crate::anything::Any;
use crate::declare;

const WORKLOAD: &str = r#"workload: shop
tags: { stage: demo }
variables: { memory: 256MiB, token: abc }
standards:
  - { name: web, path: ../web, parameters: { slow: "${var.memory}" } }
overrides:
  - { standard: web, kind: alarm, name: Down, because: ours waits }
changes: { approval: { resources: 10, irreversible: true } }
environments:
  local: { hosts: "environment=local" }
  prod:
    hosts: "environment=prod"
    tags: { stage: production }
    variables: { memory: 2GiB }
    components:
      checkout: { service: { restart: always, env: { LOG: warn }, health: { tcp: 80 } } }
components:
  checkout:
    hosts: "*"
    tags: { team: pay }
    service:
      run: ./checkout --token ${var.token}
      port: 80
      health: { exec: "./healthy" }
      limits: { memory: "${var.memory}" }
      env:
        LOG: info
        API_TOKEN: abc
        DB_PASSWORD: { secret: "file:/etc/db" }
"#;

const RULES: &str = "groups: [{ name: a, rules: [{ alert: Down, expr: up }] }]\n";

fn files() -> Vec<SourceFile> {
    let standard = "standard: web\nversion: 1\nparameters: { slow: { type: text }, wide: { type: flag, default: true } }\nchanges: { approval: { resources: 5, fields: 7, irreversible: false } }\n";
    [
        ("mainstay.yaml", WORKLOAD),
        ("alarms/own.yaml", RULES),
        ("standards/web/standard.yaml", standard),
        ("standards/web/alarms/web.yaml", RULES),
        (
            "standards/web/alarms/more.yaml",
            "groups: [{ name: a, rules: [{ alert: '${standard.slow}', expr: '${standard.wide}' }] }]\n",
        ),
    ]
    .map(|(path, text)| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() })
    .to_vec()
}

/// `value <- who, file:line | what it wins over`
fn line(settled: &Settled) -> String {
    let place = |by: &Layer, origin: &Option<Origin>| match origin {
        Some(origin) => format!("{by}, {}:{}", origin.file, origin.line),
        None => by.to_string(),
    };
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = format!("{} <- {}", plain(&settled.value), place(&settled.by, &settled.origin));
    for said in &settled.over {
        out += &format!(" | {} <- {}", plain(&said.value), place(&said.by, &said.origin));
        out += &said.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
    }
    out
}

#[test]
fn every_value_says_where_it_comes_from_and_what_it_wins_over() {
    let outcome = declare(&files(), &Any);
    let declared = outcome.declared.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics));
    assert_eq!(declared.changes().approval.resources, Some(5));
    let all = resolve(&declared, &outcome.sources, None);
    assert_eq!(
        all.iter().map(|one| one.environment.as_deref()).collect::<Vec<_>>(),
        [Some("local"), Some("prod")]
    );
    let prod = &resolve(&declared, &outcome.sources, Some("prod"))[0];
    assert_eq!(*prod, all[1]);
    for (path, expected) in [
        ("workload", "shop <- workload, mainstay.yaml:1"),
        ("hosts", "environment=prod <- environment prod, mainstay.yaml:12"),
        (
            "variables.memory",
            "2GiB <- environment prod, mainstay.yaml:14 | 256MiB <- workload, mainstay.yaml:3",
        ),
        ("variables.token", "(hidden: it looks like a secret) <- workload, mainstay.yaml:3"),
        ("standards.web.parameters.slow", "256MiB <- workload, mainstay.yaml:5"),
        ("standards.web.parameters.wide", "true <- standard web, standard.yaml:3"),
        (
            "changes.approval.resources",
            "5 <- standard web, standard.yaml:4 | 10 <- workload, mainstay.yaml:8",
        ),
        ("changes.approval.fields", "7 <- standard web, standard.yaml:4"),
        (
            "changes.approval.irreversible",
            "true <- workload, mainstay.yaml:8 | false <- standard web, standard.yaml:4",
        ),
        (
            "alarms.Down",
            "Down <- workload, alarms/own.yaml:1 | alarm/Down <- standard web, alarms/web.yaml:1 (ours waits)",
        ),
        ("alarms.256MiB", "256MiB <- standard web, alarms/more.yaml:1"),
        (
            "components.checkout.tags.stage",
            "production <- environment prod, mainstay.yaml:13 | demo <- workload, mainstay.yaml:2",
        ),
        ("components.checkout.tags.team", "pay <- workload, mainstay.yaml:20"),
        ("components.checkout.service.restart", "always <- environment prod, mainstay.yaml:16"),
        (
            "components.checkout.service.env.LOG",
            "warn <- environment prod, mainstay.yaml:16 | info <- workload, mainstay.yaml:27",
        ),
        (
            "components.checkout.service.env.API_TOKEN",
            "(hidden: it looks like a secret) <- workload, mainstay.yaml:28",
        ),
        ("components.checkout.service.env.DB_PASSWORD.secret", "file:/etc/db <- workload, mainstay.yaml:29"),
        ("components.checkout.service.health.tcp", "80 <- environment prod, mainstay.yaml:16"),
        ("components.checkout.service.health.every", "5s <- default"),
        ("components.checkout.service.run", "./checkout --token ${var.token} <- workload, mainstay.yaml:22"),
        ("components.checkout.service.limits.memory", "2GiB <- workload, mainstay.yaml:25"),
    ] {
        let settled = prod.values.get(path).unwrap_or_else(|| panic!("{path} of {:?}", prod.values.keys()));
        assert_eq!(line(settled), expected, "{path}");
    }
    assert!(!prod.values.contains_key("components.checkout.service.health.exec"));
    let memory = &prod.values["components.checkout.service.limits.memory"];
    assert_eq!(memory.written.as_deref(), Some("${var.memory}"));
    assert!(!format!("{all:?}").contains("abc"), "no secret is shown");
}
