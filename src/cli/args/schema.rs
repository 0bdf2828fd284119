//! Arguments of `schema`.

use clap::Args;
use clap::builder::BoolishValueParser;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline schema > job.schema.json
  paceline schema events > event.schema.json                 the lines of run --events
  paceline schema --markdown > reference.md                  every key, to read

Put `#:schema job.schema.json` on the first line of a job file: editors with Taplo or Tombi then \
complete and check it.";

/// What there is a schema of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Described {
    /// Job files
    #[default]
    Job,
    /// The lines that `run --events` writes
    Events,
}

/// Arguments of `schema`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, value_name = "WHAT", default_value_t = Described::Job)]
    pub of: Described,
    /// Prints the reference of the language instead, as Markdown
    #[arg(long, env = "PACELINE_MARKDOWN", value_parser = BoolishValueParser::new())]
    pub markdown: bool,
}
