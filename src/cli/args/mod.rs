//! The arguments: every command and flag, and the help that explains them. A file
//! for each command and one for the flags that several have. Decides nothing.
//!
//! Every flag has a twin in the environment, `PACELINE_` and its name; the flag wins.

mod check;
mod completions;
mod demo;
mod explain;
mod failed;
mod fmt;
mod init;
mod kinds;
mod man;
mod migrate;
mod plan;
mod report;
mod run;
mod runs;
mod schema;
mod shared;

use clap::{CommandFactory, Parser, Subcommand};

use super::exit;

pub use check::{CheckArgs, Online};
pub use completions::CompletionsArgs;
pub use demo::DemoArgs;
pub use explain::ExplainArgs;
pub use failed::FailedArgs;
pub use fmt::FmtArgs;
pub use init::InitArgs;
pub use kinds::KindsArgs;
pub use man::ManArgs;
pub use migrate::MigrateArgs;
pub use plan::{PlanArgs, ROWS};
pub use report::ReportArgs;
pub use run::{Choice, LogArgs, RunArgs, WatchArgs};
pub use runs::RunsArgs;
pub use schema::{Described, SchemaArgs};
pub use shared::{JobArgs, OutputArgs, TextArgs};

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

Every flag can be set as PACELINE_NAME in the environment; PACELINE_VAR_NAME sets one variable of \
[vars]. `paceline help COMMAND` says more about a command.";

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
    #[command(after_help = format!("{}\n\n{}", run::EXAMPLES, exit::HELP))]
    Run(RunArgs),
    /// Checks job files without sending anything
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Shows what a run would do without sending anything
    #[command(after_help = plan::EXAMPLES)]
    Plan(PlanArgs),
    /// Prints the rows that failed in the latest run of a job, as CSV
    #[command(after_help = failed::EXAMPLES)]
    Failed(FailedArgs),
    /// Lists the latest run of a job and those before it
    #[command(after_help = runs::EXAMPLES)]
    Runs(RunsArgs),
    /// Makes an HTML report of a run, or sets two runs side by side
    #[command(after_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Formats job files, comments and all
    #[command(after_help = fmt::EXAMPLES)]
    Fmt(FmtArgs),
    /// Brings job files to the present version of the language
    #[command(after_help = migrate::EXAMPLES)]
    Migrate(MigrateArgs),
    /// Writes a new job: from nothing, a curl command, an OpenAPI document or a CSV file
    #[command(after_help = init::EXAMPLES)]
    Init(InitArgs),
    /// Prints the JSON Schema of job files, or of the events of a run
    #[command(after_help = schema::EXAMPLES)]
    Schema(SchemaArgs),
    /// Lists the kinds of inputs, auth, columns and sinks
    Kinds(KindsArgs),
    /// Explains an error or warning by its code
    #[command(after_help = explain::EXAMPLES)]
    Explain(ExplainArgs),
    /// Runs the demo API behind `demo:` URLs alone
    #[command(after_help = demo::EXAMPLES)]
    Demo(DemoArgs),
    /// Prints a completion script for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(CompletionsArgs),
    /// Prints the manual page, or writes those of all commands
    #[command(after_help = man::EXAMPLES)]
    Man(ManArgs),
}

/// The command line as clap knows it; values of the environment are kept out of the help.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_arguments_is_sound() {
        command().debug_assert();
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

    /// A line that is broken by hand is broken again where a terminal is narrower.
    #[test]
    fn paragraphs_of_the_help_are_one_line_each() {
        let told = |command: &clap::Command| {
            let helps = [command.get_after_help(), command.get_after_long_help(), command.get_long_about()];
            helps.into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>()
        };
        let command = command();
        let texts: Vec<String> = command.get_subcommands().chain([&command]).flat_map(told).collect();
        assert!(texts.len() > 12, "only {} texts", texts.len());
        for text in texts {
            let lines: Vec<&str> = text.lines().collect();
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
            let broken = lines.windows(2).find(|pair| is_prose(pair[0]) && is_prose(pair[1]));
            assert_eq!(broken, None, "{text}");
        }
    }

    #[test]
    fn a_limit_of_no_rows_is_refused() {
        let parse = |limit| Cli::try_parse_from(["paceline", "run", "job.toml", "--limit", limit]);
        assert!(parse("0").is_err());
        assert!(parse("1").is_ok());
    }
}
