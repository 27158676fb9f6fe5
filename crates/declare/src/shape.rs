//! What may stand in `mainstay.yaml`: every mapping, its keys, and the form of each value.
//!
//! The reader refuses keys by these tables, and [`crate::schema`] turns them into the JSON Schema that editors use, so
//! neither can know a key that the other does not. A new key is added here first; reading one that is not here fails
//! in every test.

use crate::workload::command::VARIABLES;

pub(crate) mod edges;
pub(crate) mod standards;

/// A mapping whose keys are known.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What it is, as messages say it (`a component`).
    pub what: &'static str,
    /// Its name among the definitions of the schema.
    pub name: &'static str,
    pub keys: &'static [Key],
    /// Keys that are known but refused, each with why.
    pub not_built: &'static [(&'static str, &'static str)],
    pub rules: &'static [Rule],
}

/// One key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub name: &'static str,
    pub form: Form,
    pub required: bool,
    /// What it means, in a sentence that an editor shows.
    pub doc: &'static str,
}

/// What holds between the keys of one mapping.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Who has the first needs the second.
    Needs(&'static str, &'static str),
    /// Exactly one of these is there.
    One(&'static [&'static str]),
}

/// The form of a value.
#[derive(Debug)]
pub(crate) enum Form {
    /// A text that is not empty.
    Text,
    /// A DNS label.
    Name,
    /// PromQL.
    Query,
    /// A selector of hosts.
    Selector,
    /// A comparison with a number, `>= 0.995`.
    Target,
    /// A TCP port.
    Port,
    /// `1h30m`
    Duration,
    /// `256MiB`
    Size,
    /// The path of a URL.
    UrlPath,
    /// A path inside the workload's directory.
    RelativePath,
    /// A command line with variables.
    Command,
    /// A whole number.
    Count(u32, u32),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of different texts.
    Texts,
    /// Any scalar by a key of the author's choice.
    Pairs,
    /// Environment variables: scalars, or references to secrets.
    Env,
    /// Headers of HTTP: scalars, or references to secrets.
    Headers,
    /// A text, or a reference to a secret.
    TextOrSecret,
    /// Values of variables by their names.
    Variables,
    /// A whole number of at least this one, that is no variable.
    Limit(u32),
    /// True or false.
    Flag,
    Shape(&'static Shape),
    List(&'static Shape),
    /// Mappings by names of the author's choice.
    Named(&'static Shape),
    /// The same, each over another mapping of this form, so that nothing is required.
    Overrides(&'static Shape),
    /// Mappings by the names of procedures.
    Procedures(&'static Shape),
    /// Mappings by the names of parameters.
    Parameters(&'static Shape),
    /// Any scalar.
    Scalar,
    /// A list of any scalars.
    Scalars,
    /// A list of different words out of these.
    Words(&'static [&'static str]),
    /// The full name of a commit of git.
    Commit,
    /// The version of a file's format.
    Version(u32),
}

impl Shape {
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

pub(crate) const fn key(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, required: false, doc }
}

pub(crate) const fn required(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, required: true, doc }
}

/// The whole file.
pub(crate) static WORKLOAD: Shape = Shape {
    what: "a workload",
    name: "workload",
    keys: &[
        required("workload", Form::Name, "The workload's name; paths and metric labels carry it."),
        key("title", Form::Text, "Its name as people read it."),
        key("owner", Form::Text, "Who answers for it."),
        key("tags", Form::Pairs, "Tags that every resource of it carries."),
        key("priorities", Form::List(&PRIORITY), "What matters, the most important first."),
        key(
            "variables",
            Form::Variables,
            "What `${var.NAME}` stands for where no environment gives another value.",
        ),
        key("environments", Form::Named(&ENVIRONMENT), "Where it runs. Without any, every host counts."),
        key("components", Form::Named(&COMPONENT), "Its parts."),
        key("procedures", Form::Procedures(&PROCEDURE), "What holds for runs of its procedures."),
        key("sources", Form::Named(&edges::SOURCE), "Where events come in from."),
        key(
            "webhooks",
            Form::Parameters(&edges::WEBHOOK),
            "Where triggers and procedures can send requests.",
        ),
        key("changes", Form::Shape(&CHANGES), "Which changes wait for an approval."),
        key("integrations", Form::Parameters(&edges::WEBHOOK), "What `webhooks` was called for procedures."),
        key(
            "standards",
            Form::List(&standards::USE),
            "Shared directories whose files belong to this workload, too.",
        ),
        key(
            "overrides",
            Form::List(&standards::OVERRIDE),
            "What of a standard this workload declares itself, and why.",
        ),
        key(
            "tag_policy",
            Form::List(&standards::TAG_RULE),
            "Which tags there have to be, and with what values.",
        ),
    ],
    not_built: &[("resources", "Holding host state is not built yet, so `resources` cannot be used")],
    rules: &[],
};

/// One of `priorities`.
pub(crate) static PRIORITY: Shape = Shape {
    what: "a priority",
    name: "priority",
    keys: &[
        required("goal", Form::Text, "What matters, in a sentence that people agree on."),
        required("measure", Form::Query, "The PromQL expression that measures it, evaluated each second."),
        required("target", Form::Target, "What the measure should be: a comparison and a number."),
        key("components", Form::Texts, "The components it depends on; none means the whole workload."),
    ],
    not_built: &[("obligations", "Obligations are not built yet: they come with compliance catalogues")],
    rules: &[],
};

/// One of `environments`.
pub(crate) static ENVIRONMENT: Shape = Shape {
    what: "an environment",
    name: "environment",
    keys: &[
        required("hosts", Form::Selector, "The hosts that belong to it."),
        key("tags", Form::Pairs, "Tags that every resource in it carries, over the workload's."),
        key("variables", Form::Variables, "Variables that have another value here."),
        key("components", Form::Overrides(&OVERRIDE), "What components have otherwise here."),
    ],
    not_built: &[],
    rules: &[],
};

/// What an environment says of a component.
pub(crate) static OVERRIDE: Shape = Shape {
    what: "what an environment says of a component",
    name: "component",
    keys: &[
        key("hosts", Form::Selector, "The hosts it runs on here."),
        key("tags", Form::Pairs, "Tags it has here."),
        key("service", Form::Shape(&SERVICE), "What its process has otherwise here."),
        key("telemetry", Form::Shape(&TELEMETRY), "Where its signals come from here."),
    ],
    not_built: &[
        ("depends_on", "Components depend on the same ones in every environment: say so at the component"),
        ("description", "A component is the same thing in every environment: describe it at the component"),
    ],
    rules: &[],
};

/// One of `procedures`.
pub(crate) static PROCEDURE: Shape = Shape {
    what: "what holds for runs of a procedure",
    name: "procedure",
    keys: &[required(
        "concurrency",
        Form::Limit(1),
        "How many runs of it may go on at once; more stand in line.",
    )],
    not_built: &[],
    rules: &[],
};

/// `changes`
pub(crate) static CHANGES: Shape = Shape {
    what: "changes",
    name: "changes",
    keys: &[required("approval", Form::Shape(&APPROVAL), "What a change may do without an approval.")],
    not_built: &[],
    rules: &[],
};

/// `approval` of `changes`.
pub(crate) static APPROVAL: Shape = Shape {
    what: "approval",
    name: "approval",
    keys: &[
        key("resources", Form::Limit(0), "A change of more resources than these waits for an approval."),
        key("fields", Form::Limit(0), "A change of more fields than these waits for an approval."),
        key("irreversible", Form::Flag, "Whether a change waits if a part of it cannot be undone."),
    ],
    not_built: &[],
    rules: &[],
};

/// `{ secret: … }` of a variable in `env`.
pub(crate) static SECRET: Shape = Shape {
    what: "a secret",
    name: "secret",
    keys: &[required("secret", Form::Text, "Where the host has it: `file:/absolute/path` or `env:NAME`.")],
    not_built: &[],
    rules: &[],
};

/// One of `components`.
pub(crate) static COMPONENT: Shape = Shape {
    what: "a component",
    name: "component",
    keys: &[
        key("description", Form::Text, "What it does."),
        key("hosts", Form::Selector, "The hosts it runs on; required with `service`."),
        key("tags", Form::Pairs, "Tags of its own, over the environment's and the workload's."),
        key("service", Form::Shape(&SERVICE), "The process to keep running."),
        key("telemetry", Form::Shape(&TELEMETRY), "Where its signals come from."),
        key("depends_on", Form::Texts, "The components that must be ready before it."),
    ],
    not_built: &[],
    rules: &[Rule::Needs("service", "hosts")],
};

/// `telemetry` of a component.
pub(crate) static TELEMETRY: Shape = Shape {
    what: "telemetry",
    name: "telemetry",
    keys: &[key(
        "scrape",
        Form::UrlPath,
        "The path of its metrics in the Prometheus text format, on the service's port.",
    )],
    not_built: &[(
        "logs",
        "Following log files is not built yet: send logs over OTLP, or write them to standard output, which the agent keeps",
    )],
    rules: &[],
};

/// `service` of a component.
pub(crate) static SERVICE: Shape = Shape {
    what: "a service",
    name: "service",
    keys: &[
        required("run", Form::Command, "The command line, run without a shell."),
        key("port", Form::Port, "The TCP port it listens on; `${port}` stands for it."),
        key("health", Form::Shape(&HEALTH), "How to see that it works."),
        key("restart", Form::OneOf(&["always", "on-failure", "never"]), "When it is started again."),
        key("limits", Form::Shape(&LIMITS), "What it may use."),
        key("env", Form::Env, "Environment variables, on top of the agent's minimal set."),
        key("directory", Form::RelativePath, "The working directory; the workload's by default."),
        key("stop", Form::Shape(&STOP), "How to stop it."),
    ],
    not_built: &[("systemd", "Services of systemd are not built yet: say how to run the process with `run`")],
    rules: &[],
};

/// `health` of a service.
pub(crate) static HEALTH: Shape = Shape {
    what: "a health check",
    name: "health",
    keys: &[
        key("http", Form::UrlPath, "GET this path on the service's port; 2xx and 3xx are healthy."),
        key("tcp", Form::Port, "Connect to this port on loopback."),
        key("exec", Form::Command, "Run this command; exit code 0 is healthy."),
        key("every", Form::Duration, "Time from one try to the next; 5s by default."),
        key("timeout", Form::Duration, "How long one try may take; 2s by default, at most `every`."),
        key(
            "unhealthy_after",
            Form::Count(1, 1000),
            "Failed tries in a row that make it unhealthy; 3 by default.",
        ),
        key("grace", Form::Duration, "How long after a start failed tries do not count; 30s by default."),
    ],
    not_built: &[],
    rules: &[Rule::One(&["http", "tcp", "exec"])],
};

/// `limits` of a service.
pub(crate) static LIMITS: Shape = Shape {
    what: "limits",
    name: "limits",
    keys: &[key("memory", Form::Size, "Resident memory of the process and everything it started.")],
    not_built: &[("cpu", "Limits on CPU are not built yet: only `memory` is")],
    rules: &[],
};

/// `stop` of a service.
pub(crate) static STOP: Shape = Shape {
    what: "stop",
    name: "stop",
    keys: &[
        key(
            "signal",
            Form::OneOf(&["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL"]),
            "The signal to ask with; SIGTERM by default.",
        ),
        key("deadline", Form::Duration, "How long it may take to end before it is killed; 10s by default."),
    ],
    not_built: &[],
    rules: &[],
};

/// What editors show for a command line.
pub(crate) fn variables() -> String {
    VARIABLES.map(|name| format!("${{{name}}}")).join(", ") + ", and ${var.NAME}"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Restart, StopSignal};

    fn words(shape: &Shape, name: &str) -> &'static [&'static str] {
        match shape.key(name).map(|key| &key.form) {
            Some(Form::OneOf(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    /// The reader knows what the words mean, this table only which there are.
    #[test]
    fn words_are_those_that_the_reader_takes() {
        assert_eq!(words(&STOP, "signal"), StopSignal::ALL.map(|(name, _)| name));
        let restart = [Restart::Always, Restart::OnFailure, Restart::Never].map(Restart::as_str);
        assert_eq!(words(&SERVICE, "restart"), restart);
    }
}
