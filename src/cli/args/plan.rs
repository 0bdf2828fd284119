//! Arguments of `plan`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline plan jobs/prices.toml
  paceline plan jobs/prices.toml --rows 10
  paceline plan jobs/prices.toml --diff                       what changed since the latest run
  paceline plan jobs/prices.toml --curl
  paceline plan jobs/prices.toml --output json | jq '.endpoints[].requests'

Nothing is sent and no secret is read: secrets show as ***. With --diff, pace and patience \
(rates, retries, timeouts) are not compared: a run keeps no note of them.";

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The job file; - is standard input
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Reads nothing that may hold a secret, such as an --env-file: for where there are no credentials
    #[arg(long, env = "PACELINE_NO_SECRETS", value_parser = BoolishValueParser::new(), help_heading = "Job")]
    pub no_secrets: bool,
    /// Renders the requests of the first N rows of each endpoint
    #[arg(long, value_name = "N", env = "PACELINE_ROWS", help_heading = "Output", default_value_t = ROWS)]
    pub rows: u64,
    /// Shows only what differs from the latest run of the job: what would be sent and written, and the inputs
    #[arg(long, env = "PACELINE_DIFF", help_heading = "Output", value_parser = BoolishValueParser::new())]
    pub diff: bool,
    /// Prints these requests alone, as curl commands; secrets are names of variables in them
    #[arg(long, env = "PACELINE_CURL", help_heading = "Output", value_parser = BoolishValueParser::new())]
    pub curl: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Rendered requests of each endpoint, unless told otherwise.
pub const ROWS: u64 = 3;
