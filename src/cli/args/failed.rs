//! Arguments of `failed`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{JobArgs, OutputArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline failed jobs/prices.toml > failed.csv               then input = \"failed.csv\" in another job
  paceline failed jobs/prices.toml --endpoint price
  paceline failed jobs/prices.toml --reasons | column -ts,

Rows stand as they were in the input, in its order and under its columns, as CSV with commas, whatever --output \
says. CSV has no types: of an input that has them (JSON, Parquet, a database) numbers come back as text, null as \
nothing, and a list or an object as its JSON. Rows that bring columns of their own have the columns of all of them. \
A row of the input that could not be read is in --reasons alone: fed back it would be another row.

The input is read again, and must be as it was. --reasons says after how many attempts a row failed, of which kind \
and why; the kind `unknown` means that the run was cut off while its request was on the wire.";

/// Arguments of `failed`.
#[derive(Debug, Clone, Args)]
pub struct FailedArgs {
    /// The job file
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// The endpoint whose rows are printed; needed where rows of several failed
    #[arg(long, value_name = "NAME", env = "PACELINE_ENDPOINT", help_heading = "Rows")]
    pub endpoint: Option<String>,
    /// Puts the columns endpoint, row, attempts, kind and error in front
    #[arg(long, env = "PACELINE_REASONS", help_heading = "Rows", value_parser = BoolishValueParser::new())]
    pub reasons: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
