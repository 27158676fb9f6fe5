//! `triggers` and its verbs.

use clap::{Args, Subcommand};

use mainstay_model::{Timestamp, parse_duration};

use super::At;

/// `triggers`
#[derive(Debug, Args)]
pub struct Triggers {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<TriggersVerb>,
}

/// `triggers …`
#[derive(Debug, Subcommand)]
pub enum TriggersVerb {
    /// List the triggers with what each did last, and what waits
    List {
        /// Of this workload
        #[arg(long, value_name = "NAME")]
        workload: Option<String>,
    },
    /// Show a trigger: what it is for, what it did, and when it fires next
    Show(One),
    /// Show when the schedule of a trigger's file fires next, with no server
    ///
    /// Exit code 1: it has no schedule, or it does not fire any more. 2: the file is refused.
    Next {
        /// The trigger, YAML or JSON
        #[arg(value_name = "FILE")]
        file: std::path::PathBuf,
        /// After this time: RFC 3339 or seconds since the epoch [default: now]
        #[arg(long, value_name = "TIME", value_parser = when)]
        from: Option<Timestamp>,
        /// So many
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
    },
    /// List the calls that were given up, the last one first
    Dead {
        /// Of this trigger
        trigger: Option<String>,
        /// Of this workload
        #[arg(long, value_name = "NAME")]
        workload: Option<String>,
        /// So many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
    },
    /// Try calls again that were given up, with the same idempotency key
    Redrive(Calls),
    /// Drop calls that were given up; with --waiting those that still wait
    Drop {
        /// Which
        #[command(flatten)]
        some: Calls,
        /// Not the ones that were given up but those that wait for their turn or for another try
        #[arg(long, conflicts_with = "id")]
        waiting: bool,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Send events of the past to one trigger again, marked as a replay
    Replay {
        /// The trigger
        #[command(flatten)]
        one: One,
        /// Events that came in from this time on: RFC 3339, seconds since the epoch, or how long ago (`2h`)
        #[arg(long, value_name = "TIME", value_parser = when)]
        from: Timestamp,
        /// Events that came in until this time [default: now]
        #[arg(long, value_name = "TIME", value_parser = when)]
        to: Option<Timestamp>,
        /// Only say how many match
        #[arg(long)]
        dry_run: bool,
    },
    /// Turn a trigger off: nothing matches, and its calls are held, until it is enabled
    Disable {
        /// The trigger
        #[command(flatten)]
        one: One,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Turn a trigger on again that was disabled
    Enable {
        /// The trigger
        #[command(flatten)]
        one: One,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// One trigger.
#[derive(Debug, Args)]
pub struct One {
    /// The trigger's name
    #[arg(value_name = "TRIGGER")]
    pub name: String,
    /// Its workload, where several have one of that name
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
}

/// One call, or those of a trigger.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Calls {
    /// The call's id, as `mainstay triggers dead` shows it
    #[arg(required_unless_present = "trigger")]
    pub id: Option<String>,
    /// All of this trigger
    #[arg(long, value_name = "TRIGGER", conflicts_with = "id")]
    pub trigger: Option<String>,
    /// The trigger's workload, where several have one of that name
    #[arg(long, value_name = "NAME", requires = "trigger")]
    pub workload: Option<String>,
}

/// A time, or how long ago it was.
fn when(text: &str) -> Result<Timestamp, String> {
    match parse_duration(text) {
        Ok(ago) => Ok(crate::time::now().minus(ago)),
        Err(_) => text.parse::<At>().map(|at| at.0).map_err(|_| {
            "expected a time such as 2026-11-22T15:04:05Z, or how long ago, such as 2h".to_owned()
        }),
    }
}
