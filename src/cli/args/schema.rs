//! Arguments of `schema`.

use clap::Args;
use clap::builder::BoolishValueParser;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline schema > job.schema.json
  paceline schema --markdown > reference.md                  every key, to read

Put `#:schema job.schema.json` on the first line of a job file: editors with Taplo or Tombi then \
complete and check it.";

/// Arguments of `schema`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SchemaArgs {
    /// Prints the reference of the language instead, as Markdown
    #[arg(long, env = "PACELINE_MARKDOWN", value_parser = BoolishValueParser::new())]
    pub markdown: bool,
}
