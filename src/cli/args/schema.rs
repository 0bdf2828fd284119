//! Arguments of `schema`: it has none.

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline schema > job.schema.json

Put `#:schema job.schema.json` on the first line of a job file: editors with Taplo or Tombi then
complete and check it.";
