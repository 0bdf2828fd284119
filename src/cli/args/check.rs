//! Arguments of `check`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline check jobs/*.toml
  paceline check jobs/prices.toml --output github             annotations in a pull request
  paceline check jobs/prices.toml --sample reply.json         do its columns find something in a reply
  paceline check jobs/prices.toml --online                    asks the servers, with one row of each endpoint

Everything that is wrong is shown, not only the first. Exit code 2 when a file has an error, 1 when a row would fail with the reply of --sample, 3 when --online meets an error; warnings alone leave 0.";

/// What `check` may ask over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Online {
    /// Nothing
    #[default]
    #[value(aliases = ["0", "false", "no"])]
    Off,
    /// Connections, tokens and logins, and requests that change nothing (GET, HEAD)
    #[value(aliases = ["1", "true", "yes"])]
    Read,
    /// The first request of every endpoint, whatever it does
    Send,
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The job files; - is standard input
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Asks the servers of the job: connects, fetches tokens, logs in and sends the first request of each endpoint
    #[arg(long, value_enum, value_name = "WHAT", env = "PACELINE_ONLINE", help_heading = "Job", num_args = 0..=1,
          require_equals = true, default_value_t = Online::Off, default_missing_value = "read")]
    pub online: Online,
    /// Reads nothing that may hold a secret, such as an --env-file: for where there are no credentials
    #[arg(long, env = "PACELINE_NO_SECRETS", value_parser = BoolishValueParser::new(), help_heading = "Job")]
    pub no_secrets: bool,
    /// Judges a reply from a file, a body alone or with its head (`curl -i`), as a run would, and shows the record; of several endpoints, ENDPOINT=FILE
    #[arg(long, value_name = "FILE", env = "PACELINE_SAMPLE", help_heading = "Job")]
    pub sample: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
