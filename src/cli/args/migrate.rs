//! Arguments of `migrate`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::OutputArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline migrate jobs/*.toml
  paceline migrate --check jobs/*.toml          in CI: what would change, and exit code 1, if a file is old

Only what has another name or another form in the present version changes: comments, and the order of \
keys, stay. A file that can't be brought there is left as it is, with exit code 2. Files that a job \
includes are migrated by their own names.";

/// Arguments of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The job files
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<PathBuf>,
    /// Changes nothing: shows what would change, with exit code 1
    #[arg(long, env = "PACELINE_CHECK", value_parser = BoolishValueParser::new())]
    pub check: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}
