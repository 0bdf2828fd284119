//! Arguments of `check`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline check jobs/*.toml
  paceline check jobs/prices.toml --output github             annotations in a pull request
  paceline check jobs/prices.toml --sample reply.json         do its columns find something in a reply

Everything that is wrong is shown, not only the first. Exit code 2 when a file has an error; warnings
alone leave 0.";

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The job files
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Reads nothing that may hold a secret, such as an --env-file: for where there are no credentials
    #[arg(long, env = "PACELINE_NO_SECRETS", value_parser = BoolishValueParser::new(), help_heading = "Job")]
    pub no_secrets: bool,
    /// Judges a reply from a file as a run would, and shows the record; of several endpoints, ENDPOINT=FILE
    #[arg(long, value_name = "FILE", env = "PACELINE_SAMPLE", help_heading = "Job")]
    pub sample: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
