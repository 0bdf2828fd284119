//! Arguments of `kinds`.

use clap::Args;

use super::TextArgs;

/// Arguments of `kinds`.
#[derive(Debug, Clone, Copy, Args)]
pub struct KindsArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: TextArgs,
}
