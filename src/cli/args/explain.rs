//! Arguments of `explain`.

use clap::Args;

use super::TextArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline explain                     every code and what it means
  paceline explain P0103               why it is told, a job that has it, and how it is mended

Exit code 2 when there is no such code.";

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The code of an error or warning; without one, all codes are listed
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: TextArgs,
}
