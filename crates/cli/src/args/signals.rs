//! What the verbs take that look at signals.

use clap::{Args, Subcommand, ValueEnum};

/// `metrics`
#[derive(Debug, Args)]
pub struct Metrics {
    /// The query
    #[arg(value_name = "PROMQL")]
    pub query: String,
    /// Evaluate over the time from so long ago until now (`5m`)
    #[arg(long, value_name = "DURATION", value_parser = mainstay_model::parse_duration)]
    pub range: Option<std::time::Duration>,
    /// The time between two points of a range
    #[arg(long, value_name = "DURATION", value_parser = mainstay_model::parse_duration, requires = "range")]
    pub step: Option<std::time::Duration>,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Only of this service
    #[arg(long)]
    pub service: Option<String>,
    /// Only of this trace
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
    /// Only at least so severe
    #[arg(long, value_enum, ignore_case = true)]
    pub severity: Option<Severity>,
    /// Only those whose text contains this
    #[arg(long, value_name = "TEXT")]
    pub contains: Option<String>,
    /// Go on with records as they come in
    #[arg(long, short)]
    pub follow: bool,
    /// So many of the newest
    #[arg(long, short = 'n', default_value_t = 100)]
    pub lines: usize,
}

/// How severe a log record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    /// TRACE
    Trace,
    /// DEBUG
    Debug,
    /// INFO
    Info,
    /// WARN
    Warn,
    /// ERROR
    Error,
    /// FATAL
    Fatal,
}

/// `traces`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Traces {
    /// Show one.
    #[command(subcommand)]
    pub verb: Option<TracesVerb>,
    /// Only those that this service took part in
    #[arg(long)]
    pub service: Option<String>,
    /// So many of the newest
    #[arg(long, short = 'n', default_value_t = 20)]
    pub lines: usize,
}

/// `traces …`
#[derive(Debug, Subcommand)]
pub enum TracesVerb {
    /// Show the spans of a trace as a tree
    Show {
        /// The trace's id
        id: String,
    },
}
