//! Arguments of `explain`.

use clap::Args;

use crate::diagnostic::Format;

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
    /// How it is written; github is as human
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_OUTPUT", default_value_t = Format::Human)]
    pub output: Format,
}
