//! Codes that the languages of procedures, rules and triggers bring, and those of who reads directories.
//!
//! The crates of the languages raise them; what there is to say stands here, so that `mainstay explain` has one source.

use super::{Example, Explanation};

const fn text(
    code: &'static str,
    summary: &'static str,
    why: &'static str,
    wrong: Example,
    right: Example,
) -> Explanation {
    Explanation { code, summary, why, wrong, right }
}

macro_rules! rule {
    ($rule:literal) => {
        Example::File(
            "alarms/web.yaml",
            concat!("groups:\n  - name: web\n    rules:\n      - alert: WebDown\n", $rule),
        )
    };
}

macro_rules! rules {
    ($text:literal) => {
        Example::File("alarms/web.yaml", concat!("groups:\n", $text))
    };
}

macro_rules! pattern {
    ($pattern:literal) => {
        Example::File(
            "triggers/restore.yaml",
            concat!(
                "Name: restore\nEventPattern:\n",
                $pattern,
                "Targets:\n  - { Id: restore, Arn: procedure/restore }\n"
            ),
        )
    };
}

macro_rules! target {
    ($target:literal) => {
        Example::File(
            "triggers/restore.yaml",
            concat!("Name: restore\nEventPattern: { source: [alarm] }\nTargets:\n", $target),
        )
    };
}

macro_rules! schedule {
    ($schedule:literal) => {
        Example::File(
            "triggers/tidy.yaml",
            concat!("Name: tidy\n", $schedule, "Targets:\n  - { Id: tidy, Arn: procedure/tidy }\n"),
        )
    };
}

macro_rules! steps {
    ($steps:literal) => {
        Example::File(
            "runbooks/restore.yaml",
            concat!("schemaVersion: \"0.3\"\nparameters:\n  Host: { type: String }\nmainSteps:\n", $steps),
        )
    };
}

const GOOD_RULE: Example = rule!("        expr: up == 0\n");

pub(super) const TEXTS: &[Explanation] = &[
    text(
        "bad-cidr",
        "A block of addresses is not one",
        "The operator `cidr` compares an address with a block such as `10.0.0.0/8` or `2001:db8::/32`.",
        pattern!("  detail: { address: [{ cidr: 10.0.0.0 }] }\n"),
        pattern!("  detail: { address: [{ cidr: 10.0.0.0/8 }] }\n"),
    ),
    text(
        "bad-date",
        "A schedule's first or last day is not a time",
        "`StartDate` and `EndDate` are instants with an offset or `Z`, and the end is not before the start.",
        schedule!("ScheduleExpression: rate(1 hour)\nStartDate: 2026-12-24\n"),
        schedule!("ScheduleExpression: rate(1 hour)\nStartDate: 2026-12-24T00:00:00Z\n"),
    ),
    text(
        "bad-expression",
        "A rule's PromQL cannot be read",
        "Alarms and recorded series are PromQL. `mainstay promql explain` says what an expression does, part by part.",
        rule!("        expr: up ==\n"),
        GOOD_RULE,
    ),
    text(
        "bad-json",
        "A text that should be JSON is not",
        "EventBridge rules hold some values as JSON in a text. Keys and texts of JSON stand in double quotes.",
        target!("  - { Id: restore, Arn: procedure/restore, Input: \"{Reason: alarm}\" }\n"),
        target!("  - { Id: restore, Arn: procedure/restore, Input: '{\"Reason\": \"alarm\"}' }\n"),
    ),
    text(
        "bad-label-name",
        "A label has a name that a series cannot carry",
        "`alertname` and `__name__` are set by Mainstay itself, so a rule cannot set them.",
        rule!("        expr: up == 0\n        labels: { __name__: web }\n"),
        rule!("        expr: up == 0\n        labels: { service: web }\n"),
    ),
    text(
        "bad-numeric",
        "A numeric comparison of a pattern is not complete",
        "`numeric` takes one comparison, or a range of two: `[\">\", 0, \"<=\", 5]`.",
        pattern!("  detail: { count: [{ numeric: [\">\"] }] }\n"),
        pattern!("  detail: { count: [{ numeric: [\">\", 0] }] }\n"),
    ),
    text(
        "bad-operator",
        "An operator of an event pattern has the wrong form",
        "An operator is a mapping with one key, and each operator takes a value of its own kind.",
        pattern!("  detail: { name: [{ prefix: 5 }] }\n"),
        pattern!("  detail: { name: [{ prefix: web- }] }\n"),
    ),
    text(
        "bad-or",
        "`$or` has not at least two mappings",
        "`$or` matches an event that one of several patterns matches, so it holds a list of them.",
        pattern!("  $or: [{ source: [alarm] }]\n"),
        pattern!("  $or: [{ source: [alarm] }, { source: [deploy] }]\n"),
    ),
    text(
        "bad-pattern",
        "A field of an event pattern is neither a list nor a mapping",
        "A pattern lists the values that a field may have, also if there is only one. Nested fields are mappings.",
        pattern!("  source: alarm\n"),
        pattern!("  source: [alarm]\n"),
    ),
    text(
        "bad-query",
        "A priority's PromQL cannot be read",
        "The measure of a priority is PromQL. `mainstay promql explain` says what an expression does, part by part.",
        Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\npriorities:\n  - { goal: Customers can pay, measure: \"sum(paid\", target: \">= 1\" }\n",
        )]),
        Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\npriorities:\n  - { goal: Customers can pay, measure: \"sum(paid)\", target: \">= 1\" }\n",
        )]),
    ),
    text(
        "bad-schedule",
        "A schedule's expression cannot be read",
        "Expressions are those of EventBridge: `cron` with six fields of which one of the two days is `?` and Sunday is 1, `rate` with a number and a unit, `at` with a local time. `mainstay triggers next` shows when one fires.",
        schedule!("ScheduleExpression: cron(0 9 * * *)\n"),
        schedule!("ScheduleExpression: cron(0 9 * * ? *)\n"),
    ),
    text(
        "bad-state",
        "A trigger's state is neither ENABLED nor DISABLED",
        "A disabled trigger is kept and starts nothing.",
        pattern!("  source: [alarm]\nState: on\n"),
        pattern!("  source: [alarm]\nState: ENABLED\n"),
    ),
    text(
        "bad-template",
        "The template of an annotation, a label or an input cannot be read",
        "Templates are filled in when an alarm fires or a trigger matches; one that cannot be read would fail just then.",
        rule!("        expr: up == 0\n        annotations: { summary: \"{{ $value\" }\n"),
        rule!("        expr: up == 0\n        annotations: { summary: \"{{ $value }}\" }\n"),
    ),
    text(
        "bad-wildcard",
        "A wildcard of an event pattern cannot be read",
        "In a wildcard `*` stands for any text; two in a row mean no more than one, and `\\*` and `\\\\` are the only escapes.",
        pattern!("  detail: { name: [{ wildcard: \"web**\" }] }\n"),
        pattern!("  detail: { name: [{ wildcard: \"web*\" }] }\n"),
    ),
    text(
        "bad-window",
        "A schedule's time window is not one",
        "`FlexibleTimeWindow` lets a firing come up to so many minutes late, so that triggers of one time do not start all at once. Its `Mode` is OFF, or FLEXIBLE with `MaximumWindowInMinutes` from 1 to 1440.",
        schedule!(
            "ScheduleExpression: rate(1 day)\nFlexibleTimeWindow: { Mode: FLEXIBLE, MaximumWindowInMinutes: 0 }\n"
        ),
        schedule!(
            "ScheduleExpression: rate(1 day)\nFlexibleTimeWindow: { Mode: FLEXIBLE, MaximumWindowInMinutes: 15 }\n"
        ),
    ),
    text(
        "duplicate-group",
        "A rule file has two groups of the same name",
        "The name tells the groups of a file apart, in the API and on screens.",
        rules!("  - { name: web, rules: [] }\n  - { name: web, rules: [] }\n"),
        rules!("  - { name: web, rules: [] }\n  - { name: api, rules: [] }\n"),
    ),
    text(
        "duplicate-target",
        "A trigger has two targets of the same id",
        "The id tells the targets of a trigger apart, and the runs that they start.",
        target!("  - { Id: a, Arn: procedure/restore }\n  - { Id: a, Arn: procedure/settle }\n"),
        target!("  - { Id: a, Arn: procedure/restore }\n  - { Id: b, Arn: procedure/settle }\n"),
    ),
    text(
        "empty-list",
        "A field of an event pattern lists no value",
        "Such a pattern matches no event, so the trigger would never start anything.",
        pattern!("  source: []\n"),
        pattern!("  source: [alarm]\n"),
    ),
    text(
        "link",
        "A link of the directory is not followed",
        "A workload's directory is complete in itself: what lies elsewhere is not the same on another machine and may be nobody's business. Copy the file, or link to one inside of the directory.",
        Example::Words("`runbooks/restore.yaml` is a link to `/srv/shared/restore.yaml`"),
        Example::Words("`runbooks/restore.yaml` is a file, or a link to `../playbooks/look.yaml`"),
    ),
    text(
        "never-fires",
        "A schedule names no time that ever comes",
        "The 31st of February, a year that is not reached, or an hour that the clocks of the zone skip on that day: the trigger would wait for ever.",
        schedule!("ScheduleExpression: cron(0 0 30 2 ? *)\n"),
        schedule!("ScheduleExpression: cron(0 0 L 2 ? *)\n"),
    ),
    text(
        "record-and-alert",
        "A rule is a recording and an alarm at once",
        "A rule has either `record`, which stores a series, or `alert`, which wakes people. Write two.",
        rules!("  - name: web\n    rules:\n      - { record: web:up, alert: WebDown, expr: up }\n"),
        rules!("  - name: web\n    rules:\n      - { record: web:up, expr: up }\n"),
    ),
    text(
        "reference-order",
        "A step refers to one that has not run by then",
        "What a step left is known to the steps after it. On no path to this step does the other one come first.",
        steps!(
            "  - name: first\n    action: aws:sleep\n    inputs: { Duration: \"{{ second.Output }}\" }\n  - name: second\n    action: aws:runCommand\n    inputs:\n      DocumentName: AWS-RunShellScript\n      InstanceIds: [\"{{ Host }}\"]\n      Parameters: { commands: [uptime] }\n"
        ),
        steps!(
            "  - name: first\n    action: aws:runCommand\n    inputs:\n      DocumentName: AWS-RunShellScript\n      InstanceIds: [\"{{ Host }}\"]\n      Parameters: { commands: [uptime] }\n  - name: second\n    action: aws:runCommand\n    inputs:\n      DocumentName: AWS-RunShellScript\n      InstanceIds: [\"{{ Host }}\"]\n      Parameters: { commands: [\"echo '{{ first.Output }}'\"] }\n"
        ),
    ),
    text(
        "too-many-files",
        "A directory has more files than are looked at",
        "A workload's directory holds its declaration and not its data. 20,000 files are looked at; `bin`, `data`, `log`, `node_modules` and `target` at its top, and hidden folders, are not counted.",
        Example::Words("`uploads/` beside `mainstay.yaml` has 30,000 files"),
        Example::Words("the files lie in `data/uploads/`"),
    ),
    text(
        "two-inputs",
        "A target of a trigger gets its input from two places",
        "`Input` is constant, `InputPath` takes a part of the event, `InputTransformer` makes one from parts. At most one of them is given.",
        target!("  - { Id: a, Arn: procedure/restore, Input: '{\"Host\": \"a\"}', InputPath: $.detail }\n"),
        target!("  - { Id: a, Arn: procedure/restore, Input: '{\"Host\": \"a\"}' }\n"),
    ),
    text(
        "unknown-action",
        "A step has an action that does not exist",
        "Actions are those of Systems Manager Automation. `docs/procedures.md` lists them, and which are built.",
        steps!("  - name: settle\n    action: aws:slep\n    inputs: { Duration: PT1S }\n"),
        steps!("  - name: settle\n    action: aws:sleep\n    inputs: { Duration: PT1S }\n"),
    ),
    text(
        "unknown-operator",
        "An operator that does not exist is used in a pattern or a branch",
        "The help lists the operators that exist. A comparison that nobody knows would never hold.",
        pattern!("  detail: { name: [{ prefx: web- }] }\n"),
        pattern!("  detail: { name: [{ prefix: web- }] }\n"),
    ),
    text(
        "unknown-reference",
        "A `{{ … }}` of a procedure names nothing",
        "References name a parameter (`{{ Host }}`), an output of an earlier step (`{{ look.Output }}`), or a value such as `{{ automation:EXECUTION_ID }}`.",
        steps!("  - name: settle\n    action: aws:sleep\n    inputs: { Duration: \"{{ Hots }}\" }\n"),
        steps!("  - name: settle\n    action: aws:sleep\n    inputs: { Duration: \"{{ Host }}\" }\n"),
    ),
    text(
        "unknown-step",
        "A step leads to one that does not exist",
        "`nextStep`, `onFailure` and branches name steps of the same document.",
        steps!(
            "  - name: settle\n    action: aws:sleep\n    onFailure: step:lok\n    inputs: { Duration: PT1S }\n  - name: look\n    action: aws:sleep\n    inputs: { Duration: PT1S }\n"
        ),
        steps!(
            "  - name: settle\n    action: aws:sleep\n    onFailure: step:look\n    inputs: { Duration: PT1S }\n  - name: look\n    action: aws:sleep\n    inputs: { Duration: PT1S }\n"
        ),
    ),
    text(
        "unknown-zone",
        "A schedule's time zone does not exist",
        "`ScheduleExpressionTimezone` is a name of the IANA database, which is part of the program. Offsets and abbreviations such as CEST are no zones.",
        schedule!("ScheduleExpression: cron(0 9 * * ? *)\nScheduleExpressionTimezone: Europe/Berlim\n"),
        schedule!("ScheduleExpression: cron(0 9 * * ? *)\nScheduleExpressionTimezone: Europe/Berlin\n"),
    ),
    text(
        "unreadable-file",
        "A file or folder of the directory cannot be read",
        "Leaving it out silently would declare another workload than the one that is meant. Mostly its permissions forbid it; the message has the system's words.",
        Example::Words("`runbooks/restore.yaml` is readable by another user only"),
        Example::Words("`chmod u+r runbooks/restore.yaml`"),
    ),
    text(
        "unreadable-standard",
        "A standard that the workload uses cannot be had",
        "Its directory is not there or cannot be read, or git cannot fetch the commit. The message has the system's or git's own words. A commit that was fetched once is kept and needs no network again.",
        Example::Words(
            "`standards: [{ name: web, path: ../standard/web }]`, where the directory is `../standards/web`",
        ),
        Example::Words("`standards: [{ name: web, path: ../standards/web }]`"),
    ),
    text(
        "wildcard-too-complex",
        "A wildcard of an event pattern would be too costly",
        "Each event is compared with every pattern, so what one of them may cost is bounded, as it is in EventBridge.",
        pattern!("  detail: { name: [{ wildcard: \"*:*:*:*:*:event-bus/*\" }] }\n"),
        pattern!("  detail: { name: [{ wildcard: \"*:event-bus/*\" }] }\n"),
    ),
];
