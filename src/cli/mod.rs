//! The command line: one file per command. Uses the public API alone and is the only room that prints.
//!
//! [`args`] says what may be typed, [`exit`] with which number the program leaves, [`mod@print`] is the one
//! door to standard output and standard error.

pub mod args;
mod check;
mod completions;
mod demo;
mod events;
pub mod exit;
mod explain;
mod failed;
mod fmt;
mod init;
mod keys;
mod kinds;
mod load;
mod logging;
mod man;
mod migrate;
mod next;
mod online;
mod otlp;
mod plan;
pub mod print;
mod report;
mod reports;
mod rewrite;
mod run;
mod runs;
mod schema;
mod terminal;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{FromArgMatches, ValueEnum};

use self::args::{Cli, Command, Described};
use self::exit::Exit;
use self::print::{Color, Printer};
use crate::environment;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut print = Printer::new(early_color(&arguments));
    let exit = match parse(&arguments) {
        Ok(cli) => dispatch(&cli.command, &arguments, &mut print),
        Err(error) => refuse(&error, &mut print),
    };
    print.end(exit).into()
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = args::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    match conflict(&cli.command) {
        Some((one, other)) => {
            let message = format!("the argument '{one}' cannot be used with '{other}'");
            Err(command.error(ErrorKind::ArgumentConflict, message))
        }
        None => Ok(cli),
    }
}

/// Flags that can't stand together. Looked at by value and not by clap, to which a flag that the environment
/// sets to `0` is given as well.
fn conflict(command: &Command) -> Option<(&'static str, &'static str)> {
    let speech = match command {
        // A file may have what standard error does not say.
        Command::Run(args) if args.log.log_file.is_some() => None,
        Command::Run(args) => Some(args.speech),
        Command::Check(args) => Some(args.speech),
        Command::Plan(args) => Some(args.speech),
        Command::Failed(args) => Some(args.speech),
        Command::Runs(args) => Some(args.speech),
        Command::Report(args) => Some(args.speech),
        Command::Fmt(args) => Some(args.speech),
        Command::Migrate(args) => Some(args.speech),
        Command::Schema(_) | Command::Kinds(_) | Command::Explain(_) | Command::Demo(_) => None,
        Command::Completions(_) | Command::Man(_) | Command::Init(_) => None,
    };
    if speech.is_some_and(|speech| speech.quiet && speech.verbose > 0) {
        return Some(("--quiet", "--verbose"));
    }
    match command {
        Command::Run(args) if args.fresh && args.failed => Some(("--fresh", "--failed")),
        Command::Run(args) if args.failed && args.file.limit.is_some() => Some(("--failed", "--limit <N>")),
        Command::Plan(args) if args.diff && args.curl => Some(("--diff", "--curl")),
        Command::Schema(args) if args.markdown && args.of == Described::Events => Some(("events", "--markdown")),
        _ => None,
    }
}

fn dispatch(command: &Command, arguments: &[OsString], print: &mut Printer) -> Exit {
    if let Some(color) = color(command) {
        print.set_color(color);
    }
    match command {
        Command::Run(args) => run::run(args, &program(arguments), print),
        Command::Check(args) => check::check(args, print),
        Command::Plan(args) => plan::plan(args, print),
        Command::Failed(args) => failed::failed(args, print),
        Command::Runs(args) => runs::runs(args, &program(arguments), print),
        Command::Report(args) => report::report(args, print),
        Command::Fmt(args) => fmt::fmt(args, print),
        Command::Migrate(args) => migrate::migrate(args, print),
        Command::Init(args) => init::init(args, print),
        Command::Schema(args) => schema::schema(*args, print),
        Command::Kinds(args) => kinds::kinds(*args, print),
        Command::Explain(args) => explain::explain(args, print),
        Command::Demo(args) => demo::demo(*args, print),
        Command::Completions(args) => completions::completions(*args, print),
        Command::Man(args) => man::man(args, print),
    }
}

/// The colour that a command is given; `None`: its output never has any.
fn color(command: &Command) -> Option<Color> {
    match command {
        Command::Run(args) => Some(args.speech.color),
        Command::Check(args) => Some(args.speech.color),
        Command::Plan(args) => Some(args.speech.color),
        Command::Failed(args) => Some(args.speech.color),
        Command::Runs(args) => Some(args.speech.color),
        Command::Report(args) => Some(args.speech.color),
        Command::Fmt(args) => Some(args.speech.color),
        Command::Migrate(args) => Some(args.speech.color),
        Command::Init(args) => Some(args.speech.color),
        Command::Kinds(args) => Some(args.speech.color),
        Command::Explain(args) => Some(args.speech.color),
        Command::Demo(args) => Some(args.speech.color),
        Command::Schema(_) | Command::Completions(_) | Command::Man(_) => None,
    }
}

/// How the program was called, for commands that it prints.
fn program(arguments: &[OsString]) -> String {
    arguments.first().map_or_else(|| "paceline".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Help and version go to standard output and are fine; anything else is bad usage.
fn refuse(error: &clap::Error, print: &mut Printer) -> Exit {
    let text = error.render();
    if error.use_stderr() {
        let text = if print.color_err() { text.ansi().to_string() } else { text.to_string() };
        print.err(&text);
        return Exit::Usage;
    }
    let text = if print.color_out() { text.ansi().to_string() } else { text.to_string() };
    print.out(&text);
    Exit::Fine
}

/// `--color` as far as it can be seen before the arguments are parsed: their errors have colour too.
fn early_color(arguments: &[OsString]) -> Color {
    let mut words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let mut found = environment::variable("PACELINE_COLOR");
    while let Some(word) = words.next() {
        if word == "--color" {
            found = words.next().map(str::to_owned);
        } else if let Some(value) = word.strip_prefix("--color=") {
            found = Some(value.to_owned());
        }
    }
    found.and_then(|value| Color::from_str(&value, false).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn flags_that_can_not_stand_together_are_bad_usage() {
        let refused =
            |flags: &str| parse(&words(&format!("paceline run job.toml {flags}"))).err().map(|error| error.kind());
        for flags in ["--fresh --failed", "-q -v", "--failed --limit 3"] {
            assert_eq!(refused(flags), Some(ErrorKind::ArgumentConflict), "{flags}");
        }
        assert_eq!(refused("--fresh --limit 3 -q"), None);
        assert_eq!(refused("-q -vv --log-file run.log"), None);
    }

    #[test]
    fn the_colour_is_seen_before_anything_else() {
        assert_eq!(early_color(&words("paceline run --color never --nonsense")), Color::Never);
        assert_eq!(early_color(&words("paceline run --color=always")), Color::Always);
        assert_eq!(early_color(&words("paceline run --color=purple")), Color::Auto);
    }

    #[test]
    fn a_colour_that_is_given_is_taken_by_every_command_that_has_one() {
        for line in [
            "run x",
            "check x",
            "plan x",
            "failed x",
            "runs",
            "fmt x",
            "migrate x",
            "init x",
            "kinds",
            "explain",
            "demo",
        ] {
            let cli = parse(&words(&format!("paceline {line} --color never"))).unwrap();
            assert_eq!(color(&cli.command), Some(Color::Never), "{line}");
        }
        for line in ["schema", "completions bash", "man"] {
            assert!(parse(&words(&format!("paceline {line} --color never"))).is_err(), "{line}");
        }
    }

    #[test]
    fn a_job_is_needed() {
        assert!(parse(&words("paceline run")).is_err());
        assert!(parse(&words("paceline check")).is_err());
        assert!(matches!(parse(&words("paceline run x.toml")), Ok(Cli { command: Command::Run(_) })));
    }
}
