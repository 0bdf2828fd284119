//! Arguments of `run`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{JobArgs, OutputArgs};
use crate::run::RunOptions;
use crate::serve::Address;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline run jobs/prices.toml
  paceline run jobs/prices.toml --limit 10                    the first ten rows
  paceline run jobs/prices.toml --profile ci --var base=demo:
  paceline run jobs/prices.toml --set retry.attempts=2
  paceline run jobs/prices.toml --failed                      again what failed
  paceline run jobs/prices.toml --serve 127.0.0.1:0           a page to watch it in a browser
  paceline run jobs/prices.toml --metrics 127.0.0.1:9464      metrics for Prometheus meanwhile

The first Ctrl-C ends what is in flight and prints the command that goes on; the second gives up what \
is in flight; the third leaves at once. Whichever it was, `run` goes on from the last commit.";

/// Arguments of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// The job file
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Sends only the rows that failed in the run before
    #[arg(long, env = "PACELINE_FAILED", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub failed: bool,
    /// Forgets an unfinished run and starts anew; outputs that exist are treated as `on-existing` says
    #[arg(long, env = "PACELINE_FRESH", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub fresh: bool,
    /// Goes on although the job or an input changed in what it would send
    #[arg(long, env = "PACELINE_ACCEPT_CHANGES", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub accept_changes: bool,
    /// Prints the plan and sends nothing
    #[arg(long, env = "PACELINE_DRY_RUN", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Who may look at a run over HTTP while it works.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Watch")]
pub struct WatchArgs {
    /// Serves a page that shows the run while it goes on; standard error says its URL, which has a token
    #[arg(long, value_name = "ADDRESS", env = "PACELINE_SERVE")]
    pub serve: Option<Address>,
    /// Serves metrics for Prometheus at http://ADDRESS/metrics while the run goes on
    #[arg(long, value_name = "ADDRESS", env = "PACELINE_METRICS")]
    pub metrics: Option<Address>,
    /// Lets --serve and --metrics listen where other machines can reach it
    #[arg(long, env = "PACELINE_SERVE_ANYWHERE", value_parser = BoolishValueParser::new())]
    pub serve_anywhere: bool,
}

impl RunArgs {
    /// How the run is begun.
    #[must_use]
    pub fn options(&self) -> RunOptions {
        RunOptions { fresh: self.fresh, accept_changes: self.accept_changes, failed_only: self.failed }
    }
}
