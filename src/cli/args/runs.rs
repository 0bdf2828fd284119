//! Arguments of `runs`.

use std::path::PathBuf;

use clap::Args;

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline runs jobs/prices.toml
  paceline runs                                               all jobs of the state folder ./.paceline
  paceline runs jobs/prices.toml --output json | jq '.jobs[].runs[].rows'

The latest run is `complete` or `resumable`; one that was left for a new run before its end is `stopped`. The 20 \
runs before it are kept for 90 days.";

/// Arguments of `runs`.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// The job file; without one, all jobs of the state folder ./.paceline are listed
    #[arg(value_name = "JOB")]
    pub job: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
