//! Flags that several commands have.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::super::print::Color;
use crate::compile::Options;
use crate::diagnostic::Format;
use crate::document::Overlays;
use crate::environment;

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
    /// Reads variables (NAME=value lines) that the environment does not have; may be given several times
    #[arg(long, value_name = "FILE", env = "PACELINE_ENV_FILE")]
    pub env_file: Vec<PathBuf>,
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
        let said = |name: &str| environment::variable(name);
        let var = self.var.first().map(|(name, value)| format!("{name}={value}"));
        Overlays {
            profile: self.profile.clone(),
            set: self.set.clone(),
            set_from_environment: self.set.len() == 1 && said("PACELINE_SET").as_ref() == self.set.first(),
            vars: self.var.clone(),
            vars_from_environment: self.var.len() == 1 && said("PACELINE_VAR") == var,
            env_files: self.env_file.clone(),
        }
    }

    /// What compilation needs to know.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { row_limit: self.limit, state: self.state.clone() }
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

/// Flags that say how a command speaks that has one thing to say.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct TextArgs {
    /// How results and errors are written
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_OUTPUT", default_value_t = Format::Human)]
    pub output: Format,
    /// When to use colour; NO_COLOR and CLICOLOR_FORCE are obeyed
    #[arg(long, value_enum, value_name = "WHEN", env = "PACELINE_COLOR", default_value_t = Color::Auto)]
    pub color: Color,
    /// Shows errors and results alone
    #[arg(short, long, env = "PACELINE_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,
}

/// How much `PACELINE_VERBOSE` asks for: a number, or yes and no.
fn verbosity(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "false" | "no" | "n" | "off" | "f" => Ok(0),
        "true" | "yes" | "y" | "on" | "t" => Ok(1),
        number => number.parse().map_err(|_| "write 0, 1 or 2, or true".to_owned()),
    }
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
    fn a_variable_is_cut_at_its_first_equals_sign() {
        assert_eq!(variable("base=http://h/?a=b"), Ok(("base".into(), "http://h/?a=b".into())));
        assert_eq!(variable("empty="), Ok(("empty".into(), String::new())));
        assert!(variable("=x").is_err());
        assert!(variable("x").is_err());
    }
}
