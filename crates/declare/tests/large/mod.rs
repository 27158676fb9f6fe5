//! A large workload in many files: components with all that is declared of them, for benchmarks and for bounds.

use std::fmt::Write as _;

use mainstay_declare::SourceFile;

/// So many components that all depend on the one before and on the one ten places before. Each has a health check,
/// an endpoint, telemetry and limits; a recorded series and two alarms, ten components to a file; a trigger of its own;
/// every five of them share a runbook, and every fourth has a note.
pub fn files(components: usize) -> Vec<SourceFile> {
    let mut files = vec![file("mainstay.yaml".to_owned(), workload(components))];
    for first in (0..components).step_by(10) {
        let of = first..(first + 10).min(components);
        files.push(file(format!("alarms/a{first:04}.yaml"), alarms(of)));
    }
    for at in 0..components {
        files.push(file(format!("triggers/t{at:04}.yaml"), trigger(at)));
        if at.is_multiple_of(5) {
            files.push(file(format!("runbooks/r{at:04}.yaml"), runbook(at)));
        }
        if at.is_multiple_of(4) {
            files.push(file(format!("docs/n{at:04}.md"), note(at)));
        }
    }
    files
}

fn file(path: String, text: String) -> SourceFile {
    SourceFile { path, bytes: text.into_bytes() }
}

fn workload(components: usize) -> String {
    let mut out = "workload: large\ntitle: A large workload\nowner: team-large\n\
        environments:\n  local: { hosts: \"environment=local\" }\n  live: { hosts: \"environment=live\" }\n\
        priorities:\n  - goal: Answers are given\n    measure: c0000:success:ratio_rate5m\n    target: \">= 0.99\"\n\
        components:\n"
        .to_owned();
    for at in 0..components {
        let on: Vec<String> =
            [1, 10].iter().filter(|back| **back <= at).map(|back| format!("c{:04}", at - back)).collect();
        write!(
            out,
            "  c{at:04}:\n    description: Part {at} of a large workload\n    hosts: \"role=app\"\n    service:\n      \
             run: ./bin/part --port ${{port}} --data ./data\n      port: {}\n      \
             health: {{ http: /healthz, every: 2s, unhealthy_after: 3 }}\n      restart: on-failure\n      \
             env: {{ MODE: fast, PART: \"{at}\" }}\n      limits: {{ memory: 256MiB }}\n    \
             telemetry: {{ scrape: /metrics }}\n    depends_on: [{}]\n",
            10_000 + at,
            on.join(", ")
        )
        .expect("texts grow");
    }
    out
}

fn alarms(components: std::ops::Range<usize>) -> String {
    let mut out = format!("groups:\n  - name: parts-{}\n    interval: 15s\n    rules:\n", components.start);
    for at in components {
        write!(
            out,
            "      - record: c{at:04}:success:ratio_rate5m\n        \
             expr: sum(rate(requests_total{{component=\"c{at:04}\",outcome=\"success\"}}[5m])) / sum(rate(requests_total{{component=\"c{at:04}\"}}[5m]))\n      \
             - alert: Part{at}Failing\n        expr: c{at:04}:success:ratio_rate5m < 0.95\n        for: 1m\n        \
             labels: {{ severity: critical }}\n        \
             annotations: {{ summary: Part {at} fails, runbook: r{:04} }}\n      \
             - alert: Part{at}Slow\n        \
             expr: histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket{{component=\"c{at:04}\"}}[5m]))) > 0.5\n        \
             for: 5m\n        labels: {{ severity: warning }}\n        annotations: {{ summary: Part {at} is slow }}\n",
            at / 5 * 5
        )
        .expect("texts grow");
    }
    out
}

fn trigger(at: usize) -> String {
    format!(
        "Name: t{at:04}\nDescription: Answers when part {at} fails\nState: ENABLED\nEventPattern:\n  source: [mainstay]\n  \
         detail-type: [alarm.firing]\n  detail:\n    alarm: [Part{at}Failing]\nTargets:\n  - Id: r{0:04}\n    \
         Arn: procedure/r{0:04}\n    InputTransformer:\n      InputPathsMap:\n        alarm: $.detail.alarm\n      \
         InputTemplate: '{{\"AlarmName\": <alarm>}}'\n",
        at / 5 * 5
    )
}

fn runbook(at: usize) -> String {
    let mut out = format!(
        "schemaVersion: \"0.3\"\ndescription: Restores parts {at} to {}.\nparameters:\n  AlarmName:\n    type: String\n    \
         default: none\n    description: (Optional) The alarm this is an answer to.\nmainSteps:\n",
        at + 4
    );
    for step in at..at + 5 {
        write!(
            out,
            "  - name: restart_{step}\n    action: aws:runCommand\n    description: Restarts part {step}.\n    \
             timeoutSeconds: 30\n    inputs:\n      DocumentName: AWS-RunShellScript\n      \
             Targets: [{{ Key: \"tag:role\", Values: [app] }}]\n      Parameters:\n        commands:\n          \
             - mainstay service restart c{step:04}\n          - 'echo {{{{ AlarmName }}}}'\n"
        )
        .expect("texts grow");
    }
    out
}

fn note(at: usize) -> String {
    format!(
        "---\nabout: component/c{at:04}\n---\nIt is safe to restart [part {at}](component/c{at:04}) at any time.\n\n\
         It answers [its alarm](alarm/Part{at}Failing) by itself.\n"
    )
}
