//! Codes about how the parts of a directory fit together.

use super::{Example, RESTORE, SETTLE, SHOP, Text};

macro_rules! shop {
    ($text:literal) => {
        Example::Directory(&[("mainstay.yaml", concat!("workload: shop\n", $text))])
    };
}

macro_rules! trigger {
    ($target:literal) => {
        (
            "triggers/on-alarm.yaml",
            concat!(
                "Name: on-alarm\nEventPattern: { source: [alarm] }\nTargets:\n  - Id: restore\n    ",
                $target,
                "\n"
            ),
        )
    };
}

macro_rules! wait {
    ($alarm:literal) => {
        (
            "runbooks/wait.yaml",
            concat!(
                "schemaVersion: '0.3'\nmainSteps:\n  - name: wait\n    action: mainstay:waitForAlarm\n    inputs: { Alarm: ",
                $alarm,
                " }\n"
            ),
        )
    };
}

macro_rules! call {
    ($action:literal, $more:literal) => {
        (
            "runbooks/call.yaml",
            concat!(
                "schemaVersion: '0.3'\nmainSteps:\n  - name: call\n    action: ",
                $action,
                "\n    inputs: { DocumentName: settle",
                $more,
                " }\n"
            ),
        )
    };
}

const TELL: (&str, &str) = (
    "runbooks/tell.yaml",
    "schemaVersion: '0.3'
mainSteps:
  - name: tell
    action: aws:invokeWebhook
    inputs: { IntegrationName: chat, Body: It is done }
",
);

const ATTACHED: &str = "schemaVersion: '0.3'
mainSteps:
  - name: look
    action: aws:executeScript
    inputs: { Runtime: python3.11, Handler: tool.main, Attachment: tool.py }
files:
  tool.py: { checksums: { sha256: d6ea181124b1c066ae0b2f6871b1c5a8de0bedd0c22a32e7171524c601400f3c } }
";

const ALARM: &str = "groups:
  - name: web
    rules:
      - alert: WebDown
        expr: up == 0
";

const RECORDING: (&str, &str) = (
    "alarms/pay.yaml",
    "groups:
  - name: pay
    rules:
      - record: shop:pay:ratio
        expr: sum(paid) / sum(tried)
",
);

const STARTS_FIRST: (&str, &str) = (
    "runbooks/second.yaml",
    "schemaVersion: \"0.3\"
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: { DocumentName: first }
",
);

const STARTS_SECOND: &str = "schemaVersion: \"0.3\"
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: { DocumentName: second }
";

const MEASURE: (&str, &str) = (
    "runbooks/measure.yaml",
    "schemaVersion: \"0.3\"
outputs: [disk.Payload]
mainSteps:
  - name: disk
    action: aws:executeScript
    inputs: { Runtime: bash, Script: df }
",
);

const USES_FREE: &str = "schemaVersion: \"0.3\"
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: { DocumentName: measure }
  - name: tell
    action: aws:executeScript
    inputs: { Runtime: bash, Script: \"echo '{{ call.disk.Payload }}'\" }
";

const USES_SIZE: &str = "schemaVersion: \"0.3\"
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: { DocumentName: measure }
  - name: tell
    action: aws:executeScript
    inputs: { Runtime: bash, Script: \"echo '{{ call.disk.Size }}'\" }
";

pub(super) const TEXTS: &[Text] = &[
    Text {
        code: "dependency-cycle",
        why: "A component is started after those it depends on. In a circle each waits for the other, so none can be first. The message shows the whole way round.",
        wrong: shop!("components:\n  web: { depends_on: [api] }\n  api: { depends_on: [web] }\n"),
        right: shop!("components:\n  web: { depends_on: [api] }\n  api: {}\n"),
    },
    Text {
        code: "duplicate-alarm",
        why: "Who is woken by an alarm must find one rule of its name. Several rules of one file may share a name, which is how severities are written.",
        wrong: Example::Directory(&[SHOP, ("alarms/a.yaml", ALARM), ("alarms/b.yaml", ALARM)]),
        right: Example::Directory(&[SHOP, ("alarms/a.yaml", ALARM)]),
    },
    Text {
        code: "duplicate-procedure",
        why: "A procedure is named by its file, in `runbooks/` and `playbooks/` together and in all folders below. Of two with one name, nobody could say which is started.",
        wrong: Example::Directory(&[SHOP, SETTLE, ("playbooks/settle.yaml", SETTLE.1)]),
        right: Example::Directory(&[SHOP, SETTLE, ("playbooks/look.yaml", SETTLE.1)]),
    },
    Text {
        code: "duplicate-trigger",
        why: "A trigger's `Name` names it in events and on screens, so no two have the same.",
        wrong: Example::Directory(&[
            SHOP,
            SETTLE,
            trigger!("Arn: procedure/settle"),
            (
                "triggers/again.yaml",
                "Name: on-alarm\nEventPattern: { source: [alarm] }\nTargets: [{ Id: a, Arn: procedure/settle }]\n",
            ),
        ]),
        right: Example::Directory(&[
            SHOP,
            SETTLE,
            trigger!("Arn: procedure/settle"),
            (
                "triggers/again.yaml",
                "Name: again\nEventPattern: { source: [alarm] }\nTargets: [{ Id: a, Arn: procedure/settle }]\n",
            ),
        ]),
    },
    Text {
        code: "missing-parameter",
        why: "The procedure has a parameter without a default, so a run that is not given it would fail at once, in the middle of an incident.",
        wrong: Example::Directory(&[SHOP, RESTORE, trigger!("Arn: procedure/restore")]),
        right: Example::Directory(&[
            SHOP,
            RESTORE,
            trigger!("Arn: procedure/restore\n    Input: '{\"Reason\": \"alarm\"}'"),
        ]),
    },
    Text {
        code: "no-host",
        why: "A service runs on hosts that its own `hosts` choose, among those of the environments. These exclude each other, so it would run nowhere and nobody would be told.",
        wrong: shop!(
            "environments:\n  live: { hosts: \"stage=live\" }\ncomponents:\n  web: { hosts: \"role=app,stage=test\", service: { run: ./web } }\n"
        ),
        right: shop!(
            "environments:\n  live: { hosts: \"stage=live\" }\ncomponents:\n  web: { hosts: \"role=app\", service: { run: ./web } }\n"
        ),
    },
    Text {
        code: "procedure-cycle",
        why: "A step that starts another procedure waits for its end. In a circle none could ever end, so a run would be refused in the middle. The message shows the whole way round.",
        wrong: Example::Directory(&[SHOP, STARTS_FIRST, ("runbooks/first.yaml", STARTS_SECOND)]),
        right: Example::Directory(&[SHOP, STARTS_FIRST, ("runbooks/first.yaml", SETTLE.1)]),
    },
    Text {
        code: "shared-port",
        why: "One of two services that want the same port of one host cannot start. Where only some hosts may be chosen by both it is a warning.",
        wrong: shop!(
            "components:\n  web: { hosts: \"*\", service: { run: ./web, port: 80 } }\n  api: { hosts: \"*\", service: { run: ./api, port: 80 } }\n"
        ),
        right: shop!(
            "components:\n  web: { hosts: \"*\", service: { run: ./web, port: 80 } }\n  api: { hosts: \"*\", service: { run: ./api, port: 81 } }\n"
        ),
    },
    Text {
        code: "unknown-component",
        why: "What depends on a component, or matters for one, can only be followed if the workload declares it.",
        wrong: shop!("components:\n  database: {}\n  web: { depends_on: [databse] }\n"),
        right: shop!("components:\n  database: {}\n  web: { depends_on: [database] }\n"),
    },
    Text {
        code: "unknown-folder",
        why: "A folder of YAML files that is not one of a workload's is mostly misspelt, and its files would never be read. Folders such as `config/`, `docs/` and `src/` are left alone.",
        wrong: Example::Directory(&[SHOP, ("runboks/settle.yaml", SETTLE.1)]),
        right: Example::Directory(&[SHOP, SETTLE]),
    },
    Text {
        code: "unknown-kind",
        why: "A single file is told by its name, by the folder it is in, and by its keys. None of them says what this one is.",
        wrong: Example::File("notes.yaml", "remember: the milk\n"),
        right: Example::File("mainstay.yaml", "workload: shop\n"),
    },
    Text {
        code: "unknown-output",
        why: "What a procedure leaves for the one that starts it are the `outputs` of its document. Another name would have no value when the step that uses it begins.",
        wrong: Example::Directory(&[SHOP, MEASURE, ("runbooks/report.yaml", USES_SIZE)]),
        right: Example::Directory(&[SHOP, MEASURE, ("runbooks/report.yaml", USES_FREE)]),
    },
    Text {
        code: "unknown-parameter",
        why: "The procedure would be started without what the trigger means to tell it. Parameters are listed in the document's `parameters`.",
        wrong: Example::Directory(&[
            SHOP,
            RESTORE,
            trigger!("Arn: procedure/restore\n    Input: '{\"Reason\": \"alarm\", \"Colour\": \"red\"}'"),
        ]),
        right: Example::Directory(&[
            SHOP,
            RESTORE,
            trigger!("Arn: procedure/restore\n    Input: '{\"Reason\": \"alarm\"}'"),
        ]),
    },
    Text {
        code: "bad-attachment",
        why: "A script comes with a file that lies beside its document, and the document says the file's SHA-256. If the file is not there or is another one, a run would do something that nobody has looked at. `sha256sum FILE` prints what belongs into the document.",
        wrong: Example::Directory(&[SHOP, ("runbooks/attached.yaml", ATTACHED)]),
        right: Example::Directory(&[
            SHOP,
            ("runbooks/attached.yaml", ATTACHED),
            ("runbooks/tool.py", "def main(events, context):\n    return 1\n"),
        ]),
    },
    Text {
        code: "unknown-alarm",
        why: "The run would wait for an alarm that can never be in any state. Alarms are the rules with `alert:` in the files of `alarms/`.",
        wrong: Example::Directory(&[SHOP, ("alarms/a.yaml", ALARM), wait!("WebDwn")]),
        right: Example::Directory(&[SHOP, ("alarms/a.yaml", ALARM), wait!("WebDown")]),
    },
    Text {
        code: "unknown-integration",
        why: "A webhook goes to an integration, which says the URL and the headers. They are declared under `webhooks` of `mainstay.yaml`, so that no document holds them.",
        wrong: Example::Directory(&[SHOP, TELL]),
        right: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nwebhooks:\n  chat: { url: { secret: \"file:/etc/shop/chat-url\" } }\n",
            ),
            TELL,
        ]),
    },
    Text {
        code: "wrong-language",
        why: "Automation documents (schema version 0.3) are run by the server, step by step; Command documents (1.2, 2.0, 2.2) are run by hosts. Each is run by an action of its own.",
        wrong: Example::Directory(&[SHOP, SETTLE, call!("aws:runCommand", ", InstanceIds: [app-1]")]),
        right: Example::Directory(&[SHOP, SETTLE, call!("aws:executeAutomation", "")]),
    },
    Text {
        code: "unknown-procedure",
        why: "A trigger or an alarm leads to a procedure or file that is not there, which would be found out when it is needed. Procedures are the files of `runbooks/` and `playbooks/`, named by their file names.",
        wrong: Example::Directory(&[SHOP, SETTLE, trigger!("Arn: procedure/setle")]),
        right: Example::Directory(&[SHOP, SETTLE, trigger!("Arn: procedure/settle")]),
    },
    Text {
        code: "unknown-webhook",
        why: "A trigger sends events to a webhook by its name, so that address and secrets stand in one place: `webhooks` of `mainstay.yaml`.",
        wrong: Example::Directory(&[SHOP, trigger!("Arn: webhook/chat")]),
        right: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nwebhooks:\n  chat: { url: \"https://chat.example.com/hooks/1\" }\n",
            ),
            trigger!("Arn: webhook/chat"),
        ]),
    },
    Text {
        code: "unknown-recording",
        why: "By convention a metric with a colon in its name is recorded by a rule. If no rule of the directory records it, the measure has no data, and an incident that waits for it never ends.",
        wrong: shop!(
            "priorities:\n  - { goal: Customers can pay, measure: \"shop:pay:ratio\", target: \">= 0.99\" }\n"
        ),
        right: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\npriorities:\n  - { goal: Customers can pay, measure: \"shop:pay:ratio\", target: \">= 0.99\" }\n",
            ),
            RECORDING,
        ]),
    },
    Text {
        code: "unknown-subject",
        why: "A note of `docs/` is shown where the thing it is about is documented. If there is no such thing, nobody would see the note. It is about `workload`, `component/NAME`, `alarm/NAME`, `trigger/NAME` or `procedure/NAME`.",
        wrong: Example::Directory(&[
            SHOP,
            ("docs/note.md", "---\nabout: component/nope\n---\nNothing is kept here.\n"),
        ]),
        right: Example::Directory(&[
            SHOP,
            ("docs/note.md", "---\nabout: workload\n---\nNothing is kept here.\n"),
        ]),
    },
    Text {
        code: "unsupported-format",
        why: "The folder is one that a workload may have one day, but this version does not read its files. They are refused instead of ignored, so that nobody relies on them.",
        wrong: Example::Directory(&[SHOP, ("slos/pay.yaml", "apiVersion: openslo/v1\nkind: SLO\n")]),
        right: Example::Directory(&[SHOP, ("docs/pay.yaml", "apiVersion: openslo/v1\nkind: SLO\n")]),
    },
];
