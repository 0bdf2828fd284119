//! Arguments of `man`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline man | man -l -                                    read it
  paceline man ~/.local/share/man/man1                       install it: man paceline-run";

/// Arguments of `man`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Writes a page for the program and one for each command into this folder, which is made
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
