//! Functions over windows of plain floats that need not look at every sample of every window.

use std::collections::VecDeque;

use super::column::{Column, Grid};
use super::over::{advance, count, seconds};
use super::select::WindowShape;
use crate::functions::OverFn;
use crate::value::Samples;

/// The smallest or largest value of every window. Values that a later one outdoes are forgotten at once, so
/// the first of those remembered is the extreme, and each sample is looked at twice at most.
pub(super) fn extremes(
    samples: &Samples,
    shape: WindowShape,
    grid: Grid,
    largest: bool,
    column: &mut Column,
) {
    let (times, values) = (samples.times(), samples.values());
    let mut window = 0..0;
    let mut best: VecDeque<usize> = VecDeque::new();
    for (i, t) in grid.times().enumerate() {
        let end = shape.end(t);
        let before = window.end;
        advance(&mut window, times, end.saturating_sub(shape.range_ms), end);
        for at in before..window.end {
            let value = values[at];
            if value.is_nan() {
                continue;
            }
            let outdone = |known: usize| if largest { values[known] < value } else { values[known] > value };
            while best.back().is_some_and(|known| outdone(*known)) {
                best.pop_back();
            }
            best.push_back(at);
        }
        while best.front().is_some_and(|at| *at < window.start) {
            best.pop_front();
        }
        if !window.is_empty() {
            column.set_float(i, best.front().map_or(f64::NAN, |at| values[*at]));
        }
    }
}

/// `rate`, `increase` and `delta` of every window. The resets of a counter are looked for once; a window then
/// only needs its first and last sample and the resets between them. Answers whether there was any result.
///
/// The same arithmetic as [`super::over::extrapolation`], for counters whose beginning is not known.
pub(super) fn rates(
    op: OverFn,
    samples: &Samples,
    shape: WindowShape,
    grid: Grid,
    column: &mut Column,
) -> bool {
    let (times, values) = (samples.times(), samples.values());
    let counter = op != OverFn::Delta;
    let resets: Vec<usize> = if counter {
        (1..values.len()).filter(|i| values[*i] < values[*i - 1]).collect()
    } else {
        Vec::new()
    };
    let range = seconds(shape.range_ms);
    let (mut window, mut reset) = (0..0, 0..0);
    let mut any = false;
    for (i, t) in grid.times().enumerate() {
        let end = shape.end(t);
        let start = end.saturating_sub(shape.range_ms);
        advance(&mut window, times, start, end);
        if window.len() < 2 {
            continue;
        }
        while reset.end < resets.len() && resets[reset.end] < window.end {
            reset.end += 1;
        }
        while reset.start < reset.end && resets[reset.start] <= window.start {
            reset.start += 1;
        }
        let (first_at, last_at) = (window.start, window.end - 1);
        let (first, first_t, last_t) = (values[first_at], times[first_at], times[last_at]);
        let lost: f64 = resets[reset.clone()].iter().map(|at| values[at - 1]).sum();
        let difference = values[last_at] - first + lost;
        let sampled = seconds(last_t - first_t);
        let average = sampled / count(window.len() - 1);
        let threshold = average * 1.1;
        let (mut to_start, mut to_end) = (seconds(first_t - start), seconds(end - last_t));
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if counter && difference > 0.0 && first >= 0.0 {
            to_start = to_start.min(sampled * (first / difference));
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        let mut factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
        if op == OverFn::Rate {
            factor /= range;
        }
        column.set_float(i, difference * factor);
        any = true;
    }
    any
}
