//! Arguments of `demo`.

use clap::Args;

use super::TextArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline demo --port 8080
  curl http://127.0.0.1:8080/items/7

Job files reach it without this command: a url that begins with `demo:` starts it for the run.";

/// Arguments of `demo`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1 to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", env = "PACELINE_PORT", default_value_t = 0)]
    pub port: u16,
    /// Seed of everything that looks random
    #[arg(long, value_name = "N", env = "PACELINE_SEED", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: TextArgs,
}
