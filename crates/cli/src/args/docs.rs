//! What `mainstay docs` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `docs …`
#[derive(Debug, Subcommand)]
pub enum DocsVerb {
    /// Write pages, one Markdown document and one JSON document
    Build(DocsBuild),
    /// Print one value, for scripts (`components.checkout.endpoint`)
    Get(DocsGet),
    /// Say that notes fit what they describe as it is now
    Accept {
        /// Notes: Markdown files in the folder `docs` of a workload
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the pages in a browser while the files are being written
    Serve {
        /// The workload's directory
        #[arg(default_value = ".", value_name = "DIR")]
        dir: PathBuf,
        /// The port on loopback; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Print a link that opens the server's documentation in a browser, once
    Link {
        /// The workload, if there are several
        #[arg(value_name = "WORKLOAD")]
        workload: Option<String>,
    },
    /// Print the JSON Schema of docs.json
    Schema,
}

/// `docs build`
#[derive(Debug, Args)]
pub struct DocsBuild {
    /// The workload's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// The folder to write to: new, empty, or written by an earlier build
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Ask the server for this workload: its wanted revision, with what happened
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub workload: Option<String>,
}

/// `docs get`
#[derive(Debug, Args)]
pub struct DocsGet {
    /// Keys with dots between them, `[0]` for a place in a list, `["a.b"]` for a key with dots
    #[arg(value_name = "PATH")]
    pub path: String,
    /// The workload's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// Ask the server for this workload: its wanted revision, with what happened
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub workload: Option<String>,
}
