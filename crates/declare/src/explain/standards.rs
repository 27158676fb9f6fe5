//! Codes about standards, and about the tags that they ask for.

use super::{Example, Text};

const BASE: (&str, &str) = ("standards/base/standard.yaml", "standard: base\nversion: 1\n");

const USES: &str = "workload: shop\nstandards:\n  - { name: base, path: ../standards/base }\n";

const ALARM: &str = "groups:
  - name: base
    rules:
      - alert: Down
        expr: up == 0
";

const OWN: &str = "groups:
  - name: own
    rules:
      - alert: Down
        expr: up == 0
        for: 5m
";

pub(super) const TEXTS: &[Text] = &[
    Text {
        code: "no-standard",
        why: "What a standard declares belongs to the workload, so without its files the workload is not whole. A standard's directory has a `standard.yaml`, which begins with `standard: NAME` and `version: 1`. The example's directory is shown under the name that its files have in a revision.",
        wrong: Example::Directory(&[("mainstay.yaml", USES)]),
        right: Example::Directory(&[("mainstay.yaml", USES), BASE]),
    },
    Text {
        code: "overrides-nothing",
        why: "An override leaves out what a standard declares, because this workload declares it otherwise. Where the standard has nothing of that name (any more), or the workload has nothing of its own, it says something that is not so.",
        wrong: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nstandards:\n  - { name: base, path: ../standards/base }\noverrides:\n  - { standard: base, kind: alarm, name: Down, because: ours waits longer }\n",
            ),
            BASE,
            ("standards/base/alarms/base.yaml", ALARM),
        ]),
        right: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nstandards:\n  - { name: base, path: ../standards/base }\noverrides:\n  - { standard: base, kind: alarm, name: Down, because: ours waits longer }\n",
            ),
            BASE,
            ("standards/base/alarms/base.yaml", ALARM),
            ("alarms/own.yaml", OWN),
        ]),
    },
    Text {
        code: "tag-policy",
        why: "A tag policy, of the workload or of one of its standards, says which tags there have to be and what their values may be; who splits a bill or asks for an owner goes by them. The message leads to the rule that asks for it. A tag of the workload or of an environment counts for all its components.",
        wrong: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\ntag_policy:\n  - { key: cost-center, values: [retail, ops] }\ncomponents:\n  web: {}\n",
        )]),
        right: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\ntags: { cost-center: retail }\ntag_policy:\n  - { key: cost-center, values: [retail, ops] }\ncomponents:\n  web: {}\n",
        )]),
    },
    Text {
        code: "unknown-environment",
        why: "A rule for an environment that does not exist would never hold of anything. The tag policy of a standard may name environments that a workload does not have.",
        wrong: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\nenvironments:\n  prod: { hosts: \"*\" }\ntag_policy:\n  - { key: stage, environments: [prodd], required: false }\n",
        )]),
        right: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\nenvironments:\n  prod: { hosts: \"*\" }\ntag_policy:\n  - { key: stage, environments: [prod], required: false }\n",
        )]),
    },
    Text {
        code: "unknown-standard",
        why: "An override names the standard by the `name` it has in `standards` of this workload.",
        wrong: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nstandards:\n  - { name: base, path: ../standards/base }\noverrides:\n  - { standard: bsae, kind: alarm, name: Down, because: ours waits longer }\n",
            ),
            BASE,
            ("standards/base/alarms/base.yaml", ALARM),
        ]),
        right: Example::Directory(&[
            (
                "mainstay.yaml",
                "workload: shop\nstandards:\n  - { name: base, path: ../standards/base }\noverrides:\n  - { standard: base, kind: alarm, name: Down, because: ours waits longer }\n",
            ),
            BASE,
            ("standards/base/alarms/base.yaml", ALARM),
            ("alarms/own.yaml", OWN),
        ]),
    },
];
