//! One column per series, on several threads when the options ask for it.
//!
//! What each thread makes is delivered in the order of the series, and held and remarked on only then, so that the
//! answer, its remarks and the limits a query meets are those of an evaluation on one thread.

use super::column::{Budget, Column};
use super::notes::Notes;
use super::select::Fetch;
use super::{Eval, EvalError, SeriesVisitor, Sink, Source};
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
    fn each(&self, _selection: &Selection<'_>, _visit: SeriesVisitor<'_>) -> Result<(), EvalError> {
        Ok(())
    }
}

impl Eval<'_> {
    /// Makes the columns of the series and delivers those that have a sample, in the order of the series.
    pub(super) fn each_series(
        &self,
        fetch: &Fetch<'_>,
        steps: usize,
        make: Make<'_>,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let threads = self.options.parallel.max(1);
        if threads == 1 {
            return self.fetch(fetch, &mut |series| self.one(&series, make, sink));
        }
        let work = |series: &SeriesData| series.samples.len().saturating_add(steps);
        let mut batch = Vec::new();
        let mut total = 0usize;
        self.fetch(fetch, &mut |series| {
            total = total.saturating_add(work(&series));
            batch.push(series);
            if total < PIECE.saturating_mul(threads) {
                return Ok(());
            }
            total = 0;
            self.batch(&std::mem::take(&mut batch), threads, &work, make, sink)
        })?;
        self.batch(&batch, threads, &work, make, sink)
    }

    /// Works on as many series as are worth the threads.
    fn batch(
        &self,
        found: &[SeriesData],
        threads: usize,
        work: &dyn Fn(&SeriesData) -> usize,
        make: Make<'_>,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let total = found.iter().map(work).fold(0, usize::saturating_add);
        if found.len() < 2 || total < PIECE {
            return found.iter().try_for_each(|series| self.one(series, make, sink));
        }
        let mut rest = found;
        while !rest.is_empty() {
            let pieces = pieces(&mut rest, threads, work);
            let scratch = self.budget.rest();
            let made = self.on_threads(&pieces, &scratch, make);
            let too_many = |made: &Made| matches!(made.0, Err(EvalError::TooManySamples));
            if made.iter().flatten().any(too_many) {
                // Together they need more than there is; one after another they may not.
                pieces.into_iter().flatten().try_for_each(|series| self.one(series, make, sink))?;
                continue;
            }
            for (series, (column, notes)) in pieces.into_iter().flatten().zip(made.into_iter().flatten()) {
                let _hold = self.budget.hold(series.samples.len())?;
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

    /// The samples of a series count as held while it is worked on and its column is taken in.
    fn one(&self, series: &SeriesData, make: Make<'_>, sink: Sink<'_>) -> Result<(), EvalError> {
        let _hold = self.budget.hold(series.samples.len())?;
        match make(self, series)?.filter(|column| !column.is_blank()) {
            Some(column) => sink(column),
            None => Ok(()),
        }
    }

    /// Makes the columns of each piece on a thread of its own; this one takes the first piece.
    fn on_threads(&self, pieces: &[&[SeriesData]], scratch: &Budget, make: Make<'_>) -> Vec<Vec<Made>> {
        let (options, times) = (self.options, self.times);
        let of_piece = |piece: &[SeriesData]| -> Vec<Made> {
            let mut eval = Eval::new(&NoStore, options, scratch.clone(), times);
            let mut made = Vec::with_capacity(piece.len());
            for series in piece {
                let asked = if made.is_empty() { eval.check_cancelled() } else { Ok(()) };
                let column = asked.and_then(|()| {
                    let _hold = eval.budget.hold(series.samples.len())?;
                    make(&eval, series)
                });
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
