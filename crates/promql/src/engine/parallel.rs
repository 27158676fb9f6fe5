//! One column per series, on several threads when the options ask for it.
//!
//! What each thread makes is delivered in the order of the series, and held and remarked on only then, so that the
//! answer, its remarks and the limits a query meets are those of an evaluation on one thread.

use super::column::{Budget, Column};
use super::notes::Notes;
use super::{Eval, EvalError, Sink, Source};
use crate::series::{Selection, SeriesData};

/// Samples and steps that are worth a thread.
const PIECE: usize = 25_000;

/// Makes the column of a series; `None` where there is nothing to make one from.
pub(super) type Make<'m> = &'m (dyn Fn(&Eval<'_>, &SeriesData) -> Result<Option<Column>, EvalError> + Sync);

/// What became of one series.
type Made = (Result<Option<Column>, EvalError>, Notes);

/// What stands for the store on a thread, where series are given.
struct NoStore;

impl Source for NoStore {
    fn select(&self, _selection: &Selection<'_>) -> Result<Vec<SeriesData>, EvalError> {
        Ok(Vec::new())
    }
}

impl Eval<'_> {
    /// Makes the columns of the series and delivers those that have a sample, in the order of the series.
    pub(super) fn each_series(
        &self,
        found: &[SeriesData],
        steps: usize,
        make: Make<'_>,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let threads = self.options.parallel.max(1);
        let work = |series: &SeriesData| series.samples.len().saturating_add(steps);
        let total = found.iter().map(work).fold(0, usize::saturating_add);
        if threads == 1 || found.len() < 2 || total < PIECE {
            return self.one_by_one(found, make, sink);
        }
        let mut rest = found;
        while !rest.is_empty() {
            let pieces = pieces(&mut rest, threads, work);
            let scratch = self.budget.rest();
            let made = self.on_threads(&pieces, &scratch, make);
            let too_many = |made: &Made| matches!(made.0, Err(EvalError::TooManySamples));
            if made.iter().flatten().any(too_many) {
                // Together they need more than there is; one after another they may not.
                pieces.iter().try_for_each(|piece| self.one_by_one(piece, make, sink))?;
                continue;
            }
            for (column, notes) in made.into_iter().flatten() {
                self.notes.absorb(notes);
                if let Some(mut column) = column? {
                    column.hold_again(&self.budget)?;
                    if !column.is_blank() {
                        sink(column)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn one_by_one(&self, found: &[SeriesData], make: Make<'_>, sink: Sink<'_>) -> Result<(), EvalError> {
        for series in found {
            if let Some(column) = make(self, series)?.filter(|column| !column.is_blank()) {
                sink(column)?;
            }
        }
        Ok(())
    }

    /// Makes the columns of each piece on a thread of its own; this one takes the first piece.
    fn on_threads(&self, pieces: &[&[SeriesData]], scratch: &Budget, make: Make<'_>) -> Vec<Vec<Made>> {
        let (options, times) = (self.options, self.times);
        let of_piece = |piece: &[SeriesData]| -> Vec<Made> {
            let mut eval = Eval::new(&NoStore, options, scratch.clone(), times);
            let mut made = Vec::with_capacity(piece.len());
            for series in piece {
                let column = match made.is_empty() {
                    true => eval.check_cancelled().and_then(|()| make(&eval, series)),
                    false => make(&eval, series),
                };
                let failed = column.is_err();
                made.push((column, std::mem::take(&mut eval.notes)));
                if failed {
                    break;
                }
            }
            made
        };
        let of_piece = &of_piece;
        std::thread::scope(|scope| {
            let (first, others) = pieces.split_first().map_or((&[][..], &[][..]), |(a, b)| (*a, b));
            let handles: Vec<_> = others
                .iter()
                .map(|piece| {
                    let spawned = std::thread::Builder::new().spawn_scoped(scope, move || of_piece(piece));
                    (*piece, spawned)
                })
                .collect();
            let mut made = vec![of_piece(first)];
            for (piece, spawned) in handles {
                made.push(match spawned {
                    Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    // The system has no thread to give.
                    Err(_) => of_piece(piece),
                });
            }
            made
        })
    }
}

/// Takes as many pieces of about equal work from the series as there are threads.
fn pieces<'s>(
    rest: &mut &'s [SeriesData],
    threads: usize,
    work: impl Fn(&SeriesData) -> usize,
) -> Vec<&'s [SeriesData]> {
    let mut pieces = Vec::with_capacity(threads);
    while pieces.len() < threads && !rest.is_empty() {
        let mut done = 0usize;
        let enough = rest.iter().position(|series| {
            done = done.saturating_add(work(series));
            done >= PIECE
        });
        let (piece, after) = rest.split_at(enough.map_or(rest.len(), |at| at + 1));
        pieces.push(piece);
        *rest = after;
    }
    pieces
}
