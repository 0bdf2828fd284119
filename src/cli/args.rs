//! The arguments: every command and flag, and the help that explains them. Decides nothing.
//!
//! Every flag has a twin in the environment, `PACELINE_` and its name; the flag wins.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::exit;
use super::print::Color;
use crate::compile::Options;
use crate::diagnostic::Format;
use crate::document::Overlays;
use crate::run::RunOptions;

const ABOUT: &str = "Runs batches of HTTP requests that a job file declares";

const LONG_ABOUT: &str = "\
Runs batches of HTTP requests that a job file declares.

A job file (TOML) says where rows come from, which request each of them becomes, how fast requests \
may leave, what is tried again, and where the records go. A run that was cut off, however, goes on \
where it stopped when it is started again.";

const EXAMPLES: &str = "\
Examples:
  paceline check jobs/prices.toml      is the job file right?
  paceline plan jobs/prices.toml       what would be sent, how fast, and where to?
  paceline run jobs/prices.toml        send it; again after a stop, to go on
  paceline demo                        an API to play with

Every flag can be set as PACELINE_NAME in the environment; PACELINE_VAR_NAME sets one variable of
[vars]. `paceline help COMMAND` says more about a command.";

const RUN_EXAMPLES: &str = "\
Examples:
  paceline run jobs/prices.toml
  paceline run jobs/prices.toml --limit 10                    the first ten rows
  paceline run jobs/prices.toml --profile ci --var base=demo:
  paceline run jobs/prices.toml --set retry.attempts=2
  paceline run jobs/prices.toml --failed                      again what failed

The first Ctrl-C ends what is in flight and prints the command that goes on; the second gives up what
is in flight; the third leaves at once. Whichever it was, `run` goes on from the last commit.";

const CHECK_EXAMPLES: &str = "\
Examples:
  paceline check jobs/*.toml
  paceline check jobs/prices.toml --output github             annotations in a pull request

Everything that is wrong is shown, not only the first. Exit code 2 when a file has an error; warnings
alone leave 0.";

const PLAN_EXAMPLES: &str = "\
Examples:
  paceline plan jobs/prices.toml
  paceline plan jobs/prices.toml --rows 10
  paceline plan jobs/prices.toml --output json | jq '.endpoints[].requests'

Nothing is sent and no secret is read: secrets show as ***.";

const FAILED_EXAMPLES: &str = "\
Examples:
  paceline failed jobs/prices.toml > failed.csv               then input = \"failed.csv\" in another job
  paceline failed jobs/prices.toml --endpoint price
  paceline failed jobs/prices.toml --reasons | column -ts,

Rows stand as they were in the input, in its order and under its columns, as CSV with commas, whatever --output
says. CSV has no types: of an input that has them (JSON, Parquet, a database) numbers come back as text, null as
nothing, and a list or an object as its JSON. Rows that bring columns of their own have the columns of all of them.
A row of the input that could not be read is in --reasons alone: fed back it would be another row.

The input is read again, and must be as it was. --reasons says after how many attempts a row failed, of which kind
and why; the kind `unknown` means that the run was cut off while its request was on the wire.";

const RUNS_EXAMPLES: &str = "\
Examples:
  paceline runs jobs/prices.toml
  paceline runs                                               all jobs of the state folder ./.paceline
  paceline runs jobs/prices.toml --output json | jq '.jobs[].runs[].rows'

The latest run is `complete` or `resumable`; one that was left for a new run before its end is `stopped`. The 20
runs before it are kept for 90 days.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  paceline schema > job.schema.json

Put `#:schema job.schema.json` on the first line of a job file: editors with Taplo or Tombi then
complete and check it.";

const DEMO_EXAMPLES: &str = "\
Examples:
  paceline demo --port 8080
  curl http://127.0.0.1:8080/items/7

Job files reach it without this command: a url that begins with `demo:` starts it for the run.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  paceline completions bash > ~/.local/share/bash-completion/completions/paceline
  paceline completions zsh  > ~/.zfunc/_paceline
  paceline completions fish > ~/.config/fish/completions/paceline.fish";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "paceline", version, about = ABOUT, long_about = LONG_ABOUT, propagate_version = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a job, or goes on with it
    #[command(after_help = format!("{RUN_EXAMPLES}\n\n{}", exit::HELP))]
    Run(RunArgs),
    /// Checks job files without sending anything
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Shows what a run would do without sending anything
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Prints the rows that failed in the latest run of a job, as CSV
    #[command(after_help = FAILED_EXAMPLES)]
    Failed(FailedArgs),
    /// Lists the latest run of a job and those before it
    #[command(after_help = RUNS_EXAMPLES)]
    Runs(RunsArgs),
    /// Prints the JSON Schema of job files
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Lists the kinds of inputs, auth, columns and sinks
    Kinds(KindsArgs),
    /// Runs the demo API behind `demo:` URLs alone
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Prints a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

/// Flags that say how the job file is to be read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Job")]
pub struct JobArgs {
    /// Sets a variable of `vars`; may be given several times
    #[arg(long, value_name = "NAME=VALUE", env = "PACELINE_VAR", value_parser = variable)]
    pub var: Vec<(String, String)>,
    /// Lays [profiles.NAME] over the file
    #[arg(long, value_name = "NAME", env = "PACELINE_PROFILE")]
    pub profile: Option<String>,
    /// Overrules a key, such as retry.attempts=2 (the value is TOML); may be given several times
    #[arg(long, value_name = "PATH=VALUE", env = "PACELINE_SET")]
    pub set: Vec<String>,
    /// Takes only the first N rows of each input
    #[arg(long, value_name = "N", env = "PACELINE_LIMIT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Keeps the journal here [default: .paceline/NAME beside the job file]
    #[arg(long, value_name = "DIR", env = "PACELINE_STATE")]
    pub state: Option<PathBuf>,
}

impl JobArgs {
    /// What lies over the file.
    #[must_use]
    pub fn overlays(&self) -> Overlays {
        Overlays { profile: self.profile.clone(), set: self.set.clone() }
    }

    /// What compilation needs to know.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { vars: self.var.clone(), row_limit: self.limit, state: self.state.clone() }
    }
}

/// Flags that say how the program speaks.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How results and errors are written
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_OUTPUT", default_value_t = Format::Human)]
    pub output: Format,
    /// When to use colour; NO_COLOR and CLICOLOR_FORCE are obeyed
    #[arg(long, value_enum, value_name = "WHEN", env = "PACELINE_COLOR", default_value_t = Color::Auto)]
    pub color: Color,
    /// Shows errors and results alone: no progress, no warnings
    #[arg(short, long, env = "PACELINE_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,
    /// Shows batches, retries, waits and failed rows as they happen; -vv every attempt
    #[arg(short, long, env = "PACELINE_VERBOSE", action = clap::ArgAction::Count, value_parser = verbosity)]
    pub verbose: u8,
}

/// How much `PACELINE_VERBOSE` asks for: a number, or yes and no.
fn verbosity(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "false" | "no" | "n" | "off" | "f" => Ok(0),
        "true" | "yes" | "y" | "on" | "t" => Ok(1),
        number => number.parse().map_err(|_| "write 0, 1 or 2, or true".to_owned()),
    }
}

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
    pub speech: OutputArgs,
}

impl RunArgs {
    /// How the run is begun.
    #[must_use]
    pub fn options(&self) -> RunOptions {
        RunOptions { fresh: self.fresh, accept_changes: self.accept_changes, failed_only: self.failed }
    }
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The job files
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The job file
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Renders the requests of the first N rows of each endpoint
    #[arg(long, value_name = "N", env = "PACELINE_ROWS", help_heading = "Output", default_value_t = ROWS)]
    pub rows: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Arguments of `failed`.
#[derive(Debug, Clone, Args)]
pub struct FailedArgs {
    /// The job file
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// The endpoint whose rows are printed; needed where rows of several failed
    #[arg(long, value_name = "NAME", env = "PACELINE_ENDPOINT", help_heading = "Rows")]
    pub endpoint: Option<String>,
    /// Puts the columns endpoint, row, attempts, kind and error in front
    #[arg(long, env = "PACELINE_REASONS", help_heading = "Rows", value_parser = BoolishValueParser::new())]
    pub reasons: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Arguments of `runs`.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// The job file; without one, all jobs of the state folder ./.paceline are listed
    #[arg(value_name = "JOB")]
    pub job: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
}

/// Rendered requests of each endpoint, unless told otherwise.
pub const ROWS: u64 = 3;

/// Arguments of `kinds`.
#[derive(Debug, Clone, Copy, Args)]
pub struct KindsArgs {
    /// How the list is written; github is as human
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_OUTPUT", default_value_t = Format::Human)]
    pub output: Format,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1 to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", env = "PACELINE_PORT", default_value_t = 0)]
    pub port: u16,
    /// Seed of everything that looks random
    #[arg(long, value_name = "N", env = "PACELINE_SEED", default_value_t = 1)]
    pub seed: u64,
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The command line as clap knows it; values of the environment are kept out of the help.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        Some(_) => Err("the name before the = is missing; write it as name=value".to_owned()),
        None => Err("there is no =; write it as name=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_arguments_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_variable_is_cut_at_its_first_equals_sign() {
        assert_eq!(variable("base=http://h/?a=b"), Ok(("base".into(), "http://h/?a=b".into())));
        assert_eq!(variable("empty="), Ok(("empty".into(), String::new())));
        assert!(variable("=x").is_err());
        assert!(variable("x").is_err());
    }

    #[test]
    fn every_flag_has_a_twin_in_the_environment_that_bears_its_name() {
        for command in command().get_subcommands() {
            let flags = command.get_arguments().filter(|arg| !arg.is_positional());
            for arg in flags.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
                let long = arg.get_long().expect("every flag has a long name");
                let twin = format!("PACELINE_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(twin.as_str()), "{}", command.get_name());
                assert!(arg.get_help().is_some(), "--{long} says nothing about itself");
            }
        }
    }

    #[test]
    fn a_limit_of_no_rows_is_refused() {
        let parse = |limit| Cli::try_parse_from(["paceline", "run", "job.toml", "--limit", limit]);
        assert!(parse("0").is_err());
        assert!(parse("1").is_ok());
    }
}
