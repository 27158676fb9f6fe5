//! What may stand in `standard.yaml`, and in those parts of `mainstay.yaml` that are about standards.

use super::{CHANGES, Form, Rule, Shape, key, required};

/// What a tag rule may apply to.
pub(crate) const APPLIES_TO: &[&str] = &["components", "environments", "workload", "alarms"];

/// The types that a parameter may have.
pub(crate) const TYPES: &[&str] = &["text", "number", "flag", "duration"];

/// What of a standard a workload may declare itself.
pub(crate) const OVERRIDDEN: &[&str] = &["alarm", "trigger", "procedure"];

/// One of `standards`.
pub(crate) static USE: Shape = Shape {
    what: "the use of a standard",
    name: "standard-use",
    keys: &[
        required("name", Form::Name, "What it is called here; its files are shown under this name."),
        key("path", Form::Text, "Its directory, relative to this one; it may lie outside of it."),
        key("git", Form::Text, "The URL of the git repository it is in."),
        key("commit", Form::Commit, "The full name of the commit, 40 hexadecimal digits."),
        key("folder", Form::RelativePath, "Its folder in the repository; the top by default."),
        key("parameters", Form::Variables, "The values of its parameters."),
    ],
    not_built: &[("branch", MOVES), ("tag", MOVES), ("ref", MOVES), ("revision", MOVES), ("version", MOVES)],
    rules: &[Rule::One(&["path", "git"]), Rule::Needs("git", "commit")],
};

const MOVES: &str =
    "A branch or tag can be moved, and then nobody could say what a plan was made of: give the full `commit`";

/// One of `overrides`.
pub(crate) static OVERRIDE: Shape = Shape {
    what: "an override",
    name: "standard-override",
    keys: &[
        required("standard", Form::Name, "The standard, by its name in `standards`."),
        required("kind", Form::OneOf(OVERRIDDEN), "What it is."),
        required("name", Form::Text, "Its name."),
        required("because", Form::Text, "Why this workload does otherwise, for who reads it later."),
    ],
    not_built: &[],
    rules: &[],
};

/// One of `tag_policy`.
pub(crate) static TAG_RULE: Shape = Shape {
    what: "a tag rule",
    name: "tag-rule",
    keys: &[
        required("key", Form::Text, "The tag's key."),
        key("required", Form::Flag, "Whether there has to be one; true by default."),
        key("values", Form::Texts, "The values it may have; any by default."),
        key("pattern", Form::Text, "A regular expression that all of its value fits."),
        key("environments", Form::Texts, "The environments in which this holds; all by default."),
        key("applies_to", Form::Words(APPLIES_TO), "What has to have it; `[components]` by default."),
        key("because", Form::Text, "What the tag is for, for who is told to add it."),
    ],
    not_built: &[],
    rules: &[],
};

/// The whole of `standard.yaml`.
pub(crate) static STANDARD: Shape = Shape {
    what: "a standard",
    name: "standard",
    keys: &[
        required("standard", Form::Name, "The standard's name."),
        required("version", Form::Version(1), "The version of this file's format: 1."),
        key("description", Form::Text, "What it is for."),
        key(
            "parameters",
            Form::Parameters(&PARAMETER),
            "What who uses it can say; `${standard.NAME}` in its files.",
        ),
        key("tag_policy", Form::List(&TAG_RULE), "Which tags there have to be, and with what values."),
        key("changes", Form::Shape(&CHANGES), "Which changes wait for an approval, at least."),
    ],
    not_built: &[
        ("standards", "A standard inside a standard is not built: name both in the workload"),
        ("components", "A standard has no components of its own: they belong to workloads"),
        ("environments", "A standard has no environments of its own: they belong to workloads"),
        ("priorities", "A standard has no priorities of its own: they belong to workloads"),
        ("variables", "A standard has `parameters`, which the workload gives values"),
    ],
    rules: &[],
};

/// One of `parameters` of a standard.
pub(crate) static PARAMETER: Shape = Shape {
    what: "a parameter",
    name: "parameter",
    keys: &[
        required("type", Form::OneOf(TYPES), "What its values are."),
        key("description", Form::Text, "What it means."),
        key("default", Form::Scalar, "Its value where none is given; without one it has to be given."),
        key("allowed", Form::Scalars, "The values it may have; any of its type by default."),
    ],
    not_built: &[(
        "required",
        "A parameter without a `default` has to be given, so `required` is not needed",
    )],
    rules: &[],
};
