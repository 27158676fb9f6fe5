//! What to do about a schedule now: a pure answer from what was settled before and what time it is.

use std::time::Duration;

use mainstay_model::Timestamp;

use super::{Expression, Schedule};

/// The most missed firings that are counted one by one.
pub const MAX_MISSED: u32 = 10_000;

/// A clock that goes back by more than this was wrong before, and what it settled does not hold the schedule up.
const MAX_SETBACK: Duration = Duration::from_secs(24 * 3600);

/// What is known of a schedule's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When the schedule came in force. It must stay the same over restarts and over revisions that leave the schedule
    /// as it is: a rate without a start counts from it.
    pub since: Timestamp,
    /// The scheduled time up to which everything was fired or given up.
    pub settled: Option<Timestamp>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The scheduled time of the firing to carry out now. There is one at most, however long nobody looked.
    pub fire: Option<Timestamp>,
    /// How much later that is than it should have been carried out.
    pub late: Duration,
    /// How many firings are given up: those that a later one makes up for, and those that are too late by now.
    /// [`MAX_MISSED`] stands for that many or more.
    pub missed: u32,
    /// The scheduled time of the last one that is given up.
    pub last_missed: Option<Timestamp>,
    /// What to keep as [`Progress::settled`] with the firing, in one write.
    pub settled: Option<Timestamp>,
    /// Set when the clock went back by more than a day.
    pub setback: Option<Setback>,
    /// When to ask again. `None` when nothing comes any more.
    pub wake: Option<Timestamp>,
}

/// The clock was ahead when the schedule was last looked at: what it settled lies more than a day in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setback {
    /// What was settled by the wrong clock.
    pub settled: Timestamp,
}

impl Schedule {
    /// What to do at `now`, for a schedule whose firings are carried out `delay` after their scheduled time
    /// ([`Schedule::delay`]), and at most `patience` later than that.
    ///
    /// Firings that were missed are not made up for one by one: the last of them is carried out if it is not too late,
    /// and the others are given up and counted. A clock that goes back fires nothing again. If it goes back by more than
    /// a day, its earlier time was wrong: the schedule goes on from now, and only the ids that follow from scheduled
    /// times keep what happened from happening again.
    pub fn due(&self, progress: Progress, now: Timestamp, delay: Duration, patience: Duration) -> Due {
        let until = now.minus(delay);
        let setback = progress
            .settled
            .filter(|settled| *settled > until.plus(MAX_SETBACK))
            .map(|settled| Setback { settled });
        let settled = if setback.is_some() { Some(until) } else { progress.settled };
        let latest = self
            .last_until(until, progress.since)
            .filter(|latest| settled.is_none_or(|settled| *latest > settled));
        let late = latest.map_or(Duration::ZERO, |latest| until.since(latest));
        let fire = latest.filter(|_| late <= patience);
        let (missed, last_missed) = match latest {
            Some(latest) => self.missed(progress.since, settled, latest, fire.is_none()),
            None => (0, None),
        };
        let settled = latest.or(settled);
        let from = settled.map_or(until, |settled| settled.max(until));
        Due {
            fire,
            late: if fire.is_some() { late } else { Duration::ZERO },
            missed,
            last_missed,
            settled,
            setback,
            wake: self.next_after(from, progress.since).map(|next| next.plus(delay)),
        }
    }

    /// How many firings lie after `settled` and before `latest`, or up to and with it, and the last of them.
    fn missed(
        &self,
        since: Timestamp,
        settled: Option<Timestamp>,
        latest: Timestamp,
        with_latest: bool,
    ) -> (u32, Option<Timestamp>) {
        let millisecond = Duration::from_millis(1);
        let last = if with_latest { Some(latest) } else { self.last_until(latest.minus(millisecond), since) };
        let Some(last) = last.filter(|last| settled.is_none_or(|settled| *last > settled)) else {
            return (0, None);
        };
        let from = settled.unwrap_or_else(|| since.minus(millisecond));
        let count = match (&self.expression, self.next_after(from, since)) {
            (_, None) => 0,
            (Expression::Rate(every), Some(first)) => {
                u32::try_from((last.as_millis() - first.as_millis()) / every + 1).unwrap_or(u32::MAX)
            }
            (_, Some(_)) => {
                let most = MAX_MISSED as usize;
                let found = self.upcoming(from, since).take(most).take_while(|at| *at <= last).count();
                u32::try_from(found).unwrap_or(u32::MAX)
            }
        };
        (count.min(MAX_MISSED), Some(last))
    }
}
