//! What the verbs take that change what runs.

use std::path::PathBuf;

use clap::Args;

/// `plan`
#[derive(Debug, Args)]
pub struct PlanVerb {
    /// The workload's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// Write the plan to this file, for `mainstay apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `show`
#[derive(Debug, Args)]
pub struct Show {
    /// The id of a change or revision; with --resolved the workload's directory [default: .]
    #[arg(value_name = "CHANGE|REVISION|DIR", required_unless_present = "resolved")]
    pub what: Option<String>,
    /// Show every value of a directory: what it is, which file says so, and what it wins over. Needs no server
    #[arg(long)]
    pub resolved: bool,
    /// Show the values of this environment only
    #[arg(long, value_name = "NAME", requires = "resolved")]
    pub environment: Option<String>,
}

/// `apply`
#[derive(Debug, Args)]
pub struct Apply {
    /// The workload's directory, or a file that `mainstay plan --out` wrote
    #[arg(value_name = "DIR|PLANFILE")]
    pub path: PathBuf,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// How it is carried out.
    #[command(flatten)]
    pub carry: Carry,
}

/// How a change is carried out.
#[derive(Clone, Debug, Default, Args)]
pub struct Carry {
    /// When something fails, leave what is done instead of rolling it back; the revision is the wanted one all the same
    #[arg(long)]
    pub keep: bool,
    /// Do not ask; without a terminal nobody is asked anyway
    #[arg(long, short)]
    pub yes: bool,
    /// Return as soon as the change is written down
    #[arg(long)]
    pub no_wait: bool,
}

/// `history`
#[derive(Debug, Args)]
pub struct History {
    /// Only of this workload
    #[arg(value_name = "WORKLOAD")]
    pub workload: Option<String>,
    /// So many
    #[arg(long, short = 'n', default_value_t = 20)]
    pub lines: usize,
}

/// `rollback`
#[derive(Debug, Args)]
pub struct Rollback {
    /// The revision, or the change that led to it [default: the one before the wanted one]
    #[arg(value_name = "REVISION")]
    pub to: Option<String>,
    /// The workload, if there are several and no revision is named
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    pub workload: Option<String>,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// How it is carried out.
    #[command(flatten)]
    pub carry: Carry,
}

/// `approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The change
    #[arg(value_name = "CHANGE")]
    pub id: String,
    /// Why; part of the record
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Approve it although you asked for it yourself, which becomes part of the record
    #[arg(long = "self")]
    pub own: bool,
    /// Return as soon as the approval is written down
    #[arg(long)]
    pub no_wait: bool,
}

/// `refuse`
#[derive(Debug, Args)]
pub struct Refuse {
    /// The change
    #[arg(value_name = "CHANGE")]
    pub id: String,
    /// Why; part of the record
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
}
