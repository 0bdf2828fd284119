//! Arguments of `report`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline report jobs/prices.toml                       the latest run of the job, as report-RUN.html
  paceline report 3f2a --output-file prices.html         the run whose id begins with 3f2a
  paceline report 3f2a --json | jq '.endpoints'          all that is known of it, for programs
  paceline report --compare 3f2a jobs/prices.toml        is the latest run better than that one?

A report is one file that loads nothing: it can be sent, kept and printed. It is made from what the state folder \
keeps of a run while it works and when it ends, so that a run at work, or one that was killed, has one too.

A RUN is looked for in the state folders of ./.paceline, and of the .paceline in each folder right below; --state \
names the one to look in. `paceline runs` lists them.";

/// Arguments of `report`.
#[derive(Debug, Clone, Default, Args)]
pub struct ReportArgs {
    /// The id of a run, or the beginning of it; or a job file, which stands for its latest run
    #[arg(value_name = "RUN|JOB", required = true, num_args = 1..=2)]
    pub runs: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Sets two runs side by side: what the second does better or worse than the first
    #[arg(long, env = "PACELINE_COMPARE", help_heading = "Report", value_parser = BoolishValueParser::new())]
    pub compare: bool,
    /// Writes to this file; - is standard output [default: report-RUN.html where the program was started]
    #[arg(long, value_name = "FILE", env = "PACELINE_OUTPUT_FILE", help_heading = "Report")]
    pub output_file: Option<PathBuf>,
    /// Writes all that the report would show as JSON; to standard output, unless --output-file says otherwise
    #[arg(long, env = "PACELINE_JSON", help_heading = "Report", value_parser = BoolishValueParser::new())]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
