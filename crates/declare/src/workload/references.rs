//! Whether the parts of one workload fit together: the components they name exist, none waits for itself, and no two
//! services want the same port.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mainstay_model::Selector;

use super::fields::{Reader, Spanned};
use super::read::References;

/// Checks them all.
pub(super) fn check(reader: &Reader<'_>, references: &References) {
    let all_named = references.named.iter().chain(references.depends_on.values().flatten());
    for named in all_named {
        if !references.components.contains_key(&named.text) {
            let message = format!("There is no component `{}`", named.text);
            let diagnostic = reader.error("unknown-component", named.span.clone(), message);
            let known: Vec<&str> = references.components.keys().map(String::as_str).collect();
            let diagnostic = diagnostic.nearest(&named.text, known.iter().copied());
            let list = known.iter().take(10).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            reader.push(match diagnostic.help {
                None if !known.is_empty() && known.len() <= 10 => {
                    diagnostic.help(format!("known are {list}"))
                }
                _ => diagnostic,
            });
        }
    }
    cycles(reader, &references.depends_on);
    ports(reader, references);
}

/// How far the walk has come with a component.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    OnTheWay,
    Done,
}

/// Reports each circle once, as the path that closes it. The walk keeps its own stack, so that a long chain of
/// components cannot overflow.
fn cycles(reader: &Reader<'_>, depends_on: &BTreeMap<String, Vec<Spanned>>) {
    let mut marks: BTreeMap<&str, Mark> = BTreeMap::new();
    for start in depends_on.keys() {
        let mut way: Vec<(&str, usize)> = Vec::new();
        if !marks.contains_key(start.as_str()) {
            marks.insert(start, Mark::OnTheWay);
            way.push((start, 0));
        }
        while let Some((name, next)) = way.last_mut() {
            let edges = depends_on.get(*name).map(Vec::as_slice).unwrap_or_default();
            let Some(edge) = edges.get(*next) else {
                marks.insert(name, Mark::Done);
                way.pop();
                continue;
            };
            *next += 1;
            let to = edge.text.as_str();
            match marks.get(to) {
                Some(Mark::OnTheWay) => report(reader, depends_on, &way, edge),
                Some(Mark::Done) => {}
                None if depends_on.contains_key(to) => {
                    marks.insert(to, Mark::OnTheWay);
                    way.push((to, 0));
                }
                None => {}
            }
        }
    }
}

fn report(
    reader: &Reader<'_>,
    depends_on: &BTreeMap<String, Vec<Spanned>>,
    way: &[(&str, usize)],
    closing: &Spanned,
) {
    let from = way.iter().position(|(name, _)| *name == closing.text).unwrap_or(0);
    let circle = &way[from..];
    let mut names: Vec<&str> = circle.iter().map(|(name, _)| *name).collect();
    names.push(&closing.text);
    let message = if circle.len() == 1 {
        format!("The component `{}` depends on itself", closing.text)
    } else {
        format!("These components depend on each other in a circle: {}", names.join(" → "))
    };
    let mut diagnostic = reader
        .error("dependency-cycle", closing.span.clone(), message)
        .label("this closes the circle")
        .help("one of them must be able to start without the other");
    for (name, next) in &circle[..circle.len() - 1] {
        if let Some(edge) = depends_on.get(*name).and_then(|edges| edges.get(next - 1)) {
            let words = format!("`{name}` depends on `{}`", edge.text);
            diagnostic = diagnostic.related(reader.source.place(edge.span.clone(), words));
        }
    }
    reader.push(diagnostic);
}

/// Services on the same hosts cannot share a port. Where two selectors differ only the hosts can tell, so that is no
/// more than a warning.
pub(super) fn ports(reader: &Reader<'_>, references: &References) {
    let mut taken = BTreeMap::new();
    for (port, span, component, hosts) in &references.ports {
        let same = match taken.entry(*port) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert((span, component, hosts));
                None
            }
        };
        let (Some((first, other, other_hosts)), Some(hosts)) = (same, hosts) else { continue };
        let Some(other_hosts) = other_hosts else { continue };
        let place = reader.source.place(first.clone(), "and here");
        let surely = hosts == other_hosts || *hosts == Selector::any() || *other_hosts == Selector::any();
        reader.push(if surely {
            let message =
                format!("`{component}` and `{other}` listen on the same port {port} of the same hosts");
            reader.error("shared-port", span.clone(), message).related(place)
        } else {
            let message = format!(
                "`{component}` and `{other}` listen on the same port {port}, and a host may be chosen by both"
            );
            reader
                .source
                .warning("shared-port", span.clone(), message)
                .help("give them different ports, or hosts that exclude each other")
                .related(place)
        });
    }
}
