//! Arguments of `fmt`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::OutputArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline fmt jobs/*.toml
  paceline fmt --check jobs/*.toml              in CI: a diff, and exit code 1, if a file would change
  paceline fmt - < draft.toml > job.toml

Only spaces, line ends and quotes change: comments, and the order of keys, stay. Spaces before `=` \
stay where they line it up with another `=` of the group. A file with a syntax error is left as it is, \
with exit code 2.";

/// Arguments of `fmt`.
#[derive(Debug, Clone, Args)]
pub struct FmtArgs {
    /// The job files; - reads standard input and writes to standard output
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<PathBuf>,
    /// Changes nothing: shows what would change, with exit code 1
    #[arg(long, env = "PACELINE_CHECK", value_parser = BoolishValueParser::new())]
    pub check: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
