//! Arguments of `init`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::TextArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline init                                     asks, on a terminal; else a job against the demo API
  paceline init prices.toml --url 'https://api.example.com/products/{{ row.sku }}' --input products.csv
  paceline init prices.toml --from-csv products.csv
  paceline init ping.toml --from-curl 'curl https://api.example.com/ping -H \"Authorization: Bearer $TOKEN\"'
  pbpaste | paceline init --from-curl -
  paceline init pets.toml --from-openapi openapi.yaml --operation getPetById
  paceline init pets.toml --from-openapi openapi.yaml --operation 'GET /pets/{petId}'

Secrets in a command (tokens, passwords, cookies) become names of environment variables; their values \
are written nowhere. A file that is there is left alone unless --force is given.";

/// Arguments of `init`.
#[derive(Debug, Clone, Default, Args)]
pub struct InitArgs {
    /// The job file to write
    #[arg(value_name = "FILE", default_value = "job.toml")]
    pub job: PathBuf,
    /// Name of the job [default: the file's stem]
    #[arg(long, value_name = "NAME", env = "PACELINE_NAME")]
    pub name: Option<String>,
    /// URL to ask, a template over the columns of the input
    #[arg(long, value_name = "URL", env = "PACELINE_URL")]
    pub url: Option<String>,
    /// HTTP method
    #[arg(long, value_name = "METHOD", env = "PACELINE_METHOD")]
    pub method: Option<String>,
    /// File that rows come from, relative to the job
    #[arg(long, value_name = "FILE", env = "PACELINE_INPUT")]
    pub input: Option<String>,
    /// File that records go to, relative to the job [default: out/records.csv]
    #[arg(long, value_name = "FILE", env = "PACELINE_SINK")]
    pub sink: Option<String>,
    /// How fast requests may leave, such as 10/s
    #[arg(long, value_name = "RATE", env = "PACELINE_RATE")]
    pub rate: Option<String>,
    /// Sends what this curl command sends; - reads it from standard input
    #[arg(long, value_name = "COMMAND", env = "PACELINE_FROM_CURL", allow_hyphen_values = true)]
    pub from_curl: Option<String>,
    /// Asks an operation of this OpenAPI document (3.0, 3.1, Swagger 2.0; JSON or YAML); - reads it from standard input
    #[arg(long, value_name = "FILE", env = "PACELINE_FROM_OPENAPI", conflicts_with = "from_curl")]
    pub from_openapi: Option<PathBuf>,
    /// The operation, by its id or as 'METHOD /path'; without it those that there are are listed
    #[arg(long, value_name = "OPERATION", env = "PACELINE_OPERATION")]
    pub operation: Option<String>,
    /// Takes rows from this CSV file and names its columns
    #[arg(long, value_name = "FILE", env = "PACELINE_FROM_CSV")]
    pub from_csv: Option<PathBuf>,
    /// Writes over a file that is there
    #[arg(long, env = "PACELINE_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: TextArgs,
}

impl InitArgs {
    /// Whether anything says what the job is to do.
    #[must_use]
    pub fn says_what(&self) -> bool {
        let texts = [&self.url, &self.method, &self.input, &self.sink, &self.rate, &self.from_curl, &self.name];
        self.from_csv.is_some() || self.from_openapi.is_some() || texts.iter().any(|text| text.is_some())
    }
}
