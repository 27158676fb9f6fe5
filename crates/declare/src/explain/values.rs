//! Codes about single values of `mainstay.yaml`.

use super::{Example, SHOP, Text};

/// A component with a service, and more lines of it.
macro_rules! web {
    ($service:literal) => {
        Example::Directory(&[(
            "mainstay.yaml",
            concat!("workload: shop\ncomponents:\n  web:\n    hosts: role=app\n    service:\n", $service),
        )])
    };
}

macro_rules! shop {
    ($text:literal) => {
        Example::Directory(&[("mainstay.yaml", concat!("workload: shop\n", $text))])
    };
}

pub(super) const TEXTS: &[Text] = &[
    Text {
        code: "bad-command",
        why: "Commands are split into words as a shell would split them, so a quote that is never closed, or no word at all, leaves nothing to run.",
        wrong: web!("      run: ./web --title 'My shop\n"),
        right: web!("      run: ./web --title 'My shop'\n"),
    },
    Text {
        code: "bad-duration",
        why: "Durations are whole numbers with a unit, as Prometheus writes them: `ms`, `s`, `m`, `h`, `d`, `w`, `y`, the largest first. A number alone does not say whether it means seconds or milliseconds.",
        wrong: web!("      run: ./web\n      stop: { deadline: 30 }\n"),
        right: web!("      run: ./web\n      stop: { deadline: 30s }\n"),
    },
    Text {
        code: "bad-name",
        why: "Names end up in paths, host names, metric labels and ids, which carry 1 to 63 lower-case letters, digits and `-` everywhere. The names of procedures and triggers are file names and may have upper-case letters, `_` and `.` too.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: Web_Shop\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: web-shop\n")]),
    },
    Text {
        code: "bad-path",
        why: "Paths of a workload stay inside its directory, so that it means the same on every host; paths of URLs begin with `/`, as host and port are the service's own.",
        wrong: web!("      run: ./web\n      directory: ../other\n"),
        right: web!("      run: ./web\n      directory: other\n"),
    },
    Text {
        code: "bad-port",
        why: "TCP has the ports 1 to 65535. Port 0 would mean a free one, which nobody could find.",
        wrong: web!("      run: ./web\n      port: 80800\n"),
        right: web!("      run: ./web\n      port: 8080\n"),
    },
    Text {
        code: "bad-secret",
        why: "A secret is named by where its host has it, `file:/absolute/path` or `env:NAME`, so that it stands in no file that is shared, no event and no revision.",
        wrong: web!("      run: ./web\n      env: { DB_PASSWORD: { secret: db-password } }\n"),
        right: web!(
            "      run: ./web\n      env: { DB_PASSWORD: { secret: \"file:/etc/shop/db-password\" } }\n"
        ),
    },
    Text {
        code: "bad-selector",
        why: "A selector is a list of requirements on tags, separated by commas, that must all hold: `role=app`, `role!=db`, `role in (app,web)`, `role`, `!role`. `*` is every host.",
        wrong: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\nenvironments:\n  local: { hosts: \"environment in local\" }\n",
        )]),
        right: Example::Directory(&[(
            "mainstay.yaml",
            "workload: shop\nenvironments:\n  local: { hosts: \"environment in (local)\" }\n",
        )]),
    },
    Text {
        code: "bad-size",
        why: "Sizes are whole numbers with a unit: KiB, MiB, GiB and TiB count in 1024s, kB, MB, GB and TB in 1000s. `256` or `256M` could mean either.",
        wrong: web!("      run: ./web\n      limits: { memory: 256M }\n"),
        right: web!("      run: ./web\n      limits: { memory: 256MiB }\n"),
    },
    Text {
        code: "bad-target",
        why: "A target says how a measure is compared and with what, as in `\">= 0.995\"`, in quotes as YAML gives `>` a meaning. Ratios are written as ratios, not as percentages.",
        wrong: shop!(
            "priorities:\n  - goal: Customers can pay\n    measure: pay_ratio\n    target: \">= 99.5%\"\n"
        ),
        right: shop!(
            "priorities:\n  - goal: Customers can pay\n    measure: pay_ratio\n    target: \">= 0.995\"\n"
        ),
    },
    Text {
        code: "bad-value",
        why: "Only certain values have a meaning at this place; the message lists them or says from where to where they go.",
        wrong: web!("      run: ./web\n      restart: sometimes\n"),
        right: web!("      run: ./web\n      restart: on-failure\n"),
    },
    Text {
        code: "duplicate-entry",
        why: "The second entry adds nothing, so it is mostly a slip for another name.",
        wrong: shop!("components:\n  db: {}\n  web: { depends_on: [db, db] }\n"),
        right: shop!("components:\n  db: {}\n  web: { depends_on: [db] }\n"),
    },
    Text {
        code: "literal-secret",
        why: "What stands in `mainstay.yaml` is in version control and in every revision, where many can read it. Say where the host has the secret instead. The name of the variable is what makes it look like one.",
        wrong: web!("      run: ./web\n      env: { DB_PASSWORD: hunter2 }\n"),
        right: web!(
            "      run: ./web\n      env: { DB_PASSWORD: { secret: \"file:/etc/shop/db-password\" } }\n"
        ),
    },
    Text {
        code: "old-key",
        why: "The key was renamed. What it was called before is read as the same, so that workloads go on working; the new name is the one that is documented.",
        wrong: shop!("integrations:\n  chat: { url: \"https://chat.example.com/hooks/1\" }\n"),
        right: shop!("webhooks:\n  chat: { url: \"https://chat.example.com/hooks/1\" }\n"),
    },
    Text {
        code: "plain-http",
        why: "Without encryption everybody on the way to another machine can read what is sent, and answer in its place. Only a machine itself needs no https.",
        wrong: shop!("webhooks:\n  chat: { url: \"http://chat.example.com/hooks/1\" }\n"),
        right: shop!("webhooks:\n  chat: { url: \"https://chat.example.com/hooks/1\" }\n"),
    },
    Text {
        code: "misplaced-variable",
        why: "Variables are filled in where components and the targets of priorities have values. Names and selectors decide what is where, so they are the same in every environment.",
        wrong: shop!(
            "title: A ${var.size} shop\nvariables: { size: large }\ncomponents:\n  web: { hosts: role=app, service: { run: \"./web ${var.size}\" } }\n"
        ),
        right: shop!(
            "title: A large shop\nvariables: { size: large }\ncomponents:\n  web: { hosts: role=app, service: { run: \"./web ${var.size}\" } }\n"
        ),
    },
    Text {
        code: "missing-key",
        why: "Without this key it is not known what to do. The message names it and the help shows how it looks.",
        wrong: shop!("components:\n  web:\n    service: { run: ./web }\n"),
        right: shop!("components:\n  web:\n    hosts: role=app\n    service: { run: ./web }\n"),
    },
    Text {
        code: "not-built",
        why: "The key or action is part of the format, but this version cannot do what it asks for. It is refused instead of ignored, so that nobody relies on what does not happen.",
        wrong: web!("      systemd: web.service\n"),
        right: web!("      run: ./web\n"),
    },
    Text {
        code: "shell-syntax",
        why: "Commands are started directly and not by a shell, so pipes, `&&`, redirection and `$(…)` would reach the program as odd arguments. Put them into a script, or say which shell is to run them.",
        wrong: web!("      run: ./prepare && ./web\n"),
        right: web!("      run: sh -c './prepare && exec ./web'\n"),
    },
    Text {
        code: "unknown-key",
        why: "A key that means nothing is mostly misspelt or indented wrongly, and what it should do would silently not happen.",
        wrong: shop!("ownr: team-web\n"),
        right: shop!("owner: team-web\n"),
    },
    Text {
        code: "unused-variable",
        why: "A variable that nothing names is mostly misspelt where it should be used, so that changing it changes nothing.",
        wrong: shop!("variables: { level: info }\n"),
        right: shop!(
            "variables: { level: info }\ncomponents:\n  web:\n    hosts: role=app\n    service:\n      run: ./web\n      env: { LEVEL: \"${var.level}\" }\n"
        ),
    },
    Text {
        code: "unknown-variable",
        why: "Command lines and environment variables know `${port}`, `${component}`, `${workload}` and `${data}`; `${port}` has a value only if the service has a `port`. `$$` is a `$` that is passed on.",
        wrong: web!("      run: ./web --port ${prot}\n      port: 8080\n"),
        right: web!("      run: ./web --port ${port}\n      port: 8080\n"),
    },
    Text {
        code: "wrong-type",
        why: "A list, a mapping, a text and a number are different things. YAML takes `1.10` for a number and `true` for a truth value; put them in quotes if they are meant as text.",
        wrong: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: 2024\n")]),
        right: Example::Directory(&[("mainstay.yaml", "workload: shop\ntitle: \"2024\"\n")]),
    },
    Text {
        code: "no-workload-file",
        why: "The directory's `mainstay.yaml` says which workload its other files belong to. `mainstay init` writes one.",
        wrong: Example::Directory(&[("mainstay.yml", "workload: shop\n")]),
        right: Example::Directory(&[SHOP]),
    },
];
