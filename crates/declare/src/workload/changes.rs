//! Which changes wait for an approval: `changes: { approval: { resources: 5, fields: 50, irreversible: true } }`.

use super::fields::Reader;
use crate::shape;
use crate::tree::{Node, NodeKind, Scalar, Typed};

/// What is declared about changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// From which size on they wait.
    pub approval: Approval,
}

/// What a change may do without an approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// It may touch so many resources; a change of more waits. `None` is no limit.
    pub resources: Option<u32>,
    /// It may change so many fields; a change of more waits. `None` is no limit.
    pub fields: Option<u32>,
    /// Whether it waits if any part of it cannot be undone.
    pub irreversible: bool,
}

impl Changes {
    /// Both of them: whatever waits under one of the two waits.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let (a, b) = (self.approval, other.approval);
        Self {
            approval: Approval {
                resources: least(a.resources, b.resources),
                fields: least(a.fields, b.fields),
                irreversible: a.irreversible || b.irreversible,
            },
        }
    }
}

/// Reads the value of `changes`.
pub(crate) fn read(reader: &Reader<'_>, node: &Node) -> Changes {
    let approval = reader
        .fields(node, &shape::CHANGES)
        .and_then(|fields| fields.required("approval", "{ resources: 5 }"))
        .and_then(|node| reader.fields(node, &shape::APPROVAL));
    let Some(fields) = approval else { return Changes::default() };
    let count = |key| fields.get(key).and_then(|node| reader.count(node, 0..=1_000_000));
    let irreversible = fields.get("irreversible").and_then(|node| flag(reader, node)).unwrap_or(false);
    Changes { approval: Approval { resources: count("resources"), fields: count("fields"), irreversible } }
}

/// True or false.
pub(crate) fn flag(reader: &Reader<'_>, node: &Node) -> Option<bool> {
    match &node.kind {
        NodeKind::Scalar(Scalar { typed: Typed::Bool(value), .. }) => Some(*value),
        _ => reader.wrong_type(node, "true or false"),
    }
}
