//! Which files of a directory mean what, and which folders are known but not built yet.

use std::fmt;

use crate::standards::STANDARD_FILE;
use crate::tree::{Node, NodeKind, Scalar, Typed};

/// The kinds of file that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `mainstay.yaml`
    Workload,
    /// An SSM document.
    Procedure,
    /// A Prometheus rule file.
    Rules,
    /// An EventBridge rule.
    Trigger,
    /// `standard.yaml`
    Standard,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Workload, Self::Procedure, Self::Rules, Self::Trigger, Self::Standard];

    /// The word for it, as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Procedure => "procedure",
            Self::Rules => "rules",
            Self::Trigger => "trigger",
            Self::Standard => "standard",
        }
    }

    /// What it is, as people read it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Workload => "a workload (`mainstay.yaml`)",
            Self::Procedure => "a procedure (SSM document, with `schemaVersion`)",
            Self::Rules => "alarms and recording rules (Prometheus rule file, with `groups`)",
            Self::Trigger => "a trigger (EventBridge rule, with `EventPattern` and `Targets`)",
            Self::Standard => "a standard (`standard.yaml`)",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one file of our own.
pub const WORKLOAD_FILE: &str = "mainstay.yaml";

/// The folders that are read.
const FOLDERS: [(&str, Kind); 4] = [
    ("runbooks", Kind::Procedure),
    ("playbooks", Kind::Procedure),
    ("alarms", Kind::Rules),
    ("triggers", Kind::Trigger),
];

/// The folders that a workload may have one day, and what they hold.
const NOT_BUILT: [(&str, &str); 10] = [
    ("slos", "SLOs (OpenSLO, Sloth)"),
    ("deploy", "Deployment and build files (AppSpec, buildspec)"),
    ("controls", "Controls (CEL, Rego, Guard)"),
    ("compliance", "Compliance catalogues (OSCAL)"),
    ("reviews", "Reviews (Well-Architected custom lenses)"),
    ("experiments", "Experiments (Chaos Toolkit)"),
    ("dashboards", "Dashboards (Grafana)"),
    ("oncall", "On-call rosters (iCalendar)"),
    ("access", "Access policies (Cedar)"),
    ("infrastructure", "Infrastructure (Terraform, CloudFormation)"),
];

/// Folders that mean nothing to us and may well hold YAML.
const FREE: [&str; 17] = [
    "bin",
    "build",
    "charts",
    "ci",
    "config",
    "data",
    "dist",
    "docs",
    "examples",
    "log",
    "logs",
    "node_modules",
    "scripts",
    "src",
    "standards",
    "target",
    "tests",
];

/// What a path of a workload's directory is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role<'a> {
    /// A file to read.
    Read(Kind),
    /// A file that may be attached to a procedure.
    Attached,
    /// A file of a folder that is not built, with the folder and what it holds.
    NotBuilt(&'static str, &'static str),
    /// A YAML file in a folder of an unknown name.
    UnknownFolder(&'a str),
    /// `mainstay.yml` and the like.
    Misnamed,
    /// Nothing to us.
    Ignored,
}

/// The names of all folders that mean something.
pub(crate) fn folder_names() -> impl Iterator<Item = &'static str> {
    FOLDERS.iter().map(|(name, _)| *name).chain(NOT_BUILT.iter().map(|(name, _)| *name))
}

fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default()
}

fn is_yaml(path: &str) -> bool {
    matches!(extension(path).as_str(), "yaml" | "yml")
}

/// Whether a file of this path is read; all others are of interest by their names only.
pub fn is_read(path: &str) -> bool {
    matches!(role(path), Role::Read(_) | Role::Attached)
}

/// Whether files of this folder, which lies in a workload's directory, are read.
pub fn is_read_folder(folder: &str) -> bool {
    FOLDERS.iter().any(|(name, _)| *name == folder)
}

/// Whether a file holds tests, by its name. They stand beside the rules or triggers that they test.
pub fn is_test_file(path: &str) -> bool {
    let path = path.to_lowercase();
    let stem = path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".yml"));
    stem.is_some_and(|stem| [".test", "_test", "-test"].iter().any(|suffix| stem.ends_with(suffix)))
}

/// The file's name without folders and extension, which names what it declares.
pub(crate) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What a path relative to a workload's directory is.
pub(crate) fn role(path: &str) -> Role<'_> {
    if path.split('/').any(|part| part.starts_with('.')) {
        return Role::Ignored;
    }
    let Some((folder, _)) = path.split_once('/') else {
        return match path {
            WORKLOAD_FILE => Role::Read(Kind::Workload),
            "mainstay.yml" | "mainstay.json" | "Mainstay.yaml" | "Mainstay.yml" => Role::Misnamed,
            _ => Role::Ignored,
        };
    };
    if let Some((_, kind)) = FOLDERS.iter().find(|(name, _)| *name == folder) {
        let read = match kind {
            Kind::Rules | Kind::Trigger if is_test_file(path) => false,
            Kind::Rules => is_yaml(path) || matches!(extension(path).as_str(), "json" | "rules"),
            _ => is_yaml(path) || extension(path) == "json",
        };
        let may_be_attached = *kind == Kind::Procedure && matches!(extension(path).as_str(), "py" | "zip");
        return match (read, may_be_attached) {
            (true, _) => Role::Read(*kind),
            (false, true) => Role::Attached,
            (false, false) => Role::Ignored,
        };
    }
    if let Some((name, holds)) = NOT_BUILT.iter().find(|(name, _)| *name == folder) {
        let words = matches!(extension(path).as_str(), "md" | "txt");
        return if words { Role::Ignored } else { Role::NotBuilt(name, holds) };
    }
    if is_yaml(path) && !FREE.contains(&folder) { Role::UnknownFolder(folder) } else { Role::Ignored }
}

/// What a path relative to a standard's directory is.
pub(crate) fn role_in_standard(path: &str) -> Role<'_> {
    match role(path) {
        Role::Read(Kind::Workload) | Role::Misnamed => Role::Ignored,
        Role::Ignored if path == STANDARD_FILE => Role::Read(Kind::Standard),
        Role::Ignored if path.ends_with("/standard.yaml") && path.starts_with("standards/") => {
            Role::NotBuilt("standards", "Standards inside a standard")
        }
        role => role,
    }
}

/// Whether a file of this path in a standard's directory is read.
pub fn is_read_in_standard(path: &str) -> bool {
    matches!(role_in_standard(path), Role::Read(_) | Role::Attached)
}

/// What a single file is, by its name and the folder nearest to it; `None` where only its content can tell.
pub(crate) fn role_of_single(path: &str) -> Option<Role<'_>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == WORKLOAD_FILE {
        return Some(Role::Read(Kind::Workload));
    }
    if name == STANDARD_FILE {
        return Some(Role::Read(Kind::Standard));
    }
    path.split('/').rev().skip(1).find_map(|part| {
        if let Some((_, kind)) = FOLDERS.iter().find(|(name, _)| *name == part) {
            return Some(Role::Read(*kind));
        }
        NOT_BUILT.iter().find(|(name, _)| *name == part).map(|(name, holds)| Role::NotBuilt(name, holds))
    })
}

/// What a value is, by its keys.
pub(crate) enum ContentKind {
    Known(Kind),
    NotBuilt(&'static str),
    Unknown,
}

/// Tells a value by its keys.
pub(crate) fn of_content(root: &Node) -> ContentKind {
    let has = |key: &str| root.get(key).is_some();
    let is = |key: &str, prefix: &str| {
        root.get(key).is_some_and(|entry| match &entry.value.kind {
            NodeKind::Scalar(Scalar { text, typed, .. }) => *typed != Typed::Null && text.starts_with(prefix),
            _ => false,
        })
    };
    let not_built = [
        (
            is("apiVersion", "openslo") || (has("slos") && is("version", "prometheus/")),
            "SLOs (OpenSLO, Sloth)",
        ),
        (has("rule_files") && has("tests") || has("evaluation_interval"), "Tests of rules (promtool)"),
        (has("trigger_files") && has("tests"), "Tests of triggers"),
        (has("schemaVersion") && has("pillars"), "Reviews (Well-Architected custom lenses)"),
        (has("phases") && has("version"), "Build files (buildspec)"),
        (
            is("version", "0.0") && (has("hooks") || has("files") || has("Resources")),
            "Deployment files (AppSpec)",
        ),
        (has("method") && has("title"), "Experiments (Chaos Toolkit)"),
        (has("panels") && has("title"), "Dashboards (Grafana)"),
        (
            ["catalog", "profile", "component-definition", "system-security-plan"].into_iter().any(has),
            "Compliance catalogues (OSCAL)",
        ),
        (has("AWSTemplateFormatVersion"), "CloudFormation templates"),
    ];
    if let Some((_, what)) = not_built.into_iter().find(|(found, _)| *found) {
        return ContentKind::NotBuilt(what);
    }
    if has("workload") || (has("components") && has("environments")) {
        ContentKind::Known(Kind::Workload)
    } else if has("standard") && has("version") {
        ContentKind::Known(Kind::Standard)
    } else if has("schemaVersion") {
        ContentKind::Known(Kind::Procedure)
    } else if has("groups") || is("kind", "PrometheusRule") {
        ContentKind::Known(Kind::Rules)
    } else if ["EventPattern", "ScheduleExpression", "Targets"].into_iter().any(has) {
        ContentKind::Known(Kind::Trigger)
    } else {
        ContentKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_roles() {
        for (path, role_of_it) in [
            ("mainstay.yaml", Role::Read(Kind::Workload)),
            ("mainstay.yml", Role::Misnamed),
            ("README.md", Role::Ignored),
            ("compose.yaml", Role::Ignored),
            ("runbooks/a.yaml", Role::Read(Kind::Procedure)),
            ("runbooks/db/a.JSON", Role::Read(Kind::Procedure)),
            ("runbooks/README.md", Role::Ignored),
            ("runbooks/db/helper.py", Role::Attached),
            ("alarms/helper.py", Role::Ignored),
            ("runbooks/.a.yaml.swp", Role::Ignored),
            ("alarms/a.rules", Role::Read(Kind::Rules)),
            ("alarms/a.test.yaml", Role::Ignored),
            ("alarms/a_test.yml", Role::Ignored),
            ("alarms/latest.yml", Role::Read(Kind::Rules)),
            ("triggers/a.yml", Role::Read(Kind::Trigger)),
            ("triggers/a.test.yaml", Role::Ignored),
            ("triggers/test.yaml", Role::Read(Kind::Trigger)),
            ("oncall/team.ics", Role::NotBuilt("oncall", "On-call rosters (iCalendar)")),
            ("oncall/README.md", Role::Ignored),
            ("runboks/a.yaml", Role::UnknownFolder("runboks")),
            ("runboks/a.sh", Role::Ignored),
            ("docs/a.yaml", Role::Ignored),
            (".github/a.yaml", Role::Ignored),
        ] {
            assert_eq!(role(path), role_of_it, "{path}");
        }
        assert_eq!(stem("runbooks/a.b.yaml"), "a.b");
        assert_eq!(role_of_single("/tmp/x/triggers/y/a.json"), Some(Role::Read(Kind::Trigger)));
        assert_eq!(role_of_single("/tmp/mainstay.yaml"), Some(Role::Read(Kind::Workload)));
        assert_eq!(role_of_single("runbooks.yaml"), None);
    }
}
