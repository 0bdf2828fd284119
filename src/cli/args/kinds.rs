//! Arguments of `kinds`.

use clap::Args;

use crate::diagnostic::Format;

/// Arguments of `kinds`.
#[derive(Debug, Clone, Copy, Args)]
pub struct KindsArgs {
    /// How the list is written; github is as human
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_OUTPUT", default_value_t = Format::Human)]
    pub output: Format,
}
