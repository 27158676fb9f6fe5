//! The diagram of components: who needs whom, from left to right.
//!
//! A layered drawing: a component stands one column left of what it needs at least; within a column the order is
//! the one with few crossings that a few sweeps of averages find; arrows that pass a column go through a place of
//! their own in it, so that no arrow runs through a box. The same components always give the same drawing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::html::escape;
use super::subject::Documentation;

const BOX_HEIGHT: f64 = 46.0;
const ROW_GAP: f64 = 18.0;
const COLUMN_GAP: f64 = 72.0;
const PASS_HEIGHT: f64 = 14.0;
const MARGIN: f64 = 12.0;
const CHARACTER: f64 = 8.2;
/// Names are cut here; the whole name is in the title.
const MAX_NAME: usize = 34;
const SWEEPS: usize = 12;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Within a page, whose style sheet knows the classes.
    Inline,
    /// A file of its own, with its colours in it.
    File,
}

/// One place in a column: a component, or where an arrow passes.
#[derive(Clone, Debug)]
struct Place<'a> {
    name: Option<&'a str>,
    y: f64,
}

struct Layout<'a> {
    places: Vec<Place<'a>>,
    columns: Vec<Vec<usize>>,
    /// From place to place, one column to the right each.
    hops: Vec<(usize, usize)>,
    /// Each arrow as the places it goes through.
    arrows: Vec<Vec<usize>>,
}

/// The drawing, or nothing when there are no components.
pub(super) fn draw(documentation: &Documentation, kind: Kind) -> String {
    if documentation.components.is_empty() {
        return String::new();
    }
    let mut layout = layout(documentation);
    order(&mut layout);
    render(documentation, &mut layout, kind)
}

/// The column of each component: 0 for what nothing needs. Bounded even if the dependencies go in a circle.
fn levels(documentation: &Documentation) -> BTreeMap<&str, usize> {
    let components = &documentation.components;
    let mut level: BTreeMap<&str, usize> = components.keys().map(|name| (name.as_str(), 0)).collect();
    let most = components.len().saturating_sub(1);
    for _ in 0..components.len() {
        let mut moved = false;
        for (name, component) in components {
            let at = level[name.as_str()];
            for needed in &component.depends_on {
                if let Some(other) = level.get_mut(needed.as_str())
                    && *other <= at
                    && at < most
                    && needed != name
                {
                    *other = at + 1;
                    moved = true;
                }
            }
        }
        if !moved {
            break;
        }
    }
    level
}

fn layout(documentation: &Documentation) -> Layout<'_> {
    let level = levels(documentation);
    let count = level.values().max().map_or(1, |most| most + 1);
    let mut layout =
        Layout { places: Vec::new(), columns: vec![Vec::new(); count], hops: Vec::new(), arrows: Vec::new() };
    let mut at = BTreeMap::new();
    for (name, column) in &level {
        at.insert(*name, layout.places.len());
        layout.columns[*column].push(layout.places.len());
        layout.places.push(Place { name: Some(name), y: 0.0 });
    }
    for (name, component) in &documentation.components {
        for needed in component.depends_on.iter().collect::<BTreeSet<_>>() {
            let (Some(from), Some(to)) = (level.get(name.as_str()), level.get(needed.as_str())) else {
                continue;
            };
            // Only a circle leads back; `check` refuses it, and here it is not drawn.
            if to <= from {
                continue;
            }
            let mut way = vec![at[name.as_str()]];
            for column in from + 1..*to {
                layout.columns[column].push(layout.places.len());
                way.push(layout.places.len());
                layout.places.push(Place { name: None, y: 0.0 });
            }
            way.push(at[needed.as_str()]);
            layout.hops.extend(way.windows(2).map(|pair| (pair[0], pair[1])));
            layout.arrows.push(way);
        }
    }
    layout
}

/// Orders the columns by the average place of neighbours, to and fro, and keeps the order with the fewest crossings.
fn order(layout: &mut Layout<'_>) {
    let mut best = (crossings(layout), layout.columns.clone());
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let count = layout.columns.len();
        for step in 1..count {
            let (column, fixed) =
                if rightwards { (step, step - 1) } else { (count - 1 - step, count - step) };
            let rank: BTreeMap<usize, usize> =
                layout.columns[fixed].iter().enumerate().map(|(rank, place)| (*place, rank)).collect();
            let average = |place: usize, own: usize| {
                let near: Vec<usize> = layout
                    .hops
                    .iter()
                    .filter_map(|(from, to)| {
                        let (mine, other) = if rightwards { (*to, *from) } else { (*from, *to) };
                        (mine == place).then(|| rank.get(&other).copied()).flatten()
                    })
                    .collect();
                // Halves keep a place without neighbours where it is, in whole numbers.
                if near.is_empty() { own * 1000 } else { near.iter().sum::<usize>() * 1000 / near.len() }
            };
            let mut keyed: Vec<(usize, usize, usize)> = layout.columns[column]
                .iter()
                .enumerate()
                .map(|(own, place)| (average(*place, own), own, *place))
                .collect();
            keyed.sort_unstable();
            layout.columns[column] = keyed.into_iter().map(|(_, _, place)| place).collect();
        }
        let now = crossings(layout);
        if now < best.0 {
            best = (now, layout.columns.clone());
        }
    }
    layout.columns = best.1;
}

fn crossings(layout: &Layout<'_>) -> usize {
    let mut rank = vec![0; layout.places.len()];
    let mut column_of = vec![0; layout.places.len()];
    for (index, column) in layout.columns.iter().enumerate() {
        for (place, at) in column.iter().enumerate() {
            rank[*at] = place;
            column_of[*at] = index;
        }
    }
    let mut found = 0;
    for (index, (a, b)) in layout.hops.iter().enumerate() {
        for (c, d) in &layout.hops[index + 1..] {
            if column_of[*a] == column_of[*c]
                && (rank[*a] < rank[*c]) != (rank[*b] < rank[*d])
                && a != c
                && b != d
            {
                found += 1;
            }
        }
    }
    found
}

/// Moves the places of each column towards the middle of their neighbours, as far as their order leaves room.
fn settle(layout: &mut Layout<'_>) -> f64 {
    let height = |place: &Place<'_>| if place.name.is_some() { BOX_HEIGHT } else { PASS_HEIGHT };
    let tall = |layout: &Layout<'_>, column: &[usize]| {
        column.iter().map(|at| height(&layout.places[*at]) + ROW_GAP).sum::<f64>() - ROW_GAP
    };
    let total = layout.columns.iter().map(|column| tall(layout, column)).fold(0.0, f64::max);
    for column in layout.columns.clone() {
        let mut y = MARGIN + (total - tall(layout, &column)) / 2.0;
        for at in column {
            let own = height(&layout.places[at]);
            layout.places[at].y = y + own / 2.0;
            y += own + ROW_GAP;
        }
    }
    for _ in 0..SWEEPS {
        for column in layout.columns.clone() {
            let wanted: Vec<f64> = column
                .iter()
                .map(|at| {
                    let near: Vec<f64> = layout
                        .hops
                        .iter()
                        .filter_map(|(from, to)| match *at {
                            at if at == *from => Some(layout.places[*to].y),
                            at if at == *to => Some(layout.places[*from].y),
                            _ => None,
                        })
                        .collect();
                    if near.is_empty() {
                        layout.places[*at].y
                    } else {
                        near.iter().sum::<f64>() / near.len() as f64
                    }
                })
                .collect();
            let mut low = MARGIN;
            let mut room: f64 =
                column.iter().map(|at| height(&layout.places[*at]) + ROW_GAP).sum::<f64>() - ROW_GAP;
            for (at, wanted) in column.iter().zip(wanted) {
                let own = height(&layout.places[*at]);
                let highest = MARGIN + total - room;
                let top = (wanted - own / 2.0).max(low).min(highest.max(low));
                layout.places[*at].y = top + own / 2.0;
                low = top + own + ROW_GAP;
                room -= own + ROW_GAP;
            }
        }
    }
    total + 2.0 * MARGIN
}

fn short(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(MAX_NAME - 1).collect();
    format!("{kept}…")
}

fn render(documentation: &Documentation, layout: &mut Layout<'_>, kind: Kind) -> String {
    let height = settle(layout);
    let mut left = Vec::new();
    let mut widths = Vec::new();
    let mut x = MARGIN;
    for column in &layout.columns {
        let longest = column
            .iter()
            .filter_map(|at| layout.places[*at].name)
            .map(|name| short(name).chars().count())
            .max()
            .unwrap_or(0);
        let width = (longest as f64 * CHARACTER + 30.0).max(104.0);
        left.push(x);
        widths.push(width);
        x += width + COLUMN_GAP;
    }
    let width = x - COLUMN_GAP + MARGIN;
    let mut column_of = vec![0; layout.places.len()];
    for (index, column) in layout.columns.iter().enumerate() {
        for at in column {
            column_of[*at] = index;
        }
    }
    let mut out = format!(
        "<svg class=\"diagram\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Components and what they depend on\">\n"
    );
    if kind == Kind::File {
        out.push_str(FILE_STYLE);
    }
    out.push_str("<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path class=\"tip\" d=\"M0 0.8 L7.4 4 L0 7.2 z\"/></marker></defs>\n");
    for way in &layout.arrows {
        let mut path = String::new();
        for (hop, pair) in way.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let (a, b) = (column_of[from], column_of[to]);
            let (x1, y1) = (left[a] + widths[a], layout.places[from].y);
            let (x2, y2) =
                (left[b] - if layout.places[to].name.is_some() { 3.0 } else { 0.0 }, layout.places[to].y);
            if hop == 0 {
                let _ = write!(path, "M{x1:.1} {y1:.1}");
            } else {
                let _ = write!(path, " L{x1:.1} {y1:.1}");
            }
            let bend = (x2 - x1) * 0.5;
            let _ = write!(path, " C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend);
        }
        let _ = writeln!(out, "<path class=\"edge\" d=\"{path}\" marker-end=\"url(#tip)\"/>");
    }
    for (at, place) in layout.places.iter().enumerate() {
        let Some(name) = place.name else { continue };
        let (x, w) = (left[column_of[at]], widths[column_of[at]]);
        let top = place.y - BOX_HEIGHT / 2.0;
        let port =
            documentation.components.get(name).and_then(|component| component.service.as_ref()).map(
                |service| service.port.map_or_else(|| "service".to_owned(), |port| format!("port {port}")),
            );
        let (first, second) =
            if port.is_some() { (place.y - 3.0, place.y + 13.0) } else { (place.y + 4.5, 0.0) };
        let _ = write!(
            out,
            "<a href=\"components/{0}.html\"><title>{1}</title><rect class=\"node\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{BOX_HEIGHT}\" rx=\"7\"/><text class=\"name\" x=\"{2:.1}\" y=\"{first:.1}\" text-anchor=\"middle\">{3}</text>",
            escape(name),
            escape(documentation.components.get(name).and_then(|c| c.description.as_deref()).unwrap_or(name)),
            x + w / 2.0,
            escape(&short(name)),
        );
        if let Some(port) = port {
            let _ = write!(
                out,
                "<text class=\"small\" x=\"{:.1}\" y=\"{second:.1}\" text-anchor=\"middle\">{port}</text>",
                x + w / 2.0
            );
        }
        out.push_str("</a>\n");
    }
    out.push_str("</svg>\n");
    out
}

const FILE_STYLE: &str = "<style>
text { font-family: system-ui, sans-serif; font-size: 13.5px; fill: #1c2430; }
.small { font-size: 11px; fill: #5b6675; }
.node { fill: #ffffff; stroke: #c3cbd6; }
.edge { fill: none; stroke: #8a96a6; stroke-width: 1.4; }
.tip { fill: #8a96a6; }
@media (prefers-color-scheme: dark) {
  text { fill: #e7ebf0; } .small { fill: #9aa6b5; }
  .node { fill: #1a2028; stroke: #3a4552; } .edge { stroke: #74808f; } .tip { fill: #74808f; }
}
</style>
";
